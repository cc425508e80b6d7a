//! The controllers and the webhook receiver of Nautes as a program, and as a library for those who compose one.
//!
//! | route | what |
//! |---|---|
//! | `POST /hooks/<product>/<repository>` | deliveries of the forge |
//! | `POST /admission` | reviews of writes to custom resources; on a port of its own, over TLS |
//! | `GET /healthz` | 200 while the process works |
//! | `GET /readyz` | 200 once what is declared was read, 503 before |
//! | `GET /metrics` | counters of writes and failures, in Prometheus' text form |

pub mod admission;
mod forge;
pub mod server;
pub mod settings;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser as _;
use nautes_gitops::GitHost;
use nautes_runtime::clusters::StoredClusters;
use nautes_runtime::controller::Controllers;
use nautes_runtime::platform::{Platform, TenantSettings, Timing};
use nautes_vault::{LocalStore, MasterKey, SecretStore, StoreError};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

pub use admission::Webhook;
pub use settings::Settings;

/// Runs the program: settings from arguments and environment, until it is told to stop.
pub async fn main() -> ExitCode {
    let settings = Settings::parse();
    let filter = EnvFilter::try_new(&settings.log).unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
    match start(settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn start(settings: Settings) -> anyhow::Result<()> {
    // Another one may have been installed by an embedder; then that one counts.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let stop = CancellationToken::new();
    let on_signal = stop.clone();
    tokio::spawn(async move {
        signalled().await;
        on_signal.cancel();
    });
    let listener = TcpListener::bind(settings.listen)
        .await
        .with_context(|| format!("cannot listen on {}", settings.listen))?;
    let (forge, _serving) = forge::open(&settings).await?;
    let vault = settings.vault.open().await.map_err(told)?;
    let store: Arc<dyn SecretStore> = match &vault {
        Some(vault) => Arc::clone(&vault.store),
        None => Arc::new(local_store(&settings).await?),
    };
    let platform = compose(&settings, &listener, forge, store).await?;
    let webhook = Webhook::of(&settings);
    let result = run(platform, listener, webhook, stop).await;
    if let Some(vault) = vault {
        // A token that is not revoked ends by itself.
        if let Err(error) = vault.log_out().await {
            tracing::warn!(%error, "the login of the secret store stays until it ends");
        }
    }
    result
}

/// Opens the local store.
async fn local_store(settings: &Settings) -> anyhow::Result<LocalStore> {
    let file = settings.store_file.clone().context("--store-file is not given")?;
    let key = settings.store_key_file.clone();
    let key = key.context("--store-key-file is not given")?;
    let open = move || LocalStore::open_or_create(&file, &MasterKey::load_or_create(&key)?);
    tokio::task::spawn_blocking(open).await?.map_err(told)
}

/// Says what the user can do about an error of the secret store.
fn told(error: StoreError) -> anyhow::Error {
    let hint = error.hint();
    let error = anyhow::Error::new(error);
    match hint {
        Some(hint) => error.context(format!("the secret store cannot be used; {hint}")),
        None => error.context("the secret store cannot be used"),
    }
}

/// Composes the platform that the settings name.
async fn compose(
    settings: &Settings,
    listener: &TcpListener,
    forge: Arc<dyn GitHost>,
    store: Arc<dyn SecretStore>,
) -> anyhow::Result<Platform> {
    let webhook_url = match &settings.webhook_url {
        Some(url) => url.clone(),
        None => format!("http://{}", listener.local_addr()?).parse()?,
    };
    let client = kube::Client::try_default()
        .await
        .context("cannot find the tenant cluster")?;
    let repo = settings
        .tenant_repo
        .parse()
        .context("cannot use the tenant repository")?;
    let tenant = TenantSettings {
        namespace: settings.namespace.clone(),
        branch: settings.branch.clone(),
        ..TenantSettings::new(&settings.tenant, repo)
    };
    Ok(Platform::builder()
        .host(forge)
        .clusters(Arc::new(StoredClusters::new(Arc::clone(&store))))
        .store(store)
        .tenant(tenant)
        .tenant_cluster(client)
        .mirrors(&settings.mirrors)
        .webhook_url(webhook_url)
        .rotation(settings.rotation())
        .grace(Duration::from_secs(u64::from(settings.deletion_grace) * 3600))
        .timing(Timing {
            poll: Duration::from_secs(settings.poll.into()),
            ..Timing::STANDARD
        })
        .build()?)
}

/// Runs the controllers of a platform and serves their routes until `stop` is cancelled.
///
/// # Errors
/// The controllers cannot begin (see [`Controllers::run`]), a listener fails, or the certificate of the admission
/// webhook cannot be used.
pub async fn run(
    platform: Platform,
    listener: TcpListener,
    webhook: Option<Webhook>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let controllers = Controllers::new(platform);
    if let Some(webhook) = webhook {
        webhook
            .serve(controllers.admission_router(), stop.clone())
            .await?;
    }
    let router = server::router(&controllers);
    let served = axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
    let work = async {
        let result = controllers.run(stop.clone()).await;
        // Whoever ends first ends the other.
        stop.cancel();
        result
    };
    let (served, worked) = tokio::join!(async { served.await }, work);
    worked.map_err(|error| match error.hint() {
        Some(hint) => anyhow::Error::new(error).context(format!("the controllers have stopped; {hint}")),
        None => anyhow::Error::new(error).context("the controllers have stopped"),
    })?;
    served.context("the webhook receiver has stopped")
}

async fn signalled() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = interrupt.await;
}
