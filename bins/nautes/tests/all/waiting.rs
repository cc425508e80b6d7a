//! `--wait`: what is said meanwhile, and how it ends.
#![cfg(unix)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use crate::kit::{ONE_PLATFORM, example, program, run};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ready_is_told_after_ctrl_c_and_after_the_time() {
    let _one = ONE_PLATFORM.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let instance = crate::kit::platform(dir.path().join("platform")).await;
    let server = instance.url("api").unwrap();
    let nautes = |user: &str, words: &[&str]| {
        let mut command = program(dir.path());
        command
            .args(words)
            .env("NAUTES_SERVER", &server)
            .env("NAUTES_TOKEN", &instance.remembered().users[user]);
        command
    };
    let done = |user: &str, words: &[&str]| {
        let mut command = nautes(user, words);
        tokio::task::block_in_place(|| run(&mut command, ""))
    };
    let clusters = dir
        .path()
        .join("platform/manifests/clusters")
        .display()
        .to_string();
    assert_eq!(done("admin", &["apply", "-f", &clusters]).code, 0);

    // Its repository is empty, so that the deployment has nothing to deploy and waits.
    let hello = example("hello.yaml");
    let mut child = nautes("alice", &["apply", "-f", &hello, "--wait"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let told = tokio::task::block_in_place(|| {
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut told = String::new();
        while !told.contains("CodeRepo/hello/deploy ready") {
            assert_ne!(lines.read_line(&mut told).unwrap(), 0, "{told}");
        }
        #[expect(clippy::disallowed_methods, reason = "a signal is what ctrl-C is")]
        let sent = std::process::Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
        lines.read_to_string(&mut told).unwrap();
        told
    });
    assert_eq!(child.wait().unwrap().code(), Some(130), "{told}");
    for part in [
        "are not ready; no longer waiting",
        "DeploymentRuntime/hello/web",
        "the same command again",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }

    // Waiting on: what is ready is said, and what is not when the time is over.
    let late = done("alice", &["apply", "-f", &hello, "--wait", "--timeout", "1s"]);
    assert!(
        late.code == 1 && late.err.contains("1 of 5 are not ready after 1 second"),
        "{}",
        late.err
    );
    assert!(late.err.contains("Environment/hello/live ready"), "{}", late.err);

    // Everything goes, and that is waited for as well.
    let gone = done("alice", &["remove", "-f", &hello, "--wait"]);
    assert!(gone.code == 0 && gone.err.contains("gone: 5"), "{}", gone.err);
    instance.stop().await.unwrap();
}
