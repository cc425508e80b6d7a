//! Delete, of one object or of a collection.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use super::{admit_delete, finish, is_released, parse_any};
use crate::local::{
    crd, json, namespace, read,
    server::{Body, Scope, State, respond},
    status::{Cause, Status},
};

/// The options of a delete: from the body, else from the query.
pub(crate) struct DeleteOptions {
    propagation: String,
    uid: String,
    resource_version: String,
    /// Seconds that the object is left to end by itself.
    grace: Option<i64>,
    pub(crate) dry_run: bool,
}

impl DeleteOptions {
    fn read(scope: &Scope<'_>, body: &Bytes) -> Result<Self, Status> {
        let options: Value = if body.is_empty() {
            json!({})
        } else {
            parse_any(&scope.call.content_type, body, "DeleteOptions")?
        };
        Self::of(scope, &options)
    }

    /// The options that are given, and those of the query.
    pub(crate) fn of(scope: &Scope<'_>, options: &Value) -> Result<Self, Status> {
        let text = |path: &[&str]| json::text(options, path).to_owned();
        let mut propagation = text(&["propagationPolicy"]);
        if propagation.is_empty() {
            propagation = scope.call.param("propagationPolicy").to_owned();
        }
        let orphan = options
            .get("orphanDependents")
            .and_then(Value::as_bool)
            .or_else(|| {
                (!scope.call.param("orphanDependents").is_empty())
                    .then(|| scope.call.flag("orphanDependents"))
            });
        if orphan.is_some() && !propagation.is_empty() {
            let detail = "orphanDependents and deletionPropagation cannot be both set";
            let cause = Cause::invalid("propagationPolicy", &Value::from(propagation), detail);
            return Err(Status::invalid("meta.k8s.io", "DeleteOptions", "", vec![cause]));
        }
        if orphan == Some(true) {
            propagation = "Orphan".to_owned();
        }
        if !["", "Background", "Foreground", "Orphan"].contains(&propagation.as_str()) {
            let cause = Cause::not_supported(
                "propagationPolicy",
                &Value::from(propagation),
                &["Foreground", "Background", "Orphan", "nil"].map(str::to_owned),
            );
            return Err(Status::invalid("meta.k8s.io", "DeleteOptions", "", vec![cause]));
        }
        let wanted = json::texts(options, &["dryRun"]);
        if wanted.iter().any(|w| *w != "All") {
            let cause = Cause::not_supported("dryRun", &json!(wanted), &["All".to_owned()]);
            return Err(Status::invalid("meta.k8s.io", "DeleteOptions", "", vec![cause]));
        }
        let grace = options
            .get("gracePeriodSeconds")
            .and_then(Value::as_i64)
            .or_else(|| scope.call.param("gracePeriodSeconds").parse().ok());
        let dry_run = scope.call.is_dry_run()? || !wanted.is_empty();
        Ok(Self {
            propagation,
            uid: text(&["preconditions", "uid"]),
            resource_version: text(&["preconditions", "resourceVersion"]),
            grace,
            dry_run,
        })
    }

    /// Whether an object is the one that is meant.
    pub(crate) fn hold(&self, scope: &Scope<'_>, old: &Value) -> Result<(), Status> {
        let name = json::name(old).to_owned();
        for (what, wanted, found) in [
            ("UID", &self.uid, json::uid(old)),
            (
                "ResourceVersion",
                &self.resource_version,
                json::resource_version(old),
            ),
        ] {
            if !wanted.is_empty() && wanted != found {
                let why = if what == "UID" {
                    "deleted and then recreated"
                } else {
                    "modified"
                };
                let message = format!(
                    "Operation cannot be fulfilled on {} {name:?}: the {what} in the precondition ({wanted}) does not \
                     match the {what} in record ({found}). The object might have been {why}",
                    scope.kind.kind
                );
                return Err(Status::new(409, "Conflict", message).detail(&name, "", &scope.kind.kind));
            }
        }
        Ok(())
    }
}

pub(crate) fn delete(scope: &Scope<'_>, body: &Bytes) -> Result<Response<Body>, Status> {
    let options = DeleteOptions::read(scope, body)?;
    let mut state = scope.server.state();
    let old = state
        .store
        .get(&scope.kind.storage, scope.namespace(), scope.name())
        .ok_or_else(|| Status::not_found(&scope.kind, scope.name()))?;
    let (last, removed) = delete_one(scope, &mut state, &old, &options)?;
    drop(state);
    let whole = !removed
        || [
            "pods",
            "namespaces",
            "resourcequotas",
            "services",
            "serviceaccounts",
        ]
        .contains(&scope.kind.plural.as_str());
    if whole {
        return read::answer(scope, 200, &last, &read::warnings(scope));
    }
    let mut details = json!({"name": json::name(&old), "kind": scope.kind.plural, "uid": json::uid(&old)});
    if !scope.kind.group.is_empty() {
        details["group"] = scope.kind.group.as_str().into();
    }
    Ok(respond(
        200,
        &json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
            "details": details,
        }),
        &read::warnings(scope),
    ))
}

/// Deletes an object, or begins to; true where it is gone.
pub(crate) fn delete_one(
    scope: &Scope<'_>,
    state: &mut State,
    old: &Arc<Value>,
    options: &DeleteOptions,
) -> Result<(Arc<Value>, bool), Status> {
    options.hold(scope, old)?;
    namespace::admit_delete(&scope.kind, old)?;
    admit_delete(scope, state, old, options.dry_run)?;
    let mut new = old.as_ref().clone();
    let terminating = json::is_terminating(old);
    let grace = grace(scope, old, options.grace);
    let mut shortened = false;
    let meta = json::meta_mut(&mut new);
    if terminating {
        // A deletion that waits can only be hurried.
        let left = meta.get("deletionGracePeriodSeconds").and_then(Value::as_i64);
        if let (Some(_), Some(left)) = (options.grace, left.filter(|l| grace < *l)) {
            let end = json::time(meta.get("deletionTimestamp"), grace - left);
            meta.insert("deletionTimestamp".to_owned(), end.into());
            meta.insert("deletionGracePeriodSeconds".to_owned(), grace.into());
            shortened = true;
        }
    } else {
        meta.insert("deletionTimestamp".to_owned(), json::time(None, grace).into());
        meta.insert("deletionGracePeriodSeconds".to_owned(), grace.into());
        if let Some(generation) = meta.get("generation").and_then(Value::as_i64) {
            meta.insert("generation".to_owned(), (generation + 1).into());
        }
        if scope.kind.is(crd::GROUP, crd::PLURAL) {
            let list = meta.entry("finalizers").or_insert_with(|| json!([]));
            if let Some(list) = list
                .as_array_mut()
                .filter(|l| !l.iter().any(|f| f == crd::FINALIZER))
            {
                list.push(crd::FINALIZER.into());
            }
        }
        let finalizer = match options.propagation.as_str() {
            "Foreground" => Some("foregroundDeletion"),
            "Orphan" => Some("orphan"),
            _ => None,
        };
        if let Some(finalizer) = finalizer {
            let list = meta.entry("finalizers").or_insert_with(|| json!([]));
            if let Some(list) = list.as_array_mut() {
                list.push(finalizer.into());
            }
        }
        namespace::begin_delete(&scope.kind, &mut new);
        if scope.kind.is(crd::GROUP, crd::PLURAL) {
            crd::begin_delete(&mut new);
        }
    }
    let removed = is_released(&new);
    if options.dry_run {
        return Ok((Arc::new(new), removed));
    }
    if removed && scope.kind.is("", "pods") {
        let _ = finish(&mut state.store, scope, new.clone());
        return Ok((Arc::new(new), true));
    }
    if removed {
        return Ok((finish(&mut state.store, scope, new), true));
    }
    if terminating && !shortened {
        return Ok((old.clone(), false));
    }
    Ok((state.store.put(&scope.kind.storage, new), false))
}

/// How many seconds an object has left: only pods on a node are waited for.
fn grace(scope: &Scope<'_>, object: &Value, wanted: Option<i64>) -> i64 {
    let ended = ["Failed", "Succeeded"].contains(&json::text(object, &["status", "phase"]));
    if !scope.kind.is("", "pods") || json::text(object, &["spec", "nodeName"]).is_empty() || ended {
        return 0;
    }
    let own = || json::at(object, &["spec", "terminationGracePeriodSeconds"]).and_then(Value::as_i64);
    match wanted.or_else(own).unwrap_or(0) {
        negative if negative < 0 => 1,
        seconds => seconds,
    }
}

pub(crate) fn delete_collection(scope: &Scope<'_>, body: &Bytes) -> Result<Response<Body>, Status> {
    let options = DeleteOptions::read(scope, body)?;
    let selector = read::selector(scope)?;
    let mut state = scope.server.state();
    let all: Vec<Arc<Value>> = state
        .store
        .list(&scope.kind.storage, scope.target.namespace.as_deref())
        .filter(|object| read::matches(&selector, object, &scope.kind))
        .collect();
    let revision = state.store.revision().to_string();
    // All are judged before the first goes: a webhook may have to be asked, and the write is begun anew then.
    for old in &all {
        admit_delete(scope, &state, old, options.dry_run)?;
    }
    for old in &all {
        delete_one(scope, &mut state, old, &options)?;
    }
    drop(state);
    // The answer is the list that was deleted, as it was.
    let items: Vec<Value> = all
        .iter()
        .map(|old| read::item(old, &scope.kind, &scope.version))
        .collect();
    Ok(respond(
        200,
        &json!({
            "apiVersion": scope.api_version(), "kind": scope.kind.list_kind,
            "metadata": {"resourceVersion": revision}, "items": items,
        }),
        &[],
    ))
}
