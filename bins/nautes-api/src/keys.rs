//! Idempotency keys: the same request sent twice is done once.
//!
//! # Guarantees
//! * A key belongs to one user and stands for one request: method, path, query and body.
//! * An answer of success is kept for [`KEPT`], up to [`MOST`] answers and [`BYTES`] bytes, and given again. What has
//!   become of a request that made a commit is also known from that commit, for as long, after a restart as well.
//! * Two servers that are sent the same request at once both do it, and make each commit once between them: whoever comes
//!   second to a repository finds the commit, and answers what it has done.
//! * A request that failed, or was done only in part, may be sent again under its key.
//! * The key itself is kept nowhere: what a commit carries are digests, of which those of the request are keyed by it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hmac::{Hmac, Mac};
use nautes_gitops::publish::trailer::Facts;
use nautes_gitops::repo::Commit;
use sha2::{Digest as _, Sha256};

use crate::apply::{hex, other_request};
use crate::error::ApiError;

/// The header in which a key comes.
pub const HEADER: &str = "idempotency-key";
/// The header that marks an answer that was given before.
pub const REPLAYED: &str = "idempotent-replayed";
/// How long an answer is kept.
pub const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// How many answers are kept at most.
pub const MOST: usize = 10_000;
/// How many bytes of answers are kept at most.
pub const BYTES: usize = 64 << 20;
/// The longest key, in characters.
const LONGEST: usize = 128;

/// What is known of a key and of the request that came with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The digest of user and key.
    pub(crate) id: String,
    /// The digest of the request.
    pub(crate) digest: String,
}

impl Key {
    /// Reads the key of a request; `None` where it has none.
    ///
    /// # Errors
    /// It is empty, too long, or has other characters than visible ones of ASCII.
    pub(crate) fn of(
        headers: &HeaderMap,
        user: u64,
        (method, target): (&str, &str),
        body: &[u8],
    ) -> Result<Option<Self>, ApiError> {
        let mut all = headers.get_all(HEADER).iter();
        let Some(key) = all.next() else {
            return Ok(None);
        };
        let key = key.as_bytes();
        if all.next().is_some()
            || key.is_empty()
            || key.len() > LONGEST
            || !key.iter().all(u8::is_ascii_graphic)
        {
            return Err(ApiError::malformed(format!(
                "Idempotency-Key is not one text of 1 to {LONGEST} visible ASCII characters"
            ))
            .hint("a new UUID for each request is good"));
        }
        let id = Sha256::new()
            .chain_update(user.to_be_bytes())
            .chain_update(key)
            .finalize();
        // Any length is good for a key of HMAC.
        let digest = Hmac::<Sha256>::new_from_slice(key)
            .map(|mut mac| {
                for part in [method.as_bytes(), target.as_bytes(), body] {
                    mac.update(&(part.len() as u64).to_be_bytes());
                    mac.update(part);
                }
                mac.finalize().into_bytes()
            })
            .unwrap_or_default();
        Ok(Some(Self {
            id: hex(&id[..16]),
            digest: hex(&digest),
        }))
    }

    /// Reads the key of the request that made a commit.
    pub(crate) fn of_commit(commit: &Commit) -> Option<Self> {
        Facts::read(&commit.trailers).key.as_deref().and_then(Self::read)
    }

    /// Whether a commit was made by this very request.
    pub(crate) fn is_of(&self, commit: &Commit) -> bool {
        Self::of_commit(commit).as_ref() == Some(self)
    }

    /// Reads what a commit carries.
    fn read(text: &str) -> Option<Self> {
        let (id, digest) = text.split_once(':')?;
        Some(Self {
            id: id.to_owned(),
            digest: digest.to_owned(),
        })
    }

    /// Returns what a commit carries.
    pub(crate) fn trailer(&self) -> String {
        format!("{}:{}", self.id, self.digest)
    }
}

/// An answer that is kept.
#[derive(Clone, Debug)]
struct Answer {
    status: StatusCode,
    media: Option<HeaderValue>,
    body: Bytes,
}

#[derive(Clone, Debug)]
enum State {
    InFlight,
    Done(Answer),
}

#[derive(Clone, Debug)]
struct Entry {
    digest: String,
    since: Instant,
    state: State,
}

#[derive(Debug, Default)]
struct Table {
    entries: HashMap<String, Entry>,
    bytes: usize,
}

/// The keys that were used lately.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys(Arc<Mutex<Table>>);

/// What is to be done with a request that has a key.
#[derive(Debug)]
pub(crate) enum Begun {
    /// It is new.
    New(Guard),
    /// It was answered already.
    Replay(Response),
}

/// Holds a key while its request is worked on; dropped without an answer, the key is free again.
#[derive(Debug)]
pub(crate) struct Guard {
    keys: Keys,
    id: String,
}

impl Keys {
    /// Begins a request.
    ///
    /// # Errors
    /// The same request is being worked on (409), or the key was used for another one (422).
    pub(crate) fn begin(&self, key: &Key) -> Result<Begun, ApiError> {
        let mut table = self.lock();
        table.forget_old();
        table.forget_if_old(&key.id);
        if let Some(entry) = table.entries.get(&key.id) {
            if entry.digest != key.digest {
                return Err(other_request());
            }
            return match &entry.state {
                State::Done(answer) => Ok(Begun::Replay(answer.again())),
                State::InFlight => Err(ApiError::new(
                    StatusCode::CONFLICT,
                    "IN_FLIGHT",
                    "the request with this Idempotency-Key is being worked on",
                )
                .retry_after(1)
                .hint("send it again in a moment for its answer")),
            };
        }
        table.entries.insert(
            key.id.clone(),
            Entry {
                digest: key.digest.clone(),
                since: Instant::now(),
                state: State::InFlight,
            },
        );
        Ok(Begun::New(Guard {
            keys: self.clone(),
            id: key.id.clone(),
        }))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guard {
    /// Keeps the answer of success; any other leaves the key free.
    pub(crate) fn finish(self, status: StatusCode, headers: &HeaderMap, body: &Bytes) {
        let whole = status.is_success() && status != StatusCode::MULTI_STATUS;
        if !whole || body.len() > BYTES / 16 {
            return;
        }
        let mut table = self.keys.lock();
        table.bytes += body.len();
        if let Some(entry) = table.entries.get_mut(&self.id) {
            entry.state = State::Done(Answer {
                status,
                media: headers.get(header::CONTENT_TYPE).cloned(),
                body: body.clone(),
            });
        }
        table.forget_old();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut table = self.keys.lock();
        if let Some(entry) = table.entries.get(&self.id)
            && matches!(entry.state, State::InFlight)
        {
            table.entries.remove(&self.id);
        }
    }
}

impl Table {
    fn forget_if_old(&mut self, id: &str) {
        if let Some(entry) = self.entries.get(id)
            && let State::Done(answer) = &entry.state
            && entry.since.elapsed() > KEPT
        {
            self.bytes = self.bytes.saturating_sub(answer.body.len());
            self.entries.remove(id);
        }
    }

    /// Forgets answers that are too old, and the oldest where there are too many. Requests in flight stay.
    fn forget_old(&mut self) {
        let now = Instant::now();
        let full = self.entries.len() >= MOST || self.bytes > BYTES;
        if !full && !self.entries.len().is_multiple_of(64) {
            return;
        }
        let mut done: Vec<(Instant, String, usize)> = self
            .entries
            .iter()
            .filter_map(|(id, entry)| match &entry.state {
                State::Done(answer) => Some((entry.since, id.clone(), answer.body.len())),
                State::InFlight => None,
            })
            .collect();
        done.sort();
        let (mut left, mut bytes) = (self.entries.len(), self.bytes);
        for (since, id, size) in done {
            let old = now.duration_since(since) > KEPT;
            // A tenth goes at once, so that this is not done for every request.
            let many = full && (left > MOST - MOST / 10 || bytes > BYTES - BYTES / 10);
            if !old && !many {
                break;
            }
            self.entries.remove(&id);
            left -= 1;
            bytes = bytes.saturating_sub(size);
        }
        self.bytes = bytes;
    }
}

impl Answer {
    fn again(&self) -> Response {
        let mut response = (self.status, self.body.clone()).into_response();
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_TYPE);
        if let Some(media) = &self.media {
            headers.insert(header::CONTENT_TYPE, media.clone());
        }
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(user: u64, text: &str, body: &str) -> Key {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, text.parse().unwrap());
        Key::of(&headers, user, ("POST", "/x"), body.as_bytes())
            .unwrap()
            .unwrap()
    }

    fn finish(guard: Guard, body: &str) {
        guard.finish(StatusCode::OK, &HeaderMap::new(), &Bytes::from(body.to_owned()));
    }

    #[test]
    fn a_key_belongs_to_a_user_and_a_request_and_does_not_show() {
        let one = key(1, "k-1", "a");
        assert_eq!(one, key(1, "k-1", "a"));
        assert_ne!(one.id, key(2, "k-1", "a").id);
        assert_ne!(one.digest, key(1, "k-1", "b").digest);
        assert_ne!(
            one.digest,
            key(1, "k-2", "a").digest,
            "digests of requests are keyed"
        );
        assert!(!one.trailer().contains("k-1"));
        assert_eq!(Key::read(&one.trailer()), Some(one));
        let refused = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, HeaderValue::from_bytes(text.as_bytes()).unwrap());
            Key::of(&headers, 1, ("POST", "/x"), b"").is_err()
        };
        assert!(refused("") && refused("a b") && refused("ä") && refused(&"k".repeat(129)));
        assert!(!refused(&"k".repeat(128)));
    }

    #[test]
    fn answers_are_kept_in_bounded_number_and_requests_in_flight_stay() {
        let keys = Keys::default();
        let Ok(Begun::New(held)) = keys.begin(&key(1, "held", "")) else {
            panic!("a new key is new")
        };
        for i in 0..MOST + 10 {
            let Ok(Begun::New(guard)) = keys.begin(&key(1, &format!("k-{i}"), "")) else {
                panic!("a new key is new")
            };
            finish(guard, "answer");
        }
        assert!(keys.lock().entries.len() <= MOST);
        assert!(keys.begin(&key(1, "held", "")).is_err(), "it is in flight");
        drop(held);
        assert!(matches!(keys.begin(&key(1, "held", "")), Ok(Begun::New(_))));
        let last = keys.begin(&key(1, &format!("k-{}", MOST + 9), ""));
        assert!(matches!(last, Ok(Begun::Replay(_))), "the newest are kept");
    }

    #[test]
    fn answers_are_kept_in_bounded_size() {
        let keys = Keys::default();
        let large = "x".repeat(BYTES / 16);
        for i in 0..40 {
            let Ok(Begun::New(guard)) = keys.begin(&key(1, &format!("k-{i}"), "")) else {
                panic!("a new key is new")
            };
            finish(guard, &large);
        }
        let table = keys.lock();
        assert!(table.bytes <= BYTES);
        let real: usize = table
            .entries
            .values()
            .map(|e| match &e.state {
                State::Done(answer) => answer.body.len(),
                State::InFlight => 0,
            })
            .sum();
        assert_eq!(table.bytes, real);
    }
}
