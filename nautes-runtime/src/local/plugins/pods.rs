//! What quotas and schedulers see in pods: scopes, classes of service, tolerations.

use serde_json::{Value, json};

use super::usage;
use crate::local::{json, quantity::Amount};

/// How long a pod stays on a node that is lost, in seconds.
const PATIENCE: u64 = 300;

/// True where a pod ends by itself at some time.
pub(super) fn has_deadline(pod: &Value) -> bool {
    let seconds = json::at(pod, &["spec", "activeDeadlineSeconds"]).and_then(Value::as_i64);
    seconds.is_some_and(|s| s >= 0)
}

/// True where no container asks for processors or memory.
fn is_best_effort(pod: &Value) -> bool {
    quality(pod.get("spec").unwrap_or(&Value::Null)) == "BestEffort"
}

/// The class of service that a pod has asked for.
pub(crate) fn quality(spec: &Value) -> &'static str {
    const COUNTED: [&str; 2] = ["cpu", "memory"];
    let as_a_whole =
        json::at(spec, &["resources"]).is_some_and(|r| !usage::amounts(r.get("requests")).is_empty());
    let own = json!([spec]);
    let asking: Vec<&Value> = if as_a_whole {
        own.as_array().into_iter().flatten().collect()
    } else {
        ["containers", "initContainers"]
            .iter()
            .flat_map(|list| json::list(spec, &[list]))
            .collect()
    };
    let asked = |container: &Value, which: &str| {
        let mut amounts = usage::of_container(container, which);
        amounts.retain(|name, amount| COUNTED.contains(&name.as_str()) && *amount > Amount::ZERO);
        amounts
    };
    let nothing = |c: &&Value| asked(c, "requests").is_empty() && asked(c, "limits").is_empty();
    if asking.iter().all(nothing) {
        return "BestEffort";
    }
    let guaranteed = |c: &&Value| {
        let (requests, limits) = (asked(c, "requests"), asked(c, "limits"));
        limits.len() == COUNTED.len() && requests == limits
    };
    if asking.iter().all(guaranteed) {
        "Guaranteed"
    } else {
        "Burstable"
    }
}

/// Whether a pod is in a scope of quotas.
pub(super) fn in_scope(pod: &Value, wanted: &Value) -> bool {
    match json::text(wanted, &["scopeName"]) {
        "Terminating" => has_deadline(pod),
        "NotTerminating" => !has_deadline(pod),
        "BestEffort" => is_best_effort(pod),
        "NotBestEffort" => !is_best_effort(pod),
        "PriorityClass" => selects(wanted, json::text(pod, &["spec", "priorityClassName"])),
        "CrossNamespacePodAffinity" => reaches_out(pod),
        _ => false,
    }
}

/// Whether a requirement of a scope selector holds for a class, empty where there is none.
pub(super) fn selects(wanted: &Value, class: &str) -> bool {
    let named = json::texts(wanted, &["values"]).contains(&class);
    match json::text(wanted, &["operator"]) {
        "Exists" => !class.is_empty(),
        "DoesNotExist" => class.is_empty(),
        "In" => !class.is_empty() && named,
        "NotIn" => class.is_empty() || !named,
        _ => false,
    }
}

/// True where a pod wants to be near to, or far from, pods of other namespaces.
fn reaches_out(pod: &Value) -> bool {
    const KINDS: [&str; 2] = ["podAffinity", "podAntiAffinity"];
    let terms = KINDS.iter().flat_map(|kind| {
        let of = |field| json::list(pod, &["spec", "affinity", kind, field]).iter();
        let weighted = of("preferredDuringSchedulingIgnoredDuringExecution");
        of("requiredDuringSchedulingIgnoredDuringExecution")
            .chain(weighted.filter_map(|w| w.get("podAffinityTerm")))
    });
    terms
        .into_iter()
        .any(|t| !json::list(t, &["namespaces"]).is_empty() || t.get("namespaceSelector").is_some())
}

/// Lets a pod stay for a while on a node that is lost, unless it says how long itself.
pub(super) fn tolerate(pod: &mut Value) {
    let given = json::list(pod, &["spec", "tolerations"]).to_vec();
    let added: Vec<Value> = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]
        .into_iter()
        .filter(|taint| {
            !given.iter().any(|t| {
                ["", taint].contains(&json::text(t, &["key"]))
                    && ["", "NoExecute"].contains(&json::text(t, &["effect"]))
            })
        })
        .map(|taint| {
            json!({"key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": PATIENCE})
        })
        .collect();
    if !added.is_empty() {
        let all: Vec<Value> = given.into_iter().chain(added).collect();
        json::path_mut(pod, &["spec"]).insert("tolerations".to_owned(), all.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_of_service_is_that_of_all_containers() {
        let with =
            |requests: Value, limits: Value| json!({"resources": {"requests": requests, "limits": limits}});
        let (none, cpu) = (json!({}), json!({"cpu": "1"}));
        let both = json!({"cpu": "1", "memory": "1Gi"});
        for (containers, class) in [
            (vec![with(none.clone(), none.clone())], "BestEffort"),
            (vec![with(cpu.clone(), none.clone())], "Burstable"),
            (vec![with(cpu.clone(), cpu)], "Burstable"),
            (vec![with(both.clone(), both.clone())], "Guaranteed"),
            (
                vec![with(both.clone(), both), with(none.clone(), none)],
                "Burstable",
            ),
        ] {
            assert_eq!(quality(&json!({"containers": containers})), class);
        }
    }
}
