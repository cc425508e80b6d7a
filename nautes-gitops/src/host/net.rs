//! Talking HTTP to one forge: where it may go, how long it may take, what is tried again.
//!
//! # Guarantees
//! * A client is bound to one origin: a request elsewhere is refused before a credential is added to it, and no
//!   redirect is followed.
//! * Names that lead to link-local addresses, to the metadata services of clouds, or (unless allowed) to this machine
//!   are not connected to, whatever resolves them.
//! * Every request has a deadline, every answer a largest size.
//! * Only what may be done twice is sent twice; anything else only if it was never sent, or was refused because of a
//!   rate limit.
//! * A credential is in one header of one request, and in no error, log or `Debug` output.

mod address;
mod fault;
mod guard;
mod options;
mod retry;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use nautes_model::Secret;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, Method, Response, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use url::Url;
use zeroize::Zeroizing;

pub(crate) use address::Address;
pub(crate) use fault::Fault;
pub use options::NetOptions;
pub(crate) use retry::{Gate, pause};

use super::HostError;
use retry::{Next, next};

/// The longest answer that is read when a request was refused, in bytes.
const REFUSAL_BYTES: u64 = 64 << 10;

/// A client for one forge. Callers share it; each request brings its own credential.
pub(crate) struct Net {
    address: Address,
    options: NetOptions,
    client: Client,
    slots: Semaphore,
}

/// How a request says who sends it.
#[derive(Clone, Debug)]
pub(crate) enum Auth<'a> {
    /// A bearer token, for APIs.
    Bearer(&'a Secret),
    /// A user name and a token as the password, for Git.
    Basic(&'a str, &'a Secret),
}

/// One request.
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) auth: Auth<'a>,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) body: Option<Bytes>,
    /// Whether doing it twice is as good as doing it once.
    pub(crate) repeatable: bool,
    /// Whether the content of the answer is left to be read by the caller.
    pub(crate) streams: bool,
    /// The largest answer, in bytes; of one that streams the caller takes care.
    pub(crate) limit: u64,
    /// How long the call may take with all attempts, to the end of the answer (of one that streams: to its beginning).
    pub(crate) total: Duration,
    /// How long one attempt may take.
    pub(crate) attempt: Duration,
}

/// A body may hold a secret, so it does not show.
impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("method", &self.method)
            .field("path", &self.url.path())
            .finish_non_exhaustive()
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) content: Content,
    /// Whether an earlier attempt may have been carried out already.
    pub(crate) again: bool,
}

/// The content of an answer.
pub(crate) enum Content {
    /// All of it.
    Whole(Bytes),
    /// What is still to be read.
    Stream(Box<Response>),
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::Stream(_) => f.write_str("a stream"),
        }
    }
}

impl Reply {
    /// Returns the content, which is empty where it streams.
    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.content {
            Content::Whole(bytes) => bytes,
            Content::Stream(_) => &[],
        }
    }

    /// Returns a header that is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Net")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Net {
    /// Prepares a client for the forge at `url`.
    pub(crate) fn new(url: &str, options: NetOptions) -> Result<Self, HostError> {
        let address = Address::parse(url, &options)?;
        let client = client(&options)?;
        Ok(Self {
            address,
            slots: Semaphore::new(options.at_once.max(1)),
            options,
            client,
        })
    }

    pub(crate) const fn address(&self) -> &Address {
        &self.address
    }

    pub(crate) const fn options(&self) -> &NetOptions {
        &self.options
    }

    /// Makes a call, again where that may be done and may help.
    ///
    /// # Errors
    /// There was no answer that can be used. Statuses other than 2xx are answers.
    pub(crate) async fn call(&self, gate: &Gate, call: &Call<'_>) -> Result<Reply, Fault> {
        self.address.owns(&call.url)?;
        let deadline = Instant::now() + call.total;
        let mut again = false;
        let mut attempts = 0;
        loop {
            attempts += 1;
            gate.open(deadline).await?;
            let result = self.attempt(call, deadline).await;
            let left = deadline.saturating_duration_since(Instant::now());
            let more = attempts < self.options.attempts.max(1);
            match next(call.repeatable, attempts, more, left, &result) {
                Next::Done => {
                    return result.map(|reply| Reply { again, ..reply });
                }
                Next::Limited { after, wait } => {
                    gate.close(after);
                    if !wait {
                        return Err(Fault::Limited { after });
                    }
                }
                Next::Again { after, carried_out } => {
                    again |= carried_out;
                    tracing::debug!(method = %call.method, path = call.url.path(), attempts, "trying a request again");
                    pause(after).await;
                }
            }
        }
    }

    async fn attempt(&self, call: &Call<'_>, deadline: Instant) -> Result<Reply, Fault> {
        let end = deadline.min(Instant::now() + call.attempt);
        let work = async {
            let _slot = self.slots.acquire().await;
            let mut request = self.client.request(call.method.clone(), call.url.clone());
            request = request.header(AUTHORIZATION, authorization(&call.auth)?);
            for (name, value) in &call.headers {
                request = request.header(*name, *value);
            }
            if let Some(body) = &call.body {
                request = request.body(body.clone());
            }
            let response = request.send().await.map_err(Fault::sending)?;
            if response.status().is_redirection() {
                return Err(Fault::redirect(response.status(), response.headers()));
            }
            let (status, headers) = (response.status(), response.headers().clone());
            let content = if call.streams && status.is_success() {
                Content::Stream(Box::new(response))
            } else {
                let limit = if status.is_success() {
                    call.limit
                } else {
                    REFUSAL_BYTES.min(call.limit)
                };
                Content::Whole(whole(response, limit).await?)
            };
            Ok(Reply {
                status,
                headers,
                content,
                again: false,
            })
        };
        timeout_at(end, work).await.unwrap_or(Err(Fault::Late))
    }

    /// Returns the next part of a content that streams, `None` at its end.
    pub(crate) async fn part(
        &self,
        response: &mut Response,
        deadline: Instant,
    ) -> Result<Option<Bytes>, Fault> {
        let left = deadline.saturating_duration_since(Instant::now());
        match timeout(self.options.idle.min(left), response.chunk()).await {
            Ok(part) => part.map_err(Fault::reading),
            Err(_) => Err(Fault::Late),
        }
    }
}

async fn whole(mut response: Response, limit: u64) -> Result<Bytes, Fault> {
    let too_large = || Fault::TooLarge { limit };
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut bytes = BytesMut::new();
    while let Some(part) = response.chunk().await.map_err(Fault::reading)? {
        if (bytes.len() + part.len()) as u64 > limit {
            return Err(too_large());
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes.freeze())
}

fn authorization(auth: &Auth<'_>) -> Result<HeaderValue, Fault> {
    let text = match auth {
        Auth::Bearer(token) => Zeroizing::new([b"Bearer ", token.expose()].concat()),
        Auth::Basic(user, token) => {
            let pair = Zeroizing::new([user.as_bytes(), b":", token.expose()].concat());
            Zeroizing::new([b"Basic ", STANDARD.encode(&*pair).as_bytes()].concat())
        }
    };
    // What cannot be in a header is no token of anybody.
    let mut value = HeaderValue::from_bytes(&text).map_err(|_| Fault::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

fn client(options: &NetOptions) -> Result<Client, HostError> {
    let failed = |error: reqwest::Error| HostError::internal("preparing to talk to the forge", error);
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Somebody else may be faster; then his is taken.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    let mut builder = Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(options.connect)
        .user_agent(concat!("nautes/", env!("CARGO_PKG_VERSION")))
        .dns_resolver(Arc::new(guard::Guard::new(options)?));
    if let Some(proxy) = &options.proxy {
        let wrong = |_| HostError::invalid("the proxy", "its address cannot be read");
        builder = builder.proxy(reqwest::Proxy::all(proxy.as_str()).map_err(wrong)?);
    }
    if let Some(bundle) = &options.ca_bundle {
        let wrong = || {
            HostError::invalid(
                "the CA bundle",
                "it holds no certificate in PEM form that can be read",
            )
        };
        let certificates = reqwest::Certificate::from_pem_bundle(bundle).map_err(|_| wrong())?;
        if certificates.is_empty() {
            return Err(wrong());
        }
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(failed)
}

#[cfg(test)]
mod tests;
