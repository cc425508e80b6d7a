//! Secrets that come with a request: the kubeconfig of a cluster.

use std::collections::BTreeMap;

use nautes_model::kinds::cluster::ClusterType;
use nautes_model::name::ClusterName;
use nautes_model::secret::SecretPath;
use nautes_model::{Finding, Resource, Secret, Sourced};
use nautes_runtime::clusters::kubeconfig;
use nautes_vault::{Expect, keys};

use super::Change;
use crate::app::App;
use crate::error::ApiError;

/// The field in which a kubeconfig comes.
const KUBECONFIG: &str = "spec.kubeconfig";

/// A version of a secret that a request wrote, to be taken back if its commit fails.
#[derive(Debug)]
pub(crate) struct Written {
    path: SecretPath,
    version: u64,
    changed: bool,
}

/// Checks the secrets of a request without writing any: a physical cluster needs a kubeconfig that can be used,
/// in the request or in the store.
///
/// # Errors
/// The store does not answer. What is wrong with a kubeconfig is a finding, which never shows its content.
pub(crate) async fn check(app: &App, change: &Change) -> Result<Vec<Finding>, ApiError> {
    let mut findings = Vec::new();
    for resource in &change.upserts {
        let Resource::Cluster(cluster) = &resource.resource else {
            continue;
        };
        let name = cluster_name(resource)?;
        let finding = |message: String, hint: &str| {
            let at = nautes_model::manifest::locate(&resource.source, KUBECONFIG);
            Finding::error("ClusterKubeconfig", &resource.source.file, message)
                .at(at)
                .about(resource.identity.clone())
                .field(KUBECONFIG)
                .hint(hint)
        };
        match (given(resource), cluster.spec.cluster_type) {
            (Some(_), ClusterType::Virtual) => findings.push(finding(
                "the kubeconfig of a virtual cluster is read from its host".to_owned(),
                "remove spec.kubeconfig",
            )),
            (Some(secret), ClusterType::Physical) => {
                if let Err(error) = kubeconfig::with_server(secret, &cluster.spec.api_server) {
                    findings.push(finding(
                        error.to_string(),
                        "give a kubeconfig with one current context, a cluster and a user, all inline",
                    ));
                }
            }
            (None, ClusterType::Physical) => {
                let path = keys::kubeconfig(&name).path;
                let stored = app.store("read", app.platform().store().read(&path)).await?;
                if stored.is_none() {
                    findings.push(finding(
                        format!("cluster {name} has no kubeconfig"),
                        "put the text of its kubeconfig under spec.kubeconfig; it goes to the secret store only",
                    ));
                }
            }
            (None, ClusterType::Virtual) => {}
        }
    }
    Ok(findings)
}

/// Writes the secrets of a request to the store.
///
/// # Errors
/// The store refuses or does not answer; what was written before is taken back.
pub(crate) async fn write(app: &App, change: &Change) -> Result<Vec<Written>, ApiError> {
    let mut written = Vec::new();
    for resource in &change.upserts {
        let (Resource::Cluster(cluster), Some(secret)) = (&resource.resource, given(resource)) else {
            continue;
        };
        match write_one(app, resource, secret, &cluster.spec.api_server).await {
            Ok(one) => written.push(one),
            Err(error) => {
                take_back(app, written).await;
                return Err(error);
            }
        }
    }
    Ok(written)
}

async fn write_one(
    app: &App,
    resource: &Sourced,
    secret: &Secret,
    api_server: &str,
) -> Result<Written, ApiError> {
    let name = cluster_name(resource)?;
    let prepared = kubeconfig::with_server(secret, api_server)
        .map_err(|e| ApiError::of_class(nautes_model::Class::Invalid, e.to_string()))?;
    let reference = keys::kubeconfig(&name);
    let values = BTreeMap::from([(reference.key.clone(), prepared)]);
    let store = app.platform().store();
    let done = app
        .store("write", store.write(&reference.path, values, Expect::Any))
        .await?;
    Ok(Written {
        path: reference.path,
        version: done.version,
        changed: done.changed,
    })
}

/// Takes back what a request wrote whose commit failed. A version that was there before the request stays.
pub(crate) async fn take_back(app: &App, written: Vec<Written>) {
    for one in written.into_iter().filter(|w| w.changed) {
        let store = app.platform().store();
        let taken = app.store("remove", store.remove_version(&one.path, one.version));
        if let Err(error) = taken.await {
            tracing::error!(path = %one.path, version = one.version, %error, "a secret could not be taken back");
        }
    }
}

fn given(resource: &Sourced) -> Option<&Secret> {
    resource
        .secrets
        .iter()
        .find(|(field, _)| field == KUBECONFIG)
        .map(|(_, secret)| secret)
}

fn cluster_name(resource: &Sourced) -> Result<ClusterName, ApiError> {
    ClusterName::new(resource.identity.name.as_str()).map_err(|e| ApiError::malformed(e.to_string()))
}
