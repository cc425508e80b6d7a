//! Defaults of pods, alone and in templates.

use serde_json::{Map, Value};

use crate::local::json;

/// What the kubelet may set in the files of a volume, as Kubernetes counts it (0644).
const FILE_MODE: u64 = 0o644;

/// The kinds of containers of a pod that ask for something.
const LISTS: [&str; 2] = ["containers", "initContainers"];
/// Those that are added to look at a pod.
const LOOKING: &str = "ephemeralContainers";

/// Fills in what a pod does not say.
pub(super) fn fill(spec: &mut Map<String, Value>) {
    json::default_to(spec, "restartPolicy", "Always");
    json::default_to(spec, "dnsPolicy", "ClusterFirst");
    json::default_to(spec, "schedulerName", "default-scheduler");
    json::default_to(spec, "terminationGracePeriodSeconds", 30);
    json::child_mut(spec, "securityContext");
    if let Some(account) = spec.get("serviceAccountName").cloned() {
        json::default_to(spec, "serviceAccount", account);
    }
    for volume in items(spec, "volumes") {
        volume_modes(volume);
    }
    for list in LISTS.into_iter().chain([LOOKING]) {
        for of in items(spec, list) {
            container(of);
        }
    }
}

/// Fills in what a pod that is no template does not say.
pub(super) fn fill_alone(spec: &mut Map<String, Value>) {
    fill(spec);
    json::default_to(spec, "enableServiceLinks", true);
    for list in LISTS {
        for container in items(spec, list) {
            requests(json::child_mut(container, "resources"));
        }
    }
}

/// The objects of a list.
fn items<'a>(
    map: &'a mut Map<String, Value>,
    field: &str,
) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    let list = map.get_mut(field).and_then(Value::as_array_mut);
    list.into_iter().flatten().map(json::object_mut)
}

/// The object of a field, where there is one.
fn part<'a>(map: &'a mut Map<String, Value>, field: &str) -> Option<&'a mut Map<String, Value>> {
    map.get_mut(field).and_then(Value::as_object_mut)
}

/// Fills in how the files of a volume are shown.
pub(super) fn volume_modes(volume: &mut Map<String, Value>) {
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = part(volume, source) {
            json::default_to(source, "defaultMode", FILE_MODE);
        }
    }
    if let Some(path) = part(volume, "hostPath") {
        json::default_to(path, "type", "");
    }
    let files = part(volume, "downwardAPI")
        .into_iter()
        .flat_map(|v| items(v, "items"));
    for file in files {
        field_version(file);
    }
    let sources = part(volume, "projected")
        .into_iter()
        .flat_map(|v| items(v, "sources"));
    for source in sources {
        if let Some(token) = part(source, "serviceAccountToken") {
            json::default_to(token, "expirationSeconds", 3600);
        }
        for file in part(source, "downwardAPI")
            .into_iter()
            .flat_map(|v| items(v, "items"))
        {
            field_version(file);
        }
    }
}

/// A field of the pod is named in a version.
fn field_version(of: &mut Map<String, Value>) {
    if let Some(field) = part(of, "fieldRef") {
        json::default_to(field, "apiVersion", "v1");
    }
}

fn container(container: &mut Map<String, Value>) {
    let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
    let tag = image.rsplit('/').next().unwrap_or_default();
    let latest = !tag.contains('@') && tag.rsplit_once(':').is_none_or(|(_, t)| t == "latest");
    let policy = if latest { "Always" } else { "IfNotPresent" };
    json::default_to(container, "imagePullPolicy", policy);
    json::default_to(container, "terminationMessagePath", "/dev/termination-log");
    json::default_to(container, "terminationMessagePolicy", "File");
    json::child_mut(container, "resources");
    for port in items(container, "ports") {
        json::default_to(port, "protocol", "TCP");
    }
    for variable in items(container, "env") {
        if let Some(from) = part(variable, "valueFrom") {
            field_version(from);
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = part(container, name) {
            fill_probe(probe);
        }
    }
    if let Some(lifecycle) = part(container, "lifecycle") {
        for moment in ["postStart", "preStop"] {
            if let Some(request) = part(lifecycle, moment).and_then(|m| part(m, "httpGet")) {
                fill_request(request);
            }
        }
    }
}

fn fill_probe(probe: &mut Map<String, Value>) {
    for (field, value) in [
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ] {
        json::default_to(probe, field, value);
    }
    if let Some(request) = part(probe, "httpGet") {
        fill_request(request);
    }
    if let Some(call) = part(probe, "grpc") {
        json::default_to(call, "service", "");
    }
}

fn fill_request(request: &mut Map<String, Value>) {
    json::default_to(request, "path", "/");
    json::default_to(request, "scheme", "HTTP");
}

/// A container of a pod asks for as much as it is limited to, where it does not say.
fn requests(resources: &mut Map<String, Value>) {
    let limits = resources.get("limits").and_then(Value::as_object).cloned();
    for (name, amount) in limits.into_iter().flatten() {
        json::default_to(json::child_mut(resources, "requests"), &name, amount);
    }
}
