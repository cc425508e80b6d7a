//! The state of things as a tree, for people, the API and `--wait`.
//!
//! What is declared is read from the repositories at this moment, what is known of it from the statuses in the
//! tenant cluster. A resource counts as ready only if the status speaks of what is declared now, so that waiting
//! for "ready" after a commit means waiting for that commit.

mod follow;
mod resource;

use std::collections::{BTreeMap, BTreeSet};

use nautes_gitops::RepoRef;
use nautes_model::condition::{self, Condition, READY};
use nautes_model::name::ProductName;
use nautes_model::scope::Resources;
use nautes_model::{Class, Identity, Kind, Resource, Sourced};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::controller::{GRACE_PERIOD, NOT_IN_GIT, RECONCILING, REMOVAL_HELD, STALLED, conditions_of};
use crate::platform::planning::registered;
use crate::platform::{Observed, Platform, ReadError};
use crate::projection::objects::LiveObject;
use crate::projection::{Live, Projection, ProjectionError};
use crate::runs::RunRecord;

pub use follow::{StatusChange, Statuses};
pub use resource::{ConditionState, ResourceStatus, report_one};

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// What is declared cannot be read.
    #[error("cannot read what is declared")]
    Read(#[source] ReadError),
    /// The tenant cluster did not answer.
    #[error("cannot read the statuses")]
    Status(#[source] ProjectionError),
    /// There is no such product.
    #[error("product {0} is not registered")]
    NoProduct(ProductName),
    /// There is no such resource.
    #[error("{0} is neither declared nor projected")]
    NoResource(Identity),
}

impl ReportError {
    /// Returns the class.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Read(source) => source.class(),
            Self::Status(source) => source.class(),
            Self::NoProduct(_) | Self::NoResource(_) => Class::NotFound,
        }
    }
}

/// Whether a resource works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum State {
    /// It does.
    Ready,
    /// It waits for something that may still come.
    Pending,
    /// It cannot; somebody has to change something.
    Failed,
    /// Nobody can tell now.
    Unknown,
}

/// The state of everything that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusTree {
    /// Clusters and providers; empty where one product was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tenant: Vec<StatusNode>,
    /// The products.
    pub products: Vec<StatusNode>,
}

impl StatusTree {
    /// Goes through all nodes, parents first.
    pub fn nodes(&self) -> impl Iterator<Item = &StatusNode> {
        let mut all = Vec::new();
        let mut open: Vec<&StatusNode> = self.tenant.iter().chain(&self.products).rev().collect();
        while let Some(node) = open.pop() {
            all.push(node);
            open.extend(node.children.iter().rev());
        }
        all.into_iter()
    }

    /// Finds the node of a resource.
    #[must_use]
    pub fn get(&self, resource: &Identity) -> Option<&StatusNode> {
        self.nodes().find(|node| node.resource == *resource)
    }
}

/// The state of one resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusNode {
    /// The resource.
    pub resource: Identity,
    /// Whether it works.
    pub state: State,
    /// The reason in one CamelCase word.
    #[serde(default)]
    pub reason: String,
    /// The reason in a sentence.
    #[serde(default)]
    pub message: String,
    /// The commit that the status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// What else somebody should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What is deployed, of a deployment runtime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<Deployment>,
    /// The last run of each trigger and reference, of a pipeline runtime.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<Run>,
    /// What belongs to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Self>,
}

/// What a deployment runtime has deployed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// The cluster.
    pub cluster: String,
    /// The last commit of the manifest repository of which every object was deployed; `None` while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The commit that is being deployed, while not every object of it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deploying: Option<String>,
    /// How many objects there are.
    pub objects: u32,
}

impl Deployment {
    /// Says it for people.
    fn note(&self) -> String {
        let short = |revision: &str| revision.get(..12).unwrap_or(revision).to_owned();
        let (objects, cluster) = (self.objects, &self.cluster);
        match (
            self.revision.as_deref().map(short),
            self.deploying.as_deref().map(short),
        ) {
            (Some(whole), None) => format!("{objects} objects of {whole} in {cluster}"),
            (Some(whole), Some(new)) => {
                format!("{new} is being deployed in {cluster}; the last whole one was {whole}")
            }
            (None, new) => format!("{} is being deployed in {cluster}", new.unwrap_or_default()),
        }
    }
}

/// A run that an event started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Its name in the cluster.
    pub name: String,
    /// The event source.
    pub event_source: String,
    /// The pipeline.
    pub pipeline: String,
    /// The reference of the event.
    #[serde(rename = "ref")]
    pub ref_: String,
    /// The commit of the event.
    pub commit: String,
    /// `recorded`: the run was created; what becomes of it is known to the pipeline engine. Where that was asked, what it
    /// says: `pending`, `running`, `succeeded`, `failed` or `cancelled`.
    pub phase: String,
    /// The reason of the phase in one CamelCase word.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The reason of the phase in a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When it began, in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    /// When it ended, in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<String>,
}

/// What the cluster says of it.
impl From<&RunRecord> for Run {
    fn from(run: &RunRecord) -> Self {
        Self {
            name: run.name.clone(),
            event_source: run.trigger.event_source.clone(),
            pipeline: run.trigger.pipeline.clone(),
            ref_: run.trigger.ref_.clone(),
            commit: run.trigger.commit.clone(),
            phase: run.state.phase.as_str().to_owned(),
            reason: run.state.reason.clone(),
            message: run.state.message.clone(),
            started: run.state.started.clone(),
            finished: run.state.finished.clone(),
        }
    }
}

/// Reports the state of a product, or of everything, as the tenant cluster has it now.
///
/// # Errors
/// What is declared or the statuses cannot be read, or there is no such product.
pub async fn report(platform: &Platform, product: Option<&ProductName>) -> Result<StatusTree, ReportError> {
    let observed = match product {
        Some(product) => {
            let of = RepoRef::Product(product.clone());
            platform.observe_repository(&of).await
        }
        None => platform.observe().await,
    };
    report_on(platform, &observed.map_err(ReportError::Read)?, product).await
}

/// Reports the state of a product, or of everything, of what is declared.
///
/// # Errors
/// The statuses cannot be read, or there is no such product.
pub async fn report_on(
    platform: &Platform,
    observed: &Observed,
    product: Option<&ProductName>,
) -> Result<StatusTree, ReportError> {
    let limit = platform.timing().call;
    let client = platform.tenant_cluster();
    let tenant = Projection::tenant(client.clone(), &platform.tenant().namespace, limit);
    let tenant = tenant.read().await.map_err(ReportError::Status)?;
    let mut products = BTreeMap::new();
    for name in named(observed, &tenant, product)? {
        let projection = Projection::product(client.clone(), name.clone(), limit);
        let live = projection.read().await.map_err(ReportError::Status)?;
        products.insert(name, live);
    }
    tree(observed, product, &tenant, |name| {
        products.remove(name).unwrap_or_default()
    })
}

/// Puts together the state of a product, or of everything, from what is declared and the objects in the tenant
/// cluster: the tenant's, and those of each product.
///
/// # Errors
/// There is no such product.
pub fn tree(
    observed: &Observed,
    product: Option<&ProductName>,
    tenant: &Live,
    mut live_of: impl FnMut(&ProductName) -> Live,
) -> Result<StatusTree, ReportError> {
    let names = named(observed, tenant, product)?;
    let mut roots = nodes(&observed.scopes.tenant.resources, tenant);
    let mut tree = StatusTree::default();
    for name in names {
        let root = Identity::tenant(Kind::Product, name.as_resource());
        if let Some(root) = roots.remove(&root) {
            tree.products.push(branch(observed, &name, root, &live_of(&name)));
        }
    }
    if product.is_none() {
        let all = roots.into_values();
        tree.tenant = all.filter(|node| node.resource.kind != Kind::Product).collect();
    }
    Ok(tree)
}

/// The products that are asked for: registered, or left in the tenant cluster.
fn named(
    observed: &Observed,
    tenant: &Live,
    product: Option<&ProductName>,
) -> Result<BTreeSet<ProductName>, ReportError> {
    let mut names: BTreeSet<ProductName> = registered(&observed.scopes).collect();
    names.extend(
        tenant
            .keys()
            .filter(|i| i.kind == Kind::Product)
            .filter_map(as_product),
    );
    match product {
        Some(product) if !names.contains(product) => return Err(ReportError::NoProduct(product.clone())),
        Some(product) => names.retain(|name| name == product),
        None => {}
    }
    Ok(names)
}

fn as_product(identity: &Identity) -> Option<ProductName> {
    ProductName::new(identity.name.as_str()).ok()
}

/// The tree of one product.
fn branch(observed: &Observed, name: &ProductName, mut root: StatusNode, live: &Live) -> StatusNode {
    let nothing = Resources::default();
    let scope = observed.scopes.products.get(name);
    let declared = scope.map_or(&nothing, |scope| &scope.resources);
    let mut all = nodes(declared, live);
    let parents: BTreeMap<Identity, Identity> = all
        .keys()
        .filter_map(|identity| Some((identity.clone(), parent(name, identity, declared, live)?)))
        .filter(|(_, parent)| all.contains_key(parent))
        .collect();
    // Children first: the order of kinds puts parents before them.
    let mut order: Vec<Identity> = all.keys().cloned().collect();
    order.reverse();
    for identity in order {
        let Some(node) = all.remove(&identity) else {
            continue;
        };
        match parents.get(&identity).and_then(|parent| all.get_mut(parent)) {
            Some(parent) => parent.children.insert(0, node),
            None => root.children.insert(0, node),
        }
    }
    if let Some(error) = observed.unread.get(&RepoRef::Product(name.clone())) {
        root.notes
            .push(format!("what is shown is its last good reading: {error}"));
    }
    if let Some(findings) = observed.findings.get(&RepoRef::Product(name.clone())) {
        root.notes
            .extend(findings.iter().take(20).map(ToString::to_string));
    }
    root
}

/// Where a resource stands in the tree.
fn parent(product: &ProductName, identity: &Identity, declared: &Resources, live: &Live) -> Option<Identity> {
    let resource = declared
        .get(identity)
        .map(|sourced| &sourced.resource)
        .or_else(|| live.get(identity)?.resource.as_ref())?;
    let (kind, name) = match resource {
        Resource::CodeRepo(repo) => (Kind::Project, repo.spec.project.as_str()),
        Resource::ProjectPipelineRuntime(runtime) => (Kind::Project, runtime.spec.project.as_str()),
        Resource::DeploymentRuntime(runtime) => {
            (Kind::Environment, runtime.spec.destination.environment.as_str())
        }
        Resource::CodeRepoBinding(binding) => (
            Kind::CodeRepo,
            binding.spec.code_repo.rsplit('/').next().unwrap_or_default(),
        ),
        _ => return None,
    };
    let name = nautes_model::name::ResourceName::new(name).ok()?;
    Some(Identity::product(kind, product.clone(), name))
}

/// The nodes of everything that is declared or projected.
fn nodes(declared: &Resources, live: &Live) -> BTreeMap<Identity, StatusNode> {
    let mut nodes: BTreeMap<Identity, StatusNode> = declared
        .iter()
        .map(|sourced| {
            (
                sourced.identity.clone(),
                node(sourced, live.get(&sourced.identity).map(|live| &**live)),
            )
        })
        .collect();
    for (identity, object) in live {
        nodes
            .entry(identity.clone())
            .or_insert_with(|| undeclared(identity, object));
    }
    nodes
}

fn node(sourced: &Sourced, live: Option<&LiveObject>) -> StatusNode {
    let mut node = blank(&sourced.identity);
    let Some(live) = live else {
        return node;
    };
    details(&mut node, live);
    let conditions = conditions_of(&live.status);
    let observed = live
        .status
        .get("observedGeneration")
        .and_then(serde_json::Value::as_i64);
    let speaks_of_it = same_spec(sourced, live) && observed.is_none_or(|seen| seen >= live.generation);
    match condition::find(&conditions, READY).filter(|_| speaks_of_it) {
        Some(ready) => judge(&mut node, ready, &conditions),
        None => "what is declared has not been worked on yet".clone_into(&mut node.message),
    }
    node
}

/// Takes over what the conditions say.
fn judge(node: &mut StatusNode, ready: &Condition, all: &[Condition]) {
    let is_true = |type_: &str| condition::find(all, type_).is_some_and(|c| c.status == "True");
    node.reason.clone_from(&ready.reason);
    node.message.clone_from(&ready.message);
    node.state = match ready.status.as_str() {
        "True" => State::Ready,
        "False" if is_true(STALLED) => State::Failed,
        "False" if is_true(RECONCILING) => State::Pending,
        "False" => State::Failed,
        _ => State::Unknown,
    };
}

fn blank(identity: &Identity) -> StatusNode {
    StatusNode {
        resource: identity.clone(),
        state: State::Pending,
        reason: "Progressing".to_owned(),
        message: "it has not been seen by the controllers yet".to_owned(),
        revision: None,
        notes: Vec::new(),
        deployment: None,
        runs: Vec::new(),
        children: Vec::new(),
    }
}

fn same_spec(sourced: &Sourced, live: &LiveObject) -> bool {
    let spec = |resource: &Resource| resource.to_json().ok().map(|mut json| json["spec"].take());
    live.resource
        .as_ref()
        .is_some_and(|live| spec(live) == spec(&sourced.resource))
}

/// What is in the tenant cluster and in no repository: on its way out, or made by hand.
fn undeclared(identity: &Identity, live: &LiveObject) -> StatusNode {
    let mut node = blank(identity);
    details(&mut node, live);
    if live.ours {
        "Removing".clone_into(&mut node.reason);
        "it is declared no more, and what was made for it is being removed".clone_into(&mut node.message);
        // What stays although its manifest is gone says why.
        let conditions = conditions_of(&live.status);
        let stays = |c: &&Condition| matches!(c.reason.as_str(), REMOVAL_HELD | GRACE_PERIOD);
        if let Some(why) = conditions.iter().find(stays) {
            node.reason.clone_from(&why.reason);
            node.message.clone_from(&why.message);
            if why.reason == REMOVAL_HELD {
                node.state = State::Failed;
            }
        }
    } else {
        node.state = State::Failed;
        NOT_IN_GIT.clone_into(&mut node.reason);
        "it is in no repository and has no effect".clone_into(&mut node.message);
    }
    node
}

fn details(node: &mut StatusNode, live: &LiveObject) {
    node.revision = live
        .status
        .get("revision")
        .and_then(serde_json::Value::as_str)
        .map(str::to_owned);
    match &live.resource {
        Some(Resource::DeploymentRuntime(runtime)) => {
            if let Some(status) = &runtime.status
                && let Some(cluster) = &status.cluster
                && (status.deployed_revision.is_some() || status.deploying_revision.is_some())
            {
                let deployment = Deployment {
                    cluster: cluster.clone(),
                    revision: status.deployed_revision.clone(),
                    deploying: status.deploying_revision.clone(),
                    objects: status.objects.unwrap_or_default(),
                };
                node.notes.push(deployment.note());
                node.deployment = Some(deployment);
            }
        }
        Some(Resource::ProjectPipelineRuntime(runtime)) => {
            let triggers = runtime.status.iter().flat_map(|status| &status.triggers);
            for trigger in triggers.filter(|trigger| !trigger.run.is_empty()) {
                let short = trigger.commit.get(..12).unwrap_or(&trigger.commit);
                node.notes.push(format!(
                    "run {} of {} at {short}: recorded",
                    trigger.run, trigger.ref_
                ));
                node.runs.push(Run {
                    name: trigger.run.clone(),
                    event_source: trigger.event_source.clone(),
                    pipeline: trigger.pipeline.clone(),
                    ref_: trigger.ref_.clone(),
                    commit: trigger.commit.clone(),
                    phase: "recorded".to_owned(),
                    ..Run::default()
                });
            }
        }
        Some(Resource::Cluster(cluster)) => {
            let warnings = cluster.status.iter().flat_map(|status| &status.warnings);
            node.notes.extend(warnings.map(|warning| warning.message.clone()));
        }
        _ => {}
    }
}
