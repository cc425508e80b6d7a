//! The API as the commands call it.

pub mod events;
pub mod told;

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
use crate::output;
use crate::settings::{Connection, Settings};

/// How long a write that was held up waits before it is sent again.
const PAUSES: [Duration; 6] = [
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(8),
];
/// How often a write is sent again whose server, or what is behind it, is away. One that is only too busy is asked more
/// often.
const FEW: usize = 3;
/// A server that asks for a longer pause is not waited for.
const LONGEST: Duration = Duration::from_secs(15);

/// How long a stream of events may last; the server ends it long before.
const FOREVER: Duration = Duration::from_secs(7 * 24 * 3600);

/// What may be wrong where something answers that is no API of Nautes.
const NO_API: &str = "is it the address of the API? a proxy in between may answer as well";

/// A request.
struct Ask<'a, B> {
    method: Method,
    path: &'a str,
    query: &'a [(&'a str, String)],
    body: Option<&'a B>,
    /// The key under which it is done once.
    key: Option<&'a str>,
    /// The id of the last event that was read.
    last: Option<&'a str>,
    /// Whether the answer is a stream of events, which lasts.
    is_stream: bool,
}

impl<'a, B> Ask<'a, B> {
    const fn new(method: Method, path: &'a str) -> Self {
        Self {
            method,
            path,
            query: &[],
            body: None,
            key: None,
            last: None,
            is_stream: false,
        }
    }
}

/// Why there is no answer.
struct Refusal {
    failure: Failure,
    /// After which time the same request may be answered; `None` where it will not be.
    again: Option<Duration>,
    /// Whether the server is only too busy, so that nothing was begun.
    is_busy: bool,
}

impl Refusal {
    const fn at_last(failure: Failure) -> Self {
        Self {
            failure,
            again: None,
            is_busy: false,
        }
    }
}

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

    /// Applies or removes manifests. What a busy server or a broken connection has held up is sent again a few times,
    /// under one key: it is done once, whatever has become of the first try.
    ///
    /// # Errors
    /// The API refuses, with every finding, or does not answer.
    pub async fn write(
        &self,
        what: &str,
        request: &ApplyRequest,
        query: &[(&str, String)],
    ) -> Result<ApplyReply, Failure> {
        let key = uuid::Uuid::new_v4().to_string();
        let path = format!("api/v1/{what}");
        let mut tries = 0;
        loop {
            let ask = Ask {
                query,
                body: Some(request),
                key: Some(&key),
                ..Ask::new(Method::POST, &path)
            };
            let refusal = match self.ask(&ask).await {
                Ok(reply) => return Ok(reply),
                Err(refusal) => refusal,
            };
            let most = if refusal.is_busy { PAUSES.len() } else { FEW };
            let pause = PAUSES.get(tries).filter(|_| tries < most);
            let Some((pause, asked_for)) = pause.copied().zip(refusal.again) else {
                return Err(refusal.failure);
            };
            tries += 1;
            let pause = pause.max(asked_for);
            if pause > LONGEST {
                let hint = format!("the server asks to come back in {} s", pause.as_secs());
                return Err(refusal.failure.hint(hint));
            }
            output::say(&format!("{}; trying again", refusal.failure.message));
            #[expect(clippy::disallowed_methods, reason = "the server is given time")]
            tokio::time::sleep(pause).await;
        }
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

    /// Reads anything, with the revision that it was read from, if the API says it.
    ///
    /// # Errors
    /// The API refuses or does not answer.
    pub async fn read_at<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<(T, Option<String>), Failure> {
        let ask = Ask {
            query,
            ..Ask::new(Method::GET, path)
        };
        let response = self.open(&ask).await?;
        let tag = response.headers().get("ETag").and_then(|tag| tag.to_str().ok());
        let revision = tag.map(|tag| tag.trim_matches('"').to_owned());
        let bytes = response.bytes().await.map_err(|e| self.unreachable(&e).failure)?;
        let said = serde_json::from_slice(&bytes).map_err(|e| self.not_understood(path, &bytes, &e))?;
        Ok((said, revision))
    }

    /// Reads anything.
    ///
    /// # Errors
    /// The API refuses or does not answer.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.call::<(), _>(Method::GET, path, &[], None).await
    }

    /// Reads a text, such as a drawing.
    ///
    /// # Errors
    /// The API refuses or does not answer.
    pub async fn text(&self, path: &str, query: &[(&str, String)]) -> Result<String, Failure> {
        let ask = Ask {
            query,
            ..Ask::new(Method::GET, path)
        };
        let response = self.open(&ask).await?;
        response.text().await.map_err(|e| self.unreachable(&e).failure)
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
        let ask = Ask {
            query,
            body,
            ..Ask::new(method, path)
        };
        self.ask(&ask).await.map_err(|refusal| refusal.failure)
    }

    async fn ask<B: Serialize, T: DeserializeOwned>(&self, ask: &Ask<'_, B>) -> Result<T, Refusal> {
        let response = self.send(ask).await?;
        let (status, after) = (response.status(), retry_after(&response));
        let bytes = response.bytes().await.map_err(|e| self.unreachable(&e))?;
        if status.is_success() {
            return serde_json::from_slice(&bytes)
                .map_err(|e| Refusal::at_last(self.not_understood(ask.path, &bytes, &e)));
        }
        Err(self.refused(status, after, &bytes))
    }

    /// Opens an answer that has no end of its own.
    async fn open(&self, ask: &Ask<'_, ()>) -> Result<reqwest::Response, Failure> {
        let response = self.send(ask).await.map_err(|refusal| refusal.failure)?;
        let (status, after) = (response.status(), retry_after(&response));
        if status.is_success() {
            return Ok(response);
        }
        let bytes = response.bytes().await.map_err(|e| self.unreachable(&e).failure)?;
        Err(self.refused(status, after, &bytes).failure)
    }

    /// Sends a request and returns the head of the answer.
    async fn send<B: Serialize>(&self, ask: &Ask<'_, B>) -> Result<reqwest::Response, Refusal> {
        let url = self
            .server
            .join(ask.path)
            .map_err(|e| Refusal::at_last(Failure::usage(format!("{}: {e}", ask.path))))?;
        let mut request = self.http.request(ask.method.clone(), url).query(ask.query);
        if let Some(token) = &self.token {
            let token = token
                .expose_str()
                .map_err(|_| Refusal::at_last(Failure::usage("the token is not text")))?;
            request = request.bearer_auth(token);
        }
        if let Some(body) = ask.body {
            request = request.json(body);
        }
        if let Some(key) = ask.key {
            request = request.header("Idempotency-Key", key);
        }
        if ask.is_stream {
            request = request.header("Accept", "text/event-stream").timeout(FOREVER);
        }
        if let Some(last) = ask.last {
            request = request.header("Last-Event-ID", last);
        }
        request.send().await.map_err(|e| self.unreachable(&e))
    }

    fn refused(&self, status: StatusCode, after: Option<Duration>, bytes: &[u8]) -> Refusal {
        let failure = refused(status, bytes);
        let again = match status {
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Some(after.unwrap_or_default()),
            _ => None,
        };
        let failure = if status == StatusCode::UNAUTHORIZED {
            self.unknown(failure)
        } else {
            failure
        };
        Refusal {
            failure,
            again,
            is_busy: status == StatusCode::TOO_MANY_REQUESTS,
        }
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

    /// Reads a part of an answer.
    ///
    /// # Errors
    /// It is something else than this version reads.
    pub fn understood<T: DeserializeOwned>(&self, path: &str, said: Value) -> Result<T, Failure> {
        serde_json::from_value(said).map_err(|e| self.unread(path, &e))
    }

    /// Says that an answer is another than this version reads.
    fn not_understood(&self, path: &str, bytes: &[u8], error: &serde_json::Error) -> Failure {
        if serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_err() {
            return Failure::new(
                Exit::Unavailable,
                format!("{} does not answer {path} as the API of Nautes does", self.server),
            )
            .hint(NO_API);
        }
        self.unread(path, error)
    }

    fn unread(&self, path: &str, error: &serde_json::Error) -> Failure {
        let message = format!(
            "{} answers {path} with something that this version does not read: {error}",
            self.server
        );
        Failure::new(Exit::Internal, message).hint("compare the versions: nautes version")
    }

    fn unreachable(&self, error: &reqwest::Error) -> Refusal {
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
        let failure = Failure::new(Exit::Unavailable, format!("{} {what}{text}", self.server))
            .hint("is the address right, and the server up? nautes context show says where it is taken from");
        // Where nobody listens, nobody will in a second; and who has waited for a minute is asked first.
        let again = !error.is_connect() && !error.is_timeout() && !error.is_builder();
        Refusal {
            failure,
            again: again.then_some(Duration::ZERO),
            is_busy: false,
        }
    }
}

fn retry_after(response: &reqwest::Response) -> Option<Duration> {
    let text = response
        .headers()
        .get(reqwest::header::RETRY_AFTER)?
        .to_str()
        .ok()?;
    text.parse().ok().map(Duration::from_secs)
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
        // What the server cannot read and does not put down to a manifest was typed here.
        StatusCode::BAD_REQUEST if findings.is_empty() => Exit::Usage,
        s if s.is_client_error() => Exit::Findings,
        _ => Exit::Internal,
    };
    let message = envelope
        .as_ref()
        .map_or_else(|| format!("the server answers {status}"), |e| e.message.clone());
    let mut failure = Failure::new(exit, message);
    match &envelope {
        Some(envelope) => failure.hints.extend(envelope.metadata.get("hint").cloned()),
        None if status.is_redirection() || status == StatusCode::NOT_FOUND => failure = failure.hint(NO_API),
        None => {}
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// A server that gives these answers, one to each connection, and returns what it was asked.
    async fn serve(answers: Vec<&'static str>) -> (Client, tokio::task::JoinHandle<Vec<String>>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connection = Connection {
            server: Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap(),
            source: None,
            ca_file: None,
            context: None,
        };
        let client = Client::new(&connection, Duration::from_secs(30)).unwrap();
        let client = client.with(Secret::from("canary"), "a test".to_owned());
        let serving = tokio::spawn(async move {
            let mut asked = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut text = String::new();
                while !text.contains("\r\n\r\n") {
                    let mut some = [0; 4096];
                    let count = stream.read(&mut some).await.unwrap();
                    text.push_str(&String::from_utf8_lossy(&some[..count]));
                }
                let key = text.lines().find_map(|l| l.strip_prefix("idempotency-key: "));
                asked.push(key.unwrap_or_default().to_owned());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            asked
        });
        (client, serving)
    }

    const DONE: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 54\r\n\r\n\
                        {\"message\":\"done\",\"requestId\":\"r\",\"repositories\":[] } ";
    const BUSY: &str =
        "HTTP/1.1 503 Busy\r\nconnection: close\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n";

    #[tokio::test]
    async fn what_was_held_up_is_sent_again_under_the_same_key() {
        // A busy server, and a connection that breaks off.
        let (client, serving) = serve(vec![BUSY, "", DONE]).await;
        let reply = client
            .write("apply", &ApplyRequest::default(), &[])
            .await
            .unwrap();
        assert_eq!(reply.message, "done");
        let asked = serving.await.unwrap();
        assert!(
            !asked[0].is_empty() && asked.iter().all(|key| *key == asked[0]),
            "{asked:?}"
        );
    }

    #[tokio::test]
    async fn what_is_refused_or_asked_to_come_back_late_is_not_sent_again() {
        for (answer, exit) in [
            (
                "HTTP/1.1 412 No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
                Exit::Conflict,
            ),
            (
                "HTTP/1.1 422 No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
                Exit::Findings,
            ),
            (
                "HTTP/1.1 503 No\r\nconnection: close\r\nretry-after: 3600\r\ncontent-length: 0\r\n\r\n",
                Exit::Unavailable,
            ),
        ] {
            let (client, serving) = serve(vec![answer]).await;
            let failure = client
                .write("apply", &ApplyRequest::default(), &[])
                .await
                .unwrap_err();
            assert_eq!(failure.exit, exit, "{answer}: {failure:?}");
            assert_eq!(serving.await.unwrap().len(), 1);
        }
    }

    #[tokio::test]
    async fn who_is_unknown_is_told_where_the_token_comes_from() {
        let answer = "HTTP/1.1 401 No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        let (client, _serving) = serve(vec![answer]).await;
        let failure = client.get::<Value>("api/v1/products").await.unwrap_err();
        assert_eq!(failure.exit, Exit::Denied);
        assert!(failure.hints[0].contains("a test"), "{failure:?}");
        assert!(!format!("{failure:?} {client:?}").contains("canary"));
    }
}
