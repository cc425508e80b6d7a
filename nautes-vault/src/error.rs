//! What can go wrong in a secret store.

use std::error::Error;
use std::path::PathBuf;

use nautes_model::Class;
use nautes_model::secret::{GrantScope, Principal, SecretPath};

use crate::Expect;

/// The cause below an error of a store.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Why a secret store did not do what was asked. No variant carries a value of a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The current version is not the one that the writer expected.
    #[error("cannot write {path}: {expect} was expected, {} is there", .found.map_or_else(|| "nothing".to_owned(), |v| format!("version {v}")))]
    Conflict {
        /// The secret.
        path: SecretPath,
        /// What the writer expected.
        expect: Expect,
        /// The current version.
        found: Option<u64>,
    },
    /// No grant allows it.
    #[error("{principal} may not {action} {path}")]
    Denied {
        /// Who asked.
        principal: Principal,
        /// What it asked for: `read` or `write`.
        action: &'static str,
        /// The secret.
        path: SecretPath,
    },
    /// The values cannot be stored as they are.
    #[error("cannot write {path}: {reason}")]
    BadValues {
        /// The secret.
        path: SecretPath,
        /// What is wrong with the values; without a value.
        reason: String,
    },
    /// A prefix is not the beginning of a path.
    #[error("cannot list {prefix:?}: it is not the beginning of a secret path")]
    BadPrefix {
        /// The beginning of the prefix.
        prefix: String,
    },
    /// A grant would reach beyond the scope that it was computed for.
    #[error("cannot grant {path} to {principal} in the scope of {scope}: it reaches beyond that scope")]
    OutOfScope {
        /// The scope.
        scope: GrantScope,
        /// Who would have been granted something.
        principal: Principal,
        /// The secret.
        path: SecretPath,
    },
    /// A master key cannot be used.
    #[error("cannot use the master key{}: {reason}", .file.as_ref().map_or_else(String::new, |f| format!(" in {}", f.display())))]
    BadKey {
        /// The file that has it, if it came from one.
        file: Option<PathBuf>,
        /// What is wrong with it.
        reason: String,
    },
    /// The store was made with another master key, or the beginning of its file was changed.
    #[error("cannot unlock {store}: the master key does not fit")]
    WrongKey {
        /// The file, or `memory`.
        store: String,
    },
    /// What is stored is not what was written: truncated, changed, or not a store.
    #[error("{store} is damaged: {what}")]
    Damaged {
        /// The file, or `memory`.
        store: String,
        /// What was found.
        what: String,
        /// What the layer below said.
        source: Option<Cause>,
    },
    /// There is no store where one was expected.
    #[error("cannot open {store}: there is no such file")]
    Absent {
        /// The file.
        store: String,
    },
    /// Another process has the store open.
    #[error("cannot open {store}: another process has it open")]
    InUse {
        /// The file.
        store: String,
    },
    /// The store, or the system below it, did not do its part; nothing is known about the outcome.
    #[error("cannot {action}")]
    Unreachable {
        /// What was attempted on what.
        action: String,
        /// What the layer below said.
        source: Cause,
    },
    /// A fault of Nautes itself.
    #[error("cannot {action}: {reason}")]
    Bug {
        /// What was attempted on what.
        action: String,
        /// What happened.
        reason: String,
    },
}

impl StoreError {
    /// Returns the class: what the caller should do about it.
    #[must_use]
    pub const fn class(&self) -> Class {
        match self {
            Self::Conflict { .. } | Self::InUse { .. } => Class::Conflict,
            Self::Denied { .. } => Class::Denied,
            Self::Absent { .. } => Class::NotFound,
            Self::BadValues { .. }
            | Self::BadPrefix { .. }
            | Self::OutOfScope { .. }
            | Self::BadKey { .. }
            | Self::WrongKey { .. } => Class::Invalid,
            // Nothing is known about what a damaged store held: what depends on it is held, not removed.
            Self::Damaged { .. } | Self::Unreachable { .. } => Class::Unreachable,
            Self::Bug { .. } => Class::Bug,
        }
    }

    /// Returns what a person can do about it.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Conflict { .. } => "read the secret again and decide anew",
            Self::Denied { .. } => {
                "access follows from the declared bindings and runtimes: declare one that needs this secret"
            }
            Self::BadValues { .. } | Self::BadPrefix { .. } => "correct the request",
            Self::BadKey { .. } => {
                "a master key is the base64 text of 32 bytes, in a file that only its owner can read (mode 0600)"
            }
            Self::WrongKey { .. } => {
                "give the master key with which the store was made; without it nothing can be read"
            }
            Self::Damaged { .. } => "keep a copy of the file as it is, then restore it from a backup",
            Self::Absent { .. } => "look whether the data directory is the right one",
            Self::InUse { .. } => "stop the other process, or use another data directory",
            Self::Unreachable { .. } => "look at the store and its disk or network, then try again",
            Self::OutOfScope { .. } | Self::Bug { .. } => "this is a fault in Nautes: please report it",
        })
    }
}
