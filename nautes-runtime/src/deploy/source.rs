//! Where a deployment comes from: the position of its repository, and what is declared there.

use std::collections::BTreeMap;

use nautes_gitops::publish::fetch_or_rebuild;
use nautes_gitops::repo::{Limits, RepoError};
use nautes_gitops::{HostError, Mirror, Oid, RepoPath};
use nautes_model::Class;

use super::{MAX_FILE, MAX_TOTAL, Manifests, read_manifests};
use crate::plan::DeployUnit;
use crate::platform::Platform;
use crate::start::resolve;

/// Why the repository of a deployment cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The forge refused or did not answer.
    #[error("cannot read the repository {path}")]
    Host {
        /// The repository.
        path: RepoPath,
        /// Why.
        #[source]
        source: HostError,
    },
    /// The mirror cannot be read.
    #[error("cannot read the mirror of {path}")]
    Mirror {
        /// The repository.
        path: RepoPath,
        /// Why.
        #[source]
        source: RepoError,
    },
    /// The revision is not there yet.
    #[error("waiting for the revision {revision:?} of {path}")]
    Revision {
        /// The repository.
        path: RepoPath,
        /// The revision.
        revision: String,
    },
    /// It is too large.
    #[error("{0} is too large to be read as a whole")]
    Incomplete(RepoPath),
}

impl SourceError {
    /// Returns the class.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            // A repository that is declared and not there yet is on its way.
            Self::Host { source, .. } if source.class() == Class::NotFound => Class::Waiting,
            Self::Host { source, .. } => source.class(),
            Self::Mirror { source, .. } => source.class(),
            Self::Revision { .. } => Class::Waiting,
            Self::Incomplete(_) => Class::Invalid,
        }
    }
}

/// Fetches if something has moved, and finds the commit to deploy.
pub(crate) async fn position(
    platform: &Platform,
    unit: &DeployUnit,
    path: &RepoPath,
) -> Result<(Mirror, Oid), SourceError> {
    let host = |source| SourceError::Host {
        path: path.clone(),
        source,
    };
    let broken = |source| SourceError::Mirror {
        path: path.clone(),
        source,
    };
    let session = platform.host().platform().await.map_err(host)?;
    let mirror = platform.mirrors().open(path).await.map_err(broken)?;
    let refs = session.refs(path).await.map_err(host)?;
    if mirror.refs().await.map_err(broken)? != refs {
        fetch_or_rebuild(&*session, path, &mirror).await.map_err(host)?;
    }
    let revision = resolve(&mirror, &unit.target_revision).await.map_err(broken)?;
    let revision = revision.ok_or_else(|| SourceError::Revision {
        path: path.clone(),
        revision: unit.target_revision.clone(),
    })?;
    Ok((mirror, revision))
}

/// Reads the manifests of a revision.
pub(crate) async fn read(
    mirror: &Mirror,
    revision: Oid,
    unit: &DeployUnit,
    path: &RepoPath,
) -> Result<Manifests, SourceError> {
    let folder = unit.path.trim_start_matches("./").trim_matches('/').to_owned();
    let folder = if folder == "." { String::new() } else { folder };
    let limits = Limits {
        file_bytes: MAX_FILE,
        total_bytes: MAX_TOTAL,
        ..Limits::default()
    };
    let below = folder.clone();
    let wanted = move |path: &str| {
        below.is_empty()
            || path.starts_with(&format!("{below}/"))
            || (path.ends_with('/') && format!("{below}/").starts_with(path))
    };
    let snapshot = mirror.read(revision, limits, wanted).await;
    let snapshot = snapshot.map_err(|source| SourceError::Mirror {
        path: path.clone(),
        source,
    })?;
    if !snapshot.complete {
        return Err(SourceError::Incomplete(path.clone()));
    }
    let short = |path: &str| match folder.as_str() {
        "" => path.to_owned(),
        folder => path
            .strip_prefix(folder)
            .map_or(path, |rest| rest.trim_start_matches('/'))
            .to_owned(),
    };
    let files: BTreeMap<String, Vec<u8>> = snapshot
        .files
        .into_iter()
        .map(|(path, file)| (short(&path), file.bytes))
        .collect();
    let mut manifests = read_manifests(&files, unit);
    for finding in snapshot.findings {
        // What could not be read may declare anything: what it used to declare is held.
        let path = short(&finding.path);
        manifests.hold.paths.insert(path.trim_end_matches('/').to_owned());
        manifests.problems.push(super::ManifestProblem {
            path,
            document: None,
            line: None,
            object: None,
            message: finding.problem.to_string(),
            hint: None,
            class: Class::Invalid,
        });
    }
    Ok(manifests)
}
