//! Listening: TLS or not, and an end that finishes what was accepted.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum_server::Handle;
use hyper_util::rt::TokioTimer;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::routes::{metrics_router, router};
use crate::settings::Settings;
use crate::tls;

/// How long a client may take to send the head of a request.
const HEAD: Duration = Duration::from_secs(15);

/// A server that listens.
#[derive(Debug)]
pub struct Serving {
    /// Where it listens, with the port that it got.
    pub address: SocketAddr,
    /// Where the metrics are served apart, if they are.
    pub metrics: Option<SocketAddr>,
    done: JoinHandle<anyhow::Result<()>>,
}

impl Serving {
    /// Waits until the server has stopped and finished what it had accepted.
    ///
    /// # Errors
    /// The listener failed, or what was accepted could not be finished in time.
    pub async fn finished(self) -> anyhow::Result<()> {
        self.done.await.context("the server was aborted")?
    }
}

/// Binds, and serves until `stop`.
///
/// # Errors
/// An address is taken, or the certificate cannot be used.
pub async fn serve(settings: &Settings, app: App, stop: CancellationToken) -> anyhow::Result<Serving> {
    let (listener, address) = bind(settings.listen)?;
    let apart = settings.metrics_listen.map(bind).transpose()?;
    let tls = match &settings.tls {
        None => None,
        Some(files) => Some(tls::open(files.clone(), settings.tls_reload, stop.clone()).await?),
    };
    let grace = settings.grace;
    let handle = Handle::new();
    tokio::spawn({
        let (handle, app, stop) = (handle.clone(), app.clone(), stop.clone());
        async move {
            stop.cancelled().await;
            app.stop();
            handle.graceful_shutdown(Some(grace));
        }
    });
    let service = router(app.clone(), settings).into_make_service();
    let listening: JoinHandle<std::io::Result<()>> = match tls {
        None => {
            let mut server = axum_server::from_tcp(listener)?.handle(handle);
            limits(server.http_builder());
            tokio::spawn(server.serve(service))
        }
        Some(config) => {
            let mut server = axum_server::from_tcp_rustls(listener, config)?.handle(handle);
            limits(server.http_builder());
            tokio::spawn(server.serve(service))
        }
    };
    let metrics = apart.as_ref().map(|(_, address)| *address);
    if let Some((listener, _)) = apart {
        serve_apart(listener, metrics_router(app.clone()), stop)?;
    }
    let done = tokio::spawn(async move {
        listening
            .await
            .context("the server was aborted")?
            .context("the listener failed")?;
        app.accepted().close();
        tokio::time::timeout(grace, app.accepted().wait())
            .await
            .context("writes that were accepted are not finished; repeating them is safe")
    });
    Ok(Serving {
        address,
        metrics,
        done,
    })
}

fn bind(address: SocketAddr) -> anyhow::Result<(std::net::TcpListener, SocketAddr)> {
    let listener =
        std::net::TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    listener
        .set_nonblocking(true)
        .context("cannot set the listener up")?;
    let address = listener.local_addr().context("the listener has no address")?;
    Ok((listener, address))
}

fn limits(http: &mut hyper_util::server::conn::auto::Builder<hyper_util::rt::TokioExecutor>) {
    http.http1().timer(TokioTimer::new()).header_read_timeout(HEAD);
    http.http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HEAD)
        .max_concurrent_streams(250);
}

/// Serves the metrics until `stop`; nothing is finished there.
fn serve_apart(
    listener: std::net::TcpListener,
    routes: Router,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let handle = Handle::new();
    let mut server = axum_server::from_tcp(listener)?.handle(handle.clone());
    limits(server.http_builder());
    tokio::spawn(async move {
        stop.cancelled().await;
        handle.shutdown();
    });
    tokio::spawn(async move {
        if let Err(error) = server.serve(routes.into_make_service()).await {
            tracing::error!(%error, "the listener of the metrics failed");
        }
    });
    Ok(())
}
