//! The disk is full where the forge, the store and the mirrors are.

use std::process::Command;

use axum::http::StatusCode;

use crate::process::{Server, open};
use crate::stage::{Looked, Stage, assert_helpful, assert_whole, everything, history, look};
use crate::weather::Fault;

/// The calls on the forge that write something.
const WRITING: [&str; 5] = ["create_group", "add_member", "create_repository", "fetch", "push"];

#[tokio::test]
async fn a_forge_without_room_is_503_and_the_same_request_completes() {
    let stage = Stage::new().await;
    for (i, call) in WRITING.into_iter().enumerate() {
        let name = format!("p{i}");
        let text = everything(&name, i);
        stage
            .forge
            .turn(move |step| (step.call == call).then_some(Fault::Full));
        let answer = stage.send("/api/v1/apply", &text).await;
        if call == "add_member" && answer.status == StatusCode::OK {
            // Whoever is an owner already is not made one.
            continue;
        }
        assert_eq!(
            answer.status,
            StatusCode::SERVICE_UNAVAILABLE,
            "{call}: {:#}",
            answer.body
        );
        assert_helpful(&answer, call);
        let hint = answer.body["metadata"]["hint"].as_str().unwrap();
        assert!(hint.contains("room"), "{call}: {hint}");
        stage.forge.clear();
        assert_eq!(stage.look(&name).await, Looked::NOTHING, "{call}");
        let again = stage.send("/api/v1/apply", &text).await;
        assert_eq!(again.status, StatusCode::OK, "{call}: {:#}", again.body);
        assert_eq!(stage.look(&name).await, Looked::ALL, "{call}");
    }
}

/// Lets a process write nothing more to any file, or everything again.
fn limit(process: u32, room: &str) -> bool {
    Command::new("prlimit")
        .args([
            "--pid",
            &process.to_string(),
            &format!("--fsize={room}:unlimited"),
        ])
        .status()
        .is_ok_and(|status| status.success())
}

/// Every write to a file fails, wherever it is: the forge, the store and the mirrors are real.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_without_room_refuses_writes_and_spoils_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::enduring(dir.path());
    if !limit(server.id(), "unlimited") {
        eprintln!("skipped: there is no prlimit here");
        server.kill();
        return;
    }
    let (status, body) = server.apply(&everything("shop", 0)).await.unwrap();
    assert_eq!(status, 200, "{body:#}");
    for round in 1..=3 {
        let name = format!("p{round}");
        let text = everything(&name, round);
        let path = "/api/v1/products/shop/projects/new";
        assert!(limit(server.id(), "0"));
        let (status, body) = server.apply(&text).await.unwrap();
        assert_eq!(status, 503, "{body:#}");
        assert!(body["metadata"]["hint"].is_string(), "{body:#}");
        let (status, body) = server.call("POST", path, r#"{"language":"go"}"#).await.unwrap();
        assert_eq!(status, if round == 1 { 503 } else { 200 }, "{body:#}");
        let (status, body) = server.call("GET", "/api/v1/products/shop", "").await.unwrap();
        assert_eq!(status, 200, "reading goes on: {body:#}");
        assert!(limit(server.id(), "unlimited"));
        let (status, body) = server.call("POST", path, r#"{"language":"go"}"#).await.unwrap();
        assert_eq!(status, 200, "{body:#}");
        let (status, body) = server.apply(&text).await.unwrap();
        assert_eq!(status, 200, "without a restart: {body:#}");
    }
    server.kill();
    let platform = open(dir.path(), &Default::default()).await.platform;
    for round in 1..=3 {
        let looked = look(&platform, &format!("p{round}")).await;
        assert_whole(looked, "after all");
        assert_eq!(looked, Looked::ALL);
    }
    // Begun, filled, and the new project.
    assert_eq!(history(&platform, "shop/default.project").await.len(), 3);
}
