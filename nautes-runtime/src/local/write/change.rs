//! Update, patch and apply.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use super::{
    DEPTH, admit, admit_last, check_manager, check_namespace,
    create::{after_write, create_object},
    decode, fill, finish, is_released, parse, track_write, validate, writer,
};
use crate::local::{
    Operation, authz, crd, json, managed, patch, prepare, read,
    server::{Body, Scope, State},
    services,
    status::{Cause, Status},
    strategic,
};

/// The media types of patches other than an apply.
const PATCHES: [&str; 3] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];

pub(crate) fn change(scope: &Scope<'_>, body: &Bytes) -> Result<Response<Body>, Status> {
    check_manager(scope)?;
    let mut warnings = read::warnings(scope);
    if scope.call.verb == "update" {
        let object = parse(scope, body)?;
        let mut state = scope.server.state();
        let object = update(scope, &mut state, &mut warnings, |_| Ok(object), true)?;
        drop(state);
        return read::answer(scope, 200, &object, &warnings);
    }
    let media = scope.call.media().to_owned();
    if scope.call.is_apply() {
        let config = parse(scope, body)?;
        let mut state = scope.server.state();
        let (code, object) = apply(scope, &mut state, config, &mut warnings)?;
        drop(state);
        return read::answer(scope, code, &object, &warnings);
    }
    if !PATCHES.contains(&media.as_str()) {
        return Err(Status::unsupported_media());
    }
    if !scope.call.param("force").is_empty() {
        let cause = Cause::forbidden("force", "may not be specified for non-apply patch");
        return Err(Status::invalid("meta.k8s.io", "PatchOptions", "", vec![cause]));
    }
    let change: Value = serde_json::from_slice(body).map_err(|e| {
        Status::bad_request(format!("error decoding patch: {}", json::syntax_error(body, &e)))
    })?;
    if json::depth(&change) > DEPTH {
        return Err(Status::bad_request("the patch is nested too deeply"));
    }
    let patched = |old: &Value| -> Result<Value, Status> {
        let old = read::shown(old, &scope.kind, &scope.version);
        patched(scope, &media, &old, &change)
    };
    let mut state = scope.server.state();
    let object = update(scope, &mut state, &mut warnings, patched, false)?;
    drop(state);
    read::answer(scope, 200, &object, &warnings)
}

/// The type of a JSON value in the words of Go.
fn go_word(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Bool(_) => "bool",
        _ => "number",
    }
}

/// The outcome of a patch that is not an apply.
pub(crate) fn patched(scope: &Scope<'_>, media: &str, old: &Value, change: &Value) -> Result<Value, Status> {
    match media {
        "application/json-patch+json" => patch::json_patch(old, change),
        "application/merge-patch+json" => {
            if !change.is_object() {
                return Err(Status::bad_request(format!(
                    "error decoding patch: json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
                    go_word(change)
                )));
            }
            let mut new = old.clone();
            patch::merge_patch(&mut new, change);
            Ok(new)
        }
        "application/strategic-merge-patch+json" if !scope.kind.custom => {
            strategic::strategic_merge(old, change, scope.version.schema.view())
        }
        _ => Err(Status::new(
            415,
            "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: \
             application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
        )),
    }
}

fn apply(
    scope: &Scope<'_>,
    state: &mut State,
    config: Value,
    warnings: &mut Vec<String>,
) -> Result<(u16, Arc<Value>), Status> {
    if scope.call.param("fieldManager").is_empty() {
        let cause = Cause::required("fieldManager", "is required for apply patch");
        return Err(Status::invalid("meta.k8s.io", "PatchOptions", "", vec![cause]));
    }
    if json::meta(&config)
        .get("managedFields")
        .is_some_and(|m| !m.is_null())
    {
        return Err(Status::bad_request("metadata.managedFields must be nil"));
    }
    let (version, kind) = (
        json::text(&config, &["apiVersion"]),
        json::text(&config, &["kind"]),
    );
    if version != scope.api_version() || kind != scope.kind.kind {
        let (group, version) = version.rsplit_once('/').unwrap_or(("", version));
        let message = format!("invalid object type: {group}/{version}, Kind={kind}");
        return Err(Status::bad_request(message));
    }
    let (name, uid) = (json::name(&config).to_owned(), json::uid(&config).to_owned());
    if !name.is_empty() && name != scope.name() {
        return Err(wrong_name(&name, scope.name()));
    }
    check_namespace(scope, &mut config.clone())?;
    let version = json::resource_version(&config).to_owned();
    let mut config = decode(scope, config, warnings)?;
    json::meta_mut(&mut config).insert("name".to_owned(), scope.name().into());
    check_namespace(scope, &mut config)?;
    let writer = writer(scope);
    let view = scope.version.schema.view();
    // A secret is stored without the field that only says its data in other words.
    let fold = |object: &mut Value| {
        if scope.kind.is("", "secrets") && object.get("stringData").is_some() {
            prepare::fill(object, &scope.kind);
        }
    };
    let live = state
        .store
        .get(&scope.kind.storage, scope.namespace(), scope.name());
    let Some(live) = live else {
        if !scope.subresource().is_empty() {
            return Err(Status::not_found(&scope.kind, scope.name()));
        }
        if !uid.is_empty() {
            let message = format!(
                "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            );
            return Err(Status::conflict(&scope.kind, scope.name(), &message));
        }
        if !scope.kind.is_stored() {
            return Err(Status::method_not_allowed());
        }
        authz::check_create(state, scope)?;
        if name.is_empty() {
            return Err(no_name(scope));
        }
        let object = managed::apply(None, &config, &writer, false, view, &fold)?;
        let object = create_object(scope, state, object, warnings, false)?;
        return Ok((201, object));
    };
    if !version.is_empty() && version != json::resource_version(&live) {
        return Err(Status::stale(&scope.kind, scope.name()));
    }
    if !uid.is_empty() && uid != json::uid(&live) {
        return Err(uid_is_fixed(scope, &uid));
    }
    let force = scope.call.flag("force");
    let mut shown = live.as_ref().clone();
    shown["apiVersion"] = scope.api_version().into();
    let new = managed::apply(Some(&shown), &config, &writer, force, view, &fold)?;
    let object = store_update(scope, state, &live, new, false, warnings)?;
    Ok((200, object))
}

fn no_name(scope: &Scope<'_>) -> Status {
    Status::bad_request(format!(
        "the name of the object ({} based on URL) was undeterminable: name must be provided",
        scope.name()
    ))
}

/// The refusal of a patch with the uid of another object. The checks of all kinds and those of this kind both say so.
fn uid_is_fixed(scope: &Scope<'_>, uid: &str) -> Status {
    let cause = Cause::invalid("metadata.uid", &Value::from(uid), "field is immutable");
    let (group, kind) = (&scope.kind.group, &scope.kind.kind);
    Status::invalid(group, kind, scope.name(), vec![cause.clone(), cause])
}

fn wrong_name(found: &str, wanted: &str) -> Status {
    Status::bad_request(format!(
        "the name of the object ({found}) does not match the name on the URL ({wanted})"
    ))
}

/// Changes an object. `make` gives the new object from the old one.
pub(crate) fn update(
    scope: &Scope<'_>,
    state: &mut State,
    warnings: &mut Vec<String>,
    make: impl FnOnce(&Value) -> Result<Value, Status>,
    whole: bool,
) -> Result<Arc<Value>, Status> {
    let old = state
        .store
        .get(&scope.kind.storage, scope.namespace(), scope.name())
        .ok_or_else(|| Status::not_found(&scope.kind, scope.name()))?;
    let new = make(&old)?;
    if !new.is_object() {
        return Err(Status::bad_request("the object is no JSON object"));
    }
    if json::depth(&new) > DEPTH {
        return Err(Status::bad_request("the object is nested too deeply"));
    }
    let mut new = decode(scope, new, warnings)?;
    check_namespace(scope, &mut new)?;
    let name = json::name(&new).to_owned();
    if name != scope.name() {
        return Err(match (name.is_empty(), whole) {
            (true, true) => Status::bad_request("name must be provided"),
            (true, false) => no_name(scope),
            (false, _) => wrong_name(&name, scope.name()),
        });
    }
    check_preconditions(scope, &old, &new, whole)?;
    store_update(scope, state, &old, new, true, warnings)
}

fn check_preconditions(scope: &Scope<'_>, old: &Value, new: &Value, whole: bool) -> Result<(), Status> {
    let version = json::resource_version(new);
    if whole && version.is_empty() && (scope.kind.custom || scope.kind.is(crd::GROUP, crd::PLURAL)) {
        let cause = Cause::invalid(
            "metadata.resourceVersion",
            &json!(0),
            "must be specified for an update",
        );
        return Err(Status::invalid(
            &scope.kind.group,
            &scope.kind.plural,
            scope.name(),
            vec![cause],
        ));
    }
    let uid = json::uid(new);
    if !whole && !uid.is_empty() && uid != json::uid(old) {
        return Err(uid_is_fixed(scope, uid));
    }
    if !uid.is_empty() && uid != json::uid(old) {
        let detail = format!(
            "StorageError: invalid object, Code: 4, Key: {}, ResourceVersion: 0, AdditionalErrorMsg: Precondition \
             failed: UID in precondition: {uid}, UID in object meta: {}",
            scope.registry_key(),
            json::uid(old)
        );
        return Err(Status::conflict(&scope.kind, scope.name(), &detail));
    }
    if !version.is_empty() && version.parse::<u64>().is_err() {
        let message = format!("strconv.ParseUint: parsing {version:?}: invalid syntax");
        return Err(Status::new(500, "", message));
    }
    if !version.is_empty() && version != json::resource_version(old) {
        return Err(Status::stale(&scope.kind, scope.name()));
    }
    Ok(())
}

const FROM_OLD: &[&str] = &[
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "selfLink",
    "resourceVersion",
    "generateName",
    "name",
    "namespace",
];

fn copy_field(from: &Value, to: &mut Value, field: &str) {
    let map = json::object_mut(to);
    match from.get(field) {
        Some(value) => map.insert(field.to_owned(), value.clone()),
        None => map.remove(field),
    };
}

/// A pod with the amounts of another.
fn resized(old: &Value, new: &Value) -> Value {
    let mut result = old.clone();
    for list in ["containers", "initContainers"] {
        let wanted = json::list(new, &["spec", list]);
        let containers = result
            .pointer_mut(&format!("/spec/{list}"))
            .and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let same = wanted.iter().find(|w| w["name"] == container["name"]);
            for field in ["resources", "resizePolicy"] {
                if let Some(from) = same {
                    copy_field(from, container, field);
                }
            }
        }
    }
    result
}

/// Puts together the object that an update through this door makes.
fn assemble(scope: &Scope<'_>, old: &Value, mut new: Value) -> Value {
    match scope.subresource() {
        "status" => {
            let mut result = old.clone();
            result["apiVersion"] = new["apiVersion"].clone();
            copy_field(&new, &mut result, "status");
            if let Some(quality) =
                json::at(old, &["status", "qosClass"]).filter(|_| scope.kind.is("", "pods"))
            {
                json::path_mut(&mut result, &["status"]).insert("qosClass".to_owned(), quality.clone());
            }
            if scope.kind.is("apps", "deployments") {
                let annotations = json::meta(&new).get("annotations").cloned();
                let meta = json::meta_mut(&mut result);
                meta.remove("annotations");
                meta.extend(annotations.map(|a| ("annotations".to_owned(), a)));
            }
            let fields = json::meta(&new).get("managedFields").cloned();
            if let Some(fields) = fields {
                json::meta_mut(&mut result).insert("managedFields".to_owned(), fields);
            }
            return result;
        }
        "finalize" => {
            let mut result = old.clone();
            json::path_mut(&mut result, &["spec"]).insert(
                "finalizers".to_owned(),
                json::at(&new, &["spec", "finalizers"])
                    .cloned()
                    .unwrap_or_else(|| json!([])),
            );
            return result;
        }
        "ephemeralcontainers" => {
            let mut result = old.clone();
            let given = json::at(&new, &["spec"]).cloned().unwrap_or_default();
            copy_field(&given, &mut result["spec"], "ephemeralContainers");
            return result;
        }
        "resize" => return resized(old, &new),
        _ => {}
    }
    if scope.version.status {
        copy_field(old, &mut new, "status");
    }
    if scope.kind.is("", "namespaces") {
        copy_field(old, &mut new, "spec");
    }
    let from = json::meta(old).clone();
    let meta = json::meta_mut(&mut new);
    for field in FROM_OLD {
        match from.get(*field) {
            Some(value) => meta.insert((*field).to_owned(), value.clone()),
            None => meta.remove(*field),
        };
    }
    new
}

/// Checks and stores what an object becomes. `tracked` is false where managed fields are complete already.
pub(crate) fn store_update(
    scope: &Scope<'_>,
    state: &mut State,
    old: &Arc<Value>,
    new: Value,
    tracked: bool,
    warnings: &mut Vec<String>,
) -> Result<Arc<Value>, Status> {
    let dry_run = scope.call.is_dry_run()?;
    let mut new = assemble(scope, old, new);
    fill(scope, &mut new);
    if scope.kind.is(crd::GROUP, crd::PLURAL) {
        if scope.subresource().is_empty() {
            crd::note_stored(&mut new);
        }
        if crd::causes(&new, Some(old)).is_empty() && !json::is_terminating(old) {
            crd::set_status(&mut new, &state.registry);
        }
    }
    count_generation(scope, old, &mut new);
    check_finalizers(scope, old, &new)?;
    authz::check_escalation(state, scope.user, scope, &new, Some(old))?;
    if tracked {
        track_write(scope, Some(old), &mut new);
    }
    admit(scope, state, Operation::Update, &mut new, Some(old), dry_run)?;
    keep_times(old, &mut new);
    validate(scope, &new, Some(old), warnings)?;
    if scope.kind.is("", "services") && scope.subresource().is_empty() {
        services::allocate(state, &mut new, Some(old));
    }
    admit_last(scope, state, Operation::Update, &new, Some(old), dry_run)?;
    if dry_run {
        return Ok(Arc::new(new));
    }
    if is_released(&new) {
        let _ = finish(&mut state.store, scope, new.clone());
        gone(scope, state);
        return Ok(Arc::new(new));
    }
    if json::same_but(old, &new, &["apiVersion"]) {
        return Ok(old.clone());
    }
    let object = state.store.put(&scope.kind.storage, new);
    if scope.kind.is(crd::GROUP, crd::PLURAL) {
        after_write(scope, state, &object);
    }
    Ok(object)
}

/// Gives a state that differs only in the times of its managers the times that were: time alone is no change.
fn keep_times(old: &Value, new: &mut Value) {
    if managed::same_but_times(old, new) {
        managed::keep(old, new);
    }
}

fn gone(scope: &Scope<'_>, state: &mut State) {
    if scope.kind.is(crd::GROUP, crd::PLURAL)
        && let Some((plural, group)) = scope.name().split_once('.')
    {
        state.registry.remove(group, plural);
    }
}

/// Counts a change of what is wanted.
pub(super) fn count_generation(scope: &Scope<'_>, old: &Value, new: &mut Value) {
    if !prepare::has_generation(&scope.kind) {
        return;
    }
    let before = json::meta(old)
        .get("generation")
        .and_then(Value::as_i64)
        .unwrap_or(0);
    let now = before + i64::from(moves_generation(scope, old, new));
    if now > 0 {
        json::meta_mut(new).insert("generation".to_owned(), now.into());
    }
}

fn moves_generation(scope: &Scope<'_>, old: &Value, new: &Value) -> bool {
    if scope.subresource() == "status" {
        return false;
    }
    let ignored = |key: &str| {
        ["metadata", "apiVersion", "kind"].contains(&key)
            || key == "status" && (scope.version.status || !scope.kind.custom)
    };
    let part = |value: &Value| -> Vec<(String, Value)> {
        value
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(k, _)| !ignored(k))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect()
    };
    // The rollout of a Deployment is told by annotations too.
    let annotations = |value| json::at(value, &["metadata", "annotations"]).cloned();
    part(old) != part(new) || scope.kind.is("apps", "deployments") && annotations(old) != annotations(new)
}

fn check_finalizers(scope: &Scope<'_>, old: &Value, new: &Value) -> Result<(), Status> {
    if !json::is_terminating(old) {
        return Ok(());
    }
    let before = json::texts(old, &["metadata", "finalizers"]);
    let fresh: Vec<&str> = json::texts(new, &["metadata", "finalizers"])
        .into_iter()
        .filter(|f| !before.contains(f))
        .collect();
    if fresh.is_empty() {
        return Ok(());
    }
    let shown: Vec<String> = fresh.iter().map(|f| format!("{f:?}")).collect();
    let detail = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
        shown.join(", ")
    );
    let cause = Cause::forbidden("metadata.finalizers", detail);
    Err(Status::invalid(
        &scope.kind.group,
        &scope.kind.kind,
        scope.name(),
        // The checks of all kinds and those of this kind both say so.
        vec![cause.clone(), cause],
    ))
}
