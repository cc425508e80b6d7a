//! The program: settings from the command line and the environment, composed over the parts of one folder.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::ArgMatches;
use nautes_gitops::host::{Connection, GitHost, local};
use nautes_runtime::platform::TenantSettings;
use nautes_runtime::platform::machine::{Machine, own_tenant};
use nautes_vault::vault::told::Opened;
use nautes_vault::{SecretStore, StoreError};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::config::{Config, ConfigError, Decided, SETTINGS, command, decide, read_file};
use crate::run::{Serving, serve};

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

/// A server that was composed from settings.
#[derive(Debug)]
pub struct Started {
    /// The API.
    pub api: Serving,
    /// The local forge, where that is the forge.
    forge: Option<local::Serving>,
    /// The server of secrets, where there is one.
    vault: Option<Opened>,
}

impl Started {
    /// Waits until the server has stopped and finished what it had accepted.
    ///
    /// # Errors
    /// See [`Serving::finished`].
    pub async fn finished(self) -> anyhow::Result<()> {
        let finished = self.api.finished().await;
        if let Some(forge) = self.forge {
            forge.stop().await;
        }
        log_out(self.vault).await;
        finished
    }
}

async fn run(config: Config, user: Option<Vec<String>>) -> anyhow::Result<()> {
    if let Some(user) = user {
        let vault = config.vault.open().await.map_err(told)?;
        let created = create_user(config, secrets(vault.as_ref()), &user).await;
        log_out(vault).await;
        return created;
    }
    let stop = CancellationToken::new();
    let started = start(config, stop.clone()).await?;
    tokio::spawn(async move {
        signal().await;
        stop.cancel();
    });
    started.finished().await
}

/// Composes what the settings name, and serves it until `stop`.
///
/// # Errors
/// A file cannot be read, the data folder is in use, the forge, the secret store or the tenant cluster cannot be used, or
/// an address is taken.
pub async fn start(config: Config, stop: CancellationToken) -> anyhow::Result<Started> {
    let vault = config.vault.open().await.map_err(told)?;
    match compose(config, secrets(vault.as_ref()), stop).await {
        Ok((api, forge)) => Ok(Started { api, forge, vault }),
        Err(error) => {
            log_out(vault).await;
            Err(error)
        }
    }
}

async fn compose(
    config: Config,
    secrets: Option<Arc<dyn SecretStore>>,
    stop: CancellationToken,
) -> anyhow::Result<(Serving, Option<local::Serving>)> {
    let (settings, watch) = (config.serving(), config.watch);
    let client = tenant_cluster(config.kubeconfig.as_deref()).await?;
    let remote = remote(&config).await?;
    let machine = machine(config, secrets)?;
    let (platform, at, forge) = match remote {
        Some((host, at)) => {
            let platform = machine.open_with(host, client, |builder| builder).await?;
            (platform, at, None)
        }
        None => {
            let opened = machine.open(client, |builder| builder).await?;
            let at = opened.serving.address.to_string();
            (opened.platform, at, Some(opened.serving))
        }
    };
    let api = serve(&settings, App::with_watch(platform, watch), stop).await?;
    let metrics = api.metrics.map(tracing::field::display);
    tracing::info!(api = %api.address, forge = at, metrics, "listening");
    Ok((api, forge))
}

fn machine(config: Config, secrets: Option<Arc<dyn SecretStore>>) -> anyhow::Result<Machine> {
    Ok(Machine {
        data: config.data,
        forge: config.forge_listen,
        tenant: TenantSettings::new(
            config.tenant,
            config.tenant_repo.context("the tenant repository is not set")?,
        ),
        webhook_url: config.webhook_url.context("the webhook address is not set")?,
        secrets,
    })
}

fn secrets(vault: Option<&Opened>) -> Option<Arc<dyn SecretStore>> {
    vault.map(|vault| Arc::clone(&vault.store))
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

/// A token that is not revoked ends by itself.
async fn log_out(vault: Option<Opened>) {
    if let Some(vault) = vault
        && let Err(error) = vault.log_out().await
    {
        tracing::warn!(%error, "the login of the secret store stays until it ends");
    }
}

async fn create_user(
    config: Config,
    secrets: Option<Arc<dyn SecretStore>>,
    user: &[String],
) -> anyhow::Result<()> {
    let [name, file] = user else {
        anyhow::bail!("a name and a file are needed")
    };
    if let Some(url) = &config.forge_url {
        anyhow::bail!("--create-user is for the local forge; the forge at {url} has its own users");
    }
    let client = tenant_cluster(config.kubeconfig.as_deref()).await?;
    let opened = machine(config, secrets)?.open(client, |builder| builder).await?;
    let token = opened
        .forge
        .admin()
        .create_user(name)
        .await
        .context("the user cannot be created")?;
    own_tenant(&opened.platform, name)
        .await
        .context("the user cannot own the tenant")?;
    write_token(file, token.expose())
}

/// Prepares to talk to the forge that the settings name, if they name one.
async fn remote(config: &Config) -> anyhow::Result<Option<(Arc<dyn GitHost>, String)>> {
    let Some((url, token_file)) = config.forge_url.as_ref().zip(config.forge_token_file.as_ref()) else {
        return Ok(None);
    };
    let (token, ca_bundle) = Connection::files(token_file, config.forge_ca_file.as_deref())
        .await
        .context("cannot use the forge")?;
    let connection = Connection {
        kind: config.forge_type,
        name: config.forge_name.clone(),
        url: url.to_string(),
        token,
        ca_bundle,
        proxy: config.forge_proxy.clone(),
        loopback: config.forge_loopback,
        known: config.tenant_repo.clone(),
    };
    let forge = connection.open();
    let forge = forge.with_context(|| format!("cannot use the forge at {url}"))?;
    Ok(Some((forge, url.to_string())))
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
