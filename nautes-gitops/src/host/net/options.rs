//! How to talk to a forge.

use std::fmt;
use std::time::Duration;

/// How to talk to a forge: whom to trust, and how much to put up with.
#[derive(Clone)]
pub struct NetOptions {
    /// Certificates in PEM form that are trusted besides those of the system.
    pub ca_bundle: Option<Vec<u8>>,
    /// The proxy to go through, `http://host:port`; the environment is not asked.
    pub proxy: Option<String>,
    /// Whether the forge may be on this machine, where plain HTTP is allowed, too.
    pub loopback: bool,
    /// Whether tokens may go over the network in clear.
    pub plain_http: bool,
    /// How long connecting may take.
    pub connect: Duration,
    /// How long one attempt of a call of the API may take.
    pub attempt: Duration,
    /// How long a call of the API may take with all attempts and pauses.
    pub total: Duration,
    /// How often a call is attempted at most.
    pub attempts: u32,
    /// How many calls of all callers go on at once; others wait.
    pub at_once: usize,
    /// The largest answer of the API, in bytes.
    pub answer_bytes: u64,
    /// The longest listing, in pages; a longer one is an error.
    pub pages: usize,
    /// How long the forge may be silent while it sends a repository.
    pub idle: Duration,
    /// How long fetching or pushing may take.
    pub transfer: Duration,
    /// The largest list of references, in bytes.
    pub refs_bytes: u64,
    /// The most that one fetch brings, in bytes.
    pub fetch_bytes: u64,
    /// The most that one push sends, in bytes.
    pub push_bytes: u64,
}

impl Default for NetOptions {
    fn default() -> Self {
        Self {
            ca_bundle: None,
            proxy: None,
            loopback: false,
            plain_http: false,
            connect: Duration::from_secs(10),
            attempt: Duration::from_secs(30),
            total: Duration::from_secs(60),
            attempts: 4,
            at_once: 16,
            answer_bytes: 16 << 20,
            pages: 1000,
            idle: Duration::from_secs(60),
            transfer: Duration::from_secs(600),
            refs_bytes: 64 << 20,
            fetch_bytes: 2 << 30,
            push_bytes: 512 << 20,
        }
    }
}

/// The address of a proxy may hold a password, so it does not show.
impl fmt::Debug for NetOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetOptions")
            .field("ca_bundle", &self.ca_bundle.is_some())
            .field("proxy", &self.proxy.is_some())
            .field("loopback", &self.loopback)
            .field("plain_http", &self.plain_http)
            .finish_non_exhaustive()
    }
}
