//! The bare repositories of the local forge, on disk.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use git2::Repository;

use super::seal::random;
use super::store::create_private_dir;
use crate::host::types::{RefMove, RepoPath};
use crate::host::{HostError, PushError, Refs};
use crate::oid::Oid;
use crate::repo::{RepoError, init_bare, transfer};

/// How often a reference that another process holds is tried again.
const LOCK_TRIES: u32 = 50;
/// The pause between these tries.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

pub(super) struct Storage {
    root: PathBuf,
    creating: Mutex<()>,
    gates: Mutex<HashMap<u64, Arc<Gate>>>,
}

/// What is shared by those who push to one repository.
#[derive(Default)]
struct Gate {
    pushing: Mutex<()>,
    /// The references as they were announced last.
    seen: Mutex<Option<Refs>>,
}

impl Storage {
    pub(super) fn open(root: &Path) -> Result<Self, HostError> {
        for dir in ["groups", "staging", "trash"] {
            create_private_dir(&root.join(dir))
                .map_err(|e| HostError::internal(format!("creating {dir}"), e))?;
        }
        for dir in ["staging", "trash"] {
            empty(&root.join(dir));
        }
        sweep(&root.join("groups"), 0);
        Ok(Self {
            root: root.to_owned(),
            creating: Mutex::default(),
            gates: Mutex::default(),
        })
    }

    pub(super) fn dir(&self, path: &RepoPath) -> PathBuf {
        self.root
            .join("groups")
            .join(path.group())
            .join(format!("{}.git", path.name()))
    }

    pub(super) fn repository(&self, path: &RepoPath) -> Result<Repository, RepoError> {
        Repository::open_bare(self.dir(path)).map_err(RepoError::git(format!("opening repository {path}")))
    }

    /// Creates an empty repository where `may` allows it, runs `register`, and takes it back where that fails.
    ///
    /// One at a time: what lies in the place of a repository that may be created is nobody's.
    pub(super) fn create<T>(
        &self,
        path: &RepoPath,
        branch: &str,
        may: impl FnOnce() -> Result<(), HostError>,
        register: impl FnOnce() -> Result<T, HostError>,
    ) -> Result<T, HostError> {
        let _creating = self.creating.lock().unwrap_or_else(PoisonError::into_inner);
        may()?;
        let action = || format!("creating repository {path}");
        let staged = self.root.join("staging").join(unique()?);
        init_bare(&staged, branch).map_err(|source| HostError::Mirror {
            action: action(),
            source,
        })?;
        let target = self.dir(path);
        let place = || -> io::Result<()> {
            if target.exists() {
                let aside = self.root.join("orphans");
                create_private_dir(&aside)?;
                let name = format!(
                    "{}-{}",
                    path.to_string().replace('/', "-"),
                    unique().map_err(io::Error::other)?
                );
                fs::rename(&target, aside.join(name))?;
            }
            if let Some(group) = target.parent() {
                create_private_dir(group)?;
            }
            fs::rename(&staged, &target)
        };
        place().map_err(|error| HostError::internal(action(), error))?;
        let registered = register();
        if registered.is_err() {
            self.remove(path)?;
        }
        registered
    }

    /// Removes a repository that nobody knows any more.
    pub(super) fn remove(&self, path: &RepoPath) -> Result<(), HostError> {
        let dir = self.dir(path);
        let trash = self.root.join("trash").join(unique()?);
        match fs::rename(&dir, &trash) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(HostError::internal(format!("deleting repository {path}"), error)),
        }
        if let Err(error) = fs::remove_dir_all(&trash) {
            tracing::warn!(%error, %path, "a deleted repository is left in the trash");
        }
        if let Some(group) = dir.parent() {
            let _ = fs::remove_dir(group);
        }
        Ok(())
    }

    pub(super) fn set_default_branch(&self, path: &RepoPath, branch: &str) -> Result<(), RepoError> {
        self.repository(path)?
            .set_head(&format!("refs/heads/{branch}"))
            .map_err(RepoError::git(format!("changing the default branch of {path}")))
    }

    pub(super) fn refs(&self, path: &RepoPath) -> Result<Refs, RepoError> {
        transfer::refs(&self.repository(path)?)
    }

    /// Remembers the references, so that the next announcement knows what is new.
    pub(super) fn observe(&self, path: &RepoPath, id: u64) -> Result<(), RepoError> {
        let gate = self.gate(id);
        let mut seen = gate.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.is_none() {
            *seen = Some(self.refs(path)?);
        }
        Ok(())
    }

    /// Returns what has changed since the references were observed or announced last: each change once.
    pub(super) fn changes(&self, path: &RepoPath, id: u64) -> Result<Vec<RefMove>, RepoError> {
        let gate = self.gate(id);
        let mut seen = gate.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.refs(path)?;
        let before = seen.replace(now.clone()).unwrap_or_else(|| now.clone());
        Ok(transfer::moves(&before, &now))
    }

    /// Copies `new` from another repository, and moves a branch to it if it is at `expected`.
    pub(super) fn push(
        &self,
        path: &RepoPath,
        id: u64,
        from: &Repository,
        branch: &str,
        expected: Option<Oid>,
        new: Oid,
    ) -> Result<(), PushError> {
        let failed = |source| {
            PushError::Host(HostError::Mirror {
                action: format!("pushing to {path}"),
                source,
            })
        };
        let gate = self.gate(id);
        let _pushing = gate.pushing.lock().unwrap_or_else(PoisonError::into_inner);
        let to = self.repository(path).map_err(failed)?;
        from.find_commit(new.git())
            .map_err(RepoError::lookup(format!("commit {new}")))
            .map_err(failed)?;
        transfer::copy(from, &to, &[new]).map_err(failed)?;
        let name = format!("refs/heads/{branch}");
        for _ in 0..LOCK_TRIES {
            match transfer::compare_and_swap(&to, &name, expected, new) {
                Ok(actual) if actual == expected => return Ok(()),
                Ok(actual) => {
                    return Err(PushError::Moved {
                        branch: branch.to_owned(),
                        actual,
                    });
                }
                Err(error) if error.code() == git2::ErrorCode::Locked => std::thread::sleep(LOCK_PAUSE),
                Err(error) => return Err(failed(RepoError::git(format!("moving {name}"))(error))),
            }
        }
        Err(PushError::Refused {
            branch: branch.to_owned(),
            why: "somebody else keeps it locked".to_owned(),
        })
    }

    fn gate(&self, id: u64) -> Arc<Gate> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(gates.entry(id).or_default())
    }
}

fn unique() -> Result<String, HostError> {
    Ok(random::<12>()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn empty(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if let Err(error) = fs::remove_dir_all(entry.path()) {
            tracing::warn!(%error, path = %entry.path().display(), "cannot clean up");
        }
    }
}

/// Removes what a killed process has left in repositories: locks of references, and pushes that did not end. Nobody
/// else works in the folder while it is opened.
fn sweep(dir: &Path, depth: usize) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if is_dir && (name.starts_with("incoming-") || name.starts_with("tmp_objdir-incoming-")) {
            let _ = fs::remove_dir_all(&path);
        } else if is_dir
            && depth < 64
            && !(name.len() == 2 && path.parent().is_some_and(|p| p.ends_with("objects")))
        {
            sweep(&path, depth + 1);
        } else if !is_dir && name.ends_with(".lock") {
            tracing::info!(path = %path.display(), "removing a lock that a killed process has left");
            let _ = fs::remove_file(&path);
        }
    }
}
