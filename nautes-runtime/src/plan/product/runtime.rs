//! From one runtime to what it needs of its cluster, or to why it gets nothing.

mod deployment;
mod pipeline;

use std::collections::BTreeSet;

use nautes_model::{Identity, Resource, Sourced};

use super::Context;
use super::place::Place;
use crate::engine::Rendered;
use crate::intent::PipelineSpace;
use crate::plan::model::{Verdict, VerdictState};
use crate::plan::verdict;

/// A runtime and what comes of it.
pub(super) struct Resolved<'a> {
    pub(super) identity: Identity,
    pub(super) verdict: Verdict,
    pub(super) outcome: Outcome<'a>,
    /// Why a part that deploys is not followed, although the rest is planned.
    pub(super) detached: Option<String>,
}

/// What comes of a runtime.
pub(super) enum Outcome<'a> {
    /// Nothing of it is changed or removed.
    Held,
    /// It keeps its place and follows nothing.
    Detached { place: Place<'a> },
    /// It is in place.
    Planned(Box<InPlace<'a>>),
}

/// A runtime that is in place.
pub(super) struct InPlace<'a> {
    pub(super) place: Place<'a>,
    pub(super) rendered: Rendered,
    pub(super) pipelines: Option<PipelineSpace>,
}

/// Resolves a runtime.
pub(super) fn resolve<'a>(on: &Context<'a>, sourced: &Sourced) -> Resolved<'a> {
    let mut parts = Parts::default();
    let result = match &sourced.resource {
        Resource::DeploymentRuntime(r) => deployment::resolve(on, &sourced.identity, r, &mut parts),
        Resource::ProjectPipelineRuntime(r) => pipeline::resolve(on, &sourced.identity, r, &mut parts),
        _ => Err(Stop::Hold(Verdict::failed("Bug", "it is not a runtime"))),
    };
    let (verdict, outcome) = match result {
        Ok(in_place) => (parts.verdict(), Outcome::Planned(Box::new(in_place))),
        Err(Stop::Hold(verdict)) => (verdict, Outcome::Held),
        Err(Stop::Detach(stop)) => {
            let (place, verdict) = *stop;
            (verdict, Outcome::Detached { place })
        }
    };
    Resolved {
        identity: sourced.identity.clone(),
        verdict,
        outcome,
        detached: parts.detached,
    }
}

/// Why a runtime is not in place as a whole.
enum Stop<'a> {
    /// Nobody can tell, it waits, or its declaration is broken.
    Hold(Verdict),
    /// It has lost a right.
    Detach(Box<(Place<'a>, Verdict)>),
}

impl<'a> Stop<'a> {
    fn detach(place: Place<'a>, verdict: Verdict) -> Self {
        Self::Detach(Box::new((place, verdict)))
    }
}

impl From<Verdict> for Stop<'_> {
    fn from(verdict: Verdict) -> Self {
        Self::Hold(verdict)
    }
}

/// What is wrong with parts of a runtime, while the rest goes on.
#[derive(Default)]
struct Parts {
    problems: Vec<Verdict>,
    detached: Option<String>,
}

impl Parts {
    /// Leaves a part out.
    fn drop(&mut self, part: &str, mut why: Verdict) {
        why.message = format!("{part}: {}", why.message);
        self.problems.push(why);
    }

    fn verdict(&self) -> Verdict {
        // What somebody has to change is said before what may still come.
        let first = |state| self.problems.iter().find(|p| p.state == state);
        let Some(first) = first(VerdictState::Failed).or_else(|| self.problems.first()) else {
            return Verdict::ready();
        };
        let messages: Vec<&str> = self.problems.iter().map(|p| p.message.as_str()).collect();
        let waiting: BTreeSet<Identity> = self
            .problems
            .iter()
            .flat_map(|p| p.waiting_for.iter().cloned())
            .collect();
        Verdict {
            message: format!("runs without {}", messages.join("; without ")),
            waiting_for: waiting.into_iter().collect(),
            ..first.clone()
        }
    }
}

/// Checks that what a runtime needs as a whole is there and that no rule about the whole is broken.
fn check_whole(on: &Context<'_>, identity: &Identity, is_part: impl Fn(&str) -> bool) -> Result<(), Verdict> {
    // Nothing is decided about a runtime as long as anything about it is unknown.
    let all = on.judged.needs(identity, |_| false);
    if !all.unknown.is_empty()
        && let Some(verdict) = Verdict::of_needs(&all)
    {
        return Err(verdict);
    }
    if let Some(verdict) = Verdict::of_needs(&on.judged.needs(identity, &is_part)) {
        return Err(verdict);
    }
    match verdict::of_errors(on.judged, identity, is_part) {
        Some(verdict) => Err(verdict),
        None => Ok(()),
    }
}

/// Returns the verdict of broken rules about one part of a runtime: a field and those below it.
fn check_part(on: &Context<'_>, identity: &Identity, part: &str) -> Result<(), Verdict> {
    match verdict::of_errors(on.judged, identity, |field| !is_below(field, part)) {
        Some(verdict) => Err(verdict),
        None => Ok(()),
    }
}

/// Whether a field is `part` or lies below it.
fn is_below(field: &str, part: &str) -> bool {
    field
        .strip_prefix(part)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}
