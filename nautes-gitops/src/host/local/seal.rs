//! Sealing the secrets of hooks, so that they do not lie open in `state.json`.

use std::fs;
use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use nautes_model::Secret;
use rand::TryRngCore as _;
use rand::rngs::OsRng;

use super::store;
use crate::host::HostError;

const NONCE: usize = 24;

/// The key of this forge.
pub(super) struct Sealer(XChaCha20Poly1305);

impl Sealer {
    /// Reads the key, or makes one.
    pub(super) fn open(dir: &Path) -> Result<Self, HostError> {
        let path = dir.join("hook.key");
        let failed = |error: io::Error| HostError::internal(format!("reading {}", path.display()), error);
        let key = match fs::read(&path) {
            Ok(key) => key,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = random::<32>()?;
                store::replace(&path, &key).map_err(failed)?;
                key.to_vec()
            }
            Err(error) => return Err(failed(error)),
        };
        if key.len() != 32 {
            return Err(HostError::invalid(
                path.display().to_string(),
                "it is not a key of 32 bytes",
            ));
        }
        Ok(Self(XChaCha20Poly1305::new(Key::from_slice(&key))))
    }

    /// Seals a secret for the hook of this id.
    pub(super) fn seal(&self, hook: u64, secret: &Secret) -> Result<String, HostError> {
        let nonce = random::<NONCE>()?;
        let payload = Payload {
            msg: secret.expose(),
            aad: &hook.to_be_bytes(),
        };
        let sealed = self
            .0
            .encrypt(XNonce::from_slice(&nonce), payload)
            .map_err(|_| HostError::internal("sealing the secret of a hook", "the cipher refused"))?;
        Ok(STANDARD.encode([&nonce[..], &sealed].concat()))
    }

    /// Opens what [`Sealer::seal`] sealed for this hook.
    pub(super) fn unseal(&self, hook: u64, sealed: &str) -> Result<Secret, HostError> {
        let wrong = || HostError::internal("opening the secret of a hook", "it was not sealed with this key");
        let bytes = STANDARD.decode(sealed).map_err(|_| wrong())?;
        let (nonce, rest) = bytes.split_at_checked(NONCE).ok_or_else(wrong)?;
        let payload = Payload {
            msg: rest,
            aad: &hook.to_be_bytes(),
        };
        self.0
            .decrypt(XNonce::from_slice(nonce), payload)
            .map(Secret::new)
            .map_err(|_| wrong())
    }
}

/// Returns bytes that nobody can guess.
pub(super) fn random<const N: usize>() -> Result<[u8; N], HostError> {
    let mut bytes = [0; N];
    OsRng
        .try_fill_bytes(&mut bytes)
        .map_err(|error| HostError::internal("making a random value", error))?;
    Ok(bytes)
}
