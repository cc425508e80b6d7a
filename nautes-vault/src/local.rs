//! The secret store for one machine: one encrypted file, or memory.
//!
//! # Guarantees
//! * **At rest** everything is sealed with XChaCha20-Poly1305 under a random data key, which is itself wrapped
//!   by the [`MasterKey`]; names of secrets are sealed too. What the file shows is how many records of which
//!   kind and size there are.
//! * **Each operation** is one durable transaction: after a kill or a power cut it happened whole or not at all.
//! * **Damage is an error.** Opening checks the whole file; a wrong key, a truncated or changed file, a record
//!   that is missing, and a file that is empty are refused and never read as an empty store.
//!
//! # Caveats
//! * One process at a time: the file is locked while it is open.
//! * Putting back an older copy of the whole file is not noticed.
//! * Work on the file runs on tokio's threads for blocking work. Dropping a future does not stop what began.

mod audit;
mod cipher;
mod codec;
mod grants;
mod master;
mod records;
mod rekey;
mod secrets;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use nautes_model::Secret;
use nautes_model::secret::{Grant, GrantLevel, GrantScope, Principal, SecretPath, SecretRef};

pub use self::audit::{AUDIT_KEPT, AuditEntry, Operation};
pub use self::master::MasterKey;
pub use self::rekey::{Rekeyed, rekey};

use self::audit::Audit;
use self::grants::Grants;
use self::records::Records;
use crate::store::{check_prefix, check_values};
use crate::{Expect, GrantChange, SecretDigest, SecretStore, StoreError, VersionInfo, Versioned, Written};

/// An encrypted store in a file or in memory. Clones share it; the file is released with the last of them.
#[derive(Clone)]
pub struct LocalStore(Arc<Inner>);

struct Inner {
    records: Records,
    grants: Grants,
    audit: Audit,
}

impl LocalStore {
    /// Makes an empty store in memory.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn in_memory(master: &MasterKey) -> Result<Self, StoreError> {
        Self::load(Records::in_memory(master)?)
    }

    /// Opens the store in `file`. This blocks while it reads the whole file.
    ///
    /// # Errors
    /// There is no such file ([`StoreError::Absent`]), the key does not fit ([`StoreError::WrongKey`]), the file
    /// is damaged, or open elsewhere ([`StoreError::InUse`]).
    pub fn open(file: &Path, master: &MasterKey) -> Result<Self, StoreError> {
        Self::load(Records::open(file, master)?)
    }

    /// Opens the store in `file`, and makes an empty one (mode 0600) if there is no such file.
    ///
    /// # Errors
    /// The file cannot be created; see [`open`](Self::open).
    pub fn open_or_create(file: &Path, master: &MasterKey) -> Result<Self, StoreError> {
        match Self::open(file, master) {
            Err(StoreError::Absent { .. }) => {
                Records::create(file, master)?;
                Self::open(file, master)
            }
            opened => opened,
        }
    }

    /// Changes the master key: from the return on, the file opens with `master` only. Values, versions and digests
    /// stay as they are. Keep the old key until this has returned, and the new one before it is called: after an
    /// interruption the file opens with one of them.
    ///
    /// The data key stays the same, so that whoever has an older copy of the file and the old key can still read
    /// it, and what is written later, too. If that is to be feared, [copy](crate::migrate::copy) everything into a
    /// new store, and rotate the secrets themselves.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn change_master(&self, master: &MasterKey) -> Result<(), StoreError> {
        let master = master.clone();
        self.run("change the master key of", move |inner| {
            inner.records.change_master(&master)
        })
        .await
    }

    /// Returns the latest operations, oldest first, at most [`AUDIT_KEPT`].
    #[must_use]
    pub fn audit(&self) -> Vec<AuditEntry> {
        self.0.audit.entries()
    }

    fn load(records: Records) -> Result<Self, StoreError> {
        let grants = Grants::load(&records)?;
        Ok(Self(Arc::new(Inner {
            records,
            grants,
            audit: Audit::default(),
        })))
    }

    /// Runs work on the file where it may block.
    async fn run<T, F>(&self, action: &'static str, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Inner) -> Result<T, StoreError> + Send + 'static,
    {
        let inner = Arc::clone(&self.0);
        match tokio::task::spawn_blocking(move || work(&inner)).await {
            Ok(result) => result,
            // The panic's own text is not passed on: nobody knows what is in it.
            Err(stopped) => Err(StoreError::Bug {
                action: format!("{action} {}", self.0.records.label),
                reason: if stopped.is_panic() {
                    "the work panicked"
                } else {
                    "the work was cancelled"
                }
                .to_owned(),
            }),
        }
    }

    fn note(&self, operation: Operation, path: &SecretPath) {
        self.0.audit.record(None, operation, path, true);
    }

    fn admit(
        &self,
        principal: &Principal,
        operation: Operation,
        path: &SecretPath,
    ) -> Result<(), StoreError> {
        let (needed, action) = match operation {
            Operation::Read => (GrantLevel::Read, "read"),
            Operation::Write | Operation::Delete => (GrantLevel::Write, "write"),
        };
        let allowed = self.0.grants.allow(principal, path, needed);
        self.0.audit.record(Some(principal), operation, path, allowed);
        if allowed {
            Ok(())
        } else {
            Err(StoreError::Denied {
                principal: principal.clone(),
                action,
                path: path.clone(),
            })
        }
    }

    async fn get(&self, path: &SecretPath, version: Option<u64>) -> Result<Option<Versioned>, StoreError> {
        let path = path.clone();
        self.run("read", move |inner| secrets::read(&inner.records, &path, version))
            .await
    }

    async fn put(
        &self,
        path: &SecretPath,
        values: BTreeMap<String, Secret>,
        expect: Expect,
    ) -> Result<Written, StoreError> {
        check_values(path, &values)?;
        let path = path.clone();
        self.run("write", move |inner| {
            secrets::write(&inner.records, &path, &values, expect)
        })
        .await
    }
}

impl fmt::Debug for LocalStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalStore").finish_non_exhaustive()
    }
}

#[async_trait]
impl SecretStore for LocalStore {
    fn name(&self) -> &'static str {
        "local"
    }

    async fn read(&self, path: &SecretPath) -> Result<Option<Versioned>, StoreError> {
        self.note(Operation::Read, path);
        self.get(path, None).await
    }

    async fn read_version(&self, path: &SecretPath, version: u64) -> Result<Option<Versioned>, StoreError> {
        self.note(Operation::Read, path);
        self.get(path, Some(version)).await
    }

    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionInfo>, StoreError> {
        let path = path.clone();
        self.run("read", move |inner| secrets::versions(&inner.records, &path))
            .await
    }

    async fn write(
        &self,
        path: &SecretPath,
        values: BTreeMap<String, Secret>,
        expect: Expect,
    ) -> Result<Written, StoreError> {
        self.note(Operation::Write, path);
        self.put(path, values, expect).await
    }

    async fn remove_version(&self, path: &SecretPath, version: u64) -> Result<(), StoreError> {
        self.note(Operation::Delete, path);
        let path = path.clone();
        self.run("write", move |inner| {
            secrets::remove_version(&inner.records, &path, version)
        })
        .await
    }

    async fn delete(&self, path: &SecretPath) -> Result<(), StoreError> {
        self.note(Operation::Delete, path);
        let path = path.clone();
        self.run("write", move |inner| secrets::delete(&inner.records, &path))
            .await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<SecretPath>, StoreError> {
        let prefix = check_prefix(prefix)?.to_owned();
        self.run("list", move |inner| secrets::list(&inner.records, &prefix))
            .await
    }

    async fn converge_grants(
        &self,
        scope: &GrantScope,
        wanted: &BTreeSet<Grant>,
    ) -> Result<GrantChange, StoreError> {
        let (scope, wanted) = (scope.clone(), wanted.clone());
        self.run("write", move |inner| {
            inner.grants.converge(&inner.records, &scope, &wanted)
        })
        .await
    }

    async fn grants(&self, scope: &GrantScope) -> Result<BTreeSet<Grant>, StoreError> {
        Ok(self.0.grants.of(scope))
    }

    async fn grant_scopes(&self) -> Result<Vec<GrantScope>, StoreError> {
        Ok(self.0.grants.scopes())
    }

    async fn read_as(
        &self,
        principal: &Principal,
        path: &SecretPath,
    ) -> Result<Option<Versioned>, StoreError> {
        self.admit(principal, Operation::Read, path)?;
        self.get(path, None).await
    }

    async fn write_as(
        &self,
        principal: &Principal,
        path: &SecretPath,
        values: BTreeMap<String, Secret>,
        expect: Expect,
    ) -> Result<Written, StoreError> {
        self.admit(principal, Operation::Write, path)?;
        self.put(path, values, expect).await
    }

    async fn digest(&self, reference: &SecretRef) -> Result<Option<SecretDigest>, StoreError> {
        let found = self.read(&reference.path).await?;
        Ok(found.and_then(|found| {
            let value = found.values.get(&reference.key)?;
            Some(self.0.records.keys.digest.digest(reference, found.version, value))
        }))
    }
}
