//! The forge that the settings name.

use std::sync::Arc;

use anyhow::Context as _;
use nautes_gitops::GitHost;
use nautes_gitops::host::Connection;
use nautes_gitops::host::local::{self, LocalForge, Serving};

use crate::settings::Settings;

/// Opens the forge. A local one is served as long as the second value lives.
///
/// # Errors
/// A file cannot be read, or the forge cannot be used.
pub(crate) async fn open(settings: &Settings) -> anyhow::Result<(Arc<dyn GitHost>, Option<Serving>)> {
    match (&settings.forge_url, &settings.forge_data) {
        (Some(_), _) => Ok((remote(settings).await?, None)),
        (None, Some(data)) => {
            let forge = LocalForge::open(local::Options::new(data))
                .await
                .context("cannot open the local forge")?;
            let serving = match settings.forge_listen {
                Some(listen) => Some(
                    forge
                        .serve(listen)
                        .await
                        .context("cannot serve the local forge")?,
                ),
                None => None,
            };
            Ok((Arc::new(forge), serving))
        }
        (None, None) => anyhow::bail!("neither --forge-url nor --forge-data is given"),
    }
}

async fn remote(settings: &Settings) -> anyhow::Result<Arc<dyn GitHost>> {
    let url = settings.forge_url.as_ref().context("--forge-url is not given")?;
    let token = settings.forge_token_file.as_deref();
    let token = token.context("--forge-token-file is not given")?;
    let (token, ca_bundle) = Connection::files(token, settings.forge_ca_file.as_deref())
        .await
        .context("cannot use the forge")?;
    let connection = Connection {
        kind: settings.forge_type,
        name: settings.forge_name.clone(),
        url: url.to_string(),
        token,
        ca_bundle,
        proxy: settings.forge_proxy.clone(),
        loopback: settings.forge_loopback,
        known: settings.tenant_repo.parse().ok(),
    };
    let forge = connection.open();
    forge.with_context(|| format!("cannot use the forge at {url}"))
}
