//! Limit ranges: what containers get that say nothing, and what is too little or too much.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Map, Value};

use super::usage::{self, Amounts};
use crate::local::{
    Operation, json,
    quantity::Amount,
    server::{Scope, State},
    status::Status,
};

const ANNOTATION: &str = "kubernetes.io/limit-ranger";

fn ranges(state: &State, namespace: &str) -> Vec<Arc<Value>> {
    let all = state.store.all_opened("limitranges", Some(namespace));
    all.cloned().collect()
}

/// Gives the containers of a new pod the requests and limits that they do not have.
pub(super) fn fill(state: &State, pod: &mut Value) {
    for range in ranges(state, json::namespace(pod)) {
        let (mut requests, mut limits) = (Map::new(), Map::new());
        for limit in of_type(&range, "Container") {
            for (to, field) in [(&mut requests, "defaultRequest"), (&mut limits, "default")] {
                let given = limit.get(field).and_then(Value::as_object);
                to.extend(given.cloned().unwrap_or_default());
            }
        }
        let mut told = Vec::new();
        for (list, word) in [("containers", "container"), ("initContainers", "init container")] {
            let containers = json::path_mut(pod, &["spec"])
                .get_mut(list)
                .and_then(Value::as_array_mut);
            for container in containers.into_iter().flatten() {
                let name = json::text(container, &["name"]).to_owned();
                for (which, field, given) in
                    [("request", "requests", &requests), ("limit", "limits", &limits)]
                {
                    let set = missing(container, field, given);
                    if !set.is_empty() {
                        told.push(format!("{} {which} for {word} {name}", set.join(", ")));
                    }
                }
            }
        }
        if !told.is_empty() {
            let annotations = json::path_mut(pod, &["metadata", "annotations"]);
            let text = format!("LimitRanger plugin set: {}", told.join("; "));
            annotations.insert(ANNOTATION.to_owned(), text.into());
        }
    }
}

/// Sets the amounts that a container does not have; their names.
fn missing(container: &mut Value, field: &str, given: &Map<String, Value>) -> Vec<String> {
    let fresh: BTreeSet<&String> = given
        .keys()
        .filter(|name| json::at(container, &["resources", field, name]).is_none())
        .collect();
    let fresh: Vec<String> = fresh.into_iter().cloned().collect();
    if !fresh.is_empty() {
        let amounts = json::path_mut(container, &["resources", field]);
        amounts.extend(fresh.iter().map(|name| (name.clone(), given[name].clone())));
    }
    fresh
}

fn of_type<'a>(range: &'a Value, ty: &'a str) -> impl Iterator<Item = &'a Value> {
    let limits = json::list(range, &["spec", "limits"]).iter();
    limits.filter(move |l| json::text(l, &["type"]) == ty)
}

/// Refuses pods and claims that ask for too little or too much.
pub(super) fn judge(
    scope: &Scope<'_>,
    state: &State,
    operation: Operation,
    object: &Value,
) -> Result<(), Status> {
    let check: fn(&Value, &Value) -> Vec<String> = match scope.kind.plural.as_str() {
        // What containers ask for does not change.
        "pods" if scope.kind.group.is_empty() && operation == Operation::Create => pod,
        "persistentvolumeclaims" if scope.kind.group.is_empty() => claim,
        _ => return Ok(()),
    };
    for range in ranges(state, scope.namespace()) {
        let mut wrong = check(&range, object);
        let mut seen = BTreeSet::new();
        wrong.retain(|w| seen.insert(w.clone()));
        let why = match wrong.as_slice() {
            [] => continue,
            [only] => only.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        return Err(Status::forbidden(&scope.kind, json::name(object), &why));
    }
    Ok(())
}

fn pod(range: &Value, pod: &Value) -> Vec<String> {
    let spec = pod.get("spec").unwrap_or(&Value::Null);
    let mut wrong = Vec::new();
    for limit in json::list(range, &["spec", "limits"]) {
        match json::text(limit, &["type"]) {
            "Container" => {
                for container in ["containers", "initContainers"]
                    .iter()
                    .flat_map(|list| json::list(spec, &[list]))
                {
                    let of = |which| usage::of_container(container, which);
                    wrong.extend(bounds(limit, "Container", &of("requests"), &of("limits")));
                }
            }
            "Pod" => {
                let of = |which| usage::total(spec, which, false);
                wrong.extend(bounds(limit, "Pod", &of("requests"), &of("limits")));
            }
            _ => {}
        }
    }
    wrong
}

fn claim(range: &Value, claim: &Value) -> Vec<String> {
    const KIND: &str = "PersistentVolumeClaim";
    let asked = usage::amounts(json::at(claim, &["spec", "resources", "requests"]));
    let mut wrong = Vec::new();
    for limit in of_type(range, KIND) {
        for (name, least) in usage::amounts(limit.get("min")) {
            wrong.extend(too_little(KIND, &name, least, &asked, &Amounts::new()));
        }
        for (name, most) in usage::amounts(limit.get("max")) {
            let what = format!("maximum {name} usage per {KIND} is {most}");
            match asked.get(&name) {
                None => wrong.push(format!("{what}.  No request is specified")),
                Some(asked) if *asked > most => wrong.push(format!("{what}, but request is {asked}")),
                Some(_) => {}
            }
        }
    }
    wrong
}

fn bounds(limit: &Value, ty: &str, requests: &Amounts, limits: &Amounts) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, least) in usage::amounts(limit.get("min")) {
        wrong.extend(too_little(ty, &name, least, requests, limits));
    }
    for (name, most) in usage::amounts(limit.get("max")) {
        wrong.extend(too_much(ty, &name, most, requests, limits));
    }
    for (name, most) in usage::amounts(limit.get("maxLimitRequestRatio")) {
        wrong.extend(too_far(ty, &name, most, requests, limits));
    }
    wrong
}

fn too_little(ty: &str, name: &str, least: Amount, requests: &Amounts, limits: &Amounts) -> Option<String> {
    let what = format!("minimum {name} usage per {ty} is {least}");
    match (requests.get(name), limits.get(name)) {
        (None, _) => Some(format!("{what}.  No request is specified")),
        (Some(request), _) if *request < least => Some(format!("{what}, but request is {request}")),
        (_, Some(limit)) if *limit < least => Some(format!("{what}, but limit is {limit}")),
        _ => None,
    }
}

fn too_much(ty: &str, name: &str, most: Amount, requests: &Amounts, limits: &Amounts) -> Option<String> {
    let what = format!("maximum {name} usage per {ty} is {most}");
    match (limits.get(name), requests.get(name)) {
        (None, _) => Some(format!("{what}.  No limit is specified")),
        (Some(limit), _) if *limit > most => Some(format!("{what}, but limit is {limit}")),
        (_, Some(request)) if *request > most => Some(format!("{what}, but request is {request}")),
        _ => None,
    }
}

fn too_far(ty: &str, name: &str, most: Amount, requests: &Amounts, limits: &Amounts) -> Option<String> {
    let what = format!("{name} max limit to request ratio per {ty} is {most}");
    let given = |amounts: &Amounts| amounts.get(name).copied().filter(|a| !a.is_zero());
    let Some(request) = given(requests) else {
        return Some(format!("{what}, but no request is specified or request is 0"));
    };
    let Some(limit) = given(limits) else {
        return Some(format!("{what}, but no limit is specified or limit is 0"));
    };
    let ratio = limit.ratio(request);
    (ratio > most.ratio(Amount::count(1))).then(|| format!("{what}, but provided ratio is {ratio:.6}"))
}
