//! Pipelines with Tekton (component `tekton`).
//!
//! # Contract
//! * Beside its runs a runtime needs one Secret, `pipeline-ssh-key`, with the deploy key of the pipeline
//!   repository under `id_rsa`.
//! * A run is made from the pipeline file of the repository: one YAML document of kind `PipelineRun`
//!   (`tekton.dev/v1` or `v1beta1`). Inputs replace fields below `/spec`; the name, the namespace, the
//!   account and our labels are set after that, so that no file and no event can choose them.
//! * The name of a run is derived from the runtime, the trigger, the ref and the commit: a repeated event asks
//!   for the same object.
//! * Hooks are added to an inline `pipelineSpec`: those before it run one after the other, and every first task
//!   waits for the last of them; those after it are `finally` tasks, which Tekton runs at the same time,
//!   whatever became of the pipeline. Hooks around a `pipelineRef` are not supported.

mod hook;
mod outcome;
mod run;
#[cfg(test)]
mod tests;

pub use hook::{Hook, HookError, HookVar, Log};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::{On, PipelineEngine, Rendered, RunKind, Unsupported};
use crate::intent::{PipelineSpace, RunIntent, SecretMount};
use crate::runs::RunState;

/// The name of the Secret with the key of the pipeline repository.
pub const SOURCE_KEY: &str = "pipeline-ssh-key";
/// The key in that Secret, as Tekton's `git-clone` expects it.
const SOURCE_KEY_ITEM: &str = "id_rsa";

/// The engine `tekton`.
#[derive(Clone, Debug)]
pub struct Tekton {
    hooks: BTreeMap<&'static str, Arc<dyn Hook>>,
}

/// With the hooks that come with Nautes.
impl Default for Tekton {
    fn default() -> Self {
        Self::without_hooks().with_hook(Arc::new(Log::default()))
    }
}

impl Tekton {
    /// Knows no hooks.
    #[must_use]
    pub const fn without_hooks() -> Self {
        Self {
            hooks: BTreeMap::new(),
        }
    }

    /// Adds a hook; it takes the place of one of the same name.
    #[must_use]
    pub fn with_hook(mut self, hook: Arc<dyn Hook>) -> Self {
        self.hooks.insert(hook.name(), hook);
        self
    }
}

impl PipelineEngine for Tekton {
    fn name(&self) -> &'static str {
        "tekton"
    }

    fn render(&self, _on: On<'_>, space: &PipelineSpace) -> Result<Rendered, Unsupported> {
        hook::check(&self.hooks, &space.pre_hooks, &space.post_hooks)?;
        let mount = SecretMount {
            name: SOURCE_KEY.to_owned(),
            namespace: space.namespace.clone(),
            account: space.account.clone(),
            product: space.product.clone(),
            items: BTreeMap::from([(SOURCE_KEY_ITEM.to_owned(), space.source_key.clone())]),
            owners: BTreeSet::from([space.runtime.clone()]),
        };
        Ok(Rendered {
            mounts: vec![mount],
            ..Rendered::default()
        })
    }

    fn run(&self, intent: &RunIntent, file: &str) -> Result<Value, Unsupported> {
        run::make(&self.hooks, intent, file)
    }

    fn run_name(&self, intent: &RunIntent) -> String {
        run::name(intent)
    }

    fn run_kinds(&self) -> &'static [RunKind] {
        outcome::KINDS
    }

    fn run_state(&self, run: &Value) -> RunState {
        outcome::read(run)
    }

    fn run_link(&self, host: &str, namespace: &str, run: &str) -> Option<String> {
        outcome::link(host, namespace, run)
    }

    fn pods_label(&self) -> Option<&'static str> {
        Some(outcome::PODS)
    }

    fn run_task(&self, labels: &BTreeMap<String, String>) -> Option<String> {
        outcome::task(labels)
    }
}

fn unsupported(message: impl Into<String>) -> Unsupported {
    Unsupported {
        engine: "tekton",
        message: message.into(),
    }
}
