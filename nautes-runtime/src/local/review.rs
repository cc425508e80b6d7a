//! Reviews: questions about access and identity that are answered and not stored.

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use super::{
    authn,
    authz::{self, Attributes},
    call::User,
    json, read,
    server::{Body, Scope},
    status::{Cause, Status},
    write,
};

pub(crate) fn serve(scope: &Scope<'_>, body: &Bytes) -> Result<Response<Body>, Status> {
    let request = write::parse(scope, body)?;
    if scope.kind.kind.ends_with("SubjectAccessReview") {
        check_asked(scope, &request)?;
    }
    if scope.kind.kind == "TokenReview" && json::text(&request, &["spec", "token"]).is_empty() {
        return Err(Status::bad_request(
            "token is required for TokenReview in authentication",
        ));
    }
    let mut answer = request;
    let status = match scope.kind.kind.as_str() {
        "SelfSubjectReview" => json!({"userInfo": user_info(scope.user)}),
        "TokenReview" => token(scope, &answer),
        "SelfSubjectAccessReview" => access(scope, &answer, scope.user),
        "SelfSubjectRulesReview" => rules(scope, &answer),
        _ => access(scope, &answer, &subject(&answer)),
    };
    match scope.kind.kind.as_str() {
        // These two tell nothing of the question.
        "SelfSubjectRulesReview" => {
            answer["spec"] = json!({});
            answer["metadata"] = json!({});
        }
        "SelfSubjectReview" => answer["metadata"] = json!({"creationTimestamp": json::now()}),
        _ => write::track(scope, &mut answer),
    }
    answer["status"] = status;
    read::answer(scope, 201, &answer, &[])
}

/// A question about access is about a resource or about another path, never both or neither; of somebody, and
/// in a namespace about that namespace.
fn check_asked(scope: &Scope<'_>, request: &Value) -> Result<(), Status> {
    let text = |path: &[&str]| json::text(request, path);
    let given = |field: &str| json::at(request, &["spec", field]).filter(|v| !v.is_null());
    let path = text(&["spec", "nonResourceAttributes", "path"]);
    let verb = text(&["spec", "nonResourceAttributes", "verb"]);
    let other = json!({"Path": path, "Verb": verb});
    let (resource, elsewhere) = (
        given("resourceAttributes").is_some(),
        given("nonResourceAttributes").is_some(),
    );
    let mut causes = Vec::new();
    if scope.kind.kind == "LocalSubjectAccessReview" && elsewhere {
        let detail = "disallowed on this kind of request";
        causes.push(Cause::invalid("spec.nonResourceAttributes", &other, detail));
    } else if resource && elsewhere {
        let detail = "cannot be specified in combination with resourceAttributes";
        causes.push(Cause::invalid("spec.nonResourceAttributes", &other, detail));
    } else if !resource && !elsewhere {
        let detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        causes.push(Cause::invalid("spec.resourceAttributes", &Value::Null, detail));
    }
    let nobody = text(&["spec", "user"]).is_empty() && json::list(request, &["spec", "groups"]).is_empty();
    if scope.kind.kind != "SelfSubjectAccessReview" && nobody {
        let detail = "at least one of user or group must be specified";
        causes.push(Cause::invalid("spec.user", &Value::from(""), detail));
    }
    let asked = text(&["spec", "resourceAttributes", "namespace"]);
    if scope.kind.kind == "LocalSubjectAccessReview" && resource && asked != scope.namespace() {
        let (field, detail) = (
            "spec.resourceAttributes.namespace",
            "must match metadata.namespace",
        );
        causes.push(Cause::invalid(field, &Value::from(asked), detail));
    }
    causes.extend(unasked_metadata(scope, request));
    if causes.is_empty() {
        return Ok(());
    }
    Err(Status::invalid("authorization.k8s.io", "", "", causes))
}

/// A question has no metadata, but for the namespace of one that is local.
fn unasked_metadata(scope: &Scope<'_>, request: &Value) -> Option<Cause> {
    let mut tracked = request.clone();
    write::track(scope, &mut tracked);
    let mut given = json::meta(request).clone();
    if scope.kind.namespaced {
        given.remove("namespace");
    }
    given.remove("managedFields");
    given.retain(|_, value| !value.is_null());
    if given.is_empty() {
        return None;
    }
    let mut told = json::meta(&tracked).clone();
    if scope.kind.namespaced {
        told.remove("namespace");
    }
    let quoted = json::quoted_metadata(&told.into(), false);
    let detail = "must be empty";
    let message = format!("Invalid value: {quoted}: {detail}");
    Some(Cause::new("FieldValueInvalid", "metadata", message))
}

fn user_info(user: &User) -> Value {
    let mut info = json!({"username": user.name, "groups": user.groups});
    if !user.uid.is_empty() {
        info["uid"] = user.uid.clone().into();
    }
    for (key, values) in &user.extra {
        info["extra"][key] = json!(values);
    }
    info
}

fn token(scope: &Scope<'_>, request: &Value) -> Value {
    let token = json::text(request, &["spec", "token"]);
    match authn::user_of(scope.server, token, &json::texts(request, &["spec", "audiences"])) {
        Some((user, meant)) => json!({"authenticated": true, "user": user_info(&user), "audiences": meant}),
        None => json!({"user": {}, "error": "the token is not known"}),
    }
}

fn subject(request: &Value) -> User {
    let spec = request.get("spec").cloned().unwrap_or_default();
    User {
        name: json::text(&spec, &["user"]).to_owned(),
        uid: json::text(&spec, &["uid"]).to_owned(),
        groups: json::texts(&spec, &["groups"])
            .into_iter()
            .map(str::to_owned)
            .collect(),
        extra: Vec::new(),
    }
}

fn access(scope: &Scope<'_>, request: &Value, user: &User) -> Value {
    let text = |path: &[&str]| json::text(request, path);
    let attributes = match json::at(request, &["spec", "resourceAttributes"]) {
        Some(_) => {
            let of = |field: &'static str| json::text(request, &["spec", "resourceAttributes", field]);
            Attributes {
                verb: of("verb"),
                group: of("group"),
                resource: of("resource"),
                subresource: of("subresource"),
                namespace: of("namespace"),
                name: of("name"),
                path: "",
            }
        }
        None => Attributes {
            verb: text(&["spec", "nonResourceAttributes", "verb"]),
            group: "",
            resource: "",
            subresource: "",
            namespace: "",
            name: "",
            path: text(&["spec", "nonResourceAttributes", "path"]),
        },
    };
    match authz::reason(&scope.server.state(), user, &attributes) {
        Some(reason) if reason.is_empty() => json!({"allowed": true}),
        Some(reason) => json!({"allowed": true, "reason": reason}),
        None => json!({"allowed": false}),
    }
}

fn rules(scope: &Scope<'_>, request: &Value) -> Value {
    let namespace = json::text(request, &["spec", "namespace"]);
    let all = authz::rules_of(&scope.server.state(), scope.user, namespace);
    let (urls, resources): (Vec<Value>, Vec<Value>) = all
        .into_iter()
        .partition(|r| !json::list(r, &["nonResourceURLs"]).is_empty());
    json!({"resourceRules": resources, "nonResourceRules": urls, "incomplete": false})
}
