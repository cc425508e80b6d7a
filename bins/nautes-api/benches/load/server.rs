//! The server, and what its process costs.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nautes_api::{App, Settings};
use nautes_gitops::RepoPath;
use nautes_gitops::host::local::{LocalForge, Options};
use nautes_runtime::clusters::StoredClusters;
use nautes_runtime::local;
use nautes_runtime::platform::machine::{begin_tenant, own_tenant};
use nautes_runtime::platform::{Platform, TenantSettings, Timing};
use nautes_vault::local::{LocalStore, MasterKey};

/// Opens what is in a folder: the server, or the generator when the server is gone and its histories are checked.
pub(crate) async fn open(dir: &Path, cluster: kube::Client) -> (Platform, LocalForge) {
    let forge = LocalForge::open(Options::new(dir.join("forge"))).await.unwrap();
    let key = MasterKey::load_or_create(&dir.join("store.key")).unwrap();
    let store = Arc::new(LocalStore::open_or_create(&dir.join("store.redb"), &key).unwrap());
    let platform = Platform::builder()
        .host(Arc::new(forge.clone()))
        .store(store.clone())
        .tenant(TenantSettings::new(
            "nautes",
            RepoPath::new("nautes", "management").unwrap(),
        ))
        .tenant_cluster(cluster)
        .clusters(Arc::new(StoredClusters::new(store)))
        .mirrors(dir.join("mirrors"))
        .webhook_url("http://127.0.0.1:2".parse().unwrap())
        .timing(Timing::LOCAL)
        .build()
        .unwrap();
    begin_tenant(&platform).await.unwrap();
    (platform, forge)
}

/// Is the server: prints where it listens and the token of its user, and serves until it is killed.
pub(crate) fn serve(dir: &Path) {
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let cluster = local::Cluster::start(local::Options::in_memory("tenant"))
            .await
            .unwrap();
        let client = cluster.client();
        let api: kube::Api<CustomResourceDefinition> = kube::Api::all(client.clone());
        for definition in nautes_model::crd::definitions() {
            api.create(&kube::api::PostParams::default(), &definition)
                .await
                .unwrap();
        }
        nautes_runtime::projection::require_crds(&client, Duration::from_secs(20))
            .await
            .unwrap();
        let (platform, forge) = open(dir, client).await;
        let token = forge.admin().create_user("admin").await.unwrap();
        own_tenant(&platform, "admin").await.unwrap();
        let settings = Settings::on(([127, 0, 0, 1], 0).into());
        let serving = nautes_api::serve(&settings, App::new(platform), Default::default())
            .await
            .unwrap();
        println!("{} {}", serving.address, token.expose_str().unwrap());
        serving.finished().await.unwrap();
    });
}

/// The server in its process; it ends with this value.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
}

impl Server {
    pub(crate) fn start(dir: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("serve")
            .arg(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let (address, token) = line.trim().split_once(' ').unwrap();
        Self {
            child,
            address: address.parse().unwrap(),
            token: token.to_owned(),
        }
    }

    /// The processor time of the server so far, in seconds.
    pub(crate) fn processor(&self) -> f64 {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // The name of the program is in brackets and may hold anything; what follows is in columns.
        let (_, rest) = text.rsplit_once(") ").unwrap();
        let columns: Vec<&str> = rest.split(' ').collect();
        let ticks: f64 = columns[11..13].iter().map(|n| n.parse::<f64>().unwrap()).sum();
        // Linux counts in hundredths for programs, whatever the kernel does.
        ticks / 100.0
    }

    /// The memory of the server, in megabytes.
    pub(crate) fn memory(&self) -> f64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = text.lines().find(|l| l.starts_with("VmRSS")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
