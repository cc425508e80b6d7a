//! Evictions: a pod is deleted if the budgets for disruptions let it go. Nothing counts healthy pods here, so that a budget
//! has the status that somebody writes.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use super::{
    Operation, authz, json, read, schema,
    server::{Body, Scope, State, respond},
    status::{Cause, Status},
    webhooks::{self, Attempt, Stage},
    write::{self, DeleteOptions},
};

const BUDGETS: &str = "poddisruptionbudgets.policy";
const DEFINITION: &str = "io.k8s.api.policy.v1.Eviction";
const VIOLATED: &str = "Cannot evict pod as it would violate the pod's disruption budget.";
/// After how many seconds to ask again where a budget was not looked at yet.
const LATER: u64 = 10;

/// Answers `POST ../pods/NAME/eviction`.
pub(crate) fn evict(scope: &Scope<'_>, body: &Bytes) -> Result<Response<Body>, Status> {
    let eviction = read_eviction(scope, body)?;
    let none = json!({});
    let options = eviction
        .get("deleteOptions")
        .filter(|o| !o.is_null())
        .unwrap_or(&none);
    let mut state = scope.server.state();
    let pod = state
        .store
        .get(&scope.kind.storage, scope.namespace(), scope.name())
        .ok_or_else(|| Status::not_found(&scope.kind, scope.name()))?;
    let options = DeleteOptions::of(scope, options)?;
    for stage in [Stage::Mutating, Stage::Validating] {
        let attempt = Attempt {
            operation: Operation::Create,
            object: Some(&eviction),
            old: None,
            dry_run: options.dry_run,
        };
        let _ = webhooks::judge(scope, &state, stage, &attempt)?;
    }
    options.hold(scope, &pod)?;
    if disrupts(&pod) {
        let budget = budget_of(&state, &pod)?;
        let spent = budget.as_deref().map(|b| spent(b, &pod)).transpose()?.flatten();
        if let Some(spent) = spent.filter(|_| !options.dry_run) {
            state.store.put(&BUDGETS.into(), spent);
        }
    }
    let pod = if options.dry_run {
        pod
    } else {
        state.store.put(&scope.kind.storage, told(&pod))
    };
    write::delete_one(scope, &mut state, &pod, &options)?;
    drop(state);
    let done =
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    Ok(respond(201, &done, &read::warnings(scope)))
}

fn read_eviction(scope: &Scope<'_>, body: &Bytes) -> Result<Value, Status> {
    let mut eviction = write::parse_any(&scope.call.content_type, body, "Eviction")?;
    let version = json::text(&eviction, &["apiVersion"]).to_owned();
    let kind = json::text(&eviction, &["kind"]).to_owned();
    let unreadable = |kind: &str, version: &str, why: &str| {
        let version = version.rsplit('/').next().unwrap_or_default();
        Status::bad_request(format!(
            "{kind} in version {version:?} cannot be handled as a Eviction: {why}"
        ))
    };
    if !version.is_empty()
        && !kind.is_empty()
        && (version.as_str(), kind.as_str()) != ("policy/v1", "Eviction")
    {
        let why = write::unconverted(&version, &kind, "policy", "Eviction");
        return Err(unreadable(&kind, &version, &why));
    }
    let misread =
        schema::builtin(DEFINITION).and_then(|s| schema::decode_error(&eviction, s.view(), "Eviction"));
    if let Some(why) = misread {
        return Err(unreadable("Eviction", "v1", &why));
    }
    let namespace = json::namespace(&eviction);
    if !namespace.is_empty() && namespace != scope.namespace() {
        return Err(Status::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    if json::name(&eviction) != scope.name() {
        return Err(Status::bad_request(
            "name in URL does not match name in Eviction object",
        ));
    }
    eviction["apiVersion"] = "policy/v1".into();
    eviction["kind"] = "Eviction".into();
    json::meta_mut(&mut eviction).insert("namespace".to_owned(), scope.namespace().into());
    Ok(eviction)
}

/// Whether something ends with a pod that has not ended, or not begun.
fn disrupts(pod: &Value) -> bool {
    let phase = json::text(pod, &["status", "phase"]);
    !json::is_terminating(pod) && !["Succeeded", "Failed", "Pending"].contains(&phase)
}

/// The budget that a pod counts in.
fn budget_of(state: &State, pod: &Value) -> Result<Option<Arc<Value>>, Status> {
    let selects = |budget: &Value| {
        let selector = json::at(budget, &["spec", "selector"]);
        selector.is_some_and(|s| authz::label_selector_matches(s, pod))
    };
    let mut budgets = state
        .store
        .list(BUDGETS, Some(json::namespace(pod)))
        .filter(|b| selects(b));
    let first = budgets.next();
    if budgets.next().is_some() {
        let message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
        return Err(Status::new(500, "", message));
    }
    Ok(first)
}

fn is_ready(pod: &Value) -> bool {
    json::list(pod, &["status", "conditions"])
        .iter()
        .any(|c| c["type"] == "Ready" && c["status"] == "True")
}

/// A budget after the eviction of a pod; none where it stays as it is.
fn spent(budget: &Value, pod: &Value) -> Result<Option<Value>, Status> {
    let number = |path: &[&str]| json::at(budget, path).and_then(Value::as_i64).unwrap_or(0);
    let status = |field: &str| number(&["status", field]);
    let (healthy, desired) = (status("currentHealthy"), status("desiredHealthy"));
    if !is_ready(pod) {
        let always = json::text(budget, &["spec", "unhealthyPodEvictionPolicy"]) == "AlwaysAllow";
        if always || healthy >= desired && desired > 0 {
            return Ok(None);
        }
    }
    let name = json::name(budget);
    let refused = |seconds: u64, why: String| {
        let cause = Cause::new("DisruptionBudget", "", why);
        Err(Status::too_many_requests(VIOLATED, seconds).causes(vec![cause]))
    };
    if status("observedGeneration") < number(&["metadata", "generation"]) {
        let why = format!("The disruption budget {name} is still being processed by the server.");
        return refused(LATER, why);
    }
    let allowed = status("disruptionsAllowed");
    if allowed <= 0 {
        let why =
            format!("The disruption budget {name} needs {desired} healthy pods and has {healthy} currently");
        return refused(0, why);
    }
    let mut spent = budget.clone();
    let map = json::path_mut(&mut spent, &["status"]);
    map.insert("disruptionsAllowed".to_owned(), (allowed - 1).into());
    json::child_mut(map, "disruptedPods").insert(json::name(pod).to_owned(), json::now().into());
    if allowed == 1 {
        let condition = json!({
            "type": "DisruptionAllowed", "status": "False", "reason": "InsufficientPods", "message": "",
            "observedGeneration": status("observedGeneration"), "lastTransitionTime": json::now(),
        });
        set_condition(map, condition);
    }
    Ok(Some(spent))
}

/// A pod that knows why it has to go.
fn told(pod: &Value) -> Value {
    let mut told = pod.clone();
    let condition = json!({
        "type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting", "lastProbeTime": null, "lastTransitionTime": json::now(),
    });
    set_condition(json::path_mut(&mut told, &["status"]), condition);
    told
}

fn set_condition(status: &mut serde_json::Map<String, Value>, condition: Value) {
    let list = status.entry("conditions").or_insert_with(|| json!([]));
    if !list.is_array() {
        *list = json!([]);
    }
    if let Some(list) = list.as_array_mut() {
        match list.iter_mut().find(|c| c["type"] == condition["type"]) {
            Some(known) => *known = condition,
            None => list.push(condition),
        }
    }
}
