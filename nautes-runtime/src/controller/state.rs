//! What the units share: what is known now, and what is to be done.
//!
//! All of it is derived: a new process builds it up from the repositories, the clusters and the tenant cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nautes_gitops::host::HookEvent;
use nautes_gitops::{RepoPath, RepoRef};
use nautes_model::kinds::pipeline_runtime::TriggerStatus;
use nautes_model::name::{ClusterName, ProductName};
use nautes_model::{Identity, Kind, Known, Scopes};
use nautes_validate::Access;
use tokio::sync::watch;

use super::facts::{Board, Facts, Source};
use super::logins::Configured;
use super::queue::Queue;
use super::readers::InLine;
use crate::apply;
use crate::plan::{Claims, Plan};
use crate::platform::{Observed, Platform, paths};

/// Something that is worked on as a whole, by one task at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Unit {
    /// Reading what is declared, and planning.
    World,
    /// The projection of what belongs to the tenant.
    Tenant,
    /// A cluster as such.
    Cluster(ClusterName),
    /// The projection of a product.
    Product(ProductName),
    /// The repositories of a product on the forge.
    Forge(ProductName),
    /// A product in a cluster.
    Apply(ProductName, ClusterName),
    /// A deployment runtime in a cluster.
    Deploy(Identity, ClusterName),
    /// What has to be looked at because a repository has changed.
    Poked(RepoPath),
    /// The events of a repository.
    Runs(Identity),
    /// Taking away what is left of a product that is declared no more.
    Retire(ProductName),
    /// The statuses of a product, or of what belongs to the tenant.
    Status(Option<ProductName>),
}

/// What comes after a unit was worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It is as it should be.
    Done,
    /// It is to be tried again, later each time.
    Retry,
}

impl Next {
    pub(crate) const fn unless(unfinished: bool) -> Self {
        if unfinished { Self::Retry } else { Self::Done }
    }
}

/// What is declared, as it was last read.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    pub(crate) observed: Observed,
    pub(crate) access: Arc<Access>,
}

impl World {
    pub(crate) fn scopes(&self) -> &Arc<Scopes> {
        &self.observed.scopes
    }

    /// Whether the tenant's repository was read at all. Until then nothing may be taken for gone.
    pub(crate) fn is_read(&self) -> bool {
        self.scopes().tenant.revision.is_some()
    }

    /// Whether the tenant's repository was read at the last look.
    pub(crate) fn knows_tenant(&self) -> bool {
        self.is_read() && self.observed.is_known(&RepoRef::Tenant)
    }
}

/// How far a deployment runtime has come in a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) cluster: String,
    /// The last revision of which every object was deployed.
    pub(crate) whole: Option<String>,
    /// The revision that is being deployed.
    pub(crate) deploying: Option<String>,
}

/// What is known of a cluster.
#[derive(Clone, Debug)]
pub(crate) struct ClusterState {
    pub(crate) claims: Known<Claims>,
    /// Whether it answered when it was last asked; `None` before that.
    pub(crate) answers: Option<bool>,
    /// The units that have an inventory there.
    pub(crate) units: BTreeSet<apply::Unit>,
    /// On whose behalf something is left there, by product, where that was looked at.
    pub(crate) owners: BTreeMap<ProductName, BTreeSet<Identity>>,
    pub(crate) cache: Arc<apply::Cache>,
    /// How many units work on it at once.
    pub(crate) turns: Arc<tokio::sync::Semaphore>,
}

impl Default for ClusterState {
    fn default() -> Self {
        Self {
            claims: Known::Unknown("nobody has asked it yet".to_owned()),
            answers: None,
            units: BTreeSet::new(),
            owners: BTreeMap::new(),
            cache: Arc::default(),
            turns: Arc::new(tokio::sync::Semaphore::new(8)),
        }
    }
}

/// Which repositories have to be read again.
#[derive(Debug, Default)]
pub(crate) struct Dirty {
    /// Everything, and every unit is to be worked on whether or not something is new.
    pub(crate) all: bool,
    pub(crate) repos: BTreeSet<RepoRef>,
}

/// Something that has happened to a repository and that its references do not show. A hint: what is started because of it
/// is read from the forge.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Hint {
    pub(crate) event: HookEvent,
    /// What it is about; the default branch where it does not say.
    pub(crate) reference: Option<String>,
    /// Of a merge request, where it comes from.
    pub(crate) source: Option<String>,
}

/// How many deliveries were answered how.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    pub(crate) accepted: AtomicU64,
    pub(crate) denied: AtomicU64,
    pub(crate) refused: AtomicU64,
}

/// How many writes were made.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    pub(crate) projection: AtomicU64,
    pub(crate) status: AtomicU64,
    pub(crate) forge: AtomicU64,
    pub(crate) grants: AtomicU64,
    pub(crate) objects: AtomicU64,
    pub(crate) runs: AtomicU64,
}

/// Counts writes.
pub(crate) fn count(counter: &AtomicU64, writes: u64) {
    counter.fetch_add(writes, Ordering::Relaxed);
}

/// What the units share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) platform: Platform,
    pub(crate) queue: Queue<Unit>,
    pub(crate) board: Board,
    pub(crate) writes: Writes,
    world: Mutex<Arc<World>>,
    pub(crate) plans: Mutex<BTreeMap<ProductName, Arc<Plan>>>,
    clusters: Mutex<BTreeMap<ClusterName, ClusterState>>,
    pub(crate) ids: Mutex<BTreeMap<Identity, u64>>,
    /// What each pipeline runtime has handled.
    pub(crate) handled: Mutex<BTreeMap<Identity, Vec<TriggerStatus>>>,
    /// What deliveries have said that is not handled yet, by repository.
    pub(crate) hints: Mutex<BTreeMap<Identity, BTreeSet<Hint>>>,
    pub(crate) deliveries: Deliveries,
    /// How far each deployment runtime has come.
    pub(crate) deployed: Mutex<BTreeMap<Identity, Standing>>,
    pub(crate) dirty: Mutex<Dirty>,
    /// The last failure of units that have failed.
    pub(crate) failures: Mutex<BTreeMap<Unit, String>>,
    /// Which repositories are to be followed.
    pub(crate) watched: watch::Sender<BTreeSet<RepoPath>>,
    /// Which clusters have every secret that they get, and since when.
    pub(crate) in_line: Mutex<InLine>,
    /// Until when the secret store knows how to ask each cluster.
    pub(crate) logins: Mutex<Configured>,
    forge_turns: Mutex<BTreeMap<ProductName, Arc<tokio::sync::Mutex<()>>>>,
}

/// Locks; a thread that panicked has left nothing half done in these maps.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn new(platform: Platform) -> Self {
        Self {
            platform,
            queue: Queue::default(),
            board: Board::default(),
            writes: Writes::default(),
            world: Mutex::default(),
            plans: Mutex::default(),
            clusters: Mutex::default(),
            ids: Mutex::default(),
            handled: Mutex::default(),
            hints: Mutex::default(),
            deliveries: Deliveries::default(),
            deployed: Mutex::default(),
            dirty: Mutex::default(),
            failures: Mutex::default(),
            watched: watch::Sender::new(BTreeSet::new()),
            in_line: Mutex::default(),
            logins: Mutex::default(),
            forge_turns: Mutex::default(),
        }
    }

    /// Returns the turn of a product's repositories. Making and retiring take it before they look at what is
    /// declared: a pass over an older state must not make a key that a newer one has forgotten.
    pub(crate) fn forge_turn(&self, product: &ProductName) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(lock(&self.forge_turns).entry(product.clone()).or_default())
    }

    pub(crate) fn world(&self) -> Arc<World> {
        Arc::clone(&lock(&self.world))
    }

    pub(crate) fn set_world(&self, world: World) {
        *lock(&self.world) = Arc::new(world);
    }

    pub(crate) fn plan(&self, product: &ProductName) -> Option<Arc<Plan>> {
        lock(&self.plans).get(product).cloned()
    }

    pub(crate) fn plans(&self) -> BTreeMap<ProductName, Arc<Plan>> {
        lock(&self.plans).clone()
    }

    /// Asks for everything to be read and looked at again.
    pub(crate) fn refresh(&self) {
        lock(&self.dirty).all = true;
        self.queue.add(Unit::World);
    }

    /// Says what a source has found out; the status is written if it is news.
    pub(crate) fn report(&self, identity: &Identity, source: Source, facts: impl Into<Facts>) {
        if self.board.put(identity, source, facts) {
            self.queue.add(Unit::Status(identity.product.clone()));
        }
    }

    pub(crate) fn cluster(&self, name: &ClusterName) -> ClusterState {
        lock(&self.clusters).entry(name.clone()).or_default().clone()
    }

    pub(crate) fn clusters(&self) -> BTreeMap<ClusterName, ClusterState> {
        lock(&self.clusters).clone()
    }

    pub(crate) fn update_cluster<T>(
        &self,
        name: &ClusterName,
        change: impl FnOnce(&mut ClusterState) -> T,
    ) -> T {
        change(lock(&self.clusters).entry(name.clone()).or_default())
    }

    pub(crate) fn forget_cluster(&self, name: &ClusterName) {
        lock(&self.clusters).remove(name);
    }

    /// Whether something may be left in a cluster on behalf of a resource.
    pub(crate) fn is_left(&self, identity: &Identity) -> bool {
        let Some(product) = &identity.product else {
            return false;
        };
        self.clusters().into_values().any(|state| {
            let mut units = state
                .units
                .iter()
                .filter(|unit| unit.product.as_ref() == Some(product))
                .peekable();
            units.peek().is_some()
                && (state
                    .owners
                    .get(product)
                    .is_none_or(|owners| owners.contains(identity))
                    || units.any(|unit| unit.runtime.as_ref() == Some(identity)))
        })
    }

    /// Finds where a repository is on the forge.
    pub(crate) fn path_of(&self, repo: &Identity) -> Option<RepoPath> {
        paths::find_code_repo(self.world().scopes(), repo)
    }
}

/// Returns the identity of a product.
pub(crate) fn product_identity(name: &ProductName) -> Option<Identity> {
    let name = nautes_model::name::ResourceName::new(name.as_str()).ok()?;
    Some(Identity::tenant(Kind::Product, name))
}

/// Returns the identity of a cluster.
pub(crate) fn cluster_identity(name: &ClusterName) -> Option<Identity> {
    let name = nautes_model::name::ResourceName::new(name.as_str()).ok()?;
    Some(Identity::tenant(Kind::Cluster, name))
}
