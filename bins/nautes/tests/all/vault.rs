//! A platform whose secrets are in a real server of OpenBao.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, ListParams, PostParams};
use nautes::local::demo::stage::Stage;
use nautes::local::demo::steps::{self, STEPS};
use nautes::local::instance::Instance;
use nautes::local::secrets::{Kind, Options};
use nautes::settings::Environment;
use nautes_model::secret::{Grant, Principal};
use nautes_vault::vault::names;
use serde_json::{Value, json};

use crate::kit::{self, Run, openbao, program, run};
use crate::story::{collect, no_canary};

/// Asks the server as its root.
async fn root(instance: &Instance, method: &str, path: &str) -> Value {
    let server = instance.secrets().openbao().unwrap();
    let token = server.token().unwrap();
    let asked = reqwest::Client::new()
        .request(method.parse().unwrap(), format!("{}v1/{path}", server.address()))
        .header("X-Vault-Token", token.expose_str().unwrap())
        .send()
        .await
        .unwrap();
    assert!(asked.status().is_success(), "{path}: {}", asked.status());
    asked.json().await.unwrap()
}

/// Every grant that Nautes knows is in force at the server: there is a role with policies.
async fn grants_are_roles(instance: &Instance) {
    let mut accounts = 0;
    for scope in instance.store().grant_scopes().await.unwrap() {
        for grant in instance.store().grants(&scope).await.unwrap() {
            let mount = names::mount(&grant.principal, "nautes");
            let role = names::role(&grant.principal);
            let role = root(instance, "GET", &format!("auth/{mount}/role/{role}")).await;
            let policies = role["data"]["token_policies"].as_array().unwrap().len();
            assert!(policies > 1, "{grant:?}: {role}");
            accounts += usize::from(matches!(grant.principal, Principal::Account { .. }));
        }
    }
    assert!(accounts > 0, "no account of a runtime has a grant");
}

/// An account of a runtime logs in with a token that its pod has, for such an audience, and reads what was granted to it,
/// and nothing else.
async fn an_account_reads_its_secret(instance: &Instance, audience: Option<&str>) {
    let scopes = instance.store().grant_scopes().await.unwrap();
    let mut grants = Vec::new();
    for scope in scopes {
        grants.extend(instance.store().grants(&scope).await.unwrap());
    }
    let is_account = |grant: &&Grant| matches!(grant.principal, Principal::Account { .. });
    let grant = grants.iter().find(is_account).expect("an account has a grant");
    let Principal::Account { cluster, account, .. } = &grant.principal else {
        unreachable!()
    };
    let client = instance.clusters().get(cluster.as_str()).unwrap().client();
    let accounts: Api<ServiceAccount> = Api::all(client.clone());
    let found = accounts.list(&ListParams::default()).await.unwrap().items;
    let found = found
        .into_iter()
        .find(|found| found.metadata.name.as_deref() == Some(account.as_str()))
        .expect("the account is in its cluster");
    let namespace = found.metadata.namespace.unwrap();
    let asked = TokenRequest {
        spec: Some(TokenRequestSpec {
            audiences: audience.map(|audience| vec![audience.to_owned()]),
            ..TokenRequestSpec::default()
        }),
        ..TokenRequest::default()
    };
    let token = async |name: &str| {
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &namespace);
        let asked = accounts
            .create_token_request(name, &PostParams::default(), &asked)
            .await;
        asked.unwrap().status.unwrap().token.unwrap()
    };
    let address = instance.secrets().openbao().unwrap().address().clone();
    let http = reqwest::Client::new();
    let mount = names::mount(&grant.principal, "nautes");
    let log_in = async |jwt: String| {
        let body = json!({ "role": names::role(&grant.principal), "jwt": jwt });
        let login = http
            .post(format!("{address}v1/auth/{mount}/login"))
            .json(&body)
            .send()
            .await;
        login.unwrap()
    };
    let login = log_in(token(account.as_str()).await).await;
    let status = login.status();
    let said: Value = login.json().await.unwrap();
    assert!(status.is_success(), "{said}");
    let session = said["auth"]["client_token"].as_str().unwrap();
    let read = async |secret: &str| {
        let (engine, rest) = secret.split_once('/').unwrap();
        let request = http.get(format!("{address}v1/{engine}/data/{rest}"));
        request
            .header("X-Vault-Token", session)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    assert_eq!(read(grant.secret.as_str()).await, 200);
    let kubeconfig = nautes_vault::keys::kubeconfig(&cluster.as_str().parse().unwrap());
    assert_eq!(read(kubeconfig.path.as_str()).await, 403);
    // Another account of the same namespace is not it.
    assert!(log_in(token("default").await).await.status().is_client_error());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_process_holds_with_secrets_in_openbao_and_nowhere_else() {
    let Some(bao) = openbao() else {
        return;
    };
    let _one = kit::ONE_PLATFORM.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("platform");
    let options = Options {
        kind: Some(Kind::Vault),
        openbao: Some(bao),
        key: None,
        ..Options::default()
    };
    let instance = kit::platform_with(data.clone(), options).await;
    let address = instance.secrets().openbao().unwrap().address().clone();
    let mut stage = Stage::of(instance.data(), instance.remembered(), &Environment::read())
        .await
        .unwrap();
    let mut saw = Vec::new();
    for step in STEPS {
        if step.number == 8 {
            let kept = root(
                &instance,
                "GET",
                "cluster/data/kubernetes/pipelines/default/admin",
            )
            .await;
            let kubeconfig = kept["data"]["data"]["kubeconfig"].as_str().unwrap();
            let canary = &instance.remembered().clusters["pipelines"];
            assert!(
                kubeconfig.contains(canary.as_str()),
                "the kubeconfig is in OpenBao"
            );
            grants_are_roles(&instance).await;
            an_account_reads_its_secret(&instance, None).await;
        }
        if let Err(failure) = steps::take(step.number, &mut stage, &mut saw).await {
            panic!("step {}: {failure:?}\nsaw: {saw:#?}", step.number);
        }
    }
    let canaries: Vec<String> = instance.remembered().clusters.values().cloned().collect();
    assert!(canaries.len() >= 4);
    instance.stop().await.unwrap();
    let port = address.port().unwrap();
    assert!(
        TcpStream::connect(("127.0.0.1", port)).is_err(),
        "the server has ended"
    );
    assert!(!data.join("store.redb").exists());
    let mut files = Vec::new();
    collect(&data, &mut files);
    no_canary("files", &files, &canaries);
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_of_a_cluster_that_the_store_does_not_ask_log_in_by_signature() {
    let Some(bao) = openbao() else {
        return;
    };
    let _one = kit::ONE_PLATFORM.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let (audiences, namespaces) = (["vault".to_owned()].into(), ["shop-pipelines".to_owned()].into());
    let options = Options {
        kind: Some(Kind::Vault),
        openbao: Some(bao),
        jwt_clusters: BTreeMap::from([("pipelines".to_owned(), audiences)]),
        jwt_namespaces: BTreeMap::from([(("pipelines".to_owned(), "shop".parse().unwrap()), namespaces)]),
        ..Options::default()
    };
    let instance = kit::platform_with(dir.path().join("platform"), options).await;
    let mut stage = Stage::of(instance.data(), instance.remembered(), &Environment::read())
        .await
        .unwrap();
    let mut saw = Vec::new();
    for step in STEPS.iter().filter(|step| step.number < 8) {
        if let Err(failure) = steps::take(step.number, &mut stage, &mut saw).await {
            panic!("step {}: {failure:?}\nsaw: {saw:#?}", step.number);
        }
    }
    let config = root(&instance, "GET", "auth/pipelines/config").await;
    assert_eq!(config["data"]["bound_issuer"], "https://kubernetes.default.svc");
    an_account_reads_its_secret(&instance, Some("vault")).await;
    let pipelines = instance.clusters().get("pipelines").unwrap().client();
    let accounts: Api<ServiceAccount> = Api::namespaced(pipelines, "kube-system");
    let reviewer = accounts.get_opt("nautes-token-reviewer").await.unwrap();
    assert!(reviewer.is_none(), "nobody reviews tokens there");
    instance.stop().await.unwrap();
}

/// A platform that runs in a process of its own; it ends with this value.
struct Up(Child);

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a platform and returns when it says that it is ready.
fn up(home: &Path, bao: &Path, words: &[&str]) -> Up {
    let child = program(home)
        .args(["local", "up"])
        .args(words)
        .env("NAUTES_OPENBAO", bao)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Up(child);
    let mut said = String::new();
    for line in BufReader::new(child.0.stderr.as_mut().unwrap()).lines() {
        let line = line.unwrap();
        if line.starts_with("ready") {
            return child;
        }
        said.push_str(&line);
        said.push('\n');
    }
    panic!("it did not come up: {said}");
}

fn port(home: &Path) -> u16 {
    let text = std::fs::read_to_string(home.join("local/instance.json")).unwrap();
    let read: Value = serde_json::from_str(&text).unwrap();
    u16::try_from(read["ports"]["vault"].as_u64().unwrap()).unwrap()
}

#[test]
fn secrets_in_openbao_are_there_again_after_a_kill_and_the_server_ends_with_the_platform() {
    let Some(bao) = openbao() else {
        return;
    };
    let _one = kit::ONE_PLATFORM.blocking_lock();
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    let nowhere = program(home)
        .args(["local", "up", "--secrets", "vault"])
        .env("PATH", "/usr/bin:/bin")
        .output()
        .unwrap();
    assert_eq!(nowhere.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("--openbao"));

    let mut child = up(home, &bao, &["--secrets", "vault", "--register"]);
    let server = port(home);
    assert!(TcpStream::connect(("127.0.0.1", server)).is_ok());
    child.0.kill().unwrap();
    child.0.wait().unwrap();
    // What is remembered need not be said again.
    let mut child = up(home, &bao, &[]);
    assert_eq!(port(home), server, "the port stays");
    let env = run(program(home).args(["local", "env"]), "");
    let exports: Vec<(String, String)> = env
        .out
        .lines()
        .filter_map(|line| {
            let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
            Some((name.to_owned(), value.trim_matches('\'').to_owned()))
        })
        .collect();
    let clusters = home.join("local/manifests/clusters").display().to_string();
    let words = ["apply", "-f", &clusters, "--wait", "--timeout", "60s"];
    let again: Run = run(program(home).args(words).envs(exports), "");
    assert_eq!(again.code, 0, "{}", again.err);
    assert_eq!(run(program(home).args(["local", "down"]), "").code, 0);
    assert!(child.0.wait().unwrap().success());
    assert!(TcpStream::connect(("127.0.0.1", server)).is_err(), "down ends it");

    let other = run(program(home).args(["local", "up", "--secrets", "local"]), "");
    assert_eq!(other.code, 5, "{}", other.err);
    assert!(other.err.contains("--secrets vault"), "{}", other.err);
    assert_eq!(run(program(home).args(["local", "reset"]), "").code, 0);
    assert!(!home.join("local").exists());
}
