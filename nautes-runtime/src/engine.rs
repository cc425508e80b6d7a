//! Engines: plug-ins that turn intents into objects, grants and secret mounts (decision D12).
//!
//! An engine is small and pure: it has no client, it is not async, and it answers the same for the same
//! intents. `Engines::bundled()` holds those that come with Nautes; `with_*` adds others.

pub mod conformance;
pub mod direct;
pub mod label;
pub mod namespaces;
pub mod registry;
pub mod tekton;
pub mod webhook;

pub use registry::{Engines, MissingEngine};

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use nautes_model::kinds::cluster::{Component, Slot};
use nautes_model::name::ClusterName;
use nautes_model::secret::Grant;
use serde_json::Value;

use crate::intent::{Account, Application, PipelineSpace, RunIntent, SecretMount, Space};
use crate::plan::{DeployUnit, HookUnit, Planned};
use crate::runs::{RunPhase, RunState};

/// What an engine gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rendered {
    /// Objects, each with the wave to which it belongs; waves are applied from low to high.
    pub objects: Vec<(Wave, Planned)>,
    /// Rights in the secret store.
    pub grants: BTreeSet<Grant>,
    /// Secrets that shall be present, for the secret-sync engine of the cluster.
    pub mounts: Vec<SecretMount>,
    /// Repositories that a controller of ours deploys.
    pub deploys: Vec<DeployUnit>,
    /// Hooks that the forge must have.
    pub hooks: Vec<HookUnit>,
}

impl Rendered {
    /// Adds an object.
    pub fn add(&mut self, wave: Wave, planned: Planned) {
        self.objects.push((wave, planned));
    }

    /// Adds what another engine gave.
    pub fn extend(&mut self, other: Self) {
        let Self {
            objects,
            grants,
            mounts,
            deploys,
            hooks,
        } = other;
        self.objects.extend(objects);
        self.grants.extend(grants);
        self.mounts.extend(mounts);
        self.deploys.extend(deploys);
        self.hooks.extend(hooks);
    }
}

/// When an object is applied, relative to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wave {
    /// Namespaces.
    Spaces,
    /// Accounts and their rights.
    Accounts,
    /// Secrets.
    Secrets,
    /// What uses them.
    Workloads,
}

/// Where an engine renders.
#[derive(Clone, Copy, Debug)]
pub struct On<'a> {
    /// The cluster.
    pub cluster: &'a ClusterName,
    /// The component of the cluster that the engine is.
    pub component: &'a Component,
}

/// The kind of objects that runs of pipelines are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunKind {
    /// The API group.
    pub group: &'static str,
    /// The version.
    pub version: &'static str,
    /// The kind.
    pub kind: &'static str,
    /// Its plural.
    pub plural: &'static str,
}

/// An engine cannot do what an intent asks for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{engine} cannot do this: {message}")]
pub struct Unsupported {
    /// The engine.
    pub engine: &'static str,
    /// What it cannot do, and what to use instead.
    pub message: String,
}

/// Separates products: namespaces, accounts and their rights (slot `multiTenant`).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an engine for the slot `multiTenant`",
    note = "implement `nautes_runtime::engine::TenancyEngine` and add it by `Engines::bundled().with_tenancy(..)`; \
            `nautes_runtime::engine::conformance` checks it"
)]
pub trait TenancyEngine: Send + Sync + Debug {
    /// The component name that selects it.
    fn name(&self) -> &'static str;
    /// Renders the namespaces and accounts of one product on one cluster. A namespace stands once; an account
    /// stands once for each runtime that names it.
    ///
    /// # Errors
    /// Says what it cannot do.
    fn render(&self, on: On<'_>, spaces: &[Space], accounts: &[Account]) -> Result<Rendered, Unsupported>;
}

/// Deploys what a repository says (slot `deployment`).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an engine for the slot `deployment`",
    note = "implement `nautes_runtime::engine::DeploymentEngine` and add it by `Engines::bundled().with_deployment(..)`; \
            `nautes_runtime::engine::conformance` checks it"
)]
pub trait DeploymentEngine: Send + Sync + Debug {
    /// The component name that selects it.
    fn name(&self) -> &'static str;
    /// Renders one application.
    ///
    /// # Errors
    /// Says what it cannot do.
    fn render(&self, on: On<'_>, application: &Application) -> Result<Rendered, Unsupported>;
}

/// Runs pipelines (slot `pipeline`).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an engine for the slot `pipeline`",
    note = "implement `nautes_runtime::engine::PipelineEngine` and add it by `Engines::bundled().with_pipeline(..)`; \
            `nautes_runtime::engine::conformance` checks it"
)]
pub trait PipelineEngine: Send + Sync + Debug {
    /// The component name that selects it.
    fn name(&self) -> &'static str;
    /// Renders what the pipelines of a runtime need beside their runs.
    ///
    /// # Errors
    /// Says what it cannot do.
    fn render(&self, on: On<'_>, space: &PipelineSpace) -> Result<Rendered, Unsupported>;
    /// Makes the object of one run from the text of the pipeline file.
    ///
    /// # Errors
    /// The file is not what the engine runs, or an input or hook does not fit; the message is for the user.
    fn run(&self, intent: &RunIntent, file: &str) -> Result<Value, Unsupported>;
    /// Returns the name that the object of a run has: the same for the same runtime, trigger, ref and commit.
    fn run_name(&self, intent: &RunIntent) -> String;
    /// Returns the kinds of objects that runs are, the version that is asked for first in front. Without any, nothing
    /// is told of runs.
    fn run_kinds(&self) -> &'static [RunKind] {
        &[]
    }
    /// Reads what became of a run from its object.
    fn run_state(&self, _run: &Value) -> RunState {
        RunState {
            phase: RunPhase::Pending,
            reason: String::new(),
            message: String::new(),
            started: None,
            finished: None,
        }
    }
    /// Returns where people can look at a run, given the setting `host` of the component.
    fn run_link(&self, _host: &str, _namespace: &str, _run: &str) -> Option<String> {
        None
    }
    /// Returns the label of pods whose value is the name of their run; without it there are no logs.
    fn pods_label(&self) -> Option<&'static str> {
        None
    }
    /// Returns the task that a pod works on, from its labels.
    fn run_task(&self, _labels: &BTreeMap<String, String>) -> Option<String> {
        None
    }
}

/// Hears events (slot `eventListener`).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an engine for the slot `eventListener`",
    note = "implement `nautes_runtime::engine::EventEngine` and add it by `Engines::bundled().with_events(..)`; \
            `nautes_runtime::engine::conformance` checks it"
)]
pub trait EventEngine: Send + Sync + Debug {
    /// The component name that selects it.
    fn name(&self) -> &'static str;
    /// Renders what listening for a runtime needs.
    ///
    /// # Errors
    /// Says what it cannot do.
    fn render(&self, on: On<'_>, space: &PipelineSpace) -> Result<Rendered, Unsupported>;
}

/// Brings secrets into namespaces (slot `secretSync`).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an engine for the slot `secretSync`",
    note = "implement `nautes_runtime::engine::SecretSyncEngine` and add it by `Engines::bundled().with_secret_sync(..)`; \
            `nautes_runtime::engine::conformance` checks it"
)]
pub trait SecretSyncEngine: Send + Sync + Debug {
    /// The component name that selects it.
    fn name(&self) -> &'static str;
    /// Renders one mount.
    ///
    /// # Errors
    /// Says what it cannot do.
    fn render(&self, on: On<'_>, mount: &SecretMount) -> Result<Rendered, Unsupported>;
}

/// Which slots of a cluster a runtime cannot do without.
#[must_use]
pub const fn slots_of_a_deployment() -> [Slot; 2] {
    [Slot::MultiTenant, Slot::Deployment]
}

/// Which slots of a cluster a pipeline runtime cannot do without.
#[must_use]
pub const fn slots_of_a_pipeline() -> [Slot; 3] {
    [Slot::MultiTenant, Slot::Pipeline, Slot::EventListener]
}
