//! The kinds as custom resources: one module a kind.
//!
//! The types read what any newer version wrote (unknown fields are ignored here); the strict reading that
//! refuses an unknown field happens at the manifest edge, in [`crate::manifest`].

pub mod artifact;
pub mod cluster;
pub mod code_repo;
pub mod code_repo_binding;
pub mod deployment_runtime;
pub mod environment;
pub mod pipeline_runtime;
pub mod product;
pub mod project;
pub mod provider;

pub use artifact::{ArtifactRepo, ArtifactRepoProvider, ProjectArtifactRepo};
pub use cluster::Cluster;
pub use code_repo::CodeRepo;
pub use code_repo_binding::CodeRepoBinding;
pub use deployment_runtime::DeploymentRuntime;
pub use environment::Environment;
pub use pipeline_runtime::ProjectPipelineRuntime;
pub use product::Product;
pub use project::Project;
pub use provider::{CodeRepoProvider, ProductProvider};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The status of a kind that has nothing to say but conditions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlainStatus {
    /// What is known about the resource; `Ready` sums it up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The generation that the conditions speak of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The commit of the repository from which the resource was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

/// What the Go version last brought to another system. It is kept where it is, so that a tenant cluster that was
/// taken over loses nothing; what Nautes itself has done is in the conditions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncRecord {
    /// The spec that was brought there, as JSON text.
    pub last_success_spec: String,
    /// When it was.
    pub last_success_time: Time,
    /// The version of the secret that went with it.
    #[serde(rename = "secretID")]
    pub secret_id: String,
    /// The URL of the repository, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// What becomes of something on the forge when its manifest goes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Retention {
    /// It is archived: kept, read-only.
    #[default]
    Archive,
    /// It is deleted with its history.
    Delete,
}

/// Who may see a group or repository on the forge.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// Members only.
    #[default]
    Private,
    /// Everybody who is signed in.
    Internal,
    /// Everybody.
    Public,
}

/// What a group or repository is like on the forge.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitSpec {
    /// On GitLab.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gitlab: Option<GitlabSpec>,
}

/// What a group or repository is like on GitLab.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitlabSpec {
    /// The display name; the name of the resource when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub name: Option<String>,
    /// The path; must be the name of the resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub path: Option<String>,
    /// Who may see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    /// A text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2000))]
    pub description: Option<String>,
    /// The id of the group above, 0 for none.
    #[serde(default, rename = "parentID", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub parent_id: Option<i64>,
}
