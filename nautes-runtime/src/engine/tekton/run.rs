//! From a pipeline file and an event to the object of one run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use nautes_model::yaml::{self, DocumentLimits};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::hook::{self, Hook};
use super::unsupported;
use crate::engine::{Unsupported, label};
use crate::intent::RunIntent;

/// The largest pipeline file, in bytes.
const MAX_FILE: usize = 1 << 20;
/// The longest name of a run, in bytes; Tekton derives the names of pods and labels from it.
const MAX_NAME: usize = 63;
/// The field that takes the ref of an event when a trigger names no inputs.
const DEFAULT_PARAM: &str = "/spec/params/0";

/// Makes the object of one run.
pub(super) fn make(
    hooks: &BTreeMap<&'static str, Arc<dyn Hook>>,
    intent: &RunIntent,
    file: &str,
) -> Result<Value, Unsupported> {
    let mut run = parse(intent, file)?;
    put_inputs(&mut run, intent)?;
    put_hooks(&mut run, hooks, intent)?;
    put_account(&mut run, intent);
    put_metadata(&mut run, intent);
    Ok(run)
}

/// The name of a run: the same for the same runtime, trigger, ref and commit.
pub(super) fn name(intent: &RunIntent) -> String {
    let mut digest = Sha256::new();
    let runtime = intent.runtime.to_string();
    for part in [
        runtime.as_str(),
        &intent.event_source,
        &intent.pipeline.name,
        &intent.pipeline_revision,
        &intent.event_ref,
        &intent.event_commit,
    ] {
        // Lengths keep ("a", "bc") and ("ab", "c") apart.
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    }
    let short: String = digest
        .finalize()
        .iter()
        .take(6)
        .map(|b| format!("{b:02x}"))
        .collect();
    let prefix = intent.runtime.name.as_str();
    let room = MAX_NAME - short.len() - 1;
    let prefix = prefix.get(..room.min(prefix.len())).unwrap_or(prefix);
    format!("{}-{short}", prefix.trim_end_matches('-'))
}

/// Reads the one document of the file.
fn parse(intent: &RunIntent, file: &str) -> Result<Value, Unsupported> {
    let path = &intent.pipeline.path;
    if file.len() > MAX_FILE {
        return Err(unsupported(format!(
            "{path} has {} bytes, {MAX_FILE} are allowed",
            file.len()
        )));
    }
    let limits = DocumentLimits {
        nodes: 20_000,
        bytes: MAX_FILE,
        ..DocumentLimits::default()
    };
    let mut documents = yaml::documents(file, &limits).map_err(|problem| {
        let line = problem
            .at
            .map_or_else(String::new, |at| format!(" (line {})", at.line));
        unsupported(format!("{path} cannot be read{line}: {problem}"))
    })?;
    let Some(run) = documents.pop() else {
        return Err(unsupported(format!("{path} is empty; it must be a PipelineRun")));
    };
    if !documents.is_empty() {
        return Err(unsupported(format!(
            "{path} has more than one document; keep one PipelineRun in it"
        )));
    }
    let text = |field: &str| run.get(field).and_then(Value::as_str).unwrap_or_default();
    let (api, kind) = (text("apiVersion"), text("kind"));
    if kind != "PipelineRun" || !matches!(api, "tekton.dev/v1" | "tekton.dev/v1beta1") {
        return Err(unsupported(format!(
            "{path} is {kind:?} of {api:?}; it must be a PipelineRun of tekton.dev/v1 or tekton.dev/v1beta1"
        )));
    }
    if !run.get("spec").is_some_and(Value::is_object) {
        return Err(unsupported(format!("{path} has no spec")));
    }
    Ok(run)
}

/// Replaces the fields that the trigger names; without any, the first parameter takes the ref if it has no value.
fn put_inputs(run: &mut Value, intent: &RunIntent) -> Result<(), Unsupported> {
    for (pointer, value) in &intent.inputs {
        if !pointer.starts_with("/spec/") {
            return Err(unsupported(format!(
                "input path {pointer:?} is not below /spec; only fields of the spec can be replaced"
            )));
        }
        let Some(field) = run.pointer_mut(pointer) else {
            return Err(unsupported(format!(
                "input path {pointer:?} is not in {}; the field must be there to be replaced",
                intent.pipeline.path
            )));
        };
        *field = Value::String(value.clone());
    }
    if intent.inputs.is_empty()
        && intent.event_repo.is_some()
        && let Some(Value::Object(param)) = run.pointer_mut(DEFAULT_PARAM)
        && param.get("value").is_none_or(|v| v.is_null() || v == "")
    {
        param.insert("value".to_owned(), json!(intent.event_ref));
    }
    Ok(())
}

fn put_hooks(
    run: &mut Value,
    hooks: &BTreeMap<&'static str, Arc<dyn Hook>>,
    intent: &RunIntent,
) -> Result<(), Unsupported> {
    if intent.pre_hooks.is_empty() && intent.post_hooks.is_empty() {
        return Ok(());
    }
    let added = hook::tasks(hooks, &intent.pre_hooks, &intent.post_hooks)?;
    let path = &intent.pipeline.path;
    let Some(Value::Object(spec)) = run.pointer_mut("/spec/pipelineSpec") else {
        return Err(unsupported(format!(
            "{path} has no inline pipelineSpec, so no hooks can be put around it; write the pipeline into the \
             file, or drop the hooks"
        )));
    };
    let mut tasks = list(spec, "tasks", path)?;
    let mut finally = list(spec, "finally", path)?;
    if tasks.is_empty() {
        return Err(unsupported(format!("the pipelineSpec of {path} has no tasks")));
    }
    check_names(
        tasks.iter().chain(&finally),
        added.before.iter().chain(&added.after),
        path,
    )?;
    if let Some(last) = added.before.last().and_then(|task| task.get("name")).cloned() {
        for task in &mut tasks {
            wait_for(task, &last);
        }
    }
    tasks.splice(0..0, added.before);
    finally.extend(added.after);
    spec.insert("tasks".to_owned(), Value::Array(tasks));
    if !finally.is_empty() {
        spec.insert("finally".to_owned(), Value::Array(finally));
    }
    Ok(())
}

fn list(spec: &Map<String, Value>, field: &str, path: &str) -> Result<Vec<Value>, Unsupported> {
    match spec.get(field) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(list)) if list.iter().all(Value::is_object) => Ok(list.clone()),
        Some(_) => Err(unsupported(format!(
            "the {field} of the pipelineSpec of {path} are not a list of tasks"
        ))),
    }
}

fn check_names<'a>(
    own: impl Iterator<Item = &'a Value>,
    mut added: impl Iterator<Item = &'a Value>,
    path: &str,
) -> Result<(), Unsupported> {
    let own: BTreeSet<&str> = own.filter_map(|t| t.get("name")?.as_str()).collect();
    match added.find_map(|t| t.get("name")?.as_str().filter(|name| own.contains(name))) {
        Some(name) => Err(unsupported(format!(
            "{path} has a task {name:?} as a hook has; give the hook an alias"
        ))),
        None => Ok(()),
    }
}

/// Makes a first task wait; others wait for it already.
fn wait_for(task: &mut Value, last: &Value) {
    let is_first = task
        .get("runAfter")
        .is_none_or(|after| after.as_array().is_none_or(Vec::is_empty));
    if is_first {
        task["runAfter"] = json!([last]);
    }
}

fn put_account(run: &mut Value, intent: &RunIntent) {
    let is_v1 = run["apiVersion"] == "tekton.dev/v1";
    let spec = &mut run["spec"];
    if is_v1 {
        if !spec.get("taskRunTemplate").is_some_and(Value::is_object) {
            spec["taskRunTemplate"] = json!({});
        }
        spec["taskRunTemplate"]["serviceAccountName"] = json!(intent.account);
    } else {
        spec["serviceAccountName"] = json!(intent.account);
    }
}

/// Sets the metadata; of the file's own only labels and annotations stay, and ours win.
fn put_metadata(run: &mut Value, intent: &RunIntent) {
    let keep = |field: &str| -> Map<String, Value> {
        run.pointer(&format!("/metadata/{field}"))
            .and_then(Value::as_object)
            .map(|map| {
                map.iter()
                    .filter(|(_, v)| v.is_string())
                    .map(|(k, v)| (k.clone(), v.clone()))
                    .collect()
            })
            .unwrap_or_default()
    };
    let (mut labels, mut annotations) = (keep("labels"), keep("annotations"));
    let mut label = |key: &str, value: String| {
        if label::is_label_value(&value) {
            labels.insert(key.to_owned(), Value::String(value));
        } else {
            labels.remove(key);
        }
    };
    label(label::MANAGED_BY, label::NAUTES.to_owned());
    label(label::BELONGS_TO, intent.product.namespace());
    label(label::PROJECT, intent.project.clone());
    label(label::RUNTIME, intent.runtime.name.to_string());
    if let Some(branch) = &intent.pipeline.label {
        label(label::BRANCH, branch.clone());
    }
    let repo = intent.event_repo.as_ref().map(ToString::to_string);
    for (key, value) in [
        (label::EVENT_SOURCE, Some(intent.event_source.clone())),
        (label::PIPELINE, Some(intent.pipeline.name.clone())),
        (label::EVENT_REPO, repo),
        (label::EVENT_REF, Some(intent.event_ref.clone())),
        (label::COMMIT, Some(intent.event_commit.clone())),
        (label::PIPELINE_REVISION, Some(intent.pipeline_revision.clone())),
    ] {
        if let Some(value) = value {
            annotations.insert(key.to_owned(), Value::String(value));
        }
    }
    run["metadata"] = json!({
        "name": name(intent),
        "namespace": intent.namespace,
        "labels": labels,
        "annotations": annotations,
    });
}
