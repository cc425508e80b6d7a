//! What a broken file declared when it could last be read, from the history of the repository.

use std::collections::BTreeSet;
use std::sync::Arc;

use git2::{ObjectType, Repository, Sort, TreeEntry};
use nautes_model::Identity;
use nautes_validate::organisation;

use super::{TreeReader, parse};
use crate::oid::Oid;
use crate::place::RepoRef;
use crate::repo::{Mirror, RepoError};

/// How many commits are looked at.
const COMMITS: usize = 2000;
/// How many versions of the file are parsed.
const VERSIONS: usize = 20;
/// How many versions of a file of rules are parsed.
const RULE_VERSIONS: usize = 200;
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

/// Returns the newest version of a file of rules before `revision` that is good.
pub(super) async fn rules(mirror: &Mirror, revision: Oid, path: &str) -> Result<Option<Arc<str>>, RepoError> {
    let path = path.to_owned();
    mirror
        .with("looking for an older version of a file of rules", move |repo| {
            search_rules(repo, revision, "", &path)
        })
        .await
}

/// See [`rules`]; `root` is where the tree begins in the repository: empty, or a folder with a `/` at its end.
pub(crate) fn search_rules(
    repo: &Repository,
    revision: Oid,
    root: &str,
    path: &str,
) -> Result<Option<Arc<str>>, RepoError> {
    newest(repo, revision, &format!("{root}{path}"), RULE_VERSIONS, |entry| {
        if entry.kind() != Some(ObjectType::Blob) || entry.filemode() == LINK {
            return None;
        }
        let blob = repo.find_blob(entry.id()).ok()?;
        let text = std::str::from_utf8(blob.content()).ok()?;
        organisation::read(path, text)
            .findings
            .is_empty()
            .then(|| Arc::from(text))
    })
}

/// The mode of a symbolic link.
const LINK: i32 = 0o120_000;

/// See [`declared`]; `root` is where the tree begins in the repository: empty, or a folder with a `/` at its end.
pub(crate) fn search(
    repo: &Repository,
    of: &RepoRef,
    revision: Oid,
    root: &str,
    path: &str,
) -> Result<Vec<Identity>, RepoError> {
    let found = newest(repo, revision, &format!("{root}{path}"), VERSIONS, |entry| {
        let found = match entry.kind() {
            Some(ObjectType::Blob) if entry.filemode() != LINK => good(repo, of, path, entry.id()),
            Some(ObjectType::Tree) => below(repo, of, path, entry.id()),
            _ => Vec::new(),
        };
        (!found.is_empty()).then_some(found)
    })?;
    Ok(found.unwrap_or_default())
}

/// Returns what is made of the newest version of an entry of which something can be made.
fn newest<T>(
    repo: &Repository,
    revision: Oid,
    whole: &str,
    versions: usize,
    make: impl Fn(&TreeEntry<'_>) -> Option<T>,
) -> Result<Option<T>, RepoError> {
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
        let Ok(entry) = tree.get_path(std::path::Path::new(whole)) else {
            continue;
        };
        if !seen.insert((entry.id(), entry.filemode())) {
            continue;
        }
        let made = make(&entry);
        if made.is_some() {
            return Ok(made);
        }
        if seen.len() >= versions {
            break;
        }
    }
    Ok(None)
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
