//! The local twins, composed, and short words for what people do with them.

#[path = "flow_world/acts.rs"]
mod acts;
#[path = "flow_world/looks.rs"]
mod looks;
#[path = "flow_world/objects.rs"]
mod objects;
#[path = "flow_world/served.rs"]
mod served;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use nautes_gitops::host::{GroupSpec, RepoSpec, Session};
use nautes_model::manifest::{self, Context, Form};
use nautes_model::name::ClusterName;
use nautes_model::{Identity, Resource, Secret};
use nautes_runtime::clusters::StoredClusters;
use nautes_runtime::controller::{ControlError, Controllers};
use nautes_runtime::local::fault::Faults;
use nautes_runtime::local::{self, Options};
use nautes_runtime::platform::{Platform, Rotation, TenantSettings, Timing};
use nautes_vault::{Expect, LocalStore, MasterKey, SecretStore, keys};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::mortal::{Death, Mortal};
use objects::define;
pub(crate) use objects::{api, delete, list, put};
pub(crate) use served::{On, Served};
use served::{management, provider};

/// How long something may take that takes milliseconds.
const LIMIT: Duration = Duration::from_secs(120);

/// Settings of a platform.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Setup {
    pub(crate) rotation: Rotation,
    pub(crate) grace: Option<Duration>,
}

pub(crate) struct World {
    pub(crate) platform: Platform,
    pub(crate) forge: Served,
    pub(crate) store: Arc<LocalStore>,
    pub(crate) tenant: local::Cluster,
    pub(crate) clusters: BTreeMap<&'static str, local::Cluster>,
    /// Those of all clusters.
    pub(crate) faults: Faults,
    /// Where the platform dies at the forge and at the store.
    pub(crate) death: Death,
    running: Option<Running>,
    _web: JoinHandle<()>,
    routes: tokio::sync::watch::Sender<axum::Router>,
    _data: tempfile::TempDir,
}

struct Running {
    stop: CancellationToken,
    task: JoinHandle<Result<(), ControlError>>,
    controllers: Controllers,
}

fn any() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

impl World {
    /// Everything installed, nothing declared but the provider.
    async fn new(on: On, call: Duration, setup: Setup) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let data = tempfile::tempdir().unwrap();
        let forge = Served::start(on, data.path()).await;
        let store = Arc::new(LocalStore::in_memory(&MasterKey::generate().unwrap()).unwrap());
        let faults = Faults::default();
        let tenant = Options {
            faults: faults.clone(),
            ..Options::in_memory("tenant")
        };
        let tenant = local::Cluster::start(tenant).await.unwrap();
        for definition in nautes_model::crd::definitions() {
            define(&tenant, &serde_json::to_value(definition).unwrap()).await;
        }
        let mut clusters = BTreeMap::new();
        for name in ["host", "pipelines", "staging", "live"] {
            let options = Options {
                listen: Some(any()),
                faults: faults.clone(),
                ..Options::in_memory(name)
            };
            clusters.insert(name, local::Cluster::start(options).await.unwrap());
        }
        define(&clusters["pipelines"], &pipeline_run()).await;
        let session = forge.hand().await;
        session
            .create_group(&GroupSpec {
                name: "nautes".to_owned(),
                ..GroupSpec::default()
            })
            .await
            .unwrap();
        let repo = management();
        session
            .create_repository(&repo, &RepoSpec::default())
            .await
            .unwrap();
        let listener = tokio::net::TcpListener::bind(any()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (routes, current) = tokio::sync::watch::channel(axum::Router::new());
        let web = tokio::spawn(serve(listener, current));
        let death = Death::default();
        let kept = Mortal::new(&death, Arc::clone(&store) as Arc<dyn SecretStore>);
        let kept: Arc<dyn SecretStore> = Arc::new(kept);
        let platform = Platform::builder()
            .host(Arc::new(Mortal::new(&death, forge.host())))
            .store(Arc::clone(&kept))
            .tenant(TenantSettings::new("acme", repo))
            .tenant_cluster(tenant.client())
            .clusters(Arc::new(StoredClusters::new(kept)))
            .mirrors(data.path().join("mirrors"))
            .webhook_url(format!("http://{address}").parse().unwrap())
            .rotation(setup.rotation)
            .grace(setup.grace.unwrap_or(Platform::GRACE))
            .timing(Timing {
                call,
                cluster: call * 2,
                ..Timing::LOCAL
            })
            .build()
            .unwrap();
        let world = Self {
            platform,
            forge,
            store,
            tenant,
            clusters,
            faults,
            death,
            running: None,
            _web: web,
            routes,
            _data: data,
        };
        world.publish_tenant(vec![provider(on)]).await;
        world
    }

    /// All four clusters are registered.
    pub(crate) async fn with_clusters(on: On, call: Duration) -> Self {
        Self::set_up(on, call, Setup::default()).await
    }

    /// The same, with settings.
    pub(crate) async fn set_up(on: On, call: Duration, setup: Setup) -> Self {
        let world = Self::new(on, call, setup).await;
        world.provision_virtual().await;
        world.register(&["host", "pipelines", "staging", "live"]).await;
        world
    }

    /// The platform's own account on the forge.
    pub(crate) async fn session(&self) -> Arc<dyn Session> {
        self.platform.host().platform().await.unwrap()
    }

    /// Declares clusters, with the kubeconfigs of physical ones in the store.
    pub(crate) async fn register(&self, names: &[&'static str]) {
        let mut resources = Vec::new();
        for name in names {
            let text = match *name {
                "host" => include_str!("../../../examples/manifests/clusters/host.yaml"),
                "pipelines" => include_str!("../../../examples/manifests/clusters/pipelines.yaml"),
                "staging" => include_str!("../../../examples/manifests/clusters/staging.yaml"),
                _ => include_str!("../../../examples/manifests/clusters/live.yaml"),
            };
            let cluster = &self.clusters[name];
            let server = format!("https://{}", cluster.address().unwrap());
            // The API takes the kubeconfig out of the request; here it goes to the store at once.
            let text = text.split("  kubeconfig:").next().unwrap();
            resources.extend(parse(&text.replace("$API_SERVER", &server)));
            if *name != "staging" {
                self.keep_kubeconfig(name, &self.kubeconfig(name)).await;
            }
        }
        self.publish_tenant(resources).await;
    }

    pub(crate) fn kubeconfig(&self, name: &str) -> String {
        let token = format!("token-of-{name}");
        let cluster = &self.clusters[name];
        cluster.add_token(&token, "nautes", &["system:masters"]);
        serde_json::to_string(&cluster.kubeconfig(&token)).unwrap()
    }

    pub(crate) async fn keep_kubeconfig(&self, name: &str, text: &str) {
        let at = keys::kubeconfig(&ClusterName::new(name).unwrap());
        let values = BTreeMap::from([(at.key, Secret::from(text))]);
        let _ = self.store.write(&at.path, values, Expect::Any).await.unwrap();
    }

    /// Makes `staging` look like a virtual cluster on `host`.
    async fn provision_virtual(&self) {
        let host = self.clusters["host"].client();
        put(
            &host,
            "v1",
            "Namespace",
            &json!({ "metadata": { "name": "staging" } }),
        )
        .await;
        let labels = json!({ "app": "vcluster" });
        let set = json!({
            "metadata": { "name": "staging", "namespace": "staging", "labels": labels },
            "spec": {
                "serviceName": "staging", "selector": { "matchLabels": labels },
                "template": {
                    "metadata": { "labels": labels },
                    "spec": { "containers": [{ "name": "vcluster", "image": "vcluster" }] },
                },
            },
        });
        put(&host, "apps/v1", "StatefulSet", &set).await;
        let secret = json!({
            "metadata": { "name": "vc-staging", "namespace": "staging" },
            "stringData": { "config": self.kubeconfig("staging") },
        });
        put(&host, "v1", "Secret", &secret).await;
    }

    /// Starts the controllers.
    pub(crate) fn start(&mut self) {
        let controllers = Controllers::new(self.platform.clone());
        drop(self.routes.send_replace(controllers.router()));
        let stop = CancellationToken::new();
        let task = tokio::spawn({
            let (controllers, stop) = (controllers.clone(), stop.clone());
            async move { controllers.run(stop).await }
        });
        self.running = Some(Running {
            stop,
            task,
            controllers,
        });
    }

    pub(crate) fn controllers(&self) -> &Controllers {
        &self.running.as_ref().unwrap().controllers
    }

    /// Stops the controllers.
    pub(crate) async fn stop(&mut self) {
        let running = self.running.take().unwrap();
        running.stop.cancel();
        running.task.await.unwrap().unwrap();
    }
}

async fn serve(listener: tokio::net::TcpListener, routes: tokio::sync::watch::Receiver<axum::Router>) {
    let service = tower::service_fn(move |request: axum::extract::Request| {
        let router = routes.borrow().clone();
        async move { tower::ServiceExt::oneshot(router, request).await }
    });
    axum::serve(listener, tower::make::Shared::new(service))
        .await
        .unwrap();
}
pub(crate) fn parse(text: &str) -> Vec<Resource> {
    let parsed = manifest::parse(text, &Context::new("test.yaml", Form::Request));
    let errors: Vec<String> = parsed.findings.iter().map(ToString::to_string).collect();
    assert!(!parsed.resources.is_empty(), "{errors:#?}");
    parsed
        .resources
        .into_iter()
        .map(|sourced| sourced.resource)
        .collect()
}

pub(crate) fn identity(text: &str) -> Identity {
    let parts: Vec<&str> = text.split('/').collect();
    let kind = nautes_model::Kind::from_name(parts[0]).unwrap();
    match parts.as_slice() {
        [_, name] => Identity::tenant(kind, name.parse().unwrap()),
        [_, product, name] => Identity::product(kind, product.parse().unwrap(), name.parse().unwrap()),
        _ => panic!("{text}"),
    }
}
fn pipeline_run() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "pipelineruns.tekton.dev" },
        "spec": {
            "group": "tekton.dev", "scope": "Namespaced",
            "names": { "kind": "PipelineRun", "plural": "pipelineruns", "singular": "pipelinerun" },
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": {
                    "type": "object", "x-kubernetes-preserve-unknown-fields": true,
                } },
            }],
        },
    })
}
