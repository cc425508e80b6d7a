//! A server of OpenBao on this machine, for those who have none: started on loopback, unsealed, and ended with whoever
//! started it.
//!
//! # Guarantees
//! * It keeps everything in one folder and comes back from it as it was.
//! * It ends with this process, however that ends: a pipe between the two closes.
//!
//! # Caveats
//! * Key and root token lie beside the data, in files of the owner. That is good for trying and testing only.
//! * It speaks plain HTTP, on loopback.

use std::ffi::OsStr;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nautes_model::Secret;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;
use tokio::time::{Instant, interval, timeout};
use url::Url;

use crate::vault::{Login, VaultSettings};

/// How long a server may take to come up, and to end.
const LIMIT: Duration = Duration::from_secs(30);
/// How long between two looks.
const LOOK: Duration = Duration::from_millis(25);
/// How long to wait before a server that did not come up is started again: the one before may be ending still.
const AGAIN: Duration = Duration::from_millis(500);
/// How often it is started at most.
const STARTS: usize = 8;

/// Runs the server until standard input ends. Its standard output stays open exactly as long as it runs.
const SCRIPT: &str = r#""$0" server -config="$1" 2>"$2" & exec >&-; read -r _; kill "$!"; wait "$!""#;

/// How a server is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program, `bao`.
    pub program: PathBuf,
    /// The folder; created where it is missing.
    pub folder: PathBuf,
    /// The port on loopback; 0 for any free one.
    pub port: u16,
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenbaoError {
    /// A file or the program cannot be used.
    #[error("cannot use {}", .what.display())]
    Io {
        /// The file or the program.
        what: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The server ended, or did not come up in time.
    #[error("OpenBao does not come up on port {port}")]
    Ended {
        /// The port.
        port: u16,
        /// The log of the server.
        log: PathBuf,
    },
    /// The server answered otherwise than it should.
    #[error("cannot {action} OpenBao: {answer}")]
    Answer {
        /// What was attempted.
        action: &'static str,
        /// What it said, without a secret.
        answer: String,
    },
    /// The folder has data and no keys.
    #[error("cannot unseal OpenBao: its keys are not in {}", .0.display())]
    NoKeys(PathBuf),
}

impl OpenbaoError {
    /// Returns what the user can do.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Io { .. } => "look at the file and its permissions".to_owned(),
            Self::Ended { log, .. } => format!(
                "its log is {}; somebody else may have the port, or the program is no bao",
                log.display()
            ),
            Self::Answer { .. } => "look whether the program is OpenBao 2.4 or newer".to_owned(),
            Self::NoKeys(file) => format!(
                "bring {} back, or delete the folder beside it to begin with no secrets",
                file.display()
            ),
        }
    }
}

/// A server that runs. It ends with this value.
#[derive(Debug)]
pub struct Openbao {
    child: Child,
    /// The server runs as long as this is open.
    input: Option<ChildStdin>,
    gone: watch::Receiver<bool>,
    address: Url,
    folder: PathBuf,
}

/// Finds the program: the one that is named, else `bao` in one of the folders of a `PATH`.
#[must_use]
pub fn find(named: Option<&Path>, path: Option<&OsStr>) -> Option<PathBuf> {
    if let Some(named) = named {
        return Some(named.to_owned());
    }
    std::env::split_paths(path?)
        .map(|folder| folder.join("bao"))
        .find(|file| file.is_file())
}

impl Openbao {
    /// Starts a server and waits until it is unsealed and active.
    ///
    /// # Errors
    /// The program cannot be started or ends, the port is taken, or the folder cannot be used.
    pub async fn start(options: Options) -> Result<Self, OpenbaoError> {
        let folder = std::path::absolute(&options.folder).map_err(|e| failed(&options.folder, e))?;
        private_folder(&folder.join("data")).map_err(|e| failed(&folder, e))?;
        let mut pause = interval(AGAIN);
        let mut port = options.port;
        for _ in 0..STARTS {
            pause.tick().await;
            let Some((found, cluster)) = ports(options.port) else {
                continue;
            };
            port = found;
            let mut server = Self::spawn(&options.program, &folder, port, cluster)?;
            match server.begin().await {
                Ok(()) => return Ok(server),
                Err(OpenbaoError::Ended { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(OpenbaoError::Ended {
            port,
            log: folder.join("server.log"),
        })
    }

    fn spawn(program: &Path, folder: &Path, port: u16, cluster: u16) -> Result<Self, OpenbaoError> {
        let config = folder.join("server.json");
        let settings = json!({
            "storage": {"raft": {"path": folder.join("data"), "node_id": "one", "performance_multiplier": 1,
                "max_entry_size": 8 << 20}},
            "listener": {"tcp": {"address": format!("127.0.0.1:{port}"), "tls_disable": true,
                "cluster_address": format!("127.0.0.1:{cluster}")}},
            "api_addr": format!("http://127.0.0.1:{port}"),
            "cluster_addr": format!("https://127.0.0.1:{cluster}"),
        });
        write_private(&config, settings.to_string().as_bytes()).map_err(|e| failed(&config, e))?;
        if !program.is_file() {
            return Err(failed(program, io::ErrorKind::NotFound.into()));
        }
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", SCRIPT])
            .arg(program)
            .arg(&config)
            .arg(folder.join("server.log"))
            .env_clear()
            .env("HOME", folder)
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        // What a terminal sends to everybody is for this process alone: it ends the server in its own time.
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn().map_err(|e| failed(program, e))?;
        let (input, mut output) = (child.stdin.take(), child.stdout.take());
        let (ends, gone) = watch::channel(false);
        tokio::spawn(async move {
            let mut rest = [0; 1024];
            while let Some(output) = &mut output
                && output.read(&mut rest).await.is_ok_and(|read| read > 0)
            {}
            let _ = ends.send(true);
        });
        let address = format!("http://127.0.0.1:{port}");
        Ok(Self {
            child,
            input,
            gone,
            address: address.parse().map_err(|_| answer("address", &address))?,
            folder: folder.to_owned(),
        })
    }

    /// Initialises and unseals it as need be.
    async fn begin(&mut self) -> Result<(), OpenbaoError> {
        let http = client()?;
        let state = self.state(&http, &[200, 429, 501, 503]).await?;
        let keys = self.folder.join("keys.json");
        if state == 501 {
            let shares = json!({"secret_shares": 1, "secret_threshold": 1});
            let made = self.put(&http, "initialise", "sys/init", &shares).await?;
            write_private(&keys, made.to_string().as_bytes()).map_err(|e| failed(&keys, e))?;
        }
        let read = tokio::fs::read(&keys).await.map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => OpenbaoError::NoKeys(keys.clone()),
            _ => failed(&keys, e),
        })?;
        // The error of the parser could quote a key.
        let read: Value = serde_json::from_slice(&read).map_err(|_| OpenbaoError::NoKeys(keys.clone()))?;
        let (Some(key), Some(token)) = (read["keys"][0].as_str(), read["root_token"].as_str()) else {
            return Err(OpenbaoError::NoKeys(keys));
        };
        let file = self.token_file();
        write_private(&file, token.as_bytes()).map_err(|e| failed(&file, e))?;
        self.put(&http, "unseal", "sys/unseal", &json!({"key": key}))
            .await?;
        self.state(&http, &[200]).await.map(drop)
    }

    /// Waits until the server is in one of these states.
    async fn state(&self, http: &reqwest::Client, wanted: &[u16]) -> Result<u16, OpenbaoError> {
        let until = Instant::now() + LIMIT;
        let mut looks = interval(LOOK);
        loop {
            looks.tick().await;
            let gone = *self.gone.borrow() || self.gone.has_changed().is_err();
            if gone || Instant::now() > until {
                return Err(OpenbaoError::Ended {
                    port: self.address.port().unwrap_or_default(),
                    log: self.folder.join("server.log"),
                });
            }
            if let Ok(answer) = http.get(self.at("sys/health")).send().await {
                let state = answer.status().as_u16();
                if wanted.contains(&state) {
                    return Ok(state);
                }
            }
        }
    }

    async fn put(
        &self,
        http: &reqwest::Client,
        action: &'static str,
        path: &str,
        body: &Value,
    ) -> Result<Value, OpenbaoError> {
        let sent = http.put(self.at(path)).json(body).send().await;
        let sent = sent.map_err(|e| answer(action, &e.without_url().to_string()))?;
        let status = sent.status();
        let read: Value = sent.json().await.unwrap_or_default();
        if status.is_success() {
            Ok(read)
        } else {
            Err(answer(action, &format!("{status} {}", read["errors"])))
        }
    }

    fn at(&self, path: &str) -> String {
        format!("{}v1/{path}", self.address)
    }

    /// Returns the address.
    #[must_use]
    pub const fn address(&self) -> &Url {
        &self.address
    }

    /// Returns the file with the root token.
    #[must_use]
    pub fn token_file(&self) -> PathBuf {
        self.folder.join("token")
    }

    /// Returns the root token.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn token(&self) -> io::Result<Secret> {
        std::fs::read_to_string(self.token_file()).map(Secret::from)
    }

    /// Returns settings for a store on the server.
    #[must_use]
    pub fn settings(&self) -> VaultSettings {
        VaultSettings::new(self.address.clone(), Login::TokenFile(self.token_file()))
    }

    /// Returns when the server has ended.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut gone = self.gone.clone();
        async move {
            let _ = gone.wait_for(|gone| *gone).await;
        }
    }

    /// Ends the server and waits until it has.
    pub async fn stop(mut self) {
        drop(self.input.take());
        if timeout(LIMIT, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }
}

/// Returns the port, if it is free, and a free one for what servers say to each other.
fn ports(wanted: u16) -> Option<(u16, u16)> {
    let port = TcpListener::bind(("127.0.0.1", wanted)).ok()?;
    let cluster = TcpListener::bind(("127.0.0.1", 0)).ok()?;
    let of = |listener: &TcpListener| listener.local_addr().ok().map(|address| address.port());
    Some((of(&port)?, of(&cluster)?))
}

fn client() -> Result<reqwest::Client, OpenbaoError> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        // Nothing here speaks TLS, and the certificates of the system may be missing.
        .tls_certs_only([])
        .timeout(LIMIT)
        .build()
        .map_err(|e| answer("talk to", &e.to_string()))
}

fn failed(what: &Path, source: io::Error) -> OpenbaoError {
    OpenbaoError::Io {
        what: what.to_owned(),
        source,
    }
}

fn answer(action: &'static str, text: &str) -> OpenbaoError {
    OpenbaoError::Answer {
        action,
        answer: text.to_owned(),
    }
}

fn private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Writes a file that only its owner may read, whole or not at all.
fn write_private(file: &Path, bytes: &[u8]) -> io::Result<()> {
    use io::Write as _;
    let draft = file.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut open = options.open(&draft)?;
    open.write_all(bytes)?;
    open.sync_all()?;
    std::fs::rename(&draft, file)
}
