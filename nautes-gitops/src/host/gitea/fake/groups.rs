//! Organisations.

use serde_json::{Value, json};

use super::World;
use super::members;
use super::route::{Answer, Asked, Caller, Result, page, unknown};
use crate::host::HostError;
use crate::host::gitea::wire::visibility_name;
use crate::host::types::{AccessLevel, Group, GroupChange, GroupSpec, Place, RepoChange, Visibility};

pub(super) async fn answer(
    world: &World,
    caller: &Caller,
    method: &str,
    rest: &[&str],
    asked: &Asked,
) -> Result {
    let (name, rest) = match (method, rest) {
        ("POST", []) => return create(caller, asked).await,
        (_, [name, rest @ ..]) => (*name, rest),
        _ => return Err(unknown()),
    };
    let group = caller.session.group(name).await?.ok_or_else(unknown)?;
    match (method, rest) {
        ("GET", []) => Ok(Answer::new(200, shown(&group))),
        ("PATCH", []) => update(world, caller, &group, asked).await,
        ("DELETE", []) => {
            caller.session.delete_group(name).await?;
            world.state().teams.remove(&group.id);
            Ok(Answer::empty())
        }
        (_, ["repos"]) => super::repositories::within(world, caller, &group, method, asked).await,
        (_, ["teams"]) => members::of_group(world, caller, &group, method, asked).await,
        (_, ["members", user]) => members::member(world, caller, &group, method, user).await,
        _ => Err(unknown()),
    }
}

pub(super) async fn own(world: &World, caller: &Caller, asked: &Asked) -> Result {
    let mut own = Vec::new();
    for group in caller.session.groups().await? {
        if caller.session.access(&Place::group(&group.name)).await? > AccessLevel::None {
            own.push(shown(&group));
        }
    }
    Ok(page(world, asked, true, own))
}

async fn create(caller: &Caller, asked: &Asked) -> Result {
    let name = asked.text("username").unwrap_or_default();
    let spec = GroupSpec {
        name: name.to_owned(),
        visibility: visibility(asked).unwrap_or(Visibility::Public),
        description: description(asked)?.unwrap_or_default(),
        marker: None,
    };
    if name.contains('/') {
        return Err(Answer::message(422, "name is invalid"));
    }
    let made = caller
        .session
        .create_group(&spec)
        .await
        .map_err(|error| match error {
            HostError::Conflict { .. } => Answer::message(422, format!("user already exists [name: {name}]")),
            error => error.into(),
        })?;
    Ok(Answer::new(201, shown(&made)))
}

async fn update(world: &World, caller: &Caller, group: &Group, asked: &Asked) -> Result {
    caller
        .need(&Place::group(&group.name), AccessLevel::Owner)
        .await?;
    let change = GroupChange {
        visibility: visibility(asked),
        description: description(asked)?,
        marker: None,
    };
    let changed = caller.session.update_group(&group.name, &change).await?;
    if changed.visibility != group.visibility {
        // What is not private is as visible as the organisation.
        for repository in caller.session.repositories(&group.name).await? {
            if world.state().open.contains(&repository.id) {
                let change = RepoChange {
                    visibility: Some(changed.visibility),
                    ..RepoChange::default()
                };
                caller
                    .session
                    .update_repository(&repository.path, &change)
                    .await?;
            }
        }
    }
    Ok(Answer::new(200, shown(&changed)))
}

fn description(asked: &Asked) -> Result<Option<String>> {
    match asked.text("description") {
        Some(text) if text.chars().count() > 255 => Err(Answer::message(422, "[Description]: MaxSize")),
        text => Ok(text.map(ToOwned::to_owned)),
    }
}

fn visibility(asked: &Asked) -> Option<Visibility> {
    let all = [Visibility::Private, Visibility::Internal, Visibility::Public];
    let word = asked.text("visibility")?;
    all.into_iter().find(|known| visibility_name(*known) == word)
}

pub(super) fn shown(group: &Group) -> Value {
    json!({
        "id": group.id,
        "name": group.name,
        "username": group.name,
        "full_name": "",
        "description": group.description,
        "visibility": visibility_name(group.visibility),
        "repo_admin_change_team_access": false,
    })
}
