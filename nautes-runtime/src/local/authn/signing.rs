//! The key that signs tokens of service accounts: ECDSA on P-256, one of the kinds with which API servers sign, so that
//! whoever reads tokens of Kubernetes reads these.

use std::{fmt, io, path::Path};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::local::tls;

/// The algorithm of the signatures, as tokens name it.
pub(super) const ALGORITHM: &str = "ES256";

/// A key, with the beginning that its tokens have.
pub(crate) struct SigningKey {
    pair: EcdsaKeyPair,
    id: String,
    header: String,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Reads the key of a folder, or makes one, and keeps it where there is a folder. One of an earlier version is replaced:
    /// the tokens that it has signed end.
    pub(crate) fn load(folder: Option<&Path>) -> io::Result<Self> {
        let path = folder.map(|folder| folder.join("token.key"));
        let kept = match path.as_deref().map(std::fs::read) {
            None => None,
            Some(Ok(bytes)) => Some(bytes),
            Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => None,
            Some(Err(error)) => return Err(error),
        };
        let wrong = || io::Error::new(io::ErrorKind::InvalidData, "token.key holds no key");
        let bytes = match kept.filter(|bytes| bytes.len() != 32) {
            Some(bytes) => bytes,
            None => {
                let made =
                    EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
                let made = made.map_err(|_| io::Error::other("the system has no randomness to give"))?;
                if let Some(path) = &path {
                    tls::write_private(path, made.as_ref())?;
                }
                made.as_ref().to_vec()
            }
        };
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &bytes, &SystemRandom::new());
        let pair = pair.map_err(|_| wrong())?;
        let id = BASE64.encode(Sha256::digest(pair.public_key().as_ref()));
        let header = BASE64.encode(json!({ "alg": ALGORITHM, "kid": id }).to_string());
        Ok(Self { pair, id, header })
    }

    /// What others know its tokens by (RFC 7517).
    pub(super) fn public(&self) -> Value {
        // A point that is not compressed: a mark, and two coordinates of the same length.
        let point = self.pair.public_key().as_ref().get(1..).unwrap_or_default();
        let (x, y) = point.split_at(point.len() / 2);
        json!({
            "use": "sig", "kty": "EC", "kid": self.id, "crv": "P-256", "alg": ALGORITHM,
            "x": BASE64.encode(x), "y": BASE64.encode(y),
        })
    }

    /// Makes a token of claims.
    pub(super) fn token(&self, claims: &str) -> Option<String> {
        let signed = format!("{}.{}", self.header, BASE64.encode(claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).ok()?;
        Some(format!("{signed}.{}", BASE64.encode(signature.as_ref())))
    }

    /// Returns the claims of a token of this key.
    pub(super) fn claims(&self, token: &str) -> Option<Vec<u8>> {
        let (signed, signature) = token.rsplit_once('.')?;
        let claims = signed.strip_prefix(self.header.as_str())?.strip_prefix('.')?;
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.pair.public_key().as_ref());
        key.verify(signed.as_bytes(), &BASE64.decode(signature).ok()?)
            .ok()?;
        BASE64.decode(claims).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_key_has_signed_has_claims() {
        let (key, other) = (SigningKey::load(None).unwrap(), SigningKey::load(None).unwrap());
        let token = key.token(r#"{"sub":"a"}"#).unwrap();
        assert_eq!(key.claims(&token).unwrap(), br#"{"sub":"a"}"#);
        assert_eq!(other.claims(&token), None);
        let parts: Vec<&str> = token.split('.').collect();
        let forged = [
            format!("{}.{}.{}", parts[0], BASE64.encode(r#"{"sub":"b"}"#), parts[2]),
            format!("{}.{}.", parts[0], parts[1]),
            format!("{}.{}", parts[0], parts[1]),
            format!("{}.{}.{}", BASE64.encode(r#"{"alg":"none"}"#), parts[1], parts[2]),
            String::new(),
        ];
        assert!(forged.iter().all(|token| key.claims(token).is_none()));
    }

    #[test]
    fn a_key_is_kept_and_one_of_an_earlier_version_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("token.key"), [7; 32]).unwrap();
        let token = SigningKey::load(Some(dir.path())).unwrap().token("{}").unwrap();
        assert!(
            SigningKey::load(Some(dir.path()))
                .unwrap()
                .claims(&token)
                .is_some()
        );
        std::fs::write(dir.path().join("token.key"), b"something else").unwrap();
        assert!(SigningKey::load(Some(dir.path())).is_err());
    }
}
