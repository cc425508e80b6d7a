//! A product that is declared no more, and repositories that are: taken away in an order in which nothing is left behind.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use nautes_gitops::publish::trailer;
use nautes_gitops::{HostError, RepoPath, RepoRef};
use nautes_model::kinds::{Product, Retention};
use nautes_model::name::{ClusterName, ProductName};
use nautes_model::secret::GrantScope;
use nautes_model::{Identity, Kind, Resource};
use nautes_validate::Access;

use super::ControlError;
use super::apply::recent_facts;
use super::code_repo::{self, ForgePass, Retired};
use super::facts::Source;
use super::product::{known_id, open_forge, projection};
use super::removal::{self, Leaving, Step};
use super::state::{Next, Shared, Unit, count, lock, product_identity};
use super::sync::is_gone;
use crate::platform::paths;
use crate::projection::{Live, Projection};

/// What is to be done with a repository that is declared no more.
pub(super) fn retired(
    shared: &Shared,
    live: &Live,
    identity: &Identity,
    group: &str,
    removed: &[trailer::Facts],
    asked: bool,
) -> Option<Retired> {
    let object = live.get(identity)?;
    let resource = object.resource.as_ref()?;
    let Resource::CodeRepo(repo) = resource else {
        return None;
    };
    Some(Retired {
        identity: identity.clone(),
        path: paths::code_repo(group, repo).ok()?,
        known_id: known_id(live, identity),
        leaving: Leaving {
            retention: retention(resource, identity, removed),
            asked,
            since: removal::kept_since(object),
        },
        provider: code_repo::provider_of(&shared.platform, shared.world().scopes(), repo).to_owned(),
        metadata: repo.metadata.clone(),
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
    let own = tenant_live.get(&identity).filter(|o| o.ours);
    let declared = own.and_then(|o| match &o.resource {
        Some(Resource::Product(declared)) => Some((**declared).clone()),
        _ => None,
    });
    let removed = recent_facts(shared, &RepoRef::Tenant).await;
    let asked = removal::asked(&removed).contains(&identity);
    let repos_gone = retire_repos(shared, product, declared.as_ref(), asked).await?;
    let left = left_in_clusters(shared, product);
    if !repos_gone || !left.is_empty() {
        for cluster in left {
            shared.queue.add(Unit::Apply(product.clone(), cluster));
        }
        return Ok(Next::Retry);
    }
    if let Some(declared) = &declared {
        let leaving = Leaving {
            retention: retention(&Resource::from(declared.clone()), &identity, &removed),
            asked,
            since: own.and_then(|o| removal::kept_since(o)),
        };
        let step = leaving.step(shared.platform.grace(), Timestamp::now());
        retire_group(shared, product, declared, step).await?;
        if let Step::Keep(rest) = step {
            let what = format!("the group of product {product}");
            shared.report(
                &identity,
                Source::Forge,
                removal::kept(&what, shared.platform.grace()),
            );
            shared.queue.add_after(Unit::Retire(product.clone()), rest);
            return Ok(Next::Done);
        }
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
    asked: bool,
) -> Result<bool, ControlError> {
    let projection = projection(shared, product);
    let live = projection.read().await.map_err(ControlError::Projection)?;
    let group = paths::group_of(product, declared).to_owned();
    let removed = recent_facts(shared, &RepoRef::Product(product.clone())).await;
    let repos: Vec<Retired> = live
        .iter()
        .filter(|(identity, object)| object.ours && identity.kind == Kind::CodeRepo)
        .filter_map(|(identity, _)| {
            let asked = asked || removal::asked(&removed).contains(identity);
            retired(shared, &live, identity, &group, &removed, asked)
        })
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
    let waits = pass.again.is_some();
    for (identity, facts) in pass.facts {
        shared.report(&identity, Source::Forge, facts);
    }
    Ok(!pass.unfinished && !waits)
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
    declared: &Product,
    step: Step,
) -> Result<(), ControlError> {
    let Some(registered) = &declared.spec.registration else {
        // Nothing proves that the group was made for the product.
        return Ok(());
    };
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
        match step {
            Step::Delete => {
                session.delete_repository(&path).await.map_err(failed)?;
                count(&shared.writes.forge, 1);
            }
            Step::Archive | Step::Keep(_) if found.archived => {}
            Step::Archive | Step::Keep(_) => {
                session.archive_repository(&path, true).await.map_err(failed)?;
                count(&shared.writes.forge, 1);
            }
        }
    }
    if step == Step::Delete
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
