//! Data folders.

use kube::api::{DeleteParams, PostParams};
use nautes_runtime::local::{self, Options};
use serde_json::json;

use crate::support::{get, install, make, map, maps, post, widget_definition};

fn options(folder: &std::path::Path) -> Options {
    Options {
        data: Some(folder.to_owned()),
        listen: Some(([127, 0, 0, 1], 0).into()),
        ..Options::in_memory("kept")
    }
}

#[tokio::test]
async fn a_restart_keeps_objects_definitions_and_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let first = local::Cluster::start(options(folder.path())).await.unwrap();
    let client = first.client();
    let kept = make(&client, &map("kept", &[("k", "v")])).await;
    make(&client, &map("gone", &[])).await;
    maps(&client)
        .delete("gone", &DeleteParams::default())
        .await
        .unwrap();
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    install(&client, &widget_definition(&schema)).await;
    let widget = json!({"apiVersion": "example.io/v1", "kind": "Widget", "metadata": {"name": "w"}});
    assert_eq!(
        post(&client, "/apis/example.io/v1/namespaces/default/widgets", &widget)
            .await
            .0,
        201
    );
    let ca = first.ca_pem().to_owned();
    first.stop().await;
    assert!(maps(&client).get("kept").await.is_err());
    drop((first, client));

    let second = local::Cluster::start(options(folder.path())).await.unwrap();
    let client = second.client();
    assert_eq!(maps(&client).get("kept").await.unwrap(), kept);
    assert!(maps(&client).get_opt("gone").await.unwrap().is_none());
    assert_eq!(
        get(&client, "/apis/example.io/v1/namespaces/default/widgets/w")
            .await
            .0,
        200
    );
    assert_eq!(second.ca_pem(), ca);
    let later = maps(&client)
        .create(&PostParams::default(), &map("later", &[]))
        .await
        .unwrap();
    let number = |m: &k8s_openapi::api::core::v1::ConfigMap| -> u64 {
        m.metadata.resource_version.as_ref().unwrap().parse().unwrap()
    };
    assert!(number(&later) > number(&kept));
    second.stop().await;
}

#[tokio::test]
async fn what_is_nested_as_deep_as_allowed_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = local::Cluster::start(options(folder.path())).await.unwrap();
    let client = cluster.client();
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    install(&client, &widget_definition(&schema)).await;
    let path = "/apis/example.io/v1/namespaces/default/widgets";
    let deep = |name: &str, depth: usize| {
        let inner = (0..depth).fold(json!("x"), |inner, _| json!({ "a": inner }));
        json!({"apiVersion": "example.io/v1", "kind": "Widget", "metadata": {"name": name}, "spec": inner})
    };
    let (code, answer) = post(&client, path, &deep("deepest", 120)).await;
    assert_eq!(
        (code, answer["message"].as_str()),
        (400, Some("the object is nested too deeply"))
    );
    let mut kept = Vec::new();
    for depth in 80..100 {
        let name = format!("deep-{depth}");
        if post(&client, path, &deep(&name, depth)).await.0 == 201 {
            kept.push(name);
        }
    }
    assert!(kept.len() > 10, "{kept:?}");
    // A patch must not get deeper than a body may.
    let patches =
        json!([{"op": "add", "path": format!("/spec{}", "/a".repeat(80)), "value": deep("", 90)["spec"]}]);
    let request = http::Request::patch(format!("{path}/{}", kept[0]))
        .header("content-type", "application/json-patch+json")
        .body(patches.to_string().into_bytes())
        .unwrap();
    let refused = client.request::<serde_json::Value>(request).await.unwrap_err();
    assert!(refused.to_string().contains("nested too deeply"), "{refused}");
    cluster.stop().await;
    drop((cluster, client));

    let cluster = local::Cluster::start(options(folder.path())).await.unwrap();
    let client = cluster.client();
    for name in kept {
        assert_eq!(get(&client, &format!("{path}/{name}")).await.0, 200, "{name}");
    }
    cluster.stop().await;
}

#[cfg(unix)]
#[tokio::test]
async fn keys_are_readable_by_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let cluster = local::Cluster::start(options(folder.path())).await.unwrap();
    for name in ["tls.key", "token.key"] {
        let mode = std::fs::metadata(folder.path().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    cluster.stop().await;
}

#[tokio::test]
async fn a_folder_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = local::Cluster::start(options(folder.path())).await.unwrap();
    assert!(local::Cluster::start(options(folder.path())).await.is_err());
    cluster.stop().await;
}

const CHILD: &str = "NAUTES_TEST_KILLED_CLUSTER";

/// Not a test of its own: what the next test starts in a process of its own, and kills.
#[tokio::test]
#[allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "the parent hands the folder over"
)]
async fn the_killed_one() {
    let Ok(folder) = std::env::var(CHILD) else { return };
    let cluster = local::Cluster::start(options(std::path::Path::new(&folder)))
        .await
        .unwrap();
    let client = cluster.client();
    for index in 0..100_000 {
        make(&client, &map(&format!("m{index}"), &[])).await;
        println!("kept m{index}");
    }
}

#[tokio::test]
#[allow(clippy::disallowed_methods, reason = "the test kills another process")]
async fn a_killed_process_loses_no_acknowledged_write() {
    use std::io::BufRead as _;
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "durability::the_killed_one", "--nocapture"])
            .env(CHILD, folder.path())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
        let mut kept = Vec::new();
        let mut child = Some(child);
        for line in lines.map_while(Result::ok) {
            if let Some((_, name)) = line.split_once("kept ") {
                kept.push(name.to_owned());
            }
            if kept.len() == 20
                && let Some(mut child) = child.take()
            {
                child.kill().unwrap();
                child.wait().unwrap();
            }
        }
        assert!(kept.len() >= 20, "{kept:?}");
        let cluster = local::Cluster::start(options(folder.path())).await.unwrap();
        for name in &kept {
            assert!(
                maps(&cluster.client()).get_opt(name).await.unwrap().is_some(),
                "{name} is lost"
            );
        }
        for name in &kept {
            maps(&cluster.client())
                .delete(name, &DeleteParams::default())
                .await
                .unwrap();
        }
        let rest = maps(&cluster.client());
        rest.delete_collection(&DeleteParams::default(), &kube::api::ListParams::default())
            .await
            .unwrap();
        cluster.stop().await;
    }
}

#[tokio::test]
async fn numbers_with_fractions_are_the_same_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let first = local::Cluster::start(options(folder.path())).await.unwrap();
    let client = first.client();
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    install(&client, &widget_definition(&schema)).await;
    let numbers: Vec<f64> = (1..2_000).map(|n| f64::from(n) / 7.0 * 1e-5).collect();
    let widget = json!({"apiVersion": "example.io/v1", "kind": "Widget", "metadata": {"name": "w"}, "numbers": numbers});
    let place = "/apis/example.io/v1/namespaces/default/widgets";
    assert_eq!(post(&client, place, &widget).await.0, 201);
    first.stop().await;
    drop((first, client));

    let second = local::Cluster::start(options(folder.path())).await.unwrap();
    let (code, kept) = get(&second.client(), &format!("{place}/w")).await;
    assert_eq!(code, 200);
    let kept = kept["numbers"].as_array().unwrap();
    let changed = kept
        .iter()
        .zip(&numbers)
        .find(|(kept, sent)| **kept != json!(sent));
    assert_eq!((kept.len(), changed), (numbers.len(), None));
}
