//! `nautes runs` and `nautes logs`, of a run whose pods have written something.

use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::kit::{ONE_PLATFORM, example, program, run};

const NAMESPACE: &str = "shop-pipelines";

/// Waits until the controllers have made a namespace.
async fn made(namespaces: &Api<Namespace>, name: &str) {
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(50));
    for _ in 0..2400 {
        if namespaces.get_opt(name).await.unwrap().is_some() {
            return;
        }
        ticks.tick().await;
    }
    panic!("namespace {name} is not made");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_has_written_is_printed() {
    let _one = ONE_PLATFORM.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let instance = crate::kit::platform(dir.path().join("platform")).await;
    let server = instance.url("api").unwrap();
    let done = |user: &str, words: &[&str]| {
        let mut command = program(dir.path());
        command
            .args(words)
            .env("NAUTES_SERVER", &server)
            .env("NAUTES_TOKEN", &instance.remembered().users[user]);
        tokio::task::block_in_place(|| run(&mut command, ""))
    };
    let clusters = dir
        .path()
        .join("platform/manifests/clusters")
        .display()
        .to_string();
    assert_eq!(done("admin", &["apply", "-f", &clusters]).code, 0);
    let applied = done("alice", &["apply", "-f", &example("shop.yaml")]);
    assert_eq!(applied.code, 0, "{applied:?}");

    let near = done("alice", &["runs", "web-pipeline", "-p", "shop"]);
    assert_eq!(near.code, 4, "{near:?}");
    assert!(near.err.contains("did you mean web-pipelines?"), "{}", near.err);
    let none = done("alice", &["logs", "web-pipelines", "-p", "shop"]);
    assert_eq!(none.code, 4, "{none:?}");
    assert!(none.err.contains("has no runs"), "{}", none.err);

    let client = instance.clusters().get("pipelines").unwrap().client();
    made(&Api::all(client.clone()), NAMESPACE).await;
    let kind = ApiResource {
        group: "tekton.dev".to_owned(),
        version: "v1".to_owned(),
        api_version: "tekton.dev/v1".to_owned(),
        kind: "PipelineRun".to_owned(),
        plural: "pipelineruns".to_owned(),
    };
    let runs: Api<DynamicObject> = Api::namespaced_with(client.clone(), NAMESPACE, &kind);
    let object = json!({
        "apiVersion": "tekton.dev/v1", "kind": "PipelineRun",
        "metadata": {
            "name": "build-1",
            "labels": {
                "app.kubernetes.io/managed-by": "nautes",
                "resource.nautes.io/belongsto": "product-shop",
                "resource.nautes.io/runtime": "web-pipelines",
            },
            "annotations": {
                "resource.nautes.io/pipeline": "build",
                "resource.nautes.io/event-ref": "refs/heads/main",
                "resource.nautes.io/commit": "0123456789abcdef0123456789abcdef01234567",
            },
        },
    });
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    runs.create(&PostParams::default(), &object).await.unwrap();
    let ended = json!({ "status": { "conditions": [{
        "type": "Succeeded", "status": "False", "reason": "Failed", "message": "task compile has failed",
    }] } });
    runs.patch_status("build-1", &PatchParams::default(), &Patch::Merge(&ended))
        .await
        .unwrap();
    let pods: Api<Pod> = Api::namespaced(client, NAMESPACE);
    for (name, task, begin) in [
        ("build-1-b", "compile", "2026-01-01T00:00:00Z"),
        ("build-1-a", "test", "2026-01-01T00:01:00Z"),
    ] {
        let labels = json!({ "tekton.dev/pipelineRun": "build-1", "tekton.dev/pipelineTask": task });
        let pod = json!({
            "metadata": { "name": name, "labels": labels },
            "spec": { "containers": [{ "name": "step-make", "image": "none" }] },
        });
        pods.create(&PostParams::default(), &serde_json::from_value(pod).unwrap())
            .await
            .unwrap();
        let status = json!({ "status": { "startTime": begin } });
        pods.patch_status(name, &PatchParams::default(), &Patch::Merge(&status))
            .await
            .unwrap();
    }
    // There is no kubelet: what a pod has written is what the cluster is told.
    let cluster = instance.clusters().get("pipelines").unwrap();
    cluster
        .write_log(
            NAMESPACE,
            "build-1-b",
            "step-make",
            "compiling\nerror: no such file",
        )
        .unwrap();

    let listed = done("alice", &["runs", "-p", "shop"]);
    let row: Vec<&str> = listed
        .out
        .lines()
        .nth(1)
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    assert_eq!(
        row[..6],
        [
            "build-1",
            "web-pipelines",
            "failed",
            "build",
            "refs/heads/main",
            "0123456789ab"
        ],
        "{}",
        listed.out
    );
    assert!(
        listed.out.contains("build-1: task compile has failed"),
        "{}",
        listed.out
    );

    let newest = done("alice", &["logs", "web-pipelines", "-p", "shop"]);
    assert_eq!(newest.code, 0, "{newest:?}");
    assert_eq!(newest.err, "run build-1\n");
    assert_eq!(
        newest.out,
        "compile/step-make\ncompiling\nerror: no such file\ntest/step-make\nno log: the cluster says 400\n"
    );
    let named = done(
        "alice",
        &[
            "logs",
            "web-pipelines",
            "build-1",
            "-p",
            "shop",
            "--lines",
            "1",
            "-o",
            "json",
        ],
    );
    let told: serde_json::Value = serde_json::from_str(&named.out).unwrap();
    assert_eq!(told["items"][0]["text"], "error: no such file");
    let missing = done("alice", &["logs", "web-pipelines", "build-2", "-p", "shop"]);
    assert_eq!(missing.code, 4, "{missing:?}");
    let stranger = done("bob", &["logs", "web-pipelines", "-p", "shop"]);
    assert_eq!(stranger.code, 4, "{stranger:?}");
    for wrong in ["../runs", "a/b", ".."] {
        let wrong = done("alice", &["logs", "web-pipelines", wrong, "-p", "shop"]);
        assert_eq!(wrong.code, 2, "{wrong:?}");
    }
    instance.stop().await.unwrap();
}
