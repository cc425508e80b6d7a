//! CodeRepoProvider and ProductProvider: on which Git platform repositories live, and where products come from.

use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PlainStatus;
use crate::crd::bounds::WORD;

/// A Git platform.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "nautes.resource.nautes.io",
    version = "v1alpha1",
    kind = "CodeRepoProvider",
    plural = "coderepoproviders",
    shortname = "crp",
    category = "nautes",
    namespaced,
    status = "PlainStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name":"Type","type":"string","jsonPath":".spec.providerType"}"#,
    printcolumn = r#"{"name":"Address","type":"string","jsonPath":".spec.httpAddress"}"#,
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
pub struct CodeRepoProviderSpec {
    /// Where people and clones reach it over HTTP.
    #[schemars(length(max = 2048))]
    pub http_address: String,
    /// Where clones reach it over SSH.
    #[serde(default)]
    #[schemars(length(max = 2048))]
    pub ssh_address: String,
    /// Where its API is.
    #[schemars(length(max = 2048))]
    pub api_server: String,
    /// Of what type it is, for example `gitlab` or `local`.
    #[schemars(length(min = 1, max = 63), regex(pattern = WORD))]
    pub provider_type: String,
}

/// Where products come from.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "nautes.resource.nautes.io",
    version = "v1alpha1",
    kind = "ProductProvider",
    plural = "productproviders",
    shortname = "pp",
    category = "nautes",
    namespaced,
    status = "PlainStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name":"Type","type":"string","jsonPath":".spec.type"}"#,
    printcolumn = r#"{"name":"Provider","type":"string","jsonPath":".spec.name"}"#,
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
pub struct ProductProviderSpec {
    /// Of what type it is; `coderepo` is known.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 63))]
    pub type_: String,
    /// The name of the provider of that type.
    #[schemars(length(max = 63))]
    pub name: String,
}
