//! A request that was sent before under the same key: known again by its commits, also after a restart, and also while
//! another server works on it.
//!
//! # Guarantees
//! * A repository that has a commit of the key is not written again, whatever has happened to it since.
//! * What became of each resource is read from that commit and the one before it.
//! * A key that was used for another request is refused.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::StatusCode;
use nautes_gitops::publish::trailer::Facts;
use nautes_gitops::repo::{Commit, RepoError};
use nautes_gitops::{Mirror, Oid, Paths, RepoRef, TreeReader};
use nautes_model::scope::Resources;
use nautes_model::{Identity, Scopes};

use super::{Change, plan};
use crate::app::App;
use crate::error::{ApiError, internal};
use crate::keys::{self, Key};
use crate::wire::{Done, Outcome, RepositoryResult};

/// How many commits are looked through in each repository.
const COMMITS: usize = 500;

/// What was done under a key before.
#[derive(Debug, Default)]
pub(crate) struct Before {
    /// What was done on repositories that need not be written again.
    pub(crate) results: BTreeMap<RepoRef, RepositoryResult>,
    /// The id of the request that did it.
    pub(crate) request_id: Option<String>,
    /// Up to which revisions the histories were looked through.
    pub(crate) seen: BTreeMap<RepoRef, Oid>,
}

/// Looks for what was done under a key. `order` is the order in which repositories are written: one that comes before
/// another that has a commit was dealt with, even if there was nothing to commit.
///
/// # Errors
/// The key was used for another request, or a mirror cannot be read.
pub(crate) async fn find(
    app: &App,
    key: &Key,
    change: &Change,
    before: &Scopes,
    order: &[RepoRef],
) -> Result<Before, ApiError> {
    let mut found = Before::default();
    let mut dealt_with = 0;
    for (index, of) in order.iter().enumerate() {
        let Some(tip) = plan::revision(before, of).and_then(|text| text.parse::<Oid>().ok()) else {
            continue;
        };
        let path = change
            .path_of(app, of)
            .map_err(|e| ApiError::malformed(e.to_string()))?;
        let mirror = app.platform().mirrors().open(&path).await;
        let mirror = mirror.map_err(|e| internal("the mirror cannot be opened", &e))?;
        found.seen.insert(of.clone(), tip);
        if let Some(commit) = commit(&mirror, key, tip).await? {
            let (result, request) = result_of(app, of, change, &commit).await?;
            found.request_id = found.request_id.or(request);
            found.results.insert(of.clone(), result);
            dealt_with = index;
        }
    }
    if found.results.is_empty() {
        return Ok(found);
    }
    for of in &order[..dealt_with] {
        found
            .results
            .entry(of.clone())
            .or_insert_with(|| RepositoryResult {
                repository: plan::name(app, change, of),
                commit: None,
                revision: plan::revision(before, of),
                resources: here(change, of)
                    .map(|(resource, wanted)| Outcome {
                        resource: resource.clone(),
                        done: if wanted { Done::Unchanged } else { Done::Absent },
                    })
                    .collect(),
                error: None,
            });
    }
    Ok(found)
}

/// Goes through what a change has in a repository: what, and whether it shall be there.
fn here<'a>(change: &'a Change, of: &'a RepoRef) -> impl Iterator<Item = (&'a Identity, bool)> {
    change
        .upserts
        .iter()
        .map(|resource| (&resource.identity, true))
        .chain(change.removals.iter().rev().map(|identity| (identity, false)))
        .filter(move |(identity, _)| RepoRef::of(identity) == *of)
}

/// Says what a commit of the request has done to a repository, and under which id.
///
/// # Errors
/// The mirror cannot be read.
pub(crate) async fn result_of(
    app: &App,
    of: &RepoRef,
    change: &Change,
    commit: &Commit,
) -> Result<(RepositoryResult, Option<String>), ApiError> {
    let path = app
        .platform()
        .path_of(of)
        .map_err(|e| ApiError::malformed(e.to_string()))?;
    let mirror = app.platform().mirrors().open(&path).await;
    let mirror = mirror.map_err(|e| internal("the mirror cannot be opened", &e))?;
    let parent = commit.parents.first().copied();
    let result = RepositoryResult {
        repository: path.to_string(),
        commit: Some(commit.id.to_string()),
        revision: Some(commit.id.to_string()),
        resources: outcomes(&mirror, of, change, commit.id, parent).await?,
        error: None,
    };
    Ok((result, Facts::read(&commit.trailers).request))
}

async fn commit(mirror: &Mirror, key: &Key, tip: Oid) -> Result<Option<Commit>, ApiError> {
    let failed = |error: RepoError| internal("the history cannot be read", &error);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let oldest = now.saturating_sub(keys::KEPT).as_secs();
    for commit in mirror.log(tip, COMMITS).await.map_err(failed)? {
        if u64::try_from(commit.seconds).unwrap_or(0) < oldest {
            break;
        }
        match Key::of_commit(&commit) {
            Some(used) if used.id == key.id && used.digest != key.digest => return Err(other_request()),
            Some(used) if used == *key => return Ok(Some(commit)),
            _ => {}
        }
    }
    Ok(None)
}

/// A key stands for one request.
pub(crate) fn other_request() -> ApiError {
    ApiError::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "KEY_REUSED",
        "this Idempotency-Key was used for another request",
    )
    .hint("make a new key for each request; repeat one only with the very same request")
}

async fn outcomes(
    mirror: &Mirror,
    of: &RepoRef,
    change: &Change,
    commit: Oid,
    parent: Option<Oid>,
) -> Result<Vec<Outcome>, ApiError> {
    let after = resources(mirror, of, commit).await?;
    let before = match parent {
        Some(parent) => resources(mirror, of, parent).await?,
        None => Resources::default(),
    };
    let outcome = |(resource, wanted): (&Identity, bool)| {
        let (old, new) = (before.get(resource), after.get(resource));
        let done = match (wanted, old, new) {
            (true, None, _) => Done::Created,
            (true, Some(old), Some(new)) if old.resource == new.resource => Done::Unchanged,
            (true, Some(_), _) => Done::Changed,
            (false, Some(_), _) => Done::Removed,
            (false, None, _) => Done::Absent,
        };
        Outcome {
            resource: resource.clone(),
            done,
        }
    };
    Ok(here(change, of).map(outcome).collect())
}

async fn resources(mirror: &Mirror, of: &RepoRef, revision: Oid) -> Result<Resources, ApiError> {
    let reader = TreeReader::new(of.clone());
    let reading = reader.read(mirror, revision, &Paths::new()).await;
    let reading = reading.map_err(|error| internal("the history cannot be read", &error))?;
    Ok(reading.scope.resources().clone())
}
