//! A proxy before a server that notes what passes, and answers itself where a test says so.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// What happens to a request instead of passing.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// It is answered with a status and a text, and does not pass.
    Answer(u16, String),
    /// It is answered with a status and its own body as an error, and does not pass.
    Echo(u16),
    /// It passes, and its answer is replaced by a status.
    AnswerAfter(u16),
    /// It passes, and its answer never arrives.
    Silence,
    /// It is sent elsewhere.
    Redirect(String),
}

struct Rule {
    method: &'static str,
    path: String,
    times: usize,
    fault: Fault,
}

struct Inner {
    upstream: String,
    http: reqwest::Client,
    rules: Mutex<Vec<Rule>>,
    seen: Mutex<Vec<String>>,
}

/// A proxy in this process.
pub(crate) struct Proxy {
    inner: Arc<Inner>,
    pub(crate) address: String,
    task: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn before(upstream: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let inner = Arc::new(Inner {
            upstream: upstream.to_owned(),
            http: reqwest::Client::builder()
                .no_proxy()
                .tls_certs_only([])
                .build()
                .unwrap(),
            rules: Mutex::new(Vec::new()),
            seen: Mutex::new(Vec::new()),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(pass).with_state(Arc::clone(&inner));
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { inner, address, task }
    }

    /// Lets the next requests of this method with this text in their path meet a fault.
    pub(crate) fn fail(&self, method: &'static str, path: &str, times: usize, fault: Fault) {
        self.inner.rules.lock().unwrap().push(Rule {
            method,
            path: path.to_owned(),
            times,
            fault,
        });
    }

    /// Forgets all faults.
    pub(crate) fn mend(&self) {
        self.inner.rules.lock().unwrap().clear();
    }

    /// Returns what passed or failed since the last time, as `METHOD path`.
    pub(crate) fn seen(&self) -> Vec<String> {
        std::mem::take(&mut *self.inner.seen.lock().unwrap())
    }

    /// Returns the requests among them that write.
    pub(crate) fn writes(&self) -> Vec<String> {
        let reads = |seen: &String| seen.starts_with("GET ") || seen.starts_with("LIST ");
        self.seen().into_iter().filter(|seen| !reads(seen)).collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(State(inner): State<Arc<Inner>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().unwrap().to_string();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    inner
        .seen
        .lock()
        .unwrap()
        .push(format!("{} {path}", parts.method));
    let fault = {
        let mut rules = inner.rules.lock().unwrap();
        let found = rules
            .iter_mut()
            .find(|rule| rule.times > 0 && parts.method.as_str() == rule.method && path.contains(&rule.path));
        found.map(|rule| {
            rule.times -= 1;
            rule.fault.clone()
        })
    };
    match fault {
        None => forward(&inner, &parts.method, &path, &parts.headers, body).await,
        Some(Fault::Answer(status, text)) => answer(status, text.into()),
        Some(Fault::Echo(status)) => {
            let text = String::from_utf8_lossy(&body).into_owned();
            answer(status, serde_json::json!({"errors": [text]}).to_string().into())
        }
        Some(Fault::AnswerAfter(status)) => {
            forward(&inner, &parts.method, &path, &parts.headers, body).await;
            answer(status, r#"{"errors": ["lost"]}"#.into())
        }
        Some(Fault::Silence) => {
            forward(&inner, &parts.method, &path, &parts.headers, body).await;
            let _ = timeout(Duration::from_secs(60), std::future::pending::<()>()).await;
            answer(504, Bytes::new())
        }
        Some(Fault::Redirect(to)) => Response::builder()
            .status(307)
            .header("location", format!("{to}{path}"))
            .body(Body::empty())
            .unwrap(),
    }
}

async fn forward(
    inner: &Inner,
    method: &axum::http::Method,
    path: &str,
    headers: &HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let mut request = inner
        .http
        .request(method.clone(), format!("{}{path}", inner.upstream));
    for name in ["x-vault-token", "x-vault-namespace", "x-vault-request"] {
        if let Some(value) = headers.get(name) {
            request = request.header(name, value);
        }
    }
    match request.body(body).send().await {
        Ok(got) => answer(got.status().as_u16(), got.bytes().await.unwrap()),
        Err(_) => answer(502, Bytes::new()),
    }
}

fn answer(status: u16, body: Bytes) -> Response<Body> {
    Response::builder().status(status).body(Body::from(body)).unwrap()
}
