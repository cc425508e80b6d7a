//! Cluster: a host or runtime cluster of the tenant.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::SyncRecord;
use crate::crd::bounds::{DOMAIN, LABEL, choice, distinct, free, keyed, lists, texts};

/// A cluster.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "nautes.resource.nautes.io",
    version = "v1alpha1",
    kind = "Cluster",
    plural = "clusters",
    shortname = "cls",
    category = "nautes",
    namespaced,
    status = "ClusterStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name":"API Server","type":"string","jsonPath":".spec.apiServer"}"#,
    printcolumn = r#"{"name":"Usage","type":"string","jsonPath":".spec.usage"}"#,
    printcolumn = r#"{"name":"Worker","type":"string","jsonPath":".spec.workerType"}"#,
    printcolumn = r#"{"name":"Host","type":"string","jsonPath":".spec.hostCluster"}"#,
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
pub struct ClusterSpec {
    /// The URL of its API server.
    #[schemars(length(max = 2048))]
    pub api_server: String,
    /// Physical or virtual.
    pub cluster_type: ClusterType,
    /// What runs it.
    #[serde(default)]
    pub cluster_kind: ClusterKind,
    /// Host or worker.
    pub usage: ClusterUsage,
    /// The host of a virtual cluster.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 63))]
    pub host_cluster: String,
    /// The base domain of the components' URLs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 253), regex(pattern = DOMAIN))]
    pub primary_domain: String,
    /// What a worker is for; absent or empty for a host.
    #[serde(
        default,
        deserialize_with = "worker_type",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(transform = choice(&["", "pipeline", "deployment"]))]
    pub worker_type: Option<WorkerType>,
    /// Settings of a virtual cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vcluster: Option<Vcluster>,
    /// Which component fills which slot.
    #[serde(default)]
    pub components_list: ComponentsList,
    /// Products that may also deploy into the namespace of a component: namespace to product names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(transform = lists(100, distinct(1000, 255)))]
    pub reserved_namespaces_allowed_products: BTreeMap<String, Vec<String>>,
    /// Cluster-scoped kinds that a product may deploy: product name to kinds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(transform = lists(100, keyed(50, &["group", "kind"])))]
    pub product_allowed_cluster_resources: BTreeMap<String, Vec<ClusterResource>>,
}

/// Physical or virtual.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum ClusterType {
    /// A cluster of its own.
    #[default]
    Physical,
    /// A cluster inside a host cluster.
    Virtual,
}

/// What runs a cluster.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum ClusterKind {
    /// Kubernetes.
    #[default]
    Kubernetes,
}

/// Host or worker.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum ClusterUsage {
    /// It carries virtual clusters only.
    Host,
    /// It carries runtimes.
    #[default]
    Worker,
}

/// What a worker is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WorkerType {
    /// Pipeline runtimes.
    Pipeline,
    /// Deployment runtimes.
    Deployment,
}

/// Reads a worker type; an empty text, which the Go version writes, is none.
fn worker_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<WorkerType>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Type(WorkerType),
        Empty(Empty),
    }
    #[derive(Deserialize)]
    enum Empty {
        #[serde(rename = "")]
        Nothing,
    }
    Ok(match Option::<Written>::deserialize(deserializer)? {
        Some(Written::Type(type_)) => Some(type_),
        Some(Written::Empty(Empty::Nothing)) | None => None,
    })
}

/// Settings of a virtual cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Vcluster {
    /// The port of the host under which its API server is reached; the port of `apiServer` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 5))]
    pub https_node_port: Option<String>,
}

/// Which component fills which slot of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentsList {
    /// Issues certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_management: Option<Component>,
    /// Deploys what a repository says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<Component>,
    /// Hears events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_listener: Option<Component>,
    /// Lets traffic in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Component>,
    /// Separates products.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multi_tenant: Option<Component>,
    /// Runs pipelines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<Component>,
    /// Rolls out step by step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progressive_delivery: Option<Component>,
    /// Keeps secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_management: Option<Component>,
    /// Brings secrets into namespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_sync: Option<Component>,
    /// Signs people in at dashboards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth_proxy: Option<Component>,
}

/// A component of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Component {
    /// The name of the engine, for example `argocd`.
    #[schemars(length(min = 1, max = 63), regex(pattern = LABEL))]
    pub name: String,
    /// The namespace in which it runs.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,
    /// Its settings.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(transform = texts(100, 4096))]
    pub additions: BTreeMap<String, String>,
}

/// A slot of a cluster that a component can fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(
    missing_docs,
    reason = "each is described at the field of ComponentsList of the same name"
)]
pub enum Slot {
    CertManagement,
    Deployment,
    EventListener,
    Gateway,
    MultiTenant,
    OauthProxy,
    Pipeline,
    ProgressiveDelivery,
    SecretManagement,
    SecretSync,
}

impl Slot {
    /// Every slot, in order of name.
    pub const ALL: [Self; 10] = [
        Self::CertManagement,
        Self::Deployment,
        Self::EventListener,
        Self::Gateway,
        Self::MultiTenant,
        Self::OauthProxy,
        Self::Pipeline,
        Self::ProgressiveDelivery,
        Self::SecretManagement,
        Self::SecretSync,
    ];

    /// Returns the name of the field of `componentsList`.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::CertManagement => "certManagement",
            Self::Deployment => "deployment",
            Self::EventListener => "eventListener",
            Self::Gateway => "gateway",
            Self::MultiTenant => "multiTenant",
            Self::OauthProxy => "oauthProxy",
            Self::Pipeline => "pipeline",
            Self::ProgressiveDelivery => "progressiveDelivery",
            Self::SecretManagement => "secretManagement",
            Self::SecretSync => "secretSync",
        }
    }
}

impl ComponentsList {
    /// Returns the component in a slot.
    #[must_use]
    pub const fn get(&self, slot: Slot) -> Option<&Component> {
        match slot {
            Slot::CertManagement => self.cert_management.as_ref(),
            Slot::Deployment => self.deployment.as_ref(),
            Slot::EventListener => self.event_listener.as_ref(),
            Slot::Gateway => self.gateway.as_ref(),
            Slot::MultiTenant => self.multi_tenant.as_ref(),
            Slot::OauthProxy => self.oauth_proxy.as_ref(),
            Slot::Pipeline => self.pipeline.as_ref(),
            Slot::ProgressiveDelivery => self.progressive_delivery.as_ref(),
            Slot::SecretManagement => self.secret_management.as_ref(),
            Slot::SecretSync => self.secret_sync.as_ref(),
        }
    }

    /// Goes through the filled slots.
    pub fn iter(&self) -> impl Iterator<Item = (Slot, &Component)> {
        Slot::ALL
            .into_iter()
            .filter_map(|slot| Some((slot, self.get(slot)?)))
    }
}

/// A cluster-scoped kind of object.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterResource {
    /// The kind.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// The API group; empty for the core group.
    #[serde(default)]
    #[schemars(length(max = 253))]
    pub group: String,
}

/// The status of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterStatus {
    /// What is known about the cluster; `Ready` sums it up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The generation that the conditions speak of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The commit of the tenant repository from which the resource was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Things that are not as they should be and stop nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<ClusterWarning>,
    /// The ids of the products named in the maps of the spec, pinned when first seen.
    #[serde(default, rename = "productIDMap", skip_serializing_if = "BTreeMap::is_empty")]
    pub product_id_map: BTreeMap<String, String>,
    /// Ports at which traffic enters, by service.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub entry_points: BTreeMap<String, EntryPoint>,
    /// The access to the cluster, as it was last kept in the secret store. Written by the Go version only; kept where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mgt_auth_status: Option<SyncRecord>,
    /// The cluster, as Argo CD was last told of it. Written by the Go version only; kept where it is.
    #[serde(default, rename = "sync2ArgoStatus", skip_serializing_if = "Option::is_none")]
    pub sync_to_argo_status: Option<SyncRecord>,
    /// What components did with the cluster, by slot. Written by the Go version only; kept where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = free)]
    pub components_status: Option<serde_json::Value>,
    /// What is given out to products. Written by the Go version only; kept where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = free)]
    pub allocated_resources: Option<serde_json::Value>,
}

/// Something about a cluster that is not as it should be and stops nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterWarning {
    /// What type of warning it is.
    #[serde(rename = "type")]
    pub type_: String,
    /// Who found it.
    pub from: String,
    /// What it is about.
    pub id: String,
    /// A text for people.
    pub message: String,
}

/// Ports at which traffic enters a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EntryPoint {
    /// The port for HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_port: Option<i32>,
    /// The port for HTTPS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub https_port: Option<i32>,
    /// The type of the service.
    #[serde(default, rename = "type")]
    pub type_: String,
}
