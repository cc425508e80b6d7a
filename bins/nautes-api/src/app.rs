//! The state that every route shares.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use nautes_gitops::HostError;
use nautes_model::Class;
use nautes_runtime::platform::Platform;
use nautes_vault::StoreError;
use tokio_util::sync::DropGuard;
use tokio_util::task::TaskTracker;

use crate::auth::Sessions;
use crate::error::ApiError;
use crate::keys::Keys;
use crate::metrics::Metrics;
use crate::names::answer;
use crate::ready;
use crate::trees::Trees;
use crate::views::Views;
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
    metrics: Metrics,
    readiness: ready::Kept,
    stopping: AtomicBool,
    views: Views,
    trees: Trees,
    shown: answer::Kept,
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
                metrics: Metrics::default(),
                readiness: ready::Kept::default(),
                stopping: AtomicBool::new(false),
                views: Views::default(),
                trees: Trees::default(),
                shown: answer::Kept::default(),
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

    /// Returns what is counted.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    pub(crate) fn readiness(&self) -> &ready::Kept {
        &self.inner.readiness
    }

    /// Says that no more requests should come.
    pub(crate) fn stop(&self) {
        self.inner.stopping.store(true, Ordering::Relaxed);
        self.close();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.inner.stopping.load(Ordering::Relaxed)
    }

    /// Asks the forge something, with a deadline, and counts it.
    ///
    /// # Errors
    /// It says no, fails, or does not answer in time.
    pub(crate) async fn forge<T>(
        &self,
        call: &'static str,
        asked: impl Future<Output = Result<T, HostError>>,
    ) -> Result<T, ApiError> {
        let answer = self.ask(("forge", call), asked, HostError::class).await;
        answer.unwrap_or_else(|| Err(ApiError::unreachable("the forge did not answer in time")))
    }

    /// Asks the secret store something, with a deadline, and counts it.
    ///
    /// # Errors
    /// It says no, fails, or does not answer in time.
    pub(crate) async fn store<T>(
        &self,
        call: &'static str,
        asked: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, ApiError> {
        let answer = self.ask(("store", call), asked, StoreError::class).await;
        answer.unwrap_or_else(|| Err(ApiError::unreachable("the secret store did not answer in time")))
    }

    /// Asks a system outside something, and counts it; `None` where it does not answer in time.
    async fn ask<T, E: Into<ApiError>>(
        &self,
        (system, call): (&str, &str),
        asked: impl Future<Output = Result<T, E>>,
        class: fn(&E) -> Class,
    ) -> Option<Result<T, ApiError>> {
        let begun = Instant::now();
        let answer = tokio::time::timeout(self.platform().timing().call, asked).await;
        let failed = match &answer {
            Ok(answer) => answer.as_ref().err().map(class),
            Err(_) => Some(Class::Unreachable),
        };
        self.metrics().called(system, call, begun.elapsed(), failed);
        Some(answer.ok()?.map_err(Into::into))
    }

    /// The resources as they are answered.
    pub(crate) fn views(&self) -> &Views {
        &self.inner.views
    }

    /// The states of products as they are answered.
    pub(crate) fn trees(&self) -> &Trees {
        &self.inner.trees
    }

    /// The names by which people know products that are called otherwise.
    pub(crate) fn shown(&self) -> &answer::Kept {
        &self.inner.shown
    }

    /// Creating a product asks the forge for a group and then makes it: one at a time in this process.
    pub(crate) fn registering(&self) -> &tokio::sync::Mutex<()> {
        &self.inner.registering
    }
}
