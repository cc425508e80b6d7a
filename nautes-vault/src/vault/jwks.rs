//! Public keys as clusters tell them (JSON Web Keys, RFC 7517), in the form that a server takes them in (PEM).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use pkcs1::RsaPublicKey;
use serde::Deserialize;
use spki::der::asn1::{BitString, Null, UintRef};
use spki::der::pem::LineEnding;
use spki::der::{Any, Encode as _, EncodePem as _};
use spki::{AlgorithmIdentifierOwned, ObjectIdentifier, SubjectPublicKeyInfoOwned};

use super::IssuerKeys;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ELLIPTIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// The curves: their name, their number, and the length of a coordinate in bytes.
const CURVES: &[(&str, ObjectIdentifier, usize)] = &[
    ("P-256", ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"), 32),
    ("P-384", ObjectIdentifier::new_unwrap("1.3.132.0.34"), 48),
    ("P-521", ObjectIdentifier::new_unwrap("1.3.132.0.35"), 66),
];

/// Why keys cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// It is no set of keys.
    #[error("it is no set of JSON Web Keys")]
    NoSet(#[source] serde_json::Error),
    /// There is no key that signs.
    #[error("none of its {0} keys is one that signs tokens (RSA, or ECDSA on P-256, P-384 or P-521)")]
    NoKey(usize),
    /// A key lacks a number, or has one that is none.
    #[error("its key {0} is broken")]
    Broken(String),
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Key>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Key {
    kid: String,
    kty: String,
    #[serde(rename = "use")]
    purpose: Option<String>,
    crv: String,
    n: String,
    e: String,
    x: String,
    y: String,
}

impl IssuerKeys {
    /// Reads the keys that a cluster tells at `/openid/v1/jwks`. Keys of other kinds than clusters sign with are left out.
    ///
    /// # Errors
    /// It is no set of keys, a key of a known kind is broken, or there is no such key.
    pub fn from_jwks(text: &str) -> Result<Self, KeysError> {
        let Set { keys } = serde_json::from_str(text).map_err(KeysError::NoSet)?;
        let number = keys.len();
        let signs = |key: &Key| key.purpose.as_deref().is_none_or(|purpose| purpose == "sig");
        let mut pems = Vec::new();
        for key in keys.into_iter().filter(signs) {
            let curve = CURVES.iter().find(|(name, ..)| *name == key.crv);
            let pem = match (key.kty.as_str(), curve) {
                ("RSA", _) => rsa(&key),
                ("EC", Some((_, curve, length))) => elliptic(&key, *curve, *length),
                _ => continue,
            };
            pems.push(pem.ok_or(KeysError::Broken(key.kid))?);
        }
        if pems.is_empty() {
            return Err(KeysError::NoKey(number));
        }
        Ok(Self::Pem(pems))
    }
}

fn rsa(key: &Key) -> Option<String> {
    let (modulus, exponent) = (BASE64.decode(&key.n).ok()?, BASE64.decode(&key.e).ok()?);
    if modulus.is_empty() || exponent.is_empty() {
        return None;
    }
    let numbers = RsaPublicKey {
        modulus: UintRef::new(&modulus).ok()?,
        public_exponent: UintRef::new(&exponent).ok()?,
    };
    pem(RSA, Any::from(Null), &numbers.to_der().ok()?)
}

fn elliptic(key: &Key, curve: ObjectIdentifier, length: usize) -> Option<String> {
    // A point that is not compressed (SEC 1, 2.3.3).
    let mut point = vec![4];
    for coordinate in [&key.x, &key.y] {
        let bytes = BASE64.decode(coordinate).ok()?;
        if bytes.len() != length {
            return None;
        }
        point.extend(bytes);
    }
    pem(ELLIPTIC, Any::from(curve), &point)
}

fn pem(algorithm: ObjectIdentifier, parameters: Any, key: &[u8]) -> Option<String> {
    let info = SubjectPublicKeyInfoOwned {
        algorithm: AlgorithmIdentifierOwned {
            oid: algorithm,
            parameters: Some(parameters),
        },
        subject_public_key: BitString::from_bytes(key).ok()?,
    };
    info.to_pem(LineEnding::LF).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys of every kind in both forms, made and written by OpenSSL.
    const SET: &str = include_str!("jwks/keys.json");
    const PEM: &str = include_str!("jwks/keys.pem");

    fn pems(text: &str) -> Vec<String> {
        match IssuerKeys::from_jwks(text).unwrap() {
            IssuerKeys::Pem(keys) => keys,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn keys_are_those_that_others_write() {
        assert_eq!(pems(SET).concat(), PEM);
    }

    #[test]
    fn keys_that_do_not_sign_are_left_out_and_broken_ones_are_named() {
        let set = |keys: &str| format!("{{\"keys\": [{keys}]}}");
        let none = [
            set(""),
            set(r#"{"kty": "oct", "k": "AAAA"}, {"kty": "OKP", "crv": "Ed25519"}"#),
            SET.replace("\"sig\"", "\"enc\""),
            SET.replace("P-", "X-").replace("RSA", "DSA"),
        ];
        for text in none {
            let error = IssuerKeys::from_jwks(&text).unwrap_err();
            assert!(matches!(error, KeysError::NoKey(_)), "{text}: {error}");
        }
        let broken = [
            r#"{"kty": "RSA", "kid": "k", "e": "AQAB"}"#,
            r#"{"kty": "RSA", "kid": "k", "n": "!", "e": "AQAB"}"#,
            r#"{"kty": "EC", "kid": "k", "crv": "P-256", "x": "AAAA", "y": "AAAA"}"#,
        ];
        for key in broken {
            let error = IssuerKeys::from_jwks(&set(key)).unwrap_err();
            assert!(
                matches!(&error, KeysError::Broken(id) if id == "k"),
                "{key}: {error}"
            );
        }
        for text in ["", "[]", "<html>", r#"{"keys": {}}"#] {
            let error = IssuerKeys::from_jwks(text).unwrap_err();
            assert!(matches!(error, KeysError::NoSet(_)), "{text}: {error}");
        }
    }
}
