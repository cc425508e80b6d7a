//! The store in Vault whose writes go through a vault-proxy: a service beside Vault with access lists of its own, which knows
//! its users by client certificates. Nautes then needs no rights at Vault but to read.
//!
//! # Guarantees
//! * Nothing is written but by the proxy, and each write is read back from Vault and compared.
//! * What a proxy cannot do is refused before anything is sent ([`SecretStore::lacks`], [`StoreError::Unsupported`]).
//!
//! # Caveats
//! * A proxy has no compare-and-swap: between processes a write can go over another. The loser is told
//!   ([`StoreError::Overwritten`]) and the version before stays in the history.
//! * It grants accounts of products to read what is there, and binds their roles to the namespace of the product; who else may
//!   log in is for others to say.

mod client;
mod grants;
mod place;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use nautes_model::Secret;
use nautes_model::name::ClusterName;
use nautes_model::secret::{Grant, GrantScope, Principal, SecretPath, SecretRef};
use serde_json::json;
use tokio::sync::{Mutex, OnceCell};

pub use self::client::ProxySettings;

use self::client::{Client, Fault};
use self::place::Place;
use crate::digest::DigestKey;
use crate::store::check_values;
use crate::vault::{ClusterAuth, ClusterLogins, VaultSettings, VaultStore};
use crate::{
    Expect, GrantChange, Promise, SecretDigest, SecretStore, StoreError, VersionInfo, Versioned, Written,
};

/// Where the key of the digests is: a proxy has places only for secrets of its kinds.
const DIGEST: &str = "git/nautes/digest/default/readonly";
const DIGEST_KEY: &str = "key";

/// A secret store that reads from Vault and writes by a vault-proxy. Clones share everything.
#[derive(Clone)]
pub struct ProxiedStore(Arc<Inner>);

struct Inner {
    vault: VaultStore,
    proxy: Client,
    /// One write at a time: this process does not race with itself.
    writing: Mutex<()>,
    digest_key: OnceCell<DigestKey>,
}

impl ProxiedStore {
    /// Prepares the way to both; neither need answer yet. `vault` is a login that may read.
    ///
    /// # Errors
    /// A setting cannot be used.
    pub fn new(vault: VaultSettings, proxy: &ProxySettings) -> Result<Self, StoreError> {
        let vault = VaultStore::new(vault)?;
        if !vault.has_plain_names() {
            return Err(StoreError::BadSetting {
                setting: "vault-prefix",
                reason: "a vault-proxy knows no prefix".to_owned(),
            });
        }
        Ok(Self(Arc::new(Inner {
            vault,
            proxy: Client::new(proxy)?,
            writing: Mutex::default(),
            digest_key: OnceCell::new(),
        })))
    }

    /// Tells Vault how to ask a cluster about the service accounts that log in there, and enables its auth mount.
    ///
    /// # Errors
    /// The proxy does not answer, or does not allow it; there is no reviewer, or it is no text.
    pub async fn configure_cluster(
        &self,
        cluster: &ClusterName,
        auth: &ClusterAuth,
    ) -> Result<(), StoreError> {
        let action = format!("configure the logins of cluster {cluster}");
        let reviewer = auth.reviewer.as_ref().and_then(|token| token.expose_str().ok());
        let Some(token) = reviewer else {
            return Err(unsupported(
                action,
                "a vault-proxy needs the token of a reviewer, as text",
            ));
        };
        let kubernetes = json!({"url": auth.host, "cabundle": auth.ca, "token": token});
        let body =
            json!({"cluster_name": cluster.as_str(), "auth_type": "kubernetes", "kubernetes": kubernetes});
        let done = self.proxy().post("auth", &body).await;
        done.map(drop).map_err(|fault| self.proxy().error(action, fault))
    }

    /// Ends the login at Vault.
    ///
    /// # Errors
    /// The server does not answer; the token ends by itself then.
    pub async fn log_out(&self) -> Result<(), StoreError> {
        self.vault().log_out().await
    }

    pub(crate) fn vault(&self) -> &VaultStore {
        &self.0.vault
    }

    fn proxy(&self) -> &Client {
        &self.0.proxy
    }

    /// Writes whatever is there, and returns the version. Whoever calls it holds the lock, and has looked at `before`.
    async fn put(
        &self,
        path: &SecretPath,
        values: &BTreeMap<String, Secret>,
        before: u64,
    ) -> Result<u64, StoreError> {
        let action = format!("write {path}");
        let place = Place::of(path).map_err(|reason| unsupported(action.clone(), reason))?;
        let body = place
            .body(values)
            .map_err(|reason| unsupported(action.clone(), reason))?;
        let sent = self.proxy().post(place.route(), &body).await;
        let version = match sent {
            Ok(answer) => answer["secret"]["version"].as_u64(),
            Err(fault @ (Fault::NoAnswer(_) | Fault::Answered(_))) => {
                // Nobody knows what became of it: Vault does.
                match self.vault().read(path).await? {
                    Some(found) if found.version > before && found.values == *values => Some(found.version),
                    _ => return Err(self.proxy().error(action, fault)),
                }
            }
            Err(fault) => return Err(self.proxy().error(action, fault)),
        };
        let version = match version {
            Some(version) => version,
            // A proxy that does not say it.
            None => self.vault().read(path).await?.map_or(0, |found| found.version),
        };
        let back = self.vault().read_version(path, version).await?;
        if back.is_none_or(|back| back.values != *values) {
            return Err(StoreError::Damaged {
                store: self.vault().label(),
                what: format!("{path} does not come back as it was given to the vault-proxy"),
                source: None,
            });
        }
        Ok(version)
    }

    async fn digest_key(&self) -> Result<&DigestKey, StoreError> {
        let made = || async {
            let path = SecretPath::new(DIGEST)
                .map_err(|_| unsupported("use the key of the digests".to_owned(), "its path is none"))?;
            let _one = self.0.writing.lock().await;
            if self.vault().read(&path).await?.is_none() {
                let random: [u8; 32] = rand::random();
                let values = BTreeMap::from([(DIGEST_KEY.to_owned(), Secret::new(random))]);
                self.put(&path, &values, 0).await?;
            }
            // Of two processes that make it at once both read the first version.
            let versions = self.vault().versions(&path).await?;
            let first = versions.first().map_or(1, |info| info.version);
            let found = self.vault().read_version(&path, first).await?;
            let key = found.and_then(|found| found.values.get(DIGEST_KEY).cloned());
            let key = key.ok_or_else(|| StoreError::Damaged {
                store: self.vault().label(),
                what: format!("{DIGEST} has no key of the digests"),
                source: None,
            })?;
            Ok(DigestKey::derive(key.expose()))
        };
        self.0.digest_key.get_or_try_init(made).await
    }
}

fn unsupported(action: String, reason: &str) -> StoreError {
    StoreError::Unsupported {
        action,
        reason: reason.to_owned(),
    }
}

/// Refuses the path of the store's own key.
fn check_path(path: &SecretPath) -> Result<(), StoreError> {
    if path.as_str() == DIGEST {
        return Err(StoreError::Reserved {
            path: path.clone(),
            below: DIGEST,
        });
    }
    Ok(())
}

impl fmt::Debug for ProxiedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProxiedStore")
            .field(&self.vault().label())
            .finish()
    }
}

#[async_trait]
impl SecretStore for ProxiedStore {
    fn name(&self) -> &'static str {
        "vault-proxy"
    }

    fn logins(&self) -> Option<&dyn ClusterLogins> {
        Some(self)
    }

    fn lacks(&self) -> &'static [Promise] {
        &[
            Promise::AtomicSwap,
            Promise::RemovedVersions,
            Promise::AnyPlace,
            Promise::AnyGrant,
        ]
    }

    async fn read(&self, path: &SecretPath) -> Result<Option<Versioned>, StoreError> {
        check_path(path)?;
        self.vault().read(path).await
    }

    async fn read_version(&self, path: &SecretPath, version: u64) -> Result<Option<Versioned>, StoreError> {
        check_path(path)?;
        self.vault().read_version(path, version).await
    }

    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionInfo>, StoreError> {
        check_path(path)?;
        self.vault().versions(path).await
    }

    async fn write(
        &self,
        path: &SecretPath,
        values: BTreeMap<String, Secret>,
        expect: Expect,
    ) -> Result<Written, StoreError> {
        check_values(path, &values)?;
        check_path(path)?;
        let _one = self.0.writing.lock().await;
        let current = self.vault().read(path).await?;
        let found = current.as_ref().map(|current| current.version);
        if !expect.holds(found) {
            return Err(StoreError::Conflict {
                path: path.clone(),
                expect,
                found,
            });
        }
        if let Some(current) = current
            && current.values == values
        {
            return Ok(Written {
                version: current.version,
                changed: false,
            });
        }
        let before = self.vault().versions(path).await?;
        let before = before.last().map_or(0, |info| info.version);
        let version = self.put(path, &values, before).await?;
        if expect != Expect::Any && version != before + 1 {
            return Err(StoreError::Overwritten {
                path: path.clone(),
                expect,
                version,
            });
        }
        Ok(Written {
            version,
            changed: true,
        })
    }

    async fn remove_version(&self, path: &SecretPath, version: u64) -> Result<(), StoreError> {
        check_path(path)?;
        let _one = self.0.writing.lock().await;
        let versions = self.vault().versions(path).await?;
        if !versions.iter().any(|info| info.version == version) {
            return Ok(());
        }
        let older = versions.iter().rev().find(|info| info.version < version);
        if versions.last().is_none_or(|last| last.version != version) {
            let reason = "a vault-proxy can undo the current version only";
            return Err(unsupported(format!("remove version {version} of {path}"), reason));
        }
        let Some(older) = older else {
            return self.remove(path).await;
        };
        let Some(found) = self.vault().read_version(path, older.version).await? else {
            return self.remove(path).await;
        };
        let now = self.put(path, &found.values, version).await?;
        if now != version + 1 {
            return Err(StoreError::Overwritten {
                path: path.clone(),
                expect: Expect::Version(version),
                version: now,
            });
        }
        Ok(())
    }

    async fn delete(&self, path: &SecretPath) -> Result<(), StoreError> {
        check_path(path)?;
        let _one = self.0.writing.lock().await;
        if self.vault().versions(path).await?.is_empty() {
            return Ok(());
        }
        self.remove(path).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<SecretPath>, StoreError> {
        let mut paths = self.vault().list(prefix).await?;
        paths.retain(|path| path.as_str() != DIGEST);
        Ok(paths)
    }

    async fn converge_grants(
        &self,
        scope: &GrantScope,
        wanted: &BTreeSet<Grant>,
    ) -> Result<GrantChange, StoreError> {
        let _one = self.0.writing.lock().await;
        grants::converge(self, scope, wanted).await
    }

    async fn grants(&self, scope: &GrantScope) -> Result<BTreeSet<Grant>, StoreError> {
        grants::in_force(self, scope).await
    }

    async fn grant_scopes(&self) -> Result<Vec<GrantScope>, StoreError> {
        grants::scopes(self).await
    }

    async fn read_as(
        &self,
        principal: &Principal,
        path: &SecretPath,
    ) -> Result<Option<Versioned>, StoreError> {
        check_path(path)?;
        if grants::allows(self, principal, path).await? {
            return self.read(path).await;
        }
        Err(denied(principal, "read", path))
    }

    async fn write_as(
        &self,
        principal: &Principal,
        path: &SecretPath,
        _values: BTreeMap<String, Secret>,
        _expect: Expect,
    ) -> Result<Written, StoreError> {
        // A proxy grants nobody to write.
        Err(denied(principal, "write", path))
    }

    async fn digest(&self, reference: &SecretRef) -> Result<Option<SecretDigest>, StoreError> {
        let Some(found) = self.read(&reference.path).await? else {
            return Ok(None);
        };
        let Some(value) = found.values.get(&reference.key) else {
            return Ok(None);
        };
        let key = self.digest_key().await?;
        Ok(Some(key.digest(reference, found.version, value)))
    }
}

impl ProxiedStore {
    /// Removes a secret with all versions. Whoever calls it holds the lock.
    async fn remove(&self, path: &SecretPath) -> Result<(), StoreError> {
        let action = format!("delete {path}");
        let place = Place::of(path).map_err(|reason| unsupported(action.clone(), reason))?;
        let (route, query) = place.deletion();
        match self.proxy().delete(&route, &query).await {
            Ok(_) | Err(Fault::Absent) => {}
            Err(fault) => return Err(self.proxy().error(action, fault)),
        }
        if self.vault().versions(path).await?.is_empty() {
            return Ok(());
        }
        Err(StoreError::Unreachable {
            action,
            source: "the vault-proxy says that it is gone, and Vault still has it".into(),
        })
    }
}

fn denied(principal: &Principal, action: &'static str, path: &SecretPath) -> StoreError {
    StoreError::Denied {
        principal: principal.clone(),
        action,
        path: path.clone(),
    }
}
