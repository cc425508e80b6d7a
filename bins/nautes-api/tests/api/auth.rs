//! Who may do what.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use nautes_gitops::{AccessLevel, GitHost as _, Place};
use nautes_model::Secret;
use serde_json::{Value, json};

use crate::support::{World, physical, pipelines, product};

#[tokio::test]
async fn nothing_is_answered_without_a_valid_token() {
    let world = World::new().await;
    for path in [
        "/api/v1/clusters",
        "/api/v1/products/shop/projects/web",
        "/api/v1/apply",
    ] {
        let method = if path.ends_with("apply") {
            Method::POST
        } else {
            Method::GET
        };
        let request = Request::builder()
            .method(&method)
            .uri(path)
            .body(Body::empty())
            .unwrap();
        assert_eq!(
            world.send(request).await.status,
            StatusCode::UNAUTHORIZED,
            "{path}"
        );
        let answer = world.call(&Secret::from("nobody"), method, path, json!({})).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(answer.body["reason"], "UNAUTHENTICATED");
    }
}

#[tokio::test]
async fn a_kubeconfig_is_not_stored_for_somebody_without_rights() {
    let world = World::new().await;
    let user = world.user("mallory").await;
    let before = world.tip("nautes/management").await;
    let answer = world.post(&user, "/api/v1/apply", &pipelines()).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{:#}", answer.body);
    assert!(
        nautes_vault::SecretStore::list(&*world.store, "")
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(world.tip("nautes/management").await, before);
}

#[tokio::test]
async fn a_product_of_others_cannot_be_seen_or_changed() {
    let world = World::new().await;
    world.apply(&world.admin, &pipelines()).await;
    world.apply(&world.admin, &product("shop", "pipelines")).await;
    let user = world.user("mallory").await;
    let tip = world.tip("shop/default.project").await;
    for path in [
        "/api/v1/products/shop",
        "/api/v1/products/shop/projects",
        "/api/v1/products/shop/projects/web",
    ] {
        assert_eq!(
            world.get(&user, path).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    assert_eq!(
        world.get(&user, "/api/v1/products").await.body["items"],
        json!([])
    );
    let project = "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Project
spec: { name: mine, product: shop, language: go }
";
    for path in ["/api/v1/apply", "/api/v1/remove", "/api/v1/validate"] {
        assert_eq!(
            world.post(&user, path, project).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    let path = "/api/v1/products/shop/projects/web";
    assert_eq!(
        world.call(&user, Method::DELETE, path, Value::Null).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(world.tip("shop/default.project").await, tip);
}

#[tokio::test]
async fn levels_decide_what_a_member_may_do() {
    let world = World::new().await;
    world.apply(&world.admin, &pipelines()).await;
    world.apply(&world.admin, &product("shop", "pipelines")).await;
    let user = world.user("dev").await;
    let platform = world.forge.platform().await.unwrap();
    let level = |level| platform.add_member(&PLACE, "dev", level);
    let project = json!({ "language": "go" });
    let repo = json!({ "project": "web", "git": { "gitlab": { "visibility": "private" } } });
    let projects = "/api/v1/products/shop/projects/more";
    let repos = "/api/v1/products/shop/coderepos/more";

    level(AccessLevel::Reporter).await.unwrap();
    assert_eq!(
        world.get(&user, "/api/v1/products/shop").await.status,
        StatusCode::OK
    );
    assert_eq!(
        world
            .call(&user, Method::POST, projects, project.clone())
            .await
            .status,
        StatusCode::FORBIDDEN
    );
    level(AccessLevel::Developer).await.unwrap();
    let saved = world.call(&user, Method::POST, projects, project).await;
    assert_eq!(saved.status, StatusCode::OK, "{:#}", saved.body);
    assert_eq!(
        world.call(&user, Method::POST, repos, repo.clone()).await.status,
        StatusCode::FORBIDDEN
    );
    level(AccessLevel::Maintainer).await.unwrap();
    let saved = world.call(&user, Method::POST, repos, repo).await;
    assert_eq!(saved.status, StatusCode::OK, "{:#}", saved.body);
    let removed = world
        .call(&user, Method::DELETE, "/api/v1/products/shop", Value::Null)
        .await;
    assert_eq!(removed.status, StatusCode::FORBIDDEN);
}

static PLACE: std::sync::LazyLock<Place> = std::sync::LazyLock::new(|| Place::group("shop"));

#[tokio::test]
async fn a_request_that_is_partly_not_allowed_does_nothing() {
    let world = World::new().await;
    let user = world.user("dev").await;
    let both = format!(
        "{}---\n{}",
        product("shop", "mine"),
        physical("mine", "pipeline", "6443")
    );
    let answer = world.post(&user, "/api/v1/apply", &both).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{:#}", answer.body);
    let platform = world.forge.platform().await.unwrap();
    assert!(platform.group("shop").await.unwrap().is_none());
}

#[tokio::test]
async fn the_body_of_somebody_without_rights_is_not_read() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    let world = World::new().await;
    world.apply(&world.admin, &pipelines()).await;
    world.apply(&world.admin, &product("shop", "pipelines")).await;
    let outsider = world.user("outsider").await;
    for (path, token, status) in [
        ("/api/v1/apply", None, StatusCode::UNAUTHORIZED),
        (
            "/api/v1/products/shop/projects/web",
            Some(&outsider),
            StatusCode::NOT_FOUND,
        ),
        ("/api/v1/products/shop", Some(&outsider), StatusCode::NOT_FOUND),
        (
            "/api/v1/clusters/pipelines",
            Some(&outsider),
            StatusCode::FORBIDDEN,
        ),
    ] {
        let read = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&read);
        let body = futures::stream::once(async move {
            seen.store(true, Ordering::SeqCst);
            Ok::<_, std::io::Error>("{}")
        });
        let mut request = Request::builder().method("POST").uri(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {}", token.expose_str().unwrap()));
        }
        let answer = world.send(request.body(Body::from_stream(body)).unwrap()).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(!read.load(Ordering::SeqCst), "{path}");
    }
}
