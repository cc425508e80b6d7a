//! Waiting for what shall come, with a deadline.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use crate::exit::{Exit, Failure};

/// How often is looked.
const EVERY: Duration = Duration::from_millis(40);
/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(25);

const NOTHING: &str = "nothing";

/// What a look finds: what was waited for, or what is there instead.
pub type Look<T> = Result<Result<T, String>, Failure>;

/// Looks until what is waited for is there, and returns it.
///
/// # Errors
/// It did not come in time, or looking failed.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Look<T>) -> Result<T, Failure> {
    let end = Instant::now() + LIMIT;
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = NOTHING.to_owned();
    loop {
        ticks.tick().await;
        match timeout_at(end, look()).await {
            Ok(found) => match found? {
                Ok(found) => return Ok(found),
                Err(instead) => last = instead,
            },
            Err(_) if last == NOTHING => "no answer".clone_into(&mut last),
            Err(_) => {}
        }
        if Instant::now() >= end {
            return Err(unmet(format!(
                "{what}: not within {} s; last seen: {last}",
                LIMIT.as_secs()
            )));
        }
    }
}

/// Says that an observation did not hold.
#[must_use]
pub fn unmet(what: impl Into<String>) -> Failure {
    Failure::new(Exit::Findings, what)
}

/// Makes sure that something holds now.
///
/// # Errors
/// It does not.
pub fn hold(holds: bool, what: impl FnOnce() -> String) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(unmet(what())) }
}
