//! Starting pipelines: from an event to the one object of a run.
//!
//! This is the named exception to invariant I4: a run is created once, under a name derived from the runtime,
//! the trigger, the ref and the commit, and is in no inventory. It goes with the namespace of its runtime.
//!
//! # Flow
//! 1. The pipeline repository is fetched, and the pipeline file is read at the revision that the trigger names.
//! 2. The pipeline engine makes the object, under the name that only this event has.
//! 3. It is created. If it is there already, the event was handled, and that is as good.
//!
//! # Guarantees
//! * One event starts at most one run, however often it is delivered and whoever handles it.
//! * Whatever a file or an event holds, the result is a run or an error with a clear text, never both.

use std::time::Duration;

use kube::api::{Api, ApiResource, DynamicObject, PostParams};
use nautes_gitops::repo::{Limits, RepoError};
use nautes_gitops::{HostError, Mirror, Oid, RepoPath, Session};
use nautes_model::Class;

use crate::engine::{PipelineEngine, Unsupported};
use crate::intent::RunIntent;
use crate::object::ObjectKey;
use crate::projection::FIELD_MANAGER;
use crate::projection::error::class_of;

/// How much of a pipeline file is read.
const LIMITS: Limits = Limits {
    file_bytes: 1 << 20,
    total_bytes: 1 << 20,
    entries: 200_000,
    depth: 64,
};

/// Why a pipeline was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The pipeline repository cannot be read.
    #[error("cannot read the pipeline repository {repo}")]
    Host {
        /// The repository.
        repo: RepoPath,
        /// Why.
        #[source]
        source: HostError,
    },
    /// The mirror of the pipeline repository cannot be read.
    #[error("cannot read the mirror of {repo}")]
    Mirror {
        /// The repository.
        repo: RepoPath,
        /// Why.
        #[source]
        source: RepoError,
    },
    /// The revision that the trigger names is not there.
    #[error("{repo} has no branch, tag or commit {revision:?}")]
    Revision {
        /// The repository.
        repo: RepoPath,
        /// The revision.
        revision: String,
    },
    /// The pipeline file is not there.
    #[error("{repo} has no file {path:?} at {}: {why}", revision.short())]
    File {
        /// The repository.
        repo: RepoPath,
        /// The file.
        path: String,
        /// The commit.
        revision: Oid,
        /// Why it is no pipeline file.
        why: String,
    },
    /// The engine cannot make a run of it.
    #[error("no run can be made of {path:?}")]
    Engine {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: Unsupported,
    },
    /// The engine made something that is no object.
    #[error("the engine {0} made a run without a name or kind")]
    NoObject(&'static str),
    /// The cluster refused the run or did not answer.
    #[error("cannot create the run {name} in {namespace}")]
    Cluster {
        /// The run.
        name: String,
        /// The namespace.
        namespace: String,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
    /// Something did not answer in time.
    #[error("{0}: no answer in time")]
    Late(String),
}

impl StartError {
    /// Returns the class.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Host { source, .. } => source.class(),
            Self::Mirror { source, .. } => source.class(),
            Self::Revision { .. } | Self::File { .. } | Self::Engine { .. } => Class::Invalid,
            Self::NoObject(_) => Class::Bug,
            Self::Cluster { source, .. } => class_of(source),
            Self::Late(_) => Class::Unreachable,
        }
    }

    /// Returns what the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Revision { .. } => Some("push that revision, or change the trigger's revision".to_owned()),
            Self::File { .. } => Some("commit the file, or correct the path of the pipeline".to_owned()),
            Self::Host { source, .. } => source.hint(),
            Self::Mirror { .. }
            | Self::Engine { .. }
            | Self::NoObject(_)
            | Self::Cluster { .. }
            | Self::Late(_) => None,
        }
    }
}

/// A run that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// Its name.
    pub name: String,
    /// Whether this call created it; otherwise the event had been handled before.
    pub created: bool,
}

/// With what a run is started.
#[derive(Debug)]
pub struct Starter<'a> {
    /// The session that reads the pipeline repository.
    pub session: &'a dyn Session,
    /// The pipeline repository.
    pub repo: &'a RepoPath,
    /// Its mirror.
    pub mirror: &'a Mirror,
    /// The engine of the cluster.
    pub engine: &'a dyn PipelineEngine,
    /// How long the forge and the cluster may take for one step.
    pub deadline: Duration,
}

/// Starts the run that an event asks for, once.
///
/// # Errors
/// The run could not be made or created; nothing is left behind.
pub async fn start(
    cluster: kube::Client,
    with: &Starter<'_>,
    intent: &RunIntent,
) -> Result<Started, StartError> {
    let text = pipeline_file(with, intent).await?;
    let object = with
        .engine
        .run(intent, &text)
        .map_err(|source| StartError::Engine {
            path: intent.pipeline.path.clone(),
            source,
        })?;
    let key = ObjectKey::of(&object).map_err(|_| StartError::NoObject(with.engine.name()))?;
    let object: DynamicObject =
        serde_json::from_value(object).map_err(|_| StartError::NoObject(with.engine.name()))?;
    let namespace = intent.namespace.as_str();
    let api: Api<DynamicObject> = Api::namespaced_with(cluster, namespace, &resource_of(&key));
    let params = PostParams {
        dry_run: false,
        field_manager: Some(FIELD_MANAGER.to_owned()),
    };
    let created = tokio::time::timeout(with.deadline, api.create(&params, &object)).await;
    match created {
        Err(_) => Err(StartError::Late(format!("creating the run {}", key.name))),
        Ok(Ok(_)) => Ok(Started {
            name: key.name,
            created: true,
        }),
        // Only the very same event has this name.
        Ok(Err(kube::Error::Api(status))) if status.reason == "AlreadyExists" => Ok(Started {
            name: key.name,
            created: false,
        }),
        Ok(Err(source)) => Err(StartError::Cluster {
            name: key.name,
            namespace: namespace.to_owned(),
            source: Box::new(source),
        }),
    }
}

async fn pipeline_file(with: &Starter<'_>, intent: &RunIntent) -> Result<String, StartError> {
    let repo = || with.repo.clone();
    let path = &intent.pipeline.path;
    tokio::time::timeout(with.deadline, with.session.fetch(with.repo, with.mirror))
        .await
        .map_err(|_| StartError::Late(format!("fetching {}", with.repo)))?
        .map_err(|source| StartError::Host { repo: repo(), source })?;
    let revision = resolve(with.mirror, &intent.pipeline_revision)
        .await
        .map_err(|source| StartError::Mirror { repo: repo(), source })?
        .ok_or_else(|| StartError::Revision {
            repo: repo(),
            revision: intent.pipeline_revision.chars().take(200).collect(),
        })?;
    let wrong = |why: &str| StartError::File {
        repo: repo(),
        path: path.chars().take(200).collect(),
        revision,
        why: why.to_owned(),
    };
    let clean = path.trim_start_matches("./");
    let file = with
        .mirror
        .read_file(revision, clean, LIMITS)
        .await
        .map_err(|source| StartError::Mirror { repo: repo(), source })?
        .ok_or_else(|| wrong("there is no regular file of at most 1 MiB"))?;
    String::from_utf8(file.bytes).map_err(|_| wrong("it is not UTF-8"))
}

/// Finds the commit of a branch, a tag, a full reference or a commit id, as the last fetch left it.
///
/// # Errors
/// The mirror cannot be read.
pub async fn resolve(mirror: &Mirror, revision: &str) -> Result<Option<Oid>, RepoError> {
    let refs = mirror.refs().await?;
    let names = [
        revision.to_owned(),
        format!("refs/heads/{revision}"),
        format!("refs/tags/{revision}"),
    ];
    if let Some(found) = names.iter().find_map(|name| refs.get(name)) {
        return Ok(Some(*found));
    }
    let Ok(id) = revision.parse::<Oid>() else {
        return Ok(None);
    };
    match mirror.log(id, 1).await {
        Ok(_) => Ok(Some(id)),
        Err(RepoError::Missing { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The kinds of runs have regular plurals, so no discovery is needed.
fn resource_of(key: &ObjectKey) -> ApiResource {
    ApiResource {
        group: key.group.clone(),
        version: key.version.clone(),
        api_version: key.api_version(),
        kind: key.kind.clone(),
        plural: format!("{}s", key.kind.to_ascii_lowercase()),
    }
}
