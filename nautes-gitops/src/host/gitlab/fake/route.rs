//! Which request goes where.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use nautes_model::Secret;
use serde_json::{Value, json};

use super::World;
use super::answer::{Answer, Result};
use super::state::{TokenRecord, text};
pub(super) use crate::host::fake::Asked;
use crate::host::types::{AccessLevel, Place, User};
use crate::host::{GitHost as _, Session};

/// What the paths of the API begin with.
const ROOT: &str = "/api/v4";

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
    let (asked, headers) = Asked::read(request, ROOT).await;
    let answer = match &asked.body {
        Some(_) => match answer(&world, &asked, &headers).await {
            Ok(answer) | Err(answer) => answer,
        },
        None => Answer::new(400, json!({ "error": "The body is not JSON" })),
    };
    let (exchange, response) = asked.reply(answer);
    world.state().exchanges.push(exchange);
    response
}

async fn answer(world: &World, asked: &Asked, headers: &HeaderMap) -> Result {
    let method = asked.method.as_str();
    let segments: Vec<&str> = asked.segments.iter().map(String::as_str).collect();
    let caller = caller(world, headers).await?;
    scope(&caller, method, &segments)?;
    match (method, segments.as_slice()) {
        ("GET", ["user"]) => Ok(Answer::new(200, own(world, &caller.user))),
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

fn own(world: &World, user: &User) -> Value {
    let mut shown = basic(user);
    shown["can_create_group"] = (!world.state().no_groups).into();
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
