//! What a unit may apply at all: for what comes from a repository.

use std::collections::BTreeSet;

use nautes_model::Class;

use super::entry::Id;
use super::report::Outcome;

/// The namespaces and cluster-scoped kinds that a unit may use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The namespaces.
    pub namespaces: BTreeSet<String>,
    /// Cluster-scoped kinds, as (group, kind).
    pub cluster_kinds: BTreeSet<(String, String)>,
}

impl Limits {
    /// Checks where an object is, knowing whether its kind lives in namespaces.
    pub(crate) fn check(&self, id: &Id, namespaced: bool) -> Result<(), Outcome> {
        let denied = |message: String| {
            Err(Outcome::Failed {
                class: Class::Denied,
                message,
            })
        };
        let kind = &id.kind;
        match &id.namespace {
            Some(namespace) if namespaced && !self.namespaces.contains(namespace) => {
                denied(format!("namespace {namespace} is not one of the runtime"))
            }
            _ if namespaced => Ok(()),
            _ if !self.cluster_kinds.contains(&(id.group.clone(), kind.clone())) => denied(format!(
                "the cluster does not allow the product to deploy {kind}, which is cluster-scoped"
            )),
            Some(_) => Err(Outcome::invalid(format!(
                "a {kind} is cluster-scoped and cannot be in a namespace"
            ))),
            None => Ok(()),
        }
    }
}
