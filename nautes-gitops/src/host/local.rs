//! The local forge: groups, users, keys, hooks and bare repositories in one folder, served over smart HTTP.
//!
//! It is the twin of a real forge for one machine and for tests, held to the same [`crate::conformance`] suite, and
//! real to the real `git`: clone, fetch and push work with a user's token as the password.
//!
//! ```text
//! <data>/state.json                    users (digests of tokens, never a token), groups, members, keys, hooks
//! <data>/hook.key                      the key under which the secrets of hooks are sealed in state.json
//! <data>/groups/<group>/<repo>.git     the repositories
//! ```
//!
//! # Guarantees
//! * Whatever kills the process: what was acknowledged is there after a restart, what was not is either there or
//!   not, and nothing is half there. One process has the folder at a time.
//! * `git` runs in a sealed environment: no configuration of the user or the system, no hooks, no collection of
//!   garbage, no variable of this process.
//! * Every push is announced by a [`Poke`] and to registered hooks; both are hints.
//!
//! # Caveats
//! There is no SSH: deploy keys are kept and listed, and open nothing. `git` has to be 2.31 or newer.

mod admin;
mod auth;
mod deliver;
mod groups;
mod http;
mod keys;
mod process;
mod repositories;
mod seal;
mod session;
mod state;
mod storage;
mod store;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use axum::serve::ListenerExt as _;
use nautes_model::Secret;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, broadcast};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{GitHost, HostError, Poke, RepoPath, Session};

pub use admin::Admin;
#[cfg(feature = "fake-gitea")]
pub(crate) use deliver::client as loopback_client;
pub use deliver::{Delivery, Outcome};

use deliver::Courier;
use session::Caller;
use storage::Storage;
use store::Store;

/// What a local forge is made of.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder for everything; created where it is missing.
    pub data: PathBuf,
    /// The name of the forge, in messages.
    pub name: String,
    /// The name of the platform's own account.
    pub platform: String,
    /// The address that URLs of repositories begin with; by default where [`LocalForge::serve`] listens.
    pub base_url: Option<String>,
    /// The `git` program; by default it is looked for in the usual places.
    pub git: Option<PathBuf>,
    /// The largest push, in bytes after decompression.
    pub push_bytes: u64,
    /// The largest request that is not a push, in bytes after decompression.
    pub request_bytes: u64,
    /// How long a client may be silent in the middle of a request.
    pub idle: Duration,
    /// How long one request may take.
    pub total: Duration,
    /// How many requests are worked on at once; others wait.
    pub processes: usize,
    /// The pauses between the attempts to deliver to a hook.
    pub hook_pauses: Vec<Duration>,
}

impl Options {
    /// Takes the defaults for a folder.
    #[must_use]
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            name: "local".to_owned(),
            platform: "nautes".to_owned(),
            base_url: None,
            git: None,
            push_bytes: 512 << 20,
            request_bytes: 16 << 20,
            idle: Duration::from_secs(60),
            total: Duration::from_secs(1800),
            processes: 32,
            hook_pauses: vec![
                Duration::from_millis(200),
                Duration::from_secs(1),
                Duration::from_secs(5),
            ],
        }
    }
}

/// A forge in a folder. Cloning gives another handle on the same one.
#[derive(Clone)]
pub struct LocalForge {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    options: Options,
    git: PathBuf,
    store: Store,
    storage: Storage,
    courier: Courier,
    platform: u64,
    base_url: RwLock<String>,
    pokes: broadcast::Sender<Poke>,
    slots: Arc<Semaphore>,
    /// The exchanges with clients that go on.
    exchanges: TaskTracker,
}

impl LocalForge {
    /// Opens the forge in `options.data`, and creates it where there is none.
    ///
    /// # Errors
    /// The folder is in use by another process, cannot be written, or holds something else; or there is no `git`.
    pub async fn open(mut options: Options) -> Result<Self, HostError> {
        // Git runs in another folder, where a relative path would lead nowhere.
        options.data = std::path::absolute(&options.data).map_err(|e| {
            HostError::invalid(
                format!("the data folder {}", options.data.display()),
                e.to_string(),
            )
        })?;
        let git = process::find(options.git.as_deref())?;
        let data = options.data.clone();
        let platform_name = options.platform.clone();
        let (store, platform) = run_blocking("opening the local forge", move || {
            let store = Store::open(&data)?;
            let platform = admin::ensure_user(&store, &platform_name)?;
            Ok((store, platform))
        })
        .await?;
        let storage = Storage::open(&options.data)?;
        let courier = Courier::new(&options.data, options.hook_pauses.clone())?;
        let base_url = options
            .base_url
            .clone()
            .unwrap_or_else(|| "http://localhost".to_owned());
        let slots = Arc::new(Semaphore::new(options.processes.max(1)));
        let (pokes, _) = broadcast::channel(1024);
        let base_url = RwLock::new(base_url.trim_end_matches('/').to_owned());
        let inner = Inner {
            options,
            git,
            store,
            storage,
            courier,
            platform,
            base_url,
            pokes,
            slots,
            exchanges: TaskTracker::new(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Returns what only the owner of the machine may do: users and tokens.
    #[must_use]
    pub fn admin(&self) -> Admin<'_> {
        Admin::new(&self.inner)
    }

    /// Returns the routes of the smart HTTP server, to serve them elsewhere.
    pub fn router(&self) -> axum::Router {
        http::router(Arc::clone(&self.inner))
    }

    /// Sets the address that URLs of repositories begin with.
    pub fn set_base_url(&self, url: &str) {
        let mut base = self
            .inner
            .base_url
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        url.trim_end_matches('/').clone_into(&mut base);
    }

    /// Listens, and serves repositories until the returned value is stopped or dropped. Port 0 takes a free one.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn serve(&self, listen: SocketAddr) -> Result<Serving, HostError> {
        let action = || format!("listening on {listen}");
        let listener = TcpListener::bind(listen)
            .await
            .map_err(|e| HostError::internal(action(), e))?;
        let address = listener
            .local_addr()
            .map_err(|e| HostError::internal(action(), e))?;
        if self.inner.options.base_url.is_none() {
            self.set_base_url(&format!("http://{address}"));
        }
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let server = axum::serve(listener.tap_io(at_once), self.router()).with_graceful_shutdown(stopped);
        let task = tokio::spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "the local forge has stopped serving");
            }
        });
        Ok(Serving {
            address,
            stop,
            task: Some(task),
            exchanges: self.inner.exchanges.clone(),
        })
    }
}

impl fmt::Debug for LocalForge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalForge")
            .field("data", &self.inner.options.data)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("data", &self.options.data)
            .finish_non_exhaustive()
    }
}

impl Inner {
    pub(crate) fn host(&self) -> String {
        self.options.name.clone()
    }

    fn unauthenticated(&self) -> HostError {
        HostError::Unauthenticated { host: self.host() }
    }

    pub(crate) fn url(&self, path: &RepoPath) -> String {
        let base = self.base_url.read().unwrap_or_else(PoisonError::into_inner);
        format!("{base}/{path}")
    }
}

#[async_trait]
impl GitHost for LocalForge {
    fn name(&self) -> &str {
        &self.inner.options.name
    }

    fn provider_type(&self) -> &'static str {
        "local"
    }

    async fn session(&self, credential: &Secret) -> Result<Arc<dyn Session>, HostError> {
        let digest = auth::digest(credential);
        let state = self.inner.store.read();
        let token = state
            .tokens
            .get(&digest)
            .ok_or_else(|| self.inner.unauthenticated())?;
        Ok(Arc::new(Caller::new(
            Arc::clone(&self.inner),
            token.user,
            Some(digest),
        )))
    }

    async fn platform(&self) -> Result<Arc<dyn Session>, HostError> {
        Ok(Arc::new(Caller::new(
            Arc::clone(&self.inner),
            self.inner.platform,
            None,
        )))
    }

    fn subscribe(&self) -> broadcast::Receiver<Poke> {
        self.inner.pokes.subscribe()
    }
}

/// A server that runs. It stops when this is dropped.
#[derive(Debug)]
pub struct Serving {
    /// Where it listens.
    pub address: SocketAddr,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
    exchanges: TaskTracker,
}

impl Serving {
    /// Accepts nothing new, and returns when what was begun has ended, or after ten seconds.
    ///
    /// An exchange outlives its last byte by a moment; afterwards nothing of it holds the folder any more.
    pub async fn stop(mut self) {
        self.stop.cancel();
        self.exchanges.close();
        let (task, exchanges) = (self.task.take(), self.exchanges.clone());
        let ended = async {
            if let Some(task) = task {
                let _ = task.await;
            }
            exchanges.wait().await;
        };
        // What is still going on then has a deadline of its own.
        let _ = tokio::time::timeout(Duration::from_secs(10), ended).await;
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Runs `work` on the blocking pool.
pub(crate) async fn run_blocking<T, F>(action: &str, work: F) -> Result<T, HostError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, HostError> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(HostError::internal(action, error)),
    }
}

/// Sends what is written at once. Otherwise an answer in parts waits for the acknowledgement of each, up to 40 ms.
pub(crate) fn at_once(stream: &mut TcpStream) {
    // Without it the answers are late, and no less right.
    let _ = stream.set_nodelay(true);
}
