//! A thousand planted secrets, and everything that a platform writes or says searched for them.
//!
//! Two hundred clusters are registered, each with a kubeconfig that has five secrets in it, some of them in requests that
//! are refused. Then everybody asks for everything. The secret store is where they may be, sealed; and nowhere else.
#![cfg(feature = "local")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "all/kit.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod kit;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use nautes_runtime::status_report::{State, report};
use tracing_subscriber::EnvFilter;

use kit::{Run, example, platform, program, run};

const CLUSTERS: usize = 200;
const EACH: usize = 5;

/// A secret that nothing else looks like.
fn canary(cluster: usize, which: usize) -> String {
    format!(
        "cnry{:06x}q{which}z{:06x}",
        cluster * 7919 + 11,
        cluster * 104_729 + which
    )
}

/// Where nobody listens, and which no other cluster has.
fn server(cluster: usize) -> String {
    format!("https://127.9.{}.{}:1", cluster / 200, cluster % 200 + 1)
}

fn kubeconfig(cluster: usize) -> String {
    let server = server(cluster);
    let [token, password, key, user, proxy] = [0, 1, 2, 3, 4].map(|which| canary(cluster, which));
    // Half of them cannot be used, the others can be tried.
    let place = if cluster.is_multiple_of(2) {
        format!("cluster: {{server: '{server}', proxy-url: 'http://u:{proxy}@127.0.0.1:1'}}")
    } else {
        format!(
            "cluster: {{server: '{server}'}}\n- name: other\n  cluster: {{server: 'https://u:{proxy}@127.0.0.1:1'}}"
        )
    };
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: one\nclusters:\n- name: one\n  {place}\nusers:\n- name: one\n  user: \
         {{token: {token}}}\n- name: two\n  user: {{username: admin, password: {password}}}\n- name: three\n  user: \
         {{client-key-data: {}}}\n- name: four\n  user: {{token: {user}}}\ncontexts:\n- name: one\n  context: {{cluster: one, \
         user: one}}\n",
        BASE64.encode(&key)
    )
}

fn manifest(cluster: usize, extra: &str) -> String {
    let indented: String = kubeconfig(cluster)
        .lines()
        .map(|line| format!("    {line}\n"))
        .collect();
    format!(
        "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: Cluster\nspec:\n  name: far-{cluster}\n  \
         apiServer: '{}'\n  clusterKind: kubernetes\n  clusterType: physical\n  usage: host\n{extra}  \
         kubeconfig: |\n{indented}",
        server(cluster)
    )
}

/// The forms in which a secret could show up.
fn needles() -> Vec<String> {
    let all = (0..CLUSTERS).flat_map(|cluster| (0..EACH).map(move |which| canary(cluster, which)));
    all.flat_map(|text| {
        // In base64 a text looks different at each of three offsets; what is certain of it is in the middle.
        let shifted = (0..3).map(|offset| {
            let coded = BASE64.encode(format!("{}{text}", "x".repeat(offset)));
            coded[4..coded.len() - 4].to_owned()
        });
        let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        shifted.chain([text.clone(), hex]).collect::<Vec<_>>()
    })
    .collect()
}

/// Everything that was written or said, with where.
#[derive(Default)]
struct Heap(Vec<(String, Vec<u8>)>);

impl Heap {
    fn add(&mut self, place: impl Into<String>, said: impl Into<Vec<u8>>) {
        self.0.push((place.into(), said.into()));
    }

    fn run(&mut self, run: &Run, words: &[&str]) {
        self.add(
            format!("the output of {words:?}"),
            format!("{}\n{}", run.out, run.err),
        );
    }

    /// All files below a folder.
    fn files(&mut self, folder: &Path) {
        let Ok(entries) = std::fs::read_dir(folder) else {
            return;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => self.files(&path),
                Ok(kind) if kind.is_file() => {
                    if let Ok(bytes) = std::fs::read(&path) {
                        self.add(path.display().to_string(), bytes);
                    }
                }
                _ => {}
            }
        }
    }

    /// Every object of every repository below a folder, unpacked.
    fn repositories(&mut self, folder: &Path) {
        for repository in bare(folder) {
            #[expect(clippy::disallowed_methods, reason = "git shows what is in a repository")]
            let shown = Command::new("git")
                .arg("-C")
                .arg(&repository)
                .args(["cat-file", "--batch-all-objects", "--batch"])
                .stderr(Stdio::null())
                .output()
                .unwrap();
            assert!(shown.status.success(), "{}", repository.display());
            self.add(format!("the objects of {}", repository.display()), shown.stdout);
        }
    }

    /// The places in which a secret is.
    fn search(&self) -> BTreeSet<String> {
        let needles: Vec<String> = needles().iter().map(|text| regex::escape(text)).collect();
        let pattern = regex::bytes::RegexBuilder::new(&needles.join("|"))
            .size_limit(1 << 30)
            .build()
            .unwrap();
        self.0
            .iter()
            .filter_map(|(place, said)| {
                let found = pattern.find(said)?;
                let from = found.start().saturating_sub(120);
                let around = String::from_utf8_lossy(&said[from..(found.end() + 40).min(said.len())]);
                Some(format!("{place}: ..{around}.."))
            })
            .collect()
    }
}

fn bare(folder: &Path) -> Vec<PathBuf> {
    if folder.join("HEAD").is_file() && folder.join("objects").is_dir() {
        return vec![folder.to_owned()];
    }
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    entries.flatten().flat_map(|entry| bare(&entry.path())).collect()
}

/// What was logged, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_secrets_are_in_the_store_and_nowhere_else() {
    let log = Log::default();
    let writer = log.clone();
    // Everything of ours, and of what speaks with servers for us.
    let filter = "trace,h2=off,hyper_util::client::legacy::pool=off";
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .init();
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("platform");
    let instance = platform(data.clone()).await;
    let server = instance.url("api").unwrap();
    let mut heap = Heap::default();
    let user = |name: &str, words: &[&str], input: &str| -> Run {
        let mut command = program(dir.path());
        command
            .args(words)
            .env("NAUTES_SERVER", &server)
            .env("NAUTES_TOKEN", &instance.remembered().users[name]);
        tokio::task::block_in_place(|| run(&mut command, input))
    };
    let kept = data.join("manifests/clusters").display().to_string();
    assert_eq!(user("admin", &["apply", "-f", &kept], "").code, 0);
    assert_eq!(
        user("admin", &["apply", "-f", &example("hello.yaml")], "").code,
        0
    );

    // A request that is refused for its rules, one for its form, one for who asks, and one that is no manifest.
    let half: Vec<String> = (0..CLUSTERS / 2)
        .map(|n| manifest(n, "  usgae: host\n"))
        .collect();
    let refused = [
        ("admin", half.join("---\n")),
        ("admin", manifest(1, "").replace("usage: host", "usage: nothing")),
        ("alice", manifest(2, "")),
        (
            "admin",
            manifest(3, "").replace("kubeconfig: |", "kubeconfig: |\n  - ["),
        ),
        ("admin", kubeconfig(4)),
        (
            "admin",
            format!(
                "apiVersion: v1\nkind: Secret\nstringData: {{key: {}}}\n",
                canary(5, 0)
            ),
        ),
        (
            "admin",
            manifest(6, "").replace("name: far-6", &format!("name: {}", canary(6, 1))),
        ),
    ];
    for (who, text) in &refused[..6] {
        for verb in [
            &["apply", "-f", "-"][..],
            &["apply", "-f", "-", "--dry-run", "-o", "json"],
        ] {
            let run = user(who, verb, text);
            assert_ne!(run.code, 0, "{}", run.out);
            heap.run(&run, verb);
        }
    }
    // The rest is taken.
    let all: Vec<String> = (0..CLUSTERS).map(|n| manifest(n, "")).collect();
    let all = all.join("---\n");
    let planned = user("admin", &["plan", "-f", "-"], &all);
    heap.run(&planned, &["plan"]);
    let taken = user("admin", &["apply", "-f", "-", "-o", "json"], &all);
    assert_eq!(taken.code, 0, "{}", taken.err);
    heap.run(&taken, &["apply"]);
    let again = user("admin", &["apply", "-f", "-"], &all);
    assert_eq!(again.code, 0, "{}", again.err);
    heap.run(&again, &["apply"]);

    // They are where they belong.
    let stored = instance.platform().store().list("cluster").await.unwrap();
    assert!(stored.len() >= CLUSTERS, "{}", stored.len());
    let at = nautes_vault::keys::kubeconfig(&"far-7".parse().unwrap());
    let held = instance.platform().store().resolve(&at).await.unwrap().unwrap();
    assert!(held.expose_str().unwrap().contains(&canary(7, 0)));

    // The controllers try to reach them.
    let mut ticks = tokio::time::interval(Duration::from_millis(500));
    let far: nautes_model::Identity = nautes_model::Identity::tenant(
        nautes_model::Kind::Cluster,
        format!("far-{}", CLUSTERS - 1).parse().unwrap(),
    );
    let mut state = None;
    for _ in 0..120 {
        ticks.tick().await;
        let tree = report(instance.platform(), None).await.unwrap();
        state = tree.get(&far).map(|node| (node.state, node.message.clone()));
        if state.as_ref().is_some_and(|(state, _)| *state == State::Unknown) {
            break;
        }
    }
    let (state, message) = state.unwrap();
    assert_eq!(state, State::Unknown, "nobody has tried to reach them: {message}");
    for words in [
        &["status"][..],
        &["status", "-o", "json"],
        &["get", "clusters", "-o", "yaml"],
        &["get", "clusters", "-o", "wide"],
        &["get", "cluster/far-7", "-o", "json"],
        &["audit"],
        &["audit", "-o", "json"],
        &["plan", "--live"],
        &["why", "cluster/far-7"],
        &["impact", "cluster/far-7"],
        &["graph", "-o", "json"],
        &["whoami"],
        &["-vv", "get", "cluster/far-9"],
        &["delete", "cluster/far-11", "-y"],
        &["get", "cluster/far-11"],
    ] {
        for name in ["admin", "alice"] {
            heap.run(&user(name, words, ""), words);
        }
    }
    for (door, path) in [
        ("api", "metrics"),
        ("api", "readyz"),
        ("api", "api/v1/status"),
        ("hooks", "metrics"),
    ] {
        let Ok(base) = instance.url(door) else { continue };
        let address = format!("{}/{path}", base.trim_end_matches('/'));
        if let Ok(answer) = reqwest::get(&address).await {
            heap.add(address, answer.text().await.unwrap_or_default());
        }
    }
    // Statuses, events, and all else that the tenant cluster has; and the Debug of the parts.
    heap.add("Debug of the platform", format!("{:?}", instance.platform()));
    heap.add("Debug of the store", format!("{:?}", instance.platform().store()));
    heap.add(
        "Debug of what is declared",
        format!("{:?}", instance.platform().scopes().await),
    );
    heap.add("Debug of a secret", format!("{held:?}"));
    instance.stop().await.unwrap();

    // Whatever is on the disk: repositories unpacked, clusters, mirrors, and the store, which is sealed.
    heap.repositories(&data);
    heap.files(&data);
    let logged = log.0.lock().unwrap().clone();
    assert!(
        logged.len() > 100_000,
        "the log was not kept: {} bytes",
        logged.len()
    );
    heap.add("the log", logged);
    let found = heap.search();
    assert!(found.is_empty(), "{found:#?}");

    // The search finds what is there.
    let mut proof = Heap::default();
    proof.add("plain", format!("..{}..", canary(199, 4)));
    proof.add("base64", BASE64.encode(format!("a{}b", canary(0, 0))));
    proof.add(
        "hex",
        canary(3, 3)
            .bytes()
            .map(|b| format!("{b:02x}"))
            .collect::<String>(),
    );
    assert_eq!(proof.search().len(), 3);
}
