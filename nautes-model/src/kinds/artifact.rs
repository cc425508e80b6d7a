//! The artifact kinds: where built artifacts are kept.

use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PlainStatus;
use crate::crd::bounds::distinct;

/// An artifact platform.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "nautes.resource.nautes.io",
    version = "v1alpha1",
    kind = "ArtifactRepoProvider",
    plural = "artifactrepoproviders",
    shortname = "arp",
    category = "nautes",
    namespaced,
    status = "PlainStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name":"Type","type":"string","jsonPath":".spec.providerType"}"#,
    printcolumn = r#"{"name":"Address","type":"string","jsonPath":".spec.url"}"#,
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
pub struct ArtifactRepoProviderSpec {
    /// Where people reach it.
    #[serde(rename = "url")]
    #[schemars(length(max = 2048))]
    pub url: String,
    /// Where its API is.
    #[schemars(length(max = 2048))]
    pub api_server: String,
    /// Of what type it is.
    #[schemars(length(min = 1, max = 63))]
    pub provider_type: String,
}

/// An artifact repository.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "nautes.resource.nautes.io",
    version = "v1alpha1",
    kind = "ArtifactRepo",
    plural = "artifactrepoes",
    shortname = "ar",
    category = "nautes",
    namespaced,
    status = "PlainStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name":"Type","type":"string","jsonPath":".spec.repoType"}"#,
    printcolumn = r#"{"name":"Package","type":"string","jsonPath":".spec.packageType"}"#,
    printcolumn = r#"{"name":"Repository","type":"string","jsonPath":".spec.repoName"}"#,
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
pub struct ArtifactRepoSpec {
    /// The platform on which it lives.
    #[schemars(length(max = 63))]
    pub artifact_repo_provider: String,
    /// The product.
    #[schemars(length(max = 63))]
    pub product: String,
    /// The projects that use it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = distinct(1000, 63))]
    pub projects: Vec<String>,
    /// Its name on the platform.
    #[schemars(length(min = 1, max = 255))]
    pub repo_name: String,
    /// What it does with artifacts.
    pub repo_type: ArtifactRepoType,
    /// What artifacts it holds.
    pub package_type: PackageType,
}

/// What an artifact repository does with artifacts.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum ArtifactRepoType {
    /// It stands for one elsewhere.
    Remote,
    /// It keeps them.
    #[default]
    Local,
    /// It shows several as one.
    Virtual,
}

/// What artifacts a repository holds.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum PackageType {
    /// Maven artifacts.
    #[default]
    Maven,
    /// Python packages.
    Python,
    /// Go modules.
    Go,
}

/// The use of an artifact repository by a project.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "nautes.resource.nautes.io",
    version = "v1alpha1",
    kind = "ProjectArtifactRepo",
    plural = "projectartifactrepoes",
    shortname = "par",
    category = "nautes",
    namespaced,
    status = "PlainStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name":"Project","type":"string","jsonPath":".spec.project"}"#,
    printcolumn = r#"{"name":"Repository","type":"string","jsonPath":".spec.artifactRepo"}"#,
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
pub struct ProjectArtifactRepoSpec {
    /// The project.
    #[schemars(length(max = 63))]
    pub project: String,
    /// The artifact repository.
    #[schemars(length(max = 63))]
    pub artifact_repo: String,
}
