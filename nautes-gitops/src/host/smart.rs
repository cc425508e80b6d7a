//! Git's smart HTTP, as a client: listing references, fetching and pushing.
//!
//! libgit2's own network code brings OpenSSL, follows redirects with credentials and has no deadlines, so the protocol
//! is spoken here: version 2 to read, `receive-pack` to write. Packs are read and written by libgit2.
//!
//! # Guarantees
//! * A push names the commit at which the branch has to be; the server compares and moves under its lock.
//! * What becomes of a push whose answer is lost is looked up, not guessed.
//! * A fetch that breaks off leaves the mirror as it was. Dropping the future ends the transfer.

mod packet;
mod receive;
mod upload;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use reqwest::{Method, StatusCode};
use tokio::time::{Duration, Instant};
use url::Url;

use super::HostError;
use super::net::{Auth, Call, Content, Fault, Gate, Net, Reply};

/// What a transfer has done so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The repository, `group/name`.
    pub repo: String,
    /// Bytes of the pack so far.
    pub bytes: u64,
    /// What the server says about it.
    pub message: Option<String>,
}

/// Is told how transfers go on.
pub type Watcher = Arc<dyn Fn(&Progress) + Send + Sync>;

/// A repository on a server, and how one caller gets at it.
pub(crate) struct Remote<'a> {
    pub(crate) net: &'a Net,
    pub(crate) gate: &'a Gate,
    /// The address of the repository, without a slash at its end.
    pub(crate) url: Url,
    pub(crate) auth: Auth<'a>,
    /// The forge, the caller and the repository, in messages.
    pub(crate) host: &'a str,
    pub(crate) user: &'a str,
    pub(crate) repo: String,
    pub(crate) watcher: Option<&'a Watcher>,
}

impl fmt::Debug for Remote<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote")
            .field("url", &self.url.as_str())
            .finish_non_exhaustive()
    }
}

/// One request of the protocol.
struct Ask {
    /// Where, below the repository.
    at: &'static [&'static str],
    query: Option<&'static str>,
    /// The media type of the body; without one it is a `GET`.
    body: Option<(&'static str, Bytes)>,
    headers: Vec<(&'static str, &'static str)>,
    repeatable: bool,
    streams: bool,
    total: Duration,
}

impl Remote<'_> {
    /// What is read from it, as messages say it.
    fn what(&self) -> String {
        format!("repository {}", self.repo)
    }

    fn fault(&self, action: &str, fault: Fault) -> HostError {
        fault.of(self.host, format!("{action} {}", self.what()))
    }

    fn strange(&self, action: &str, why: impl Into<String>) -> HostError {
        self.fault(action, Fault::Strange(why.into()))
    }

    fn tell(&self, bytes: u64, message: Option<String>) {
        if let Some(watcher) = self.watcher {
            watcher(&Progress {
                repo: self.repo.clone(),
                bytes,
                message,
            });
        }
    }

    async fn ask(&self, ask: Ask) -> Result<Reply, Fault> {
        let mut url = self.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend(ask.at);
        }
        url.set_query(ask.query);
        let mut headers = ask.headers;
        let (method, body) = match ask.body {
            Some((kind, body)) => {
                headers.push(("content-type", kind));
                (Method::POST, Some(body))
            }
            None => (Method::GET, None),
        };
        let call = Call {
            method,
            url,
            auth: self.auth.clone(),
            headers,
            body,
            repeatable: ask.repeatable,
            streams: ask.streams,
            limit: self.net.options().refs_bytes,
            total: ask.total,
            attempt: ask.total,
        };
        self.net.call(self.gate, &call).await
    }

    /// Makes an error of a status that is none of success.
    fn check(&self, action: &str, reply: Reply) -> Result<Reply, HostError> {
        let said = || {
            let text = String::from_utf8_lossy(reply.bytes());
            text.lines()
                .next()
                .unwrap_or_default()
                .chars()
                .take(200)
                .collect::<String>()
        };
        match reply.status {
            status if status.is_success() => Ok(reply),
            StatusCode::UNAUTHORIZED => Err(HostError::Unauthenticated {
                host: self.host.to_owned(),
            }),
            StatusCode::FORBIDDEN => {
                tracing::debug!(repo = self.repo, said = said(), "Git was refused");
                Err(HostError::Forbidden {
                    user: self.user.to_owned(),
                    action: format!("{action} {}", self.what()),
                    needs: None,
                })
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(HostError::not_found(self.what())),
            StatusCode::PAYLOAD_TOO_LARGE => Err(HostError::invalid(
                self.what(),
                "the forge says that what is sent to it is too large",
            )),
            status => Err(self.fault(action, Fault::Status(status))),
        }
    }

    /// Returns the whole content, if it is of the right type.
    fn content(&self, action: &str, reply: Reply, kind: &str) -> Result<Content, HostError> {
        let reply = self.check(action, reply)?;
        let is = reply.header("content-type").unwrap_or_default();
        if is.split(';').next().map(str::trim) != Some(kind) {
            let why = "the server does not answer as a Git server; check the address";
            return Err(self.strange(action, why));
        }
        Ok(reply.content)
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.net.options().transfer
    }
}

/// How clients call themselves.
const AGENT: &str = concat!("agent=nautes/", env!("CARGO_PKG_VERSION"));
