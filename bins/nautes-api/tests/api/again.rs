//! Requests that are sent again.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use nautes_gitops::GitHost as _;
use nautes_gitops::publish::trailer::Facts;
use nautes_model::Secret;
use serde_json::json;

use crate::support::{Answer, World, pipelines, product, send_to};

async fn shop() -> World {
    let world = World::new().await;
    world.apply(&world.admin, &pipelines()).await;
    world.apply(&world.admin, &product("shop", "pipelines")).await;
    world
}

fn project(name: &str, language: &str) -> String {
    format!(
        "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Project
spec: {{ name: {name}, product: shop, language: {language} }}
"
    )
}

fn request(token: &Secret, path: &str, key: &str, text: &str) -> Request<Body> {
    let body = json!({ "files": [{ "name": "a.yaml", "text": text }] });
    Request::builder()
        .method("POST")
        .uri(path)
        .header("authorization", format!("Bearer {}", token.expose_str().unwrap()))
        .header("content-type", "application/json")
        .header("idempotency-key", key)
        .body(Body::from(body.to_string()))
        .unwrap()
}

async fn apply(router: &Router, token: &Secret, key: &str, text: &str) -> Answer {
    send_to(router, request(token, "/api/v1/apply", key, text)).await
}

async fn commits(world: &World) -> usize {
    let session = world.forge.platform().await.unwrap();
    let path = "shop/default.project".parse().unwrap();
    let mirror = world.platform.mirrors().open(&path).await.unwrap();
    let refs = session.fetch(&path, &mirror).await.unwrap();
    mirror.log(refs["refs/heads/main"], 100).await.unwrap().len()
}

#[tokio::test]
async fn the_same_request_under_the_same_key_is_done_once() {
    let world = shop().await;
    let first = apply(&world.router, &world.admin, "k-1", &project("more", "go")).await;
    assert_eq!(first.status, StatusCode::OK, "{:#}", first.body);
    assert!(!first.headers.contains_key("idempotent-replayed"));
    // Somebody changes it; the repetition does not change it back.
    world.apply(&world.admin, &project("more", "java")).await;
    let count = commits(&world).await;
    let again = apply(&world.router, &world.admin, "k-1", &project("more", "go")).await;
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!((again.status, &again.text), (first.status, &first.text));
    assert_ne!(again.headers["x-request-id"], first.headers["x-request-id"]);
    assert_eq!(commits(&world).await, count);

    let other = apply(&world.router, &world.admin, "k-1", &project("less", "go")).await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY, "{:#}", other.body);
    assert_eq!(other.body["reason"], "KEY_REUSED");
    let elsewhere = request(&world.admin, "/api/v1/remove", "k-1", &project("more", "go"));
    assert_eq!(
        world.send(elsewhere).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    let bad = apply(&world.router, &world.admin, "not a key", &project("more", "go")).await;
    assert_eq!(bad.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_key_of_somebody_else_is_another_key() {
    let world = shop().await;
    let token = world.user("dev").await;
    let platform = world.forge.platform().await.unwrap();
    let place = nautes_gitops::Place::group("shop");
    platform
        .add_member(&place, "dev", nautes_gitops::AccessLevel::Developer)
        .await
        .unwrap();
    let mine = apply(&world.router, &world.admin, "k-1", &project("mine", "go")).await;
    let yours = apply(&world.router, &token, "k-1", &project("yours", "go")).await;
    assert_eq!(
        (mine.status, yours.status),
        (StatusCode::OK, StatusCode::OK),
        "{:#}",
        yours.body
    );
    assert!(!yours.headers.contains_key("idempotent-replayed"));
}

#[tokio::test]
async fn a_restart_does_not_forget_what_was_committed_under_a_key() {
    let world = shop().await;
    let first = apply(&world.router, &world.admin, "k-1", &project("more", "go")).await;
    world.apply(&world.admin, &project("more", "java")).await;
    let count = commits(&world).await;
    let restarted = world.restarted();
    let again = apply(&restarted, &world.admin, "k-1", &project("more", "go")).await;
    assert_eq!(again.status, StatusCode::OK, "{:#}", again.body);
    assert_eq!(again.body["repositories"], first.body["repositories"]);
    assert_eq!(
        again.body["requestId"], first.body["requestId"],
        "it is that request"
    );
    assert_eq!(again.body["message"], first.body["message"]);
    assert_eq!(commits(&world).await, count, "nothing was written again");
    let other = apply(&world.restarted(), &world.admin, "k-1", &project("less", "go")).await;
    assert_eq!(other.body["reason"], "KEY_REUSED", "{:#}", other.body);
}

#[tokio::test]
async fn a_request_over_two_repositories_is_recognised_after_a_restart() {
    let world = shop().await;
    let text = format!(
        "{}---\n{}",
        project("more", "go"),
        pipelines().replace("example.org", "example.net")
    );
    let first = apply(&world.router, &world.admin, "k-1", &text).await;
    assert_eq!(
        first.body["repositories"].as_array().unwrap().len(),
        2,
        "{:#}",
        first.body
    );
    let again = apply(&world.restarted(), &world.admin, "k-1", &text).await;
    assert_eq!(again.body["repositories"], first.body["repositories"]);
    let removal = request(&world.admin, "/api/v1/remove", "k-2", &project("more", "go"));
    let removed = world.send(removal).await;
    let removal = request(&world.admin, "/api/v1/remove", "k-2", &project("more", "go"));
    let again = send_to(&world.restarted(), removal).await;
    assert_eq!(again.body["repositories"], removed.body["repositories"]);
    assert_eq!(again.body["repositories"][0]["resources"][0]["done"], "removed");
}

#[tokio::test]
async fn a_key_is_free_again_after_a_failure_and_dry_runs_take_none() {
    let world = shop().await;
    let wrong = project("more", "go").replace("shop", "nowhere");
    let refused = apply(&world.router, &world.admin, "k-1", &wrong).await;
    assert!(refused.status.is_client_error(), "{:#}", refused.body);
    let shown = request(
        &world.admin,
        "/api/v1/apply?dry_run=true",
        "k-1",
        &project("more", "go"),
    );
    assert_eq!(world.send(shown).await.status, StatusCode::OK);
    let done = apply(&world.router, &world.admin, "k-1", &project("more", "go")).await;
    assert_eq!(done.status, StatusCode::OK, "{:#}", done.body);
    assert!(done.body["repositories"][0]["commit"].is_string());
}

#[tokio::test]
async fn a_request_in_flight_is_not_begun_twice_and_is_finished_without_its_client() {
    let world = shop().await;
    let count = commits(&world).await;
    world.forge_weather.hold("platform");
    let sent = {
        let (router, admin) = (world.router.clone(), world.admin.clone());
        tokio::spawn(async move { apply(&router, &admin, "k-1", &project("more", "go")).await })
    };
    world.forge_weather.somebody_waits().await;
    let other = apply(&world.router, &world.admin, "k-1", &project("less", "go")).await;
    assert_eq!(other.body["reason"], "KEY_REUSED", "{:#}", other.body);
    let refused = apply(&world.router, &world.admin, "k-1", &project("more", "go")).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{:#}", refused.body);
    assert_eq!(refused.body["reason"], "IN_FLIGHT");
    assert_eq!(refused.headers["retry-after"], "1");
    // The client goes away.
    sent.abort();
    assert!(sent.await.unwrap_err().is_cancelled());
    world.forge_weather.clear();
    let answer = loop {
        let answer = apply(&world.router, &world.admin, "k-1", &project("more", "go")).await;
        if answer.status != StatusCode::CONFLICT {
            break answer;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(answer.headers["idempotent-replayed"], "true", "{:#}", answer.body);
    assert_eq!(commits(&world).await, count + 1);
}

/// Sends a request to a replica that is held up before it pushes.
async fn held(
    world: &World,
    (router, weather): &(Router, std::sync::Arc<crate::weather::Weather>),
    text: String,
) -> tokio::task::JoinHandle<Answer> {
    weather.hold("push");
    let (router, admin) = (router.clone(), world.admin.clone());
    let sent = tokio::spawn(async move { apply(&router, &admin, "k-1", &text).await });
    weather.somebody_waits().await;
    sent
}

#[tokio::test]
async fn two_servers_that_are_sent_the_same_request_at_once_write_once() {
    let world = shop().await;
    let replica = world.replica();
    let text = format!(
        "{}---\n{}",
        project("more", "go"),
        pipelines().replace("example.org", "example.net")
    );
    let tenant = world.tip("nautes/management").await;
    let count = commits(&world).await;
    // Both have found nothing of the key, and are about to push.
    let late = held(&world, &replica, text.clone()).await;
    let first = apply(&world.router, &world.admin, "k-1", &text).await;
    assert_eq!(first.status, StatusCode::OK, "{:#}", first.body);
    let written = world.tip("nautes/management").await;
    assert_ne!(written, tenant);
    // Somebody changes what was written; whoever is late does not change it back.
    world.apply(&world.admin, &project("more", "java")).await;
    replica.1.clear();
    let late = late.await.unwrap();
    assert_eq!(late.status, StatusCode::OK, "{:#}", late.body);
    assert_eq!(late.body["repositories"], first.body["repositories"]);
    assert_eq!(late.body["requestId"], first.body["requestId"]);
    assert_eq!(late.body["message"], first.body["message"]);
    assert_eq!(
        commits(&world).await,
        count + 2,
        "one of the request, one of somebody"
    );
    assert_eq!(world.tip("nautes/management").await, written);
    let scopes = world.scopes().await;
    assert_eq!(
        scopes.products["shop"].project("more").unwrap().1.spec.language,
        "java"
    );
    // The secret of the request is there for its commit.
    let kubeconfig = nautes_vault::keys::kubeconfig(&"pipelines".parse().unwrap());
    let stored = nautes_vault::SecretStore::read(&*world.store, &kubeconfig.path).await;
    assert!(stored.unwrap().is_some());
}

#[tokio::test]
async fn a_key_that_another_server_uses_for_another_request_is_refused() {
    let world = shop().await;
    let replica = world.replica();
    let late = held(&world, &replica, project("less", "go")).await;
    let first = apply(&world.router, &world.admin, "k-1", &project("more", "go")).await;
    assert_eq!(first.status, StatusCode::OK, "{:#}", first.body);
    replica.1.clear();
    let late = late.await.unwrap();
    assert_eq!(late.status, StatusCode::UNPROCESSABLE_ENTITY, "{:#}", late.body);
    assert_eq!(late.body["reason"], "KEY_REUSED");
    assert!(world.scopes().await.products["shop"].project("less").is_none());
}

#[tokio::test]
async fn of_many_servers_that_are_raced_with_one_key_each_repository_gets_one_commit() {
    let world = shop().await;
    let (other, _) = world.replica();
    let count = commits(&world).await;
    let all = (0..8).map(|i| {
        let (router, token) = (if i % 2 == 0 { &world.router } else { &other }, &world.admin);
        let text = project("more", "go");
        async move {
            loop {
                let answer = apply(router, token, "k-1", &text).await;
                // The same server may be at work on it.
                if answer.body["reason"] != "IN_FLIGHT" {
                    return answer;
                }
                tokio::task::yield_now().await;
            }
        }
    });
    let answers = futures::future::join_all(all).await;
    for answer in &answers {
        assert_eq!(answer.status, StatusCode::OK, "{:#}", answer.body);
        assert_eq!(answer.body["repositories"], answers[0].body["repositories"]);
    }
    assert_eq!(commits(&world).await, count + 1);
}

#[tokio::test]
async fn commits_say_by_which_request_and_tool_they_were_made() {
    let world = shop().await;
    let mut asked = request(
        &world.admin,
        "/api/v1/apply",
        "secret-key",
        &project("more", "go"),
    );
    asked
        .headers_mut()
        .insert("x-request-id", "my-request".parse().unwrap());
    let answer = world.send(asked).await;
    assert_eq!(answer.headers["x-request-id"], "my-request");
    assert_eq!(answer.body["requestId"], "my-request");
    let path = "shop/default.project".parse().unwrap();
    let mirror = world.platform.mirrors().open(&path).await.unwrap();
    let id = answer.body["repositories"][0]["commit"].as_str().unwrap();
    let commit = mirror.log(id.parse().unwrap(), 1).await.unwrap().remove(0);
    assert_eq!(commit.author, "admin");
    assert!(
        !commit.message.contains("secret-key"),
        "the key itself is kept nowhere"
    );
    let facts = Facts::read(&commit.trailers);
    assert_eq!(facts.request.as_deref(), Some("my-request"));
    assert_eq!(
        facts.tool.as_deref(),
        Some(concat!("nautes-api/", env!("CARGO_PKG_VERSION")))
    );
    assert!(facts.key.is_some());
}
