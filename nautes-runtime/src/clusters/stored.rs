//! Access to clusters whose kubeconfigs are in the secret store.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use kube::{Client, Config};
use nautes_model::Secret;
use nautes_model::name::ClusterName;
use nautes_vault::{SecretStore, keys};

use super::kubeconfig;
use super::{AccessError, ClusterAccess};

/// How long the secret store may take to give a kubeconfig.
const STORE_DEADLINE: Duration = Duration::from_secs(15);

/// How long connecting to a cluster may take.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// How many clients that act as machine accounts are kept for one cluster.
const MAX_ACTING: usize = 256;

/// Gives clients for clusters from kubeconfigs in the secret store.
///
/// Each call reads the kubeconfig's version from the store; a client is made anew only when that, or the address
/// of the server, has changed.
pub struct StoredClusters {
    store: Arc<dyn SecretStore>,
    servers: Mutex<BTreeMap<ClusterName, String>>,
    kept: Mutex<HashMap<ClusterName, Kept>>,
}

/// Clients made from one version of a kubeconfig.
struct Kept {
    version: u64,
    server: Option<String>,
    config: Config,
    client: Client,
    acting: HashMap<(String, String), Client>,
}

impl fmt::Debug for StoredClusters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredClusters")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

impl StoredClusters {
    /// Makes it.
    #[must_use]
    pub fn new(store: Arc<dyn SecretStore>) -> Self {
        Self {
            store,
            servers: Mutex::default(),
            kept: Mutex::default(),
        }
    }

    /// Says under which address clusters are reached, whatever their kubeconfigs say (`spec.apiServer`).
    /// Clusters that are not named are reached as their kubeconfigs say.
    pub fn set_servers(&self, servers: BTreeMap<ClusterName, String>) {
        *self.servers.lock().unwrap_or_else(PoisonError::into_inner) = servers;
    }

    async fn kubeconfig(&self, cluster: &ClusterName) -> Result<(u64, Secret), AccessError> {
        let at = keys::kubeconfig(cluster);
        let read = tokio::time::timeout(STORE_DEADLINE, self.store.read(&at.path)).await;
        let read = read.unwrap_or_else(|_| {
            Err(nautes_vault::StoreError::Unreachable {
                action: format!("read {}", at.path),
                source: "it did not answer in time".into(),
            })
        });
        let found = read.map_err(|source| AccessError::Store {
            cluster: cluster.clone(),
            source: Box::new(source),
        })?;
        found
            .and_then(|mut found| Some((found.version, found.values.remove(&at.key)?)))
            .ok_or_else(|| AccessError::NoKubeconfig(cluster.clone()))
    }

    /// Returns a client; `account` is (namespace, name) of the account as which it acts.
    async fn get(&self, cluster: &ClusterName, account: Option<(&str, &str)>) -> Result<Client, AccessError> {
        let (version, text) = self.kubeconfig(cluster).await?;
        let server = {
            let servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
            servers.get(cluster).cloned()
        };
        if let Some(client) = self.kept_client(cluster, version, server.as_deref(), account)? {
            return Ok(client);
        }
        let bad = |message: String| AccessError::BadKubeconfig {
            cluster: cluster.clone(),
            message,
        };
        let mut config = kubeconfig::config(&text, server.as_deref())
            .await
            .map_err(|error| bad(error.to_string()))?;
        config.connect_timeout = Some(CONNECT_DEADLINE);
        let kept = Kept {
            version,
            server: server.clone(),
            client: client(config.clone(), cluster)?,
            config,
            acting: HashMap::new(),
        };
        let plain = kept.client.clone();
        self.kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(cluster.clone(), kept);
        match account {
            None => Ok(plain),
            Some(_) => self
                .kept_client(cluster, version, server.as_deref(), account)?
                .ok_or_else(|| AccessError::NotReady {
                    cluster: cluster.clone(),
                    message: "its kubeconfig is being replaced".to_owned(),
                }),
        }
    }

    fn kept_client(
        &self,
        cluster: &ClusterName,
        version: u64,
        server: Option<&str>,
        account: Option<(&str, &str)>,
    ) -> Result<Option<Client>, AccessError> {
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(kept) = all
            .get_mut(cluster)
            .filter(|kept| kept.version == version && kept.server.as_deref() == server)
        else {
            return Ok(None);
        };
        let Some((namespace, name)) = account else {
            return Ok(Some(kept.client.clone()));
        };
        let key = (namespace.to_owned(), name.to_owned());
        if let Some(client) = kept.acting.get(&key) {
            return Ok(Some(client.clone()));
        }
        let acting = client(acting_as(kept.config.clone(), namespace, name), cluster)?;
        if kept.acting.len() >= MAX_ACTING {
            kept.acting.clear();
        }
        kept.acting.insert(key, acting.clone());
        Ok(Some(acting))
    }
}

/// Makes a client; certificates and keys that are none are noticed here.
fn client(config: Config, cluster: &ClusterName) -> Result<Client, AccessError> {
    Client::try_from(config).map_err(|_| AccessError::BadKubeconfig {
        cluster: cluster.clone(),
        message: kubeconfig::KubeconfigError::Unusable.to_string(),
    })
}

/// Lets requests be judged as those of a machine account.
fn acting_as(mut config: Config, namespace: &str, account: &str) -> Config {
    let user = &mut config.auth_info;
    user.impersonate = Some(format!("system:serviceaccount:{namespace}:{account}"));
    user.impersonate_groups = Some(vec![
        "system:serviceaccounts".to_owned(),
        format!("system:serviceaccounts:{namespace}"),
        "system:authenticated".to_owned(),
    ]);
    user.impersonate_uid = None;
    user.impersonate_user_extra = None;
    config
}

#[async_trait]
impl ClusterAccess for StoredClusters {
    async fn client(&self, cluster: &ClusterName) -> Result<Client, AccessError> {
        self.get(cluster, None).await
    }

    async fn client_as(
        &self,
        cluster: &ClusterName,
        namespace: &str,
        account: &str,
    ) -> Result<Client, AccessError> {
        self.get(cluster, Some((namespace, account))).await
    }
}
