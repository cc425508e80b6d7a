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
    /// How long the body of a request may take to arrive; it counts into the deadline.
    pub body_deadline: Duration,
    /// How many requests are worked on at once; more are told to come back.
    pub concurrency: usize,
    /// How many requests of one user are worked on at once; more are told to come back.
    pub concurrency_per_caller: usize,
    /// How long accepted requests may still take when the server stops.
    pub grace: Duration,
    /// Certificate chain and key (PEM files) for HTTPS; plain HTTP when absent, which is for loopback and for a
    /// proxy that ends TLS.
    pub tls: Option<TlsFiles>,
    /// How often the files for HTTPS are looked at again.
    pub tls_reload: Duration,
    /// How long browsers that have seen HTTPS keep to it; zero says nothing to them.
    pub hsts: Duration,
    /// The origins from which browsers may ask, `*` for all; none where it is empty.
    pub cors_origins: Vec<String>,
    /// Where the metrics are served to everybody, apart from the API.
    pub metrics_listen: Option<SocketAddr>,
    /// Whether the API itself gives the metrics to everybody, and not only to readers of the tenant's repository.
    pub metrics_public: bool,
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
            body_deadline: Duration::from_secs(30),
            concurrency: 512,
            concurrency_per_caller: 128,
            grace: Duration::from_secs(20),
            tls: None,
            tls_reload: Duration::from_secs(10),
            hsts: Duration::from_secs(365 * 24 * 60 * 60),
            cors_origins: Vec::new(),
            metrics_listen: None,
            metrics_public: false,
        }
    }
}
