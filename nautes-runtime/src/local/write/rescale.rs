//! Apply of a scale: its one field is a field of the object that is scaled, and has owners there.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::{change::store_update, parse_any, writer};
use crate::local::{
    json,
    kinds::ScalePaths,
    managed,
    server::Scope,
    status::{Cause, Status},
};

const VERSION: &str = "autoscaling/v1";
const FIELD: &str = ".spec.replicas";

/// Applies a scale to the object that it is of; the answer is that object.
pub(crate) fn apply_scale(scope: &Scope<'_>, body: &Bytes, paths: &ScalePaths) -> Result<Arc<Value>, Status> {
    let scale = parse_any(&scope.call.content_type, body, "Scale")?;
    if scope.call.param("fieldManager").is_empty() {
        let cause = Cause::required("fieldManager", "is required for apply patch");
        return Err(Status::invalid("meta.k8s.io", "PatchOptions", "", vec![cause]));
    }
    let (version, kind) = (json::text(&scale, &["apiVersion"]), json::text(&scale, &["kind"]));
    if (version, kind) != (VERSION, "Scale") {
        let (group, version) = version.rsplit_once('/').unwrap_or(("", version));
        let message = format!("invalid object type: {group}/{version}, Kind={kind}");
        return Err(Status::bad_request(message));
    }
    let replicas = json::at(&scale, &["spec", "replicas"]).and_then(Value::as_i64);
    if let Some(replicas) = replicas.filter(|r| *r < 0) {
        let detail = "must be greater than or equal to 0";
        let cause = Cause::invalid("spec.replicas", &json!(replicas), detail);
        return Err(Status::invalid("autoscaling", "Scale", scope.name(), vec![cause]));
    }
    let mut config = json!({
        "apiVersion": scope.api_version(), "kind": scope.kind.kind,
        "metadata": {"name": scope.name(), "namespace": scope.namespace()},
    });
    let parents: Vec<&str> = paths.spec.iter().map(String::as_str).collect();
    if let (Some((last, parents)), Some(replicas)) = (parents.split_last(), replicas) {
        json::path_mut(&mut config, parents).insert((*last).to_owned(), replicas.into());
    }
    let mut state = scope.server.state();
    let live = state
        .store
        .get(&scope.kind.storage, scope.namespace(), scope.name())
        .ok_or_else(|| Status::not_found(&scope.kind, scope.name()))?;
    let wanted = json::resource_version(&scale);
    if !wanted.is_empty() && wanted != json::resource_version(&live) {
        return Err(Status::stale(&scope.kind, scope.name()));
    }
    let mut shown = live.as_ref().clone();
    shown["apiVersion"] = scope.api_version().into();
    let view = scope.version.schema.view();
    let force = scope.call.flag("force");
    let new = managed::apply(Some(&shown), &config, &writer(scope), force, view, &|_| {})
        .map_err(|refusal| as_of_a_scale(scope, paths, refusal))?;
    // A scale tells nothing of the rest of its object.
    store_update(scope, &mut state, &live, new, false, &mut Vec::new())
}

/// A conflict in the words of the scale instead of its object.
fn as_of_a_scale(scope: &Scope<'_>, paths: &ScalePaths, mut refusal: Status) -> Status {
    let (using, field) = (
        format!("using {}", scope.api_version()),
        format!(".{}", paths.spec.join(".")),
    );
    let told = |text: &str| {
        text.replace(&using, &format!("using {VERSION}"))
            .replace(&field, FIELD)
    };
    refusal.message = told(&refusal.message);
    for cause in &mut refusal.causes {
        cause.message = told(&cause.message);
        cause.field = told(&cause.field);
    }
    refusal
}
