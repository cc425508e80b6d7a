//! The HTTPS door: the same server for kubectl.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::{
    patience::Patient,
    server::{self, Server},
};

const HANDSHAKE: Duration = Duration::from_secs(10);
const FAREWELL: Duration = Duration::from_secs(2);

/// Opens the port.
pub(crate) async fn bind(address: SocketAddr) -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Serves connections until the server stops.
pub(crate) async fn run(listener: TcpListener, config: Arc<rustls::ServerConfig>, server: Arc<Server>) {
    let acceptor = TlsAcceptor::from(config);
    let graceful = Arc::new(GracefulShutdown::new());
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::task::yield_now().await;
                    continue;
                }
            },
            () = server.stopped.cancelled() => break,
        };
        let (acceptor, server, watcher) = (acceptor.clone(), server.clone(), graceful.watcher());
        tokio::spawn(async move { connection(stream, &acceptor, server, watcher).await });
    }
    if let Some(graceful) = Arc::into_inner(graceful) {
        let _ = tokio::time::timeout(FAREWELL, graceful.shutdown()).await;
    }
}

async fn connection(
    stream: TcpStream,
    acceptor: &TlsAcceptor,
    server: Arc<Server>,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let _ = stream.set_nodelay(true);
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(Patient::new(stream))).await else {
        return;
    };
    let service = hyper::service::service_fn(move |request| {
        let server = server.clone();
        async move { server::serve(server, request, None).await }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HANDSHAKE);
    let connection = builder
        .serve_connection(TokioIo::new(stream), service)
        .into_owned();
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended");
    }
}
