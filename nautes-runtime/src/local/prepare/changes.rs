//! What may be changed of a pod that is there: containers that look at it, and its amounts.

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
