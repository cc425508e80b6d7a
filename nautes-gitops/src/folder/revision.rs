//! Folders of revisions.

use std::fmt;
use std::path::{Path, PathBuf};

use git2::{ErrorClass, ErrorCode, ObjectType, Repository, Tree, TreeWalkMode, TreeWalkResult};

use super::{FolderError, Listing, is_hidden, is_manifest};
use crate::oid::Oid;
use crate::repo::RepoError;
use crate::repo::snapshot::{self, Limits, Snapshot};

/// How many names a message offers.
const NEAR: usize = 3;

/// A folder of a commit.
pub(super) struct Revision {
    repo: Repository,
    id: Oid,
    /// The folder: empty, or with a `/` at its end.
    folder: String,
}

/// What a path within a revision is.
pub(super) enum Entered {
    Folder(Revision),
    File(Vec<u8>),
}

impl Revision {
    /// Opens what `path` is at a revision. It need not be a folder.
    pub(super) fn open(path: &Path, revision: &str) -> Result<Self, FolderError> {
        let repo = discover(path)?;
        let object = repo
            .revparse_single(revision)
            .map_err(|error| no_revision(&repo, path, revision, &error))?;
        let commit = object.peel_to_commit().map_err(|_| FolderError::NoCommit {
            path: path.to_owned(),
            revision: revision.to_owned(),
        })?;
        let id = commit.id().into();
        let folder = within(&repo, path);
        drop((object, commit));
        Ok(Self { repo, id, folder })
    }

    /// What is checked out in the work tree around a folder; `None` without one, or without a commit.
    pub(super) fn checked_out(dir: &Path) -> Option<Self> {
        let repo = discover(dir).ok().filter(|repo| repo.workdir().is_some())?;
        let id = repo.head().ok()?.peel_to_commit().ok()?.id().into();
        let folder = within(&repo, dir);
        Some(Self { repo, id, folder })
    }

    /// Goes back to where what is checked out began to differ.
    pub(super) fn common(mut self, path: &Path, revision: &str) -> Result<Self, FolderError> {
        let head = self.repo.head().ok().and_then(|head| head.peel_to_commit().ok());
        let Some(head) = head.map(|head| head.id()) else {
            return Ok(self);
        };
        match self.repo.merge_base(head, self.id.git()) {
            Ok(base) => self.id = base.into(),
            Err(error) if error.code() != ErrorCode::NotFound => {
                return Err(RepoError::git("looking for the common ancestor")(error).into());
            }
            Err(_) if self.repo.is_shallow() => {
                return Err(FolderError::NoCommonHistory {
                    path: path.to_owned(),
                    revision: revision.to_owned(),
                });
            }
            // Histories that have nothing in common differ in everything.
            Err(_) => {}
        }
        Ok(self)
    }

    pub(super) const fn repo(&self) -> &Repository {
        &self.repo
    }

    pub(super) const fn id(&self) -> Oid {
        self.id
    }

    pub(super) fn folder(&self) -> &str {
        &self.folder
    }

    /// Whether it is the whole of its repository.
    pub(super) fn is_whole(&self) -> bool {
        self.folder.is_empty()
    }

    /// Goes to a path below.
    pub(super) fn enter(&self, inner: &str) -> Result<Entered, FolderError> {
        let path = tidy(&format!("{}{inner}", self.folder));
        let again = |folder: String| -> Result<Entered, FolderError> {
            let repo =
                Repository::open(self.repo.path()).map_err(RepoError::git("opening the repository"))?;
            let id = self.id;
            Ok(Entered::Folder(Self { repo, id, folder }))
        };
        if path.is_empty() {
            return again(String::new());
        }
        let root = self.root()?;
        let Ok(entry) = root.get_path(Path::new(&path)) else {
            let near = near_path(&self.repo, &root, &path);
            return Err(FolderError::NoPath { path, near });
        };
        match entry.kind() {
            Some(ObjectType::Tree) => again(format!("{path}/")),
            Some(ObjectType::Blob) if entry.filemode() != 0o120_000 => {
                let blob = self
                    .repo
                    .find_blob(entry.id())
                    .map_err(RepoError::lookup(format!("the file {path}")))?;
                Ok(Entered::File(blob.content().to_vec()))
            }
            _ => Err(FolderError::no_path(&path)),
        }
    }

    /// Lists what may be manifests.
    pub(super) fn list(&self, limits: Limits) -> Result<Listing, FolderError> {
        let mut listing = Listing {
            complete: true,
            ..Listing::default()
        };
        let mut seen = 0;
        let walked = self.tree()?.walk(TreeWalkMode::PreOrder, |folder, entry| {
            seen += 1;
            let name = String::from_utf8_lossy(entry.name_bytes());
            if seen > limits.entries || folder.matches('/').count() >= limits.depth {
                listing.complete = false;
                return TreeWalkResult::Abort;
            }
            if is_hidden(&name) {
                return TreeWalkResult::Skip;
            }
            let path = format!("{folder}{name}");
            match (entry.kind(), entry.filemode()) {
                (Some(ObjectType::Blob), 0o120_000) if is_manifest(&name) => listing.links.push(path),
                (Some(ObjectType::Blob), mode) if mode != 0o120_000 && is_manifest(&name) => {
                    listing.files.push(path);
                }
                _ => {}
            }
            TreeWalkResult::Ok
        });
        if let Err(error) = walked
            && listing.complete
        {
            return Err(RepoError::git("listing a revision")(error).into());
        }
        listing.files.sort();
        Ok(listing)
    }

    /// Reads what is wanted.
    pub(super) fn snapshot(
        &self,
        limits: Limits,
        wanted: &dyn Fn(&str) -> bool,
    ) -> Result<Snapshot, FolderError> {
        let tree = self.tree()?;
        snapshot::read_tree(&self.repo, &tree, self.id, limits, wanted).map_err(Into::into)
    }

    /// Returns the path of the repository on its forge, by the address of `origin`.
    pub(super) fn origin(&self) -> Option<String> {
        let remote = self.repo.find_remote("origin").ok()?;
        remote.url().ok().map(path_of_address)
    }

    fn root(&self) -> Result<Tree<'_>, RepoError> {
        self.repo
            .find_commit(self.id.git())
            .and_then(|commit| commit.tree())
            .map_err(RepoError::lookup(format!("the tree of {}", self.id)))
    }

    fn tree(&self) -> Result<Tree<'_>, FolderError> {
        let root = self.root()?;
        let folder = self.folder.trim_end_matches('/');
        if folder.is_empty() {
            return Ok(root);
        }
        let entry = root
            .get_path(Path::new(folder))
            .map_err(|_| FolderError::NoPath {
                path: folder.to_owned(),
                near: near_path(&self.repo, &root, folder),
            })?;
        self.repo
            .find_tree(entry.id())
            .map_err(|_| FolderError::no_path(folder))
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.id, self.folder)
    }
}

/// Finds the repository of a path, which may be gone: then that of the nearest folder above it.
fn discover(path: &Path) -> Result<Repository, FolderError> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let start = absolute
        .ancestors()
        .find(|above| above.is_dir())
        .unwrap_or(&absolute);
    Repository::discover(start).map_err(|error| match (error.code(), error.class()) {
        (ErrorCode::Owner, _) => FolderError::NotTrusted {
            path: start.to_owned(),
        },
        (ErrorCode::NotFound, _) | (_, ErrorClass::Repository | ErrorClass::Os) => {
            FolderError::NoRepository {
                path: path.to_owned(),
            }
        }
        _ => RepoError::git("opening the repository")(error).into(),
    })
}

/// Where a path is within the work tree: empty, or with a `/` at its end.
fn within(repo: &Repository, path: &Path) -> String {
    let real = |path: &Path| path.canonicalize().ok();
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let Some(work) = repo.workdir().and_then(real) else {
        return String::new();
    };
    let rest: PathBuf = match real(&absolute) {
        Some(path) => path.strip_prefix(&work).map(Path::to_owned).unwrap_or_default(),
        // It is gone from the work tree, and may be in the revision: the part that is there leads to the rest.
        None => absolute
            .ancestors()
            .find_map(|above| Some((real(above)?, absolute.strip_prefix(above).ok()?)))
            .and_then(|(above, rest)| Some(above.strip_prefix(&work).ok()?.join(rest)))
            .unwrap_or_default(),
    };
    let text: Vec<_> = rest
        .components()
        .map(|c| c.as_os_str().to_string_lossy())
        .collect();
    if text.is_empty() {
        String::new()
    } else {
        format!("{}/", text.join("/"))
    }
}

/// A path without empty parts, `.` and `..`.
fn tidy(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn no_revision(repo: &Repository, path: &Path, revision: &str, error: &git2::Error) -> FolderError {
    tracing::debug!(%error, revision, "a revision was not found");
    FolderError::NoRevision {
        path: path.to_owned(),
        revision: revision.to_owned(),
        near: near_revision(repo, revision),
        shallow: repo.is_shallow(),
    }
}

/// Names of branches and tags that are like what was asked for.
fn near_revision(repo: &Repository, revision: &str) -> Vec<String> {
    let stem = revision.split(['~', '^', '@']).next().unwrap_or(revision);
    let mut names = vec!["HEAD".to_owned()];
    if let Ok(references) = repo.references() {
        for reference in references.flatten() {
            if let Ok(name) = reference.shorthand()
                && name != "HEAD"
            {
                names.push(name.to_owned());
            }
        }
    }
    nearest(stem, names)
}

/// Names in the folder that the path leads to, as far as it is right.
fn near_path(repo: &Repository, root: &Tree<'_>, path: &str) -> Vec<String> {
    let (above, last) = path.rsplit_once('/').unwrap_or(("", path));
    let folder = if above.is_empty() {
        Some(root.clone())
    } else {
        let entry = root.get_path(Path::new(above)).ok();
        entry.and_then(|entry| repo.find_tree(entry.id()).ok())
    };
    let Some(folder) = folder else {
        return Vec::new();
    };
    let names = folder
        .iter()
        .filter_map(|entry| entry.name().ok().map(str::to_owned))
        .collect();
    let slash = if above.is_empty() { "" } else { "/" };
    nearest(last, names)
        .into_iter()
        .map(|name| format!("{above}{slash}{name}"))
        .collect()
}

/// The names that are most like a word; a remote's branch of that name is the nearest.
fn nearest(word: &str, names: Vec<String>) -> Vec<String> {
    let lower = word.to_lowercase();
    let allowed = (word.len() / 3).clamp(1, 4);
    let mut all: Vec<(usize, String)> = names
        .into_iter()
        .filter_map(|name| {
            if name.rsplit('/').next() == Some(word) {
                return Some((0, name));
            }
            let distance = strsim::damerau_levenshtein(&lower, &name.to_lowercase());
            (distance <= allowed).then_some((distance, name))
        })
        .collect();
    all.sort();
    all.dedup();
    all.into_iter().take(NEAR).map(|(_, name)| name).collect()
}

/// `https://host/group/name.git`, `git@host:group/name.git`, `/data/group/name.git` -> `group/name`.
fn path_of_address(address: &str) -> String {
    let rest = match address.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => address
            .split_once(':')
            .filter(|(host, _)| !host.contains('/'))
            .map_or(address, |(_, path)| path),
    };
    let parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
    let last = parts.len().saturating_sub(2);
    parts[last..].join("/").trim_end_matches(".git").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_on_the_forge_is_the_end_of_the_address() {
        for address in [
            "https://git.example.com/shop/default.project.git",
            "https://u:p@git.example.com/a/shop/default.project",
            "git@git.example.com:shop/default.project.git",
            "ssh://git@git.example.com:2222/shop/default.project.git",
            "/srv/git/shop/default.project.git",
        ] {
            assert_eq!(path_of_address(address), "shop/default.project", "{address}");
        }
        assert_eq!(path_of_address(""), "");
    }

    #[test]
    fn paths_are_tidied_and_never_leave_the_tree() {
        assert_eq!(tidy("./a//b/../c/"), "a/c");
        assert_eq!(tidy("../../x"), "x");
    }
}
