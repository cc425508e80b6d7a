//! Folders of this machine and of revisions, read only: for judging what is not on a forge yet.
//!
//! A [`Folder`] is a folder of the file system, or the same of a revision of any Git repository on this machine, bare
//! or with a work tree. [`TreeReader::read_folder`](crate::tree::TreeReader::read_folder) reads both exactly as the
//! controllers read what is pushed.
//!
//! # Guarantees
//! * Nothing is written, no reference is moved, no hook and no configured command runs.
//! * Links are never followed, and nothing but regular files is opened.
//!
//! # Caveats
//! These functions block: call them where that does no harm.

mod disk;
mod error;
mod layout;
mod revision;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nautes_model::Identity;

use crate::oid::Oid;
use crate::place::RepoRef;
use crate::repo::{Limits, Snapshot};
use crate::tree::recover;

pub use error::FolderError;
pub use layout::{Layout, TreeAt, recognise};

use revision::Revision;

/// A folder of this machine, or of a revision.
pub struct Folder {
    place: Place,
    /// The revision that it is of, or that its work tree has checked out.
    behind: Option<Revision>,
}

#[derive(Debug)]
enum Place {
    Disk(PathBuf),
    Revision,
}

/// What a path of a revision is.
#[derive(Debug)]
pub enum Found {
    /// A folder.
    Folder(Folder),
    /// A file, and its content.
    File(Vec<u8>),
}

/// The names of the files of a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Regular files that may be manifests (`.yaml`, `.yml`, `.json`), in order.
    pub files: Vec<String>,
    /// Links that may be meant as manifests, or that stand where a folder could; they are not followed.
    pub links: Vec<String>,
    /// Folders that the operating system does not let us read, and why.
    pub refused: Vec<(String, String)>,
    /// Whether everything was looked at.
    pub complete: bool,
}

impl Folder {
    /// Takes a folder of the file system. If a Git repository is around it, what is checked out there is its past.
    ///
    /// # Errors
    /// It is not there, is no folder, or may not be read.
    pub fn on_disk(dir: &Path) -> Result<Self, FolderError> {
        fs::read_dir(dir).map_err(|source| FolderError::Read {
            path: dir.to_owned(),
            source,
        })?;
        Ok(Self {
            place: Place::Disk(dir.to_owned()),
            behind: Revision::checked_out(dir),
        })
    }

    /// Takes what `inner` is below the folder `path` of a repository, at a revision: anything that Git understands,
    /// such as a branch, a tag, a commit, `HEAD~1`. `path` is the repository, or any folder or file of its work tree.
    ///
    /// # Errors
    /// There is no repository, no such revision (the nearest names are in the error), or no such path.
    pub fn at_revision(path: &Path, revision: &str, inner: &str) -> Result<Found, FolderError> {
        Self::found(&Revision::open(path, revision)?, inner)
    }

    /// Takes what `path` was where what is checked out began to differ from a revision: their common ancestor. For a
    /// revision that is an ancestor itself this is the revision.
    ///
    /// # Errors
    /// See [`Folder::at_revision`]; and a shallow clone may lack the common ancestor.
    pub fn since(path: &Path, revision: &str) -> Result<Found, FolderError> {
        Self::found(&Revision::open(path, revision)?.common(path, revision)?, "")
    }

    fn found(revision: &Revision, inner: &str) -> Result<Found, FolderError> {
        Ok(match revision.enter(inner)? {
            revision::Entered::Folder(revision) => Found::Folder(Self {
                place: Place::Revision,
                behind: Some(revision),
            }),
            revision::Entered::File(bytes) => Found::File(bytes),
        })
    }

    /// Takes a folder below this one.
    ///
    /// # Errors
    /// It is not there.
    pub fn below(&self, path: &str) -> Result<Self, FolderError> {
        let path = path.trim_matches('/');
        if path.is_empty() {
            return match &self.place {
                Place::Disk(dir) => Self::on_disk(dir),
                Place::Revision => self.entered(""),
            };
        }
        match &self.place {
            Place::Disk(dir) => Self::on_disk(&dir.join(path)),
            Place::Revision => self.entered(path),
        }
    }

    fn entered(&self, path: &str) -> Result<Self, FolderError> {
        let Some(behind) = &self.behind else {
            return Err(FolderError::no_path(path));
        };
        match behind.enter(path)? {
            revision::Entered::Folder(revision) => Ok(Self {
                place: Place::Revision,
                behind: Some(revision),
            }),
            revision::Entered::File(_) => Err(FolderError::no_path(path)),
        }
    }

    /// Whether it is of a revision.
    #[must_use]
    pub const fn is_revision(&self) -> bool {
        matches!(self.place, Place::Revision)
    }

    /// Returns the revision that it is of.
    #[must_use]
    pub fn revision(&self) -> Option<Oid> {
        self.behind
            .as_ref()
            .filter(|_| self.is_revision())
            .map(Revision::id)
    }

    /// Returns the path of its repository on the forge, as far as its remote `origin` tells: `shop/default.project`.
    #[must_use]
    pub fn origin(&self) -> Option<String> {
        let behind = self.behind.as_ref()?;
        behind.is_whole().then(|| behind.origin()).flatten()
    }

    /// Returns where it is in its repository: the folder of Git's own data, and the path within, which is empty or has
    /// a `/` at its end. `None` where there is no repository.
    #[must_use]
    pub fn in_repository(&self) -> Option<(PathBuf, &str)> {
        let behind = self.behind.as_ref()?;
        Some((behind.repo().path().to_owned(), behind.folder()))
    }

    /// Reads the beginning of a file, `None` where it is no regular file that can be read.
    #[must_use]
    pub fn peek(&self, path: &str, bytes: usize) -> Option<Vec<u8>> {
        match (&self.place, &self.behind) {
            (Place::Disk(dir), _) => disk::peek(&dir.join(path), bytes),
            (Place::Revision, behind) => match behind.as_ref()?.enter(path).ok()? {
                revision::Entered::File(mut all) => {
                    all.truncate(bytes);
                    Some(all)
                }
                revision::Entered::Folder(_) => None,
            },
        }
    }

    /// Lists the files that may be manifests. Hidden files and folders are passed over.
    ///
    /// # Errors
    /// The repository cannot be read.
    pub fn list(&self, limits: Limits) -> Result<Listing, FolderError> {
        match (&self.place, &self.behind) {
            (Place::Disk(dir), _) => Ok(disk::list(dir, limits)),
            (Place::Revision, Some(revision)) => revision.list(limits),
            (Place::Revision, None) => Ok(Listing::default()),
        }
    }

    /// Reads the files whose path `wanted` accepts; folders are asked for with a `/` at the end.
    ///
    /// # Errors
    /// The repository cannot be read. Nothing that the folder holds is an error.
    pub fn snapshot(&self, limits: Limits, wanted: &dyn Fn(&str) -> bool) -> Result<Snapshot, FolderError> {
        match (&self.place, &self.behind) {
            (Place::Disk(dir), _) => Ok(disk::snapshot(dir, limits, wanted)),
            (Place::Revision, Some(revision)) => revision.snapshot(limits, wanted),
            (Place::Revision, None) => Ok(Snapshot::empty()),
        }
    }

    /// Returns what the newest good version of a file declares; nothing where there is none, or no history.
    pub(crate) fn declared(&self, of: &RepoRef, path: &str) -> Result<Vec<Identity>, FolderError> {
        let Some(behind) = &self.behind else {
            return Ok(Vec::new());
        };
        let path = path.trim_end_matches('/');
        recover::search(behind.repo(), of, behind.id(), behind.folder(), path).map_err(Into::into)
    }

    /// Returns the newest good version of a file of rules; nothing where there is none, or no history.
    pub(crate) fn last_good_rules(&self, path: &str) -> Result<Option<Arc<str>>, FolderError> {
        let Some(behind) = &self.behind else {
            return Ok(None);
        };
        recover::search_rules(behind.repo(), behind.id(), behind.folder(), path).map_err(Into::into)
    }
}

impl std::fmt::Debug for Folder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Folder")
            .field("place", &self.place)
            .field("behind", &self.behind.as_ref().map(Revision::id))
            .finish()
    }
}

/// Whether the name of a file is that of a manifest.
fn is_manifest(name: &str) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    matches!(extension, Some("yaml" | "yml" | "json"))
}

fn is_hidden(name: &str) -> bool {
    name.starts_with('.')
}
