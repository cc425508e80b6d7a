//! From facts to the status of a resource. Pure, but for the time that is passed in.

use std::collections::BTreeMap;

use nautes_model::condition::{self, Condition, READY, Time, Truth};
use nautes_model::{Identity, Revision};
use serde_json::{Map, Value, json};

use super::facts::{Fact, Facts, Source};
use crate::plan::VerdictState;
use crate::projection::objects::LiveObject;

/// The condition of what waits for something that may still come.
pub(crate) const RECONCILING: &str = "Reconciling";
/// The condition of what cannot work until somebody changes something.
pub(crate) const STALLED: &str = "Stalled";
/// The condition of an object that is in no repository.
pub(crate) const NOT_IN_GIT: &str = "NotInGit";

/// Computes the status of a resource.
///
/// What a source has said before stays while it has not said anything new: `missing` names sources that have
/// not reported since this process began. With one missing, a status that is there already is left alone.
pub(crate) fn status(
    live: &LiveObject,
    revision: Option<&Revision>,
    said: &BTreeMap<Source, Facts>,
    missing: bool,
    now: &Time,
) -> Option<Value> {
    let mut conditions = conditions_of(&live.status);
    if missing && condition::find(&conditions, READY).is_some() {
        return None;
    }
    let mut facts: Vec<Fact> = said.values().flat_map(|f| f.facts.iter().cloned()).collect();
    if missing {
        facts.push(Fact::new(
            "Observed",
            VerdictState::Pending,
            "Progressing",
            "work is going on",
        ));
    }
    let mut fields = Map::new();
    for facts in said.values() {
        fields.extend(facts.fields.clone());
    }
    let wanted = merged(&facts);
    conditions.retain(|c| wanted.iter().any(|(type_, ..)| *type_ == c.type_));
    for (type_, truth, reason, message) in wanted {
        let new = Condition {
            type_: type_.to_owned(),
            status: truth.as_str().to_owned(),
            reason,
            message,
            last_transition_time: now.clone(),
            observed_generation: Some(live.generation).filter(|g| *g > 0),
        };
        condition::set(&mut conditions, new);
    }
    Some(value(live, revision, &conditions, fields))
}

/// The status of an object that somebody put into the cluster by hand.
pub(crate) fn foreign(live: &LiveObject, identity: &Identity, now: &Time) -> Value {
    let mut conditions = conditions_of(&live.status);
    let message = format!("{identity} is in no repository: it has no effect; declare it in Git");
    for (type_, truth) in [(NOT_IN_GIT, Truth::True), (READY, Truth::False)] {
        let new = Condition {
            type_: type_.to_owned(),
            status: truth.as_str().to_owned(),
            reason: NOT_IN_GIT.to_owned(),
            message: message.clone(),
            last_transition_time: now.clone(),
            observed_generation: Some(live.generation).filter(|g| *g > 0),
        };
        condition::set(&mut conditions, new);
    }
    conditions.retain(|c| c.type_ == NOT_IN_GIT || c.type_ == READY);
    value(live, None, &conditions, Map::new())
}

fn value(
    live: &LiveObject,
    revision: Option<&Revision>,
    conditions: &[Condition],
    mut fields: Map<String, Value>,
) -> Value {
    fields.insert("conditions".to_owned(), json!(conditions));
    if live.generation > 0 {
        fields.insert("observedGeneration".to_owned(), json!(live.generation));
    }
    if let Some(revision) = revision {
        fields.insert("revision".to_owned(), json!(revision));
    }
    fields.retain(|_, value| !value.is_null());
    Value::Object(fields)
}

/// One condition a type, the worst fact of a type counts; and those that sum up.
fn merged(facts: &[Fact]) -> Vec<(&'static str, Truth, String, String)> {
    let mut by_type: BTreeMap<&'static str, &Fact> = BTreeMap::new();
    for fact in facts {
        let kept = by_type.entry(fact.type_).or_insert(fact);
        if rank(fact.state) > rank(kept.state) {
            *kept = fact;
        }
    }
    let mut wanted: Vec<_> = by_type
        .values()
        .map(|fact| {
            (
                fact.type_,
                truth(fact.state),
                fact.reason.clone(),
                fact.message.clone(),
            )
        })
        .collect();
    let worst = by_type.values().max_by_key(|fact| rank(fact.state));
    let (state, reason, message) = worst.map_or(
        (
            VerdictState::Unknown,
            "Unknown".to_owned(),
            "nothing is known yet".to_owned(),
        ),
        |fact| (fact.state, fact.reason.clone(), fact.message.clone()),
    );
    match state {
        VerdictState::Pending => {
            wanted.push((RECONCILING, Truth::True, reason.clone(), message.clone()));
        }
        VerdictState::Failed => wanted.push((STALLED, Truth::True, reason.clone(), message.clone())),
        VerdictState::Ready | VerdictState::Unknown => {}
    }
    let (reason, message) = match state {
        VerdictState::Ready => ("Ready".to_owned(), "everything is as declared".to_owned()),
        VerdictState::Pending | VerdictState::Failed | VerdictState::Unknown => (reason, message),
    };
    wanted.push((READY, truth(state), reason, message));
    wanted
}

const fn rank(state: VerdictState) -> u8 {
    match state {
        VerdictState::Ready => 0,
        VerdictState::Pending => 1,
        VerdictState::Unknown => 2,
        VerdictState::Failed => 3,
    }
}

const fn truth(state: VerdictState) -> Truth {
    match state {
        VerdictState::Ready => Truth::True,
        VerdictState::Pending | VerdictState::Failed => Truth::False,
        VerdictState::Unknown => Truth::Unknown,
    }
}

/// Reads the conditions of a status.
pub(crate) fn conditions_of(status: &Value) -> Vec<Condition> {
    status
        .get("conditions")
        .and_then(|all| serde_json::from_value(all.clone()).ok())
        .unwrap_or_default()
}
