//! Looking at a deployment without changing it: what is wanted, what is there, and what differs.

use std::collections::BTreeSet;

use nautes_gitops::RepoPath;
use nautes_model::name::ClusterName;
use nautes_model::{Class, Identity, Resource, Scopes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fields::{FieldDrift, differences};
use super::source::{SourceError, position, read};
use super::{Manifests, desired, limits, unit_of};
use crate::apply::compare::{Compared, compare};
use crate::apply::{self, Applied, Cache, Desired, RemovalPolicy, Strategy, Target, apply_desired};
use crate::clusters::AccessError;
use crate::object::ObjectKey;
use crate::plan::{DeployUnit, Plan};
use crate::platform::{PlanError, Platform, paths};
use crate::preview::Action;
use crate::status_report::{ReportError, State, report_one};

/// How many objects are compared field by field.
const COMPARED: usize = 50;

/// What is known of a deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// The last commit of which every object was deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actual: Option<String>,
    /// The commit that is being deployed, while not every object of it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deploying: Option<String>,
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
    /// What differs from the wanted commit, object by object, and field by field of what is there. Values that may be secret
    /// are hidden.
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectDrift {
    /// The object, or the file that cannot be read as objects.
    pub object: String,
    /// What would be done about it.
    pub action: Action,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The fields that differ, of an object that is there: at most 20, in order of their paths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldDrift>,
    /// How many more fields differ.
    #[serde(default, skip_serializing_if = "is_none")]
    pub more_fields: usize,
    /// Why it is not told which fields differ: at most 50 objects are compared field by field, and a cluster may not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields_unknown: Option<String>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "it stands in an attribute of serde"
)]
const fn is_none(count: &usize) -> bool {
    *count == 0
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
    drift: Vec<ObjectDrift>,
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
    let deployed = status.deployment.unwrap_or_default();
    let is_whole = seen.wanted == deployed.revision && deployed.deploying.is_none();
    let in_sync = looked.is_ok().then_some(seen.drift.is_empty() && is_whole);
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
            .or_else(|| Some(deployed.cluster).filter(|cluster| !cluster.is_empty())),
        namespaces: declared.namespaces().into_iter().map(str::to_owned).collect(),
        wanted: seen.wanted,
        actual: deployed.revision,
        deploying: deployed.deploying,
        in_sync,
        health: status.state,
        reason: status.reason,
        message: status.message,
        objects: seen.objects,
        last_synced: seen.last_synced,
        drift: seen.drift,
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
    let Manifests {
        objects,
        problems,
        hold,
    } = manifests;
    let desired = desired(objects, unit, &whose);
    let (how, removal) = (Strategy::DryRun, RemovalPolicy::EXPLICIT);
    let limits = limits(unit);
    let applied = apply_desired(&target, &whose, &desired, &hold, how, removal, Some(&limits)).await?;
    let known: BTreeSet<String> = recorded.entries.iter().map(|e| e.key.to_string()).collect();
    drift(&applied, &known, &mut seen.drift);
    let problems = problems.into_iter();
    seen.drift
        .extend(problems.map(|problem| ObjectDrift::of(problem.path, Action::Fail, problem.message)));
    seen.drift.sort_by(|a, b| a.key().cmp(&b.key()));
    seen.drift.dedup_by(|a, b| a.key() == b.key());
    by_field(platform, &target, &desired, &applied, &known, &mut seen.drift).await;
    Ok(())
}

/// Tells of what was deployed and is another now in which fields.
async fn by_field(
    platform: &Platform,
    target: &Target<'_>,
    desired: &Desired,
    applied: &Applied,
    known: &BTreeSet<String>,
    drift: &mut [ObjectDrift],
) {
    let mut keys: Vec<ObjectKey> = applied.written.clone();
    keys.retain(|key| known.contains(&key.to_string()));
    let left = keys.split_off(keys.len().min(COMPARED));
    // The objects are known already: what the fields take must not take that away.
    let limit = platform.timing().cluster / 2;
    let compared = tokio::time::timeout(limit, compare(target, desired, &keys)).await;
    let silent = "the cluster does not say which";
    let mut told = |key: &ObjectKey, tell: &dyn Fn(&mut ObjectDrift)| {
        let name = key.to_string();
        let found = drift
            .iter_mut()
            .filter(|one| one.object == name && one.action == Action::Write);
        found.for_each(tell);
    };
    match compared {
        Ok(all) => {
            for (key, compared) in &all {
                told(key, &|one| one.compare(key, compared.as_ref()));
            }
        }
        Err(_) => keys
            .iter()
            .for_each(|key| told(key, &|one| one.fields_unknown = Some(silent.to_owned()))),
    }
    for key in &left {
        told(key, &|one| {
            one.fields_unknown = Some(format!("more than {COMPARED} objects differ"));
        });
    }
}

impl ObjectDrift {
    fn of(object: String, action: Action, message: String) -> Self {
        Self {
            object,
            action,
            message,
            fields: Vec::new(),
            more_fields: 0,
            fields_unknown: None,
        }
    }

    fn key(&self) -> (&str, Action, &str) {
        (&self.object, self.action, &self.message)
    }

    fn compare(&mut self, key: &ObjectKey, compared: Option<&Compared>) {
        let Some(Compared { actual, wanted }) = compared else {
            // It is gone, most likely, and all of it is missing.
            self.fields_unknown = Some("it is not there, or the cluster does not say".to_owned());
            return;
        };
        let is_secret = key.group.is_empty() && key.kind == "Secret";
        (self.fields, self.more_fields) = differences(is_secret, actual, wanted);
        if self.fields.is_empty() {
            "it was deployed, and others have written to it; no field has another value"
                .clone_into(&mut self.message);
        }
    }
}

fn drift(applied: &Applied, known: &BTreeSet<String>, out: &mut Vec<ObjectDrift>) {
    let mut add = |key: &ObjectKey, action, message: String| {
        out.push(ObjectDrift::of(key.to_string(), action, message));
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
