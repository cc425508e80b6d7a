//! Paths and methods beside the table, and names in paths.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::Value;

use crate::support::{Answer, World, pipelines, product};

async fn send(world: &World, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    world.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn other_methods_are_refused_and_the_right_ones_named() {
    let world = World::new().await;
    for (path, allowed) in [
        ("/api/v1/apply", "POST, OPTIONS"),
        ("/api/v1/clusters", "GET, HEAD, OPTIONS"),
        (
            "/api/v1/products/shop/projects/web",
            "GET, HEAD, POST, DELETE, OPTIONS",
        ),
        ("/healthz", "GET, HEAD, OPTIONS"),
    ] {
        let wrong = if path.ends_with("apply") { "GET" } else { "PATCH" };
        for method in [wrong, "TRACE", "BREW"] {
            let answer = send(&world, method, path, &[]).await;
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            assert_eq!(answer.headers["allow"], allowed, "{method} {path}");
            assert_eq!(answer.body["code"], 405, "{method} {path}");
            assert_eq!(answer.body["reason"], "METHOD_NOT_ALLOWED");
            assert!(
                answer.body["metadata"]["hint"]
                    .as_str()
                    .unwrap()
                    .contains(allowed)
            );
        }
        let asked = send(&world, "OPTIONS", path, &[("origin", "https://example.org")]).await;
        assert_eq!(asked.status, StatusCode::NO_CONTENT, "{path}");
        assert_eq!(asked.headers["allow"], allowed, "{path}");
        assert!(
            !asked.headers.contains_key("access-control-allow-origin"),
            "other origins are let in only where that is configured"
        );
    }
}

#[tokio::test]
async fn a_problem_keeps_the_headers_of_its_error() {
    let world = World::new().await;
    let accept = [("accept", "application/problem+json")];
    let wrong = send(&world, "PUT", "/api/v1/apply", &accept).await;
    assert_eq!(wrong.content_type, "application/problem+json");
    assert_eq!(wrong.headers["allow"], "POST, OPTIONS");
    assert_eq!(wrong.body["type"], "urn:nautes:problem:method_not_allowed");
    let unknown = send(&world, "GET", "/api/v1/clusters", &accept).await;
    assert_eq!(unknown.headers["www-authenticate"], "Bearer");
    assert_eq!(unknown.body["title"], "UNAUTHENTICATED");
    let head = send(&world, "HEAD", "/api/v1/clusters", &accept).await;
    assert_eq!(head.status, StatusCode::UNAUTHORIZED);
    assert_eq!(head.text, "");
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let world = World::new().await;
    let authorization = format!("Bearer {}", world.admin.expose_str().unwrap());
    let headers = [("authorization", authorization.as_str())];
    for path in ["/api/v1/clusters", "/healthz", "/openapi.json"] {
        let get = send(&world, "GET", path, &headers).await;
        let head = send(&world, "HEAD", path, &headers).await;
        assert_eq!(
            (head.status, get.status),
            (StatusCode::OK, StatusCode::OK),
            "{path}"
        );
        assert_eq!(
            head.headers["content-type"], get.headers["content-type"],
            "{path}"
        );
        assert_eq!(
            head.headers["content-length"],
            get.text.len().to_string(),
            "{path}"
        );
        assert_eq!(head.text, "", "{path}");
    }
    assert_eq!(
        send(&world, "HEAD", "/api/v1/clusters", &[]).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn a_slash_too_many_is_redirected_away_and_only_on_this_server() {
    let world = World::new().await;
    let there = send(
        &world,
        "GET",
        "/api/v1/products/shop/projects/?form=manifest",
        &[],
    )
    .await;
    assert_eq!(there.status, StatusCode::MOVED_PERMANENTLY);
    assert_eq!(
        there.headers["location"],
        "/api/v1/products/shop/projects?form=manifest"
    );
    let write = send(&world, "POST", "/api/v1/apply/", &[]).await;
    assert_eq!(write.status, StatusCode::PERMANENT_REDIRECT, "the method stays");
    assert_eq!(write.headers["location"], "/api/v1/apply");
    for path in [
        "/",
        "//",
        "//example.org/",
        "/api/v1/clusters//",
        "/api//v1/clusters",
        "/api/v1/../healthz",
        "/API/v1/clusters",
        "/healthz/x",
        "/api/v2/clusters",
    ] {
        let answer = send(&world, "GET", path, &[]).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.body["reason"], "ROUTE_NOT_FOUND", "{path}");
        assert!(!answer.headers.contains_key("location"), "{path}");
    }
}

#[tokio::test]
async fn names_are_decoded_once_and_checked() {
    let world = World::new().await;
    world.apply(&world.admin, &pipelines()).await;
    world.apply(&world.admin, &product("shop", "pipelines")).await;
    let same = world
        .get(&world.admin, "/api/v1/products/%73hop/projects/w%65b")
        .await;
    assert_eq!(same.status, StatusCode::OK, "{:#}", same.body);
    assert_eq!(same.body["name"], "web");
    for name in [
        "%2573hop",
        "..",
        "%2e%2e",
        "sh%2Fop",
        "sh%00op",
        "SHOP",
        "sh%20op",
        "%ff",
        "sh%0aop",
        "caf%C3%A9",
        "-",
        "a.b",
    ] {
        for path in [
            format!("/api/v1/products/{name}"),
            format!("/api/v1/products/{name}/projects/web"),
            format!("/api/v1/products/shop/projects/{name}"),
            format!("/api/v1/clusters/{name}"),
            format!("/api/v1/status/{name}"),
        ] {
            for method in [Method::GET, Method::DELETE] {
                if method == Method::DELETE && path.contains("status") {
                    continue;
                }
                let answer = world.call(&world.admin, method.clone(), &path, Value::Null).await;
                assert_eq!(
                    answer.status,
                    StatusCode::BAD_REQUEST,
                    "{method} {path}: {}",
                    answer.body
                );
                assert_eq!(answer.body["reason"], "CODEC", "{method} {path}");
            }
        }
    }
    let empty = world.get(&world.admin, "/api/v1/products//projects").await;
    assert_eq!(empty.status, StatusCode::BAD_REQUEST, "{:#}", empty.body);
    let anonymous = send(&world, "GET", "/api/v1/products/%ff", &[]).await;
    assert_eq!(anonymous.status, StatusCode::UNAUTHORIZED, "who asks comes first");
}

#[tokio::test]
async fn a_mistyped_parameter_does_not_become_a_write() {
    let world = World::new().await;
    let before = world.tip("nautes/management").await;
    for query in [
        "dryrun=true",
        "dry_run=true&verbose=1",
        "dry-run=true",
        "dry_run=maybe",
        "dry_run=true&dryRun=false",
    ] {
        let path = format!("/api/v1/apply?{query}");
        let answer = world.post(&world.admin, &path, &pipelines()).await;
        assert_eq!(
            answer.status,
            StatusCode::BAD_REQUEST,
            "{query}: {:#}",
            answer.body
        );
    }
    let answer = world
        .post(&world.admin, "/api/v1/apply?dryrun=true", &pipelines())
        .await;
    assert!(
        answer.body["metadata"]["hint"]
            .as_str()
            .unwrap()
            .contains("dry_run"),
        "{:#}",
        answer.body
    );
    let camel = world
        .post(&world.admin, "/api/v1/apply?dryRun=true", &pipelines())
        .await;
    assert_eq!(camel.status, StatusCode::OK, "{:#}", camel.body);
    assert_eq!(world.tip("nautes/management").await, before);
    // The Go version ignores what it does not know, and so do the routes that it has.
    let known = world.get(&world.admin, "/api/v1/clusters?pretty=1").await;
    assert_eq!(known.status, StatusCode::OK);
}
