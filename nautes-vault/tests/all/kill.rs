//! A process that is killed while it writes loses nothing that it was told is written.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::Stdio;

use nautes_vault::{Expect, LocalStore, SecretStore};

use crate::{master, one, path, runtime};

const FILE: &str = "NAUTES_VAULT_TEST_KILL_FILE";

/// The body of the child; in an ordinary run it has nothing to do.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Some(file) = std::env::var_os(FILE).map(PathBuf::from) else {
        return;
    };
    runtime().block_on(async {
        let store = LocalStore::open_or_create(&file, &master()).unwrap();
        for n in 0u64.. {
            let values = one(&format!("{n}-{}", "x".repeat(n as usize * 977 % 20_000)));
            let written = store.write(&path("git/a"), values, Expect::Any).await.unwrap();
            let mut out = std::io::stdout().lock();
            writeln!(out, "\nwritten {}", written.version)
                .and_then(|()| out.flush())
                .unwrap();
        }
    });
}

#[test]
fn acknowledged_writes_survive_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets");
    let mut last = 0;
    for round in 0..6 {
        #[expect(
            clippy::disallowed_methods,
            reason = "only a process of its own can be killed"
        )]
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "kill::child_that_writes_until_it_is_killed",
                "--nocapture",
            ])
            .env(FILE, &file)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = lines
            .map_while(Result::ok)
            .filter_map(|line| line.strip_prefix("written ")?.parse().ok());
        let acknowledged: u64 = seen.nth(3 + round * 5).expect("the child writes");
        child.kill().unwrap();
        child.wait().unwrap();
        let acknowledged = seen.last().unwrap_or(acknowledged);

        runtime().block_on(async {
            let store = LocalStore::open(&file, &master()).unwrap();
            let found = store
                .read(&path("git/a"))
                .await
                .unwrap()
                .expect("the secret is gone");
            assert!(
                found.version >= acknowledged,
                "{} of {acknowledged}",
                found.version
            );
            assert!(
                found.version <= acknowledged + 1,
                "more was written than one write in flight"
            );
            assert!(found.version > last, "round {round} began anew");
            last = found.version;
            for info in store.versions(&path("git/a")).await.unwrap() {
                assert!(
                    store
                        .read_version(&path("git/a"), info.version)
                        .await
                        .unwrap()
                        .is_some()
                );
            }
        });
    }
}
