//! The program, started with its secrets in a real server of OpenBao.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test starts programs, is told by the environment, and may fail"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nautes_vault::openbao::{self, Openbao};
use nautes_vault::{SecretStore, VaultStore};

/// Returns the program of OpenBao; without one the test says so and is skipped.
fn bao() -> Option<PathBuf> {
    let named = std::env::var_os("NAUTES_TEST_OPENBAO").filter(|program| !program.is_empty());
    let found = openbao::find(
        named.as_deref().map(Path::new),
        std::env::var_os("PATH").as_deref(),
    );
    if found.is_none() {
        assert!(
            std::env::var_os("CI").is_none_or(|ci| ci != "true"),
            "no server of OpenBao: run scripts/test, which installs one"
        );
        eprintln!("skipped: there is no server of OpenBao (scripts/test installs one)");
    }
    found
}

fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nautes-controller"));
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .args(["--listen", "127.0.0.1:0", "--forge-data"])
        .arg(folder.join("forge"))
        .arg("--mirrors")
        .arg(folder.join("mirrors"))
        .env("KUBECONFIG", folder.join("kubeconfig"))
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

#[test]
fn settings_that_do_not_go_together_are_all_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program(folder.path());
    command.args(["--vault-address", "https://vault.example", "--vault-login", "jwt"]);
    let out = command.output().unwrap();
    let text = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(2), "{text}");
    assert!(
        text.contains("needs vault-role") && text.contains("needs vault-login-file"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_uses_the_vault_that_it_is_told_of() {
    let Some(bao) = bao() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let options = openbao::Options {
        program: bao,
        folder: folder.path().join("openbao"),
        port: 0,
    };
    let server = Openbao::start(options).await.unwrap();
    let vault = VaultStore::new(server.settings()).unwrap();
    assert!(vault.list("").await.is_err(), "there are no engines yet");
    let mut command = program(folder.path());
    command
        .args(["--vault-login", "token-file", "--vault-login-file"])
        .arg(server.token_file())
        .env("NAUTES_VAULT_ADDRESS", server.address().as_str());
    // There is no tenant cluster: the program ends there, after it has prepared the store.
    let out = command.output().unwrap();
    let text = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(1), "{text}");
    assert!(text.contains("cannot find the tenant cluster"), "{text}");
    assert!(vault.list("").await.unwrap().is_empty(), "the engines are there");
    assert!(!folder.path().join("store.redb").exists());
    server.stop().await;
}
