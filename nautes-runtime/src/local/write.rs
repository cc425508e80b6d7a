//! Create, update, patch, apply and delete: what they share.

mod change;
mod create;
mod delete;
mod foreign;
mod rescale;

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

pub(crate) use self::{
    change::{change, patched, update},
    create::create,
    delete::{DeleteOptions, delete, delete_collection, delete_one},
    foreign::unconverted,
    rescale::apply_scale,
};
use super::{
    AdmissionRequest, Operation, autoscalers, crd, events, json,
    managed::{self, Writer},
    names, plugins, prepare, protobuf, read, scale, schema,
    server::{Scope, State},
    status::{Cause, Status},
    store::Store,
    webhooks::{self, Attempt, Stage},
    yaml,
};

/// How deep an object may be nested. Its managed fields are nested a little deeper, and readers of JSON stop at 128.
const DEPTH: usize = 100;

pub(crate) fn parse(scope: &Scope<'_>, body: &Bytes) -> Result<Value, Status> {
    let value: Value = parse_any(&scope.call.content_type, body, &scope.kind.kind)?;
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

/// The first of what was sent, for messages about it.
fn summary(body: &[u8]) -> String {
    const MOST: usize = 30;
    let first = &body[..body.len().min(MOST)];
    let more = if body.len() > MOST { " ..." } else { "" };
    match body.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => format!("{}{more}", String::from_utf8_lossy(first)),
        Some(_) => format!(
            "{}{more}",
            first.iter().map(|b| format!("{b:02x}")).collect::<String>()
        ),
    }
}

pub(crate) fn parse_any(content_type: &str, body: &Bytes, wanted: &str) -> Result<Value, Status> {
    let media = content_type.split(';').next().unwrap_or_default().trim();
    let known = [
        "",
        "application/json",
        "application/yaml",
        "application/apply-patch+yaml",
    ];
    if !known.contains(&media) && !media.starts_with("application/vnd.kubernetes.protobuf") {
        return Err(Status::new(
            415,
            "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: \
             application/json, application/yaml, application/vnd.kubernetes.protobuf",
        ));
    }
    if media == "application/vnd.kubernetes.protobuf" {
        return protobuf::decode(body).ok_or_else(|| {
            Status::new(
                415,
                "UnsupportedMediaType",
                "the body of the request was in an unknown format - accepted media types include: \
                 application/json, application/yaml",
            )
        });
    }
    match serde_json::from_slice(body) {
        Ok(value) => Ok(value),
        Err(_) if media.ends_with("yaml") => std::str::from_utf8(body)
            .map_err(|_| "yaml: invalid leading UTF-8 octet".to_owned())
            .and_then(yaml::read)
            .map(|document| document.value)
            .map_err(|why| {
                Status::bad_request(if media.starts_with("application/apply-patch") {
                    format!("error decoding YAML: error converting YAML to JSON: {why}")
                } else {
                    format!(
                        "the object provided is unrecognized (must be of type {wanted}): {why} ({})",
                        summary(body)
                    )
                })
            }),
        Err(e) => Err(Status::bad_request(format!(
            "the object provided is unrecognized (must be of type {wanted}): couldn't get version/kind; json parse \
             error: {} ({})",
            json::syntax_error(body, &e),
            summary(body)
        ))),
    }
}

/// Unknown fields, wrong types, pruning and defaults: what decoding does.
fn decode(scope: &Scope<'_>, mut object: Value, warnings: &mut Vec<String>) -> Result<Value, Status> {
    foreign::check_type(scope, &mut object)?;
    let stored = events::stored(&object, &scope.kind);
    if let Some(stored) = stored.or_else(|| autoscalers::stored(&object, &scope.kind, &scope.version.name)) {
        // The schema of the new face describes the object before it is turned.
        check_shape(scope, &mut object, warnings)?;
        return Ok(stored);
    }
    check_shape(scope, &mut object, warnings)?;
    Ok(object)
}

fn check_shape(scope: &Scope<'_>, object: &mut Value, warnings: &mut Vec<String>) -> Result<(), Status> {
    let view = scope.version.schema.view();
    if scope.call.is_apply() {
        let errors = schema::typed_errors(object, view);
        if !errors.is_empty() {
            return Err(untyped(scope, object, &errors));
        }
    }
    let sent = (scope.call.verb == "patch").then(|| object.clone());
    if scope.kind.custom {
        let meta = object.get("metadata").cloned().unwrap_or_default();
        if let Some(why) = schema::decode_error(&meta, view.field("metadata"), "ObjectMeta") {
            return Err(undecodable(scope, sent.as_ref(), &why));
        }
        json::whole_numbers(object);
        if !scope.call.is_apply()
            && let Some(meta) = object.get_mut("metadata")
        {
            schema::drop_empty(meta, view.field("metadata"));
        }
    } else {
        if !scope.kind.is(crd::GROUP, crd::PLURAL) {
            if !scope.call.is_apply() {
                schema::empty_texts(object, view);
            }
            json::drop_nulls(object);
            if !scope.call.is_apply() {
                schema::drop_empty(object, view);
            }
        }
        if let Some(why) = schema::decode_error(object, view, &scope.kind.kind) {
            return Err(undecodable(scope, sent.as_ref(), &why));
        }
    }
    let mode = match scope.call.param("fieldValidation") {
        "" => "Warn",
        mode @ ("Ignore" | "Warn" | "Strict") => mode,
        other => {
            let known = ["", "Ignore", "Strict", "Warn"].map(str::to_owned);
            let cause = Cause::not_supported("fieldValidation", &Value::from(other), &known);
            return Err(Status::invalid(
                "meta.k8s.io",
                scope.call.options(),
                "",
                vec![cause],
            ));
        }
    };
    let unknown: Vec<String> = schema::prune(object, view)
        .into_iter()
        .map(|f| format!("unknown field {f:?}"))
        .collect();
    if mode == "Warn" {
        warnings.extend(scope.twice.warnings());
        warnings.extend(unknown);
        return Ok(());
    }
    let mut gone = scope.twice.problems();
    if mode == "Strict" && scope.call.is_apply() && !gone.is_empty() {
        let why = gone.join(", ");
        return Err(Status::bad_request(format!(
            "error strict decoding YAML: error converting YAML to JSON: {why}"
        )));
    }
    gone.extend(unknown);
    if mode == "Strict" && !gone.is_empty() {
        let why = format!("strict decoding error: {}", gone.join(", "));
        return Err(undecodable(scope, sent.as_ref(), &why));
    }
    Ok(())
}

/// A body that is not of the type of its kind; of a patch, what the patch made.
fn undecodable(scope: &Scope<'_>, patched: Option<&Value>, why: &str) -> Status {
    if let Some(object) = patched.filter(|_| !scope.call.is_apply()) {
        let quoted = if scope.kind.custom || scope.call.media().starts_with("application/strategic") {
            object.to_string()
        } else {
            json::quoted(object, patches_metadata(scope))
        };
        let cause = Cause::invalid("patch", &Value::from(quoted), why);
        return Status::invalid("", "", "", vec![cause]);
    }
    let (kind, version) = (&scope.kind.kind, &scope.version.name);
    Status::bad_request(format!(
        "{kind} in version {version:?} cannot be handled as a {kind}: {why}"
    ))
}

/// Whether a patch changes something in metadata: these are put together anew then.
fn patches_metadata(scope: &Scope<'_>) -> bool {
    match serde_json::from_slice(&scope.body) {
        Ok(Value::Array(operations)) => operations
            .iter()
            .any(|o| json::text(o, &["path"]).starts_with("/metadata/")),
        Ok(patch) => patch.get("metadata").is_some(),
        Err(_) => false,
    }
}

/// A configuration that cannot be applied, as it was sent.
fn untyped(scope: &Scope<'_>, config: &Value, errors: &[String]) -> Status {
    let detail = match errors {
        [only] => only.clone(),
        many => format!("errors:\n  {}", many.join("\n  ")),
    };
    let group = if scope.kind.group.is_empty() {
        format!("/{}", scope.version.name)
    } else {
        scope.api_version()
    };
    let message = format!(
        "failed to create typed patch object ({}/{}; {group}, Kind={}): {detail}",
        json::namespace(config),
        json::name(config),
        scope.kind.kind
    );
    Status::new(500, "", message)
}

fn fill(scope: &Scope<'_>, object: &mut Value) {
    if !scope.kind.custom {
        schema::canonical_amounts(object, scope.version.schema.view());
        prepare::fill(object, &scope.kind);
    }
    schema::fill_defaults(object, scope.version.schema.view());
    if !scope.kind.custom {
        prepare::condition_times(object, &scope.kind);
    }
}

/// Makes an object that is not a client's what it would be if it were.
pub(crate) fn complete(scope: &Scope<'_>, object: &mut Value) {
    let _ = schema::prune(object, scope.version.schema.view());
    fill(scope, object);
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
        annotates: scope.kind.is("apps", "deployments"),
        custom: scope.kind.custom,
    }
}

/// What makes an object too broken for its rules.
const BLOCKING: [&str; 5] = [
    "FieldValueRequired",
    "FieldValueTooLong",
    "FieldValueTooMany",
    "FieldValueDuplicate",
    "FieldValueTypeInvalid",
];

/// True where a value that does not fit was stored like that: a schema that was changed since does not hold up changes
/// of other fields.
fn was_so_before(cause: &Cause, old: &Value, new: &Value) -> bool {
    let mut field = cause.field.as_str();
    if cause.reason == "FieldValueRequired" {
        // What is missing is missing from what is around it.
        field = field.rsplit_once('.').map_or("", |(around, _)| around);
    }
    let pointer: String = field
        .split(['.', '['])
        .map(|part| format!("/{}", part.trim_end_matches(']')))
        .collect();
    field != "<nil>"
        && old
            .pointer(&pointer)
            .is_some_and(|before| new.pointer(&pointer) == Some(before))
}

fn rules_not_checked() -> Cause {
    let detail = "some validation rules were not checked because the object was invalid; correct the existing errors \
                  to complete validation";
    Cause::invalid("<nil>", &Value::Null, detail)
}

/// Writes down who changed what, in the form in which the fields were named.
fn track_write(scope: &Scope<'_>, old: Option<&Value>, new: &mut Value) {
    let view = scope.version.schema.view();
    let face = |object: &Value| {
        events::renamed(object, &scope.kind)
            .or_else(|| autoscalers::shown(object, &scope.kind, &scope.version.name))
    };
    let Some(mut shown) = face(new) else {
        return managed::track_update(old, new, &writer(scope), view);
    };
    managed::track_update(old.and_then(face).as_ref(), &mut shown, &writer(scope), view);
    match json::meta(&shown).get("managedFields").cloned() {
        Some(fields) => json::meta_mut(new).insert("managedFields".to_owned(), fields),
        None => json::meta_mut(new).remove("managedFields"),
    };
}

/// Writes down who made an answer that is not stored.
pub(crate) fn track(scope: &Scope<'_>, object: &mut Value) {
    managed::track_update(None, object, &writer(scope), scope.version.schema.view());
}

/// What is wrong with an object, in every respect.
fn validate(
    scope: &Scope<'_>,
    object: &Value,
    old: Option<&Value>,
    warnings: &mut Vec<String>,
) -> Result<(), Status> {
    let mut causes = Vec::new();
    if scope.subresource().is_empty() {
        let told = names::times_told(&scope.kind, old.is_some());
        for cause in names::metadata_causes(object, &scope.kind) {
            let words = ["metadata.labels", "metadata.annotations"].contains(&cause.field.as_str());
            causes.extend(std::iter::repeat_n(cause, if words { told } else { 1 }));
        }
    }
    let faced = read::faced(object, &scope.kind, &scope.version);
    let subject = faced.as_ref().unwrap_or(object);
    if scope.kind.custom {
        let before = causes.len();
        let view = scope.version.schema.view();
        let mut by_schema = match subject.get("status") {
            Some(status) if scope.subresource() == "status" => {
                let found = schema::validate(status, view.field("status"));
                found.into_iter().map(|c| c.below("status")).collect()
            }
            _ => schema::validate(subject, view),
        };
        if let Some(old) = old {
            by_schema.retain(|c| !was_so_before(c, old, subject));
        }
        causes.extend(by_schema);
        causes.extend(scale::causes(object, &scope.version));
        if let Some(rules) = &scope.version.rules {
            let blocked = causes[before..].iter().any(|c| BLOCKING.contains(&c.reason));
            if blocked {
                causes.push(rules_not_checked());
            } else {
                let said = rules.check(object, old);
                causes.extend(said.causes);
                warnings.extend(said.warnings);
            }
        }
    } else {
        // What is checked by hand is said in the words of that check, at its place.
        let mut own = prepare::causes(object, old, &scope.kind);
        if scope.kind.is("", "pods") {
            own.extend(prepare::pod_changes(object, old, scope.subresource()));
        }
        let mut present = subject.clone();
        json::drop_nulls(&mut present);
        let mut by_schema = schema::validate(&present, scope.version.schema.view());
        let said = |c: &Cause| {
            let there = |o: &Cause| match o.field.strip_prefix(c.field.as_str()) {
                Some("") => true,
                // The key of a list stands twice, not the item.
                Some(rest) => c.reason == "FieldValueDuplicate" && rest.starts_with('.'),
                None => false,
            };
            own.iter().any(|o| o.reason == c.reason && there(o))
        };
        by_schema.retain(|c| !said(c));
        causes.extend(by_schema);
        causes.extend(own);
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

/// What may change an object, and what judges it before its own checks: mutating webhooks, then the closure
/// of the cluster.
fn admit(
    scope: &Scope<'_>,
    state: &State,
    operation: Operation,
    object: &mut Value,
    old: Option<&Value>,
    dry_run: bool,
) -> Result<(), Status> {
    plugins::change(scope, state, operation, object, old)?;
    let attempt = Attempt {
        operation,
        object: Some(object),
        old,
        dry_run,
    };
    if let Some(mut made) = webhooks::judge(scope, state, Stage::Mutating, &attempt)? {
        if let Some(old) = old {
            change::count_generation(scope, old, &mut made);
        }
        *object = made;
    }
    consent(scope, operation, Some(object), old, dry_run)
}

/// What judges a write when all else is done: limits, validating webhooks, quotas.
fn admit_last(
    scope: &Scope<'_>,
    state: &State,
    operation: Operation,
    object: &Value,
    old: Option<&Value>,
    dry_run: bool,
) -> Result<(), Status> {
    let attempt = Attempt {
        operation,
        object: Some(object),
        old,
        dry_run,
    };
    plugins::judge(scope, state, operation, object)?;
    webhooks::judge(scope, state, Stage::Validating, &attempt)?;
    plugins::judge_last(scope, state, operation, object, old)
}

/// A deletion changes nothing: all that judges it, in its order.
fn admit_delete(scope: &Scope<'_>, state: &State, old: &Value, dry_run: bool) -> Result<(), Status> {
    let attempt = Attempt {
        operation: Operation::Delete,
        object: None,
        old: Some(old),
        dry_run,
    };
    let _ = webhooks::judge(scope, state, Stage::Mutating, &attempt)?;
    consent(scope, Operation::Delete, None, Some(old), dry_run)?;
    webhooks::judge(scope, state, Stage::Validating, &attempt).map(drop)
}

fn consent(
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
        let options = match scope.call.verb {
            "create" => "CreateOptions",
            "update" => "UpdateOptions",
            _ => "PatchOptions",
        };
        let why = "Too long: may not be more than 128 bytes";
        let cause = Cause::new("FieldValueTooLong", "fieldManager", why);
        return Err(Status::invalid("meta.k8s.io", options, "", vec![cause]));
    }
    Ok(())
}

/// Whether an object that is being deleted has nothing left that keeps it.
pub(crate) fn is_released(object: &Value) -> bool {
    let grace = json::at(object, &["metadata", "deletionGracePeriodSeconds"]).and_then(Value::as_i64);
    json::is_terminating(object)
        && grace.is_none_or(|g| g <= 0)
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
