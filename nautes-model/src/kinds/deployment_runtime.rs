//! DeploymentRuntime: namespaces of a deployment cluster that follow a manifest repository.

use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::crd::bounds::{REVISION, distinct, free};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// A deployment runtime.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "nautes.resource.nautes.io",
    version = "v1alpha1",
    kind = "DeploymentRuntime",
    plural = "deploymentruntimes",
    shortname = "dr",
    category = "nautes",
    namespaced,
    status = "DeploymentRuntimeStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name":"Destination","type":"string","jsonPath":".spec.destination.environment"}"#,
    printcolumn = r#"{"name":"Repository","type":"string","jsonPath":".spec.manifestSource.codeRepo"}"#,
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
pub struct DeploymentRuntimeSpec {
    /// The product.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 63))]
    pub product: String,
    /// The projects whose deployment this is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = distinct(1000, 63))]
    pub projects_ref: Vec<String>,
    /// What is deployed.
    pub manifest_source: ManifestSource,
    /// To where it is deployed.
    pub destination: DeploymentDestination,
    /// The machine account that deploys; the name of the runtime when empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 63))]
    pub account: String,
}

/// What a deployment runtime follows.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManifestSource {
    /// The repository: a name in the same product, or `product/name`.
    #[schemars(length(max = 255))]
    pub code_repo: String,
    /// A branch, a tag or a commit.
    #[schemars(length(max = 255), regex(pattern = REVISION))]
    pub target_revision: String,
    /// A folder of the repository, relative to its root.
    #[schemars(length(max = 1024))]
    pub path: String,
}

/// To where a deployment runtime deploys.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentDestination {
    /// The environment, and through it the cluster.
    #[schemars(length(max = 63))]
    pub environment: String,
    /// The namespaces; one of the runtime's name when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = distinct(100, 253))]
    pub namespaces: Vec<String>,
}

/// The status of a deployment runtime.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentRuntimeStatus {
    /// What is known about the runtime; `Ready` sums it up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The generation that the conditions speak of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The commit of `default.project` from which the resource was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The cluster to which it deploys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The last commit of the manifest repository of which every object was deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployed_revision: Option<String>,
    /// The commit that is being deployed, while not every object of it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deploying_revision: Option<String>,
    /// How many objects are deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<i32>", range(min = 0))]
    pub objects: Option<u32>,
    /// Projects that may not use the repository.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub illegal_project_refs: Vec<IllegalProjectRef>,
    /// What was deployed last. Written by the Go version only; kept where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = free)]
    pub deploy_history: Option<serde_json::Value>,
    /// What was made for the runtime. Written by the Go version only; kept where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = free)]
    pub deploy_status: Option<serde_json::Value>,
}

/// A project that may not use the repository of the runtime.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IllegalProjectRef {
    /// The project.
    pub project_name: String,
    /// Why it may not be used.
    pub reason: String,
}

impl DeploymentRuntime {
    /// Returns the namespaces to which it deploys: the declared ones, else one of its own name.
    #[must_use]
    pub fn namespaces(&self) -> Vec<&str> {
        if self.spec.destination.namespaces.is_empty() {
            self.metadata.name.as_deref().into_iter().collect()
        } else {
            self.spec
                .destination
                .namespaces
                .iter()
                .map(String::as_str)
                .collect()
        }
    }

    /// Returns the machine account: the declared one, else one of its own name.
    #[must_use]
    pub fn account(&self) -> &str {
        if self.spec.account.is_empty() {
            self.metadata.name.as_deref().unwrap_or_default()
        } else {
            &self.spec.account
        }
    }
}
