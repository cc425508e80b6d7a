//! The state that every route shares.

use std::sync::Arc;

use nautes_runtime::platform::Platform;
use nautes_validate::RuleSet;

use crate::auth::Sessions;

/// What the routes work with. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct App {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    platform: Platform,
    rules: RuleSet,
    sessions: Sessions,
    registering: tokio::sync::Mutex<()>,
}

impl App {
    /// Composes the API over a platform; `rules` judge every change.
    #[must_use]
    pub fn new(platform: Platform, rules: RuleSet) -> Self {
        Self {
            inner: Arc::new(Inner {
                platform,
                rules,
                sessions: Sessions::default(),
                registering: tokio::sync::Mutex::default(),
            }),
        }
    }

    /// Returns the platform.
    #[must_use]
    pub fn platform(&self) -> &Platform {
        &self.inner.platform
    }

    /// Returns the rules.
    #[must_use]
    pub fn rules(&self) -> &RuleSet {
        &self.inner.rules
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.inner.sessions
    }

    /// Creating a product asks the forge for a group and then makes it: one at a time in this process.
    pub(crate) fn registering(&self) -> &tokio::sync::Mutex<()> {
        &self.inner.registering
    }
}
