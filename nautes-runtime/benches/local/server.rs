//! The servers that are asked, and what their processes cost.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use kube::{Client, Config, config::KubeConfigOptions, config::Kubeconfig};
use nautes_runtime::local::{self, Options};

const TOKEN: &str = "bench";

async fn start(listen: bool, folder: Option<&Path>) -> local::Cluster {
    let options = Options {
        listen: listen.then(|| ([127, 0, 0, 1], 0).into()),
        data: folder.map(Path::to_owned),
        ..Options::in_memory("bench")
    };
    local::Cluster::start(options).await.unwrap()
}

/// The least time that a start takes, in milliseconds: in memory alone, and with a port. The first start of the process
/// counts as well as any other, because a user has only that.
pub(crate) async fn starts(count: usize) -> (f64, f64) {
    let mut first = 0.0;
    let mut least = [f64::MAX; 2];
    for round in 0..count {
        for (listen, least) in [false, true].into_iter().zip(&mut least) {
            let begin = Instant::now();
            let cluster = start(listen, None).await;
            let took = begin.elapsed().as_secs_f64() * 1e3;
            cluster.stop().await;
            *least = least.min(took);
            if round == 0 && !listen {
                first = took;
            }
        }
    }
    println!("the first start of a process takes {first:.1} ms");
    (least[0], least[1])
}

/// Is the local cluster: prints its kubeconfig in one line, and serves until it is killed.
pub(crate) fn serve(folder: Option<&Path>) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let cluster = start(true, folder).await;
        cluster.add_token(TOKEN, "bench", &["system:masters"]);
        println!("{}", serde_json::to_string(&cluster.kubeconfig(TOKEN)).unwrap());
        std::future::pending::<()>().await;
    });
}

/// A server that is asked.
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) client: Client,
    processes: Vec<u32>,
    /// Ends with this value.
    child: Option<Child>,
}

impl Target {
    /// The local cluster in a process of its own, once in memory and once with a data folder, and the server of
    /// `KUBECONFIG` if there is one.
    pub(crate) async fn all(folder: &Path) -> Vec<Self> {
        let mut all = vec![
            Self::local("local cluster", None).await,
            Self::local("local cluster with a data folder", Some(folder)).await,
        ];
        if let Some(path) = std::env::var_os("KUBECONFIG").filter(|path| !path.is_empty()) {
            let pids = std::env::var("NAUTES_BENCH_PIDS").unwrap_or_default();
            all.push(Self {
                name: "kube-apiserver and etcd".to_owned(),
                client: client(Kubeconfig::read_from(std::path::Path::new(&path)).unwrap()).await,
                processes: pids
                    .split(',')
                    .filter_map(|pid| pid.trim().parse().ok())
                    .collect(),
                child: None,
            });
        }
        all
    }

    async fn local(name: &str, folder: Option<&Path>) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("serve")
            .args(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        Self {
            name: name.to_owned(),
            client: client(serde_json::from_str(&line).unwrap()).await,
            processes: vec![child.id()],
            child: Some(child),
        }
    }

    /// The memory of its processes, in megabytes; not a number where they are not known.
    pub(crate) fn memory(&self) -> f64 {
        if self.processes.is_empty() {
            return f64::NAN;
        }
        self.processes.iter().map(|pid| resident(*pid)).sum()
    }
}

fn resident(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find(|l| l.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

async fn client(kubeconfig: Kubeconfig) -> Client {
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .unwrap();
    Client::try_from(config).unwrap()
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
