//! Talking to a proxy: HTTP with JSON, over TLS with a certificate on both sides.

use std::time::Duration;

use nautes_model::Secret;
use reqwest::{Certificate, Identity, Method, StatusCode, redirect};
use serde_json::Value;
use tokio::time::interval;
use url::Url;

use crate::StoreError;

/// How often a request is sent that was not received.
const ATTEMPTS: usize = 4;
/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(200);

/// How to reach a proxy, and who Nautes is there.
#[derive(Clone, Debug)]
pub struct ProxySettings {
    /// The address, for example `https://vault.example.org:8000`.
    pub address: Url,
    /// The client certificate chain, PEM. The common name is the user to whom the proxy's access lists apply.
    pub certificate: Vec<u8>,
    /// Its private key, PEM.
    pub key: Secret,
    /// Certificates, as PEM, to trust instead of those of the system.
    pub ca_bundle: Option<Vec<u8>>,
    /// How long one request may take.
    pub timeout: Duration,
}

/// Why a proxy did not do what was asked. It holds nothing of what was sent, which proxies quote.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("the proxy does not know the client certificate")]
    Unknown,
    #[error("the access lists of the proxy do not allow it")]
    Denied,
    #[error("the proxy finds nothing there")]
    Absent,
    #[error("the proxy answered {0}")]
    Answered(StatusCode),
    #[error("no connection: {0}")]
    NoConnection(String),
    #[error("no answer: {0}")]
    NoAnswer(String),
}

/// The way to a proxy.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    base: String,
    label: String,
}

impl Client {
    pub(super) fn new(settings: &ProxySettings) -> Result<Self, StoreError> {
        let bad = |setting, reason: &str| StoreError::BadSetting {
            setting,
            reason: reason.to_owned(),
        };
        let address = &settings.address;
        if address.scheme() != "https" || address.host().is_none() {
            return Err(bad(
                "vault-proxy-address",
                "it does not begin with https://: the proxy knows its users by their certificates",
            ));
        }
        if !address.username().is_empty()
            || address.password().is_some()
            || !matches!(address.path(), "" | "/")
        {
            return Err(bad(
                "vault-proxy-address",
                "only scheme, host and port belong to it",
            ));
        }
        let mut pem = settings.certificate.clone();
        pem.push(b'\n');
        pem.extend_from_slice(settings.key.expose());
        let _ = rustls::crypto::ring::default_provider().install_default();
        let identity = Identity::from_pem(&pem).map_err(|_| {
            bad(
                "vault-proxy-cert-file",
                "it and vault-proxy-key-file are no certificate and key (PEM)",
            )
        })?;
        let mut builder = reqwest::Client::builder()
            .identity(identity)
            .no_proxy()
            .redirect(redirect::Policy::none())
            .timeout(settings.timeout);
        if let Some(bundle) = &settings.ca_bundle {
            let trusted = Certificate::from_pem_bundle(bundle)
                .map_err(|_| bad("vault-proxy-ca-file", "it holds no certificates (PEM)"))?;
            builder = builder.tls_certs_only(trusted);
        }
        let origin = address.origin().ascii_serialization();
        Ok(Self {
            http: builder.build().map_err(|_| {
                bad(
                    "vault-proxy-cert-file",
                    "the certificate does not fit the key, or cannot be used",
                )
            })?,
            base: format!("{origin}/v1/"),
            label: format!("vault-proxy at {origin}"),
        })
    }

    pub(super) async fn post(&self, route: &str, body: &Value) -> Result<Value, Fault> {
        self.send(Method::POST, route, &[], Some(body)).await
    }

    pub(super) async fn delete(&self, route: &str, query: &[(String, String)]) -> Result<Value, Fault> {
        self.send(Method::DELETE, route, query, None).await
    }

    async fn send(
        &self,
        method: Method,
        route: &str,
        query: &[(String, String)],
        body: Option<&Value>,
    ) -> Result<Value, Fault> {
        let mut pause = interval(PAUSE);
        let mut outcome = Err(Fault::NoConnection(String::new()));
        for _ in 0..ATTEMPTS {
            pause.tick().await;
            let mut request = self
                .http
                .request(method.clone(), format!("{}{route}", self.base))
                .query(query);
            if let Some(body) = body {
                request = request.json(body);
            }
            outcome = answered(request.send().await).await;
            // Only what was surely not executed is sent again.
            if !matches!(outcome, Err(Fault::NoConnection(_))) {
                break;
            }
        }
        outcome
    }

    /// Says what a fault means for who wanted to do `action`.
    pub(super) fn error(&self, action: String, fault: Fault) -> StoreError {
        match fault {
            Fault::Denied => StoreError::Refused {
                action,
                store: self.label.clone(),
            },
            Fault::Unknown => StoreError::NoLogin {
                store: self.label.clone(),
                method: "client certificate",
                source: fault.into(),
            },
            fault => StoreError::Unreachable {
                action: format!("{action} by {}", self.label),
                source: fault.into(),
            },
        }
    }
}

async fn answered(sent: reqwest::Result<reqwest::Response>) -> Result<Value, Fault> {
    let answer = sent.map_err(|error| {
        let connect = error.is_connect();
        let mut text = error.without_url().to_string();
        if connect {
            text.push_str(" (certificates and address of the proxy?)");
            Fault::NoConnection(text)
        } else {
            Fault::NoAnswer(text)
        }
    })?;
    match answer.status() {
        status if status.is_success() => {
            let read = answer.json().await;
            read.map_err(|error: reqwest::Error| Fault::NoAnswer(error.without_url().to_string()))
        }
        StatusCode::UNAUTHORIZED => Err(Fault::Unknown),
        StatusCode::FORBIDDEN => Err(Fault::Denied),
        StatusCode::NOT_FOUND => Err(Fault::Absent),
        status => Err(Fault::Answered(status)),
    }
}
