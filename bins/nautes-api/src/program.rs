//! The program: settings from the command line and the environment, composed over the parts of one folder.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::ArgMatches;
use nautes_gitops::host::gitlab::{self, Gitlab};
use nautes_runtime::platform::TenantSettings;
use nautes_runtime::platform::machine::{Machine, own_tenant};
use nautes_vault::StoreError;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::config::{Config, ConfigError, Decided, SETTINGS, command, decide, read_file};
use crate::run::serve;
use crate::settings::Settings;
use crate::watch::WatchLimits;

/// How a mistake in the settings ends the program.
const MISUSED: u8 = 2;

/// Runs the program until it is told to stop.
pub fn main() -> ExitCode {
    let matches = command().get_matches();
    let decided = match settings(&matches) {
        Ok(decided) => decided,
        Err(error) => {
            return say(
                &format!("{error:#}\n"),
                &mut std::io::stderr(),
                ExitCode::from(MISUSED),
            );
        }
    };
    if matches.get_flag("print-config") {
        return say(&decided.shown(), &mut std::io::stdout(), ExitCode::SUCCESS);
    }
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(&decided.config.log))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
    // Another part may have installed the same provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let user: Option<Vec<String>> = matches
        .get_many("create-user")
        .map(|values| values.cloned().collect());
    let result = tokio::runtime::Runtime::new()
        .context("the program cannot start")
        .and_then(|r| r.block_on(run(decided.config, user)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn say(text: &str, to: &mut dyn std::io::Write, code: ExitCode) -> ExitCode {
    match to.write_all(text.as_bytes()) {
        Ok(()) => code,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Decides the settings, from the command line, the environment and the file.
fn settings(matches: &ArgMatches) -> anyhow::Result<Decided> {
    let flags: BTreeMap<String, String> = SETTINGS
        .iter()
        .filter_map(|setting| {
            let text = matches.get_one::<String>(setting.name)?;
            Some((setting.name.to_owned(), text.clone()))
        })
        .collect();
    // What is set to nothing is not set.
    let environment: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(_, value)| !value.is_empty())
        .collect();
    let file = matches.get_one::<String>("config");
    let read: Option<BTreeMap<String, String>> = file
        .map(|name| {
            let text = std::fs::read_to_string(name).with_context(|| format!("cannot read {name}"))?;
            Ok::<_, anyhow::Error>(read_file(name, &text)?)
        })
        .transpose()?;
    let file = file.map(String::as_str).zip(read.as_ref());
    decide(&flags, &environment, file).map_err(|error: ConfigError| error.into())
}

async fn run(config: Config, user: Option<Vec<String>>) -> anyhow::Result<()> {
    let client = tenant_cluster(config.kubeconfig.as_deref()).await?;
    let (settings, watch) = (config.serving(), config.watch);
    let gitlab = gitlab(&config).await?;
    let vault = config.vault.open().await.map_err(told)?;
    let secrets = vault.as_ref().map(|vault| Arc::clone(&vault.store));
    let machine = Machine {
        data: config.data,
        forge: config.forge_listen,
        tenant: TenantSettings::new(
            config.tenant,
            config.tenant_repo.context("the tenant repository is not set")?,
        ),
        webhook_url: config.webhook_url.context("the webhook address is not set")?,
        secrets,
    };
    let result = compose(machine, client, gitlab, &settings, watch, user).await;
    if let Some(vault) = vault {
        // A token that is not revoked ends by itself.
        if let Err(error) = vault.log_out().await {
            tracing::warn!(%error, "the login of the secret store stays until it ends");
        }
    }
    result
}

/// Says what the user can do about an error of the secret store.
fn told(error: StoreError) -> anyhow::Error {
    let hint = error
        .hint()
        .map(|hint| format!("the secret store cannot be used; {hint}"));
    let error = anyhow::Error::new(error);
    match hint {
        Some(hint) => error.context(hint),
        None => error,
    }
}

async fn compose(
    machine: Machine,
    client: kube::Client,
    gitlab: Option<Gitlab>,
    settings: &Settings,
    watch: WatchLimits,
    user: Option<Vec<String>>,
) -> anyhow::Result<()> {
    if let Some(gitlab) = gitlab {
        anyhow::ensure!(
            user.is_none(),
            "--create-user is for the local forge; GitLab has its own users"
        );
        let forge = gitlab.url().to_owned();
        let platform = machine
            .open_with(Arc::new(gitlab), client, |builder| builder)
            .await?;
        return work(settings, App::with_watch(platform, watch), &forge).await;
    }
    let opened = machine.open(client, |builder| builder).await?;
    if let Some(user) = user {
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
    let forge = opened.serving.address.to_string();
    work(settings, App::with_watch(opened.platform, watch), &forge).await?;
    opened.serving.stop().await;
    Ok(())
}

/// Serves until the program is told to stop.
async fn work(settings: &Settings, app: App, forge: &str) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let serving = serve(settings, app, stop.clone()).await?;
    let metrics = serving.metrics.map(tracing::field::display);
    tracing::info!(api = %serving.address, forge, metrics, "listening");
    tokio::spawn(async move {
        signal().await;
        stop.cancel();
    });
    serving.finished().await
}

/// Prepares to talk to the GitLab that the settings name, if they name one.
async fn gitlab(config: &Config) -> anyhow::Result<Option<Gitlab>> {
    let Some((url, token)) = config.forge_url.as_ref().zip(config.forge_token_file.as_ref()) else {
        return Ok(None);
    };
    let ca = config.forge_ca_file.as_deref();
    let mut options = gitlab::Options::from_files(&config.forge_name, url.as_str(), token, ca)
        .await
        .context("cannot use GitLab")?;
    if let Some(proxy) = &config.forge_proxy {
        options.net.proxy = Some(proxy.expose_str().context("the proxy is no address")?.to_owned());
    }
    options.net.loopback = config.forge_loopback;
    Gitlab::new(options).context("cannot use GitLab").map(Some)
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
