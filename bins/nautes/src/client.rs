//! The API as the commands call it.

use std::path::Path;
use std::time::Duration;

use nautes_api::error::Envelope;
use nautes_api::wire::{ApplyReply, ApplyRequest, Items, Message};
use nautes_model::Secret;
use reqwest::{Certificate, Method, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::exit::{Exit, Failure};
use crate::settings::{Connection, Settings};

/// A connection to the API.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    server: Url,
    token: Option<Secret>,
    /// Where the token comes from, for people.
    origin: String,
}

impl Client {
    /// Makes a client as the settings say, and fetches the token; nothing is sent yet.
    ///
    /// # Errors
    /// No server or token is set, the token cannot be fetched, or the certificates cannot be read.
    pub async fn connect(settings: &Settings) -> Result<Self, Failure> {
        let connection = settings.connection()?;
        let source = connection.source.as_ref().ok_or_else(|| {
            let failure = Failure::usage(format!("no token is set for {}", connection.server));
            match &connection.context {
                Some(name) => failure.hint(format!("nautes login --context {name}")),
                None => failure.hint(format!("nautes login {}", connection.server)),
            }
            .hint("or set NAUTES_TOKEN or --token-file; the token is one of the forge's")
        })?;
        let token = source.token(&connection.server).await?;
        let made = Self::new(&connection, settings.request_timeout)?;
        Ok(made.with(token, source.origin()))
    }

    /// Makes a client without a token, for what everybody may ask.
    ///
    /// # Errors
    /// The certificates cannot be read.
    pub fn new(connection: &Connection, timeout: Duration) -> Result<Self, Failure> {
        crate::tls();
        let mut http = reqwest::Client::builder()
            .timeout(timeout)
            .connect_timeout(Duration::from_secs(10))
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("nautes/", env!("CARGO_PKG_VERSION")));
        if let Some(file) = &connection.ca_file {
            for certificate in certificates(file)? {
                http = http.add_root_certificate(certificate);
            }
        }
        let http = http
            .build()
            .map_err(|e| Failure::new(Exit::Internal, format!("no HTTP client: {e}")))?;
        Ok(Self {
            http,
            server: connection.server.clone(),
            token: None,
            origin: String::new(),
        })
    }

    /// Gives a client a token; `origin` says for people where it comes from.
    #[must_use]
    pub fn with(mut self, token: Secret, origin: String) -> Self {
        self.token = Some(token);
        self.origin = origin;
        self
    }

    /// Returns the address of the API.
    #[must_use]
    pub const fn server(&self) -> &Url {
        &self.server
    }

    /// Says for people where the token comes from.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Applies or removes manifests.
    ///
    /// # Errors
    /// The API refuses, with every finding, or does not answer.
    pub async fn write(
        &self,
        what: &str,
        request: &ApplyRequest,
        query: &[(&str, bool)],
    ) -> Result<ApplyReply, Failure> {
        let query: Vec<(&str, String)> = query.iter().map(|(k, v)| (*k, v.to_string())).collect();
        self.call(Method::POST, &format!("api/v1/{what}"), &query, Some(request))
            .await
    }

    /// Lists resources of a kind.
    ///
    /// # Errors
    /// The API refuses or does not answer.
    pub async fn list(&self, path: &str, selector: Option<&str>) -> Result<Items, Failure> {
        let query: Vec<(&str, String)> = selector
            .map(|s| ("field_selector", s.to_owned()))
            .into_iter()
            .collect();
        self.read(path, &query).await
    }

    /// Reads anything, with a query.
    ///
    /// # Errors
    /// The API refuses or does not answer.
    pub async fn read<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<T, Failure> {
        self.call::<(), _>(Method::GET, path, query, None).await
    }

    /// Reads anything.
    ///
    /// # Errors
    /// The API refuses or does not answer.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.call::<(), _>(Method::GET, path, &[], None).await
    }

    /// Deletes one resource.
    ///
    /// # Errors
    /// The API refuses or does not answer.
    pub async fn delete(&self, path: &str, query: &[(&str, bool)]) -> Result<Message, Failure> {
        let query: Vec<(&str, String)> = query.iter().map(|(k, v)| (*k, v.to_string())).collect();
        self.call::<(), _>(Method::DELETE, path, &query, None).await
    }

    async fn call<B: Serialize, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<&B>,
    ) -> Result<T, Failure> {
        let url = self
            .server
            .join(path)
            .map_err(|e| Failure::usage(format!("{path}: {e}")))?;
        let mut request = self.http.request(method, url).query(query);
        if let Some(token) = &self.token {
            let token = token
                .expose_str()
                .map_err(|_| Failure::usage("the token is not text"))?;
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|e| self.unreachable(&e))?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(|e| self.unreachable(&e))?;
        if status.is_success() {
            return serde_json::from_slice(&bytes).map_err(|e| {
                Failure::new(
                    Exit::Internal,
                    format!("the answer of {} cannot be read: {e}", self.server),
                )
                .hint("compare the versions: nautes version")
            });
        }
        let failure = refused(status, &bytes);
        Err(if status == StatusCode::UNAUTHORIZED {
            self.unknown(failure)
        } else {
            failure
        })
    }

    /// What the server says of headers is of no use to somebody at a command line.
    fn unknown(&self, mut failure: Failure) -> Failure {
        failure.hints.clear();
        if self.token.is_none() {
            return failure;
        }
        failure
            .hint(format!("the token: {}", self.origin))
            .hint(format!("log in with another: nautes login {}", self.server))
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let mut text = String::new();
        let mut source: Option<&dyn std::error::Error> = std::error::Error::source(error);
        while let Some(error) = source {
            text = format!(": {error}");
            source = error.source();
        }
        let what = if error.is_timeout() {
            "did not answer in time"
        } else {
            "cannot be reached"
        };
        Failure::new(Exit::Unavailable, format!("{} {what}{text}", self.server))
            .hint("is the address right, and the server up? NAUTES_SERVER or --server says where it is")
    }
}

fn certificates(file: &Path) -> Result<Vec<Certificate>, Failure> {
    let pem = std::fs::read(file).map_err(|e| Failure::usage(format!("{}: {e}", file.display())))?;
    Certificate::from_pem_bundle(&pem)
        .map_err(|_| Failure::usage(format!("{}: no certificates", file.display())))
}

fn refused(status: StatusCode, body: &[u8]) -> Failure {
    let envelope: Option<Envelope> = serde_json::from_slice(body).ok();
    let findings = envelope.as_ref().map(|e| e.findings.clone()).unwrap_or_default();
    let exit = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Exit::Denied,
        StatusCode::NOT_FOUND => Exit::NotFound,
        StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED if findings.is_empty() => Exit::Conflict,
        StatusCode::CONFLICT => Exit::Conflict,
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Exit::Unavailable,
        s if s.is_client_error() => Exit::Findings,
        _ => Exit::Internal,
    };
    let message = envelope
        .as_ref()
        .map_or_else(|| format!("the server answers {status}"), |e| e.message.clone());
    let mut failure = Failure::new(exit, message);
    if let Some(hint) = envelope.as_ref().and_then(|e| e.metadata.get("hint")) {
        failure = failure.hint(hint.clone());
    }
    failure.findings = findings;
    failure
}

/// Reads a JSON value at a dotted path as text, for tables.
#[must_use]
pub fn text_at(value: &Value, path: &str) -> String {
    let mut at = value;
    for part in path.split('.') {
        match at.get(part) {
            Some(next) => at = next,
            None => return String::new(),
        }
    }
    match at {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items
            .iter()
            .map(|i| i.as_str().map_or_else(|| i.to_string(), str::to_owned))
            .collect::<Vec<_>>()
            .join(","),
        other => other.to_string(),
    }
}
