//! Serving the admission webhook: over TLS, on a port of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use tokio_util::sync::CancellationToken;

use crate::Settings;

/// How often certificate and key are read again.
const RELOAD: Duration = Duration::from_secs(600);
/// How long requests may take to end.
const GRACE: Duration = Duration::from_secs(5);

/// Where the admission webhook is served, and as whom.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The certificate chain, PEM.
    pub certificate: PathBuf,
    /// The private key to it, PEM.
    pub key: PathBuf,
}

impl Webhook {
    /// Returns what the settings say, `None` if there shall be no webhook.
    #[must_use]
    pub fn of(settings: &Settings) -> Option<Self> {
        Some(Self {
            listen: settings.admission_listen?,
            certificate: settings.admission_cert.clone()?,
            key: settings.admission_key.clone()?,
        })
    }

    /// Serves routes in the background until `stop` is cancelled, and returns where. A certificate that is replaced
    /// is taken over within ten minutes.
    ///
    /// # Errors
    /// The address is taken, or certificate and key cannot be used.
    pub async fn serve(&self, router: Router, stop: CancellationToken) -> anyhow::Result<SocketAddr> {
        let tls = RustlsConfig::from_pem_file(&self.certificate, &self.key)
            .await
            .with_context(|| {
                format!(
                    "cannot use the certificate {} with the key {}",
                    self.certificate.display(),
                    self.key.display()
                )
            })?;
        let listener = std::net::TcpListener::bind(self.listen)
            .with_context(|| format!("cannot listen on {}", self.listen))?;
        listener
            .set_nonblocking(true)
            .context("cannot set the listener up")?;
        let address = listener.local_addr().context("the listener has no address")?;
        let handle = Handle::new();
        let server = axum_server::from_tcp_rustls(listener, tls.clone())?.handle(handle.clone());
        tokio::spawn(async move {
            if let Err(error) = server.serve(router.into_make_service()).await {
                tracing::error!(%error, "the admission webhook has stopped");
            }
        });
        let files = self.clone();
        tokio::spawn(async move {
            stop.run_until_cancelled(files.reload(tls)).await;
            handle.graceful_shutdown(Some(GRACE));
        });
        Ok(address)
    }

    async fn reload(&self, tls: RustlsConfig) {
        let mut ticks = tokio::time::interval(RELOAD);
        loop {
            ticks.tick().await;
            if let Err(error) = tls.reload_from_pem_file(&self.certificate, &self.key).await {
                tracing::warn!(%error, file = %self.certificate.display(), "the certificate cannot be read again; the old one stays");
            }
        }
    }
}
