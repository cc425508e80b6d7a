//! Converging the grants of one scope on a server of OpenBao in memory: with nothing to change, and with one in a
//! hundred changed. The server is the one that `NAUTES_TEST_OPENBAO` names.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a benchmark starts a program and may fail"
)]

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use nautes_model::secret::{Grant, GrantLevel, GrantScope, Principal, SecretPath};
use nautes_vault::SecretStore;
use nautes_vault::vault::{Login, VaultSettings, VaultStore};

const ACCOUNTS: usize = 20;

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(program: &str) -> (Server, String) {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let listen = format!("127.0.0.1:{port}");
    let child = Command::new(program)
        .args(["server", "-dev", "-dev-root-token-id=root", "-dev-no-store-token"])
        .arg(format!("-dev-listen-address={listen}"))
        .env_clear()
        .env("HOME", std::env::temp_dir())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    (Server(child), format!("http://{listen}"))
}

/// Returns grants of which every hundredth depends on the round.
fn grants(count: usize, round: usize) -> BTreeSet<Grant> {
    let grant = |n: usize| {
        let round = if n.is_multiple_of(100) { round } else { 0 };
        Grant {
            principal: Principal::Account {
                cluster: "live".parse().unwrap(),
                product: "shop".parse().unwrap(),
                account: format!("account{}", n % ACCOUNTS).parse().unwrap(),
            },
            secret: SecretPath::new(format!("git/gitlab/repo-{n}-{round}/default/readonly")).unwrap(),
            level: GrantLevel::Read,
        }
    };
    (0..count).map(grant).collect()
}

fn converge(c: &mut Criterion) {
    let Some(program) = std::env::var_os("NAUTES_TEST_OPENBAO") else {
        eprintln!("skipped: NAUTES_TEST_OPENBAO names no server of OpenBao");
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut group = c.benchmark_group("converge grants");
    group.sample_size(10).warm_up_time(Duration::from_millis(1));
    for count in [1_000, 10_000] {
        let (_server, address) = start(program.to_str().unwrap());
        let mut settings = VaultSettings::new(address.parse().unwrap(), Login::Token("root".into()));
        settings.pace.attempts = 20;
        let scope = GrantScope::Product {
            product: "shop".parse().unwrap(),
            cluster: "live".parse().unwrap(),
        };
        let store = runtime.block_on(async {
            let store = VaultStore::new(settings).unwrap();
            store.prepare().await.unwrap();
            store.converge_grants(&scope, &grants(count, 0)).await.unwrap();
            store
        });
        let wanted = grants(count, 0);
        group.bench_function(BenchmarkId::new("nothing to change", count), |b| {
            b.iter(|| {
                let change = runtime.block_on(store.converge_grants(&scope, &wanted)).unwrap();
                assert!(change.is_empty());
            });
        });
        let mut round = 0;
        group.bench_function(BenchmarkId::new("one in a hundred changed", count), |b| {
            b.iter(|| {
                round += 1;
                let wanted = grants(count, round);
                let change = runtime.block_on(store.converge_grants(&scope, &wanted)).unwrap();
                assert_eq!(change.added.len(), count / 100);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, converge);
criterion_main!(benches);
