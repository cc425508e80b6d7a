//! CodeRepoBinding: the permission for a product, or some of its projects, to use a repository.

use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PlainStatus;
use crate::crd::bounds::distinct;

/// A binding. It lives in the product that owns the repository (the grantor).
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "nautes.resource.nautes.io",
    version = "v1alpha1",
    kind = "CodeRepoBinding",
    plural = "coderepobindings",
    shortname = "crb",
    category = "nautes",
    namespaced,
    status = "PlainStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name":"Repository","type":"string","jsonPath":".spec.codeRepo"}"#,
    printcolumn = r#"{"name":"Grantee","type":"string","jsonPath":".spec.product"}"#,
    printcolumn = r#"{"name":"Permissions","type":"string","jsonPath":".spec.permissions"}"#,
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
pub struct CodeRepoBindingSpec {
    /// The repository that is opened; it belongs to the product in which the binding lives.
    #[schemars(length(max = 255))]
    pub code_repo: String,
    /// The product that may use it (the grantee).
    #[serde(default)]
    #[schemars(length(max = 63))]
    pub product: String,
    /// The projects of the grantee that may use it; all when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = distinct(1000, 63))]
    pub projects: Vec<String>,
    /// What they may do.
    pub permissions: Permission,
}

/// What a binding allows.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// Reading.
    #[default]
    Readonly,
    /// Reading and pushing.
    Readwrite,
}
