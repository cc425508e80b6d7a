//! Create, update, patch, apply and delete.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use super::{
    AdmissionRequest, Operation, authz, crd, events, json,
    managed::{self, Writer},
    names, namespace, patch, prepare, read, schema,
    server::{Body, Scope, State, respond},
    status::{Cause, Status},
    store::Store,
    strategic,
};

/// How deep an object may be nested.
const DEPTH: usize = 200;

pub(crate) fn parse(scope: &Scope<'_>, body: &Bytes) -> Result<Value, Status> {
    let value: Value = parse_any(&scope.call.content_type, body)?;
    if !value.is_object() {
        return Err(Status::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): the body is no object",
            scope.kind.kind
        )));
    }
    if json::depth(&value) > DEPTH {
        return Err(Status::bad_request("the object is nested too deeply"));
    }
    Ok(value)
}

fn parse_any(content_type: &str, body: &Bytes) -> Result<Value, Status> {
    let media = content_type.split(';').next().unwrap_or_default().trim();
    if media == "application/vnd.kubernetes.protobuf" {
        return Err(Status::new(
            415,
            "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: application/json, \
             application/yaml",
        ));
    }
    match serde_json::from_slice(body) {
        Ok(value) => Ok(value),
        Err(_) if media.ends_with("yaml") => serde_yaml::from_slice(body)
            .map_err(|e| Status::bad_request(format!("error converting YAML to JSON: {e}"))),
        Err(e) => Err(Status::bad_request(format!(
            "couldn't get version/kind; json parse error: {e}"
        ))),
    }
}

/// Checks that an object is of the kind that the path names, and fills these fields in.
fn check_type(scope: &Scope<'_>, object: &mut Value) -> Result<(), Status> {
    let wanted = scope.api_version();
    let found = json::text(object, &["apiVersion"]).to_owned();
    if !found.is_empty() && found != wanted {
        return Err(Status::bad_request(format!(
            "the API version in the data ({found}) does not match the expected API version ({wanted})"
        )));
    }
    let kind = json::text(object, &["kind"]).to_owned();
    if !kind.is_empty() && kind != scope.kind.kind {
        return Err(Status::bad_request(format!(
            "the kind in the data ({kind}) does not match the expected kind ({})",
            scope.kind.kind
        )));
    }
    if scope.kind.custom && (kind.is_empty() || found.is_empty()) {
        let field = if kind.is_empty() { "Kind" } else { "apiVersion" };
        return Err(Status::bad_request(format!(
            "Object '{field}' is missing in the body of the request"
        )));
    }
    object["apiVersion"] = wanted.into();
    object["kind"] = scope.kind.kind.clone().into();
    if object
        .get("metadata")
        .is_some_and(|m| !m.is_object() && !m.is_null())
    {
        return Err(Status::bad_request(format!(
            "{} in version {:?} cannot be handled as a {}: json: cannot unmarshal into Go struct field \
             {}.metadata of type v1.ObjectMeta",
            scope.kind.kind, scope.version.name, scope.kind.kind, scope.kind.kind
        )));
    }
    Ok(())
}

/// Unknown fields, wrong types, pruning and defaults: what decoding does.
fn decode(scope: &Scope<'_>, mut object: Value, warnings: &mut Vec<String>) -> Result<Value, Status> {
    check_type(scope, &mut object)?;
    if let Some(stored) = events::stored(&object, &scope.kind) {
        // The schema of the new face describes the object before it is turned.
        check_shape(scope, &mut object, warnings)?;
        return Ok(stored);
    }
    check_shape(scope, &mut object, warnings)?;
    Ok(object)
}

fn check_shape(scope: &Scope<'_>, object: &mut Value, warnings: &mut Vec<String>) -> Result<(), Status> {
    let view = scope.version.schema.view();
    let kind = &scope.kind.kind;
    if !scope.kind.custom {
        if !scope.kind.is(crd::GROUP, crd::PLURAL) {
            json::drop_nulls(object);
        }
        if let Some(why) = schema::decode_error(object, view, kind, &scope.version.name) {
            return Err(Status::bad_request(why));
        }
    } else if let Some(why) = schema::decode_error(
        &json!({"metadata": object.get("metadata").cloned().unwrap_or_default()}),
        view,
        kind,
        &scope.version.name,
    ) {
        return Err(Status::bad_request(why));
    }
    let mode = match scope.call.param("fieldValidation") {
        "" => "Warn",
        mode @ ("Ignore" | "Warn" | "Strict") => mode,
        other => {
            return Err(Status::new(
                422,
                "Invalid",
                format!(
                    "fieldValidation: Unsupported value: {other:?}: supported values: \"Ignore\", \"Strict\", \"Warn\""
                ),
            ));
        }
    };
    let gone: Vec<String> = schema::prune(object, view)
        .into_iter()
        .map(|f| format!("unknown field {f:?}"))
        .collect();
    if mode == "Strict" && !gone.is_empty() {
        let why = format!("strict decoding error: {}", gone.join(", "));
        return Err(Status::bad_request(if scope.kind.custom {
            why
        } else {
            format!(
                "{kind} in version {:?} cannot be handled as a {kind}: {why}",
                scope.version.name
            )
        }));
    }
    if mode == "Warn" {
        warnings.extend(gone);
    }
    Ok(())
}

fn fill(scope: &Scope<'_>, object: &mut Value) {
    if !scope.kind.custom {
        prepare::fill(object, &scope.kind);
    }
    schema::fill_defaults(object, scope.version.schema.view());
}

fn check_namespace(scope: &Scope<'_>, object: &mut Value) -> Result<(), Status> {
    let found = json::namespace(object).to_owned();
    let wanted = scope.namespace().to_owned();
    let meta = json::meta_mut(object);
    if wanted.is_empty() {
        meta.remove("namespace");
    } else if found.is_empty() {
        meta.insert("namespace".to_owned(), wanted.into());
    } else if found != wanted {
        return Err(Status::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    Ok(())
}

fn writer(scope: &Scope<'_>) -> Writer {
    Writer {
        manager: scope.call.manager(),
        api_version: scope.api_version(),
        subresource: scope.subresource().to_owned(),
        has_status: scope.version.status,
        custom: scope.kind.custom,
    }
}

/// What is wrong with an object, in every respect.
fn validate(scope: &Scope<'_>, object: &Value, old: Option<&Value>) -> Result<(), Status> {
    let mut causes = Vec::new();
    if scope.subresource().is_empty() {
        causes.extend(names::metadata_causes(object, &scope.kind));
    }
    let faced = events::shown(object, &scope.kind);
    let subject = faced.as_ref().unwrap_or(object);
    let by_schema = schema::validate(subject, scope.version.schema.view());
    let sound = by_schema.is_empty();
    causes.extend(by_schema);
    if sound && let Some(rules) = &scope.version.rules {
        causes.extend(rules.check(object, old));
    }
    if !scope.kind.custom {
        for cause in prepare::causes(object, old, &scope.kind) {
            if !causes
                .iter()
                .any(|c| c.field == cause.field && c.reason == cause.reason)
            {
                causes.push(cause);
            }
        }
    }
    if causes.is_empty() {
        return Ok(());
    }
    Err(Status::invalid(
        &scope.kind.group,
        &scope.kind.kind,
        json::name(object),
        causes,
    ))
}

fn admit(
    scope: &Scope<'_>,
    operation: Operation,
    object: Option<&Value>,
    old: Option<&Value>,
    dry_run: bool,
) -> Result<(), Status> {
    let Some(admission) = &scope.server.admission else {
        return Ok(());
    };
    admission(&AdmissionRequest {
        operation,
        group: &scope.kind.group,
        version: &scope.version.name,
        kind: &scope.kind.kind,
        resource: &scope.kind.plural,
        subresource: scope.subresource(),
        namespace: scope.namespace(),
        name: object.or(old).map(json::name).unwrap_or_default(),
        user: &scope.user.name,
        groups: &scope.user.groups,
        object,
        old,
        dry_run,
    })
}

fn check_manager(scope: &Scope<'_>) -> Result<(), Status> {
    let manager = scope.call.param("fieldManager");
    if manager.len() > 128 || manager.chars().any(char::is_control) {
        return Err(Status::new(
            422,
            "Invalid",
            "fieldManager: Invalid value: may not be more than 128 bytes",
        ));
    }
    Ok(())
}

pub(crate) fn create(scope: &Scope<'_>, body: &Bytes) -> Result<Response<Body>, Status> {
    check_manager(scope)?;
    let object = parse(scope, body)?;
    let mut warnings = read::warnings(scope);
    let mut state = scope.server.state();
    let object = create_object(scope, &mut state, object, &mut warnings, true)?;
    drop(state);
    read::answer(scope, 201, &object, &warnings)
}

/// Creates an object. `track` is false where its managed fields are complete already (server-side apply).
fn create_object(
    scope: &Scope<'_>,
    state: &mut State,
    object: Value,
    warnings: &mut Vec<String>,
    track: bool,
) -> Result<Arc<Value>, Status> {
    let dry_run = scope.call.is_dry_run()?;
    let mut object = decode(scope, object, warnings)?;
    check_namespace(scope, &mut object)?;
    if !json::resource_version(&object).is_empty() && track {
        return Err(Status::bad_request(
            "resourceVersion should not be set on objects to be created",
        ));
    }
    start(scope, &mut object, track);
    fill(scope, &mut object);
    if scope.kind.is(crd::GROUP, crd::PLURAL) {
        start_definition(&mut object, state);
    }
    namespace::admit_create(state, &scope.kind, &object)?;
    authz::check_escalation(state, scope.user, scope, &object, None)?;
    admit(scope, Operation::Create, Some(&object), None, dry_run)?;
    validate(scope, &object, None)?;
    let (ns, name) = (
        json::namespace(&object).to_owned(),
        json::name(&object).to_owned(),
    );
    if state.store.get(&scope.kind.storage, &ns, &name).is_some() {
        return Err(Status::already_exists(&scope.kind, &name));
    }
    if track {
        managed::track_update(None, &mut object, &writer(scope), scope.version.schema.view());
    }
    if dry_run {
        return Ok(Arc::new(object));
    }
    let object = state.store.put(&scope.kind.storage, object);
    after_write(scope, state, &object);
    Ok(object)
}

/// Sets the metadata that a new object starts with.
fn start(scope: &Scope<'_>, object: &mut Value, track: bool) {
    let prefix = json::text(object, &["metadata", "generateName"]).to_owned();
    let unnamed = json::name(object).is_empty();
    let meta = json::meta_mut(object);
    for field in [
        "resourceVersion",
        "selfLink",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
    ] {
        meta.remove(field);
    }
    if track {
        meta.remove("managedFields");
    }
    meta.insert("uid".to_owned(), uuid::Uuid::new_v4().to_string().into());
    meta.insert("creationTimestamp".to_owned(), json::now().into());
    if unnamed && !prefix.is_empty() {
        meta.insert("name".to_owned(), generated(&prefix).into());
    }
    if prepare::has_generation(&scope.kind) {
        meta.insert("generation".to_owned(), 1.into());
    }
    if scope.version.status {
        json::object_mut(object).remove("status");
    }
    if !scope.kind.custom {
        prepare::start(object, &scope.kind);
    }
}

/// A name from a prefix, as the API server makes them.
fn generated(prefix: &str) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut end = prefix.len().min(58);
    while !prefix.is_char_boundary(end) {
        end -= 1;
    }
    let tail: String = (0..5)
        .map(|_| char::from(LETTERS[rand::random_range(0..LETTERS.len())]))
        .collect();
    format!("{}{tail}", &prefix[..end])
}

fn start_definition(definition: &mut Value, state: &State) {
    crd::fill(definition);
    if crd::causes(definition, None).is_empty() {
        crd::set_status(definition, &state.registry);
    }
    let meta = json::meta_mut(definition);
    let list = meta.entry("finalizers").or_insert_with(|| json!([]));
    if let Some(list) = list.as_array_mut()
        && !list.iter().any(|f| f == crd::FINALIZER)
    {
        list.push(crd::FINALIZER.into());
    }
}

/// What other parts of the server need to know of a write.
fn after_write(scope: &Scope<'_>, state: &mut State, object: &Value) {
    if scope.kind.is(crd::GROUP, crd::PLURAL) && crd::is_established(object) {
        state.registry.insert(crd::resource_type(object));
    }
    if scope.kind.is("", "namespaces") {
        namespace::after_create(state, object);
    }
}

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
    let media = scope
        .call
        .content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned();
    if media == "application/apply-patch+yaml" {
        let config = parse(scope, body)?;
        let mut state = scope.server.state();
        let (code, object) = apply(scope, &mut state, config, &mut warnings)?;
        drop(state);
        return read::answer(scope, code, &object, &warnings);
    }
    let change: Value = serde_json::from_slice(body)
        .map_err(|e| Status::bad_request(format!("error decoding patch: {e}")))?;
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

/// The outcome of a patch that is not an apply.
pub(crate) fn patched(scope: &Scope<'_>, media: &str, old: &Value, change: &Value) -> Result<Value, Status> {
    match media {
        "application/json-patch+json" => patch::json_patch(old, change),
        "application/merge-patch+json" => {
            if !change.is_object() {
                return Err(Status::bad_request(
                    "error decoding patch: the patch is no object",
                ));
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
    mut config: Value,
    warnings: &mut Vec<String>,
) -> Result<(u16, Arc<Value>), Status> {
    if scope.call.param("fieldManager").is_empty() {
        let cause = Cause::required("fieldManager", "is required for apply patch");
        return Err(Status::invalid("meta.k8s.io", "PatchOptions", "", vec![cause]));
    }
    if json::meta(&config)
        .get("managedFields")
        .is_some_and(|m| !m.is_null() && *m != json!([]))
    {
        return Err(Status::bad_request("metadata.managedFields must be nil"));
    }
    let (name, uid) = (json::name(&config).to_owned(), json::uid(&config).to_owned());
    if !name.is_empty() && name != scope.name() {
        return Err(wrong_name(&name, scope.name()));
    }
    json::meta_mut(&mut config).insert("name".to_owned(), scope.name().into());
    check_namespace(scope, &mut config)?;
    let version = json::resource_version(&config).to_owned();
    let config = decode(scope, config, warnings)?;
    let (config, writer) = (prepared_config(scope, config), writer(scope));
    let view = scope.version.schema.view();
    let live = state
        .store
        .get(&scope.kind.storage, scope.namespace(), scope.name())
        .cloned();
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
        if !version.is_empty() {
            return Err(Status::stale(&scope.kind, scope.name()));
        }
        if !scope.kind.is_stored() {
            return Err(Status::method_not_allowed());
        }
        authz::check_create(state, scope)?;
        let object = managed::apply(None, &config, &writer, false, view)?;
        let object = create_object(scope, state, object, warnings, false)?;
        return Ok((201, object));
    };
    if !version.is_empty() && version != json::resource_version(&live) {
        return Err(Status::stale(&scope.kind, scope.name()));
    }
    let force = scope.call.flag("force");
    let mut shown = live.as_ref().clone();
    shown["apiVersion"] = scope.api_version().into();
    let new = managed::apply(Some(&shown), &config, &writer, force, view)?;
    let object = store_update(scope, state, &live, new, warnings, None)?;
    Ok((200, object))
}

/// Folds what a configuration says in other words (`stringData`) and fills in the keys of lists.
fn prepared_config(scope: &Scope<'_>, mut config: Value) -> Value {
    if scope.kind.is("", "secrets") && config.get("stringData").is_some() {
        let typed = config.get("type").cloned();
        prepare::fill(&mut config, &scope.kind);
        if typed.is_none() {
            json::object_mut(&mut config).remove("type");
        }
    }
    config
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
        .cloned()
        .ok_or_else(|| Status::not_found(&scope.kind, scope.name()))?;
    let new = make(&old)?;
    if !new.is_object() {
        return Err(Status::bad_request("the object is no JSON object"));
    }
    let mut new = decode(scope, new, warnings)?;
    check_namespace(scope, &mut new)?;
    let name = json::name(&new).to_owned();
    if name != scope.name() && !(name.is_empty() && !whole) {
        return Err(if name.is_empty() {
            Status::bad_request("name must be provided")
        } else {
            wrong_name(&name, scope.name())
        });
    }
    check_preconditions(scope, &old, &new, whole)?;
    store_update(scope, state, &old, new, warnings, Some(writer(scope)))
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
            &scope.kind.kind,
            scope.name(),
            vec![cause],
        ));
    }
    let uid = json::uid(new);
    if !uid.is_empty() && uid != json::uid(old) {
        let detail = format!(
            "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
            json::uid(old)
        );
        return Err(Status::conflict(&scope.kind, scope.name(), &detail));
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

/// Puts together the object that an update through this door makes.
fn assemble(scope: &Scope<'_>, old: &Value, mut new: Value) -> Value {
    match scope.subresource() {
        "status" => {
            let mut result = old.clone();
            result["apiVersion"] = new["apiVersion"].clone();
            copy_field(&new, &mut result, "status");
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

/// Checks and stores what an object becomes. `tracked` is none where managed fields are complete already.
pub(crate) fn store_update(
    scope: &Scope<'_>,
    state: &mut State,
    old: &Arc<Value>,
    new: Value,
    warnings: &mut Vec<String>,
    tracked: Option<Writer>,
) -> Result<Arc<Value>, Status> {
    let dry_run = scope.call.is_dry_run()?;
    let mut new = assemble(scope, old, new);
    let _ = warnings;
    fill(scope, &mut new);
    if scope.kind.is(crd::GROUP, crd::PLURAL)
        && crd::causes(&new, Some(old)).is_empty()
        && !json::is_terminating(old)
    {
        crd::set_status(&mut new, &state.registry);
    }
    if prepare::has_generation(&scope.kind) && moves_generation(scope, old, &new) {
        let generation = json::meta(old)
            .get("generation")
            .and_then(Value::as_i64)
            .unwrap_or(0)
            + 1;
        json::meta_mut(&mut new).insert("generation".to_owned(), generation.into());
    }
    check_finalizers(scope, old, &new)?;
    authz::check_escalation(state, scope.user, scope, &new, Some(old))?;
    admit(scope, Operation::Update, Some(&new), Some(old), dry_run)?;
    validate(scope, &new, Some(old))?;
    if let Some(writer) = tracked {
        managed::track_update(Some(old), &mut new, &writer, scope.version.schema.view());
    }
    if dry_run {
        return Ok(Arc::new(new));
    }
    if is_released(&new) {
        let last = finish(&mut state.store, scope, new);
        gone(scope, state);
        return Ok(last);
    }
    if same(old, &new) {
        return Ok(old.clone());
    }
    let object = state.store.put(&scope.kind.storage, new);
    if scope.kind.is(crd::GROUP, crd::PLURAL) {
        after_write(scope, state, &object);
    }
    Ok(object)
}

/// True where two states are the same but for the version that they are written in.
fn same(old: &Value, new: &Value) -> bool {
    let (Some(a), Some(b)) = (old.as_object(), new.as_object()) else {
        return old == new;
    };
    a.len() == b.len()
        && a.iter()
            .all(|(key, value)| key == "apiVersion" || b.get(key) == Some(value))
}

/// Whether an object that is being deleted has nothing left that keeps it.
pub(crate) fn is_released(object: &Value) -> bool {
    json::is_terminating(object)
        && json::list(object, &["metadata", "finalizers"]).is_empty()
        && (json::text(object, &["kind"]) != "Namespace"
            || json::list(object, &["spec", "finalizers"]).is_empty())
}

fn finish(store: &mut Store, scope: &Scope<'_>, last: Value) -> Arc<Value> {
    let (ns, name) = (json::namespace(&last).to_owned(), json::name(&last).to_owned());
    store
        .remove(&scope.kind.storage, &ns, &name)
        .unwrap_or_else(|| Arc::new(last))
}

fn gone(scope: &Scope<'_>, state: &mut State) {
    if scope.kind.is(crd::GROUP, crd::PLURAL)
        && let Some((plural, group)) = scope.name().split_once('.')
    {
        state.registry.remove(group, plural);
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
    part(old) != part(new)
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
        vec![cause],
    ))
}

/// The options of a delete: from the body, else from the query.
struct DeleteOptions {
    propagation: String,
    uid: String,
    resource_version: String,
    dry_run: bool,
}

impl DeleteOptions {
    fn read(scope: &Scope<'_>, body: &Bytes) -> Result<Self, Status> {
        let options: Value = if body.is_empty() {
            json!({})
        } else {
            parse_any(&scope.call.content_type, body)?
        };
        let text = |path: &[&str]| json::text(&options, path).to_owned();
        let mut propagation = text(&["propagationPolicy"]);
        if propagation.is_empty() {
            propagation = scope.call.param("propagationPolicy").to_owned();
        }
        let orphan = options.get("orphanDependents").and_then(Value::as_bool);
        if propagation.is_empty() && (orphan == Some(true) || scope.call.flag("orphanDependents")) {
            propagation = "Orphan".to_owned();
        }
        if !["", "Background", "Foreground", "Orphan"].contains(&propagation.as_str()) {
            let cause = Cause::not_supported(
                "propagationPolicy",
                &Value::from(propagation),
                &["Foreground", "Background", "Orphan"].map(str::to_owned),
            );
            return Err(Status::invalid("meta.k8s.io", "DeleteOptions", "", vec![cause]));
        }
        let dry_run = scope.call.is_dry_run()? || json::texts(&options, &["dryRun"]).contains(&"All");
        Ok(Self {
            propagation,
            uid: text(&["preconditions", "uid"]),
            resource_version: text(&["preconditions", "resourceVersion"]),
            dry_run,
        })
    }
}

pub(crate) fn delete(scope: &Scope<'_>, body: &Bytes) -> Result<Response<Body>, Status> {
    let options = DeleteOptions::read(scope, body)?;
    let mut state = scope.server.state();
    let old = state
        .store
        .get(&scope.kind.storage, scope.namespace(), scope.name())
        .cloned()
        .ok_or_else(|| Status::not_found(&scope.kind, scope.name()))?;
    let (last, removed) = delete_one(scope, &mut state, &old, &options)?;
    drop(state);
    let whole = !removed
        || ["pods", "namespaces", "services", "serviceaccounts"].contains(&scope.kind.plural.as_str());
    if whole {
        return read::answer(scope, 200, &last, &[]);
    }
    Ok(respond(
        200,
        &json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
            "details": {"name": json::name(&old), "group": scope.kind.group, "kind": scope.kind.plural,
                        "uid": json::uid(&old)},
        }),
        &[],
    ))
}

fn delete_one(
    scope: &Scope<'_>,
    state: &mut State,
    old: &Arc<Value>,
    options: &DeleteOptions,
) -> Result<(Arc<Value>, bool), Status> {
    let name = json::name(old).to_owned();
    for (what, wanted, found) in [
        ("UID", &options.uid, json::uid(old)),
        (
            "ResourceVersion",
            &options.resource_version,
            json::resource_version(old),
        ),
    ] {
        if !wanted.is_empty() && wanted != found {
            let detail = format!(
                "Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {found}"
            );
            return Err(Status::conflict(&scope.kind, &name, &detail));
        }
    }
    namespace::admit_delete(&scope.kind, old)?;
    admit(scope, Operation::Delete, None, Some(old), options.dry_run)?;
    let mut new = old.as_ref().clone();
    let terminating = json::is_terminating(old);
    let meta = json::meta_mut(&mut new);
    if !terminating {
        meta.insert("deletionTimestamp".to_owned(), json::now().into());
        meta.insert("deletionGracePeriodSeconds".to_owned(), 0.into());
        if let Some(generation) = meta.get("generation").and_then(Value::as_i64) {
            meta.insert("generation".to_owned(), (generation + 1).into());
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
    if removed {
        return Ok((finish(&mut state.store, scope, new), true));
    }
    if terminating {
        return Ok((old.clone(), false));
    }
    Ok((state.store.put(&scope.kind.storage, new), false))
}

pub(crate) fn delete_collection(scope: &Scope<'_>, body: &Bytes) -> Result<Response<Body>, Status> {
    let options = DeleteOptions::read(scope, body)?;
    let selector = read::selector(scope)?;
    let mut state = scope.server.state();
    let all: Vec<Arc<Value>> = state
        .store
        .list(&scope.kind.storage, scope.target.namespace.as_deref())
        .filter(|(_, o)| read::matches(&selector, o, &scope.kind))
        .map(|(_, o)| o.clone())
        .collect();
    let mut items = Vec::with_capacity(all.len());
    for old in &all {
        let (last, _) = delete_one(scope, &mut state, old, &options)?;
        items.push(read::shown(&last, &scope.kind, &scope.version));
    }
    let revision = state.store.revision().to_string();
    drop(state);
    Ok(respond(
        200,
        &json!({
            "apiVersion": scope.api_version(), "kind": scope.kind.list_kind,
            "metadata": {"resourceVersion": revision}, "items": items,
        }),
        &[],
    ))
}
