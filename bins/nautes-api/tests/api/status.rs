//! The status of one resource.

use axum::http::StatusCode;
use nautes_runtime::controller::reconcile_all;

use crate::support::{World, physical, pipelines, product};

#[tokio::test]
async fn one_resource_says_what_is_known_of_it() {
    let world = World::new().await;
    world.serve_kinds().await;
    let text = [pipelines(), product("shop", "pipelines")].join("---\n");
    world.apply(&world.admin, &text).await;

    let path = "/api/v1/status/shop/project/web";
    let before = world.get(&world.admin, path).await;
    assert_eq!(before.status, StatusCode::OK, "{:#}", before.body);
    assert_eq!(before.body["state"], "Pending");
    assert_eq!(before.body["declared"], true);
    assert!(before.body["conditions"].as_array().unwrap().is_empty());
    assert!(
        before.body["hints"][0].as_str().unwrap().contains("controllers"),
        "{:#}",
        before.body
    );

    reconcile_all(&world.platform).await.unwrap();
    let after = world.get(&world.admin, path).await.body;
    let tip = world.tip("shop/default.project").await.unwrap();
    assert_eq!(after["state"], "Ready", "{after:#}");
    assert_eq!(after["observedRevision"], tip.as_str());
    assert_eq!(after["declaredRevision"], tip.as_str());
    assert_eq!(after["observedGeneration"], after["generation"]);
    let ready = after["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["type"] == "Ready")
        .unwrap();
    assert_eq!(ready["status"], "True");
    assert!(ready["lastTransition"].as_str().unwrap().ends_with('Z'));
    assert!(after["lastTransition"].as_str() >= ready["lastTransition"].as_str());

    let tenant = world.get(&world.admin, "/api/v1/status/cls/pipelines").await;
    assert_eq!(tenant.status, StatusCode::OK);
    assert_eq!(tenant.body["resource"]["name"], "pipelines");
    assert!(!tenant.text.contains(crate::support::CANARY));
}

/// The states of a tree, by resource.
fn states(tree: &serde_json::Value, into: &mut Vec<(String, String)>) {
    for node in tree.as_array().into_iter().flatten() {
        let of = &node["resource"];
        into.push((
            format!("{}/{}", of["kind"], of["name"]),
            node["state"].to_string(),
        ));
        states(&node["children"], into);
    }
}

#[tokio::test]
async fn the_tree_of_a_product_moves_with_what_is_declared_and_what_is_live() {
    let world = World::new().await;
    world.serve_kinds().await;
    let text = [pipelines(), product("shop", "pipelines")].join("---\n");
    world.apply(&world.admin, &text).await;
    reconcile_all(&world.platform).await.unwrap();
    let tree = async || {
        let answer = world.get(&world.admin, "/api/v1/status/shop").await;
        assert_eq!(answer.status, StatusCode::OK, "{:#}", answer.body);
        assert_eq!(answer.headers["content-type"], "application/json");
        let mut all = Vec::new();
        states(&answer.body["products"], &mut all);
        all
    };
    // What is live is followed: it is known a moment after it is written.
    let until = async |wanted: fn(&[(String, String)]) -> bool| {
        let mut last = Vec::new();
        for _ in 0..400 {
            last = tree().await;
            if wanted(&last) {
                return last;
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        panic!("{last:#?}");
    };
    let ready = until(|all| all.iter().all(|(_, state)| state.contains("Ready"))).await;
    assert!(ready.len() > 3, "{ready:#?}");

    // What is declared is never an old one, whatever is kept.
    let more = "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Project
spec: {name: another, product: shop, language: go}
";
    world.apply(&world.admin, more).await;
    let now = tree().await;
    assert_eq!(now.len(), ready.len() + 1);
    let another = now.iter().find(|(name, _)| name.contains("another")).unwrap();
    assert!(another.1.contains("Pending"), "{another:?}");
    reconcile_all(&world.platform).await.unwrap();
    until(|all| all.iter().all(|(_, state)| state.contains("Ready"))).await;

    let all = world.get(&world.admin, "/api/v1/status").await.body;
    let mut of_all = Vec::new();
    states(&all["products"], &mut of_all);
    assert_eq!(of_all, tree().await);
    assert!(!all["tenant"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn what_names_no_resource_is_told_with_the_way_out() {
    let world = World::new().await;
    world.serve_kinds().await;
    let text = [pipelines(), product("shop", "pipelines")].join("---\n");
    world.apply(&world.admin, &text).await;
    for (path, status, hint) in [
        ("/api/v1/status/shop/project/none", StatusCode::NOT_FOUND, ""),
        (
            "/api/v1/status/shop/nonsense/web",
            StatusCode::BAD_REQUEST,
            "kinds: ",
        ),
        (
            "/api/v1/status/shop/cluster/pipelines",
            StatusCode::BAD_REQUEST,
            ".../clusters/pipelines",
        ),
        (
            "/api/v1/status/project/web",
            StatusCode::BAD_REQUEST,
            "PRODUCT/projects/web",
        ),
        (
            "/api/v1/status/product/shop",
            StatusCode::BAD_REQUEST,
            "/api/v1/status/shop",
        ),
    ] {
        let answer = world.get(&world.admin, path).await;
        assert_eq!(answer.status, status, "{path}: {:#}", answer.body);
        let said = answer.body["metadata"]["hint"].as_str().unwrap_or_default();
        assert!(said.contains(hint), "{path}: {said}");
    }
    let other = world.user("other").await;
    let answer = world.get(&other, "/api/v1/status/shop/project/web").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_broken_together_with_others_does_not_tell_of_them() {
    let world = World::new().await;
    world.serve_kinds().await;
    let runtime = |product: &str, name: &str| {
        format!(
            "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Environment
spec: {{name: live, product: {product}, cluster: live, envType: live}}
---
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: DeploymentRuntime
spec:
  name: {name}
  product: {product}
  projectsRef: [web]
  manifestSource: {{codeRepo: source, targetRevision: main, path: live}}
  destination: {{environment: live, namespaces: [common]}}
"
        )
    };
    let text = [
        pipelines(),
        physical("live", "deployment", "6444"),
        product("shop", "pipelines"),
        product("books", "pipelines"),
        runtime("shop", "secretly"),
        runtime("books", "openly"),
    ];
    let applied = world
        .post(
            &world.admin,
            "/api/v1/apply?insecure_skip_check=true",
            &text.join("---\n"),
        )
        .await;
    assert_eq!(applied.status, StatusCode::OK, "{:#}", applied.body);
    let path = "/api/v1/status/books/deploymentruntime/openly";
    let of_books = crate::access::reader(&world, "boris", "books").await;
    let part = world.get(&of_books, path).await;
    assert_eq!(part.status, StatusCode::OK, "{:#}", part.body);
    assert_eq!(part.body["findings"][0]["rule"], "RuntimeNamespaceTaken");
    assert!(
        !part.text.contains("secretly") && !part.text.contains("shop"),
        "{:#}",
        part.body
    );
}
