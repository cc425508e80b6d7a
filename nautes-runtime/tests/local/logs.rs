//! The logs of pods.

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, LogParams, PostParams};
use serde_json::json;

use crate::support::{cluster, get};

const POD: &str = "/api/v1/namespaces/default/pods/build";

fn pod(containers: &[&str]) -> Pod {
    let containers: Vec<_> = containers
        .iter()
        .map(|name| json!({ "name": name, "image": "none" }))
        .collect();
    let pod = json!({ "metadata": { "name": "build" }, "spec": { "containers": containers } });
    serde_json::from_value(pod).unwrap()
}

#[tokio::test]
async fn a_pod_has_written_what_somebody_says_that_it_has() {
    let cluster = cluster().await;
    let client = cluster.client();
    let pods: Api<Pod> = Api::namespaced(client.clone(), "default");
    let missing = cluster
        .write_log("default", "build", "step", "early\n")
        .unwrap_err();
    assert_eq!(missing.code, 404, "{missing}");
    pods.create(&PostParams::default(), &pod(&["step", "sidecar"]))
        .await
        .unwrap();

    let (code, waiting) = get(&client, &format!("{POD}/log?container=step")).await;
    assert_eq!(code, 400, "{waiting}");
    assert!(
        waiting["message"].as_str().unwrap().contains("waiting to start"),
        "{waiting}"
    );
    cluster
        .write_log("default", "build", "step", "one\ntwo\n")
        .unwrap();
    cluster
        .write_log("default", "build", "step", "three \u{20ac}\n")
        .unwrap();
    let read = |params: LogParams| {
        let pods = pods.clone();
        async move { pods.logs("build", &params).await }
    };
    let of = |container: &str| LogParams {
        container: Some(container.to_owned()),
        ..LogParams::default()
    };
    assert_eq!(read(of("step")).await.unwrap(), "one\ntwo\nthree \u{20ac}\n");
    let tail = LogParams {
        tail_lines: Some(2),
        ..of("step")
    };
    assert_eq!(read(tail).await.unwrap(), "two\nthree \u{20ac}\n");
    // What is cut within a letter ends before it.
    let cut = LogParams {
        tail_lines: Some(1),
        limit_bytes: Some(7),
        ..of("step")
    };
    assert_eq!(read(cut).await.unwrap(), "three ");
    assert!(read(of("sidecar")).await.is_err());
    let (_, which) = get(&client, &format!("{POD}/log")).await;
    assert!(
        which["message"].as_str().unwrap().contains("[step sidecar]"),
        "{which}"
    );
    assert_eq!(get(&client, &format!("{POD}/log?container=other")).await.0, 400);
    assert!(
        cluster
            .write_log("default", "build", "other", "nothing\n")
            .is_err()
    );

    // Another pod of the same name has written nothing.
    pods.delete("build", &DeleteParams::default()).await.unwrap();
    pods.create(&PostParams::default(), &pod(&["step"]))
        .await
        .unwrap();
    assert_eq!(get(&client, &format!("{POD}/log")).await.0, 400);
    cluster.write_log("default", "build", "step", "anew\n").unwrap();
    assert_eq!(read(LogParams::default()).await.unwrap(), "anew\n");
}

#[tokio::test]
async fn whoever_may_not_read_logs_is_refused() {
    let cluster = cluster().await;
    let (code, _) = get(
        &cluster.client_as("somebody", &[]),
        &format!("{POD}/log?container=step"),
    )
    .await;
    assert_eq!(code, 403);
}
