//! Writing a commit by editing the tree of its parent.

use std::collections::BTreeMap;

use git2::{ObjectType, Repository, Tree};

use super::{Mirror, RepoError};
use crate::oid::Oid;

/// The deepest path that is written.
const MAX_DEPTH: usize = 64;

/// Who wrote something, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The name. What Git's format cannot hold is left out.
    pub name: String,
    /// The e-mail address.
    pub email: String,
    /// Seconds since 1970.
    pub seconds: i64,
}

/// A commit that is to be written.
#[derive(Clone, Debug)]
pub struct CommitSpec {
    /// The commit that it follows, `None` for the first.
    pub parent: Option<Oid>,
    /// What changes: path to new content, or `None` to remove. Removing what is not there changes nothing.
    pub edits: BTreeMap<String, Option<Vec<u8>>>,
    /// Who wanted it.
    pub author: Signature,
    /// Who wrote it.
    pub committer: Signature,
    /// What it does: a line, and more after an empty line.
    pub message: String,
    /// Facts about it for machines, in the last paragraph of the message.
    pub trailers: Vec<(String, String)>,
}

impl Mirror {
    /// Writes a commit and returns its id, or `None` where the edits change nothing. No reference moves.
    ///
    /// # Errors
    /// A path cannot be written (see [`RepoError::Path`]), or the parent is not here.
    pub async fn commit(&self, spec: CommitSpec) -> Result<Option<Oid>, RepoError> {
        self.with("writing a commit", move |repo| write(repo, &spec))
            .await
    }
}

fn write(repo: &Repository, spec: &CommitSpec) -> Result<Option<Oid>, RepoError> {
    let parent = match spec.parent {
        Some(id) => Some(
            repo.find_commit(id.git())
                .map_err(RepoError::lookup(format!("commit {id}")))?,
        ),
        None => None,
    };
    let base = match &parent {
        Some(commit) => Some(
            commit
                .tree()
                .map_err(RepoError::lookup("the tree of the parent"))?,
        ),
        None => None,
    };
    let edits = Edit::tree(&spec.edits)?;
    let tree = match edit(repo, base.as_ref(), &edits, "")? {
        Some(id) => id,
        None if base.is_none() => return Ok(None),
        None => empty_tree(repo)?,
    };
    if base.is_some_and(|base| base.id() == tree) {
        return Ok(None);
    }
    let tree = repo.find_tree(tree).map_err(RepoError::lookup("the new tree"))?;
    let (author, committer) = (signature(&spec.author)?, signature(&spec.committer)?);
    let message = super::history::compose(&spec.message, &spec.trailers);
    let parents: Vec<_> = parent.iter().collect();
    repo.commit(None, &author, &committer, &message, &tree, &parents)
        .map(|id| Some(id.into()))
        .map_err(RepoError::git("writing a commit"))
}

fn empty_tree(repo: &Repository) -> Result<git2::Oid, RepoError> {
    repo.treebuilder(None)
        .and_then(|builder| builder.write())
        .map_err(RepoError::git("writing a tree"))
}

fn signature(of: &Signature) -> Result<git2::Signature<'static>, RepoError> {
    let clean = |text: &str| -> String {
        text.chars()
            .filter(|c| !c.is_control() && !matches!(c, '<' | '>'))
            .take(200)
            .collect()
    };
    let or_unknown = |text: String| {
        if text.trim().is_empty() {
            "unknown".to_owned()
        } else {
            text
        }
    };
    let (name, email) = (or_unknown(clean(&of.name)), or_unknown(clean(&of.email)));
    let time = git2::Time::new(of.seconds, 0);
    git2::Signature::new(&name, &email, &time)
        .or_else(|_| git2::Signature::new("unknown", "unknown", &time))
        .map_err(RepoError::git("writing a signature"))
}

/// The edits below one folder.
enum Edit<'a> {
    Folder(BTreeMap<&'a str, Self>),
    File(Option<&'a [u8]>),
}

impl<'a> Edit<'a> {
    fn tree(edits: &'a BTreeMap<String, Option<Vec<u8>>>) -> Result<BTreeMap<&'a str, Self>, RepoError> {
        let mut root = BTreeMap::new();
        for (path, content) in edits {
            check_path(path)?;
            let mut folder = &mut root;
            let mut segments = path.split('/').peekable();
            while let Some(segment) = segments.next() {
                let last = segments.peek().is_none();
                let next = folder.entry(segment).or_insert_with(|| {
                    if last {
                        Self::File(content.as_deref())
                    } else {
                        Self::Folder(BTreeMap::new())
                    }
                });
                match next {
                    Self::Folder(inner) if !last => folder = inner,
                    Self::File(_) if last => break,
                    Self::Folder(_) | Self::File(_) => {
                        return Err(taken(path, "it is a file and a folder in one change"));
                    }
                }
            }
        }
        Ok(root)
    }

    fn writes(&self) -> bool {
        match self {
            Self::Folder(inner) => inner.values().any(Self::writes),
            Self::File(content) => content.is_some(),
        }
    }
}

fn taken(path: &str, why: &'static str) -> RepoError {
    RepoError::Path {
        path: path.to_owned(),
        why,
    }
}

fn check_path(path: &str) -> Result<(), RepoError> {
    if path.len() > 4096 || path.split('/').count() > MAX_DEPTH {
        return Err(taken(
            &path.chars().take(80).collect::<String>(),
            "it is too long or too deep",
        ));
    }
    let bad = |s: &str| s.is_empty() || s == "." || s == ".." || s.eq_ignore_ascii_case(".git");
    if path.split('/').any(bad) || path.chars().any(|c| c.is_control() || c == '\\') {
        return Err(taken(
            path,
            "it has an empty, '.', '..' or '.git' segment, a backslash or a control character",
        ));
    }
    Ok(())
}

/// Applies edits to a folder. Returns `None` where it is empty then.
fn edit(
    repo: &Repository,
    base: Option<&Tree<'_>>,
    edits: &BTreeMap<&str, Edit<'_>>,
    prefix: &str,
) -> Result<Option<git2::Oid>, RepoError> {
    let fail = |source| RepoError::Git {
        action: "writing a tree".to_owned(),
        source,
    };
    let mut builder = repo.treebuilder(base).map_err(fail)?;
    for (name, change) in edits {
        let path = format!("{prefix}{name}");
        let old = builder
            .get(*name)
            .map_err(fail)?
            .map(|entry| (entry.id(), entry.kind(), entry.filemode()));
        let is_folder = matches!(old, Some((_, Some(ObjectType::Tree), _)));
        match change {
            Edit::File(None) if is_folder || old.is_none() => {}
            Edit::File(None) => builder.remove(*name).map_err(fail)?,
            Edit::File(Some(_)) if is_folder => return Err(taken(&path, "there is a folder of this name")),
            Edit::File(Some(content)) => {
                let mode = if matches!(old, Some((_, _, 0o100_755))) {
                    0o100_755
                } else {
                    0o100_644
                };
                let id = repo.blob(content).map_err(RepoError::git("writing a file"))?;
                builder.insert(*name, id, mode).map(drop).map_err(fail)?;
            }
            Edit::Folder(_) if !is_folder && !change.writes() => {}
            Edit::Folder(_) if !is_folder && old.is_some() => {
                return Err(taken(
                    &path,
                    "there is no folder, but something else of this name",
                ));
            }
            Edit::Folder(inner) => {
                let sub = match old {
                    Some((id, _, _)) => Some(
                        repo.find_tree(id)
                            .map_err(RepoError::lookup(format!("the folder {path}")))?,
                    ),
                    None => None,
                };
                match edit(repo, sub.as_ref(), inner, &format!("{path}/"))? {
                    Some(id) => builder.insert(*name, id, 0o040_000).map(drop).map_err(fail)?,
                    None if old.is_some() => builder.remove(*name).map_err(fail)?,
                    None => {}
                }
            }
        }
    }
    if builder.is_empty() {
        Ok(None)
    } else {
        builder.write().map(Some).map_err(fail)
    }
}
