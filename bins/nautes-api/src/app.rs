//! The state that every route shares.

use std::sync::Arc;

use nautes_runtime::platform::Platform;
use tokio_util::task::TaskTracker;

use tokio_util::sync::DropGuard;

use crate::auth::Sessions;
use crate::keys::Keys;
use crate::watch::{Hub, WatchLimits};

/// What the routes work with. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct App {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    platform: Platform,
    sessions: Sessions,
    keys: Keys,
    accepted: TaskTracker,
    registering: tokio::sync::Mutex<()>,
    watching: Arc<Hub>,
    _watching_ends: DropGuard,
}

impl App {
    /// Composes the API over a platform.
    #[must_use]
    pub fn new(platform: Platform) -> Self {
        Self::with_watch(platform, WatchLimits::default())
    }

    /// Composes the API over a platform, with limits of its own for watching.
    #[must_use]
    pub fn with_watch(platform: Platform, limits: WatchLimits) -> Self {
        let watching = Arc::new(Hub::new(platform.clone(), limits));
        Self {
            inner: Arc::new(Inner {
                _watching_ends: watching.stop.clone().drop_guard(),
                watching,
                platform,
                sessions: Sessions::default(),
                keys: Keys::default(),
                accepted: TaskTracker::new(),
                registering: tokio::sync::Mutex::default(),
            }),
        }
    }

    /// Returns the platform.
    #[must_use]
    pub fn platform(&self) -> &Platform {
        &self.inner.platform
    }

    /// Ends everything that would go on without an end: watches tell why, and close.
    pub fn close(&self) {
        self.inner.watching.stop.cancel();
    }

    pub(crate) fn watching(&self) -> &Arc<Hub> {
        &self.inner.watching
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.inner.sessions
    }

    /// The keys under which requests were sent.
    pub(crate) fn keys(&self) -> &Keys {
        &self.inner.keys
    }

    /// The writes that were accepted and are worked on.
    pub(crate) fn accepted(&self) -> &TaskTracker {
        &self.inner.accepted
    }

    /// Creating a product asks the forge for a group and then makes it: one at a time in this process.
    pub(crate) fn registering(&self) -> &tokio::sync::Mutex<()> {
        &self.inner.registering
    }
}
