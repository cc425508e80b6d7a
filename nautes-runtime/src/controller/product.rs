//! A product: its projection, and its repositories on the forge.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use nautes_gitops::RepoRef;
use nautes_gitops::host::HookEvent;
use nautes_model::name::{ClusterName, ProductName};
use nautes_model::{Identity, Kind, Resource, Sourced};
use nautes_validate::Access;

use super::ControlError;
use super::apply::recent_facts;
use super::code_repo::{self, Forge, ForgePass, Wanted};
use super::facts::Source;
use super::readers::{Readers, Since};
use super::state::{Next, Shared, Unit, count, lock};
use super::sync::is_gone;
use super::{removal, retire};
use crate::plan::{Plan, VerdictState};
use crate::platform::paths;
use crate::projection::{Live, Projection};

/// Brings the projection of a product in line, but for its repositories, which go when the forge is done with them.
pub(super) async fn project(shared: &Shared, product: &ProductName) -> Result<Next, ControlError> {
    let world = shared.world();
    let Some(scope) = world.scopes().products.get(product) else {
        return Ok(Next::Done);
    };
    let projection = projection(shared, product);
    let failed = ControlError::Projection;
    let mut writes = projection.ensure_namespace().await.map_err(failed)?;
    let live = projection.read().await.map_err(failed)?;
    let wanted: Vec<&Sourced> = scope.resources.iter().map(|s| &**s).collect();
    writes += projection.write(&wanted, &live).await.map_err(failed)?;
    let plan = shared.plan(product);
    let keep: BTreeSet<Identity> = wanted.iter().map(|s| s.identity.clone()).collect();
    for identity in gone(&live, &keep, plan.as_deref()) {
        if identity.kind != Kind::CodeRepo && !shared.is_left(identity) {
            writes += projection.delete(identity).await.map_err(failed)?;
        }
    }
    count(&shared.writes.projection, writes);
    if writes > 0 {
        shared.queue.add(Unit::Status(Some(product.clone())));
    }
    Ok(Next::Done)
}

/// Objects of ours that are declared no more, and not held.
fn gone<'a>(live: &'a Live, keep: &BTreeSet<Identity>, plan: Option<&Plan>) -> Vec<&'a Identity> {
    live.iter()
        .filter(|(identity, object)| object.ours && !object.deleting && !keep.contains(*identity))
        .map(|(identity, _)| identity)
        .filter(|identity| plan.is_some_and(|plan| !plan.holds(identity)))
        .collect()
}

pub(super) fn projection(shared: &Shared, product: &ProductName) -> Projection {
    let client = shared.platform.tenant_cluster().clone();
    Projection::product(client, product.clone(), shared.platform.timing().call)
}

/// Brings the projection of what belongs to the tenant in line.
pub(super) async fn tenant(shared: &Shared) -> Result<Next, ControlError> {
    let world = shared.world();
    if !world.is_read() {
        return Ok(Next::Done);
    }
    let scopes = world.scopes();
    let settings = shared.platform.tenant();
    let client = shared.platform.tenant_cluster().clone();
    let projection = Projection::tenant(client, &settings.namespace, shared.platform.timing().call);
    let failed = ControlError::Projection;
    let mut writes = projection.ensure_namespace().await.map_err(failed)?;
    let live = projection.read().await.map_err(failed)?;
    let wanted: Vec<&Sourced> = scopes.tenant.resources.iter().map(|s| &**s).collect();
    writes += projection.write(&wanted, &live).await.map_err(failed)?;
    let held: BTreeSet<&Identity> = scopes.tenant.broken.iter().flat_map(|b| &b.identities).collect();
    let is_known = world.knows_tenant();
    let anything = scopes.tenant.broken.iter().any(|b| b.identities.is_empty());
    for (identity, object) in &live {
        let declared = scopes.tenant.resources.get(identity).is_some();
        // A broken file of which nobody knows what it declared may have declared anything.
        if !object.ours || declared || held.contains(identity) || !is_known || anything {
            continue;
        }
        // A product stays to be seen until nothing is left of it.
        if identity.kind == Kind::Product {
            if let Ok(product) = ProductName::new(identity.name.as_str())
                && shared
                    .plan(&product)
                    .is_none_or(|plan| is_gone(scopes, &product, &plan))
            {
                shared.queue.add(Unit::Retire(product));
            }
        } else if !object.deleting {
            writes += projection.delete(identity).await.map_err(failed)?;
        }
        if identity.kind == Kind::Cluster
            && let Ok(cluster) = ClusterName::new(identity.name.as_str())
        {
            shared.queue.add(Unit::Cluster(cluster));
        }
    }
    count(&shared.writes.projection, writes);
    shared.queue.add(Unit::Status(None));
    Ok(Next::Done)
}

/// Brings the repositories of a product in line.
pub(super) async fn forge(shared: &Shared, product: &ProductName) -> Result<Next, ControlError> {
    let turn = shared.forge_turn(product);
    let _one = turn.lock().await;
    let world = shared.world();
    let scopes = world.scopes();
    let (Some(scope), Some(plan)) = (scopes.products.get(product), shared.plan(product)) else {
        return Ok(Next::Done);
    };
    let projection = projection(shared, product);
    let live = projection.read().await.map_err(ControlError::Projection)?;
    let group = group(shared, product);
    let events = events(shared);
    let mut wanted = Vec::new();
    for (sourced, repo) in scope.code_repos() {
        let identity = &sourced.identity;
        let verdict = plan.verdicts.get(identity);
        if plan.holds(identity) && verdict.is_some_and(|v| v.state == VerdictState::Unknown) {
            continue;
        }
        let Ok(path) = paths::code_repo(&group, repo) else {
            let error = code_repo::ForgeError::Path(repo.spec.repo_name.clone());
            shared.report(identity, Source::Forge, error.fact());
            continue;
        };
        wanted.push(Wanted {
            identity: identity.clone(),
            declared: repo.clone(),
            path,
            known_id: known_id(&live, identity).map(|id| id.to_string()),
            is_kept: live.get(identity).and_then(|o| removal::kept_since(o)).is_some(),
            may_create: verdict.is_some_and(|v| v.state == VerdictState::Ready),
            events: events.get(identity).cloned().unwrap_or_default(),
        });
    }
    let forge = open_forge(shared, Arc::clone(&world.access)).await?;
    let mut pass = forge.converge(&wanted).await;
    let keep: BTreeSet<Identity> = scope.resources.iter().map(|s| s.identity.clone()).collect();
    let removed = recent_facts(shared, &RepoRef::Product(product.clone())).await;
    let asked = removal::asked(&removed);
    let gone: Vec<&Identity> = gone(&live, &keep, Some(&plan))
        .into_iter()
        .filter(|identity| identity.kind == Kind::CodeRepo)
        .collect();
    let unasked = gone.iter().filter(|identity| !asked.contains(**identity)).count();
    let of = live
        .keys()
        .filter(|identity| identity.kind == Kind::CodeRepo)
        .count();
    let held = removal::held_repos(unasked, of);
    let mut retired = Vec::new();
    for identity in gone {
        match (&held, asked.contains(identity)) {
            (Some(fact), false) => shared.report(identity, Source::Forge, fact.clone()),
            (_, asked) => retired.extend(retire::retired(shared, &live, identity, &group, &removed, asked)),
        }
    }
    forge.retire(&retired, &mut pass).await;
    for identity in &pass.gone {
        let writes = projection
            .delete(identity)
            .await
            .map_err(ControlError::Projection)?;
        count(&shared.writes.projection, writes);
    }
    finish(shared, product, pass, &forge.readers.in_line)
}

fn finish(
    shared: &Shared,
    product: &ProductName,
    pass: ForgePass,
    seen: &Since,
) -> Result<Next, ControlError> {
    count(&shared.writes.forge, pass.writes);
    for (identity, facts) in pass.facts {
        shared.report(&identity, Source::Forge, facts);
    }
    {
        let mut ids = lock(&shared.ids);
        ids.extend(pass.ids);
        for identity in &pass.gone {
            ids.remove(identity);
        }
    }
    if pass.writes > 0 {
        // Keys are there now that objects wait for.
        if let Some(plan) = shared.plan(product) {
            for cluster in plan.clusters.keys() {
                shared.queue.add(Unit::Apply(product.clone(), cluster.clone()));
            }
            for (cluster, planned) in &plan.clusters {
                for unit in &planned.deploys {
                    shared
                        .queue
                        .add(Unit::Deploy(unit.runtime.clone(), cluster.clone()));
                }
            }
            for repo in super::sync::listened(&plan) {
                shared.queue.add(Unit::Runs(repo));
            }
        }
    }
    if pass.replaced {
        // Others have it in clusters, and on their repositories.
        shared.refresh();
    }
    if pass.behind && !lock(&shared.in_line).wait(product, seen) {
        shared.queue.add(Unit::Forge(product.clone()));
    }
    if let Some(after) = pass.again {
        shared.queue.add_after(Unit::Forge(product.clone()), after);
    }
    Ok(Next::unless(pass.unfinished))
}

pub(super) async fn open_forge(shared: &Shared, access: Arc<Access>) -> Result<Forge<'_>, ControlError> {
    let session = shared
        .platform
        .host()
        .platform()
        .await
        .map_err(ControlError::Session)?;
    Ok(Forge {
        platform: &shared.platform,
        session,
        scopes: Arc::clone(shared.world().scopes()),
        access,
        ids: lock(&shared.ids).clone(),
        readers: Readers::of(shared),
        now: Timestamp::now(),
    })
}

/// The events that are wanted of each repository, by all products.
fn events(shared: &Shared) -> BTreeMap<Identity, BTreeSet<HookEvent>> {
    let mut events: BTreeMap<Identity, BTreeSet<HookEvent>> = BTreeMap::new();
    for plan in shared.plans().values() {
        for hook in plan.clusters.values().flat_map(|cluster| &cluster.hooks) {
            let wanted = code_repo::hooks::events_of(&hook.events);
            events.entry(hook.code_repo.clone()).or_default().extend(wanted);
        }
    }
    events
}

fn group(shared: &Shared, product: &ProductName) -> String {
    let world = shared.world();
    let declared = world.scopes().tenant.product(product.as_str()).map(|(_, p)| p);
    paths::group_of(product, declared).to_owned()
}

pub(super) fn known_id(live: &Live, identity: &Identity) -> Option<u64> {
    match live.get(identity)?.resource.as_ref()? {
        Resource::CodeRepo(repo) => repo.status.as_ref()?.repository_id.as_ref()?.parse().ok(),
        _ => None,
    }
}
