//! The forge as a trait: who serves repositories, groups, members, keys and hooks.
//!
//! A [`GitHost`] is one forge. Everything that is done on it is done through a [`Session`], which is one caller:
//! sessions are values that are passed down, so that a caller's credential is used for that caller's request only.
//! The contract of both is held by [`crate::conformance`].

pub mod abilities;
pub mod connect;
pub mod delivery;
pub mod error;
pub mod extended;
#[cfg(any(feature = "fake-gitlab", feature = "fake-gitea"))]
mod fake;
pub mod git;
pub mod gitea;
pub mod gitlab;
pub mod local;
pub mod net;
pub(crate) mod rest;
pub mod smart;
pub mod types;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use nautes_model::Secret;
use tokio::sync::broadcast;

use crate::oid::Oid;
use crate::repo::Mirror;

pub use abilities::Abilities;
pub use connect::{Connection, ForgeType};
pub use error::{HostError, PushError};
pub use extended::Extended;
pub use rest::account::PlatformToken;
pub use types::{
    AccessLevel, DeployKey, DeployKeySpec, Group, GroupChange, GroupSpec, Hook, HookEvent, HookSpec, Member,
    Place, Poke, RepoChange, RepoPath, RepoSpec, Repository, User, Visibility,
};

/// The references of a repository: full names (`refs/heads/main`, `refs/tags/v1`) and where they point.
pub type Refs = BTreeMap<String, Oid>;

/// One forge.
///
/// # Contract
/// * [`GitHost::session`] authenticates before it returns: a wrong credential is [`HostError::Unauthenticated`],
///   never [`HostError::Forbidden`].
/// * A session does what its caller may do, and nothing with the rights of the server.
/// * [`GitHost::subscribe`] is a hint, not a promise: pokes may be lost or repeated.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a forge",
    note = "implement `nautes_gitops::GitHost` and hold it to `nautes_gitops::conformance`"
)]
#[async_trait]
pub trait GitHost: Send + Sync + fmt::Debug {
    /// Returns the name of this forge, as providers and messages name it.
    fn name(&self) -> &str;

    /// Returns the type of the forge: `local`, `gitlab`, `gitea`, `git`.
    fn provider_type(&self) -> &str;

    /// Authenticates a caller by his token.
    ///
    /// # Errors
    /// [`HostError::Unauthenticated`] where the token is nobody's.
    async fn session(&self, credential: &Secret) -> Result<Arc<dyn Session>, HostError>;

    /// Returns the session of the platform's own account.
    ///
    /// # Errors
    /// The forge does not answer, or does not know the account.
    async fn platform(&self) -> Result<Arc<dyn Session>, HostError>;

    /// Returns a receiver of hints that a repository has changed.
    fn subscribe(&self) -> broadcast::Receiver<Poke>;
}

/// One caller on one forge.
///
/// # Contract
/// * What the caller may not see is absent (`None`, not in lists), as if it did not exist.
/// * A listing is complete or an error; it is never a part.
/// * Creating what exists is [`HostError::Conflict`]; deleting what does not exist is [`HostError::NotFound`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a session on a forge",
    note = "implement `nautes_gitops::Session`; `GitHost::session` hands it out"
)]
#[async_trait]
pub trait Session: Send + Sync + fmt::Debug {
    /// Returns the name of the forge.
    fn host(&self) -> &str;

    /// Returns what the forge can do; the rest people do there by hand.
    fn abilities(&self) -> Abilities {
        Abilities::ALL
    }

    /// Returns who the caller is.
    async fn user(&self) -> Result<User, HostError>;

    /// Returns the level of the caller's membership, inherited levels included; [`AccessLevel::None`] for a
    /// non-member and for a place that he cannot see.
    async fn access(&self, place: &Place) -> Result<AccessLevel, HostError>;

    /// Returns a group, `None` where there is none that the caller can see.
    async fn group(&self, name: &str) -> Result<Option<Group>, HostError>;

    /// Returns all groups that the caller can see, by name.
    async fn groups(&self) -> Result<Vec<Group>, HostError>;

    /// Creates a group; its creator becomes owner.
    async fn create_group(&self, spec: &GroupSpec) -> Result<Group, HostError>;

    /// Changes a group. Needs [`AccessLevel::Owner`].
    async fn update_group(&self, name: &str, change: &GroupChange) -> Result<Group, HostError>;

    /// Deletes a group that has no repositories. Needs [`AccessLevel::Owner`].
    ///
    /// # Errors
    /// [`HostError::Conflict`] while it has repositories, archived ones included.
    async fn delete_group(&self, name: &str) -> Result<(), HostError>;

    /// Returns the direct members of a place, by name.
    async fn members(&self, place: &Place) -> Result<Vec<Member>, HostError>;

    /// Makes a user a member, or changes his level. Needs [`AccessLevel::Owner`] on a group and
    /// [`AccessLevel::Maintainer`] on a repository; nobody gives more than he has.
    async fn add_member(&self, place: &Place, user: &str, level: AccessLevel) -> Result<(), HostError>;

    /// Ends a direct membership. Needs what [`Session::add_member`] needs.
    ///
    /// # Errors
    /// [`HostError::Conflict`] for the last owner of a group.
    async fn remove_member(&self, place: &Place, user: &str) -> Result<(), HostError>;

    /// Returns a repository, `None` where there is none that the caller can see.
    async fn repository(&self, path: &RepoPath) -> Result<Option<Repository>, HostError>;

    /// Returns the repository with an id, wherever it is now; `None` where there is none that the caller can see. It finds
    /// what was renamed or moved.
    ///
    /// # Errors
    /// [`HostError::Unsupported`] where the forge cannot be asked so.
    async fn repository_by_id(&self, id: u64) -> Result<Option<Repository>, HostError> {
        let _ = id;
        Err(HostError::unsupported(
            "the forge",
            "find a repository by its id",
            "look for it by its path",
        ))
    }

    /// Returns all repositories of a group that the caller can see, archived ones included, by path.
    async fn repositories(&self, group: &str) -> Result<Vec<Repository>, HostError>;

    /// Creates an empty repository. Needs [`AccessLevel::Maintainer`] on the group.
    async fn create_repository(&self, path: &RepoPath, spec: &RepoSpec) -> Result<Repository, HostError>;

    /// Changes a repository. Needs [`AccessLevel::Maintainer`].
    async fn update_repository(&self, path: &RepoPath, change: &RepoChange) -> Result<Repository, HostError>;

    /// Makes a repository read-only (`true`) or writable again. Needs [`AccessLevel::Owner`].
    async fn archive_repository(&self, path: &RepoPath, archived: bool) -> Result<Repository, HostError>;

    /// Deletes a repository with everything in it. Needs [`AccessLevel::Owner`].
    async fn delete_repository(&self, path: &RepoPath) -> Result<(), HostError>;

    /// Returns the deploy keys of a repository, by id. Needs [`AccessLevel::Maintainer`].
    async fn deploy_keys(&self, path: &RepoPath) -> Result<Vec<DeployKey>, HostError>;

    /// Adds a new deploy key. Needs [`AccessLevel::Maintainer`].
    ///
    /// # Errors
    /// [`HostError::Conflict`] where the repository has this public key, and on forges that know keys by themselves
    /// also where another has it: then it is to be enabled. Other forges add it, under the id that it has there.
    async fn create_deploy_key(&self, path: &RepoPath, spec: &DeployKeySpec) -> Result<DeployKey, HostError>;

    /// Enables a key that another repository has, or changes whether it may push. Needs
    /// [`AccessLevel::Maintainer`] on this repository, and on one that has the key.
    async fn enable_deploy_key(
        &self,
        path: &RepoPath,
        id: u64,
        can_push: bool,
    ) -> Result<DeployKey, HostError>;

    /// Takes a key from a repository; without repositories it is gone. Needs [`AccessLevel::Maintainer`].
    async fn delete_deploy_key(&self, path: &RepoPath, id: u64) -> Result<(), HostError>;

    /// Returns the hooks of a repository, by id. Needs [`AccessLevel::Maintainer`].
    async fn hooks(&self, path: &RepoPath) -> Result<Vec<Hook>, HostError>;

    /// Adds a hook. The secret can never be read back. Needs [`AccessLevel::Maintainer`].
    async fn create_hook(&self, path: &RepoPath, spec: &HookSpec) -> Result<Hook, HostError>;

    /// Deletes a hook. Needs [`AccessLevel::Maintainer`].
    async fn delete_hook(&self, path: &RepoPath, id: u64) -> Result<(), HostError>;

    /// Returns the branches and tags of a repository; empty for an empty repository. Needs read access.
    async fn refs(&self, path: &RepoPath) -> Result<Refs, HostError>;

    /// Brings the branches and tags of a repository, with everything that they reach, into `mirror`, and makes the
    /// references of the mirror the same. Returns them as they were at that moment. Needs read access.
    async fn fetch(&self, path: &RepoPath, mirror: &Mirror) -> Result<Refs, HostError>;

    /// Sends `new` with everything that it reaches from `mirror`, and moves `branch` (a short name) to it only if
    /// the branch is at `expected_old` (`None`: only if there is no such branch). Needs [`AccessLevel::Developer`].
    ///
    /// # Errors
    /// [`PushError::Moved`] where the branch is elsewhere; then nothing has changed.
    async fn push(
        &self,
        path: &RepoPath,
        mirror: &Mirror,
        branch: &str,
        expected_old: Option<Oid>,
        new: Oid,
    ) -> Result<(), PushError>;

    /// Returns what the forge can do beyond this trait, `None` where it can do nothing of it.
    fn extended(&self) -> Option<&dyn Extended> {
        None
    }
}
