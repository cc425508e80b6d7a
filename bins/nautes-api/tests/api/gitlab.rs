//! The API on a GitLab: many who want the same product at once, and a forge that takes no more calls.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use nautes_api::{App, router};
use nautes_gitops::host::gitlab::fake::{FakeGitlab, Injection, Weather};
use nautes_gitops::host::gitlab::{Gitlab, Options};
use nautes_gitops::{GitHost as _, GroupSpec, RepoPath};
use nautes_model::Secret;
use nautes_runtime::clusters::StoredClusters;
use nautes_runtime::local;
use nautes_runtime::platform::machine::begin_tenant;
use nautes_runtime::platform::{Platform, TenantSettings, Timing};
use nautes_vault::SecretStore;
use nautes_vault::local::{LocalStore, MasterKey};
use serde_json::json;

use crate::support::{Answer, send_to, settings};

const SHOP: &str = "\
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Product
spec: {name: shop, git: {gitlab: {visibility: private, description: The shop}}}
---
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Project
spec: {name: web, product: shop, language: rust}
";

/// Servers over one GitLab that know nothing of each other.
struct World {
    fake: FakeGitlab,
    gitlab: Gitlab,
    servers: Vec<Router>,
    ann: Secret,
    dir: tempfile::TempDir,
    _cluster: local::Cluster,
}

impl World {
    async fn new(servers: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let fake = FakeGitlab::start(dir.path().join("forge")).await.unwrap();
        let token = fake.create_user("platform").await.unwrap();
        let ann = fake.create_user("ann").await.unwrap();
        let mut options = Options::new("gitlab", fake.url(), token);
        options.net.loopback = true;
        let gitlab = Gitlab::new(options.clone()).unwrap();
        let cluster = local::Cluster::start(local::Options::in_memory("tenant"))
            .await
            .unwrap();
        let store: Arc<dyn SecretStore> =
            Arc::new(LocalStore::in_memory(&MasterKey::generate().unwrap()).unwrap());
        let mut routers = Vec::new();
        for number in 0..servers {
            let platform = Platform::builder()
                .host(Arc::new(Gitlab::new(options.clone()).unwrap()))
                .store(Arc::clone(&store))
                .tenant(TenantSettings::new(
                    "nautes",
                    RepoPath::new("nautes", "management").unwrap(),
                ))
                .tenant_cluster(cluster.client())
                .clusters(Arc::new(StoredClusters::new(Arc::clone(&store))))
                .mirrors(dir.path().join(format!("mirrors-{number}")))
                .webhook_url("http://127.0.0.1:2".parse().unwrap())
                .timing(Timing::STANDARD)
                .build()
                .unwrap();
            begin_tenant(&platform).await.unwrap();
            routers.push(router(App::new(platform), &settings()));
        }
        Self {
            fake,
            gitlab,
            servers: routers,
            ann,
            dir,
            _cluster: cluster,
        }
    }

    fn ask(&self, path: &str, token: &Secret, body: &serde_json::Value) -> Request<Body> {
        Request::post(path)
            .header("authorization", format!("Bearer {}", token.expose_str().unwrap()))
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()))
            .unwrap()
    }

    async fn save(&self, server: usize) -> Answer {
        let body = json!({ "files": [{ "name": "shop.yaml", "text": SHOP }] });
        let router = &self.servers[server % self.servers.len()];
        send_to(router, self.ask("/api/v1/apply", &self.ann, &body)).await
    }

    async fn apply(&self, token: &Secret, body: serde_json::Value) -> Answer {
        send_to(&self.servers[0], self.ask("/api/v1/apply", token, &body)).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_saves_of_one_new_product_make_one_group_with_one_repository() {
    let world = World::new(2).await;
    let answers = futures::future::join_all((0..50).map(|number| world.save(number))).await;
    let mut counts: BTreeMap<u16, usize> = BTreeMap::new();
    for answer in &answers {
        *counts.entry(answer.status.as_u16()).or_default() += 1;
        // Whoever is not served is told to come back, or that somebody else is at it.
        assert!(
            matches!(answer.status.as_u16(), 200 | 409 | 429 | 503),
            "{:#}",
            answer.body
        );
    }
    assert!(counts[&200] >= 1, "{counts:?}");
    // The same request once more finds everything done.
    let last = world.save(1).await;
    assert_eq!(last.status, StatusCode::OK, "{:#}", last.body);
    let session = world.gitlab.platform().await.unwrap();
    let groups: Vec<String> = session
        .groups()
        .await
        .unwrap()
        .into_iter()
        .map(|g| g.name)
        .collect();
    assert_eq!(groups, ["nautes", "shop"]);
    let repositories = session.repositories("shop").await.unwrap();
    let names: Vec<&str> = repositories.iter().map(|r| r.path.name()).collect();
    assert_eq!(names, ["default.project"]);
    // It was made once, not made and thrown away.
    let made = |what: &str| {
        let all = world.fake.exchanges();
        let posts = all
            .iter()
            .filter(|e| e.method == "POST" && e.path == what && e.status == 201);
        posts.count()
    };
    assert_eq!(
        (made("/groups"), made("/projects")),
        (2, 2),
        "with those of the tenant"
    );
    // What is registered is what is there.
    let scopes = world.scopes().await;
    let (_, product) = scopes.tenant.product("shop").unwrap();
    let registered = product.spec.registration.as_ref().unwrap();
    assert_eq!(registered.repository_id, repositories[0].id.to_string());
    let group = session.group("shop").await.unwrap().unwrap();
    assert_eq!(registered.group_id, group.id.to_string());
}

impl World {
    async fn scopes(&self) -> Arc<nautes_model::Scopes> {
        let store: Arc<dyn SecretStore> =
            Arc::new(LocalStore::in_memory(&MasterKey::generate().unwrap()).unwrap());
        let platform = Platform::builder()
            .host(Arc::new(self.gitlab.clone()))
            .store(Arc::clone(&store))
            .tenant(TenantSettings::new(
                "nautes",
                RepoPath::new("nautes", "management").unwrap(),
            ))
            .tenant_cluster(self._cluster.client())
            .clusters(Arc::new(StoredClusters::new(store)))
            .mirrors(self.dir.path().join("mirrors-of-the-test"))
            .webhook_url("http://127.0.0.1:2".parse().unwrap())
            .build()
            .unwrap();
        platform.scopes().await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_was_there_is_not_taken() {
    let world = World::new(1).await;
    let session = world.gitlab.session(&world.ann).await.unwrap();
    let group = GroupSpec {
        name: "shop".to_owned(),
        ..GroupSpec::default()
    };
    session.create_group(&group).await.unwrap();
    let answer = world.save(0).await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "{:#}", answer.body);
    assert_eq!(answer.body["reason"], "GROUP_EXISTS");
    assert!(session.repositories("shop").await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_was_there_is_taken_over_when_its_owner_asks_for_it_by_its_id() {
    let world = World::new(1).await;
    let session = world.gitlab.session(&world.ann).await.unwrap();
    let group = GroupSpec {
        name: "shop".to_owned(),
        ..GroupSpec::default()
    };
    let made = session.create_group(&group).await.unwrap();
    let adopt = |id: u64| {
        let text = format!(
            "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: Product\nmetadata:\n  name: shop\n  annotations:\n    \
             {}: \"{id}\"\nspec: {{name: shop, git: {{gitlab: {{visibility: private}}}}}}\n",
            nautes_model::annotation::ADOPT
        );
        json!({ "files": [{ "name": "shop.yaml", "text": text }] })
    };
    let refused = world.apply(&world.ann, adopt(made.id + 1)).await;
    assert_eq!(refused.body["reason"], "GROUP_EXISTS", "{:#}", refused.body);
    // The platform's account has to look after it.
    let refused = world.apply(&world.ann, adopt(made.id)).await;
    assert_eq!(refused.body["reason"], "GROUP_EXISTS", "{:#}", refused.body);
    let hint = refused.body["metadata"]["hint"].as_str().unwrap();
    assert!(hint.contains("owner"), "{hint}");
    let place = nautes_gitops::Place::group("shop");
    session
        .add_member(&place, "platform", nautes_gitops::AccessLevel::Owner)
        .await
        .unwrap();
    // Nobody else has it taken over.
    let other = world.fake.create_user("other").await.unwrap();
    let refused = world.apply(&other, adopt(made.id)).await;
    assert!(refused.status.is_client_error(), "{:#}", refused.body);
    assert!(session.repositories("shop").await.unwrap().is_empty());

    let answer = world.apply(&world.ann, adopt(made.id)).await;
    assert!(answer.status.is_success(), "{:#}", answer.body);
    let scopes = world.scopes().await;
    let registered = scopes.tenant.product("shop").unwrap().1.spec.registration.clone();
    assert_eq!(registered.unwrap().group_id, made.id.to_string());
    assert_eq!(session.repositories("shop").await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_limit_of_the_forge_comes_with_its_time() {
    let world = World::new(1).await;
    // Longer than a call may take: it is told instead of waited for.
    let limit = Injection {
        times: 10,
        ..Injection::once("*", "/api/v4/", Weather::RateLimit(300))
    };
    world.fake.inject(limit);
    let answer = world.save(0).await;
    assert_eq!(
        answer.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{:#}",
        answer.body
    );
    assert_eq!(answer.body["reason"], "FORGE_LIMITED");
    let after: u32 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((200..=300).contains(&after), "{after}");
    let hint = answer.body["metadata"]["hint"].as_str().unwrap();
    assert!(hint.contains(&format!("{after} seconds")), "{hint}");
}
