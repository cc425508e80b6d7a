//! Hooks: tasks before and after a user's pipeline.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use nautes_model::kinds::pipeline_runtime::Hook as Use;
use serde_json::{Value, json};

use super::unsupported;
use crate::engine::Unsupported;

/// A task that can be put before or after a user's pipeline.
///
/// It is pure: the same parameters give the same task. It reads nothing but its parameters, and what it makes
/// of them goes into arguments, never into the text of a script.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a pipeline hook",
    note = "implement `nautes_runtime::engine::tekton::Hook` and add it by `Tekton::default().with_hook(..)`"
)]
pub trait Hook: Send + Sync + Debug {
    /// The name by which runtimes use it.
    fn name(&self) -> &'static str;
    /// Whether it may come before the pipeline.
    fn is_before(&self) -> bool;
    /// Whether it may come after the pipeline.
    fn is_after(&self) -> bool;
    /// Its parameters.
    fn vars(&self) -> &'static [HookVar];
    /// Makes the task, an object of Tekton's type `PipelineTask` with the given name.
    ///
    /// # Errors
    /// A parameter has a value that it cannot have.
    fn task(&self, name: &str, vars: &BTreeMap<String, String>) -> Result<Value, HookError>;
}

/// A parameter of a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HookVar {
    /// Its name.
    pub name: &'static str,
    /// Whether it must be given.
    pub is_required: bool,
    /// What it is for.
    pub about: &'static str,
}

/// A parameter of a hook has a value that it cannot have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{var} {message}")]
pub struct HookError {
    /// The parameter.
    pub var: &'static str,
    /// What is wrong with its value.
    pub message: String,
}

/// The hook `log`: lists a folder, as the simplest thing that shows that hooks run.
#[derive(Clone, Debug)]
pub struct Log {
    image: String,
}

impl Default for Log {
    fn default() -> Self {
        Self::with_image("docker.io/library/busybox:1.37")
    }
}

impl Log {
    /// Runs in an image that has `ls`.
    #[must_use]
    pub fn with_image(image: impl Into<String>) -> Self {
        Self { image: image.into() }
    }
}

impl Hook for Log {
    fn name(&self) -> &'static str {
        "log"
    }

    fn is_before(&self) -> bool {
        true
    }

    fn is_after(&self) -> bool {
        true
    }

    fn vars(&self) -> &'static [HookVar] {
        &[HookVar {
            name: "printPath",
            is_required: false,
            about: "the folder that is listed; the root when absent",
        }]
    }

    fn task(&self, name: &str, vars: &BTreeMap<String, String>) -> Result<Value, HookError> {
        let path = vars.get("printPath").map_or("/", String::as_str);
        if path.contains("$(") || path.chars().any(char::is_control) {
            return Err(HookError {
                var: "printPath",
                message: "must be a plain path without $(..) and control characters".to_owned(),
            });
        }
        Ok(json!({
            "name": name,
            "params": [{"name": "path", "value": path}],
            "taskSpec": {
                "params": [{"name": "path", "type": "string"}],
                "steps": [{
                    "name": "list",
                    "image": self.image,
                    "command": ["ls"],
                    "args": ["--", "$(params.path)"],
                }],
            },
        }))
    }
}

type Hooks = BTreeMap<&'static str, Arc<dyn Hook>>;

/// Checks that the hooks of a runtime can be used as it uses them.
pub(super) fn check(hooks: &Hooks, before: &[Use], after: &[Use]) -> Result<(), Unsupported> {
    tasks(hooks, before, after).map(drop)
}

/// The tasks of hooks: those before and those after the pipeline.
pub(super) struct Tasks {
    pub(super) before: Vec<Value>,
    pub(super) after: Vec<Value>,
}

/// Makes the tasks of the hooks of a runtime. Those before are chained.
pub(super) fn tasks(hooks: &Hooks, before: &[Use], after: &[Use]) -> Result<Tasks, Unsupported> {
    let mut names = BTreeSet::new();
    let mut made = Tasks {
        before: Vec::new(),
        after: Vec::new(),
    };
    let mut last: Option<&str> = None;
    for used in before {
        let mut task = task(hooks, used, true, &mut names)?;
        if let Some(last) = last {
            task["runAfter"] = json!([last]);
        }
        last = Some(task_name(used));
        made.before.push(task);
    }
    for used in after {
        made.after.push(task(hooks, used, false, &mut names)?);
    }
    Ok(made)
}

/// The name of the task of a hook.
pub(super) fn task_name(used: &Use) -> &str {
    used.alias
        .as_deref()
        .filter(|a| !a.is_empty())
        .unwrap_or(&used.name)
}

fn task(
    hooks: &Hooks,
    used: &Use,
    is_before: bool,
    names: &mut BTreeSet<String>,
) -> Result<Value, Unsupported> {
    let Some(hook) = hooks.get(used.name.as_str()) else {
        let known: Vec<&str> = hooks.keys().copied().collect();
        return Err(unsupported(format!(
            "there is no hook {:?} (there are: {})",
            used.name,
            known.join(", ")
        )));
    };
    if !(if is_before {
        hook.is_before()
    } else {
        hook.is_after()
    }) {
        let place = if is_before { "before" } else { "after" };
        return Err(unsupported(format!(
            "hook {:?} cannot run {place} a pipeline",
            used.name
        )));
    }
    let name = task_name(used);
    if nautes_model::name::check_label("task name", name, 63).is_err() {
        return Err(unsupported(format!("{name:?} cannot be the name of a task")));
    }
    if !names.insert(name.to_owned()) {
        return Err(unsupported(format!(
            "two hooks make a task {name:?}; give one of them an alias"
        )));
    }
    check_vars(&**hook, used)?;
    hook.task(name, &used.vars)
        .map_err(|error| unsupported(format!("hook {:?}: {error}", used.name)))
}

fn check_vars(hook: &dyn Hook, used: &Use) -> Result<(), Unsupported> {
    if let Some(unknown) = used
        .vars
        .keys()
        .find(|k| !hook.vars().iter().any(|v| v.name == **k))
    {
        return Err(unsupported(format!(
            "hook {:?} has no parameter {unknown:?}",
            used.name
        )));
    }
    match hook
        .vars()
        .iter()
        .find(|v| v.is_required && !used.vars.contains_key(v.name))
    {
        Some(lacking) => Err(unsupported(format!(
            "hook {:?} needs the parameter {:?}",
            used.name, lacking.name
        ))),
        None => Ok(()),
    }
}
