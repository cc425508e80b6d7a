//! Secrets that are planted, and looked for where they must not be.

use std::fmt::Debug;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, Once, PoisonError};

use nautes_gitops::GitHost as _;
use nautes_gitops::host::{AccessLevel, HookEvent, HookSpec};
use nautes_model::Secret;
use tokio::io::AsyncWriteExt as _;

use super::kit::{Forge, basic, eventually, path};

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Keep;

impl std::io::Write for Keep {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Keeps what all tests of this binary log, at every level.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(|| Keep)
            .init();
    });
}

fn holds(bytes: &[u8], secret: &str) -> bool {
    bytes
        .windows(secret.len())
        .any(|window| window == secret.as_bytes())
}

fn search(dir: &Path, secret: &str) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            search(&path, secret);
        } else {
            assert!(
                !holds(&fs::read(&path).unwrap(), secret),
                "{} holds a secret",
                path.display()
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_stay_where_they_belong() {
    let forge = Forge::start_with(|options| options.hook_pauses = vec![]).await;
    let token = forge.user("ann", AccessLevel::Maintainer).await;
    let text = token.expose_str().unwrap().to_owned();
    let hook_secret = "hook-canary-8c6f".to_owned();
    let app = path("demo/app");
    let session = forge.forge.session(&token).await.unwrap();
    let spec = HookSpec {
        url: "http://127.0.0.1:1/".to_owned(),
        events: vec![HookEvent::Push],
        secret: Secret::from(hook_secret.as_str()),
    };
    session.create_hook(&app, &spec).await.unwrap();

    // A push whose token is in no argument: what is found in arguments is the server's doing.
    let work = forge.git("work");
    work.init().await;
    let mut command = work.command(&["push", "-q", &forge.url("demo/app", None), "main"]);
    command
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "http.extraHeader");
    command.env("GIT_CONFIG_VALUE_0", format!("Authorization: {}", basic(&token)));
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut ended = forge.forge.admin().watch_deliveries();
    ended.wait_for(|ended| *ended > 0).await.unwrap();
    server_processes(&forge, &token).await;

    let mut shown = vec![
        show(&forge.forge),
        show(&session),
        show(&forge.forge.admin().deliveries()),
        show(&session.hooks(&app).await.unwrap()),
        show(&spec),
        show(&forge.serving),
    ];
    forge.forge.admin().revoke_tokens("ann").await.unwrap();
    let error = session.user().await.unwrap_err();
    assert!(error.is_unauthenticated());
    shown.push(show(&error));
    shown.push(show(&forge.forge.session(&token).await.unwrap_err()));
    let log = LOG.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert!(!log.is_empty(), "something is logged at all");
    let encoded = basic(&token).trim_start_matches("Basic ").to_owned();
    for secret in [&text, &encoded, &hook_secret] {
        shown
            .iter()
            .for_each(|text| assert!(!text.contains(secret), "{text}"));
        assert!(!holds(&log, secret), "the log holds a secret");
        search(&forge.dir.path().join("forge"), secret);
    }
}

fn show(value: &impl Debug) -> String {
    format!("{value:?} {value:#?}")
}

/// Looks at the processes of the server while one waits for a request to be completed.
#[cfg(target_os = "linux")]
async fn server_processes(forge: &Forge, token: &Secret) {
    let request = format!(
        "POST /demo/app.git/git-upload-pack HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\n\
         Content-Type: application/x-git-upload-pack-request\r\nContent-Length: 1000\r\n\r\n",
        basic(token)
    );
    let mut stream = tokio::net::TcpStream::connect(forge.serving.address)
        .await
        .unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let folder = forge
        .forge
        .admin()
        .folder(&path("demo/app"))
        .display()
        .to_string();
    let mut found = Vec::new();
    eventually("git serves a request", || {
        let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        found = processes
            .filter(|path| fs::read(path.join("cmdline")).is_ok_and(|line| holds(&line, &folder)))
            .filter_map(|path| {
                Some((
                    fs::read(path.join("cmdline")).ok()?,
                    fs::read(path.join("environ")).ok()?,
                ))
            })
            .filter(|(_, environment)| !environment.is_empty())
            .collect();
        !found.is_empty()
    })
    .await;
    for (arguments, environment) in found {
        let secret = token.expose_str().unwrap();
        assert!(
            !holds(&arguments, secret) && !holds(&environment, secret),
            "a process of the server holds a token"
        );
        assert!(!holds(&environment, "CARGO"), "the environment is sealed");
        assert!(holds(&environment, "GIT_CONFIG_GLOBAL=/dev/null"));
    }
}

#[cfg(not(target_os = "linux"))]
async fn server_processes(_: &Forge, _: &Secret) {}

/// Asserts that none of these was logged by any test of this binary so far.
pub(crate) fn logged_nothing_of(secrets: &[&str]) {
    let log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    for secret in secrets {
        assert!(!holds(&log, secret), "the log holds a secret");
    }
}
