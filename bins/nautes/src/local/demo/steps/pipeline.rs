//! Step 4: a push of source code starts one pipeline run, and nothing else starts one.

use k8s_openapi::serde_json::Value;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams};
use nautes_runtime::engine::label;

use super::{PIPELINE, SOURCE};
use crate::exit::Failure;
use crate::local::clusters::PIPELINES;
use crate::local::demo::stage::{Stage, short};
use crate::local::demo::until::{hold, until};

const NAMESPACE: &str = "shop-pipelines";
const ELSEWHERE: &str = "echo not yet";

/// Takes the step.
pub(super) async fn take(stage: &Stage, saw: &mut Vec<String>) -> Result<(), Failure> {
    let git = &stage.alice.git;
    let pipeline = git.clone_of("shop/web-pipeline").await?;
    pipeline.write("pipelines/main.yaml", PIPELINE)?;
    let recipe = pipeline.push("main", "How the shop is built").await?;
    // The same file on another branch, so that a run of it would show.
    pipeline.write(
        "pipelines/main.yaml",
        &PIPELINE.replace("echo testing", ELSEWHERE),
    )?;
    pipeline.push("next", "How it may be built one day").await?;
    let source = git.clone_of("shop/web-source").await?;
    source.write("main.rs", SOURCE)?;
    let commit = source.push("main", "The shop").await?;

    let runs = runs(stage)?;
    let run = until("a pipeline run", async || {
        let mut all = runs.list(&ListParams::default()).await?.items;
        Ok(match all.len() {
            1 => Ok(all.remove(0)),
            n => Err(format!("{n} runs")),
        })
    })
    .await?;
    let at = |pointer: &str| {
        run.data
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let name = run.metadata.name.clone().unwrap_or_default();
    hold(run.metadata.namespace.as_deref() == Some(NAMESPACE), || {
        "the run is in another namespace".to_owned()
    })?;
    let account = at("/spec/taskRunTemplate/serviceAccountName");
    hold(account == "web-builder", || {
        format!("the run has the account {account:?}")
    })?;
    let given = at("/spec/params/0/value");
    hold(given == commit, || {
        format!("the run was given {given:?} and not {commit}")
    })?;
    let annotations = run.metadata.annotations.clone().unwrap_or_default();
    let made_of = annotations
        .get(label::PIPELINE_REVISION)
        .cloned()
        .unwrap_or_default();
    let text = run.data.to_string();
    let right = made_of == "main" && text.contains("echo testing") && !text.contains(ELSEWHERE);
    hold(right, || {
        format!("the run was made of another revision than main: {made_of:?}")
    })?;
    let tasks = run
        .data
        .pointer("/spec/pipelineSpec/tasks")
        .and_then(Value::as_array)
        .map_or(0, Vec::len);
    let last = run
        .data
        .pointer("/spec/pipelineSpec/finally")
        .and_then(Value::as_array)
        .map_or(0, Vec::len);
    hold(tasks == 3 && last == 1, || {
        format!("{tasks} tasks and {last} at the end: the hooks are not around them")
    })?;
    saw.push(format!(
        "one PipelineRun, {NAMESPACE}/{name}, as {account}, made of pipelines/main.yaml at main ({}), for {}, with both log hooks",
        short(&recipe),
        short(&commit)
    ));
    let node = stage
        .until_status(&stage.alice, "ProjectPipelineRuntime/shop/web-pipelines", |n| {
            !n.runs.is_empty()
        })
        .await?;
    hold(node.runs.len() == 1 && node.runs[0].phase == "recorded", || {
        format!("{:?}", node.runs)
    })?;
    saw.push(format!("status says: {}", node.notes.join("; ")));

    source
        .run(&["push", "--quiet", "origin", "HEAD:refs/heads/feature"])
        .await?;
    source.run(&["tag", "v1"]).await?;
    source.run(&["push", "--quiet", "origin", "v1"]).await?;
    let again = stage.desk.redeliver().await?;
    hold(again > 0, || "there was no delivery to repeat".to_owned())?;
    stage.desk.reconcile().await?;
    let count = runs.list(&ListParams::default()).await?.items.len();
    hold(count == 1, || format!("{count} runs"))?;
    saw.push("a push to another branch, a tag, and the same delivery once more start nothing".to_owned());
    Ok(())
}

fn runs(stage: &Stage) -> Result<Api<DynamicObject>, Failure> {
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("tekton.dev", "v1", "PipelineRun"));
    Ok(Api::all_with(stage.kube(PIPELINES)?, &kind))
}
