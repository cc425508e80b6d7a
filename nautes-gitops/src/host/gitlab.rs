//! GitLab as a forge, over its REST API (version 4) and Git's smart HTTP.
//!
//! # How GitLab shows through
//! * GitLab has no place for a marker, and forgets the default branch of a repository that is empty. Both are kept in
//!   the description, in a comment at its end that GitLab's pages do not show.
//! * [`Session::groups`] lists the groups that the caller is a member of, also through a project; of public groups of
//!   others there may be millions.
//! * GitLab deletes in the background, or only after some days. What is marked for deletion is gone for a session; its
//!   name may be taken until then.
//! * Who administers the whole GitLab may do everything, and is a member only where he was made one.
//! * Where GitLab does not show an address of a member, it is the one that GitLab uses for commits from its pages.
//!
//! # Guarantees
//! Those of [`net`](super::net) and [`smart`](super::smart); a listing is complete or an error.

mod delete;
pub mod event;
mod extended;
#[cfg(feature = "fake-gitlab")]
pub mod fake;
mod groups;
mod keys;
mod members;
mod projects;
mod session;
mod wire;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nautes_model::Secret;
use tokio::sync::broadcast;

use super::net::{Net, NetOptions};
use super::rest::account::PlatformToken;
use super::rest::desk::{Desk, read_files};
use super::rest::{Paging, Rest, failure, text};
use super::smart::Watcher;
use super::{GitHost, HostError, Poke, Session};

/// One caller.
type Api = super::rest::Api<Inner>;

/// Who may push to the default branch of repositories in groups that are created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protection {
    /// Developers, without rewriting or deleting it.
    #[default]
    Developers,
    /// Maintainers, without rewriting or deleting it.
    Maintainers,
    /// Developers, in every way.
    Nobody,
}

/// What a GitLab is made of.
#[derive(Clone)]
pub struct Options {
    /// The name of the forge, as providers and messages name it.
    pub name: String,
    /// The address, `https://gitlab.example.com`, without `/api/v4`.
    pub url: String,
    /// The token of the platform's own account.
    pub platform: PlatformToken,
    /// Who may push to default branches in groups that are created.
    pub protection: Protection,
    /// How long to wait until something that is deleted is gone.
    pub deletion: Duration,
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
            protection: Protection::default(),
            deletion: Duration::from_secs(30),
            net: NetOptions::default(),
            watcher: None,
        }
    }
}

impl Options {
    /// Takes the token, and certificates that are trusted besides those of the system, from files.
    ///
    /// # Errors
    /// A file cannot be read.
    pub async fn from_files(
        name: impl Into<String>,
        url: impl Into<String>,
        token: &Path,
        ca: Option<&Path>,
    ) -> Result<Self, HostError> {
        let (token, bundle) = read_files(token, ca).await?;
        let mut options = Self::new(name, url, token);
        options.net.ca_bundle = bundle;
        Ok(options)
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

/// A GitLab. Cloning gives another handle on the same one.
#[derive(Clone, Debug)]
pub struct Gitlab {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    protection: Protection,
    deletion: Duration,
    net: Net,
    watcher: Option<Watcher>,
    desk: Desk,
}

impl Rest for Inner {
    const ROOT: [&'static str; 2] = ["api", "v4"];
    const PAGING: Paging = Paging {
        size: "per_page",
        most: 100,
        total: "x-total",
        next: Some("x-next-page"),
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

impl Gitlab {
    /// Prepares to talk to a GitLab. It is not asked yet.
    ///
    /// # Errors
    /// The address, the CA bundle or the proxy is none.
    pub fn new(options: Options) -> Result<Self, HostError> {
        let Options {
            name,
            url,
            platform,
            protection,
            deletion,
            net,
            watcher,
        } = options;
        let inner = Inner {
            name,
            protection,
            deletion,
            net: Net::new(&url, net)?,
            watcher,
            desk: Desk::new(platform),
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
impl GitHost for Gitlab {
    fn name(&self) -> &str {
        &self.inner.name
    }

    fn provider_type(&self) -> &'static str {
        "gitlab"
    }

    async fn session(&self, credential: &Secret) -> Result<Arc<dyn Session>, HostError> {
        Ok(Arc::new(
            Api::sign_in(Arc::clone(&self.inner), credential.clone()).await?,
        ))
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
