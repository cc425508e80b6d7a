//! Priorities of pods, and the classes that every cluster starts with.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::local::{
    Operation, json,
    server::{Scope, State},
    status::Status,
};

const CLASSES: &str = "priorityclasses.scheduling.k8s.io";

/// The classes of what a cluster itself is made of.
const SYSTEM: [(&str, i64, &str); 2] = [
    (
        "system-cluster-critical",
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
    (
        "system-node-critical",
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
];

/// Makes the classes that every cluster starts with.
pub(crate) fn seed(state: &mut State) {
    for (name, value, description) in SYSTEM {
        if state.store.kept(CLASSES, "", name).is_some() {
            continue;
        }
        let class = json!({
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
            "metadata": {"name": name, "uid": uuid::Uuid::new_v4().to_string(), "creationTimestamp": json::now(),
                         "generation": 1, "managedFields": [{
                             "manager": "kube-apiserver", "operation": "Update", "apiVersion": "scheduling.k8s.io/v1",
                             "time": json::now(), "fieldsType": "FieldsV1",
                             "fieldsV1": {"f:description": {}, "f:preemptionPolicy": {}, "f:value": {}},
                         }]},
            "description": description, "preemptionPolicy": "PreemptLowerPriority", "value": value,
        });
        state.store.put(&CLASSES.into(), class);
    }
}

/// The class of pods that name none: of several, that of the least value.
fn default_class(state: &State) -> Option<&Arc<Value>> {
    state
        .store
        .all_opened(CLASSES, None)
        .filter(|class| class.get("globalDefault") == Some(&Value::Bool(true)))
        .min_by_key(|class| class.get("value").and_then(Value::as_i64))
}

/// Gives a new pod the priority of its class.
pub(super) fn fill(scope: &Scope<'_>, state: &State, pod: &mut Value) -> Result<(), Status> {
    let refuse = |why: &str| Err(Status::forbidden(&scope.kind, json::name(pod), why));
    let class = match json::text(pod, &["spec", "priorityClassName"]) {
        "" => default_class(state),
        name => match state.store.opened(CLASSES, "", name) {
            Some(class) => Some(class),
            None => return refuse(&format!("no PriorityClass with name {name} was found")),
        },
    };
    let value = class
        .and_then(|c| c.get("value"))
        .and_then(Value::as_i64)
        .unwrap_or(0);
    let policy = class
        .map(|c| json::text(c, &["preemptionPolicy"]))
        .filter(|p| !p.is_empty())
        .unwrap_or("PreemptLowerPriority");
    let given = json::at(pod, &["spec", "priority"]).and_then(Value::as_i64);
    if let Some(given) = given.filter(|g| *g != value) {
        return refuse(&format!(
            "the integer value of priority ({given}) must not be provided in pod spec; priority admission controller \
             computed {value} from the given PriorityClass name"
        ));
    }
    let told = json::text(pod, &["spec", "preemptionPolicy"]);
    if !told.is_empty() && told != policy {
        return refuse(&format!(
            "the string value of PreemptionPolicy ({told}) must not be provided in pod spec; priority admission \
             controller computed {policy} from the given PriorityClass name"
        ));
    }
    let fields = [
        ("priorityClassName", class.map(|c| json::name(c).into())),
        ("priority", Some(value.into())),
        ("preemptionPolicy", Some(policy.into())),
    ];
    let fields: Vec<(String, Value)> = fields
        .into_iter()
        .filter_map(|(field, value)| Some((field.to_owned(), value?)))
        .collect();
    json::path_mut(pod, &["spec"]).extend(fields);
    Ok(())
}

/// A change that leaves the priority out leaves it as it is.
pub(super) fn keep(pod: &mut Value, old: &Value) {
    let spec = json::path_mut(pod, &["spec"]);
    for field in ["priority", "preemptionPolicy"] {
        if let Some(value) = json::at(old, &["spec", field]) {
            json::default_to(spec, field, value.clone());
        }
    }
}

/// Refuses a second class for pods that name none.
pub(super) fn judge(
    scope: &Scope<'_>,
    state: &State,
    operation: Operation,
    class: &Value,
) -> Result<(), Status> {
    let wants = class.get("globalDefault") == Some(&Value::Bool(true));
    let other = default_class(state)
        .filter(|found| operation == Operation::Create || json::name(found) != json::name(class));
    match other.filter(|_| wants) {
        None => Ok(()),
        Some(other) => {
            let why = format!(
                "PriorityClass {} is already marked as default. Only one default can exist",
                json::name(other)
            );
            Err(Status::forbidden(&scope.kind, json::name(class), &why))
        }
    }
}
