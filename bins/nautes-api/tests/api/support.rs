//! A platform of twins, and requests to the API over it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use nautes_api::{App, Settings, WatchLimits, router};
use nautes_gitops::host::local::{LocalForge, Options};
use nautes_gitops::{AccessLevel, GitHost, GroupSpec, Place, RepoPath, RepoSpec};
use nautes_model::{Scopes, Secret};
use nautes_runtime::clusters::{ClusterAccess, StoredClusters};
use nautes_runtime::local;
use nautes_runtime::platform::{Platform, TenantSettings, Timing};
use nautes_vault::SecretStore;
use nautes_vault::local::{LocalStore, MasterKey};
use serde_json::{Value, json};

use crate::support_clusters::TestClusters;
use crate::weather::{Forge, Store, Weather};

/// The token that stands in the kubeconfigs of the tests.
pub(crate) const CANARY: &str = "canary-5f0c3b9e";

pub(crate) struct World {
    pub(crate) router: Router,
    pub(crate) platform: Platform,
    pub(crate) forge: LocalForge,
    /// What happens to calls of the forge, and of the store.
    pub(crate) forge_weather: Arc<Weather>,
    pub(crate) store_weather: Arc<Weather>,
    pub(crate) store: Arc<LocalStore>,
    pub(crate) admin: Secret,
    pub(crate) cluster: local::Cluster,
    pub(crate) clusters: Arc<TestClusters>,
    pub(crate) dir: tempfile::TempDir,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
    pub(crate) content_type: String,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) text: String,
}

impl World {
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let forge = LocalForge::open(Options::new(dir.path().join("forge")))
            .await
            .unwrap();
        forge.set_base_url("http://127.0.0.1:1");
        let admin = forge.admin().create_user("admin").await.unwrap();
        let platform_session = forge.platform().await.unwrap();
        let group = GroupSpec {
            name: "nautes".to_owned(),
            visibility: nautes_gitops::Visibility::Private,
            description: String::new(),
            marker: None,
        };
        platform_session.create_group(&group).await.unwrap();
        let repo = RepoPath::new("nautes", "management").unwrap();
        platform_session
            .create_repository(&repo, &RepoSpec::default())
            .await
            .unwrap();
        platform_session
            .add_member(&Place::group("nautes"), "admin", AccessLevel::Owner)
            .await
            .unwrap();
        let store = Arc::new(LocalStore::in_memory(&MasterKey::generate().unwrap()).unwrap());
        let cluster = local::Cluster::start(local::Options::in_memory("tenant"))
            .await
            .unwrap();
        let (forge_weather, store_weather) = (Arc::new(Weather::default()), Arc::new(Weather::default()));
        let stored = StoredClusters::new(Arc::clone(&store) as Arc<dyn SecretStore>);
        let clusters = Arc::new(TestClusters::over(stored));
        let store_in_weather = Store {
            inner: Arc::clone(&store),
            weather: Arc::clone(&store_weather),
        };
        let forge_in_weather = Forge {
            inner: Arc::new(forge.clone()),
            weather: Arc::clone(&forge_weather),
        };
        let platform = compose(
            forge_in_weather,
            store_in_weather,
            &cluster,
            &clusters,
            dir.path().join("mirrors"),
        );
        // A watch without a time of its own would keep whoever reads whole answers waiting.
        let watching = WatchLimits {
            lifetime: std::time::Duration::ZERO,
            ..WatchLimits::default()
        };
        let world = Self {
            router: router(App::with_watch(platform.clone(), watching), &settings()),
            platform,
            forge,
            forge_weather,
            store_weather,
            store,
            admin,
            cluster,
            clusters,
            dir,
        };
        world.first_commit().await;
        world
    }

    /// A repository without a branch cannot be read: the tenant's gets its first commit as an installation does.
    async fn first_commit(&self) {
        use nautes_gitops::{Author, RepoRef, Target};
        let session = self.forge.platform().await.unwrap();
        let path = &self.platform.tenant().repo;
        let mirror = self.platform.mirrors().open(path).await.unwrap();
        let target = Target {
            session: &*session,
            of: &RepoRef::Tenant,
            path,
            mirror: &mirror,
            branch: "main",
        };
        let author = Author {
            name: "test".to_owned(),
            email: "test@localhost".to_owned(),
        };
        let published = self.platform.publisher().begin(&target, &author).await.unwrap();
        assert!(published.commit.is_some(), "the first commit is made");
    }

    /// Lets the tenant cluster serve the kinds of Nautes, as an installation does.
    pub(crate) async fn serve_kinds(&self) {
        use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
        let client = self.cluster.client();
        let api: kube::Api<CustomResourceDefinition> = kube::Api::all(client.clone());
        for definition in nautes_model::crd::definitions() {
            api.create(&kube::api::PostParams::default(), &definition)
                .await
                .unwrap();
        }
        let limit = std::time::Duration::from_secs(20);
        nautes_runtime::projection::require_crds(&client, limit)
            .await
            .unwrap();
    }

    /// The API as it is after a restart: what is only in memory is lost.
    pub(crate) fn restarted(&self) -> Router {
        router(App::new(self.platform.clone()), &settings())
    }

    /// Another server of the same platform, with a weather of its own before the forge.
    pub(crate) fn replica(&self) -> (Router, Arc<Weather>) {
        let weather = Arc::new(Weather::default());
        let forge = Forge {
            inner: Arc::new(self.forge.clone()),
            weather: Arc::clone(&weather),
        };
        let store = Store {
            inner: Arc::clone(&self.store),
            weather: Arc::default(),
        };
        let mirrors = self.dir.path().join("mirrors-of-the-replica");
        let platform = compose(forge, store, &self.cluster, &self.clusters, mirrors);
        (router(App::new(platform), &settings()), weather)
    }

    pub(crate) async fn user(&self, name: &str) -> Secret {
        self.forge.admin().create_user(name).await.unwrap()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        send_to(&self.router, request).await
    }

    pub(crate) async fn call(&self, token: &Secret, method: Method, path: &str, body: Value) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", token.expose_str().unwrap()))
            .header("content-type", "application/json")
            .body(if body.is_null() {
                Body::empty()
            } else {
                Body::from(body.to_string())
            })
            .unwrap();
        self.send(request).await
    }

    pub(crate) async fn get(&self, token: &Secret, path: &str) -> Answer {
        self.call(token, Method::GET, path, Value::Null).await
    }

    pub(crate) async fn post(&self, token: &Secret, path: &str, text: &str) -> Answer {
        let body = json!({ "files": [{ "name": "test.yaml", "text": text }] });
        self.call(token, Method::POST, path, body).await
    }

    /// Applies and expects success.
    pub(crate) async fn apply(&self, token: &Secret, text: &str) -> Value {
        let answer = self.post(token, "/api/v1/apply", text).await;
        assert_eq!(answer.status, StatusCode::OK, "{:#}", answer.body);
        answer.body
    }

    pub(crate) async fn scopes(&self) -> Arc<Scopes> {
        self.platform.scopes().await.unwrap()
    }

    /// Pushes files to the branch `main` of a repository, as somebody with git does.
    pub(crate) async fn push(&self, repo: &str, files: &[(&str, &str)]) -> String {
        let files = files.iter().map(|(path, text)| (*path, Some(*text)));
        self.push_edits(repo, files.collect()).await
    }

    /// Removes a file from the branch `main` of a repository, as somebody with git does.
    pub(crate) async fn remove_file(&self, repo: &str, path: &str) -> String {
        self.push_edits(repo, vec![(path, None)]).await
    }

    async fn push_edits(&self, repo: &str, files: Vec<(&str, Option<&str>)>) -> String {
        use nautes_gitops::repo::commit::{CommitSpec, Signature};
        let session = self.forge.platform().await.unwrap();
        let path: RepoPath = repo.parse().unwrap();
        let dir = self.dir.path().join("pushes").join(repo.replace('/', "-"));
        let mirror = nautes_gitops::Mirror::open_or_create(dir).await.unwrap();
        session.fetch(&path, &mirror).await.unwrap();
        let tip = mirror.tip("main").await.unwrap();
        let who = Signature {
            name: "Bob".to_owned(),
            email: "bob@example.org".to_owned(),
            seconds: 1_700_000_000,
        };
        let edits = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), text.map(|text| text.as_bytes().to_vec())));
        let spec = CommitSpec {
            parent: tip,
            edits: edits.collect(),
            author: who.clone(),
            committer: who,
            message: "Change by hand".to_owned(),
            trailers: Vec::new(),
        };
        let commit = mirror.commit(spec).await.unwrap().unwrap();
        session.push(&path, &mirror, "main", tip, commit).await.unwrap();
        commit.to_string()
    }

    /// The tip of a repository.
    pub(crate) async fn tip(&self, path: &str) -> Option<String> {
        let session = self.forge.platform().await.unwrap();
        let refs = session.refs(&path.parse().unwrap()).await.unwrap();
        refs.get("refs/heads/main").map(ToString::to_string)
    }
}

fn compose(
    forge: Forge,
    store: Store,
    cluster: &local::Cluster,
    clusters: &Arc<TestClusters>,
    mirrors: std::path::PathBuf,
) -> Platform {
    let repo = RepoPath::new("nautes", "management").unwrap();
    Platform::builder()
        .host(Arc::new(forge))
        .store(Arc::new(store))
        .tenant(TenantSettings::new("nautes", repo))
        .tenant_cluster(cluster.client())
        .clusters(Arc::clone(clusters) as Arc<dyn ClusterAccess>)
        .mirrors(mirrors)
        .webhook_url("http://127.0.0.1:2".parse().unwrap())
        .timing(Timing::LOCAL)
        .build()
        .unwrap()
}

/// The settings of the tests.
pub(crate) fn settings() -> Settings {
    Settings {
        body_limit: 4 << 20,
        ..Settings::on(SocketAddr::from(([127, 0, 0, 1], 0)))
    }
}

pub(crate) async fn send_to(router: &Router, request: Request<Body>) -> Answer {
    use tower::ServiceExt as _;
    let asked = (request.method().clone(), request.uri().path().to_owned());
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    crate::described::hold(&asked, status, response.headers());
    let content_type = response
        .headers()
        .get("content-type")
        .map(|v| v.to_str().unwrap().to_owned())
        .unwrap_or_default();
    let headers = response.headers().clone();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    Answer {
        status,
        body,
        content_type,
        headers,
        text: String::from_utf8_lossy(&bytes).into_owned(),
    }
}

/// A cluster in which pipelines run.
pub(crate) fn pipelines() -> String {
    physical("pipelines", "pipeline", "6443")
}

pub(crate) fn physical(name: &str, worker: &str, port: &str) -> String {
    format!(
        "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Cluster
spec:
  name: {name}
  apiServer: https://10.0.0.1:{port}
  clusterKind: kubernetes
  clusterType: physical
  usage: worker
  workerType: {worker}
  componentsList:
    multiTenant: {{ name: namespaces, namespace: nautes }}
    deployment: {{ name: direct, namespace: nautes }}
    pipeline: {{ name: tekton, namespace: tekton-pipelines, additions: {{ host: tekton.example.org }} }}
    eventListener: {{ name: webhook, namespace: nautes }}
    secretSync: {{ name: direct, namespace: nautes }}
  kubeconfig: |
    apiVersion: v1
    kind: Config
    current-context: a
    clusters: [{{ name: a, cluster: {{ server: 'https://127.0.0.1:1' }} }}]
    users: [{{ name: a, user: {{ token: {CANARY} }} }}]
    contexts: [{{ name: a, context: {{ cluster: a, user: a }} }}]
"
    )
}

/// A product with a project, a repository and an environment.
pub(crate) fn product(name: &str, cluster: &str) -> String {
    format!(
        "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Environment
spec: {{ name: dev, product: {name}, cluster: {cluster}, envType: dev }}
---
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: CodeRepo
spec:
  name: source
  product: {name}
  project: web
  git: {{ gitlab: {{ visibility: private }} }}
---
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Project
spec: {{ name: web, product: {name}, language: rust }}
---
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Product
spec:
  name: {name}
  git: {{ gitlab: {{ visibility: private, description: a product }} }}
"
    )
}
