//! A GitLab in this process, for tests of whatever talks to one.
//!
//! It serves the routes of the REST API that Nautes uses, and Git's smart HTTP, over a [`LocalForge`]: users, levels,
//! repositories and hooks are those of the local forge, and what GitLab does otherwise is done here. It is as awkward as
//! GitLab itself where Nautes has to bear it: pages, default branches of empty repositories, deploy keys that are enabled
//! instead of refused, deletion that takes its time, statuses that say something else.
//!
//! # Caveats
//! Hooks are called over plain HTTP only. Protected branches keep out who may not push; rewriting is not looked at.
//! There is no SSH.

mod answer;
mod git;
mod groups;
mod keys;
mod members;
mod more;
mod projects;
mod route;
mod state;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::routing::any;
use axum::serve::ListenerExt as _;
use nautes_model::Secret;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::host::HostError;
use crate::host::local::{LocalForge, Options, at_once};

pub use crate::host::fake::{Exchange, Injection, Weather};
use crate::host::fake::{Sky, blow};

use state::{State, TokenRecord};

/// A GitLab in this process. It stops when this is dropped.
pub struct FakeGitlab {
    world: Arc<World>,
    address: SocketAddr,
    task: JoinHandle<()>,
}

/// What requests share.
pub(super) struct World {
    forge: LocalForge,
    base: String,
    state: Mutex<State>,
    sky: Arc<Sky>,
}

impl World {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for FakeGitlab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeGitlab")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl FakeGitlab {
    /// Opens one in a folder, and serves it on a free port of the loopback address.
    ///
    /// # Errors
    /// The folder cannot be used, or there is no `git`.
    pub async fn start(data: impl Into<PathBuf>) -> Result<Self, HostError> {
        let failed = |error: std::io::Error| HostError::internal("starting a GitLab for tests", error);
        let forge = LocalForge::open(Options::new(data)).await?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let base = format!("http://{address}");
        forge.set_base_url(&base);
        let world = Arc::new(World {
            state: Mutex::new(State::default()),
            sky: Arc::default(),
            base,
            forge,
        });
        let app = Router::new()
            .route("/api/v4/{*rest}", any(route::serve))
            .with_state(Arc::clone(&world))
            .fallback_service(world.forge.router())
            .layer(axum::middleware::from_fn_with_state(
                Arc::clone(&world),
                git::gate,
            ))
            .layer(axum::middleware::from_fn_with_state(Arc::clone(&world.sky), blow));
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener.tap_io(at_once), app).await {
                tracing::error!(%error, "the GitLab for tests has stopped serving");
            }
        });
        Ok(Self { world, address, task })
    }

    /// Returns the address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.world.base
    }

    /// Returns the forge behind it.
    #[must_use]
    pub fn forge(&self) -> &LocalForge {
        &self.world.forge
    }

    /// Makes a user, and a token of his that may do everything.
    ///
    /// # Errors
    /// The name is taken, or is no name.
    pub async fn create_user(&self, name: &str) -> Result<Secret, HostError> {
        self.world.forge.admin().create_user(name).await
    }

    /// Makes a further token of a user, with these scopes only.
    ///
    /// # Errors
    /// There is no such user.
    pub async fn create_token(&self, user: &str, scopes: &[&str]) -> Result<Secret, HostError> {
        let label = scopes.join("+");
        let token = self.world.forge.admin().create_token(user, &label).await?;
        let mut state = self.world.state();
        let id = state.next_id();
        let record = TokenRecord::personal(id, &label, scopes);
        state.tokens.insert(state::text(&token), record);
        Ok(token)
    }

    /// Says until which day (`2030-01-31`) a token that [`FakeGitlab::create_token`] made is valid.
    pub fn set_expiry(&self, token: &Secret, day: &str) {
        if let Some(record) = self.world.state().tokens.get_mut(&state::text(token)) {
            record.expires = Some(day.to_owned());
        }
    }

    /// Says whether users may make groups that are in no other.
    pub fn set_group_creation(&self, allowed: bool) {
        self.world.state().no_groups = !allowed;
    }

    /// Says what is told of a hook: `executable`, `disabled` or `temporarily_disabled`, and the status of the last
    /// delivery.
    pub fn set_hook(&self, id: u64, alert: &'static str, last: Option<&str>) {
        let last = last.map(str::to_owned);
        let told = state::HookTold { alert, last };
        self.world.state().told.insert(id, told);
    }

    /// Makes the next requests that match go wrong.
    pub fn inject(&self, injection: Injection) {
        self.world.sky.forecast().injections.push(injection);
    }

    /// Makes one of every `every` requests that read or change go wrong, by turns in different ways; 0 for none. Those
    /// that create or delete are left alone: of them a client cannot know what became of the first attempt.
    pub fn set_failing(&self, every: u32) {
        self.world.sky.forecast().failing = every;
    }

    /// Says how many injected faults have not come about yet.
    #[must_use]
    pub fn pending_faults(&self) -> u32 {
        self.world.sky.pending()
    }

    /// Makes every answer take at least this long.
    pub fn set_latency(&self, latency: Duration) {
        self.world.sky.forecast().latency = latency;
    }

    /// Makes pages no larger than this.
    pub fn set_page_size(&self, entries: usize) {
        self.world.state().page_size = entries.max(1);
    }

    /// Says whether what is deleted is only marked at first, as on most instances.
    pub fn set_delayed_deletion(&self, delayed: bool) {
        self.world.state().delayed_deletion = delayed;
    }

    /// Returns method and path of all requests, also those of Git, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.world.sky.forecast().requests.clone()
    }

    /// Returns what was asked of the API and answered, oldest first, without headers.
    #[must_use]
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.world.state().exchanges.clone()
    }
}

impl Drop for FakeGitlab {
    fn drop(&mut self) {
        self.task.abort();
    }
}
