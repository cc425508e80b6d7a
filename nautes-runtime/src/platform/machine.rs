//! The parts of an installation that live in a folder of this machine: the local forge and the local store.
//!
//! A program that is told of no other forge or store is composed of these and of a tenant cluster. The folder belongs
//! to one process at a time.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nautes_gitops::host::local::{LocalForge, Options, Serving};
use nautes_gitops::{
    AccessLevel, Author, GitHost, GroupSpec, HostError, Place, RepoPath, RepoRef, RepoSpec, Session, Target,
    Visibility,
};
use nautes_model::Class;
use nautes_vault::local::{LocalStore, MasterKey};
use nautes_vault::{SecretStore, StoreError};
use url::Url;

use super::{BuildError, Platform, PlatformBuilder, TenantSettings};
use crate::clusters::StoredClusters;

/// Where the parts are.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The folder; created where it is missing.
    pub data: PathBuf,
    /// Where the forge listens for Git over HTTP.
    pub forge: SocketAddr,
    /// The tenant.
    pub tenant: TenantSettings,
    /// The address at which the forge reaches the webhook receiver, without `/hooks`.
    pub webhook_url: Url,
    /// The secret store; without one, the local one in the folder.
    pub secrets: Option<Arc<dyn SecretStore>>,
}

/// Why the parts cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// The forge.
    #[error("cannot open the forge in {data}")]
    Forge {
        /// The folder.
        data: PathBuf,
        /// Why.
        #[source]
        source: HostError,
    },
    /// The secret store.
    #[error("cannot open the secret store in {data}")]
    Store {
        /// The folder.
        data: PathBuf,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// The repository of the tenant.
    #[error("cannot begin the repository of the tenant: {message}")]
    Tenant {
        /// Why.
        message: String,
    },
    /// The composition.
    #[error("cannot compose the platform")]
    Build(#[source] BuildError),
}

impl MachineError {
    /// Returns the class.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Forge { source, .. } => source.class(),
            Self::Store { source, .. } => source.class(),
            Self::Tenant { .. } => Class::Unreachable,
            Self::Build(source) => source.class(),
        }
    }
}

/// The parts, open.
#[derive(Debug)]
pub struct Opened {
    /// The composition.
    pub platform: Platform,
    /// The forge, for users and tokens.
    pub forge: LocalForge,
    /// The forge as it listens.
    pub serving: Serving,
}

impl Machine {
    /// Opens the parts, serves the forge and composes the platform with a tenant cluster. The group and repository
    /// of the tenant are made where they are missing. `with` may change the composition.
    ///
    /// # Errors
    /// The folder is in use or damaged, or the address is taken.
    pub async fn open(
        &self,
        tenant_cluster: kube::Client,
        with: impl FnOnce(PlatformBuilder) -> PlatformBuilder,
    ) -> Result<Opened, MachineError> {
        let forge = self.forge().await?;
        let failed = |source| MachineError::Forge {
            data: self.data.clone(),
            source,
        };
        let serving = forge.serve(self.forge).await.map_err(failed)?;
        let platform = self
            .open_with(Arc::new(forge.clone()), tenant_cluster, with)
            .await?;
        Ok(Opened {
            platform,
            forge,
            serving,
        })
    }

    /// Opens the store, and composes the platform with another forge than the local one. The group and repository of
    /// the tenant are made where they are missing. `with` may change the composition.
    ///
    /// # Errors
    /// The folder is in use or damaged, or the forge refuses or does not answer.
    pub async fn open_with(
        &self,
        host: Arc<dyn GitHost>,
        tenant_cluster: kube::Client,
        with: impl FnOnce(PlatformBuilder) -> PlatformBuilder,
    ) -> Result<Platform, MachineError> {
        let store = match &self.secrets {
            Some(store) => Arc::clone(store),
            None => self.store()?,
        };
        let builder = Platform::builder()
            .host(host)
            .store(Arc::clone(&store))
            .tenant(self.tenant.clone())
            .tenant_cluster(tenant_cluster)
            .clusters(Arc::new(StoredClusters::new(store)))
            .mirrors(self.data.join("mirrors"))
            .webhook_url(self.webhook_url.clone());
        let platform = with(builder).build().map_err(MachineError::Build)?;
        begin_tenant(&platform).await?;
        Ok(platform)
    }

    async fn forge(&self) -> Result<LocalForge, MachineError> {
        LocalForge::open(Options::new(self.data.join("forge")))
            .await
            .map_err(|source| MachineError::Forge {
                data: self.data.clone(),
                source,
            })
    }

    fn store(&self) -> Result<Arc<dyn SecretStore>, MachineError> {
        let open = |dir: &Path| {
            std::fs::create_dir_all(dir).map_err(|source| StoreError::Unreachable {
                action: format!("create the folder {}", dir.display()),
                source: source.into(),
            })?;
            let key = MasterKey::load_or_create(&dir.join("store.key"))?;
            LocalStore::open_or_create(&dir.join("store.redb"), &key)
        };
        let store = open(&self.data).map_err(|source| MachineError::Store {
            data: self.data.clone(),
            source,
        })?;
        Ok(Arc::new(store))
    }
}

/// Makes the group and the repository of the tenant, and gives the repository its first commit. What is there is
/// left alone.
///
/// # Errors
/// The forge refuses or does not answer.
pub async fn begin_tenant(platform: &Platform) -> Result<(), MachineError> {
    let failed = |message: String| MachineError::Tenant { message };
    let session = platform
        .host()
        .platform()
        .await
        .map_err(|e| failed(e.to_string()))?;
    let path = platform.tenant().repo.clone();
    make(&*session, &path).await.map_err(|e| failed(e.to_string()))?;
    let mirror = platform
        .mirrors()
        .open(&path)
        .await
        .map_err(|e| failed(e.to_string()))?;
    let target = Target {
        session: &*session,
        of: &RepoRef::Tenant,
        path: &path,
        mirror: &mirror,
        branch: &platform.tenant().branch,
    };
    let author = Author::from(session.user().await.map_err(|e| failed(e.to_string()))?);
    let begun = platform.publisher().begin(&target, &author).await;
    begun.map(|_| ()).map_err(|e| failed(e.to_string()))
}

async fn make(session: &dyn Session, path: &RepoPath) -> Result<(), HostError> {
    if session.group(path.group()).await?.is_none() {
        let spec = GroupSpec {
            name: path.group().to_owned(),
            visibility: Visibility::Private,
            description: "The tenant".to_owned(),
            marker: None,
        };
        session.create_group(&spec).await?;
    }
    if session.repository(path).await?.is_none() {
        session.create_repository(path, &RepoSpec::default()).await?;
    }
    Ok(())
}

/// Makes a user an owner of the tenant, so that he may register clusters.
///
/// # Errors
/// The forge refuses or does not answer.
pub async fn own_tenant(platform: &Platform, user: &str) -> Result<(), HostError> {
    let session = platform.host().platform().await?;
    session
        .add_member(
            &Place::group(platform.tenant().repo.group()),
            user,
            AccessLevel::Owner,
        )
        .await
}
