//! The program as a user has it: up, killed, up again as it was, down.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use crate::kit::{Run, example, program, run};

/// A platform that runs in a process of its own; it ends with this value.
struct Up(Child);

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a platform and returns when it says that it is ready.
fn up(home: &Path) -> Up {
    let child = program(home)
        .args(["local", "up"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Up(child);
    let mut said = String::new();
    for line in BufReader::new(child.0.stderr.as_mut().unwrap()).lines() {
        let line = line.unwrap();
        if line.starts_with("ready") {
            return child;
        }
        said.push_str(&line);
        said.push('\n');
    }
    panic!("it did not come up: {said}");
}

/// The variables that `nautes local env` exports.
fn exports(home: &Path) -> Vec<(String, String)> {
    let env = run(program(home).args(["local", "env"]), "");
    assert_eq!(env.code, 0, "{}", env.err);
    let of = |line: &str| {
        let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
        Some((name.to_owned(), value.trim_matches('\'').to_owned()))
    };
    env.out.lines().filter_map(of).collect()
}

#[test]
fn what_was_there_is_there_again_after_a_kill() {
    let _one = crate::kit::ONE_PLATFORM.blocking_lock();
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    let mut child = up(home);
    let before = exports(home);
    let nautes = |words: &[&str], input: &str| -> Run {
        run(
            program(home).args(words).envs(before.iter().map(|(n, v)| (n, v))),
            input,
        )
    };
    let second = run(program(home).args(["local", "up"]), "");
    assert_eq!(second.code, 5, "{}", second.err);
    assert_eq!(run(program(home).args(["local", "reset"]), "").code, 5);

    let clusters = home.join("local/manifests/clusters").display().to_string();
    let applied = nautes(&["apply", "-f", &clusters, "--wait", "--timeout", "60s"], "");
    assert_eq!(applied.code, 0, "{}", applied.err);
    let books = example("books.yaml");
    assert_eq!(nautes(&["plan", "-f", &books], "").code, 1);
    assert_eq!(nautes(&["apply", "-f", &books], "").code, 0);
    assert_eq!(nautes(&["apply", "-f", &books, "--dry-run"], "").code, 0);
    for (kind, product) in [
        ("cluster", ""),
        ("product", ""),
        ("env", "books"),
        ("proj", "books"),
        ("cr", "books"),
        ("dr", "books"),
    ] {
        let shown = nautes(&["get", kind, "-p", product, "-o", "yaml"], "");
        assert_eq!(shown.code, 0, "{kind}: {}", shown.err);
        assert!(!shown.out.contains("certificate-authority"), "{kind}");
        let again = nautes(&["apply", "-f", "-", "-o", "json"], &shown.out);
        assert_eq!(again.code, 0, "{kind}: {}", again.err);
        let reply: nautes_api::wire::ApplyReply = serde_json::from_str(&again.out).unwrap();
        assert!(!nautes::cmd::plan::changes(&reply), "{kind}: {}", again.out);
    }
    assert_eq!(nautes(&["get", "env/nothing", "-p", "books"], "").code, 4);
    assert_eq!(
        nautes(&["delete", "env/staging", "-p", "books", "-y"], "").code,
        5
    );
    assert_eq!(nautes(&["get", "clusters", "-t", "wrong"], "").code, 3);

    child.0.kill().unwrap();
    child.0.wait().unwrap();
    let mut child = up(home);
    assert_eq!(exports(home), before, "addresses and tokens stay");
    let shown = nautes(&["get", "product/books", "-o", "name"], "");
    assert_eq!(
        (shown.code, shown.out.as_str()),
        (0, "product/books\n"),
        "{}",
        shown.err
    );
    let unchanged = nautes(&["apply", "-f", &clusters, "--wait", "--timeout", "60s"], "");
    assert_eq!(unchanged.code, 0, "{}", unchanged.err);

    let down = run(program(home).args(["local", "down"]), "");
    assert_eq!(down.code, 0, "{}", down.err);
    assert!(child.0.wait().unwrap().success());
    assert_eq!(run(program(home).args(["local", "reset"]), "").code, 0);
    assert!(!home.join("local").exists());
}
