//! The state that every route shares.

use std::sync::Arc;

use nautes_runtime::platform::Platform;

use crate::auth::Sessions;
use crate::views::Views;

/// What the routes work with. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct App {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    platform: Platform,
    sessions: Sessions,
    views: Views,
    registering: tokio::sync::Mutex<()>,
}

impl App {
    /// Composes the API over a platform.
    #[must_use]
    pub fn new(platform: Platform) -> Self {
        Self {
            inner: Arc::new(Inner {
                platform,
                sessions: Sessions::default(),
                views: Views::default(),
                registering: tokio::sync::Mutex::default(),
            }),
        }
    }

    /// Returns the platform.
    #[must_use]
    pub fn platform(&self) -> &Platform {
        &self.inner.platform
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.inner.sessions
    }

    /// The resources as they are answered.
    pub(crate) fn views(&self) -> &Views {
        &self.inner.views
    }

    /// Creating a product asks the forge for a group and then makes it: one at a time in this process.
    pub(crate) fn registering(&self) -> &tokio::sync::Mutex<()> {
        &self.inner.registering
    }
}
