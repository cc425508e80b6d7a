//! How much one user may have worked on at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::StatusCode;

use crate::error::ApiError;

/// Counts the requests of each user.
#[derive(Clone, Debug)]
pub(crate) struct Callers {
    most: usize,
    busy: Arc<Mutex<HashMap<u64, usize>>>,
}

/// A request that is counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    user: u64,
    busy: Arc<Mutex<HashMap<u64, usize>>>,
}

impl Callers {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            busy: Arc::default(),
        }
    }

    /// Counts a request of a user.
    ///
    /// # Errors
    /// The user has too many.
    pub(crate) fn enter(&self, user: u64) -> Result<Place, ApiError> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let count = busy.entry(user).or_default();
        if *count >= self.most {
            return Err(ApiError::new(
                StatusCode::TOO_MANY_REQUESTS,
                "TOO_MANY_OF_YOURS",
                format!(
                    "{} of your requests are being worked on, which is the most",
                    self.most
                ),
            )
            .retry_after(1)
            .hint("wait for answers before sending more"));
        }
        *count += 1;
        Ok(Place {
            user,
            busy: Arc::clone(&self.busy),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = busy.get_mut(&self.user) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                busy.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_counted_apart_and_forgotten_when_idle() {
        let callers = Callers::new(2);
        let one = callers.enter(1).unwrap();
        let two = callers.enter(1).unwrap();
        let refused = callers.enter(1).unwrap_err();
        assert_eq!((refused.status.as_u16(), refused.retry_after), (429, Some(1)));
        assert!(callers.enter(2).is_ok(), "others are not held up");
        drop(one);
        assert!(callers.enter(1).is_ok());
        drop(two);
        assert!(callers.busy.lock().unwrap().is_empty());
    }
}
