//! Rules of the organisation that are given by file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use nautes_model::Finding;
use nautes_model::scope::RuleFile;
use nautes_validate::organisation;

use crate::exit::Failure;

/// Reads files with rules.
///
/// # Errors
/// One cannot be read: all of those that cannot are named.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<RuleFile>, Failure> {
    let mut files = Vec::new();
    let mut faults = Vec::new();
    for path in paths {
        let shown = path.display().to_string();
        match text(path) {
            Ok(text) => files.push(RuleFile {
                file: Arc::from(shown),
                text: Arc::from(text),
                held: None,
            }),
            Err(error) => faults.push(format!("{shown}: {error}")),
        }
    }
    if faults.is_empty() {
        Ok(files)
    } else {
        Err(Failure::usage(faults.join("\n"))
            .hint("--rules takes files with rules of the organisation, in YAML"))
    }
}

fn text(path: &Path) -> std::io::Result<String> {
    let size = std::fs::metadata(path)?.len();
    if size > organisation::MAX_FILE as u64 {
        let most = organisation::MAX_FILE;
        return Err(std::io::Error::other(format!("{size} bytes, {most} are allowed")));
    }
    std::fs::read_to_string(path)
}

/// Tries the rules on their own examples.
pub(super) fn trial(files: &[RuleFile]) -> Vec<Finding> {
    files
        .iter()
        .flat_map(|file| organisation::test_rules(&organisation::read(&file.file, &file.text).rules))
        .collect()
}
