//! The client goes away in the middle of its request.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::stage::{Looked, Stage, assert_whole, bearer, everything};
use crate::weather::Fault;

/// Where the request is when its client goes: its rights are looked at, the first repository is written, the second is.
const GONE_AT: [(&str, &str); 3] = [
    ("access", "group"),
    ("push", "nautes/management"),
    ("push", "/default.project"),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_left_behind_is_whole_and_the_same_request_completes() {
    let stage = Stage::new().await;
    let stop = CancellationToken::new();
    let settings = nautes_api::Settings::on(([127, 0, 0, 1], 0).into());
    let app = nautes_api::App::new(stage.platform.clone());
    let serving = nautes_api::serve(&settings, app, stop.clone()).await.unwrap();
    // The group is there already, so that the rights in it are asked for.
    let first = stage.send("/api/v1/apply", &everything("p0", 0)).await;
    assert_eq!(first.status, 200, "{:#}", first.body);
    for (i, (call, on)) in GONE_AT.into_iter().enumerate() {
        let what = format!("gone at {call} {on}");
        let name = if call == "access" {
            "p0".to_owned()
        } else {
            format!("p{i}")
        };
        let text = everything(&name, i.min(if call == "access" { 0 } else { i }));
        let body = serde_json::json!({ "files": [{ "name": "test.yaml", "text": text }] }).to_string();
        stage
            .forge
            .turn(move |step| (step.call == call && step.on.contains(on)).then_some(Fault::Slow));
        let mut client = TcpStream::connect(serving.address).await.unwrap();
        let head = format!(
            "POST /api/v1/apply HTTP/1.1\r\nhost: api\r\nauthorization: {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            bearer(&stage.world.admin),
            body.len()
        );
        client.write_all(head.as_bytes()).await.unwrap();
        client.write_all(body.as_bytes()).await.unwrap();
        stage.forge.somebody_waits().await;
        drop(client);
        stage.forge.clear();
        assert_whole(stage.look(&name).await, &what);
        let again = stage.send("/api/v1/apply", &text).await;
        assert_eq!(again.status, 200, "{what}: {:#}", again.body);
        assert_eq!(stage.look(&name).await, Looked::ALL, "{what}");
        let own = stage.history(&format!("{name}/default.project")).await;
        assert_eq!(own.len(), 2, "{what}: {own:#?}");
    }
    stop.cancel();
    serving.finished().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_never_becomes_whole_changes_nothing() {
    let stage = Stage::new().await;
    let stop = CancellationToken::new();
    let settings = nautes_api::Settings {
        deadline: Duration::from_secs(20),
        ..nautes_api::Settings::on(([127, 0, 0, 1], 0).into())
    };
    let app = nautes_api::App::new(stage.platform.clone());
    let serving = nautes_api::serve(&settings, app, stop.clone()).await.unwrap();
    let text = everything("p0", 0);
    let body = serde_json::json!({ "files": [{ "name": "test.yaml", "text": text }] }).to_string();
    let before = stage.history("nautes/management").await.len();
    for share in [0, 1, body.len() / 2, body.len() - 1] {
        let mut client = TcpStream::connect(serving.address).await.unwrap();
        let head = format!(
            "POST /api/v1/apply HTTP/1.1\r\nhost: api\r\nauthorization: {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            bearer(&stage.world.admin),
            body.len()
        );
        client.write_all(head.as_bytes()).await.unwrap();
        client.write_all(&body.as_bytes()[..share]).await.unwrap();
        drop(client);
    }
    stop.cancel();
    // It has finished what it had accepted.
    serving.finished().await.unwrap();
    assert_eq!(stage.look("p0").await, Looked::NOTHING);
    assert_eq!(stage.history("nautes/management").await.len(), before);
}
