//! The API over twins in weather, and looks at what is there without weather.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use nautes_api::{App, Settings, router};
use nautes_gitops::RepoPath;
use nautes_gitops::repo::history::Commit;
use nautes_model::Secret;
use nautes_model::name::ClusterName;
use nautes_runtime::clusters::StoredClusters;
use nautes_runtime::platform::{Platform, Timing};
use nautes_vault::{SecretStore, keys};

use crate::support::{Answer, CANARY, World, physical, product};
use crate::weather::{Forge, INSIDE, Store, Weather};

/// How many resources [`product`] has beside the product itself.
const OF_PRODUCT: usize = 3;

pub(crate) struct Stage {
    /// Its router and its token go through the weather; its platform, forge and store do not.
    pub(crate) world: World,
    pub(crate) forge: Arc<Weather>,
    pub(crate) store: Arc<Weather>,
    /// The platform below the router.
    pub(crate) platform: Platform,
}

/// What is there of a product `name` and the cluster `on-name`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Looked {
    pub(crate) cluster: bool,
    pub(crate) secret: bool,
    pub(crate) registered: bool,
    pub(crate) resources: usize,
}

impl Looked {
    pub(crate) const NOTHING: Self = Self {
        cluster: false,
        secret: false,
        registered: false,
        resources: 0,
    };
    pub(crate) const ALL: Self = Self {
        cluster: true,
        secret: true,
        registered: true,
        resources: OF_PRODUCT,
    };
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let mut world = World::new().await;
        let (forge, store) = (Arc::new(Weather::default()), Arc::new(Weather::default()));
        let secrets: Arc<dyn SecretStore> = Arc::new(Store {
            inner: Arc::clone(&world.store),
            weather: Arc::clone(&store),
        });
        let platform = Platform::builder()
            .host(Arc::new(Forge {
                inner: Arc::new(world.forge.clone()),
                weather: Arc::clone(&forge),
            }))
            .store(Arc::clone(&secrets))
            .tenant(world.platform.tenant().clone())
            .tenant_cluster(world.cluster.client())
            .clusters(Arc::new(StoredClusters::new(secrets)))
            .mirrors(world.dir.path().join("weathered"))
            .webhook_url("http://127.0.0.1:2".parse().unwrap())
            .timing(Timing::LOCAL)
            .build()
            .unwrap();
        world.router = router(App::new(platform.clone()), &settings());
        Self {
            world,
            forge,
            store,
            platform,
        }
    }

    /// From now on requests have a deadline. Returns the router as it was.
    pub(crate) fn impatient(&mut self, deadline: Duration) -> Router {
        let settings = Settings {
            deadline,
            ..settings()
        };
        let app = App::new(self.platform.clone());
        std::mem::replace(&mut self.world.router, router(app, &settings))
    }

    pub(crate) async fn send(&self, path: &str, text: &str) -> Answer {
        self.world.post(&self.world.admin, path, text).await
    }

    pub(crate) async fn look(&self, name: &str) -> Looked {
        look(&self.world.platform, name).await
    }

    /// The commits of a repository, newest first; none where there is no repository. No history has two ends.
    pub(crate) async fn history(&self, path: &str) -> Vec<Commit> {
        history(&self.world.platform, path).await
    }
}

fn settings() -> Settings {
    Settings::on(([127, 0, 0, 1], 0).into())
}

/// Says what is there of a product and its cluster.
pub(crate) async fn look(platform: &Platform, name: &str) -> Looked {
    let scopes = platform.scopes().await.unwrap();
    let cluster = format!("on-{name}");
    let path = keys::kubeconfig(&ClusterName::new(&cluster).unwrap()).path;
    Looked {
        cluster: scopes.tenant.cluster(&cluster).is_some(),
        secret: platform.store().read(&path).await.unwrap().is_some(),
        registered: scopes.tenant.product(name).is_some(),
        resources: scopes.products.get(name).map_or(0, |scope| scope.resources.len()),
    }
}

/// See [`Stage::history`].
pub(crate) async fn history(platform: &Platform, path: &str) -> Vec<Commit> {
    let path: RepoPath = path.parse().unwrap();
    let session = platform.host().platform().await.unwrap();
    if session.repository(&path).await.unwrap().is_none() {
        return Vec::new();
    }
    let mirror = platform.mirrors().open(&path).await.unwrap();
    let refs = session.fetch(&path, &mirror).await.unwrap();
    let Some(tip) = refs.get("refs/heads/main") else {
        return Vec::new();
    };
    let commits = mirror.log(*tip, 100_000).await.unwrap();
    for (commit, older) in commits.iter().zip(commits.iter().skip(1)) {
        assert_eq!(commit.parents, [older.id], "the history of {path} is a line");
    }
    assert!(commits.last().is_none_or(|first| first.parents.is_empty()));
    commits
}

/// A cluster, and a product that is on it: a request that touches two repositories and the store.
pub(crate) fn everything(name: &str, number: usize) -> String {
    let cluster = physical(&format!("on-{name}"), "pipeline", &(7000 + number).to_string());
    let cluster = cluster.replace("tekton.example.org", &format!("tekton.{name}.example.org"));
    format!("{cluster}---\n{}", product(name, &format!("on-{name}")))
}

/// An answer to a request that met a fault tells what to do, and nothing about the inside.
pub(crate) fn assert_helpful(answer: &Answer, what: &str) {
    assert!(
        !answer.text.contains(CANARY) && !answer.text.contains(INSIDE),
        "{what}: {}",
        answer.text
    );
    if answer.status == StatusCode::MULTI_STATUS {
        let repositories = answer.body["repositories"].as_array().unwrap();
        let errors = repositories.iter().filter(|r| r["error"].is_string()).count();
        let commits = repositories.iter().filter(|r| r["commit"].is_string()).count();
        assert!(errors > 0 && commits > 0, "{what}: {:#}", answer.body);
        return;
    }
    assert_eq!(
        answer.body["code"],
        answer.status.as_u16(),
        "{what}: {}",
        answer.text
    );
    assert!(answer.body["reason"].is_string(), "{what}: {:#}", answer.body);
    assert!(answer.body["message"].is_string(), "{what}: {:#}", answer.body);
    assert!(
        answer.body["metadata"]["hint"].is_string(),
        "{what}: no hint: {:#}",
        answer.body
    );
}

/// Whether a write that failed left a state in which nothing is half done.
pub(crate) fn assert_whole(looked: Looked, what: &str) {
    assert!(
        looked.resources == 0 || looked.resources == OF_PRODUCT,
        "{what}: a commit is whole: {looked:?}"
    );
    assert_eq!(
        looked.cluster, looked.registered,
        "{what}: the tenant's commit is whole: {looked:?}"
    );
    assert!(
        looked.registered || looked.resources == 0,
        "{what}: the tenant's repository is first and last: {looked:?}"
    );
    assert!(
        looked.secret || !looked.cluster,
        "{what}: a cluster has its kubeconfig: {looked:?}"
    );
}

/// The ids of the requests that made commits, each once.
pub(crate) fn request_ids(commits: &[Commit]) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for id in commits
        .iter()
        .filter_map(|commit| commit.trailers.iter().find(|(key, _)| *key == "Nautes-Request"))
        .flat_map(|(_, ids)| ids)
    {
        assert!(ids.insert(id.clone()), "two commits of one request: {id}");
    }
    ids
}

/// The token as the header has it.
pub(crate) fn bearer(token: &Secret) -> String {
    format!("Bearer {}", token.expose_str().unwrap())
}
