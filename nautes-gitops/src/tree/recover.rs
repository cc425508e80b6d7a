//! What a broken file declared when it could last be read, from the history of the repository.

use std::collections::BTreeSet;

use git2::{ObjectType, Repository, Sort};
use nautes_model::Identity;

use super::{TreeReader, parse};
use crate::oid::Oid;
use crate::place::RepoRef;
use crate::repo::{Mirror, RepoError};

/// How many commits are looked at.
const COMMITS: usize = 2000;
/// How many versions of the file are parsed.
const VERSIONS: usize = 20;
/// How many files of a folder that was there before are parsed.
const FILES: usize = 1000;
/// The largest file that is parsed.
const BYTES: usize = 1 << 20;

/// Returns what the newest good version of `path` before `revision` declares; nothing where there is none.
pub(super) async fn declared(
    reader: &TreeReader,
    mirror: &Mirror,
    revision: Oid,
    path: &str,
) -> Result<Vec<Identity>, RepoError> {
    let (of, path) = (reader.of().clone(), path.trim_end_matches('/').to_owned());
    mirror
        .with("looking for an older version of a file", move |repo| {
            search(repo, &of, revision, "", &path)
        })
        .await
}

/// See [`declared`]; `root` is where the tree begins in the repository: empty, or a folder with a `/` at its end.
pub(crate) fn search(
    repo: &Repository,
    of: &RepoRef,
    revision: Oid,
    root: &str,
    path: &str,
) -> Result<Vec<Identity>, RepoError> {
    let whole = format!("{root}{path}");
    let fail = |source| RepoError::Git {
        action: "walking the history".to_owned(),
        source,
    };
    let mut walk = repo.revwalk().map_err(fail)?;
    walk.set_sorting(Sort::TOPOLOGICAL).map_err(fail)?;
    walk.push(revision.git()).map_err(fail)?;
    let mut seen = BTreeSet::new();
    for id in walk.take(COMMITS) {
        let commit = repo
            .find_commit(id.map_err(fail)?)
            .map_err(RepoError::lookup("a commit"))?;
        let tree = commit.tree().map_err(RepoError::lookup("the tree of a commit"))?;
        let Ok(entry) = tree.get_path(std::path::Path::new(&whole)) else {
            continue;
        };
        if !seen.insert((entry.id(), entry.filemode())) {
            continue;
        }
        let found = match entry.kind() {
            Some(ObjectType::Blob) if entry.filemode() != 0o120_000 => good(repo, of, path, entry.id()),
            Some(ObjectType::Tree) => below(repo, of, path, entry.id()),
            _ => Vec::new(),
        };
        if !found.is_empty() {
            return Ok(found);
        }
        if seen.len() >= VERSIONS {
            break;
        }
    }
    Ok(Vec::new())
}

/// What a file declares, if all of it is good.
fn good(repo: &Repository, of: &RepoRef, path: &str, id: git2::Oid) -> Vec<Identity> {
    let Ok(blob) = repo.find_blob(id) else {
        return Vec::new();
    };
    if blob.size() > BYTES {
        return Vec::new();
    }
    let read = parse(of, path, path, blob.content());
    let identities = read.resources.iter().map(|resource| resource.identity.clone());
    if read.problems.is_empty() {
        identities.collect()
    } else {
        Vec::new()
    }
}

/// What the files of a folder declare.
fn below(repo: &Repository, of: &RepoRef, path: &str, id: git2::Oid) -> Vec<Identity> {
    let Ok(tree) = repo.find_tree(id) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut files = 0;
    let walked = tree.walk(git2::TreeWalkMode::PreOrder, |folder, entry| {
        if let (Ok(name), Some(ObjectType::Blob)) = (entry.name(), entry.kind()) {
            files += 1;
            found.extend(good(repo, of, &format!("{path}/{folder}{name}"), entry.id()));
        }
        if files >= FILES {
            git2::TreeWalkResult::Abort
        } else {
            git2::TreeWalkResult::Ok
        }
    });
    if let Err(error) = walked {
        tracing::debug!(%error, path, "an older version of a folder was not read to its end");
    }
    found
}
