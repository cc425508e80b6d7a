//! Tokens of service accounts: JSON Web Tokens with the claims of Kubernetes, which end with their account and with what
//! they are bound to.

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use super::{ISSUER, account_user};
use crate::local::{
    Operation,
    call::User,
    json,
    managed::{self, Writer},
    read,
    schema::{self, Schema},
    server::{Body, Scope, Server, State, respond},
    status::{Cause, Status},
    webhooks::{self, Attempt, Stage},
    write,
};

const HOUR: i64 = 3_600;
/// More than this cannot be asked for, in seconds.
const MOST: i64 = 1 << 32;
const SHORTEST: i64 = 600;
const LONGEST: i64 = 365 * 24 * 3_600;
/// Pods ask for tokens of this many seconds. They are good for longer, as some programs read them only once.
const OF_PODS: i64 = 3_607;
/// How long a token is good after the deletion of what it is bound to has begun, in seconds.
const LEEWAY: i64 = 60;
/// What a token can be bound to: kind, resource and claim.
const BINDING: [(&str, &str, &str); 2] = [("Pod", "pods", "pod"), ("Secret", "secrets", "secret")];

/// The user that a token is of, and whom it is meant for. It holds its claims and a signature over them; it is good until
/// it expires, or its account or what it is bound to is gone.
pub(super) fn user_of(server: &Server, token: &str) -> Option<(User, Vec<String>)> {
    let claims: Value = serde_json::from_slice(&server.signing.claims(token)?).ok()?;
    let expires = claims.get("exp").and_then(Value::as_i64)?;
    let now = jiff::Timestamp::now().as_second();
    if expires <= now {
        return None;
    }
    let private = json::at(&claims, &["kubernetes.io"])?;
    let namespace = json::text(private, &["namespace"]);
    let of = |claim: &str| private.get(claim).filter(|c| !c.is_null());
    let account = of("serviceaccount")?;
    let state = server.state();
    let bound = BINDING
        .iter()
        .filter_map(|(_, resource, claim)| Some((*resource, of(claim)?)));
    let lives = [("serviceaccounts", account)]
        .into_iter()
        .chain(bound)
        .all(|(resource, claim)| lives(&state, resource, namespace, claim, now));
    if !lives {
        return None;
    }
    let text = |claim: &Value, field| json::text(claim, &[field]).to_owned();
    let mut user = account_user(namespace, &text(account, "name"), &text(account, "uid"));
    let id = format!("JTI={}", json::text(&claims, &["jti"]));
    let mut extra = vec![("credential-id", id)];
    if let Some(pod) = of("pod") {
        extra.extend([("pod-name", text(pod, "name")), ("pod-uid", text(pod, "uid"))]);
    }
    if let Some(node) = of("node") {
        extra.push(("node-name", text(node, "name")));
    }
    user.extra = extra
        .into_iter()
        .map(|(key, value)| (format!("authentication.kubernetes.io/{key}"), vec![value]))
        .collect();
    let meant = json::texts(&claims, &["aud"]).into_iter().map(str::to_owned);
    Some((user, meant.collect()))
}

/// Whether the object of a claim is still there.
fn lives(state: &State, resource: &str, namespace: &str, claim: &Value, now: i64) -> bool {
    let kept = state.store.get(resource, namespace, json::text(claim, &["name"]));
    kept.is_some_and(|object| {
        let deleted = json::text(&object, &["metadata", "deletionTimestamp"]);
        let since = deleted.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_second);
        json::uid(&object) == json::text(claim, &["uid"]) && since.map_or(true, |at| at + LEEWAY > now)
    })
}

/// A request for a token as admission webhooks leave it.
fn admitted(scope: &Scope<'_>, request: &Value) -> Result<Value, Status> {
    let given = |field| json::at(request, &["spec", field]).cloned();
    let mut asked = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "metadata": request.get("metadata").cloned().unwrap_or_else(|| json!({})),
        "spec": {
            "audiences": given("audiences"), "boundObjectRef": given("boundObjectRef"),
            "expirationSeconds": given("expirationSeconds").unwrap_or_else(|| HOUR.into()),
        },
        "status": {"token": "", "expirationTimestamp": null},
    });
    asked["metadata"]["namespace"] = scope.namespace().into();
    let dry_run = scope.call.is_dry_run()?;
    let state = scope.server.state();
    for stage in [Stage::Mutating, Stage::Validating] {
        let attempt = Attempt {
            operation: Operation::Create,
            object: Some(&asked),
            old: None,
            dry_run,
        };
        if let Some(made) = webhooks::judge(scope, &state, stage, &attempt)? {
            asked = made;
        }
    }
    Ok(asked)
}

/// The claims for what a token is to be bound to.
fn bound(scope: &Scope<'_>, reference: &Value) -> Result<Value, Status> {
    let text = |field| json::text(reference, &[field]);
    let (group, version) = match text("apiVersion").rsplit_once('/') {
        Some((group, version)) => (group, version),
        None => ("", text("apiVersion")),
    };
    let (kind, name) = (text("kind"), text("name"));
    let not_found = |resource: &str| {
        Status::new(404, "NotFound", format!("{resource} {name:?} not found")).detail(name, "", resource)
    };
    if group.is_empty() && kind == "Node" {
        return Err(not_found("nodes"));
    }
    let Some((_, resource, claim)) = BINDING.iter().find(|b| group.is_empty() && b.0 == kind) else {
        return Err(Status::bad_request(format!(
            "cannot bind token to object of type {group}/{version}, Kind={kind}"
        )));
    };
    let state = scope.server.state();
    let object = state
        .store
        .get(resource, scope.namespace(), name)
        .ok_or_else(|| not_found(resource))?;
    if kind == "Pod" && json::text(&object, &["spec", "serviceAccountName"]) != scope.name() {
        return Err(Status::bad_request(format!(
            "cannot bind token for serviceaccount {:?} to pod running with different serviceaccount name.",
            scope.name()
        )));
    }
    let (uid, wanted) = (json::uid(&object), text("uid"));
    if !wanted.is_empty() && wanted != uid {
        let message = format!(
            "Operation cannot be fulfilled on {kind} {name:?}: the UID in the bound object reference ({wanted}) does not \
             match the UID in record. The object might have been deleted and then recreated"
        );
        return Err(Status::new(409, "Conflict", message).detail(name, "", kind));
    }
    let mut claims = json!({*claim: {"name": name, "uid": uid}});
    let node = json::text(&object, &["spec", "nodeName"]);
    if kind == "Pod" && !node.is_empty() {
        claims["node"] = json!({"name": node});
    }
    Ok(claims)
}

/// Answers a `TokenRequest`.
pub(crate) fn token_request(scope: &Scope<'_>, body: &Bytes) -> Result<Response<Body>, Status> {
    let request: Value = if body.is_empty() {
        json!({})
    } else {
        write::parse(scope, body)?
    };
    let account = read::find(scope)?;
    let named = json::name(&request);
    if !named.is_empty() && named != scope.name() {
        let detail = "must match the service account name if specified";
        let cause = Cause::invalid("metadata.name", &json!(named), detail);
        return Err(Status::invalid(
            "authentication.k8s.io",
            "TokenRequest",
            scope.name(),
            vec![cause],
        ));
    }
    let elsewhere = json::namespace(&request);
    if !elsewhere.is_empty() && elsewhere != scope.namespace() {
        return Err(Status::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    let sent = request;
    let request = admitted(scope, &sent)?;
    let wanted = json::at(&request, &["spec", "expirationSeconds"])
        .and_then(Value::as_i64)
        .unwrap_or(HOUR);
    let refused = match wanted {
        ..SHORTEST => Some("may not specify a duration less than 10 minutes"),
        SHORTEST..=MOST => None,
        _ => Some("may not specify a duration larger than 2^32 seconds"),
    };
    if let Some(why) = refused {
        let cause = Cause::invalid("spec.expirationSeconds", &json!(wanted), why);
        return Err(Status::invalid(
            "authentication.k8s.io",
            "TokenRequest",
            "",
            vec![cause],
        ));
    }
    let audiences = json::at(&request, &["spec", "audiences"])
        .filter(|a| !a.is_null() && **a != json!([]))
        .cloned()
        .unwrap_or_else(|| json!([ISSUER]));
    let reference = json::at(&request, &["spec", "boundObjectRef"]).filter(|r| !r.is_null());
    let mut private = match reference {
        Some(reference) => bound(scope, reference)?,
        None => json!({}),
    };
    private["namespace"] = scope.namespace().into();
    private["serviceaccount"] = json!({"name": scope.name(), "uid": json::uid(&account)});
    let now = jiff::Timestamp::now().as_second();
    // What is told is what was asked for.
    let told = now + wanted.min(LONGEST);
    let mut expires = told;
    let is_for_us = json::list(&audiences, &[]).iter().any(|a| a == ISSUER);
    if wanted == OF_PODS && private.get("pod").is_some() && is_for_us {
        private["warnafter"] = expires.into();
        expires = now + LONGEST;
    }
    let claims = json!({
        "aud": audiences, "exp": expires, "iat": now, "iss": ISSUER, "jti": uuid::Uuid::new_v4().to_string(), "nbf": now,
        "kubernetes.io": private,
        "sub": format!("system:serviceaccount:{}:{}", scope.namespace(), scope.name()),
    });
    let token = scope.server.signing.token(&claims.to_string());
    let token = token.ok_or_else(|| Status::internal("cannot sign the token"))?;
    let until = jiff::Timestamp::from_second(told)
        .map(|t| t.to_string())
        .unwrap_or_default();
    let mut answer = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "metadata": {
            "name": scope.name(), "namespace": scope.namespace(), "uid": json::uid(&account),
            "creationTimestamp": json::now(),
        },
        "spec": {"audiences": audiences, "expirationSeconds": wanted.min(LONGEST), "boundObjectRef": reference},
        "status": {"token": token, "expirationTimestamp": until},
    });
    let writer = Writer {
        manager: scope.call.manager(),
        api_version: "authentication.k8s.io/v1".to_owned(),
        subresource: "token".to_owned(),
        has_status: false,
        annotates: false,
        custom: false,
    };
    let mut asked = json!({"metadata": {}, "spec": sent.get("spec").cloned().unwrap_or_else(|| json!({}))});
    let schema = schema::builtin("io.k8s.api.authentication.v1.TokenRequest").unwrap_or_else(Schema::untyped);
    managed::track_update(None, &mut asked, &writer, schema.view());
    if let Some(fields) = json::meta(&asked).get("managedFields").cloned() {
        answer["metadata"]["managedFields"] = fields;
    }
    Ok(respond(201, &answer, &[]))
}
