//! Why a repository is not as declared, and what is said of it.

use nautes_gitops::{HostError, RepoPath};
use nautes_model::{Class, annotation};
use nautes_vault::StoreError;

use super::ON_FORGE;
use crate::controller::facts::{Fact, chain};
use crate::plan::VerdictState;

/// Why a repository is not as declared.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ForgeError {
    #[error("cannot {action}")]
    Host {
        action: String,
        #[source]
        source: HostError,
    },
    #[error("cannot {action}")]
    Store {
        action: String,
        #[source]
        source: StoreError,
    },
    #[error("the repository {path} exists and was not made by Nautes for this resource{}", adoption(*.id, *.is_marked))]
    NotOurs {
        path: RepoPath,
        id: u64,
        /// Whether it was made for something else.
        is_marked: bool,
    },
    #[error("the repository {path} (id {id}) is not there any more: {}", fate(.now.as_ref()))]
    Missing {
        path: RepoPath,
        id: String,
        /// Where it is now, as far as that can be seen.
        now: Option<RepoPath>,
    },
    #[error("the repository {0} was archived by hand: make it writable again, or remove its manifest")]
    Archived(RepoPath),
    #[error("the key of {0} cannot be used")]
    BadKey(String),
    #[error("{0:?} is not a provider type")]
    Provider(String),
    #[error("{0}")]
    NotYet(String),
    #[error("{0:?} cannot be a repository on the forge")]
    Path(String),
    #[error("the forge did not answer in time")]
    Late,
}

impl ForgeError {
    pub(crate) fn host(action: impl Into<String>, source: HostError) -> Self {
        Self::Host {
            action: action.into(),
            source,
        }
    }

    /// Whether it waits for what people do on the forge by hand.
    pub(super) fn is_by_hand(&self) -> bool {
        matches!(self, Self::Host { source, .. } if source.is_unsupported())
    }

    pub(crate) fn class(&self) -> Class {
        match self {
            Self::Host { source, .. } => source.class(),
            Self::Store { source, .. } => source.class(),
            Self::NotOurs { .. } | Self::Missing { .. } | Self::Archived(_) | Self::Path(_) => Class::Invalid,
            Self::BadKey(_) | Self::Provider(_) => Class::Bug,
            Self::NotYet(_) => Class::Waiting,
            Self::Late => Class::Unreachable,
        }
    }

    pub(crate) fn fact(&self) -> Fact {
        let reason = match self {
            Self::NotOurs { .. } => "NotOurs",
            Self::Missing { now: Some(_), .. } => "RepositoryMoved",
            Self::Missing { .. } => "RepositoryMissing",
            Self::Archived(_) => "RepositoryArchived",
            Self::Host { source, .. } if source.is_unsupported() => {
                let hint = source.hint().unwrap_or_default();
                let said = format!("{}: {hint}", chain(self));
                return Fact::new(ON_FORGE, VerdictState::Pending, "Unsupported", said);
            }
            _ => return Fact::failed(ON_FORGE, self.class(), self),
        };
        Fact::new(ON_FORGE, VerdictState::Failed, reason, self.to_string())
    }
}

/// Says what has become of a repository.
fn fate(now: Option<&RepoPath>) -> String {
    match now {
        Some(now) => format!(
            "it was renamed or moved to {now} by hand; move it back, or give its manifest the new name (repoName) where it is in \
             the group still"
        ),
        None => "it was deleted by hand, or the platform's account may not see it any more".to_owned(),
    }
}

/// Says how a repository is taken over.
fn adoption(id: u64, is_marked: bool) -> String {
    if is_marked {
        return String::new();
    }
    format!(
        "; to take it over, give its manifest the annotation {}: \"{id}\"",
        annotation::ADOPT
    )
}
