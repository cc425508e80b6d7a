//! A Kubernetes API server in this process.
//!
//! [`Cluster`] answers the Kubernetes API behind a [`kube::Client`] without a socket, and over HTTPS
//! for kubectl: discovery, list and watch, optimistic locking, server-side apply with field ownership,
//! custom resources with validation, finalizers, owner references, namespaces, role-based access control.
//! It is meant for a newcomer's machine and for tests, where the production code shall run unchanged.
//!
//! ```
//! use k8s_openapi::api::core::v1::ConfigMap;
//! use kube::api::{Api, PostParams};
//! use nautes_runtime::local::{Cluster, Options};
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let cluster = Cluster::start(Options::in_memory("demo")).await?;
//! let maps: Api<ConfigMap> = Api::namespaced(cluster.client(), "default");
//! let mut map = ConfigMap::default();
//! map.metadata.name = Some("greeting".to_owned());
//! map.data = Some([("text".to_owned(), "hello".to_owned())].into());
//! maps.create(&PostParams::default(), &map).await?;
//! assert_eq!(maps.get("greeting").await?.data, map.data);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Guarantees
//! * What a request was told is kept is kept: with a data folder, a write is committed to disk before it is
//!   answered, and watches show nothing that is not.
//! * Revisions are never given twice, across restarts as well.
//! * No request, of any size or shape, ends the server.
//!
//! # Caveats
//! * No pods run, no nodes exist: what a pod has written is what [`Cluster::write_log`] says; of the
//!   controllers of Kubernetes there are those for namespaces, custom resource definitions, garbage
//!   collection and aggregated roles.
//! * Custom resources are not converted between versions (`None` strategy only).
//! * Of admission webhooks only the authorities of `caBundle` are trusted. One that is named by its service is
//!   reached where that is an `ExternalName`, for no pods run here.
//! * What rules of definitions cost is counted by the sizes of an object before they run, as if none ended
//!   early: near the limit of Kubernetes a rule may be refused that would just pass there.
//! * A pod on a node (`nodeName`) that is deleted waits for a kubelet as in Kubernetes, and there is none: it
//!   ends with a grace period of 0, or with its namespace.
//! * A watch whose client leaves events unread for 30 seconds is cut off.
//! * Answers are JSON. Bodies are JSON or YAML; of protobuf only the kinds that kubectl itself makes
//!   are read (see `protobuf`).
//! * Answers are those of Kubernetes 1.36 where `tests/conformance` says so.
//! * Of admission plug-ins there are those for namespaces, pods, limit ranges and quotas: not those of pod security,
//!   default classes, volumes in use and policies.
//! * Everything is in memory; the data folder is a copy. After a restart every watch begins anew (`410`).

mod audit;
mod authn;
mod authz;
mod autoscalers;
mod builtin;
mod call;
mod cel;
mod continuation;
mod controllers;
mod crd;
mod discovery;
mod duplicates;
mod durable;
mod events;
mod evictions;
pub mod fault;
mod fields;
mod http;
mod json;
mod kinds;
mod logs;
mod managed;
mod names;
mod namespace;
mod openapi;
mod patch;
mod patience;
mod plugins;
mod prepare;
mod protobuf;
mod quantity;
mod read;
mod review;
mod scale;
mod schema;
mod selector;
mod server;
mod services;
mod status;
mod store;
mod strategic;
mod table;
mod tls;
mod watch;
mod webhooks;
mod write;
mod yaml;

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use kube::config::{AuthInfo, Context, Kubeconfig, NamedAuthInfo, NamedCluster, NamedContext};
use serde_json::Value;
use tokio::{sync::Notify, task::JoinHandle};
use tokio_util::sync::CancellationToken;

pub use self::{
    audit::{Audit, Entry},
    durable::DataError,
    status::{Cause, Status},
    tls::TlsError,
};
use self::{
    authn::SigningKey,
    call::User,
    kinds::Registry,
    server::{Server, State},
    store::{Progress, Store},
};

/// What a write does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A new object.
    Create,
    /// A change of an object.
    Update,
    /// The end of an object.
    Delete,
}

/// A write that admission judges, after defaulting and before validation.
#[derive(Clone, Copy, Debug)]
pub struct AdmissionRequest<'a> {
    /// What the write does.
    pub operation: Operation,
    /// API group, empty for the core group.
    pub group: &'a str,
    /// API version.
    pub version: &'a str,
    /// Kind, for example `Deployment`.
    pub kind: &'a str,
    /// Plural, for example `deployments`.
    pub resource: &'a str,
    /// Subresource, empty for the object itself.
    pub subresource: &'a str,
    /// Namespace, empty for cluster-wide objects.
    pub namespace: &'a str,
    /// Name of the object.
    pub name: &'a str,
    /// Who writes.
    pub user: &'a str,
    /// The groups of the user.
    pub groups: &'a [String],
    /// The object to be stored; none for a deletion.
    pub object: Option<&'a Value>,
    /// The object as it is; none for a creation.
    pub old: Option<&'a Value>,
    /// True where nothing will be stored.
    pub dry_run: bool,
}

/// Judges writes. Runs while the server is locked: it must not call the cluster.
pub type Admission = Arc<dyn Fn(&AdmissionRequest<'_>) -> Result<(), Status> + Send + Sync>;

/// How a cluster is started.
#[derive(Clone, Default)]
pub struct Options {
    /// Name of the cluster, for certificates and kubeconfigs.
    pub name: String,
    /// Folder to keep objects and certificates in; none keeps them in memory.
    pub data: Option<PathBuf>,
    /// Address for HTTPS, for example `127.0.0.1:0`; none opens no port.
    pub listen: Option<SocketAddr>,
    /// Judges writes.
    pub admission: Option<Admission>,
    /// What goes wrong, for tests; nothing unless rules are added.
    pub faults: fault::Faults,
}

impl Options {
    /// A cluster in memory, without a port.
    #[must_use]
    pub fn in_memory(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("name", &self.name)
            .field("data", &self.data)
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}

/// Why a cluster did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be used.
    #[error("cannot start the local cluster {name}")]
    Data {
        /// Which cluster.
        name: String,
        /// Why.
        source: DataError,
    },
    /// The certificates cannot be made or read.
    #[error("cannot start the local cluster {name}")]
    Tls {
        /// Which cluster.
        name: String,
        /// Why.
        source: TlsError,
    },
    /// The port cannot be opened.
    #[error("cannot listen on {address} for the local cluster {name}")]
    Listen {
        /// Which cluster.
        name: String,
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

impl StartError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Data { .. } => "is another process using the data folder?",
            Self::Tls { .. } => "remove the certificate files of the data folder to have them made anew",
            Self::Listen { .. } => "choose another port, or 0 for any free one",
        }
    }
}

/// A running cluster. Cheap to clone; it runs until it is stopped, or its last clone and its last client
/// without sockets are dropped.
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

struct Inner {
    server: Arc<Server>,
    address: Option<SocketAddr>,
    ca_pem: String,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.server.stopped.cancel();
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("name", &self.inner.server.name)
            .field("address", &self.inner.address)
            .finish_non_exhaustive()
    }
}

impl Cluster {
    /// Starts a cluster.
    ///
    /// # Errors
    /// Where the data folder, the certificates or the port cannot be used.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let Options {
            name,
            data,
            listen,
            admission,
            faults,
        } = options;
        let (sender, progress) = tokio::sync::watch::channel(Progress::default());
        let opened =
            match &data {
                Some(folder) => Some(durable::Durable::open(folder, sender.clone()).map_err(|source| {
                    StartError::Data {
                        name: name.clone(),
                        source,
                    }
                })?),
                None => None,
            };
        let signing = SigningKey::load(data.as_deref()).map_err(|e| StartError::Data {
            name: name.clone(),
            source: DataError::Folder(e),
        })?;
        let identity = match listen {
            Some(_) => Some(
                tls::identity(data.as_deref(), &name).map_err(|source| StartError::Tls {
                    name: name.clone(),
                    source,
                })?,
            ),
            None => None,
        };
        let mut state = State {
            store: Store::new(opened, sender),
            registry: Registry::with_builtins(),
        };
        controllers::seed(&mut state);
        let server = Arc::new(Server {
            name: name.clone(),
            boot: uuid::Uuid::new_v4(),
            state: Mutex::new(state),
            progress,
            audit: Audit::default(),
            admission,
            faults,
            tokens: RwLock::new(BTreeMap::new()),
            logs: logs::Logs::default(),
            signing,
            follow_up: Notify::new(),
            stopped: CancellationToken::new(),
        });
        let mut tasks = vec![tokio::spawn(controllers::run(server.clone()))];
        let mut address = None;
        if let (Some(wanted), Some(identity)) = (listen, &identity) {
            let (listener, bound) = http::bind(wanted).await.map_err(|source| StartError::Listen {
                name,
                address: wanted,
                source,
            })?;
            address = Some(bound);
            tasks.push(tokio::spawn(http::run(
                listener,
                identity.config.clone(),
                server.clone(),
            )));
        }
        let ca_pem = identity.map(|i| i.ca_pem).unwrap_or_default();
        Ok(Self {
            inner: Arc::new(Inner {
                server,
                address,
                ca_pem,
                tasks: Mutex::new(tasks),
            }),
        })
    }

    /// A client without sockets that may do everything (`system:masters`).
    #[must_use]
    pub fn client(&self) -> kube::Client {
        self.client_as("system:admin", &["system:masters"])
    }

    /// A client without sockets whose requests are judged by the roles of this user.
    #[must_use]
    pub fn client_as(&self, user: &str, groups: &[&str]) -> kube::Client {
        let (inner, user) = (self.inner.clone(), User::new(user, groups));
        let service = tower::service_fn(move |request: ::http::Request<kube::client::Body>| {
            let (server, user) = (inner.server.clone(), user.clone());
            async move { server::serve(server, request, Some(user)).await }
        });
        kube::Client::new(service, "default")
    }

    /// Name of the cluster.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.server.name
    }

    /// Where HTTPS is served.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.inner.address
    }

    /// The certificate authority to trust for HTTPS, as PEM; empty where no port is open.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.inner.ca_pem
    }

    /// Makes a bearer token good for a user. Tokens are not kept across restarts.
    pub fn add_token(&self, token: &str, user: &str, groups: &[&str]) {
        let mut tokens = self
            .inner
            .server
            .tokens
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        tokens.insert(token.to_owned(), User::new(user, groups));
    }

    /// Makes a bearer token worthless.
    pub fn remove_token(&self, token: &str) {
        self.inner
            .server
            .tokens
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(token);
    }

    /// Lets a container of a pod have written a text, after what it has written before: there is no kubelet here. Logs
    /// are not kept across restarts.
    ///
    /// # Errors
    /// The pod is not there, or has no such container.
    pub fn write_log(&self, namespace: &str, pod: &str, container: &str, text: &str) -> Result<(), Status> {
        logs::write(&self.inner.server, namespace, pod, container, text)
    }

    /// A kubeconfig for HTTPS with a token. It names no server where no port is open.
    #[must_use]
    pub fn kubeconfig(&self, token: &str) -> Kubeconfig {
        use base64::Engine as _;
        let name = self.name().to_owned();
        let server = self.inner.address.map(|a| format!("https://{a}"));
        let ca = base64::engine::general_purpose::STANDARD.encode(&self.inner.ca_pem);
        let cluster = kube::config::Cluster {
            server,
            certificate_authority_data: Some(ca),
            ..kube::config::Cluster::default()
        };
        let user = AuthInfo {
            token: Some(token.to_owned().into()),
            ..AuthInfo::default()
        };
        let context = Context {
            cluster: name.clone(),
            user: Some(name.clone()),
            ..Context::default()
        };
        Kubeconfig {
            kind: Some("Config".to_owned()),
            api_version: Some("v1".to_owned()),
            clusters: vec![NamedCluster {
                name: name.clone(),
                cluster: Some(cluster),
                other: BTreeMap::default(),
            }],
            auth_infos: vec![NamedAuthInfo {
                name: name.clone(),
                auth_info: Some(user),
                other: BTreeMap::default(),
            }],
            contexts: vec![NamedContext {
                name: name.clone(),
                context: Some(context),
                other: BTreeMap::default(),
            }],
            current_context: Some(name),
            ..Kubeconfig::default()
        }
    }

    /// The log of requests.
    #[must_use]
    pub fn audit(&self) -> Audit {
        self.inner.server.audit.clone()
    }

    /// Forgets the history that watches resume from, as a server does from time to time: a watch from an
    /// older revision is told `410 Gone`.
    pub fn compact(&self) {
        self.inner.server.state().store.compact();
    }

    /// Stops serving: ends watches, closes the port, refuses further requests.
    pub async fn stop(&self) {
        self.inner.server.stopped.cancel();
        let tasks = std::mem::take(&mut *self.inner.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            let _ = task.await;
        }
        self.inner.server.state().store.close();
    }
}
