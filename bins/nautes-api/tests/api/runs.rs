//! Runs of a pipeline runtime, and deployments.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod};
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use nautes_runtime::controller::reconcile_all;
use nautes_runtime::local::{self, Options};
use serde_json::{Value, json};

use crate::support::{World, physical, pipelines, product};
use crate::support_clusters::serve_runs;

const RUNTIMES: &str = "
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Environment
spec: {name: live, product: shop, cluster: live, envType: live}
---
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: ProjectPipelineRuntime
spec:
  name: build
  product: shop
  project: web
  pipelineSource: source
  pipelines: [{name: main, label: default, path: main.yaml}]
  eventSources: [{name: push, gitlab: {repoName: source, revision: main, events: [push_events]}}]
  pipelineTriggers: [{eventSource: push, pipeline: main, revision: main}]
  destination: {environment: dev}
  isolation: shared
---
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: DeploymentRuntime
spec:
  name: live
  product: shop
  projectsRef: [web]
  manifestSource: {codeRepo: source, targetRevision: main, path: live}
  destination: {environment: live, namespaces: [shop-live]}
";

const RUNS: &str = "/api/v1/products/shop/projectpipelineruntimes/build/runs";
const DEPLOYMENT: &str = "/api/v1/products/shop/deploymentruntimes/live/deployment";

pub(crate) async fn world() -> (World, local::Cluster) {
    let world = World::new().await;
    world.serve_kinds().await;
    let text = [
        pipelines(),
        physical("live", "deployment", "6444"),
        product("shop", "pipelines"),
        RUNTIMES.to_owned(),
    ];
    world.apply(&world.admin, &text.join("---\n")).await;
    let twin = local::Cluster::start(Options::in_memory("runtime"))
        .await
        .unwrap();
    (world, twin)
}

pub(crate) async fn create_run(cluster: &local::Cluster, name: &str, runtime: &str, status: Value) {
    let api = runs_of(cluster);
    let run = json!({
        "apiVersion": "tekton.dev/v1", "kind": "PipelineRun",
        "metadata": {
            "name": name,
            "labels": {
                "app.kubernetes.io/managed-by": "nautes",
                "resource.nautes.io/belongsto": "product-shop",
                "resource.nautes.io/runtime": runtime,
            },
            "annotations": {
                "resource.nautes.io/event-source": "push",
                "resource.nautes.io/pipeline": "main",
                "resource.nautes.io/event-ref": "refs/heads/main",
                "resource.nautes.io/commit": "abc",
            },
        },
        "spec": { "params": [{ "name": "token", "value": "canary-of-a-parameter" }] },
        "status": status,
    });
    let run: DynamicObject = serde_json::from_value(run).unwrap();
    api.create(&PostParams::default(), &run).await.unwrap();
}

pub(crate) fn runs_of(cluster: &local::Cluster) -> Api<DynamicObject> {
    let resource = ApiResource {
        group: "tekton.dev".to_owned(),
        version: "v1".to_owned(),
        api_version: "tekton.dev/v1".to_owned(),
        kind: "PipelineRun".to_owned(),
        plural: "pipelineruns".to_owned(),
    };
    Api::namespaced_with(cluster.client(), "build", &resource)
}

/// Makes the namespace of the runs, as the controllers do.
pub(crate) async fn make_namespace(cluster: &local::Cluster) {
    let namespace = json!({ "metadata": { "name": "build" } });
    let namespaces: Api<Namespace> = Api::all(cluster.client());
    let namespace = serde_json::from_value(namespace).unwrap();
    namespaces
        .create(&PostParams::default(), &namespace)
        .await
        .unwrap();
}

#[tokio::test]
async fn runs_are_told_in_pages_with_what_became_of_them() {
    let (world, twin) = world().await;
    world.clusters.put("pipelines", &twin);
    let without = world.get(&world.admin, RUNS).await;
    assert_eq!(without.status, StatusCode::NOT_IMPLEMENTED, "{:#}", without.body);
    assert!(
        without.body["metadata"]["hint"]
            .as_str()
            .unwrap()
            .contains("installs")
    );

    serve_runs(&twin).await;
    make_namespace(&twin).await;
    let ended = json!({
        "startTime": "2024-01-01T00:00:00Z", "completionTime": "2024-01-01T00:01:00Z",
        "conditions": [{ "type": "Succeeded", "status": "False", "reason": "Failed", "message": "a task failed" }],
    });
    for name in ["build-1", "build-2", "build-3"] {
        create_run(&twin, name, "build", ended.clone()).await;
    }
    create_run(&twin, "other-1", "other", json!({})).await;

    let mut seen = Vec::new();
    let mut path = format!("{RUNS}?limit=2");
    loop {
        let page = world.get(&world.admin, &path).await;
        assert_eq!(page.status, StatusCode::OK, "{:#}", page.body);
        assert!(!page.text.contains("canary"), "parameters are not told");
        let items = page.body["items"].as_array().unwrap().clone();
        assert!(items.len() <= 2);
        seen.extend(items);
        match page.body["continue"].as_str() {
            Some(mark) => path = format!("{RUNS}?limit=2&continue={mark}"),
            None => break,
        }
    }
    let names: BTreeSet<&str> = seen.iter().map(|run| run["name"].as_str().unwrap()).collect();
    assert_eq!(seen.len(), 3);
    assert_eq!(names, BTreeSet::from(["build-1", "build-2", "build-3"]));
    let created: Vec<&str> = seen.iter().map(|run| run["created"].as_str().unwrap()).collect();
    assert!(created.is_sorted_by(|a, b| a >= b), "newest first: {created:?}");
    let run = &seen[0];
    assert_eq!(run["phase"], "failed");
    assert_eq!(run["message"], "a task failed");
    assert_eq!(run["finished"], "2024-01-01T00:01:00Z");
    assert_eq!(run["trigger"]["ref"], "refs/heads/main");
    assert!(
        run["links"]["dashboard"]
            .as_str()
            .unwrap()
            .starts_with("https://tekton.example.org/#/")
    );

    let one = world.get(&world.admin, &format!("{RUNS}/build-1")).await;
    assert_eq!(one.body["name"], "build-1");
    let of_other = world.get(&world.admin, &format!("{RUNS}/other-1")).await;
    assert_eq!(of_other.status, StatusCode::NOT_FOUND, "it is of another runtime");
    let logs = world.get(&world.admin, &format!("{RUNS}/build-1/logs")).await;
    assert_eq!(logs.status, StatusCode::NOT_FOUND);
    assert!(
        logs.body["metadata"]["hint"]
            .as_str()
            .unwrap()
            .contains("local cluster")
    );
    for bad in ["?limit=0", "?continue=x", "?limit=two"] {
        let answer = world.get(&world.admin, &format!("{RUNS}{bad}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{bad}");
    }
}

async fn create_pod(cluster: &local::Cluster, name: &str, run: &str, task: &str, begin: &str) {
    let pods: Api<Pod> = Api::namespaced(cluster.client(), "build");
    let pod = json!({
        "metadata": {
            "name": name,
            "labels": { "tekton.dev/pipelineRun": run, "tekton.dev/pipelineTask": task },
        },
        "spec": { "containers": [
            { "name": "step-clone", "image": "none" }, { "name": "step-make", "image": "none" },
        ] },
    });
    pods.create(&PostParams::default(), &serde_json::from_value(pod).unwrap())
        .await
        .unwrap();
    let status = json!({ "status": { "startTime": begin } });
    pods.patch_status(name, &PatchParams::default(), &Patch::Merge(&status))
        .await
        .unwrap();
}

#[tokio::test]
async fn logs_are_those_of_the_run_in_the_order_in_which_its_pods_began() {
    let (world, twin) = world().await;
    world.clusters.put("pipelines", &twin);
    serve_runs(&twin).await;
    let namespaces: Api<Namespace> = Api::all(twin.client());
    let namespace = json!({ "metadata": { "name": "build" } });
    let namespace = serde_json::from_value(namespace).unwrap();
    namespaces
        .create(&PostParams::default(), &namespace)
        .await
        .unwrap();
    for run in ["build-1", "build-2"] {
        create_run(&twin, run, "build", json!({})).await;
    }
    create_pod(&twin, "a-later", "build-1", "test", "2024-01-01T00:01:00Z").await;
    create_pod(&twin, "b-first", "build-1", "compile", "2024-01-01T00:00:00Z").await;
    create_pod(&twin, "of-other", "build-2", "compile", "2024-01-01T00:00:00Z").await;
    for (pod, container, text) in [
        ("b-first", "step-clone", "cloned\n"),
        ("b-first", "step-make", "one\ntwo\nthree\n"),
        ("a-later", "step-make", "tested\n"),
        ("of-other", "step-make", "canary of another run\n"),
    ] {
        twin.write_log("build", pod, container, text).unwrap();
    }
    let logs = world
        .get(&world.admin, &format!("{RUNS}/build-1/logs?lines=2"))
        .await;
    assert_eq!(logs.status, StatusCode::OK, "{:#}", logs.body);
    let told: Vec<[&str; 3]> = logs.body["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|log| ["task", "container", "text"].map(|key| log[key].as_str().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            ["compile", "step-clone", "cloned\n"],
            ["compile", "step-make", "two\nthree\n"],
            ["test", "step-clone", ""],
            ["test", "step-make", "tested\n"],
        ]
    );
    assert_eq!(logs.body["items"][2]["error"], "the cluster says 400");
    assert!(logs.body["items"][3]["error"].is_null());
    assert!(!logs.text.contains("canary"), "{}", logs.text);
}

#[tokio::test]
async fn a_cluster_that_does_not_answer_is_told_without_its_address() {
    let (world, _) = world().await;
    let answer = world.get(&world.admin, RUNS).await;
    assert_eq!(
        answer.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{:#}",
        answer.body
    );
    assert!(
        !answer.text.contains("127.0.0.1") && !answer.text.contains("10.0.0.1"),
        "{}",
        answer.text
    );
    let report = world.get(&world.admin, DEPLOYMENT).await;
    assert_eq!(report.status, StatusCode::OK, "{:#}", report.body);
    assert!(report.body["unknown"].is_string());
    assert!(report.body["inSync"].is_null(), "unknown is not in sync");
    assert!(!report.text.contains("127.0.0.1"), "{}", report.text);
}

/// A platform whose clusters answer; the one for deployments is returned.
async fn deploying() -> (World, local::Cluster) {
    let (world, twin) = world().await;
    let other = local::Cluster::start(Options::in_memory("pipelines"))
        .await
        .unwrap();
    world.clusters.put("pipelines", &other);
    world.clusters.put("live", &twin);
    reconcile_all(&world.platform).await.unwrap();
    (world, twin)
}

/// Lets the controllers pass until the deployment has nothing left to do, and returns what is told of it.
async fn settled(world: &World) -> Value {
    let mut report = Value::Null;
    for _ in 0..20 {
        reconcile_all(&world.platform).await.unwrap();
        report = world.get(&world.admin, DEPLOYMENT).await.body;
        if report["inSync"] == true && report["health"] == "Ready" {
            break;
        }
    }
    report
}

#[tokio::test]
async fn a_deployment_says_what_is_wanted_what_is_there_and_what_differs() {
    let (world, twin) = deploying().await;
    let manifest = |value: &str| {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: config}}\ndata: {{key: {value}}}\n")
    };
    let first = world
        .push("shop/source", &[("live/config.yaml", &manifest("one"))])
        .await;
    let report = settled(&world).await;
    assert_eq!(report["wanted"], first.as_str(), "{report:#}");
    assert_eq!(report["actual"], first.as_str(), "{report:#}");
    assert_eq!(report["inSync"], true, "{report:#}");
    assert_eq!(report["health"], "Ready", "{report:#}");
    assert_eq!(report["objects"], 1);
    assert!(report["lastSynced"].as_str().unwrap().ends_with('Z'));

    let maps: Api<ConfigMap> = Api::namespaced(twin.client(), "shop-live");
    let by_hand = json!({ "data": { "key": "canary-of-hand", "password": "canary-of-hand" } });
    let params = kube::api::PatchParams::default();
    maps.patch("config", &params, &kube::api::Patch::Merge(&by_hand))
        .await
        .unwrap();
    let drifted = world.get(&world.admin, DEPLOYMENT).await.body;
    assert_eq!(drifted["inSync"], false);
    assert_eq!(
        drifted["drift"][0]["fields"],
        json!([{ "path": "data.key", "actual": "canary-of-hand", "wanted": "one" }]),
        "what others have added is theirs: {drifted:#}"
    );
    let live = maps.get("config").await.unwrap();
    assert_eq!(
        live.data.unwrap()["key"],
        "canary-of-hand",
        "looking changes nothing"
    );
    settled(&world).await;
    maps.delete("config", &DeleteParams::default()).await.unwrap();
    let drifted = world.get(&world.admin, DEPLOYMENT).await.body;
    assert_eq!(drifted["inSync"], false);
    assert_eq!(drifted["drift"][0]["action"], "write");
    assert!(
        drifted["drift"][0]["object"].as_str().unwrap().contains("config"),
        "{drifted:#}"
    );
    assert!(
        maps.get_opt("config").await.unwrap().is_none(),
        "looking changes nothing"
    );

    settled(&world).await;
    let second = world
        .push("shop/source", &[("live/config.yaml", &manifest("two"))])
        .await;
    let behind = world.get(&world.admin, DEPLOYMENT).await.body;
    assert_eq!(behind["wanted"], second.as_str());
    assert_eq!(behind["actual"], first.as_str());
    assert_eq!(behind["inSync"], false);
}

#[tokio::test]
async fn what_is_deployed_is_a_revision_that_is_whole() {
    let (world, twin) = deploying().await;
    let map = |name: &str, value: &str| {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{key: '{value}'}}\n")
    };
    let first = world
        .push("shop/source", &[("live/a.yaml", &map("a", "one"))])
        .await;
    assert_eq!(settled(&world).await["actual"], first.as_str());

    // One object of the next commit cannot be there: it is another's namespace.
    let outside = map("b", "two").replace("{name: b}", "{name: b, namespace: kube-system}");
    let second = world
        .push(
            "shop/source",
            &[("live/a.yaml", &map("a", "two")), ("live/b.yaml", &outside)],
        )
        .await;
    reconcile_all(&world.platform).await.unwrap();
    let report = world.get(&world.admin, DEPLOYMENT).await.body;
    assert_eq!(report["wanted"], second.as_str(), "{report:#}");
    assert_eq!(report["deploying"], second.as_str(), "{report:#}");
    assert_eq!(
        report["actual"],
        first.as_str(),
        "half a revision is not deployed: {report:#}"
    );
    assert_eq!(report["inSync"], false);
    let maps: Api<ConfigMap> = Api::namespaced(twin.client(), "shop-live");
    let there = maps.get("a").await.unwrap().data.unwrap();
    assert_eq!(there["key"], "two", "the rest goes on");
    let status = "/api/v1/status/shop/deploymentruntime/live";
    let status = world.get(&world.admin, status).await.body;
    assert_eq!(status["deployment"]["revision"], first.as_str(), "{status:#}");
    assert_eq!(status["deployment"]["deploying"], second.as_str(), "{status:#}");

    // A new process knows it from the status, and says nothing new.
    let again = reconcile_all(&world.platform).await.unwrap();
    assert_eq!(again.status, 0, "{again:#?}");

    let third = world
        .push("shop/source", &[("live/b.yaml", &map("b", "two"))])
        .await;
    let report = settled(&world).await;
    assert_eq!(report["actual"], third.as_str(), "{report:#}");
    assert!(report["deploying"].is_null(), "{report:#}");
    assert_eq!(report["objects"], 2);
}

#[tokio::test]
async fn a_secret_that_differs_is_told_without_its_values() {
    let (world, twin) = deploying().await;
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {plain: canary-of-git}\n";
    let pushed = world.push("shop/source", &[("live/s.yaml", secret)]).await;
    assert_eq!(settled(&world).await["actual"], pushed.as_str());
    let secrets: Api<k8s_openapi::api::core::v1::Secret> = Api::namespaced(twin.client(), "shop-live");
    let by_hand = json!({ "stringData": { "plain": "canary-of-hand" } });
    let params = kube::api::PatchParams::default();
    secrets
        .patch("s", &params, &kube::api::Patch::Merge(&by_hand))
        .await
        .unwrap();
    let answer = world.get(&world.admin, DEPLOYMENT).await;
    let fields = &answer.body["drift"][0]["fields"];
    assert!(!fields.as_array().unwrap().is_empty(), "{:#}", answer.body);
    for field in fields.as_array().unwrap() {
        assert_eq!(field["hidden"], true, "{field}");
        assert!(field["wanted"].is_null() && field["actual"].is_null(), "{field}");
    }
    for canary in ["canary", "Y2FuYXJ5"] {
        assert!(!answer.text.contains(canary), "{}", answer.text);
    }
}
