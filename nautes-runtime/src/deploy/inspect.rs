//! Looking at a deployment without changing it: what is wanted, what is there, and what differs.

use std::collections::BTreeSet;

use nautes_gitops::RepoPath;
use nautes_model::name::ClusterName;
use nautes_model::{Class, Identity, Resource, Revision, Scopes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::source::{SourceError, position, read};
use super::{deploy, unit_of};
use crate::apply::{self, Applied, Cache, RemovalPolicy, Strategy, Target};
use crate::clusters::AccessError;
use crate::object::ObjectKey;
use crate::plan::{DeployUnit, Plan};
use crate::platform::{PlanError, Platform, paths};
use crate::preview::Action;
use crate::status_report::{ReportError, State, report_one};

/// What is known of a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentReport {
    /// The deployment runtime.
    pub runtime: Identity,
    /// What is deployed.
    pub source: DeploymentSource,
    /// The cluster; `None` while the runtime has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The namespaces; the first is the default.
    pub namespaces: Vec<String>,
    /// The commit that is wanted: where the repository is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<String>,
    /// The commit that is deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actual: Option<String>,
    /// Whether the wanted commit is deployed and nothing differs; `None` where nobody can tell now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_sync: Option<bool>,
    /// Whether the runtime works.
    pub health: State,
    /// The reason in one CamelCase word.
    pub reason: String,
    /// The reason in a sentence.
    pub message: String,
    /// How many objects are recorded as deployed.
    pub objects: usize,
    /// When the record of what is deployed was written last, in RFC 3339: the last time that something was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_synced: Option<String>,
    /// What differs from the wanted commit, object by object.
    #[serde(default)]
    pub drift: Vec<ObjectDrift>,
    /// Why it cannot be told what differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}

/// What a deployment is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentSource {
    /// The repository, as the runtime names it.
    pub repository: String,
    /// A branch, a tag or a commit.
    pub target_revision: String,
    /// The folder.
    pub path: String,
}

/// An object that is not as the wanted commit declares it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectDrift {
    /// The object, or the file that cannot be read as objects.
    pub object: String,
    /// What would be done about it.
    pub action: Action,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// Why a deployment cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The runtime is not declared.
    #[error("{0} is not declared")]
    NoRuntime(Identity),
    /// Its status cannot be read.
    #[error(transparent)]
    Status(#[from] ReportError),
    /// It cannot be planned.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

impl InspectError {
    /// Returns the class.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::NoRuntime(_) => Class::NotFound,
            Self::Status(source) => source.class(),
            Self::Plan(source) => source.class(),
        }
    }
}

/// Why it cannot be told what differs. What a cluster or a forge has answered stays out of the text.
#[derive(Debug, thiserror::Error)]
enum Unknown {
    #[error("{0}")]
    NotPlanned(String),
    #[error("the repository {0} is not declared")]
    NoRepo(Identity),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error(transparent)]
    Apply(#[from] apply::ApplyError),
    #[error(transparent)]
    Inventory(#[from] apply::InventoryError),
    #[error("cluster {0} does not answer in time")]
    Late(ClusterName),
}

/// What a look at the repository and at the cluster gave.
#[derive(Default)]
struct Seen {
    wanted: Option<String>,
    drift: BTreeSet<ObjectDrift>,
    objects: usize,
    last_synced: Option<String>,
}

/// Looks at a deployment and changes nothing.
///
/// # Errors
/// The runtime is not declared, or its status cannot be read. A repository or a cluster that does not answer is named
/// in the report.
pub async fn inspect(
    platform: &Platform,
    scopes: &std::sync::Arc<Scopes>,
    runtime: &Identity,
) -> Result<DeploymentReport, InspectError> {
    let found = scopes.get(runtime).map(|sourced| &sourced.resource);
    let (Some(Resource::DeploymentRuntime(declared)), Some(product)) = (found, &runtime.product) else {
        return Err(InspectError::NoRuntime(runtime.clone()));
    };
    let status = report_one(platform, runtime).await?;
    let plan = platform.plan_of(scopes, product).await?;
    let placed = plan.clusters.iter().find_map(|(cluster, plan)| {
        let unit = plan.deploys.iter().find(|unit| unit.runtime == *runtime)?;
        Some((cluster, unit))
    });
    let mut seen = Seen::default();
    let looked = match placed {
        None => Err(Unknown::NotPlanned(not_planned(&plan, runtime))),
        Some((cluster, unit)) => {
            let limit = platform.timing().cluster;
            let work = look(platform, scopes, cluster, unit, &mut seen);
            let done = tokio::time::timeout(limit, work).await;
            done.unwrap_or_else(|_| Err(Unknown::Late(cluster.clone())))
        }
    };
    if let Err(error) = &looked {
        tracing::debug!(%runtime, %error, "a deployment cannot be compared");
    }
    let actual = status.deployment.as_ref().map(|d| d.revision.clone());
    let in_sync = looked
        .is_ok()
        .then(|| seen.drift.is_empty() && seen.wanted == actual);
    let source = &declared.spec.manifest_source;
    Ok(DeploymentReport {
        runtime: runtime.clone(),
        source: DeploymentSource {
            repository: source.code_repo.clone(),
            target_revision: source.target_revision.clone(),
            path: source.path.clone(),
        },
        cluster: placed
            .map(|(cluster, _)| cluster.to_string())
            .or_else(|| status.deployment.map(|d| d.cluster)),
        namespaces: declared.namespaces().into_iter().map(str::to_owned).collect(),
        wanted: seen.wanted,
        actual,
        in_sync,
        health: status.state,
        reason: status.reason,
        message: status.message,
        objects: seen.objects,
        last_synced: seen.last_synced,
        drift: seen.drift.into_iter().collect(),
        unknown: looked.err().map(|error| error.to_string()),
    })
}

fn not_planned(plan: &Plan, runtime: &Identity) -> String {
    match plan.verdicts.get(runtime) {
        Some(verdict) if !verdict.message.is_empty() => verdict.message.clone(),
        _ => "no deployment is planned: its engine is not ours, or it is held".to_owned(),
    }
}

async fn look(
    platform: &Platform,
    scopes: &Scopes,
    cluster: &ClusterName,
    unit: &DeployUnit,
    seen: &mut Seen,
) -> Result<(), Unknown> {
    let path: RepoPath = paths::find_code_repo(scopes, &unit.code_repo)
        .ok_or_else(|| Unknown::NoRepo(unit.code_repo.clone()))?;
    let (mirror, revision) = position(platform, unit, &path).await?;
    seen.wanted = Some(revision.to_string());
    let manifests = read(&mirror, revision, unit, &path).await?;
    let client = platform.clusters().client(cluster).await?;
    let whose = unit_of(unit);
    let recorded = apply::recorded(&client, &whose).await?;
    seen.objects = recorded.entries.len();
    seen.last_synced = recorded.written;
    let namespace = unit.namespaces.first().map(String::as_str).unwrap_or_default();
    let acting = platform
        .clusters()
        .client_as(cluster, namespace, &unit.account)
        .await?;
    let cache = Cache::default();
    let target = Target::new(cluster, client, &**platform.store(), &cache).acting_as(acting);
    let revision = Revision(revision.to_string().into());
    let how = Strategy::DryRun;
    let done = deploy(&target, unit, revision, manifests, how, RemovalPolicy::EXPLICIT).await?;
    for problem in &done.problems {
        seen.drift.insert(ObjectDrift {
            object: problem.path.clone(),
            action: Action::Fail,
            message: problem.message.clone(),
        });
    }
    let known: BTreeSet<String> = recorded.entries.iter().map(|e| e.key.to_string()).collect();
    drift(&done.applied, &known, &mut seen.drift);
    Ok(())
}

fn drift(applied: &Applied, known: &BTreeSet<String>, out: &mut BTreeSet<ObjectDrift>) {
    let mut add = |key: &ObjectKey, action, message: String| {
        out.insert(ObjectDrift {
            object: key.to_string(),
            action,
            message,
        });
    };
    for key in &applied.written {
        let message = if known.contains(&key.to_string()) {
            "it was deployed, and is another now or gone"
        } else {
            "it is not deployed yet"
        };
        add(key, Action::Write, message.to_owned());
    }
    for key in &applied.pruned {
        add(key, Action::Prune, "it is declared no more".to_owned());
    }
    for key in &applied.pending_deletion {
        add(key, Action::Wait, "it is being removed".to_owned());
    }
    for key in &applied.held {
        add(key, Action::Hold, "something about it is unknown".to_owned());
    }
    for (key, why) in &applied.conflicts {
        add(key, Action::Fail, why.clone());
    }
    for problem in applied.refused.iter().chain(&applied.failed) {
        add(&problem.key, Action::Fail, problem.message.clone());
    }
}
