//! Deploy keys and hooks.

use reqwest::Method;
use serde_json::{Value, json};

use super::Api;
use super::failure::Task;
use super::wire::{WireHook, WireKey};
use crate::host::HostError;
use crate::host::rest::given::{bare, hook_secret, need_bare};
use crate::host::types::{AccessLevel, DeployKey, DeployKeySpec, Hook, HookEvent, HookSpec, RepoPath};

impl Api {
    fn keys_of(action: &'static str, path: &RepoPath) -> Task {
        Task::new(action, format!("repository {path}")).needs(AccessLevel::Maintainer)
    }

    pub(super) async fn show_keys(&self, path: &RepoPath) -> Result<Vec<DeployKey>, HostError> {
        let task = Self::keys_of("see the deploy keys of", path);
        let full = path.to_string();
        let found = self
            .list::<WireKey>(&["projects", &full, "deploy_keys"], &[], &task)
            .await?
            .ok_or_else(|| HostError::not_found(&task.what))?;
        let mut keys: Vec<_> = found.into_iter().map(shown).collect();
        keys.sort_by_key(|key| key.id);
        Ok(keys)
    }

    pub(super) async fn make_key(
        &self,
        path: &RepoPath,
        spec: &DeployKeySpec,
    ) -> Result<DeployKey, HostError> {
        let task =
            Task::new("add", format!("a deploy key to repository {path}")).needs(AccessLevel::Maintainer);
        let public = need_bare(&spec.public_key)?;
        // GitLab enables a key that it has in the same words elsewhere, instead of refusing it. With a comment that
        // nobody else has, it looks at the key alone.
        let comment = format!("nautes-{}", uuid::Uuid::new_v4().simple());
        let body = json!({
            "title": spec.title,
            "key": format!("{public} {comment}"),
            "can_push": spec.can_push,
        });
        let full = path.to_string();
        let made: Result<WireKey, _> = self
            .ask(
                Method::POST,
                &["projects", &full, "deploy_keys"],
                &[],
                Some(body),
                &task,
            )
            .await;
        match made {
            Ok(made) if made.key.ends_with(&comment) => Ok(shown(made)),
            Ok(made) => {
                let why = format!("the forge has this key already, as {} ({})", made.id, made.title);
                Err(HostError::conflict("deploy key", why))
            }
            Err(HostError::Conflict { .. }) => Err(HostError::conflict(
                "deploy key",
                "the forge has this key already",
            )),
            Err(HostError::Invalid { why, .. }) => Err(HostError::invalid("deploy key", why)),
            Err(HostError::NotFound { .. }) => Err(HostError::not_found(format!("repository {path}"))),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn enable_key(
        &self,
        path: &RepoPath,
        id: u64,
        can_push: bool,
    ) -> Result<DeployKey, HostError> {
        let task = Task::new("enable", format!("deploy key {id} for repository {path}"))
            .needs(AccessLevel::Maintainer);
        let (full, id) = (path.to_string(), id.to_string());
        let at = ["projects", &full, "deploy_keys", &id, "enable"];
        // Enabling what is enabled changes nothing, so that it may be sent twice.
        let _: Value = self.ask_as(Method::POST, &at, &[], None, &task, true).await?;
        let body = json!({ "can_push": can_push });
        let key: WireKey = self.ask(Method::PUT, &at[..4], &[], Some(body), &task).await?;
        Ok(DeployKey {
            can_push,
            ..shown(key)
        })
    }

    pub(super) async fn drop_key(&self, path: &RepoPath, id: u64) -> Result<(), HostError> {
        let task = Task::new("take", format!("deploy key {id} of {path}")).needs(AccessLevel::Maintainer);
        let (full, id) = (path.to_string(), id.to_string());
        self.remove(&["projects", &full, "deploy_keys", &id], &[], &task)
            .await
    }

    pub(super) async fn show_hooks(&self, path: &RepoPath) -> Result<Vec<Hook>, HostError> {
        let task = Self::keys_of("see the hooks of", path);
        let full = path.to_string();
        let found = self
            .list::<WireHook>(&["projects", &full, "hooks"], &[], &task)
            .await?
            .ok_or_else(|| HostError::not_found(&task.what))?;
        let mut hooks: Vec<_> = found.into_iter().map(shown_hook).collect();
        hooks.sort_by_key(|hook| hook.id);
        Ok(hooks)
    }

    pub(super) async fn make_hook(&self, path: &RepoPath, spec: &HookSpec) -> Result<Hook, HostError> {
        let task = Self::keys_of("add a hook to", path);
        let secret = hook_secret(spec)?;
        let mut body = json!({ "url": spec.url, "token": secret, "enable_ssl_verification": true });
        for event in HookEvent::ALL {
            // What is not named is as GitLab likes it.
            body[event.flag()] = spec.events.contains(&event).into();
        }
        let full = path.to_string();
        let made: WireHook = self
            .ask(
                Method::POST,
                &["projects", &full, "hooks"],
                &[],
                Some(body),
                &task,
            )
            .await?;
        Ok(shown_hook(made))
    }

    pub(super) async fn drop_hook(&self, path: &RepoPath, id: u64) -> Result<(), HostError> {
        let task = Task::new("delete", format!("hook {id} of {path}")).needs(AccessLevel::Maintainer);
        let (full, id) = (path.to_string(), id.to_string());
        self.remove(&["projects", &full, "hooks", &id], &[], &task).await
    }
}

fn shown(key: WireKey) -> DeployKey {
    DeployKey {
        id: key.id,
        title: key.title,
        public_key: bare(&key.key).unwrap_or(key.key),
        can_push: key.can_push,
    }
}

fn shown_hook(hook: WireHook) -> Hook {
    Hook {
        id: hook.id,
        events: hook.events(),
        url: hook.url,
    }
}
