//! Gitea, or its descendant Forgejo, as a forge, over the REST API (version 1) and Git's smart HTTP.
//!
//! # How Gitea shows through
//! * A group is an organisation. There are no groups within groups.
//! * Levels in a group are teams: `Owners`, and one for each other level, whose name begins with `nautes-`; they are made
//!   when the first member needs them. Teams that people make count by what they may do with the code of all repositories;
//!   one for some repositories only makes its members guests of the group.
//! * A repository has the levels reporter, developer and maintainer; neither guests nor owners of its own.
//! * Whether a repository that is not private is internal or public depends on its organisation alone.
//! * A deploy key is added to each repository by itself; its id here is that of the public key, which is the same
//!   everywhere. Changing whether it may push takes it away and adds it again: Gitea knows no other way, and where no other
//!   repository has the key, it has another id afterwards.
//! * Gitea has no place for a marker, so that it is kept in the description, in a comment at its end. The description of an
//!   organisation has room for 255 characters.
//! * There are no tokens of repositories.
//!
//! # Guarantees
//! Those of [`net`](super::net) and [`smart`](super::smart); a listing is complete or an error.

pub mod event;
mod extended;
#[cfg(feature = "fake-gitea")]
pub mod fake;
mod groups;
mod hooks;
mod keys;
mod members;
mod repositories;
mod session;
mod teams;
mod wire;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use nautes_model::Secret;
use tokio::sync::broadcast;

use super::net::{Net, NetOptions};
use super::rest::account::PlatformToken;
use super::rest::desk::Desk;
use super::rest::{Paging, Rest, failure, text};
use super::smart::Watcher;
use super::{GitHost, HostError, Poke, RepoPath, Session};

/// One caller.
type Api = super::rest::Api<Inner>;

/// What a Gitea is made of.
#[derive(Clone)]
pub struct Options {
    /// The name of the forge, as providers and messages name it.
    pub name: String,
    /// The address, `https://gitea.example.com`, without `/api/v1`.
    pub url: String,
    /// The token of the platform's own account.
    pub platform: PlatformToken,
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
            net: NetOptions::default(),
            watcher: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("name", &self.name)
            .field("net", &self.net)
            .finish_non_exhaustive()
    }
}

/// A Gitea. Cloning gives another handle on the same one.
#[derive(Clone, Debug)]
pub struct Gitea {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    net: Net,
    watcher: Option<Watcher>,
    desk: Desk,
    /// Where a deploy key was seen last, so that it is found again without looking everywhere. What is found is checked
    /// with the rights of who looks.
    keys: Mutex<BTreeMap<u64, RepoPath>>,
}

impl Rest for Inner {
    const ROOT: [&'static str; 2] = ["api", "v1"];
    const PAGING: Paging = Paging {
        size: "limit",
        most: 50,
        total: "x-total-count",
        next: None,
    };
    type User = wire::WireUser;

    fn name(&self) -> &str {
        &self.name
    }

    fn net(&self) -> &Net {
        &self.net
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("name", &self.name)
            .field("net", &self.net)
            .finish_non_exhaustive()
    }
}

impl Gitea {
    /// Prepares to talk to a Gitea. It is not asked yet.
    ///
    /// # Errors
    /// The address, the CA bundle or the proxy is none.
    pub fn new(options: Options) -> Result<Self, HostError> {
        let inner = Inner {
            net: Net::new(&options.url, options.net)?,
            name: options.name,
            watcher: options.watcher,
            desk: Desk::new(options.platform),
            keys: Mutex::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Returns the address of the forge.
    #[must_use]
    pub fn url(&self) -> &str {
        self.inner.net.address().text()
    }

    /// Tells those who have subscribed that a repository may have changed.
    pub fn announce(&self, poke: Poke) {
        self.inner.desk.announce(poke);
    }
}

#[async_trait]
impl GitHost for Gitea {
    fn name(&self) -> &str {
        &self.inner.name
    }

    fn provider_type(&self) -> &'static str {
        "gitea"
    }

    async fn session(&self, credential: &Secret) -> Result<Arc<dyn Session>, HostError> {
        let caller = Api::sign_in(Arc::clone(&self.inner), credential.clone()).await?;
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
