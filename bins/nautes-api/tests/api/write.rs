//! One request, one commit on each repository.

use axum::http::{Method, StatusCode};
use nautes_gitops::GitHost as _;
use nautes_model::name::ClusterName;
use nautes_vault::{SecretStore as _, keys};
use serde_json::{Value, json};

use crate::support::{CANARY, World, physical, pipelines, product};

#[tokio::test]
async fn a_cluster_is_one_commit_and_its_kubeconfig_is_in_the_store_only() {
    let world = World::new().await;
    let reply = world.apply(&world.admin, &pipelines()).await;
    assert_eq!(reply["repositories"][0]["repository"], "nautes/management");
    assert_eq!(reply["repositories"][0]["resources"][0]["done"], "created");
    let stored = world
        .store
        .read(&keys::kubeconfig(&ClusterName::new("pipelines").unwrap()).path)
        .await
        .unwrap();
    let text = stored.unwrap().values["kubeconfig"]
        .expose_str()
        .unwrap()
        .to_owned();
    assert!(
        text.contains(CANARY) && text.contains("https://10.0.0.1:6443"),
        "the server is the declared one"
    );
    assert!(!format!("{:?}", world.scopes().await).contains(CANARY));
    let again = world.apply(&world.admin, &pipelines()).await;
    assert_eq!(again["repositories"][0]["commit"], Value::Null);
    assert_eq!(again["repositories"][0]["resources"][0]["done"], "unchanged");
}

#[tokio::test]
async fn a_product_in_any_order_is_one_commit_on_its_repository() {
    let world = World::new().await;
    world.apply(&world.admin, &pipelines()).await;
    let reply = world.apply(&world.admin, &product("shop", "pipelines")).await;
    let done: Vec<(String, usize)> = reply["repositories"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| {
            (
                r["repository"].as_str().unwrap().to_owned(),
                r["resources"].as_array().unwrap().len(),
            )
        })
        .collect();
    assert_eq!(
        done,
        [
            ("nautes/management".to_owned(), 1),
            ("shop/default.project".to_owned(), 3)
        ]
    );
    let scopes = world.scopes().await;
    assert_eq!(scopes.products["shop"].resources.len(), 3);
    let (_, registered) = scopes.tenant.product("shop").unwrap();
    assert_eq!(registered.spec.registration.as_ref().unwrap().creator, "admin");
    let again = world.apply(&world.admin, &product("shop", "pipelines")).await;
    assert!(
        again["repositories"]
            .as_array()
            .unwrap()
            .iter()
            .all(|r| r["commit"].is_null()),
        "{again:#}"
    );
}

#[tokio::test]
async fn a_dry_run_writes_nothing() {
    let world = World::new().await;
    let before = world.tip("nautes/management").await;
    let text = format!("{}---\n{}", pipelines(), product("shop", "pipelines"));
    let answer = world
        .post(&world.admin, "/api/v1/apply?dry_run=true", &text)
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{:#}", answer.body);
    assert_eq!(answer.body["repositories"][1]["resources"][0]["done"], "created");
    let one = "/api/v1/products/shop?dry_run=true";
    let body = json!({ "git": { "gitlab": { "visibility": "private" } } });
    let answer = world.call(&world.admin, Method::POST, one, body).await;
    assert_eq!(
        answer.body["message"],
        "shop product would be saved; nothing was written"
    );
    assert_eq!(world.tip("nautes/management").await, before);
    assert!(world.store.list("").await.unwrap().is_empty());
    assert!(
        world
            .forge
            .platform()
            .await
            .unwrap()
            .group("shop")
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn every_fault_is_named_at_once_and_nothing_is_written() {
    let world = World::new().await;
    world.apply(&world.admin, &pipelines()).await;
    world.apply(&world.admin, &product("shop", "pipelines")).await;
    let tip = world.tip("shop/default.project").await;
    let text = "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Environment
spec: { name: one, product: shop, clutser: pipelines, envType: test }
---
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Environment
spec: { name: two, product: shop, cluster: nowhere, envType: test }
---
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: CodeRepo
spec: { name: orphan, product: shop, project: nothing, git: { gitlab: { visibility: private } } }
";
    let answer = world.post(&world.admin, "/api/v1/apply", text).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{:#}", answer.body);
    let rules: Vec<&str> = answer.body["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["rule"].as_str().unwrap())
        .collect();
    for rule in [
        "ManifestFieldUnknown",
        "EnvironmentClusterMissing",
        "ProjectMissing",
    ] {
        assert!(rules.contains(&rule), "{rule} is not among {rules:?}");
    }
    for finding in answer.body["findings"].as_array().unwrap() {
        assert_eq!(finding["file"], "test.yaml");
        assert!(finding["position"]["line"].as_u64().unwrap() > 0, "{finding:#}");
        assert!(finding["hint"].is_string(), "{finding:#}");
    }
    assert_eq!(world.tip("shop/default.project").await, tip);
}

#[tokio::test]
async fn skipped_rules_are_accepted_and_recorded() {
    let world = World::new().await;
    world.apply(&world.admin, &pipelines()).await;
    world.apply(&world.admin, &product("shop", "pipelines")).await;
    let text = "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Environment
spec: { name: later, product: shop, cluster: nowhere, envType: test }
";
    let refused = world.post(&world.admin, "/api/v1/apply", text).await;
    assert_eq!(
        refused.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{:#}",
        refused.body
    );
    let accepted = world
        .post(&world.admin, "/api/v1/apply?insecure_skip_check=true", text)
        .await;
    assert_eq!(accepted.status, StatusCode::OK, "{:#}", accepted.body);
    assert_eq!(accepted.body["skipped"][0]["rule"], "EnvironmentClusterMissing");
    assert!(
        world.scopes().await.products["shop"]
            .environment("later")
            .is_some()
    );
    let strict = world
        .post(&world.admin, "/api/v1/apply?insecure_skip_check=perhaps", text)
        .await;
    assert_eq!(strict.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn rules_that_the_definitions_enforce_are_not_skipped() {
    let world = World::new().await;
    world.apply(&world.admin, &pipelines()).await;
    world.apply(&world.admin, &product("shop", "pipelines")).await;
    let tip = world.tip("shop/default.project").await;
    // The event source is not there: no API server would take the runtime. The project may come later.
    let text = "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: ProjectPipelineRuntime
metadata: { name: broken, namespace: product-shop }
spec:
  project: later
  pipelineSource: web
  pipelines: [{ name: main, path: main.yaml }]
  destination: { environment: dev }
  eventSources: [{ name: nightly, calendar: { interval: 1h } }]
  pipelineTriggers: [{ eventSource: nightli, pipeline: main, revision: main }]
";
    let path = "/api/v1/apply?insecure_skip_check=true";
    let refused = world.post(&world.admin, path, text).await;
    assert_eq!(
        refused.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{:#}",
        refused.body
    );
    let findings = refused.body["findings"].as_array().unwrap();
    for rule in ["PipelineStatic", "ProjectMissing"] {
        assert!(findings.iter().any(|f| f["rule"] == rule), "{:#}", refused.body);
    }
    assert_eq!(world.tip("shop/default.project").await, tip);
    let mended = world
        .post(&world.admin, path, &text.replace("nightli,", "nightly,"))
        .await;
    assert_eq!(mended.status, StatusCode::OK, "{:#}", mended.body);
    assert!(mended.body["skipped"].as_array().is_some_and(|s| !s.is_empty()));
}

#[tokio::test]
async fn what_is_still_needed_is_not_removed() {
    let world = World::new().await;
    world.apply(&world.admin, &pipelines()).await;
    world.apply(&world.admin, &product("shop", "pipelines")).await;
    for path in [
        "/api/v1/clusters/pipelines",
        "/api/v1/products/shop/projects/web",
        "/api/v1/products/shop",
    ] {
        let answer = world.call(&world.admin, Method::DELETE, path, Value::Null).await;
        assert_eq!(answer.status, StatusCode::CONFLICT, "{path}: {:#}", answer.body);
    }
    let removed = world
        .post(&world.admin, "/api/v1/remove", &product("shop", "pipelines"))
        .await;
    assert_eq!(removed.status, StatusCode::OK, "{:#}", removed.body);
    assert!(world.scopes().await.tenant.product("shop").is_none());
    let gone = world
        .call(
            &world.admin,
            Method::DELETE,
            "/api/v1/clusters/pipelines",
            Value::Null,
        )
        .await;
    assert_eq!(gone.status, StatusCode::OK, "{:#}", gone.body);
    let again = world
        .call(
            &world.admin,
            Method::DELETE,
            "/api/v1/clusters/pipelines",
            Value::Null,
        )
        .await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_group_of_somebody_else_is_not_taken_for_a_product() {
    let world = World::new().await;
    let other = world.user("other").await;
    let session = world.forge.session(&other).await.unwrap();
    let spec = nautes_gitops::GroupSpec {
        name: "shop".to_owned(),
        visibility: nautes_gitops::Visibility::Private,
        description: String::new(),
        marker: None,
    };
    session.create_group(&spec).await.unwrap();
    world.apply(&world.admin, &pipelines()).await;
    let answer = world
        .post(&world.admin, "/api/v1/apply", &product("shop", "pipelines"))
        .await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "{:#}", answer.body);
    assert_eq!(answer.body["reason"], "GROUP_EXISTS");
    assert!(world.scopes().await.tenant.product("shop").is_none());
}

#[tokio::test]
async fn concurrent_writers_lose_nothing() {
    let world = World::new().await;
    world.apply(&world.admin, &pipelines()).await;
    world.apply(&world.admin, &product("shop", "pipelines")).await;
    let path = |i: usize| format!("/api/v1/products/shop/projects/p{i}");
    let writes = (0..20).map(|i| {
        let world = &world;
        async move {
            world
                .call(&world.admin, Method::POST, &path(i), json!({ "language": "go" }))
                .await
                .status
        }
    });
    let statuses = futures::future::join_all(writes).await;
    let scopes = world.scopes().await;
    for (i, status) in statuses.iter().enumerate() {
        match *status {
            StatusCode::OK => {
                assert!(
                    scopes.products["shop"].project(&format!("p{i}")).is_some(),
                    "p{i} was lost"
                );
            }
            StatusCode::CONFLICT => {}
            other => panic!("p{i}: {other}"),
        }
    }
    assert!(statuses.contains(&StatusCode::OK));
}

#[tokio::test]
async fn a_bad_kubeconfig_is_a_finding_without_its_content() {
    let world = World::new().await;
    let text =
        physical("pipelines", "pipeline", "6443").replace("current-context: a", "current-context: missing");
    let answer = world.post(&world.admin, "/api/v1/apply", &text).await;
    assert!(answer.status.is_client_error(), "{:#}", answer.body);
    assert_eq!(answer.body["findings"][0]["rule"], "ClusterKubeconfig");
    assert!(!answer.body.to_string().contains(CANARY));
    assert!(world.store.list("").await.unwrap().is_empty());
}
