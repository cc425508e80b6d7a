//! Keeping `state.json`: read from memory, replaced on disk as a whole.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::state::{State, VERSION};
use crate::host::HostError;

pub(super) struct Store {
    dir: PathBuf,
    current: RwLock<Arc<State>>,
    writing: Mutex<()>,
    /// Held as long as the forge is open.
    lock: File,
}

impl Drop for Store {
    fn drop(&mut self) {
        // A child between its fork and its exec has the file open, too: to close it here would not end the lock.
        let _ = self.lock.unlock();
    }
}

impl Store {
    /// Takes the folder for this process, and reads the state.
    pub(super) fn open(dir: &Path) -> Result<Self, HostError> {
        let failed = |source: io::Error| HostError::internal(format!("opening {}", dir.display()), source);
        create_private_dir(dir).map_err(failed)?;
        let lock = private(&dir.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(HostError::conflict(
                    format!("the folder {}", dir.display()),
                    "another process has it open",
                ));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let state = match fs::read(dir.join("state.json")) {
            Ok(bytes) => read(dir, &bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => fresh(dir)?,
            Err(error) => return Err(failed(error)),
        };
        let current = RwLock::new(Arc::new(state));
        Ok(Self {
            dir: dir.to_owned(),
            current,
            writing: Mutex::new(()),
            lock,
        })
    }

    /// Returns the state as it is now.
    pub(super) fn read(&self) -> Arc<State> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the state. Nobody sees the change before it is on disk; where `change` fails, there is none. Blocks.
    pub(super) fn change<T>(
        &self,
        change: impl FnOnce(&mut State) -> Result<T, HostError>,
    ) -> Result<T, HostError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = State::clone(&self.read());
        let result = change(&mut state)?;
        write(&self.dir, &state)
            .map_err(|e| HostError::internal("keeping the state of the local forge", e))?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
        Ok(result)
    }
}

fn read(dir: &Path, bytes: &[u8]) -> Result<State, HostError> {
    let what = || dir.join("state.json").display().to_string();
    let state: State = serde_json::from_slice(bytes).map_err(|error| {
        HostError::invalid(what(), format!("it is not the state of a local forge ({error})"))
    })?;
    if state.version == VERSION {
        Ok(state)
    } else {
        Err(HostError::invalid(
            what(),
            format!("it has version {}, this reads {VERSION}", state.version),
        ))
    }
}

/// Begins with nothing, unless there are repositories that a lost `state.json` must have known.
fn fresh(dir: &Path) -> Result<State, HostError> {
    let groups = dir.join("groups");
    if fs::read_dir(&groups).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(HostError::invalid(
            dir.display().to_string(),
            "there are repositories, but no state.json: restore it, or use another folder",
        ));
    }
    Ok(State::default())
}

fn write(dir: &Path, state: &State) -> io::Result<()> {
    replace(&dir.join("state.json"), &serde_json::to_vec_pretty(state)?)
}

/// Replaces a file as a whole, readable by its owner only.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let next = path.with_extension("new");
    let mut file = private(&next)?;
    file.set_len(0)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&next, path)?;
    match path.parent() {
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

/// Opens a file for writing that only its owner can read.
pub(super) fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Creates a folder that only its owner can enter.
pub(super) fn create_private_dir(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}
