//! The program with its secrets in a real server of OpenBao.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nautes_vault::openbao::{self, Openbao};
use serde_json::{Value, json};

use crate::support::pipelines;

/// Returns the program of OpenBao; without one the test says so and is skipped.
fn bao() -> Option<PathBuf> {
    let named = std::env::var_os("NAUTES_TEST_OPENBAO").filter(|program| !program.is_empty());
    let found = openbao::find(
        named.as_deref().map(Path::new),
        std::env::var_os("PATH").as_deref(),
    );
    if found.is_none() {
        assert!(
            std::env::var_os("CI").is_none_or(|ci| ci != "true"),
            "no server of OpenBao: run scripts/test, which installs one"
        );
        #[allow(clippy::print_stderr, reason = "a test that is skipped says so")]
        {
            eprintln!("skipped: there is no server of OpenBao (scripts/test installs one)");
        }
    }
    found
}

/// A program that runs; it ends with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Stage {
    folder: tempfile::TempDir,
    server: Openbao,
    http: reqwest::Client,
}

impl Stage {
    /// A server on which Nautes logs in by AppRole, with the policy of the guide.
    async fn new(program: PathBuf) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = openbao::Options {
            program,
            folder: folder.path().join("openbao"),
            port: 0,
        };
        let stage = Self {
            server: Openbao::start(options).await.unwrap(),
            http: reqwest::Client::new(),
            folder,
        };
        let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide/vault.md");
        let guide = std::fs::read_to_string(guide).unwrap();
        let (_, policy) = guide.split_once("```hcl\n").unwrap();
        let (policy, _) = policy.split_once("```").unwrap();
        stage
            .root("PUT", "sys/policies/acl/nautes", json!({ "policy": policy }))
            .await;
        stage
            .root("POST", "sys/auth/approle", json!({"type": "approle"}))
            .await;
        let role = json!({"token_policies": ["nautes"], "token_ttl": 600, "role_id": "nautes-api"});
        stage.root("POST", "auth/approle/role/api", role).await;
        let made = stage
            .root("POST", "auth/approle/role/api/secret-id", json!({}))
            .await;
        let secret = made["data"]["secret_id"].as_str().unwrap();
        std::fs::write(stage.at("secret-id"), secret).unwrap();
        let kubeconfig = "apiVersion: v1\nkind: Config\ncurrent-context: a\n\
            clusters: [{name: a, cluster: {server: 'http://127.0.0.1:1'}}]\n\
            users: [{name: a, user: {}}]\ncontexts: [{name: a, context: {cluster: a, user: a}}]\n";
        std::fs::write(stage.at("kubeconfig"), kubeconfig).unwrap();
        stage
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn root(&self, method: &str, path: &str, body: Value) -> Value {
        let token = self.server.token().unwrap();
        let asked = self
            .http
            .request(
                method.parse().unwrap(),
                format!("{}v1/{path}", self.server.address()),
            )
            .header("X-Vault-Token", token.expose_str().unwrap())
            .json(&body)
            .send()
            .await
            .unwrap();
        assert!(asked.status().is_success(), "{path}: {}", asked.status());
        asked.json().await.unwrap_or_default()
    }

    /// How many tokens there are.
    async fn tokens(&self) -> usize {
        let listed = self.root("LIST", "auth/token/accessors", json!({})).await;
        listed["data"]["keys"].as_array().unwrap().len()
    }

    fn program(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nautes-api"));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .args(["--listen", "127.0.0.1:0", "--forge-listen", "127.0.0.1:0"])
            .arg("--data")
            .arg(self.at("data"))
            .arg("--kubeconfig")
            .arg(self.at("kubeconfig"))
            .env("NAUTES_VAULT_ADDRESS", self.server.address().as_str())
            .args(["--vault-login", "approle", "--vault-role", "nautes-api"])
            .arg("--vault-login-file")
            .arg(self.at("secret-id"))
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_keeps_secrets_in_vault_and_nowhere_else() {
    let Some(bao) = bao() else {
        return;
    };
    let stage = Stage::new(bao).await;
    let tokens = stage.tokens().await;
    let token = stage.at("token");
    let made = stage
        .program(&["--create-user", "admin", token.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert_eq!(stage.tokens().await, tokens, "its login is revoked");

    let mut running = Running(stage.program(&[]).spawn().unwrap());
    let mut lines = BufReader::new(running.0.stderr.take().unwrap()).lines();
    let mut log = String::new();
    let address = loop {
        let line = lines.next().expect("it says where it listens").unwrap();
        log.push_str(&line);
        if let Some((_, rest)) = line.split_once("api=") {
            break rest.split(' ').next().unwrap().to_owned();
        }
    };
    let files = json!({"files": [{"name": "cluster.yaml", "text": pipelines()}]});
    let applied = stage
        .http
        .post(format!("http://{address}/api/v1/apply"))
        .bearer_auth(std::fs::read_to_string(&token).unwrap())
        .json(&files)
        .send()
        .await
        .unwrap();
    assert_eq!(applied.status(), 200);
    let ready = stage
        .http
        .get(format!("http://{address}/readyz"))
        .send()
        .await
        .unwrap();
    let ready: Value = ready.json().await.unwrap();
    assert_eq!(ready["checks"]["store"], "ok", "{ready}");
    let kept = stage
        .root(
            "GET",
            "cluster/data/kubernetes/pipelines/default/admin",
            json!({}),
        )
        .await;
    let kubeconfig = kept["data"]["data"]["kubeconfig"].as_str().unwrap();
    let canary = kubeconfig
        .lines()
        .find(|line| line.contains("token"))
        .expect("the kubeconfig has a token")
        .trim();
    assert!(!stage.at("data/store.redb").exists() && !stage.at("data/store.key").exists());

    let id = running.0.id().to_string();
    assert!(Command::new("kill").arg(id).status().unwrap().success());
    assert!(running.0.wait().unwrap().success());
    log.extend(lines.map_while(Result::ok));
    assert_eq!(stage.tokens().await, tokens, "its login is revoked");
    let mut files = log.into_bytes();
    collect(&stage.at("data"), &mut files);
    let secret = std::fs::read(stage.at("secret-id")).unwrap();
    for canary in [canary.as_bytes(), &secret] {
        assert!(canary.len() > 5 && !files.windows(canary.len()).any(|w| w == canary));
    }
    stage.server.stop().await;
}

fn collect(folder: &Path, into: &mut Vec<u8>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, into);
        } else {
            into.extend(std::fs::read(&path).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_vault_is_said_with_the_way_out() {
    let Some(bao) = bao() else {
        return;
    };
    let stage = Stage::new(bao).await;
    let said = |words: &[&str]| {
        let out = stage.program(words).output().unwrap();
        (out.status.code(), String::from_utf8(out.stderr).unwrap())
    };
    let (code, text) = said(&["--vault-namespace", ""]);
    assert_eq!(code, Some(2), "{text}");
    let (code, text) = said(&["--vault-ca-file", "/nowhere/ca.pem"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("vault-ca-file") && text.contains("/nowhere/ca.pem"),
        "{text}"
    );
    stage
        .root(
            "POST",
            "sys/mounts/git",
            json!({"type": "kv", "options": {"version": "1"}}),
        )
        .await;
    let (code, text) = said(&[]);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("cannot use the engine git") && text.contains("secrets enable"),
        "{text}"
    );
    stage.server.stop().await;
}
