//! The local twins, composed, and short words for what people do with them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use nautes_gitops::host::git::{Git, Options as GitOptions};
use nautes_gitops::host::gitlab::fake::FakeGitlab;
use nautes_gitops::host::gitlab::{Gitlab, Options as GitlabOptions};
use nautes_gitops::host::local::{LocalForge, Options as ForgeOptions, Serving};
use nautes_gitops::host::{GroupSpec, RepoSpec, Session};
use nautes_gitops::repo::{CommitSpec, Signature};
use nautes_gitops::{Author, ChangeSet, GitHost, Oid, RepoPath, RepoRef, Target};
use nautes_model::kinds::product::Registration;
use nautes_model::manifest::{self, Context, Form};
use nautes_model::name::ClusterName;
use nautes_model::{Identity, Resource, Secret};
use nautes_runtime::clusters::StoredClusters;
use nautes_runtime::controller::{ControlError, Controllers};
use nautes_runtime::local::fault::Faults;
use nautes_runtime::local::{self, Options};
use nautes_runtime::platform::{Platform, Rotation, TenantSettings, Timing};
use nautes_runtime::status_report::{State, StatusTree, report};
use nautes_vault::{Expect, LocalStore, MasterKey, SecretStore, keys};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::mortal::{Death, Mortal};

/// How long something may take that takes milliseconds.
const LIMIT: Duration = Duration::from_secs(120);

/// The forges on which the same stories are played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    /// The local forge.
    Local,
    /// A GitLab in this process, through the adapter.
    Gitlab,
    /// A server of Git without the API of a forge: people make groups and repositories.
    Git,
}

/// A forge, and what keeps it alive.
pub(crate) enum Served {
    Local(
        LocalForge,
        #[allow(dead_code, reason = "it serves as long as it lives")] Serving,
    ),
    Gitlab(FakeGitlab, Gitlab),
    Git {
        server: LocalForge,
        #[allow(dead_code, reason = "it serves as long as it lives")]
        serving: Serving,
        git: Git,
    },
}

impl Served {
    async fn start(on: On, data: &std::path::Path) -> Self {
        let data = data.join("forge");
        if on != On::Gitlab {
            let forge = LocalForge::open(ForgeOptions::new(data)).await.unwrap();
            let serving = forge.serve(any()).await.unwrap();
            if on == On::Local {
                return Self::Local(forge, serving);
            }
            let session = forge.platform().await.unwrap();
            let name = session.user().await.unwrap().name;
            let token = forge.admin().create_token(&name, "platform").await.unwrap();
            let credential = format!("{name}:{}", token.expose_str().unwrap());
            let url = format!("http://{}", serving.address);
            let mut options = GitOptions::new("git", url, Secret::from(credential));
            options.net.loopback = true;
            options.known = Some(management());
            let git = Git::new(options).unwrap();
            return Self::Git {
                server: forge,
                serving,
                git,
            };
        }
        let fake = FakeGitlab::start(data).await.unwrap();
        let token = fake.create_user("platform").await.unwrap();
        let mut options = GitlabOptions::new("gitlab", fake.url(), token);
        options.net.loopback = true;
        let gitlab = Gitlab::new(options).unwrap();
        Self::Gitlab(fake, gitlab)
    }

    fn host(&self) -> Arc<dyn GitHost> {
        match self {
            Self::Local(forge, _) => Arc::new(forge.clone()),
            Self::Gitlab(_, gitlab) => Arc::new(gitlab.clone()),
            Self::Git { git, .. } => Arc::new(git.clone()),
        }
    }

    /// Who makes groups and repositories by hand.
    pub(crate) async fn hand(&self) -> Arc<dyn Session> {
        match self {
            Self::Git { server, .. } => server.platform().await.unwrap(),
            _ => self.host().platform().await.unwrap(),
        }
    }

    /// The repositories as they are on disk.
    fn local(&self) -> &LocalForge {
        match self {
            Self::Local(forge, _) | Self::Git { server: forge, .. } => forge,
            Self::Gitlab(fake, _) => fake.forge(),
        }
    }
}

fn management() -> RepoPath {
    "nautes/management".parse().unwrap()
}

/// Settings of a platform.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Setup {
    pub(crate) rotation: Rotation,
    pub(crate) grace: Option<Duration>,
}

pub(crate) struct World {
    pub(crate) platform: Platform,
    pub(crate) forge: Served,
    pub(crate) store: Arc<LocalStore>,
    pub(crate) tenant: local::Cluster,
    pub(crate) clusters: BTreeMap<&'static str, local::Cluster>,
    /// Those of all clusters.
    pub(crate) faults: Faults,
    /// Where the platform dies at the forge and at the store.
    pub(crate) death: Death,
    running: Option<Running>,
    _web: JoinHandle<()>,
    routes: tokio::sync::watch::Sender<axum::Router>,
    _data: tempfile::TempDir,
}

struct Running {
    stop: CancellationToken,
    task: JoinHandle<Result<(), ControlError>>,
    controllers: Controllers,
}

fn any() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

impl World {
    /// Everything installed, nothing declared but the provider.
    async fn new(on: On, call: Duration, setup: Setup) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let data = tempfile::tempdir().unwrap();
        let forge = Served::start(on, data.path()).await;
        let store = Arc::new(LocalStore::in_memory(&MasterKey::generate().unwrap()).unwrap());
        let faults = Faults::default();
        let tenant = Options {
            faults: faults.clone(),
            ..Options::in_memory("tenant")
        };
        let tenant = local::Cluster::start(tenant).await.unwrap();
        for definition in nautes_model::crd::definitions() {
            define(&tenant, &serde_json::to_value(definition).unwrap()).await;
        }
        let mut clusters = BTreeMap::new();
        for name in ["host", "pipelines", "staging", "live"] {
            let options = Options {
                listen: Some(any()),
                faults: faults.clone(),
                ..Options::in_memory(name)
            };
            clusters.insert(name, local::Cluster::start(options).await.unwrap());
        }
        define(&clusters["pipelines"], &pipeline_run()).await;
        let session = forge.hand().await;
        session
            .create_group(&GroupSpec {
                name: "nautes".to_owned(),
                ..GroupSpec::default()
            })
            .await
            .unwrap();
        let repo = management();
        session
            .create_repository(&repo, &RepoSpec::default())
            .await
            .unwrap();
        let listener = tokio::net::TcpListener::bind(any()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (routes, current) = tokio::sync::watch::channel(axum::Router::new());
        let web = tokio::spawn(serve(listener, current));
        let death = Death::default();
        let kept = Mortal::new(&death, Arc::clone(&store) as Arc<dyn SecretStore>);
        let kept: Arc<dyn SecretStore> = Arc::new(kept);
        let platform = Platform::builder()
            .host(Arc::new(Mortal::new(&death, forge.host())))
            .store(Arc::clone(&kept))
            .tenant(TenantSettings::new("acme", repo))
            .tenant_cluster(tenant.client())
            .clusters(Arc::new(StoredClusters::new(kept)))
            .mirrors(data.path().join("mirrors"))
            .webhook_url(format!("http://{address}").parse().unwrap())
            .rotation(setup.rotation)
            .grace(setup.grace.unwrap_or(Platform::GRACE))
            .timing(Timing {
                call,
                cluster: call * 2,
                ..Timing::LOCAL
            })
            .build()
            .unwrap();
        let world = Self {
            platform,
            forge,
            store,
            tenant,
            clusters,
            faults,
            death,
            running: None,
            _web: web,
            routes,
            _data: data,
        };
        world.publish_tenant(vec![provider(on)]).await;
        world
    }

    /// All four clusters are registered.
    pub(crate) async fn with_clusters(on: On, call: Duration) -> Self {
        Self::set_up(on, call, Setup::default()).await
    }

    /// The same, with settings.
    pub(crate) async fn set_up(on: On, call: Duration, setup: Setup) -> Self {
        let world = Self::new(on, call, setup).await;
        world.provision_virtual().await;
        world.register(&["host", "pipelines", "staging", "live"]).await;
        world
    }

    /// The platform's own account on the forge.
    pub(crate) async fn session(&self) -> Arc<dyn Session> {
        self.platform.host().platform().await.unwrap()
    }

    /// Declares clusters, with the kubeconfigs of physical ones in the store.
    pub(crate) async fn register(&self, names: &[&'static str]) {
        let mut resources = Vec::new();
        for name in names {
            let text = match *name {
                "host" => include_str!("../../../examples/manifests/clusters/host.yaml"),
                "pipelines" => include_str!("../../../examples/manifests/clusters/pipelines.yaml"),
                "staging" => include_str!("../../../examples/manifests/clusters/staging.yaml"),
                _ => include_str!("../../../examples/manifests/clusters/live.yaml"),
            };
            let cluster = &self.clusters[name];
            let server = format!("https://{}", cluster.address().unwrap());
            // The API takes the kubeconfig out of the request; here it goes to the store at once.
            let text = text.split("  kubeconfig:").next().unwrap();
            resources.extend(parse(&text.replace("$API_SERVER", &server)));
            if *name != "staging" {
                self.keep_kubeconfig(name, &self.kubeconfig(name)).await;
            }
        }
        self.publish_tenant(resources).await;
    }

    pub(crate) fn kubeconfig(&self, name: &str) -> String {
        let token = format!("token-of-{name}");
        let cluster = &self.clusters[name];
        cluster.add_token(&token, "nautes", &["system:masters"]);
        serde_json::to_string(&cluster.kubeconfig(&token)).unwrap()
    }

    pub(crate) async fn keep_kubeconfig(&self, name: &str, text: &str) {
        let at = keys::kubeconfig(&ClusterName::new(name).unwrap());
        let values = BTreeMap::from([(at.key, Secret::from(text))]);
        let _ = self.store.write(&at.path, values, Expect::Any).await.unwrap();
    }

    /// Makes `staging` look like a virtual cluster on `host`.
    async fn provision_virtual(&self) {
        let host = self.clusters["host"].client();
        put(
            &host,
            "v1",
            "Namespace",
            &json!({ "metadata": { "name": "staging" } }),
        )
        .await;
        let labels = json!({ "app": "vcluster" });
        let set = json!({
            "metadata": { "name": "staging", "namespace": "staging", "labels": labels },
            "spec": {
                "serviceName": "staging", "selector": { "matchLabels": labels },
                "template": {
                    "metadata": { "labels": labels },
                    "spec": { "containers": [{ "name": "vcluster", "image": "vcluster" }] },
                },
            },
        });
        put(&host, "apps/v1", "StatefulSet", &set).await;
        let secret = json!({
            "metadata": { "name": "vc-staging", "namespace": "staging" },
            "stringData": { "config": self.kubeconfig("staging") },
        });
        put(&host, "v1", "Secret", &secret).await;
    }

    pub(crate) async fn publish_tenant(&self, resources: Vec<Resource>) {
        let change = ChangeSet {
            upserts: resources,
            ..ChangeSet::default()
        };
        self.publish(&RepoRef::Tenant, change).await;
    }

    /// Commits a bundle as the API does: the product is made and registered first.
    pub(crate) async fn save(&self, bundle: &str) -> Option<Oid> {
        let (products, rest): (Vec<_>, Vec<_>) = parse(bundle)
            .into_iter()
            .partition(|r| matches!(r, Resource::Product(_)));
        for resource in products {
            let Resource::Product(mut product) = resource else {
                unreachable!()
            };
            let group = product.spec.name.clone();
            product.spec.registration = Some(self.make_product(&group).await);
            self.publish_tenant(vec![Resource::Product(product)]).await;
        }
        let product = rest.first()?.declared_product()?.to_owned();
        self.declare(&product, rest).await
    }

    /// Commits resources of a product.
    pub(crate) async fn declare(&self, product: &str, upserts: Vec<Resource>) -> Option<Oid> {
        let change = ChangeSet {
            upserts,
            ..ChangeSet::default()
        };
        self.publish(&RepoRef::Product(product.parse().unwrap()), change)
            .await
    }

    async fn make_product(&self, group: &str) -> Registration {
        let hand = self.forge.hand().await;
        let spec = GroupSpec {
            name: group.to_owned(),
            ..GroupSpec::default()
        };
        hand.create_group(&spec).await.unwrap();
        let path: RepoPath = format!("{group}/default.project").parse().unwrap();
        hand.create_repository(&path, &RepoSpec::default()).await.unwrap();
        let session = self.session().await;
        let made = session.group(group).await.unwrap().unwrap();
        let repo = session.repository(&path).await.unwrap().unwrap();
        Registration {
            group_id: made.id.to_string(),
            repository_id: repo.id.to_string(),
            creator: "ann".to_owned(),
        }
    }

    /// Removes resources on purpose.
    pub(crate) async fn remove(&self, of: RepoRef, identities: &[&str]) {
        let change = ChangeSet {
            removals: identities.iter().map(|text| identity(text)).collect(),
            ..ChangeSet::default()
        };
        self.publish(&of, change).await;
    }

    async fn publish(&self, of: &RepoRef, change: ChangeSet) -> Option<Oid> {
        let session = self.session().await;
        let path = of.path(&self.platform.tenant().repo).unwrap();
        let mirror = self.platform.mirrors().open(&path).await.unwrap();
        let target = Target {
            session: &*session,
            of,
            path: &path,
            mirror: &mirror,
            branch: "main",
        };
        let author = Author {
            name: "Ann".to_owned(),
            email: "ann@example.org".to_owned(),
        };
        let published = self
            .platform
            .publisher()
            .publish::<(), _>(&target, &change, &author, |_, _| Ok(()))
            .await
            .unwrap();
        published.commit
    }

    /// Pushes files to a branch, as somebody with git does; `None` deletes a file.
    pub(crate) async fn push(&self, repo: &str, branch: &str, files: &[(&str, Option<&str>)]) -> Oid {
        self.push_saying(repo, branch, files, &[]).await
    }

    /// Pushes files with trailers in the message.
    pub(crate) async fn push_saying(
        &self,
        repo: &str,
        branch: &str,
        files: &[(&str, Option<&str>)],
        trailers: &[(&str, &str)],
    ) -> Oid {
        let session = self.session().await;
        let path: RepoPath = repo.parse().unwrap();
        let dir = self._data.path().join("pushes").join(repo.replace('/', "-"));
        let mirror = nautes_gitops::Mirror::open_or_create(dir).await.unwrap();
        session.fetch(&path, &mirror).await.unwrap();
        let tip = mirror.tip(branch).await.unwrap();
        let who = Signature {
            name: "Bob".to_owned(),
            email: "bob@example.org".to_owned(),
            seconds: 1_700_000_000,
        };
        let commit = mirror
            .commit(CommitSpec {
                parent: tip,
                edits: files
                    .iter()
                    .map(|(path, text)| ((*path).to_owned(), text.map(|t| t.as_bytes().to_vec())))
                    .collect(),
                author: who.clone(),
                committer: who,
                message: "Change".to_owned(),
                trailers: trailers
                    .iter()
                    .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                    .collect(),
            })
            .await
            .unwrap()
            .unwrap();
        session.push(&path, &mirror, branch, tip, commit).await.unwrap();
        commit
    }

    /// Renames or moves a repository, as somebody does on the forge.
    pub(crate) async fn rename(&self, from: &RepoPath, to: &RepoPath) {
        let admin = self.forge.local().admin();
        admin.move_repository(from, to).await.unwrap();
    }

    /// Tags what a branch is at, as somebody with git does.
    pub(crate) async fn tag(&self, repo: &str, tag: &str, branch: &str) {
        let path: RepoPath = repo.parse().unwrap();
        let folder = self.forge.local().admin().folder(&path);
        let refs = self.session().await.refs(&path).await.unwrap();
        let commit = refs[&format!("refs/heads/{branch}")].to_string();
        std::fs::create_dir_all(folder.join("refs/tags")).unwrap();
        std::fs::write(folder.join("refs/tags").join(tag), format!("{commit}\n")).unwrap();
    }

    /// How many triggers of a runtime have seen their repository.
    pub(crate) async fn triggers(&self, runtime: &str) -> usize {
        let identity = identity(runtime);
        let name = format!("product-{}", identity.product.as_ref().unwrap());
        let group = "nautes.resource.nautes.io/v1alpha1";
        let client = self.tenant.client();
        let object = api(&client, group, "ProjectPipelineRuntime", Some(&name))
            .get(identity.name.as_str())
            .await
            .unwrap();
        let triggers = object.data["status"]["triggers"].as_array().cloned();
        let sources = triggers.unwrap_or_default().into_iter();
        let sources: BTreeSet<String> = sources.map(|t| t["eventSource"].to_string()).collect();
        sources.len()
    }

    /// Waits until exactly the runs of these commits are there, besides the first `before`.
    pub(crate) async fn run_commits(&self, before: usize, commits: &mut [String], after: &str) {
        commits.sort();
        self.eventually(
            &format!("after {after}: the runs are those of {commits:#?}"),
            async || {
                let runs = self.runs().await;
                let mut found: Vec<String> = runs
                    .iter()
                    .map(|run| {
                        run.data["spec"]["params"][0]["value"]
                            .as_str()
                            .unwrap_or_default()
                            .to_owned()
                    })
                    .collect();
                found.sort();
                let wanted = commits.len() + before;
                match runs.len() == wanted && commits.iter().all(|commit| found.contains(commit)) {
                    true => Ok(()),
                    false => Err(format!("{found:#?}")),
                }
            },
        )
        .await;
    }

    /// Starts the controllers.
    pub(crate) fn start(&mut self) {
        let controllers = Controllers::new(self.platform.clone());
        drop(self.routes.send_replace(controllers.router()));
        let stop = CancellationToken::new();
        let task = tokio::spawn({
            let (controllers, stop) = (controllers.clone(), stop.clone());
            async move { controllers.run(stop).await }
        });
        self.running = Some(Running {
            stop,
            task,
            controllers,
        });
    }

    pub(crate) fn controllers(&self) -> &Controllers {
        &self.running.as_ref().unwrap().controllers
    }

    /// Stops the controllers.
    pub(crate) async fn stop(&mut self) {
        let running = self.running.take().unwrap();
        running.stop.cancel();
        running.task.await.unwrap().unwrap();
    }

    pub(crate) async fn report(&self) -> StatusTree {
        report(&self.platform, None).await.unwrap()
    }

    /// Waits until a resource is in a state.
    pub(crate) async fn until(&self, resource: &str, state: State) {
        let wanted = identity(resource);
        self.eventually(&format!("{resource} is {state:?}"), async || {
            let tree = self.report().await;
            match tree.get(&wanted) {
                Some(node) if node.state == state => Ok(()),
                other => Err(format!("{other:#?}")),
            }
        })
        .await;
    }

    /// Waits until everything is ready.
    pub(crate) async fn all_ready(&self) {
        self.eventually("everything is ready", async || {
            let tree = self.report().await;
            let open: Vec<String> = tree
                .nodes()
                .filter(|node| node.state != State::Ready)
                .map(|node| {
                    format!(
                        "{} {:?} {}: {}",
                        node.resource, node.state, node.reason, node.message
                    )
                })
                .collect();
            if open.is_empty() {
                Ok(())
            } else {
                Err(open.join("\n"))
            }
        })
        .await;
    }

    /// Waits until a pass over everything changes nothing.
    pub(crate) async fn at_rest(&self) {
        self.eventually("a pass changes nothing", async || {
            let totals = self.controllers().reconcile_all().await.unwrap();
            match totals.writes {
                0 if totals.failures.is_empty() => Ok(()),
                _ => Err(format!("{totals:#?}")),
            }
        })
        .await;
    }

    /// Asks until the answer is good, with a deadline.
    pub(crate) async fn eventually(&self, what: &str, ask: impl AsyncFn() -> Result<(), String>) {
        let end = tokio::time::Instant::now() + LIMIT;
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        loop {
            ticks.tick().await;
            let Err(last) = ask().await else { return };
            if tokio::time::Instant::now() >= end {
                let failures = self.running.as_ref().map(|r| r.controllers.totals().failures);
                panic!("{what}: not in time; last seen:\n{last}\nfailures: {failures:#?}");
            }
        }
    }

    pub(crate) async fn names(
        &self,
        cluster: &str,
        api: &str,
        kind: &str,
        namespace: Option<&str>,
    ) -> BTreeSet<String> {
        list(&self.clusters[cluster].client(), api, kind, namespace).await
    }

    pub(crate) async fn runs(&self) -> Vec<DynamicObject> {
        let client = self.clusters["pipelines"].client();
        let all = api(&client, "tekton.dev/v1", "PipelineRun", None);
        all.list(&ListParams::default()).await.unwrap().items
    }

    /// How many requests that can write every cluster has seen.
    pub(crate) fn marks(&self) -> BTreeMap<String, u64> {
        let mut marks = BTreeMap::from([("tenant".to_owned(), self.tenant.audit().mark())]);
        marks.extend(
            self.clusters
                .iter()
                .map(|(n, c)| ((*n).to_owned(), c.audit().mark())),
        );
        marks
    }

    pub(crate) fn writes_since(&self, marks: &BTreeMap<String, u64>) -> Vec<String> {
        let of = |name: &str, cluster: &local::Cluster| -> Vec<String> {
            let writes = cluster.audit().writes_since(marks[name]);
            writes
                .iter()
                .map(|e| format!("{name} {} {} {}", e.verb, e.path, e.code))
                .collect()
        };
        let mut all = of("tenant", &self.tenant);
        all.extend(self.clusters.iter().flat_map(|(name, cluster)| of(name, cluster)));
        all
    }
}

async fn serve(listener: tokio::net::TcpListener, routes: tokio::sync::watch::Receiver<axum::Router>) {
    let service = tower::service_fn(move |request: axum::extract::Request| {
        let router = routes.borrow().clone();
        async move { tower::ServiceExt::oneshot(router, request).await }
    });
    axum::serve(listener, tower::make::Shared::new(service))
        .await
        .unwrap();
}

pub(crate) fn parse(text: &str) -> Vec<Resource> {
    let parsed = manifest::parse(text, &Context::new("test.yaml", Form::Request));
    let errors: Vec<String> = parsed.findings.iter().map(ToString::to_string).collect();
    assert!(!parsed.resources.is_empty(), "{errors:#?}");
    parsed
        .resources
        .into_iter()
        .map(|sourced| sourced.resource)
        .collect()
}

pub(crate) fn identity(text: &str) -> Identity {
    let parts: Vec<&str> = text.split('/').collect();
    let kind = nautes_model::Kind::from_name(parts[0]).unwrap();
    match parts.as_slice() {
        [_, name] => Identity::tenant(kind, name.parse().unwrap()),
        [_, product, name] => Identity::product(kind, product.parse().unwrap(), name.parse().unwrap()),
        _ => panic!("{text}"),
    }
}

fn provider(on: On) -> Resource {
    let kind = match on {
        On::Local => "local",
        On::Gitlab => "gitlab",
        On::Git => "git",
    };
    parse(&format!(
        "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: CodeRepoProvider\nmetadata: {{name: gitlab}}\n\
         spec:\n  httpAddress: http://localhost\n  apiServer: http://localhost\n  providerType: {kind}\n",
    ))
    .remove(0)
}

fn pipeline_run() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "pipelineruns.tekton.dev" },
        "spec": {
            "group": "tekton.dev", "scope": "Namespaced",
            "names": { "kind": "PipelineRun", "plural": "pipelineruns", "singular": "pipelinerun" },
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": {
                    "type": "object", "x-kubernetes-preserve-unknown-fields": true,
                } },
            }],
        },
    })
}

async fn define(cluster: &local::Cluster, definition: &Value) {
    let api: Api<CustomResourceDefinition> = Api::all(cluster.client());
    let name = definition["metadata"]["name"].as_str().unwrap();
    api.patch(name, &PatchParams::apply("test"), &Patch::Apply(definition))
        .await
        .unwrap();
}

pub(crate) fn api(
    client: &kube::Client,
    api_version: &str,
    kind: &str,
    namespace: Option<&str>,
) -> Api<DynamicObject> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let resource = ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        plural: format!("{}s", kind.to_lowercase()),
    };
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

pub(crate) async fn list(
    client: &kube::Client,
    version: &str,
    kind: &str,
    namespace: Option<&str>,
) -> BTreeSet<String> {
    let found = api(client, version, kind, namespace)
        .list(&ListParams::default())
        .await
        .unwrap();
    found
        .items
        .into_iter()
        .map(|object| object.metadata.name.unwrap())
        .collect()
}

/// Makes or changes an object as somebody else.
pub(crate) async fn put(client: &kube::Client, version: &str, kind: &str, object: &Value) {
    let mut object = object.clone();
    object["apiVersion"] = json!(version);
    object["kind"] = json!(kind);
    let namespace = object["metadata"]["namespace"].as_str();
    let name = object["metadata"]["name"].as_str().unwrap();
    let params = PatchParams::apply("somebody").force();
    api(client, version, kind, namespace)
        .patch(name, &params, &Patch::Apply(&object))
        .await
        .unwrap();
}

pub(crate) async fn delete(client: &kube::Client, version: &str, kind: &str, namespace: &str, name: &str) {
    let api = api(client, version, kind, Some(namespace));
    api.delete(name, &DeleteParams::default()).await.unwrap();
}
