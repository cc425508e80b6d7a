//! Objects of another kind than the path of a request names.

use serde_json::Value;

use super::undecodable;
use crate::local::{builtin::TYPES, json, schema, server::Scope, status::Status};

/// Checks that an object is of the kind that the path names, and fills these fields in.
pub(super) fn check_type(scope: &Scope<'_>, object: &mut Value) -> Result<(), Status> {
    let wanted = scope.api_version();
    let found = json::text(object, &["apiVersion"]).to_owned();
    let kind = json::text(object, &["kind"]).to_owned();
    let foreign = !found.is_empty() && found != wanted || !kind.is_empty() && kind != scope.kind.kind;
    if foreign && !scope.kind.custom && !kind.is_empty() && !found.is_empty() {
        return Err(foreign_kind(scope, object, &found, &kind));
    }
    if !found.is_empty() && found != wanted {
        return Err(Status::bad_request(format!(
            "the API version in the data ({found}) does not match the expected API version ({wanted})"
        )));
    }
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

/// An object of another kind than the path names, as the decoder of built-in kinds words it.
fn foreign_kind(scope: &Scope<'_>, object: &Value, api_version: &str, kind: &str) -> Status {
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    let wanted = &scope.kind.kind;
    let known = TYPES
        .iter()
        .find(|t| t.group == group && t.version == version && t.kind == kind);
    // What a patch has made is read as what it says it is.
    let patched = scope.call.verb == "patch" && !scope.call.is_apply();
    let misread = known
        .filter(|_| patched)
        .and_then(|t| schema::builtin(&t.definition))
        .and_then(|schema| schema::decode_error(object, schema.view(), kind));
    let why = misread.unwrap_or_else(|| unconverted(api_version, kind, &scope.kind.group, wanted));
    if patched {
        return undecodable(scope, Some(object), &why);
    }
    Status::bad_request(format!(
        "{kind} in version {version:?} cannot be handled as a {wanted}: {why}"
    ))
}

/// Why an object of one kind cannot be read as one of another.
pub(crate) fn unconverted(api_version: &str, kind: &str, group: &str, wanted: &str) -> String {
    let (of, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    let known = TYPES
        .iter()
        .any(|t| t.group == of && t.version == version && t.kind == kind);
    if !known {
        return format!(
            "no kind {kind:?} is registered for version {api_version:?} in scheme \"pkg/runtime/scheme.go\""
        );
    }
    let package = group
        .split('.')
        .next()
        .filter(|g| !g.is_empty())
        .unwrap_or("core");
    format!("converting ({version}.{kind}) to ({package}.{wanted}): unknown conversion")
}
