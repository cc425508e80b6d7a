//! What is wrong with objects of built-in kinds.

use serde_json::{Map, Value, json};

use super::limits;
use crate::local::{crd, json, kinds::ResourceType, names, status::Cause};

/// What is wrong with an object of a built-in kind, beyond its schema.
pub(crate) fn causes(object: &Value, old: Option<&Value>, kind: &ResourceType) -> Vec<Cause> {
    let mut causes = Vec::new();
    match (kind.group.as_str(), kind.plural.as_str()) {
        ("", "configmaps") => {
            for field in ["data", "binaryData"] {
                data_keys(object, field, &mut causes);
            }
            frozen(object, old, &["data", "binaryData"], &mut causes);
        }
        ("", "secrets") => {
            data_keys(object, "data", &mut causes);
            frozen(object, old, &["data"], &mut causes);
            unchanged(object, old, &["type"], &mut causes);
            secret_data(object, &mut causes);
        }
        ("", "services") => service_causes(object, old, &mut causes),
        ("", "pods") => pod_causes(object.get("spec"), "spec", &mut causes),
        ("", "resourcequotas") => limits::quota_causes(object, old, &mut causes),
        ("", "limitranges") => limits::range_causes(object, &mut causes),
        ("", "replicationcontrollers") => controller_causes(object, &mut causes),
        ("", "persistentvolumes") => volume_causes(object, &mut causes),
        ("autoscaling", "horizontalpodautoscalers") => autoscaler_causes(object, &mut causes),
        ("apps", plural) => workload_causes(object, old, plural, &mut causes),
        ("batch", "jobs") => job_causes(object, "spec", &mut causes),
        ("batch", "cronjobs") => {
            job_causes(object, "spec.jobTemplate.spec", &mut causes);
            schedule_causes(json::text(object, &["spec", "schedule"]), &mut causes);
        }
        ("networking.k8s.io", "ingresses") => {
            let given = |field| json::at(object, &["spec", field]).is_some();
            if !given("defaultBackend") && !given("rules") {
                let detail = "either `defaultBackend` or `rules` must be specified";
                causes.push(Cause::invalid("spec", &Value::Null, detail));
            }
        }
        ("policy", "poddisruptionbudgets") => budget_causes(object, &mut causes),
        ("coordination.k8s.io", "leases") => {
            let seconds = json::at(object, &["spec", "leaseDurationSeconds"]);
            if let Some(seconds) = seconds.filter(|s| s.as_i64().is_some_and(|s| s <= 0)) {
                causes.push(Cause::invalid(
                    "spec.leaseDurationSeconds",
                    seconds,
                    "must be greater than 0",
                ));
            }
            let moves = json::at(object, &["spec", "leaseTransitions"]);
            if let Some(moves) = moves.filter(|m| m.as_i64().is_some_and(|m| m < 0)) {
                let detail = "must be greater than or equal to 0";
                causes.push(Cause::invalid("spec.leaseTransitions", moves, detail));
            }
        }
        ("scheduling.k8s.io", "priorityclasses") => priority_causes(object, old, &mut causes),
        ("", "events") => {
            let of = json::text(object, &["involvedObject", "namespace"]);
            if of != json::namespace(object) {
                let detail = "does not match event.namespace";
                causes.push(Cause::invalid(
                    "involvedObject.namespace",
                    &Value::from(of),
                    detail,
                ));
            }
        }
        ("rbac.authorization.k8s.io", "roles" | "clusterroles") => role_causes(object, &mut causes),
        ("rbac.authorization.k8s.io", _) => binding_causes(object, old, &mut causes),
        ("admissionregistration.k8s.io", _) => super::webhooks::causes(object, &mut causes),
        (crd::GROUP, crd::PLURAL) => causes = crd::causes(object, old),
        _ => {}
    }
    causes
}

fn data_keys(object: &Value, field: &str, causes: &mut Vec<Cause>) {
    for key in object
        .get(field)
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(k, _)| k)
    {
        let word = !key.is_empty()
            && key.len() <= 253
            && key
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if !word || key == "." || key == ".." {
            let detail = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. \
                          'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
            causes.push(Cause::invalid(
                format!("{field}[{key}]"),
                &Value::from(key.as_str()),
                detail,
            ));
        }
    }
}

fn secret_data(object: &Value, causes: &mut Vec<Cause>) {
    let wanted: &[&str] = match json::text(object, &["type"]) {
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        _ => &[],
    };
    for key in wanted.iter().filter(|k| json::at(object, &["data", k]).is_none()) {
        causes.push(Cause::required(format!("data[{key}]"), ""));
    }
}

fn frozen(object: &Value, old: Option<&Value>, fields: &[&str], causes: &mut Vec<Cause>) {
    let Some(old) = old.filter(|o| o.get("immutable") == Some(&Value::Bool(true))) else {
        return;
    };
    if object.get("immutable") != Some(&Value::Bool(true)) {
        causes.push(Cause::forbidden(
            "immutable",
            "field is immutable when `immutable` is set",
        ));
    }
    for field in fields.iter().filter(|f| object.get(**f) != old.get(**f)) {
        causes.push(Cause::forbidden(
            *field,
            "field is immutable when `immutable` is set",
        ));
    }
}

fn unchanged(object: &Value, old: Option<&Value>, path: &[&str], causes: &mut Vec<Cause>) {
    let Some(old) = old else {
        return;
    };
    if json::at(object, path) != json::at(old, path) {
        let value = json::at(object, path).cloned().unwrap_or_default();
        causes.push(Cause::invalid(path.join("."), &value, "field is immutable"));
    }
}

fn job_causes(object: &Value, at: &str, causes: &mut Vec<Cause>) {
    let path: Vec<&str> = at.split('.').chain(["template", "spec"]).collect();
    let pod = json::at(object, &path);
    let at = path.join(".");
    pod_causes(pod, &at, causes);
    if pod.is_some_and(|p| !["Never", "OnFailure"].contains(&json::text(p, &["restartPolicy"]))) {
        let detail = "valid values: \"OnFailure\", \"Never\"";
        causes.push(Cause::required(format!("{at}.restartPolicy"), detail));
    }
}

fn schedule_causes(schedule: &str, causes: &mut Vec<Cause>) {
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    if schedule.is_empty() {
        causes.push(Cause::required("spec.schedule", ""));
    } else if fields.len() != 5 && !schedule.starts_with('@') {
        let detail = format!(
            "expected exactly 5 fields, found {}: [{}]",
            fields.len(),
            fields.join(" ")
        );
        causes.push(Cause::invalid("spec.schedule", &Value::from(schedule), detail));
    }
}

fn budget_causes(object: &Value, causes: &mut Vec<Cause>) {
    let of = |field| json::at(object, &["spec", field]).cloned().unwrap_or_default();
    let (least, most) = (of("minAvailable"), of("maxUnavailable"));
    amount_causes(&least, "spec.minAvailable", causes);
    amount_causes(&most, "spec.maxUnavailable", causes);
    if !least.is_null() && !most.is_null() {
        // As Go shows its structure, fields in their order there.
        let message = format!(
            "Invalid value: {{\"MinAvailable\":{least},\"Selector\":{},\"MaxUnavailable\":{most},\
             \"UnhealthyPodEvictionPolicy\":{}}}: minAvailable and maxUnavailable cannot be both set",
            of("selector"),
            of("unhealthyPodEvictionPolicy")
        );
        causes.push(Cause::new("FieldValueInvalid", "spec", message));
    }
}

/// An amount of pods: a number, or a percentage.
fn amount_causes(value: &Value, at: &str, causes: &mut Vec<Cause>) {
    let share = |text: &str| -> Option<u64> { text.strip_suffix('%')?.parse().ok() };
    let detail = match value {
        Value::Number(number) if number.as_i64().is_some_and(|n| n < 0) => {
            "must be greater than or equal to 0"
        }
        Value::String(text) => match share(text) {
            None => {
                "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', \
                 regex used for validation is '[0-9]+%')"
            }
            Some(share) if share > 100 => "must not be greater than 100%",
            Some(_) => return,
        },
        _ => return,
    };
    causes.push(Cause::invalid(at, value, detail));
}

/// The highest priority that is not one of the system.
const HIGHEST: i64 = 1_000_000_000;

fn priority_causes(object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let (name, value) = (json::name(object), object.get("value").and_then(Value::as_i64));
    let known = ["system-cluster-critical", "system-node-critical"].contains(&name);
    if name.starts_with("system-") && !known {
        let detail = format!(
            "priority class names with 'system-' prefix are reserved for system use only. error: {name} is not a known \
             system priority class"
        );
        causes.push(Cause::forbidden("metadata.name", detail));
    }
    if !known && value.is_some_and(|v| v > HIGHEST) {
        let detail = format!("maximum allowed value of a user defined priority is {HIGHEST}");
        causes.push(Cause::forbidden("value", detail));
    }
    let preemption = object.get("preemptionPolicy").cloned().unwrap_or_default();
    let policies = ["PreemptLowerPriority", "Never"];
    if preemption.as_str().is_some_and(|p| !policies.contains(&p)) {
        let policies = policies.map(str::to_owned);
        causes.push(Cause::not_supported("preemptionPolicy", &preemption, &policies));
    }
    let Some(old) = old else {
        return;
    };
    if old.get("value").and_then(Value::as_i64) != value {
        causes.push(Cause::forbidden("value", "may not be changed in an update."));
    }
    if old.get("preemptionPolicy") != object.get("preemptionPolicy") {
        let detail = "field is immutable";
        causes.push(Cause::invalid("preemptionPolicy", &preemption, detail));
    }
}

fn service_causes(object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let address = |o: &Value| json::text(o, &["spec", "clusterIP"]).to_owned();
    let (now, before) = (address(object), old.map(address).unwrap_or_default());
    let addressed = old.is_some_and(|o| json::text(o, &["spec", "type"]) != "ExternalName");
    if addressed && !before.is_empty() && !now.is_empty() && now != before {
        let detail = "may not change once set";
        causes.push(Cause::invalid("spec.clusterIPs[0]", &json!([now]), detail));
    }
    let ports = json::list(object, &["spec", "ports"]);
    let external = json::text(object, &["spec", "type"]) == "ExternalName";
    let headless = json::text(object, &["spec", "clusterIP"]) == "None";
    let types = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"].map(str::to_owned);
    let ty = json::text(object, &["spec", "type"]);
    if !types.iter().any(|t| t == ty) {
        causes.push(Cause::not_supported("spec.type", &Value::from(ty), &types));
    }
    if ports.is_empty() && !external && !headless {
        causes.push(Cause::required("spec.ports", ""));
    }
    for (index, port) in ports.iter().enumerate() {
        let number = port.get("port").and_then(Value::as_i64).unwrap_or(0);
        if !(1..=65_535).contains(&number) {
            let detail = "must be between 1 and 65535, inclusive";
            causes.push(Cause::invalid(
                format!("spec.ports[{index}].port"),
                &Value::from(number),
                detail,
            ));
        }
        if port.get("targetPort").and_then(Value::as_i64) == Some(0) {
            let detail = "must be between 1 and 65535, inclusive";
            causes.push(Cause::invalid(
                format!("spec.ports[{index}].targetPort"),
                &Value::from(0),
                detail,
            ));
        }
        if ports.len() > 1 && json::text(port, &["name"]).is_empty() {
            causes.push(Cause::required(format!("spec.ports[{index}].name"), ""));
        }
    }
}

fn workload_causes(object: &Value, old: Option<&Value>, plural: &str, causes: &mut Vec<Cause>) {
    let selector = json::at(object, &["spec", "selector"]);
    let labels = json::at(object, &["spec", "template", "metadata", "labels"]);
    let wanted = json::at(object, &["spec", "selector", "matchLabels"]).and_then(Value::as_object);
    if plural != "replicasets" || selector.is_some() {
        let matches =
            wanted.is_some() || json::at(object, &["spec", "selector", "matchExpressions"]).is_some();
        let matches = matches
            && wanted
                .into_iter()
                .flatten()
                .all(|(k, v)| labels.and_then(|l| l.get(k)) == Some(v));
        if !matches {
            let value = labels.cloned().unwrap_or_default();
            let detail = "`selector` does not match template `labels`";
            causes.push(Cause::invalid("spec.template.metadata.labels", &value, detail));
        }
    }
    if selector.is_some_and(|s| s.as_object().is_some_and(Map::is_empty)) {
        let detail = "empty selector is invalid for deployment";
        causes.push(Cause::invalid("spec.selector", &json!({}), detail));
    }
    unchanged(object, old, &["spec", "selector"], causes);
    if json::at(object, &["spec", "replicas"])
        .and_then(Value::as_i64)
        .is_some_and(|r| r < 0)
    {
        let value = json::at(object, &["spec", "replicas"])
            .cloned()
            .unwrap_or_default();
        causes.push(Cause::invalid(
            "spec.replicas",
            &value,
            "must be greater than or equal to 0",
        ));
    }
    pod_causes(
        json::at(object, &["spec", "template", "spec"]),
        "spec.template.spec",
        causes,
    );
}

fn pod_causes(spec: Option<&Value>, at: &str, causes: &mut Vec<Cause>) {
    let Some(spec) = spec else {
        return;
    };
    let containers = json::list(spec, &["containers"]);
    if containers.is_empty() {
        causes.push(Cause::required(format!("{at}.containers"), ""));
    }
    for (index, container) in containers.iter().enumerate() {
        let name = json::text(container, &["name"]);
        let field = format!("{at}.containers[{index}].name");
        if name.is_empty() {
            causes.push(Cause::required(field, ""));
        } else if let Some(why) = names::dns_label(name) {
            causes.push(Cause::invalid(field, &Value::from(name), why));
        } else if containers[..index]
            .iter()
            .any(|c| json::text(c, &["name"]) == name)
        {
            causes.push(Cause::duplicate(field, &Value::from(name)));
        }
        if json::text(container, &["image"]).is_empty() {
            causes.push(Cause::required(format!("{at}.containers[{index}].image"), ""));
        }
        limits::container_causes(container, &format!("{at}.containers[{index}]"), causes);
    }
}

fn controller_causes(object: &Value, causes: &mut Vec<Cause>) {
    let selector = json::at(object, &["spec", "selector"]).and_then(Value::as_object);
    if selector.is_none_or(Map::is_empty) {
        causes.push(Cause::required("spec.selector", ""));
    }
    let Some(template) = json::at(object, &["spec", "template"]) else {
        return causes.push(Cause::required("spec.template", ""));
    };
    let labels = json::at(template, &["metadata", "labels"]);
    let fits = |(k, v): (&String, &Value)| labels.and_then(|l| l.get(k)) == Some(v);
    if !selector.into_iter().flatten().all(fits) {
        let detail = "`selector` does not match template `labels`";
        let value = labels.cloned().unwrap_or_default();
        causes.push(Cause::invalid("spec.template.metadata.labels", &value, detail));
    }
    pod_causes(template.get("spec"), "spec.template.spec", causes);
}

/// Fields of volumes that do not say where the volume is.
const NO_SOURCE: [&str; 9] = [
    "accessModes",
    "capacity",
    "claimRef",
    "mountOptions",
    "nodeAffinity",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "volumeAttributesClassName",
    "volumeMode",
];

fn volume_causes(object: &Value, causes: &mut Vec<Cause>) {
    if json::list(object, &["spec", "accessModes"]).is_empty() {
        causes.push(Cause::required("spec.accessModes", ""));
    }
    let capacity = json::at(object, &["spec", "capacity"]).and_then(Value::as_object);
    if capacity.is_none_or(Map::is_empty) {
        causes.push(Cause::required("spec.capacity", ""));
    }
    if capacity.is_none_or(|c| !c.contains_key("storage") || c.len() > 1) {
        let value = capacity.map_or(Value::Null, |c| c.clone().into());
        let storage = ["storage".to_owned()];
        causes.push(Cause::not_supported("spec.capacity", &value, &storage));
    }
    let spec = json::at(object, &["spec"]).and_then(Value::as_object);
    let sources = spec.into_iter().flatten().map(|(field, _)| field.as_str());
    if sources.filter(|field| !NO_SOURCE.contains(field)).count() == 0 {
        causes.push(Cause::required("spec", "must specify a volume type"));
    }
}

fn autoscaler_causes(object: &Value, causes: &mut Vec<Cause>) {
    let number = |field: &str| json::at(object, &["spec", field]).and_then(Value::as_i64);
    let (least, most) = (
        number("minReplicas").unwrap_or(1),
        number("maxReplicas").unwrap_or(0),
    );
    if least < 1 {
        let detail = "must be greater than or equal to 1";
        causes.push(Cause::invalid("spec.minReplicas", &json!(least), detail));
    }
    if most < 1 {
        let detail = "must be set and greater than 0";
        causes.push(Cause::required("spec.maxReplicas", detail));
    }
    if most < least {
        let detail = "must be greater than or equal to `minReplicas`";
        causes.push(Cause::invalid("spec.maxReplicas", &json!(most), detail));
    }
    for field in ["kind", "name"] {
        if json::text(object, &["spec", "scaleTargetRef", field]).is_empty() {
            causes.push(Cause::required(format!("spec.scaleTargetRef.{field}"), ""));
        }
    }
    let version = json::text(object, &["spec", "scaleTargetRef", "apiVersion"]);
    if !version.contains('/') {
        let detail = "apiVersion must specify API group";
        let field = "spec.scaleTargetRef.apiVersion";
        let core = ["v1"].contains(&version)
            && json::text(object, &["spec", "scaleTargetRef", "kind"]) == "ReplicationController";
        if !core {
            causes.push(Cause::invalid(field, &json!(version), detail));
        }
    }
    for (index, metric) in json::list(object, &["spec", "metrics"]).iter().enumerate() {
        let target = json::at(metric, &["resource", "target"]);
        let given = |field: &str| target.is_some_and(|t| t.get(field).is_some());
        if target.is_some() && !given("averageUtilization") && !given("averageValue") {
            let field = format!("spec.metrics[{index}].resource.target.averageUtilization");
            let detail = "must set either a target raw value or a target utilization";
            causes.push(Cause::required(field, detail));
        }
    }
}

fn role_causes(object: &Value, causes: &mut Vec<Cause>) {
    for (index, rule) in json::list(object, &["rules"]).iter().enumerate() {
        let at = format!("rules[{index}]");
        if json::list(rule, &["verbs"]).is_empty() {
            causes.push(Cause::required(
                format!("{at}.verbs"),
                "verbs must contain at least one value",
            ));
        }
        let urls = !json::list(rule, &["nonResourceURLs"]).is_empty();
        if urls && json::text(object, &["kind"]) == "Role" {
            let value = rule.get("nonResourceURLs").cloned().unwrap_or_default();
            let detail = "namespaced rules cannot apply to non-resource URLs";
            causes.push(Cause::invalid(format!("{at}.nonResourceURLs"), &value, detail));
        }
        if !urls && json::list(rule, &["apiGroups"]).is_empty() {
            let detail = "resource rules must supply at least one api group";
            causes.push(Cause::required(format!("{at}.apiGroups"), detail));
        }
        if !urls && json::list(rule, &["resources"]).is_empty() {
            let detail = "resource rules must supply at least one resource";
            causes.push(Cause::required(format!("{at}.resources"), detail));
        }
    }
}

fn binding_causes(object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    if let Some(old) = old
        && object.get("roleRef") != old.get("roleRef")
    {
        let text = |field: &str| json::text(object, &["roleRef", field]).to_owned();
        let value = json!({"APIGroup": text("apiGroup"), "Kind": text("kind"), "Name": text("name")});
        causes.push(Cause::invalid("roleRef", &value, "cannot change roleRef"));
    }
    let group = json::text(object, &["roleRef", "apiGroup"]);
    if group != "rbac.authorization.k8s.io" {
        let known = ["rbac.authorization.k8s.io".to_owned()];
        causes.push(Cause::not_supported(
            "roleRef.apiGroup",
            &Value::from(group),
            &known,
        ));
    }
    let kinds: &[&str] = match json::text(object, &["kind"]) {
        "ClusterRoleBinding" => &["ClusterRole"],
        _ => &["Role", "ClusterRole"],
    };
    let kind = json::text(object, &["roleRef", "kind"]);
    if !kinds.contains(&kind) {
        let known: Vec<String> = kinds.iter().map(|k| (*k).to_owned()).collect();
        causes.push(Cause::not_supported("roleRef.kind", &Value::from(kind), &known));
    }
    if json::text(object, &["roleRef", "name"]).is_empty() {
        causes.push(Cause::required("roleRef.name", ""));
    }
    for (index, subject) in json::list(object, &["subjects"]).iter().enumerate() {
        let kind = json::text(subject, &["kind"]);
        let at = format!("subjects[{index}]");
        if json::text(subject, &["name"]).is_empty() {
            causes.push(Cause::required(format!("{at}.name"), ""));
        }
        let all = ["ServiceAccount", "User", "Group"].map(str::to_owned);
        if !all.iter().any(|k| k == kind) {
            causes.push(Cause::not_supported(
                format!("{at}.kind"),
                &Value::from(kind),
                &all,
            ));
        }
        let anywhere = json::text(object, &["kind"]) == "ClusterRoleBinding";
        if kind == "ServiceAccount" && anywhere && json::namespace_of_subject(subject).is_empty() {
            causes.push(Cause::required(format!("{at}.namespace"), ""));
        }
    }
}
