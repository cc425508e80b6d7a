//! What the program is told: arguments and environment, read once.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use url::Url;

/// Keeps forge, secret store and clusters as the repositories say.
///
/// The tenant cluster is the one of KUBECONFIG, or the one in which the program runs. Of forges and secret stores
/// only the local ones can be named for now: a local forge over a data folder (which no other process may have
/// open), and the encrypted local store over a file. Others come as settings of their own.
#[derive(Clone, Debug, Parser)]
#[command(name = "nautes-controller", version)]
pub struct Settings {
    /// The name of the tenant.
    #[arg(long, env = "NAUTES_TENANT", default_value = "nautes")]
    pub tenant: String,
    /// The repository in which the tenant is declared.
    #[arg(long, env = "NAUTES_TENANT_REPO", default_value = "nautes/management")]
    pub tenant_repo: String,
    /// The namespace of the tenant cluster for the tenant's resources.
    #[arg(long, env = "NAUTES_NAMESPACE", default_value = "nautes")]
    pub namespace: String,
    /// The branch that counts in repositories with manifests.
    #[arg(long, env = "NAUTES_BRANCH", default_value = "main")]
    pub branch: String,
    /// The data folder of the local forge.
    #[arg(long, env = "NAUTES_FORGE_DATA")]
    pub forge_data: PathBuf,
    /// Where the local forge serves Git over HTTP; not at all if it is not given.
    #[arg(long, env = "NAUTES_FORGE_LISTEN")]
    pub forge_listen: Option<SocketAddr>,
    /// The file of the local secret store; it is made if it is not there.
    #[arg(long, env = "NAUTES_STORE_FILE")]
    pub store_file: PathBuf,
    /// The file with the key of the local secret store, mode 0600; it is made if it is not there.
    #[arg(long, env = "NAUTES_STORE_KEY_FILE")]
    pub store_key_file: PathBuf,
    /// The folder for mirrors of repositories. It holds nothing that cannot be fetched again.
    #[arg(long, env = "NAUTES_MIRRORS")]
    pub mirrors: PathBuf,
    /// Where webhooks, health, readiness and metrics are served.
    #[arg(long, env = "NAUTES_LISTEN", default_value = "127.0.0.1:8081")]
    pub listen: SocketAddr,
    /// The address at which the forge reaches the webhook receiver; where it listens if it is not given.
    #[arg(long, env = "NAUTES_WEBHOOK_URL")]
    pub webhook_url: Option<Url>,
    /// Where the admission webhook is served; it is not if this is not given. See `nautes crds --webhook`.
    #[arg(long, env = "NAUTES_ADMISSION_LISTEN", requires_all = ["admission_cert", "admission_key"])]
    pub admission_listen: Option<SocketAddr>,
    /// The certificate chain of the admission webhook, PEM. A file that changes is read again within ten minutes.
    #[arg(long, env = "NAUTES_ADMISSION_CERT", requires = "admission_listen")]
    pub admission_cert: Option<PathBuf>,
    /// The private key to it, PEM.
    #[arg(long, env = "NAUTES_ADMISSION_KEY", requires = "admission_listen")]
    pub admission_key: Option<PathBuf>,
    /// What is logged, in the syntax of `tracing` filters.
    #[arg(long, env = "NAUTES_LOG", default_value = "info")]
    pub log: String,
}
