//! What changes between two plans, or between an inventory and a plan.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use nautes_model::name::ClusterName;
use serde::Serialize;

use super::model::{ClusterPlan, Plan, Planned};
use crate::object::ObjectKey;

/// What changes in one cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diff {
    /// Objects that are new.
    pub added: BTreeSet<ObjectKey>,
    /// Objects that stay and are not the same: their content, their secrets or their owners.
    pub changed: BTreeSet<ObjectKey>,
    /// Objects that are gone.
    pub removed: BTreeSet<ObjectKey>,
    /// Other parts that are not the same: grants, deployments, hooks, pipelines.
    pub other: BTreeSet<&'static str>,
}

impl Diff {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self {
            added,
            changed,
            removed,
            other,
        } = self;
        added.is_empty() && changed.is_empty() && removed.is_empty() && other.is_empty()
    }
}

/// One line for each object: `+ Namespace shop`, `~ ..`, `- ..`.
impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let objects = [('+', &self.added), ('~', &self.changed), ('-', &self.removed)];
        for (sign, keys) in objects {
            for key in keys {
                writeln!(f, "{sign} {key}")?;
            }
        }
        for other in &self.other {
            writeln!(f, "~ {other}")?;
        }
        Ok(())
    }
}

/// Compares two plans of a cluster.
#[must_use]
pub fn diff(old: &ClusterPlan, new: &ClusterPlan) -> Diff {
    let (before, after) = (index(old), index(new));
    let mut diff = diff_keys(before.keys().cloned(), new);
    diff.changed = before
        .iter()
        .filter(|(key, was)| after.get(*key).is_some_and(|is| is != *was))
        .map(|(key, _)| key.clone())
        .collect();
    let others = [
        ("grants", old.grants != new.grants),
        ("deployments", old.deploys != new.deploys),
        ("hooks", old.hooks != new.hooks),
        ("pipelines", old.pipelines != new.pipelines),
    ];
    diff.other = others
        .into_iter()
        .filter(|(_, differs)| *differs)
        .map(|(name, _)| name)
        .collect();
    diff
}

/// Compares what an inventory names with a plan: what would be made and what would go. What stays may still
/// change.
#[must_use]
pub fn diff_keys(old: impl IntoIterator<Item = ObjectKey>, new: &ClusterPlan) -> Diff {
    let after = index(new);
    let before: BTreeSet<ObjectKey> = old.into_iter().collect();
    // The same object in another version is not another object.
    let old_ids: BTreeSet<_> = before.iter().map(unversioned).collect();
    let new_ids: BTreeSet<_> = after.keys().map(unversioned).collect();
    Diff {
        added: after
            .keys()
            .filter(|key| !old_ids.contains(&unversioned(key)))
            .cloned()
            .collect(),
        removed: before
            .iter()
            .filter(|key| !new_ids.contains(&unversioned(key)))
            .cloned()
            .collect(),
        ..Diff::default()
    }
}

fn unversioned(key: &ObjectKey) -> ObjectKey {
    ObjectKey {
        version: String::new(),
        ..key.clone()
    }
}

/// Compares two plans of a product, cluster by cluster; clusters in which nothing changes are left out.
#[must_use]
pub fn diff_plans(old: &Plan, new: &Plan) -> BTreeMap<ClusterName, Diff> {
    let nothing = ClusterPlan::default();
    let clusters: BTreeSet<&ClusterName> = old.clusters.keys().chain(new.clusters.keys()).collect();
    clusters
        .into_iter()
        .map(|cluster| {
            let of = |plan: &'_ Plan| plan.clusters.get(cluster).cloned();
            let (old, new) = (of(old), of(new));
            let diff = diff(old.as_ref().unwrap_or(&nothing), new.as_ref().unwrap_or(&nothing));
            (cluster.clone(), diff)
        })
        .filter(|(_, diff)| !diff.is_empty())
        .collect()
}

fn index(plan: &ClusterPlan) -> BTreeMap<ObjectKey, &Planned> {
    plan.objects()
        .filter_map(|planned| Some((ObjectKey::of(&planned.object).ok()?, planned)))
        .collect()
}
