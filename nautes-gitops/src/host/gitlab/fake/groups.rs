//! Groups.

use serde_json::{Value, json};

use super::World;
use super::answer::{Answer, Result, page};
use super::members;
use super::route::{Asked, Caller};
use crate::host::HostError;
use crate::host::types::{AccessLevel, Group, GroupChange, GroupSpec, Place, Visibility};

pub(super) async fn answer(
    world: &World,
    caller: &Caller,
    method: &str,
    rest: &[&str],
    asked: &Asked,
) -> Result {
    match (method, rest) {
        ("GET", []) => list(world, caller, asked).await,
        ("POST", []) => create(world, caller, asked).await,
        (_, [id, rest @ ..]) => {
            let group = find(caller, id).await?;
            match (method, rest) {
                ("GET", []) => Ok(Answer::new(200, shown(world, caller, &group).await)),
                ("PUT", []) => update(world, caller, &group, asked).await,
                ("DELETE", []) => delete(world, caller, &group, asked).await,
                ("GET", ["projects"]) => super::projects::list(world, caller, &group, asked).await,
                ("GET", ["subgroups"]) => subgroups(world, caller, &group, asked).await,
                (_, ["members", rest @ ..]) => {
                    members::answer(world, caller, &Place::group(&group.name), method, rest, asked).await
                }
                _ => Err(Answer::new(404, json!({ "error": "404 Not Found" }))),
            }
        }
        _ => Err(Answer::new(405, json!({ "error": "405 Not Allowed" }))),
    }
}

/// Finds a group by id or path.
async fn find(caller: &Caller, id: &str) -> Result<Group> {
    let found = match id.parse::<u64>() {
        Ok(id) => caller
            .session
            .groups()
            .await?
            .into_iter()
            .find(|group| group.id == id),
        Err(_) => caller.session.group(id).await?,
    };
    found.ok_or_else(|| Answer::missing("Group"))
}

async fn shown(world: &World, caller: &Caller, group: &Group) -> Value {
    let (parent, path) = match group.name.rsplit_once('/') {
        Some((parent, path)) => (caller.session.group(parent).await.ok().flatten(), path),
        None => (None, group.name.as_str()),
    };
    let state = world.state();
    json!({
        "id": group.id,
        "name": path,
        "path": path,
        "full_name": group.name.replace('/', " / "),
        "full_path": group.name,
        "web_url": format!("http://gitlab.internal/groups/{}", group.name),
        "description": group.description,
        "visibility": visibility(group.visibility),
        "parent_id": parent.map(|parent| parent.id),
        "created_at": "2024-01-01T00:00:00.000Z",
        "default_branch_protection": state.defaults.get(&group.id).copied().unwrap_or(2),
        "marked_for_deletion_on": state.marked.contains(&group.id).then_some("2024-01-08"),
    })
}

async fn list(world: &World, caller: &Caller, asked: &Asked) -> Result {
    let mut groups = caller.session.groups().await?;
    groups.sort_by_key(|group| group.id);
    let mut entries = Vec::new();
    for group in groups {
        let place = Place::group(&group.name);
        // Public groups of others do not show in one's own list; those of which one has a repository do.
        let own = caller.session.access(&place).await? > AccessLevel::None
            || group.visibility == Visibility::Private;
        if own || asked.query("all_available") == Some("true") {
            entries.push(shown(world, caller, &group).await);
        }
    }
    Ok(page(world, asked, entries))
}

async fn subgroups(world: &World, caller: &Caller, parent: &Group, asked: &Asked) -> Result {
    let prefix = format!("{}/", parent.name);
    let mut entries = Vec::new();
    for group in caller.session.groups().await? {
        let inside = group.name.strip_prefix(&prefix);
        if inside.is_some_and(|rest| !rest.contains('/')) {
            entries.push(shown(world, caller, &group).await);
        }
    }
    Ok(page(world, asked, entries))
}

async fn create(world: &World, caller: &Caller, asked: &Asked) -> Result {
    let path = asked.text("path").ok_or_else(|| Answer::lacks("path"))?;
    let _ = asked.text("name").ok_or_else(|| Answer::lacks("name"))?;
    let name = match asked.number("parent_id") {
        Some(id) => format!("{}/{path}", find(caller, &id.to_string()).await?.name),
        None => path.to_owned(),
    };
    let spec = GroupSpec {
        name,
        visibility: read_visibility(asked.text("visibility"))?.unwrap_or_default(),
        description: asked.text("description").unwrap_or_default().to_owned(),
        marker: None,
    };
    let group = caller
        .session
        .create_group(&spec)
        .await
        .map_err(|error| match error {
            HostError::Conflict { .. } => {
                Answer::message(400, "Failed to save group {:path=>[\"has already been taken\"]}")
            }
            error => error.into(),
        })?;
    if let Some(protection) = asked.number("default_branch_protection") {
        world.state().defaults.insert(group.id, protection);
    }
    Ok(Answer::new(201, shown(world, caller, &group).await))
}

async fn update(world: &World, caller: &Caller, group: &Group, asked: &Asked) -> Result {
    if asked.is_empty() {
        return Err(Answer::new(
            400,
            json!({ "error": "at least one parameter must be provided" }),
        ));
    }
    let change = GroupChange {
        visibility: read_visibility(asked.text("visibility"))?,
        description: asked.text("description").map(str::to_owned),
        marker: None,
    };
    let group = caller.session.update_group(&group.name, &change).await?;
    Ok(Answer::new(200, shown(world, caller, &group).await))
}

/// Deletes a group with everything that is in it, as GitLab does.
async fn delete(world: &World, caller: &Caller, group: &Group, asked: &Asked) -> Result {
    caller
        .need(&Place::group(&group.name), AccessLevel::Owner)
        .await?;
    if super::projects::is_marked_first(world, asked, group.id, &group.name)? {
        return Ok(Answer::message(202, "202 Accepted"));
    }
    let inside = format!("{}/", group.name);
    let mut groups: Vec<_> = caller
        .session
        .groups()
        .await?
        .into_iter()
        .map(|group| group.name)
        .collect();
    groups.retain(|name| *name == group.name || name.starts_with(&inside));
    groups.sort_by_key(|name| std::cmp::Reverse(name.len()));
    for name in groups {
        for repository in caller.session.repositories(&name).await? {
            caller.session.delete_repository(&repository.path).await?;
        }
        caller.session.delete_group(&name).await?;
    }
    Ok(Answer::message(202, "202 Accepted"))
}

pub(super) const fn visibility(visibility: Visibility) -> &'static str {
    super::super::wire::visibility_name(visibility)
}

pub(super) fn read_visibility(text: Option<&str>) -> Result<Option<Visibility>> {
    match text {
        None => Ok(None),
        Some("private") => Ok(Some(Visibility::Private)),
        Some("internal") => Ok(Some(Visibility::Internal)),
        Some("public") => Ok(Some(Visibility::Public)),
        Some(_) => Err(Answer::new(
            400,
            json!({ "error": "visibility does not have a valid value" }),
        )),
    }
}
