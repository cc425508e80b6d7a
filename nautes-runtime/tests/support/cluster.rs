//! The cluster of a test: the local one, or the real one that the environment names.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::{Api, Client, api::DeleteParams, client::Body};
use nautes_runtime::local::{self, Entry, Options};
use tokio::sync::{Mutex as Turn, MutexGuard, OnceCell};

use crate::real::{self, Real};

/// Tests have a real server one after another.
static TURN: Turn<()> = Turn::const_new(());
/// The namespaces that were there before the first test; they are left alone.
static THERE_BEFORE: OnceCell<BTreeSet<String>> = OnceCell::const_new();

/// A cluster that has nothing yet.
pub(crate) enum Cluster {
    Local(local::Cluster),
    Real {
        server: &'static Real,
        requests: Audit,
        _turn: MutexGuard<'static, ()>,
    },
}

impl Cluster {
    pub(crate) async fn start(name: &str) -> Self {
        let Some(server) = real::server().await else {
            return Self::Local(local::Cluster::start(Options::in_memory(name)).await.unwrap());
        };
        let turn = TURN.lock().await;
        empty(&server.client()).await;
        Self::Real {
            server,
            requests: Audit::default(),
            _turn: turn,
        }
    }

    pub(crate) fn client(&self) -> Client {
        match self {
            Self::Local(cluster) => cluster.client(),
            Self::Real { server, requests, .. } => requests.watching(server.client()),
        }
    }

    pub(crate) fn client_as(&self, user: &str, groups: &[&str]) -> Client {
        match self {
            Self::Local(cluster) => cluster.client_as(user, groups),
            Self::Real { server, requests, .. } => requests.watching(server.client_as(user, groups)),
        }
    }

    /// The requests that were made: of a real server those through the clients of this value.
    pub(crate) fn audit(&self) -> Audit {
        match self {
            Self::Local(cluster) => Audit::Local(cluster.audit()),
            Self::Real { requests, .. } => requests.clone(),
        }
    }
}

/// Removes what earlier tests made. The controllers of Kubernetes must run there.
async fn empty(client: &Client) {
    let spaces: Api<Namespace> = Api::all(client.clone());
    let names = async || -> BTreeSet<String> {
        let all = spaces.list(&Default::default()).await.unwrap();
        all.into_iter().filter_map(|n| n.metadata.name).collect()
    };
    let keep = THERE_BEFORE.get_or_init(names).await;
    for name in names().await.difference(keep) {
        let _ = spaces.delete(name, &DeleteParams::default()).await;
    }
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    let mut interval = tokio::time::interval(Duration::from_millis(50));
    while names().await != *keep {
        assert!(
            tokio::time::Instant::now() < deadline,
            "namespaces of earlier tests do not go: do the controllers of Kubernetes run?"
        );
        interval.tick().await;
    }
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "default");
    assert!(
        accounts.get_opt("default").await.unwrap().is_some(),
        "the controllers of Kubernetes do not run"
    );
}

/// The requests that were made of a cluster.
#[derive(Clone)]
pub(crate) enum Audit {
    Local(nautes_runtime::local::Audit),
    Seen(Arc<Mutex<Vec<Entry>>>),
}

impl Default for Audit {
    fn default() -> Self {
        Self::Seen(Arc::default())
    }
}

impl Audit {
    pub(crate) fn mark(&self) -> u64 {
        match self {
            Self::Local(audit) => audit.mark(),
            Self::Seen(entries) => entries.lock().unwrap().len() as u64,
        }
    }

    pub(crate) fn since(&self, mark: u64) -> Vec<Entry> {
        match self {
            Self::Local(audit) => audit.since(mark),
            Self::Seen(entries) => {
                let entries = entries.lock().unwrap();
                entries.iter().filter(|e| e.number > mark).cloned().collect()
            }
        }
    }

    pub(crate) fn writes_since(&self, mark: u64) -> Vec<Entry> {
        self.since(mark).into_iter().filter(|e| e.write).collect()
    }

    /// A client whose requests are seen here.
    fn watching(&self, client: Client) -> Client {
        let audit = self.clone();
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let (client, audit) = (client.clone(), audit.clone());
            async move {
                let (verb, path) = (verb(request.method()), request.uri().path().to_owned());
                let query = request.uri().query().unwrap_or_default().to_owned();
                let answer = client.send(request).await.map_err(std::io::Error::other)?;
                let write = verb != "get" && !query.contains("dryRun=") && !path.contains("reviews");
                if let Self::Seen(entries) = &audit {
                    let mut entries = entries.lock().unwrap();
                    let entry = Entry {
                        number: entries.len() as u64 + 1,
                        verb,
                        path,
                        user: String::new(),
                        code: answer.status().as_u16(),
                        write,
                    };
                    entries.push(entry);
                }
                Ok::<_, std::io::Error>(answer)
            }
        });
        Client::new(service, "default")
    }
}

fn verb(method: &http::Method) -> &'static str {
    match method.as_str() {
        "POST" => "create",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" => "delete",
        _ => "get",
    }
}
