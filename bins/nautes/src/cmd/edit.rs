//! Files that a command changes: shown as a difference, or written, all of them or none.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use nautes_model::manifest::{self, Context};
use similar::TextDiff;
use tempfile::NamedTempFile;

use crate::exit::{Exit, Failure};

/// A file, as it is and as it shall be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edited<'e> {
    /// Its name for people, which is its path.
    pub(super) name: &'e str,
    /// The text as it was read.
    pub(super) before: &'e str,
    /// The new text.
    pub(super) after: &'e str,
}

impl Edited<'_> {
    /// Returns the difference in the form of `diff -u`, without secrets.
    pub(super) fn difference(&self, context: &Context<'_>) -> String {
        let before = manifest::without_secrets(self.before, context);
        let after = manifest::without_secrets(self.after, context);
        TextDiff::from_lines(&before, &after)
            .unified_diff()
            .header(&format!("a/{}", self.name), &format!("b/{}", self.name))
            .to_string()
    }
}

/// Writes every file, or none if one of them cannot be written beside its old content.
///
/// # Errors
/// A file cannot be written, or has changed since it was read.
pub(super) fn write(all: &[Edited<'_>]) -> Result<(), Failure> {
    let mut ready = Vec::new();
    for edited in all {
        ready.push(
            beside(edited).map_err(|e| {
                Failure::usage(format!("{}: {e}", edited.name)).hint("no file has been changed")
            })?,
        );
    }
    for (path, temporary) in ready {
        temporary
            .persist(&path)
            .map_err(|e| Failure::new(Exit::Partial, format!("{}: {}", path.display(), e.error)))?;
    }
    Ok(())
}

/// Writes the new content of a file beside it, with its permissions.
fn beside(edited: &Edited<'_>) -> std::io::Result<(PathBuf, NamedTempFile)> {
    // What a link leads to is replaced, not the link.
    let path = Path::new(edited.name).canonicalize()?;
    if std::fs::read(&path)? != edited.before.as_bytes() {
        return Err(std::io::Error::other("the file has changed since it was read"));
    }
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut temporary = NamedTempFile::new_in(folder)?;
    temporary.write_all(edited.after.as_bytes())?;
    temporary
        .as_file()
        .set_permissions(std::fs::metadata(&path)?.permissions())?;
    temporary.as_file().sync_all()?;
    Ok((path, temporary))
}
