//! Clusters of the tests: some are twins in this process, the others are reached by their kubeconfigs.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, Patch, PatchParams};
use nautes_model::name::ClusterName;
use nautes_runtime::clusters::{AccessError, ClusterAccess, StoredClusters};
use nautes_runtime::local;
use serde_json::json;

#[derive(Debug)]
pub(crate) struct TestClusters {
    stored: StoredClusters,
    twins: Mutex<BTreeMap<ClusterName, local::Cluster>>,
}

impl TestClusters {
    pub(crate) fn over(stored: StoredClusters) -> Self {
        Self {
            stored,
            twins: Mutex::default(),
        }
    }

    /// Lets a cluster be a twin from now on.
    pub(crate) fn put(&self, name: &str, twin: &local::Cluster) {
        self.twins
            .lock()
            .unwrap()
            .insert(name.parse().unwrap(), twin.clone());
    }

    fn twin(&self, cluster: &ClusterName) -> Option<kube::Client> {
        self.twins
            .lock()
            .unwrap()
            .get(cluster)
            .map(local::Cluster::client)
    }
}

#[async_trait]
impl ClusterAccess for TestClusters {
    async fn client(&self, cluster: &ClusterName) -> Result<kube::Client, AccessError> {
        match self.twin(cluster) {
            Some(client) => Ok(client),
            None => self.stored.client(cluster).await,
        }
    }

    async fn client_as(
        &self,
        cluster: &ClusterName,
        namespace: &str,
        account: &str,
    ) -> Result<kube::Client, AccessError> {
        match self.twin(cluster) {
            Some(client) => Ok(client),
            None => self.stored.client_as(cluster, namespace, account).await,
        }
    }
}

/// Lets a cluster serve the kind of Tekton's runs.
pub(crate) async fn serve_runs(cluster: &local::Cluster) {
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "pipelineruns.tekton.dev" },
        "spec": {
            "group": "tekton.dev", "scope": "Namespaced",
            "names": { "kind": "PipelineRun", "plural": "pipelineruns", "singular": "pipelinerun" },
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": {
                    "type": "object", "x-kubernetes-preserve-unknown-fields": true,
                } },
            }],
        },
    });
    let api: Api<CustomResourceDefinition> = Api::all(cluster.client());
    api.patch(
        "pipelineruns.tekton.dev",
        &PatchParams::apply("test"),
        &Patch::Apply(&definition),
    )
    .await
    .unwrap();
}
