//! What one commit changed, file by file.

use git2::{DiffOptions, Repository, Tree};

use super::{Mirror, RepoError};
use crate::oid::Oid;

/// How much of a commit is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeLimits {
    /// Files.
    pub files: usize,
    /// Bytes of one version of a file; larger ones are left out.
    pub file_bytes: usize,
    /// Bytes of all files.
    pub total_bytes: usize,
}

impl Default for ChangeLimits {
    fn default() -> Self {
        Self {
            files: 2_000,
            file_bytes: 1 << 20,
            total_bytes: 16 << 20,
        }
    }
}

/// A file that a commit changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChange {
    /// Its path.
    pub path: String,
    /// What it was; `None` where it was not there.
    pub before: Option<Vec<u8>>,
    /// What it became; `None` where it is gone.
    pub after: Option<Vec<u8>>,
}

/// What one commit changed against the first that it follows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The files, in order of path.
    pub files: Vec<FileChange>,
    /// Whether these are all.
    pub complete: bool,
}

impl Mirror {
    /// Returns what a commit changed, of the files whose path `wanted` accepts.
    ///
    /// # Errors
    /// The commit is not here, or the mirror cannot be read.
    pub async fn changes<W>(&self, id: Oid, limits: ChangeLimits, wanted: W) -> Result<Changes, RepoError>
    where
        W: Fn(&str) -> bool + Send + 'static,
    {
        self.with("reading a commit", move |repo| changes(repo, id, limits, &wanted))
            .await
    }
}

fn changes(
    repo: &Repository,
    id: Oid,
    limits: ChangeLimits,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Changes, RepoError> {
    let fail = |source| RepoError::Git {
        action: "comparing a commit".to_owned(),
        source,
    };
    let commit = repo
        .find_commit(id.git())
        .map_err(RepoError::lookup(format!("commit {id}")))?;
    let tree = commit.tree().map_err(fail)?;
    let parent: Option<Tree<'_>> = match commit.parents().next() {
        Some(parent) => Some(parent.tree().map_err(fail)?),
        None => None,
    };
    let mut options = DiffOptions::new();
    options.skip_binary_check(true).include_typechange(true);
    let diff = repo
        .diff_tree_to_tree(parent.as_ref(), Some(&tree), Some(&mut options))
        .map_err(fail)?;
    let mut all = Changes {
        files: Vec::new(),
        complete: true,
    };
    let mut bytes = 0;
    for delta in diff.deltas() {
        let file = if delta.new_file().exists() {
            delta.new_file()
        } else {
            delta.old_file()
        };
        let Some(path) = file.path_bytes().and_then(|path| std::str::from_utf8(path).ok()) else {
            continue;
        };
        if !wanted(path) {
            continue;
        }
        if all.files.len() >= limits.files || bytes > limits.total_bytes {
            all.complete = false;
            break;
        }
        let mut read = |file: git2::DiffFile<'_>| {
            if !file.exists() || !matches!(file.mode(), git2::FileMode::Blob | git2::FileMode::BlobExecutable)
            {
                return None;
            }
            match repo.find_blob(file.id()) {
                Ok(blob) if blob.size() <= limits.file_bytes => {
                    bytes += blob.size();
                    Some(blob.content().to_vec())
                }
                _ => {
                    all.complete = false;
                    None
                }
            }
        };
        let change = FileChange {
            path: path.to_owned(),
            before: read(delta.old_file()),
            after: read(delta.new_file()),
        };
        all.files.push(change);
    }
    Ok(all)
}
