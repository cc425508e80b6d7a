//! A product in a cluster: rights, objects, what deployments left behind.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use nautes_gitops::RepoRef;
use nautes_gitops::publish::trailer;
use nautes_model::name::{ClusterName, ProductName};
use nautes_model::{Identity, Kind};
use nautes_vault::StoreError;

use super::ControlError;
use super::cluster::{ClusterError, within};
use super::facts::{Fact, Source};
use super::grants::Grants;
use super::state::{Next, Shared, Unit, count, lock, product_identity};
use super::sync::is_gone;
use crate::apply::{self, Applied, ApplyError, Hold, Problem, RemovalPolicy, Strategy, Target};
use crate::deploy::undeploy;
use crate::object::ObjectKey;
use crate::plan::{ClusterPlan, Plan, VerdictState};
use crate::platform::paths;

/// The condition that says whether the objects of a resource are in their cluster.
const APPLIED: &str = "Applied";
/// How many commits are asked for what was removed on purpose.
const HISTORY: usize = 100;

#[derive(Debug, thiserror::Error)]
enum PassError {
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error("the rights in the secret store cannot be brought in line")]
    Grants(#[source] StoreError),
    #[error(transparent)]
    Apply(#[from] ApplyError),
    #[error("its inventory cannot be read")]
    Inventory(#[source] apply::InventoryError),
}

impl PassError {
    fn class(&self) -> nautes_model::Class {
        match self {
            Self::Cluster(source) => source.class(),
            Self::Grants(source) => source.class(),
            Self::Apply(source) => source.class(),
            Self::Inventory(source) => source.class(),
        }
    }
}

/// Brings a cluster in line with what is planned for a product.
pub(super) async fn pass(
    shared: &Shared,
    product: &ProductName,
    cluster: &ClusterName,
) -> Result<Next, ControlError> {
    let Some(plan) = shared.plan(product) else {
        return Ok(Next::Done);
    };
    let planned = plan.clusters.get(cluster);
    let owners = owners_of(planned);
    let state = shared.cluster(cluster);
    let Ok(_turn) = state.turns.acquire().await else {
        return Ok(Next::Retry);
    };
    let limit = shared.platform.timing().cluster;
    let began = Timestamp::now();
    let work = converge(shared, product, cluster, &plan);
    let result = match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(PassError::Cluster(ClusterError::Late)),
    };
    match result {
        Ok(applied) => {
            count(&shared.writes.objects, applied.writes as u64);
            if has_secrets(planned, &applied) {
                let waiting = lock(&shared.in_line).came(product, cluster, began);
                for product in waiting {
                    shared.queue.add(Unit::Forge(product));
                }
            }
            // A plan that came meanwhile has its own pass, and says for itself what it found.
            let now = shared.plan(product);
            if now.is_none_or(|now| now.clusters.get(cluster) == planned) {
                report(shared, cluster, &owners, &applied);
            }
            report_budget(shared, product, cluster, &applied);
            if applied.writes > 0 {
                // Namespaces and inventories may be others now.
                shared.queue.add(Unit::Cluster(cluster.clone()));
            }
            if planned.is_none() && applied.inventory == 0 && is_gone(shared.world().scopes(), product, &plan)
            {
                shared.queue.add(Unit::Retire(product.clone()));
            }
            Ok(Next::unless(!applied.is_complete() && needs_more(&applied)))
        }
        Err(error) => {
            let text = format!("cluster {cluster}: {}", super::facts::chain(&error));
            tracing::warn!(%product, %cluster, error = text, "a cluster could not be brought in line");
            if matches!(error, PassError::Cluster(_)) {
                shared.queue.add(Unit::Cluster(cluster.clone()));
            }
            let fact = Fact::failed(APPLIED, error.class(), &error);
            let fact = Fact {
                message: text.clone(),
                ..fact
            };
            for owner in owners.iter().filter(|owner| owner.kind != Kind::Product) {
                shared.report(owner, Source::Apply(cluster.clone()), fact.clone());
            }
            Err(ControlError::Unit(text))
        }
    }
}

async fn converge(
    shared: &Shared,
    product: &ProductName,
    cluster: &ClusterName,
    plan: &Plan,
) -> Result<Applied, PassError> {
    let platform = &shared.platform;
    let limit = platform.timing().call;
    let planned = plan.clusters.get(cluster);
    let store = &**platform.store();
    let grants = Grants::of(store, product, cluster, plan)
        .await
        .map_err(PassError::Grants)?;
    // Authority that was lost is taken even from those whose cluster does not answer.
    grants.before(shared, planned).await.map_err(PassError::Grants)?;
    let client = within(limit, platform.clusters().client(cluster)).await?;
    let state = shared.cluster(cluster);
    let target = Target::new(cluster, client.clone(), store, &state.cache);
    let hold = hold(plan);
    let mut writes = leftover(shared, &target, product, cluster, plan).await?;
    let nothing = ClusterPlan::default();
    let unit = apply::Unit::product(product.clone());
    let entries = apply::entries(&client, &unit)
        .await
        .map_err(PassError::Inventory)?;
    let removal = removal(
        shared,
        product,
        cluster,
        plan,
        entries.iter().flat_map(|e| &e.owners),
    )
    .await;
    let mut applied = apply::apply(
        &target,
        &unit,
        planned.unwrap_or(&nothing),
        &hold,
        Strategy::Apply,
        removal,
    )
    .await?;
    grants.after(shared).await.map_err(PassError::Grants)?;
    writes += applied.writes;
    applied.writes = writes;
    let entries = match applied.writes {
        0 => entries,
        _ => apply::entries(&client, &unit)
            .await
            .map_err(PassError::Inventory)?,
    };
    let owners: BTreeSet<Identity> = entries.into_iter().flat_map(|entry| entry.owners).collect();
    let news = shared.update_cluster(cluster, |state| {
        let before = state.owners.insert(product.clone(), owners.clone());
        before.is_none_or(|before| before != owners)
    });
    if news {
        // What nothing is left of goes from the projection.
        shared.queue.add(Unit::Product(product.clone()));
    }
    Ok(applied)
}

/// Removes what runtimes deployed that deploy here no more. Returns how many writes it took.
async fn leftover(
    shared: &Shared,
    target: &Target<'_>,
    product: &ProductName,
    cluster: &ClusterName,
    plan: &Plan,
) -> Result<usize, PassError> {
    let units = apply::units(&target.inventory)
        .await
        .map_err(PassError::Inventory)?;
    let deploys: BTreeSet<&Identity> = plan
        .clusters
        .get(cluster)
        .into_iter()
        .flat_map(|c| c.deploys.iter().map(|unit| &unit.runtime))
        .collect();
    let mut writes = 0;
    let mut left = units.clone();
    for unit in units.iter().filter(|unit| unit.product.as_ref() == Some(product)) {
        let Some(runtime) = &unit.runtime else { continue };
        if deploys.contains(runtime) || plan.holds(runtime) || plan.detached.contains_key(runtime) {
            continue;
        }
        let owners = BTreeSet::from([runtime.clone()]);
        let removal = removal(shared, product, cluster, plan, owners.iter()).await;
        let undone = undeploy(target, unit, Strategy::Apply, removal).await?;
        writes += undone.writes;
        if undone.inventory == 0 {
            left.remove(unit);
        }
    }
    shared.update_cluster(cluster, |state| state.units = left);
    Ok(writes)
}

/// Whether a pass has put every object with a secret into the cluster.
fn has_secrets(planned: Option<&ClusterPlan>, applied: &Applied) -> bool {
    let problems = applied.failed.iter().chain(&applied.refused).map(|p| &p.key);
    let missing: BTreeSet<&ObjectKey> = problems
        .chain(applied.conflicts.iter().map(|(key, _)| key))
        .chain(&applied.held)
        .collect();
    let mut with = planned
        .into_iter()
        .flat_map(ClusterPlan::objects)
        .filter(|object| !object.secrets.is_empty());
    missing.is_empty()
        || !with.any(|object| ObjectKey::of(&object.object).is_ok_and(|key| missing.contains(&key)))
}

fn hold(plan: &Plan) -> Hold {
    let mut hold = Hold::from(&plan.held);
    hold.owners.extend(plan.detached.keys().cloned());
    hold
}

/// Whether everything may go: each owner is planned here, or elsewhere, or was removed on purpose.
async fn removal<'a>(
    shared: &Shared,
    product: &ProductName,
    cluster: &ClusterName,
    plan: &Plan,
    owners: impl Iterator<Item = &'a Identity>,
) -> RemovalPolicy {
    let world = shared.world();
    if is_gone(world.scopes(), product, plan) {
        return RemovalPolicy::EXPLICIT;
    }
    let here = owners_of(plan.clusters.get(cluster));
    let elsewhere: BTreeSet<Identity> = plan.clusters.values().flat_map(|c| owners_of(Some(c))).collect();
    let gone: BTreeSet<&Identity> = owners
        .filter(|owner| !here.contains(*owner) && !elsewhere.contains(*owner))
        .collect();
    if gone.is_empty() {
        return RemovalPolicy::EXPLICIT;
    }
    let removed = removed_on_purpose(shared, product).await;
    if gone.iter().all(|owner| removed.contains(*owner)) {
        RemovalPolicy::EXPLICIT
    } else {
        RemovalPolicy::default()
    }
}

/// What the last commits of a product say that they remove.
pub(super) async fn removed_on_purpose(shared: &Shared, product: &ProductName) -> BTreeSet<Identity> {
    recent_facts(shared, &RepoRef::Product(product.clone()))
        .await
        .into_iter()
        .flat_map(|facts| facts.removes)
        .collect()
}

/// What the last commits of a repository say about themselves, newest first.
pub(super) async fn recent_facts(shared: &Shared, of: &RepoRef) -> Vec<trailer::Facts> {
    let world = shared.world();
    let tenant = shared.platform.tenant();
    let path = match of {
        RepoRef::Tenant => Ok(tenant.repo.clone()),
        RepoRef::Product(name) => {
            let declared = world.scopes().tenant.product(name.as_str()).map(|(_, p)| p);
            paths::default_project(name, declared)
        }
    };
    let Ok(path) = path else {
        return Vec::new();
    };
    let log = async {
        let mirror = shared.platform.mirrors().open(&path).await.ok()?;
        let tip = mirror.tip(&tenant.branch).await.ok()??;
        mirror.log(tip, HISTORY).await.ok()
    };
    let commits = log.await.unwrap_or_default();
    commits
        .iter()
        .map(|commit| trailer::Facts::read(&commit.trailers))
        .collect()
}

/// On whose behalf something is planned.
pub(super) fn owners_of(planned: Option<&ClusterPlan>) -> BTreeSet<Identity> {
    planned
        .into_iter()
        .flat_map(ClusterPlan::objects)
        .flat_map(|planned| planned.owners.iter().cloned())
        .collect()
}

/// Whether another pass can find more than this one; what somebody has to change is waited for.
fn needs_more(applied: &Applied) -> bool {
    !applied.pending_deletion.is_empty() || applied.failed.iter().any(|p| p.class.is_retryable())
}

fn report(shared: &Shared, cluster: &ClusterName, owners: &BTreeSet<Identity>, applied: &Applied) {
    let mut worst: BTreeMap<Identity, Fact> = BTreeMap::new();
    for problem in applied.failed.iter().chain(&applied.refused) {
        for owner in &problem.owners {
            worst.insert(owner.clone(), of_problem(problem));
        }
    }
    for (key, why) in &applied.conflicts {
        let fact = Fact::new(APPLIED, VerdictState::Failed, "Conflict", format!("{key}: {why}"));
        tracing::info!(%cluster, message = fact.message, "an object of somebody else is in the way");
        for owner in owners {
            worst.entry(owner.clone()).or_insert_with(|| fact.clone());
        }
    }
    for owner in owners.iter().filter(|owner| owner.kind != Kind::Product) {
        let fact = worst
            .remove(owner)
            .unwrap_or_else(|| Fact::ready(APPLIED, format!("its objects are in cluster {cluster}")));
        shared.report(owner, Source::Apply(cluster.clone()), fact);
    }
}

/// What would be removed has no owner any more that could be told; its product is.
fn report_budget(shared: &Shared, product: &ProductName, cluster: &ClusterName, applied: &Applied) {
    let Some(identity) = product_identity(product) else {
        return;
    };
    let source = Source::Apply(cluster.clone());
    let Some(over) = applied.over_budget else {
        if shared.board.drop_source(&identity, &source) {
            shared.queue.add(Unit::Status(None));
        }
        return;
    };
    let text = format!(
        "{} of {} objects in cluster {cluster} would go at once; remove what they belong to by a request, or say so \
         in a commit with the trailer {}",
        over.count,
        over.of,
        trailer::REMOVES
    );
    let fact = Fact::new(APPLIED, VerdictState::Failed, super::removal::REMOVAL_HELD, text);
    shared.report(&identity, source, fact);
}

fn of_problem(problem: &Problem) -> Fact {
    let state = if problem.class.is_retryable() {
        VerdictState::Pending
    } else {
        VerdictState::Failed
    };
    let message = format!("{}: {}", problem.key, problem.message);
    Fact::new(APPLIED, state, problem.class.reason(), message)
}
