//! The auth mount of one cluster: how the server knows who logs in, by asking the cluster or by the signature of its tokens.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::FutureExt;
use nautes_model::Secret;
use nautes_model::name::ClusterName;
use serde::Deserialize;
use serde_json::{Value, json};
use vaultrs::api;
use vaultrs::auth::kubernetes;

use super::fault::Fault;
use super::grants::{self, Stop};
use super::link::{Ask, Link, each};
use super::names;
use super::own::Own;
use super::role::Method;
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

/// How a server knows the tokens of a cluster by their signature. Exactly one way is told.
#[derive(Clone, Debug)]
pub struct ClusterIssuer {
    /// Where the public keys are.
    pub keys: IssuerKeys,
    /// Who the tokens say that issued them (`iss`), if that is looked at.
    pub issuer: Option<String>,
}

/// Where the public keys of a cluster are.
#[derive(Clone, Debug)]
pub enum IssuerKeys {
    /// At an address (`/openid/v1/jwks` of the API server), as the secret store reaches it.
    Jwks {
        /// The address.
        url: String,
        /// The certificate authority of the address, as PEM; that of the system where there is none.
        ca: Option<String>,
    },
    /// Where the issuer says (`/.well-known/openid-configuration`).
    Discovery {
        /// The address of the issuer.
        url: String,
        /// The certificate authority of the address, as PEM; that of the system where there is none.
        ca: Option<String>,
    },
    /// Here, as PEM each.
    Pem(Vec<String>),
}

/// The configuration of a mount, of either method.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Config {
    kubernetes_host: String,
    jwks_url: String,
    oidc_discovery_url: String,
    jwt_validation_pubkeys: Vec<String>,
}

impl Config {
    /// Whether it tells who logs in.
    pub(super) fn is_complete(&self) -> bool {
        let texts = [&self.kubernetes_host, &self.jwks_url, &self.oidc_discovery_url];
        texts.iter().any(|text| !text.is_empty()) || !self.jwt_validation_pubkeys.is_empty()
    }
}

/// Enables the mount of a cluster for a method, and returns where it is.
async fn mounted(
    link: &Arc<Link>,
    cluster: &ClusterName,
    method: Method,
    action: &str,
) -> Result<String, StoreError> {
    let name = names::of_cluster(cluster);
    let told = Method::of(&link.settings, name);
    if told != method {
        return Err(StoreError::BadSetting {
            setting: "jwt_clusters",
            reason: format!(
                "by the settings cluster {cluster} is one of the method {}",
                told.name()
            ),
        });
    }
    let mount = link.settings.mount(name);
    let made = grants::mount(link, &BTreeSet::from([(mount.clone(), method)])).await;
    made.map_err(|stop| stop.error(link, action.to_owned()))?;
    Ok(mount)
}

/// Writes the configuration of the mount of a cluster whose tokens are judged by their signature, unless it is so.
pub(super) async fn trust(
    link: &Arc<Link>,
    cluster: &ClusterName,
    issuer: &ClusterIssuer,
) -> Result<bool, StoreError> {
    let action = format!("configure the logins of cluster {cluster}");
    let mount = mounted(link, cluster, Method::Jwt, &action).await?;
    let mut body = json!({
        "jwks_url": "",
        "jwks_ca_pem": "",
        "oidc_discovery_url": "",
        "oidc_discovery_ca_pem": "",
        "jwt_validation_pubkeys": [],
        "bound_issuer": issuer.issuer.as_deref().unwrap_or_default(),
        "default_role": "",
    });
    match &issuer.keys {
        IssuerKeys::Jwks { url, ca } => {
            body["jwks_url"] = url.as_str().into();
            body["jwks_ca_pem"] = ca.as_deref().unwrap_or_default().into();
        }
        IssuerKeys::Discovery { url, ca } => {
            body["oidc_discovery_url"] = url.as_str().into();
            body["oidc_discovery_ca_pem"] = ca.as_deref().unwrap_or_default().into();
        }
        // A server keeps keys without the end of the last line, and they are compared with what it has.
        IssuerKeys::Pem(keys) => {
            let keys: Vec<&str> = keys.iter().map(|key| key.trim()).collect();
            body["jwt_validation_pubkeys"] = keys.into();
        }
    }
    let live = link.call(Ask::PLAIN, |client| {
        let request = Own::<Value>::get(format!("auth/{mount}/config"));
        async move { api::exec_with_result(&*client, request).await }
    });
    match live.await {
        Ok(live) if contains(&live, &body) => return Ok(false),
        Ok(_) | Err(Fault::Absent | Fault::NoRoute(_)) => {}
        Err(fault) => return Err(link.error(action, fault)),
    }
    // Keys are public.
    let written = link.call(Ask::PLAIN, |client| {
        let request = Own::<()>::post(format!("auth/{mount}/config"), body.clone());
        async move { api::exec_with_empty(&*client, request).await }
    });
    written
        .await
        .map(|()| true)
        .map_err(|fault| link.error(action, fault))
}

/// True where every field of one map is in another.
fn contains(live: &Value, wanted: &Value) -> bool {
    let mut fields = wanted.as_object().into_iter().flatten();
    fields.all(|(field, value)| live.get(field) == Some(value))
}

/// Writes the configuration of the mount of a cluster.
pub(super) async fn configure(
    link: &Arc<Link>,
    cluster: &ClusterName,
    auth: &ClusterAuth,
) -> Result<(), StoreError> {
    let action = format!("configure the logins of cluster {cluster}");
    let mount = mounted(link, cluster, Method::Kubernetes, &action).await?;
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
    written.await.map_err(|fault| link.error(action, fault))
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
            let method = Method::of(&link.settings, names::of_cluster(cluster));
            let mounted = grants::mount(link, &BTreeSet::from([(mount.clone(), method)])).await;
            match mounted {
                // A cluster that is to change its method.
                Ok(()) | Err(Stop::Method(_, Method::Kubernetes)) => {}
                Err(stop) => {
                    return Err(stop.error(link, format!("remove the logins of cluster {cluster}")));
                }
            }
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
