//! CodeRepo: a repository of a product.

use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{GitSpec, Retention, SyncRecord};
use crate::crd::bounds::distinct;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// A code repository.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "nautes.resource.nautes.io",
    version = "v1alpha1",
    kind = "CodeRepo",
    plural = "coderepoes",
    shortname = "cr",
    category = "nautes",
    namespaced,
    status = "CodeRepoStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name":"Project","type":"string","jsonPath":".spec.project"}"#,
    printcolumn = r#"{"name":"Repository","type":"string","jsonPath":".spec.repoName"}"#,
    printcolumn = r#"{"name":"URL","type":"string","jsonPath":".status.url"}"#,
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
pub struct CodeRepoSpec {
    /// The provider on which the repository lives; the tenant's only provider when empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 63))]
    pub code_repo_provider: String,
    /// The product.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 63))]
    pub product: String,
    /// The project that owns the repository; empty for one that belongs to the product as a whole.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 63))]
    pub project: String,
    /// The path of the repository within the product's group; the name of the resource when empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 255))]
    pub repo_name: String,
    /// A URL that replaces the computed one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 2048))]
    pub url: String,
    /// Whether deployment runtimes follow it.
    #[serde(default)]
    pub deployment_runtime: bool,
    /// Whether pipeline runtimes use it.
    #[serde(default)]
    pub pipeline_runtime: bool,
    /// Which events of the repository are reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
    /// What the repository is like on the forge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<GitSpec>,
    /// What becomes of the repository when the manifest is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
}

/// Which events of a repository are reported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// Names of events as GitLab spells them, for example `push_events`.
    #[schemars(transform = distinct(32, 63))]
    pub events: Vec<String>,
}

/// What is known of a credential of a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialStatus {
    /// Which one it is: `readonly`, `readwrite`, `webhook` or `accesstoken-api`.
    pub name: String,
    /// Its number: 1 for the first; each replacement adds one.
    pub generation: i64,
    /// When it was handed out first, RFC 3339; absent where nobody has written it down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<String>,
    /// The public half of a deploy key, type and base64. Where keys are kept by hand, this is what has to be added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
}

/// The status of a code repository.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CodeRepoStatus {
    /// What is known about the repository; `Ready` sums it up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The generation that the conditions speak of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The commit of `default.project` from which the resource was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The id of the repository on the forge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository_id: Option<String>,
    /// The URL from which it is cloned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The credentials that Nautes has made for it; none of them is here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<CredentialStatus>,
    /// The repository, as Argo CD was last told of it. Written by the Go version only; kept where it is.
    #[serde(default, rename = "sync2ArgoStatus", skip_serializing_if = "Option::is_none")]
    pub sync_to_argo_status: Option<SyncRecord>,
}
