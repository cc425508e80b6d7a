//! Which request goes where.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use nautes_model::Secret;
use serde_json::{Value, json};

use super::World;
use super::state::text;
pub(super) use crate::host::fake::{Answer, Asked, Result};
use crate::host::types::{AccessLevel, Place, User};
use crate::host::{GitHost as _, Session};

/// What the paths of the API begin with.
const ROOT: &str = "/api/v1";
/// Scopes, by the first word of the path.
const SCOPES: [(&str, &str); 7] = [
    ("user", "user"),
    ("users", "user"),
    ("orgs", "organization"),
    ("teams", "organization"),
    ("repos", "repository"),
    ("repositories", "repository"),
    ("token", "user"),
];

/// Who asks.
pub(super) struct Caller {
    pub(super) session: Arc<dyn Session>,
    pub(super) user: User,
    scopes: Option<Vec<String>>,
}

impl Caller {
    /// Fails unless the caller has a level in a place.
    pub(super) async fn need(&self, place: &Place, level: AccessLevel) -> Result<()> {
        if self.session.access(place).await? < level {
            return Err(Answer::message(403, "Must be an owner or an administrator"));
        }
        Ok(())
    }
}

pub(super) fn unknown() -> Answer {
    Answer::message(404, "The target couldn't be found.")
}

pub(super) async fn serve(State(world): State<Arc<World>>, request: Request) -> Response {
    let (asked, headers) = Asked::read(request, ROOT).await;
    let mut answer = match &asked.body {
        Some(_) => match answer(&world, &asked, &headers).await {
            Ok(answer) | Err(answer) => answer,
        },
        None => Answer::message(422, "The body is not JSON"),
    };
    if answer.status == 400 {
        // So Gitea says that what it was given is wrong.
        answer.status = 422;
    }
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
        ("GET", ["version"]) => Ok(Answer::new(200, json!({ "version": "1.27.3" }))),
        ("GET", ["token"]) => Ok(own_token(&caller)),
        ("GET", ["user"]) => Ok(Answer::new(200, shown(&caller.user, None))),
        ("GET", ["user", "orgs"]) => super::groups::own(world, &caller, asked).await,
        ("GET", ["user", "teams"]) => super::members::own_teams(world, &caller, asked).await,
        ("GET", ["users", name]) => {
            let users = world.forge.admin().users();
            let found = users.iter().find(|user| user.name.eq_ignore_ascii_case(name));
            let user = found.ok_or_else(unknown)?;
            Ok(Answer::new(200, shown(user, None)))
        }
        (_, ["orgs", rest @ ..]) => super::groups::answer(world, &caller, method, rest, asked).await,
        (_, ["teams", rest @ ..]) => super::members::teams(world, &caller, method, rest, asked).await,
        (_, ["repos", owner, name, rest @ ..]) => {
            super::repositories::answer(world, &caller, (owner, name), method, rest, asked).await
        }
        ("GET", ["repositories", id]) => {
            let id = id.parse().map_err(|_| unknown())?;
            let found = caller.session.repository_by_id(id).await?.ok_or_else(unknown)?;
            let at = (found.path.group(), found.path.name());
            super::repositories::answer(world, &caller, at, method, &[], asked).await
        }
        _ => Err(unknown()),
    }
}

async fn caller(world: &World, headers: &HeaderMap) -> Result<Caller> {
    let nobody = || Answer::message(401, "invalid username, password or token");
    let value = headers.get("authorization").and_then(|value| value.to_str().ok());
    let token = value.and_then(|value| value.strip_prefix("Bearer "));
    let token = Secret::from(token.ok_or_else(nobody)?);
    let scopes = world.state().tokens.get(&text(&token)).cloned();
    let session = world.forge.session(&token).await.map_err(|_| nobody())?;
    let user = session.user().await?;
    Ok(Caller {
        session,
        user,
        scopes,
    })
}

/// Fails where the token may not be used for this.
fn scope(caller: &Caller, method: &str, segments: &[&str]) -> Result<()> {
    let Some(scopes) = &caller.scopes else {
        return Ok(());
    };
    let first = segments.first().copied().unwrap_or_default();
    let Some((_, area)) = SCOPES.iter().find(|(word, _)| *word == first) else {
        return Ok(());
    };
    let verb = if method == "GET" { "read" } else { "write" };
    let (wanted, more) = (format!("{verb}:{area}"), format!("write:{area}"));
    if scopes
        .iter()
        .any(|had| *had == wanted || *had == more || had == "all")
    {
        return Ok(());
    }
    let said = format!(
        "token does not have at least one of required scope(s), required=[{wanted}], token scope={}",
        scopes.join(",")
    );
    Err(Answer::message(403, said))
}

fn own_token(caller: &Caller) -> Answer {
    let scopes = caller.scopes.clone().unwrap_or_else(|| vec!["all".to_owned()]);
    Answer::new(200, json!({ "id": 1, "name": "test", "scopes": scopes }))
}

/// Shows an account; of an organisation with its visibility.
pub(super) fn shown(user: &User, visibility: Option<&str>) -> Value {
    json!({
        "id": user.id,
        "login": user.name,
        "full_name": "",
        "email": user.email,
        "is_admin": false,
        "active": true,
        "visibility": visibility.unwrap_or("public"),
    })
}

/// Returns one page of a listing. Gitea says how many entries there are, and for some listings what comes next.
pub(super) fn page(world: &World, asked: &Asked, links: bool, entries: Vec<Value>) -> Answer {
    let most = world.state().page_size;
    let number = |name: &str| asked.query(name).and_then(|text| text.parse::<usize>().ok());
    let size = number("limit").unwrap_or(30).clamp(1, 50).min(most);
    let page = number("page").unwrap_or(1).max(1);
    let total = entries.len();
    let shown: Vec<Value> = entries.into_iter().skip((page - 1) * size).take(size).collect();
    let mut answer = Answer::new(200, shown.into());
    answer.headers.push(("x-total-count", total.to_string()));
    let pages = total.div_ceil(size);
    if links && pages > 1 {
        let link = |to: usize, rel: &str| {
            let path = &asked.raw_path;
            format!("<http://gitea.internal{path}?limit={size}&page={to}>; rel=\"{rel}\"")
        };
        let mut links = Vec::new();
        if page < pages {
            links.extend([link(page + 1, "next"), link(pages, "last")]);
        }
        if page > 1 {
            links.extend([link(1, "first"), link(page - 1, "prev")]);
        }
        answer.headers.push(("link", links.join(",")));
    }
    answer
}
