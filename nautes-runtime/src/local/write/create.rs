//! Create.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use serde_json::Value;

use super::{admit, admit_last, check_manager, check_namespace, decode, fill, parse, track_write, validate};
use crate::local::{
    Operation, authz, crd, json, namespace, prepare, read,
    server::{Body, Scope, State},
    services,
    status::Status,
};

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
pub(super) fn create_object(
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
        return Err(Status::new(
            500,
            "",
            "resourceVersion should not be set on objects to be created",
        ));
    }
    start(scope, &mut object, track);
    fill(scope, &mut object);
    if scope.kind.is(crd::GROUP, crd::PLURAL) {
        start_definition(&mut object);
    }
    namespace::admit_create(state, &scope.kind, &object)?;
    authz::check_escalation(state, scope.user, scope, &object, None)?;
    if track {
        track_write(scope, None, &mut object);
    }
    admit(scope, state, Operation::Create, &mut object, None, dry_run)?;
    validate(scope, &object, None, warnings)?;
    let (ns, name) = (
        json::namespace(&object).to_owned(),
        json::name(&object).to_owned(),
    );
    if let Some(there) = state.store.kept(&scope.kind.storage, &ns, &name) {
        let mut status = Status::already_exists(&scope.kind, &name);
        if !json::text(&object, &["metadata", "generateName"]).is_empty() {
            status = status.not_unique();
        }
        if there.is_terminating() {
            status.message.insert_str(0, "object is being deleted: ");
        }
        return Err(status);
    }
    // What the server gives a new object is nobody's.
    if !scope.kind.custom {
        prepare::start(&mut object, &scope.kind);
    }
    if scope.kind.is("", "services") {
        services::allocate(state, &mut object, None);
    }
    admit_last(scope, state, Operation::Create, &object, None, dry_run)?;
    if dry_run {
        return Ok(Arc::new(object));
    }
    let object = state.store.put(&scope.kind.storage, object);
    if scope.kind.is(crd::GROUP, crd::PLURAL) {
        establish(scope, state, &object);
    } else {
        after_write(scope, state, &object);
    }
    Ok(object)
}

/// What the controllers of definitions do with a new one, after its author was told that it is stored.
fn establish(scope: &Scope<'_>, state: &mut State, definition: &Value) {
    let mut accepted = definition.clone();
    crd::set_status(&mut accepted, &state.registry);
    let accepted = state.store.put(&scope.kind.storage, accepted);
    after_write(scope, state, &accepted);
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
    ] {
        meta.remove(field);
    }
    if track {
        meta.remove("managedFields");
    }
    let (uid, tail) = scope
        .hooks
        .made_up(|| (uuid::Uuid::new_v4().to_string(), generated()));
    meta.insert("uid".to_owned(), uid.into());
    meta.insert("creationTimestamp".to_owned(), json::now().into());
    if unnamed && !prefix.is_empty() {
        let mut end = prefix.len().min(58);
        while !prefix.is_char_boundary(end) {
            end -= 1;
        }
        meta.insert("name".to_owned(), format!("{}{tail}", &prefix[..end]).into());
    }
    if prepare::has_generation(&scope.kind) {
        meta.insert("generation".to_owned(), 1.into());
    }
    if scope.version.status {
        json::object_mut(object).remove("status");
    }
}

/// The end of a generated name, as the API server makes them.
fn generated() -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    (0..5)
        .map(|_| char::from(LETTERS[rand::random_range(0..LETTERS.len())]))
        .collect()
}

fn start_definition(definition: &mut Value) {
    crd::fill(definition);
    crd::start_status(definition);
}

/// What other parts of the server need to know of a write.
pub(super) fn after_write(scope: &Scope<'_>, state: &mut State, object: &Value) {
    if scope.kind.is(crd::GROUP, crd::PLURAL) && crd::is_established(object) {
        state.registry.insert(crd::resource_type(object));
    }
    if scope.kind.is("", "namespaces") {
        namespace::after_create(state, object);
    }
}
