//! Repositories.

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::Api;
use super::failure::Task;
use super::text::{self, Notes, merged};
use super::wire::{WireRepo, visibility_name};
use crate::host::HostError;
use crate::host::types::{AccessLevel, RepoChange, RepoPath, RepoSpec, Repository, Visibility, check_branch};

impl Api {
    /// Looks a repository up by its path.
    pub(super) async fn find_repo(&self, path: &RepoPath) -> Result<Option<WireRepo>, HostError> {
        if path.group().contains('/') {
            return Ok(None);
        }
        let task = Task::new("look up", format!("repository {path}"));
        let at = ["repos", path.group(), path.name()];
        let found: Option<WireRepo> = self.look(&at, &[], &task).await?;
        // Gitea does not tell upper from lower case.
        Ok(found.filter(|repo| repo.path().as_ref() == Some(path)))
    }

    pub(super) async fn find_repo_by_id(&self, id: u64) -> Result<Option<Repository>, HostError> {
        let task = Task::new("look up", format!("the repository with the id {id}"));
        let found: Option<WireRepo> = self.look(&["repositories", &id.to_string()], &[], &task).await?;
        let found = found.filter(|repo| repo.id == id);
        Ok(found.and_then(|repo| Some(self.shown(repo.path()?, &repo))))
    }

    pub(super) async fn need_repo(&self, path: &RepoPath) -> Result<WireRepo, HostError> {
        let found = self.find_repo(path).await?;
        found.ok_or_else(|| HostError::not_found(format!("repository {path}")))
    }

    pub(super) async fn show_repos(&self, group: &str) -> Result<Vec<Repository>, HostError> {
        let task = Task::new("list the repositories of", format!("group {group}"));
        self.need_group(group).await?;
        let found = self
            .list::<WireRepo>(&["orgs", group, "repos"], &[], &task)
            .await?;
        let found = found.ok_or_else(|| HostError::not_found(format!("group {group}")))?;
        let mut repositories: Vec<_> = found
            .iter()
            .filter_map(|repo| Some(self.shown(repo.path()?, repo)))
            .collect();
        repositories.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(repositories)
    }

    /// Returns what Gitea is told of a visibility: whether a repository is private. What is not private is seen by all
    /// who see the organisation.
    fn private(&self, wanted: Visibility, around: Visibility, path: &RepoPath) -> Result<bool, HostError> {
        if wanted == Visibility::Private || wanted == around {
            return Ok(wanted == Visibility::Private);
        }
        Err(HostError::unsupported(
            &self.forge.name,
            format!(
                "make repository {path} {} in a group that is {}",
                word(wanted),
                word(around)
            ),
            format!(
                "a repository of Gitea is private, or seen by all who see its organisation: make the repository private, \
                 or the visibility of the organisation {}",
                visibility_name(wanted)
            ),
        ))
    }

    pub(super) async fn make_repo(&self, path: &RepoPath, spec: &RepoSpec) -> Result<Repository, HostError> {
        let task = Task::new("create", format!("repository {path}")).needs(AccessLevel::Maintainer);
        check_branch(&spec.default_branch)?;
        let group = self.need_group(path.group()).await?;
        let notes = Notes {
            marker: spec.marker.clone(),
            branch: None,
        };
        let body = json!({
            "name": path.name(),
            "description": text::join(&spec.description, &notes)?,
            "private": self.private(spec.visibility, group.visibility(), path)?,
            "default_branch": spec.default_branch,
            "auto_init": false,
        });
        let at = ["orgs", path.group(), "repos"];
        let made: WireRepo = self.ask(Method::POST, &at, &[], Some(body), &task).await?;
        Ok(self.shown(path.clone(), &made))
    }

    pub(super) async fn change_repo(
        &self,
        path: &RepoPath,
        change: &RepoChange,
    ) -> Result<Repository, HostError> {
        let task = Task::new("change", format!("repository {path}")).needs(AccessLevel::Maintainer);
        let repo = self.need_repo(path).await?;
        let mut body = Map::new();
        if let Some(visibility) = change.visibility {
            let private = self.private(visibility, repo.around(), path)?;
            body.insert("private".to_owned(), private.into());
        }
        if let Some(branch) = &change.default_branch {
            check_branch(branch)?;
            if *branch != repo.default_branch {
                body.insert("default_branch".to_owned(), branch.as_str().into());
            }
        }
        let described = change.description.as_deref();
        if let Some(text) = merged(Some(&repo.description), described, change.marker.as_ref(), None)? {
            body.insert("description".to_owned(), text.into());
        }
        if body.is_empty() {
            return if repo.is_managed() {
                Ok(self.shown(path.clone(), &repo))
            } else {
                Err(task.forbidden(self.name()))
            };
        }
        let changed = self.patch(path, Value::Object(body), &task).await?;
        match &change.default_branch {
            // Gitea takes no notice of a branch that does not exist.
            Some(branch) if *branch != changed.default_branch => Err(HostError::not_found(format!(
                "branch {branch} of repository {path}"
            ))),
            _ => Ok(self.shown(path.clone(), &changed)),
        }
    }

    async fn patch(&self, path: &RepoPath, body: Value, task: &Task) -> Result<WireRepo, HostError> {
        let at = ["repos", path.group(), path.name()];
        self.ask(Method::PATCH, &at, &[], Some(body), task).await
    }

    pub(super) async fn archive(&self, path: &RepoPath, archived: bool) -> Result<Repository, HostError> {
        let task = Task::new("archive", format!("repository {path}")).needs(AccessLevel::Owner);
        self.need_repo(path).await?;
        let changed = self.patch(path, json!({ "archived": archived }), &task).await?;
        Ok(self.shown(path.clone(), &changed))
    }

    pub(super) async fn drop_repo(&self, path: &RepoPath) -> Result<(), HostError> {
        let task = Task::new("delete", format!("repository {path}")).needs(AccessLevel::Owner);
        self.need_repo(path).await?;
        self.remove(&["repos", path.group(), path.name()], &[], &task)
            .await
    }

    /// Tells what Git's protocol does not: whether a repository is hidden from the caller, or he may not do this with it.
    pub(super) async fn git_refused(
        &self,
        error: HostError,
        path: &RepoPath,
        action: &'static str,
        needs: AccessLevel,
    ) -> HostError {
        let refused = matches!(
            error,
            HostError::Unauthenticated { .. } | HostError::Forbidden { .. } | HostError::NotFound { .. }
        );
        if !refused {
            return error;
        }
        match self.find_repo(path).await {
            Ok(Some(repo)) if repo.archived => HostError::Forbidden {
                user: self.name().to_owned(),
                action: format!("{action} repository {path}, which is archived"),
                needs: None,
            },
            Ok(Some(_)) => Task::new(action, format!("repository {path}"))
                .needs(needs)
                .forbidden(self.name()),
            Ok(None) => HostError::not_found(format!("repository {path}")),
            Err(error) => error,
        }
    }

    pub(super) fn shown(&self, path: RepoPath, repo: &WireRepo) -> Repository {
        let (description, notes) = text::split(&repo.description);
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Repository {
            id: repo.id,
            visibility: repo.visibility(),
            default_branch: some(&repo.default_branch).unwrap_or_else(|| "main".to_owned()),
            http_url: some(&repo.clone_url)
                .unwrap_or_else(|| format!("{}/{path}.git", self.forge.net.address().text())),
            ssh_url: some(&repo.ssh_url),
            archived: repo.archived,
            description,
            marker: notes.marker,
            path,
        }
    }
}

const fn word(visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::Private => "private",
        Visibility::Internal => "internal",
        Visibility::Public => "public",
    }
}
