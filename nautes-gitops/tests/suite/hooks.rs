//! Hooks of the local forge.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use nautes_gitops::host::local::Outcome;
use nautes_gitops::host::{AccessLevel, HookEvent, HookSpec};
use nautes_model::Secret;
use serde_json::Value;

use super::kit::{Forge, path};

type Received = Arc<Mutex<Vec<(HeaderMap, Value)>>>;

/// A receiver that refuses the first calls.
struct Receiver {
    received: Received,
    url: String,
}

impl Receiver {
    async fn start(refusing: usize) -> Self {
        let received = Received::default();
        let take = move |State(received): State<Received>, headers: HeaderMap, Json(body): Json<Value>| async move {
            let mut received = received.lock().unwrap();
            received.push((headers, body));
            if received.len() <= refusing {
                StatusCode::INTERNAL_SERVER_ERROR
            } else {
                StatusCode::NO_CONTENT
            }
        };
        let router = axum::Router::new()
            .route("/hook", post(take))
            .with_state(Arc::clone(&received));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { received, url }
    }

    fn all(&self) -> Vec<(HeaderMap, Value)> {
        self.received.lock().unwrap().clone()
    }
}

async fn hook(forge: &Forge, url: &str, events: &[HookEvent]) -> u64 {
    let spec = HookSpec {
        url: url.to_owned(),
        events: events.to_vec(),
        secret: Secret::from("hook-secret"),
    };
    forge
        .platform
        .create_hook(&path("demo/app"), &spec)
        .await
        .unwrap()
        .id
}

/// Waits until so many deliveries have ended.
async fn delivered(forge: &Forge, count: u64) {
    let mut ended = forge.forge.admin().watch_deliveries();
    let wait = ended.wait_for(|ended| *ended >= count);
    tokio::time::timeout(Duration::from_secs(30), wait)
        .await
        .expect("the deliveries end")
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn pushes_are_reported_in_the_shape_of_gitlab() {
    let forge = Forge::start().await;
    let token = forge.user("ann", AccessLevel::Developer).await;
    let url = forge.url("demo/app", Some(&token));
    let receiver = Receiver::start(0).await;
    let id = hook(&forge, &receiver.url, &[HookEvent::Push, HookEvent::TagPush]).await;
    let work = forge.git("work");
    let first = work.init().await;
    work.ok(&["push", "-q", &url, "main"]).await;
    delivered(&forge, 1).await;
    let second = work.commit("a", "1").await;
    let third = work.commit("b", "1").await;
    work.ok(&["push", "-q", &url, "main"]).await;
    delivered(&forge, 2).await;
    work.ok(&["push", "-q", &url, "main:refs/tags/v1"]).await;
    delivered(&forge, 3).await;
    work.ok(&["push", "-q", &url, ":refs/tags/v1"]).await;
    delivered(&forge, 4).await;

    let all = receiver.all();
    let zero = "0".repeat(40);
    let (headers, body) = &all[0];
    assert_eq!(headers["x-gitlab-token"], "hook-secret");
    assert_eq!(headers["x-gitlab-event"], "Push Hook");
    assert!(!headers["x-gitlab-event-uuid"].is_empty());
    assert_eq!(
        (&body["before"], &body["after"]),
        (&Value::from(zero.clone()), &Value::from(first.clone()))
    );
    let (_, body) = &all[1];
    assert_eq!(body["object_kind"], "push");
    assert_eq!(body["ref"], "refs/heads/main");
    assert_eq!(
        (&body["before"], &body["checkout_sha"]),
        (&Value::from(first), &Value::from(third.clone()))
    );
    assert_eq!(body["user_username"], "ann");
    assert_eq!(body["project"]["path_with_namespace"], "demo/app");
    assert_eq!(body["project"]["git_http_url"], forge.url("demo/app", None));
    let commits: Vec<_> = body["commits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["id"].clone())
        .collect();
    assert_eq!(commits, [Value::from(second), Value::from(third.clone())]);
    let (headers, body) = &all[2];
    assert_eq!(
        (&headers["x-gitlab-event"], &body["object_kind"]),
        (&"Tag Push Hook".parse().unwrap(), &"tag_push".into())
    );
    assert_eq!(body["checkout_sha"], Value::from(third));
    let (_, body) = &all[3];
    assert_eq!(
        (&body["after"], &body["checkout_sha"]),
        (&Value::from(zero), &Value::Null)
    );
    let log = forge.forge.admin().deliveries();
    assert!(
        log.iter()
            .all(|d| d.hook == id && d.outcome == Outcome::Delivered && d.attempts == 1),
        "{log:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_is_called_again_until_it_answers() {
    let forge = Forge::start_with(|options| options.hook_pauses = vec![Duration::from_millis(5); 3]).await;
    let receiver = Receiver::start(2).await;
    hook(&forge, &receiver.url, &[HookEvent::Push]).await;
    let nobody = hook(&forge, "http://127.0.0.1:1/hook", &[HookEvent::Push]).await;
    hook(&forge, &receiver.url, &[HookEvent::TagPush]).await;
    let token = forge.user("ann", AccessLevel::Developer).await;
    let work = forge.git("work");
    work.init().await;
    work.ok(&["push", "-q", &forge.url("demo/app", Some(&token)), "main"])
        .await;
    delivered(&forge, 2).await;
    let uuids: Vec<_> = receiver
        .all()
        .iter()
        .map(|(headers, _)| headers["x-gitlab-event-uuid"].clone())
        .collect();
    assert_eq!(uuids.len(), 3);
    assert!(
        uuids.iter().all(|uuid| *uuid == uuids[0]),
        "a repetition can be told"
    );
    let log = forge.forge.admin().deliveries();
    let of = |id: u64| {
        log.iter()
            .filter(move |d| (d.hook == nobody) == (id == nobody))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (of(nobody)[0].attempts, &of(nobody)[0].outcome),
        (4, &Outcome::Unanswered)
    );
    assert_eq!((of(0)[0].attempts, &of(0)[0].outcome), (3, &Outcome::Delivered));
    assert_eq!(log.len(), 2, "the hook for tags is not called");
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_through_a_session_are_reported_too() {
    let forge = Forge::start().await;
    let receiver = Receiver::start(0).await;
    hook(&forge, &receiver.url, &[HookEvent::Push]).await;
    let mirror = forge.mirror("app").await;
    let who = nautes_gitops::repo::Signature {
        name: "a".into(),
        email: "a@b".into(),
        seconds: 0,
    };
    let spec = nautes_gitops::repo::CommitSpec {
        parent: None,
        edits: [("a".to_owned(), Some(b"1".to_vec()))].into(),
        author: who.clone(),
        committer: who,
        message: "by hand".to_owned(),
        trailers: vec![],
    };
    let commit = mirror.commit(spec).await.unwrap().unwrap();
    forge
        .platform
        .push(&path("demo/app"), &mirror, "main", None, commit)
        .await
        .unwrap();
    delivered(&forge, 1).await;
    assert_eq!(receiver.all()[0].1["after"], commit.to_string());
}
