//! From what was told to a store.

use std::sync::Arc;

use nautes_model::{Class, Secret};

use super::{Told, read};
use crate::vault::VaultStore;
use crate::{ProxiedStore, ProxySettings, SecretStore, StoreError};

impl Told {
    async fn proxy(&self) -> Result<Option<ProxySettings>, StoreError> {
        let files = self.proxy_cert_file.as_ref().zip(self.proxy_key_file.as_ref());
        let Some((address, (certificate, key))) = self.proxy.clone().zip(files) else {
            return Ok(None);
        };
        Ok(Some(ProxySettings {
            address,
            certificate: read("vault-proxy-cert-file", certificate).await?,
            key: Secret::new(read("vault-proxy-key-file", key).await?),
            ca_bundle: match &self.proxy_ca_file {
                Some(file) => Some(read("vault-proxy-ca-file", file).await?),
                None => None,
            },
            timeout: self.request,
        }))
    }

    /// Makes the store; `None` where there is no server, which need not answer yet.
    ///
    /// # Errors
    /// The settings cannot be used, or a file cannot be read.
    pub async fn store(&self) -> Result<Option<Opened>, StoreError> {
        let Some(settings) = self.settings().await? else {
            return Ok(None);
        };
        Ok(Some(match self.proxy().await? {
            Some(proxy) => {
                let store = ProxiedStore::new(settings, &proxy)?;
                Opened {
                    vault: store.vault().clone(),
                    store: Arc::new(store),
                    writes: false,
                }
            }
            None => {
                let vault = VaultStore::new(settings)?;
                Opened {
                    store: Arc::new(vault.clone()),
                    vault,
                    writes: true,
                }
            }
        }))
    }

    /// Makes the store and enables the engines that are missing; `None` where there is no server. A server that does not
    /// answer yet, or does not let Nautes enable engines, is only told of in the log: whoever uses a secret is told again.
    ///
    /// # Errors
    /// The settings cannot be used, or something else is mounted where an engine should be.
    pub async fn open(&self) -> Result<Option<Opened>, StoreError> {
        let Some(opened) = self.store().await? else {
            return Ok(None);
        };
        match opened.prepare().await {
            Ok(()) => {}
            Err(error @ StoreError::NoEngine { .. }) => return Err(error),
            Err(error) if error.class() == Class::Unreachable => {
                let hint = error.hint().unwrap_or_default();
                let source = std::error::Error::source(&error).map(tracing::field::display);
                tracing::warn!(%error, source, hint, "the engines of the secret store were not looked at");
            }
            Err(error) => return Err(error),
        }
        Ok(Some(opened))
    }
}

/// A store on a server.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The store.
    pub store: Arc<dyn SecretStore>,
    vault: VaultStore,
    /// Whether Nautes itself writes to the server, and not a proxy.
    writes: bool,
}

impl Opened {
    /// Enables the engines that are missing; nothing behind a proxy, whose installation has them.
    ///
    /// # Errors
    /// See [`VaultStore::prepare`].
    pub async fn prepare(&self) -> Result<(), StoreError> {
        if self.writes {
            self.vault.prepare().await
        } else {
            Ok(())
        }
    }

    /// Ends the login.
    ///
    /// # Errors
    /// See [`VaultStore::log_out`].
    pub async fn log_out(&self) -> Result<(), StoreError> {
        self.vault.log_out().await
    }
}
