//! A forge and a store that fail when they are told to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use nautes_gitops::host::Poke;
use nautes_gitops::host::local::LocalForge;
use nautes_gitops::{GitHost, HostError, Session};
use nautes_model::Secret;
use nautes_model::secret::{Grant, GrantScope, Principal, SecretPath, SecretRef};
use nautes_vault::local::LocalStore;
use nautes_vault::{
    Expect, GrantChange, SecretDigest, SecretStore, StoreError, VersionInfo, Versioned, Written,
};
use tokio::sync::{broadcast, watch};

/// How a system behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Fine,
    /// Nobody answers.
    Down,
    /// The platform's own session is given when the mood changes.
    Held,
}

/// A forge with moods.
#[derive(Debug)]
pub(crate) struct MoodyForge {
    inner: LocalForge,
    mood: watch::Sender<Mood>,
}

impl MoodyForge {
    pub(crate) fn new(inner: LocalForge) -> Self {
        Self {
            inner,
            mood: watch::Sender::new(Mood::Fine),
        }
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    /// Waits until somebody waits for the forge.
    pub(crate) async fn somebody_waits(&self) {
        while self.mood.receiver_count() == 0 {
            tokio::task::yield_now().await;
        }
    }

    fn down(&self) -> Result<(), HostError> {
        if *self.mood.borrow() == Mood::Down {
            return Err(HostError::Unreachable {
                host: "forge".to_owned(),
                action: "asking".to_owned(),
                source: "connect to 10.66.0.7:443: refused".into(),
            });
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl GitHost for MoodyForge {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn provider_type(&self) -> &str {
        self.inner.provider_type()
    }

    async fn session(&self, credential: &Secret) -> Result<Arc<dyn Session>, HostError> {
        self.down()?;
        self.inner.session(credential).await
    }

    async fn platform(&self) -> Result<Arc<dyn Session>, HostError> {
        let mut mood = self.mood.subscribe();
        let _ = mood.wait_for(|mood| *mood != Mood::Held).await;
        self.down()?;
        self.inner.platform().await
    }

    fn subscribe(&self) -> broadcast::Receiver<Poke> {
        self.inner.subscribe()
    }
}

/// A store with moods.
#[derive(Debug)]
pub(crate) struct MoodyStore {
    inner: Arc<LocalStore>,
    mood: watch::Sender<Mood>,
}

impl MoodyStore {
    pub(crate) fn new(inner: Arc<LocalStore>) -> Self {
        Self {
            inner,
            mood: watch::Sender::new(Mood::Fine),
        }
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    async fn up(&self) -> Result<&LocalStore, StoreError> {
        let mut mood = self.mood.subscribe();
        let _ = mood.wait_for(|mood| *mood != Mood::Held).await;
        if *self.mood.borrow() == Mood::Down {
            return Err(StoreError::Unreachable {
                action: "ask https://vault.internal:8200".to_owned(),
                source: "connect to 10.66.0.8:8200: refused".into(),
            });
        }
        Ok(&self.inner)
    }
}

#[async_trait::async_trait]
impl SecretStore for MoodyStore {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    async fn read(&self, path: &SecretPath) -> Result<Option<Versioned>, StoreError> {
        self.up().await?.read(path).await
    }

    async fn read_version(&self, path: &SecretPath, version: u64) -> Result<Option<Versioned>, StoreError> {
        self.up().await?.read_version(path, version).await
    }

    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionInfo>, StoreError> {
        self.up().await?.versions(path).await
    }

    async fn write(
        &self,
        path: &SecretPath,
        values: BTreeMap<String, Secret>,
        expect: Expect,
    ) -> Result<Written, StoreError> {
        self.up().await?.write(path, values, expect).await
    }

    async fn remove_version(&self, path: &SecretPath, version: u64) -> Result<(), StoreError> {
        self.up().await?.remove_version(path, version).await
    }

    async fn delete(&self, path: &SecretPath) -> Result<(), StoreError> {
        self.up().await?.delete(path).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<SecretPath>, StoreError> {
        self.up().await?.list(prefix).await
    }

    async fn converge_grants(
        &self,
        scope: &GrantScope,
        wanted: &BTreeSet<Grant>,
    ) -> Result<GrantChange, StoreError> {
        self.up().await?.converge_grants(scope, wanted).await
    }

    async fn grants(&self, scope: &GrantScope) -> Result<BTreeSet<Grant>, StoreError> {
        self.up().await?.grants(scope).await
    }

    async fn grant_scopes(&self) -> Result<Vec<GrantScope>, StoreError> {
        self.up().await?.grant_scopes().await
    }

    async fn read_as(&self, who: &Principal, path: &SecretPath) -> Result<Option<Versioned>, StoreError> {
        self.up().await?.read_as(who, path).await
    }

    async fn write_as(
        &self,
        who: &Principal,
        path: &SecretPath,
        values: BTreeMap<String, Secret>,
        expect: Expect,
    ) -> Result<Written, StoreError> {
        self.up().await?.write_as(who, path, values, expect).await
    }

    async fn digest(&self, reference: &SecretRef) -> Result<Option<SecretDigest>, StoreError> {
        self.up().await?.digest(reference).await
    }
}
