//! Which request goes where.

use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use nautes_model::Secret;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::World;
use super::answer::{Answer, Result};
use super::state::{Exchange, TokenRecord, text};
use crate::host::types::{AccessLevel, Place, User};
use crate::host::{GitHost as _, Session};

/// The largest body, in bytes.
const MAX_BODY: usize = 1 << 20;

/// What is asked.
#[derive(Debug)]
pub(super) struct Asked {
    /// The path as it was sent, from `/api/v4` on.
    pub(super) raw_path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: Value,
}

impl Asked {
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.body.get(name).and_then(Value::as_str)
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.body.get(name).and_then(Value::as_u64)
    }

    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.body.get(name).and_then(Value::as_bool)
    }
}

/// Who asks.
pub(super) struct Caller {
    pub(super) session: Arc<dyn Session>,
    pub(super) user: User,
    pub(super) token: Option<TokenRecord>,
}

impl Caller {
    /// Fails unless the caller has a level in a place.
    pub(super) async fn need(&self, place: &Place, level: AccessLevel) -> Result<()> {
        if self.session.access(place).await? < level {
            return Err(Answer::forbidden());
        }
        Ok(())
    }
}

/// Returns the token that a request brings.
pub(super) fn token(headers: &HeaderMap) -> Option<Secret> {
    if let Some(token) = headers.get("private-token") {
        return Some(Secret::new(token.as_bytes()));
    }
    let value = headers.get("authorization")?.to_str().ok()?;
    Some(Secret::from(value.strip_prefix("Bearer ")?))
}

pub(super) async fn serve(State(world): State<Arc<World>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let raw_path = parts.uri.path().to_owned();
    let query: Vec<_> = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
        .into_owned()
        .collect();
    let bytes = to_bytes(body, MAX_BODY).await.unwrap_or_default();
    let body = if bytes.is_empty() {
        Ok(Value::Null)
    } else {
        serde_json::from_slice(&bytes)
    };
    let method = parts.method.as_str().to_owned();
    let asked = Asked {
        raw_path,
        query,
        body: body.as_ref().cloned().unwrap_or_default(),
    };
    let answer = match body {
        Ok(_) => match answer(&world, &method, &asked, &parts.headers).await {
            Ok(answer) | Err(answer) => answer,
        },
        Err(_) => Answer::new(400, json!({ "error": "The body is not JSON" })),
    };
    world.state().exchanges.push(Exchange {
        method,
        path: asked.raw_path.trim_start_matches("/api/v4").to_owned(),
        query: asked.query,
        request: asked.body,
        status: answer.status,
        answer: answer.body.clone(),
    });
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = if answer.body.is_null() {
        status.into_response()
    } else {
        (status, axum::Json(answer.body)).into_response()
    };
    for (name, value) in answer.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

async fn answer(world: &World, method: &str, asked: &Asked, headers: &HeaderMap) -> Result {
    let path = asked.raw_path.trim_start_matches("/api/v4/");
    let segments: Vec<String> = path.split('/').map(decoded).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let caller = caller(world, headers).await?;
    scope(&caller, method, &segments)?;
    match (method, segments.as_slice()) {
        ("GET", ["user"]) => Ok(Answer::new(200, own(&caller.user))),
        ("GET", ["users"]) => Ok(users(world, asked)),
        ("GET", ["version"]) => Ok(Answer::new(
            200,
            json!({ "version": "17.11.0", "revision": "fake" }),
        )),
        ("GET", ["personal_access_tokens", "self"]) => Ok(super::more::own_token(&caller)),
        (_, ["groups", rest @ ..]) => super::groups::answer(world, &caller, method, rest, asked).await,
        (_, ["projects", rest @ ..]) => super::projects::answer(world, &caller, method, rest, asked).await,
        _ => Err(Answer::new(404, json!({ "error": "404 Not Found" }))),
    }
}

async fn caller(world: &World, headers: &HeaderMap) -> Result<Caller> {
    let unauthorized = || Answer::message(401, "401 Unauthorized");
    let token = token(headers).ok_or_else(unauthorized)?;
    let record = world.state().tokens.get(&text(&token)).cloned();
    if record.as_ref().is_some_and(|record| !record.is_active()) {
        return Err(unauthorized());
    }
    let session = world.forge.session(&token).await?;
    let user = session.user().await?;
    Ok(Caller {
        session,
        user,
        token: record,
    })
}

/// Fails where the token may not be used for this.
fn scope(caller: &Caller, method: &str, segments: &[&str]) -> Result<()> {
    let Some(token) = &caller.token else { return Ok(()) };
    let has = |scope: &str| token.scopes.iter().any(|had| had == scope);
    let own = matches!(segments, ["user" | "users" | "personal_access_tokens", ..]);
    if has("api") || (method == "GET" && (has("read_api") || (own && has("read_user")))) {
        return Ok(());
    }
    let body = json!({
        "error": "insufficient_scope",
        "error_description": "The request requires higher privileges than provided by the access token.",
        "scope": if method == "GET" { "api read_api" } else { "api" },
    });
    Err(Answer::new(403, body))
}

pub(super) fn basic(user: &User) -> Value {
    json!({
        "id": user.id,
        "username": user.name,
        "name": user.name,
        "state": "active",
        "locked": false,
        "avatar_url": null,
        "web_url": format!("http://gitlab.internal/{}", user.name),
    })
}

fn own(user: &User) -> Value {
    let mut shown = basic(user);
    shown["email"] = user.email.as_str().into();
    shown["commit_email"] = user.email.as_str().into();
    shown
}

fn users(world: &World, asked: &Asked) -> Answer {
    let wanted = asked.query("username");
    let users = world.forge.admin().users();
    let found = users
        .iter()
        .filter(|user| wanted.is_none_or(|name| user.name.eq_ignore_ascii_case(name)));
    super::answer::page(world, asked, found.map(basic).collect())
}

/// Undoes the encoding of one segment of a path.
fn decoded(segment: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = segment.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = (*first == b'%').then(|| tail.get(..2)).flatten();
        let byte = hex
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
