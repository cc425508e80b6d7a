//! Settings of the API server, fully decided.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How the API serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The largest request body, in bytes.
    pub body_limit: usize,
    /// How long one request may take.
    pub deadline: Duration,
    /// How many requests are worked on at once; more are told to come back.
    pub concurrency: usize,
    /// How many requests of one user are worked on at once; more are told to come back.
    pub concurrency_per_caller: usize,
    /// Certificate chain and key (PEM files) for HTTPS; plain HTTP when absent, which is for loopback and for a
    /// proxy that ends TLS.
    pub tls: Option<TlsFiles>,
}

/// The files for HTTPS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl Settings {
    /// The settings that fit most installations, on an address.
    #[must_use]
    pub const fn on(listen: SocketAddr) -> Self {
        Self {
            listen,
            body_limit: 32 << 20,
            deadline: Duration::from_secs(60),
            concurrency: 512,
            concurrency_per_caller: 64,
            tls: None,
        }
    }
}
