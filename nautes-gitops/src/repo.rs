//! A bare repository on this machine that mirrors one of a forge.
//!
//! There is no work tree and no subprocess: blobs are read from trees of exact revisions, and commits are written by
//! editing trees. libgit2 blocks, so every call runs on the blocking pool.
//!
//! # Guarantees
//! * Any number of threads and processes may use one mirror at once: moving references and rebuilding are exclusive.
//! * A commit becomes visible to others only by [`Session::push`](crate::host::Session::push); writing one moves
//!   no reference.
//! * A mirror holds nothing of its own. A damaged one is made anew and filled by the next fetch.

pub mod changes;
pub mod commit;
pub mod history;
mod incoming;
pub mod snapshot;
pub(crate) mod transfer;

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use git2::{Repository, RepositoryInitOptions};
use nautes_model::Class;

use crate::host::Refs;
use crate::oid::Oid;

pub use commit::{CommitSpec, Signature};
pub use history::{Commit, Trailers};
pub(crate) use incoming::Incoming;
pub use snapshot::{File as SnapshotFile, Finding, Limits, Problem, Snapshot};

/// Why a mirror could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum RepoError {
    /// The folder cannot be used.
    #[error("cannot use the folder {}", dir.display())]
    Folder {
        /// The folder.
        dir: PathBuf,
        /// What happened.
        #[source]
        source: std::io::Error,
    },
    /// Git said no.
    #[error("{action} failed")]
    Git {
        /// What was attempted.
        action: String,
        /// What happened.
        #[source]
        source: git2::Error,
    },
    /// An object that is asked for, or that another one needs, is not here.
    #[error("{what} is not in the mirror")]
    Missing {
        /// Which object.
        what: String,
    },
    /// What was given cannot be written to a tree.
    #[error("cannot write {path:?}: {why}")]
    Path {
        /// The path in the tree.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The work did not come to its end.
    #[error("{action} was stopped")]
    Stopped {
        /// What was attempted.
        action: String,
    },
}

/// How systems say that nothing more can be written.
const NO_ROOM: [&str; 4] = [
    "No space left on device",
    "Disk quota exceeded",
    "File too large",
    "Read-only file system",
];

/// Whether the system has no room for what was to be written.
pub(crate) fn lacks_room(error: &std::io::Error) -> bool {
    use std::io::ErrorKind as K;
    matches!(
        error.kind(),
        K::StorageFull | K::QuotaExceeded | K::FileTooLarge | K::ReadOnlyFilesystem
    )
}

impl RepoError {
    /// Returns the class, by which callers decide.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            _ if self.lacks_room() => Class::Unreachable,
            Self::Missing { .. } => Class::NotFound,
            Self::Path { .. } => Class::Invalid,
            Self::Folder { .. } | Self::Git { .. } | Self::Stopped { .. } => Class::Bug,
        }
    }

    /// Whether the mirror should be rebuilt: something that must be there is not, or cannot be read.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::Git { .. }) && !self.lacks_room()
    }

    /// Whether nothing more can be written where the mirror is: that is no fault of anybody, and passes.
    #[must_use]
    pub fn lacks_room(&self) -> bool {
        match self {
            Self::Folder { source, .. } => lacks_room(source),
            // The library tells what the system said as text only.
            Self::Git { source, .. } => {
                source.class() == git2::ErrorClass::Os
                    && NO_ROOM.iter().any(|text| source.message().contains(text))
            }
            Self::Missing { .. } | Self::Path { .. } | Self::Stopped { .. } => false,
        }
    }

    pub(crate) fn git(action: impl Into<String>) -> impl FnOnce(git2::Error) -> Self {
        let action = action.into();
        move |source| Self::Git { action, source }
    }

    /// Tells "not there" from other failures of a lookup of `what`.
    pub(crate) fn lookup(what: impl Into<String>) -> impl FnOnce(git2::Error) -> Self {
        let what = what.into();
        move |source| match source.code() {
            git2::ErrorCode::NotFound => Self::Missing { what },
            _ => Self::Git {
                action: format!("reading {what}"),
                source,
            },
        }
    }
}

/// A bare repository on this machine. Cloning gives another handle on the same one.
#[derive(Clone, Debug)]
pub struct Mirror {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    /// Locked shared by every operation, and exclusively by those that move references or rebuild.
    lock: PathBuf,
}

impl Mirror {
    /// Opens the mirror in `dir`, creates it where there is none, and makes it anew where it is damaged.
    ///
    /// # Errors
    /// The folder cannot be created or written.
    pub async fn open_or_create(dir: impl Into<PathBuf>) -> Result<Self, RepoError> {
        let dir: PathBuf = dir.into();
        let lock = sibling(&dir, "lock");
        let mirror = Self {
            inner: Arc::new(Inner { dir, lock }),
        };
        let inner = Arc::clone(&mirror.inner);
        blocking("opening a mirror", move || {
            let _guard = inner.exclusive()?;
            if sound(&inner.dir) {
                Ok(())
            } else {
                inner.recreate()
            }
        })
        .await?;
        Ok(mirror)
    }

    /// Returns the folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.inner.dir
    }

    /// Throws everything away and begins with an empty mirror.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub async fn rebuild(&self) -> Result<(), RepoError> {
        let inner = Arc::clone(&self.inner);
        blocking("rebuilding a mirror", move || {
            let _guard = inner.exclusive()?;
            tracing::warn!(dir = %inner.dir.display(), "rebuilding a mirror");
            inner.recreate()
        })
        .await
    }

    /// Returns the branches and tags as the last fetch left them.
    ///
    /// # Errors
    /// The mirror cannot be read.
    pub async fn refs(&self) -> Result<Refs, RepoError> {
        self.with("listing references", transfer::refs).await
    }

    /// Returns where a branch (a short name) is, as the last fetch left it.
    ///
    /// # Errors
    /// The mirror cannot be read.
    pub async fn tip(&self, branch: &str) -> Result<Option<Oid>, RepoError> {
        Ok(self.refs().await?.get(&format!("refs/heads/{branch}")).copied())
    }

    /// Makes the branches and tags exactly `refs`. What they point to has to be here already.
    ///
    /// # Errors
    /// The mirror lacks an object, or cannot be written.
    pub async fn set_refs(&self, refs: Refs) -> Result<(), RepoError> {
        let inner = Arc::clone(&self.inner);
        blocking("moving references", move || {
            let _guard = inner.exclusive()?;
            transfer::set_refs(&inner.open()?, &refs)
        })
        .await
    }

    /// Adds the objects of a pack; for hosts that receive packs from a network.
    ///
    /// # Errors
    /// It is no complete pack, or the mirror cannot be written.
    pub async fn import(&self, pack: Vec<u8>) -> Result<(), RepoError> {
        self.with("reading a pack", move |repo| transfer::import(repo, &pack))
            .await
    }

    /// Returns a pack of everything that `wants` reach and `known` do not; for hosts that send packs over a network.
    /// What of `known` is not here is left out of account.
    ///
    /// # Errors
    /// The mirror lacks an object.
    pub async fn export(&self, wants: Vec<Oid>, known: Vec<Oid>) -> Result<Vec<u8>, RepoError> {
        self.with("writing a pack", move |repo| {
            transfer::export(repo, &wants, &known)
        })
        .await
    }

    /// Runs `work` on the repository, on the blocking pool.
    pub(crate) async fn with<T, F>(&self, action: &'static str, work: F) -> Result<T, RepoError>
    where
        T: Send + 'static,
        F: FnOnce(&Repository) -> Result<T, RepoError> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        blocking(action, move || {
            let _guard = inner.shared()?;
            work(&inner.open()?)
        })
        .await
    }
}

impl Inner {
    fn open(&self) -> Result<Repository, RepoError> {
        Repository::open_bare(&self.dir).map_err(RepoError::git("opening a mirror"))
    }

    fn recreate(&self) -> Result<(), RepoError> {
        let folder = |source| RepoError::Folder {
            dir: self.dir.clone(),
            source,
        };
        match fs::remove_dir_all(&self.dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(folder(error)),
            _ => fs::create_dir_all(&self.dir).map_err(folder)?,
        }
        init_bare(&self.dir, "main").map(drop)
    }

    fn shared(&self) -> Result<File, RepoError> {
        self.locked(|file| file.lock_shared())
    }

    fn exclusive(&self) -> Result<File, RepoError> {
        self.locked(|file| file.lock())
    }

    fn locked(&self, lock: impl FnOnce(&File) -> std::io::Result<()>) -> Result<File, RepoError> {
        let open = || {
            if let Some(parent) = self.lock.parent() {
                fs::create_dir_all(parent)?;
            }
            let file = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&self.lock)?;
            lock(&file)?;
            Ok(file)
        };
        open().map_err(|source| RepoError::Folder {
            dir: self.dir.clone(),
            source,
        })
    }
}

/// Creates a bare repository without templates, hooks or remotes.
pub(crate) fn init_bare(dir: &Path, branch: &str) -> Result<Repository, RepoError> {
    let mut options = RepositoryInitOptions::new();
    options
        .bare(true)
        .external_template(false)
        .mkpath(true)
        .initial_head(branch);
    Repository::init_opts(dir, &options).map_err(RepoError::git("creating a repository"))
}

/// Whether every reference of the repository leads to a tree that can be read.
fn sound(dir: &Path) -> bool {
    let check = || -> Result<(), RepoError> {
        let repo = Repository::open_bare(dir).map_err(RepoError::git("opening a mirror"))?;
        for (name, id) in transfer::refs(&repo)? {
            let object = repo
                .find_object(id.git(), None)
                .map_err(RepoError::lookup(name))?;
            if let Ok(commit) = object.peel_to_commit() {
                commit.tree().map_err(RepoError::lookup("a tree"))?;
            }
        }
        Ok(())
    };
    check().is_ok()
}

fn sibling(dir: &Path, extension: &str) -> PathBuf {
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(extension);
    dir.with_file_name(name)
}

/// Runs `work` on the blocking pool.
pub(crate) async fn blocking<T, F>(action: &'static str, work: F) -> Result<T, RepoError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, RepoError> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(RepoError::Stopped {
            action: action.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests;
