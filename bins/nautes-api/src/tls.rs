//! TLS, with certificates that may be renewed on disk.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum_server::tls_rustls::RustlsConfig;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_util::sync::CancellationToken;

use crate::settings::TlsFiles;

/// The content of the files.
type Content = (Vec<u8>, Vec<u8>);

/// Reads the files, and looks at them again until `stop`. Where what they hold then cannot be used, for example because
/// only one of the two is new yet, what was used before stays.
///
/// # Errors
/// The files cannot be read, or hold no certificate and key that fit.
pub(crate) async fn open(
    files: TlsFiles,
    every: Duration,
    stop: CancellationToken,
) -> anyhow::Result<RustlsConfig> {
    let content = read(&files).await?;
    let config = RustlsConfig::from_config(Arc::new(make(&files, &content)?));
    let served = config.clone();
    tokio::spawn(async move {
        let mut last = content;
        let mut ticks = tokio::time::interval(every.max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            match renewed(&files, &last).await {
                Ok(None) => {}
                Ok(Some((content, config))) => {
                    served.reload_from_config(Arc::new(config));
                    last = content;
                    tracing::info!(certificate = %files.certificate.display(), "the certificate was renewed");
                }
                Err(error) => tracing::warn!("the certificate stays as it was: {error:#}"),
            }
        }
    });
    Ok(config)
}

async fn renewed(files: &TlsFiles, last: &Content) -> anyhow::Result<Option<(Content, ServerConfig)>> {
    let content = read(files).await?;
    if content == *last {
        return Ok(None);
    }
    let config = make(files, &content)?;
    Ok(Some((content, config)))
}

async fn read(files: &TlsFiles) -> anyhow::Result<Content> {
    let one = async |path: &std::path::Path| {
        let content = tokio::fs::read(path).await;
        content.with_context(|| format!("cannot read {}", path.display()))
    };
    Ok((one(&files.certificate).await?, one(&files.key).await?))
}

fn make(files: &TlsFiles, (certificate, key): &Content) -> anyhow::Result<ServerConfig> {
    let shown = files.certificate.display();
    let chain = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<Vec<_>, _>>()
        .with_context(|| format!("{shown} holds no certificates"))?;
    let key = PrivateKeyDer::from_pem_slice(key)
        .with_context(|| format!("{} holds no private key", files.key.display()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("no protocol version of TLS")?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .with_context(|| format!("{shown} and {} do not fit", files.key.display()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
