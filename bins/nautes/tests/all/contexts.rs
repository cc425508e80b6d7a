//! Login, contexts and credentials, against a server; and that a token shows nowhere but where it is kept.
#![cfg(unix)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::kit::{ONE_PLATFORM, Run, program, run};

struct Desk {
    home: tempfile::TempDir,
    server: String,
    admin: String,
    alice: String,
}

impl Desk {
    /// Runs the program as somebody who has only what is in the home folder.
    fn nautes(&self, words: &[&str], input: &str) -> Run {
        self.with(words, input, &[])
    }

    fn with(&self, words: &[&str], input: &str, variables: &[(&str, &str)]) -> Run {
        let home = self.home.path();
        let mut command = program(home);
        command
            .args(words)
            .env("HOME", home)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("TMPDIR", home)
            .envs(variables.iter().copied())
            .current_dir(home);
        let done = tokio::task::block_in_place(|| run(&mut command, input));
        for canary in [&self.admin, &self.alice] {
            assert!(!done.out.contains(canary.as_str()), "{words:?}: {}", done.out);
            assert!(!done.err.contains(canary.as_str()), "{words:?}: {}", done.err);
        }
        done
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Writes a script that records its arguments and environment, and then does something.
    fn script(&self, name: &str, text: &str) -> String {
        let seen = self.home.path().join("seen");
        let text = format!(
            "#!/bin/sh\n{{ echo \"$0 $*\"; env; }} >> {}\n{text}\n",
            seen.display()
        );
        let path = self.file(name, &text);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        path
    }

    fn who(&self) -> String {
        let run = self.nautes(&["whoami", "-o", "json", "-vv"], "");
        assert_eq!(run.code, 0, "{}", run.err);
        let value: serde_json::Value = serde_json::from_str(&run.out).unwrap();
        format!(
            "{} {} {}",
            value["name"].as_str().unwrap(),
            value["context"].as_str().unwrap_or("-"),
            value["token"].as_str().unwrap()
        )
    }

    fn config(&self) -> String {
        std::fs::read_to_string(self.home.path().join(".config/nautes/config.yaml")).unwrap()
    }
}

/// Every file below a folder whose content has a text.
fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else if String::from_utf8_lossy(&std::fs::read(&path).unwrap()).contains(text) {
            found.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_comes_from_where_the_context_says_and_shows_nowhere() {
    let _one = ONE_PLATFORM.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let instance = crate::kit::platform(dir.path().join("platform")).await;
    let users = &instance.remembered().users;
    let desk = Desk {
        home: tempfile::tempdir().unwrap(),
        server: instance.url("api").unwrap(),
        admin: users["admin"].clone(),
        alice: users["alice"].clone(),
    };
    let server = desk.server.as_str();
    let folder = desk.home.path();

    // Without anything, and with a token of nobody: nothing is remembered.
    assert_eq!(desk.nautes(&["status"], "").code, 2);
    for (input, code) in [("nobody's-token\n", 3), ("", 2), ("two words", 2)] {
        let run = desk.nautes(&["login", server], input);
        assert_eq!(run.code, code, "{}", run.err);
    }
    let typed = desk.nautes(&["login", server, "--token", "nobody's-token"], "");
    assert!(
        typed.code == 2 && typed.err.contains("not taken from the command line"),
        "{}",
        typed.err
    );
    assert!(
        desk.nautes(&["login", "http://nautes.example.org"], "x")
            .err
            .contains("not encrypted")
    );
    assert_eq!(desk.nautes(&["login", "http://127.0.0.1:9"], "x").code, 7);
    assert!(files_with(folder, "contexts").is_empty());

    // From standard input: kept, for its owner only.
    let run = desk.nautes(
        &["login", server, "--context", "alice", "-vv"],
        &format!("{}\n", desk.alice),
    );
    assert!(run.code == 0 && run.err.contains("as alice"), "{}", run.err);
    assert_eq!(desk.who(), "alice alice kept by nautes login (context alice)");
    assert_eq!(files_with(folder, &desk.alice), ["config.credentials.yaml"]);
    let kept = folder.join(".config/nautes/config.credentials.yaml");
    assert_eq!(
        std::fs::metadata(&kept).unwrap().permissions().mode() & 0o777,
        0o600
    );

    // A second one, by a file that is read each time; the first is still there.
    let file = desk.file("admin.token", &format!("{}\n", desk.admin));
    let run = desk.nautes(
        &[
            "login",
            server,
            "--context",
            "admin",
            "--token-file",
            "admin.token",
        ],
        "",
    );
    assert_eq!(run.code, 0, "{}", run.err);
    assert_eq!(desk.who(), format!("admin admin file {file} (context admin)"));
    assert_eq!(files_with(folder, &desk.admin), ["admin.token"]);
    let list = desk.nautes(&["context", "list"], "");
    assert!(
        list.out.contains("*   admin") && list.out.contains("alice"),
        "{}",
        list.out
    );
    assert_eq!(desk.nautes(&["context", "use", "alice"], "").code, 0);
    assert!(desk.who().starts_with("alice alice"));
    assert_eq!(desk.nautes(&["status", "--context", "admin"], "").code, 0);
    assert_eq!(desk.nautes(&["status", "--context", "nobody"], "").code, 4);

    // The environment wins over the context, and the command line over both. A context's token stays with its server.
    let admin = [("NAUTES_TOKEN", desk.admin.as_str())];
    let run = desk.with(&["whoami"], "", &admin);
    assert!(
        run.out.contains("admin") && run.out.contains("NAUTES_TOKEN"),
        "{}",
        run.out
    );
    let run = desk.with(&["whoami", "--token-file", "-"], &desk.alice, &admin);
    assert!(run.out.contains("alice"), "{}", run.out);
    let run = desk.nautes(&["status", "--server", "http://127.0.0.1:9"], "");
    assert!(
        run.code == 2 && run.err.contains("no token is set"),
        "{}",
        run.err
    );

    // A variable, a helper and git: only the way to the token is remembered.
    let run = desk.with(
        &[
            "login",
            server,
            "--context",
            "variable",
            "--token-env",
            "MY_TOKEN",
        ],
        "",
        &[("MY_TOKEN", desk.alice.as_str())],
    );
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(desk.nautes(&["whoami"], "").err.contains("MY_TOKEN"));
    let helper = desk.script(
        "helper",
        "echo 'touch the key' >&2\nread server\nprintf '{\"token\": \"%s\"}' \"$(cat admin.token)\"",
    );
    let run = desk.nautes(
        &[
            "login",
            server,
            "--context",
            "helper",
            "--credential-helper",
            &format!("'{helper}' get 'two words'"),
        ],
        "",
    );
    assert!(run.code == 0 && run.err.contains("touch the key"), "{}", run.err);
    assert_eq!(
        desk.who(),
        format!("admin helper credential helper {helper} (context helper)")
    );
    let path = std::env::var_os("PATH").unwrap().into_string().unwrap();
    desk.script("git", &format!("PATH={path}\nexec git \"$@\""));
    let host = server.trim_start_matches("http://");
    desk.file(
        "git-credentials",
        &format!("http://alice:{}@{host}\n", desk.alice),
    );
    desk.file(
        ".gitconfig",
        &format!(
            "[credential]\n  helper = store --file {}/git-credentials\n",
            folder.display()
        ),
    );
    let in_front = format!("{}:{path}", folder.display());
    let run = desk.with(
        &["login", server, "--context", "git", "--git-credentials", "-vv"],
        "",
        &[("PATH", &in_front)],
    );
    assert_eq!(run.code, 0, "{}", run.err);
    assert_eq!(desk.who(), "alice git git's credentials (context git)");
    let unknown = desk.nautes(
        &["login", server, "--git-credentials=https://elsewhere.example.org"],
        "",
    );
    assert_eq!(unknown.code, 3, "{}", unknown.err);

    // No child has seen a token, in its arguments or its environment.
    let seen = std::fs::read_to_string(folder.join("seen")).unwrap();
    assert!(
        seen.contains("helper get two words") && seen.contains("git credential fill"),
        "{seen}"
    );
    for canary in [&desk.admin, &desk.alice] {
        assert!(!seen.contains(canary.as_str()));
        assert!(!desk.config().contains(canary.as_str()));
    }
    assert_eq!(
        files_with(folder, &desk.alice),
        ["config.credentials.yaml", "git-credentials"]
    );

    // Every command that talks to the server, with everything that it can say.
    for words in [
        &["status", "-vv"][..],
        &["plan", "-vv"],
        &["get", "products", "-vv"],
        &["get", "env", "-p", "nothing", "-vv"],
        &["version", "-vv"],
        &["whoami", "-vv"],
        &["audit", "-vv"],
        &["events", "--for", "1s", "-vv"],
        &["runs", "-p", "nothing", "-vv"],
        &["deployments", "-p", "nothing", "-vv"],
        &["access", "explain", "nothing", "-vv"],
        &["graph", "--live", "-vv"],
        &["context", "show", "-o", "json", "-vv"],
        &["context", "list", "-o", "yaml", "-vv"],
    ] {
        let run = desk.nautes(&[words, &["--context", "alice"]].concat(), "");
        assert!(run.code == 0 || run.code == 4, "{words:?}: {}", run.err);
        assert!(
            run.err.contains("DEBUG") || words[0] == "context",
            "{words:?}: {}",
            run.err
        );
    }

    // Out again.
    let run = desk.nautes(&["logout", "alice"], "");
    assert!(run.code == 0 && run.err.contains("forgotten"), "{}", run.err);
    assert_eq!(files_with(folder, &desk.alice), ["git-credentials"]);
    let run = desk.nautes(&["status", "--context", "alice"], "");
    assert!(
        run.code == 2 && run.err.contains("nautes login --context alice"),
        "{}",
        run.err
    );
    let run = desk.nautes(&["login", "--context", "alice"], &desk.alice);
    assert!(run.code == 0 && run.err.contains(server), "{}", run.err);
    assert_eq!(desk.nautes(&["context", "remove", "alice"], "").code, 0);
    assert!(!desk.config().contains("alice:"));
    assert_eq!(files_with(folder, &desk.alice), ["git-credentials"]);
    assert_eq!(desk.nautes(&["logout", "--all"], "").code, 0);
    assert!(!desk.config().contains("credential"), "{}", desk.config());
    instance.stop().await.unwrap();
}
