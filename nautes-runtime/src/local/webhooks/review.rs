//! What a webhook is sent, and how its answer is read (`AdmissionReview`).

use serde_json::{Map, Value, json};

use super::{
    Question, Stage,
    matching::{Hook, word},
};
use crate::local::{Operation, json, read, scale, server::Scope, status::Status};

/// What a webhook said.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) allowed: bool,
    /// The status that it gives for a refusal.
    pub(super) result: Value,
    pub(super) patch: Option<Value>,
    pub(super) warnings: Vec<String>,
}

/// The version of reviews that a webhook is sent: the first of its list that this server knows.
fn api_version(hook: &Hook) -> String {
    let named = json::texts(&hook.spec, &["admissionReviewVersions"]);
    let version = named.into_iter().find(|v| ["v1", "v1beta1"].contains(v));
    format!("admission.k8s.io/{}", version.unwrap_or("v1"))
}

pub(super) fn request(
    scope: &Scope<'_>,
    question: &Question,
    hook: &Hook,
    object: Option<&Value>,
    uid: &str,
) -> Value {
    let (group, asked) = (&scope.kind.group, &scope.version.name);
    let kind = |version: &str| {
        let (group, version, kind) = kind_of(scope, version);
        json!({"group": group, "version": version, "kind": kind})
    };
    let resource = |version: &str| json!({"group": group, "version": version, "resource": scope.kind.plural});
    let mut user = json!({"username": scope.user.name, "groups": scope.user.groups});
    if !scope.user.uid.is_empty() {
        user["uid"] = scope.user.uid.clone().into();
    }
    for (key, values) in &scope.user.extra {
        user["extra"][key] = json!(values);
    }
    let creates = question.operation == Operation::Create;
    let new = object.map_or(Value::Null, |o| shown(scope, hook, o, question));
    let old = question.old.as_ref();
    let old = old.map_or(Value::Null, |o| face(scope, hook, o));
    let mut request = json!({
        "uid": uid, "kind": kind(&hook.version), "resource": resource(&hook.version),
        "requestKind": kind(asked), "requestResource": resource(asked),
        "operation": word(question.operation), "userInfo": user, "object": new,
        "oldObject": old, "dryRun": question.dry_run, "options": options(scope, question),
    });
    // A namespace is in itself.
    let namespace = match scope.kind.is("", "namespaces") {
        true => question.subject.name.as_str(),
        false => scope.namespace(),
    };
    let named = match scope.subresource() {
        "eviction" | "token" => scope.name(),
        _ => question.subject.name.as_str(),
    };
    for (field, value) in [
        ("name", named),
        ("namespace", namespace),
        ("subResource", scope.subresource()),
        ("requestSubResource", scope.subresource()),
    ] {
        let generated = field == "name"
            && creates
            && scope.subresource().is_empty()
            && json::name(&request["object"]).is_empty();
        if !value.is_empty() && !generated {
            request[field] = value.into();
        }
    }
    json!({"kind": "AdmissionReview", "apiVersion": api_version(hook), "request": request})
}

/// What the object of a request is: a subresource may have a kind of its own.
pub(super) fn kind_of<'a>(scope: &'a Scope<'_>, version: &'a str) -> (&'a str, &'a str, &'a str) {
    match scope.subresource() {
        "scale" => ("autoscaling", "v1", "Scale"),
        "token" => ("authentication.k8s.io", "v1", "TokenRequest"),
        "eviction" => ("policy", "v1", "Eviction"),
        _ => (&scope.kind.group, version, &scope.kind.kind),
    }
}

/// An object as webhooks are shown it.
pub(super) fn face(scope: &Scope<'_>, hook: &Hook, object: &Value) -> Value {
    match scope.subresource() {
        "scale" => scale::shown(scope, object).unwrap_or_default(),
        "eviction" | "token" => object.clone(),
        _ => {
            let mut object = read::shown(object, &scope.kind, &scope.version);
            object["apiVersion"] = scope.kind.api_version(&hook.version).into();
            object
        }
    }
}

/// The object of a write as webhooks are shown it at this stage.
pub(super) fn shown(scope: &Scope<'_>, hook: &Hook, object: &Value, question: &Question) -> Value {
    let mut shown = face(scope, hook, object);
    let creates = question.operation == Operation::Create && scope.subresource().is_empty();
    if creates && question.subject.stage == Stage::Mutating {
        unmade(&mut shown);
    }
    shown
}

/// The metadata that a new object has not got yet when mutating webhooks see it.
const LATER: [&str; 3] = ["uid", "creationTimestamp", "generation"];

/// Takes from a new object what it gets after the mutating webhooks.
fn unmade(object: &mut Value) {
    let generated = !json::text(object, &["metadata", "generateName"]).is_empty();
    let meta = json::meta_mut(object);
    for field in LATER {
        meta.remove(field);
    }
    if generated
        && meta.get("name").and_then(Value::as_str).is_some_and(|n| {
            let prefix = meta
                .get("generateName")
                .and_then(Value::as_str)
                .unwrap_or_default();
            n.len() == prefix.len() + 5 && n.starts_with(prefix)
        })
    {
        meta.remove("name");
    }
}

/// Gives a changed new object back what [`unmade`] took.
pub(super) fn remade(object: &mut Value, whole: &Value) {
    let whole = json::meta(whole);
    let meta = json::meta_mut(object);
    for field in LATER.into_iter().chain(["name"]) {
        if let Some(value) = whole.get(field).filter(|_| !meta.contains_key(field)) {
            meta.insert(field.to_owned(), value.clone());
        }
    }
}

fn options(scope: &Scope<'_>, question: &Question) -> Value {
    let kind = match question.operation {
        Operation::Create => "CreateOptions",
        Operation::Update => "UpdateOptions",
        Operation::Delete => "DeleteOptions",
    };
    let mut options = Map::new();
    options.insert("kind".to_owned(), kind.into());
    options.insert("apiVersion".to_owned(), "meta.k8s.io/v1".into());
    for field in ["fieldManager", "fieldValidation"] {
        let value = scope.call.param(field);
        if !value.is_empty() {
            options.insert(field.to_owned(), value.into());
        }
    }
    if question.dry_run {
        options.insert("dryRun".to_owned(), json!(["All"]));
    }
    options.into()
}

/// Reads an answer.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read_answer(hook: &Hook, body: &Value, uid: &str) -> Result<Said, String> {
    let wanted = api_version(hook);
    let (version, kind) = (json::text(body, &["apiVersion"]), json::text(body, &["kind"]));
    if version != wanted || kind != "AdmissionReview" {
        return Err(format!(
            "expected webhook response of {wanted}, Kind=AdmissionReview, got {version}, Kind={kind}"
        ));
    }
    let response = body.get("response").filter(|r| !r.is_null());
    let response = response.ok_or("webhook response was absent")?;
    let told = json::text(response, &["uid"]);
    if told != uid && wanted == "admission.k8s.io/v1" {
        return Err(format!("expected response.uid={uid:?}, got {told:?}"));
    }
    let patch = match json::text(response, &["patch"]) {
        "" => None,
        _ if json::text(response, &["patchType"]).is_empty() && wanted == "admission.k8s.io/v1" => {
            return Err("webhook returned response.patch but not response.patchType".to_owned());
        }
        text => Some(decoded(text)?),
    };
    Ok(Said {
        allowed: response.get("allowed") == Some(&Value::Bool(true)),
        result: response.get("status").cloned().unwrap_or_default(),
        patch,
        warnings: json::texts(response, &["warnings"])
            .into_iter()
            .map(str::to_owned)
            .collect(),
    })
}

fn decoded(text: &str) -> Result<Value, String> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(text)
        .map_err(|e| e.to_string())?;
    serde_json::from_slice(&bytes).map_err(|e| e.to_string())
}

/// A refusal, in the words of Kubernetes and of the webhook.
pub(super) fn denial(hook: &Hook, result: &Value) -> Status {
    let denied = format!("admission webhook {:?} denied the request", hook.name());
    let (message, reason) = (json::text(result, &["message"]), json::text(result, &["reason"]));
    let message = match (message, reason) {
        ("", "") => format!("{denied} without explanation"),
        ("", reason) => format!("{denied}: {reason}"),
        (message, _) => format!("{denied}: {message}"),
    };
    let code = result.get("code").and_then(Value::as_u64).unwrap_or(0);
    let code = u16::try_from(code).unwrap_or(0).max(400);
    Status::told(code, reason, message, result.get("details").cloned())
}
