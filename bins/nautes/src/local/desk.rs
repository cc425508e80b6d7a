//! The desk: what `nautes local` asks of a platform that runs on this machine, over loopback and with the
//! administrator's token. It answers with names and numbers; no secret passes it.
//!
//! | route | what it does |
//! |---|---|
//! | `GET /writes?<cluster>=<mark>` | requests that could write since a mark, by cluster, and new marks |
//! | `GET /secrets` | the paths of secrets and the scopes with grants |
//! | `GET /forge` | groups, repositories, keys and hooks |
//! | `POST /reconcile` | compares everything with what is declared, and waits until that is done |
//! | `POST /redeliver` | calls every hook once more with what it was last called with |
//! | `POST /stop` | stops the platform |

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use nautes_gitops::host::local::LocalForge;
use nautes_model::Secret;
use nautes_runtime::controller::{Controllers, Totals};
use nautes_vault::SecretStore;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::clusters::Clusters;
use super::forge::{self, Holding};
use crate::exit::{Exit, Failure};

/// What the desk works with.
#[derive(Debug)]
pub struct Desk {
    /// Who may ask.
    pub token: Secret,
    /// The clusters.
    pub clusters: Clusters,
    /// The forge.
    pub forge: LocalForge,
    /// The secret store.
    pub store: Arc<dyn SecretStore>,
    /// The controllers.
    pub controllers: Controllers,
    /// Ends the platform.
    pub stop: CancellationToken,
}

/// What was written in a cluster since a mark.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writes {
    /// The mark for the next question.
    pub mark: u64,
    /// `verb path (user)` of each request that could write.
    pub writes: Vec<String>,
}

/// The names in the secret store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// Paths of secrets.
    pub secrets: BTreeSet<String>,
    /// Grants: who may read what, by scope.
    pub grants: BTreeMap<String, BTreeSet<String>>,
}

/// Serves the desk.
///
/// # Errors
/// The port cannot be used.
pub async fn serve(desk: Desk, listen: SocketAddr) -> Result<SocketAddr, Failure> {
    let listener = tokio::net::TcpListener::bind(listen).await.map_err(|e| {
        Failure::new(Exit::Unavailable, format!("cannot listen on {listen}: {e}"))
            .hint("choose other ports with --port-base")
    })?;
    let address = listener.local_addr()?;
    let stop = desk.stop.clone();
    let desk = Arc::new(desk);
    let router = Router::new()
        .route("/writes", get(writes))
        .route("/secrets", get(secrets))
        .route("/forge", get(forge_contents))
        .route("/reconcile", post(reconcile))
        .route("/redeliver", post(redeliver))
        .route("/stop", post(stop_all))
        .layer(from_fn_with_state(Arc::clone(&desk), authorised))
        .with_state(desk);
    tokio::spawn(async move {
        let server = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
        if let Err(error) = server.await {
            tracing::error!(%error, "the desk has stopped");
        }
    });
    Ok(address)
}

async fn authorised(State(desk): State<Arc<Desk>>, request: Request, next: Next) -> Response {
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.strip_prefix("Bearer "))
        .map(Secret::from);
    if given.as_ref() == Some(&desk.token) {
        next.run(request).await
    } else {
        (StatusCode::UNAUTHORIZED, "the administrator's token is needed\n").into_response()
    }
}

fn refuse(failure: &Failure) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, failure.message.clone()).into_response()
}

async fn writes(
    State(desk): State<Arc<Desk>>,
    Query(marks): Query<BTreeMap<String, u64>>,
) -> Json<BTreeMap<String, Writes>> {
    let of = |name: &str, cluster: &nautes_runtime::local::Cluster| {
        let audit = cluster.audit();
        let mark = audit.mark();
        let since = marks.get(name).copied().unwrap_or(mark);
        let writes = audit
            .writes_since(since)
            .into_iter()
            .map(|e| format!("{} {} ({})", e.verb, e.path, e.user))
            .collect();
        Writes { mark, writes }
    };
    Json(
        desk.clusters
            .iter()
            .map(|(name, cluster)| (name.to_owned(), of(name, cluster)))
            .collect(),
    )
}

async fn secrets(State(desk): State<Arc<Desk>>) -> Response {
    match names(&*desk.store).await {
        Ok(names) => Json(names).into_response(),
        Err(error) => refuse(&Failure::from(error)),
    }
}

/// Returns the names in a store.
///
/// # Errors
/// The store does not answer.
pub async fn names(store: &dyn SecretStore) -> Result<Names, nautes_vault::StoreError> {
    let secrets = store
        .list("")
        .await?
        .into_iter()
        .map(|path| path.to_string())
        .collect();
    let mut grants = BTreeMap::new();
    for scope in store.grant_scopes().await? {
        let of = store.grants(&scope).await?;
        let shown = of
            .iter()
            .map(|g| format!("{:?} {:?} {}", g.principal, g.level, g.secret))
            .collect();
        grants.insert(format!("{scope:?}"), shown);
    }
    Ok(Names { secrets, grants })
}

async fn forge_contents(State(desk): State<Arc<Desk>>) -> Response {
    match forge::contents(&desk.forge).await {
        Ok(all) => Json::<Vec<Holding>>(all).into_response(),
        Err(failure) => refuse(&failure),
    }
}

async fn reconcile(State(desk): State<Arc<Desk>>) -> Response {
    match tokio::time::timeout(Duration::from_secs(60), desk.controllers.reconcile_all()).await {
        Ok(Ok(totals)) => Json::<Totals>(totals).into_response(),
        Ok(Err(error)) => refuse(&Failure::from(error)),
        Err(_) => (StatusCode::GATEWAY_TIMEOUT, "the reconcile did not end in time").into_response(),
    }
}

async fn redeliver(State(desk): State<Arc<Desk>>) -> Json<usize> {
    Json(desk.forge.admin().redeliver())
}

async fn stop_all(State(desk): State<Arc<Desk>>) -> StatusCode {
    desk.stop.cancel();
    StatusCode::ACCEPTED
}

/// Asks the desk of a running platform.
#[derive(Debug)]
pub struct DeskClient {
    http: reqwest::Client,
    base: String,
    token: Secret,
}

impl DeskClient {
    /// Makes a client; nothing is sent yet.
    ///
    /// # Errors
    /// No HTTP client can be made.
    pub fn new(port: u16, token: Secret) -> Result<Self, Failure> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(70))
            .build()?;
        Ok(Self {
            http,
            base: format!("http://127.0.0.1:{port}"),
            token,
        })
    }

    /// Returns requests that could write since the marks; with no marks, only new marks.
    ///
    /// # Errors
    /// The platform does not answer.
    pub async fn writes(&self, marks: &BTreeMap<String, u64>) -> Result<BTreeMap<String, Writes>, Failure> {
        let request = self.http.get(format!("{}/writes", self.base)).query(marks);
        Ok(self.send(request).await?.json().await?)
    }

    /// Returns the names in the secret store.
    ///
    /// # Errors
    /// The platform does not answer.
    pub async fn secrets(&self) -> Result<Names, Failure> {
        Ok(self
            .send(self.http.get(format!("{}/secrets", self.base)))
            .await?
            .json()
            .await?)
    }

    /// Returns what the forge holds.
    ///
    /// # Errors
    /// The platform does not answer.
    pub async fn forge(&self) -> Result<Vec<Holding>, Failure> {
        Ok(self
            .send(self.http.get(format!("{}/forge", self.base)))
            .await?
            .json()
            .await?)
    }

    /// Lets everything be compared with what is declared, waits for the end, and returns how many writes it took,
    /// by what was written.
    ///
    /// # Errors
    /// The platform does not answer, or not in time.
    pub async fn reconcile(&self) -> Result<serde_json::Value, Failure> {
        Ok(self
            .send(self.http.post(format!("{}/reconcile", self.base)))
            .await?
            .json()
            .await?)
    }

    /// Repeats the last call of every hook and returns how many were made.
    ///
    /// # Errors
    /// The platform does not answer.
    pub async fn redeliver(&self) -> Result<usize, Failure> {
        Ok(self
            .send(self.http.post(format!("{}/redeliver", self.base)))
            .await?
            .json()
            .await?)
    }

    /// Stops the platform.
    ///
    /// # Errors
    /// The platform does not answer.
    pub async fn stop(&self) -> Result<(), Failure> {
        self.send(self.http.post(format!("{}/stop", self.base)))
            .await
            .map(drop)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response, Failure> {
        let token = self
            .token
            .expose_str()
            .map_err(|_| Failure::usage("the token is not text"))?;
        let response = request.bearer_auth(token).send().await.map_err(|e| {
            Failure::new(
                Exit::Unavailable,
                format!("the local platform does not answer: {}", e.without_url()),
            )
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = response.text().await.unwrap_or_default();
        Err(Failure::new(
            Exit::Unavailable,
            format!("the local platform answers {status}: {}", text.trim()),
        ))
    }
}
