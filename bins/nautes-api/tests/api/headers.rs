//! Headers of answers: each that is described is sent. That no other is sent is held of every answer of every test (see
//! `described`).

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use nautes_api::settings::TlsFiles;
use nautes_api::{App, Settings, router};
use serde_json::json;

use crate::described::optional;
use crate::support::{Answer, World, pipelines, product, send_to, settings};

/// Holds a push until the weather clears, so that a request is in flight.
async fn in_flight(world: &World, request: impl Fn() -> Request<Body>) -> (Answer, Answer) {
    world.forge_weather.hold("platform");
    let first = {
        let (router, request) = (world.router.clone(), request());
        tokio::spawn(async move { send_to(&router, request).await })
    };
    world.forge_weather.somebody_waits().await;
    let meanwhile = world.send(request()).await;
    world.forge_weather.clear();
    (first.await.unwrap(), meanwhile)
}

#[tokio::test]
async fn each_header_that_is_described_is_sent_where_it_says_something() {
    let world = World::new().await;
    world.apply(&world.admin, &pipelines()).await;
    world.apply(&world.admin, &product("shop", "pipelines")).await;
    let project = "/api/v1/products/shop/projects/web";
    let token = format!("Bearer {}", world.admin.expose_str().unwrap());
    let save = || {
        Request::builder()
            .method("POST")
            .uri(project)
            .header("authorization", &token)
            .header("content-type", "application/json")
            .header("idempotency-key", "k-1")
            .body(Body::from(json!({ "language": "go" }).to_string()))
            .unwrap()
    };
    let (done, meanwhile) = in_flight(&world, save).await;
    assert_eq!(
        (done.status, meanwhile.status),
        (StatusCode::OK, StatusCode::CONFLICT)
    );
    let again = world.send(save()).await;
    let read = world.get(&world.admin, project).await;
    let with_tls = Settings {
        tls: Some(TlsFiles {
            certificate: "a.pem".into(),
            key: "b.pem".into(),
        }),
        ..settings()
    };
    let with_tls = router(App::new(world.platform.clone()), &with_tls);
    let version = Request::builder().uri("/version").body(Body::empty()).unwrap();
    let version = send_to(&with_tls, version).await;

    let mut seen = BTreeSet::new();
    for answer in [&done, &meanwhile, &again, &read, &version] {
        let status = answer.status.as_str();
        let names = answer.headers.keys();
        seen.extend(names.map(|name| (name.as_str().to_owned(), status.to_owned())));
    }
    let tip = world.tip("shop/default.project").await.unwrap();
    assert_eq!(read.headers["etag"], format!("\"{tip}\""));
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!(meanwhile.headers["retry-after"], "1");
    let hsts = "strict-transport-security";
    let unseen: Vec<_> = optional()
        .into_iter()
        .filter(|(name, status)| name != hsts && !seen.contains(&(name.clone(), status.clone())))
        .collect();
    assert!(unseen.is_empty(), "described, and sent nowhere: {unseen:?}");
    assert!(version.headers.contains_key(hsts));
}

#[tokio::test]
async fn a_slash_too_many_is_redirected_and_other_methods_are_told() {
    let world = World::new().await;
    let slash = world.get(&world.admin, "/api/v1/clusters/").await;
    assert_eq!(slash.status, StatusCode::MOVED_PERMANENTLY);
    assert_eq!(slash.headers["location"], "/api/v1/clusters");
    let put = Request::builder()
        .method("PUT")
        .uri("/api/v1/clusters")
        .body(Body::empty())
        .unwrap();
    let put = world.send(put).await;
    assert_eq!(put.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(put.headers["allow"], "GET, HEAD, OPTIONS");
}
