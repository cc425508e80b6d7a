//! Faults on demand.

use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, ListParams, PostParams, WatchEvent, WatchParams};
use nautes_runtime::local::fault::{Counted, Crash, Effect, Faults, Rule};
use nautes_runtime::local::{self, Options};

async fn cluster() -> (local::Cluster, Faults) {
    let faults = Faults::seeded(7);
    let options = Options {
        faults: faults.clone(),
        ..Options::in_memory("faults")
    };
    (local::Cluster::start(options).await.unwrap(), faults)
}

fn map(name: &str) -> ConfigMap {
    let mut map = ConfigMap::default();
    map.metadata.name = Some(name.to_owned());
    map
}

fn maps(client: kube::Client) -> Api<ConfigMap> {
    Api::namespaced(client, "default")
}

async fn names(maps: &Api<ConfigMap>) -> Vec<String> {
    let all = maps.list(&ListParams::default()).await.unwrap();
    all.into_iter().filter_map(|map| map.metadata.name).collect()
}

#[tokio::test]
async fn refusals_have_the_code_that_was_asked_for_and_do_nothing() {
    let (cluster, faults) = cluster().await;
    let maps = maps(cluster.client());
    for code in [409, 429, 500, 503] {
        faults.add(
            Rule::of(Effect::Refuse(code))
                .writes()
                .resource("configmaps")
                .times(1),
        );
        let refused = maps.create(&PostParams::default(), &map("a")).await.unwrap_err();
        let kube::Error::Api(status) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(status.code, code);
        assert!(names(&maps).await.is_empty(), "reading is not writing");
        faults.clear();
    }
    assert_eq!(faults.hits(), 4);
    maps.create(&PostParams::default(), &map("a")).await.unwrap();
}

#[tokio::test]
async fn a_lost_request_did_nothing_and_a_lost_answer_did_it() {
    let (cluster, faults) = cluster().await;
    let maps = maps(cluster.client());
    faults.add(Rule::of(Effect::LoseRequest).verbs(&["create"]).times(1));
    faults.add(Rule::of(Effect::LoseAnswer).verbs(&["create"]).times(1));
    let create = async |name| maps.create(&PostParams::default(), &map(name)).await;
    assert!(matches!(create("a").await, Err(kube::Error::Service(_))));
    assert!(names(&maps).await.is_empty());
    assert!(matches!(create("b").await, Err(kube::Error::Service(_))));
    assert_eq!(names(&maps).await, ["b"]);
    create("c").await.unwrap();
}

#[tokio::test]
async fn a_partition_concerns_one_client() {
    let (cluster, faults) = cluster().await;
    let [one, other] = ["one", "other"].map(|user| maps(cluster.client_as(user, &["system:masters"])));
    faults.add(Rule::of(Effect::LoseRequest).user("one"));
    assert!(one.list(&ListParams::default()).await.is_err());
    assert!(other.list(&ListParams::default()).await.is_ok());
    faults.clear();
    assert!(one.list(&ListParams::default()).await.is_ok());
}

#[tokio::test]
async fn the_same_seed_chooses_the_same_requests() {
    let play = async |seed| {
        let faults = Faults::seeded(seed);
        let options = Options {
            faults: faults.clone(),
            ..Options::in_memory("faults")
        };
        let cluster = local::Cluster::start(options).await.unwrap();
        let maps = maps(cluster.client());
        faults.add(Rule::of(Effect::Refuse(500)).share(0.5));
        let mut served = Vec::new();
        for _ in 0..40 {
            served.push(maps.get_opt("none").await.is_ok());
        }
        served
    };
    let first = play(1).await;
    assert_eq!(first, play(1).await);
    assert_ne!(first, play(2).await);
    assert!(first.contains(&true) && first.contains(&false));
}

#[tokio::test]
async fn a_watch_is_cut_after_so_many_pieces_and_held_until_it_is_let_go() {
    let (cluster, faults) = cluster().await;
    let maps = maps(cluster.client());
    let params = WatchParams::default();
    for name in ["a", "b", "c"] {
        maps.create(&PostParams::default(), &map(name)).await.unwrap();
    }
    faults.add(Rule::of(Effect::CutWatch(2)).times(1));
    let mut watch = maps.watch(&params, "0").await.unwrap().boxed();
    assert!(matches!(watch.next().await, Some(Ok(WatchEvent::Added(_)))));
    assert!(matches!(watch.next().await, Some(Ok(WatchEvent::Added(_)))));
    assert!(matches!(watch.next().await, Some(Err(_))));
    assert!(watch.next().await.is_none());

    let mut watch = maps.watch(&params, "0").await.unwrap().boxed();
    for _ in 0..3 {
        assert!(matches!(watch.next().await, Some(Ok(WatchEvent::Added(_)))));
    }
    faults.add(Rule::of(Effect::StaleWatch));
    maps.create(&PostParams::default(), &map("d")).await.unwrap();
    // Nothing comes, however long one waits; the write itself is served.
    assert!(
        tokio::time::timeout(Duration::from_millis(200), watch.next())
            .await
            .is_err()
    );
    assert_eq!(names(&maps).await.len(), 4);
    faults.clear();
    assert!(matches!(watch.next().await, Some(Ok(WatchEvent::Added(_)))));
}

#[tokio::test]
async fn who_crashes_is_served_until_then_and_nobody_else_is_concerned() {
    for (crash, left) in [(Crash::Before, vec!["a"]), (Crash::After, vec!["a", "b"])] {
        let (cluster, faults) = cluster().await;
        let [dying, other] =
            ["dying", "other"].map(|user| maps(cluster.client_as(user, &["system:masters"])));
        let mut watch = dying.watch(&WatchParams::default(), "0").await.unwrap().boxed();
        faults.crash(Some("dying"), Counted::Writes, 1, crash);
        dying.create(&PostParams::default(), &map("a")).await.unwrap();
        assert!(dying.list(&ListParams::default()).await.is_ok());
        assert!(dying.create(&PostParams::default(), &map("b")).await.is_err());
        assert!(
            dying.list(&ListParams::default()).await.is_err(),
            "the dead ask nothing"
        );
        while let Some(Ok(_)) = watch.next().await {}
        assert_eq!(names(&other).await, left);
        other.delete("a", &DeleteParams::default()).await.unwrap();
        faults.clear();
        dying.create(&PostParams::default(), &map("c")).await.unwrap();
        // Or at any request.
        faults.crash(Some("dying"), Counted::All, 1, crash);
        assert!(dying.list(&ListParams::default()).await.is_ok());
        assert!(dying.list(&ListParams::default()).await.is_err());
        assert!(dying.create(&PostParams::default(), &map("d")).await.is_err());
        assert!(other.get_opt("d").await.unwrap().is_none());
    }
}
