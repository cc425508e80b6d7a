//! The controllers: what keeps forge, secret store, clusters and projection as the repositories say.
//!
//! # Flow
//! ```text
//! feed, webhooks, time -> World: scopes, plans -> Product: projection      -> Status: conditions
//!                                              -> Forge: repositories, keys, hooks
//!                                              -> Apply: rights, objects, one unit per product and cluster
//!                                              -> Deploy: manifests of repositories
//!                                              -> Runs: pipelines
//!                                              -> Retire: what is declared no more
//! ```
//!
//! # Guarantees
//! * A unit is worked on by one task at a time; different units at once, so that one product, repository or cluster
//!   never holds up another (invariant I11). What fails is repeated, later each time.
//! * Nothing that matters lives here only: a new process finds everything in the repositories, the clusters and the
//!   tenant cluster, and a second pass with nothing changed writes nothing.
//! * Nothing begins before the custom resource definitions are there.

mod admission;
mod apply;
mod cluster;
mod code_repo;
mod conditions;
mod deploy;
mod facts;
mod grants;
mod logins;
mod product;
mod queue;
mod readers;
mod removal;
mod retire;
mod runs;
mod state;
mod status;
mod sync;
mod webhook;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nautes_gitops::HostError;
use nautes_model::Class;
use nautes_vault::StoreError;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use crate::platform::planning::forge_ids;
use crate::platform::{PlanError, Platform, ReadError};
use crate::projection::objects::product_namespaces;
use crate::projection::{Projection, ProjectionError, require_crds};
use facts::chain;
use state::{Next, Shared, Unit, lock};

pub use admission::WriteJudge;
pub(crate) use conditions::{NOT_IN_GIT, RECONCILING, STALLED, conditions_of};
pub(crate) use removal::{GRACE_PERIOD, REMOVAL_HELD};

/// Why a unit could not be worked on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// The tenant cluster refused or did not answer.
    #[error("the tenant cluster cannot be brought in line")]
    Projection(#[source] ProjectionError),
    /// What is declared cannot be read.
    #[error("cannot read what is declared")]
    Read(#[source] ReadError),
    /// No plan could be made.
    #[error("cannot plan")]
    Plan(#[source] PlanError),
    /// The forge refused or did not answer.
    #[error("the forge cannot be asked")]
    Session(#[source] HostError),
    /// The secret store refused or did not answer.
    #[error("cannot {action}")]
    Store {
        /// What was attempted.
        action: String,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// A unit says what happened by itself.
    #[error("{0}")]
    Unit(String),
}

impl ControlError {
    /// Returns the class.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Projection(source) => source.class(),
            Self::Read(source) => source.class(),
            Self::Plan(source) => source.class(),
            Self::Session(source) => source.class(),
            Self::Store { source, .. } => source.class(),
            Self::Unit(_) => Class::Unreachable,
        }
    }

    /// Returns what the operator can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Projection(source) => source.hint().map(str::to_owned),
            Self::Read(source) => source.hint(),
            Self::Session(source) => source.hint(),
            Self::Plan(_) | Self::Store { .. } | Self::Unit(_) => None,
        }
    }
}

/// How many writes were made, and what failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// All writes together.
    pub writes: u64,
    /// Writes of custom resources in the tenant cluster.
    pub projection: u64,
    /// Writes of statuses in the tenant cluster.
    pub status: u64,
    /// Writes on the forge, with the secrets that belong to them.
    pub forge: u64,
    /// Changes of rights and kubeconfigs in the secret store.
    pub grants: u64,
    /// Writes of objects and inventories in clusters.
    pub objects: u64,
    /// Pipeline runs that were created.
    pub runs: u64,
    /// What could not be brought in line, and why.
    pub failures: BTreeMap<String, String>,
}

/// How many deliveries to the webhook receiver were answered how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DeliveryCounts {
    /// Those that a repository is looked at for.
    pub accepted: u64,
    /// Those without the token of a hook.
    pub denied: u64,
    /// Those that are no deliveries, are too large, or could not be checked.
    pub refused: u64,
}

/// The controllers of one platform. Cloning gives another handle on the same ones.
#[derive(Clone, Debug)]
pub struct Controllers {
    shared: Arc<Shared>,
    running: Arc<AtomicBool>,
}

impl Controllers {
    /// Makes them; nothing happens before [`run`](Self::run) or [`reconcile_all`](Self::reconcile_all).
    #[must_use]
    pub fn new(platform: Platform) -> Self {
        Self {
            shared: Arc::new(Shared::new(platform)),
            running: Arc::default(),
        }
    }

    /// Returns the routes of the webhook receiver, `/hooks/<product>/<repository>`.
    pub fn router(&self) -> axum::Router {
        webhook::router(Arc::clone(&self.shared))
    }

    /// Returns the route of the admission webhook, `POST /admission`. Kubernetes calls it over TLS only.
    pub fn admission_router(&self) -> axum::Router {
        admission::router(Arc::clone(&self.shared))
    }

    /// Returns what judges writes to custom resources of the tenant cluster, for a cluster in this process.
    #[must_use]
    pub fn write_judge(&self) -> WriteJudge {
        WriteJudge::of(&self.shared)
    }

    /// Works until `stop` is cancelled. Units that are being worked on then are cut; what they did is recorded.
    ///
    /// # Errors
    /// The custom resource definitions are not there, or the tenant cluster or the forge cannot be reached at the
    /// beginning.
    pub async fn run(&self, stop: CancellationToken) -> Result<(), ControlError> {
        self.prepare().await?;
        self.running.store(true, Ordering::SeqCst);
        let work = async { tokio::try_join!(self.work(), self.tick(), sync::follow(&self.shared)).map(drop) };
        let result = stop.run_until_cancelled(work).await;
        self.running.store(false, Ordering::SeqCst);
        result.unwrap_or(Ok(()))
    }

    /// Makes one full pass over everything, until nothing is left to do now, and says how many writes it took.
    ///
    /// While [`run`](Self::run) works, the pass is made by it, and its totals include what else it did meanwhile.
    ///
    /// # Errors
    /// The custom resource definitions are not there, or the tenant cluster cannot be reached.
    pub async fn reconcile_all(&self) -> Result<Totals, ControlError> {
        if !self.running.load(Ordering::SeqCst) {
            self.prepare().await?;
        }
        let before = self.totals();
        self.shared.refresh();
        if self.running.load(Ordering::SeqCst) {
            while !self.shared.queue.is_idle() {
                self.shared.queue.changed(Duration::from_millis(100)).await;
            }
        } else {
            self.drain().await;
        }
        let after = self.totals();
        Ok(after.since(&before))
    }

    /// Returns what was written since the beginning, and what fails now.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let writes = &self.shared.writes;
        let of = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let mut totals = Totals {
            writes: 0,
            projection: of(&writes.projection),
            status: of(&writes.status),
            forge: of(&writes.forge),
            grants: of(&writes.grants),
            objects: of(&writes.objects),
            runs: of(&writes.runs),
            failures: lock(&self.shared.failures)
                .iter()
                .map(|(unit, text)| (format!("{unit:?}"), text.clone()))
                .collect(),
        };
        totals.sum();
        totals
    }

    /// Returns how many deliveries were answered how since the beginning.
    #[must_use]
    pub fn deliveries(&self) -> DeliveryCounts {
        let of = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let counts = &self.shared.deliveries;
        DeliveryCounts {
            accepted: of(&counts.accepted),
            denied: of(&counts.denied),
            refused: of(&counts.refused),
        }
    }

    /// Whether the declarations were read at least once.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.shared.world().is_read()
    }

    /// What a new process has to know first.
    async fn prepare(&self) -> Result<(), ControlError> {
        let platform = &self.shared.platform;
        let limit = platform.timing().call;
        let client = platform.tenant_cluster();
        require_crds(client, limit)
            .await
            .map_err(ControlError::Projection)?;
        let products = product_namespaces(client, limit)
            .await
            .map_err(ControlError::Projection)?;
        for product in products {
            let live = Projection::product(client.clone(), product, limit)
                .read()
                .await
                .map_err(ControlError::Projection)?;
            lock(&self.shared.ids).extend(forge_ids(&live));
        }
        self.shared.refresh();
        Ok(())
    }

    /// Works on units as they come.
    async fn work(&self) -> Result<(), ControlError> {
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                unit = self.shared.queue.next() => {
                    tasks.spawn(one(Arc::clone(&self.shared), unit));
                }
                Some(_) = tasks.join_next() => {}
            }
        }
    }

    /// Works on units until none is left.
    async fn drain(&self) {
        let mut tasks = JoinSet::new();
        loop {
            while let Some(unit) = self.shared.queue.try_next() {
                tasks.spawn(one(Arc::clone(&self.shared), unit));
            }
            if tasks.join_next().await.is_none() && self.shared.queue.is_idle() {
                return;
            }
        }
    }

    /// Looks at things without anything having happened.
    async fn tick(&self) -> Result<(), ControlError> {
        let timing = self.shared.platform.timing();
        let now = Instant::now();
        let mut resync = interval_at(now + timing.resync, timing.resync);
        let mut heal = interval_at(now + timing.heal, timing.heal);
        resync.set_missed_tick_behavior(MissedTickBehavior::Delay);
        heal.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = resync.tick() => self.shared.refresh(),
                _ = heal.tick() => heal_all(&self.shared),
            }
        }
    }
}

/// Compares objects with what they should be.
fn heal_all(shared: &Shared) {
    if !shared.world().is_read() {
        return;
    }
    let queue = &shared.queue;
    queue.add(Unit::Tenant);
    for (product, plan) in shared.plans() {
        queue.add(Unit::Product(product.clone()));
        queue.add(Unit::Status(Some(product.clone())));
        for (cluster, planned) in &plan.clusters {
            // What does not answer is asked again in its own time.
            if shared.cluster(cluster).answers == Some(false) {
                continue;
            }
            queue.add(Unit::Apply(product.clone(), cluster.clone()));
            for unit in &planned.deploys {
                queue.add(Unit::Deploy(unit.runtime.clone(), cluster.clone()));
            }
        }
    }
}

/// Works on one unit, and decides when it is to be tried again.
async fn one(shared: Arc<Shared>, unit: Unit) {
    let result = dispatch(&shared, &unit).await;
    let again = match &result {
        Ok(Next::Done) => {
            lock(&shared.failures).remove(&unit);
            false
        }
        Ok(Next::Retry) => true,
        Err(error) => {
            let text = chain(error);
            tracing::warn!(?unit, error = text, "a unit has failed");
            lock(&shared.failures).insert(unit.clone(), text);
            true
        }
    };
    let failures = shared.queue.done(&unit, again);
    if again {
        let timing = shared.platform.timing();
        let doubled = timing
            .retry
            .saturating_mul(1u32 << failures.saturating_sub(1).min(12));
        shared.queue.add_after(unit, doubled.min(timing.resync));
    }
}

async fn dispatch(shared: &Shared, unit: &Unit) -> Result<Next, ControlError> {
    match unit {
        Unit::World => {
            let next = sync::world(shared).await?;
            runs::forget(shared);
            deploy::forget(shared);
            Ok(next)
        }
        Unit::Tenant => product::tenant(shared).await,
        Unit::Cluster(name) => cluster::pass(shared, name).await,
        Unit::Product(product) => product::project(shared, product).await,
        Unit::Forge(product) => product::forge(shared, product).await,
        Unit::Apply(product, cluster) => apply::pass(shared, product, cluster).await,
        Unit::Deploy(runtime, cluster) => deploy::pass(shared, runtime, cluster).await,
        Unit::Poked(repo) => {
            sync::poked(shared, repo);
            Ok(Next::Done)
        }
        Unit::Runs(repo) => runs::pass(shared, repo).await,
        Unit::Retire(product) => retire::retire(shared, product).await,
        Unit::Status(product) => status::pass(shared, product.as_ref()).await,
    }
}

impl Totals {
    fn sum(&mut self) {
        self.writes = self.projection + self.status + self.forge + self.grants + self.objects + self.runs;
    }

    fn since(mut self, before: &Self) -> Self {
        let less = |now: &mut u64, then: u64| *now = now.saturating_sub(then);
        less(&mut self.projection, before.projection);
        less(&mut self.status, before.status);
        less(&mut self.forge, before.forge);
        less(&mut self.grants, before.grants);
        less(&mut self.objects, before.objects);
        less(&mut self.runs, before.runs);
        self.sum();
        self
    }
}

/// Runs the controllers of a platform until `stop` is cancelled.
///
/// # Errors
/// See [`Controllers::run`].
pub async fn run(platform: Platform, stop: CancellationToken) -> Result<(), ControlError> {
    Controllers::new(platform).run(stop).await
}

/// Makes one full pass over everything, and says how many writes it took. Remembers nothing: to repeat passes, keep
/// a [`Controllers`].
///
/// # Errors
/// See [`Controllers::reconcile_all`].
pub async fn reconcile_all(platform: &Platform) -> Result<Totals, ControlError> {
    Controllers::new(platform.clone()).reconcile_all().await
}
