//! What only the owner of the machine may do.

use std::path::PathBuf;
use std::sync::Arc;

use nautes_model::Secret;
use tokio::sync::watch;

use super::deliver::Delivery;
use super::state::{TokenRecord, UserRecord};
use super::store::Store;
use super::{Inner, auth, run_blocking};
use crate::host::HostError;
use crate::host::types::{RepoPath, User, check_group};

/// The administration of a local forge.
#[derive(Debug)]
pub struct Admin<'f> {
    inner: &'f Arc<Inner>,
}

impl<'f> Admin<'f> {
    pub(super) fn new(inner: &'f Arc<Inner>) -> Self {
        Self { inner }
    }

    /// Creates a user and returns his first token. It is shown this once.
    ///
    /// # Errors
    /// The name is taken, or is no name.
    pub async fn create_user(&self, name: &str) -> Result<Secret, HostError> {
        check_name(name)?;
        let token = auth::new_token()?;
        let (name, digest) = (name.to_owned(), auth::digest(&token));
        self.change(move |store| {
            store.change(|state| {
                if state.user_by_name(&name).is_ok() {
                    return Err(HostError::conflict(
                        format!("user {name}"),
                        "there is one of this name",
                    ));
                }
                let id = state.next_id();
                state.users.insert(id, record(&name));
                state.tokens.insert(
                    digest,
                    TokenRecord {
                        user: id,
                        label: "first".to_owned(),
                    },
                );
                Ok(())
            })
        })
        .await?;
        Ok(token)
    }

    /// Makes one more token for a user, or replaces the one of the same label.
    ///
    /// # Errors
    /// There is no such user.
    pub async fn create_token(&self, user: &str, label: &str) -> Result<Secret, HostError> {
        let token = auth::new_token()?;
        let (user, label, digest) = (user.to_owned(), label.to_owned(), auth::digest(&token));
        self.change(move |store| {
            store.change(|state| {
                let id = state.user_by_name(&user)?;
                state
                    .tokens
                    .retain(|_, token| token.user != id || token.label != label);
                state.tokens.insert(digest, TokenRecord { user: id, label });
                Ok(())
            })
        })
        .await?;
        Ok(token)
    }

    /// Revokes all tokens of a user; his sessions end with them.
    ///
    /// # Errors
    /// There is no such user.
    pub async fn revoke_tokens(&self, user: &str) -> Result<(), HostError> {
        let user = user.to_owned();
        self.change(move |store| {
            store.change(|state| {
                let id = state.user_by_name(&user)?;
                state.tokens.retain(|_, token| token.user != id);
                Ok(())
            })
        })
        .await
    }

    /// Returns all users, the platform's account included, by id.
    #[must_use]
    pub fn users(&self) -> Vec<User> {
        let state = self.inner.store.read();
        state.users.keys().filter_map(|id| state.user(*id)).collect()
    }

    /// Returns the user whom a token belongs to.
    #[must_use]
    pub fn whose(&self, token: &Secret) -> Option<User> {
        let state = self.inner.store.read();
        state.user(state.tokens.get(&auth::digest(token))?.user)
    }

    /// Returns the latest deliveries to hooks, oldest first.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.inner.courier.log()
    }

    /// Returns a receiver that changes whenever a delivery has ended.
    #[must_use]
    pub fn watch_deliveries(&self) -> watch::Receiver<u64> {
        self.inner.courier.watch()
    }

    /// Calls every hook once more with what it was last called with, as a delivery that is repeated by hand, and
    /// returns how many calls those are. Hooks that were not called since this process began are not called.
    #[must_use]
    pub fn redeliver(&self) -> usize {
        self.inner.courier.repeat()
    }

    /// Renames or moves a repository, as its owner can on a forge with pages. Nobody may write to it meanwhile.
    ///
    /// # Errors
    /// There is no such repository or no such group, or the new path is taken.
    pub async fn move_repository(&self, from: &RepoPath, to: &RepoPath) -> Result<(), HostError> {
        let (before, after) = (self.folder(from), self.folder(to));
        let (from, to) = (from.clone(), to.clone());
        self.change(move |store| {
            store.change(|state| {
                if state.repositories.contains_key(&to) || !state.groups.contains_key(to.group()) {
                    return Err(HostError::conflict(
                        format!("repository {to}"),
                        "there is one of this path, or no such group",
                    ));
                }
                let moved = state.repositories.remove(&from);
                let moved = moved.ok_or_else(|| HostError::not_found(format!("repository {from}")))?;
                let renamed = after
                    .parent()
                    .map_or(Ok(()), std::fs::create_dir_all)
                    .and_then(|()| std::fs::rename(&before, &after));
                renamed
                    .map_err(|error| HostError::conflict(format!("repository {to}"), error.to_string()))?;
                state.repositories.insert(to, moved);
                Ok(())
            })
        })
        .await
    }

    /// Returns the folder of a repository.
    #[must_use]
    pub fn folder(&self, path: &RepoPath) -> PathBuf {
        self.inner.storage.dir(path)
    }

    async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Store) -> Result<T, HostError> + Send + 'static,
    ) -> Result<T, HostError> {
        let inner = Arc::clone(self.inner);
        run_blocking("changing users", move || change(&inner.store)).await
    }
}

fn check_name(name: &str) -> Result<(), HostError> {
    match check_group(name) {
        Ok(()) if !name.contains('/') => Ok(()),
        _ => Err(HostError::invalid(
            "user name",
            "letters, digits, '.', '_' and '-' only",
        )),
    }
}

fn record(name: &str) -> UserRecord {
    UserRecord {
        name: name.to_owned(),
        email: format!("{name}@localhost"),
    }
}

/// Returns the id of a user, who is created where there is none. Blocks.
pub(super) fn ensure_user(store: &Store, name: &str) -> Result<u64, HostError> {
    check_name(name)?;
    if let Ok(id) = store.read().user_by_name(name) {
        return Ok(id);
    }
    store.change(|state| {
        let id = state.next_id();
        state.users.insert(id, record(name));
        Ok(id)
    })
}
