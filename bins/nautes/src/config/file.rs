//! Files that are replaced as a whole, and a lock.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use crate::exit::{Exit, Failure};

/// Holds until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Waits until nobody else has it, and takes it.
    pub(super) fn take(path: &Path) -> Result<Self, Failure> {
        let wrong = |e: std::io::Error| unwritable(path, &e);
        make_folder(path).map_err(wrong)?;
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .map_err(wrong)?;
        file.lock().map_err(wrong)?;
        Ok(Self { _file: file })
    }
}

/// Reads a file; `None` where there is none.
pub(super) fn read(path: &Path) -> Result<Option<String>, Failure> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Failure::usage(format!("{}: {e}", path.display()))),
    }
}

/// Replaces a file by one that its owner alone can read. A link stays one, and what it leads to is replaced.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let write = || -> std::io::Result<()> {
        let folder = make_folder(&path)?;
        // Made with mode 0600, in the same folder, so that the move replaces at once.
        let mut file = tempfile::Builder::new().prefix(".nautes-").tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        Ok(())
    };
    write().map_err(|e| unwritable(&path, &e))
}

/// Says on stderr that others can read a file.
pub(super) fn warn_of_readers(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(path).map_or(0, |m| m.permissions().mode());
        if mode & 0o077 != 0 {
            crate::output::say(&format!(
                "warning: others can read {0}: chmod 600 {0}",
                path.display()
            ));
        }
    }
    #[cfg(not(unix))]
    let _ = path;
}

/// Makes the folder of a file, for its owner alone.
fn make_folder(path: &Path) -> std::io::Result<PathBuf> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    if !folder.is_dir() {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&folder)?;
    }
    Ok(folder)
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        Exit::Unavailable,
        format!("{} cannot be written: {error}", path.display()),
    )
    .hint("NAUTES_CONFIG names another file")
}
