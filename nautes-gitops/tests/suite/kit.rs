//! What the tests share: a forge in a temporary folder, and the real `git` with a hermetic configuration.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use nautes_gitops::host::local::{LocalForge, Options, Serving};
use nautes_gitops::host::{AccessLevel, GroupSpec, Place, RepoSpec, Visibility};
use nautes_gitops::{GitHost, Mirror, RepoPath, Session};
use nautes_model::Secret;
use nautes_model::manifest::{Context, Form, parse};
use tempfile::TempDir;

/// A forge that serves, with users of each kind around `demo/app`.
pub(crate) struct Forge {
    pub(crate) dir: TempDir,
    pub(crate) forge: LocalForge,
    pub(crate) serving: Serving,
    pub(crate) platform: Arc<dyn Session>,
}

pub(crate) fn path(text: &str) -> RepoPath {
    text.parse().unwrap()
}

impl Forge {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        super::canary::listen();
        let dir = TempDir::new().unwrap();
        let mut options = Options::new(dir.path().join("forge"));
        change(&mut options);
        let forge = LocalForge::open(options).await.unwrap();
        let serving = forge.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let platform = forge.platform().await.unwrap();
        platform
            .create_group(&GroupSpec {
                name: "demo".to_owned(),
                ..GroupSpec::default()
            })
            .await
            .unwrap();
        platform
            .create_repository(&path("demo/app"), &RepoSpec::default())
            .await
            .unwrap();
        Self {
            dir,
            forge,
            serving,
            platform,
        }
    }

    /// Creates a user with a level in the group `demo`.
    pub(crate) async fn user(&self, name: &str, level: AccessLevel) -> Secret {
        let token = self.forge.admin().create_user(name).await.unwrap();
        if level > AccessLevel::None {
            self.platform
                .add_member(&Place::group("demo"), name, level)
                .await
                .unwrap();
        }
        token
    }

    pub(crate) async fn open_to_all(&self, repo: &str) {
        let change = nautes_gitops::host::RepoChange {
            visibility: Some(Visibility::Public),
            ..Default::default()
        };
        self.platform
            .update_repository(&path(repo), &change)
            .await
            .unwrap();
    }

    pub(crate) fn url(&self, repo: &str, token: Option<&Secret>) -> String {
        let credential = token.map_or_else(String::new, |token| {
            format!("oauth2:{}@", token.expose_str().unwrap())
        });
        format!("http://{credential}{}/{repo}.git", self.serving.address)
    }

    /// Opens a mirror.
    pub(crate) async fn mirror(&self, name: &str) -> Mirror {
        Mirror::open_or_create(self.dir.path().join("mirrors").join(name))
            .await
            .unwrap()
    }

    /// A work folder for git.
    pub(crate) fn git(&self, name: &str) -> Git {
        let dir = self.dir.path().join("work").join(name);
        std::fs::create_dir_all(&dir).unwrap();
        Git { dir }
    }
}

/// Waits until a condition holds.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let waited = tokio::time::timeout(std::time::Duration::from_secs(30), async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    });
    waited
        .await
        .unwrap_or_else(|_| panic!("it never came to this: {what}"));
}

/// Sends one request over a plain connection, and returns the answer up to the end of the connection.
pub(crate) async fn raw(address: std::net::SocketAddr, request: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// Returns the value of an authorisation header.
pub(crate) fn basic(token: &Secret) -> String {
    use base64::Engine as _;
    let pair = format!("anybody:{}", token.expose_str().unwrap());
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}

/// An environment, as a resource of the product `demo`.
pub(crate) fn environment(name: &str) -> nautes_model::Resource {
    let text = environment_text(name);
    let product = "demo".parse().unwrap();
    let context = Context::new("x.yaml", Form::Git).product(Some(&product));
    parse(&text, &context).resources.remove(0).resource
}

/// The file of an environment.
pub(crate) fn environment_text(name: &str) -> String {
    format!(
        "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: Environment\nmetadata:\n  name: {name}\n\
         spec:\n  cluster: worker\n  envType: test\n  product: demo\n"
    )
}

/// The real git in one folder.
pub(crate) struct Git {
    pub(crate) dir: PathBuf,
}

impl Git {
    #[expect(clippy::disallowed_methods, reason = "these tests are about the real git")]
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.args(args).current_dir(&self.dir).env_clear();
        command
            .env("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin")
            .env("HOME", &self.dir);
        command
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1");
        command
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ASKPASS", "true")
            .env("LANG", "C");
        for (role, name) in [("AUTHOR", "Ann"), ("COMMITTER", "Ann")] {
            command
                .env(format!("GIT_{role}_NAME"), name)
                .env(format!("GIT_{role}_EMAIL"), "ann@example.org");
        }
        command
    }

    pub(crate) async fn run(&self, args: &[&str]) -> Output {
        let mut command = self.command(args);
        tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap()
    }

    /// Runs git, which has to succeed, and returns its output.
    pub(crate) async fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args).await;
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {args:?}: {error}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Runs git, which has to fail, and returns its complaint.
    pub(crate) async fn fails(&self, args: &[&str]) -> String {
        let output = self.run(args).await;
        assert!(!output.status.success(), "git {args:?} should fail");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        let file = self.dir.join(file);
        std::fs::create_dir_all(file.parent().unwrap_or(Path::new("."))).unwrap();
        std::fs::write(file, text).unwrap();
    }

    /// Begins a repository with one commit.
    pub(crate) async fn init(&self) -> String {
        self.ok(&["init", "-q", "-b", "main"]).await;
        self.commit("README.md", "hello\n").await
    }

    pub(crate) async fn commit(&self, file: &str, text: &str) -> String {
        self.write(file, text);
        self.ok(&["add", "-A"]).await;
        self.ok(&["commit", "-q", "-m", &format!("change {file}")]).await;
        self.ok(&["rev-parse", "HEAD"]).await
    }
}
