//! The mirrors of an installation: one bare repository on this machine for each on the forge.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use nautes_gitops::repo::RepoError;
use nautes_gitops::{Mirror, RepoPath};
use sha2::{Digest, Sha256};

/// A folder of mirrors. Cloning gives another handle on the same one.
#[derive(Clone, Debug)]
pub struct Mirrors {
    dir: PathBuf,
    open: Arc<Mutex<BTreeMap<RepoPath, Mirror>>>,
}

impl Mirrors {
    /// Names the folder; it is created when a mirror is opened.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            open: Arc::default(),
        }
    }

    /// Returns the folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Opens the mirror of a repository.
    ///
    /// # Errors
    /// The folder cannot be created or written.
    pub async fn open(&self, path: &RepoPath) -> Result<Mirror, RepoError> {
        if let Some(mirror) = self.opened().get(path) {
            return Ok(mirror.clone());
        }
        let mirror = Mirror::open_or_create(self.dir.join(folder(path))).await?;
        Ok(self.opened().entry(path.clone()).or_insert(mirror).clone())
    }

    fn opened(&self) -> std::sync::MutexGuard<'_, BTreeMap<RepoPath, Mirror>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The folder of a mirror: paths of a forge may be longer than a file name and differ by case only.
fn folder(path: &RepoPath) -> String {
    let digest = Sha256::digest(path.to_string());
    let short: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let readable: String = path
        .name()
        .chars()
        .take(60)
        .collect::<String>()
        .to_ascii_lowercase();
    format!("{readable}-{short}.git")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_repository_has_a_folder_of_its_own() {
        let of = |text: &str| folder(&text.parse().unwrap());
        assert_ne!(of("a/b"), of("A/b"));
        assert_ne!(of("a/b/c"), of("a/c"));
        assert!(of(&format!("{}/{}", "a".repeat(190), "b".repeat(190))).len() < 200);
    }
}
