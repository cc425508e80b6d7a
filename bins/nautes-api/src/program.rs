//! The program: settings from the command line and the environment, composed over the parts of one folder.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use nautes_gitops::RepoPath;
use nautes_runtime::platform::TenantSettings;
use nautes_runtime::platform::machine::{Machine, own_tenant};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::run::serve;
use crate::settings::{Settings, TlsFiles};

/// The HTTP API of Nautes.
///
/// The forge and the secret store are the local ones, kept in the data folder, which belongs to one process at a
/// time. Other forges and stores are given to the library (`nautes_api::serve`). For everything on one machine,
/// controllers included, use `nautes local up`.
#[derive(Clone, Debug, Parser)]
#[command(name = "nautes-api", version)]
pub struct Args {
    /// Where the API listens.
    #[arg(long, env = "NAUTES_API_LISTEN", default_value = "127.0.0.1:8000")]
    listen: SocketAddr,
    /// The folder of the local forge and the local secret store.
    #[arg(long, env = "NAUTES_DATA", value_name = "DIR")]
    data: PathBuf,
    /// Where the local forge serves Git over HTTP.
    #[arg(long, env = "NAUTES_FORGE_LISTEN", default_value = "127.0.0.1:8001")]
    forge_listen: SocketAddr,
    /// The kubeconfig of the tenant cluster; without it, the one of the pod or of the user.
    #[arg(long, env = "KUBECONFIG", value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The name of the tenant.
    #[arg(long, env = "NAUTES_TENANT", default_value = "nautes")]
    tenant: String,
    /// The repository in which the tenant is declared.
    #[arg(long, env = "NAUTES_TENANT_REPO", default_value = "nautes/management")]
    tenant_repo: RepoPath,
    /// Where the forge reaches the webhook receiver.
    #[arg(long, env = "NAUTES_WEBHOOK_URL", default_value = "http://127.0.0.1:8002")]
    webhook_url: url::Url,
    /// A certificate chain (PEM); with it the API speaks HTTPS.
    #[arg(long, env = "NAUTES_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate (PEM).
    #[arg(long, env = "NAUTES_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Creates a user of the local forge who owns the tenant, writes his token to a new file, and ends.
    #[arg(long, value_names = ["NAME", "FILE"], num_args = 2)]
    create_user: Option<Vec<String>>,
    /// The filter of the log on stderr.
    #[arg(long, env = "NAUTES_LOG", default_value = "info")]
    log: String,
}

/// Runs the program until it is told to stop.
pub fn main() -> ExitCode {
    let args = Args::parse();
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(&args.log))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
    // Another part may have installed the same provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let result = tokio::runtime::Runtime::new()
        .context("the program cannot start")
        .and_then(|r| r.block_on(run(args)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> anyhow::Result<()> {
    let client = tenant_cluster(args.kubeconfig.as_deref()).await?;
    let machine = Machine {
        data: args.data,
        forge: args.forge_listen,
        tenant: TenantSettings::new(args.tenant, args.tenant_repo),
        webhook_url: args.webhook_url,
    };
    let opened = machine.open(client, |builder| builder).await?;
    if let Some(user) = args.create_user {
        let [name, file] = user.as_slice() else {
            anyhow::bail!("a name and a file are needed")
        };
        let token = opened
            .forge
            .admin()
            .create_user(name)
            .await
            .context("the user cannot be created")?;
        own_tenant(&opened.platform, name)
            .await
            .context("the user cannot own the tenant")?;
        return write_token(file, token.expose());
    }
    let settings = Settings {
        tls: args
            .tls_cert
            .zip(args.tls_key)
            .map(|(certificate, key)| TlsFiles { certificate, key }),
        ..Settings::on(args.listen)
    };
    let stop = CancellationToken::new();
    let serving = serve(&settings, App::new(opened.platform), stop.clone()).await?;
    tracing::info!(api = %serving.address, forge = %opened.serving.address, "listening");
    tokio::spawn(async move {
        signal().await;
        stop.cancel();
    });
    serving.finished().await?;
    opened.serving.stop().await;
    Ok(())
}

async fn tenant_cluster(file: Option<&std::path::Path>) -> anyhow::Result<kube::Client> {
    let config = match file {
        Some(file) => {
            let kubeconfig = kube::config::Kubeconfig::read_from(file)
                .with_context(|| format!("cannot read the kubeconfig {}", file.display()))?;
            kube::Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default())
                .await
                .with_context(|| format!("cannot use the kubeconfig {}", file.display()))?
        }
        None => kube::Config::infer()
            .await
            .context("no kubeconfig is given, and this is no pod")?,
    };
    kube::Client::try_from(config).context("no client of the tenant cluster")
}

/// Writes a token to a file that nobody else can read, and that must not exist yet.
fn write_token(file: &str, token: &[u8]) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut out = options
        .open(file)
        .with_context(|| format!("cannot create {file}"))?;
    out.write_all(token)
        .with_context(|| format!("cannot write {file}"))
}

/// Waits for ctrl-C or a request to terminate.
async fn signal() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = interrupted => {}
            _ = terminate.recv() => {}
        }
        return;
    }
    let _ = interrupted.await;
}
