//! Deploy keys and hooks.

use std::collections::BTreeSet;

use nautes_model::Secret;
use serde_json::{Value, json};

use super::World;
use super::route::{Answer, Asked, Caller, Result, page, unknown};
use super::state::HookRecord;
use crate::host::HostError;
use crate::host::types::{
    AccessLevel, DeployKey, DeployKeySpec, Hook, HookEvent, HookSpec, Place, Repository,
};

pub(super) async fn keys(
    world: &World,
    caller: &Caller,
    repository: &Repository,
    method: &str,
    rest: &[&str],
    asked: &Asked,
) -> Result {
    let path = &repository.path;
    caller.need(&Place::from(path), AccessLevel::Maintainer).await?;
    let present = caller.session.deploy_keys(path).await?;
    match (method, rest) {
        ("GET", []) => {
            let keys = present.iter().map(|key| shown_key(world, repository, key));
            Ok(page(world, asked, false, keys.collect()))
        }
        ("POST", []) => {
            let key = add(caller, repository, &present, asked).await?;
            Ok(Answer::new(201, shown_key(world, repository, &key)))
        }
        ("DELETE", [row]) => {
            let row: u64 = row.parse().map_err(|_| unknown())?;
            let is_row = |key: &&DeployKey| world.state().row(repository.id, key.id) == row;
            let key = present.iter().find(is_row).ok_or_else(unknown)?;
            caller.session.delete_deploy_key(path, key.id).await?;
            world.state().rows.remove(&(repository.id, key.id));
            Ok(Answer::empty())
        }
        _ => Err(unknown()),
    }
}

/// Adds a key. One that another repository has is the same public key.
async fn add(
    caller: &Caller,
    repository: &Repository,
    present: &[DeployKey],
    asked: &Asked,
) -> Result<DeployKey> {
    let path = &repository.path;
    let text = asked.text("key").unwrap_or_default().trim();
    let can_push = asked.flag("read_only") == Some(false);
    let spec = DeployKeySpec {
        title: asked.text("title").unwrap_or_default().to_owned(),
        public_key: text.to_owned(),
        can_push,
    };
    if present.iter().any(|key| key.public_key == text) {
        return Err(Answer::message(
            422,
            "This key has already been added to this repository: already exists",
        ));
    }
    match caller.session.create_deploy_key(path, &spec).await {
        Err(HostError::Conflict { .. }) => {}
        made => return Ok(made?),
    }
    // It is somewhere else.
    for group in caller.session.groups().await? {
        for other in caller.session.repositories(&group.name).await? {
            let keys = caller.session.deploy_keys(&other.path).await.unwrap_or_default();
            if let Some(key) = keys.iter().find(|key| key.public_key == text) {
                return Ok(caller.session.enable_deploy_key(path, key.id, can_push).await?);
            }
        }
    }
    Err(Answer::message(
        422,
        "Key content has been used as non-deploy key: already exists",
    ))
}

fn shown_key(world: &World, repository: &Repository, key: &DeployKey) -> Value {
    json!({
        "id": world.state().row(repository.id, key.id),
        "key_id": key.id,
        "key": key.public_key,
        "title": key.title,
        "fingerprint": "SHA256:0000000000000000000000000000000000000000000",
        "created_at": "2024-01-01T00:00:00Z",
        "read_only": !key.can_push,
    })
}

pub(super) async fn hooks(
    world: &World,
    caller: &Caller,
    repository: &Repository,
    method: &str,
    rest: &[&str],
    asked: &Asked,
) -> Result {
    let path = &repository.path;
    caller.need(&Place::from(path), AccessLevel::Maintainer).await?;
    match (method, rest) {
        ("GET", []) => {
            let hooks = caller.session.hooks(path).await?;
            let shown = hooks.iter().map(|hook| shown_hook(world, hook)).collect();
            Ok(page(world, asked, true, shown))
        }
        ("GET", [id]) => {
            let id: u64 = id.parse().map_err(|_| unknown())?;
            let hooks = caller.session.hooks(path).await?;
            let hook = hooks.iter().find(|hook| hook.id == id).ok_or_else(unknown)?;
            Ok(Answer::new(200, shown_hook(world, hook)))
        }
        ("POST", []) => create_hook(world, caller, repository, asked).await,
        ("DELETE", [id]) => {
            let id: u64 = id.parse().map_err(|_| unknown())?;
            caller.session.delete_hook(path, id).await?;
            world.state().hooks.remove(&id);
            Ok(Answer::empty())
        }
        _ => Err(unknown()),
    }
}

/// Makes a hook of the local forge that calls this Gitea, which passes on what is asked for in its own words.
async fn create_hook(world: &World, caller: &Caller, repository: &Repository, asked: &Asked) -> Result {
    let config = asked.field("config").cloned().unwrap_or_default();
    let word = |name: &str| {
        config
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let record = HookRecord {
        url: word("url"),
        secret: Secret::from(word("secret")),
        events: events(asked),
    };
    if word("content_type") != "json" || !record.url.starts_with("http") {
        return Err(Answer::message(422, "Invalid content type or url"));
    }
    let id = world.state().next_id();
    let spec = HookSpec {
        url: format!("{}/-/relay/{id}", world.base),
        events: vec![HookEvent::Push, HookEvent::TagPush],
        secret: Secret::from("relay"),
    };
    let hook = caller.session.create_hook(&repository.path, &spec).await?;
    world.state().relays.insert(id, hook.id);
    world.state().hooks.insert(hook.id, record);
    Ok(Answer::new(201, shown_hook(world, &hook)))
}

/// Reads for what a hook is to be called: `issues` and `pull_request` stand for all of their kind.
fn events(asked: &Asked) -> BTreeSet<String> {
    let names = asked
        .field("events")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let names = names.iter().filter_map(Value::as_str);
    names
        .flat_map(|name| match name {
            "issues" => vec![
                "issues",
                "issue_assign",
                "issue_label",
                "issue_milestone",
                "issue_comment",
            ],
            "issues_only" => vec!["issues"],
            "pull_request" => vec!["pull_request", "pull_request_assign", "pull_request_comment"],
            "pull_request_only" => vec!["pull_request"],
            name => vec![name],
        })
        .map(ToOwned::to_owned)
        .collect()
}

fn shown_hook(world: &World, hook: &Hook) -> Value {
    let state = world.state();
    let record = state.hooks.get(&hook.id);
    json!({
        "id": hook.id,
        "type": "gitea",
        "config": { "url": record.map(|record| &record.url), "content_type": "json" },
        "events": record.map(|record| &record.events),
        "active": !state.sleeping.contains(&hook.id),
        "branch_filter": "*",
        "authorization_header": "",
    })
}
