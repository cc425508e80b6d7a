//! A whole platform in this process: every part that runs elsewhere too, composed over the local twins.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nautes_api::wire::{ApplyRequest, ManifestFile};
use nautes_gitops::host::local::{LocalForge, Serving};
use nautes_model::Secret;
use nautes_runtime::clusters::StoredClusters;
use nautes_runtime::controller::Controllers;
use nautes_runtime::platform::{Platform, TenantSettings, Timing};
use nautes_vault::SecretStore;
use reqwest::Url;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::clusters::{Clusters, TENANT};
use super::data::{Data, Remembered};
use super::desk::{self, Desk};
use super::forge;
use super::gate::Gate;
use super::ports::{API, DESK, FORGE, HOOKS, Ports};
use super::secrets::{self, Secrets};
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::settings::Connection;

/// How long what was begun may take to end when the platform stops.
const GRACE: Duration = Duration::from_secs(20);

/// How a platform is started.
#[derive(Debug)]
pub struct Options {
    /// The data folder.
    pub data: PathBuf,
    /// The first of the ports; else those of the last time.
    pub port_base: Option<u16>,
    /// Where secrets are kept.
    pub secrets: secrets::Options,
}

/// A platform that runs in this process.
#[derive(Debug)]
pub struct Instance {
    data: Data,
    remembered: Remembered,
    clusters: Clusters,
    forge: LocalForge,
    forge_serving: Option<Serving>,
    secrets: Secrets,
    platform: Platform,
    controllers: Controllers,
    stop: CancellationToken,
    tasks: JoinSet<Result<(), Failure>>,
}

impl Instance {
    /// Starts everything. When it returns, every door is open.
    ///
    /// # Errors
    /// The data folder is in use or cannot be used, a port is taken, or there is no git.
    pub async fn start(options: Options) -> Result<Self, Failure> {
        let data = Data::take(&options.data)?;
        let mut remembered = data.remembered()?;
        remembered.process = std::process::id();
        let mut ports = Ports::new(options.port_base, remembered.ports.clone());
        let gate = Gate::default();
        let clusters = Clusters::start(&data, &mut ports, &mut remembered, gate.admission()).await?;
        // From here on tokens exist: whatever happens, the next start must know them.
        remember(&data, &mut remembered, &ports)?;
        let (forge, forge_serving) = forge::start(&data, &mut ports, &mut remembered).await?;
        remember(&data, &mut remembered, &ports)?;
        let secrets = Secrets::open(&data, options.secrets, &mut ports, &mut remembered).await?;
        // Whatever happens from here on, the next start must know where the secrets are.
        remember(&data, &mut remembered, &ports)?;
        let store = Arc::clone(secrets.store());
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();

        let hooks = listen(ports.address(HOOKS)).await?;
        let hooks_address = hooks.local_addr()?;
        ports.got(HOOKS, hooks_address.port());
        let platform = Platform::builder()
            .host(Arc::new(forge.clone()))
            .store(Arc::clone(&store))
            .tenant(TenantSettings::new("local", forge::tenant_repo()?))
            .tenant_cluster(clusters.get(TENANT)?.client_as("nautes", &["system:masters"]))
            .clusters(Arc::new(StoredClusters::new(Arc::clone(&store))))
            .mirrors(data.at("mirrors"))
            .webhook_url(url(hooks_address)?)
            .timing(Timing::LOCAL)
            .build()?;
        let controllers = Controllers::new(platform.clone());
        gate.open(&controllers);
        let api_stop = stop.child_token();
        let app = nautes_api::App::new(platform.clone());
        let settings = nautes_api::Settings::on(ports.address(API));
        let api = nautes_api::serve(&settings, app, api_stop).await.map_err(|e| {
            Failure::new(Exit::Unavailable, format!("{e:#}")).hint("choose other ports with --port-base")
        })?;
        ports.got(API, api.address.port());
        tasks.spawn(async move { Ok(api.finished().await?) });

        let router = controllers.router();
        let hooks_stop = stop.clone();
        tasks.spawn(async move {
            Ok(axum::serve(hooks, router)
                .with_graceful_shutdown(hooks_stop.cancelled_owned())
                .await?)
        });
        let desk = Desk {
            token: token_of(&remembered, forge::ADMIN)?,
            clusters: clusters.clone(),
            forge: forge.clone(),
            store: Arc::clone(&store),
            controllers: controllers.clone(),
            stop: stop.clone(),
        };
        let desk_address = desk::serve(desk, ports.address(DESK)).await?;
        ports.got(DESK, desk_address.port());
        remember(&data, &mut remembered, &ports)?;

        let instance = Self {
            data,
            remembered,
            clusters,
            forge,
            forge_serving: Some(forge_serving),
            secrets,
            platform,
            controllers,
            stop,
            tasks,
        };
        instance.register_provider().await?;
        Ok(instance.control())
    }

    /// Lets the controllers work.
    fn control(mut self) -> Self {
        if let Some(server) = self.secrets.openbao() {
            let (ended, stop) = (server.ended(), self.stop.clone());
            self.tasks.spawn(async move {
                match stop.run_until_cancelled(ended).await {
                    None => Ok(()),
                    Some(()) => Err(Failure::new(Exit::Unavailable, "OpenBao has ended")
                        .hint("nautes local up starts it again")),
                }
            });
        }
        let (controllers, stop) = (self.controllers.clone(), self.stop.clone());
        self.tasks.spawn(async move {
            controllers.run(stop).await.map_err(|e| {
                let hint = e.hint();
                let failure = Failure::new(Exit::Internal, format!("{:#}", anyhow::Error::new(e)));
                hint.into_iter().fold(failure, Failure::hint)
            })
        });
        self
    }

    /// Tells the tenant which forge there is. The same as the last time writes nothing.
    async fn register_provider(&self) -> Result<(), Failure> {
        let text = forge::provider(&self.url(FORGE)?);
        let files = vec![ManifestFile {
            name: "provider.yaml".to_owned(),
            text,
        }];
        let request = ApplyRequest { files, product: None };
        self.client(forge::ADMIN)?.write("apply", &request, &[]).await?;
        Ok(())
    }

    /// Returns a client of the API for a user: the same that the commands have.
    ///
    /// # Errors
    /// There is no such user.
    pub fn client(&self, user: &str) -> Result<Client, Failure> {
        client(&self.remembered, user)
    }

    /// Returns the data folder.
    #[must_use]
    pub const fn data(&self) -> &Data {
        &self.data
    }

    /// Returns ports and tokens.
    #[must_use]
    pub const fn remembered(&self) -> &Remembered {
        &self.remembered
    }

    /// Returns the clusters.
    #[must_use]
    pub const fn clusters(&self) -> &Clusters {
        &self.clusters
    }

    /// Returns the forge.
    #[must_use]
    pub const fn forge(&self) -> &LocalForge {
        &self.forge
    }

    /// Returns the secret store.
    #[must_use]
    pub const fn store(&self) -> &Arc<dyn SecretStore> {
        self.secrets.store()
    }

    /// Returns where secrets are kept.
    #[must_use]
    pub const fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Returns the composition.
    #[must_use]
    pub const fn platform(&self) -> &Platform {
        &self.platform
    }

    /// Returns what stops the platform when it is cancelled.
    #[must_use]
    pub const fn stopper(&self) -> &CancellationToken {
        &self.stop
    }

    /// Returns the address of one of the doors.
    ///
    /// # Errors
    /// It does not happen: every door has a port.
    pub fn url(&self, door: &str) -> Result<String, Failure> {
        address(&self.remembered, door)
    }

    /// Waits until somebody stops the platform or a part of it fails, and ends the rest.
    ///
    /// # Errors
    /// A part has failed.
    pub async fn finished(mut self) -> Result<(), Failure> {
        let mut first = tokio::select! {
            () = self.stop.cancelled() => Ok(()),
            Some(ended) = self.tasks.join_next() => flat(ended),
        };
        self.stop.cancel();
        let rest = async {
            let mut result = Ok(());
            while let Some(ended) = self.tasks.join_next().await {
                result = result.and(flat(ended));
            }
            if let Some(serving) = self.forge_serving.take() {
                serving.stop().await;
            }
            self.clusters.stop().await;
            result
        };
        if let Ok(rest) = tokio::time::timeout(GRACE, rest).await {
            first = first.and(rest);
        }
        self.secrets.stop().await;
        first
    }

    /// Stops the platform and waits until it has.
    ///
    /// # Errors
    /// A part has failed.
    pub async fn stop(self) -> Result<(), Failure> {
        self.stop.cancel();
        self.finished().await
    }
}

fn flat(ended: Result<Result<(), Failure>, tokio::task::JoinError>) -> Result<(), Failure> {
    ended.unwrap_or_else(|e| {
        Err(Failure::new(
            Exit::Internal,
            format!("a part of the platform was cut off: {e}"),
        ))
    })
}

fn remember(data: &Data, remembered: &mut Remembered, ports: &Ports) -> Result<(), Failure> {
    remembered.ports.clone_from(ports.known());
    data.remember(remembered)
}

async fn listen(address: SocketAddr) -> Result<tokio::net::TcpListener, Failure> {
    tokio::net::TcpListener::bind(address).await.map_err(|e| {
        Failure::new(Exit::Unavailable, format!("cannot listen on {address}: {e}"))
            .hint("choose other ports with --port-base")
    })
}

fn url(address: SocketAddr) -> Result<Url, Failure> {
    Ok(Url::parse(&format!("http://{address}"))?)
}

/// Returns the token of a user.
///
/// # Errors
/// There is no such user.
pub fn token_of(remembered: &Remembered, user: &str) -> Result<Secret, Failure> {
    remembered
        .users
        .get(user)
        .map(|token| Secret::from(token.as_str()))
        .ok_or_else(|| Failure::new(Exit::NotFound, format!("there is no user {user:?}")))
}

/// Returns the address of a door of a platform that runs, or did.
///
/// # Errors
/// It has never run.
pub fn address(remembered: &Remembered, door: &str) -> Result<String, Failure> {
    let ports: &BTreeMap<String, u16> = &remembered.ports;
    ports
        .get(door)
        .map(|port| format!("http://127.0.0.1:{port}"))
        .ok_or_else(|| {
            Failure::new(Exit::NotFound, "the local platform has never run").hint("nautes local up")
        })
}

/// Returns a client of the API for a user.
///
/// # Errors
/// There is no such user, or the platform has never run.
pub fn client(remembered: &Remembered, user: &str) -> Result<Client, Failure> {
    let connection = Connection {
        server: Url::parse(&format!("{}/", address(remembered, API)?))?,
        source: None,
        ca_file: None,
        context: None,
    };
    let client = Client::new(&connection, Duration::from_secs(60))?;
    Ok(client.with(
        token_of(remembered, user)?,
        format!("user {user} of the local platform"),
    ))
}
