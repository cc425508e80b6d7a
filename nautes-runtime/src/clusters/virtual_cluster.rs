//! The kubeconfig of a virtual cluster: read from its host, kept in the secret store.
//!
//! A vcluster runs as a StatefulSet with label `app=vcluster` in the namespace of its own name on the host, and
//! leaves its kubeconfig in the Secret `vc-<name of the StatefulSet>` under the key `config`.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Secret as SecretObject;
use kube::api::ListParams;
use kube::{Api, Client};
use nautes_model::Secret;
use nautes_model::name::ClusterName;
use nautes_vault::{Expect, SecretStore, Written, keys};

use super::{AccessError, kubeconfig};
use crate::apply::CallError;
use crate::apply::call::{DEADLINE, call, call_opt};

/// The label of the StatefulSet of a virtual cluster.
pub const SELECTOR: &str = "app=vcluster";

/// The key of the Secret under which the kubeconfig is.
pub const KEY: &str = "config";

/// Reads the kubeconfig of a virtual cluster from its host, puts `api_server` in as its server, and stores it.
///
/// What is stored already and is the same writes nothing ([`Written::changed`]).
///
/// # Errors
/// [`AccessError::NotReady`] while the virtual cluster has not come up; the host or the store does not answer; the
/// kubeconfig is not one that is accepted.
pub async fn collect(
    host: &Client,
    cluster: &ClusterName,
    api_server: &str,
    store: &dyn SecretStore,
) -> Result<Written, AccessError> {
    let text = read(host, cluster).await?;
    let text = kubeconfig::with_server(&text, api_server).map_err(|error| AccessError::BadKubeconfig {
        cluster: cluster.clone(),
        message: error.to_string(),
    })?;
    let at = keys::kubeconfig(cluster);
    let values = BTreeMap::from([(at.key, text)]);
    let written = tokio::time::timeout(DEADLINE, store.write(&at.path, values, Expect::Any)).await;
    let written = written.unwrap_or_else(|_| {
        Err(nautes_vault::StoreError::Unreachable {
            action: format!("write {}", at.path),
            source: "it did not answer in time".into(),
        })
    });
    written.map_err(|source| AccessError::Store {
        cluster: cluster.clone(),
        source: Box::new(source),
    })
}

async fn read(host: &Client, cluster: &ClusterName) -> Result<Secret, AccessError> {
    let not_ready = |message: String| AccessError::NotReady {
        cluster: cluster.clone(),
        message,
    };
    let failed = |error: CallError| match error {
        CallError::Unreachable(source) => AccessError::Unreachable {
            cluster: cluster.clone(),
            source,
        },
        other @ (CallError::Refused { .. } | CallError::Deadline) => not_ready(format!("its host: {other}")),
    };
    let sets: Api<StatefulSet> = Api::namespaced(host.clone(), cluster.as_str());
    let found = call(sets.list_metadata(&ListParams::default().labels(SELECTOR)))
        .await
        .map_err(failed)?;
    let mut names = found.items.into_iter().filter_map(|set| set.metadata.name);
    let name = match (names.next(), names.next()) {
        (Some(name), None) => name,
        (None, _) => {
            let message = format!("namespace {cluster} of its host has no StatefulSet with label {SELECTOR}");
            return Err(not_ready(message));
        }
        (Some(_), Some(_)) => {
            let message =
                format!("namespace {cluster} of its host has several StatefulSets with label {SELECTOR}");
            return Err(not_ready(message));
        }
    };
    let secret_name = format!("vc-{name}");
    let secrets: Api<SecretObject> = Api::namespaced(host.clone(), cluster.as_str());
    let found = call_opt(secrets.get(&secret_name)).await.map_err(failed)?;
    found
        .and_then(|secret| secret.data?.remove(KEY))
        .map(|bytes| Secret::new(bytes.0))
        .ok_or_else(|| {
            not_ready(format!(
                "namespace {cluster} of its host has no Secret {secret_name} with key {KEY}"
            ))
        })
}
