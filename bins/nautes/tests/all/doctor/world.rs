//! A small installation: a forge, a secret store, a tenant cluster and one for deployments.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::routing::post;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::PostParams;
use nautes_gitops::host::gitlab::fake::FakeGitlab;
use nautes_gitops::host::gitlab::{Gitlab, Options};
use nautes_gitops::host::net::NetOptions;
use nautes_gitops::host::{HookEvent, HookSpec};
use nautes_gitops::repo::{CommitSpec, Signature};
use nautes_gitops::{GitHost as _, GroupSpec, Mirror, RepoPath, RepoSpec, Session};
use nautes_model::Secret;
use nautes_model::layout::path_of;
use nautes_model::manifest::{Context, Form, parse, render};
use nautes_runtime::local::Cluster;
use nautes_vault::openbao::{self, Openbao};
use nautes_vault::vault::ClusterAuth;
use nautes_vault::{Expect, SecretStore as _, VaultStore, keys};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::golden_of;
use crate::kit::{self, Run, program, run};

/// What the guide says is enough.
pub(super) const POLICY: &str = r#"path "+/data/*" { capabilities = ["create", "read", "update"] }
path "+/metadata/*" { capabilities = ["read", "list", "delete"] }
path "+/destroy/*" { capabilities = ["update"] }
path "sys/internal/ui/mounts/*" { capabilities = ["read"] }
path "sys/policy" { capabilities = ["read"] }
path "sys/policy/*" { capabilities = ["create", "read", "update", "delete"] }
path "auth/+/role/*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "sys/auth" { capabilities = ["read"] }
path "sys/auth/*" { capabilities = ["create", "update", "delete", "sudo"] }
path "auth/+/config" { capabilities = ["create", "read", "update"] }
path "sys/mounts" { capabilities = ["read"] }
path "sys/mounts/*" { capabilities = ["create", "update"] }
"#;

/// A small installation.
pub(super) struct World {
    pub(super) fake: FakeGitlab,
    pub(super) owner: Arc<dyn Session>,
    pub(super) hook: u64,
    pub(super) live: Cluster,
    tenant: Cluster,
    bao: Openbao,
    receiver: String,
    http: reqwest::Client,
    dir: TempDir,
}

/// What there is at a moment.
pub(super) struct Mark {
    requests: usize,
    tenant: u64,
    live: u64,
    store: Vec<Value>,
}

impl World {
    /// Makes one in which everything is good; `None` where there is no OpenBao.
    pub(super) async fn new() -> Option<Self> {
        let program = kit::openbao()?;
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("bao");
        let bao = Openbao::start(openbao::Options {
            program,
            folder,
            port: 0,
        })
        .await
        .unwrap();
        let (tenant, live) = (cluster("tenant").await, cluster("live").await);
        let definitions: Api<CustomResourceDefinition> = Api::all(tenant.client());
        for definition in nautes_model::crd::definitions() {
            definitions
                .create(&PostParams::default(), &definition)
                .await
                .unwrap();
        }
        tenant.add_token("canary-tenant", "nautes", &["system:masters"]);
        live.add_token("canary-live", "nautes", &["system:masters"]);
        let receiver = Router::new().route("/hooks/{product}/{repo}", post(async || "ok"));
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, receiver).await });

        let fake = FakeGitlab::start(dir.path().join("forge")).await.unwrap();
        let token = fake.create_user("platform").await.unwrap();
        let mut options = Options::new("gitlab", fake.url(), token.clone());
        options.net = NetOptions {
            loopback: true,
            ..NetOptions::default()
        };
        let owner = Gitlab::new(options).unwrap().platform().await.unwrap();
        let mut world = Self {
            fake,
            owner,
            hook: 0,
            live,
            tenant,
            bao,
            receiver: address,
            http: reqwest::Client::new(),
            dir,
        };
        world.declare().await;
        world.keep().await;
        world.private("token", token.expose());
        let kubeconfig = serde_json::to_vec(&world.tenant.kubeconfig("canary-tenant")).unwrap();
        world.private("tenant.yaml", &kubeconfig);
        Some(world)
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn private(&self, name: &str, content: &[u8]) {
        let file = self.at(name);
        std::fs::write(&file, content).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
    }

    /// Declares a product on a cluster, in the forge.
    async fn declare(&mut self) {
        let tenant = format!(
            "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: Product\nspec: {{name: shop}}\n---\n{}",
            example("clusters/live.yaml")
                .split("  kubeconfig:")
                .next()
                .unwrap()
                .replace(
                    "$API_SERVER",
                    &format!("https://{}", self.live.address().unwrap())
                )
        );
        self.commit("nautes/management", &tenant).await;
        self.commit("shop/default.project", &example("shop.yaml")).await;
        let source: RepoPath = "shop/web-source".parse().unwrap();
        self.owner
            .create_repository(&source, &RepoSpec::default())
            .await
            .unwrap();
        let hook = HookSpec {
            url: format!("{}/hooks/shop/web-source", self.receiver),
            events: vec![HookEvent::Push],
            secret: Secret::from("canary-hook"),
        };
        self.hook = self.owner.create_hook(&source, &hook).await.unwrap().id;
        self.fake.set_hook(self.hook, "executable", Some("202"));
    }

    async fn commit(&self, path: &str, manifests: &str) {
        let path: RepoPath = path.parse().unwrap();
        let group = GroupSpec {
            name: path.group().to_owned(),
            ..GroupSpec::default()
        };
        self.owner.create_group(&group).await.unwrap();
        self.owner
            .create_repository(&path, &RepoSpec::default())
            .await
            .unwrap();
        let parsed = parse(manifests, &Context::new("example", Form::Request));
        assert!(parsed.findings.is_empty(), "{:#?}", parsed.findings);
        let edits = parsed.resources.iter().map(|sourced| {
            let text = render(&sourced.resource).unwrap();
            (path_of(&sourced.resource), Some(text.into_bytes()))
        });
        let edits: BTreeMap<String, Option<Vec<u8>>> = edits.collect();
        let who = Signature {
            name: "Ann".to_owned(),
            email: "ann@example.org".to_owned(),
            seconds: 1_700_000_000,
        };
        let spec = CommitSpec {
            parent: None,
            edits,
            author: who.clone(),
            committer: who,
            message: "first".to_owned(),
            trailers: Vec::new(),
        };
        let mirror = Mirror::open_or_create(self.at(&format!("{}.git", path.group())))
            .await
            .unwrap();
        let commit = mirror.commit(spec).await.unwrap().unwrap();
        self.owner
            .push(&path, &mirror, "main", None, commit)
            .await
            .unwrap();
    }

    /// Fills the secret store, and makes a token with the policy of the guide.
    async fn keep(&self) {
        let store = VaultStore::new(self.bao.settings()).unwrap();
        store.prepare().await.unwrap();
        let at = keys::kubeconfig(&"live".parse().unwrap());
        let kubeconfig = serde_json::to_string(&self.live.kubeconfig("canary-live")).unwrap();
        let values = BTreeMap::from([(at.key.clone(), Secret::from(kubeconfig))]);
        let _ = store.write(&at.path, values, Expect::Absent).await.unwrap();
        let auth = ClusterAuth {
            host: format!("https://{}", self.live.address().unwrap()),
            ca: self.live.ca_pem().to_owned(),
            reviewer: None,
        };
        store
            .configure_cluster(&"live".parse().unwrap(), &auth)
            .await
            .unwrap();
        store.log_out().await.unwrap();
        self.policy(POLICY).await;
        let token = json!({"policies": ["nautes"], "no_parent": true, "period": "24h"});
        let made = self.root("POST", "auth/token/create", Some(token)).await;
        self.private(
            "vault-token",
            made["auth"]["client_token"].as_str().unwrap().as_bytes(),
        );
    }

    /// Sets the policy of the login.
    pub(super) async fn policy(&self, text: &str) {
        self.root("PUT", "sys/policies/acl/nautes", Some(json!({ "policy": text })))
            .await;
    }

    /// Asks the secret store as its root.
    pub(super) async fn root(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let token = self.bao.token().unwrap();
        let mut request = self
            .http
            .request(
                method.parse().unwrap(),
                format!("{}v1/{path}", self.bao.address()),
            )
            .header("X-Vault-Token", token.expose_str().unwrap());
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.unwrap_or_default()
    }

    /// Runs the command; what more words say wins.
    pub(super) async fn doctor(&self, more: &[&str]) -> Run {
        let mut words: Vec<String> = vec!["doctor".to_owned()];
        let mut set = |name: &str, value: String| {
            if !more.contains(&name) {
                words.extend([name.to_owned(), value]);
            }
        };
        let file = |name: &str| self.at(name).display().to_string();
        set("--forge-url", self.fake.url().to_owned());
        set("--forge-token-file", file("token"));
        set("--vault-address", self.bao.address().to_string());
        set("--vault-login", "token-file".to_owned());
        set("--vault-login-file", file("vault-token"));
        set("--kubeconfig", file("tenant.yaml"));
        set("--webhook-url", self.receiver.clone());
        words.push("--forge-loopback".to_owned());
        words.extend(more.iter().map(|word| (*word).to_owned()));
        let home = self.dir.path().join("home");
        tokio::task::spawn_blocking(move || run(program(&home).args(words), ""))
            .await
            .unwrap()
    }

    /// Compares what was said with a file; addresses, times and versions are made the same each time.
    pub(super) fn golden(&self, name: &str, run: &Run) {
        let address = |cluster: &Cluster| cluster.address().unwrap().to_string();
        let mut text = run.out.clone();
        for (from, to) in [
            (self.fake.url().to_owned(), "http://FORGE".to_owned()),
            (
                self.bao.address().as_str().trim_end_matches('/').to_owned(),
                "http://VAULT".to_owned(),
            ),
            (self.receiver.clone(), "http://RECEIVER".to_owned()),
            (address(&self.tenant), "TENANT".to_owned()),
            (address(&self.live), "LIVE".to_owned()),
            (self.dir.path().display().to_string(), "FOLDER".to_owned()),
        ] {
            text = text.replace(&from, &to);
        }
        for (pattern, to) in [
            (r"after \d+ ms", "after N ms"),
            (r"(valid until|ends on) \d{4}-\d\d-\d\d", "$1 DAY"),
            (r"version \d+\.\d+\.\d+", "version N"),
            (r"hook \d+", "hook N"),
            // The day may end while the test runs.
            (r"in \d+ days", "in N days"),
        ] {
            text = regex::Regex::new(pattern)
                .unwrap()
                .replace_all(&text, to)
                .into_owned();
        }
        assert!(
            !run.out.contains("canary") && !run.err.contains("canary"),
            "{}{}",
            run.out,
            run.err
        );
        golden_of("doctor", name, &text);
    }

    /// Says what there is now.
    pub(super) async fn mark(&self) -> Mark {
        Mark {
            requests: self.fake.requests().len(),
            tenant: self.tenant.audit().mark(),
            live: self.live.audit().mark(),
            store: self.store().await,
        }
    }

    async fn store(&self) -> Vec<Value> {
        let mut all = Vec::new();
        for path in [
            "sys/mounts",
            "sys/auth",
            "sys/policies/acl?list=true",
            "cluster/metadata/kubernetes/live/default/admin",
            "auth/token/accessors?list=true",
        ] {
            all.push(self.root("GET", path, None).await["data"].clone());
        }
        all
    }

    /// Fails if anything is otherwise than it was.
    pub(super) async fn nothing_was_written(&self, mark: &Mark) {
        let asked = self.fake.requests().split_off(mark.requests);
        assert!(asked.len() > 10);
        let reads = |request: &String| request.starts_with("GET ") || request.contains("/git-upload-pack");
        assert!(asked.iter().all(reads), "{asked:#?}");
        for (cluster, mark) in [(&self.tenant, mark.tenant), (&self.live, mark.live)] {
            assert!(cluster.audit().since(mark).len() > 1);
            assert_eq!(cluster.audit().writes_since(mark), []);
        }
        assert_eq!(self.store().await, mark.store);
    }
}

async fn cluster(name: &str) -> Cluster {
    let options = nautes_runtime::local::Options {
        listen: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
        ..nautes_runtime::local::Options::in_memory(name)
    };
    Cluster::start(options).await.unwrap()
}

fn example(name: &str) -> String {
    std::fs::read_to_string(kit::example(name)).unwrap()
}

/// Every file of a folder that says something of a platform, with its content; what a running one keeps changing is left out.
pub(super) fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for name in ["instance.json", "nautes-local", "kubeconfigs", "manifests"] {
        collect(&folder.join(name), &mut all);
    }
    all
}

fn collect(path: &Path, all: &mut BTreeMap<PathBuf, Vec<u8>>) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            collect(&entry.unwrap().path(), all);
        }
    } else {
        all.insert(path.to_owned(), std::fs::read(path).unwrap());
    }
}
