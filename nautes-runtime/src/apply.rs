//! Making clusters agree with plans: the only place that writes desired state (invariant I4).
//!
//! # Flow
//! 1. The inventory of the unit is read: what was applied before.
//! 2. Everything that is wanted or recorded is looked at, metadata only.
//! 3. The inventory is written as the union of what was and what will be.
//! 4. Wave by wave, what is absent or differs is applied (server-side, one field manager); what is the same, held
//!    or somebody else's is not touched.
//! 5. What is recorded and not wanted is pruned, from the last wave to the first, namespaces last.
//! 6. The inventory is written exactly.
//!
//! # Guarantees
//! * A second pass with nothing changed makes no request that writes.
//! * Only objects that we made are changed or removed; an object of somebody else is never adopted.
//! * Cut at any point, the inventory names every object that exists.
//! * One object that cannot be dealt with does not stop the others; every call has a deadline.
//! * Secrets are read from the store at the last moment and appear in no message.
//!
//! # Caveats
//! * A field that is planned no more is removed only if nobody else owns it too.
//! * Removal is not waited for: what is not gone yet is reported as pending, and a later pass finds it gone.

pub mod call;
pub(crate) mod compare;
mod desired;
pub mod discovery;
pub mod entry;
mod fields;
pub mod inventory;
mod limits;
mod live;
pub mod mark;
mod pass;
mod prune;
mod report;
mod unit;
mod write;

use std::fmt;
use std::sync::atomic::AtomicUsize;

use kube::Client;
use nautes_model::name::ClusterName;
use nautes_vault::SecretStore;

use crate::plan::ClusterPlan;
use pass::Pass;

pub(crate) use desired::Desired;

pub use call::CallError;
pub use discovery::Cache;
pub use entry::Entry;
pub use inventory::{InventoryError, Recorded, entries, recorded, units};
pub use limits::Limits;
pub use report::{Applied, ApplyError, Hold, OverBudget, Problem, RemovalPolicy, Strategy};
pub use unit::Unit;

/// Where something is applied, and with what.
#[derive(Clone)]
pub struct Target<'a> {
    /// The cluster.
    pub cluster: &'a ClusterName,
    /// A client with the rights with which objects are read and written.
    pub client: Client,
    /// A client with the rights with which the inventory is.
    pub inventory: Client,
    /// Where secrets are.
    pub store: &'a dyn SecretStore,
    /// What is remembered of this cluster between passes.
    pub cache: &'a Cache,
}

impl<'a> Target<'a> {
    /// Makes a target in which everything is done with the rights of one client.
    #[must_use]
    pub fn new(
        cluster: &'a ClusterName,
        client: Client,
        store: &'a dyn SecretStore,
        cache: &'a Cache,
    ) -> Self {
        Self {
            cluster,
            inventory: client.clone(),
            client,
            store,
            cache,
        }
    }

    /// Lets objects be read and written with the rights of another client; the inventory stays with this one.
    #[must_use]
    pub fn acting_as(mut self, client: Client) -> Self {
        self.client = client;
        self
    }
}

impl fmt::Debug for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("cluster", self.cluster)
            .field("store", &self.store.name())
            .finish_non_exhaustive()
    }
}

/// Makes a cluster agree with the plan of one unit.
///
/// # Errors
/// The inventory cannot be read or written. What single objects do is in the answer.
pub async fn apply(
    target: &Target<'_>,
    unit: &Unit,
    plan: &ClusterPlan,
    hold: &Hold,
    how: Strategy,
    removal: RemovalPolicy,
) -> Result<Applied, ApplyError> {
    let desired = Desired::of(plan, unit);
    apply_desired(target, unit, &desired, hold, how, removal, None).await
}

/// Removes everything that the inventory of a unit names and that is not held; needs no plan.
///
/// # Errors
/// See [`apply`].
pub async fn remove_all(
    target: &Target<'_>,
    unit: &Unit,
    hold: &Hold,
    how: Strategy,
    removal: RemovalPolicy,
) -> Result<Applied, ApplyError> {
    apply(target, unit, &ClusterPlan::default(), hold, how, removal).await
}

pub(crate) async fn apply_desired(
    target: &Target<'_>,
    unit: &Unit,
    desired: &Desired,
    hold: &Hold,
    how: Strategy,
    removal: RemovalPolicy,
    limits: Option<&Limits>,
) -> Result<Applied, ApplyError> {
    let pass = Pass {
        target,
        unit,
        desired,
        hold,
        how,
        removal,
        limits,
        writes: AtomicUsize::new(0),
    };
    pass.run().await
}
