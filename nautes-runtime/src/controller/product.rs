//! A product: its projection, its repositories on the forge, and taking it away.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use nautes_gitops::host::HookEvent;
use nautes_gitops::publish::trailer;
use nautes_gitops::{HostError, RepoPath, RepoRef};
use nautes_model::kinds::{Product, Retention};
use nautes_model::name::{ClusterName, ProductName};
use nautes_model::secret::GrantScope;
use nautes_model::{Identity, Kind, Resource, Sourced};
use nautes_validate::Access;

use super::ControlError;
use super::apply::recent_facts;
use super::code_repo::{self, Forge, ForgePass, Retired, Wanted};
use super::facts::Source;
use super::state::{Next, Shared, Unit, count, lock, product_identity};
use super::sync::is_gone;
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

fn projection(shared: &Shared, product: &ProductName) -> Projection {
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
            may_create: verdict.is_some_and(|v| v.state == VerdictState::Ready),
            events: events.get(identity).cloned().unwrap_or_default(),
        });
    }
    let forge = open_forge(shared, Arc::clone(&world.access)).await?;
    let mut pass = forge.converge(&wanted).await;
    let keep: BTreeSet<Identity> = scope.resources.iter().map(|s| s.identity.clone()).collect();
    let removed = recent_facts(shared, &RepoRef::Product(product.clone())).await;
    let retired: Vec<Retired> = gone(&live, &keep, Some(&plan))
        .into_iter()
        .filter(|identity| identity.kind == Kind::CodeRepo)
        .filter_map(|identity| retired(shared, &live, identity, &group, &removed))
        .collect();
    forge.retire(&retired, &mut pass).await;
    for identity in &pass.gone {
        let writes = projection
            .delete(identity)
            .await
            .map_err(ControlError::Projection)?;
        count(&shared.writes.projection, writes);
    }
    finish(shared, product, pass)
}

fn finish(shared: &Shared, product: &ProductName, pass: ForgePass) -> Result<Next, ControlError> {
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
    Ok(Next::unless(pass.unfinished))
}

async fn open_forge(shared: &Shared, access: Arc<Access>) -> Result<Forge<'_>, ControlError> {
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

fn known_id(live: &Live, identity: &Identity) -> Option<u64> {
    match live.get(identity)?.resource.as_ref()? {
        Resource::CodeRepo(repo) => repo.status.as_ref()?.repository_id.as_ref()?.parse().ok(),
        _ => None,
    }
}

fn retired(
    shared: &Shared,
    live: &Live,
    identity: &Identity,
    group: &str,
    removed: &[trailer::Facts],
) -> Option<Retired> {
    let resource = live.get(identity)?.resource.as_ref()?;
    let Resource::CodeRepo(repo) = resource else {
        return None;
    };
    Some(Retired {
        identity: identity.clone(),
        path: paths::code_repo(group, repo).ok()?,
        known_id: known_id(live, identity),
        retention: retention(resource, identity, removed),
        provider: code_repo::provider_of(&shared.platform, shared.world().scopes(), repo).to_owned(),
    })
}

/// What a removing commit says, else what the manifest said.
fn retention(resource: &Resource, identity: &Identity, removed: &[trailer::Facts]) -> Retention {
    removed
        .iter()
        .find_map(|facts| facts.retention.get(identity).copied())
        .unwrap_or_else(|| code_repo::retention_of(resource))
}

/// Takes away what is left of a product that is declared no more: rights and secrets at once, objects in every
/// cluster that has some, repositories as they said; its own objects in the tenant cluster last.
pub(super) async fn retire(shared: &Shared, product: &ProductName) -> Result<Next, ControlError> {
    let turn = shared.forge_turn(product);
    let _one = turn.lock().await;
    let world = shared.world();
    let scopes = world.scopes();
    let Some(plan) = shared.plan(product) else {
        return Ok(Next::Done);
    };
    if !world.knows_tenant() || scopes.products.contains_key(product) || !is_gone(scopes, product, &plan) {
        return Ok(Next::Done);
    }
    revoke(shared, product).await?;
    let settings = shared.platform.tenant();
    let client = shared.platform.tenant_cluster().clone();
    let tenant = Projection::tenant(client, &settings.namespace, shared.platform.timing().call);
    let tenant_live = tenant.read().await.map_err(ControlError::Projection)?;
    let Some(identity) = product_identity(product) else {
        return Ok(Next::Done);
    };
    let declared = tenant_live
        .get(&identity)
        .filter(|o| o.ours)
        .and_then(|o| match &o.resource {
            Some(Resource::Product(declared)) => Some((**declared).clone()),
            _ => None,
        });
    let repos_gone = retire_repos(shared, product, declared.as_ref()).await?;
    let left = left_in_clusters(shared, product);
    if !repos_gone || !left.is_empty() {
        for cluster in left {
            shared.queue.add(Unit::Apply(product.clone(), cluster));
        }
        return Ok(Next::Retry);
    }
    if let Some(declared) = &declared {
        retire_group(shared, product, &identity, declared).await?;
    }
    let failed = ControlError::Projection;
    let mut writes = projection(shared, product)
        .delete_namespace()
        .await
        .map_err(failed)?;
    if declared.is_some() {
        writes += tenant.delete(&identity).await.map_err(failed)?;
    }
    count(&shared.writes.projection, writes);
    lock(&shared.plans).remove(product);
    shared.board.retain(Some(product), &BTreeSet::new());
    lock(&shared.ids).retain(|identity, _| identity.product.as_ref() != Some(product));
    Ok(Next::Done)
}

async fn revoke(shared: &Shared, product: &ProductName) -> Result<(), ControlError> {
    let store = shared.platform.store();
    let failed = |source| ControlError::Store {
        action: format!("revoke the rights of product {product}"),
        source,
    };
    for scope in store.grant_scopes().await.map_err(failed)? {
        if matches!(&scope, GrantScope::Product { product: of, .. } if of == product) {
            let change = store
                .converge_grants(&scope, &BTreeSet::new())
                .await
                .map_err(failed)?;
            count(&shared.writes.grants, u64::from(!change.is_empty()));
        }
    }
    Ok(())
}

/// Returns whether no repository is left to be dealt with.
async fn retire_repos(
    shared: &Shared,
    product: &ProductName,
    declared: Option<&Product>,
) -> Result<bool, ControlError> {
    let projection = projection(shared, product);
    let live = projection.read().await.map_err(ControlError::Projection)?;
    let group = paths::group_of(product, declared).to_owned();
    let removed = recent_facts(shared, &RepoRef::Product(product.clone())).await;
    let repos: Vec<Retired> = live
        .iter()
        .filter(|(identity, object)| object.ours && identity.kind == Kind::CodeRepo)
        .filter_map(|(identity, _)| retired(shared, &live, identity, &group, &removed))
        .collect();
    let forge = open_forge(shared, Arc::new(Access::default())).await?;
    let mut pass = ForgePass::default();
    forge.retire(&repos, &mut pass).await;
    for identity in &pass.gone {
        let writes = projection
            .delete(identity)
            .await
            .map_err(ControlError::Projection)?;
        count(&shared.writes.projection, writes);
    }
    count(&shared.writes.forge, pass.writes);
    Ok(!pass.unfinished)
}

fn left_in_clusters(shared: &Shared, product: &ProductName) -> BTreeSet<ClusterName> {
    shared
        .clusters()
        .into_iter()
        .filter(|(_, state)| {
            state
                .units
                .iter()
                .any(|unit| unit.product.as_ref() == Some(product))
        })
        .map(|(name, _)| name)
        .collect()
}

/// Archives or deletes `default.project`, and deletes the group when it is empty and nobody wants to keep it.
async fn retire_group(
    shared: &Shared,
    product: &ProductName,
    identity: &Identity,
    declared: &Product,
) -> Result<(), ControlError> {
    let Some(registered) = &declared.spec.registration else {
        // Nothing proves that the group was made for the product.
        return Ok(());
    };
    let removed = recent_facts(shared, &RepoRef::Tenant).await;
    let retention = retention(&Resource::from(declared.clone()), identity, &removed);
    let session = shared
        .platform
        .host()
        .platform()
        .await
        .map_err(ControlError::Session)?;
    let group = paths::group_of(product, Some(declared));
    let failed = ControlError::Session;
    let Ok(path) = RepoPath::new(group, nautes_model::layout::DEFAULT_PROJECT) else {
        return Ok(());
    };
    if let Some(found) = session.repository(&path).await.map_err(failed)?
        && found.id.to_string() == registered.repository_id
    {
        match retention {
            Retention::Delete => {
                session.delete_repository(&path).await.map_err(failed)?;
                count(&shared.writes.forge, 1);
            }
            Retention::Archive if found.archived => {}
            Retention::Archive => {
                session.archive_repository(&path, true).await.map_err(failed)?;
                count(&shared.writes.forge, 1);
            }
        }
    }
    if retention == Retention::Delete
        && let Some(found) = session.group(group).await.map_err(failed)?
        && found.id.to_string() == registered.group_id
    {
        match session.delete_group(group).await {
            Ok(()) => count(&shared.writes.forge, 1),
            // Archived or foreign repositories are in it: it stays.
            Err(HostError::Conflict { .. } | HostError::NotFound { .. }) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(())
}
