//! One caller on the local forge.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::state::State;
use super::{Inner, run_blocking};
use crate::host::types::{
    AccessLevel, DeployKey, DeployKeySpec, Group, GroupChange, GroupSpec, Hook, HookSpec, Member, Place,
    Poke, RepoChange, RepoPath, RepoSpec, Repository, User, check_branch,
};
use crate::host::{HostError, PushError, Refs, Session};
use crate::oid::Oid;
use crate::repo::{Mirror, RepoError, transfer};

/// A caller: a user, and the digest of the token by which he came, if he came by one.
pub(super) struct Caller {
    forge: Arc<Inner>,
    user: u64,
    token: Option<String>,
}

impl Caller {
    pub(super) fn new(forge: Arc<Inner>, user: u64, token: Option<String>) -> Self {
        Self { forge, user, token }
    }

    /// Returns the state, if the caller is still somebody.
    fn state(&self) -> Result<Arc<State>, HostError> {
        let state = self.forge.store.read();
        self.known(&state)?;
        Ok(state)
    }

    fn known(&self, state: &State) -> Result<(), HostError> {
        let token = |digest| {
            state
                .tokens
                .get(digest)
                .is_some_and(|token| token.user == self.user)
        };
        if state.users.contains_key(&self.user) && self.token.as_ref().is_none_or(token) {
            Ok(())
        } else {
            Err(self.forge.unauthenticated())
        }
    }

    /// Changes the state, as this caller.
    async fn change<T, F>(&self, change: F) -> Result<T, HostError>
    where
        T: Send + 'static,
        F: FnOnce(&mut State, u64) -> Result<T, HostError> + Send + 'static,
    {
        self.work(move |caller| {
            caller.forge.store.change(|state| {
                caller.known(state)?;
                change(state, caller.user)
            })
        })
        .await
    }

    /// Runs something that blocks, as this caller.
    async fn work<T, F>(&self, work: F) -> Result<T, HostError>
    where
        T: Send + 'static,
        F: FnOnce(&Self) -> Result<T, HostError> + Send + 'static,
    {
        let caller = Self {
            forge: Arc::clone(&self.forge),
            user: self.user,
            token: self.token.clone(),
        };
        run_blocking("working on the local forge", move || work(&caller)).await
    }

    fn show(&self, path: &RepoPath) -> Result<Repository, HostError> {
        self.forge
            .store
            .read()
            .show_repository(path, &self.forge.url(path))
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl Inner {
    pub(super) async fn observe(self: &Arc<Self>, path: &RepoPath, id: u64) -> Result<(), HostError> {
        let (inner, path) = (Arc::clone(self), path.clone());
        run_blocking("listing references", move || {
            inner
                .storage
                .observe(&path, id)
                .map_err(|source| failed("listing references", source))
        })
        .await
    }

    /// Tells watchers and hooks what a push has changed.
    pub(super) async fn announce(self: &Arc<Self>, path: &RepoPath, id: u64, user: u64) {
        let (inner, of) = (Arc::clone(self), path.clone());
        let announced = run_blocking("announcing a push", move || {
            let moves = inner
                .storage
                .changes(&of, id)
                .map_err(|source| failed("listing references", source))?;
            let jobs = if moves.is_empty() {
                Vec::new()
            } else {
                inner.jobs(&of, user, &moves)
            };
            Ok((!moves.is_empty(), jobs))
        })
        .await;
        match announced {
            Ok((false, _)) => {}
            Ok((true, jobs)) => {
                // Nobody has to listen.
                let _ = self.pokes.send(Poke { repo: path.clone() });
                self.courier.deliver(jobs);
            }
            Err(error) => tracing::warn!(%error, %path, "a push was not announced"),
        }
    }
}

fn failed(action: &str, source: RepoError) -> HostError {
    HostError::Mirror {
        action: action.to_owned(),
        source,
    }
}

#[async_trait]
impl Session for Caller {
    fn host(&self) -> &str {
        &self.forge.options.name
    }

    async fn user(&self) -> Result<User, HostError> {
        self.state()?
            .user(self.user)
            .ok_or_else(|| self.forge.unauthenticated())
    }

    async fn access(&self, place: &Place) -> Result<AccessLevel, HostError> {
        Ok(self.state()?.level(self.user, place))
    }

    async fn group(&self, name: &str) -> Result<Option<Group>, HostError> {
        let state = self.state()?;
        Ok(if state.sees_group(self.user, name) {
            state.show_group(name)
        } else {
            None
        })
    }

    async fn groups(&self) -> Result<Vec<Group>, HostError> {
        let state = self.state()?;
        let seen = state
            .groups
            .keys()
            .filter(|name| state.sees_group(self.user, name));
        Ok(seen.filter_map(|name| state.show_group(name)).collect())
    }

    async fn create_group(&self, spec: &GroupSpec) -> Result<Group, HostError> {
        let spec = spec.clone();
        self.change(move |state, user| state.create_group(user, &spec))
            .await
    }

    async fn update_group(&self, name: &str, change: &GroupChange) -> Result<Group, HostError> {
        let (name, change) = (name.to_owned(), change.clone());
        self.change(move |state, user| state.update_group(user, &name, change))
            .await
    }

    async fn delete_group(&self, name: &str) -> Result<(), HostError> {
        let name = name.to_owned();
        self.change(move |state, user| state.delete_group(user, &name))
            .await
    }

    async fn members(&self, place: &Place) -> Result<Vec<Member>, HostError> {
        self.state()?.show_members(self.user, place)
    }

    async fn add_member(&self, place: &Place, user: &str, level: AccessLevel) -> Result<(), HostError> {
        let (place, name) = (place.clone(), user.to_owned());
        self.change(move |state, user| state.add_member(user, &place, &name, level))
            .await
    }

    async fn remove_member(&self, place: &Place, user: &str) -> Result<(), HostError> {
        let (place, name) = (place.clone(), user.to_owned());
        self.change(move |state, user| state.remove_member(user, &place, &name))
            .await
    }

    async fn repository(&self, path: &RepoPath) -> Result<Option<Repository>, HostError> {
        if self.state()?.sees_repository(self.user, path) {
            self.show(path).map(Some)
        } else {
            Ok(None)
        }
    }

    async fn repository_by_id(&self, id: u64) -> Result<Option<Repository>, HostError> {
        let path = {
            let state = self.state()?;
            let found = state
                .repositories
                .iter()
                .find(|(_, repository)| repository.id == id);
            found.map(|(path, _)| path.clone())
        };
        match path {
            Some(path) => self.repository(&path).await,
            None => Ok(None),
        }
    }

    async fn repositories(&self, group: &str) -> Result<Vec<Repository>, HostError> {
        let state = self.state()?;
        if !state.sees_group(self.user, group) {
            return Err(HostError::not_found(format!("group {group}")));
        }
        state
            .repositories
            .keys()
            .filter(|path| path.group() == group && state.sees_repository(self.user, path))
            .map(|path| state.show_repository(path, &self.forge.url(path)))
            .collect()
    }

    async fn create_repository(&self, path: &RepoPath, spec: &RepoSpec) -> Result<Repository, HostError> {
        self.state()?.may_create_repository(self.user, path, spec)?;
        let (path, spec) = (path.clone(), spec.clone());
        self.work(move |caller| {
            let branch = spec.default_branch.clone();
            let wanted = spec.clone();
            let may = || caller.state()?.may_create_repository(caller.user, &path, &wanted);
            caller.forge.storage.create(&path, &branch, may, || {
                caller
                    .forge
                    .store
                    .change(|state| state.create_repository(caller.user, &path, spec))
            })?;
            caller.show(&path)
        })
        .await
    }

    async fn update_repository(&self, path: &RepoPath, change: &RepoChange) -> Result<Repository, HostError> {
        let (path, change) = (path.clone(), change.clone());
        self.work(move |caller| {
            let branch = change.default_branch.clone();
            caller.forge.store.change(|state| {
                caller.known(state)?;
                state.update_repository(caller.user, &path, change)
            })?;
            if let Some(branch) = branch {
                caller
                    .forge
                    .storage
                    .set_default_branch(&path, &branch)
                    .map_err(|source| failed("changing the default branch", source))?;
            }
            caller.show(&path)
        })
        .await
    }

    async fn archive_repository(&self, path: &RepoPath, archived: bool) -> Result<Repository, HostError> {
        let of = path.clone();
        self.change(move |state, user| state.archive_repository(user, &of, archived))
            .await?;
        self.show(path)
    }

    async fn delete_repository(&self, path: &RepoPath) -> Result<(), HostError> {
        let path = path.clone();
        self.work(move |caller| {
            caller.forge.store.change(|state| {
                caller.known(state)?;
                state.delete_repository(caller.user, &path)
            })?;
            caller.forge.storage.remove(&path)
        })
        .await
    }

    async fn deploy_keys(&self, path: &RepoPath) -> Result<Vec<DeployKey>, HostError> {
        self.state()?.show_keys(self.user, path)
    }

    async fn create_deploy_key(&self, path: &RepoPath, spec: &DeployKeySpec) -> Result<DeployKey, HostError> {
        let (path, spec) = (path.clone(), spec.clone());
        self.change(move |state, user| state.create_key(user, &path, &spec))
            .await
    }

    async fn enable_deploy_key(
        &self,
        path: &RepoPath,
        id: u64,
        can_push: bool,
    ) -> Result<DeployKey, HostError> {
        let path = path.clone();
        self.change(move |state, user| state.enable_key(user, &path, id, can_push))
            .await
    }

    async fn delete_deploy_key(&self, path: &RepoPath, id: u64) -> Result<(), HostError> {
        let path = path.clone();
        self.change(move |state, user| state.delete_key(user, &path, id))
            .await
    }

    async fn hooks(&self, path: &RepoPath) -> Result<Vec<Hook>, HostError> {
        self.state()?.show_hooks(self.user, path)
    }

    async fn create_hook(&self, path: &RepoPath, spec: &HookSpec) -> Result<Hook, HostError> {
        let (path, spec) = (path.clone(), spec.clone());
        let forge = Arc::clone(&self.forge);
        self.change(move |state, user| state.create_hook(user, &path, &spec, forge.courier.sealer()))
            .await
    }

    async fn delete_hook(&self, path: &RepoPath, id: u64) -> Result<(), HostError> {
        let path = path.clone();
        self.change(move |state, user| state.delete_hook(user, &path, id))
            .await
    }

    async fn refs(&self, path: &RepoPath) -> Result<Refs, HostError> {
        self.state()?.may_read(self.user, path)?;
        let path = path.clone();
        self.work(move |caller| {
            caller
                .forge
                .storage
                .refs(&path)
                .map_err(|source| failed("listing references", source))
        })
        .await
    }

    async fn fetch(&self, path: &RepoPath, mirror: &Mirror) -> Result<Refs, HostError> {
        self.state()?.may_read(self.user, path)?;
        let (forge, of) = (Arc::clone(&self.forge), path.clone());
        let action = format!("fetching {path}");
        let fetched = mirror
            .with("fetching", move |into| {
                let from = forge.storage.repository(&of)?;
                let refs = transfer::refs(&from)?;
                transfer::copy(&from, into, &refs.values().copied().collect::<Vec<_>>())?;
                Ok(refs)
            })
            .await;
        let refs = fetched.map_err(|source| failed(&action, source))?;
        mirror
            .set_refs(refs.clone())
            .await
            .map_err(|source| failed(&action, source))?;
        Ok(refs)
    }

    async fn push(
        &self,
        path: &RepoPath,
        mirror: &Mirror,
        branch: &str,
        expected_old: Option<Oid>,
        new: Oid,
    ) -> Result<(), PushError> {
        let state = self.state()?;
        state.may_push(self.user, path)?;
        check_branch(branch)?;
        let id = state.repositories.get(path).map(|repo| repo.id);
        let id = id.ok_or_else(|| HostError::not_found(format!("repository {path}")))?;
        self.forge.observe(path, id).await?;
        let (forge, to, name) = (Arc::clone(&self.forge), path.clone(), branch.to_owned());
        let pushed = mirror
            .with("pushing", move |from| {
                Ok(forge.storage.push(&to, id, from, &name, expected_old, new))
            })
            .await
            .map_err(|source| failed("pushing", source))?;
        pushed?;
        self.forge.announce(path, id, self.user).await;
        Ok(())
    }
}
