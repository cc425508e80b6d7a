//! What the tests of this crate share.

use std::path::{Path, PathBuf};

/// Lists the files of a folder that have an extension, in order of name.
#[must_use]
pub(crate) fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .collect();
    all.sort();
    all
}

/// Whether expectations are rewritten.
#[must_use]
pub(crate) fn update() -> bool {
    std::env::var("UPDATE").is_ok_and(|v| v == "1")
}

/// Returns where the files of the reference are, if they are there.
#[must_use]
pub(crate) fn reference() -> Option<PathBuf> {
    std::env::var("NAUTES_REFERENCE_DIR").ok().map(PathBuf::from)
}
