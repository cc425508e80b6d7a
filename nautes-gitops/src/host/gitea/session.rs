//! One caller on Gitea, as every forge has it.

use async_trait::async_trait;

use super::{Api, groups, hooks};
use crate::host::abilities::Abilities;
use crate::host::net::Auth;
use crate::host::smart::Remote;
use crate::host::types::{
    AccessLevel, DeployKey, DeployKeySpec, Group, GroupChange, GroupSpec, Hook, HookSpec, Member, Place,
    RepoChange, RepoPath, RepoSpec, Repository, User,
};
use crate::host::{Extended, HostError, PushError, Refs, Session};
use crate::oid::Oid;
use crate::repo::Mirror;

impl Api {
    fn remote(&self, path: &RepoPath) -> Remote<'_> {
        let name = format!("{}.git", path.name());
        Remote {
            net: &self.forge.net,
            gate: &self.gate,
            url: self.forge.net.address().join([path.group(), name.as_str()]),
            auth: Auth::Basic(self.name(), &self.token),
            host: &self.forge.name,
            user: self.name(),
            repo: path.to_string(),
            watcher: self.forge.watcher.as_ref(),
        }
    }

    async fn read_refused(&self, error: HostError, path: &RepoPath) -> HostError {
        self.git_refused(error, path, "read", AccessLevel::Reporter).await
    }
}

#[async_trait]
impl Session for Api {
    fn host(&self) -> &str {
        &self.forge.name
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            hooks: hooks::KNOWN,
            ..Abilities::ALL
        }
    }

    async fn user(&self) -> Result<User, HostError> {
        self.whoami().await
    }

    async fn access(&self, place: &Place) -> Result<AccessLevel, HostError> {
        self.level(place).await
    }

    async fn group(&self, name: &str) -> Result<Option<Group>, HostError> {
        Ok(self.find_group(name).await?.as_ref().map(groups::shown))
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
        let found = self.find_repo(path).await?;
        Ok(found.map(|repo| self.shown(path.clone(), &repo)))
    }

    async fn repository_by_id(&self, id: u64) -> Result<Option<Repository>, HostError> {
        self.find_repo_by_id(id).await
    }

    async fn repositories(&self, group: &str) -> Result<Vec<Repository>, HostError> {
        self.show_repos(group).await
    }

    async fn create_repository(&self, path: &RepoPath, spec: &RepoSpec) -> Result<Repository, HostError> {
        self.make_repo(path, spec).await
    }

    async fn update_repository(&self, path: &RepoPath, change: &RepoChange) -> Result<Repository, HostError> {
        self.change_repo(path, change).await
    }

    async fn archive_repository(&self, path: &RepoPath, archived: bool) -> Result<Repository, HostError> {
        self.archive(path, archived).await
    }

    async fn delete_repository(&self, path: &RepoPath) -> Result<(), HostError> {
        self.drop_repo(path).await
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
            Err(error) => Err(self.read_refused(error, path).await),
            refs => refs,
        }
    }

    async fn fetch(&self, path: &RepoPath, mirror: &Mirror) -> Result<Refs, HostError> {
        match self.remote(path).fetch(mirror).await {
            Err(error) => Err(self.read_refused(error, path).await),
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
        let pushed = self.remote(path).push(mirror, branch, expected_old, new).await;
        match pushed {
            Err(PushError::Host(error)) => {
                let needs = AccessLevel::Developer;
                Err(self.git_refused(error, path, "push to", needs).await.into())
            }
            pushed => pushed,
        }
    }

    fn extended(&self) -> Option<&dyn Extended> {
        Some(self)
    }
}
