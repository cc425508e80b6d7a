//! Deploy keys and hooks.

use nautes_model::Secret;
use serde_json::{Value, json};

use super::World;
use super::answer::{Answer, Result, page};
use super::route::{Asked, Caller};
use crate::host::HostError;
use crate::host::types::{
    AccessLevel, DeployKey, DeployKeySpec, Hook, HookEvent, HookSpec, Place, Repository,
};

pub(super) async fn keys(
    world: &World,
    caller: &Caller,
    project: &Repository,
    method: &str,
    rest: &[&str],
    asked: &Asked,
) -> Result {
    let path = &project.path;
    match (method, rest) {
        ("GET", []) => {
            let keys = caller.session.deploy_keys(path).await?;
            Ok(page(
                world,
                asked,
                keys.iter().map(|key| shown(world, key)).collect(),
            ))
        }
        ("POST", []) => add(world, caller, project, asked).await,
        ("POST", [id, "enable"]) => {
            let id = number(id)?;
            let keys = caller.session.deploy_keys(path).await?;
            let present = keys.into_iter().find(|key| key.id == id);
            let key = match present {
                Some(key) => key,
                None => caller.session.enable_deploy_key(path, id, false).await?,
            };
            Ok(Answer::new(201, alone(world, &key)))
        }
        ("PUT", [id]) => {
            let id = number(id)?;
            let keys = caller.session.deploy_keys(path).await?;
            if keys.iter().all(|key| key.id != id) {
                return Err(Answer::missing("Deploy key"));
            }
            let can_push = asked
                .flag("can_push")
                .ok_or_else(|| Answer::lacks("title, can_push"))?;
            let key = caller.session.enable_deploy_key(path, id, can_push).await?;
            Ok(Answer::new(200, alone(world, &key)))
        }
        ("DELETE", [id]) => {
            caller.session.delete_deploy_key(path, number(id)?).await?;
            Ok(Answer::empty())
        }
        _ => Err(Answer::new(404, json!({ "error": "404 Not Found" }))),
    }
}

/// Adds a key. One that the caller has elsewhere, in exactly these words, is enabled instead.
async fn add(world: &World, caller: &Caller, project: &Repository, asked: &Asked) -> Result {
    let text = asked.text("key").ok_or_else(|| Answer::lacks("key"))?.trim();
    let title = asked.text("title").ok_or_else(|| Answer::lacks("title"))?;
    let can_push = asked.flag("can_push").unwrap_or(false);
    caller
        .need(&Place::from(&project.path), AccessLevel::Maintainer)
        .await?;
    let known: Vec<u64> = {
        let state = world.state();
        let same = state.keys.iter().filter(|(_, known)| *known == text);
        same.map(|(id, _)| *id).collect()
    };
    for id in known {
        let enabled = caller
            .session
            .enable_deploy_key(&project.path, id, can_push)
            .await;
        if let Ok(key) = enabled {
            return Ok(Answer::new(201, shown(world, &key)));
        }
    }
    let spec = DeployKeySpec {
        title: title.to_owned(),
        public_key: text.to_owned(),
        can_push,
    };
    let made = caller.session.create_deploy_key(&project.path, &spec).await;
    let key = made.map_err(|error| match error {
        HostError::Conflict { .. } => Answer::message(
            400,
            json!({ "deploy_key.fingerprint_sha256": ["has already been taken"] }),
        ),
        HostError::Invalid { .. } => Answer::message(400, json!({ "deploy_key.key": ["is invalid"] })),
        error => error.into(),
    })?;
    world.state().keys.insert(key.id, text.to_owned());
    Ok(Answer::new(201, shown(world, &key)))
}

fn number(text: &str) -> Result<u64> {
    text.parse()
        .map_err(|_| Answer::new(400, json!({ "error": "the id is invalid" })))
}

fn shown(world: &World, key: &DeployKey) -> Value {
    let text = world.state().keys.get(&key.id).cloned();
    json!({
        "id": key.id,
        "title": key.title,
        "key": text.unwrap_or_else(|| key.public_key.clone()),
        "can_push": key.can_push,
        "created_at": "2024-01-01T00:00:00.000Z",
        "expires_at": null,
    })
}

/// A key as such, which says nothing of what it may do in a project.
fn alone(world: &World, key: &DeployKey) -> Value {
    let mut shown = shown(world, key);
    if let Some(fields) = shown.as_object_mut() {
        fields.remove("can_push");
    }
    shown
}

pub(super) async fn hooks(
    world: &World,
    caller: &Caller,
    project: &Repository,
    method: &str,
    rest: &[&str],
    asked: &Asked,
) -> Result {
    let path = &project.path;
    match (method, rest) {
        ("GET", []) => {
            let hooks = caller.session.hooks(path).await?;
            Ok(page(
                world,
                asked,
                hooks
                    .iter()
                    .map(|hook| shown_hook(world, project, hook))
                    .collect(),
            ))
        }
        ("GET", [id]) => {
            let id = number(id)?;
            let hooks = caller.session.hooks(path).await?;
            let hook = hooks.iter().find(|hook| hook.id == id);
            let hook = hook.ok_or_else(|| Answer::missing("Not"))?;
            Ok(Answer::new(200, shown_hook(world, project, hook)))
        }
        ("GET", [id, "events"]) => {
            let id = number(id)?;
            let hooks = caller.session.hooks(path).await?;
            if hooks.iter().all(|hook| hook.id != id) {
                return Err(Answer::missing("Not"));
            }
            let told = world.state().told.get(&id).cloned();
            let status = told.and_then(|told| told.last);
            let events = status.map(|status| delivery(id, &status));
            Ok(page(world, asked, events.into_iter().collect()))
        }
        ("POST", []) => {
            let url = asked.text("url").ok_or_else(|| Answer::lacks("url"))?;
            let is_set = |event: &HookEvent| {
                let default = *event == HookEvent::Push;
                asked.flag(event.flag()).unwrap_or(default)
            };
            let spec = HookSpec {
                url: url.to_owned(),
                events: HookEvent::ALL.into_iter().filter(is_set).collect(),
                secret: Secret::from(asked.text("token").unwrap_or_default()),
            };
            let made = caller.session.create_hook(path, &spec).await;
            let hook = made.map_err(|error| match error {
                HostError::Invalid { .. } => Answer::new(422, json!({ "error": "Invalid url given" })),
                error => error.into(),
            })?;
            Ok(Answer::new(201, shown_hook(world, project, &hook)))
        }
        ("DELETE", [id]) => {
            caller.session.delete_hook(path, number(id)?).await?;
            Ok(Answer::empty())
        }
        _ => Err(Answer::new(404, json!({ "error": "404 Not Found" }))),
    }
}

fn delivery(hook: u64, status: &str) -> Value {
    json!({
        "id": hook,
        "trigger": "push_hooks",
        "created_at": "2024-01-01T00:00:00.000Z",
        "response_status": status,
    })
}

fn shown_hook(world: &World, project: &Repository, hook: &Hook) -> Value {
    let told = world.state().told.get(&hook.id).cloned();
    let alert = told.map_or("executable", |told| told.alert);
    let mut shown = json!({
        "alert_status": alert,
        "id": hook.id,
        "url": hook.url,
        "project_id": project.id,
        "created_at": "2024-01-01T00:00:00.000Z",
        "enable_ssl_verification": true,
    });
    for event in HookEvent::ALL {
        shown[event.flag()] = hook.events.contains(&event).into();
    }
    shown
}
