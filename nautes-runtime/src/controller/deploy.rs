//! A deployment runtime whose repository is followed by ourselves (engine `direct`).
//!
//! # Guarantees
//! * A revision counts as deployed when every object of it was, and what is declared no more is gone; until then it is one
//!   that is being deployed, and the last whole one stays beside it.

use nautes_gitops::publish::trailer;
use nautes_gitops::{Mirror, Oid};
use nautes_model::name::ClusterName;
use nautes_model::{Class, Identity, Resource, Revision};
use serde_json::json;

use super::ControlError;
use super::cluster::{ClusterError, within};
use super::facts::{Fact, Facts, Source};
use super::state::{Next, Shared, Standing, count, lock};
use crate::apply::{ApplyError, RemovalPolicy, Strategy, Target};
use crate::deploy::{Deployed, SourceError, deploy, position, read};
use crate::plan::{DeployUnit, VerdictState};
use crate::projection::Projection;

/// The condition that says whether the objects of the repository are in the cluster.
const DEPLOYED: &str = "Deployed";

#[derive(Debug, thiserror::Error)]
enum PassError {
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Apply(#[from] ApplyError),
    #[error("the repository {0} is not declared")]
    NoRepo(Identity),
    #[error(transparent)]
    Source(#[from] SourceError),
}

impl PassError {
    fn class(&self) -> Class {
        match self {
            Self::Cluster(source) => source.class(),
            Self::Apply(source) => source.class(),
            Self::NoRepo(_) => Class::Waiting,
            Self::Source(source) => source.class(),
        }
    }
}

/// Makes the cluster agree with the repository.
pub(super) async fn pass(
    shared: &Shared,
    runtime: &Identity,
    cluster: &ClusterName,
) -> Result<Next, ControlError> {
    let plan = runtime.product.as_ref().and_then(|product| shared.plan(product));
    let unit = plan.as_ref().and_then(|plan| {
        let deploys = &plan.clusters.get(cluster)?.deploys;
        deploys.iter().find(|unit| unit.runtime == *runtime).cloned()
    });
    let source = Source::Deploy(cluster.clone());
    let Some(unit) = unit else {
        shared.board.drop_source(runtime, &source);
        return Ok(Next::Done);
    };
    let state = shared.cluster(cluster);
    let Ok(_turn) = state.turns.acquire().await else {
        return Ok(Next::Retry);
    };
    let limit = shared.platform.timing().cluster;
    let mut standing = standing(shared, runtime, cluster).await?;
    let work = converge(shared, &unit, cluster, &mut standing);
    let result = match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(PassError::Cluster(ClusterError::Late)),
    };
    match result {
        Ok(deployed) => {
            count(&shared.writes.objects, deployed.applied.writes as u64);
            let revision = deployed.revision.to_string();
            if deployed.is_complete() {
                (standing.whole, standing.deploying) = (Some(revision), None);
            } else {
                standing.deploying = Some(revision);
            }
            lock(&shared.deployed).insert(runtime.clone(), standing.clone());
            let unfinished = !deployed.applied.pending_deletion.is_empty()
                || deployed.applied.failed.iter().any(|p| p.class.is_retryable());
            // A plan that came meanwhile has its own pass, and says for itself what it found.
            let now = shared.plan(&unit.product);
            let planned = now.as_ref().and_then(|now| now.clusters.get(cluster));
            if planned.is_some_and(|planned| planned.deploys.contains(&unit)) {
                shared.report(runtime, source, facts(&deployed, &unit, &standing));
            }
            Ok(Next::unless(unfinished))
        }
        Err(error) => {
            let fact = Fact::failed(DEPLOYED, error.class(), &error);
            let waits = error.class() == Class::Waiting && !matches!(error, PassError::Cluster(_));
            // What was deployed is so still, for all that anybody knows.
            shared.report(runtime, source, known(fact, &standing));
            if waits {
                // A push or the arrival of the repository wakes it.
                return Ok(Next::Retry);
            }
            Err(ControlError::Unit(format!(
                "{runtime}: {}",
                super::facts::chain(&error)
            )))
        }
    }
}

/// How far a runtime has come: as this process knows it, else as the status says.
async fn standing(
    shared: &Shared,
    runtime: &Identity,
    cluster: &ClusterName,
) -> Result<Standing, ControlError> {
    let known = lock(&shared.deployed).get(runtime).cloned();
    let found = match (known, &runtime.product) {
        (Some(known), _) => known,
        (None, None) => Standing::default(),
        (None, Some(product)) => {
            let client = shared.platform.tenant_cluster().clone();
            let limit = shared.platform.timing().call;
            let projection = Projection::product(client, product.clone(), limit);
            let live = projection.read_one(runtime).await;
            match live
                .map_err(ControlError::Projection)?
                .and_then(|live| live.resource)
            {
                Some(Resource::DeploymentRuntime(found)) => {
                    let status = found.status.unwrap_or_default();
                    Standing {
                        cluster: status.cluster.unwrap_or_default(),
                        whole: status.deployed_revision,
                        deploying: status.deploying_revision,
                    }
                }
                _ => Standing::default(),
            }
        }
    };
    if found.cluster == cluster.as_str() {
        return Ok(found);
    }
    // What was deployed elsewhere says nothing about this cluster.
    Ok(Standing {
        cluster: cluster.to_string(),
        ..Standing::default()
    })
}

/// Forgets what runtimes have deployed that are declared no more: one of the same name begins anew.
pub(super) fn forget(shared: &Shared) {
    let world = shared.world();
    lock(&shared.deployed).retain(|runtime, _| world.scopes().get(runtime).is_some());
}

async fn converge(
    shared: &Shared,
    unit: &DeployUnit,
    cluster: &ClusterName,
    standing: &mut Standing,
) -> Result<Deployed, PassError> {
    let platform = &shared.platform;
    let limit = platform.timing().call;
    let path = shared
        .path_of(&unit.code_repo)
        .ok_or_else(|| PassError::NoRepo(unit.code_repo.clone()))?;
    let (mirror, revision) = position(platform, unit, &path).await?;
    let manifests = read(&mirror, revision, unit, &path).await?;
    let removal = removal(&mirror, revision).await;
    let client = within(limit, platform.clusters().client(cluster)).await?;
    let namespace = unit.namespaces.first().map(String::as_str).unwrap_or_default();
    let acting = platform.clusters().client_as(cluster, namespace, &unit.account);
    let acting = within(limit, acting).await?;
    let state = shared.cluster(cluster);
    let target = Target::new(cluster, client, &**platform.store(), &state.cache).acting_as(acting);
    let revision = Revision(revision.to_string().into());
    let new = Some(revision.to_string());
    if new != standing.whole && new != standing.deploying {
        // From the first write on, what was deployed before is whole no more.
        standing.deploying = new;
        lock(&shared.deployed).insert(unit.runtime.clone(), standing.clone());
        let text = format!("{} is being deployed", revision.short());
        let fact = Fact::new(DEPLOYED, VerdictState::Pending, "Deploying", text);
        let source = Source::Deploy(cluster.clone());
        shared.report(&unit.runtime, source, known(fact, standing));
    }
    Ok(deploy(&target, unit, revision, manifests, Strategy::Apply, removal).await?)
}

/// A commit that names what it removes removes on purpose.
async fn removal(mirror: &Mirror, revision: Oid) -> RemovalPolicy {
    let commit = mirror.log(revision, 1).await.unwrap_or_default();
    if commit
        .iter()
        .any(|commit| commit.trailers.contains_key(trailer::REMOVES))
    {
        RemovalPolicy::EXPLICIT
    } else {
        RemovalPolicy::default()
    }
}

/// A fact, and how far the runtime has come.
fn known(fact: Fact, standing: &Standing) -> Facts {
    let mut facts = Facts::from(fact);
    let revisions = [
        ("deployedRevision", &standing.whole),
        ("deployingRevision", &standing.deploying),
    ];
    for (name, revision) in revisions {
        if let Some(revision) = revision {
            facts = facts
                .field("cluster", standing.cluster.as_str())
                .field(name, revision.as_str());
        }
    }
    facts
}

fn facts(deployed: &Deployed, unit: &DeployUnit, standing: &Standing) -> Facts {
    let applied = &deployed.applied;
    let short = deployed.revision.short().to_owned();
    let problems: Vec<String> = deployed
        .problems
        .iter()
        .map(|problem| match &problem.hint {
            Some(hint) => format!("{}: {} ({hint})", problem.path, problem.message),
            None => format!("{}: {}", problem.path, problem.message),
        })
        .chain(applied.conflicts.iter().map(|(key, why)| format!("{key}: {why}")))
        .chain(
            applied
                .refused
                .iter()
                .chain(&applied.failed)
                .map(|p| format!("{}: {}", p.key, p.message)),
        )
        .collect();
    let waits = !problems.is_empty()
        && deployed.problems.is_empty()
        && applied.conflicts.is_empty()
        && applied.refused.is_empty()
        && applied.failed.iter().all(|p| p.class.is_retryable());
    let fact = if let Some(over) = applied.over_budget {
        let text = format!(
            "{} of {} objects would go at once; push a commit with the trailer {}",
            over.count,
            over.of,
            trailer::REMOVES
        );
        Fact::new(DEPLOYED, VerdictState::Failed, "RemovalHeld", text)
    } else if waits {
        Fact::new(DEPLOYED, VerdictState::Pending, "Waiting", problems.join("; "))
    } else if !problems.is_empty() {
        Fact::new(
            DEPLOYED,
            VerdictState::Failed,
            "ManifestProblem",
            problems.join("; "),
        )
    } else if applied.inventory == 0 {
        let text = format!("there is no manifest below {:?} at {short}", unit.path);
        Fact::new(DEPLOYED, VerdictState::Pending, "NoManifests", text)
    } else {
        Fact::ready(
            DEPLOYED,
            format!("{} objects of {short} are deployed", applied.inventory),
        )
    };
    known(fact, standing).field("objects", json!(applied.inventory))
}
