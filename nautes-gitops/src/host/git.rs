//! Git over HTTPS as a forge, for those who make groups, repositories, keys and hooks themselves.
//!
//! # How it shows
//! * Repositories are at `ADDRESS/GROUP/NAME.git`. One that cannot be read is absent.
//! * A credential is `USER:PASSWORD`, or a token alone, which is sent as the password of `git`. Whose it is only the
//!   server knows: users are who they say they are, and the server lets them in or not.
//! * [`GitHost::session`] proves a credential by reading a repository that all may read ([`Options::known`]). Where none is
//!   named, a wrong credential shows at its first use.
//! * There are two levels: who may read a repository is a reporter; who may push to it is an owner, because there is
//!   nothing else that a forge would keep from him. The level in a group is that in its `default.project`.
//! * What takes more than Git is [`HostError::Unsupported`], and says what to do by hand.
//! * Ids are derived from paths, so that a repository that was made anew is not told from the old one.
//! * Nobody calls when something is pushed: revisions are found by polling.
//!
//! # Guarantees
//! Those of [`net`](super::net) and [`smart`](super::smart).

mod session;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use nautes_model::Secret;
use tokio::sync::broadcast;

use super::net::{Gate, Net, NetOptions};
use super::rest::account::PlatformToken;
use super::rest::desk::Desk;
use super::smart::Watcher;
use super::{GitHost, HostError, Poke, RepoPath, Session};
use session::Caller;

/// What a server of Git is made of.
#[derive(Clone)]
pub struct Options {
    /// The name of the forge, as providers and messages name it.
    pub name: String,
    /// The address below which groups are.
    pub url: String,
    /// The credential of the platform's own account.
    pub platform: PlatformToken,
    /// A repository that everybody may read who may do anything.
    pub known: Option<RepoPath>,
    /// How to talk to it.
    pub net: NetOptions,
    /// Is told how fetches and pushes go on.
    pub watcher: Option<Watcher>,
}

impl Options {
    /// Takes the defaults for an address.
    #[must_use]
    pub fn new(name: impl Into<String>, url: impl Into<String>, platform: impl Into<PlatformToken>) -> Self {
        Self {
            name: name.into(),
            url: url.into(),
            platform: platform.into(),
            known: None,
            net: NetOptions::default(),
            watcher: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("name", &self.name)
            .field("known", &self.known)
            .field("net", &self.net)
            .finish_non_exhaustive()
    }
}

/// A server of Git. Cloning gives another handle on the same one.
#[derive(Clone, Debug)]
pub struct Git {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: String,
    known: Option<RepoPath>,
    net: Net,
    watcher: Watching,
    desk: Desk,
}

struct Watching(Option<Watcher>);

impl fmt::Debug for Watching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watching").field(&self.0.is_some()).finish()
    }
}

impl Git {
    /// Prepares to talk to a server. It is not asked yet.
    ///
    /// # Errors
    /// The address, the CA bundle or the proxy is none.
    pub fn new(options: Options) -> Result<Self, HostError> {
        let inner = Inner {
            net: Net::new(&options.url, options.net)?,
            name: options.name,
            known: options.known,
            watcher: Watching(options.watcher),
            desk: Desk::new(options.platform),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Tells those who have subscribed that a repository may have changed.
    pub fn announce(&self, poke: Poke) {
        self.inner.desk.announce(poke);
    }
}

#[async_trait]
impl GitHost for Git {
    fn name(&self) -> &str {
        &self.inner.name
    }

    fn provider_type(&self) -> &'static str {
        "git"
    }

    async fn session(&self, credential: &Secret) -> Result<Arc<dyn Session>, HostError> {
        let caller = Caller {
            forge: Arc::clone(&self.inner),
            user: session::read(credential, &self.inner)?,
            gate: Gate::default(),
        };
        caller.prove().await?;
        Ok(Arc::new(caller))
    }

    async fn platform(&self) -> Result<Arc<dyn Session>, HostError> {
        self.inner
            .desk
            .platform(async |token| self.session(token).await)
            .await
    }

    fn subscribe(&self) -> broadcast::Receiver<Poke> {
        self.inner.desk.subscribe()
    }
}
