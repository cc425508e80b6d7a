//! The one writer of statuses: conditions on every projected resource, written only when they say something new.

use std::collections::{BTreeMap, BTreeSet};

use nautes_model::condition::Time;
use nautes_model::name::ProductName;
use nautes_model::{Identity, Kind, Revision};

use super::ControlError;
use super::apply::owners_of;
use super::conditions;
use super::facts::{Fact, Facts, Source};
use super::state::{Next, Shared, count};
use crate::plan::VerdictState;
use crate::projection::{Live, Projection};

/// Writes the statuses of a product, or of what belongs to the tenant.
pub(super) async fn pass(shared: &Shared, product: Option<&ProductName>) -> Result<Next, ControlError> {
    let platform = &shared.platform;
    let timing = platform.timing();
    let client = platform.tenant_cluster().clone();
    let projection = match product {
        Some(product) => Projection::product(client, product.clone(), timing.call),
        None => Projection::tenant(client, &platform.tenant().namespace, timing.call),
    };
    let live = projection.read().await.map_err(ControlError::Projection)?;
    let now = Time(k8s_openapi::jiff::Timestamp::now());
    let revision = revision(shared, product);
    // What was said first, then the plan: the plan is there before anything is said of it, so that what is said of a
    // plan is never judged by an earlier one.
    let mut all_said: BTreeMap<&Identity, BTreeMap<Source, Facts>> = live
        .keys()
        .map(|identity| (identity, said(shared, identity)))
        .collect();
    let expected = product
        .map(|product| expected(shared, product))
        .unwrap_or_default();
    let mut writes = 0;
    let mut failed = None;
    for (identity, object) in &live {
        let status = if object.ours {
            let mut said = all_said.remove(identity).unwrap_or_default();
            if let Some(sources) = expected.get(identity) {
                said.retain(|source, _| !is_of_a_plan(source) || sources.contains(source));
            }
            let missing = said.is_empty()
                || needs(shared, identity)
                    .iter()
                    .any(|source| !said.contains_key(source))
                || expected
                    .get(identity)
                    .is_some_and(|sources| sources.iter().any(|source| !said.contains_key(source)));
            conditions::status(object, revision.as_ref(), &said, missing, &now)
        } else {
            Some(conditions::foreign(object, identity, &now))
        };
        if let Some(status) = status {
            match projection.write_status(identity, object, &status).await {
                Ok(count) => writes += count,
                Err(error) => failed = Some(error),
            }
        }
    }
    count(&shared.writes.status, writes);
    forget(shared, product, &live);
    failed.map_or(Ok(Next::Done), |error| Err(ControlError::Projection(error)))
}

fn revision(shared: &Shared, product: Option<&ProductName>) -> Option<Revision> {
    let world = shared.world();
    match product {
        Some(product) => world.scopes().products.get(product)?.revision.clone(),
        None => world.scopes().tenant.revision.clone(),
    }
}

/// What is known of a resource. Kinds on which nobody works are as they should be when they could be read.
fn said(shared: &Shared, identity: &Identity) -> BTreeMap<Source, Facts> {
    let mut said = shared.board.get(identity);
    let nobody = !identity.kind.is_of_product() && !matches!(identity.kind, Kind::Cluster | Kind::Product);
    if nobody && said.is_empty() {
        let fact = Fact::new("Readable", VerdictState::Ready, "Ready", "its manifest was read");
        said.insert(Source::Scope, fact.into());
    }
    said
}

/// Who has to have reported about every resource of a kind.
fn needs(shared: &Shared, identity: &Identity) -> &'static [Source] {
    let declared = shared.world().scopes().get(identity).is_some();
    match identity.kind {
        _ if !declared => &[],
        Kind::Product => &[Source::Scope, Source::Plan],
        Kind::Cluster => &[Source::Cluster],
        kind if kind.is_of_product() => &[Source::Plan],
        _ => &[],
    }
}

/// Who has to have reported about each resource before its status is what it is.
fn expected(shared: &Shared, product: &ProductName) -> BTreeMap<Identity, BTreeSet<Source>> {
    let mut expected: BTreeMap<Identity, BTreeSet<Source>> = BTreeMap::new();
    let Some(plan) = shared.plan(product) else {
        return expected;
    };
    for (identity, verdict) in &plan.verdicts {
        let sources = expected.entry(identity.clone()).or_default();
        sources.insert(Source::Plan);
        if identity.kind == Kind::CodeRepo && verdict.state == VerdictState::Ready {
            sources.insert(Source::Forge);
        }
    }
    for (cluster, planned) in &plan.clusters {
        for owner in owners_of(Some(planned)) {
            expected
                .entry(owner)
                .or_default()
                .insert(Source::Apply(cluster.clone()));
        }
        for unit in &planned.deploys {
            let sources = expected.entry(unit.runtime.clone()).or_default();
            sources.insert(Source::Deploy(cluster.clone()));
        }
        for space in &planned.pipelines {
            if space
                .event_sources
                .iter()
                .any(|(source, repo)| source.gitlab.is_some() && repo.is_some())
            {
                let sources = expected.entry(space.runtime.clone()).or_default();
                sources.insert(Source::Runs);
            }
        }
    }
    // What a source said of a plan that is gone does not count any more.
    for (identity, sources) in &expected {
        for (source, _) in shared.board.get(identity) {
            if is_of_a_plan(&source) && !sources.contains(&source) {
                shared.board.drop_source(identity, &source);
            }
        }
    }
    expected
}

/// Whether what a source says is about what a plan has somewhere.
const fn is_of_a_plan(source: &Source) -> bool {
    matches!(source, Source::Apply(_) | Source::Deploy(_) | Source::Runs)
}

/// Forgets what was known of resources that are neither projected nor declared.
fn forget(shared: &Shared, product: Option<&ProductName>, live: &Live) {
    let world = shared.world();
    let mut keep: BTreeSet<Identity> = live.keys().cloned().collect();
    let resources = match product {
        Some(product) => world.scopes().products.get(product).map(|scope| &scope.resources),
        None => Some(&world.scopes().tenant.resources),
    };
    keep.extend(
        resources
            .into_iter()
            .flat_map(|r| r.iter().map(|s| s.identity.clone())),
    );
    shared.board.retain(product, &keep);
}
