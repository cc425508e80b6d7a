//! Listening: TLS or not, and an end that finishes what was accepted.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use axum_server::Handle;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::routes::router;
use crate::settings::{Settings, TlsFiles};

/// How long accepted requests may still take when the server stops.
const GRACE: std::time::Duration = std::time::Duration::from_secs(20);

/// A server that listens.
#[derive(Debug)]
pub struct Serving {
    /// Where it listens, with the port that it got.
    pub address: SocketAddr,
    done: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Serving {
    /// Waits until the server has stopped and finished what it had accepted.
    ///
    /// # Errors
    /// The listener failed.
    pub async fn finished(self) -> anyhow::Result<()> {
        self.done
            .await
            .context("the server was aborted")?
            .context("the listener failed")
    }
}

/// Binds, and serves until `stop`.
///
/// # Errors
/// The address is taken, or the certificate cannot be used.
pub async fn serve(settings: &Settings, app: App, stop: CancellationToken) -> anyhow::Result<Serving> {
    let listener = std::net::TcpListener::bind(settings.listen)
        .with_context(|| format!("cannot listen on {}", settings.listen))?;
    listener
        .set_nonblocking(true)
        .context("cannot set the listener up")?;
    let address = listener.local_addr().context("the listener has no address")?;
    let service = router(app.clone(), settings).into_make_service();
    let handle = Handle::new();
    tokio::spawn({
        let handle = handle.clone();
        async move {
            stop.cancelled().await;
            app.close();
            handle.graceful_shutdown(Some(GRACE));
        }
    });
    let done = match &settings.tls {
        None => {
            let server = axum_server::from_tcp(listener)?.handle(handle);
            tokio::spawn(server.serve(service))
        }
        Some(files) => {
            let config = axum_server::tls_rustls::RustlsConfig::from_config(Arc::new(tls(files)?));
            let server = axum_server::from_tcp_rustls(listener, config)?.handle(handle);
            tokio::spawn(server.serve(service))
        }
    };
    Ok(Serving { address, done })
}

fn tls(files: &TlsFiles) -> anyhow::Result<rustls::ServerConfig> {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let shown = files.certificate.display();
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("{shown} holds no certificates"))?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .with_context(|| format!("{} holds no private key", files.key.display()))?;
    let mut config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .context("no protocol version of TLS")?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .context("certificate and key do not fit")?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
