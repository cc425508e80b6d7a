//! Tokens of projects, protected branches, statuses of commits.

use serde_json::{Value, json};

use super::World;
use super::answer::{Answer, Result, page};
use super::route::{Asked, Caller, basic};
use super::state::{Protected, TokenRecord, text};
use crate::host::gitlab::wire::level;
use crate::host::types::{AccessLevel, Place, Repository};

pub(super) fn own_token(caller: &Caller) -> Answer {
    match &caller.token {
        Some(record) => {
            let mut shown = shown_token(record);
            shown["user_id"] = caller.user.id.into();
            Answer::new(200, shown)
        }
        None => Answer::new(
            200,
            json!({
                "id": caller.user.id,
                "name": "first",
                "scopes": ["api"],
                "active": true,
                "revoked": false,
                "user_id": caller.user.id,
                "expires_at": null,
            }),
        ),
    }
}

fn shown_token(record: &TokenRecord) -> Value {
    let mut shown = json!({
        "id": record.id,
        "name": record.name,
        "scopes": record.scopes,
        "active": record.is_active(),
        "revoked": record.revoked,
        "created_at": "2024-01-01T00:00:00.000Z",
        "expires_at": record.expires,
    });
    if let Some((project, level, _)) = &record.project {
        shown["access_level"] = (*level).into();
        shown["resource_type"] = "project".into();
        shown["resource_id"] = (*project).into();
    }
    shown
}

pub(super) async fn tokens(
    world: &World,
    caller: &Caller,
    project: &Repository,
    method: &str,
    rest: &[&str],
    asked: &Asked,
) -> Result {
    let place = Place::from(&project.path);
    caller.need(&place, AccessLevel::Maintainer).await?;
    let is_of = |record: &TokenRecord| record.project.as_ref().is_some_and(|(id, ..)| *id == project.id);
    match (method, rest) {
        ("GET", []) => {
            let mut records: Vec<_> = world
                .state()
                .tokens
                .values()
                .filter(|r| is_of(r))
                .cloned()
                .collect();
            records.sort_by_key(|record| record.id);
            Ok(page(world, asked, records.iter().map(shown_token).collect()))
        }
        ("POST", []) => {
            let name = asked.text("name").ok_or_else(|| Answer::lacks("name"))?;
            let expires = asked
                .text("expires_at")
                .ok_or_else(|| Answer::lacks("expires_at"))?;
            let scopes = asked.field("scopes").and_then(Value::as_array);
            let scopes = scopes.ok_or_else(|| Answer::lacks("scopes"))?;
            let number = u32::try_from(asked.number("access_level").unwrap_or(40)).unwrap_or_default();
            let id = world.state().next_id();
            let bot = format!("project_{}_bot_{id}", project.id);
            let token = world.forge.admin().create_user(&bot).await?;
            caller.session.add_member(&place, &bot, level(number)).await?;
            let record = TokenRecord {
                id,
                name: name.to_owned(),
                scopes: scopes
                    .iter()
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect(),
                expires: Some(expires.to_owned()),
                revoked: false,
                project: Some((project.id, number, bot)),
            };
            let mut shown = shown_token(&record);
            shown["token"] = text(&token).into();
            world.state().tokens.insert(text(&token), record);
            Ok(Answer::new(201, shown))
        }
        ("DELETE", [id]) => {
            let bot = {
                let mut state = world.state();
                let mut records = state.tokens.values_mut();
                let found =
                    records.find(|record| is_of(record) && record.id.to_string() == *id && !record.revoked);
                let record = found.ok_or_else(|| Answer::missing("Token"))?;
                record.revoked = true;
                record.project.as_ref().map(|(.., bot)| bot.clone())
            };
            if let Some(bot) = bot {
                caller.session.remove_member(&place, &bot).await?;
            }
            Ok(Answer::empty())
        }
        _ => Err(Answer::new(404, json!({ "error": "404 Not Found" }))),
    }
}

pub(super) async fn protected(
    world: &World,
    caller: &Caller,
    project: &Repository,
    method: &str,
    rest: &[&str],
    asked: &Asked,
) -> Result {
    let place = Place::from(&project.path);
    let needed = if method == "GET" {
        AccessLevel::Developer
    } else {
        AccessLevel::Maintainer
    };
    caller.need(&place, needed).await?;
    let present = world
        .state()
        .protected
        .get(&project.id)
        .cloned()
        .unwrap_or_default();
    match (method, rest) {
        ("GET", []) => Ok(page(world, asked, present.iter().map(shown_protected).collect())),
        ("POST", []) => {
            let name = asked.text("name").ok_or_else(|| Answer::lacks("name"))?;
            if present.iter().any(|branch| branch.name == name) {
                let why = format!("Protected branch '{name}' already exists");
                return Err(Answer::message(409, why));
            }
            let number = |key: &str| u32::try_from(asked.number(key).unwrap_or(40)).unwrap_or(40);
            let mut state = world.state();
            let branch = Protected {
                id: state.next_id(),
                name: name.to_owned(),
                push: number("push_access_level"),
                merge: number("merge_access_level"),
                force: asked.flag("allow_force_push").unwrap_or(false),
            };
            let shown = shown_protected(&branch);
            state.protected.entry(project.id).or_default().push(branch);
            Ok(Answer::new(201, shown))
        }
        ("DELETE", [name]) => {
            if present.iter().all(|branch| branch.name != *name) {
                return Err(Answer::missing("Not"));
            }
            let mut state = world.state();
            let branches = state.protected.entry(project.id).or_default();
            branches.retain(|branch| branch.name != *name);
            Ok(Answer::empty())
        }
        _ => Err(Answer::new(404, json!({ "error": "404 Not Found" }))),
    }
}

fn shown_protected(branch: &Protected) -> Value {
    let levels =
        |number: u32| json!([{ "id": branch.id, "access_level": number, "access_level_description": "" }]);
    json!({
        "id": branch.id,
        "name": branch.name,
        "push_access_levels": levels(branch.push),
        "merge_access_levels": levels(branch.merge),
        "allow_force_push": branch.force,
    })
}

pub(super) async fn set_status(
    world: &World,
    caller: &Caller,
    project: &Repository,
    sha: &str,
    asked: &Asked,
) -> Result {
    caller
        .need(&Place::from(&project.path), AccessLevel::Developer)
        .await?;
    let known = ["pending", "running", "success", "failed", "canceled", "skipped"];
    let status = asked.text("state").ok_or_else(|| Answer::lacks("state"))?;
    if !known.contains(&status) {
        return Err(Answer::new(
            400,
            json!({ "error": "state does not have a valid value" }),
        ));
    }
    let refs = caller.session.refs(&project.path).await?;
    if refs.values().all(|id| id.to_string() != sha) {
        return Err(Answer::missing("Commit"));
    }
    let name = asked
        .text("name")
        .or_else(|| asked.text("context"))
        .unwrap_or("default");
    let mut state = world.state();
    let id = state.next_id();
    let statuses = state.statuses.entry((project.id, sha.to_owned())).or_default();
    if statuses
        .iter()
        .any(|known| known["name"] == name && known["status"] == status)
    {
        let why = format!("Cannot transition status via :enqueue from :{status}");
        return Err(Answer::message(400, why));
    }
    statuses.retain(|known| known["name"] != name);
    let shown = json!({
        "id": id,
        "sha": sha,
        "ref": asked.text("ref").unwrap_or("main"),
        "status": status,
        "name": name,
        "target_url": asked.text("target_url"),
        "description": asked.text("description"),
        "created_at": "2024-01-01T00:00:00.000Z",
        "author": basic(&caller.user),
    });
    statuses.push(shown.clone());
    Ok(Answer::new(201, shown))
}

pub(super) async fn statuses(
    world: &World,
    caller: &Caller,
    project: &Repository,
    sha: &str,
    asked: &Asked,
) -> Result {
    caller
        .need(&Place::from(&project.path), AccessLevel::Reporter)
        .await?;
    let found = world.state().statuses.get(&(project.id, sha.to_owned())).cloned();
    Ok(page(world, asked, found.unwrap_or_default()))
}
