//! Repositories, which GitLab calls projects.

use reqwest::{Method, StatusCode};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::Api;
use super::delete::is_going;
use super::failure::Task;
use super::text::{self, Notes, merged};
use super::wire::{WireProject, visibility_name};
use crate::host::HostError;
use crate::host::net::pause;
use crate::host::types::{AccessLevel, RepoChange, RepoPath, RepoSpec, Repository, check_branch};

/// How long to wait before looking again whether a name is free.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(500);

impl Api {
    /// Looks a repository up by its path.
    pub(super) async fn find_project(&self, path: &RepoPath) -> Result<Option<WireProject>, HostError> {
        let task = Task::new("look up", format!("repository {path}"));
        let full = path.to_string();
        let found: Option<WireProject> = self.look(&["projects", &full], &[], &task).await?;
        Ok(found.filter(|project| project.path_with_namespace == full && !project.is_marked()))
    }

    pub(super) async fn find_project_by_id(&self, id: u64) -> Result<Option<Repository>, HostError> {
        let task = Task::new("look up", format!("the repository with the id {id}"));
        let found: Option<WireProject> = self.look(&["projects", &id.to_string()], &[], &task).await?;
        let found = found.filter(|project| project.id == id && !project.is_marked());
        Ok(found.and_then(|project| Some(self.shown(project.path()?, project))))
    }

    pub(super) async fn need_project(&self, path: &RepoPath) -> Result<WireProject, HostError> {
        self.find_project(path)
            .await?
            .ok_or_else(|| HostError::not_found(format!("repository {path}")))
    }

    pub(super) async fn show_projects(&self, group: &str) -> Result<Vec<Repository>, HostError> {
        let task = Task::new("list the repositories of", format!("group {group}"));
        let missing = || HostError::not_found(format!("group {group}"));
        let id = self.find_group(group).await?.ok_or_else(missing)?.id.to_string();
        let query = [
            ("include_subgroups", "false"),
            ("with_shared", "false"),
            ("order_by", "id"),
            ("sort", "asc"),
        ];
        let found = self
            .list::<WireProject>(&["groups", &id, "projects"], &query, &task)
            .await?;
        let mut repositories: Vec<_> = found
            .ok_or_else(missing)?
            .into_iter()
            .filter(|project| !project.is_marked())
            .filter_map(|project| {
                let path = project.path().filter(|path| path.group() == group)?;
                Some(self.shown(path, project))
            })
            .collect();
        repositories.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(repositories)
    }

    pub(super) async fn make_project(
        &self,
        path: &RepoPath,
        spec: &RepoSpec,
    ) -> Result<Repository, HostError> {
        let task = Task::new("create", format!("repository {path}")).needs(AccessLevel::Maintainer);
        check_branch(&spec.default_branch)?;
        let group = self.need_group(path.group()).await?;
        let mut notes = Notes {
            marker: spec.marker.clone(),
            branch: None,
        };
        let body = json!({
            "name": path.name(),
            "path": path.name(),
            "namespace_id": group.id,
            "description": text::join(&spec.description, &notes)?,
            "visibility": visibility_name(spec.visibility),
            "default_branch": spec.default_branch,
            "initialize_with_readme": false,
        });
        let made = self.post_project(&body, &task).await?;
        if made
            .default_branch
            .as_deref()
            .is_none_or(|branch| branch == spec.default_branch)
        {
            return Ok(self.shown(path.clone(), made));
        }
        // A repository that is empty has the default branch of the instance, whatever was asked for.
        notes.branch = Some(spec.default_branch.clone());
        let body = json!({ "description": text::join(&spec.description, &notes)? });
        let id = made.id.to_string();
        let made: WireProject = self
            .ask(Method::PUT, &["projects", &id], &[], Some(body), &task)
            .await?;
        Ok(self.shown(path.clone(), made))
    }

    /// Creates a project; waits for one of the same name that is being deleted.
    async fn post_project(&self, body: &Value, task: &Task) -> Result<WireProject, HostError> {
        let deadline = Instant::now() + self.forge.deletion;
        loop {
            let url = self.url(&["projects"], &[]);
            let reply = self.send(Method::POST, url, Some(body), false).await;
            let reply = reply.map_err(|fault| self.fault(fault, task))?;
            if reply.status.is_success() {
                return self.read(&reply, task);
            }
            if !is_going(&reply) || Instant::now() + PAUSE >= deadline {
                return Err(self.refused(&reply, task));
            }
            pause(PAUSE).await;
        }
    }

    pub(super) async fn change_project(
        &self,
        path: &RepoPath,
        change: &RepoChange,
    ) -> Result<Repository, HostError> {
        let task = Task::new("change", format!("repository {path}")).needs(AccessLevel::Maintainer);
        let project = self.need_project(path).await?;
        let RepoChange {
            default_branch,
            visibility,
            description,
            marker,
        } = change;
        let mut body = Map::new();
        if let Some(visibility) = visibility {
            body.insert("visibility".to_owned(), visibility_name(*visibility).into());
        }
        let mut branch = None;
        if let Some(wanted) = default_branch {
            check_branch(wanted)?;
            let is_default = project.default_branch.as_deref() == Some(wanted);
            if project.empty_repo {
                branch = Some((!is_default).then(|| wanted.clone()));
            } else if !is_default {
                body.insert("default_branch".to_owned(), wanted.as_str().into());
            }
        }
        let text = merged(
            project.description.as_deref(),
            description.as_deref(),
            marker.as_ref(),
            branch,
        )?;
        if let Some(text) = text {
            body.insert("description".to_owned(), text.into());
        }
        if body.is_empty() {
            // GitLab takes no change without content, so the rights are looked at here.
            self.need_level(&path.into(), &task).await?;
            return Ok(self.shown(path.clone(), project));
        }
        let id = project.id.to_string();
        let changed: WireProject = self
            .ask(
                Method::PUT,
                &["projects", &id],
                &[],
                Some(Value::Object(body)),
                &task,
            )
            .await?;
        Ok(self.shown(path.clone(), changed))
    }

    pub(super) async fn archive(&self, path: &RepoPath, archived: bool) -> Result<Repository, HostError> {
        let task = Task::new("archive", format!("repository {path}")).needs(AccessLevel::Owner);
        let id = self.need_project(path).await?.id.to_string();
        let action = if archived { "archive" } else { "unarchive" };
        let at = ["projects", &id, action];
        let changed: WireProject = self.ask_as(Method::POST, &at, &[], None, &task, true).await?;
        Ok(self.shown(path.clone(), changed))
    }

    pub(super) async fn drop_project(&self, path: &RepoPath) -> Result<(), HostError> {
        let task = Task::new("delete", format!("repository {path}")).needs(AccessLevel::Owner);
        let id = self.need_project(path).await?.id.to_string();
        self.delete(&["projects", &id], &task).await
    }

    /// Makes the first branch the default branch, where that was asked for when there was none yet.
    pub(super) async fn after_first_push(&self, path: &RepoPath, branch: &str) -> Result<(), HostError> {
        let Some(project) = self.find_project(path).await? else {
            return Ok(());
        };
        let (_, notes) = text::split(project.description.as_deref().unwrap_or_default());
        if notes.branch.as_deref() != Some(branch) {
            return Ok(());
        }
        let task = Task::new("change the default branch of", format!("repository {path}"));
        let mut body = Map::new();
        if project.default_branch.as_deref() != Some(branch) {
            body.insert("default_branch".to_owned(), branch.into());
        }
        if let Some(text) = merged(project.description.as_deref(), None, None, Some(None))? {
            body.insert("description".to_owned(), text.into());
        }
        let (id, body) = (project.id.to_string(), Value::Object(body));
        self.ask::<Value>(Method::PUT, &["projects", &id], &[], Some(body), &task)
            .await
            .map(drop)
    }

    /// Tells a token that may not read or write repositories from one that is nobody's: Git's protocol does not.
    pub(super) async fn git_refused(
        &self,
        error: HostError,
        path: &RepoPath,
        action: &'static str,
    ) -> HostError {
        if !error.is_unauthenticated() {
            return error;
        }
        match self.send(Method::GET, self.url(&["user"], &[]), None, true).await {
            Ok(reply) if reply.status != StatusCode::UNAUTHORIZED => HostError::Forbidden {
                user: self.name().to_owned(),
                action: format!(
                    "{action} repository {path}: the token may lack the scope read_repository or write_repository"
                ),
                needs: None,
            },
            _ => error,
        }
    }

    pub(super) fn shown(&self, path: RepoPath, project: WireProject) -> Repository {
        let (description, notes) = text::split(project.description.as_deref().unwrap_or_default());
        let wanted = notes.branch.filter(|_| project.empty_repo);
        let http = project.http_url_to_repo;
        Repository {
            id: project.id,
            default_branch: wanted
                .or(project.default_branch)
                .unwrap_or_else(|| "main".to_owned()),
            http_url: http.unwrap_or_else(|| format!("{}/{path}.git", self.forge.net.address().text())),
            ssh_url: project.ssh_url_to_repo,
            archived: project.archived,
            visibility: project.visibility.unwrap_or_default(),
            description,
            marker: notes.marker,
            path,
        }
    }
}
