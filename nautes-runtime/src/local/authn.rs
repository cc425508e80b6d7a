//! Who asks: bearer tokens, service account tokens, impersonation.

use base64::Engine as _;
use bytes::Bytes;
use hmac::{Hmac, Mac as _};
use http::{HeaderMap, Response};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{
    Operation,
    authz::{self, Attributes},
    call::User,
    json,
    managed::{self, Writer},
    read,
    schema::{self, Schema},
    server::{Body, Scope, Server, respond},
    status::Status,
    webhooks::{self, Attempt, Stage},
    write,
};

type Signature = Hmac<Sha256>;

/// `{"alg":"HS256","typ":"JWT"}`: tokens are JSON Web Tokens, signed with a key that only the server has.
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";
const ISSUER: &str = "https://kubernetes.default.svc";
const HOUR: i64 = 3_600;
/// More than this cannot be asked for, in seconds.
const MOST: i64 = 1 << 32;
const SHORTEST: i64 = 600;
const LONGEST: i64 = 365 * 24 * 3_600;

fn unauthorized() -> Status {
    Status::new(401, "Unauthorized", "Unauthorized")
}

/// The user of a request, by its bearer token.
///
/// # Errors
/// 401 where there is no token, or nobody knows it.
pub(crate) fn authenticate(server: &Server, headers: &HeaderMap) -> Result<User, Status> {
    let header = headers
        .get("authorization")
        .and_then(|v| v.to_str().ok())
        .ok_or_else(unauthorized)?;
    let (scheme, token) = header.split_once(' ').ok_or_else(unauthorized)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(unauthorized());
    }
    let (user, _) = user_of(server, token.trim(), &[]).ok_or_else(unauthorized)?;
    Ok(user)
}

/// The user that a token stands for, and for which of the audiences it is meant; without audiences it has to be
/// meant for this server.
pub(crate) fn user_of(server: &Server, token: &str, audiences: &[&str]) -> Option<(User, Vec<String>)> {
    let wanted = if audiences.is_empty() {
        &[ISSUER]
    } else {
        audiences
    };
    let known = server
        .tokens
        .read()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .get(token)
        .cloned();
    let (user, meant) = match known {
        Some(user) => (user, vec![ISSUER.to_owned()]),
        None => service_account(server, token)?,
    };
    let meant: Vec<String> = meant
        .into_iter()
        .filter(|m| wanted.contains(&m.as_str()))
        .collect();
    (!meant.is_empty()).then_some((user, meant))
}

fn account_user(namespace: &str, name: &str, uid: &str) -> User {
    let all = "system:serviceaccounts";
    let mut user = User::new(
        &format!("system:serviceaccount:{namespace}:{name}"),
        &[all, &format!("{all}:{namespace}")],
    );
    user.uid = uid.to_owned();
    user
}

fn sign(server: &Server, claims: &str) -> Option<Signature> {
    let mut signature = Signature::new_from_slice(&server.token_key).ok()?;
    signature.update(format!("{HEADER}.{claims}").as_bytes());
    Some(signature)
}

/// A service account token holds its claims and a signature over them; it is good until it expires or its
/// account is gone.
fn service_account(server: &Server, token: &str) -> Option<(User, Vec<String>)> {
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let (claims, signature) = token.strip_prefix(HEADER)?.strip_prefix('.')?.split_once('.')?;
    sign(server, claims)?
        .verify_slice(&engine.decode(signature).ok()?)
        .ok()?;
    let claims: Value = serde_json::from_slice(&engine.decode(claims).ok()?).ok()?;
    let expires = claims.get("exp").and_then(Value::as_i64)?;
    if expires <= jiff::Timestamp::now().as_second() {
        return None;
    }
    let of = |path: &[&str]| json::at(&claims, &["kubernetes.io"]).map_or("", |k| json::text(k, path));
    let (namespace, name) = (of(&["namespace"]), of(&["serviceaccount", "name"]));
    let state = server.state();
    let account = state.store.opened("serviceaccounts", namespace, name)?;
    let uid = json::uid(account);
    let meant = json::texts(&claims, &["aud"])
        .into_iter()
        .map(str::to_owned)
        .collect();
    (uid == of(&["serviceaccount", "uid"])).then(|| (account_user(namespace, name, uid), meant))
}

/// Answers a `TokenRequest`.
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
        let cause = super::status::Cause::invalid("metadata.name", &json!(named), detail);
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
        let cause = super::status::Cause::invalid("spec.expirationSeconds", &json!(wanted), why);
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
    let now = jiff::Timestamp::now().as_second();
    let expires = now + wanted.min(LONGEST);
    let claims = json!({
        "aud": audiences, "exp": expires, "iat": now, "iss": ISSUER, "jti": uuid::Uuid::new_v4().to_string(), "nbf": now,
        "kubernetes.io": {
            "namespace": scope.namespace(),
            "serviceaccount": {"name": scope.name(), "uid": json::uid(&account)},
        },
        "sub": format!("system:serviceaccount:{}:{}", scope.namespace(), scope.name()),
    });
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let claims = engine.encode(claims.to_string());
    let signature = sign(scope.server, &claims).ok_or_else(|| Status::internal("cannot sign the token"))?;
    let token = format!(
        "{HEADER}.{claims}.{}",
        engine.encode(signature.finalize().into_bytes())
    );
    let until = jiff::Timestamp::from_second(expires)
        .map(|t| t.to_string())
        .unwrap_or_default();
    let mut answer = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "metadata": {
            "name": scope.name(), "namespace": scope.namespace(), "uid": json::uid(&account),
            "creationTimestamp": json::now(),
        },
        "spec": {"audiences": audiences, "expirationSeconds": wanted.min(LONGEST), "boundObjectRef": null},
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

/// The user that a request acts as: impersonation headers are honoured for who may use them.
///
/// # Errors
/// Forbidden where the user may not impersonate what is asked.
pub(crate) fn impersonate(server: &Server, user: User, headers: &HeaderMap) -> Result<User, Status> {
    let text = |name: &str| {
        headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default()
    };
    let all = |name: &str| -> Vec<String> {
        headers
            .get_all(name)
            .iter()
            .filter_map(|v| v.to_str().ok())
            .map(str::to_owned)
            .collect()
    };
    let (name, uid, mut groups) = (
        text("impersonate-user"),
        text("impersonate-uid"),
        all("impersonate-group"),
    );
    let extra: Vec<(String, Vec<String>)> = headers
        .keys()
        .filter_map(|k| k.as_str().strip_prefix("impersonate-extra-"))
        .map(|key| (key.to_owned(), all(&format!("impersonate-extra-{key}"))))
        .collect();
    if name.is_empty() {
        if !uid.is_empty() || !groups.is_empty() || !extra.is_empty() {
            let shown: Vec<String> = groups.iter().map(|g| format!("{g:?}")).collect();
            let shown = shown.join(", ");
            return Err(Status::bad_request(format!(
                "requested &user.DefaultInfo{{Name:\"\", UID:{uid:?}, Groups:[]string{{{shown}}}, \
                 Extra:map[string][]string(nil)}} without impersonating a user name"
            )));
        }
        return Ok(user);
    }
    let state = server.state();
    let may = |group: &str, resource: &str, namespace: &str, name: &str, sub: &str| {
        let attributes = Attributes {
            verb: "impersonate",
            group,
            resource,
            subresource: sub,
            namespace,
            name,
            path: "",
        };
        authz::require(&state, &user, &attributes)
    };
    let authentication = "authentication.k8s.io";
    let mut acting = match name
        .strip_prefix("system:serviceaccount:")
        .and_then(|r| r.split_once(':'))
    {
        Some((namespace, account)) => {
            may("", "serviceaccounts", namespace, account, "")?;
            let implied = groups.is_empty();
            let acting = account_user(namespace, account, "");
            if implied {
                groups.clone_from(&acting.groups);
            }
            acting
        }
        None => {
            may("", "users", "", name, "")?;
            User::new(name, &[])
        }
    };
    for group in all("impersonate-group") {
        may("", "groups", "", &group, "")?;
    }
    if !uid.is_empty() {
        may(authentication, "uids", "", uid, "")?;
        acting.uid = uid.to_owned();
    }
    for (key, values) in &extra {
        for value in values {
            may(authentication, "userextras", "", value, key)?;
        }
    }
    let known = if name == "system:anonymous" {
        "system:unauthenticated"
    } else {
        "system:authenticated"
    };
    if !groups.iter().any(|g| g == known) {
        groups.push(known.to_owned());
    }
    acting.groups = groups;
    acting.extra = extra;
    Ok(acting)
}
