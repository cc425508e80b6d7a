//! Intents: what a runtime needs of a cluster, before any engine has a say.
//!
//! Intents know nothing of namespaces' objects, Argo CD or Tekton; engines turn them into objects, grants
//! and secret mounts.

use std::collections::{BTreeMap, BTreeSet};

use nautes_model::Identity;
use nautes_model::kinds::pipeline_runtime::{EventSource, Hook, Pipeline, PipelineTrigger};
use nautes_model::name::{AccountName, ClusterName, NamespaceName, ProductName};
use nautes_model::secret::SecretRef;
use serde::Serialize;

/// A namespace of a product.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Space {
    /// The product.
    pub product: ProductName,
    /// The namespace.
    pub namespace: NamespaceName,
    /// The group of people that handle the product, by its path on the forge.
    pub people: String,
    /// On whose behalf it exists.
    pub owners: BTreeSet<Identity>,
}

/// A machine account of a product and the namespaces in which it acts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Account {
    /// The product.
    pub product: ProductName,
    /// Its name.
    pub name: AccountName,
    /// Where it acts.
    pub namespaces: BTreeSet<NamespaceName>,
    /// On whose behalf it exists.
    pub owners: BTreeSet<Identity>,
}

/// A folder of a repository that shall be deployed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Application {
    /// The runtime, whose name is the application's.
    pub runtime: Identity,
    /// The product.
    pub product: ProductName,
    /// The repository (a CodeRepo); `None` for one that is known by its URL only.
    pub code_repo: Option<Identity>,
    /// The URL from which it is cloned.
    pub url: String,
    /// A branch, a tag or a commit.
    pub target_revision: String,
    /// The folder.
    pub path: String,
    /// Into which namespaces; the first is the default.
    pub namespaces: Vec<NamespaceName>,
    /// As which account.
    pub account: AccountName,
    /// Cluster-scoped kinds that the cluster allows the product, as (group, kind).
    pub cluster_kinds: BTreeSet<(String, String)>,
}

/// The pipelines of a runtime, the events that start them, and where they run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PipelineSpace {
    /// The runtime.
    pub runtime: Identity,
    /// The product.
    pub product: ProductName,
    /// Where they run.
    pub namespace: NamespaceName,
    /// As which account.
    pub account: AccountName,
    /// The project.
    pub project: String,
    /// The repository that holds the pipeline files.
    pub pipeline_source: Identity,
    /// The deploy key of that repository, at the level that the project has.
    pub source_key: SecretRef,
    /// Built-in variables that do not depend on the event.
    pub vars: BTreeMap<String, String>,
    /// The name and the clone URL of each repository of the event sources.
    #[serde(serialize_with = "crate::plan::model::by_text")]
    pub repos: BTreeMap<Identity, RepoAddress>,
    /// The pipelines.
    pub pipelines: Vec<Pipeline>,
    /// What starts them, only what the runtime may use: (source, repository). The repository is `None` for a
    /// source that is only a calendar; a source whose repository may not be used has no `gitlab` part left.
    pub event_sources: Vec<(EventSource, Option<Identity>)>,
    /// Which starts which.
    pub triggers: Vec<PipelineTrigger>,
    /// Tasks before.
    pub pre_hooks: Vec<Hook>,
    /// Tasks after.
    pub post_hooks: Vec<Hook>,
}

/// How people and clones find a repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RepoAddress {
    /// Its path within the group of its product.
    pub name: String,
    /// The URL from which it is cloned.
    pub url: String,
}

/// A secret that shall be present in a namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct SecretMount {
    /// The name of the Secret object.
    pub name: String,
    /// The namespace.
    pub namespace: NamespaceName,
    /// The account that reads it.
    pub account: AccountName,
    /// The product.
    pub product: ProductName,
    /// Which value goes under which key.
    pub items: BTreeMap<String, SecretRef>,
    /// On whose behalf it exists.
    pub owners: BTreeSet<Identity>,
}

/// A run of a pipeline that an event asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunIntent {
    /// The cluster.
    pub cluster: ClusterName,
    /// The pipeline runtime.
    pub runtime: Identity,
    /// The product.
    pub product: ProductName,
    /// The project.
    pub project: String,
    /// The position of the trigger in the runtime.
    pub trigger: usize,
    /// The event source.
    pub event_source: String,
    /// The pipeline.
    pub pipeline: Pipeline,
    /// The repository that holds the pipeline file.
    pub pipeline_source: Identity,
    /// The revision of that repository: a ref, a commit.
    pub pipeline_revision: String,
    /// Where it runs.
    pub namespace: NamespaceName,
    /// As which account.
    pub account: AccountName,
    /// The repository of the event.
    pub event_repo: Option<Identity>,
    /// The ref of the event, for example `refs/heads/main`; for a calendar the time.
    pub event_ref: String,
    /// The commit of the event; for a calendar the time.
    pub event_commit: String,
    /// Values by JSON pointer into the pipeline file.
    pub inputs: BTreeMap<String, String>,
    /// Tasks before.
    pub pre_hooks: Vec<Hook>,
    /// Tasks after.
    pub post_hooks: Vec<Hook>,
}
