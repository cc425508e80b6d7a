//! What may be changed of a pod that is there, and through which door: little by an update, containers that look at it and
//! its amounts through doors of their own.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::local::{json, names, plugins, status::Cause};

const LOOKING: &str = "spec.ephemeralContainers";
/// What a container that looks at a pod cannot have.
const FORBIDDEN: [&str; 8] = [
    "ports",
    "resources",
    "resizePolicy",
    "restartPolicy",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
];

/// What is wrong with a pod, or with the step to it through this door.
pub(crate) fn pod_changes(object: &Value, old: Option<&Value>, door: &str) -> Vec<Cause> {
    let looking = json::list(object, &["spec", "ephemeralContainers"]);
    let mut causes = Vec::new();
    match old {
        None if looking.is_empty() => {}
        None => causes.push(Cause::forbidden(LOOKING, "cannot be set on create")),
        Some(_) => ephemeral_causes(object, looking, &mut causes),
    }
    match old {
        Some(old) if door == "ephemeralcontainers" => kept_causes(looking, old, &mut causes),
        Some(old) if door == "resize" => resize_causes(object, old, &mut causes),
        Some(old) if door.is_empty() => update_causes(object, old, &mut causes),
        _ => {}
    }
    causes
}

fn ephemeral_causes(object: &Value, looking: &[Value], causes: &mut Vec<Cause>) {
    let own: Vec<&str> = ["containers", "initContainers"]
        .iter()
        .flat_map(|list| json::list(object, &["spec", list]))
        .map(|c| json::text(c, &["name"]))
        .collect();
    let mut taken: BTreeSet<&str> = own.iter().copied().collect();
    for (index, container) in looking.iter().enumerate() {
        let at = |field: &str| format!("{LOOKING}[{index}].{field}");
        let name = json::text(container, &["name"]);
        if name.is_empty() {
            causes.push(Cause::required(at("name"), ""));
        } else if let Some(why) = names::dns_label(name) {
            causes.push(Cause::invalid(at("name"), &Value::from(name), why));
        } else if !taken.insert(name) {
            causes.push(Cause::duplicate(at("name"), &Value::from(name)));
        }
        if json::text(container, &["image"]).is_empty() {
            causes.push(Cause::required(at("image"), ""));
        }
        let target = json::text(container, &["targetContainerName"]);
        if !target.is_empty() && !own.contains(&target) {
            let message = format!("Not found: {:?}", target);
            causes.push(Cause::new(
                "FieldValueNotFound",
                at("targetContainerName"),
                message,
            ));
        }
        let is_set = |field: &&str| {
            container.get(*field).is_some_and(|v| match v {
                Value::Null => false,
                Value::Array(list) => !list.is_empty(),
                Value::Object(map) => !map.is_empty(),
                _ => true,
            })
        };
        let forbidden = FORBIDDEN.iter().filter(|f| is_set(f));
        causes.extend(forbidden.map(|f| Cause::forbidden(at(f), "cannot be set for an Ephemeral Container")));
    }
}

/// What an update may change of the specification of a pod.
const CHANGEABLE: &str = "pod updates may not change fields other than `spec.containers[*].image`,\
    `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),\
    `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

fn update_causes(object: &Value, old: &Value, causes: &mut Vec<Cause>) {
    for list in ["containers", "initContainers"] {
        if json::list(object, &["spec", list]).len() != json::list(old, &["spec", list]).len() {
            let detail = "pod updates may not add or remove containers";
            causes.push(Cause::forbidden(format!("spec.{list}"), detail));
            return;
        }
    }
    deadline_causes(object, old, causes);
    let tolerations = json::list(object, &["spec", "tolerations"]);
    let is_kept = |before: &Value| tolerations.iter().any(|now| timeless(now) == timeless(before));
    if !json::list(old, &["spec", "tolerations"]).iter().all(is_kept) {
        let detail = "existing toleration can not be modified except its tolerationSeconds";
        causes.push(Cause::forbidden("spec.tolerations", detail));
    }
    let gates = json::list(old, &["spec", "schedulingGates"]);
    for (index, gate) in json::list(object, &["spec", "schedulingGates"])
        .iter()
        .enumerate()
    {
        if gates.iter().all(|g| g["name"] != gate["name"]) {
            let name = json::text(gate, &["name"]);
            let detail = format!("only deletion is allowed, but found new scheduling gate '{name}'");
            causes.push(Cause::forbidden(
                format!("spec.schedulingGates[{index}].name"),
                detail,
            ));
        }
    }
    let (before, now) = (fixed(old, old), fixed(object, old));
    if before != now {
        let differing = before
            .keys()
            .chain(now.keys().filter(|k| !before.contains_key(*k)))
            .filter(|k| before.get(*k) != now.get(*k));
        let shown = |key: &String, of: &serde_json::Map<String, Value>, sign: char| {
            of.get(key)
                .map(|v| format!("{sign} {key:?}: {v}\n"))
                .unwrap_or_default()
        };
        let lines: String = differing
            .map(|k| shown(k, &before, '-') + &shown(k, &now, '+'))
            .collect();
        causes.push(Cause::forbidden("spec", format!("{CHANGEABLE}\n{lines}")));
    }
}

fn deadline_causes(object: &Value, old: &Value, causes: &mut Vec<Cause>) {
    let deadline = |pod| json::at(pod, &["spec", "activeDeadlineSeconds"]).and_then(Value::as_i64);
    let why = match (deadline(old), deadline(object)) {
        (Some(before), Some(now)) if now > before => "must be less than or equal to previous value",
        (Some(_), None) => "must not update from a positive integer to nil value",
        _ => return,
    };
    let now = deadline(object).map_or(Value::Null, Value::from);
    causes.push(Cause::invalid("spec.activeDeadlineSeconds", &now, why));
}

fn timeless(toleration: &Value) -> Value {
    let mut rest = toleration.clone();
    json::object_mut(&mut rest).remove("tolerationSeconds");
    rest
}

/// The specification of a pod without what an update of this one may change.
fn fixed(pod: &Value, old: &Value) -> serde_json::Map<String, Value> {
    let mut spec = pod
        .get("spec")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    for list in ["containers", "initContainers"] {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            json::object_mut(container).remove("image");
        }
    }
    let is_held = !json::list(old, &["spec", "schedulingGates"]).is_empty();
    let held = ["nodeSelector", "affinity"].into_iter().filter(|_| is_held);
    for field in ["activeDeadlineSeconds", "tolerations", "schedulingGates"]
        .into_iter()
        .chain(held)
    {
        spec.remove(field);
    }
    let grace = |of| json::at(of, &["spec", "terminationGracePeriodSeconds"]).and_then(Value::as_i64);
    if grace(old).is_some_and(|g| g < 0) && grace(pod).is_some_and(|g| g < 0 || g == 1) {
        spec.remove("terminationGracePeriodSeconds");
    }
    spec.retain(|_, value| !value.is_null() && *value != Value::Array(Vec::new()));
    spec
}

/// Containers that look at a pod stay as they are.
fn kept_causes(looking: &[Value], old: &Value, causes: &mut Vec<Cause>) {
    for before in json::list(old, &["spec", "ephemeralContainers"]) {
        let now = looking.iter().find(|c| c["name"] == before["name"]);
        let what = match now {
            Some(now) if now == before => continue,
            Some(_) => "changed",
            None => "removed",
        };
        let name = &before["name"];
        let detail = format!("existing ephemeral containers {name} may not be {what}\n");
        causes.push(Cause::forbidden(LOOKING, detail));
    }
}

fn resize_causes(object: &Value, old: &Value, causes: &mut Vec<Cause>) {
    if plugins::quality(&object["spec"]) != plugins::quality(&old["spec"]) {
        let class = json::at(old, &["status", "qosClass"])
            .cloned()
            .unwrap_or_default();
        let detail = "Pod QOS Class may not change as a result of resizing";
        causes.push(Cause::invalid("spec", &class, detail));
    }
    if other_amounts(object) != other_amounts(old) {
        let detail = "only cpu and memory resources are mutable";
        causes.push(Cause::forbidden("spec", detail));
    }
}

/// The amounts of a pod that are not of processors and memory.
fn other_amounts(pod: &Value) -> Vec<Value> {
    let containers = ["containers", "initContainers"]
        .iter()
        .flat_map(|list| json::list(pod, &["spec", list]));
    containers
        .map(|container| {
            let mut resources = container.get("resources").cloned().unwrap_or_default();
            for side in ["requests", "limits"] {
                let amounts = resources.get_mut(side).and_then(Value::as_object_mut);
                if let Some(amounts) = amounts {
                    amounts.retain(|name, _| !["cpu", "memory"].contains(&name.as_str()));
                }
                if resources
                    .get(side)
                    .and_then(Value::as_object)
                    .is_some_and(|a| a.is_empty())
                {
                    json::object_mut(&mut resources).remove(side);
                }
            }
            resources
        })
        .collect()
}
