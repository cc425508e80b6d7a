//! The API in a process of its own, which can be killed and started again on the same folder.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use nautes_api::{App, Settings};
use nautes_gitops::RepoPath;
use nautes_gitops::host::local::{LocalForge, Options};
use nautes_runtime::clusters::StoredClusters;
use nautes_runtime::platform::machine::{begin_tenant, own_tenant};
use nautes_runtime::platform::{Platform, TenantSettings, Timing};
use nautes_vault::local::{LocalStore, MasterKey};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::weather::{Forge, Store, Weather};

/// The folder of the child.
const DATA: &str = "NAUTES_FAULTS_DATA";
/// The call on forge or store, counted from 1 once it serves, before which the child dies.
const DIES_AT: &str = "NAUTES_FAULTS_DIES_AT";
/// Begins the line with which the child says where it listens.
const READY: &str = "ready at ";

/// A server in a process.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    token: String,
}

impl Server {
    /// Starts it on a folder.
    pub(crate) fn start(data: &Path) -> Self {
        Self::spawn(data, Command::new(std::env::current_exe().unwrap()))
    }

    /// Starts it; it dies before its call number `call`.
    pub(crate) fn dying(data: &Path, call: usize) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(DIES_AT, call.to_string());
        Self::spawn(data, command)
    }

    /// Starts it so that a limit on the size of files does not end it.
    pub(crate) fn enduring(data: &Path) -> Self {
        let mut command = Command::new("bash");
        command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]);
        command.arg(std::env::current_exe().unwrap());
        Self::spawn(data, command)
    }

    fn spawn(data: &Path, mut command: Command) -> Self {
        let mut child = command
            .args(["--exact", "process::child", "--nocapture"])
            .env(DATA, data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The pipe stays open: nothing that the child prints later stops it.
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().expect("the child says where it listens").unwrap();
            if let Some((_, address)) = line.split_once(READY) {
                break address.parse().unwrap();
            }
        };
        std::thread::spawn(move || lines.for_each(drop));
        let token = std::fs::read_to_string(data.join("token")).unwrap();
        Self {
            child,
            address,
            token,
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, as `kill -9` does, and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it has died by itself.
    pub(crate) fn died(mut self) {
        assert!(!self.child.wait().unwrap().success());
    }

    /// Sends a request and returns status and body; fails where the server is gone.
    pub(crate) async fn call(&self, method: &str, path: &str, body: &str) -> std::io::Result<(u16, Value)> {
        let mut stream = TcpStream::connect(self.address).await?;
        stream
            .write_all(self.request(method, path, body).as_bytes())
            .await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let answer = String::from_utf8_lossy(&answer);
        let gone = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(gone)?;
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|s| s.parse().ok())
            .ok_or_else(gone)?;
        Ok((status, serde_json::from_str(body).map_err(|_| gone())?))
    }

    /// The bytes of a request.
    pub(crate) fn request(&self, method: &str, path: &str, body: &str) -> String {
        format!(
            "{method} {path} HTTP/1.1\r\nhost: api\r\nconnection: close\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        )
    }

    pub(crate) async fn apply(&self, text: &str) -> std::io::Result<(u16, Value)> {
        let body = serde_json::json!({ "files": [{ "name": "test.yaml", "text": text }] });
        self.call("POST", "/api/v1/apply", &body.to_string()).await
    }
}

/// What the child works with, opened by whoever has the folder: the child, or a test that looks at what it left.
pub(crate) struct Opened {
    pub(crate) platform: Platform,
    forge: LocalForge,
}

/// Opens a folder.
pub(crate) async fn open(data: &Path, weather: &Arc<Weather>) -> Opened {
    let forge = LocalForge::open(Options::new(data.join("forge"))).await.unwrap();
    let key = MasterKey::load_or_create(&data.join("store.key")).unwrap();
    let store = Arc::new(Store {
        inner: Arc::new(LocalStore::open_or_create(&data.join("store.redb"), &key).unwrap()),
        weather: Arc::clone(weather),
    });
    // Nobody asks the tenant's cluster.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let nowhere = kube::Client::try_from(kube::Config::new("http://127.0.0.1:1".parse().unwrap())).unwrap();
    let platform = Platform::builder()
        .host(Arc::new(Forge {
            inner: Arc::new(forge.clone()),
            weather: Arc::clone(weather),
        }))
        .store(store.clone())
        .tenant(TenantSettings::new(
            "nautes",
            RepoPath::new("nautes", "management").unwrap(),
        ))
        .tenant_cluster(nowhere)
        .clusters(Arc::new(StoredClusters::new(store)))
        .mirrors(data.join("mirrors"))
        .webhook_url("http://127.0.0.1:2".parse().unwrap())
        .timing(Timing::LOCAL)
        .build()
        .unwrap();
    begin_tenant(&platform).await.unwrap();
    Opened { platform, forge }
}

/// Is the server, when a test starts this program anew; otherwise there is nothing to be done.
#[test]
#[allow(clippy::print_stdout, reason = "that is how the parent learns the port")]
fn child() {
    let Some(data) = std::env::var_os(DATA).map(PathBuf::from) else {
        return;
    };
    let dies_at: Option<usize> = std::env::var(DIES_AT).ok().and_then(|text| text.parse().ok());
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let weather = Arc::new(Weather::default());
        let opened = open(&data, &weather).await;
        let token = data.join("token");
        if !token.exists() {
            let made = opened.forge.admin().create_user("admin").await.unwrap();
            own_tenant(&opened.platform, "admin").await.unwrap();
            std::fs::write(token, made.expose()).unwrap();
        }
        if let Some(dies_at) = dies_at {
            let mut calls = 0;
            weather.turn(move |_| {
                calls += 1;
                if calls == dies_at {
                    std::process::abort();
                }
                None
            });
        }
        let settings = Settings::on(([127, 0, 0, 1], 0).into());
        let serving = nautes_api::serve(&settings, App::new(opened.platform), Default::default())
            .await
            .unwrap();
        println!("\n{READY}{}", serving.address);
        serving.finished().await.unwrap();
    });
}
