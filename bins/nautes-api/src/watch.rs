//! Watching: what becomes of resources, told as it happens.
//!
//! One hub follows the projection in the tenant cluster, once for all watchers, and begins when the first comes. It
//! numbers what happens, and keeps the last of it, so that a watcher who was cut off can go on where he was. What becomes of
//! runs is known to the clusters in which pipelines run: their runs are followed too, once for all watchers.
//!
//! # Guarantees
//! * Nothing is kept without a bound: not what happened, not what a watcher has not read, not the number of watchers.
//! * A watcher who reads too slowly is cut off and told; he misses nothing if he comes back with his last id in time.
//! * A product that is new is told at once to whoever may see it.
//! * Who may no longer see something is told no more of it, at the latest when he is looked at again.

mod event;
mod hub;
mod pump;
mod runs;

use std::time::Duration;

pub(crate) use event::WatchMessage;
pub use event::{EndReason, ResetReason, WatchEvent};
pub(crate) use hub::{Cursor, Hub};
pub(crate) use pump::{Frame, Watcher, pump, sight};
pub use runs::RunOf;

/// How much watching may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchLimits {
    /// How many events are kept for those who come back.
    pub kept: usize,
    /// How many events may wait for one reader.
    pub waiting: usize,
    /// How long one event may wait for its reader.
    pub patience: Duration,
    /// How many watchers one caller may have at once.
    pub per_caller: usize,
    /// How many watchers there may be at once.
    pub all: usize,
    /// How often something is sent where nothing happens.
    pub heartbeat: Duration,
    /// How often it is asked again whether the caller may still see what he watches.
    pub recheck: Duration,
    /// How long one answer lasts; whoever wants more comes back with his last id.
    pub lifetime: Duration,
}

impl Default for WatchLimits {
    fn default() -> Self {
        Self {
            kept: 4096,
            waiting: 256,
            patience: Duration::from_secs(15),
            per_caller: 16,
            all: 1024,
            heartbeat: Duration::from_secs(15),
            recheck: Duration::from_secs(30),
            lifetime: Duration::from_secs(3600),
        }
    }
}
