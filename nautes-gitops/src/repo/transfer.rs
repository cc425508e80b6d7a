//! Objects and references from one repository to another.
//!
//! Few objects travel loose, many as one pack: a repository that receives thousands of small pushes would otherwise
//! have thousands of packs, which makes every lookup slow.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use git2::{ObjectType, Odb, Repository, Revwalk, Sort, Tree};

use super::RepoError;
use crate::host::Refs;
use crate::oid::Oid;

/// Up to this many objects travel loose.
pub(crate) const LOOSE: usize = 200;

/// The namespaces of references that are mirrored.
const NAMESPACES: [&str; 2] = ["refs/heads/", "refs/tags/"];

/// Lists branches and tags.
pub(crate) fn refs(repo: &Repository) -> Result<Refs, RepoError> {
    let mut found = Refs::new();
    let failed = |source| RepoError::Git {
        action: "listing references".to_owned(),
        source,
    };
    for reference in repo.references().map_err(failed)? {
        let reference = reference.map_err(failed)?;
        let (Ok(name), Some(target)) = (reference.name(), reference.target()) else {
            continue;
        };
        if is_mirrored(name) {
            found.insert(name.to_owned(), target.into());
        }
    }
    Ok(found)
}

/// Whether a reference is a branch or a tag.
pub(crate) fn is_mirrored(name: &str) -> bool {
    NAMESPACES.iter().any(|space| name.starts_with(space))
}

/// Makes branches and tags exactly `wanted`.
pub(crate) fn set_refs(repo: &Repository, wanted: &Refs) -> Result<(), RepoError> {
    let present = refs(repo)?;
    for name in present.keys().filter(|name| !wanted.contains_key(*name)) {
        repo.find_reference(name)
            .and_then(|mut reference| reference.delete())
            .map_err(RepoError::git(format!("deleting {name}")))?;
    }
    for (name, id) in wanted.iter().filter(|(name, id)| present.get(*name) != Some(*id)) {
        if !is_mirrored(name) || !git2::Reference::is_valid_name(name) {
            return Err(RepoError::Path {
                path: name.clone(),
                why: "it is no name of a branch or tag",
            });
        }
        repo.find_object(id.git(), None)
            .map_err(RepoError::lookup(format!("{name} ({id})")))?;
        repo.reference(name, id.git(), true, "mirror")
            .map_err(RepoError::git(format!("moving {name}")))?;
    }
    Ok(())
}

/// Copies what `wants` reach and the references of `to` do not.
pub(crate) fn copy(from: &Repository, to: &Repository, wants: &[Oid]) -> Result<(), RepoError> {
    let known: Vec<Oid> = refs(to)?.into_values().collect();
    let work = Work::new(from, wants, &known)?;
    if work.is_empty() {
        return Ok(());
    }
    match work.few_objects()? {
        Some(ids) => copy_loose(from, to, &ids),
        None => {
            let odb = to.odb().map_err(RepoError::git("opening the object database"))?;
            let mut writer = odb.packwriter().map_err(RepoError::git("writing a pack"))?;
            let mut failed = None;
            let packed = work.pack()?.foreach(|chunk| match writer.write_all(chunk) {
                Ok(()) => true,
                Err(error) => {
                    failed = Some(error);
                    false
                }
            });
            if let Some(error) = failed {
                return Err(RepoError::Folder {
                    dir: to.path().to_owned(),
                    source: error,
                });
            }
            packed.map_err(RepoError::git("packing objects"))?;
            writer
                .commit()
                .map(drop)
                .map_err(RepoError::git("writing a pack"))
        }
    }
}

/// Returns those of `ids` that are not here.
pub(crate) fn missing(repo: &Repository, ids: &BTreeSet<Oid>) -> Result<Vec<Oid>, RepoError> {
    let odb = repo
        .odb()
        .map_err(RepoError::git("opening the object database"))?;
    Ok(ids.iter().copied().filter(|id| !odb.exists(id.git())).collect())
}

/// Returns up to `most` commits that are here with everything that they reach: the tips, and the latest below them, so
/// that a branch which was set back does not cost its whole history.
pub(crate) fn haves(repo: &Repository, most: usize) -> Result<Vec<Oid>, RepoError> {
    let failed = |source| RepoError::Git {
        action: "walking the history".to_owned(),
        source,
    };
    let tips: BTreeSet<git2::Oid> = refs(repo)?.into_values().map(Oid::git).collect();
    let odb = repo
        .odb()
        .map_err(RepoError::git("opening the object database"))?;
    let mut walk = repo.revwalk().map_err(failed)?;
    walk.set_sorting(Sort::TIME).map_err(failed)?;
    for tip in commits_among(repo, &odb, &tips) {
        walk.push(tip).map_err(failed)?;
    }
    walk.take(most)
        .map(|id| id.map(Oid::from).map_err(failed))
        .collect()
}

/// Adds the objects of a pack.
pub(crate) fn import(repo: &Repository, pack: &[u8]) -> Result<(), RepoError> {
    let odb = repo
        .odb()
        .map_err(RepoError::git("opening the object database"))?;
    let mut writer = odb.packwriter().map_err(RepoError::git("writing a pack"))?;
    writer.write_all(pack).map_err(|source| RepoError::Folder {
        dir: repo.path().to_owned(),
        source,
    })?;
    writer
        .commit()
        .map(drop)
        .map_err(RepoError::git("writing a pack"))
}

/// Returns a pack of what `wants` reach and `known` do not.
pub(crate) fn export(repo: &Repository, wants: &[Oid], known: &[Oid]) -> Result<Vec<u8>, RepoError> {
    let mut buffer = git2::Buf::new();
    Work::new(repo, wants, known)?
        .pack()?
        .write_buf(&mut buffer)
        .map_err(RepoError::git("packing objects"))?;
    Ok(buffer.to_vec())
}

/// What is to be sent: the new commits, and objects that are named directly (tags, or trees and blobs that
/// somebody tagged).
struct Work<'r> {
    repo: &'r Repository,
    commits: Vec<git2::Oid>,
    /// Tag objects, which are sent as they are.
    tags: BTreeSet<git2::Oid>,
    /// Trees and blobs that are tagged, which are sent with what they hold.
    others: BTreeSet<git2::Oid>,
    known: Vec<git2::Oid>,
}

impl<'r> Work<'r> {
    fn new(repo: &'r Repository, wants: &[Oid], known: &[Oid]) -> Result<Self, RepoError> {
        let (mut heads, mut tags, mut others) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let held: BTreeSet<_> = known.iter().map(|id| id.git()).collect();
        for want in wants.iter().map(|id| id.git()).filter(|id| !held.contains(id)) {
            let mut id = want;
            loop {
                let object = repo
                    .find_object(id, None)
                    .map_err(RepoError::lookup(id.to_string()))?;
                match object.kind() {
                    Some(ObjectType::Commit) => heads.insert(id),
                    Some(ObjectType::Tag) => {
                        tags.insert(id);
                        id = object.as_tag().map_or(id, git2::Tag::target_id);
                        continue;
                    }
                    _ => others.insert(id),
                };
                break;
            }
        }
        let odb = repo
            .odb()
            .map_err(RepoError::git("opening the object database"))?;
        let known = commits_among(repo, &odb, &held);
        let mut work = Self {
            repo,
            commits: Vec::new(),
            tags,
            others,
            known,
        };
        work.commits = work
            .walk(&heads)?
            .collect::<Result<_, _>>()
            .map_err(RepoError::lookup("the history of a commit"))?;
        Ok(work)
    }

    fn is_empty(&self) -> bool {
        self.commits.is_empty() && self.tags.is_empty() && self.others.is_empty()
    }

    /// Walks from `heads` to what is known, parents first.
    fn walk<'a>(&self, heads: impl IntoIterator<Item = &'a git2::Oid>) -> Result<Revwalk<'r>, RepoError> {
        let fail = |source| RepoError::Git {
            action: "walking the history".to_owned(),
            source,
        };
        let mut walk = self.repo.revwalk().map_err(fail)?;
        walk.set_sorting(Sort::TOPOLOGICAL | Sort::REVERSE)
            .map_err(fail)?;
        for head in heads {
            walk.push(*head).map_err(fail)?;
        }
        for known in &self.known {
            walk.hide(*known).map_err(fail)?;
        }
        Ok(walk)
    }

    fn pack(&self) -> Result<git2::PackBuilder<'r>, RepoError> {
        let fail = |source| RepoError::Git {
            action: "packing objects".to_owned(),
            source,
        };
        let mut builder = self.repo.packbuilder().map_err(fail)?;
        let mut walk = self.walk(&self.commits)?;
        builder.insert_walk(&mut walk).map_err(fail)?;
        for tag in &self.tags {
            builder.insert_object(*tag, None).map_err(fail)?;
        }
        for other in &self.others {
            builder.insert_recursive(*other, None).map_err(fail)?;
        }
        Ok(builder)
    }

    /// Lists the objects, what is pointed to before what points; `None` if there are many.
    fn few_objects(&self) -> Result<Option<Vec<git2::Oid>>, RepoError> {
        if !self.others.is_empty() {
            return Ok(None);
        }
        let mut list = Listing {
            repo: self.repo,
            seen: BTreeSet::new(),
            ids: Vec::new(),
        };
        for id in &self.commits {
            let commit = self
                .repo
                .find_commit(*id)
                .map_err(RepoError::lookup(id.to_string()))?;
            let tree = commit
                .tree()
                .map_err(RepoError::lookup(format!("the tree of {id}")))?;
            let mut bases = Vec::new();
            for parent in commit.parents() {
                bases.push(
                    parent
                        .tree()
                        .map_err(RepoError::lookup(format!("the tree of {}", parent.id())))?,
                );
            }
            if !bases.iter().any(|base| base.id() == tree.id()) {
                list.tree(&tree, &bases, 0)?;
            }
            list.push(*id);
            if list.ids.len() > LOOSE {
                return Ok(None);
            }
        }
        self.tags.iter().rev().for_each(|tag| list.push(*tag));
        Ok((list.ids.len() <= LOOSE).then_some(list.ids))
    }
}

/// Returns those of `ids` that are commits here, or lead to one.
fn commits_among(repo: &Repository, odb: &Odb<'_>, ids: &BTreeSet<git2::Oid>) -> Vec<git2::Oid> {
    ids.iter()
        .filter(|id| odb.exists(**id))
        .filter_map(|id| repo.find_object(*id, None).ok()?.peel_to_commit().ok())
        .map(|commit| commit.id())
        .collect()
}

struct Listing<'r> {
    repo: &'r Repository,
    seen: BTreeSet<git2::Oid>,
    ids: Vec<git2::Oid>,
}

impl Listing<'_> {
    fn push(&mut self, id: git2::Oid) {
        if self.seen.insert(id) {
            self.ids.push(id);
        }
    }

    /// Adds what `tree` has and the trees in the same place of the parents do not.
    fn tree(&mut self, tree: &Tree<'_>, bases: &[Tree<'_>], depth: usize) -> Result<(), RepoError> {
        if self.ids.len() > LOOSE || depth > 256 || self.seen.contains(&tree.id()) {
            return Ok(());
        }
        for entry in tree {
            let before: Vec<_> = bases
                .iter()
                .filter_map(|base| base.get_name_bytes(entry.name_bytes()))
                .collect();
            if before.iter().any(|old| old.id() == entry.id()) {
                continue;
            }
            match entry.kind() {
                Some(ObjectType::Tree) => {
                    let find = |id| {
                        self.repo
                            .find_tree(id)
                            .map_err(RepoError::lookup(format!("tree {id}")))
                    };
                    let sub = find(entry.id())?;
                    let subs = before
                        .iter()
                        .filter(|old| old.kind() == Some(ObjectType::Tree))
                        .map(|old| find(old.id()))
                        .collect::<Result<Vec<_>, _>>()?;
                    self.tree(&sub, &subs, depth + 1)?;
                }
                Some(ObjectType::Blob) => self.push(entry.id()),
                _ => {}
            }
        }
        self.push(tree.id());
        Ok(())
    }
}

/// Copies objects one by one.
pub(crate) fn copy_loose(from: &Repository, to: &Repository, ids: &[git2::Oid]) -> Result<(), RepoError> {
    let source = from
        .odb()
        .map_err(RepoError::git("opening the object database"))?;
    let target = to.odb().map_err(RepoError::git("opening the object database"))?;
    for id in ids {
        let object = source.read(*id).map_err(RepoError::lookup(id.to_string()))?;
        target
            .write(object.kind(), object.data())
            .map_err(RepoError::git("writing an object"))?;
    }
    Ok(())
}

/// Moves a branch or tag if it is at `expected`; compares and moves under the lock of the reference.
///
/// Returns where it was, which is `expected` exactly if it was moved.
pub(crate) fn compare_and_swap(
    repo: &Repository,
    name: &str,
    expected: Option<Oid>,
    new: Oid,
) -> Result<Option<Oid>, git2::Error> {
    let signature = git2::Signature::new("nautes", "nautes@localhost", &git2::Time::new(0, 0))?;
    let mut transaction = repo.transaction()?;
    transaction.lock_ref(name)?;
    let actual = match repo.find_reference(name) {
        Ok(reference) => reference.target().map(Oid::from),
        Err(error) if error.code() == git2::ErrorCode::NotFound => None,
        Err(error) => return Err(error),
    };
    if actual == expected {
        transaction.set_target(name, new.git(), Some(&signature), "push")?;
        transaction.commit()?;
    }
    Ok(actual)
}

/// Says which references differ: name, before, after.
pub(crate) fn moves(before: &Refs, after: &Refs) -> Vec<crate::host::types::RefMove> {
    let names: BTreeMap<&String, ()> = before.keys().chain(after.keys()).map(|name| (name, ())).collect();
    names
        .into_keys()
        .map(|name| (name, before.get(name).copied(), after.get(name).copied()))
        .filter(|(_, old, new)| old != new)
        .map(|(name, old, new)| crate::host::types::RefMove {
            name: name.clone(),
            old,
            new,
        })
        .collect()
}
