//! From an event of the forge to the runs that it asks for.
//!
//! # Guarantees
//! * Only what the plan has in place starts: a runtime that may not use a repository, that is held, or whose
//!   namespace another product holds, starts nothing.
//! * A push of a tag never starts what listens to pushes, and a deletion starts nothing.

mod pattern;

pub use pattern::{PatternError, RefPattern};

use std::collections::BTreeMap;

use nautes_model::Identity;
use nautes_model::kinds::pipeline_runtime::{EventSource, PipelineTrigger, TriggerInput};
use nautes_model::name::ClusterName;

use super::model::Plan;
use crate::intent::{PipelineSpace, RepoAddress, RunIntent};

/// What a forge calls a push to a branch.
pub const PUSH: &str = "push_events";
/// What a forge calls a push of a tag.
pub const TAG_PUSH: &str = "tag_push_events";

/// Something that happened to a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForgeEvent {
    /// The repository (a CodeRepo).
    pub repo: Identity,
    /// What happened, as GitLab spells it: `push_events`, `merge_requests_events`.
    pub kind: String,
    /// The ref, for example `refs/heads/main`; of a merge request, where it comes from.
    pub ref_: String,
    /// The ref into which a merge request goes, by which event sources choose then; `None` of other events.
    pub target: Option<String>,
    /// The commit of the ref before; all zeros when the ref is new.
    pub before: String,
    /// The commit of the ref after; all zeros when the ref is gone.
    pub after: String,
}

impl ForgeEvent {
    /// A ref that moved: a push to a branch or of a tag; `None` for any other ref.
    #[must_use]
    pub fn moved(repo: Identity, ref_: &str, before: &str, after: &str) -> Option<Self> {
        let kind = if ref_.starts_with("refs/heads/") {
            PUSH
        } else if ref_.starts_with("refs/tags/") {
            TAG_PUSH
        } else {
            return None;
        };
        Some(Self {
            repo,
            kind: kind.to_owned(),
            ref_: ref_.to_owned(),
            target: None,
            before: before.to_owned(),
            after: after.to_owned(),
        })
    }

    /// Whether the ref is gone.
    #[must_use]
    pub fn is_deletion(&self) -> bool {
        self.after.bytes().all(|b| b == b'0')
    }

    /// Whether the ref is of the kind that the event speaks of.
    fn is_consistent(&self) -> bool {
        match self.kind.as_str() {
            PUSH => self.ref_.starts_with("refs/heads/"),
            TAG_PUSH => self.ref_.starts_with("refs/tags/"),
            _ => true,
        }
    }
}

/// Returns the runs that an event asks for, in order of cluster, runtime and trigger.
#[must_use]
pub fn triggers(plan: &Plan, event: &ForgeEvent) -> Vec<RunIntent> {
    if event.is_deletion() || !event.is_consistent() {
        return Vec::new();
    }
    let mut runs = Vec::new();
    for (cluster, planned) in &plan.clusters {
        for space in &planned.pipelines {
            for (position, trigger) in space.triggers.iter().enumerate() {
                if listens(space, trigger, event) {
                    runs.extend(run(cluster, space, position, trigger, Cause::Event(event)));
                }
            }
        }
    }
    runs
}

/// Returns the run that a calendar asks for at a time; `None` if the trigger is not there or pins no revision.
#[must_use]
pub fn timed(cluster: &ClusterName, space: &PipelineSpace, trigger: usize, at: &str) -> Option<RunIntent> {
    run(
        cluster,
        space,
        trigger,
        space.triggers.get(trigger)?,
        Cause::Time(at),
    )
}

fn listens(space: &PipelineSpace, trigger: &PipelineTrigger, event: &ForgeEvent) -> bool {
    source(space, trigger).is_some_and(|(source, repo)| {
        source.gitlab.as_ref().is_some_and(|gitlab| {
            repo.as_ref() == Some(&event.repo)
                && gitlab.events.contains(&event.kind)
                && RefPattern::parse(gitlab.revision.as_deref())
                    .is_ok_and(|p| p.matches(event.target.as_ref().unwrap_or(&event.ref_)))
        })
    })
}

fn source<'a>(
    space: &'a PipelineSpace,
    trigger: &PipelineTrigger,
) -> Option<&'a (EventSource, Option<Identity>)> {
    space
        .event_sources
        .iter()
        .find(|(source, _)| source.name == trigger.event_source)
}

/// What starts a run.
#[derive(Clone, Copy)]
enum Cause<'a> {
    Event(&'a ForgeEvent),
    Time(&'a str),
}

impl<'a> Cause<'a> {
    fn repo(self) -> Option<&'a Identity> {
        match self {
            Self::Event(event) => Some(&event.repo),
            Self::Time(_) => None,
        }
    }

    fn ref_(self) -> &'a str {
        match self {
            Self::Event(event) => &event.ref_,
            Self::Time(at) => at,
        }
    }

    fn commit(self) -> &'a str {
        match self {
            Self::Event(event) => &event.after,
            Self::Time(at) => at,
        }
    }
}

fn run(
    cluster: &ClusterName,
    space: &PipelineSpace,
    position: usize,
    trigger: &PipelineTrigger,
    cause: Cause<'_>,
) -> Option<RunIntent> {
    let pipeline = space.pipelines.iter().find(|p| p.name == trigger.pipeline)?;
    let pinned = trigger.revision.as_deref().filter(|r| !r.is_empty());
    let revision = match (pinned, cause) {
        (Some(pinned), _) => pinned,
        // The pipeline file is part of what was pushed: it is the one of that commit.
        (None, Cause::Event(event)) if event.repo == space.pipeline_source => &event.after,
        (None, Cause::Event(event)) => &event.ref_,
        (None, Cause::Time(_)) => return None,
    };
    let mut vars = space.vars.clone();
    if let Some(RepoAddress { name, url }) = cause.repo().and_then(|repo| space.repos.get(repo)) {
        vars.insert("EventSourceCodeRepoName".to_owned(), name.clone());
        vars.insert("EventSourceCodeRepoURL".to_owned(), url.clone());
    }
    vars.insert("PipelineRevision".to_owned(), revision.to_owned());
    vars.insert("PipelineFilePath".to_owned(), pipeline.path.clone());
    vars.insert(
        "PipelineLabel".to_owned(),
        pipeline.label.clone().unwrap_or_else(|| "default".to_owned()),
    );
    let mut inputs = BTreeMap::new();
    for input in &trigger.inputs {
        let (pointer, value) = value(input, &vars, cause)?;
        inputs.insert(pointer, value);
    }
    Some(RunIntent {
        cluster: cluster.clone(),
        runtime: space.runtime.clone(),
        product: space.product.clone(),
        project: space.project.clone(),
        trigger: position,
        event_source: trigger.event_source.clone(),
        pipeline: pipeline.clone(),
        pipeline_source: space.pipeline_source.clone(),
        pipeline_revision: revision.to_owned(),
        namespace: space.namespace.clone(),
        account: space.account.clone(),
        event_repo: cause.repo().cloned(),
        event_ref: cause.ref_().to_owned(),
        event_commit: cause.commit().to_owned(),
        inputs,
        pre_hooks: space.pre_hooks.clone(),
        post_hooks: space.post_hooks.clone(),
    })
}

fn value(
    input: &TriggerInput,
    vars: &BTreeMap<String, String>,
    cause: Cause<'_>,
) -> Option<(String, String)> {
    let pointer = input.transmission_method.kustomization.as_ref()?.path.clone();
    let value = match (&input.source.built_in_var, &input.source.from_event) {
        // A variable that has no value here, for example the event's repository at a calendar, is empty.
        (Some(var), None) => vars.get(var).cloned().unwrap_or_default(),
        (None, Some(field)) => match field.as_str() {
            "commitID" => cause.commit().to_owned(),
            "ref" => cause.ref_().to_owned(),
            _ => return None,
        },
        (Some(_), Some(_)) | (None, None) => return None,
    };
    Some((pointer, value))
}

/// The built-in variables that inputs can name.
pub const BUILT_IN_VARS: &[&str] = &[
    "CodeRepoProviderURL",
    "EventSourceCodeRepoName",
    "EventSourceCodeRepoURL",
    "Namespace",
    "PipelineCodeRepoName",
    "PipelineCodeRepoURL",
    "PipelineDashBoardURL",
    "PipelineFilePath",
    "PipelineLabel",
    "PipelineRevision",
    "ProviderType",
    "ServiceAccount",
];

/// The fields of an event that inputs can name.
pub const EVENT_FIELDS: &[&str] = &["commitID", "ref"];

/// Says what is wrong with the inputs of a trigger, if anything is.
#[must_use]
pub fn check_inputs(trigger: &PipelineTrigger) -> Option<String> {
    trigger.inputs.iter().find_map(|input| {
        let unknown = |what: &str, name: &str, known: &[&str]| {
            (!known.contains(&name)).then(|| {
                format!(
                    "there is no {what} {name:?} for inputs (there are: {})",
                    known.join(", ")
                )
            })
        };
        if input.transmission_method.kustomization.is_none() {
            return Some("an input does not say where in the pipeline file it belongs".to_owned());
        }
        match (&input.source.built_in_var, &input.source.from_event) {
            (Some(var), None) => unknown("built-in variable", var, BUILT_IN_VARS),
            (None, Some(field)) => unknown("field of an event", field, EVENT_FIELDS),
            (Some(_), Some(_)) | (None, None) => {
                Some("an input needs either builtInVar or fromEvent".to_owned())
            }
        }
    })
}
