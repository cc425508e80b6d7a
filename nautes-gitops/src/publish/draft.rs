//! A change, worked out on one tip: what is declared before and after, and the files that lead there.

use std::collections::BTreeMap;

use super::{PublishError, Published, Target};
use crate::change::{ChangeError, ChangeSet, Edits};
use crate::oid::Oid;
use crate::place::RepoRef;
use crate::repo::{RepoError, Snapshot, SnapshotFile};
use crate::tree::{Paths, Reading, TreeReader};

/// A change, worked out on one tip.
pub(super) struct Draft {
    pub(super) before: Reading,
    pub(super) after: Reading,
    pub(super) edits: Edits,
    /// The edits, with the generated lists.
    pub(super) files: BTreeMap<String, Option<Vec<u8>>>,
}

impl Draft {
    pub(super) fn published(&self, commit: Option<Oid>, revision: Option<Oid>, attempts: usize) -> Published {
        let Edits {
            created,
            updated,
            removed,
            ..
        } = &self.edits;
        Published {
            commit,
            revision,
            created: created.clone(),
            updated: updated.clone(),
            removed: removed.keys().cloned().collect(),
            attempts,
        }
    }

    /// Says which resource cannot be written because of a path.
    pub(super) fn taken(&self, path: String) -> ChangeError {
        let below = |file: &str| file == path || file.starts_with(&format!("{path}/"));
        let declared = self.after.paths.iter().find(|(file, _)| below(file));
        match declared.and_then(|(_, identities)| identities.first()) {
            Some(identity) => ChangeError::Taken {
                identity: identity.clone(),
                path,
            },
            None => ChangeError::PathTaken { path },
        }
    }
}

/// Works a change out on a tip.
pub(super) async fn draft<E>(
    target: &Target<'_>,
    reader: &TreeReader,
    change: &ChangeSet,
    tip: Option<Oid>,
) -> Result<Draft, PublishError<E>> {
    let mirror = |source| PublishError::Mirror {
        path: target.path.clone(),
        source,
    };
    let wrong = |source| PublishError::Change {
        path: target.path.clone(),
        source,
    };
    let (tree, before) = match tip {
        Some(tip) => {
            let tree = reader.snapshot(target.mirror, tip).await.map_err(mirror)?;
            let before = reader
                .read_snapshot(target.mirror, &tree, &Paths::new())
                .await
                .map_err(mirror)?;
            (tree, before)
        }
        None => (Snapshot::empty(), Reading::empty(target.of)),
    };
    let edits = change.edits(target.of, &tree, &before).map_err(wrong)?;
    let edited = edited(tree, &edits).map_err(mirror)?;
    let after = reader
        .assemble(&edited, &before.paths, &before.held_rules())
        .uncommitted();
    verify(target.of, change, &after).map_err(wrong)?;
    let mut files = edits.files.clone();
    let manifests = edited
        .files
        .keys()
        .filter(|path| matches!(target.of.place(path), nautes_model::layout::Place::Manifest(_)));
    for (path, text) in target.of.lists(manifests.map(String::as_str)) {
        files.insert(path, Some(text.into_bytes()));
    }
    Ok(Draft {
        before,
        after,
        edits,
        files,
    })
}

/// Returns the tree as the edits leave it.
fn edited(mut tree: Snapshot, edits: &Edits) -> Result<Snapshot, RepoError> {
    for (path, content) in &edits.files {
        match content {
            Some(bytes) => {
                let id = git2::Oid::hash_object(git2::ObjectType::Blob, bytes);
                let id = id.map_err(RepoError::git("naming a file"))?.into();
                tree.files.insert(
                    path.clone(),
                    SnapshotFile {
                        id,
                        bytes: bytes.clone(),
                    },
                );
            }
            None => {
                tree.files.remove(path);
            }
        }
    }
    Ok(tree)
}

/// Makes sure that the edited tree declares what was wanted, and nothing that was to go.
fn verify(of: &RepoRef, change: &ChangeSet, after: &Reading) -> Result<(), ChangeError> {
    let resources = after.scope.resources();
    for (identity, wanted) in change.identified(of)? {
        let text = |resource| nautes_model::manifest::render(resource).ok();
        let found = resources.get(&identity);
        if found.is_none_or(|found| text(&found.resource) != text(wanted)) {
            let path = found.map_or_else(String::new, |found| found.source.file.to_string());
            let why = after
                .findings
                .iter()
                .find(|finding| finding.resource.as_ref() == Some(&identity));
            return Err(match why {
                Some(finding) => ChangeError::Invalid {
                    identity,
                    finding: Box::new(finding.clone()),
                },
                None => ChangeError::NotReadBack { identity, path },
            });
        }
    }
    match change
        .removals
        .iter()
        .find(|identity| resources.get(identity).is_some())
    {
        Some(identity) => Err(ChangeError::NotReadBack {
            identity: identity.clone(),
            path: "the edited tree".to_owned(),
        }),
        None => Ok(()),
    }
}
