//! What the units find out, until the status writer has written it down.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nautes_model::name::ClusterName;
use nautes_model::{Class, Identity};
use serde_json::{Map, Value};

use crate::plan::VerdictState;

/// One thing that was found out about a resource; it becomes a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fact {
    /// The type of the condition.
    pub(crate) type_: &'static str,
    pub(crate) state: VerdictState,
    pub(crate) reason: String,
    pub(crate) message: String,
}

impl Fact {
    pub(crate) fn ready(type_: &'static str, message: impl Into<String>) -> Self {
        Self::new(type_, VerdictState::Ready, "Ready", message)
    }

    pub(crate) fn new(
        type_: &'static str,
        state: VerdictState,
        reason: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        let message: String = message.into();
        Self {
            type_,
            state,
            reason: reason.into(),
            // The API server accepts 32 KiB; whoever has more to say is not read anyway.
            message: message.chars().take(2000).collect(),
        }
    }

    /// What failed, by the class of the error.
    pub(crate) fn failed(type_: &'static str, class: Class, error: &(dyn Error + 'static)) -> Self {
        let state = match class {
            Class::Waiting | Class::Conflict => VerdictState::Pending,
            Class::Unreachable => VerdictState::Unknown,
            Class::Invalid | Class::Denied | Class::NotFound | Class::Bug => VerdictState::Failed,
        };
        Self::new(type_, state, class.reason(), chain(error))
    }
}

/// Writes an error with all its causes on one line.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        // Some libraries repeat the cause in their own text.
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

/// Who found something out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// The scopes themselves.
    Scope,
    /// The plan.
    Plan,
    /// The forge.
    Forge,
    /// Applying in one cluster.
    Apply(ClusterName),
    /// Deploying into one cluster.
    Deploy(ClusterName),
    /// Starting pipelines.
    Runs,
    /// Reaching a cluster.
    Cluster,
}

/// Everything that one source found out about one resource.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Facts {
    pub(crate) facts: Vec<Fact>,
    /// Fields of the status beside the conditions.
    pub(crate) fields: Map<String, Value>,
}

impl From<Fact> for Facts {
    fn from(fact: Fact) -> Self {
        Self {
            facts: vec![fact],
            fields: Map::new(),
        }
    }
}

impl Facts {
    pub(crate) fn field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }
}

/// The facts of every resource, by source.
#[derive(Debug, Default)]
pub(crate) struct Board(Mutex<BTreeMap<Identity, BTreeMap<Source, Facts>>>);

impl Board {
    /// Takes what a source says of a resource. Returns whether that is news.
    pub(crate) fn put(&self, identity: &Identity, source: Source, facts: impl Into<Facts>) -> bool {
        let facts = facts.into();
        let mut all = self.locked();
        let by_source = all.entry(identity.clone()).or_default();
        if by_source.get(&source) == Some(&facts) {
            return false;
        }
        by_source.insert(source, facts);
        true
    }

    /// Forgets what a source said of a resource. Returns whether it had said something.
    pub(crate) fn drop_source(&self, identity: &Identity, source: &Source) -> bool {
        self.locked()
            .get_mut(identity)
            .is_some_and(|by_source| by_source.remove(source).is_some())
    }

    /// Returns what is known of a resource.
    pub(crate) fn get(&self, identity: &Identity) -> BTreeMap<Source, Facts> {
        self.locked().get(identity).cloned().unwrap_or_default()
    }

    /// Forgets the resources of a product (or the tenant) that are not in `keep`.
    pub(crate) fn retain(
        &self,
        product: Option<&nautes_model::name::ProductName>,
        keep: &BTreeSet<Identity>,
    ) {
        self.locked()
            .retain(|identity, _| identity.product.as_ref() != product || keep.contains(identity));
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<Identity, BTreeMap<Source, Facts>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
