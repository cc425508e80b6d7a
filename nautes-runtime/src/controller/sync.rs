//! Following the repositories: from revisions to scopes and plans, and to the units that have work because of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::StreamExt as _;
use nautes_gitops::feed::{Event, Interest, Pace};
use nautes_gitops::{Feed, Refs, RepoPath, RepoRef, Watch};
use nautes_model::name::{ClusterName, ProductName};
use nautes_model::{Identity, Kind, Scopes};
use nautes_validate::Access;
use tokio::sync::watch;

use super::ControlError;
use super::apply::{owners_of, recent_facts};
use super::facts::{Fact, Facts, Source};
use super::removal;
use super::state::{
    ClusterState, Dirty, Next, Shared, Unit, World, cluster_identity, lock, product_identity,
};
use crate::plan::{Inputs, Plan, VerdictState};
use crate::platform::paths;
use crate::platform::planning::registered;
use crate::projection::objects::{product_namespaces, projected_products};

/// The condition that says whether the declarations of a product can be read.
const READABLE: &str = "Readable";
/// The condition with the verdict of the plan.
const PLANNED: &str = "Planned";

/// Reads what has changed, plans, and asks for what follows from it.
pub(super) async fn world(shared: &Shared) -> Result<Next, ControlError> {
    let Dirty { all, repos } = std::mem::take(&mut *lock(&shared.dirty));
    let before = shared.world();
    let only = (!all && !before.scopes().tenant.resources.is_empty()).then_some(&repos);
    let observed = match shared.platform.observe_after(&before.observed, only).await {
        Ok(observed) => observed,
        Err(error) => {
            let mut dirty = lock(&shared.dirty);
            dirty.all |= all;
            dirty.repos.extend(repos);
            return Err(ControlError::Read(error));
        }
    };
    let scopes = Arc::clone(&observed.scopes);
    let access = if *scopes == **before.scopes() {
        Arc::clone(&before.access)
    } else {
        Arc::new(Access::of(&scopes))
    };
    let unread = !observed.unread.is_empty();
    shared.set_world(World { observed, access });
    let known = known_products(shared, &scopes).await?;
    // Taken once: what is planned and what is waited for must speak of the same state.
    let asked = shared.clusters();
    let inputs = Inputs {
        claims: asked
            .iter()
            .map(|(name, state)| (name.clone(), state.claims.clone()))
            .collect(),
        forge_ids: lock(&shared.ids).clone(),
        ..Inputs::unknown()
    };
    let mut plans = shared
        .platform
        .plan_all(Arc::clone(&scopes), inputs, known)
        .await
        .map_err(ControlError::Plan)?;
    hold_removals(shared, &scopes, &mut plans).await;
    fan_out(shared, &before, &asked, plans, all);
    shared.watched.send_if_modified(|watched| {
        let now = followed(shared, &scopes);
        let changed = *watched != now;
        *watched = now;
        changed
    });
    Ok(Next::unless(unread))
}

/// Holds products that are gone without anybody having asked for it, where they are many.
async fn hold_removals(shared: &Shared, scopes: &Scopes, plans: &mut BTreeMap<ProductName, Plan>) {
    let gone: BTreeSet<ProductName> = plans
        .iter()
        .filter(|(product, plan)| is_gone(scopes, product, plan))
        .map(|(product, _)| product.clone())
        .collect();
    if gone.len() < 2 {
        return;
    }
    let removed = recent_facts(shared, &RepoRef::Tenant).await;
    for (identity, fact) in removal::hold_products(plans, &gone, &removal::asked(&removed)) {
        tracing::warn!(%identity, message = fact.message, "a removal is held");
        shared.report(&identity, Source::Plan, fact);
    }
}

/// The products that are registered, and those of which something may be left.
async fn known_products(shared: &Shared, scopes: &Scopes) -> Result<BTreeSet<ProductName>, ControlError> {
    let mut known: BTreeSet<ProductName> = registered(scopes).collect();
    known.extend(scopes.products.keys().cloned());
    known.extend(lock(&shared.plans).keys().cloned());
    let timing = shared.platform.timing();
    let (client, tenant) = (shared.platform.tenant_cluster(), shared.platform.tenant());
    let spaces = product_namespaces(client, timing.call).await;
    known.extend(spaces.map_err(ControlError::Projection)?);
    let objects = projected_products(client, &tenant.namespace, timing.call).await;
    known.extend(objects.map_err(ControlError::Projection)?);
    for state in shared.clusters().into_values() {
        known.extend(state.units.into_iter().filter_map(|unit| unit.product));
    }
    Ok(known)
}

/// Asks for the units that have work because of what is new; for all of them if `all` is set.
fn fan_out(
    shared: &Shared,
    before: &World,
    asked: &BTreeMap<ClusterName, ClusterState>,
    plans: BTreeMap<ProductName, Plan>,
    all: bool,
) {
    let queue = &shared.queue;
    let world = shared.world();
    let scopes = world.scopes();
    let old = shared.plans();
    let clusters: BTreeSet<ClusterName> = scopes
        .tenant
        .clusters()
        .filter_map(|(s, _)| ClusterName::new(s.identity.name.as_str()).ok())
        .collect();
    let tenant_changed = all || scopes.tenant != before.scopes().tenant;
    if tenant_changed {
        queue.add(Unit::Tenant);
        let known = shared.clusters();
        for name in clusters.iter().chain(known.keys()) {
            queue.add(Unit::Cluster(name.clone()));
        }
    }
    let access_changed = !Arc::ptr_eq(&before.access, &shared.world().access);
    let hooks_before = hooked(old.values().map(|plan| &**plan));
    let hooks_now = hooked(plans.values());
    let mut kept = BTreeMap::new();
    let mut ready = Vec::new();
    for (product, plan) in plans {
        if waits_for_clusters(shared, asked, &product) {
            // Nobody knows yet who holds what there: a plan would hold everything, and say so.
            if all || scopes.products.get(&product) != before.scopes().products.get(&product) {
                queue.add(Unit::Product(product.clone()));
            }
            kept.extend(old.get(&product).map(|plan| (product, Arc::clone(plan))));
            continue;
        }
        let plan = Arc::new(plan);
        forget_stale(
            shared,
            before,
            scopes,
            &product,
            old.get(&product).map(|p| &**p),
            &plan,
        );
        kept.insert(product.clone(), Arc::clone(&plan));
        ready.push((product, plan));
    }
    // Before anything is said: what is said of a plan is judged by what the plan makes others say.
    *lock(&shared.plans) = kept;
    for (product, plan) in ready {
        let first = !old.contains_key(&product);
        let changed = old.get(&product).is_none_or(|old| *old != plan);
        let scope = scopes.products.get(&product);
        if scope.is_none() && is_gone(scopes, &product, &plan) {
            queue.add(Unit::Retire(product.clone()));
        }
        if scope.is_some() {
            report(shared, &product, &plan);
            let new_scope = scope != before.scopes().products.get(&product);
            if all || first || new_scope {
                queue.add(Unit::Product(product.clone()));
            }
            if all
                || first
                || new_scope
                || access_changed
                || hooks_before.get(&product) != hooks_now.get(&product)
            {
                queue.add(Unit::Forge(product.clone()));
            }
        }
        if all || changed {
            let elsewhere = shared.clusters();
            let has = |state: &ClusterState| {
                state
                    .units
                    .iter()
                    .any(|unit| unit.product.as_ref() == Some(&product))
            };
            let left = elsewhere
                .iter()
                .filter(|(_, state)| has(state))
                .map(|(name, _)| name);
            let planned = plan
                .clusters
                .keys()
                .chain(old.get(&product).into_iter().flat_map(|p| p.clusters.keys()));
            for cluster in planned.chain(left) {
                queue.add(Unit::Apply(product.clone(), cluster.clone()));
            }
        }
        for (cluster, planned) in &plan.clusters {
            for unit in planned.deploys.iter().filter(|_| all || changed) {
                queue.add(Unit::Deploy(unit.runtime.clone(), cluster.clone()));
            }
        }
        if all || changed {
            for repo in listened(&plan) {
                queue.add(Unit::Runs(repo));
            }
        }
    }
}

/// Forgets what was found out about what is planned otherwise now, so that nothing counts as ready because of what
/// was true of an earlier plan.
fn forget_stale(
    shared: &Shared,
    before: &World,
    scopes: &Scopes,
    product: &ProductName,
    old: Option<&Plan>,
    plan: &Plan,
) {
    let board = &shared.board;
    for (cluster, planned) in &plan.clusters {
        let then = old.and_then(|old| old.clusters.get(cluster));
        if then.is_none_or(|then| then.waves != planned.waves) {
            for owner in owners_of(Some(planned)) {
                board.drop_source(&owner, &Source::Apply(cluster.clone()));
            }
        }
        for unit in &planned.deploys {
            if then.is_none_or(|then| !then.deploys.contains(unit)) {
                board.drop_source(&unit.runtime, &Source::Deploy(cluster.clone()));
            }
        }
        for space in &planned.pipelines {
            if then.is_none_or(|then| !then.pipelines.contains(space)) {
                board.drop_source(&space.runtime, &Source::Runs);
            }
        }
    }
    let then = before.scopes().products.get(product);
    for (sourced, _) in scopes
        .products
        .get(product)
        .into_iter()
        .flat_map(|scope| scope.code_repos())
    {
        let identity = &sourced.identity;
        if then.and_then(|then| then.resources.get(identity)) != Some(sourced) {
            board.drop_source(identity, &Source::Forge);
        }
    }
}

/// Whether a product uses a cluster that nobody has asked yet.
fn waits_for_clusters(
    shared: &Shared,
    asked: &BTreeMap<ClusterName, ClusterState>,
    product: &ProductName,
) -> bool {
    let world = shared.world();
    let scopes = world.scopes();
    let Some(scope) = scopes.products.get(product) else {
        return false;
    };
    let mut waits = false;
    for (_, environment) in scope.environments() {
        let declared = scopes.tenant.cluster(&environment.spec.cluster).is_some();
        if let Ok(name) = ClusterName::new(&environment.spec.cluster)
            && declared
            && asked.get(&name).is_none_or(|state| state.answers.is_none())
        {
            shared.queue.add(Unit::Cluster(name));
            waits = true;
        }
    }
    waits
}

/// Whether a product is confirmed to be declared no more.
pub(super) fn is_gone(scopes: &Scopes, product: &ProductName, plan: &Plan) -> bool {
    let registered = scopes.tenant.product(product.as_str()).is_some();
    !registered && product_identity(product).is_some_and(|identity| !plan.holds(&identity))
}

/// The repositories of which hooks are wanted, with the events, by the product that owns them.
fn hooked<'a>(plans: impl Iterator<Item = &'a Plan>) -> BTreeMap<ProductName, BTreeSet<(Identity, String)>> {
    let mut hooks: BTreeMap<ProductName, BTreeSet<(Identity, String)>> = BTreeMap::new();
    for hook in plans
        .flat_map(|plan| plan.clusters.values())
        .flat_map(|c| &c.hooks)
    {
        if let Some(product) = &hook.code_repo.product {
            let of = hooks.entry(product.clone()).or_default();
            of.extend(
                hook.events
                    .iter()
                    .map(|event| (hook.code_repo.clone(), event.clone())),
            );
        }
    }
    hooks
}

/// The repositories whose events start pipelines of a plan.
pub(super) fn listened(plan: &Plan) -> BTreeSet<Identity> {
    plan.clusters
        .values()
        .flat_map(|cluster| &cluster.pipelines)
        .flat_map(|space| &space.event_sources)
        .filter_map(|(source, repo)| source.gitlab.as_ref().and(repo.clone()))
        .collect()
}

/// Says what the scopes and the plan say of the resources of a product.
fn report(shared: &Shared, product: &ProductName, plan: &Plan) {
    for (identity, verdict) in &plan.verdicts {
        let fact = match plan.held.get(identity) {
            Some(held) if verdict.state == VerdictState::Ready => {
                Fact::new(PLANNED, VerdictState::Unknown, "Held", held.reason.clone())
            }
            _ => Fact::new(
                PLANNED,
                verdict.state,
                verdict.reason.clone(),
                verdict.message.clone(),
            ),
        };
        let mut facts = Facts::from(fact);
        if matches!(
            identity.kind,
            Kind::DeploymentRuntime | Kind::ProjectPipelineRuntime
        ) && let Some(cluster) = cluster_of(plan, identity)
        {
            facts = facts.field("cluster", cluster.as_str());
        }
        shared.report(identity, Source::Plan, facts);
    }
    let Some(identity) = product_identity(product) else {
        return;
    };
    let world = shared.world();
    let fact = match world.observed.unread.get(&RepoRef::Product(product.clone())) {
        Some(error) => Fact::new(
            READABLE,
            VerdictState::Unknown,
            error.class().reason(),
            super::facts::chain(&**error),
        ),
        None => Fact::ready(READABLE, "its repository was read"),
    };
    shared.report(&identity, Source::Scope, fact);
}

fn cluster_of<'a>(plan: &'a Plan, runtime: &Identity) -> Option<&'a ClusterName> {
    plan.clusters
        .iter()
        .find(|(_, cluster)| cluster.objects().any(|planned| planned.owners.contains(runtime)))
        .map(|(name, _)| name)
}

/// The repositories whose references mean something.
fn followed(shared: &Shared, scopes: &Scopes) -> BTreeSet<RepoPath> {
    let mut repos = BTreeSet::from([shared.platform.tenant().repo.clone()]);
    for (sourced, product) in scopes.tenant.products() {
        if let Ok(name) = ProductName::new(sourced.identity.name.as_str()) {
            repos.extend(paths::default_project(&name, Some(product)).ok());
        }
    }
    for plan in shared.plans().values() {
        let deployed = plan
            .clusters
            .values()
            .flat_map(|c| &c.deploys)
            .map(|unit| unit.code_repo.clone());
        let used: BTreeSet<Identity> = deployed.chain(listened(plan)).collect();
        repos.extend(used.iter().filter_map(|repo| paths::find_code_repo(scopes, repo)));
    }
    repos
}

/// Asks for the units that have work because a repository has changed.
pub(super) fn poked(shared: &Shared, repo: &RepoPath) {
    let world = shared.world();
    let scopes = world.scopes();
    if *repo == shared.platform.tenant().repo {
        lock(&shared.dirty).repos.insert(RepoRef::Tenant);
        shared.queue.add(Unit::World);
        return;
    }
    for (sourced, product) in scopes.tenant.products() {
        let Ok(name) = ProductName::new(sourced.identity.name.as_str()) else {
            continue;
        };
        if paths::default_project(&name, Some(product)).as_ref() == Ok(repo) {
            lock(&shared.dirty).repos.insert(RepoRef::Product(name));
            shared.queue.add(Unit::World);
            return;
        }
    }
    let is_it = |identity: &Identity| paths::find_code_repo(scopes, identity).as_ref() == Some(repo);
    for plan in shared.plans().values() {
        for (cluster, planned) in &plan.clusters {
            for unit in planned.deploys.iter().filter(|unit| is_it(&unit.code_repo)) {
                shared
                    .queue
                    .add(Unit::Deploy(unit.runtime.clone(), cluster.clone()));
            }
        }
        for listened in listened(plan).into_iter().filter(is_it) {
            shared.queue.add(Unit::Runs(listened));
        }
    }
}

/// Follows the repositories until it is dropped.
pub(super) async fn follow(shared: &Shared) -> Result<(), ControlError> {
    let timing = shared.platform.timing();
    let host = shared.platform.host();
    let session = host.platform().await.map_err(ControlError::Session)?;
    let pace = Pace {
        interval: timing.poll,
        deadline: timing.call,
    };
    let (feed, mut events) = Feed::start(session, host.subscribe(), pace);
    let mut watched = shared.watched.subscribe();
    watched.mark_changed();
    loop {
        tokio::select! {
            changed = watched.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                rewatch(shared, &feed, &mut watched).await;
            }
            event = events.next() => match event {
                Some(Event::Revision(revision)) => poked(shared, &revision.repo),
                Some(Event::Recovered { repo } | Event::Failed { repo, .. }) => poked(shared, &repo),
                None => return Ok(()),
            },
        }
    }
}

async fn rewatch(shared: &Shared, feed: &Feed, watched: &mut watch::Receiver<BTreeSet<RepoPath>>) {
    let wanted = watched.borrow_and_update().clone();
    let present: BTreeSet<RepoPath> = feed.repositories().into_iter().collect();
    for repo in present.difference(&wanted) {
        feed.unwatch(repo);
    }
    for repo in wanted.difference(&present) {
        match shared.platform.mirrors().open(repo).await {
            Ok(mirror) => feed.watch(Watch {
                repo: repo.clone(),
                mirror,
                interest: Interest::All,
                known: Refs::new(),
            }),
            Err(error) => tracing::error!(%repo, %error, "a repository cannot be followed"),
        }
    }
}

/// Names a cluster's identity for facts.
pub(super) fn cluster_fact(shared: &Shared, cluster: &ClusterName, fact: impl Into<Facts>) {
    if let Some(identity) = cluster_identity(cluster) {
        shared.report(&identity, Source::Cluster, fact);
    }
}
