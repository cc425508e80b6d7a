//! What objects use of a quota.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::local::{json, quantity::Amount};

/// Amounts by the names that quotas limit them under.
pub(super) type Amounts = BTreeMap<String, Amount>;

const CLAIMS: &str = "persistentvolumeclaims";

/// Ends of names that count claims of one storage class.
const OF_CLASS: [(&str, &str); 2] = [
    (
        ".storageclass.storage.k8s.io/requests.storage",
        "requests.storage",
    ),
    (".storageclass.storage.k8s.io/persistentvolumeclaims", CLAIMS),
];

const OF_PODS: [&str; 10] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
];

/// The kind of objects that a limited name is about, as it is stored; none for a name that nothing counts.
pub(super) fn subject(limited: &str) -> Option<&str> {
    if let Some(counted) = limited.strip_prefix("count/") {
        return Some(counted);
    }
    match limited {
        "services" | "services.nodeports" | "services.loadbalancers" => Some("services"),
        "configmaps" | "secrets" | "resourcequotas" | "replicationcontrollers" => Some(limited),
        CLAIMS | "requests.storage" => Some(CLAIMS),
        _ if OF_CLASS.iter().any(|(end, _)| limited.ends_with(end)) => Some(CLAIMS),
        _ if OF_PODS.contains(&limited) || limited.starts_with("hugepages-") => Some("pods"),
        // Huge pages, and resources that vendors name.
        _ => limited
            .strip_prefix("requests.")
            .filter(|r| r.starts_with("hugepages-") || is_extended(r))
            .map(|_| "pods"),
    }
}

fn is_extended(resource: &str) -> bool {
    resource
        .split_once('/')
        .is_some_and(|(domain, _)| !format!(".{domain}").ends_with(".kubernetes.io"))
}

/// What one object uses, under every name that could be limited.
pub(super) fn of(storage: &str, object: &Value) -> Amounts {
    let one = Amount::count(1);
    let mut used: Amounts = [(format!("count/{storage}"), one)].into();
    match storage {
        "configmaps" | "secrets" | "resourcequotas" | "replicationcontrollers" => {
            used.insert(storage.to_owned(), one);
        }
        "services" => service(object, &mut used),
        CLAIMS => claim(object, &mut used),
        // What has ended uses nothing but its place.
        "pods" if !has_ended(object) => pod(object, &mut used),
        _ => {}
    }
    used
}

fn service(object: &Value, used: &mut Amounts) {
    let ports = json::list(object, &["spec", "ports"]);
    let chosen = ports
        .iter()
        .filter(|p| p.get("nodePort").and_then(Value::as_u64).unwrap_or(0) > 0);
    let allocates = json::at(object, &["spec", "allocateLoadBalancerNodePorts"]) != Some(&Value::Bool(false));
    let (node_ports, balancers) = match json::text(object, &["spec", "type"]) {
        "NodePort" => (ports.len(), 0),
        "LoadBalancer" if allocates => (ports.len(), 1),
        "LoadBalancer" => (chosen.count(), 1),
        _ => (0, 0),
    };
    for (name, count) in [
        ("services", 1),
        ("services.nodeports", node_ports),
        ("services.loadbalancers", balancers),
    ] {
        used.insert(name.to_owned(), Amount::count(count));
    }
}

fn claim(object: &Value, used: &mut Amounts) {
    let class = match json::text(object, &["spec", "storageClassName"]) {
        "" => json::meta(object).get("annotations").map_or("", |a| {
            json::text(a, &["volume.beta.kubernetes.io/storage-class"])
        }),
        class => class,
    };
    used.insert(CLAIMS.to_owned(), Amount::count(1));
    if let Some(size) = json::at(object, &["spec", "resources", "requests", "storage"]).and_then(Amount::read)
    {
        used.insert("requests.storage".to_owned(), size);
    }
    for (end, what) in OF_CLASS.iter().filter(|_| !class.is_empty()) {
        if let Some(amount) = used.get(*what).copied() {
            used.insert(format!("{class}{end}"), amount);
        }
    }
}

fn has_ended(pod: &Value) -> bool {
    if ["Failed", "Succeeded"].contains(&json::text(pod, &["status", "phase"])) {
        return true;
    }
    // The time of deletion has the grace period in it, which is granted once more before a pod counts as lost.
    let meta = json::meta(pod);
    let grace = meta.get("deletionGracePeriodSeconds").and_then(Value::as_i64);
    match (meta.get("deletionTimestamp"), grace) {
        (Some(end), Some(grace)) => json::time(Some(end), grace) < json::now(),
        _ => false,
    }
}

fn pod(object: &Value, used: &mut Amounts) {
    let spec = object.get("spec").unwrap_or(&Value::Null);
    used.insert("pods".to_owned(), Amount::count(1));
    used.extend(named(
        &total(spec, "requests", true),
        &total(spec, "limits", true),
    ));
}

/// Requests and limits under the names that quotas limit them under.
pub(super) fn named(requests: &Amounts, limits: &Amounts) -> Amounts {
    let mut named = Amounts::new();
    for (resource, amount) in requests {
        let huge = resource.starts_with("hugepages-");
        let basic = ["cpu", "memory", "ephemeral-storage"].contains(&resource.as_str());
        if basic || huge {
            named.insert(resource.clone(), *amount);
        }
        if basic || huge || is_extended(resource) {
            named.insert(format!("requests.{resource}"), *amount);
        }
    }
    for resource in ["cpu", "memory", "ephemeral-storage"] {
        if let Some(amount) = limits.get(resource) {
            named.insert(format!("limits.{resource}"), *amount);
        }
    }
    named
}

/// The amounts of one container, of its `requests` or its `limits`.
pub(super) fn of_container(container: &Value, which: &str) -> Amounts {
    amounts(json::at(container, &["resources", which]))
}

pub(super) fn amounts(map: Option<&Value>) -> Amounts {
    let map = map.and_then(Value::as_object);
    let read = |(name, amount): (&String, &Value)| Some((name.clone(), Amount::read(amount)?));
    map.into_iter().flat_map(Map::iter).filter_map(read).collect()
}

/// What a pod asks for in all: its containers together, or the largest of those that run before them.
pub(super) fn total(spec: &Value, which: &str, with_overhead: bool) -> Amounts {
    let mut sum = Amounts::new();
    for container in json::list(spec, &["containers"]) {
        add(&mut sum, &of_container(container, which));
    }
    let (mut beside, mut first) = (Amounts::new(), Amounts::new());
    for container in json::list(spec, &["initContainers"]) {
        let own = of_container(container, which);
        let mut now = beside.clone();
        add(&mut now, &own);
        if json::text(container, &["restartPolicy"]) == "Always" {
            // It stays, and runs beside all that come after it.
            add(&mut sum, &own);
            beside.clone_from(&now);
        }
        raise(&mut first, &now);
    }
    raise(&mut sum, &first);
    for (name, amount) in amounts(json::at(spec, &["resources", which])) {
        if ["cpu", "memory"].contains(&name.as_str()) || name.starts_with("hugepages-") {
            sum.insert(name, amount);
        }
    }
    if with_overhead {
        let mut overhead = amounts(spec.get("overhead"));
        overhead.retain(|name, _| which == "requests" || sum.contains_key(name));
        add(&mut sum, &overhead);
    }
    sum
}

fn add(sum: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        let entry = sum.entry(name.clone()).or_insert(Amount::ZERO);
        *entry = entry.plus(*amount);
    }
}

fn raise(most: &mut Amounts, others: &Amounts) {
    for (name, amount) in others {
        let entry = most.entry(name.clone()).or_insert(*amount);
        *entry = (*entry).max(*amount);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn texts(amounts: &Amounts) -> Vec<String> {
        amounts.iter().map(|(n, a)| format!("{n}={a}")).collect()
    }

    #[test]
    fn a_pod_asks_for_its_containers_or_for_the_largest_before_them() {
        let with = |cpu: &str| json!({"resources": {"requests": {"cpu": cpu}}});
        let mut stays = with("100m");
        stays["restartPolicy"] = "Always".into();
        let spec = json!({"containers": [with("200m"), with("300m")], "initContainers": [with("1")]});
        assert_eq!(texts(&total(&spec, "requests", true)), ["cpu=1"]);
        let spec = json!({
            "containers": [with("200m"), with("300m")], "initContainers": [stays, with("100m")],
            "overhead": {"cpu": "50m"},
        });
        assert_eq!(texts(&total(&spec, "requests", true)), ["cpu=650m"]);
        assert_eq!(texts(&total(&spec, "requests", false)), ["cpu=600m"]);
    }

    #[test]
    fn every_limited_name_is_about_one_kind() {
        for (limited, storage) in [
            ("count/widgets.example.io", Some("widgets.example.io")),
            ("services.nodeports", Some("services")),
            ("limits.memory", Some("pods")),
            ("requests.example.io/gpu", Some("pods")),
            ("hugepages-2Mi", Some("pods")),
            (
                "gold.storageclass.storage.k8s.io/requests.storage",
                Some("persistentvolumeclaims"),
            ),
            ("requests.color", None),
            ("deployments", None),
        ] {
            assert_eq!(subject(limited), storage, "{limited}");
        }
    }
}
