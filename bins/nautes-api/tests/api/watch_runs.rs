//! Watching the runs of pipelines.

use kube::api::{Patch, PatchParams};
use nautes_runtime::controller::reconcile_all;
use nautes_runtime::local;
use serde_json::{Value, json};

use crate::runs::{create_run, make_namespace, runs_of, world};
use crate::support_clusters::serve_runs;
use crate::watch::{Api, Told, limits};

async fn set(cluster: &local::Cluster, name: &str, status: Value) {
    let change = json!({ "status": status });
    runs_of(cluster)
        .patch(name, &PatchParams::default(), &Patch::Merge(&change))
        .await
        .unwrap();
}

fn ended(status: &str, reason: &str) -> Value {
    json!({
        "startTime": "2024-01-01T00:00:00Z", "completionTime": "2024-01-01T00:01:00Z",
        "conditions": [{ "type": "Succeeded", "status": status, "reason": reason, "message": "it is over" }],
    })
}

fn is_at(told: &Told, name: &str, phase: &str) -> bool {
    told.event == "run" && told.data["run"]["name"] == name && told.data["run"]["phase"] == phase
}

#[tokio::test]
async fn each_phase_of_a_run_is_told_to_who_may_see_it_and_told_again_to_who_comes_back() {
    let (world, twin) = world().await;
    world.clusters.put("pipelines", &twin);
    serve_runs(&twin).await;
    make_namespace(&twin).await;
    reconcile_all(&world.platform).await.unwrap();
    create_run(&twin, "build-0", "build", ended("True", "Completed")).await;
    create_run(
        &twin,
        "build-1",
        "build",
        json!({ "startTime": "2024-01-01T00:00:00Z" }),
    )
    .await;
    let other = world.user("other").await;

    let api = Api::of(&world, limits());
    let mut all = api.open(&world.admin, "?events=run", None).await;
    let mut others = api.open(&other, "", None).await;
    others.next().await.unwrap();
    let begin = all.next().await.unwrap();
    assert_eq!(begin.event, "reset");
    // It is told at the begin, or as soon as the cluster has told it.
    let is_known = begin.data["runs"]
        .as_array()
        .unwrap()
        .iter()
        .any(|of| of["run"]["name"] == "build-1");
    let mut last = begin;
    if !is_known {
        last = all.until(|told| is_at(told, "build-1", "running")).await;
    }
    set(&twin, "build-1", ended("False", "Failed")).await;
    let failed = all.until(|told| told.event == "run").await;
    assert!(
        is_at(&failed, "build-1", "failed"),
        "what had ended before is no news: {failed:?}"
    );
    assert_eq!(failed.data["resource"]["name"], "build");
    assert_eq!(failed.data["run"]["message"], "it is over");
    assert_eq!(failed.data["run"]["finished"], "2024-01-01T00:01:00Z");
    assert_eq!(failed.data["run"]["ref"], "refs/heads/main");
    assert!(
        !failed.data.to_string().contains("canary"),
        "parameters are not told"
    );

    // Runs of what is not declared are nobody's.
    create_run(&twin, "other-1", "other", json!({})).await;
    create_run(&twin, "build-2", "build", json!({})).await;
    let pending = all.until(|told| told.event == "run").await;
    assert!(is_at(&pending, "build-2", "pending"), "{pending:?}");

    let mut again = api
        .open(&world.admin, "?product=shop&events=run", Some(&last.id))
        .await;
    for (name, phase) in [("build-1", "failed"), ("build-2", "pending")] {
        let missed = again.next().await.unwrap();
        assert!(is_at(&missed, name, phase), "{missed:?}");
    }
    let mut anew = api.open(&world.admin, "?product=shop", None).await;
    let reset = anew.next().await.unwrap();
    let open: Vec<&Value> = reset.data["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| &of["run"]["name"])
        .collect();
    assert_eq!(open, ["build-2"], "those that have not ended");

    // The next thing that the other is told is about himself.
    world
        .apply(&other, &crate::support::product("own", "pipelines"))
        .await;
    reconcile_all(&world.platform).await.unwrap();
    let first = others.until(|told| told.event != "reset").await;
    assert_ne!(first.event, "run", "{first:?}");
    assert!(!first.data.to_string().contains("shop"), "{first:?}");
}
