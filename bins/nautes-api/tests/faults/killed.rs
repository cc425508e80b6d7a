//! The process is killed in mid-write.

use std::path::Path;
use std::sync::Arc;

use nautes_runtime::platform::Platform;

use crate::process::{Server, open};
use crate::stage::{Looked, assert_whole, everything, history, look, request_ids};
use crate::weather::Weather;

/// Looks at what a killed process left, as the next one finds it.
async fn left(data: &Path) -> Platform {
    open(data, &Arc::new(Weather::default())).await.platform
}

/// At each call on forge and store that a request makes, in turn: the process dies there, and the same request completes
/// in the next one.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_killed_at_any_step_is_completed_by_the_same_request() {
    let text = everything("shop", 0);
    let mut rounds = 0;
    // The steps are dense where things are written, and alike where they are read.
    for call in (1..).step_by(2) {
        let what = format!("killed before call {call}");
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path();
        let server = Server::dying(data, call);
        let answer = server.apply(&text).await;
        let survived = answer.is_ok();
        if let Ok((status, body)) = answer {
            assert_eq!(status, 200, "{body:#}");
            server.kill();
        } else {
            server.died();
            assert_whole(look(&left(data).await, "shop").await, &what);
            let server = Server::start(data);
            let (status, body) = server.apply(&text).await.unwrap();
            assert_eq!(status, 200, "{what}: {body:#}");
            server.kill();
        }
        let platform = left(data).await;
        assert_eq!(look(&platform, "shop").await, Looked::ALL, "{what}");
        for path in ["nautes/management", "shop/default.project"] {
            let commits = history(&platform, path).await;
            assert_eq!(commits.len(), 2, "{what}, {path}: {commits:#?}");
            request_ids(&commits);
        }
        if survived {
            break;
        }
        rounds += 1;
    }
    assert!(rounds > 10, "a request has more steps than {rounds}");
}

/// How many writers there are, and after how many of their answers the process is killed.
const WRITERS: usize = 12;
const KILLED_AFTER: [usize; 4] = [1, 4, 7, 11];

/// The process is killed while many write: what it has answered is there, and nothing else is half there.
#[tokio::test(flavor = "multi_thread")]
async fn no_accepted_write_is_lost_when_the_process_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path();
    let server = Server::start(data);
    let (status, body) = server.apply(&everything("shop", 0)).await.unwrap();
    assert_eq!(status, 200, "{body:#}");
    server.kill();
    for (round, killed_after) in KILLED_AFTER.into_iter().enumerate() {
        let server = Arc::new(Server::start(data));
        let (answered, mut answers) = tokio::sync::mpsc::unbounded_channel();
        let project = move |i: usize| format!("p{round}-{i}");
        let mut writers = tokio::task::JoinSet::new();
        for i in 0..WRITERS {
            let (server, answered) = (Arc::clone(&server), answered.clone());
            writers.spawn(async move {
                let path = format!("/api/v1/products/shop/projects/{}", project(i));
                let answer = server.call("POST", &path, r#"{"language":"go"}"#).await;
                let accepted = answer.is_ok_and(|(status, _)| status == 200);
                if accepted {
                    let _ = answered.send(i);
                }
                accepted.then_some(i)
            });
        }
        drop(answered);
        let mut seen = 0;
        while seen < killed_after && answers.recv().await.is_some() {
            seen += 1;
        }
        assert_eq!(seen, killed_after);
        // The handle of each writer is dropped with its connection.
        assert!(
            std::process::Command::new("kill")
                .args(["-9", &server.id().to_string()])
                .status()
                .unwrap()
                .success()
        );
        let accepted: Vec<usize> = writers.join_all().await.into_iter().flatten().collect();
        Arc::into_inner(server).unwrap().died();
        let platform = left(data).await;
        let scopes = platform.scopes().await.unwrap();
        for i in &accepted {
            assert!(
                scopes.products["shop"].project(&project(*i)).is_some(),
                "{} was accepted and is lost",
                project(*i)
            );
        }
        request_ids(&history(&platform, "shop/default.project").await);
        drop((scopes, platform));
        let server = Server::start(data);
        for i in 0..WRITERS {
            let path = format!("/api/v1/products/shop/projects/{}", project(i));
            let (status, body) = server.call("POST", &path, r#"{"language":"go"}"#).await.unwrap();
            assert_eq!(status, 200, "{body:#}");
        }
        server.kill();
        let platform = left(data).await;
        let commits = history(&platform, "shop/default.project").await;
        // Begun, filled, and each project once.
        assert_eq!(commits.len(), 2 + WRITERS * (round + 1));
        request_ids(&commits);
    }
}
