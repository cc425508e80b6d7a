//! A platform whose every outside system is a twin in this process: clusters, forge and secret store.
//!
//! It is composed of the same parts as any installation, only with other adapters. What is asked of it goes through
//! the API, without a port.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context as _;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, PostParams};
use nautes_gitops::host::local::{LocalForge, Options as ForgeOptions, Serving};
use nautes_gitops::repo::commit::{CommitSpec, Signature};
use nautes_gitops::{
    AccessLevel, Author, GitHost, GroupSpec, Mirror, Oid, Place, RepoPath, RepoRef, RepoSpec, Target,
};
use nautes_model::Secret;
use nautes_runtime::clusters::StoredClusters;
use nautes_runtime::controller::Controllers;
use nautes_runtime::local::{self, Options as ClusterOptions};
use nautes_runtime::platform::{Platform, TenantSettings, Timing};
use nautes_vault::SecretStore;
use nautes_vault::local::{LocalStore, MasterKey};
use serde_json::{Value, json};

/// A platform of twins with one deployment cluster, `live`.
pub struct Twins {
    /// The composition.
    pub platform: Platform,
    /// Its controllers; nothing happens before they are run or asked for a pass.
    pub controllers: Controllers,
    /// The cluster `live`, which is not registered yet.
    pub live: local::Cluster,
    api: axum::Router,
    admin: Secret,
    serving: Serving,
    dir: tempfile::TempDir,
}

impl std::fmt::Debug for Twins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Twins")
            .field("platform", &self.platform)
            .finish_non_exhaustive()
    }
}

impl Twins {
    /// Starts everything in a temporary folder.
    ///
    /// # Errors
    /// There is no git, or no folder or port can be had.
    pub async fn start() -> anyhow::Result<Self> {
        // Programs that speak TLS choose the implementation once; that it is chosen already is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir()?;
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let forge = LocalForge::open(ForgeOptions::new(dir.path().join("forge"))).await?;
        let serving = forge.serve(loopback).await?;
        let store: Arc<dyn SecretStore> = Arc::new(LocalStore::in_memory(&MasterKey::generate()?)?);
        let tenant = local::Cluster::start(ClusterOptions::in_memory("tenant")).await?;
        let live = local::Cluster::start(ClusterOptions {
            listen: Some(loopback),
            ..ClusterOptions::in_memory("live")
        })
        .await?;
        let repo = RepoPath::new("tenant", "management")?;
        let admin = found_tenant(&forge, &repo).await?;
        define_kinds(&tenant).await?;

        let platform = Platform::builder()
            .host(Arc::new(forge))
            .store(Arc::clone(&store))
            .tenant(TenantSettings::new("example", repo))
            .tenant_cluster(tenant.client())
            .clusters(Arc::new(StoredClusters::new(store)))
            .mirrors(dir.path().join("mirrors"))
            .webhook_url("http://127.0.0.1:1".parse()?)
            .timing(Timing::LOCAL)
            .build()?;
        begin(&platform).await?;
        let settings = nautes_api::Settings::on(loopback);
        let twins = Self {
            controllers: Controllers::new(platform.clone()),
            api: nautes_api::router(nautes_api::App::new(platform.clone()), &settings),
            platform,
            live,
            admin,
            serving,
            dir,
        };
        twins.apply("provider.yaml", crate::PROVIDER).await?;
        Ok(twins)
    }

    /// Hands manifests in, as `nautes apply -f` does, and returns the answer.
    ///
    /// # Errors
    /// They were rejected; the text says why.
    pub async fn apply(&self, name: &str, text: &str) -> anyhow::Result<Value> {
        use tower::ServiceExt as _;
        let body = json!({ "files": [{ "name": name, "text": text }] });
        let request = Request::post("/api/v1/apply")
            .header("authorization", format!("Bearer {}", self.admin.expose_str()?))
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()))?;
        let answer = self.api.clone().oneshot(request).await?;
        let status = answer.status();
        let bytes = answer.into_body().collect().await?.to_bytes();
        anyhow::ensure!(
            status.is_success(),
            "{status}: {}",
            String::from_utf8_lossy(&bytes)
        );
        Ok(serde_json::from_slice(&bytes)?)
    }

    /// Registers the cluster `live`, with a kubeconfig that goes to the secret store.
    ///
    /// # Errors
    /// It was rejected.
    pub async fn register_live(&self) -> anyhow::Result<Value> {
        let token = "a-token-for-this-example-only";
        self.live.add_token(token, "nautes", &["system:masters"]);
        let kubeconfig = serde_yaml::to_string(&self.live.kubeconfig(token))?.replace('\n', "\n    ");
        let address = self.live.address().context("the cluster has no port")?;
        let text = include_str!("../manifests/clusters/live.yaml")
            .replace("\"$API_SERVER\"", &format!("https://{address}"))
            .replace("    $KUBECONFIG", &format!("    {}", kubeconfig.trim_end()));
        self.apply("live.yaml", &text).await
    }

    /// Pushes files to the branch `main` of a repository, as one commit.
    ///
    /// # Errors
    /// The repository is not there, or somebody else was faster.
    pub async fn push(&self, path: &str, files: &[(&str, &str)]) -> anyhow::Result<Option<Oid>> {
        let path: RepoPath = path.parse()?;
        let session = self.platform.host().platform().await?;
        let folder = self
            .dir
            .path()
            .join("pushes")
            .join(path.group())
            .join(path.name());
        std::fs::create_dir_all(folder.parent().unwrap_or(&folder))?;
        let mirror = Mirror::open_or_create(folder).await?;
        let parent = session
            .fetch(&path, &mirror)
            .await?
            .get("refs/heads/main")
            .copied();
        let somebody = Signature {
            name: "example".to_owned(),
            email: "example@localhost".to_owned(),
            seconds: 0,
        };
        let edits = files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), Some(text.as_bytes().to_vec())));
        let spec = CommitSpec {
            parent,
            edits: edits.collect::<BTreeMap<_, _>>(),
            author: somebody.clone(),
            committer: somebody,
            message: "an example".to_owned(),
            trailers: Vec::new(),
        };
        let Some(commit) = mirror.commit(spec).await? else {
            return Ok(None);
        };
        session.push(&path, &mirror, "main", parent, commit).await?;
        Ok(Some(commit))
    }

    /// Stops the clusters and the forge.
    pub async fn stop(self) {
        self.live.stop().await;
        self.serving.stop().await;
    }
}

/// Makes the group and the repository of the tenant, and a user who owns them; returns the user's token.
async fn found_tenant(forge: &LocalForge, repo: &RepoPath) -> anyhow::Result<Secret> {
    let admin = forge.admin().create_user("admin").await?;
    let session = forge.platform().await?;
    let group = GroupSpec {
        name: repo.group().to_owned(),
        ..GroupSpec::default()
    };
    session.create_group(&group).await?;
    session.create_repository(repo, &RepoSpec::default()).await?;
    session
        .add_member(&Place::group(repo.group()), "admin", AccessLevel::Owner)
        .await?;
    Ok(admin)
}

/// Gives the tenant's repository its first commit: one without a branch could not be told from a lost one.
async fn begin(platform: &Platform) -> anyhow::Result<()> {
    let session = platform.host().platform().await?;
    let path = &platform.tenant().repo;
    let mirror = platform.mirrors().open(path).await?;
    let target = Target {
        session: &*session,
        of: &RepoRef::Tenant,
        path,
        mirror: &mirror,
        branch: &platform.tenant().branch,
    };
    let author = Author {
        name: "example".to_owned(),
        email: "example@localhost".to_owned(),
    };
    platform.publisher().begin(&target, &author).await?;
    Ok(())
}

/// Puts into the tenant cluster what an installation puts there: our kinds and our namespace.
async fn define_kinds(tenant: &local::Cluster) -> anyhow::Result<()> {
    let api: Api<CustomResourceDefinition> = Api::all(tenant.client());
    for definition in nautes_model::crd::definitions() {
        api.create(&PostParams::default(), &definition).await?;
    }
    let namespace: Namespace = serde_json::from_value(json!({ "metadata": { "name": "nautes" } }))?;
    Api::all(tenant.client())
        .create(&PostParams::default(), &namespace)
        .await?;
    Ok(())
}
