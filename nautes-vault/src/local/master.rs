//! The master key of a local store.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nautes_model::Secret;
use rand::TryRngCore;
use rand::rngs::OsRng;
use zeroize::Zeroizing;

use crate::StoreError;

/// No key file is longer; what is longer is not read to its end.
const MAX_FILE: u64 = 1024;

/// The key that wraps the data key of a local store. Its `Debug` shows nothing, its memory is wiped on drop.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// Makes a new random key.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn generate() -> Result<Self, StoreError> {
        let mut key = Zeroizing::new([0; 32]);
        random(&mut *key)?;
        Ok(Self(key))
    }

    /// Reads a key from text: base64 of 32 bytes, white space around it ignored.
    ///
    /// # Errors
    /// The text is something else; the error does not show it.
    pub fn from_text(text: &Secret) -> Result<Self, StoreError> {
        Self::parse(text.expose()).map_err(|reason| StoreError::BadKey { file: None, reason })
    }

    /// Reads the key from `file`, or makes one and writes it there.
    ///
    /// # Guarantees
    /// * A new file appears whole or not at all, with mode 0600; of two processes that create it at the same
    ///   time one wins and both return its key.
    /// * A file that its group or others may read, write or execute is refused.
    ///
    /// # Errors
    /// The file cannot be read or written, is open to others, or has no key in it.
    pub fn load_or_create(file: &Path) -> Result<Self, StoreError> {
        if let Some(key) = Self::load(file)? {
            return Ok(key);
        }
        let key = Self::generate()?;
        let mut text = Zeroizing::new(STANDARD.encode(key.0.as_slice()));
        text.push('\n');
        let unreachable = |source: io::Error| StoreError::Unreachable {
            action: format!("create the master key file {}", file.display()),
            source: source.into(),
        };
        let fresh = FreshFile::beside(file).map_err(unreachable)?;
        fresh.file().write_all(text.as_bytes()).map_err(unreachable)?;
        if fresh.publish(file).map_err(unreachable)? {
            return Ok(key);
        }
        Self::load(file)?.ok_or_else(|| unreachable(ErrorKind::NotFound.into()))
    }

    /// Hands the key out to the cipher.
    pub(super) fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    pub(super) fn load(path: &Path) -> Result<Option<Self>, StoreError> {
        let bad = |reason: String| StoreError::BadKey {
            file: Some(path.to_owned()),
            reason,
        };
        let unreachable = |source: io::Error| StoreError::Unreachable {
            action: format!("read the master key file {}", path.display()),
            source: source.into(),
        };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreachable(error)),
        };
        let about = file.metadata().map_err(unreachable)?;
        if !about.is_file() {
            return Err(bad("it is not a regular file".to_owned()));
        }
        if let Some(mode) = open_to_others(&about) {
            return Err(bad(format!("its mode {mode:04o} lets others use it")));
        }
        let mut text = Zeroizing::new(Vec::with_capacity(MAX_FILE as usize + 64));
        file.take(MAX_FILE).read_to_end(&mut text).map_err(unreachable)?;
        Self::parse(&text).map(Some).map_err(bad)
    }

    fn parse(text: &[u8]) -> Result<Self, String> {
        // One byte more than fits, so that a longer text is noticed and no shorter buffer is an error of its own.
        let mut bytes = Zeroizing::new([0; 48]);
        match STANDARD.decode_slice(text.trim_ascii(), &mut *bytes) {
            Ok(32) => {
                let mut key = Zeroizing::new([0; 32]);
                key.copy_from_slice(&bytes[..32]);
                Ok(Self(key))
            }
            Ok(_) | Err(_) => Err("it is not the base64 text of 32 bytes".to_owned()),
        }
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(redacted)")
    }
}

/// Fills `bytes` from the system's source of randomness.
pub(super) fn random(bytes: &mut [u8]) -> Result<(), StoreError> {
    OsRng
        .try_fill_bytes(bytes)
        .map_err(|source| StoreError::Unreachable {
            action: "get randomness from the system".to_owned(),
            source: source.into(),
        })
}

/// A file of mode 0600 under a passing name, which is removed unless it was published.
pub(super) struct FreshFile {
    path: PathBuf,
    file: File,
}

impl FreshFile {
    /// Creates a file in the folder of `target`.
    pub(super) fn beside(target: &Path) -> io::Result<Self> {
        let name = target
            .file_name()
            .ok_or(ErrorKind::InvalidInput)?
            .to_string_lossy();
        let mut salt = [0; 8];
        OsRng.try_fill_bytes(&mut salt).map_err(io::Error::other)?;
        let path = target.with_file_name(format!(".{name}.{:016x}.new", u64::from_le_bytes(salt)));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path)?;
        Ok(Self { path, file })
    }

    /// Returns the file for writing.
    pub(super) const fn file(&self) -> &File {
        &self.file
    }

    /// Gives the file its name, durably; `false` if that name was taken meanwhile.
    pub(super) fn publish(self, target: &Path) -> io::Result<bool> {
        self.file.sync_all()?;
        // A hard link never replaces what is there, as a rename would.
        match std::fs::hard_link(&self.path, target) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(false),
            Err(error) => return Err(error),
        }
        let folder = target
            .parent()
            .filter(|p| !p.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        #[cfg(unix)]
        File::open(folder)?.sync_all()?;
        Ok(true)
    }
}

impl Drop for FreshFile {
    fn drop(&mut self) {
        // After publishing this removes the second name only; a file that stays behind harms nobody.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(unix)]
fn open_to_others(about: &std::fs::Metadata) -> Option<u32> {
    let mode = std::os::unix::fs::MetadataExt::mode(about) & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

#[cfg(not(unix))]
fn open_to_others(_: &std::fs::Metadata) -> Option<u32> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_base64_of_32_bytes() {
        let good = STANDARD.encode([7; 32]);
        assert!(MasterKey::from_text(&format!(" {good}\n").into()).is_ok());
        for bad in [
            "",
            "AAAA",
            "not base64!",
            &STANDARD.encode([7; 31]),
            &STANDARD.encode([7; 33]),
            &"A".repeat(4000),
        ] {
            let error = MasterKey::from_text(&bad.into()).unwrap_err();
            assert!(bad.is_empty() || !format!("{error} {error:?}").contains(bad));
        }
        assert!(!format!("{:?}", MasterKey::from_text(&good.into()).unwrap()).contains('7'));
    }

    #[test]
    fn a_key_file_is_made_once_and_only_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("master.key");
        let first = MasterKey::load_or_create(&file).unwrap();
        let second = MasterKey::load_or_create(&file).unwrap();
        assert_eq!(first.expose(), second.expose());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(
                std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
                0o600
            );
            for mode in [0o640, 0o604, 0o660, 0o620] {
                std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
                assert!(
                    matches!(MasterKey::load_or_create(&file), Err(StoreError::BadKey { .. })),
                    "{mode:o}"
                );
            }
        }
    }

    #[test]
    fn creators_at_the_same_time_agree() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("master.key");
        let keys: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| *MasterKey::load_or_create(&file).unwrap().expose()))
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
    }

    #[test]
    fn a_key_file_with_something_else_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("master.key");
        let mut fresh = FreshFile::beside(&file).unwrap();
        fresh.file.write_all(b"plan").unwrap();
        assert!(fresh.publish(&file).unwrap());
        assert!(matches!(
            MasterKey::load_or_create(&file),
            Err(StoreError::BadKey { .. })
        ));
        assert_eq!(std::fs::read(&file).unwrap(), b"plan");
        assert!(matches!(
            MasterKey::load_or_create(folder.path()),
            Err(StoreError::BadKey { .. })
        ));
    }
}
