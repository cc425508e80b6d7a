//! Filling a composition.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nautes_gitops::{GitHost, Publisher};
use nautes_model::Class;
use nautes_validate::RuleSet;
use nautes_vault::SecretStore;
use url::Url;

use super::{Inner, Mirrors, Platform, Rotation, TenantSettings, Timing, judging, observing, reading};
use crate::clusters::ClusterAccess;
use crate::engine::Engines;

/// Why a composition cannot be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// A part without a default was not given.
    #[error("the platform has no {0}")]
    Missing(&'static str),
    /// A period of the timing is zero.
    #[error("a period of the timing is zero")]
    ZeroPeriod,
}

impl BuildError {
    /// Returns the class.
    #[must_use]
    pub const fn class(self) -> Class {
        Class::Invalid
    }
}

/// A composition that is being filled. Forge,
/// store, tenant, clusters, mirrors and the webhook address have to be given.
#[derive(Default)]
pub struct PlatformBuilder {
    host: Option<Arc<dyn GitHost>>,
    store: Option<Arc<dyn SecretStore>>,
    tenant: Option<TenantSettings>,
    tenant_cluster: Option<kube::Client>,
    clusters: Option<Arc<dyn ClusterAccess>>,
    engines: Option<Engines>,
    rules: Option<RuleSet>,
    publisher: Option<Publisher>,
    mirrors: Option<PathBuf>,
    webhook_url: Option<Url>,
    timing: Option<Timing>,
    rotation: Rotation,
    grace: Option<Duration>,
}

impl std::fmt::Debug for PlatformBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlatformBuilder")
            .field("host", &self.host)
            .field("store", &self.store)
            .field("tenant", &self.tenant)
            .field("clusters", &self.clusters)
            .field("mirrors", &self.mirrors)
            .field("timing", &self.timing)
            .finish_non_exhaustive()
    }
}

impl PlatformBuilder {
    /// Sets the forge.
    #[must_use]
    pub fn host(mut self, host: Arc<dyn GitHost>) -> Self {
        self.host = Some(host);
        self
    }

    /// Sets the secret store.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn SecretStore>) -> Self {
        self.store = Some(store);
        self
    }

    /// Sets the tenant.
    #[must_use]
    pub fn tenant(mut self, tenant: TenantSettings) -> Self {
        self.tenant = Some(tenant);
        self
    }

    /// Sets the client of the tenant cluster.
    #[must_use]
    pub fn tenant_cluster(mut self, client: kube::Client) -> Self {
        self.tenant_cluster = Some(client);
        self
    }

    /// Sets the way to host and runtime clusters.
    #[must_use]
    pub fn clusters(mut self, clusters: Arc<dyn ClusterAccess>) -> Self {
        self.clusters = Some(clusters);
        self
    }

    /// Sets the engines; [`Engines::bundled`] if they are not set.
    #[must_use]
    pub fn engines(mut self, engines: Engines) -> Self {
        self.engines = Some(engines);
        self
    }

    /// Sets the rules; [`RuleSet::standard`] with the components of the engines if they are not set.
    #[must_use]
    pub fn rules(mut self, rules: RuleSet) -> Self {
        self.rules = Some(rules);
        self
    }

    /// Sets the publisher, and so the name in which commits are made.
    #[must_use]
    pub fn publisher(mut self, publisher: Publisher) -> Self {
        self.publisher = Some(publisher);
        self
    }

    /// Sets the folder for mirrors of repositories. It holds nothing that cannot be fetched again.
    #[must_use]
    pub fn mirrors(mut self, dir: impl Into<PathBuf>) -> Self {
        self.mirrors = Some(dir.into());
        self
    }

    /// Sets the address at which the forge reaches the webhook receiver, without `/hooks`.
    #[must_use]
    pub fn webhook_url(mut self, url: Url) -> Self {
        self.webhook_url = Some(url);
        self
    }

    /// Sets how often and how long; [`Timing::STANDARD`] if it is not set.
    #[must_use]
    pub fn timing(mut self, timing: Timing) -> Self {
        self.timing = Some(timing);
        self
    }

    /// Sets when credentials of repositories are replaced; without it only when a manifest asks for it.
    #[must_use]
    pub const fn rotation(mut self, rotation: Rotation) -> Self {
        self.rotation = rotation;
        self
    }

    /// Sets how long what its manifest lets be deleted is kept on the forge, archived, when the manifest is gone and nobody
    /// asked for it; [`Platform::GRACE`] if it is not set.
    #[must_use]
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.grace = Some(grace);
        self
    }

    /// Puts the parts together.
    ///
    /// # Errors
    /// A part was not given, or a period is zero.
    pub fn build(self) -> Result<Platform, BuildError> {
        let timing = self.timing.unwrap_or(Timing::STANDARD);
        let Timing {
            poll,
            resync,
            heal,
            call,
            cluster,
            retry,
        } = timing;
        if [poll, resync, heal, call, cluster, retry]
            .iter()
            .any(Duration::is_zero)
        {
            return Err(BuildError::ZeroPeriod);
        }
        let engines = self.engines.unwrap_or_else(Engines::bundled);
        let inner = Inner {
            host: self.host.ok_or(BuildError::Missing("forge"))?,
            store: self.store.ok_or(BuildError::Missing("secret store"))?,
            tenant: self.tenant.ok_or(BuildError::Missing("tenant"))?,
            tenant_cluster: self
                .tenant_cluster
                .ok_or(BuildError::Missing("client of the tenant cluster"))?,
            clusters: self.clusters.ok_or(BuildError::Missing("access to clusters"))?,
            rules: self.rules.unwrap_or_else(|| rules_for(&engines)),
            engines,
            publisher: self.publisher.unwrap_or_default(),
            readings: reading::Readings::default(),
            rounds: observing::Rounds::default(),
            verdict: judging::Verdict::default(),
            mirrors: Mirrors::new(self.mirrors.ok_or(BuildError::Missing("folder for mirrors"))?),
            webhook_url: self
                .webhook_url
                .ok_or(BuildError::Missing("address of the webhook receiver"))?,
            timing,
            rotation: self.rotation,
            grace: self.grace.unwrap_or(Platform::GRACE),
        };
        Ok(Platform {
            inner: Arc::new(inner),
        })
    }
}

/// The standard rules, told which components have an engine here.
fn rules_for(engines: &Engines) -> RuleSet {
    let rules = RuleSet::standard();
    let mut facts = rules.facts().clone();
    for names in engines.names().into_values() {
        facts.engines.extend(names.into_iter().map(str::to_owned));
    }
    rules.with_facts(facts)
}
