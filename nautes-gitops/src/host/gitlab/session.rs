//! One caller on GitLab, as every forge has it.

use async_trait::async_trait;

use super::Api;
use crate::host::net::Auth;
use crate::host::smart::Remote;
use crate::host::types::{
    AccessLevel, DeployKey, DeployKeySpec, Group, GroupChange, GroupSpec, Hook, HookSpec, Member, Place,
    RepoChange, RepoPath, RepoSpec, Repository, User,
};
use crate::host::{Extended, HostError, PushError, Refs, Session};
use crate::oid::Oid;
use crate::repo::Mirror;

/// The name that goes with a token where Git asks for one; GitLab takes any with a personal token, and this with all.
const GIT_USER: &str = "oauth2";

impl Api {
    fn remote(&self, path: &RepoPath) -> Remote<'_> {
        let name = format!("{}.git", path.name());
        let segments = path.group().split('/').chain([name.as_str()]);
        Remote {
            net: &self.forge.net,
            gate: &self.gate,
            url: self.forge.net.address().join(segments),
            auth: Auth::Basic(GIT_USER, &self.token),
            host: &self.forge.name,
            user: self.name(),
            repo: path.to_string(),
            watcher: self.forge.watcher.as_ref(),
        }
    }
}

#[async_trait]
impl Session for Api {
    fn host(&self) -> &str {
        &self.forge.name
    }

    async fn user(&self) -> Result<User, HostError> {
        self.whoami().await
    }

    async fn access(&self, place: &Place) -> Result<AccessLevel, HostError> {
        self.level(place).await
    }

    async fn group(&self, name: &str) -> Result<Option<Group>, HostError> {
        Ok(self.find_group(name).await?.map(super::groups::shown))
    }

    async fn groups(&self) -> Result<Vec<Group>, HostError> {
        self.show_groups().await
    }

    async fn create_group(&self, spec: &GroupSpec) -> Result<Group, HostError> {
        self.make_group(spec).await
    }

    async fn update_group(&self, name: &str, change: &GroupChange) -> Result<Group, HostError> {
        self.change_group(name, change).await
    }

    async fn delete_group(&self, name: &str) -> Result<(), HostError> {
        self.drop_group(name).await
    }

    async fn members(&self, place: &Place) -> Result<Vec<Member>, HostError> {
        self.show_members(place).await
    }

    async fn add_member(&self, place: &Place, user: &str, level: AccessLevel) -> Result<(), HostError> {
        self.set_member(place, user, level).await
    }

    async fn remove_member(&self, place: &Place, user: &str) -> Result<(), HostError> {
        self.drop_member(place, user).await
    }

    async fn repository(&self, path: &RepoPath) -> Result<Option<Repository>, HostError> {
        let found = self.find_project(path).await?;
        Ok(found.map(|project| self.shown(path.clone(), project)))
    }

    async fn repository_by_id(&self, id: u64) -> Result<Option<Repository>, HostError> {
        self.find_project_by_id(id).await
    }

    async fn repositories(&self, group: &str) -> Result<Vec<Repository>, HostError> {
        self.show_projects(group).await
    }

    async fn create_repository(&self, path: &RepoPath, spec: &RepoSpec) -> Result<Repository, HostError> {
        self.make_project(path, spec).await
    }

    async fn update_repository(&self, path: &RepoPath, change: &RepoChange) -> Result<Repository, HostError> {
        self.change_project(path, change).await
    }

    async fn archive_repository(&self, path: &RepoPath, archived: bool) -> Result<Repository, HostError> {
        self.archive(path, archived).await
    }

    async fn delete_repository(&self, path: &RepoPath) -> Result<(), HostError> {
        self.drop_project(path).await
    }

    async fn deploy_keys(&self, path: &RepoPath) -> Result<Vec<DeployKey>, HostError> {
        self.show_keys(path).await
    }

    async fn create_deploy_key(&self, path: &RepoPath, spec: &DeployKeySpec) -> Result<DeployKey, HostError> {
        self.make_key(path, spec).await
    }

    async fn enable_deploy_key(
        &self,
        path: &RepoPath,
        id: u64,
        can_push: bool,
    ) -> Result<DeployKey, HostError> {
        self.enable_key(path, id, can_push).await
    }

    async fn delete_deploy_key(&self, path: &RepoPath, id: u64) -> Result<(), HostError> {
        self.drop_key(path, id).await
    }

    async fn hooks(&self, path: &RepoPath) -> Result<Vec<Hook>, HostError> {
        self.show_hooks(path).await
    }

    async fn create_hook(&self, path: &RepoPath, spec: &HookSpec) -> Result<Hook, HostError> {
        self.make_hook(path, spec).await
    }

    async fn delete_hook(&self, path: &RepoPath, id: u64) -> Result<(), HostError> {
        self.drop_hook(path, id).await
    }

    async fn refs(&self, path: &RepoPath) -> Result<Refs, HostError> {
        match self.remote(path).refs().await {
            Err(error) => Err(self.git_refused(error, path, "read").await),
            refs => refs,
        }
    }

    async fn fetch(&self, path: &RepoPath, mirror: &Mirror) -> Result<Refs, HostError> {
        match self.remote(path).fetch(mirror).await {
            Err(error) => Err(self.git_refused(error, path, "read").await),
            refs => refs,
        }
    }

    async fn push(
        &self,
        path: &RepoPath,
        mirror: &Mirror,
        branch: &str,
        expected_old: Option<Oid>,
        new: Oid,
    ) -> Result<(), PushError> {
        match self.remote(path).push(mirror, branch, expected_old, new).await {
            Ok(()) => {}
            Err(PushError::Host(error)) => {
                return Err(self.git_refused(error, path, "push to").await.into());
            }
            Err(error) => return Err(error),
        }
        if expected_old.is_none()
            && let Err(error) = self.after_first_push(path, branch).await
        {
            // The push is done; a default branch that is not set does not undo it.
            tracing::warn!(%error, %path, branch, "the default branch was not set");
        }
        Ok(())
    }

    fn extended(&self) -> Option<&dyn Extended> {
        Some(self)
    }
}
