//! What is outside fails, or there is too much at once.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use nautes_api::{App, Settings, router};
use serde_json::{Value, json};

use crate::support::{World, pipelines, product, send_to, settings};
use crate::weather::Fault;

#[tokio::test]
async fn a_forge_that_is_down_is_503_without_addresses() {
    let world = World::new().await;
    world.apply(&world.admin, &pipelines()).await;
    world.apply(&world.admin, &product("shop", "pipelines")).await;
    let fresh = world.user("fresh").await;
    world.forge_weather.turn(|_| Some(Fault::Down));
    let tip = world.tip("shop/default.project").await;
    for (token, method, path, body) in [
        (&fresh, Method::GET, "/api/v1/clusters", Value::Null),
        (
            &world.admin,
            Method::GET,
            "/api/v1/clusters/pipelines",
            Value::Null,
        ),
        (
            &world.admin,
            Method::GET,
            "/api/v1/products/shop/projects",
            Value::Null,
        ),
        (
            &world.admin,
            Method::POST,
            "/api/v1/products/shop/projects/more",
            json!({ "language": "go" }),
        ),
        (
            &world.admin,
            Method::DELETE,
            "/api/v1/products/shop/projects/web",
            Value::Null,
        ),
    ] {
        let answer = world.call(token, method.clone(), path, body).await;
        assert_eq!(
            answer.status,
            StatusCode::SERVICE_UNAVAILABLE,
            "{method} {path}: {:#}",
            answer.body
        );
        assert_eq!(answer.body["reason"], "UNREACHABLE");
        assert_eq!(answer.headers["retry-after"], "5");
        assert_eq!(
            answer.body["metadata"]["requestId"],
            answer.headers["x-request-id"].to_str().unwrap()
        );
        assert!(
            !answer.text.contains("10.66") && !answer.text.contains("refused"),
            "{}",
            answer.text
        );
    }
    let text = product("shop", "pipelines");
    let apply = world.post(&world.admin, "/api/v1/apply", &text).await;
    assert_eq!(apply.status, StatusCode::SERVICE_UNAVAILABLE, "{:#}", apply.body);
    world.forge_weather.clear();
    assert_eq!(world.tip("shop/default.project").await, tip);
    let list = world.get(&world.admin, "/api/v1/products/shop/projects").await;
    assert_eq!(
        list.status,
        StatusCode::OK,
        "it comes back by itself: {:#}",
        list.body
    );
}

#[tokio::test]
async fn a_store_that_is_down_is_503_and_nothing_is_committed() {
    let world = World::new().await;
    let tip = world.tip("nautes/management").await;
    world.store_weather.turn(|_| Some(Fault::Down));
    let answer = world.post(&world.admin, "/api/v1/apply", &pipelines()).await;
    assert_eq!(
        answer.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{:#}",
        answer.body
    );
    assert!(
        !answer.text.contains("10.66") && !answer.text.contains(":8200"),
        "{}",
        answer.text
    );
    assert_eq!(world.tip("nautes/management").await, tip);
    world.store_weather.clear();
    world.apply(&world.admin, &pipelines()).await;
}

#[tokio::test]
async fn a_write_that_takes_too_long_is_answered_in_time_and_finished() {
    let world = World::new().await;
    world.apply(&world.admin, &pipelines()).await;
    world.apply(&world.admin, &product("shop", "pipelines")).await;
    let hasty = Settings {
        deadline: std::time::Duration::from_millis(50),
        ..settings()
    };
    let router = router(App::new(world.platform.clone()), &hasty);
    let save = || {
        Request::builder()
            .method("POST")
            .uri("/api/v1/products/shop/projects/slow")
            .header(
                "authorization",
                format!("Bearer {}", world.admin.expose_str().unwrap()),
            )
            .header("idempotency-key", "k-1")
            .body(Body::from(json!({ "language": "go" }).to_string()))
            .unwrap()
    };
    world.forge_weather.hold("platform");
    let late = send_to(&router, save()).await;
    assert_eq!(late.status, StatusCode::GATEWAY_TIMEOUT, "{:#}", late.body);
    assert_eq!(late.body["reason"], "DEADLINE");
    world.forge_weather.clear();
    let again = loop {
        let answer = send_to(&router, save()).await;
        if answer.status == StatusCode::OK {
            break answer;
        }
        assert!(
            matches!(answer.status, StatusCode::CONFLICT | StatusCode::GATEWAY_TIMEOUT),
            "{:#}",
            answer.body
        );
        tokio::task::yield_now().await;
    };
    assert_eq!(again.headers["idempotent-replayed"], "true", "it was done once");
    assert!(world.scopes().await.products["shop"].project("slow").is_some());
}

#[tokio::test]
async fn one_user_with_too_many_requests_does_not_hold_up_others() {
    let world = World::new().await;
    world.apply(&world.admin, &pipelines()).await;
    let other = world.user("other").await;
    let narrow = Settings {
        concurrency_per_caller: 1,
        ..settings()
    };
    let router = router(App::new(world.platform.clone()), &narrow);
    let get = |token: &nautes_model::Secret, path: &str| {
        let request = Request::builder()
            .uri(path)
            .header("authorization", format!("Bearer {}", token.expose_str().unwrap()))
            .body(Body::empty())
            .unwrap();
        let router = router.clone();
        async move { send_to(&router, request).await }
    };
    world.forge_weather.hold("platform");
    let mut held = Box::pin(get(&world.admin, "/api/v1/clusters"));
    assert!(futures::poll!(held.as_mut()).is_pending());
    // Polled until the first waits for the forge.
    let refused = loop {
        let answer = {
            let mut second = Box::pin(get(&world.admin, "/api/v1/clusters?form=nothing"));
            tokio::select! {
                biased;
                _ = &mut held => panic!("the first waits for the forge"),
                answer = &mut second => answer,
            }
        };
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            break answer;
        }
    };
    assert_eq!(refused.body["reason"], "TOO_MANY_OF_YOURS");
    assert_eq!(refused.headers["retry-after"], "1");
    let others = tokio::select! {
        _ = &mut held => panic!("the first waits for the forge"),
        answer = get(&other, "/api/v1/clusters") => answer,
    };
    assert_eq!(others.status, StatusCode::FORBIDDEN, "others are answered");
    world.forge_weather.clear();
    assert_eq!(held.await.status, StatusCode::OK);
    assert_eq!(get(&world.admin, "/api/v1/clusters").await.status, StatusCode::OK);
}

#[tokio::test]
async fn too_many_requests_at_all_are_told_to_come_back() {
    let world = World::new().await;
    let narrow = Settings {
        concurrency: 0,
        ..settings()
    };
    let router = router(App::new(world.platform.clone()), &narrow);
    let request = Request::builder().uri("/version").body(Body::empty()).unwrap();
    let answer = send_to(&router, request).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.headers["retry-after"], "1");
}

#[tokio::test]
async fn a_large_body_is_refused_by_its_announced_length_and_by_its_real_one() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    let world = World::new().await;
    let read = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&read);
    let endless = move || {
        let seen = Arc::clone(&seen);
        Body::from_stream(futures::stream::repeat_with(move || {
            seen.fetch_add(1 << 16, Ordering::SeqCst);
            Ok::<_, std::io::Error>(vec![b'#'; 1 << 16])
        }))
    };
    let request = |length: Option<usize>| {
        let request = Request::builder().method("POST").uri("/api/v1/apply").header(
            "authorization",
            format!("Bearer {}", world.admin.expose_str().unwrap()),
        );
        match length {
            Some(length) => request.header("content-length", length),
            None => request,
        }
        .body(endless())
        .unwrap()
    };
    let announced = world.send(request(Some(5 << 20))).await;
    assert_eq!(announced.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(read.load(Ordering::SeqCst), 0, "nothing was read");
    let real = world.send(request(None)).await;
    assert_eq!(real.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(
        read.load(Ordering::SeqCst) <= 5 << 20,
        "reading stopped at the limit"
    );
    assert_eq!(real.body["reason"], "TOO_LARGE");
}
