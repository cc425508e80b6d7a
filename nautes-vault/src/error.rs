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
    /// The settings of a store cannot be used.
    #[error("cannot use the setting {setting} of the secret store: {reason}")]
    BadSetting {
        /// The setting, as in [`VaultSettings`](crate::vault::VaultSettings).
        setting: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A path belongs to the records that the store keeps for itself.
    #[error("cannot use {path}: what is below {below} belongs to the store itself")]
    Reserved {
        /// The secret.
        path: SecretPath,
        /// The folder of the store's own records.
        below: &'static str,
    },
    /// The engine of a path is not there, or is no KV engine of version 2.
    #[error("cannot use the engine {engine} of {store}: {reason}")]
    NoEngine {
        /// The engine: where it is mounted.
        engine: String,
        /// The server.
        store: String,
        /// What is there instead.
        reason: String,
    },
    /// The server is sealed: it has no key to read what it keeps.
    #[error("cannot {action}: {store} is sealed")]
    Sealed {
        /// What was attempted on what.
        action: String,
        /// The server.
        store: String,
    },
    /// The server is a standby that does not pass requests on, or a cluster without a leader.
    #[error("cannot {action}: {store} is a standby, and no active server answers for it")]
    Standby {
        /// What was attempted on what.
        action: String,
        /// The server.
        store: String,
    },
    /// The server asks for fewer requests.
    #[error("cannot {action}: {store} limits the rate of requests")]
    Throttled {
        /// What was attempted on what.
        action: String,
        /// The server.
        store: String,
    },
    /// The policies of Nautes's own login do not allow it.
    #[error("cannot {action}: {store} does not allow it to the login of Nautes")]
    Refused {
        /// What was attempted on what.
        action: String,
        /// The server.
        store: String,
    },
    /// Nautes has no valid token, and could not get one.
    #[error("cannot log in to {store} by {method}")]
    NoLogin {
        /// The server.
        store: String,
        /// The kind of login.
        method: &'static str,
        /// What the layer below said.
        source: Cause,
    },
    /// Something that Nautes would write exists already, and Nautes has not made it.
    #[error("cannot write the {what} {name} in {store}: it exists, and Nautes has not made it")]
    Foreign {
        /// What it is: a policy, a role, an auth mount.
        what: &'static str,
        /// Its name.
        name: String,
        /// The server.
        store: String,
    },
    /// The store wrote over a version that the writer did not expect, and could not know before.
    #[error("wrote {path} as version {version}, over a version that nobody expected: {expect} was expected")]
    Overwritten {
        /// The secret.
        path: SecretPath,
        /// What the writer expected.
        expect: Expect,
        /// The version that is current now.
        version: u64,
    },
    /// The store can never do this; others can.
    #[error("cannot {action}: {reason}")]
    Unsupported {
        /// What was attempted on what.
        action: String,
        /// What stands in the way.
        reason: String,
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
            Self::Conflict { .. } | Self::Overwritten { .. } | Self::InUse { .. } | Self::Foreign { .. } => {
                Class::Conflict
            }
            Self::Denied { .. } => Class::Denied,
            Self::Absent { .. } => Class::NotFound,
            Self::BadValues { .. }
            | Self::BadPrefix { .. }
            | Self::OutOfScope { .. }
            | Self::BadKey { .. }
            | Self::BadSetting { .. }
            | Self::Reserved { .. }
            | Self::Unsupported { .. }
            | Self::WrongKey { .. } => Class::Invalid,
            // Nothing is known about what a damaged store held: what depends on it is held, not removed. What
            // Nautes itself is refused says nothing about the one who asked, nor about what is there.
            Self::Damaged { .. }
            | Self::Unreachable { .. }
            | Self::NoEngine { .. }
            | Self::Sealed { .. }
            | Self::Standby { .. }
            | Self::Throttled { .. }
            | Self::Refused { .. }
            | Self::NoLogin { .. } => Class::Unreachable,
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
            Self::BadSetting { .. } => "correct the settings of the secret store",
            Self::Reserved { .. } => "use another path",
            Self::Overwritten { .. } => {
                "the version before is still in the history: read it and decide which of the two shall be"
            }
            Self::Unsupported { .. } => {
                "see docs/design/008-a-proxy-before-vault.md for what a vault-proxy can do; a Vault that Nautes writes itself \
                 can do it"
            }
            Self::NoEngine { .. } => {
                "enable a KV engine of version 2 there (vault secrets enable -path=<engine> -version=2 kv), and let \
                 the login of Nautes use it"
            }
            Self::Sealed { .. } => "unseal the server (vault operator unseal); Nautes goes on by itself then",
            Self::Standby { .. } => {
                "give the address of the active server, or of a load balancer in front of the cluster"
            }
            Self::Throttled { .. } => "raise the rate limit quota for the login of Nautes, or wait",
            Self::Refused { .. } => {
                "give the login of Nautes the policy of docs/guide/vault.md; an audit log of the server says which \
                 path was refused"
            }
            Self::NoLogin { .. } => {
                "look whether the credential is there and still valid, and whether the auth mount and role exist"
            }
            Self::Foreign { .. } => {
                "remove it if nobody needs it, or let Nautes take it over with the setting `adopt` (--vault-adopt)"
            }
            Self::BadKey { .. } => {
                "a master key is the base64 text of 32 bytes, in a file that only its owner can read (mode 0600)"
            }
            Self::WrongKey { .. } => {
                "give the master key of the store, without which nothing can be read; if its change was interrupted, \
                 nautes secrets rekey finishes it"
            }
            Self::Damaged { .. } => "keep a copy of the file as it is, then restore it from a backup",
            Self::Absent { .. } => "look whether the data directory is the right one",
            Self::InUse { .. } => "stop the other process, or use another data directory",
            Self::Unreachable { .. } => "look at the store and its disk or network, then try again",
            Self::OutOfScope { .. } | Self::Bug { .. } => "this is a fault in Nautes: please report it",
        })
    }
}
