//! A deployment runtime whose repository is followed by ourselves (engine `direct`).

use nautes_gitops::publish::trailer;
use nautes_gitops::{Mirror, Oid};
use nautes_model::name::ClusterName;
use nautes_model::{Class, Identity, Revision};
use serde_json::json;

use super::ControlError;
use super::cluster::{ClusterError, within};
use super::facts::{Fact, Facts, Source};
use super::state::{Next, Shared, count};
use crate::apply::{ApplyError, RemovalPolicy, Strategy, Target};
use crate::deploy::{Deployed, SourceError, deploy, position, read};
use crate::plan::{DeployUnit, VerdictState};

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
    let result = match tokio::time::timeout(limit, converge(shared, &unit, cluster)).await {
        Ok(result) => result,
        Err(_) => Err(PassError::Cluster(ClusterError::Late)),
    };
    match result {
        Ok(deployed) => {
            count(&shared.writes.objects, deployed.applied.writes as u64);
            let unfinished = !deployed.applied.pending_deletion.is_empty()
                || deployed.applied.failed.iter().any(|p| p.class.is_retryable());
            // A plan that came meanwhile has its own pass, and says for itself what it found.
            let now = shared.plan(&unit.product);
            let planned = now.as_ref().and_then(|now| now.clusters.get(cluster));
            if planned.is_some_and(|planned| planned.deploys.contains(&unit)) {
                shared.report(runtime, source, facts(&deployed, &unit, cluster));
            }
            Ok(Next::unless(unfinished))
        }
        Err(error) => {
            let fact = Fact::failed(DEPLOYED, error.class(), &error);
            let waits = error.class() == Class::Waiting && !matches!(error, PassError::Cluster(_));
            shared.report(runtime, source, fact);
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

async fn converge(shared: &Shared, unit: &DeployUnit, cluster: &ClusterName) -> Result<Deployed, PassError> {
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

fn facts(deployed: &Deployed, unit: &DeployUnit, cluster: &ClusterName) -> Facts {
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
    Facts::from(fact)
        .field("cluster", cluster.as_str())
        .field("deployedRevision", deployed.revision.to_string())
        .field("objects", json!(applied.inventory))
}
