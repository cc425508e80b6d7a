//! Bad input of any shape gets a clear answer.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::json;

use crate::support::World;

async fn send(world: &World, kind: &str, accept: &str, body: Vec<u8>) -> crate::support::Answer {
    let request = Request::builder()
        .method("POST")
        .uri("/api/v1/apply")
        .header(
            "authorization",
            format!("Bearer {}", world.admin.expose_str().unwrap()),
        )
        .header("content-type", kind)
        .header("accept", accept)
        .body(Body::from(body))
        .unwrap();
    world.send(request).await
}

#[tokio::test]
async fn malformed_bodies_are_refused_with_a_text() {
    let world = World::new().await;
    for (kind, body) in [
        ("application/json", b"".to_vec()),
        ("application/json", b"{".to_vec()),
        ("application/json", b"[]".to_vec()),
        ("application/json", b"{\"files\":[]}".to_vec()),
        ("application/json", b"{\"files\":[],\"more\":1}".to_vec()),
        ("application/yaml", b"\xff\xfe".to_vec()),
        ("application/yaml", b"".to_vec()),
        ("application/yaml", b"a: [".to_vec()),
        ("application/yaml", b"kind: Nothing\n".to_vec()),
        (
            "application/yaml",
            [b"a: ".to_vec(), b"[".repeat(100_000)].concat(),
        ),
    ] {
        let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        let answer = send(&world, kind, "*/*", body).await;
        assert_eq!(
            answer.status,
            StatusCode::BAD_REQUEST,
            "{shown}: {:#}",
            answer.body
        );
        assert!(!answer.body["message"].as_str().unwrap().is_empty(), "{shown}");
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_too_large() {
    let world = World::new().await;
    let answer = send(&world, "application/yaml", "*/*", vec![b'#'; 5 << 20]).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn problem_documents_are_for_those_who_ask() {
    let world = World::new().await;
    let plain = send(&world, "application/json", "application/json", b"{".to_vec()).await;
    assert_eq!(plain.body["code"], json!(400));
    let problem = send(
        &world,
        "application/json",
        "application/problem+json",
        b"{".to_vec(),
    )
    .await;
    assert_eq!(problem.content_type, "application/problem+json");
    assert_eq!(problem.body["status"], json!(400));
}
