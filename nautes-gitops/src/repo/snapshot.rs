//! The files of one revision, within limits.

use std::collections::BTreeMap;

use git2::{ObjectType, Repository, Tree};

use super::{Mirror, RepoError};
use crate::oid::Oid;

/// How much of a revision is read. Whoever pushes chooses the sizes, so nothing is read without a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest file, in bytes; a larger one is a finding.
    pub file_bytes: usize,
    /// All files together, in bytes; what goes beyond is a finding each.
    pub total_bytes: usize,
    /// The number of entries that are looked at, folders included; with more the snapshot is incomplete.
    pub entries: usize,
    /// How deep folders are followed.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 1 << 20,
            total_bytes: 64 << 20,
            entries: 50_000,
            depth: 32,
        }
    }
}

/// The files of one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The commit.
    pub revision: Oid,
    /// The regular files that could be read, by path.
    pub files: BTreeMap<String, File>,
    /// What could not be read, in the order of the tree.
    pub findings: Vec<Finding>,
    /// Whether the whole tree was looked at. If not, a path that is in neither list may exist.
    pub complete: bool,
}

impl Snapshot {
    /// Makes the snapshot of a repository without a commit.
    pub(crate) fn empty() -> Self {
        let (files, findings) = (BTreeMap::new(), Vec::new());
        Self {
            revision: Oid::zero(),
            files,
            findings,
            complete: true,
        }
    }
}

/// A file of a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// The id of its content.
    pub id: Oid,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// An entry of a tree that was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its path, empty for the whole tree; bytes that are not UTF-8 are replaced.
    pub path: String,
    /// Why.
    pub problem: Problem,
}

/// Why an entry of a tree was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A symbolic link; it is not followed.
    #[error("a symbolic link is not followed")]
    Symlink,
    /// A submodule; it is not followed.
    #[error("a submodule is not followed")]
    Submodule,
    /// The file is too large.
    #[error("the file has {size} bytes, {limit} are read")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// All files together are too large.
    #[error("the files of this revision have more than {limit} bytes together")]
    TotalTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The tree has too many entries.
    #[error("the revision has more than {limit} files and folders")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// Folders are nested too deeply.
    #[error("folders are nested deeper than {limit}")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// The name is not UTF-8.
    #[error("the name is not UTF-8")]
    Name,
    /// It is neither a file nor a folder: a socket, a pipe, a device.
    #[error("it is no regular file")]
    Special,
    /// The operating system refuses.
    #[error("it cannot be read: {why}")]
    Refused {
        /// What it says.
        why: String,
    },
}

impl Mirror {
    /// Reads the files of a commit whose path `wanted` accepts; folders are asked for with a `/` at the end.
    /// Entries that are not wanted cost nothing, whatever their size, and are no findings.
    ///
    /// # Errors
    /// The revision is not here, or the mirror cannot be read. Nothing that the tree holds is an error.
    pub async fn read<W>(&self, revision: Oid, limits: Limits, wanted: W) -> Result<Snapshot, RepoError>
    where
        W: Fn(&str) -> bool + Send + 'static,
    {
        self.with("reading a revision", move |repo| {
            let commit = repo
                .find_commit(revision.git())
                .map_err(RepoError::lookup(format!("commit {revision}")))?;
            let tree = commit
                .tree()
                .map_err(RepoError::lookup(format!("the tree of {revision}")))?;
            read_tree(repo, &tree, revision, limits, &wanted)
        })
        .await
    }

    /// Reads one file of a commit, `None` where the path is no regular file.
    ///
    /// # Errors
    /// The revision is not here, or the mirror cannot be read.
    pub async fn read_file(
        &self,
        revision: Oid,
        path: &str,
        limits: Limits,
    ) -> Result<Option<File>, RepoError> {
        let want = path.to_owned();
        let snapshot = self
            .read(revision, limits, move |path| {
                path == want || (path.ends_with('/') && want.starts_with(path))
            })
            .await?;
        let mut files = snapshot.files;
        Ok(files.remove(path))
    }
}

/// Reads the files of a tree whose path `wanted` accepts. See [`Mirror::read`].
pub(crate) fn read_tree(
    repo: &Repository,
    tree: &Tree<'_>,
    revision: Oid,
    limits: Limits,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Snapshot, RepoError> {
    let snapshot = Snapshot {
        revision,
        ..Snapshot::empty()
    };
    let mut reader = Reader {
        repo,
        limits,
        wanted,
        snapshot,
        seen: 0,
        bytes: 0,
    };
    reader.tree(tree, "", 0)?;
    Ok(reader.snapshot)
}

struct Reader<'r> {
    repo: &'r Repository,
    limits: Limits,
    wanted: &'r dyn Fn(&str) -> bool,
    snapshot: Snapshot,
    seen: usize,
    bytes: usize,
}

impl Reader<'_> {
    fn tree(&mut self, tree: &Tree<'_>, prefix: &str, depth: usize) -> Result<(), RepoError> {
        for entry in tree {
            if self.seen >= self.limits.entries {
                if self.snapshot.complete {
                    self.snapshot.complete = false;
                    let limit = self.limits.entries;
                    self.finding(String::new(), Problem::TooMany { limit });
                }
                return Ok(());
            }
            self.seen += 1;
            let name = String::from_utf8_lossy(entry.name_bytes());
            let path = format!("{prefix}{name}");
            let is_tree = entry.kind() == Some(ObjectType::Tree);
            let asked = if is_tree { format!("{path}/") } else { path.clone() };
            if !(self.wanted)(&asked) {
                continue;
            }
            if std::str::from_utf8(entry.name_bytes()).is_err() {
                self.finding(path, Problem::Name);
            } else if is_tree {
                self.folder(entry.id(), asked, depth)?;
            } else {
                self.leaf(entry.id(), entry.filemode(), path)?;
            }
        }
        Ok(())
    }

    fn folder(&mut self, id: git2::Oid, path: String, depth: usize) -> Result<(), RepoError> {
        if depth + 1 >= self.limits.depth {
            self.finding(
                path,
                Problem::TooDeep {
                    limit: self.limits.depth,
                },
            );
            return Ok(());
        }
        let tree = self
            .repo
            .find_tree(id)
            .map_err(RepoError::lookup(format!("the folder {path}")))?;
        self.tree(&tree, &path, depth + 1)
    }

    fn leaf(&mut self, id: git2::Oid, mode: i32, path: String) -> Result<(), RepoError> {
        match mode {
            0o120_000 => self.finding(path, Problem::Symlink),
            0o160_000 => self.finding(path, Problem::Submodule),
            _ => {
                let odb = self
                    .repo
                    .odb()
                    .map_err(RepoError::git("opening the object database"))?;
                let (size, _) = odb
                    .read_header(id)
                    .map_err(RepoError::lookup(format!("the file {path}")))?;
                if size > self.limits.file_bytes {
                    self.finding(
                        path,
                        Problem::TooLarge {
                            size,
                            limit: self.limits.file_bytes,
                        },
                    );
                } else if self.bytes + size > self.limits.total_bytes {
                    self.finding(
                        path,
                        Problem::TotalTooLarge {
                            limit: self.limits.total_bytes,
                        },
                    );
                } else {
                    let object = odb
                        .read(id)
                        .map_err(RepoError::lookup(format!("the file {path}")))?;
                    self.bytes += size;
                    self.snapshot.files.insert(
                        path,
                        File {
                            id: id.into(),
                            bytes: object.data().to_vec(),
                        },
                    );
                }
            }
        }
        Ok(())
    }

    fn finding(&mut self, path: String, problem: Problem) {
        self.snapshot.findings.push(Finding { path, problem });
    }
}
