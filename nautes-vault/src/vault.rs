//! The secret store in Vault, and in OpenBao, which has the same protocol.
//!
//! Secrets are in KV engines of version 2, one for each first segment of a path; who may read them follows from
//! policies and from roles of the Kubernetes auth method (or the JWT one), one auth mount for each cluster. Mounts,
//! paths, keys and policies are called as existing installations have them ([`names`], [`keys`](crate::keys)).
//!
//! # Guarantees
//! * **Absent is confirmed.** Only an empty "not found" of an engine that was seen to be a KV engine of version 2
//!   means that a secret is not there. A missing mount, a proxy's error page, a sealed server are errors.
//! * **Nothing twice.** Requests are sent again only where executing them twice is the same as once, or where the
//!   server certainly did not execute them.
//! * **Nothing foreign.** Policies and roles that Nautes has not made are not touched, unless `adopt` is set.
//! * **Nothing shown.** The libraries below run without a log, and errors hold nothing of a body that had a secret.
//!
//! # Caveats
//! * A version that was removed stays the newest of the server: whoever asks the server itself for the latest one,
//!   and not through this store, finds nothing until the next write.
//! * A secret may be 4 MiB large, a server may take less: raft storage has 1 MiB (`max_entry_size`).
//! * Service accounts are bound by the label of their product's namespaces, which OpenBao knows, and Vault from 1.16.

pub mod checkup;
mod cluster;
mod codec;
mod fault;
mod grants;
mod jwks;
mod link;
mod logins;
pub mod names;
mod own;
mod policy;
mod record;
mod role;
mod secrets;
mod seen;
mod settings;
pub mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use nautes_model::Secret;
use nautes_model::name::ClusterName;
use nautes_model::secret::{Grant, GrantLevel, GrantScope, Principal, SecretPath, SecretRef};
use serde_json::json;
use tokio::sync::OnceCell;
use vaultrs::api;

pub use self::checkup::Checkup;
pub use self::cluster::{ClusterAuth, ClusterIssuer, IssuerKeys};
pub(crate) use self::codec::encoded;
pub use self::jwks::KeysError;
pub use self::logins::{ClusterLogins, Judges};
pub use self::settings::{ENGINES, Home, Login, POD_TOKEN, Pace, VaultSettings};

use self::fault::Fault;
use self::link::{Ask, Link};
use self::own::{Mounted, Own};
use self::record::{ENGINE, OWN};
use self::secrets::Place;
use crate::digest::DigestKey;
use crate::store::{check_prefix, check_values};
use crate::{Expect, GrantChange, SecretDigest, SecretStore, StoreError, VersionInfo, Versioned, Written};

/// How often a new engine is asked whether it is ready.
const READY: u32 = 50;

/// A secret store in Vault or OpenBao. Clones share the login, which ends with the last of them.
#[derive(Clone)]
pub struct VaultStore(Arc<Inner>);

struct Inner {
    link: Arc<Link>,
    /// The engines that were seen to be what they must be.
    seen: Mutex<BTreeSet<&'static str>>,
    digest_key: OnceCell<DigestKey>,
}

impl VaultStore {
    /// Prepares the way to a server; it need not answer yet. The first request logs in.
    ///
    /// # Errors
    /// A setting cannot be used.
    pub fn new(settings: VaultSettings) -> Result<Self, StoreError> {
        Ok(Self(Arc::new(Inner {
            link: Link::new(settings)?,
            seen: Mutex::new(BTreeSet::new()),
            digest_key: OnceCell::new(),
        })))
    }

    /// Enables the engines that are missing. What is there is left as it is.
    ///
    /// # Errors
    /// Something else is mounted there ([`StoreError::NoEngine`]); the server does not answer, or does not allow it.
    pub async fn prepare(&self) -> Result<(), StoreError> {
        let link = &self.0.link;
        let action = "enable the engines for secrets";
        let mounted = link
            .call(Ask::PLAIN, |client| async move {
                let request = Own::<BTreeMap<String, Mounted>>::get("sys/mounts");
                api::exec_with_result(&*client, request).await
            })
            .await
            .map_err(|fault| link.error(action, fault))?;
        for engine in ENGINES {
            let mount = link.settings.mount(engine);
            if let Some(found) = mounted.get(&format!("{mount}/")) {
                self.judge(engine, found)?;
                continue;
            }
            let body = json!({"type": "kv", "options": {"version": "2"}, "description": "Secrets of Nautes"});
            let enabled = link.call(Ask::PLAIN, |client| {
                let request = Own::<()>::post(format!("sys/mounts/{mount}"), body.clone());
                async move { api::exec_with_empty(&*client, request).await }
            });
            match enabled.await {
                // Another process was faster.
                Err(Fault::Refused(400, text)) if text.contains("already in use") => {}
                outcome => outcome.map_err(|fault| link.error(action, fault))?,
            }
            // A new engine takes a moment, longer than the attempts of one request.
            for left in (0..READY).rev() {
                match secrets::names(link, engine, "").await {
                    Err(Fault::NotYet) if left > 0 => {}
                    outcome => {
                        outcome.map_err(|fault| link.error(action, fault))?;
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Tells the server how to ask a cluster about the service accounts that log in on its mount, and enables the
    /// mount if it is not there. The server does not tell the reviewer's token again, so this always writes.
    ///
    /// # Errors
    /// Another method is mounted there ([`StoreError::Foreign`]); the server does not answer, or does not allow it.
    pub async fn configure_cluster(
        &self,
        cluster: &ClusterName,
        auth: &ClusterAuth,
    ) -> Result<(), StoreError> {
        cluster::configure(&self.0.link, cluster, auth).await
    }

    /// Tells the server by which keys the tokens of a cluster are signed whose accounts log in by the JWT method
    /// ([`VaultSettings::jwt_clusters`]), and enables the mount if it is not there. Returns whether it was told something
    /// else before; otherwise nothing is written. The server need not reach the cluster where the keys are given themselves.
    ///
    /// # Errors
    /// The settings do not say so of the cluster, or its mount is of the other method ([`StoreError::BadSetting`]); another
    /// method is mounted there ([`StoreError::Foreign`]); the server does not answer, does not reach the keys, or does not
    /// allow it.
    pub async fn trust_cluster(
        &self,
        cluster: &ClusterName,
        issuer: &ClusterIssuer,
    ) -> Result<bool, StoreError> {
        cluster::trust(&self.0.link, cluster, issuer).await
    }

    /// Removes the auth mount of a cluster that is gone, with the roles that Nautes made there. It is `false` if
    /// the mount stays, since it has roles of others.
    ///
    /// # Errors
    /// Another method is mounted there ([`StoreError::Foreign`]); the server does not answer, or does not allow it.
    pub async fn retire_cluster(&self, cluster: &ClusterName) -> Result<bool, StoreError> {
        cluster::retire(&self.0.link, cluster).await
    }

    /// Ends the login: a token that Nautes got is revoked. A later request logs in again.
    ///
    /// # Errors
    /// The server does not answer; the token ends by itself then.
    pub async fn log_out(&self) -> Result<(), StoreError> {
        let link = &self.0.link;
        link.log_out()
            .await
            .map_err(|fault| link.error("revoke the token of Nautes", fault))
    }

    /// Checks that a path is one of ours, and its engine what it must be.
    async fn place(&self, path: &SecretPath) -> Result<Place, StoreError> {
        if path.as_str() == OWN
            || path
                .as_str()
                .strip_prefix(OWN)
                .is_some_and(|rest| rest.starts_with('/'))
        {
            return Err(StoreError::Reserved {
                path: path.clone(),
                below: OWN,
            });
        }
        self.engine(path.engine()).await?;
        Ok(Place::of(&self.0.link, path))
    }

    /// Checks once that an engine is a KV engine of version 2: version 1 answers the same requests, and finds
    /// nothing.
    async fn engine(&self, name: &str) -> Result<&'static str, StoreError> {
        let link = &self.0.link;
        let no_engine = |reason: &str| StoreError::NoEngine {
            engine: link.settings.mount(name),
            store: link.settings.label(),
            reason: reason.to_owned(),
        };
        let Some(engine) = ENGINES.into_iter().find(|engine| *engine == name) else {
            return Err(no_engine("Nautes has the engines cluster, git, repo and tenant"));
        };
        if self
            .0
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(engine)
        {
            return Ok(engine);
        }
        let path = format!("sys/internal/ui/mounts/{}", link.settings.mount(engine));
        let found = link.call(Ask::PLAIN, |client| {
            let request = Own::<Mounted>::get(path.clone());
            async move { api::exec_with_result(&*client, request).await }
        });
        match found.await {
            Ok(found) => self.judge(engine, &found)?,
            Err(Fault::Denied) => {
                return Err(no_engine(
                    "nothing is mounted there, or the login of Nautes may not use it",
                ));
            }
            Err(fault) => return Err(link.error(format!("look at the engine {engine}"), fault)),
        }
        self.0
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(engine);
        Ok(engine)
    }

    fn judge(&self, engine: &str, found: &Mounted) -> Result<(), StoreError> {
        let version = found.options.as_ref().and_then(|options| options.get("version"));
        if found.kind == "kv" && version.is_some_and(|version| version == "2") {
            return Ok(());
        }
        Err(StoreError::NoEngine {
            engine: self.0.link.settings.mount(engine),
            store: self.0.link.settings.label(),
            reason: "it is no KV engine of version 2".to_owned(),
        })
    }

    fn failed(&self, action: &str, path: &SecretPath) -> impl FnOnce(Fault) -> StoreError {
        let (link, action) = (Arc::clone(&self.0.link), format!("{action} {path}"));
        move |fault| link.error(action, fault)
    }

    async fn admit(
        &self,
        principal: &Principal,
        path: &SecretPath,
        level: GrantLevel,
    ) -> Result<(), StoreError> {
        self.place(path).await?;
        let action = match level {
            GrantLevel::Read => "read",
            GrantLevel::Write => "write",
        };
        let allowed = grants::allows(&self.0.link, principal, path, level).await;
        if allowed.map_err(self.failed("look who may use", path))? {
            Ok(())
        } else {
            Err(StoreError::Denied {
                principal: principal.clone(),
                action,
                path: path.clone(),
            })
        }
    }

    /// Returns the key of the digests. The first who needs it makes it; all processes share it.
    async fn digest_key(&self) -> Result<&DigestKey, StoreError> {
        const KEY: &str = "key";
        let link = &self.0.link;
        let made = || async {
            self.engine(ENGINE).await?;
            let failed = |fault| link.error("read the key of the digests", fault);
            let place = Place::new(link, ENGINE, "nautes/digest");
            loop {
                let state = secrets::state(link, &place).await.map_err(failed)?;
                if let Some(key) = state.current.as_ref().and_then(|current| current.values.get(KEY)) {
                    return Ok(DigestKey::derive(key.expose()));
                }
                let random: [u8; 32] = rand::random();
                let values = BTreeMap::from([(KEY.to_owned(), Secret::new(random))]);
                match secrets::put(link, &place, state.highest, &values).await {
                    Ok(_) | Err(Fault::Mismatch) => {}
                    Err(fault) => return Err(failed(fault)),
                }
            }
        };
        self.0.digest_key.get_or_try_init(made).await
    }
}

impl fmt::Debug for VaultStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = self.0.link.settings.label();
        f.debug_tuple("VaultStore").field(&label).finish()
    }
}

#[async_trait]
impl SecretStore for VaultStore {
    fn name(&self) -> &'static str {
        "vault"
    }

    fn logins(&self) -> Option<&dyn ClusterLogins> {
        Some(self)
    }

    async fn read(&self, path: &SecretPath) -> Result<Option<Versioned>, StoreError> {
        let place = self.place(path).await?;
        let state = secrets::state(&self.0.link, &place).await;
        Ok(state.map_err(self.failed("read", path))?.current)
    }

    async fn read_version(&self, path: &SecretPath, version: u64) -> Result<Option<Versioned>, StoreError> {
        let place = self.place(path).await?;
        let found = secrets::version(&self.0.link, &place, version).await;
        found.map_err(self.failed("read", path))
    }

    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionInfo>, StoreError> {
        let place = self.place(path).await?;
        let found = secrets::versions(&self.0.link, &place).await;
        found.map_err(self.failed("list the versions of", path))
    }

    async fn write(
        &self,
        path: &SecretPath,
        values: BTreeMap<String, Secret>,
        expect: Expect,
    ) -> Result<Written, StoreError> {
        check_values(path, &values)?;
        self.place(path).await?;
        secrets::write(&self.0.link, path, &values, expect).await
    }

    async fn remove_version(&self, path: &SecretPath, version: u64) -> Result<(), StoreError> {
        let place = self.place(path).await?;
        let removed = secrets::remove_version(&self.0.link, &place, version).await;
        removed.map_err(self.failed("remove a version of", path))
    }

    async fn delete(&self, path: &SecretPath) -> Result<(), StoreError> {
        let place = self.place(path).await?;
        let deleted = secrets::delete(&self.0.link, &place).await;
        deleted.map_err(self.failed("delete", path))
    }

    async fn list(&self, prefix: &str) -> Result<Vec<SecretPath>, StoreError> {
        let prefix = check_prefix(prefix)?;
        let engines: Vec<&str> = match prefix.split('/').next() {
            None | Some("") => ENGINES.to_vec(),
            Some(engine) => vec![engine],
        };
        let mut paths = Vec::new();
        for engine in engines {
            self.engine(engine).await?;
            let prefix = if prefix.is_empty() { engine } else { prefix };
            let listed = secrets::list(&self.0.link, prefix).await;
            paths.extend(listed.map_err(|fault| self.0.link.error(format!("list {prefix}"), fault))?);
        }
        let own = format!("{OWN}/");
        paths.retain(|path: &SecretPath| !path.as_str().starts_with(&own));
        Ok(paths)
    }

    async fn converge_grants(
        &self,
        scope: &GrantScope,
        wanted: &BTreeSet<Grant>,
    ) -> Result<GrantChange, StoreError> {
        self.engine(ENGINE).await?;
        grants::converge(&self.0.link, scope, wanted).await
    }

    async fn grants(&self, scope: &GrantScope) -> Result<BTreeSet<Grant>, StoreError> {
        self.engine(ENGINE).await?;
        grants::in_force(&self.0.link, scope).await
    }

    async fn grant_scopes(&self) -> Result<Vec<GrantScope>, StoreError> {
        self.engine(ENGINE).await?;
        let link = &self.0.link;
        let found = async {
            let records = record::read_all(link, record::scopes(link, None).await?).await?;
            let busy = records
                .into_iter()
                .filter(|(_, r)| !r.grants.is_empty() || !r.leaving.is_empty());
            Ok(busy.map(|(scope, _)| scope).collect())
        };
        found
            .await
            .map_err(|fault| link.error("list the scopes of grants", fault))
    }

    async fn read_as(
        &self,
        principal: &Principal,
        path: &SecretPath,
    ) -> Result<Option<Versioned>, StoreError> {
        self.admit(principal, path, GrantLevel::Read).await?;
        self.read(path).await
    }

    async fn write_as(
        &self,
        principal: &Principal,
        path: &SecretPath,
        values: BTreeMap<String, Secret>,
        expect: Expect,
    ) -> Result<Written, StoreError> {
        self.admit(principal, path, GrantLevel::Write).await?;
        self.write(path, values, expect).await
    }

    async fn digest(&self, reference: &SecretRef) -> Result<Option<SecretDigest>, StoreError> {
        let Some(found) = self.read(&reference.path).await? else {
            return Ok(None);
        };
        let Some(value) = found.values.get(&reference.key) else {
            return Ok(None);
        };
        Ok(Some(self.digest_key().await?.digest(
            reference,
            found.version,
            value,
        )))
    }
}
