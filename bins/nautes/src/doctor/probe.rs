//! Gathering facts: what talks to servers, reads files, and looks at the clock. Nothing here judges.

pub mod api;
pub mod certificate;
pub mod cluster;
pub mod forge;
pub mod reach;

use std::path::Path;

use super::check::{SETTINGS, Severity, Verdict};

/// Whether a file with a credential can be read by others. Nothing is said where it cannot be looked at: whoever reads it
/// says so.
#[must_use]
pub fn private(subject: &str, setting: &str, file: &Path) -> Option<Verdict> {
    let open = is_open(file)?;
    let name = file.display();
    Some(if open {
        let found = SETTINGS.found(
            subject,
            Severity::Note,
            format!("{name} ({setting}) can be read by others of this machine"),
        );
        found.remedy(format!("chmod 600 {name}, where it is not a file of a pod"))
    } else {
        SETTINGS.good(subject, format!("{name} ({setting}) is its owner's only"))
    })
}

#[cfg(unix)]
fn is_open(file: &Path) -> Option<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    Some(std::fs::metadata(file).ok()?.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
const fn is_open(_: &Path) -> Option<bool> {
    None
}

/// Returns an error with all that is below it, in one line.
#[must_use]
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let below = error.to_string();
        // Some repeat what is below them.
        if !text.ends_with(&below) {
            text.push_str(": ");
            text.push_str(&below);
        }
        next = error.source();
    }
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(600)
        .collect()
}
