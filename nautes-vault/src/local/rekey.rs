//! Changing the master key of a store together with the file that holds it.

use std::io;
use std::path::{Path, PathBuf};

use super::{LocalStore, MasterKey};
use crate::StoreError;

/// Which key a store has now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rekeyed {
    /// A new one.
    Changed,
    /// The one that an interrupted call had made: its work is finished.
    Finished,
}

/// Gives the store in `file` a new master key, and puts that into `key_file` in place of the old one.
///
/// The new key is on disk, beside the old one in a file that ends with `.next`, before the store is changed: after an
/// interruption at any point, the next call finishes or begins anew, and nothing is lost meanwhile. Where `key_file` does
/// not fit, the store waits for that call. See [`LocalStore::change_master`] for what a new key does not do.
///
/// # Errors
/// There is no such store or key; neither key fits; another process has the store; a file cannot be written.
pub async fn rekey(file: &Path, key_file: &Path) -> Result<Rekeyed, StoreError> {
    let next = beside(key_file);
    let (old, pending) = {
        let (key_file, next) = (key_file.to_owned(), next.clone());
        blocking(move || Ok((MasterKey::load(&key_file)?, MasterKey::load(&next)?))).await?
    };
    let absent = || StoreError::BadKey {
        file: Some(key_file.to_owned()),
        reason: "there is no such file".to_owned(),
    };
    let old = old.ok_or_else(absent)?;
    match (open(file, &old).await, pending) {
        (Err(StoreError::WrongKey { .. }), Some(pending)) => {
            drop(open(file, &pending).await?);
            replace(&next, key_file).await?;
            Ok(Rekeyed::Finished)
        }
        (opened, pending) => {
            let store = opened?;
            // One that was left behind before the store was changed is as good as another.
            let new = match pending {
                Some(pending) => pending,
                None => {
                    let next = next.clone();
                    blocking(move || MasterKey::load_or_create(&next)).await?
                }
            };
            store.change_master(&new).await?;
            drop(store);
            replace(&next, key_file).await?;
            Ok(Rekeyed::Changed)
        }
    }
}

fn beside(key_file: &Path) -> PathBuf {
    let mut name = key_file.as_os_str().to_owned();
    name.push(".next");
    PathBuf::from(name)
}

async fn open(file: &Path, key: &MasterKey) -> Result<LocalStore, StoreError> {
    let (file, key) = (file.to_owned(), key.clone());
    blocking(move || LocalStore::open(&file, &key)).await
}

async fn replace(from: &Path, to: &Path) -> Result<(), StoreError> {
    let (from, to) = (from.to_owned(), to.to_owned());
    blocking(move || {
        let renamed = || -> io::Result<()> {
            std::fs::rename(&from, &to)?;
            #[cfg(unix)]
            {
                let folder = to.parent().filter(|p| !p.as_os_str().is_empty());
                std::fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
            }
            Ok(())
        };
        renamed().map_err(|source| StoreError::Unreachable {
            action: format!("put the new master key into {}", to.display()),
            source: source.into(),
        })
    })
    .await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    // A task that has panicked is a fault of ours; its own text is not passed on.
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
        Err(StoreError::Bug {
            action: "change the master key".to_owned(),
            reason: "the work stopped".to_owned(),
        })
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use nautes_model::Secret;
    use nautes_model::secret::SecretPath;

    use super::*;
    use crate::{Expect, SecretStore as _};

    struct Place {
        dir: tempfile::TempDir,
    }

    impl Place {
        async fn new() -> Self {
            let place = Self {
                dir: tempfile::tempdir().unwrap(),
            };
            let key = MasterKey::load_or_create(&place.at("store.key")).unwrap();
            let store = LocalStore::open_or_create(&place.at("store.redb"), &key).unwrap();
            let values = BTreeMap::from([("key".to_owned(), Secret::from("value"))]);
            let path = SecretPath::new("a/b").unwrap();
            let _ = store.write(&path, values, Expect::Absent).await.unwrap();
            place
        }

        fn at(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }

        fn text(&self, name: &str) -> Option<String> {
            std::fs::read_to_string(self.at(name)).ok()
        }

        async fn rekey(&self) -> Result<Rekeyed, StoreError> {
            rekey(&self.at("store.redb"), &self.at("store.key")).await
        }

        /// The value is there, with the key of the file.
        async fn holds(&self) -> bool {
            let key = MasterKey::load(&self.at("store.key")).unwrap().unwrap();
            let store = open(&self.at("store.redb"), &key).await.unwrap();
            let found = store.read(&SecretPath::new("a/b").unwrap()).await.unwrap();
            found.unwrap().values["key"] == Secret::from("value")
        }
    }

    #[tokio::test]
    async fn the_store_opens_with_the_new_key_only() {
        let place = Place::new().await;
        let before = place.text("store.key").unwrap();
        assert_eq!(place.rekey().await.unwrap(), Rekeyed::Changed);
        assert_ne!(place.text("store.key").unwrap(), before);
        assert_eq!(place.text("store.key.next"), None);
        assert!(place.holds().await);
        let old = MasterKey::from_text(&Secret::from(before)).unwrap();
        let refused = open(&place.at("store.redb"), &old).await.unwrap_err();
        assert!(matches!(refused, StoreError::WrongKey { .. }));
    }

    #[tokio::test]
    async fn what_was_interrupted_is_finished() {
        // Before the store was changed.
        let place = Place::new().await;
        drop(MasterKey::load_or_create(&place.at("store.key.next")).unwrap());
        assert_eq!(place.rekey().await.unwrap(), Rekeyed::Changed);
        assert!(place.holds().await);
        // Afterwards.
        let old = place.text("store.key").unwrap();
        assert_eq!(place.rekey().await.unwrap(), Rekeyed::Changed);
        std::fs::rename(place.at("store.key"), place.at("store.key.next")).unwrap();
        std::fs::copy(place.at("store.key.next"), place.at("store.key")).unwrap();
        std::fs::write(place.at("store.key"), old).unwrap();
        assert_eq!(place.rekey().await.unwrap(), Rekeyed::Finished);
        assert!(place.holds().await);
    }

    #[tokio::test]
    async fn a_key_that_does_not_fit_changes_nothing() {
        let place = Place::new().await;
        let good = place.text("store.key").unwrap();
        std::fs::remove_file(place.at("store.key")).unwrap();
        assert!(matches!(place.rekey().await, Err(StoreError::BadKey { .. })));
        drop(MasterKey::load_or_create(&place.at("store.key")).unwrap());
        assert!(matches!(place.rekey().await, Err(StoreError::WrongKey { .. })));
        assert_eq!(place.text("store.key.next"), None);
        std::fs::write(place.at("store.key"), good).unwrap();
        assert!(place.holds().await);
    }
}
