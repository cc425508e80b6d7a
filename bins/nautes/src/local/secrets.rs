//! Where a local platform keeps its secrets: in an encrypted file, or in a server of OpenBao that runs as long as it does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum;
use nautes_model::Secret;
use nautes_model::name::ProductName;
use nautes_vault::local::{LocalStore, MasterKey};
use nautes_vault::openbao::{self, Openbao, OpenbaoError};
use nautes_vault::vault::VaultSettings;
use nautes_vault::{SecretStore, VaultStore};
use serde::{Deserialize, Serialize};

use super::data::{Data, Remembered};
use super::ports::{Ports, VAULT};
use crate::exit::{Exit, Failure};

/// A kind of store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An encrypted file of the data folder.
    #[default]
    Local,
    /// A server of OpenBao on this machine: bao on the PATH, or the program that --openbao names.
    Vault,
}

/// How the store is opened.
#[derive(Debug, Default)]
pub struct Options {
    /// The kind; that of the last time where it is not said, at first the file.
    pub kind: Option<Kind>,
    /// The program of the server, if it was found.
    pub openbao: Option<PathBuf>,
    /// The key of the file; else it is in a file of the data folder.
    pub key: Option<Secret>,
    /// The clusters whose tokens the server judges by their signature, each with the audiences of these tokens. It asks the
    /// other clusters.
    pub jwt_clusters: BTreeMap<String, BTreeSet<String>>,
    /// For those, the namespaces of a product besides its own.
    pub jwt_namespaces: BTreeMap<(String, ProductName), BTreeSet<String>>,
}

/// The store, open.
#[derive(Debug)]
pub struct Secrets {
    store: Arc<dyn SecretStore>,
    server: Option<(VaultStore, Openbao)>,
}

impl Secrets {
    /// Opens the store, and starts the server if it is in one.
    ///
    /// # Errors
    /// The secrets of the folder are in the other kind; the program is not there; file or server cannot be used.
    pub async fn open(
        data: &Data,
        options: Options,
        ports: &mut Ports,
        remembered: &mut Remembered,
    ) -> Result<Self, Failure> {
        let kind = options.kind.or(remembered.secrets).unwrap_or_default();
        // Folders of older versions do not say it, and have the file.
        let had = remembered
            .secrets
            .or(data.at("store.redb").exists().then_some(Kind::Local));
        if let Some(had) = had.filter(|had| *had != kind) {
            let (is, other) = match had {
                Kind::Local => ("in an encrypted file", "local"),
                Kind::Vault => ("in OpenBao", "vault"),
            };
            return Err(
                Failure::new(Exit::Conflict, format!("the secrets of this folder are {is}")).hint(format!(
                    "start with --secrets {other}, or take another folder with --data"
                )),
            );
        }
        let opened = match kind {
            Kind::Local => Self {
                store: file(data, options.key).await?,
                server: None,
            },
            Kind::Vault => Self::server(data, options, ports).await?,
        };
        remembered.secrets = Some(kind);
        Ok(opened)
    }

    async fn server(data: &Data, options: Options, ports: &mut Ports) -> Result<Self, Failure> {
        let program = options.openbao.ok_or_else(|| {
            Failure::new(Exit::NotFound, "there is no bao on the PATH")
                .hint("install OpenBao (https://openbao.org), or name its program with --openbao or NAUTES_OPENBAO")
                .hint("without it secrets are in an encrypted file: --secrets local")
        })?;
        let how = openbao::Options {
            program,
            folder: data.at("openbao"),
            port: ports.wanted(VAULT),
        };
        let server = Openbao::start(how).await.map_err(failure)?;
        ports.got(VAULT, server.address().port().unwrap_or_default());
        let settings = VaultSettings {
            jwt_clusters: options.jwt_clusters,
            jwt_namespaces: options.jwt_namespaces,
            ..server.settings()
        };
        let vault = VaultStore::new(settings)?;
        vault.prepare().await?;
        Ok(Self {
            store: Arc::new(vault.clone()),
            server: Some((vault, server)),
        })
    }

    /// Returns the store.
    #[must_use]
    pub const fn store(&self) -> &Arc<dyn SecretStore> {
        &self.store
    }

    /// Returns the server.
    #[must_use]
    pub fn openbao(&self) -> Option<&Openbao> {
        self.server.as_ref().map(|(_, server)| server)
    }

    /// Ends the server, if there is one.
    pub async fn stop(self) {
        if let Some((vault, server)) = self.server {
            // The server ends right after.
            let _ = vault.log_out().await;
            server.stop().await;
        }
    }
}

async fn file(data: &Data, key: Option<Secret>) -> Result<Arc<dyn SecretStore>, Failure> {
    let (file, key_file) = (data.at("store.redb"), data.at("store.key"));
    let open = move || -> Result<LocalStore, Failure> {
        let key = match key {
            Some(text) => MasterKey::from_text(&text)?,
            None => MasterKey::load_or_create(&key_file)?,
        };
        Ok(LocalStore::open_or_create(&file, &key)?)
    };
    Ok(Arc::new(tokio::task::spawn_blocking(open).await??))
}

fn failure(error: OpenbaoError) -> Failure {
    let hint = error.hint();
    Failure::new(Exit::Unavailable, format!("{:#}", anyhow::Error::new(error))).hint(hint)
}
