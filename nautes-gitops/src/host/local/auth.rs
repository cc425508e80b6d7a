//! Tokens: how they are made, kept and presented.

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use nautes_model::Secret;
use sha2::{Digest as _, Sha256};

use super::seal::random;
use crate::host::HostError;

/// What every token begins with, so that scanners for leaked tokens can know it.
const PREFIX: &str = "nlf-";

/// Makes a token of 32 random bytes.
pub(super) fn new_token() -> Result<Secret, HostError> {
    Ok(Secret::from(format!(
        "{PREFIX}{}",
        URL_SAFE_NO_PAD.encode(random::<32>()?)
    )))
}

/// Returns what is kept of a token. A token has 256 random bits, so a plain digest cannot be guessed back.
pub(super) fn digest(token: &Secret) -> String {
    Sha256::digest(token.expose())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// What a request says about who sends it.
pub(super) enum Presented {
    /// Nothing.
    Nothing,
    /// Something that is no credential.
    Unreadable,
    /// A token.
    Token(Secret),
}

/// Reads the credential of a request: the password of basic authentication with any user name, or a bearer token.
pub(super) fn presented(headers: &HeaderMap) -> Presented {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Presented::Nothing;
    };
    let token = value.to_str().ok().and_then(|value| {
        let (scheme, rest) = value.split_once(' ')?;
        match scheme.to_ascii_lowercase().as_str() {
            "bearer" => Some(Secret::from(rest.trim())),
            "basic" => {
                let pair = Secret::new(STANDARD.decode(rest.trim()).ok()?);
                let at = pair.expose().iter().position(|byte| *byte == b':')?;
                Some(Secret::new(pair.expose().get(at + 1..)?))
            }
            _ => None,
        }
    });
    token
        .filter(|token| !token.is_empty())
        .map_or(Presented::Unreadable, Presented::Token)
}
