//! The way to the server: one client, the login of Nautes, and requests that are repeated where that is safe.

mod session;

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt, TryStreamExt};
use reqwest::redirect;
use rustify::clients::reqwest::Client as HttpClient;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;
use vaultrs::api::EndpointMiddleware;
use vaultrs::client::{VaultClient, VaultClientSettings};
use vaultrs::error::ClientError;

use self::session::Session;
use super::fault::{Again, Fault};
use super::settings::{Pace, VaultSettings};
use crate::StoreError;

/// The longest pause between two attempts.
const PAUSE: Duration = Duration::from_secs(2);

/// How many requests of one operation are on the way at once.
const AT_ONCE: usize = 16;

/// What is known about a request before it is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    /// Whether executing it twice does the same as once.
    idempotent: bool,
    /// Whether what the server says about it may be shown.
    quote: bool,
}

impl Ask {
    /// A request that may be repeated, and has no secret in it.
    pub(super) const PLAIN: Self = Self {
        idempotent: true,
        quote: true,
    };
    /// A request that may be repeated, and has a secret in it.
    pub(super) const SECRET: Self = Self {
        idempotent: true,
        quote: false,
    };
    /// A request with a secret in it that must not be executed twice.
    pub(super) const ONCE: Self = Self {
        idempotent: false,
        quote: false,
    };
}

/// When something was seen last, by name.
#[derive(Default)]
pub(super) struct Seen(std::sync::Mutex<HashMap<String, Instant>>);

impl Seen {
    /// Notes that it was seen now.
    pub(super) fn note(&self, name: &str) {
        self.lock().insert(name.to_owned(), Instant::now());
    }

    /// Forgets it.
    pub(super) fn forget(&self, name: &str) {
        self.lock().remove(name);
    }

    /// Whether it was seen within this time.
    pub(super) fn within(&self, name: &str, time: Duration) -> bool {
        self.lock().get(name).is_some_and(|at| at.elapsed() < time)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way to one server.
pub(super) struct Link {
    pub(super) settings: VaultSettings,
    http: reqwest::Client,
    session: Mutex<Option<Arc<Session>>>,
    /// When the text of each policy was seen to be right.
    pub(super) right: Seen,
}

impl Link {
    /// Prepares the way; nothing is sent yet.
    pub(super) fn new(settings: VaultSettings) -> Result<Arc<Self>, StoreError> {
        settings.check()?;
        // The one provider of the whole platform. A program that installed it already keeps its own.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let bad = |setting, error: &reqwest::Error| StoreError::BadSetting {
            setting,
            reason: error.to_string(),
        };
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("nautes/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(settings.pace.connect)
            .timeout(settings.pace.request)
            // A redirect would take the token to wherever it points.
            .redirect(redirect::Policy::none())
            .no_proxy();
        if let Some(bundle) = &settings.ca_bundle {
            let certificates =
                reqwest::Certificate::from_pem_bundle(bundle).map_err(|error| bad("ca_bundle", &error))?;
            if certificates.is_empty() {
                return Err(StoreError::BadSetting {
                    setting: "ca_bundle",
                    reason: "it has no certificate".to_owned(),
                });
            }
            http = http.tls_certs_only(certificates);
        } else if settings.address.scheme() == "http" {
            http = http.tls_certs_only([]);
        }
        let http = http.build().map_err(|error| bad("address", &error))?;
        Ok(Arc::new(Self {
            settings,
            http,
            session: Mutex::new(None),
            right: Seen::default(),
        }))
    }

    /// Sends a request with the login of Nautes. It is sent again where that is safe, and after a new login where
    /// the token had ended.
    pub(super) async fn call<T, F, W>(self: &Arc<Self>, ask: Ask, work: F) -> Result<T, Fault>
    where
        F: Fn(Arc<VaultClient>) -> W + Send + Sync,
        W: Future<Output = Result<T, ClientError>> + Send,
        T: Send,
    {
        let whole = async {
            let mut tries = Tries::new(self);
            loop {
                match self.attempt(ask, &work).await {
                    Err(fault) if tries.another(ask, &fault).await => {}
                    outcome => return outcome,
                }
            }
        };
        timeout(self.settings.pace.operation, whole)
            .await
            .unwrap_or_else(|_| Err(Fault::NoAnswer("the time for this operation is over".to_owned())))
    }

    /// Asks what everybody may ask: without a token, in the root namespace, once.
    pub(super) async fn unauthenticated<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<T, Fault> {
        let address = self.settings.address.as_str().trim_end_matches('/');
        let sent = self.http.get(format!("{address}/v1/{path}")).send();
        let answer = sent.await.map_err(|error| Fault::transport(&error))?;
        let status = answer.status();
        if !status.is_success() {
            return Err(Fault::Refused(status.as_u16(), String::new()));
        }
        let answer = answer.json().await;
        answer.map_err(|_| Fault::Strange("it is not the expected JSON".to_owned()))
    }

    /// Says what failed as an error of the store.
    pub(super) fn error(&self, action: impl Into<String>, fault: Fault) -> StoreError {
        let (action, store) = (action.into(), self.settings.label());
        match fault {
            Fault::Sealed => StoreError::Sealed { action, store },
            Fault::Standby => StoreError::Standby { action, store },
            Fault::Throttled => StoreError::Throttled { action, store },
            Fault::Denied => StoreError::Refused { action, store },
            Fault::Login(_) => StoreError::NoLogin {
                store,
                method: self.settings.login.method(),
                source: fault.into(),
            },
            fault => StoreError::Unreachable {
                action: format!("{action} in {store}"),
                source: fault.into(),
            },
        }
    }

    /// Makes a client of the library for one token. Its own settings are not used: they would be read from the
    /// environment, and its transport would follow redirects.
    fn client(&self, token: &str) -> Arc<VaultClient> {
        let settings = &self.settings;
        Arc::new(VaultClient {
            http: HttpClient::new(settings.address.as_str(), self.http.clone()),
            middle: EndpointMiddleware {
                token: token.to_owned(),
                version: "v1".to_owned(),
                wrap: None,
                namespace: settings.namespace.clone(),
            },
            settings: VaultClientSettings {
                address: settings.address.clone(),
                ca_certs: Vec::new(),
                identity: None,
                timeout: None,
                token: String::new(),
                verify: true,
                version: 1,
                wrapping: false,
                namespace: settings.namespace.clone(),
                proxy: None,
            },
        })
    }

    async fn attempt<T, F, W>(self: &Arc<Self>, ask: Ask, work: &F) -> Result<T, Fault>
    where
        F: Fn(Arc<VaultClient>) -> W + Send + Sync,
        W: Future<Output = Result<T, ClientError>> + Send,
        T: Send,
    {
        let session = self.session().await?;
        match once(ask, work(Arc::clone(&session.client))).await {
            Err(Fault::Denied) if self.is_over(&session).await? => {
                let session = self.replace(&session).await?;
                once(ask, work(Arc::clone(&session.client))).await
            }
            outcome => outcome,
        }
    }
}

/// The attempts at one request.
struct Tries {
    pace: Pace,
    attempt: u32,
    pause: Duration,
}

impl Tries {
    const fn new(link: &Link) -> Self {
        let pace = link.settings.pace;
        Self {
            pace,
            attempt: 1,
            pause: pace.pause,
        }
    }

    /// Whether to try again after a fault: waits before it says so.
    async fn another(&mut self, ask: Ask, fault: &Fault) -> bool {
        let again = match fault.again() {
            Again::Yes => true,
            Again::IfIdempotent => ask.idempotent,
            Again::No => false,
        };
        if !again || self.attempt >= self.pace.attempts {
            return false;
        }
        tracing::debug!(attempt = self.attempt, %fault, "a request to the secret store is sent again");
        // Between half and the whole of it, so that many who failed together do not come together again.
        let wait = self.pause.mul_f64(rand::random_range(0.5..1.0));
        let _ = timeout(wait, std::future::pending::<()>()).await;
        self.pause = (self.pause * 2).min(PAUSE);
        self.attempt += 1;
        true
    }
}

/// Does something for each item, several at once, and ends at the first error. The order of the results is any.
pub(super) fn each<'a, X, T, E>(
    items: impl IntoIterator<Item = X>,
    work: impl Fn(X) -> BoxFuture<'a, Result<T, E>> + Send + 'a,
) -> BoxFuture<'a, Result<Vec<T>, E>>
where
    X: Send + 'a,
    T: Send + 'a,
    E: Send + 'a,
{
    let items: Vec<X> = items.into_iter().collect();
    stream::iter(items)
        .map(work)
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .boxed()
}

/// Runs one request. The libraries below log what they send and get, some of it with whole bodies: nothing of
/// that is wanted in any log, so they run without one.
async fn once<T>(ask: Ask, work: impl Future<Output = Result<T, ClientError>> + Send) -> Result<T, Fault> {
    work.with_subscriber(NoSubscriber::default())
        .await
        .map_err(|error| Fault::of(&error, ask.quote))
}
