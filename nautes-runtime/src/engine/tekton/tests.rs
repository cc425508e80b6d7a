//! Runs, field by field.

use std::collections::BTreeMap;

use nautes_model::kinds::pipeline_runtime::Hook as Use;
use serde_json::{Value, json};

use super::Tekton;
use crate::engine::PipelineEngine;
use crate::engine::conformance::sample;
use crate::intent::RunIntent;

const FILE: &str = "
apiVersion: tekton.dev/v1
kind: PipelineRun
metadata:
  generateName: build-
  namespace: kube-system
  labels: {team: web, resource.nautes.io/belongsto: product-other}
  finalizers: [mine]
spec:
  taskRunTemplate: {serviceAccountName: someone-else, podTemplate: {}}
  params:
    - name: revision
    - name: commit
      value: none
  pipelineSpec:
    tasks:
      - name: test
        taskSpec: {steps: []}
      - name: lint
        runAfter: []
        taskSpec: {steps: []}
      - name: image
        runAfter: [test]
        taskSpec: {steps: []}
";

fn made(intent: &RunIntent) -> Value {
    Tekton::default().run(intent, FILE).unwrap()
}

fn refused(intent: &RunIntent, file: &str, says: &str) {
    let error = Tekton::default().run(intent, file).unwrap_err().to_string();
    assert!(error.contains(says), "{error}");
}

fn log(alias: &str, path: &str) -> Use {
    Use {
        name: "log".to_owned(),
        alias: Some(alias.to_owned()),
        vars: BTreeMap::from([("printPath".to_owned(), path.to_owned())]),
    }
}

#[test]
fn what_nautes_decides_a_file_cannot() {
    let intent = sample::run();
    let run = made(&intent);
    let metadata = &run["metadata"];
    assert_eq!(metadata["namespace"], "shop-build");
    assert_eq!(metadata["labels"]["resource.nautes.io/belongsto"], "product-shop");
    assert_eq!(metadata["labels"]["team"], "web");
    assert_eq!(metadata["labels"]["branch"], "main");
    assert_eq!(
        metadata["annotations"]["resource.nautes.io/commit"],
        intent.event_commit.as_str()
    );
    for gone in ["generateName", "finalizers"] {
        assert!(metadata.get(gone).is_none(), "{gone}");
    }
    assert_eq!(
        run["spec"]["taskRunTemplate"],
        json!({"serviceAccountName": "builder", "podTemplate": {}})
    );
}

#[test]
fn the_older_version_has_the_account_elsewhere() {
    let file = FILE.replace("tekton.dev/v1", "tekton.dev/v1beta1");
    let run = Tekton::default().run(&sample::run(), &file).unwrap();
    assert_eq!(run["spec"]["serviceAccountName"], "builder");
}

#[test]
fn the_ref_goes_into_a_first_parameter_that_has_no_value() {
    assert_eq!(
        made(&sample::run())["spec"]["params"][0]["value"],
        "refs/heads/main"
    );
    let file = FILE.replace("- name: revision", "- name: revision\n      value: v1");
    let run = Tekton::default().run(&sample::run(), &file).unwrap();
    assert_eq!(run["spec"]["params"][0]["value"], "v1");
    let mut timed = sample::run();
    timed.event_repo = None;
    assert!(made(&timed)["spec"]["params"][0].get("value").is_none());
}

#[test]
fn inputs_replace_what_is_there_and_only_in_the_spec() {
    let with = |pointer: &str| {
        let mut intent = sample::run();
        intent
            .inputs
            .insert(pointer.to_owned(), "$(touch x)`y`".to_owned());
        intent
    };
    let run = made(&with("/spec/params/1/value"));
    assert_eq!(run["spec"]["params"][1]["value"], "$(touch x)`y`");
    assert!(
        run["spec"]["params"][0].get("value").is_none(),
        "with inputs there is no default"
    );
    refused(&with("/spec/params/7/value"), FILE, "/spec/params/7/value");
    refused(&with("/metadata/namespace"), FILE, "not below /spec");
    refused(&with("/kind"), FILE, "not below /spec");
    // An input cannot take the account either.
    let run = made(&with("/spec/taskRunTemplate/serviceAccountName"));
    assert_eq!(run["spec"]["taskRunTemplate"]["serviceAccountName"], "builder");
}

#[test]
fn hooks_before_are_chained_and_awaited_and_hooks_after_come_last() {
    let mut intent = sample::run();
    intent.pre_hooks = vec![log("one", "/var"), log("two", "/usr")];
    intent.post_hooks = vec![log("three", "/")];
    let run = made(&intent);
    let tasks = run["spec"]["pipelineSpec"]["tasks"].as_array().unwrap();
    let order: Vec<(&str, Value)> = tasks
        .iter()
        .map(|t| (t["name"].as_str().unwrap(), t["runAfter"].clone()))
        .collect();
    assert_eq!(
        order,
        [
            ("one", Value::Null),
            ("two", json!(["one"])),
            ("test", json!(["two"])),
            ("lint", json!(["two"])),
            ("image", json!(["test"])),
        ]
    );
    let last = &run["spec"]["pipelineSpec"]["finally"][0];
    assert_eq!(last["name"], "three");
    assert_eq!(last["params"], json!([{"name": "path", "value": "/"}]));
}

#[test]
fn hooks_that_do_not_fit_are_refused() {
    let with = |hook: Use| {
        let mut intent = sample::run();
        intent.pre_hooks = vec![hook];
        intent
    };
    let reference = "apiVersion: tekton.dev/v1\nkind: PipelineRun\nspec: {pipelineRef: {name: x}}";
    refused(&with(log("a", "/")), reference, "no inline pipelineSpec");
    refused(&with(log("test", "/")), FILE, "give the hook an alias");
    refused(&with(log("a", "$(context.pipelineRun.name)")), FILE, "printPath");
    let mut unknown = log("a", "/");
    unknown.name = "scan".to_owned();
    refused(&with(unknown), FILE, "no hook \"scan\" (there are: log)");
    let mut extra = log("a", "/");
    extra.vars.insert("colour".to_owned(), "red".to_owned());
    refused(&with(extra), FILE, "no parameter \"colour\"");
    let mut twice = with(log("a", "/"));
    twice.post_hooks = vec![log("a", "/")];
    refused(&twice, FILE, "two hooks make a task \"a\"");
}

#[test]
fn files_that_are_no_pipeline_are_named() {
    let run = sample::run();
    refused(&run, "", "pipelines/main.yaml is empty");
    refused(&run, "a: [", "pipelines/main.yaml cannot be read");
    refused(&run, &format!("{FILE}---{FILE}"), "more than one document");
    refused(
        &run,
        "apiVersion: tekton.dev/v1\nkind: Pipeline\nspec: {}",
        "must be a PipelineRun",
    );
    refused(
        &run,
        "apiVersion: tekton.dev/v1alpha1\nkind: PipelineRun\nspec: {}",
        "tekton.dev/v1alpha1",
    );
    refused(
        &run,
        "apiVersion: tekton.dev/v1\nkind: PipelineRun\nspec: 3",
        "no spec",
    );
    refused(&run, &"#".repeat((1 << 20) + 1), "1048576 are allowed");
    refused(&run, &"[".repeat(100_000), "cannot be read");
    refused(
        &run,
        "apiVersion: tekton.dev/v1\nkind: PipelineRun\nspec: {a: 1, a: 2}",
        "cannot be read",
    );
}

#[test]
fn a_repeated_event_has_the_same_name_and_any_other_another() {
    let engine = Tekton::default();
    let name = engine.run_name(&sample::run());
    assert!(name.starts_with("build-"));
    assert_eq!(engine.run_name(&sample::run()), name);
    type Change = fn(&mut RunIntent);
    let changes: [Change; 4] = [
        |r| r.event_ref.push('x'),
        |r| r.event_source.push('x'),
        |r| r.pipeline.name.push('x'),
        |r| r.pipeline_revision.push('x'),
    ];
    for change in changes {
        let mut other = sample::run();
        change(&mut other);
        assert_ne!(engine.run_name(&other), name);
    }
    // Where a trigger stands in its list has no part in it.
    let mut moved = sample::run();
    moved.trigger = 3;
    assert_eq!(engine.run_name(&moved), name);
}
