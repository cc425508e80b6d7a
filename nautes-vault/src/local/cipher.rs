//! The keys of a local store, and what they do.
//!
//! A random *data key* is made once per store and kept wrapped by the master key, so that changing the master
//! key means wrapping 32 bytes anew. Everything else is derived from the data key.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::master::{MasterKey, random};
use crate::StoreError;
use crate::digest::{DigestKey, mac};

const NONCE: usize = 24;
const WRAPPING: &[u8] = b"nautes local store 1: data key";

/// The keys of an unlocked store.
pub(super) struct Keys {
    data: Zeroizing<[u8; 32]>,
    seal: XChaCha20Poly1305,
    index: Zeroizing<[u8; 32]>,
    tally: Zeroizing<[u8; 32]>,
    /// The key of the digests that the store gives out.
    pub(super) digest: DigestKey,
}

impl Keys {
    /// Makes keys for a new store; returns them with the wrapped data key.
    pub(super) fn create(master: &MasterKey) -> Result<(Self, Vec<u8>), StoreError> {
        let mut data = Zeroizing::new([0; 32]);
        random(&mut *data)?;
        let keys = Self::derive(data);
        let wrapped = keys.wrap(master)?;
        Ok((keys, wrapped))
    }

    /// Wraps the data key by a master key.
    pub(super) fn wrap(&self, master: &MasterKey) -> Result<Vec<u8>, StoreError> {
        seal(&cipher(master.expose()), WRAPPING, &*self.data)
    }

    /// Unwraps the data key; `None` if the master key does not fit.
    pub(super) fn unlock(master: &MasterKey, wrapped: &[u8]) -> Option<Self> {
        let data = open(&cipher(master.expose()), WRAPPING, wrapped)?;
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(data.get(..32)?);
        (data.len() == 32).then(|| Self::derive(key))
    }

    fn derive(data: Zeroizing<[u8; 32]>) -> Self {
        let purpose = |purpose: &[u8]| mac(&*data, &[purpose]);
        Self {
            seal: cipher(&purpose(b"seal")),
            index: purpose(b"index"),
            tally: purpose(b"tally"),
            digest: DigestKey::derive(&*purpose(b"digest")),
            data,
        }
    }

    /// Returns the keyed digest under which a record is filed, so that the file shows no names.
    pub(super) fn index(&self, parts: &[&[u8]]) -> [u8; 32] {
        *mac(&*self.index, parts)
    }

    /// Returns the contribution of one record to the tally of all records.
    pub(super) fn tally(&self, key: &[u8], sealed: &[u8]) -> [u8; 32] {
        *mac(&*self.tally, &[key, sealed])
    }

    /// Encrypts `plain`, bound to `place`.
    pub(super) fn seal(&self, place: &[u8], plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        seal(&self.seal, place, plain)
    }

    /// Decrypts what was sealed at `place`; `None` if it was changed or comes from another place.
    pub(super) fn open(&self, place: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        open(&self.seal, place, sealed)
    }
}

fn cipher(key: &[u8; 32]) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.into())
}

fn seal(cipher: &XChaCha20Poly1305, place: &[u8], plain: &[u8]) -> Result<Vec<u8>, StoreError> {
    let mut sealed = vec![0; NONCE];
    random(&mut sealed)?;
    let payload = Payload {
        msg: plain,
        aad: place,
    };
    let text = cipher
        .encrypt(XNonce::from_slice(&sealed), payload)
        .map_err(|_| StoreError::Bug {
            action: "encrypt a record".to_owned(),
            reason: "it is too large for the cipher".to_owned(),
        })?;
    sealed.extend_from_slice(&text);
    Ok(sealed)
}

fn open(cipher: &XChaCha20Poly1305, place: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, msg) = sealed.split_at_checked(NONCE)?;
    cipher
        .decrypt(XNonce::from_slice(nonce), Payload { msg, aad: place })
        .ok()
        .map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_text_opens_with_the_same_key_at_the_same_place_only() {
        let master = MasterKey::generate().unwrap();
        let (keys, wrapped) = Keys::create(&master).unwrap();
        let sealed = keys.seal(b"here", b"value").unwrap();
        let again = Keys::unlock(&master, &wrapped).unwrap();
        assert_eq!(&**again.open(b"here", &sealed).unwrap(), b"value");
        assert!(again.open(b"there", &sealed).is_none());
        for at in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[at] ^= 1;
            assert!(keys.open(b"here", &bent).is_none(), "byte {at}");
            assert!(keys.open(b"here", &sealed[..at]).is_none(), "length {at}");
        }
        assert!(Keys::unlock(&MasterKey::generate().unwrap(), &wrapped).is_none());
        assert!(Keys::unlock(&master, &wrapped[1..]).is_none());
    }

    #[test]
    fn sealing_twice_gives_different_text() {
        let (keys, _) = Keys::create(&MasterKey::generate().unwrap()).unwrap();
        assert_ne!(keys.seal(b"p", b"v").unwrap(), keys.seal(b"p", b"v").unwrap());
    }
}
