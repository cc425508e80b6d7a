//! A Gitea in this process, for tests of whatever talks to one.
//!
//! It serves the routes of the REST API that Nautes uses, and Git's smart HTTP, over a [`LocalForge`]: users, levels,
//! repositories and hooks are those of the local forge, and what Gitea does otherwise is done here: teams, deploy keys that
//! belong to one repository each, visibility that depends on the organisation, pages without a word on the next one,
//! deliveries that are signed.
//!
//! # Caveats
//! Hooks are called over plain HTTP only. Protected branches are remembered and keep nobody out. There is no SSH.

mod groups;
mod keys;
mod members;
mod more;
mod relay;
mod repositories;
mod route;
mod state;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::routing::{any, post};
use axum::serve::ListenerExt as _;
use nautes_model::Secret;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::host::HostError;
pub use crate::host::fake::{Exchange, Injection, Weather};
use crate::host::fake::{Sky, blow};
use crate::host::local::{LocalForge, Options, at_once};

use state::State;

/// A Gitea in this process. It stops when this is dropped.
pub struct FakeGitea {
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
    client: reqwest::Client,
}

impl World {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for FakeGitea {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeGitea")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl FakeGitea {
    /// Opens one in a folder, and serves it on a free port of the loopback address.
    ///
    /// # Errors
    /// The folder cannot be used, or there is no `git`.
    pub async fn start(data: impl Into<PathBuf>) -> Result<Self, HostError> {
        let failed = |error: std::io::Error| HostError::internal("starting a Gitea for tests", error);
        let forge = LocalForge::open(Options::new(data)).await?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let base = format!("http://{address}");
        forge.set_base_url(&base);
        let world = Arc::new(World {
            state: Mutex::default(),
            sky: Arc::default(),
            client: relay::client()?,
            base,
            forge,
        });
        let app = Router::new()
            .route("/api/v1/{*rest}", any(route::serve))
            .route("/-/relay/{id}", post(relay::pass))
            .with_state(Arc::clone(&world))
            .fallback_service(world.forge.router())
            .layer(axum::middleware::from_fn_with_state(Arc::clone(&world.sky), blow));
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener.tap_io(at_once), app).await {
                tracing::error!(%error, "the Gitea for tests has stopped serving");
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
        let token = self
            .world
            .forge
            .admin()
            .create_token(user, &scopes.join("+"))
            .await?;
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        self.world.state().tokens.insert(state::text(&token), scopes);
        Ok(token)
    }

    /// Says of a hook that it is not active. It is called all the same.
    pub fn put_hook_to_sleep(&self, id: u64) {
        self.world.state().sleeping.insert(id);
    }

    /// Makes the next requests that match go wrong.
    pub fn inject(&self, injection: Injection) {
        self.world.sky.forecast().injections.push(injection);
    }

    /// Makes one of every `every` requests that may be repeated go wrong, by turns in different ways; 0 for none.
    pub fn set_failing(&self, every: u32) {
        self.world.sky.forecast().failing = every;
    }

    /// Says how many injected faults have not come about yet.
    #[must_use]
    pub fn pending_faults(&self) -> u32 {
        self.world.sky.pending()
    }

    /// Makes pages no larger than this.
    pub fn set_page_size(&self, entries: usize) {
        self.world.state().page_size = entries.max(1);
    }

    /// Returns what was asked of the API and answered, oldest first, without headers.
    #[must_use]
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.world.state().exchanges.clone()
    }
}

impl Drop for FakeGitea {
    fn drop(&mut self) {
        self.task.abort();
    }
}
