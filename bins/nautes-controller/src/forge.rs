//! The forge that the settings name.

use std::sync::Arc;

use anyhow::Context as _;
use nautes_gitops::GitHost;
use nautes_gitops::host::gitlab::{Gitlab, Options};
use nautes_gitops::host::local::{self, LocalForge, Serving};

use crate::settings::Settings;

/// Opens the forge. A local one is served as long as the second value lives.
///
/// # Errors
/// A file cannot be read, or the forge cannot be used.
pub(crate) async fn open(settings: &Settings) -> anyhow::Result<(Arc<dyn GitHost>, Option<Serving>)> {
    match (&settings.forge_url, &settings.forge_data) {
        (Some(_), _) => Ok((Arc::new(gitlab(settings).await?), None)),
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

async fn gitlab(settings: &Settings) -> anyhow::Result<Gitlab> {
    let url = settings.forge_url.as_ref().context("--forge-url is not given")?;
    let token = settings.forge_token_file.as_ref();
    let token = token.context("--forge-token-file is not given")?;
    let ca = settings.forge_ca_file.as_deref();
    let mut options = Options::from_files(&settings.forge_name, url.as_str(), token, ca)
        .await
        .context("cannot use GitLab")?;
    if let Some(proxy) = &settings.forge_proxy {
        options.net.proxy = Some(proxy.expose_str().context("the proxy is no address")?.to_owned());
    }
    options.net.loopback = settings.forge_loopback;
    Gitlab::new(options).context("cannot use GitLab")
}
