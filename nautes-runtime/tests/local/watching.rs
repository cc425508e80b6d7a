//! Watches.

use std::{pin::pin, time::Duration};

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams, WatchEvent, WatchParams},
    runtime::{WatchStreamExt as _, reflector, watcher},
};
use serde_json::{Value, json};

use crate::support::{cluster, make, map, maps};

fn told(event: &WatchEvent<ConfigMap>) -> String {
    match event {
        WatchEvent::Added(m) => format!("ADDED {}", m.name_any()),
        WatchEvent::Modified(m) => format!("MODIFIED {}", m.name_any()),
        WatchEvent::Deleted(m) => format!("DELETED {}", m.name_any()),
        WatchEvent::Bookmark(_) => "BOOKMARK".to_owned(),
        WatchEvent::Error(status) => format!("ERROR {}", status.code),
    }
}

async fn next(
    stream: &mut (impl futures::Stream<Item = kube::Result<WatchEvent<ConfigMap>>> + Unpin),
) -> String {
    let event = tokio::time::timeout(Duration::from_secs(20), stream.next())
        .await
        .unwrap();
    event.map_or_else(|| "END".to_owned(), |e| told(&e.unwrap()))
}

async fn revision(client: &Client) -> String {
    maps(client)
        .list(&ListParams::default())
        .await
        .unwrap()
        .metadata
        .resource_version
        .unwrap()
}

#[tokio::test]
async fn a_watch_resumes_from_a_revision() {
    let cluster = cluster().await;
    let client = cluster.client();
    make(&client, &map("a", &[])).await;
    let from = revision(&client).await;
    make(&client, &map("b", &[])).await;
    let patch = Patch::Merge(json!({"data": {"k": "v"}}));
    maps(&client)
        .patch("a", &PatchParams::default(), &patch)
        .await
        .unwrap();
    maps(&client)
        .patch("a", &PatchParams::default(), &patch)
        .await
        .unwrap();
    maps(&client).delete("b", &DeleteParams::default()).await.unwrap();
    let mut stream = pin!(maps(&client).watch(&WatchParams::default(), &from).await.unwrap());
    for expect in ["ADDED b", "MODIFIED a", "DELETED b"] {
        assert_eq!(next(&mut stream).await, expect);
    }
    make(&client, &map("c", &[])).await;
    assert_eq!(next(&mut stream).await, "ADDED c");
    cluster.stop().await;
    assert_eq!(next(&mut stream).await, "END");
}

#[tokio::test]
async fn a_watch_from_a_forgotten_revision_is_gone() {
    let cluster = cluster().await;
    let client = cluster.client();
    let from = revision(&client).await;
    make(&client, &map("a", &[])).await;
    cluster.compact();
    let mut stream = pin!(maps(&client).watch(&WatchParams::default(), &from).await.unwrap());
    assert_eq!(next(&mut stream).await, "ERROR 410");
    assert_eq!(next(&mut stream).await, "END");
}

#[tokio::test]
async fn a_selector_turns_changes_into_arrivals_and_departures() {
    let cluster = cluster().await;
    let client = cluster.client();
    make(&client, &map("a", &[])).await;
    let from = revision(&client).await;
    let label = |value: Value| Patch::Merge(json!({"metadata": {"labels": {"on": value}}}));
    for value in [json!("yes"), json!("no"), json!("yes")] {
        maps(&client)
            .patch("a", &PatchParams::default(), &label(value))
            .await
            .unwrap();
    }
    maps(&client).delete("a", &DeleteParams::default()).await.unwrap();
    let params = WatchParams::default().labels("on=yes");
    let mut stream = pin!(maps(&client).watch(&params, &from).await.unwrap());
    for expect in ["ADDED a", "DELETED a", "ADDED a", "DELETED a"] {
        assert_eq!(next(&mut stream).await, expect);
    }
}

#[tokio::test]
async fn a_streaming_list_ends_with_a_bookmark() {
    let cluster = cluster().await;
    let client = cluster.client();
    make(&client, &map("a", &[])).await;
    let params = WatchParams::default().initial_events();
    let mut stream = pin!(maps(&client).watch(&params, "0").await.unwrap());
    let mut seen = Vec::new();
    loop {
        let event = next(&mut stream).await;
        seen.push(event.clone());
        if event == "BOOKMARK" {
            break;
        }
    }
    assert_eq!(seen, ["ADDED a", "BOOKMARK"]);
}

#[tokio::test]
async fn a_reflector_follows() {
    let cluster = cluster().await;
    let client = cluster.client();
    for config in [
        watcher::Config::default(),
        watcher::Config::default().streaming_lists(),
    ] {
        make(&client, &map("a", &[])).await;
        let (store, writer) = reflector::store();
        let stream = reflector(writer, watcher(maps(&client), config))
            .default_backoff()
            .applied_objects();
        let task = tokio::spawn(async move { stream.for_each(|_| async {}).await });
        store.wait_until_ready().await.unwrap();
        make(&client, &map("b", &[])).await;
        crate::support::eventually("both are known", || async { store.len() == 2 }).await;
        let api: Api<ConfigMap> = maps(&client);
        api.delete("a", &DeleteParams::default()).await.unwrap();
        cluster.compact();
        api.delete("b", &DeleteParams::default()).await.unwrap();
        crate::support::eventually("none is left", || async { store.is_empty() }).await;
        task.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_whose_client_does_not_read_is_cut_off() {
    let cluster = cluster().await;
    let client = cluster.client();
    let quiet = WatchParams::default().disable_bookmarks();
    let watch = || async { maps(&client).watch(&quiet, "0").await.unwrap() };
    let (mut slow, mut idle) = (pin!(watch().await), pin!(watch().await));
    make(&client, &map("a", &[])).await;
    assert_eq!(next(&mut slow).await, "ADDED a");
    assert_eq!(next(&mut idle).await, "ADDED a");
    // Time alone does nothing to a watch that is read.
    let later = async {
        tokio::time::advance(Duration::from_secs(120)).await;
        make(&client, &map("b", &[])).await;
    };
    let (event, ()) = tokio::join!(idle.next(), later);
    assert_eq!(self::told(&event.unwrap().unwrap()), "ADDED b");
    tokio::time::advance(Duration::from_secs(120)).await;
    assert_eq!(next(&mut slow).await, "END");
}
