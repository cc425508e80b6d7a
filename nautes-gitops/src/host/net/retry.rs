//! When to try again, and when to wait.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use tokio::time::Instant;

use super::Reply;
use super::fault::Fault;

/// The pause before the second attempt; it doubles with each further one.
const FIRST: Duration = Duration::from_millis(200);
/// The longest pause, unless the forge names one.
const LONGEST: Duration = Duration::from_secs(5);
/// How long to wait where the forge says that there are too many calls, and not until when.
const UNNAMED: Duration = Duration::from_secs(2);
/// The longest time that a forge can ask for.
const ASKED: Duration = Duration::from_secs(3600);

/// Until when one caller waits because the forge takes no more calls of his.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    until: Mutex<Option<Instant>>,
}

impl Gate {
    pub(super) fn close(&self, after: Duration) {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        let new = Instant::now() + after;
        *until = Some(until.map_or(new, |old| old.max(new)));
    }

    /// Waits while it is closed.
    pub(super) async fn open(&self, deadline: Instant) -> Result<(), Fault> {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match until {
            Some(until) if until > deadline => Err(Fault::Limited { after: until - now }),
            Some(until) if until > now => {
                pause(until - now).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Waits for nothing but the time itself.
pub(crate) async fn pause(time: Duration) {
    let _ = tokio::time::timeout(time, std::future::pending::<()>()).await;
}

/// What comes after an attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Its result counts.
    Done,
    /// The caller has made too many calls; `wait` if the next attempt fits in the time that is left.
    Limited { after: Duration, wait: bool },
    /// Another attempt; `carried_out` if the last one may have been.
    Again { after: Duration, carried_out: bool },
}

/// Decides what comes after an attempt.
pub(super) fn next(
    repeatable: bool,
    attempts: u32,
    more: bool,
    left: Duration,
    result: &Result<Reply, Fault>,
) -> Next {
    if let Ok(reply) = result
        && reply.status == StatusCode::TOO_MANY_REQUESTS
    {
        let after = asked(&reply.headers).unwrap_or(UNNAMED);
        return Next::Limited {
            after,
            wait: more && after < left,
        };
    }
    let carried_out = match result {
        Ok(reply) if repeatable && passes(reply.status) => true,
        Err(Fault::Unsent(_)) => false,
        Err(Fault::Lost(_) | Fault::Late) if repeatable => true,
        _ => return Next::Done,
    };
    let named = result.as_ref().ok().and_then(|reply| asked(&reply.headers));
    let after = named.unwrap_or_else(|| backoff(attempts));
    if more && after < left {
        Next::Again { after, carried_out }
    } else {
        Next::Done
    }
}

/// Whether a status says that the same request may be answered otherwise in a moment.
fn passes(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 500 | 502 | 503 | 504)
}

/// Returns the time that the forge asks to wait: seconds, or a date.
fn asked(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = match text.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
            let left = date.as_second() - jiff::Timestamp::now().as_second();
            u64::try_from(left).unwrap_or(0)
        }
    };
    Some(Duration::from_secs(seconds).clamp(Duration::from_millis(10), ASKED))
}

/// Returns a pause that grows, and is not the same for everybody.
fn backoff(attempts: u32) -> Duration {
    let whole = LONGEST.min(FIRST.saturating_mul(1 << attempts.saturating_sub(1).min(10)));
    whole.mul_f64(0.5 + f64::from(rand::random::<u16>()) / f64::from(u16::MAX) / 2.0)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::host::net::Content;

    const LEFT: Duration = Duration::from_secs(60);

    fn reply(status: u16, after: Option<&str>) -> Result<Reply, Fault> {
        let mut headers = HeaderMap::new();
        if let Some(after) = after {
            headers.insert(RETRY_AFTER, after.parse().unwrap());
        }
        Ok(Reply {
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            content: Content::Whole(Bytes::new()),
            again: false,
        })
    }

    #[test]
    fn only_what_may_be_done_twice_is_sent_twice() {
        for status in [500, 502, 503, 504, 408] {
            assert_eq!(
                next(false, 1, true, LEFT, &reply(status, None)),
                Next::Done,
                "{status}"
            );
            assert!(
                matches!(
                    next(true, 1, true, LEFT, &reply(status, None)),
                    Next::Again {
                        carried_out: true,
                        ..
                    }
                ),
                "{status}"
            );
        }
        assert_eq!(next(false, 1, true, LEFT, &Err(Fault::Late)), Next::Done);
        assert!(matches!(
            next(true, 1, true, LEFT, &Err(Fault::Late)),
            Next::Again { .. }
        ));
        for status in [200, 204, 400, 401, 403, 404, 409, 422] {
            assert_eq!(
                next(true, 1, true, LEFT, &reply(status, None)),
                Next::Done,
                "{status}"
            );
        }
        assert_eq!(next(true, 4, false, LEFT, &reply(503, None)), Next::Done);
    }

    #[test]
    fn a_rate_limit_holds_for_everything_and_its_time_is_kept() {
        let wait = |after: &str| next(false, 1, true, LEFT, &reply(429, Some(after)));
        let after = Duration::from_secs(7);
        assert_eq!(wait("7"), Next::Limited { after, wait: true });
        // What does not fit in the deadline is told to the caller at once.
        let after = Duration::from_secs(600);
        assert_eq!(wait("600"), Next::Limited { after, wait: false });
        let past = wait("Fri, 31 Dec 1999 23:59:59 GMT");
        assert_eq!(
            past,
            Next::Limited {
                after: Duration::from_millis(10),
                wait: true
            }
        );
        assert_eq!(
            wait("soon"),
            Next::Limited {
                after: UNNAMED,
                wait: true
            }
        );
    }

    #[test]
    fn pauses_grow_and_differ() {
        for attempt in 1..20 {
            let pause = backoff(attempt);
            assert!(pause >= FIRST / 2 && pause <= LONGEST, "{attempt}: {pause:?}");
        }
        assert!(backoff(5) > backoff(1));
    }
}
