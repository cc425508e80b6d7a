//! The values of which plans are made.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use nautes_model::name::{ClusterName, ProductName};
use nautes_model::secret::{Grant, SecretPath, SecretRef};
use nautes_model::{Identity, Kind, Revision};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::intent::PipelineSpace;
use crate::object::ObjectKey;

/// What shall exist for one product, per cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// What shall exist in each cluster. A cluster that needs nothing is not listed: what an inventory there
    /// names is pruned.
    pub clusters: BTreeMap<ClusterName, ClusterPlan>,
    /// Resources about which something is unknown, or that lost something they need: nothing of theirs is
    /// changed or pruned, in any cluster. The product itself stands here when all of it is held; ask
    /// [`Plan::holds`].
    #[serde(serialize_with = "by_text")]
    pub held: BTreeMap<Identity, Held>,
    /// Runtimes that follow no repository now, because they may not use it (any more) or it is not there: their
    /// keys and rights are not planned, so they go at once; what they deployed stays as it is until they follow
    /// again or are removed.
    #[serde(serialize_with = "by_text")]
    pub detached: BTreeMap<Identity, Held>,
    /// `None`: the grants of all clusters are complete, others of the product are revoked. `Some`: something is
    /// held, so grants that the store has and the plan does not name are kept, but only those of secrets named
    /// here; anything else is a known loss of authority. [`Plan::wanted_grants`] decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_grants_of: Option<BTreeSet<SecretPath>>,
    /// What can be said of every declared resource from the declarations alone.
    #[serde(serialize_with = "by_text")]
    pub verdicts: BTreeMap<Identity, Verdict>,
}

impl Plan {
    /// Returns the grants that the store shall have for the product on a cluster, given those that it has. To be
    /// asked for every cluster for which the store has grants, also those without a plan.
    #[must_use]
    pub fn wanted_grants(&self, cluster: &ClusterName, have: &BTreeSet<Grant>) -> BTreeSet<Grant> {
        let kept = self
            .keep_grants_of
            .iter()
            .flat_map(|paths| have.iter().filter(|grant| paths.contains(&grant.secret)).cloned());
        let planned = self.clusters.get(cluster).into_iter().flat_map(|c| &c.grants);
        planned.cloned().chain(kept).collect()
    }

    /// Whether what exists on behalf of a resource must be left as it is: it is held itself, or its whole
    /// product is.
    #[must_use]
    pub fn holds(&self, identity: &Identity) -> bool {
        self.held.contains_key(identity)
            || identity.product.as_ref().is_some_and(|product| {
                self.held
                    .keys()
                    .any(|held| held.kind == Kind::Product && held.name.as_str() == product.as_str())
            })
    }
}

/// What shall exist in one cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterPlan {
    /// Objects, wave by wave; a wave is applied when the one before it is.
    pub waves: Vec<Vec<Planned>>,
    /// Rights in the secret store.
    pub grants: BTreeSet<Grant>,
    /// Repositories that a controller of ours deploys into the cluster.
    pub deploys: Vec<DeployUnit>,
    /// Hooks that the forge must have for this cluster's event listener.
    pub hooks: Vec<HookUnit>,
    /// Pipelines that may run here now, with the events that start them.
    pub pipelines: Vec<PipelineSpace>,
}

impl ClusterPlan {
    /// Whether nothing at all shall exist.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self {
            waves,
            grants,
            deploys,
            hooks,
            pipelines,
        } = self;
        waves.iter().all(Vec::is_empty)
            && grants.is_empty()
            && deploys.is_empty()
            && hooks.is_empty()
            && pipelines.is_empty()
    }

    /// Goes through all objects, wave by wave.
    pub fn objects(&self) -> impl Iterator<Item = &Planned> {
        self.waves.iter().flatten()
    }
}

/// An object that shall exist.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Planned {
    /// The object: complete, but for secrets.
    pub object: Value,
    /// On whose behalf it exists; held and pruned by this.
    pub owners: BTreeSet<Identity>,
    /// Values that are put in from the secret store at the last moment, by JSON pointer; for a Secret the
    /// pointer is `/data/<key>` and the value is base64-encoded on the way.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, SecretMaterial>,
}

impl Planned {
    /// An object without secrets.
    #[must_use]
    pub fn plain(object: Value, owners: &BTreeSet<Identity>) -> Self {
        Self {
            object,
            owners: owners.clone(),
            secrets: BTreeMap::new(),
        }
    }
}

/// A secret value that an object needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretMaterial {
    /// Where it is.
    pub reference: SecretRef,
    /// A keyed digest of the value at planning, so that a plan shows that it changes without showing it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// The key of a planned object and its owners, as an inventory keeps it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedKey {
    /// The object.
    pub key: ObjectKey,
    /// On whose behalf it exists.
    pub owners: BTreeSet<Identity>,
}

/// A folder of a repository that a controller of ours deploys (engine `direct`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeployUnit {
    /// The deployment runtime.
    pub runtime: Identity,
    /// The product.
    pub product: ProductName,
    /// The repository (a CodeRepo).
    pub code_repo: Identity,
    /// A branch, a tag or a commit.
    pub target_revision: String,
    /// The folder.
    pub path: String,
    /// Into which namespaces; the first is the default.
    pub namespaces: Vec<String>,
    /// As which account, in the first namespace.
    pub account: String,
    /// Cluster-scoped kinds that the cluster allows the product, as (group, kind).
    pub cluster_kinds: BTreeSet<(String, String)>,
}

/// A hook that the forge must have (engine `webhook`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HookUnit {
    /// The repository (a CodeRepo) whose events are wanted.
    pub code_repo: Identity,
    /// The events, as GitLab spells them.
    pub events: BTreeSet<String>,
    /// On whose behalf.
    pub owners: BTreeSet<Identity>,
}

/// Why something is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// What is unknown, for people.
    pub reason: String,
}

/// Whether a resource can work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum VerdictState {
    /// It can.
    Ready,
    /// It waits for something that may still come.
    Pending,
    /// It cannot; somebody has to change something.
    Failed,
    /// Nobody can tell now.
    Unknown,
}

/// What can be said of a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// Whether it can work.
    pub state: VerdictState,
    /// The reason in one CamelCase word, as for a condition.
    pub reason: String,
    /// A text for people: `waiting for Cluster/host-1`.
    pub message: String,
    /// What it waits for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting_for: Vec<Identity>,
    /// The revision that declares it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
}

/// Writes a map whose keys are not text by what its keys are shown as.
pub(crate) fn by_text<K: fmt::Display, V: Serialize, S: Serializer>(
    map: &BTreeMap<K, V>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(map.iter().map(|(key, value)| (key.to_string(), value)))
}
