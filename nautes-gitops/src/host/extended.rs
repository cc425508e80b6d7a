//! What some forges can do beyond [`Session`](super::Session): tokens of repositories, protected branches, statuses of
//! commits.
//!
//! A caller asks for it: [`Session::extended`](super::Session::extended) says whether the forge can,
//! [`Extended::credential`] what the caller's token may.

use async_trait::async_trait;
use jiff::civil::Date;
use nautes_model::Secret;

use super::HostError;
use super::types::{AccessLevel, RepoPath};
use crate::oid::Oid;

/// The token by which a session was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// What it may be used for, in the forge's words; `None` where the forge does not say (a token of OAuth).
    pub scopes: Option<Vec<String>>,
    /// The day on which it ends.
    pub expires: Option<Date>,
}

impl Credential {
    /// Whether it has a scope, or one that includes it. What is not known counts as had.
    #[must_use]
    pub fn has(&self, scope: &str) -> bool {
        self.scopes
            .as_ref()
            .is_none_or(|scopes| scopes.iter().any(|had| had == scope || had == "api"))
    }
}

/// A token that belongs to a repository instead of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// The id on the forge.
    pub id: u64,
    /// What it is called.
    pub name: String,
    /// What it may be used for, in the forge's words.
    pub scopes: Vec<String>,
    /// What it may do at most.
    pub level: AccessLevel,
    /// Whether it works: neither revoked nor expired.
    pub active: bool,
    /// The day on which it ends.
    pub expires: Option<Date>,
}

/// What a new token shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessTokenSpec {
    /// What it is called.
    pub name: String,
    /// What it may be used for, in the forge's words.
    pub scopes: Vec<String>,
    /// What it may do at most.
    pub level: AccessLevel,
    /// The day on which it ends.
    pub expires: Date,
}

/// A branch, or a pattern of branches, that not everybody may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtectedBranch {
    /// The short name, or a pattern with `*`.
    pub name: String,
    /// The lowest level that may push; [`AccessLevel::None`] if nobody may.
    pub push: AccessLevel,
    /// The lowest level that may merge; [`AccessLevel::None`] if nobody may.
    pub merge: AccessLevel,
    /// Whether those who may push may rewrite.
    pub force: bool,
}

/// How far the work for a commit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CommitState {
    /// It waits.
    Pending,
    /// It goes on.
    Running,
    /// It has succeeded.
    Success,
    /// It has failed.
    Failed,
    /// It was given up.
    Canceled,
    /// It was not needed.
    Skipped,
}

/// What somebody says about a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitStatus {
    /// Who says it; a second status of this name takes the place of the first.
    pub name: String,
    /// How far it is.
    pub state: CommitState,
    /// One sentence.
    pub description: String,
    /// Where there is more.
    pub url: Option<String>,
    /// The branch that it is about, a short name.
    pub branch: Option<String>,
}

/// What a forge says of a hook that it calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HookHealth {
    /// Whether it is called; `None` where the forge does not say.
    pub enabled: Option<bool>,
    /// The last delivery; `None` where there was none lately, or the forge does not say.
    pub last: Option<Delivered>,
}

/// What became of a delivery to a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// The receiver answered with this status.
    Answered(u16),
    /// There was no answer.
    Unanswered,
}

/// What some forges can do beyond [`Session`](super::Session). The rules of its contract hold here, too.
#[async_trait]
pub trait Extended: Send + Sync {
    /// Returns what the token of the session may be used for.
    async fn credential(&self) -> Result<Credential, HostError>;

    /// Returns the version of the forge.
    async fn version(&self) -> Result<String, HostError>;

    /// Returns whether the caller may make groups that are in no other; `None` where the forge does not say.
    async fn creates_groups(&self) -> Result<Option<bool>, HostError> {
        Ok(None)
    }

    /// Returns what the forge says of a hook. Needs [`AccessLevel::Maintainer`].
    async fn hook_health(&self, path: &RepoPath, id: u64) -> Result<HookHealth, HostError>;

    /// Returns the tokens of a repository, by id. Needs [`AccessLevel::Maintainer`].
    async fn access_tokens(&self, path: &RepoPath) -> Result<Vec<AccessToken>, HostError>;

    /// Makes a token of a repository. It is shown this once. Needs [`AccessLevel::Maintainer`].
    ///
    /// To rotate without a gap, make the new one, hand it out, and revoke the old one last; the forge's own rotation
    /// ends the old one at once.
    async fn create_access_token(
        &self,
        path: &RepoPath,
        spec: &AccessTokenSpec,
    ) -> Result<(AccessToken, Secret), HostError>;

    /// Ends a token of a repository. Needs [`AccessLevel::Maintainer`].
    async fn revoke_access_token(&self, path: &RepoPath, id: u64) -> Result<(), HostError>;

    /// Returns the protected branches of a repository, by name.
    async fn protected_branches(&self, path: &RepoPath) -> Result<Vec<ProtectedBranch>, HostError>;

    /// Protects a branch, or changes how; does nothing where it is protected so. Needs [`AccessLevel::Maintainer`].
    ///
    /// A change takes the old protection away before the new one is there.
    async fn protect_branch(&self, path: &RepoPath, branch: &ProtectedBranch) -> Result<(), HostError>;

    /// Ends the protection of a branch. Needs [`AccessLevel::Maintainer`].
    async fn unprotect_branch(&self, path: &RepoPath, name: &str) -> Result<(), HostError>;

    /// Returns the latest status of each name that a commit has, by name.
    async fn commit_statuses(&self, path: &RepoPath, commit: Oid) -> Result<Vec<CommitStatus>, HostError>;

    /// Says something about a commit. Needs [`AccessLevel::Developer`].
    async fn set_commit_status(
        &self,
        path: &RepoPath,
        commit: Oid,
        status: &CommitStatus,
    ) -> Result<(), HostError>;
}
