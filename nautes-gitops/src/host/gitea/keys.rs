//! Deploy keys.

use std::sync::PoisonError;

use reqwest::Method;
use serde_json::json;

use super::Api;
use super::failure::Task;
use super::wire::WireKey;
use crate::host::HostError;
use crate::host::rest::given::{bare, need_bare};
use crate::host::types::{AccessLevel, DeployKey, DeployKeySpec, RepoPath};

impl Api {
    async fn keys_of(&self, path: &RepoPath) -> Result<Vec<WireKey>, HostError> {
        let task =
            Task::new("see the deploy keys of", format!("repository {path}")).needs(AccessLevel::Maintainer);
        let at = ["repos", path.group(), path.name(), "keys"];
        let found = self.list::<WireKey>(&at, &[], &task).await?;
        let found = found.ok_or_else(|| HostError::not_found(&task.what))?;
        self.note(path, &found);
        Ok(found)
    }

    fn note(&self, path: &RepoPath, keys: &[WireKey]) {
        let mut seen = self.forge.keys.lock().unwrap_or_else(PoisonError::into_inner);
        seen.extend(keys.iter().map(|key| (key.key_id, path.clone())));
    }

    pub(super) async fn show_keys(&self, path: &RepoPath) -> Result<Vec<DeployKey>, HostError> {
        let mut keys: Vec<_> = self.keys_of(path).await?.iter().map(shown).collect();
        keys.sort_by_key(|key| key.id);
        Ok(keys)
    }

    async fn post_key(
        &self,
        path: &RepoPath,
        title: &str,
        public_key: &str,
        can_push: bool,
    ) -> Result<DeployKey, HostError> {
        let task =
            Task::new("add", format!("a deploy key to repository {path}")).needs(AccessLevel::Maintainer);
        let at = ["repos", path.group(), path.name(), "keys"];
        let body = json!({ "title": title, "key": public_key, "read_only": !can_push });
        let made: Result<WireKey, _> = self.ask(Method::POST, &at, &[], Some(body), &task).await;
        let made = made.map_err(|error| match error {
            HostError::Conflict { why, .. } => HostError::conflict("deploy key", why),
            HostError::Invalid { why, .. } => HostError::invalid("deploy key", why),
            HostError::NotFound { .. } => HostError::not_found(format!("repository {path}")),
            error => error,
        })?;
        self.note(path, std::slice::from_ref(&made));
        Ok(shown(&made))
    }

    pub(super) async fn make_key(
        &self,
        path: &RepoPath,
        spec: &DeployKeySpec,
    ) -> Result<DeployKey, HostError> {
        let public = need_bare(&spec.public_key)?;
        self.post_key(path, &spec.title, &public, spec.can_push).await
    }

    pub(super) async fn enable_key(
        &self,
        path: &RepoPath,
        id: u64,
        can_push: bool,
    ) -> Result<DeployKey, HostError> {
        let present = self.keys_of(path).await?.into_iter().find(|key| key.key_id == id);
        let Some(present) = present else {
            let key = self.find_key(path, id).await?;
            let public = bare(&key.key).unwrap_or(key.key);
            return self.post_key(path, &key.title, &public, can_push).await;
        };
        if present.read_only != can_push {
            return Ok(shown(&present));
        }
        // There is no other way to change what a key may do; what fails is put back.
        let old = shown(&present);
        self.remove_key(path, present.id, id).await?;
        let made = self.post_key(path, &old.title, &old.public_key, can_push).await;
        if made.is_err()
            && let Err(error) = self
                .post_key(path, &old.title, &old.public_key, old.can_push)
                .await
        {
            tracing::warn!(%path, %error, "a deploy key whose rights were to change is gone");
        }
        made
    }

    /// Finds a key in any repository of the caller: where it was seen last, in the same group, in his other groups.
    async fn find_key(&self, path: &RepoPath, id: u64) -> Result<WireKey, HostError> {
        let seen = {
            let seen = self.forge.keys.lock().unwrap_or_else(PoisonError::into_inner);
            seen.get(&id).cloned()
        };
        if let Some(place) = seen
            && let Some(key) = self.key_in(&place, id).await?
        {
            return Ok(key);
        }
        let groups = self.show_groups().await?.into_iter().map(|group| group.name);
        let (mut groups, others): (Vec<_>, Vec<_>) = groups.partition(|name| name == path.group());
        groups.extend(others);
        for group in groups {
            for repository in self.show_repos(&group).await? {
                if let Some(key) = self.key_in(&repository.path, id).await? {
                    return Ok(key);
                }
            }
        }
        Err(HostError::not_found(format!("deploy key {id}")))
    }

    /// Looks for a key in one repository, which may be closed to the caller or gone.
    async fn key_in(&self, path: &RepoPath, id: u64) -> Result<Option<WireKey>, HostError> {
        match self.keys_of(path).await {
            Ok(keys) => Ok(keys.into_iter().find(|key| key.key_id == id)),
            Err(HostError::Forbidden { .. } | HostError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn drop_key(&self, path: &RepoPath, id: u64) -> Result<(), HostError> {
        let found = self.keys_of(path).await?.into_iter().find(|key| key.key_id == id);
        let key = found.ok_or_else(|| HostError::not_found(format!("deploy key {id} of {path}")))?;
        self.remove_key(path, key.id, id).await
    }

    async fn remove_key(&self, path: &RepoPath, row: u64, id: u64) -> Result<(), HostError> {
        let task = Task::new("take", format!("deploy key {id} of {path}")).needs(AccessLevel::Maintainer);
        let at = ["repos", path.group(), path.name(), "keys", &row.to_string()];
        self.remove(&at, &[], &task).await
    }
}

fn shown(key: &WireKey) -> DeployKey {
    DeployKey {
        id: key.key_id,
        title: key.title.clone(),
        public_key: bare(&key.key).unwrap_or_else(|| key.key.clone()),
        can_push: !key.read_only,
    }
}
