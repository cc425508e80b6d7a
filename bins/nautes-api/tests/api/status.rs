//! The status of one resource.

use axum::http::StatusCode;
use nautes_runtime::controller::reconcile_all;

use crate::support::{World, pipelines, product};

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
