//! How Nautes reaches clusters.

pub mod kubeconfig;
pub mod stored;
pub mod virtual_cluster;

use std::fmt::Debug;

use async_trait::async_trait;
use nautes_model::Class;
use nautes_model::name::ClusterName;

pub use kubeconfig::KubeconfigError;
pub use stored::StoredClusters;

/// Why a cluster cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// Nobody has given a kubeconfig for it.
    #[error("no kubeconfig is stored for cluster {0}")]
    NoKubeconfig(ClusterName),
    /// The virtual cluster has not come up yet.
    #[error("cluster {cluster} is not ready: {message}")]
    NotReady {
        /// The cluster.
        cluster: ClusterName,
        /// What is missing.
        message: String,
    },
    /// The kubeconfig cannot be used; the message holds nothing of its content.
    #[error("the kubeconfig of cluster {cluster} cannot be used: {message}")]
    BadKubeconfig {
        /// The cluster.
        cluster: ClusterName,
        /// What is wrong with it.
        message: String,
    },
    /// The secret store did not answer.
    #[error("the kubeconfig of cluster {cluster} cannot be read")]
    Store {
        /// The cluster.
        cluster: ClusterName,
        /// Why.
        #[source]
        source: Box<nautes_vault::StoreError>,
    },
    /// The cluster did not answer.
    #[error("cluster {cluster} does not answer")]
    Unreachable {
        /// The cluster.
        cluster: ClusterName,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
}

impl AccessError {
    /// Returns the class.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::NoKubeconfig(_) | Self::NotReady { .. } => Class::Waiting,
            Self::BadKubeconfig { .. } => Class::Invalid,
            Self::Store { source, .. } => source.class(),
            Self::Unreachable { .. } => Class::Unreachable,
        }
    }
}

/// Gives clients for clusters. Values are cheap to get; an implementation keeps clients and renews them when
/// the kubeconfig in the store has a new version.
#[async_trait]
pub trait ClusterAccess: Send + Sync + Debug {
    /// Returns a client with the platform's own rights.
    ///
    /// # Errors
    /// The cluster cannot be reached, and why.
    async fn client(&self, cluster: &ClusterName) -> Result<kube::Client, AccessError>;

    /// Returns a client that acts as a machine account of the cluster (impersonation).
    ///
    /// # Errors
    /// The cluster cannot be reached, and why.
    async fn client_as(
        &self,
        cluster: &ClusterName,
        namespace: &str,
        account: &str,
    ) -> Result<kube::Client, AccessError>;
}
