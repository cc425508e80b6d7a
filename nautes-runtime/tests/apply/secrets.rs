//! Secrets go into objects, and nowhere else.

use std::io;
use std::sync::{Arc, Mutex};

use nautes_model::Class;
use nautes_model::secret::SecretRef;
use serde_json::json;

use crate::world::{World, config, namespace, plan, planned, secret, with_secret};

fn reference() -> SecretRef {
    SecretRef {
        path: "git/gitlab/x/default/readonly".parse().unwrap(),
        key: "deploykey".to_owned(),
    }
}

fn one() -> nautes_runtime::plan::ClusterPlan {
    plan(vec![
        vec![planned(namespace("shop"), &["dev"])],
        vec![
            with_secret(planned(secret("shop", "key"), &["dev"]), "/data/id", &reference()),
            planned(config("shop", "settings", json!({})), &["dev"]),
        ],
    ])
}

#[tokio::test]
async fn a_missing_secret_waits_and_the_others_go_on() {
    let world = World::new().await;
    let applied = world.apply("demo", &one()).await;
    assert_eq!(
        (applied.written.len(), applied.failed.len()),
        (2, 1),
        "{applied:?}"
    );
    assert_eq!(applied.failed[0].class, Class::Waiting);
    assert!(
        applied.failed[0]
            .message
            .contains("git/gitlab/x/default/readonly#deploykey")
    );
    world.secret(&reference(), "first").await;
    let applied = world.apply("demo", &one()).await;
    assert!(applied.is_complete());
    let live = world.get("Secret", Some("shop"), "key").await.unwrap();
    assert_eq!(live["data"], json!({"id": "Zmlyc3Q="}));
}

#[tokio::test]
async fn only_a_changed_value_causes_a_write() {
    let world = World::new().await;
    world.secret(&reference(), "first").await;
    world.apply("demo", &one()).await;
    world.secret(&reference(), "first").await;
    assert_eq!(world.apply("demo", &one()).await.writes, 0);
    world.secret(&reference(), "second").await;
    let changed = world.apply("demo", &one()).await;
    assert_eq!((changed.written.len(), changed.writes), (1, 1), "{changed:?}");
    let live = world.get("Secret", Some("shop"), "key").await.unwrap();
    assert_eq!(live["data"], json!({"id": "c2Vjb25k"}));
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_value_shows_up_in_logs_reports_or_the_inventory() {
    const CANARY: &str = "canary-5f2b9c";
    const ENCODED: &str = "Y2FuYXJ5LTVmMmI5Yw==";
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let world = World::new().await;
    world.secret(&reference(), CANARY).await;
    let mut plan = one();
    // A Secret that the server refuses, and a place where no secret can go.
    let mut bad = secret("shop", "bad");
    bad["type"] = json!("kubernetes.io/tls");
    plan.waves[1].push(with_secret(planned(bad, &["dev"]), "/data/id", &reference()));
    let odd = with_secret(planned(secret("shop", "odd"), &["dev"]), "/data", &reference());
    plan.waves[1].push(odd);
    let mut shown = String::new();
    for _ in 0..2 {
        let applied = world.apply("demo", &plan).await;
        assert_eq!(applied.failed.len(), 2);
        assert!(
            applied.failed.iter().all(|f| f.class == Class::Invalid),
            "{applied:?}"
        );
        shown += &format!("{applied:?} {}", serde_json::to_string(&applied).unwrap());
    }
    let inventories = world.api("ConfigMap", Some("nautes-inventory"));
    let inventories = inventories.list(&Default::default()).await.unwrap();
    shown += &format!("{inventories:?} {plan:?} {:?}", world.target());
    shown += &String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(!shown.contains(CANARY));
    assert!(!shown.contains(ENCODED));
    let live = world.get("Secret", Some("shop"), "key").await.unwrap();
    assert_eq!(live["data"], json!({"id": ENCODED}));
}
