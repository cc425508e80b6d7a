//! The data folder of `nautes local`: what makes a platform on this machine come back as it was.
//!
//! ```text
//! <data>/nautes-local        marks the folder as one of ours; nothing else is ever deleted
//! <data>/lock                locked by the process that runs on it
//! <data>/instance.json       ports and tokens (0600)
//! <data>/kubeconfigs/        a kubeconfig for each cluster (0600)
//! <data>/manifests/          the clusters, ready to be registered (0600: kubeconfigs are in them)
//! <data>/clusters/  forge/  mirrors/
//! <data>/store.redb  store.key, or openbao/   where secrets are kept
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::exit::{Exit, Failure};

const MARKER: &str = "nautes-local";
const LOCK: &str = "lock";
const INSTANCE: &str = "instance.json";

/// What is remembered between starts. Ports and tokens stay what they are.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Remembered {
    /// The process that ran last.
    pub process: u32,
    /// Ports, by what listens there.
    pub ports: BTreeMap<String, u16>,
    /// Where secrets are kept; absent in folders of older versions.
    pub secrets: Option<super::secrets::Kind>,
    /// Tokens of the forge, by user.
    pub users: BTreeMap<String, String>,
    /// Tokens of clusters, by cluster.
    pub clusters: BTreeMap<String, String>,
}

impl std::fmt::Debug for Remembered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remembered")
            .field("ports", &self.ports)
            .finish_non_exhaustive()
    }
}

/// A data folder.
#[derive(Debug)]
pub struct Data {
    dir: PathBuf,
    /// Held while a process runs on the folder.
    _lock: Option<File>,
}

impl Data {
    /// Takes a folder, which is created where it is missing. While the value lives, nobody else gets it.
    ///
    /// # Errors
    /// Another process has it, it holds something else, or it cannot be written.
    pub fn take(dir: &Path) -> Result<Self, Failure> {
        let failed =
            |e: std::io::Error| Failure::usage(format!("cannot use the data folder {}: {e}", dir.display()));
        if !is_ours(dir) && fs::read_dir(dir).is_ok_and(|mut all| all.next().is_some()) {
            return Err(Failure::usage(format!("{} holds something else", dir.display()))
                .hint("choose an empty folder with --data"));
        }
        private_folder(dir).map_err(failed)?;
        let dir = dir.canonicalize().map_err(failed)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(dir.join(LOCK))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(&dir)),
            Err(TryLockError::Error(e)) => return Err(failed(e)),
        }
        fs::write(
            dir.join(MARKER),
            "This folder belongs to `nautes local`; `nautes local reset` deletes it.\n",
        )
        .map_err(failed)?;
        Ok(Self {
            dir,
            _lock: Some(lock),
        })
    }

    /// Looks at a folder, whether or not a process runs on it.
    ///
    /// # Errors
    /// It is not one of ours.
    pub fn look(dir: &Path) -> Result<Self, Failure> {
        if is_ours(dir) {
            let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
            return Ok(Self { dir, _lock: None });
        }
        Err(Failure::new(
            Exit::NotFound,
            format!("there is no local platform in {}", dir.display()),
        )
        .hint("start one with `nautes local up`, or say where it is with --data"))
    }

    /// Whether a process runs on a folder.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        let Ok(lock) = OpenOptions::new().write(true).open(self.dir.join(LOCK)) else {
            return false;
        };
        matches!(lock.try_lock(), Err(TryLockError::WouldBlock))
    }

    /// Returns the folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns a path within the folder.
    #[must_use]
    pub fn at(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Returns the path of the kubeconfig of a cluster.
    #[must_use]
    pub fn kubeconfig(&self, cluster: &str) -> PathBuf {
        self.dir.join("kubeconfigs").join(format!("{cluster}.yaml"))
    }

    /// Reads what is remembered; nothing where nothing is.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn remembered(&self) -> Result<Remembered, Failure> {
        let file = self.at(INSTANCE);
        match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| {
                // The error of the parser could quote a token.
                let place = format!("line {}, column {}", e.line(), e.column());
                Failure::new(
                    Exit::Internal,
                    format!("{} cannot be read: {place}", file.display()),
                )
                .hint("`nautes local reset` begins anew")
            }),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(Remembered::default()),
            Err(e) => Err(Failure::usage(format!("{}: {e}", file.display()))),
        }
    }

    /// Writes down what is to be remembered.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn remember(&self, what: &Remembered) -> Result<(), Failure> {
        write_private(
            &self.at(INSTANCE),
            format!("{:#}\n", serde_json::to_value(what)?).as_bytes(),
        )
    }

    /// Deletes the folder with everything in it.
    ///
    /// # Errors
    /// A process runs on it, it is not one of ours, or something in it cannot be deleted.
    pub fn delete(self) -> Result<(), Failure> {
        let held = Self::take(&self.dir)?;
        let failed = |e: std::io::Error| Failure::usage(format!("cannot delete {}: {e}", held.dir.display()));
        for entry in fs::read_dir(&held.dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // The marker goes last, so that a deletion that was cut off can be repeated.
            if entry.file_name() == MARKER {
                continue;
            }
            let is_dir = entry.file_type().map_err(failed)?.is_dir();
            if is_dir {
                fs::remove_dir_all(entry.path())
            } else {
                fs::remove_file(entry.path())
            }
            .map_err(failed)?;
        }
        fs::remove_file(held.at(MARKER)).map_err(failed)?;
        fs::remove_dir(&held.dir).map_err(failed)
    }
}

fn is_ours(dir: &Path) -> bool {
    dir.join(MARKER).is_file()
}

fn in_use(dir: &Path) -> Failure {
    Failure::new(Exit::Conflict, format!("a local platform runs on {} already", dir.display()))
        .hint("use it with `nautes local env`, stop it with `nautes local down`, or take another folder with --data")
}

/// Creates a folder that only its owner may enter.
///
/// # Errors
/// It cannot be created.
pub fn private_folder(dir: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// Writes a file that only its owner may read, whole or not at all.
///
/// # Errors
/// It cannot be written.
pub fn write_private(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let write = || {
        if let Some(dir) = file.parent() {
            private_folder(dir)?;
        }
        let draft = file.with_extension("new");
        let mut options = OpenOptions::new();
        options.create(true).truncate(true).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut open = options.open(&draft)?;
        open.write_all(bytes)?;
        open.sync_all()?;
        fs::rename(&draft, file)
    };
    write().map_err(|e| Failure::usage(format!("cannot write {}: {e}", file.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_has_a_folder_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("data");
        let held = Data::take(&dir).unwrap();
        assert_eq!(Data::take(&dir).unwrap_err().exit, Exit::Conflict);
        assert!(Data::look(&dir).unwrap().is_taken());
        assert_eq!(
            Data::look(&dir).unwrap().delete().unwrap_err().exit,
            Exit::Conflict
        );
        drop(held);
        assert!(!Data::look(&dir).unwrap().is_taken());
        Data::look(&dir).unwrap().delete().unwrap();
        assert!(!dir.exists());
    }

    #[test]
    fn a_folder_of_somebody_else_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("letter.txt"), "dear").unwrap();
        assert!(Data::take(dir.path()).is_err());
        assert!(Data::look(dir.path()).is_err());
        assert!(dir.path().join("letter.txt").exists());
    }

    #[cfg(unix)]
    #[test]
    fn what_holds_tokens_is_for_the_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let data = Data::take(&dir.path().join("data")).unwrap();
        let mut what = Remembered::default();
        what.users.insert("admin".to_owned(), "canary".to_owned());
        data.remember(&what).unwrap();
        let mode = fs::metadata(data.at(INSTANCE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(data.remembered().unwrap().users["admin"], "canary");
        assert!(!format!("{what:?}").contains("canary"));
    }
}
