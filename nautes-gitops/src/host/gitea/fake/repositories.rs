//! Repositories.

use serde_json::{Value, json};

use super::World;
use super::route::{Answer, Asked, Caller, Result, page, shown as shown_user, unknown};
use super::{keys, members, more};
use crate::host::HostError;
use crate::host::gitea::wire::visibility_name;
use crate::host::types::{
    AccessLevel, Group, Place, RepoChange, RepoPath, RepoSpec, Repository, User, Visibility,
};

pub(super) async fn answer(
    world: &World,
    caller: &Caller,
    (owner, name): (&str, &str),
    method: &str,
    rest: &[&str],
    asked: &Asked,
) -> Result {
    let path = RepoPath::new(owner, name).map_err(|_| unknown())?;
    let repository = caller.session.repository(&path).await?.ok_or_else(unknown)?;
    let repository = &repository;
    match (method, rest) {
        ("GET", []) => Ok(Answer::new(200, shown(world, caller, repository).await?)),
        ("PATCH", []) => update(world, caller, repository, asked).await,
        ("DELETE", []) => {
            caller.session.delete_repository(&path).await?;
            let mut state = world.state();
            state.open.remove(&repository.id);
            state.rows.retain(|(id, _), _| *id != repository.id);
            Ok(Answer::empty())
        }
        (_, ["collaborators", rest @ ..]) => {
            members::collaborators(world, caller, repository, method, rest, asked).await
        }
        (_, ["keys", rest @ ..]) => keys::keys(world, caller, repository, method, rest, asked).await,
        (_, ["hooks", rest @ ..]) => keys::hooks(world, caller, repository, method, rest, asked).await,
        (_, ["branch_protections", rest @ ..]) => {
            more::rules(world, caller, repository, method, rest, asked).await
        }
        ("POST", ["statuses", sha]) => more::set_status(world, caller, repository, sha, asked).await,
        ("GET", ["commits", sha, "statuses"]) => more::statuses(world, caller, repository, sha, asked).await,
        _ => Err(unknown()),
    }
}

/// Lists the repositories of an organisation, or makes one.
pub(super) async fn within(
    world: &World,
    caller: &Caller,
    group: &Group,
    method: &str,
    asked: &Asked,
) -> Result {
    if method == "GET" {
        let mut entries = Vec::new();
        for repository in caller.session.repositories(&group.name).await? {
            entries.push(shown(world, caller, &repository).await?);
        }
        return Ok(page(world, asked, true, entries));
    }
    let name = asked.text("name").unwrap_or_default();
    let path = RepoPath::new(&group.name, name).map_err(|error| Answer::message(422, error.to_string()))?;
    let open = asked.flag("private") == Some(false);
    let spec = RepoSpec {
        default_branch: asked.text("default_branch").unwrap_or("main").to_owned(),
        visibility: if open {
            group.visibility
        } else {
            Visibility::Private
        },
        description: asked.text("description").unwrap_or_default().to_owned(),
        marker: None,
    };
    let made = caller.session.create_repository(&path, &spec).await;
    let made = made.map_err(|error| match error {
        HostError::Conflict { .. } => {
            Answer::message(409, "The repository with the same name already exists.")
        }
        error => error.into(),
    })?;
    if open {
        world.state().open.insert(made.id);
    }
    Ok(Answer::new(201, shown(world, caller, &made).await?))
}

async fn update(world: &World, caller: &Caller, repository: &Repository, asked: &Asked) -> Result {
    let path = &repository.path;
    caller.need(&Place::from(path), AccessLevel::Maintainer).await?;
    if let Some(archived) = asked.flag("archived") {
        let changed = caller.session.archive_repository(path, archived).await?;
        return Ok(Answer::new(200, shown(world, caller, &changed).await?));
    }
    let group = caller.session.group(path.group()).await?.ok_or_else(unknown)?;
    let visibility = asked.flag("private").map(|private| {
        let mut state = world.state();
        if private {
            state.open.remove(&repository.id);
            Visibility::Private
        } else {
            state.open.insert(repository.id);
            group.visibility
        }
    });
    let refs = caller.session.refs(path).await?;
    let exists = |branch: &&str| refs.is_empty() || refs.contains_key(&format!("refs/heads/{branch}"));
    let change = RepoChange {
        default_branch: asked.text("default_branch").filter(exists).map(ToOwned::to_owned),
        visibility,
        description: asked.text("description").map(ToOwned::to_owned),
        marker: None,
    };
    let changed = caller.session.update_repository(path, &change).await?;
    Ok(Answer::new(200, shown(world, caller, &changed).await?))
}

async fn shown(world: &World, caller: &Caller, repository: &Repository) -> Result<Value> {
    let path = &repository.path;
    let group = caller.session.group(path.group()).await?;
    let (id, around) = group.map_or((0, Visibility::Private), |group| (group.id, group.visibility));
    let owner = User {
        id,
        name: path.group().to_owned(),
        email: String::new(),
    };
    let level = caller.session.access(&Place::from(path)).await?;
    let open = world.state().open.contains(&repository.id);
    Ok(json!({
        "id": repository.id,
        "owner": shown_user(&owner, Some(visibility_name(around))),
        "name": path.name(),
        "full_name": path.to_string(),
        "description": repository.description,
        "private": !open,
        "internal": open && around == Visibility::Private,
        "archived": repository.archived,
        "default_branch": repository.default_branch,
        "clone_url": format!("{}/{path}.git", world.base),
        "ssh_url": format!("ssh://git@gitea.internal/{path}.git"),
        "permissions": {
            "admin": level >= AccessLevel::Maintainer,
            "push": level >= AccessLevel::Developer,
            "pull": open || level >= AccessLevel::Reporter,
        },
    }))
}
