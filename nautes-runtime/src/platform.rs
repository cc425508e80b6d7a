//! The composition: one value that holds every part of an installation, and what can be asked of it.
//!
//! A binary fills [`Platform::builder`] from settings, `nautes local` with the local twins, an embedder with
//! parts of his own. The parts are values that are passed down; nothing is global. Cloning is cheap.
//!
//! # Guarantees
//! * Building touches nothing outside: no part is asked before a method is called.
//! * Reading scopes uses the platform's own session; a caller's credential never comes here.

pub mod builder;
mod judging;
pub mod machine;
pub mod mirrors;
pub mod observing;
pub mod paths;
pub mod planning;
pub mod reading;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nautes_gitops::{GitHost, Publisher, RepoPath};
use nautes_validate::RuleSet;
use nautes_vault::SecretStore;
use nautes_vault::rotation::Policy;
use url::Url;

use crate::clusters::ClusterAccess;
use crate::engine::Engines;

pub use builder::{BuildError, PlatformBuilder};
pub use mirrors::Mirrors;
pub use observing::Observed;
pub use planning::PlanError;
pub use reading::ReadError;

/// The tenant: the one organisation that an installation serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantSettings {
    /// Its name.
    pub name: String,
    /// The namespace of the tenant cluster in which its resources are projected.
    pub namespace: String,
    /// The repository in which it is declared.
    pub repo: RepoPath,
    /// The branch that counts, in the tenant's repository and in those of products.
    pub branch: String,
}

impl TenantSettings {
    /// The settings that most installations have: namespace `nautes`, branch `main`.
    #[must_use]
    pub fn new(name: impl Into<String>, repo: RepoPath) -> Self {
        Self {
            name: name.into(),
            namespace: "nautes".to_owned(),
            repo,
            branch: "main".to_owned(),
        }
    }
}

/// How often and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How often repositories are looked at without a hint.
    pub poll: Duration,
    /// How often everything is compared with what is declared, without anything having changed.
    pub resync: Duration,
    /// How often deployed objects are compared with their manifests.
    pub heal: Duration,
    /// How long a forge or the secret store may take for one step.
    pub call: Duration,
    /// How long one cluster may take for one pass.
    pub cluster: Duration,
    /// The wait before the first repetition of what failed; it doubles up to `resync`.
    pub retry: Duration,
}

impl Timing {
    /// For an installation with a network in between.
    pub const STANDARD: Self = Self {
        poll: Duration::from_secs(60),
        resync: Duration::from_secs(300),
        heal: Duration::from_secs(30),
        call: Duration::from_secs(30),
        cluster: Duration::from_secs(120),
        retry: Duration::from_secs(2),
    };

    /// For one machine, where looking costs next to nothing.
    pub const LOCAL: Self = Self {
        poll: Duration::from_secs(2),
        resync: Duration::from_secs(30),
        heal: Duration::from_secs(1),
        call: Duration::from_secs(10),
        cluster: Duration::from_secs(30),
        retry: Duration::from_millis(250),
    };
}

/// When the credentials that Nautes makes for repositories are replaced, beside what manifests ask for
/// ([`nautes_model::annotation`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// By which age, and how long the ones before go on working.
    pub policy: Policy,
    /// How long a new access token for the forge's API works, in whole days; `None` makes no such tokens. They are replaced
    /// when a third of it is left. GitLab allows 365 days.
    pub access_tokens: Option<Duration>,
}

/// An installation of Nautes: every part, composed.
#[derive(Clone)]
pub struct Platform {
    inner: Arc<Inner>,
}

struct Inner {
    host: Arc<dyn GitHost>,
    store: Arc<dyn SecretStore>,
    tenant: TenantSettings,
    tenant_cluster: kube::Client,
    clusters: Arc<dyn ClusterAccess>,
    engines: Engines,
    rules: RuleSet,
    publisher: Publisher,
    readings: reading::Readings,
    rounds: observing::Rounds,
    verdict: judging::Verdict,
    mirrors: Mirrors,
    webhook_url: Url,
    timing: Timing,
    rotation: Rotation,
    grace: Duration,
}

impl Platform {
    /// Begins a composition.
    #[must_use]
    pub fn builder() -> PlatformBuilder {
        PlatformBuilder::default()
    }

    /// Returns the forge.
    #[must_use]
    pub fn host(&self) -> &Arc<dyn GitHost> {
        &self.inner.host
    }

    /// Returns the secret store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn SecretStore> {
        &self.inner.store
    }

    /// Returns the tenant.
    #[must_use]
    pub fn tenant(&self) -> &TenantSettings {
        &self.inner.tenant
    }

    /// Returns a client of the tenant cluster.
    #[must_use]
    pub fn tenant_cluster(&self) -> &kube::Client {
        &self.inner.tenant_cluster
    }

    /// Returns the way to host and runtime clusters.
    #[must_use]
    pub fn clusters(&self) -> &Arc<dyn ClusterAccess> {
        &self.inner.clusters
    }

    /// Returns the engines.
    #[must_use]
    pub fn engines(&self) -> &Engines {
        &self.inner.engines
    }

    /// Returns the rules by which declarations are judged.
    #[must_use]
    pub fn rules(&self) -> &RuleSet {
        &self.inner.rules
    }

    /// Returns the publisher: the only road by which Nautes writes to repositories. All handles of one platform
    /// take turns on each repository.
    #[must_use]
    pub fn publisher(&self) -> &Publisher {
        &self.inner.publisher
    }

    /// Returns the mirrors of repositories on this machine.
    #[must_use]
    pub fn mirrors(&self) -> &Mirrors {
        &self.inner.mirrors
    }

    /// Returns the folder of the mirrors.
    #[must_use]
    pub fn mirrors_dir(&self) -> &Path {
        self.inner.mirrors.dir()
    }

    /// Returns the address at which the forge reaches the webhook receiver, without `/hooks`.
    #[must_use]
    pub fn webhook_url(&self) -> &Url {
        &self.inner.webhook_url
    }

    /// Returns how often and how long.
    #[must_use]
    pub fn timing(&self) -> Timing {
        self.inner.timing
    }

    /// The usual time for which something is kept that nobody asked to be deleted: a week.
    pub const GRACE: Duration = Duration::from_secs(7 * 86_400);

    /// Returns how long something is kept that nobody asked to be deleted.
    #[must_use]
    pub fn grace(&self) -> Duration {
        self.inner.grace
    }

    /// Returns when credentials of repositories are replaced.
    #[must_use]
    pub fn rotation(&self) -> Rotation {
        self.inner.rotation
    }
}

impl fmt::Debug for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Platform")
            .field("host", &self.inner.host)
            .field("store", &self.inner.store)
            .field("tenant", &self.inner.tenant)
            .field("clusters", &self.inner.clusters)
            .field("mirrors", &self.inner.mirrors)
            .field("timing", &self.inner.timing)
            .finish_non_exhaustive()
    }
}
