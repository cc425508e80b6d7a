//! What the program is told: arguments and environment, read once.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use nautes_model::Secret;
use url::Url;

/// Keeps forge, secret store and clusters as the repositories say.
///
/// The tenant cluster is the one of KUBECONFIG, or the one in which the program runs. The forge is a GitLab
/// (--forge-url), or a local one over a data folder, which no other process may have open (--forge-data). Of secret
/// stores only the encrypted local one over a file can be named for now.
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
    #[arg(long, env = "NAUTES_FORGE_DATA", required_unless_present = "forge_url")]
    pub forge_data: Option<PathBuf>,
    /// Where the local forge serves Git over HTTP; not at all if it is not given.
    #[arg(long, env = "NAUTES_FORGE_LISTEN")]
    pub forge_listen: Option<SocketAddr>,
    /// The address of a GitLab, without /api/v4; then there is no local forge.
    #[arg(long, env = "NAUTES_FORGE_URL", conflicts_with_all = ["forge_data", "forge_listen"], requires = "forge_token_file")]
    pub forge_url: Option<Url>,
    /// The name of the GitLab, as providers and messages name it.
    #[arg(long, env = "NAUTES_FORGE_NAME", default_value = "gitlab")]
    pub forge_name: String,
    /// The file with the token of the platform's account on GitLab, scope api.
    #[arg(long, env = "NAUTES_FORGE_TOKEN_FILE", requires = "forge_url")]
    pub forge_token_file: Option<PathBuf>,
    /// Certificates that are trusted for GitLab besides those of the system, PEM.
    #[arg(long, env = "NAUTES_FORGE_CA_FILE", requires = "forge_url")]
    pub forge_ca_file: Option<PathBuf>,
    /// The proxy by which GitLab is reached.
    #[arg(
        long,
        env = "NAUTES_FORGE_PROXY",
        requires = "forge_url",
        hide_env_values = true
    )]
    pub forge_proxy: Option<Secret>,
    /// Allows a GitLab on this machine, also over plain HTTP.
    #[arg(long, env = "NAUTES_FORGE_LOOPBACK", requires = "forge_url")]
    pub forge_loopback: bool,
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
    /// How often repositories are looked at without anybody having said that they changed, in seconds.
    #[arg(long, env = "NAUTES_POLL", value_name = "SECONDS", default_value = "60", value_parser = clap::value_parser!(u32).range(1..))]
    pub poll: u32,
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

#[cfg(test)]
mod tests {
    use super::*;

    const REST: [&str; 6] = ["--store-file", "s", "--store-key-file", "k", "--mirrors", "m"];

    fn parse(forge: &[&str]) -> Result<Settings, clap::Error> {
        let program = ["nautes-controller"];
        Settings::try_parse_from(program.iter().chain(&REST).chain(forge))
    }

    #[test]
    fn there_is_one_forge() {
        assert!(parse(&["--forge-data", "d"]).is_ok());
        let gitlab = [
            "--forge-url",
            "https://gitlab.example.com",
            "--forge-token-file",
            "t",
        ];
        let settings = parse(&[&gitlab[..], &["--forge-proxy", "http://user:canary@proxy"]].concat());
        assert!(!format!("{:?}", settings.unwrap()).contains("canary"));
        for wrong in [
            &[][..],
            &gitlab[..2],
            &["--forge-data", "d", "--forge-ca-file", "c"],
            &[&gitlab[..], &["--forge-data", "d"]].concat(),
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
