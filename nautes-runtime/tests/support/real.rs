//! A real Kubernetes API server, where the environment names one.
//!
//! `KUBECONFIG`: the server of its current context. `KUBEBUILDER_ASSETS`: a folder with `etcd` and
//! `kube-apiserver` (and `kube-controller-manager` if it is there); both are started on free ports of the
//! loopback address, once a test process, and end with it.

use std::{
    io::Write as _,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use http::{HeaderName, HeaderValue};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::json;
use tokio::sync::OnceCell;

/// A server and the right to do everything there.
pub(crate) struct Real {
    config: Config,
    _programs: Option<Programs>,
}

/// What was started; it ends when its standard input does.
struct Programs {
    _children: Vec<Child>,
    _folder: tempfile::TempDir,
}

static SERVER: OnceCell<Option<Real>> = OnceCell::const_new();

/// The server that the environment names.
pub(crate) async fn server() -> Option<&'static Real> {
    SERVER.get_or_init(find).await.as_ref()
}

async fn find() -> Option<Real> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    if let Some(path) = std::env::var_os("KUBECONFIG").filter(|v| !v.is_empty()) {
        let config = config(Kubeconfig::read_from(PathBuf::from(path)).unwrap()).await;
        let host = config.cluster_url.host().unwrap_or_default();
        let near = ["localhost", "[::1]"].contains(&host) || host.starts_with("127.");
        assert!(
            near || std::env::var_os("NAUTES_TEST_ANY_SERVER").is_some(),
            "the tests write to the server of KUBECONFIG, and {host} is not this machine: \
             set NAUTES_TEST_ANY_SERVER=1 if that is meant, or unset KUBECONFIG"
        );
        return Some(Real {
            config,
            _programs: None,
        });
    }
    let folder = std::env::var_os("KUBEBUILDER_ASSETS").filter(|v| !v.is_empty())?;
    Some(start(Path::new(&folder)).await)
}

async fn config(kubeconfig: Kubeconfig) -> Config {
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .unwrap()
}

impl Real {
    /// A client that may do everything.
    pub(crate) fn client(&self) -> Client {
        Client::try_from(self.config.clone()).unwrap()
    }

    /// A client that may do everything, and that asks once where others ask again (429, 503, 504).
    #[allow(dead_code, reason = "not every test program needs it")]
    pub(crate) fn client_without_retries(&self) -> Client {
        let mut config = self.config.clone();
        config.default_retry = false;
        Client::try_from(config).unwrap()
    }

    /// A client whose requests are judged by the roles of this user.
    #[allow(dead_code, reason = "not every test program needs it")]
    pub(crate) fn client_as(&self, user: &str, groups: &[&str]) -> Client {
        let mut config = self.config.clone();
        let header = |name, value: &str| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            )
        };
        config.headers.push(header("impersonate-user", user));
        for group in groups {
            config.headers.push(header("impersonate-group", group));
        }
        Client::try_from(config).unwrap()
    }

    /// True where the controllers of Kubernetes run: they make a service account in every namespace.
    #[allow(dead_code, reason = "not every test program needs it")]
    pub(crate) async fn has_controllers(&self) -> bool {
        let accounts: kube::Api<k8s_openapi::api::core::v1::ServiceAccount> =
            kube::Api::namespaced(self.client(), "default");
        let mut ticks = tokio::time::interval(Duration::from_millis(250));
        // A server that was just started may be slow to start its controllers.
        for _ in 0..120 {
            ticks.tick().await;
            if accounts.get_opt("default").await.unwrap().is_some() {
                return true;
            }
            if self._programs.is_none() {
                return false;
            }
        }
        false
    }
}

/// The controllers that the tests need; those of workloads would write to what the tests compare.
const CONTROLLERS: &str = "namespace-controller,garbage-collector-controller,serviceaccount-controller,\
                           clusterrole-aggregation-controller";

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

async fn start(assets: &Path) -> Real {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let key = rcgen::KeyPair::generate().unwrap();
    write(folder.path(), "sa.key", &key.serialize_pem());
    write(folder.path(), "sa.pub", &key.public_key_pem());
    let token = uuid::Uuid::new_v4().to_string();
    write(
        folder.path(),
        "tokens.csv",
        &format!("{token},admin,admin,system:masters\n"),
    );
    let (store, peers, port) = (free_port(), free_port(), free_port());
    let (store, peers) = (
        format!("http://127.0.0.1:{store}"),
        format!("http://127.0.0.1:{peers}"),
    );
    let mut children = vec![run(
        assets,
        folder.path(),
        "etcd",
        &[
            format!("--data-dir={}", at("etcd")),
            format!("--listen-client-urls={store}"),
            format!("--advertise-client-urls={store}"),
            format!("--listen-peer-urls={peers}"),
            format!("--initial-advertise-peer-urls={peers}"),
            format!("--initial-cluster=default={peers}"),
            "--unsafe-no-fsync=true".to_owned(),
        ],
    )];
    children.push(run(
        assets,
        folder.path(),
        "kube-apiserver",
        &[
            format!("--etcd-servers={store}"),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={port}"),
            format!("--cert-dir={}", at("certs")),
            format!("--service-account-key-file={}", at("sa.pub")),
            format!("--service-account-signing-key-file={}", at("sa.key")),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            "--authorization-mode=RBAC".to_owned(),
            format!("--token-auth-file={}", at("tokens.csv")),
            "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
            "--disable-admission-plugins=ServiceAccount".to_owned(),
            "--allow-privileged=true".to_owned(),
        ],
    ));
    let config = reachable(&folder.path().join("certs/apiserver.crt"), port, &token).await;
    if assets.join("kube-controller-manager").exists() {
        children.push(run(
            assets,
            folder.path(),
            "kube-controller-manager",
            &[
                format!("--kubeconfig={}", at("kubeconfig")),
                "--use-service-account-credentials=false".to_owned(),
                format!("--service-account-private-key-file={}", at("sa.key")),
                "--leader-elect=false".to_owned(),
                format!("--controllers={CONTROLLERS}"),
                "--secure-port=0".to_owned(),
            ],
        ));
    }
    Real {
        config,
        _programs: Some(Programs {
            _children: children,
            _folder: folder,
        }),
    }
}

fn write(folder: &Path, name: &str, text: &str) {
    let mut file = std::fs::File::create(folder.join(name)).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// Starts a program that ends when this process does, however that ends: then its input is closed.
#[expect(clippy::disallowed_methods, reason = "a real server is a program of its own")]
fn run(assets: &Path, folder: &Path, program: &str, arguments: &[String]) -> Child {
    let log = std::fs::File::create(folder.join(format!("{program}.log"))).unwrap();
    Command::new("sh")
        .args([
            "-c",
            r#""$@" </dev/null & program=$!; read -r _; kill "$program""#,
            program,
        ])
        .arg(assets.join(program))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// Waits until the server is ready, and writes a kubeconfig for it.
async fn reachable(certificate: &Path, port: u16, token: &str) -> Config {
    use base64::Engine as _;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(120);
    let mut ticks = tokio::time::interval(Duration::from_millis(250));
    loop {
        ticks.tick().await;
        assert!(
            tokio::time::Instant::now() < deadline,
            "kube-apiserver does not get ready"
        );
        let Ok(pem) = std::fs::read(certificate) else {
            continue;
        };
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "real",
            "clusters": [{"name": "real", "cluster": {
                "server": format!("https://127.0.0.1:{port}"),
                "certificate-authority-data": base64::engine::general_purpose::STANDARD.encode(pem),
            }}],
            "users": [{"name": "admin", "user": {"token": token}}],
            "contexts": [{"name": "real", "context": {"cluster": "real", "user": "admin"}}],
        });
        let folder = certificate.parent().and_then(Path::parent).unwrap();
        write(folder, "kubeconfig", &kubeconfig.to_string());
        let config = config(serde_json::from_value(kubeconfig).unwrap()).await;
        let client = Client::try_from(config.clone()).unwrap();
        let request = http::Request::get("/readyz").body(Vec::new()).unwrap();
        if client.request_text(request).await.is_ok() {
            return config;
        }
    }
}
