//! Product: an IT system, a group on the forge, a `default.project` repository.

use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{GitSpec, PlainStatus, Retention};

/// A product. Written to the tenant repository with the first save of the product.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "nautes.resource.nautes.io",
    version = "v1alpha1",
    kind = "Product",
    plural = "products",
    shortname = "prod",
    category = "nautes",
    namespaced,
    status = "PlainStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name":"Product","type":"string","jsonPath":".spec.name"}"#,
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
pub struct ProductSpec {
    /// The path of the product's group on the forge.
    #[serde(default)]
    #[schemars(length(max = 255))]
    pub name: String,
    /// The URL of the product's `default.project` repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub meta_data_path: Option<String>,
    /// What the group is like on the forge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<GitSpec>,
    /// What becomes of the group when the product is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// How the product was registered; written by Nautes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration: Option<Registration>,
}

/// The proof that a group on the forge is the product, and not one of the same name made later.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Registration {
    /// The id of the group on the forge.
    #[schemars(length(max = 64))]
    pub group_id: String,
    /// The id of the `default.project` repository on the forge.
    #[schemars(length(max = 64))]
    pub repository_id: String,
    /// The user who created the product.
    #[schemars(length(max = 255))]
    pub creator: String,
}
