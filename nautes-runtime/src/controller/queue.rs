//! The queue of units: every unit at most once at a time, in the order in which they were asked for.
//!
//! # Guarantees
//! * A unit that is asked for while it waits is done once; one that is asked for while it is worked on is done
//!   again afterwards.
//! * A unit that waits for a time is brought forward when it is asked for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// The queue. `U` is what is worked on.
pub(crate) struct Queue<U> {
    state: Mutex<State<U>>,
    changed: Notify,
}

struct State<U> {
    ready: VecDeque<U>,
    waiting: BTreeSet<U>,
    running: BTreeSet<U>,
    again: BTreeSet<U>,
    later: BTreeMap<U, Instant>,
    failures: BTreeMap<U, u32>,
}

impl<U> Default for Queue<U> {
    fn default() -> Self {
        let state = State {
            ready: VecDeque::new(),
            waiting: BTreeSet::new(),
            running: BTreeSet::new(),
            again: BTreeSet::new(),
            later: BTreeMap::new(),
            failures: BTreeMap::new(),
        };
        Self {
            state: Mutex::new(state),
            changed: Notify::new(),
        }
    }
}

impl<U> fmt::Debug for Queue<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

impl<U: Clone + Ord> Queue<U> {
    /// Asks for a unit now.
    pub(crate) fn add(&self, unit: U) {
        self.locked().add(unit);
        self.changed.notify_waiters();
    }

    /// Asks for a unit after a time, unless it comes up earlier.
    pub(crate) fn add_after(&self, unit: U, after: Duration) {
        let at = Instant::now() + after;
        let mut state = self.locked();
        let sooner = state.later.get(&unit).is_none_or(|planned| at < *planned);
        if sooner {
            state.later.insert(unit, at);
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Takes the next unit and marks it as worked on. Waits until there is one.
    pub(crate) async fn next(&self) -> U {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before looking, so that nothing that comes in between is missed.
            changed.as_mut().enable();
            let wake = match self.take() {
                Ok(unit) => return unit,
                Err(wake) => wake,
            };
            match wake {
                Some(at) => drop(tokio::time::timeout_at(at, changed).await),
                None => changed.await,
            }
        }
    }

    /// Takes the next unit if there is one that needs no waiting.
    pub(crate) fn try_next(&self) -> Option<U> {
        self.take().ok()
    }

    /// Says that a unit was worked on. Returns how often in a row it has failed.
    pub(crate) fn done(&self, unit: &U, failed: bool) -> u32 {
        let mut state = self.locked();
        state.running.remove(unit);
        if state.again.remove(unit) {
            state.add(unit.clone());
        }
        let failures = if failed {
            let count = state.failures.entry(unit.clone()).or_default();
            *count = count.saturating_add(1);
            *count
        } else {
            state.failures.remove(unit);
            0
        };
        drop(state);
        self.changed.notify_waiters();
        failures
    }

    /// Whether nothing is worked on and nothing waits, but for what waits for a time.
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.locked();
        state.ready.is_empty() && state.running.is_empty()
    }

    /// Waits until something changes, at most for `limit`.
    pub(crate) async fn changed(&self, limit: Duration) {
        drop(tokio::time::timeout(limit, self.changed.notified()).await);
    }

    fn take(&self) -> Result<U, Option<Instant>> {
        let mut state = self.locked();
        let now = Instant::now();
        let due: Vec<U> = state
            .later
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(unit, _)| unit.clone())
            .collect();
        for unit in due {
            state.add(unit);
        }
        match state.ready.pop_front() {
            Some(unit) => {
                state.waiting.remove(&unit);
                state.running.insert(unit.clone());
                Ok(unit)
            }
            None => Err(state.later.values().min().copied()),
        }
    }

    fn locked(&self) -> MutexGuard<'_, State<U>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<U: Clone + Ord> State<U> {
    fn add(&mut self, unit: U) {
        self.later.remove(&unit);
        if self.running.contains(&unit) {
            self.again.insert(unit);
        } else if self.waiting.insert(unit.clone()) {
            self.ready.push_back(unit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_waits_once_and_runs_once_at_a_time() {
        let queue = Queue::default();
        queue.add(1);
        queue.add(2);
        queue.add(1);
        assert_eq!(queue.try_next(), Some(1));
        queue.add(1);
        assert_eq!(queue.try_next(), Some(2));
        assert_eq!(queue.try_next(), None, "1 is worked on");
        queue.done(&1, false);
        assert_eq!(queue.try_next(), Some(1));
        queue.done(&1, false);
        queue.done(&2, false);
        assert!(queue.is_idle());
    }

    #[test]
    fn failures_are_counted_in_a_row() {
        let queue = Queue::default();
        for expected in [1, 2] {
            queue.add(1);
            queue.try_next();
            assert_eq!(queue.done(&1, true), expected);
        }
        queue.add(1);
        queue.try_next();
        assert_eq!(queue.done(&1, false), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_for_a_time_comes_then_or_when_asked_for() {
        let queue = Queue::default();
        queue.add_after(1, Duration::from_secs(60));
        assert!(queue.is_idle());
        assert_eq!(queue.next().await, 1);
        queue.done(&1, false);
        queue.add_after(2, Duration::from_secs(60));
        queue.add(2);
        assert_eq!(queue.try_next(), Some(2));
        queue.done(&2, false);
        assert_eq!(queue.try_next(), None);
    }
}
