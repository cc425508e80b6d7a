//! The state of one resource, with everything that is known of it.

use nautes_gitops::RepoRef;
use nautes_model::condition::Condition;
use nautes_model::{Finding, Identity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Deployment, ReportError, Run, State, blank, node, undeclared};
use crate::controller::conditions_of;
use crate::platform::{Observed, Platform};
use crate::projection::Projection;
use crate::projection::objects::LiveObject;

/// The state of one resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceStatus {
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
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
    /// Whether a repository declares it now; otherwise it is on its way out, or was made by hand.
    pub declared: bool,
    /// The commit that declares it now, or the last one that could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared_revision: Option<String>,
    /// The commit that the conditions speak of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_revision: Option<String>,
    /// The generation of the projected object; it moves whenever what is declared changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// The generation that the conditions speak of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When a condition became true or false last, in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_transition: Option<String>,
    /// Everything that the controllers say of it, by type.
    #[serde(default)]
    pub conditions: Vec<ConditionState>,
    /// Broken rules, and what cannot be read of the file that declares it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// What else somebody should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What is deployed, of a deployment runtime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<Deployment>,
    /// The last run of each trigger and reference, of a pipeline runtime.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<Run>,
}

/// One thing that the controllers say of a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConditionState {
    /// What it is about: `Ready` sums up all others.
    #[serde(rename = "type")]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// The reason in one CamelCase word.
    pub reason: String,
    /// The reason in a sentence.
    pub message: String,
    /// When it became what it is, in RFC 3339.
    pub last_transition: String,
    /// The generation that it speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

impl From<Condition> for ConditionState {
    fn from(condition: Condition) -> Self {
        Self {
            last_transition: condition.last_transition_time.0.to_string(),
            type_: condition.type_,
            status: condition.status,
            reason: condition.reason,
            message: condition.message,
            observed_generation: condition.observed_generation,
        }
    }
}

/// Reports the state of one resource; reads one object of the tenant cluster.
///
/// # Errors
/// What is declared or the status cannot be read, or there is no such resource.
pub async fn report_one(platform: &Platform, identity: &Identity) -> Result<ResourceStatus, ReportError> {
    let observed = platform.observe().await.map_err(ReportError::Read)?;
    let limit = platform.timing().call;
    let client = platform.tenant_cluster().clone();
    let projection = match &identity.product {
        Some(product) => Projection::product(client, product.clone(), limit),
        None => Projection::tenant(client, &platform.tenant().namespace, limit),
    };
    let live = projection.read_one(identity).await.map_err(ReportError::Status)?;
    let found = findings(platform, &observed, identity).await;
    describe(&observed, identity, live.as_ref(), found)
        .ok_or_else(|| ReportError::NoResource(identity.clone()))
}

/// What the rules, and the reader of files, have against a resource.
async fn findings(platform: &Platform, observed: &Observed, identity: &Identity) -> Vec<Finding> {
    let report = platform.verdict(&observed.scopes).await;
    let about = |f: &&Finding| f.resource.as_ref() == Some(identity);
    let mut all: Vec<Finding> = report.findings.iter().filter(about).cloned().collect();
    let read = observed
        .findings
        .get(&RepoRef::of(identity))
        .into_iter()
        .flatten();
    all.extend(read.filter(about).cloned());
    all.sort();
    all.dedup();
    all
}

fn describe(
    observed: &Observed,
    identity: &Identity,
    live: Option<&LiveObject>,
    findings: Vec<Finding>,
) -> Option<ResourceStatus> {
    let declared = observed.scopes.get(identity);
    let node = match (declared, live) {
        (Some(sourced), live) => node(sourced, live),
        (None, Some(live)) => undeclared(identity, live),
        (None, None) => return None,
    };
    let number = |name: &str| live?.status.get(name)?.as_i64();
    let mut conditions: Vec<ConditionState> = live
        .map(|live| conditions_of(&live.status))
        .unwrap_or_default()
        .into_iter()
        .map(ConditionState::from)
        .collect();
    conditions.sort_by(|a, b| a.type_.cmp(&b.type_));
    let mut hints: Vec<String> = findings.iter().filter_map(|f| f.hint.clone()).collect();
    let mut notes = node.notes;
    if let Some(error) = observed.unread.get(&RepoRef::of(identity)) {
        notes.push(format!("what is shown is its last good reading: {error}"));
        hints.extend(error.hint());
    }
    if live.is_none() && node.reason == blank(identity).reason {
        hints.push("the controllers have to run; what they have not seen yet stays like this".to_owned());
    }
    hints.dedup();
    Some(ResourceStatus {
        resource: identity.clone(),
        state: node.state,
        reason: node.reason,
        message: node.message,
        hints,
        declared: declared.is_some(),
        declared_revision: revision(observed, identity).filter(|_| declared.is_some()),
        observed_revision: node.revision,
        generation: live.map(|live| live.generation).filter(|at| *at > 0),
        observed_generation: number("observedGeneration"),
        last_transition: conditions.iter().map(|c| c.last_transition.clone()).max(),
        conditions,
        findings,
        notes,
        deployment: node.deployment,
        runs: node.runs,
    })
}

fn revision(observed: &Observed, identity: &Identity) -> Option<String> {
    let revision = match &identity.product {
        Some(product) => observed.scopes.products.get(product)?.revision.as_ref()?,
        None => observed.scopes.tenant.revision.as_ref()?,
    };
    Some(revision.to_string())
}
