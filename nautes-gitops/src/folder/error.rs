//! Why a folder or a revision cannot be read, and the way out.

use std::path::PathBuf;

use nautes_model::Class;

use crate::repo::RepoError;

/// Why a folder or a revision cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The operating system refuses.
    #[error("cannot read the folder {}", path.display())]
    Read {
        /// The folder.
        path: PathBuf,
        /// What happened.
        #[source]
        source: std::io::Error,
    },
    /// There is no repository.
    #[error("{} is not in a Git repository", path.display())]
    NoRepository {
        /// Where one was looked for.
        path: PathBuf,
    },
    /// The repository belongs to somebody else.
    #[error("the repository of {} belongs to another user, so Git does not trust it", path.display())]
    NotTrusted {
        /// Where it is.
        path: PathBuf,
    },
    /// The repository has no such revision.
    #[error("{} has no revision {revision:?}", path.display())]
    NoRevision {
        /// Where the repository is.
        path: PathBuf,
        /// What was asked for.
        revision: String,
        /// Names that it may have meant, the nearest first.
        near: Vec<String>,
        /// Whether the repository has only the newest part of its history.
        shallow: bool,
    },
    /// The clone is shallow and does not reach back to where two histories part.
    #[error("{} does not reach back to where it parted from {revision:?}", path.display())]
    NoCommonHistory {
        /// Where the repository is.
        path: PathBuf,
        /// What was asked for.
        revision: String,
    },
    /// The revision is no commit.
    #[error("{revision:?} is no commit in {}", path.display())]
    NoCommit {
        /// Where the repository is.
        path: PathBuf,
        /// What was asked for.
        revision: String,
    },
    /// The revision has no such path.
    #[error("there is no {path:?} in that revision")]
    NoPath {
        /// What was asked for.
        path: String,
        /// Names that it may have meant, the nearest first.
        near: Vec<String>,
    },
    /// The repository cannot be read.
    #[error("cannot read the repository")]
    Repo(#[from] RepoError),
}

impl FolderError {
    pub(super) fn no_path(path: &str) -> Self {
        Self::NoPath {
            path: path.to_owned(),
            near: Vec::new(),
        }
    }

    /// Returns the class, by which callers decide.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Read { .. }
            | Self::NoRepository { .. }
            | Self::NoRevision { .. }
            | Self::NoCommonHistory { .. }
            | Self::NoCommit { .. }
            | Self::NoPath { .. } => Class::NotFound,
            Self::NotTrusted { .. } => Class::Denied,
            Self::Repo(error) => error.class(),
        }
    }

    /// Returns what can be done about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Read { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
                Some("let yourself read it: chmod u+rx".to_owned())
            }
            Self::NoRepository { .. } => {
                Some("name a clone on this machine, bare or not; `git clone` makes one".to_owned())
            }
            Self::NotTrusted { path } => Some(format!(
                "if it is yours: git config --global --add safe.directory {}",
                path.display()
            )),
            Self::NoRevision {
                near,
                shallow,
                revision,
                ..
            } => match (near.is_empty(), shallow) {
                (false, _) => Some(format!("did you mean {}?", near.join(" or "))),
                (true, true) => Some(format!(
                    "the clone is shallow: git fetch origin {revision}, or clone with its history"
                )),
                (true, false) => Some("git branch --all and git log show what there is".to_owned()),
            },
            Self::NoCommonHistory { .. } => {
                Some("the clone is shallow: git fetch --unshallow, or clone with its history".to_owned())
            }
            Self::NoCommit { .. } => Some("name a branch, a tag or a commit".to_owned()),
            Self::NoPath { near, .. } if !near.is_empty() => {
                Some(format!("did you mean {}?", near.join(" or ")))
            }
            Self::Read { .. } | Self::NoPath { .. } | Self::Repo(_) => None,
        }
    }
}
