//! The two programs on a GitLab: what is applied through the API becomes groups, repositories, keys and hooks there, and
//! what is pushed there becomes a run in a cluster, because the hook said so.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may stop at the first surprise, and starts the program"
)]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ApiResource, DynamicObject, ListParams, Patch, PatchParams};
use nautes_gitops::host::gitlab::fake::FakeGitlab;
use nautes_gitops::host::gitlab::{Gitlab, Options};
use nautes_gitops::repo::{CommitSpec, Signature};
use nautes_gitops::{AccessLevel, GitHost as _, Mirror, Oid, Place, RepoPath, Session};
use nautes_model::Secret;
use nautes_model::name::ClusterName;
use nautes_runtime::local;
use nautes_vault::{Expect, LocalStore, MasterKey, SecretStore as _, keys};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const LIMIT: Duration = Duration::from_secs(120);
const PROVIDER: &str = "\
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: CodeRepoProvider
metadata: {name: gitlab}
spec: {httpAddress: URL, apiServer: URL, providerType: gitlab}
";
const SHOP: &str = "\
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Product
spec: {name: shop, git: {gitlab: {visibility: private, description: The shop}}}
---
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Project
spec: {name: web, product: shop, language: rust}
---
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Environment
spec: {name: dev, product: shop, cluster: pipelines, envType: dev}
---
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: CodeRepo
spec:
  name: source
  codeRepoProvider: gitlab
  product: shop
  project: web
  pipelineRuntime: true
  webhook: {events: [push_events]}
  git: {gitlab: {name: source, path: source, visibility: private}}
---
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: CodeRepo
spec:
  name: build
  codeRepoProvider: gitlab
  product: shop
  project: web
  pipelineRuntime: true
  git: {gitlab: {name: build, path: build, visibility: private}}
---
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: ProjectPipelineRuntime
spec:
  name: pipelines
  product: shop
  project: web
  pipelineSource: build
  pipelines: [{name: build, path: pipelines/main.yaml}]
  destination: {environment: dev, namespace: shop-pipelines}
  eventSources: [{name: source, gitlab: {repoName: source, revision: main, events: [push_events]}}]
  pipelineTriggers:
    - eventSource: source
      pipeline: build
      revision: main
      inputs: [{source: {fromEvent: commitID}, transmissionMethod: {kustomization: {path: /spec/params/0/value}}}]
";
const PIPELINE: &str = include_str!("../../../examples/manifests/repos/pipeline/pipelines/main.yaml");

/// The program, ended with the test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct World {
    fake: FakeGitlab,
    /// The platform's account on it.
    session: Arc<dyn Session>,
    api: SocketAddr,
    ann: Secret,
    http: reqwest::Client,
    pipelines: local::Cluster,
    stop: CancellationToken,
    dir: tempfile::TempDir,
    // They end before their folder does.
    _controller: Program,
    tenant: local::Cluster,
}

async fn cluster(name: &str) -> local::Cluster {
    let options = local::Options {
        listen: Some((Ipv4Addr::LOCALHOST, 0).into()),
        ..local::Options::in_memory(name)
    };
    local::Cluster::start(options).await.unwrap()
}

fn kubeconfig(cluster: &local::Cluster) -> String {
    let token = format!("token-of-{}", cluster.name());
    cluster.add_token(&token, "nautes", &["system:masters"]);
    serde_json::to_string(&cluster.kubeconfig(&token)).unwrap()
}

async fn define(cluster: &local::Cluster, definition: &Value) {
    let api: Api<CustomResourceDefinition> = Api::all(cluster.client());
    let name = definition["metadata"]["name"].as_str().unwrap();
    api.patch(name, &PatchParams::apply("test"), &Patch::Apply(definition))
        .await
        .unwrap();
}

fn pipeline_runs() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "pipelineruns.tekton.dev" },
        "spec": {
            "group": "tekton.dev", "scope": "Namespaced",
            "names": { "kind": "PipelineRun", "plural": "pipelineruns", "singular": "pipelinerun" },
            "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true,
            } } }],
        },
    })
}

/// The API with the settings that a program gets.
async fn api(dir: &Path, url: &str, kubeconfig: &Path, stop: &CancellationToken) -> SocketAddr {
    let data = dir.join("api");
    let settings = [
        ("listen", "127.0.0.1:0"),
        ("data", data.to_str().unwrap()),
        ("forge-url", url),
        ("forge-token-file", dir.join("token").to_str().unwrap()),
        ("forge-loopback", "true"),
        ("kubeconfig", kubeconfig.to_str().unwrap()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let decided = nautes_api::config::decide(&BTreeMap::from(settings), &BTreeMap::new(), None).unwrap();
    let started = nautes_api::program::start(decided.config, stop.clone())
        .await
        .unwrap();
    started.api.address
}

fn controller(dir: &Path, url: &str, kubeconfig: &Path) -> Program {
    let log = std::fs::File::create(dir.join("controller.log")).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_nautes-controller"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("KUBECONFIG", kubeconfig)
        .args([
            "--listen",
            "127.0.0.1:0",
            "--forge-loopback",
            "--poll",
            "2",
            "--forge-url",
            url,
        ])
        .arg("--forge-token-file")
        .arg(dir.join("token"))
        .arg("--store-file")
        .arg(dir.join("store.redb"))
        .arg("--store-key-file")
        .arg(dir.join("store.key"))
        .arg("--mirrors")
        .arg(dir.join("mirrors"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    Program(child)
}

impl World {
    async fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path();
        let fake = FakeGitlab::start(at.join("gitlab")).await.unwrap();
        fake.create_user("platform").await.unwrap();
        let platform = fake.create_token("platform", &["api"]).await.unwrap();
        let ann = fake.create_user("ann").await.unwrap();
        std::fs::write(at.join("token"), platform.expose()).unwrap();
        let tenant = cluster("tenant").await;
        for definition in nautes_model::crd::definitions() {
            define(&tenant, &serde_json::to_value(definition).unwrap()).await;
        }
        let pipelines = cluster("pipelines").await;
        define(&pipelines, &pipeline_runs()).await;
        let config = at.join("kubeconfig");
        std::fs::write(&config, kubeconfig(&tenant)).unwrap();
        keep_kubeconfig(at, &kubeconfig(&pipelines)).await;
        let stop = CancellationToken::new();
        let api = api(at, fake.url(), &config, &stop).await;
        let session = signed_in(&fake, platform).await;
        session
            .add_member(&Place::group("nautes"), "ann", AccessLevel::Owner)
            .await
            .unwrap();
        let controller = controller(at, fake.url(), &config);
        Self {
            fake,
            session,
            api,
            ann,
            http: reqwest::Client::new(),
            pipelines,
            stop,
            dir,
            _controller: controller,
            tenant,
        }
    }

    async fn apply(&self, text: &str) {
        self.try_apply(text).await.unwrap();
    }

    async fn try_apply(&self, text: &str) -> Result<(), String> {
        let body = json!({ "files": [{ "name": "test.yaml", "text": text }] });
        let request = self
            .http
            .post(format!("http://{}/api/v1/apply", self.api))
            .bearer_auth(self.ann.expose_str().unwrap())
            .json(&body);
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let body: Value = answer.json().await.unwrap();
        match status.is_success() {
            true => Ok(()),
            false => Err(format!("{status} {body:#}")),
        }
    }

    /// Pushes a file as ann, who has git.
    async fn push(&self, repo: &str, file: &str, text: &str) -> Oid {
        let path: RepoPath = repo.parse().unwrap();
        let mirror = Mirror::open_or_create(self.dir.path().join("pushes").join(path.name()))
            .await
            .unwrap();
        self.session.fetch(&path, &mirror).await.unwrap();
        let tip = mirror.tip("main").await.unwrap();
        let who = Signature {
            name: "Ann".to_owned(),
            email: "ann@example.org".to_owned(),
            seconds: 1_700_000_000,
        };
        let commit = CommitSpec {
            parent: tip,
            edits: [(file.to_owned(), Some(text.as_bytes().to_vec()))].into(),
            author: who.clone(),
            committer: who,
            message: "Change".to_owned(),
            trailers: Vec::new(),
        };
        let commit = mirror.commit(commit).await.unwrap().unwrap();
        let pushed = self.session.push(&path, &mirror, "main", tip, commit).await;
        pushed.unwrap();
        commit
    }

    /// The runtime as it is projected into the tenant cluster.
    async fn runtime(&self) -> Option<DynamicObject> {
        let resource = ApiResource {
            group: "nautes.resource.nautes.io".to_owned(),
            version: "v1alpha1".to_owned(),
            api_version: "nautes.resource.nautes.io/v1alpha1".to_owned(),
            kind: "ProjectPipelineRuntime".to_owned(),
            plural: "projectpipelineruntimes".to_owned(),
        };
        let api: Api<DynamicObject> = Api::namespaced_with(self.tenant.client(), "product-shop", &resource);
        api.get_opt("pipelines").await.unwrap()
    }

    async fn runs(&self) -> Vec<DynamicObject> {
        let resource = ApiResource {
            group: "tekton.dev".to_owned(),
            version: "v1".to_owned(),
            api_version: "tekton.dev/v1".to_owned(),
            kind: "PipelineRun".to_owned(),
            plural: "pipelineruns".to_owned(),
        };
        let api: Api<DynamicObject> = Api::all_with(self.pipelines.client(), &resource);
        api.list(&ListParams::default()).await.unwrap().items
    }

    async fn eventually(&self, what: &str, ask: impl AsyncFn() -> Result<(), String>) {
        let end = tokio::time::Instant::now() + LIMIT;
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        loop {
            ticks.tick().await;
            let Err(last) = ask().await else { return };
            if tokio::time::Instant::now() >= end {
                let log = std::fs::read_to_string(self.dir.path().join("controller.log"));
                panic!(
                    "{what}: not in time; last seen:\n{last}\nlog:\n{}",
                    log.unwrap_or_default()
                );
            }
        }
    }
}

async fn signed_in(fake: &FakeGitlab, token: Secret) -> Arc<dyn Session> {
    let mut options = Options::new("gitlab", fake.url(), token);
    options.net.loopback = true;
    Gitlab::new(options).unwrap().platform().await.unwrap()
}

/// Puts the kubeconfig of the cluster where the controllers look for it: two processes cannot have one local store.
async fn keep_kubeconfig(dir: &Path, text: &str) {
    let key = MasterKey::load_or_create(&dir.join("store.key")).unwrap();
    let store = LocalStore::open_or_create(&dir.join("store.redb"), &key).unwrap();
    let at = keys::kubeconfig(&ClusterName::new("pipelines").unwrap());
    let values = BTreeMap::from([(at.key, Secret::from(text))]);
    let _ = store.write(&at.path, values, Expect::Any).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_a_request_to_a_run() {
    let mut world = World::new().await;
    let server = format!("https://{}", world.pipelines.address().unwrap());
    let declared = include_str!("../../../examples/manifests/clusters/pipelines.yaml")
        .replace("$API_SERVER", &server)
        .replace("$KUBECONFIG", &kubeconfig(&world.pipelines));
    let provider = PROVIDER.replace("URL", world.fake.url());
    world.apply(&format!("{provider}---\n{declared}")).await;
    world.apply(SHOP).await;

    // A group with its one `default.project`, and nothing else that nobody declared.
    let session = &world.session;
    assert!(session.group("shop").await.unwrap().is_some());
    let paths = async || -> Vec<String> {
        let all = session.repositories("shop").await.unwrap();
        all.into_iter().map(|repo| repo.path.name().to_owned()).collect()
    };
    world
        .eventually("the repositories are there", async || {
            let found = paths().await;
            match found == ["build", "default.project", "source"] {
                true => Ok(()),
                false => Err(format!("{found:?}")),
            }
        })
        .await;
    let source: RepoPath = "shop/source".parse().unwrap();
    world
        .eventually("keys and the hook are there", async || {
            let keys = session.deploy_keys(&source).await.unwrap();
            let hooks = session.hooks(&source).await.unwrap();
            // Its own two, and those of the other repository of the project.
            match (keys.len(), hooks.len()) {
                (4, 1) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    // What Ann declared is hers on the forge as well.
    let level = session.members(&Place::group("shop")).await.unwrap();
    assert!(
        level
            .iter()
            .any(|m| m.user.name == "ann" && m.level == AccessLevel::Owner)
    );

    let hook = session.hooks(&source).await.unwrap().remove(0);
    let metrics = format!("{}/metrics", hook.url.split("/hooks/").next().unwrap());
    let metrics = async || {
        let answer = world.http.get(&metrics).send().await.unwrap();
        answer.text().await.unwrap()
    };
    world.push("shop/build", "pipelines/main.yaml", PIPELINE).await;
    world
        .eventually("the trigger has taken note of what is there", async || {
            let runtime = world.runtime().await;
            match runtime.as_ref().map(|r| &r.data["status"]["triggers"]) {
                Some(Value::Array(seen)) if !seen.is_empty() => Ok(()),
                _ => Err(format!("{runtime:#?}\n{}", metrics().await)),
            }
        })
        .await;
    let commit = world.push("shop/source", "main.rs", "fn main() {}").await;
    world
        .eventually("the push has started a run", async || {
            let found = world.runs().await;
            let of = |run: &DynamicObject| run.data.to_string().contains(&commit.to_string());
            match found.as_slice() {
                [run] if of(run) => Ok(()),
                other => Err(format!("{other:#?}\n{}", metrics().await)),
            }
        })
        .await;
    let text = metrics().await;
    let taken = text
        .lines()
        .find(|l| l.starts_with("nautes_deliveries_total{answer=\"accepted\"}"));
    assert_ne!(taken.and_then(|l| l.rsplit(' ').next()), Some("0"), "{text}");
    assert!(taken.is_some(), "{text}");

    // The account of the platform gets another token, and the one before ends: both programs go on.
    let file = world.dir.path().join("token");
    let first = Secret::from(std::fs::read_to_string(&file).unwrap());
    let second = world.fake.create_token("platform", &["api"]).await.unwrap();
    std::fs::write(&file, second.expose()).unwrap();
    world.fake.set_expiry(&first, "2020-01-01");
    world.session = signed_in(&world.fake, second.clone()).await;
    let (books, _runtime) = SHOP.rsplit_once("---").unwrap();
    let books = books.replace("shop", "books");
    world
        .eventually("another product is taken", async || world.try_apply(&books).await)
        .await;
    world
        .eventually("and made", async || {
            let found = world.session.repositories("books").await.unwrap();
            match found.len() {
                3 => Ok(()),
                _ => Err(format!("{found:?}")),
            }
        })
        .await;
    // That it has another token is in the log, and no token is.
    let log = std::fs::read_to_string(world.dir.path().join("controller.log")).unwrap();
    assert!(log.contains("the platform's account has another token"), "{log}");
    for token in [&first, &second] {
        assert!(!log.contains(token.expose_str().unwrap()));
    }
    world.stop.cancel();
}
