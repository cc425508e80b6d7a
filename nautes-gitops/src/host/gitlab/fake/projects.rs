//! Projects.

use serde_json::{Value, json};

use super::World;
use super::answer::{Answer, Result, page};
use super::groups::{read_visibility, visibility};
use super::route::{Asked, Caller};
use super::state::Protected;
use super::{keys, members, more};
use crate::host::HostError;
use crate::host::types::{AccessLevel, Group, Place, RepoChange, RepoPath, RepoSpec, Repository};

/// The default branch of repositories that are empty, which the instance chooses.
const DEFAULT: &str = "main";

pub(super) async fn answer(
    world: &World,
    caller: &Caller,
    method: &str,
    rest: &[&str],
    asked: &Asked,
) -> Result {
    match (method, rest) {
        ("POST", []) => create(world, caller, asked).await,
        (_, [id, rest @ ..]) => {
            let project = find(caller, id).await?;
            inside(world, caller, &project, method, rest, asked).await
        }
        _ => Err(Answer::new(405, json!({ "error": "405 Not Allowed" }))),
    }
}

async fn inside(
    world: &World,
    caller: &Caller,
    project: &Repository,
    method: &str,
    rest: &[&str],
    asked: &Asked,
) -> Result {
    match (method, rest) {
        ("GET", []) => Ok(Answer::new(200, shown(world, caller, project).await)),
        ("PUT", []) => update(world, caller, project, asked).await,
        ("DELETE", []) => delete(world, caller, project, asked).await,
        ("POST", [action @ ("archive" | "unarchive")]) => {
            let archived = *action == "archive";
            let project = caller.session.archive_repository(&project.path, archived).await?;
            Ok(Answer::new(201, shown(world, caller, &project).await))
        }
        (_, ["members", rest @ ..]) => {
            members::answer(world, caller, &Place::from(&project.path), method, rest, asked).await
        }
        (_, ["deploy_keys", rest @ ..]) => keys::keys(world, caller, project, method, rest, asked).await,
        (_, ["hooks", rest @ ..]) => keys::hooks(world, caller, project, method, rest, asked).await,
        (_, ["access_tokens", rest @ ..]) => more::tokens(world, caller, project, method, rest, asked).await,
        (_, ["protected_branches", rest @ ..]) => {
            more::protected(world, caller, project, method, rest, asked).await
        }
        ("POST", ["statuses", sha]) => more::set_status(world, caller, project, sha, asked).await,
        ("GET", ["repository", "commits", sha, "statuses"]) => {
            more::statuses(world, caller, project, sha, asked).await
        }
        _ => Err(Answer::new(404, json!({ "error": "404 Not Found" }))),
    }
}

/// Finds a project by id or path.
async fn find(caller: &Caller, id: &str) -> Result<Repository> {
    let missing = || Answer::missing("Project");
    if let Ok(id) = id.parse::<u64>() {
        for group in caller.session.groups().await? {
            let repositories = caller.session.repositories(&group.name).await?;
            if let Some(found) = repositories.into_iter().find(|repository| repository.id == id) {
                return Ok(found);
            }
        }
        return Err(missing());
    }
    let path: RepoPath = id.parse().map_err(|_| missing())?;
    caller.session.repository(&path).await?.ok_or_else(missing)
}

pub(super) async fn shown(world: &World, caller: &Caller, project: &Repository) -> Value {
    let path = &project.path;
    let marked = world.state().marked.contains(&project.id).then_some("2024-01-08");
    let name = path.group().rsplit('/').next();
    let mut shown = json!({
        "id": project.id,
        "name": path.name(),
        "path": path.name(),
        "name_with_namespace": path.to_string().replace('/', " / "),
        "path_with_namespace": path.to_string(),
        "namespace": { "name": name, "path": name, "kind": "group", "full_path": path.group() },
        "description": project.description,
        "visibility": visibility(project.visibility),
        "archived": project.archived,
        "created_at": "2024-01-01T00:00:00.000Z",
        "topics": [],
        "ssh_url_to_repo": format!("git@gitlab.internal:{path}.git"),
        "http_url_to_repo": project.http_url,
        "web_url": format!("http://gitlab.internal/{path}"),
        "marked_for_deletion_on": marked,
        "marked_for_deletion_at": marked,
    });
    // Who may not read the content does not see what it is like.
    if let Ok(refs) = caller.session.refs(path).await {
        let branches: Vec<_> = refs
            .keys()
            .filter_map(|name| name.strip_prefix("refs/heads/"))
            .collect();
        let chosen = branches.contains(&project.default_branch.as_str());
        let default = match branches.first() {
            Some(first) if !chosen => first,
            Some(_) => project.default_branch.as_str(),
            None => DEFAULT,
        };
        shown["default_branch"] = default.into();
        shown["empty_repo"] = branches.is_empty().into();
    }
    shown
}

pub(super) async fn list(world: &World, caller: &Caller, group: &Group, asked: &Asked) -> Result {
    let mut groups = vec![group.name.clone()];
    if asked.query("include_subgroups") == Some("true") {
        let prefix = format!("{}/", group.name);
        let all = caller.session.groups().await?;
        groups.extend(
            all.into_iter()
                .map(|group| group.name)
                .filter(|name| name.starts_with(&prefix)),
        );
    }
    let mut projects = Vec::new();
    for name in groups {
        projects.extend(caller.session.repositories(&name).await?);
    }
    projects.sort_by_key(|project| project.id);
    let mut entries = Vec::new();
    for project in &projects {
        entries.push(shown(world, caller, project).await);
    }
    Ok(page(world, asked, entries))
}

async fn create(world: &World, caller: &Caller, asked: &Asked) -> Result {
    let name = asked.text("path").or_else(|| asked.text("name"));
    let name = name.ok_or_else(|| Answer::lacks("name, path"))?;
    let id = asked
        .number("namespace_id")
        .ok_or_else(|| Answer::missing("Namespace"))?;
    let groups = caller.session.groups().await?;
    let group = groups.into_iter().find(|group| group.id == id);
    let group = group.ok_or_else(|| Answer::missing("Namespace"))?;
    let path = RepoPath::new(group.name, name)
        .map_err(|error| Answer::message(400, json!({ "path": [error.to_string()] })))?;
    // Without a first commit GitLab takes no default branch.
    let spec = RepoSpec {
        default_branch: DEFAULT.to_owned(),
        visibility: read_visibility(asked.text("visibility"))?.unwrap_or_default(),
        description: asked.text("description").unwrap_or_default().to_owned(),
        marker: None,
    };
    let made = caller.session.create_repository(&path, &spec).await;
    let project = made.map_err(|error| match error {
        HostError::Conflict { .. } => {
            let taken = json!(["has already been taken"]);
            Answer::message(400, json!({ "name": taken, "path": taken }))
        }
        HostError::Forbidden { .. } => Answer::message(400, json!({ "namespace": ["is not valid"] })),
        error => error.into(),
    })?;
    protect(world, group.id, project.id);
    Ok(Answer::new(201, shown(world, caller, &project).await))
}

/// Protects the default branch of a new project as its group says.
fn protect(world: &World, group: u64, project: u64) {
    let mut state = world.state();
    let default = state.defaults.get(&group).copied().unwrap_or(2);
    let push = match default {
        0 => None,
        1 => Some(30),
        _ => Some(40),
    };
    if let Some(push) = push {
        let protected = Protected {
            id: state.next_id(),
            name: DEFAULT.to_owned(),
            push,
            merge: push,
            force: false,
        };
        state.protected.insert(project, vec![protected]);
    }
}

async fn update(world: &World, caller: &Caller, project: &Repository, asked: &Asked) -> Result {
    if asked.is_empty() {
        return Err(Answer::new(
            400,
            json!({ "error": "at least one parameter must be provided" }),
        ));
    }
    caller
        .need(&Place::from(&project.path), AccessLevel::Maintainer)
        .await?;
    if let Some(branch) = asked.text("default_branch") {
        let refs = caller.session.refs(&project.path).await?;
        if !refs.contains_key(&format!("refs/heads/{branch}")) {
            let why = format!("Could not change HEAD: branch '{branch}' does not exist");
            return Err(Answer::message(400, json!({ "base": [why] })));
        }
    }
    let change = RepoChange {
        default_branch: asked.text("default_branch").map(str::to_owned),
        visibility: read_visibility(asked.text("visibility"))?,
        description: asked.text("description").map(str::to_owned),
        marker: None,
    };
    let project = caller.session.update_repository(&project.path, &change).await?;
    Ok(Answer::new(200, shown(world, caller, &project).await))
}

async fn delete(world: &World, caller: &Caller, project: &Repository, asked: &Asked) -> Result {
    caller
        .need(&Place::from(&project.path), AccessLevel::Owner)
        .await?;
    if is_marked_first(world, asked, project.id, &project.path.to_string())? {
        return Ok(Answer::message(202, "202 Accepted"));
    }
    caller.session.delete_repository(&project.path).await?;
    Ok(Answer::message(202, "202 Accepted"))
}

/// Marks something for deletion, where that comes first. It is deleted only if asked again, with its path.
pub(super) fn is_marked_first(world: &World, asked: &Asked, id: u64, path: &str) -> Result<bool> {
    let mut state = world.state();
    let for_good = asked.query("permanently_remove") == Some("true");
    let is_marked = state.marked.contains(&id);
    match (state.delayed_deletion, is_marked, for_good) {
        (false, false, _) => Ok(false),
        (true, false, false) => {
            state.marked.insert(id);
            Ok(true)
        }
        (true, false, true) => Err(Answer::message(400, "it must be marked for deletion first")),
        (_, true, true) if asked.query("full_path") == Some(path) => {
            state.marked.remove(&id);
            Ok(false)
        }
        (_, true, true) => Err(Answer::message(400, "`full_path` is incorrect")),
        (_, true, false) => Err(Answer::message(400, "it has been already marked for deletion")),
    }
}
