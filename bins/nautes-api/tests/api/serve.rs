//! Listening: TLS, stopping, headers, other origins, metrics and probes.

use std::path::Path;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use nautes_api::settings::TlsFiles;
use nautes_api::{App, Settings, router, serve};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::{Answer, World, pipelines, product, send_to, settings};
use crate::weather::Fault;

fn client() -> reqwest::ClientBuilder {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().timeout(Duration::from_secs(60))
}

async fn get(router: &axum::Router, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send_to(router, request.body(Body::empty()).unwrap()).await
}

/// Makes a certificate for this machine, writes it and its key, and returns it.
fn certificate(files: &TlsFiles, name: &str) -> reqwest::Certificate {
    let mut params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    let key = rcgen::KeyPair::generate().unwrap();
    let made = params.self_signed(&key).unwrap();
    // The certificate first: for a moment the two do not fit, as it is when a real one is renewed.
    std::fs::write(&files.certificate, made.pem()).unwrap();
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
    reqwest::Certificate::from_pem(made.pem().as_bytes()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_used_without_a_restart() {
    let world = World::new().await;
    let files = TlsFiles {
        certificate: world.dir.path().join("tls.crt"),
        key: world.dir.path().join("tls.key"),
    };
    let first = certificate(&files, "first");
    let with_tls = Settings {
        tls: Some(files.clone()),
        tls_reload: Duration::from_millis(20),
        ..settings()
    };
    let stop = CancellationToken::new();
    let serving = serve(&with_tls, App::new(world.platform.clone()), stop.clone())
        .await
        .unwrap();
    let address = format!("https://{}/version", serving.address);
    // Each request makes a new connection, which shows the certificate of now.
    let ask = async |trusted: &reqwest::Certificate| {
        let client = client().tls_certs_only([trusted.clone()]).build().unwrap();
        client.get(&address).send().await
    };
    let answer = ask(&first).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(
        answer.headers()["strict-transport-security"]
            .to_str()
            .unwrap()
            .starts_with("max-age=31536000")
    );
    // Rubbish is not taken, and what was used stays.
    std::fs::write(&files.certificate, "rubbish").unwrap();
    for _ in 0..3 {
        assert!(ask(&first).await.is_ok());
    }
    let second = certificate(&files, "second");
    while ask(&second).await.is_err() {
        tokio::task::yield_now().await;
    }
    assert!(ask(&first).await.is_err(), "the old one is no longer shown");
    stop.cancel();
    serving.finished().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_in_flight_is_finished_and_answered_when_the_server_stops() {
    let world = World::new().await;
    world.apply(&world.admin, &pipelines()).await;
    world.apply(&world.admin, &product("shop", "pipelines")).await;
    let token = world.admin.expose_str().unwrap().to_owned();
    for (name, client_leaves) in [("answered", false), ("left", true)] {
        let stop = CancellationToken::new();
        let app = App::new(world.platform.clone());
        let serving = serve(&settings(), app, stop.clone()).await.unwrap();
        let address = format!("http://{}", serving.address);
        let http = client().build().unwrap();
        let sent = http
            .post(format!("{address}/api/v1/products/shop/projects/{name}"))
            .bearer_auth(&token)
            .json(&json!({ "language": "go" }))
            .send();
        world.forge_weather.hold("platform");
        let sent = tokio::spawn(sent);
        world.forge_weather.somebody_waits().await;
        if client_leaves {
            sent.abort();
        }
        stop.cancel();
        // Nobody is let in any more.
        while http.get(format!("{address}/version")).send().await.is_ok() {
            tokio::task::yield_now().await;
        }
        world.forge_weather.clear();
        match sent.await {
            Ok(answer) => assert_eq!(answer.unwrap().status(), 200),
            Err(gone) => assert!(gone.is_cancelled() && client_leaves),
        }
        serving.finished().await.unwrap();
        let scopes = world.scopes().await;
        assert!(scopes.products["shop"].project(name).is_some(), "{name} is lost");
    }
}

#[tokio::test]
async fn who_sends_his_body_too_slowly_is_told_that_it_was_he() {
    let world = World::new().await;
    let (soon, never) = (Duration::from_secs(1), Duration::from_secs(600));
    // Whichever of the two limits comes first: it is the client that is slow.
    for (body_deadline, deadline) in [(soon, never), (never, soon)] {
        let hasty = Settings {
            body_deadline,
            deadline,
            ..settings()
        };
        let router = router(App::new(world.platform.clone()), &hasty);
        let slow = futures::stream::pending::<Result<axum::body::Bytes, std::io::Error>>();
        let request = Request::builder()
            .method("POST")
            .uri("/api/v1/apply")
            .header(
                "authorization",
                format!("Bearer {}", world.admin.expose_str().unwrap()),
            )
            .header("content-type", "application/json")
            .body(Body::from_stream(slow))
            .unwrap();
        let answer = send_to(&router, request).await;
        assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT, "{:#}", answer.body);
        assert_eq!(answer.body["reason"], "BODY_TOO_SLOW");
    }
}

#[tokio::test]
async fn every_answer_has_the_usual_headers() {
    let world = World::new().await;
    for path in ["/api/v1/clusters", "/docs", "/nothing", "/healthz"] {
        let answer = get(&world.router, path, &[]).await;
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(answer.headers["cache-control"], "no-store", "{path}");
        assert_eq!(answer.headers["referrer-policy"], "no-referrer", "{path}");
        assert_eq!(answer.headers["x-frame-options"], "DENY", "{path}");
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'"), "{path}");
        assert!(
            !answer.headers.contains_key("strict-transport-security"),
            "there is no TLS here"
        );
        assert!(!answer.headers["x-request-id"].is_empty(), "{path}");
    }
    let forged = get(&world.router, "/healthz", &[("x-request-id", "a b_c!")]).await;
    assert_ne!(forged.headers["x-request-id"], "a b_c!");
}

#[tokio::test]
async fn other_origins_are_let_in_only_where_that_is_configured() {
    let world = World::new().await;
    let open = Settings {
        cors_origins: vec!["https://console.example.org".to_owned()],
        ..settings()
    };
    let open = router(App::new(world.platform.clone()), &open);
    let preflight = |origin: &str| {
        Request::builder()
            .method(Method::OPTIONS)
            .uri("/api/v1/apply")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,idempotency-key")
            .body(Body::empty())
            .unwrap()
    };
    let known = send_to(&open, preflight("https://console.example.org")).await;
    assert_eq!(known.status, StatusCode::OK);
    assert_eq!(
        known.headers["access-control-allow-origin"],
        "https://console.example.org"
    );
    assert!(!known.headers.contains_key("access-control-allow-credentials"));
    let other = send_to(&open, preflight("https://evil.example.org")).await;
    assert!(!other.headers.contains_key("access-control-allow-origin"));
    let refused = get(
        &open,
        "/api/v1/clusters",
        &[("origin", "https://console.example.org")],
    )
    .await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        refused.headers["access-control-allow-origin"],
        "https://console.example.org"
    );
    let closed = get(
        &world.router,
        "/healthz",
        &[("origin", "https://console.example.org")],
    )
    .await;
    assert!(!closed.headers.contains_key("access-control-allow-origin"));
}

/// Returns the value of a line of the metrics.
fn value(text: &str, line: &str) -> f64 {
    text.lines()
        .find_map(|found| found.strip_prefix(line)?.strip_prefix(' ')?.parse().ok())
        .unwrap_or_else(|| panic!("{line} is not in\n{text}"))
}

#[tokio::test]
async fn what_happens_is_counted_without_names_of_users_or_products() {
    let world = World::new().await;
    world.apply(&world.admin, &pipelines()).await;
    world.apply(&world.admin, &product("shop", "pipelines")).await;
    let stale =
        "/api/v1/products/shop/projects/web?expected_revision=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    world
        .call(&world.admin, Method::POST, stale, json!({ "language": "go" }))
        .await;
    world
        .get(&world.admin, "/api/v1/products/shop/projects/none")
        .await;
    get(&world.router, "/nothing/here", &[]).await;
    world.forge_weather.turn(|_| Some(Fault::Down));
    let fresh = world.user("fresh").await;
    world.get(&fresh, "/api/v1/clusters").await;
    world.forge_weather.clear();
    let answer = world.get(&world.admin, "/metrics").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.content_type.starts_with("application/openmetrics-text"));
    let text = &answer.text;
    assert!(text.ends_with("# EOF\n"));
    let count = |line: &str| value(text, &format!("nautes_api_{line}"));
    assert_eq!(count(r#"requests_total{operation="apply",status="2xx"}"#), 2.0);
    assert_eq!(
        count(r#"requests_total{operation="saveProject",status="4xx"}"#),
        1.0
    );
    assert_eq!(
        count(r#"requests_total{operation="getProject",status="4xx"}"#),
        1.0
    );
    assert_eq!(count(r#"requests_total{operation="none",status="4xx"}"#), 1.0);
    assert_eq!(count(r#"request_duration_seconds_count{operation="apply"}"#), 2.0);
    assert!(count(r#"response_size_bytes_total{operation="apply"}"#) > 0.0);
    assert_eq!(count("requests_in_flight"), 1.0, "this very one");
    assert_eq!(
        count(r#"outside_failures_total{system="forge",call="session"}"#),
        1.0
    );
    assert!(count(r#"outside_calls_total{system="forge",call="publish"}"#) >= 3.0);
    assert!(count(r#"outside_calls_total{system="store",call="write"}"#) >= 1.0);
    assert_eq!(
        count("commits_total"),
        3.0,
        "two on the tenant's repository, one on the product's"
    );
    assert!(
        !text.contains("shop") && !text.contains("admin") && !text.contains("/nothing"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_for_readers_of_the_tenant_or_apart_or_public_where_configured() {
    let world = World::new().await;
    let outsider = world.user("outsider").await;
    assert_eq!(
        get(&world.router, "/metrics", &[]).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        world.get(&outsider, "/metrics").await.status,
        StatusCode::FORBIDDEN
    );
    let public = Settings {
        metrics_public: true,
        ..settings()
    };
    let public = router(App::new(world.platform.clone()), &public);
    assert_eq!(get(&public, "/metrics", &[]).await.status, StatusCode::OK);

    let apart = Settings {
        metrics_listen: Some(settings().listen),
        ..settings()
    };
    let stop = CancellationToken::new();
    let serving = serve(&apart, App::new(world.platform.clone()), stop.clone())
        .await
        .unwrap();
    let http = client().build().unwrap();
    let metrics = serving.metrics.unwrap();
    let answer = http
        .get(format!("http://{metrics}/metrics"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.text().await.unwrap().contains("nautes_api_build_info"));
    let other = http
        .get(format!("http://{metrics}/api/v1/clusters"))
        .send()
        .await
        .unwrap();
    assert_eq!(other.status(), 404, "nothing else is served there");
    let main = http
        .get(format!("http://{}/metrics", serving.address))
        .send()
        .await
        .unwrap();
    assert_eq!(main.status(), 401);
    stop.cancel();
    serving.finished().await.unwrap();
}

#[tokio::test]
async fn readiness_says_what_does_not_answer() {
    let world = World::new().await;
    let ready = get(&world.router, "/readyz", &[]).await;
    assert_eq!(ready.status, StatusCode::OK, "{:#}", ready.body);
    assert_eq!(
        ready.body,
        json!({ "ready": true, "checks": { "forge": "ok", "store": "ok", "tenantCluster": "ok" } })
    );
    world.forge_weather.turn(|_| Some(Fault::Down));
    let kept = get(&world.router, "/readyz", &[]).await;
    assert_eq!(kept.status, StatusCode::OK, "the answer of a moment ago");
    let fresh = world.restarted();
    let down = get(&fresh, "/readyz", &[]).await;
    assert_eq!(down.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(down.body["checks"]["forge"], "does not answer as it should");
    assert_eq!(down.body["checks"]["store"], "ok");
    assert!(!down.text.contains("10.66"));
    let alive = get(&fresh, "/healthz", &[]).await;
    assert_eq!((alive.status, alive.body), (StatusCode::OK, Value::Null));
}

#[test]
fn the_page_of_settings_is_what_the_table_says() {
    let page = nautes_api::config::reference();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/api-settings.md");
    if std::env::var("UPDATE").is_ok_and(|v| v == "1") {
        std::fs::write(&path, &page).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == page,
        "docs/reference/api-settings.md is not what the table says (UPDATE=1 writes it)"
    );
}
