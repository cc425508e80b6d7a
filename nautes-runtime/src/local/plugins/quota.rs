//! Quotas of namespaces: what is used of them, and what goes beyond.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Map, Value, json};

use super::{
    pods,
    usage::{self, Amounts},
};
use crate::local::{
    Operation, json,
    quantity::Amount,
    server::{Scope, State},
    status::Status,
};

const QUOTAS: &str = "resourcequotas";

/// Of these, each container has to say how much it asks for where a quota limits them.
const TO_BE_SAID: [&str; 6] = [
    "cpu",
    "memory",
    "requests.cpu",
    "requests.memory",
    "limits.cpu",
    "limits.memory",
];

/// Refuses what goes beyond a quota of its namespace.
pub(super) fn judge(
    scope: &Scope<'_>,
    state: &State,
    operation: Operation,
    object: &Value,
    old: Option<&Value>,
) -> Result<(), Status> {
    let storage = &*scope.kind.storage;
    if !scope.kind.namespaced || !counts(storage, operation, object, old) {
        return Ok(());
    }
    let quotas: Vec<&Arc<Value>> = state
        .store
        .all_opened(QUOTAS, Some(scope.namespace()))
        .filter(|quota| limits(quota, storage).next().is_some() && matches(quota, storage, object))
        .collect();
    let refuse = |why: &str| Err(Status::forbidden(&scope.kind, json::name(object), why));
    for quota in &quotas {
        let name = json::name(quota);
        if let Some(missing) = unsaid(quota, storage, object) {
            return refuse(&format!("failed quota: {name}: must specify {missing}"));
        }
    }
    for quota in &quotas {
        let before = old.filter(|o| matches(quota, storage, o));
        let mut wanted = usage::of(storage, object);
        for (name, amount) in before.map(|o| usage::of(storage, o)).unwrap_or_default() {
            if let Some(wanted) = wanted.get_mut(&name) {
                *wanted = wanted.over(amount);
            }
        }
        wanted.retain(|_, amount| !amount.is_zero());
        let used = used(state, quota, &[storage]);
        let mut beyond: [Amounts; 3] = Default::default();
        for (name, limit) in limits(quota, storage) {
            let Some(wanted) = wanted.get(name).copied() else {
                continue;
            };
            let used = used.get(name).copied().unwrap_or(Amount::ZERO);
            if used.plus(wanted) > limit {
                for (list, amount) in beyond.iter_mut().zip([wanted, used, limit]) {
                    list.insert(name.to_owned(), amount);
                }
            }
        }
        if !beyond[0].is_empty() {
            let [wanted, used, limit] = beyond.map(|amounts| told(&amounts));
            let name = json::name(quota);
            return refuse(&format!(
                "exceeded quota: {name}, requested: {wanted}, used: {used}, limited: {limit}"
            ));
        }
    }
    Ok(())
}

/// Whether this write can use more than there was: a new object, or a change of what can grow.
fn counts(storage: &str, operation: Operation, object: &Value, old: Option<&Value>) -> bool {
    match operation {
        Operation::Create => storage != "events",
        Operation::Update => match storage {
            "services" | "persistentvolumeclaims" => true,
            "pods" => old.is_some_and(|old| pods::has_deadline(old) != pods::has_deadline(object)),
            _ => false,
        },
        Operation::Delete => false,
    }
}

/// What a quota limits of a kind.
fn limits<'a>(quota: &'a Value, storage: &'a str) -> impl Iterator<Item = (&'a str, Amount)> {
    let hard = json::at(quota, &["spec", "hard"]).and_then(Value::as_object);
    hard.into_iter()
        .flat_map(Map::iter)
        .filter(move |(name, _)| usage::subject(name) == Some(storage))
        .filter_map(|(name, amount)| Some((name.as_str(), Amount::read(amount)?)))
}

/// Whether an object is in the scopes of a quota.
fn matches(quota: &Value, storage: &str, object: &Value) -> bool {
    let named = json::texts(quota, &["spec", "scopes"])
        .into_iter()
        .map(|scope| json!({"scopeName": scope, "operator": "Exists"}));
    let selected = json::list(quota, &["spec", "scopeSelector", "matchExpressions"]);
    named.chain(selected.iter().cloned()).all(|wanted| match storage {
        "pods" => pods::in_scope(object, &wanted),
        "persistentvolumeclaims" => in_class(object, &wanted),
        _ => false,
    })
}

/// The one scope of claims: their class of attributes.
fn in_class(claim: &Value, wanted: &Value) -> bool {
    let class = json::text(claim, &["spec", "volumeAttributesClassName"]);
    json::text(wanted, &["scopeName"]) == "VolumeAttributesClass" && pods::selects(wanted, class)
}

/// What containers do not say and a quota limits, with the names of these containers.
fn unsaid(quota: &Value, storage: &str, object: &Value) -> Option<String> {
    let spec = object.get("spec")?;
    let as_a_whole = ["requests", "limits"]
        .iter()
        .any(|which| !usage::amounts(json::at(spec, &["resources", which])).is_empty());
    if storage != "pods" || as_a_whole {
        return None;
    }
    let containers = ["containers", "initContainers"].map(|list| json::list(spec, &[list]));
    let missing: Vec<String> = limits(quota, storage)
        .filter(|(name, _)| TO_BE_SAID.contains(name))
        .filter_map(|(name, _)| {
            let silent: BTreeSet<&str> = containers
                .iter()
                .copied()
                .flatten()
                .filter(|c| {
                    let (requests, limits) = (
                        usage::of_container(c, "requests"),
                        usage::of_container(c, "limits"),
                    );
                    !usage::named(&requests, &limits).contains_key(name)
                })
                .map(|c| json::text(c, &["name"]))
                .collect();
            let names: Vec<&str> = silent.into_iter().collect();
            (!names.is_empty()).then(|| format!("{name} for: {}", names.join(",")))
        })
        .collect();
    (!missing.is_empty()).then(|| missing.join("; "))
}

/// What the objects of these kinds use of a quota.
fn used(state: &State, quota: &Value, storages: &[&str]) -> Amounts {
    let mut used = Amounts::new();
    for storage in storages {
        let limited: Vec<&str> = limits(quota, storage).map(|(name, _)| name).collect();
        let objects = state.store.list(storage, Some(json::namespace(quota)));
        used.extend(limited.iter().map(|name| ((*name).to_owned(), Amount::ZERO)));
        for object in objects.filter(|object| matches(quota, storage, object)) {
            let own = usage::of(storage, &object);
            for name in &limited {
                if let (Some(sum), Some(amount)) = (used.get_mut(*name), own.get(*name)) {
                    *sum = sum.plus(*amount);
                }
            }
        }
    }
    used
}

fn told(amounts: &Amounts) -> String {
    let told: Vec<String> = amounts.iter().map(|(name, a)| format!("{name}={a}")).collect();
    told.join(",")
}

/// Writes down what is used in the namespaces where something was written since this was last done.
pub(crate) fn recount(state: &mut State) {
    for namespace in std::mem::take(&mut state.store.recount) {
        let quotas: Vec<Arc<Value>> = state
            .store
            .all_opened(QUOTAS, Some(&namespace))
            .cloned()
            .collect();
        for quota in quotas {
            let hard = json::at(&quota, &["spec", "hard"]).cloned().unwrap_or(json!({}));
            let served: BTreeSet<&str> = hard
                .as_object()
                .into_iter()
                .flat_map(Map::keys)
                .filter_map(|name| usage::subject(name))
                .filter(|storage| {
                    let mut kinds = state.registry.all();
                    kinds.any(|kind| kind.namespaced && *kind.storage == **storage)
                })
                .collect();
            let storages: Vec<&str> = served.into_iter().collect();
            let used: Map<String, Value> = used(state, &quota, &storages)
                .into_iter()
                .map(|(name, amount)| (name, amount.to_string().into()))
                .collect();
            let mut status = json!({"hard": hard, "used": used});
            let empty = |field: &str, status: &Value| status[field] == json!({});
            for field in ["hard", "used"] {
                if empty(field, &status) {
                    json::object_mut(&mut status).remove(field);
                }
            }
            if quota.get("status") != Some(&status) {
                let mut counted = quota.as_ref().clone();
                counted["status"] = status;
                state.store.put(&QUOTAS.into(), counted);
            }
        }
        // Counting uses nothing.
        state.store.recount.remove(&namespace);
    }
}
