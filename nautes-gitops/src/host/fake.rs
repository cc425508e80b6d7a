//! What the forges for tests have in common.

mod exchange;
mod weather;

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nautes_model::Secret;

pub use exchange::Exchange;
pub(crate) use exchange::{Answer, Asked, Result};
pub use weather::{Injection, Weather};
pub(crate) use weather::{Sky, blow};

/// Returns the token that Git brings as a password.
pub(crate) fn password(headers: &HeaderMap) -> Option<Secret> {
    let value = headers
        .get("authorization")?
        .to_str()
        .ok()?
        .strip_prefix("Basic ")?;
    let pair = STANDARD.decode(value.trim()).ok()?;
    let at = pair.iter().position(|byte| *byte == b':')?;
    Some(Secret::new(pair.get(at + 1..)?))
}
