//! The auth mount of one cluster: how the server asks the cluster who logs in.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::FutureExt;
use nautes_model::Secret;
use nautes_model::name::ClusterName;
use serde::Deserialize;
use serde_json::json;
use vaultrs::api;
use vaultrs::auth::kubernetes;

use super::fault::Fault;
use super::grants;
use super::link::{Ask, Link, each};
use super::names;
use super::own::Own;
use crate::StoreError;

/// How a server asks a cluster about service accounts.
#[derive(Clone, Debug)]
pub struct ClusterAuth {
    /// The address of the API server, as the secret store reaches it.
    pub host: String,
    /// The certificate authority of the API server, as PEM.
    pub ca: String,
    /// The token of the service account that reviews others' tokens: it may create token reviews and read
    /// namespaces. Without one, each token is reviewed with itself.
    pub reviewer: Option<Secret>,
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    kubernetes_host: String,
}

/// Writes the configuration of the mount of a cluster.
pub(super) async fn configure(
    link: &Arc<Link>,
    cluster: &ClusterName,
    auth: &ClusterAuth,
) -> Result<(), StoreError> {
    let action = || format!("configure the logins of cluster {cluster}");
    let mount = link.settings.mount(names::of_cluster(cluster));
    let mounted = grants::mount(link, &BTreeSet::from([mount.clone()])).await;
    mounted.map_err(|stop| stop.error(link, action()))?;
    let ClusterAuth { host, ca, reviewer } = auth;
    let reviewer = match reviewer.as_ref().map(Secret::expose_str) {
        None => "",
        Some(Ok(token)) => token,
        Some(Err(_)) => {
            return Err(StoreError::BadSetting {
                setting: "reviewer",
                reason: "it is no text".to_owned(),
            });
        }
    };
    let body = json!({
        "kubernetes_host": host,
        "kubernetes_ca_cert": ca,
        "token_reviewer_jwt": reviewer,
        // The server may itself run in another cluster, whose token and certificate are the wrong ones.
        "disable_local_ca_jwt": true,
    });
    let written = link.call(Ask::SECRET, |client| {
        let request = Own::<()>::post(format!("auth/{mount}/config"), body.clone());
        async move { api::exec_with_empty(&*client, request).await }
    });
    written.await.map_err(|fault| link.error(action(), fault))
}

/// Removes the roles of ours on the mount of a cluster, and the mount if it has no others.
pub(super) async fn retire(link: &Arc<Link>, cluster: &ClusterName) -> Result<bool, StoreError> {
    let failed = |fault| link.error(format!("remove the logins of cluster {cluster}"), fault);
    let mount = link.settings.mount(names::of_cluster(cluster));
    // Another method may have roles of the same path; only this one has this configuration.
    let config = link.call(Ask::PLAIN, |client| {
        let request = Own::<Config>::get(format!("auth/{mount}/config"));
        async move { api::exec_with_result(&*client, request).await }
    });
    match config.await {
        Ok(config) if !config.kubernetes_host.is_empty() => {}
        Err(Fault::NoRoute(text)) if text.contains("no handler") => return Ok(true),
        Ok(_) | Err(Fault::Absent | Fault::NoRoute(_)) => {
            let mounted = grants::mount(link, &BTreeSet::from([mount.clone()])).await;
            mounted.map_err(|stop| stop.error(link, format!("remove the logins of cluster {cluster}")))?;
        }
        Err(fault) => return Err(failed(fault)),
    }
    let listed = link.call(Ask::PLAIN, |client| {
        let mount = mount.clone();
        async move { kubernetes::role::list(&*client, &mount).await }
    });
    let roles = match listed.await {
        Ok(listed) => listed.keys,
        Err(Fault::Absent) => Vec::new(),
        Err(fault) => return Err(failed(fault)),
    };
    let mount = mount.as_str();
    let kept = each(roles, |role: String| {
        let removed = async move {
            let path = format!("auth/{mount}/role/{role}");
            let ours = grants::read_role(link, &path)
                .await?
                .is_none_or(|live| live.is_ours(&link.settings));
            if ours {
                delete(link, &path).await?;
            }
            Ok::<_, Fault>(!ours)
        };
        removed.boxed()
    });
    if kept.await.map_err(failed)?.contains(&true) {
        return Ok(false);
    }
    delete(link, &format!("sys/auth/{mount}")).await.map_err(failed)?;
    Ok(true)
}

async fn delete(link: &Arc<Link>, path: &str) -> Result<(), Fault> {
    let deleted = link.call(Ask::PLAIN, |client| {
        let request = Own::<()>::delete(path);
        async move { api::exec_with_empty(&*client, request).await }
    });
    match deleted.await {
        Err(Fault::Absent) => Ok(()),
        outcome => outcome,
    }
}
