//! The table of settings.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::LazyLock;

use nautes_gitops::RepoPath;
use nautes_gitops::host::ForgeType;
use nautes_model::Secret;
use nautes_vault::vault::told::{self, Told};
use url::Url;

use super::values::{count, duration, origins, parsed, size, some_time, truth};
use super::{Otherwise, Set, Setting};
use crate::settings::{Settings, TlsFiles};
use crate::watch::WatchLimits;

/// The settings of the program.
#[derive(Clone, Debug)]
pub struct Config {
    /// How the API serves; without the files for TLS, see [`Config::serving`].
    pub settings: Settings,
    /// How much watching may take.
    pub watch: WatchLimits,
    /// The folder of the local forge and the local secret store.
    pub data: PathBuf,
    /// Where the local forge serves Git over HTTP.
    pub forge_listen: SocketAddr,
    /// Of what type the forge at another address is.
    pub forge_type: ForgeType,
    /// The address of a forge that takes the place of the local one.
    pub forge_url: Option<Url>,
    /// The name of that forge.
    pub forge_name: Option<String>,
    /// The file with the token of the platform's account on it.
    pub forge_token_file: Option<PathBuf>,
    /// Certificates that are trusted for it.
    pub forge_ca_file: Option<PathBuf>,
    /// The proxy by which it is reached.
    pub forge_proxy: Option<Secret>,
    /// Whether it may be on this machine.
    pub forge_loopback: bool,
    /// The Vault that takes the place of the local secret store.
    pub vault: Told,
    /// The kubeconfig of the tenant cluster.
    pub kubeconfig: Option<PathBuf>,
    /// The name of the tenant.
    pub tenant: String,
    /// The repository in which the tenant is declared.
    pub tenant_repo: Option<RepoPath>,
    /// Where the forge reaches the webhook receiver.
    pub webhook_url: Option<Url>,
    /// The certificate chain.
    pub tls_cert: Option<PathBuf>,
    /// The key of the certificate.
    pub tls_key: Option<PathBuf>,
    /// The filter of the log.
    pub log: String,
}

impl Default for Config {
    fn default() -> Self {
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            settings: Settings::on(nowhere),
            watch: WatchLimits::default(),
            data: PathBuf::new(),
            forge_listen: nowhere,
            forge_type: ForgeType::default(),
            forge_url: None,
            forge_name: None,
            forge_token_file: None,
            forge_ca_file: None,
            forge_proxy: None,
            forge_loopback: false,
            vault: Told::default(),
            kubeconfig: None,
            tenant: String::new(),
            tenant_repo: None,
            webhook_url: None,
            tls_cert: None,
            tls_key: None,
            log: String::new(),
        }
    }
}

impl Config {
    /// Returns how the API serves.
    #[must_use]
    pub fn serving(&self) -> Settings {
        let files = self.tls_cert.clone().zip(self.tls_key.clone());
        Settings {
            tls: files.map(|(certificate, key)| TlsFiles { certificate, key }),
            ..self.settings.clone()
        }
    }
}

/// Every setting: those of Vault after those of the forge.
pub static SETTINGS: LazyLock<Vec<Setting>> = LazyLock::new(|| {
    let (forge, rest) = OWN.split_at(
        OWN.iter()
            .position(|s| s.name == "kubeconfig")
            .unwrap_or(OWN.len()),
    );
    let vault = told::SETTINGS.iter().map(|setting| Setting {
        name: setting.name,
        env: setting.env,
        value: setting.value,
        otherwise: setting.default.map_or(Otherwise::Nothing, Otherwise::Value),
        description: setting.description,
        set: Set::Vault(setting),
    });
    forge
        .iter()
        .copied()
        .chain(vault)
        .chain(rest.iter().copied())
        .collect()
});

macro_rules! settings {
    ($($name:literal, $env:literal, $value:literal, $otherwise:expr, $description:literal,
       |$config:ident, $text:ident| $set:expr;)*) => {
        const OWN: &[Setting] = &[$(Setting {
            name: $name,
            env: $env,
            value: $value,
            otherwise: $otherwise,
            description: $description,
            set: Set::Own(|$config, $text| {
                $set;
                Ok(())
            }),
        }),*];
    };
}

settings! {
    "listen", "NAUTES_API_LISTEN", "ADDRESS", Otherwise::Value("127.0.0.1:8000"),
        "Where the API listens.",
        |c, t| c.settings.listen = parsed(t)?;
    "data", "NAUTES_DATA", "DIR", Otherwise::Refused,
        "The folder of the local forge and the local secret store.",
        |c, t| c.data = PathBuf::from(t);
    "forge-listen", "NAUTES_FORGE_LISTEN", "ADDRESS", Otherwise::Value("127.0.0.1:8001"),
        "Where the local forge serves Git over HTTP.",
        |c, t| c.forge_listen = parsed(t)?;
    "forge-type", "NAUTES_FORGE_TYPE", "TYPE", Otherwise::Value("gitlab"),
        "Of what type the forge at `--forge-url` is: `gitlab`, `gitea` (Forgejo, too), or `git` for Git over HTTPS alone.",
        |c, t| c.forge_type = parsed(t)?;
    "forge-url", "NAUTES_FORGE_URL", "URL", Otherwise::Nothing,
        "The address of the forge, without that of its API; then there is no local forge.",
        |c, t| c.forge_url = Some(parsed(t)?);
    "forge-name", "NAUTES_FORGE_NAME", "NAME", Otherwise::Nothing,
        "The name of the forge, as providers and messages name it; its type if it is not given.",
        |c, t| c.forge_name = Some(t.to_owned());
    "forge-token-file", "NAUTES_FORGE_TOKEN_FILE", "FILE", Otherwise::Nothing,
        "The file with the token of the platform's account on the forge (on GitLab: scope `api`).",
        |c, t| c.forge_token_file = Some(PathBuf::from(t));
    "forge-ca-file", "NAUTES_FORGE_CA_FILE", "FILE", Otherwise::Nothing,
        "Certificates (PEM) that are trusted for the forge besides those of the system.",
        |c, t| c.forge_ca_file = Some(PathBuf::from(t));
    "forge-proxy", "NAUTES_FORGE_PROXY", "URL", Otherwise::Nothing,
        "The proxy by which the forge is reached; `HTTPS_PROXY` and the like are not looked at.",
        |c, t| c.forge_proxy = Some(Secret::from(t));
    "forge-loopback", "NAUTES_FORGE_LOOPBACK", "BOOL", Otherwise::Value("false"),
        "Whether the forge may be on this machine, also over plain HTTP.",
        |c, t| c.forge_loopback = truth(t)?;
    "kubeconfig", "KUBECONFIG", "FILE", Otherwise::Nothing,
        "The kubeconfig of the tenant cluster; without it, the one of the pod or of the user.",
        |c, t| c.kubeconfig = Some(PathBuf::from(t));
    "tenant", "NAUTES_TENANT", "NAME", Otherwise::Value("nautes"),
        "The name of the tenant.",
        |c, t| c.tenant = t.to_owned();
    "tenant-repo", "NAUTES_TENANT_REPO", "GROUP/NAME", Otherwise::Value("nautes/management"),
        "The repository in which the tenant is declared.",
        |c, t| c.tenant_repo = Some(parsed(t)?);
    "webhook-url", "NAUTES_WEBHOOK_URL", "URL", Otherwise::Value("http://127.0.0.1:8002"),
        "Where the forge reaches the webhook receiver.",
        |c, t| c.webhook_url = Some(parsed(t)?);
    "body-limit", "NAUTES_API_BODY_LIMIT", "SIZE", Otherwise::Value("32MiB"),
        "The largest body of a request; it is checked before the body is parsed.",
        |c, t| c.settings.body_limit = size(t)?;
    "deadline", "NAUTES_API_DEADLINE", "DURATION", Otherwise::Value("60s"),
        "How long one request may take. A write that takes longer is finished all the same.",
        |c, t| c.settings.deadline = some_time(t)?;
    "body-deadline", "NAUTES_API_BODY_DEADLINE", "DURATION", Otherwise::Value("30s"),
        "How long the body of a request may take to arrive (408); it counts into `deadline`.",
        |c, t| c.settings.body_deadline = some_time(t)?;
    "concurrency", "NAUTES_API_CONCURRENCY", "NUMBER", Otherwise::Value("512"),
        "How many requests are worked on at once; more are told to come back.",
        |c, t| c.settings.concurrency = count(t)?;
    "concurrency-per-caller", "NAUTES_API_CONCURRENCY_PER_CALLER", "NUMBER", Otherwise::Value("128"),
        "How many requests of one user are worked on at once; more are told to come back.",
        |c, t| c.settings.concurrency_per_caller = count(t)?;
    "grace", "NAUTES_API_GRACE", "DURATION", Otherwise::Value("20s"),
        "How long accepted requests may still take when the server stops.",
        |c, t| c.settings.grace = duration(t)?;
    "tls-cert", "NAUTES_TLS_CERT", "FILE", Otherwise::Nothing,
        "A certificate chain (PEM); with it the API speaks HTTPS.",
        |c, t| c.tls_cert = Some(PathBuf::from(t));
    "tls-key", "NAUTES_TLS_KEY", "FILE", Otherwise::Nothing,
        "The private key of the certificate (PEM).",
        |c, t| c.tls_key = Some(PathBuf::from(t));
    "tls-reload", "NAUTES_TLS_RELOAD", "DURATION", Otherwise::Value("10s"),
        "How often the two files are looked at again; new content is used without a restart.",
        |c, t| c.settings.tls_reload = some_time(t)?;
    "hsts", "NAUTES_API_HSTS", "DURATION", Otherwise::Value("8760h"),
        "How long browsers that have seen HTTPS here keep to it (`Strict-Transport-Security`); `0s` says nothing to them.",
        |c, t| c.settings.hsts = duration(t)?;
    "cors-origins", "NAUTES_API_CORS_ORIGINS", "ORIGINS", Otherwise::Nothing,
        "The origins from which browsers may ask, or `*`; nobody where it is not set.",
        |c, t| c.settings.cors_origins = origins(t)?;
    "metrics-listen", "NAUTES_API_METRICS_LISTEN", "ADDRESS", Otherwise::Nothing,
        "Where `/metrics` and the probes are served to everybody, without TLS, apart from the API.",
        |c, t| c.settings.metrics_listen = Some(parsed(t)?);
    "metrics-public", "NAUTES_API_METRICS_PUBLIC", "TRUTH", Otherwise::Value("false"),
        "Whether the API itself gives `/metrics` to everybody, and not only to readers of the tenant repository.",
        |c, t| c.settings.metrics_public = truth(t)?;
    "watch-kept", "NAUTES_API_WATCH_KEPT", "NUMBER", Otherwise::Value("4096"),
        "How many events of `/api/v1/watch` are kept for those who come back with `Last-Event-ID`.",
        |c, t| c.watch.kept = count(t)?;
    "watch-waiting", "NAUTES_API_WATCH_WAITING", "NUMBER", Otherwise::Value("256"),
        "How many events may wait for one watcher; who is further behind is cut off, and comes back with `Last-Event-ID`.",
        |c, t| c.watch.waiting = count(t)?;
    "watch-patience", "NAUTES_API_WATCH_PATIENCE", "DURATION", Otherwise::Value("15s"),
        "How long one event may wait for its watcher before he is cut off.",
        |c, t| c.watch.patience = some_time(t)?;
    "watch-per-caller", "NAUTES_API_WATCH_PER_CALLER", "NUMBER", Otherwise::Value("16"),
        "How many watches one user may have open; each counts into `concurrency-per-caller` too.",
        |c, t| c.watch.per_caller = count(t)?;
    "watch-all", "NAUTES_API_WATCH_ALL", "NUMBER", Otherwise::Value("1024"),
        "How many watches may be open at once.",
        |c, t| c.watch.all = count(t)?;
    "watch-heartbeat", "NAUTES_API_WATCH_HEARTBEAT", "DURATION", Otherwise::Value("15s"),
        "How often a watcher is sent a sign of life where nothing happens.",
        |c, t| c.watch.heartbeat = some_time(t)?;
    "watch-recheck", "NAUTES_API_WATCH_RECHECK", "DURATION", Otherwise::Value("30s"),
        "How often the forge is asked again what a watcher may see: so long may a right that was taken away still count.",
        |c, t| c.watch.recheck = some_time(t)?;
    "watch-lifetime", "NAUTES_API_WATCH_LIFETIME", "DURATION", Otherwise::Value("1h"),
        "How long one watch lasts; whoever wants more comes back with `Last-Event-ID`.",
        |c, t| c.watch.lifetime = some_time(t)?;
    "log", "NAUTES_LOG", "FILTER", Otherwise::Value("info"),
        "The filter of the log on stderr.",
        |c, t| c.log = t.to_owned();
}
