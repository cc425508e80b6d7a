//! Running `git upload-pack` and `git receive-pack` in a sealed environment.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use futures::StreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::host::HostError;

/// Where `git` is looked for, since the environment is not asked.
const PLACES: [&str; 5] = [
    "/usr/local/bin",
    "/usr/bin",
    "/bin",
    "/opt/homebrew/bin",
    "/run/current-system/sw/bin",
];

/// How long `git` may take to clean up after its input was cut off.
const GRACE: Duration = Duration::from_secs(5);

/// Finds the `git` program.
pub(super) fn find(given: Option<&Path>) -> Result<PathBuf, HostError> {
    let places = PLACES.iter().map(|place| Path::new(place).join("git"));
    let mut candidates: Vec<PathBuf> = given.map_or_else(|| places.collect(), |path| vec![path.to_owned()]);
    candidates.retain(|path| path.is_file());
    candidates.into_iter().next().ok_or_else(|| HostError::NotFound {
        what: "the program git".to_owned(),
    })
}

/// What a client wants of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    /// Fetching.
    UploadPack,
    /// Pushing.
    ReceivePack,
}

impl Service {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        match name {
            "git-upload-pack" => Some(Self::UploadPack),
            "git-receive-pack" => Some(Self::ReceivePack),
            _ => None,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::UploadPack => "git-upload-pack",
            Self::ReceivePack => "git-receive-pack",
        }
    }

    const fn subcommand(self) -> &'static str {
        match self {
            Self::UploadPack => "upload-pack",
            Self::ReceivePack => "receive-pack",
        }
    }
}

/// One run of `git`.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) git: PathBuf,
    pub(super) service: Service,
    pub(super) repository: PathBuf,
    /// Whether only the references are asked for.
    pub(super) advertise: bool,
    /// The version of the protocol that the client speaks, from its `Git-Protocol` header.
    pub(super) protocol: Option<String>,
    /// The longest input, in bytes.
    pub(super) input_bytes: u64,
    pub(super) idle: Duration,
    pub(super) total: Duration,
}

impl Run {
    /// Starts `git`.
    pub(super) fn start(&self) -> Result<Child, HostError> {
        let mut command = self.command();
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| HostError::internal(format!("starting {}", self.service.name()), error))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one subprocess of Nautes: the local forge serves Git through git itself, in a sealed environment"
    )]
    fn command(&self) -> Command {
        let mut command = std::process::Command::new(&self.git);
        command.arg(self.service.subcommand()).arg("--stateless-rpc");
        if self.advertise {
            command.arg("--advertise-refs");
        }
        command.arg(&self.repository).current_dir("/").env_clear();
        for (name, value) in [
            ("PATH", PLACES.join(":")),
            ("LANG", "C".to_owned()),
            ("GIT_CONFIG_GLOBAL", "/dev/null".to_owned()),
            ("GIT_CONFIG_NOSYSTEM", "1".to_owned()),
            ("GIT_ATTR_NOSYSTEM", "1".to_owned()),
            ("GIT_TERMINAL_PROMPT", "0".to_owned()),
        ] {
            command.env(name, value);
        }
        let configuration = self.configuration();
        command.env("GIT_CONFIG_COUNT", configuration.len().to_string());
        for (at, (key, value)) in configuration.iter().enumerate() {
            command
                .env(format!("GIT_CONFIG_KEY_{at}"), key)
                .env(format!("GIT_CONFIG_VALUE_{at}"), value);
        }
        if let Some(protocol) = &self.protocol {
            command.env("GIT_PROTOCOL", protocol);
        }
        command.into()
    }

    fn configuration(&self) -> Vec<(&'static str, String)> {
        vec![
            ("safe.directory", self.repository.display().to_string()),
            ("core.hooksPath", "/dev/null".to_owned()),
            ("gc.auto", "0".to_owned()),
            ("maintenance.auto", "false".to_owned()),
            ("receive.autogc", "false".to_owned()),
            ("receive.fsckObjects", "true".to_owned()),
            ("receive.maxInputSize", self.input_bytes.to_string()),
            ("receive.denyDeleteCurrent", "refuse".to_owned()),
            ("receive.updateServerInfo", "false".to_owned()),
            ("receive.advertisePushOptions", "false".to_owned()),
            ("uploadpack.allowFilter", "true".to_owned()),
        ]
    }

    /// Feeds `body` to a running `git` and its output to `output`, until `git` ends.
    ///
    /// A push goes on when the client has gone away after sending everything: what it sent is complete. Anything else
    /// is killed then. Where a deadline passes, the input is cut off first, so that `git` can clean up.
    pub(super) async fn pump(&self, mut child: Child, body: Body, output: mpsc::Sender<Bytes>) {
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return;
        };
        let keep_going = self.service == Service::ReceivePack && !self.advertise;
        let stop = tokio_util::sync::CancellationToken::new();
        let work = async {
            let feed = stop.run_until_cancelled(self.feed(body.into_data_stream(), stdin));
            tokio::join!(feed, drain(stdout, output, keep_going), complaints(stderr)).2
        };
        tokio::pin!(work);
        let complaint = match timeout(self.total, &mut work).await {
            Ok(complaint) => complaint,
            Err(_) => {
                stop.cancel();
                timeout(GRACE, &mut work)
                    .await
                    .unwrap_or_else(|_| "it took too long".to_owned())
            }
        };
        let status = timeout(GRACE, child.wait()).await;
        if !matches!(&status, Ok(Ok(status)) if status.success()) {
            tracing::debug!(service = self.service.name(), complaint, "git did not end well");
        }
    }

    /// Copies the request to `git`. Ends early, which `git` takes as a broken request, where the client sends too much
    /// or is silent for too long.
    async fn feed(&self, mut body: BodyDataStream, mut stdin: ChildStdin) {
        let mut left = self.input_bytes;
        while let Ok(Some(Ok(chunk))) = timeout(self.idle, body.next()).await {
            left = match left.checked_sub(chunk.len() as u64) {
                Some(left) => left,
                None => return tracing::debug!("a request has more bytes than are allowed"),
            };
            if !matches!(timeout(self.idle, stdin.write_all(&chunk)).await, Ok(Ok(()))) {
                return;
            }
        }
    }
}

/// Copies the output of `git`. Returns when it ends, or when nobody listens and there is no reason to go on.
async fn drain(mut stdout: ChildStdout, output: mpsc::Sender<Bytes>, keep_going: bool) {
    let mut buffer = vec![0; 32 * 1024];
    let mut listening = true;
    while let Ok(count) = stdout.read(&mut buffer).await {
        if count == 0 {
            return;
        }
        if listening
            && output
                .send(Bytes::copy_from_slice(&buffer[..count]))
                .await
                .is_err()
        {
            listening = false;
        }
        if !listening && !keep_going {
            return;
        }
    }
}

/// Returns the beginning of what `git` complains about.
async fn complaints(mut stderr: ChildStderr) -> String {
    let mut kept = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count) = stderr.read(&mut buffer).await {
        if count == 0 {
            break;
        }
        if kept.len() < 4096 {
            kept.extend_from_slice(&buffer[..count]);
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}
