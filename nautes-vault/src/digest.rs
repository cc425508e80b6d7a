//! Keyed digests of secret values: plans can compare and show them, nobody can turn them back.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use hmac::{Hmac, Mac};
use nautes_model::Secret;
use nautes_model::secret::SecretRef;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

/// The digest of one value of a secret.
///
/// Two digests that one store made for the same reference are equal exactly if the values are; the version
/// says where the value was read and takes no part in comparisons. Without the key of the store nobody can
/// check a guess, and equal values at different places have different digests.
#[derive(Clone, Serialize, Deserialize)]
pub struct SecretDigest {
    version: u64,
    #[serde(rename = "digest", with = "hex")]
    mac: [u8; 32],
}

impl SecretDigest {
    /// Returns the version of the secret that was digested.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }
}

/// Shows the digest in hexadecimal, without the version: the text changes only when the value does.
impl fmt::Display for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mac.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretDigest({self}, version {})", self.version)
    }
}

impl PartialEq for SecretDigest {
    fn eq(&self, other: &Self) -> bool {
        self.mac == other.mac
    }
}

impl Eq for SecretDigest {}

impl PartialOrd for SecretDigest {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SecretDigest {
    fn cmp(&self, other: &Self) -> Ordering {
        self.mac.cmp(&other.mac)
    }
}

impl Hash for SecretDigest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.mac.hash(state);
    }
}

/// The key of the digests of one store. Its memory is wiped on drop.
#[derive(Clone)]
pub struct DigestKey(Zeroizing<[u8; 32]>);

impl DigestKey {
    /// Derives the key from another that the store keeps, so that it survives as long as that one.
    #[must_use]
    pub fn derive(from: &[u8]) -> Self {
        Self(mac(from, &[b"nautes digest key"]))
    }

    /// Returns the digest of the value at `reference`, read as `version`.
    #[must_use]
    pub fn digest(&self, reference: &SecretRef, version: u64, value: &Secret) -> SecretDigest {
        let parts = [
            reference.path.as_str().as_bytes(),
            reference.key.as_bytes(),
            value.expose(),
        ];
        SecretDigest {
            version,
            mac: *mac(&*self.0, &parts),
        }
    }
}

impl fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestKey(redacted)")
    }
}

/// Returns the HMAC-SHA256 of `parts`, each preceded by its length, so that no two lists of parts meet.
pub(crate) fn mac(key: &[u8], parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    // HMAC takes keys of any length; the other constructor is the one that can fail.
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(&(part.len() as u64).to_le_bytes());
        mac.update(part);
    }
    Zeroizing::new(mac.finalize().into_bytes().into())
}

mod hex {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(mac: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&mac.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut mac = [0; 32];
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(D::Error::custom("a digest is 64 hexadecimal digits"));
        }
        for (byte, pair) in mac.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(D::Error::custom)?;
            *byte = u8::from_str_radix(pair, 16).map_err(D::Error::custom)?;
        }
        Ok(mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(path: &str, key: &str) -> SecretRef {
        SecretRef {
            path: path.parse().unwrap(),
            key: key.to_owned(),
        }
    }

    #[test]
    fn digests_differ_by_value_place_and_key_and_not_by_version() {
        let key = DigestKey::derive(b"one");
        let here = reference("git/a", "token");
        let base = key.digest(&here, 1, &"v".into());
        assert_eq!(base, key.digest(&here, 2, &"v".into()));
        assert_eq!(base.to_string(), key.digest(&here, 2, &"v".into()).to_string());
        assert_ne!(base, key.digest(&here, 1, &"w".into()));
        assert_ne!(base, key.digest(&reference("git/b", "token"), 1, &"v".into()));
        assert_ne!(base, key.digest(&reference("git/a", "toke"), 1, &"nv".into()));
        assert_ne!(base, DigestKey::derive(b"two").digest(&here, 1, &"v".into()));
    }

    #[test]
    fn digests_survive_serialisation_and_refuse_nonsense() {
        let digest = DigestKey::derive(b"one").digest(&reference("git/a", "k"), 7, &"v".into());
        let text = serde_json::to_string(&digest).unwrap();
        let back: SecretDigest = serde_json::from_str(&text).unwrap();
        assert_eq!((back.version(), &back), (7, &digest));
        for bad in ["", "zz", &"ä".repeat(32), &"+f".repeat(32)] {
            let text = serde_json::json!({ "version": 1, "digest": bad }).to_string();
            assert!(serde_json::from_str::<SecretDigest>(&text).is_err(), "{bad}");
        }
    }
}
