//! Events of repositories: which runs they ask for, and which were handled already.
//!
//! # Flow
//! references of the forge -> for each trigger and each reference that is elsewhere than when it was handled last:
//! the runs that the plan asks for -> one run each -> what was handled, in the status of the runtime. What deliveries say
//! that references do not show (a merge request, a comment) asks for runs of what is there now, by the same road.
//!
//! # Guarantees
//! * A trigger that sees a repository for the first time takes note of where everything is, and starts nothing for
//!   the past.
//! * A push whose delivery was lost is found at the next look. A delivery that is repeated does nothing: a trigger runs
//!   once for each commit of a reference, whatever is said of it.
//! * A reference that is gone starts nothing, and is forgotten only by a complete listing that lacks it.

use std::collections::BTreeSet;

use nautes_gitops::{Oid, Refs, RepoPath, Session};
use nautes_model::kinds::pipeline_runtime::{PipelineTrigger, TriggerStatus};
use nautes_model::{Class, Identity, Resource};
use serde_json::json;

use super::ControlError;
use super::cluster::{ClusterError, pipeline_component, within};
use super::facts::{Fact, Facts, Source};
use super::state::{Hint, Next, Shared, count, lock};
use crate::intent::{PipelineSpace, RunIntent};
use crate::plan::{ForgeEvent, Plan, triggers};
use crate::projection::Projection;
use crate::start::{StartError, Started, Starter, start};

/// The condition that says whether events of a runtime are heard.
const LISTENING: &str = "Listening";

#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("the pipeline repository {0} is not declared")]
    NoRepo(Identity),
    #[error("the cluster has no engine for pipelines")]
    NoEngine,
    #[error("the mirror of the pipeline repository cannot be opened")]
    Mirror(#[source] nautes_gitops::repo::RepoError),
    #[error("the forge cannot be asked")]
    Host(#[source] nautes_gitops::HostError),
}

impl RunError {
    fn class(&self) -> Class {
        match self {
            Self::Cluster(source) => source.class(),
            Self::Start(source) => source.class(),
            Self::NoRepo(_) | Self::NoEngine => Class::Waiting,
            Self::Mirror(source) => source.class(),
            Self::Host(source) => source.class(),
        }
    }
}

/// Looks at a repository whose events start pipelines.
pub(super) async fn pass(shared: &Shared, repo: &Identity) -> Result<Next, ControlError> {
    let Some(path) = shared.path_of(repo) else {
        return Ok(Next::Done);
    };
    let session = shared
        .platform
        .host()
        .platform()
        .await
        .map_err(ControlError::Session)?;
    let limit = shared.platform.timing().call;
    let refs = match tokio::time::timeout(limit, session.refs(&path)).await {
        Ok(Ok(refs)) => refs,
        // It is being made.
        Ok(Err(error)) if error.class() == Class::NotFound => return Ok(Next::Retry),
        Ok(Err(error)) => return Err(ControlError::Session(error)),
        Err(_) => return Err(ControlError::Unit(format!("{path} did not answer in time"))),
    };
    let hints = lock(&shared.hints).remove(repo).unwrap_or_default();
    let next = handle_all(shared, &*session, repo, &path, &refs, &hints).await;
    if !hints.is_empty() && !matches!(next, Ok(Next::Done)) {
        // What was handled of them is known, and does nothing again.
        lock(&shared.hints).entry(repo.clone()).or_default().extend(hints);
    }
    next
}

async fn handle_all(
    shared: &Shared,
    session: &dyn Session,
    repo: &Identity,
    path: &RepoPath,
    refs: &Refs,
    hints: &BTreeSet<Hint>,
) -> Result<Next, ControlError> {
    let mut events = moved(repo, refs);
    if !hints.is_empty() {
        let limit = shared.platform.timing().call;
        let found = match tokio::time::timeout(limit, session.repository(path)).await {
            Ok(found) => found.map_err(ControlError::Session)?,
            Err(_) => return Err(ControlError::Unit(format!("{path} did not answer in time"))),
        };
        let default = found.map(|found| format!("refs/heads/{}", found.default_branch));
        events.extend(
            hints
                .iter()
                .filter_map(|hint| happened(repo, refs, default.as_deref(), hint)),
        );
    }
    let mut next = Next::Done;
    for plan in shared.plans().values() {
        for space in plan.clusters.values().flat_map(|cluster| &cluster.pipelines) {
            if listens(space, repo) && handle(shared, plan, space, repo, refs, &events).await? == Next::Retry
            {
                next = Next::Retry;
            }
        }
    }
    Ok(next)
}

/// An event that may start runs.
struct Heard {
    event: ForgeEvent,
    /// Whether it is a reference as it is, of which nobody knows whether it has moved.
    seen: bool,
}

/// The references as they are.
fn moved(repo: &Identity, refs: &Refs) -> Vec<Heard> {
    refs.iter()
        .filter_map(|(name, id)| ForgeEvent::moved(repo.clone(), name, Oid::ZERO, &id.to_string()))
        .map(|event| Heard { event, seen: true })
        .collect()
}

/// What a delivery has said, as far as the forge confirms it: the references that it names are there.
fn happened(repo: &Identity, refs: &Refs, default: Option<&str>, hint: &Hint) -> Option<Heard> {
    let about = hint.reference.as_deref().or(default)?;
    let ref_ = hint.source.as_deref().unwrap_or(about);
    let commit = refs.get(ref_).filter(|_| refs.contains_key(about))?;
    let event = ForgeEvent {
        repo: repo.clone(),
        kind: hint.event.flag().to_owned(),
        ref_: ref_.to_owned(),
        target: hint.source.is_some().then(|| about.to_owned()),
        before: Oid::ZERO.to_owned(),
        after: commit.to_string(),
    };
    Some(Heard { event, seen: false })
}

fn listens(space: &PipelineSpace, repo: &Identity) -> bool {
    space
        .event_sources
        .iter()
        .any(|(source, of)| source.gitlab.is_some() && of.as_ref() == Some(repo))
}

/// What one runtime has to do because of one repository.
async fn handle(
    shared: &Shared,
    plan: &Plan,
    space: &PipelineSpace,
    repo: &Identity,
    refs: &Refs,
    events: &[Heard],
) -> Result<Next, ControlError> {
    let runtime = &space.runtime;
    let mut handled = handled(shared, runtime).await?;
    // A trigger that is gone may come back, and begins anew then.
    handled.retain(|status| {
        let is_it =
            |t: &PipelineTrigger| t.event_source == status.event_source && t.pipeline == status.pipeline;
        space.triggers.iter().any(is_it)
    });
    let mut failures = Vec::new();
    let wanted = wanted(plan, space, events);
    let of_repo: BTreeSet<&str> = space
        .event_sources
        .iter()
        .filter(|(_, of)| of.as_ref() == Some(repo))
        .map(|(source, _)| source.name.as_str())
        .collect();
    for trigger in space
        .triggers
        .iter()
        .filter(|t| of_repo.contains(t.event_source.as_str()))
    {
        let is_of = |status: &TriggerStatus| {
            status.event_source == trigger.event_source && status.pipeline == trigger.pipeline
        };
        let first = !handled.iter().any(is_of);
        if first {
            handled.push(record(&trigger.event_source, &trigger.pipeline, "", "", ""));
        }
        // A reference that is gone may come back, and means something new then.
        handled.retain(|status| !is_of(status) || status.ref_.is_empty() || refs.contains_key(&status.ref_));
        let asked = wanted
            .iter()
            .filter(|(i, _)| i.event_source == trigger.event_source && i.pipeline.name == trigger.pipeline);
        for (intent, seen) in asked {
            let known = handled
                .iter()
                .position(|s| is_of(s) && s.ref_ == intent.event_ref);
            if known.is_some_and(|at| handled.get(at).is_some_and(|s| s.commit == intent.event_commit)) {
                continue;
            }
            let run = if first && *seen {
                String::new()
            } else {
                match start_one(shared, intent).await {
                    Ok(started) => {
                        count(&shared.writes.runs, u64::from(started.created));
                        tracing::info!(%runtime, run = started.name, created = started.created, "an event was handled");
                        started.name
                    }
                    Err(error) => {
                        failures.push(error);
                        continue;
                    }
                }
            };
            let new = record(
                &trigger.event_source,
                &trigger.pipeline,
                &intent.event_ref,
                &intent.event_commit,
                &run,
            );
            match known.and_then(|at| handled.get_mut(at)) {
                Some(old) => *old = new,
                None => handled.push(new),
            }
        }
    }
    handled.sort_by(|a, b| key(a).cmp(&key(b)));
    lock(&shared.handled).insert(runtime.clone(), handled.clone());
    let fact = match failures.first() {
        None => Fact::ready(LISTENING, "events are heard"),
        Some(error) => Fact::failed(LISTENING, error.class(), error),
    };
    let facts = Facts::from(fact).field("triggers", json!(handled));
    shared.report(runtime, Source::Runs, facts);
    Ok(Next::unless(!failures.is_empty()))
}

fn key(status: &TriggerStatus) -> (&str, &str, &str) {
    (&status.event_source, &status.pipeline, &status.ref_)
}

fn record(event_source: &str, pipeline: &str, ref_: &str, commit: &str, run: &str) -> TriggerStatus {
    TriggerStatus {
        event_source: event_source.to_owned(),
        pipeline: pipeline.to_owned(),
        ref_: ref_.to_owned(),
        commit: commit.to_owned(),
        run: run.to_owned(),
    }
}

/// The runs that events ask for, each with whether its reference was only seen.
fn wanted(plan: &Plan, space: &PipelineSpace, events: &[Heard]) -> Vec<(RunIntent, bool)> {
    events
        .iter()
        .flat_map(|heard| {
            let asked = triggers(plan, &heard.event).into_iter();
            asked.map(|intent| (intent, heard.seen))
        })
        .filter(|(intent, _)| intent.runtime == space.runtime)
        .collect()
}

/// What a runtime has handled: as this process knows it, else as its status says.
async fn handled(shared: &Shared, runtime: &Identity) -> Result<Vec<TriggerStatus>, ControlError> {
    if let Some(known) = lock(&shared.handled).get(runtime) {
        return Ok(known.clone());
    }
    let Some(product) = &runtime.product else {
        return Ok(Vec::new());
    };
    let client = shared.platform.tenant_cluster().clone();
    let projection = Projection::product(client, product.clone(), shared.platform.timing().call);
    let live = projection.read().await.map_err(ControlError::Projection)?;
    Ok(
        match live.get(runtime).and_then(|object| object.resource.as_ref()) {
            Some(Resource::ProjectPipelineRuntime(found)) => found
                .status
                .as_ref()
                .map(|status| status.triggers.clone())
                .unwrap_or_default(),
            _ => Vec::new(),
        },
    )
}

async fn start_one(shared: &Shared, intent: &RunIntent) -> Result<Started, RunError> {
    let platform = &shared.platform;
    let limit = platform.timing().call;
    let component = pipeline_component(shared, &intent.cluster).ok_or(RunError::NoEngine)?;
    let engine = platform
        .engines()
        .pipeline(&component)
        .ok_or(RunError::NoEngine)?;
    let repo = shared
        .path_of(&intent.pipeline_source)
        .ok_or_else(|| RunError::NoRepo(intent.pipeline_source.clone()))?;
    let mirror = platform.mirrors().open(&repo).await.map_err(RunError::Mirror)?;
    let session = platform.host().platform().await.map_err(RunError::Host)?;
    let client = within(limit, platform.clusters().client(&intent.cluster)).await?;
    let with = Starter {
        session: &*session,
        repo: &repo,
        mirror: &mirror,
        engine,
        deadline: limit,
    };
    Ok(start(client, &with, intent).await?)
}

/// Forgets what runtimes have handled that are declared no more: one of the same name begins anew.
pub(super) fn forget(shared: &Shared) {
    let world = shared.world();
    lock(&shared.handled).retain(|runtime, _| world.scopes().get(runtime).is_some());
    lock(&shared.hints).retain(|repo, _| world.scopes().get(repo).is_some());
}
