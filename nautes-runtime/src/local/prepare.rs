//! What the server fills in and checks of built-in kinds, beyond their schema.

mod causes;
mod changes;
mod limits;
mod pods;
mod webhooks;

use base64::Engine as _;
use serde_json::{Map, Value, json};

pub(crate) use self::{causes::causes, changes::pod_changes};
use super::{autoscalers, crd, json, kinds::ResourceType, plugins};

/// The kinds whose conditions always tell their times, of `Deployment` two.
const TIMED: [&str; 8] = [
    "deployments",
    "replicasets",
    "statefulsets",
    "daemonsets",
    "jobs",
    "pods",
    "namespaces",
    "persistentvolumeclaims",
];

/// Times of conditions that are not set are null, not left out.
pub(crate) fn condition_times(object: &mut Value, kind: &ResourceType) {
    if !TIMED.contains(&kind.plural.as_str()) {
        return;
    }
    let fields: &[&str] = match kind.plural.as_str() {
        "deployments" => &["lastTransitionTime", "lastUpdateTime"],
        "jobs" | "pods" | "persistentvolumeclaims" => &["lastProbeTime", "lastTransitionTime"],
        _ => &["lastTransitionTime"],
    };
    let conditions = object
        .pointer_mut("/status/conditions")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten();
    for condition in conditions.filter_map(Value::as_object_mut) {
        for field in fields {
            let _ = condition.entry(*field).or_insert(Value::Null);
        }
    }
}

/// Fills in defaults of built-in kinds.
pub(crate) fn fill(object: &mut Value, kind: &ResourceType) {
    match (kind.group.as_str(), kind.plural.as_str()) {
        ("", "namespaces") => namespace(object),
        ("", "secrets") => secret(object),
        ("", "services") => service(object),
        ("", "pods") => {
            pods::fill_alone(json::path_mut(object, &["spec"]));
        }
        ("", "limitranges") => limit_range(object),
        ("", "persistentvolumeclaims") => {
            json::default_to(json::path_mut(object, &["spec"]), "volumeMode", "Filesystem");
        }
        ("apps", "deployments" | "replicasets" | "statefulsets" | "daemonsets") => {
            workload(object, &kind.plural)
        }
        ("", "replicationcontrollers") => replication_controller(object),
        ("", "persistentvolumes") => {
            let spec = json::path_mut(object, &["spec"]);
            json::default_to(spec, "persistentVolumeReclaimPolicy", "Retain");
            json::default_to(spec, "volumeMode", "Filesystem");
            pods::volume_modes(spec);
        }
        ("autoscaling", "horizontalpodautoscalers") => autoscalers::fill(object),
        ("batch", "jobs") => job(json::path_mut(object, &["spec"])),
        ("batch", "cronjobs") => cron_job(object),
        ("networking.k8s.io", "networkpolicies") => network_policy(object),
        ("scheduling.k8s.io", "priorityclasses") => {
            json::default_to(
                json::object_mut(object),
                "preemptionPolicy",
                "PreemptLowerPriority",
            );
        }
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => binding(object),
        ("admissionregistration.k8s.io", _) => webhooks::fill(object, kind),
        (crd::GROUP, crd::PLURAL) => crd::fill(object),
        _ => {}
    }
}

fn namespace(object: &mut Value) {
    let name = json::name(object).to_owned();
    let labels = json::path_mut(object, &["metadata", "labels"]);
    labels.insert("kubernetes.io/metadata.name".to_owned(), name.into());
    json::default_to(json::path_mut(object, &["status"]), "phase", "Active");
}

fn secret(object: &mut Value) {
    let map = json::object_mut(object);
    if let Some(Value::Object(texts)) = map.remove("stringData") {
        let data = json::child_mut(map, "data");
        for (key, value) in texts {
            let text = value.as_str().unwrap_or_default();
            data.insert(key, base64::engine::general_purpose::STANDARD.encode(text).into());
        }
    }
    json::default_to(map, "type", "Opaque");
}

fn service(object: &mut Value) {
    let spec = json::path_mut(object, &["spec"]);
    json::default_to(spec, "type", "ClusterIP");
    json::default_to(spec, "sessionAffinity", "None");
    if spec.get("type").and_then(Value::as_str) != Some("ExternalName") {
        json::default_to(spec, "internalTrafficPolicy", "Cluster");
    }
    for port in spec
        .get_mut("ports")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        let port = json::object_mut(port);
        json::default_to(port, "protocol", "TCP");
        if let Some(number) = port.get("port").cloned() {
            json::default_to(port, "targetPort", number);
        }
    }
}

fn workload(object: &mut Value, plural: &str) {
    let spec = json::path_mut(object, &["spec"]);
    if plural != "daemonsets" {
        json::default_to(spec, "replicas", 1);
    }
    if plural != "replicasets" {
        json::default_to(spec, "revisionHistoryLimit", 10);
    }
    match plural {
        "deployments" => {
            json::default_to(spec, "progressDeadlineSeconds", 600);
            let strategy = json::child_mut(spec, "strategy");
            json::default_to(strategy, "type", "RollingUpdate");
            if strategy["type"] == "RollingUpdate" {
                let rolling = json::child_mut(strategy, "rollingUpdate");
                json::default_to(rolling, "maxSurge", "25%");
                json::default_to(rolling, "maxUnavailable", "25%");
            }
        }
        "statefulsets" => {
            json::default_to(spec, "podManagementPolicy", "OrderedReady");
            let kept = json::child_mut(spec, "persistentVolumeClaimRetentionPolicy");
            json::default_to(kept, "whenDeleted", "Retain");
            json::default_to(kept, "whenScaled", "Retain");
            let strategy = json::child_mut(spec, "updateStrategy");
            json::default_to(strategy, "type", "RollingUpdate");
            if strategy["type"] == "RollingUpdate" {
                json::default_to(json::child_mut(strategy, "rollingUpdate"), "partition", 0);
            }
        }
        "daemonsets" => {
            json::default_to(json::child_mut(spec, "updateStrategy"), "type", "RollingUpdate");
        }
        _ => {}
    }
    if spec.get("template").is_some_and(Value::is_object) {
        pods::fill(json::child_mut(json::child_mut(spec, "template"), "spec"));
    }
}

fn replication_controller(object: &mut Value) {
    let labels = json::at(object, &["spec", "template", "metadata", "labels"]).cloned();
    let spec = json::path_mut(object, &["spec"]);
    json::default_to(spec, "replicas", 1);
    if spec.get("template").is_some_and(Value::is_object) {
        pods::fill(json::child_mut(json::child_mut(spec, "template"), "spec"));
    }
    if let Some(labels) = labels {
        json::default_to(spec, "selector", labels.clone());
        json::default_to(json::meta_mut(object), "labels", labels);
    }
}

fn job(spec: &mut Map<String, Value>) {
    for (key, value) in [("backoffLimit", 6), ("completions", 1), ("parallelism", 1)] {
        json::default_to(spec, key, value);
    }
    json::default_to(spec, "completionMode", "NonIndexed");
    json::default_to(spec, "suspend", false);
    if spec.get("template").is_some_and(Value::is_object) {
        pods::fill(json::child_mut(json::child_mut(spec, "template"), "spec"));
    }
}

fn cron_job(object: &mut Value) {
    let spec = json::path_mut(object, &["spec"]);
    json::default_to(spec, "concurrencyPolicy", "Allow");
    json::default_to(spec, "suspend", false);
    json::default_to(spec, "successfulJobsHistoryLimit", 3);
    json::default_to(spec, "failedJobsHistoryLimit", 1);
    let template = json::child_mut(spec, "jobTemplate");
    json::child_mut(template, "metadata");
    let job = json::child_mut(template, "spec");
    if job.get("template").is_some_and(Value::is_object) {
        let template = json::child_mut(job, "template");
        json::child_mut(template, "metadata");
        pods::fill(json::child_mut(template, "spec"));
    }
}

fn limit_range(object: &mut Value) {
    let limits = object.pointer_mut("/spec/limits").and_then(Value::as_array_mut);
    for limit in limits.into_iter().flatten().map(json::object_mut) {
        if limit.get("type").and_then(Value::as_str) != Some("Container") {
            continue;
        }
        for (from, to) in [
            ("max", "default"),
            ("default", "defaultRequest"),
            ("min", "defaultRequest"),
        ] {
            let amounts = limit
                .get(from)
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_default();
            for (name, amount) in amounts {
                json::default_to(json::child_mut(limit, to), &name, amount);
            }
        }
    }
}

fn network_policy(object: &mut Value) {
    let spec = json::path_mut(object, &["spec"]);
    let mut types = vec!["Ingress"];
    if spec
        .get("egress")
        .and_then(Value::as_array)
        .is_some_and(|e| !e.is_empty())
    {
        types.push("Egress");
    }
    json::default_to(spec, "policyTypes", json!(types));
    for side in ["ingress", "egress"] {
        let rules = spec
            .get_mut(side)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten();
        let ports = rules.filter_map(|r| r.get_mut("ports")?.as_array_mut()).flatten();
        for port in ports {
            json::default_to(json::object_mut(port), "protocol", "TCP");
        }
    }
}

fn binding(object: &mut Value) {
    let role = json::path_mut(object, &["roleRef"]);
    json::default_to(role, "apiGroup", "rbac.authorization.k8s.io");
    let subjects = json::object_mut(object)
        .get_mut("subjects")
        .and_then(Value::as_array_mut);
    for subject in subjects.into_iter().flatten() {
        let subject = json::object_mut(subject);
        if matches!(
            subject.get("kind").and_then(Value::as_str),
            Some("User" | "Group")
        ) {
            json::default_to(subject, "apiGroup", "rbac.authorization.k8s.io");
        }
    }
}

fn zeroes(object: &mut Value, fields: &[&str]) {
    let status = json::path_mut(object, &["status"]);
    for field in fields {
        json::default_to(status, field, 0);
    }
}

/// What a new object of a built-in kind starts with.
pub(crate) fn start(object: &mut Value, kind: &ResourceType) {
    match (kind.group.as_str(), kind.plural.as_str()) {
        ("", "namespaces") => {
            json::path_mut(object, &["spec"]).insert("finalizers".to_owned(), json!(["kubernetes"]));
        }
        ("", "pods") => {
            let quality = plugins::quality(&object["spec"]);
            let status = json::path_mut(object, &["status"]);
            status.insert("phase".to_owned(), "Pending".into());
            status.insert("qosClass".to_owned(), quality.into());
        }
        ("", "persistentvolumeclaims") => {
            json::path_mut(object, &["status"]).insert("phase".to_owned(), "Pending".into());
        }
        ("", "persistentvolumes") => {
            let status = json::path_mut(object, &["status"]);
            status.insert("phase".to_owned(), "Pending".into());
            status.insert("lastPhaseTransitionTime".to_owned(), json::now().into());
        }
        ("", "replicationcontrollers") => zeroes(object, &["replicas"]),
        ("autoscaling", "horizontalpodautoscalers") => {
            zeroes(object, &["desiredReplicas"]);
            json::path_mut(object, &["status"]).insert("currentMetrics".to_owned(), Value::Null);
        }
        ("", "services") | ("networking.k8s.io", "ingresses") => {
            json::path_mut(object, &["status", "loadBalancer"]);
        }
        ("policy", "poddisruptionbudgets") => {
            let fields = [
                "currentHealthy",
                "desiredHealthy",
                "disruptionsAllowed",
                "expectedPods",
            ];
            zeroes(object, &fields);
        }
        ("apps", "statefulsets") => zeroes(object, &["availableReplicas", "replicas"]),
        ("apps", "replicasets") => zeroes(object, &["replicas"]),
        ("apps", "daemonsets") => {
            let fields = [
                "currentNumberScheduled",
                "desiredNumberScheduled",
                "numberMisscheduled",
                "numberReady",
            ];
            zeroes(object, &fields);
        }
        ("apps" | "batch", _) | ("", "resourcequotas") => zeroes(object, &[]),
        _ => {}
    }
}

/// True where `metadata.generation` counts changes of this kind.
pub(crate) fn has_generation(kind: &ResourceType) -> bool {
    kind.custom
        || matches!(
            kind.group.as_str(),
            "admissionregistration.k8s.io"
                | "apps"
                | "batch"
                | "networking.k8s.io"
                | "policy"
                | "scheduling.k8s.io"
        )
        || kind.is(crd::GROUP, crd::PLURAL)
        || kind.is("", "pods")
        || kind.is("", "replicationcontrollers")
}
