//! What kind of failure an error is: the one decision that callers take on errors of any crate.

use std::fmt;

/// The class of an error. It decides the requeue delay, the condition reason, the HTTP status and the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// What was given is wrong; trying again without a change gives the same answer.
    Invalid,
    /// Something that is expected has not arrived yet; trying again later is right.
    Waiting,
    /// The caller may not do this.
    Denied,
    /// What was asked for does not exist.
    NotFound,
    /// Somebody else changed the same thing, or still needs it.
    Conflict,
    /// An outside system did not answer, or not in time; nothing is known about it.
    Unreachable,
    /// A fault of Nautes itself.
    Bug,
}

impl Class {
    /// Returns the CamelCase name, as used for condition reasons and metrics.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Invalid => "Invalid",
            Self::Waiting => "Waiting",
            Self::Denied => "Denied",
            Self::NotFound => "NotFound",
            Self::Conflict => "Conflict",
            Self::Unreachable => "Unreachable",
            Self::Bug => "Bug",
        }
    }

    /// Returns the HTTP status that fits the class best.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Self::Invalid => 422,
            Self::Waiting | Self::Unreachable => 503,
            Self::Denied => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::Bug => 500,
        }
    }

    /// Whether trying the same again later may succeed without anybody changing anything.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Waiting | Self::Unreachable | Self::Conflict)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}
