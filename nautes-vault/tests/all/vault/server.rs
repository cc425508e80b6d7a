//! Servers of OpenBao, each with a port of its own, that end with the test.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::time::Duration;

use nautes_vault::vault::VaultSettings;
use reqwest::{Certificate, Method};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;

/// A running server.
pub(crate) struct Server {
    child: Child,
    program: PathBuf,
    folder: TempDir,
    pub(crate) address: String,
    pub(crate) token: String,
    unseal: String,
    ca: Option<String>,
    http: reqwest::Client,
}

impl Server {
    /// Starts one that keeps everything in memory, and is unsealed.
    pub(crate) async fn in_memory() -> Option<Self> {
        let program = program()?;
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..5 {
            let port = free_port();
            let listen = format!("127.0.0.1:{port}");
            let child = Command::new(&program)
                .args(["server", "-dev", "-dev-root-token-id=root", "-dev-no-store-token"])
                .arg(format!("-dev-listen-address={listen}"))
                .env_clear()
                .env("HOME", folder.path())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let mut server = Self {
                child,
                program: program.clone(),
                folder: tempfile::tempdir().unwrap(),
                address: format!("http://{listen}"),
                token: "root".to_owned(),
                unseal: String::new(),
                ca: None,
                http: client(None),
            };
            if server.answers(&[200]).await {
                return Some(server);
            }
        }
        panic!("no server came up");
    }

    /// Starts one that keeps everything on disk (raft) and speaks TLS; it is initialised and unsealed.
    pub(crate) async fn on_disk() -> Option<Self> {
        let program = program()?;
        let folder = tempfile::tempdir().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let ca = made.cert.pem();
        std::fs::write(folder.path().join("cert.pem"), &ca).unwrap();
        std::fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        let (port, cluster) = (free_port(), free_port());
        let at = folder.path().display();
        let config = format!(
            r#"
            storage "raft" {{ path = "{at}/data" node_id = "one" max_entry_size = 8388608 performance_multiplier = 1 }}
            listener "tcp" {{
              address = "127.0.0.1:{port}"
              tls_cert_file = "{at}/cert.pem"
              tls_key_file = "{at}/key.pem"
            }}
            api_addr = "https://127.0.0.1:{port}"
            cluster_addr = "https://127.0.0.1:{cluster}"
            "#
        );
        std::fs::create_dir(folder.path().join("data")).unwrap();
        std::fs::write(folder.path().join("server.hcl"), config).unwrap();
        let mut server = Self {
            child: start(&program, &folder),
            program,
            folder,
            address: format!("https://127.0.0.1:{port}"),
            token: String::new(),
            unseal: String::new(),
            ca: Some(ca.clone()),
            http: client(Some(&ca)),
        };
        assert!(server.answers(&[501]).await, "the server did not come up");
        let shares = json!({"secret_shares": 1, "secret_threshold": 1});
        let keys = server.admin("PUT", "sys/init", Some(shares)).await;
        server.token = keys["root_token"].as_str().unwrap().to_owned();
        server.unseal = keys["keys"][0].as_str().unwrap().to_owned();
        server.unseal().await;
        Some(server)
    }

    pub(crate) async fn unseal(&mut self) {
        self.admin("PUT", "sys/unseal", Some(json!({"key": self.unseal})))
            .await;
        assert!(self.answers(&[200]).await, "the server did not become active");
    }

    pub(crate) async fn seal(&self) {
        self.admin("PUT", "sys/seal", None).await;
    }

    /// Ends a server on disk.
    pub(crate) fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts a server on disk again; it is sealed.
    pub(crate) async fn start(&mut self) {
        self.child = start(&self.program, &self.folder);
        assert!(self.answers(&[503]).await, "the server did not come back");
    }

    /// Returns settings for the root of the server.
    pub(crate) fn settings(&self) -> VaultSettings {
        let mut settings = super::settings(&self.address, &self.token);
        settings.ca_bundle = self.ca.clone().map(String::into_bytes);
        settings
    }

    /// Does something as root, and returns the answer, which is no error.
    pub(crate) async fn admin(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.ask(&self.token, method, path, body).await;
        assert!(status < 300, "{method} {path} gave {status}: {answer}");
        answer
    }

    /// Asks with a token, and returns the status with the answer.
    pub(crate) async fn ask(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> (u16, Value) {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.http.request(method, format!("{}/v1/{path}", self.address));
        if !token.is_empty() {
            request = request.header("X-Vault-Token", token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Returns a token that has these policies.
    pub(crate) async fn token_with(&self, policies: &[&str]) -> String {
        let made = json!({"policies": policies, "no_parent": true});
        let made = self.admin("POST", "auth/token/create", Some(made)).await;
        made["auth"]["client_token"].as_str().unwrap().to_owned()
    }

    /// Waits until the server answers with one of these states; `false` if it ended.
    async fn answers(&mut self, states: &[u16]) -> bool {
        let health = format!("{}/v1/sys/health", self.address);
        for _ in 0..3000 {
            if let Ok(answer) = self.http.get(&health).send().await
                && states.contains(&answer.status().as_u16())
            {
                return true;
            }
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            pause().await;
        }
        false
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lets others do something.
pub(crate) async fn pause() {
    let _ = timeout(Duration::from_millis(10), std::future::pending::<()>()).await;
}

fn start(program: &PathBuf, folder: &TempDir) -> Child {
    Command::new(program)
        .arg("server")
        .arg(format!("-config={}", folder.path().join("server.hcl").display()))
        .env_clear()
        .env("HOME", folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn client(ca: Option<&str>) -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let trusted = ca.map(|ca| Certificate::from_pem(ca.as_bytes()).unwrap());
    reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only(trusted)
        .build()
        .unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Returns the program of the server: what `NAUTES_TEST_OPENBAO` names, or `bao` on the `PATH`.
fn program() -> Option<PathBuf> {
    static SAID: Once = Once::new();
    if let Some(program) = std::env::var_os("NAUTES_TEST_OPENBAO").filter(|program| !program.is_empty()) {
        return Some(program.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join("bao"))
        .find(|file| file.is_file());
    if found.is_none() {
        assert!(
            std::env::var_os("CI").is_none_or(|ci| ci != "true"),
            "no server of OpenBao: run scripts/test, which installs one"
        );
        SAID.call_once(|| eprintln!("skipped: there is no server of OpenBao (scripts/test installs one)"));
    }
    found
}
