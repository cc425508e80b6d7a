//! The runs of a pipeline runtime, as the cluster has them, and their logs.
//!
//! # Guarantees
//! * Only runs that carry the labels of the runtime and of its product are seen, whatever else is in the namespace.
//! * Nothing is read without a bound, and nothing of a run is told but what became of it: no parameters.

mod follow;
mod logs;

use std::collections::BTreeMap;
use std::time::Duration;

use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use nautes_model::name::ClusterName;
use nautes_model::{Class, Identity, Resource, Scopes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clusters::AccessError;
use crate::engine::{PipelineEngine, RunKind, label};
use crate::platform::Platform;
use crate::projection::error::class_of;

pub use follow::{RunSeen, RunSites, follow_runs, run_sites};
pub use logs::{Log, LogLimits, logs};

/// How many runs are looked at, newest or not: a cluster that keeps more is not read to its end.
pub const MOST: usize = 5_000;
/// How many are asked for at once.
const PAGE: u32 = 250;

impl RunPhase {
    /// Returns the word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing comes after it.
    #[must_use]
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// What became of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RunPhase {
    /// It is there, and nobody works on it yet.
    Pending,
    /// It runs.
    Running,
    /// It ended well.
    Succeeded,
    /// It ended badly.
    Failed,
    /// Somebody ended it.
    Cancelled,
}

/// What a pipeline engine says of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunState {
    /// What became of it.
    pub phase: RunPhase,
    /// The reason in one CamelCase word.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The reason in a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When it began, in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    /// When it ended, in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<String>,
}

/// A run of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunRecord {
    /// Its name in the cluster.
    pub name: String,
    /// The pipeline runtime.
    pub runtime: Identity,
    /// What became of it.
    #[serde(flatten)]
    pub state: RunState,
    /// When it was created, in RFC 3339.
    pub created: String,
    /// What started it.
    pub trigger: RunTrigger,
    /// The revision of the pipeline repository that was asked for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub pipeline_revision: String,
    /// The cluster.
    pub cluster: String,
    /// The namespace.
    pub namespace: String,
    /// Where people can look at it: `dashboard`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub links: BTreeMap<String, String>,
}

/// What started a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunTrigger {
    /// The event source.
    pub event_source: String,
    /// The pipeline.
    pub pipeline: String,
    /// The repository of the event; empty for a calendar.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub repository: String,
    /// The reference of the event.
    #[serde(rename = "ref")]
    pub ref_: String,
    /// The commit of the event.
    pub commit: String,
}

/// The runs of a runtime.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    /// The runs, newest first.
    pub runs: Vec<RunRecord>,
    /// Whether the cluster has more than were looked at (see [`MOST`]).
    pub truncated: bool,
}

/// Why runs cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum RunsError {
    /// The runtime is not declared.
    #[error("{0} is not declared")]
    NoRuntime(Identity),
    /// It is not said where it runs.
    #[error("{runtime} runs nowhere: {why}")]
    NoPlace {
        /// The runtime.
        runtime: Identity,
        /// What is missing.
        why: String,
    },
    /// There is no such run.
    #[error("{runtime} has no run {name:?}")]
    NoRun {
        /// The runtime.
        runtime: Identity,
        /// The run.
        name: String,
    },
    /// The cluster keeps no logs of a run.
    #[error("cluster {cluster} has no pods of the run {run:?}, and so no logs of it")]
    NoLogs {
        /// The cluster.
        cluster: ClusterName,
        /// The run.
        run: String,
    },
    /// The cluster has nothing of the kind.
    #[error("cluster {cluster} has no {what}")]
    Unsupported {
        /// The cluster.
        cluster: ClusterName,
        /// What it lacks.
        what: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// The cluster cannot be reached.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The cluster refused.
    #[error("cannot read {what} in cluster {cluster}")]
    Cluster {
        /// The cluster.
        cluster: ClusterName,
        /// What was read.
        what: String,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
    /// The cluster did not answer in time.
    #[error("cluster {0} did not answer in time")]
    Late(ClusterName),
}

impl RunsError {
    /// Returns the class.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::NoRuntime(_) | Self::NoRun { .. } | Self::NoLogs { .. } => Class::NotFound,
            Self::NoPlace { .. } | Self::Unsupported { .. } => Class::Waiting,
            Self::Access(source) => source.class(),
            Self::Cluster { source, .. } => class_of(source),
            Self::Late(_) => Class::Unreachable,
        }
    }

    /// Returns what to do about it.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoPlace { .. } => Some("its status says what is missing"),
            Self::NoRun { .. } => Some("list its runs; the cluster removes old ones"),
            Self::NoLogs { .. } => Some(
                "it has not begun, its pods were removed, or nothing runs pods there, as in the local cluster",
            ),
            Self::Unsupported { hint, .. } => Some(hint),
            Self::NoRuntime(_) | Self::Access(_) | Self::Cluster { .. } | Self::Late(_) => None,
        }
    }
}

/// Where the pipelines of a runtime run.
struct Place<'a> {
    runtime: &'a Identity,
    cluster: ClusterName,
    namespace: String,
    engine: &'a dyn PipelineEngine,
    /// Where the component of the cluster shows runs to people.
    host: Option<String>,
    client: kube::Client,
    limit: Duration,
}

/// Returns the runs of a pipeline runtime, newest first.
///
/// # Errors
/// The runtime runs nowhere, or its cluster does not answer.
pub async fn runs(platform: &Platform, scopes: &Scopes, runtime: &Identity) -> Result<Runs, RunsError> {
    let place = place(platform, scopes, runtime).await?;
    for kind in place.engine.run_kinds() {
        // What is not served may be in another version.
        if let Some((mut runs, truncated)) = place.list(*kind).await? {
            runs.sort_by(|a, b| (&b.created, &b.name).cmp(&(&a.created, &a.name)));
            return Ok(Runs { runs, truncated });
        }
    }
    Err(place.unsupported())
}

/// Returns one run of a pipeline runtime.
///
/// # Errors
/// See [`runs`]; or there is no such run.
pub async fn run(
    platform: &Platform,
    scopes: &Scopes,
    runtime: &Identity,
    name: &str,
) -> Result<RunRecord, RunsError> {
    let place = place(platform, scopes, runtime).await?;
    place.find(name).await
}

/// Where the pipelines of a runtime run, as it is declared.
struct Site {
    cluster: ClusterName,
    namespace: String,
    /// The component that runs them.
    engine: String,
    host: Option<String>,
}

/// Finds out where the pipelines of a runtime run.
fn site(scopes: &Scopes, runtime: &Identity) -> Result<Site, RunsError> {
    let found = scopes.get(runtime).map(|sourced| &sourced.resource);
    let Some(Resource::ProjectPipelineRuntime(declared)) = found else {
        return Err(RunsError::NoRuntime(runtime.clone()));
    };
    let nowhere = |why: String| RunsError::NoPlace {
        runtime: runtime.clone(),
        why,
    };
    let environment = &declared.spec.destination.environment;
    let name = runtime
        .product
        .as_ref()
        .and_then(|product| scopes.products.get(product))
        .and_then(|scope| {
            let mut all = scope.environments();
            all.find(|(sourced, _)| sourced.identity.name.as_str() == environment.as_str())
        })
        .map(|(_, environment)| environment.spec.cluster.clone())
        .ok_or_else(|| nowhere(format!("there is no environment {environment:?}")))?;
    let (_, cluster) = scopes
        .tenant
        .cluster(&name)
        .ok_or_else(|| nowhere(format!("there is no cluster {name:?}")))?;
    let component = cluster.spec.components_list.pipeline.as_ref();
    let component = component.ok_or_else(|| nowhere(format!("cluster {name} has no pipelines")))?;
    Ok(Site {
        cluster: ClusterName::new(name.as_str()).map_err(|e| nowhere(e.to_string()))?,
        namespace: declared.namespace_name().to_owned(),
        engine: component.name.clone(),
        host: component.additions.get("host").cloned(),
    })
}

async fn place<'a>(
    platform: &'a Platform,
    scopes: &Scopes,
    runtime: &'a Identity,
) -> Result<Place<'a>, RunsError> {
    let site = site(scopes, runtime)?;
    let engine = platform
        .engines()
        .pipeline(&site.engine)
        .ok_or_else(|| RunsError::NoPlace {
            runtime: runtime.clone(),
            why: format!("there is no engine {:?}", site.engine),
        })?;
    let limit = platform.timing().call;
    let client = tokio::time::timeout(limit, platform.clusters().client(&site.cluster))
        .await
        .map_err(|_| RunsError::Late(site.cluster.clone()))??;
    Ok(Place {
        runtime,
        namespace: site.namespace,
        cluster: site.cluster,
        engine,
        host: site.host,
        client,
        limit,
    })
}

fn resource_of(kind: RunKind) -> ApiResource {
    ApiResource {
        group: kind.group.to_owned(),
        version: kind.version.to_owned(),
        api_version: format!("{}/{}", kind.group, kind.version),
        kind: kind.kind.to_owned(),
        plural: kind.plural.to_owned(),
    }
}

/// Reads a run of a runtime.
fn record(
    engine: &dyn PipelineEngine,
    runtime: &Identity,
    (cluster, namespace, host): (&ClusterName, &str, Option<&str>),
    object: &DynamicObject,
) -> RunRecord {
    let name = object.metadata.name.clone().unwrap_or_default();
    let said = |key: &str| {
        let all = object.metadata.annotations.as_ref();
        all.and_then(|all| all.get(key)).cloned().unwrap_or_default()
    };
    let mut links = BTreeMap::new();
    if let Some(link) = host.and_then(|host| engine.run_link(host, namespace, &name)) {
        links.insert("dashboard".to_owned(), link);
    }
    RunRecord {
        runtime: runtime.clone(),
        state: engine.run_state(&object.data),
        created: object
            .metadata
            .creation_timestamp
            .as_ref()
            .map(|time| time.0.to_string())
            .unwrap_or_default(),
        trigger: RunTrigger {
            event_source: said(label::EVENT_SOURCE),
            pipeline: said(label::PIPELINE),
            repository: said(label::EVENT_REPO),
            ref_: said(label::EVENT_REF),
            commit: said(label::COMMIT),
        },
        pipeline_revision: said(label::PIPELINE_REVISION),
        cluster: cluster.to_string(),
        namespace: namespace.to_owned(),
        links,
        name,
    }
}

impl Place<'_> {
    fn api(&self, kind: RunKind) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource_of(kind))
    }

    fn labels(&self) -> [(&'static str, String); 3] {
        let product = self.runtime.product.as_ref();
        [
            (label::MANAGED_BY, label::NAUTES.to_owned()),
            (
                label::BELONGS_TO,
                product.map(|p| p.namespace()).unwrap_or_default(),
            ),
            (label::RUNTIME, self.runtime.name.to_string()),
        ]
    }

    /// Lists runs of a kind; `None` where the cluster does not serve it.
    async fn list(&self, kind: RunKind) -> Result<Option<(Vec<RunRecord>, bool)>, RunsError> {
        let labels = self.labels().map(|(key, value)| format!("{key}={value}"));
        let mut params = ListParams::default().labels(&labels.join(",")).limit(PAGE);
        let api = self.api(kind);
        let mut all = Vec::new();
        loop {
            let Some(page) = self.timed(kind.plural, api.list(&params)).await? else {
                return Ok(None);
            };
            all.extend(page.items.iter().map(|object| self.record(object)));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                None => return Ok(Some((all, false))),
                Some(_) if all.len() >= MOST => return Ok(Some((all, true))),
                Some(token) => params.continue_token = Some(token),
            }
        }
    }

    /// Finds a run by its name, if it is one of this runtime.
    async fn find(&self, name: &str) -> Result<RunRecord, RunsError> {
        let mut served = false;
        for kind in self.engine.run_kinds() {
            let api = self.api(*kind);
            let Some(found) = self.timed(kind.plural, api.get_opt(name)).await? else {
                continue;
            };
            served = true;
            let has = |object: &DynamicObject| {
                let labels = object.metadata.labels.as_ref();
                self.labels()
                    .iter()
                    .all(|(key, value)| labels.is_some_and(|all| all.get(*key) == Some(value)))
            };
            if let Some(object) = found.filter(has) {
                return Ok(self.record(&object));
            }
        }
        if !served {
            return Err(self.unsupported());
        }
        Err(RunsError::NoRun {
            runtime: self.runtime.clone(),
            name: name.chars().take(80).collect(),
        })
    }

    fn record(&self, object: &DynamicObject) -> RunRecord {
        let place = (&self.cluster, self.namespace.as_str(), self.host.as_deref());
        record(self.engine, self.runtime, place, object)
    }

    fn unsupported(&self) -> RunsError {
        RunsError::Unsupported {
            cluster: self.cluster.clone(),
            what: match self.engine.run_kinds().first() {
                Some(kind) => format!("{}.{}", kind.plural, kind.group),
                None => format!("runs that the engine {} can tell of", self.engine.name()),
            },
            hint: "an administrator of the cluster installs the pipeline component",
        }
    }

    /// Calls the cluster; `None` where it does not serve what is asked for.
    async fn timed<T>(
        &self,
        what: &str,
        call: impl Future<Output = kube::Result<T>>,
    ) -> Result<Option<T>, RunsError> {
        match tokio::time::timeout(self.limit, call).await {
            Err(_) => Err(RunsError::Late(self.cluster.clone())),
            Ok(Ok(found)) => Ok(Some(found)),
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => Ok(None),
            Ok(Err(source)) => Err(RunsError::Cluster {
                cluster: self.cluster.clone(),
                what: what.to_owned(),
                source: Box::new(source),
            }),
        }
    }
}
