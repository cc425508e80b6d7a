//! What the program is told: arguments and environment, read once.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use nautes_gitops::host::ForgeType;
use nautes_model::Secret;
use nautes_runtime::platform::Rotation;
use nautes_vault::rotation::Policy;
use nautes_vault::vault::told::Told;
use url::Url;

/// Keeps forge, secret store and clusters as the repositories say.
///
/// The tenant cluster is the one of KUBECONFIG, or the one in which the program runs. The forge is at another
/// address (--forge-url), or a local one over a data folder, which no other process may have open (--forge-data). The
/// secret store is a Vault or OpenBao (--vault-address), or a local, encrypted one over a file (--store-file).
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
    /// Of what type the forge at --forge-url is: gitlab, gitea (Forgejo, too), or git for Git over HTTPS alone.
    #[arg(long, env = "NAUTES_FORGE_TYPE", default_value_t, value_name = "TYPE")]
    pub forge_type: ForgeType,
    /// The address of the forge, without that of its API; then there is no local forge.
    #[arg(long, env = "NAUTES_FORGE_URL", conflicts_with_all = ["forge_data", "forge_listen"], requires = "forge_token_file")]
    pub forge_url: Option<Url>,
    /// The name of the forge, as providers and messages name it; its type if it is not given.
    #[arg(long, env = "NAUTES_FORGE_NAME")]
    pub forge_name: Option<String>,
    /// The file with the token of the platform's account on the forge (on GitLab: scope api).
    #[arg(long, env = "NAUTES_FORGE_TOKEN_FILE", requires = "forge_url")]
    pub forge_token_file: Option<PathBuf>,
    /// Certificates that are trusted for the forge besides those of the system, PEM.
    #[arg(long, env = "NAUTES_FORGE_CA_FILE", requires = "forge_url")]
    pub forge_ca_file: Option<PathBuf>,
    /// The proxy by which the forge is reached.
    #[arg(
        long,
        env = "NAUTES_FORGE_PROXY",
        requires = "forge_url",
        hide_env_values = true
    )]
    pub forge_proxy: Option<Secret>,
    /// Allows a forge on this machine, also over plain HTTP.
    #[arg(long, env = "NAUTES_FORGE_LOOPBACK", requires = "forge_url")]
    pub forge_loopback: bool,
    /// The file of the local secret store; it is made if it is not there.
    #[arg(
        long,
        env = "NAUTES_STORE_FILE",
        required_unless_present = "vault-address",
        conflicts_with = "vault-address"
    )]
    pub store_file: Option<PathBuf>,
    /// The file with the key of the local secret store, mode 0600; it is made if it is not there.
    #[arg(
        long,
        env = "NAUTES_STORE_KEY_FILE",
        required_unless_present = "vault-address",
        conflicts_with = "vault-address"
    )]
    pub store_key_file: Option<PathBuf>,
    /// The Vault.
    #[command(flatten)]
    pub vault: Told,
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
    /// The age in days at which deploy keys, webhook tokens and access tokens are replaced; only when a manifest asks for it
    /// (nautes rotate) if this is not given. The first time, all that nobody knows the age of are replaced.
    #[arg(long, env = "NAUTES_ROTATE_AFTER", value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36500))]
    pub rotate_after: Option<u32>,
    /// How long a credential works at least after it was replaced, in seconds.
    #[arg(
        long,
        env = "NAUTES_ROTATION_OVERLAP",
        value_name = "SECONDS",
        default_value = "3600"
    )]
    pub rotation_overlap: u32,
    /// Makes an access token for the forge's API for each code repository (GitLab: scope api, Maintainer) that works for so
    /// many days, and a new one when a third of them is left; none are made if this is not given.
    #[arg(long, env = "NAUTES_FORGE_ACCESS_TOKENS", value_name = "DAYS", value_parser = clap::value_parser!(u32).range(3..=365))]
    pub forge_access_tokens: Option<u32>,
    /// How long a repository or group that its manifest lets be deleted (retention: delete) is kept, archived, when the
    /// manifest is gone and nobody asked for its removal, in hours.
    #[arg(
        long,
        env = "NAUTES_DELETION_GRACE",
        value_name = "HOURS",
        default_value = "168"
    )]
    pub deletion_grace: u32,
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

impl Settings {
    /// Returns when credentials are replaced.
    #[must_use]
    pub fn rotation(&self) -> Rotation {
        let days = |days: u32| Duration::from_secs(u64::from(days) * 86_400);
        Rotation {
            policy: Policy {
                max_age: self.rotate_after.map(days),
                overlap: Duration::from_secs(self.rotation_overlap.into()),
            },
            access_tokens: self.forge_access_tokens.map(days),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORE: [&str; 4] = ["--store-file", "s", "--store-key-file", "k"];

    fn parse(forge: &[&str]) -> Result<Settings, clap::Error> {
        given(&[forge, &STORE].concat())
    }

    fn given(words: &[&str]) -> Result<Settings, clap::Error> {
        let program = ["nautes-controller", "--mirrors", "m"];
        Settings::try_parse_from(program.iter().chain(words))
    }

    #[test]
    fn there_is_one_secret_store() {
        let forge = ["--forge-data", "d"];
        let vault = ["--vault-address", "https://vault.example", "--vault-role", "r"];
        let settings = given(&[&forge[..], &vault].concat()).unwrap();
        assert!(settings.vault.is_some() && settings.store_file.is_none());
        for (wrong, said) in [
            (&forge[..], "--store-file"),
            (&[&forge[..], &vault, &STORE].concat(), "cannot be used with"),
            (&[&forge[..], &vault[..2]].concat(), "needs vault-role"),
            (&[&forge[..], &STORE[..2]].concat(), "--store-key-file"),
        ] {
            let error = given(wrong).unwrap_err().to_string();
            assert!(error.contains(said), "{wrong:?}: {error}");
        }
    }

    #[test]
    fn credentials_are_replaced_when_it_is_said() {
        let none = parse(&["--forge-data", "d"]).unwrap().rotation();
        assert_eq!(none, Rotation::default());
        let words = [
            "--forge-data",
            "d",
            "--rotate-after",
            "90",
            "--rotation-overlap",
            "60",
        ];
        let told = parse(&[&words[..], &["--forge-access-tokens", "30"]].concat());
        let told = told.unwrap().rotation();
        assert_eq!(told.policy.max_age, Some(Duration::from_secs(90 * 86_400)));
        assert_eq!(told.policy.overlap, Duration::from_secs(60));
        assert_eq!(told.access_tokens, Some(Duration::from_secs(30 * 86_400)));
        for wrong in [["--rotate-after", "0"], ["--forge-access-tokens", "366"]] {
            assert!(parse(&[&words[..2], &wrong].concat()).is_err());
        }
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
        let typed = |word| parse(&[&gitlab[..], &["--forge-type", word]].concat());
        assert_eq!(parse(&gitlab).unwrap().forge_type, ForgeType::Gitlab);
        assert_eq!(typed("gitea").unwrap().forge_type, ForgeType::Gitea);
        assert_eq!(typed("git").unwrap().forge_type, ForgeType::Git);
        assert!(typed("github").is_err());
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
