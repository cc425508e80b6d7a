//! Running the program as a user does.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Whole platforms run one after the other: they are heavy, and wait for things with deadlines.
#[cfg(feature = "local")]
pub(crate) static ONE_PLATFORM: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Starts a platform in a folder, on free ports.
#[cfg(feature = "local")]
pub(crate) async fn platform(data: std::path::PathBuf) -> nautes::local::instance::Instance {
    platform_with(data, Default::default()).await
}

/// Starts a platform in a folder, on free ports, with its secrets as they shall be kept.
#[cfg(feature = "local")]
pub(crate) async fn platform_with(
    data: std::path::PathBuf,
    secrets: nautes::local::secrets::Options,
) -> nautes::local::instance::Instance {
    let options = nautes::local::instance::Options {
        data,
        port_base: None,
        secrets,
    };
    nautes::local::instance::Instance::start(options).await.unwrap()
}

/// Returns the program of OpenBao: what `NAUTES_TEST_OPENBAO` names, or `bao` on the `PATH`. Without one the test says so
/// and is skipped.
pub(crate) fn openbao() -> Option<std::path::PathBuf> {
    let named = std::env::var_os("NAUTES_TEST_OPENBAO").filter(|program| !program.is_empty());
    let found = nautes_vault::openbao::find(
        named.as_deref().map(Path::new),
        std::env::var_os("PATH").as_deref(),
    );
    if found.is_none() {
        assert!(
            std::env::var_os("CI").is_none_or(|ci| ci != "true"),
            "no server of OpenBao: run scripts/test, which installs one"
        );
        #[allow(clippy::print_stderr, reason = "a test that is skipped says so")]
        {
            eprintln!("skipped: there is no server of OpenBao (scripts/test installs one)");
        }
    }
    found
}

/// What a run of the program said.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The program, with nothing in its environment but where programs are found.
pub(crate) fn program(home: &Path) -> Command {
    #[expect(clippy::disallowed_methods, reason = "the program itself is tested")]
    let mut command = Command::new(env!("CARGO_BIN_EXE_nautes"));
    command.env_clear().env("NAUTES_HOME", home).env("NO_COLOR", "1");
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command, input: &str) -> Run {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that does not read its input is no fault.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Run {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs the program with words, in a folder of its own.
pub(crate) fn nautes(words: &[&str], input: &str) -> Run {
    let home = tempfile::tempdir().unwrap();
    run(program(home.path()).args(words).current_dir(home.path()), input)
}

/// Returns the path of a manifest of the examples.
pub(crate) fn example(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/manifests");
    root.join(name).canonicalize().unwrap().display().to_string()
}
