//! Repositories: what is known about them, apart from their content.

use std::collections::BTreeMap;

use super::state::{Members, RepoRecord, State};
use crate::host::HostError;
use crate::host::types::{AccessLevel, Place, RepoChange, RepoPath, RepoSpec, Repository, check_branch};

impl State {
    pub(super) fn show_repository(&self, path: &RepoPath, url: &str) -> Result<Repository, HostError> {
        let record = self
            .repositories
            .get(path)
            .ok_or_else(|| HostError::not_found(format!("repository {path}")))?;
        Ok(Repository {
            id: record.id,
            path: path.clone(),
            default_branch: record.default_branch.clone(),
            http_url: format!("{url}.git"),
            ssh_url: None,
            archived: record.archived,
            visibility: record.visibility,
            description: record.description.clone(),
            marker: record.marker.clone(),
        })
    }

    /// Fails unless a user may create this repository.
    pub(super) fn may_create_repository(
        &self,
        user: u64,
        path: &RepoPath,
        spec: &RepoSpec,
    ) -> Result<(), HostError> {
        self.need(
            user,
            &Place::group(path.group()),
            AccessLevel::Maintainer,
            "create a repository in",
        )?;
        check_branch(&spec.default_branch)?;
        let name = path.to_string();
        let taken = |known: &str| known.eq_ignore_ascii_case(&name);
        if self.repositories.keys().any(|known| taken(&known.to_string()))
            || self.groups.keys().any(|g| taken(g))
        {
            return Err(HostError::conflict(
                format!("repository {path}"),
                "there is one of this name",
            ));
        }
        Ok(())
    }

    pub(super) fn create_repository(
        &mut self,
        user: u64,
        path: &RepoPath,
        spec: RepoSpec,
    ) -> Result<(), HostError> {
        self.may_create_repository(user, path, &spec)?;
        let RepoSpec {
            default_branch,
            visibility,
            description,
            marker,
        } = spec;
        let record = RepoRecord {
            id: self.next_id(),
            default_branch,
            visibility,
            description,
            marker,
            archived: false,
            members: Members::new(),
            keys: BTreeMap::new(),
            hooks: BTreeMap::new(),
        };
        self.repositories.insert(path.clone(), record);
        Ok(())
    }

    pub(super) fn update_repository(
        &mut self,
        user: u64,
        path: &RepoPath,
        change: RepoChange,
    ) -> Result<(), HostError> {
        self.need(user, &path.into(), AccessLevel::Maintainer, "change")?;
        let RepoChange {
            default_branch,
            visibility,
            description,
            marker,
        } = change;
        let repo = self.repository_mut(path)?;
        if let Some(branch) = default_branch {
            check_branch(&branch)?;
            repo.default_branch = branch;
        }
        repo.visibility = visibility.unwrap_or(repo.visibility);
        if let Some(description) = description {
            repo.description = description;
        }
        if let Some(marker) = marker {
            repo.marker = marker;
        }
        Ok(())
    }

    pub(super) fn archive_repository(
        &mut self,
        user: u64,
        path: &RepoPath,
        archived: bool,
    ) -> Result<(), HostError> {
        self.need(user, &path.into(), AccessLevel::Owner, "archive")?;
        self.repository_mut(path)?.archived = archived;
        Ok(())
    }

    pub(super) fn delete_repository(&mut self, user: u64, path: &RepoPath) -> Result<(), HostError> {
        self.need(user, &path.into(), AccessLevel::Owner, "delete")?;
        self.repositories.remove(path);
        self.drop_unused_keys();
        Ok(())
    }

    /// Fails unless a user may read the content of a repository.
    pub(super) fn may_read(&self, user: u64, path: &RepoPath) -> Result<(), HostError> {
        if self.reads_repository(Some(user), path) {
            return Ok(());
        }
        self.need(user, &path.into(), AccessLevel::Reporter, "read")
    }

    /// Fails unless a user may push to a repository.
    pub(super) fn may_push(&self, user: u64, path: &RepoPath) -> Result<(), HostError> {
        self.need(user, &path.into(), AccessLevel::Developer, "push to")?;
        if self.repositories.get(path).is_some_and(|repo| repo.archived) {
            let action = format!("push to repository {path}, which is archived");
            return Err(HostError::Forbidden {
                user: self.user_name(user),
                action,
                needs: None,
            });
        }
        Ok(())
    }
}
