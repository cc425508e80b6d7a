//! Letting accounts of clusters log in by themselves, as a part of a store that controllers can ask for.

use async_trait::async_trait;
use nautes_model::name::ClusterName;

use super::role::Method;
use super::{ClusterAuth, ClusterIssuer, VaultStore, names};
use crate::StoreError;
use crate::proxied::ProxiedStore;

/// How a store judges whether a token of a cluster is what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judges {
    /// It asks the cluster.
    ByAsking,
    /// It looks at the signature.
    BySignature,
}

/// How accounts of clusters log in to a store by themselves, to read what was granted to them.
#[async_trait]
pub trait ClusterLogins: Send + Sync {
    /// How the tokens of a cluster are judged.
    fn judges(&self, cluster: &ClusterName) -> Judges;

    /// Tells the store how to ask a cluster. This always writes: a store does not tell the reviewer's token again.
    ///
    /// # Errors
    /// The store does not answer, or does not allow it; something else is in the place.
    async fn configure(&self, cluster: &ClusterName, auth: &ClusterAuth) -> Result<(), StoreError>;

    /// Tells the store by which keys the tokens of a cluster are signed, and returns whether it was told something else
    /// before.
    ///
    /// # Errors
    /// The store does not answer, does not allow it, or has no such logins; something else is in the place.
    async fn trust(&self, cluster: &ClusterName, issuer: &ClusterIssuer) -> Result<bool, StoreError>;

    /// Forgets a cluster that is gone. It is `false` where something of others stays in the place.
    ///
    /// # Errors
    /// The store does not answer, or does not allow it.
    async fn retire(&self, cluster: &ClusterName) -> Result<bool, StoreError>;
}

#[async_trait]
impl ClusterLogins for VaultStore {
    fn judges(&self, cluster: &ClusterName) -> Judges {
        match Method::of(&self.0.link.settings, names::of_cluster(cluster)) {
            Method::Kubernetes => Judges::ByAsking,
            Method::Jwt => Judges::BySignature,
        }
    }

    async fn configure(&self, cluster: &ClusterName, auth: &ClusterAuth) -> Result<(), StoreError> {
        self.configure_cluster(cluster, auth).await
    }

    async fn trust(&self, cluster: &ClusterName, issuer: &ClusterIssuer) -> Result<bool, StoreError> {
        self.trust_cluster(cluster, issuer).await
    }

    async fn retire(&self, cluster: &ClusterName) -> Result<bool, StoreError> {
        self.retire_cluster(cluster).await
    }
}

#[async_trait]
impl ClusterLogins for ProxiedStore {
    fn judges(&self, cluster: &ClusterName) -> Judges {
        self.vault().judges(cluster)
    }

    async fn configure(&self, cluster: &ClusterName, auth: &ClusterAuth) -> Result<(), StoreError> {
        self.configure_cluster(cluster, auth).await
    }

    async fn trust(&self, cluster: &ClusterName, _: &ClusterIssuer) -> Result<bool, StoreError> {
        Err(StoreError::Unsupported {
            action: format!("configure the logins of cluster {cluster}"),
            reason: "a vault-proxy only knows clusters that are asked".to_owned(),
        })
    }

    /// The mount stays: a vault-proxy takes away what others have there as well.
    async fn retire(&self, _: &ClusterName) -> Result<bool, StoreError> {
        Ok(false)
    }
}
