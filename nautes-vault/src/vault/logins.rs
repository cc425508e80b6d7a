//! Letting accounts of clusters log in by themselves, as a part of a store that controllers can ask for.

use async_trait::async_trait;
use nautes_model::name::ClusterName;

use super::role::Method;
use super::{ClusterAuth, VaultStore, names};
use crate::StoreError;
use crate::proxied::ProxiedStore;

/// How accounts of clusters log in to a store by themselves, to read what was granted to them.
#[async_trait]
pub trait ClusterLogins: Send + Sync {
    /// Whether the tokens of a cluster are judged by asking that cluster. Otherwise they are judged by their signature, and
    /// somebody tells the store the keys.
    fn asks(&self, cluster: &ClusterName) -> bool;

    /// Tells the store how to ask a cluster. This always writes: a store does not tell the reviewer's token again.
    ///
    /// # Errors
    /// The store does not answer, or does not allow it; something else is in the place.
    async fn configure(&self, cluster: &ClusterName, auth: &ClusterAuth) -> Result<(), StoreError>;

    /// Forgets a cluster that is gone. It is `false` where something of others stays in the place.
    ///
    /// # Errors
    /// The store does not answer, or does not allow it.
    async fn retire(&self, cluster: &ClusterName) -> Result<bool, StoreError>;
}

#[async_trait]
impl ClusterLogins for VaultStore {
    fn asks(&self, cluster: &ClusterName) -> bool {
        Method::of(&self.0.link.settings, names::of_cluster(cluster)) == Method::Kubernetes
    }

    async fn configure(&self, cluster: &ClusterName, auth: &ClusterAuth) -> Result<(), StoreError> {
        self.configure_cluster(cluster, auth).await
    }

    async fn retire(&self, cluster: &ClusterName) -> Result<bool, StoreError> {
        self.retire_cluster(cluster).await
    }
}

#[async_trait]
impl ClusterLogins for ProxiedStore {
    fn asks(&self, cluster: &ClusterName) -> bool {
        self.vault().asks(cluster)
    }

    async fn configure(&self, cluster: &ClusterName, auth: &ClusterAuth) -> Result<(), StoreError> {
        self.configure_cluster(cluster, auth).await
    }

    /// The mount stays: a vault-proxy takes away what others have there as well.
    async fn retire(&self, _: &ClusterName) -> Result<bool, StoreError> {
        Ok(false)
    }
}
