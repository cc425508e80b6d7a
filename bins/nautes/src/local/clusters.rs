//! The clusters of a local platform: Kubernetes API servers in this process, and a virtual one on its host.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Namespace, Secret as SecretObject};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{Patch, PatchParams};
use nautes_runtime::local::{self, Admission, Options};
use nautes_runtime::projection::crds::require_crds;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::data::{Data, Remembered, write_private};
use super::ports::Ports;
use crate::exit::{Exit, Failure};

/// The cluster in which Nautes itself is.
pub const TENANT: &str = "tenant";
/// Carries the virtual cluster.
pub const HOST: &str = "host";
/// Where pipelines run.
pub const PIPELINES: &str = "pipelines";
/// A virtual cluster on the host, for deployments.
pub const STAGING: &str = "staging";
/// A physical cluster for deployments.
pub const LIVE: &str = "live";
/// All of them, in order of start.
pub const ALL: &[&str] = &[TENANT, HOST, PIPELINES, STAGING, LIVE];

/// Our own permissive definition of Tekton's kind: runs are recorded, not executed.
const PIPELINE_RUN: &str = include_str!("pipelinerun.yaml");
const MANAGER: &str = "nautes-local";

/// The manifests by which clusters are registered, with blanks.
const MANIFESTS: &[(&str, &str)] = &[
    (
        HOST,
        include_str!("../../../../examples/manifests/clusters/host.yaml"),
    ),
    (
        PIPELINES,
        include_str!("../../../../examples/manifests/clusters/pipelines.yaml"),
    ),
    (
        STAGING,
        include_str!("../../../../examples/manifests/clusters/staging.yaml"),
    ),
    (
        LIVE,
        include_str!("../../../../examples/manifests/clusters/live.yaml"),
    ),
];

/// The clusters, running.
#[derive(Clone, Debug)]
pub struct Clusters {
    all: BTreeMap<&'static str, local::Cluster>,
}

impl Clusters {
    /// Starts all clusters, writes their kubeconfigs, and puts into them what is there before Nautes comes. Writes to
    /// the tenant cluster are judged by `admission`.
    ///
    /// # Errors
    /// A port or the data folder cannot be used.
    pub async fn start(
        data: &Data,
        ports: &mut Ports,
        remembered: &mut Remembered,
        admission: Admission,
    ) -> Result<Self, Failure> {
        let mut all = BTreeMap::new();
        for &name in ALL {
            let options = Options {
                name: name.to_owned(),
                data: Some(data.at("clusters").join(name)),
                listen: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, ports.wanted(name)))),
                admission: (name == TENANT).then(|| Arc::clone(&admission)),
                ..Options::default()
            };
            let cluster = local::Cluster::start(options).await.map_err(|e| {
                let hint = e.hint();
                Failure::new(Exit::Unavailable, format!("{:#}", anyhow::Error::new(e))).hint(hint)
            })?;
            if let Some(address) = cluster.address() {
                ports.got(name, address.port());
            }
            let token = remembered
                .clusters
                .entry(name.to_owned())
                .or_insert_with(new_token);
            cluster.add_token(token, "admin", &["system:masters"]);
            let text = kubeconfig(&cluster, token)?;
            write_private(&data.kubeconfig(name), text.as_bytes())?;
            all.insert(name, cluster);
        }
        let clusters = Self { all };
        clusters.prepare(remembered).await?;
        clusters.write_manifests(data, remembered)?;
        Ok(clusters)
    }

    /// Returns a cluster.
    ///
    /// # Errors
    /// There is none of the name.
    pub fn get(&self, name: &str) -> Result<&local::Cluster, Failure> {
        self.all.get(name).ok_or_else(|| {
            Failure::new(Exit::NotFound, format!("there is no cluster {name:?}"))
                .hint(format!("the clusters are {}", ALL.join(", ")))
        })
    }

    /// Goes through the clusters by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &local::Cluster)> {
        self.all.iter().map(|(name, cluster)| (*name, cluster))
    }

    /// Stops all of them.
    pub async fn stop(&self) {
        futures::future::join_all(self.all.values().map(local::Cluster::stop)).await;
    }

    async fn prepare(&self, remembered: &Remembered) -> Result<(), Failure> {
        let tenant = self.get(TENANT)?.client();
        let definitions = nautes_model::crd::definitions();
        futures::future::try_join_all(definitions.iter().map(|crd| put(Api::all(tenant.clone()), crd)))
            .await?;
        require_crds(&tenant, Duration::from_secs(20)).await?;
        put::<Namespace>(Api::all(tenant), &namespace("nautes")?).await?;
        let definition: CustomResourceDefinition = serde_yaml::from_str(PIPELINE_RUN)?;
        put(Api::all(self.get(PIPELINES)?.client()), &definition).await?;
        self.provision(STAGING, remembered).await
    }

    /// Puts onto the host what a vcluster leaves there.
    async fn provision(&self, name: &str, remembered: &Remembered) -> Result<(), Failure> {
        let host = self.get(HOST)?.client();
        put::<Namespace>(Api::all(host.clone()), &namespace(name)?).await?;
        let labels = json!({ "app": "vcluster", "release": name });
        let set: StatefulSet = serde_json::from_value(json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": { "name": name, "labels": labels },
            "spec": {
                "serviceName": format!("{name}-headless"), "replicas": 1,
                "selector": { "matchLabels": labels },
                "template": {
                    "metadata": { "labels": labels },
                    "spec": { "containers": [{ "name": "syncer", "image": "nautes.local/recorded-not-executed" }] },
                },
            },
        }))?;
        put(Api::namespaced(host.clone(), name), &set).await?;
        let token = remembered.clusters.get(name).cloned().unwrap_or_default();
        let secret: SecretObject = serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": { "name": format!("vc-{name}") },
            "stringData": { "config": kubeconfig(self.get(name)?, &token)? },
        }))?;
        put(Api::namespaced(host, name), &secret).await
    }

    /// Returns the manifest by which a cluster is registered. It holds the kubeconfig.
    ///
    /// # Errors
    /// There is none of the name.
    pub fn manifest(&self, name: &str, remembered: &Remembered) -> Result<String, Failure> {
        let cluster = self.get(name)?;
        let (_, text) = MANIFESTS.iter().find(|(n, _)| *n == name).ok_or_else(|| {
            Failure::new(
                Exit::NotFound,
                format!("the cluster {name:?} is not one to be registered"),
            )
        })?;
        let server = cluster
            .address()
            .map(|a| format!("https://{a}"))
            .unwrap_or_default();
        let token = remembered.clusters.get(name).cloned().unwrap_or_default();
        let indented = kubeconfig(cluster, &token)?.replace('\n', "\n    ");
        let text = text
            .replace("\"$API_SERVER\"", &server)
            .replace("    $KUBECONFIG", &format!("    {}", indented.trim_end()));
        Ok(text
            .lines()
            .filter(|line| !line.starts_with("# $"))
            .fold(String::new(), |text, line| text + line + "\n"))
    }

    fn write_manifests(&self, data: &Data, remembered: &Remembered) -> Result<(), Failure> {
        for (name, _) in MANIFESTS {
            let file = data.at("manifests").join("clusters").join(format!("{name}.yaml"));
            write_private(&file, self.manifest(name, remembered)?.as_bytes())?;
        }
        Ok(())
    }
}

/// Makes a token of 256 random bits.
pub(super) fn new_token() -> String {
    use base64::Engine as _;
    let bytes: [u8; 32] = rand::random();
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

fn kubeconfig(cluster: &local::Cluster, token: &str) -> Result<String, Failure> {
    Ok(serde_yaml::to_string(&cluster.kubeconfig(token))?)
}

fn namespace(name: &str) -> Result<Namespace, Failure> {
    Ok(serde_json::from_value(
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } }),
    )?)
}

/// Makes an object so, whether or not it is there.
async fn put<K>(api: Api<K>, object: &K) -> Result<(), Failure>
where
    K: Clone + std::fmt::Debug + DeserializeOwned + Serialize + kube::Resource<DynamicType = ()>,
{
    let name = object.meta().name.clone().unwrap_or_default();
    let mut value = serde_json::to_value(object)?;
    value["apiVersion"] = json!(K::api_version(&()));
    value["kind"] = json!(K::kind(&()));
    api.patch(&name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(value))
        .await
        .map_err(|e| {
            Failure::new(
                Exit::Internal,
                format!("cannot prepare {} {name}: {e}", K::kind(&())),
            )
        })?;
    Ok(())
}
