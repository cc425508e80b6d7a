//! What can go wrong on a forge.

use std::error::Error as StdError;

use nautes_model::Class;

use super::types::AccessLevel;
use crate::oid::Oid;
use crate::repo::RepoError;

/// What to do when nothing more can be written.
pub(crate) const NO_ROOM: &str =
    "the disk has no room: make some where repositories and mirrors are kept, then try again";

type Source = Box<dyn StdError + Send + Sync>;

/// Why a call on a forge failed.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The credential is nobody's: unknown, revoked or expired.
    #[error("not authenticated on {host}")]
    Unauthenticated {
        /// The forge.
        host: String,
    },
    /// The caller is known, and may not do this.
    #[error("{user} may not {action}")]
    Forbidden {
        /// Who.
        user: String,
        /// What he wanted, with what it was on.
        action: String,
        /// The level that it takes, where a level decides.
        needs: Option<AccessLevel>,
    },
    /// There is no such thing, or the caller cannot see it.
    #[error("{what} not found")]
    NotFound {
        /// What was looked for.
        what: String,
    },
    /// It exists already, or something else is in the way.
    #[error("{what}: {why}")]
    Conflict {
        /// What it is about.
        what: String,
        /// What is in the way.
        why: String,
    },
    /// What was given cannot be right.
    #[error("{what}: {why}")]
    Invalid {
        /// What it is about.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// The forge can do no such thing, whoever asks.
    #[error("{host} cannot {action}")]
    Unsupported {
        /// The forge.
        host: String,
        /// What was wanted, with what it was on.
        action: String,
        /// What people do instead.
        instead: String,
    },
    /// The forge did not answer, not in time, or not completely.
    #[error("{action}: {host} is not reachable")]
    Unreachable {
        /// The forge.
        host: String,
        /// What was attempted.
        action: String,
        /// What happened.
        #[source]
        source: Source,
    },
    /// The caller has made too many calls; the forge takes some again later.
    #[error("{action}: {host} takes no more calls for now")]
    Limited {
        /// The forge.
        host: String,
        /// What was attempted.
        action: String,
        /// When it takes some again.
        after: std::time::Duration,
    },
    /// The mirror on this side failed.
    #[error("{action}: the local mirror failed")]
    Mirror {
        /// What was attempted.
        action: String,
        /// What happened.
        #[source]
        source: RepoError,
    },
    /// Something failed that should not.
    #[error("{action} failed")]
    Internal {
        /// What was attempted.
        action: String,
        /// What happened.
        #[source]
        source: Source,
    },
}

impl HostError {
    /// Returns the class, by which callers decide.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Unauthenticated { .. } | Self::Forbidden { .. } => Class::Denied,
            Self::NotFound { .. } => Class::NotFound,
            Self::Conflict { .. } => Class::Conflict,
            Self::Invalid { .. } | Self::Unsupported { .. } => Class::Invalid,
            Self::Unreachable { .. } | Self::Limited { .. } => Class::Unreachable,
            Self::Mirror { source, .. } => source.class(),
            Self::Internal { .. } if self.lacks_room() => Class::Unreachable,
            Self::Internal { .. } => Class::Bug,
        }
    }

    /// Whether nothing more can be written on the machine that keeps the repositories.
    fn lacks_room(&self) -> bool {
        match self {
            Self::Mirror { source, .. } => source.lacks_room(),
            Self::Internal { source, .. } => source.downcast_ref().is_some_and(crate::repo::lacks_room),
            _ => false,
        }
    }

    /// Returns what the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            _ if self.lacks_room() => Some(NO_ROOM.to_owned()),
            Self::Unauthenticated { host } => Some(format!("use a token that is valid on {host}")),
            Self::Forbidden {
                needs: Some(level), ..
            } => Some(format!("it takes {level} or more; ask an owner of the group")),
            Self::NotFound { .. } => {
                Some("check the name; what you may not see does not show either".to_owned())
            }
            Self::Unsupported { instead, .. } => Some(instead.clone()),
            Self::Unreachable { .. } => Some("try again later".to_owned()),
            Self::Limited { after, .. } => Some(format!("try again in {} seconds", after.as_secs().max(1))),
            Self::Forbidden { needs: None, .. }
            | Self::Conflict { .. }
            | Self::Invalid { .. }
            | Self::Mirror { .. }
            | Self::Internal { .. } => None,
        }
    }

    /// Whether the forge can do no such thing: then people have to do something else, or do it themselves.
    #[must_use]
    pub const fn is_unsupported(&self) -> bool {
        matches!(self, Self::Unsupported { .. })
    }

    /// Whether the caller is not authenticated, as opposed to not authorised: 401, not 403.
    #[must_use]
    pub fn is_unauthenticated(&self) -> bool {
        matches!(self, Self::Unauthenticated { .. })
    }

    pub(crate) fn not_found(what: impl Into<String>) -> Self {
        Self::NotFound { what: what.into() }
    }

    pub(crate) fn conflict(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Conflict {
            what: what.into(),
            why: why.into(),
        }
    }

    pub(crate) fn invalid(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Invalid {
            what: what.into(),
            why: why.into(),
        }
    }

    pub(crate) fn unsupported(host: &str, action: impl Into<String>, instead: impl Into<String>) -> Self {
        Self::Unsupported {
            host: host.to_owned(),
            action: action.into(),
            instead: instead.into(),
        }
    }

    pub(crate) fn internal(action: impl Into<String>, source: impl Into<Source>) -> Self {
        Self::Internal {
            action: action.into(),
            source: source.into(),
        }
    }
}

/// Why a branch was not moved.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The branch is not where it was expected; nothing has changed.
    #[error("branch {branch} has moved")]
    Moved {
        /// The branch.
        branch: String,
        /// Where it is now, `None` where it is gone.
        actual: Option<Oid>,
    },
    /// The forge refused this update of this branch, for example because the branch is protected.
    #[error("the update of branch {branch} was refused: {why}")]
    Refused {
        /// The branch.
        branch: String,
        /// What the forge said.
        why: String,
    },
    /// The call as such failed.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl PushError {
    /// Returns the class, by which callers decide.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Moved { .. } => Class::Conflict,
            Self::Refused { .. } => Class::Denied,
            Self::Host(error) => error.class(),
        }
    }

    /// Returns what the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Moved { .. } => Some("somebody else pushed; try again".to_owned()),
            Self::Refused { .. } => None,
            Self::Host(error) => error.hint(),
        }
    }
}
