//! ProjectPipelineRuntime: pipelines of a project and the events that start them.

use std::collections::BTreeMap;

use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::crd::bounds::{LABEL_VALUE, REVISION, atomic, distinct, free, keyed, texts};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// A pipeline runtime.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "nautes.resource.nautes.io",
    version = "v1alpha1",
    kind = "ProjectPipelineRuntime",
    plural = "projectpipelineruntimes",
    shortname = "ppr",
    category = "nautes",
    namespaced,
    status = "PipelineRuntimeStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name":"Project","type":"string","jsonPath":".spec.project"}"#,
    printcolumn = r#"{"name":"Source","type":"string","jsonPath":".spec.pipelineSource"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    crates(
        kube_core = "::kube_core",
        k8s_openapi = "::k8s_openapi",
        schemars = "::schemars",
        serde = "::serde",
        serde_json = "::serde_json"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct ProjectPipelineRuntimeSpec {
    /// The product.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 63))]
    pub product: String,
    /// The project; it cannot be changed.
    #[schemars(length(max = 63))]
    pub project: String,
    /// The repository that holds the pipeline files: a name in the same product, or `product/name`.
    #[schemars(length(max = 255))]
    pub pipeline_source: String,
    /// The pipelines.
    #[schemars(transform = keyed(100, &["name"]))]
    pub pipelines: Vec<Pipeline>,
    /// Where the pipelines run.
    pub destination: PipelineDestination,
    /// What can start pipelines.
    #[schemars(transform = keyed(100, &["name"]))]
    pub event_sources: Vec<EventSource>,
    /// Whether runs share resources.
    #[serde(default)]
    pub isolation: Isolation,
    /// Which event starts which pipeline.
    #[schemars(transform = atomic(100))]
    pub pipeline_triggers: Vec<PipelineTrigger>,
    /// More manifests for the runtime's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub additional_resources: Option<AdditionalResources>,
    /// Tasks before and after the user's pipeline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hooks: Option<Hooks>,
    /// The machine account that runs the pipelines; the name of the runtime when empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 63))]
    pub account: String,
}

/// A pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pipeline {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Its label; `default` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63), regex(pattern = LABEL_VALUE), extend("default" = "default"))]
    pub label: Option<String>,
    /// The file in the pipeline repository.
    #[schemars(length(min = 1, max = 1024))]
    pub path: String,
}

/// Where pipelines run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PipelineDestination {
    /// The environment, and through it the cluster.
    #[schemars(length(max = 63))]
    pub environment: String,
    /// The namespace; the name of the runtime when empty.
    #[serde(default)]
    #[schemars(length(max = 63))]
    pub namespace: String,
}

/// Something that can start pipelines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventSource {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Events of a repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gitlab: Option<GitlabEvent>,
    /// Times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calendar: Option<CalendarEvent>,
}

/// Events of a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitlabEvent {
    /// The repository: a name in the same product, or `product/name`.
    #[schemars(length(min = 1, max = 255))]
    pub repo_name: String,
    /// A branch, or a pattern on the ref; any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255), regex(pattern = REVISION))]
    pub revision: Option<String>,
    /// Names of events as GitLab spells them, for example `push_events`.
    #[schemars(transform = distinct(32, 63))]
    pub events: Vec<String>,
}

/// Times at which pipelines start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CalendarEvent {
    /// A cron expression with five fields; it wins over the interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub schedule: Option<String>,
    /// A duration such as `10m` or `1h30m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub interval: Option<String>,
    /// Days or times (RFC 3339) on which nothing starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = distinct(400, 64))]
    pub exclusion_dates: Vec<String>,
    /// An IANA time zone; UTC when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub timezone: Option<String>,
}

/// Whether the runs of a runtime share resources.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// They do.
    #[default]
    Shared,
    /// They do not.
    Exclusive,
}

/// Which event starts which pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PipelineTrigger {
    /// The event source.
    #[schemars(length(min = 1, max = 253))]
    pub event_source: String,
    /// The pipeline.
    #[schemars(length(min = 1, max = 253))]
    pub pipeline: String,
    /// The revision of the pipeline repository; the one of the event when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255), regex(pattern = REVISION))]
    pub revision: Option<String>,
    /// Values that are handed to the pipeline.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = atomic(100))]
    pub inputs: Vec<TriggerInput>,
}

/// A value that is handed to a pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TriggerInput {
    /// Where it comes from.
    pub source: InputSource,
    /// How it gets into the pipeline.
    #[serde(default)]
    pub transmission_method: TransmissionMethod,
}

/// Where an input comes from: exactly one of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InputSource {
    /// A built-in variable, for example `Namespace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub built_in_var: Option<String>,
    /// A field of the event, for example `commitID` or `ref`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub from_event: Option<String>,
}

/// How an input gets into a pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransmissionMethod {
    /// By replacing a field of the pipeline file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kustomization: Option<KustomizationPath>,
}

/// A field of the pipeline file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KustomizationPath {
    /// A JSON pointer, for example `/spec/params/0/value`.
    #[schemars(length(max = 1024))]
    pub path: String,
}

/// More manifests for the runtime's namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdditionalResources {
    /// From a Git repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<AdditionalGit>,
}

/// Manifests of a Git repository: `codeRepo` or `url`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdditionalGit {
    /// A repository of Nautes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub code_repo: Option<String>,
    /// The URL of a repository that anybody may read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub url: Option<String>,
    /// A branch, a tag or a commit.
    #[schemars(length(max = 255), regex(pattern = REVISION))]
    pub revision: String,
    /// A folder of the repository.
    #[schemars(length(max = 1024))]
    pub path: String,
}

/// Tasks before and after the user's pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hooks {
    /// Before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = atomic(50))]
    pub pre_hooks: Vec<Hook>,
    /// After.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = atomic(50))]
    pub post_hooks: Vec<Hook>,
}

/// The use of a hook.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hook {
    /// The name of the hook.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// The name of the task; the name of the hook when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub alias: Option<String>,
    /// Its parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(transform = texts(100, 4096))]
    pub vars: BTreeMap<String, String>,
}

/// The status of a pipeline runtime.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PipelineRuntimeStatus {
    /// What is known about the runtime; `Ready` sums it up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The generation that the conditions speak of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The commit of `default.project` from which the resource was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The cluster in which pipelines run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// What each trigger handled last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub triggers: Vec<TriggerStatus>,
    /// Event sources that the runtime may not use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub illegal_event_sources: Vec<IllegalEventSource>,
    /// What was made for the runtime. Written by the Go version only; kept where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = free)]
    pub deploy_status: Option<serde_json::Value>,
}

/// What a trigger handled last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TriggerStatus {
    /// The event source.
    pub event_source: String,
    /// The pipeline.
    pub pipeline: String,
    /// The ref.
    #[serde(rename = "ref")]
    pub ref_: String,
    /// The commit.
    pub commit: String,
    /// The run that was started for it.
    pub run: String,
}

/// An event source that the runtime may not use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IllegalEventSource {
    /// The event source.
    pub event_source: EventSource,
    /// Why it may not be used.
    pub reason: String,
}

impl ProjectPipelineRuntime {
    /// Returns the namespace of the pipelines: the declared one, else one of the runtime's name.
    #[must_use]
    pub fn namespace_name(&self) -> &str {
        if self.spec.destination.namespace.is_empty() {
            self.metadata.name.as_deref().unwrap_or_default()
        } else {
            &self.spec.destination.namespace
        }
    }

    /// Returns the machine account: the declared one, else one of the runtime's name.
    #[must_use]
    pub fn account(&self) -> &str {
        if self.spec.account.is_empty() {
            self.metadata.name.as_deref().unwrap_or_default()
        } else {
            &self.spec.account
        }
    }
}
