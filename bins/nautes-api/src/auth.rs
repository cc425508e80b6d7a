//! Who calls: the bearer token is handed to the forge as that caller's session.
//!
//! # Guarantees
//! * Nothing happens on behalf of a request before its token has made a session.
//! * Sessions are kept for a short, bounded time by a keyed digest of the token; the token itself is not kept
//!   and never logged.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use hmac::{Hmac, Mac};
use nautes_gitops::Session;
use nautes_gitops::host::User;
use nautes_model::Secret;
use sha2::Sha256;

use crate::app::App;
use crate::error::ApiError;

/// How long a session is kept.
const KEPT: Duration = Duration::from_secs(30);
/// How many sessions are kept at most.
const MOST: usize = 10_000;

/// An authenticated caller: the rights of one user, for one request.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The session on the forge.
    pub session: Arc<dyn Session>,
    /// Who it is.
    pub user: User,
}

/// Sessions by the digest of their token.
pub struct Sessions {
    key: [u8; 32],
    kept: Mutex<HashMap<[u8; 32], (Instant, Caller)>>,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            key: rand::random(),
            kept: Mutex::default(),
        }
    }
}

impl Sessions {
    /// Returns the caller whose token this is.
    ///
    /// # Errors
    /// The token is nobody's, or the forge does not answer.
    pub(crate) async fn caller(&self, app: &App, token: &Secret) -> Result<Caller, ApiError> {
        let digest = self.digest(token);
        let now = Instant::now();
        if let Some((until, caller)) = self.lock().get(&digest)
            && *until > now
        {
            return Ok(caller.clone());
        }
        let session = app.forge("session", app.platform().host().session(token)).await?;
        let user = app.forge("user", session.user()).await?;
        let caller = Caller { session, user };
        let mut kept = self.lock();
        if kept.len() >= MOST {
            kept.retain(|_, (until, _)| *until > now);
        }
        if kept.len() < MOST {
            kept.insert(digest, (now + KEPT, caller.clone()));
        }
        Ok(caller)
    }

    fn digest(&self, token: &Secret) -> [u8; 32] {
        // A key of 32 bytes is one that HMAC takes; any length is.
        Hmac::<Sha256>::new_from_slice(&self.key)
            .map(|mut mac| {
                mac.update(token.expose());
                mac.finalize().into_bytes().into()
            })
            .unwrap_or_default()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], (Instant, Caller)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the bearer token of a request.
///
/// # Errors
/// There is none.
pub fn bearer(parts: &Parts) -> Result<Secret, ApiError> {
    let header = parts
        .headers
        .get(AUTHORIZATION)
        .ok_or_else(|| ApiError::unauthenticated("the request carries no token"))?;
    let text = header
        .to_str()
        .map_err(|_| ApiError::unauthenticated("the token is not text"))?;
    let token = text
        .get(..7)
        .filter(|scheme| scheme.eq_ignore_ascii_case("bearer "))
        .map(|_| text[7..].trim())
        .filter(|token| !token.is_empty())
        .ok_or_else(|| ApiError::unauthenticated("the Authorization header is not `Bearer <token>`"))?;
    Ok(Secret::from(token))
}
