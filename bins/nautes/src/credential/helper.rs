//! Credential helpers: commands that print a token.
//!
//! # Protocol
//! * The command is run as its words stand, without a shell, with the environment of `nautes`.
//! * It gets the address of the API as one line on standard input, as helpers of Docker do, and in
//!   `NAUTES_HELPER_SERVER`.
//! * It prints the token: as text, or as JSON with a field `token` or `Secret` (helpers of Docker), or
//!   `status.token` (those of kubectl).
//! * What it says on stderr goes to the user's. A code other than 0 means that there is no token.
//! * It has 60 seconds, which is enough for somebody to touch a key.

use std::process::Stdio;
use std::time::Duration;

use nautes_model::Secret;
use reqwest::Url;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use super::{MOST, clean};
use crate::exit::{Exit, Failure};

/// How long a command may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs a helper.
pub(super) async fn token(command: &[String], server: &Url) -> Result<Secret, Failure> {
    let Some((program, args)) = command.split_first() else {
        return Err(Failure::usage("the credential helper has no command"));
    };
    let mut child = Command::new(program);
    child.args(args).env("NAUTES_HELPER_SERVER", server.as_str());
    let input = format!("{server}\n");
    let said = run(&mut child, &input, LIMIT)
        .await
        .map_err(|e| said_by(program, &e))?;
    read(&said, program)
}

/// Why a command gave nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommandError {
    /// It cannot be run.
    #[error("cannot be run: {0}")]
    Start(std::io::Error),
    /// What it says cannot be read.
    #[error("gives no answer: {0}")]
    Pipe(std::io::Error),
    /// It said no.
    #[error("gives no token ({0})")]
    Refused(std::process::ExitStatus),
    /// It takes too long.
    #[error("did not answer within {} s", .0.as_secs())]
    Late(Duration),
    /// It says too much.
    #[error("says more than a token")]
    Long,
}

/// Runs a command to its end and returns what it printed; it is killed when the time is over.
pub(super) async fn run(command: &mut Command, input: &str, limit: Duration) -> Result<Secret, CommandError> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .map_err(CommandError::Start)?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let talk = async {
        if let Some(mut stdin) = stdin {
            // A command that does not read its input is no fault.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        let mut said = Vec::new();
        if let Some(stdout) = stdout {
            let mut some = stdout.take(MOST as u64 + 1);
            some.read_to_end(&mut said).await.map_err(CommandError::Pipe)?;
        }
        if said.len() > MOST {
            return Err(CommandError::Long);
        }
        let said = Secret::new(said);
        let status = child.wait().await.map_err(CommandError::Pipe)?;
        if status.success() {
            Ok(said)
        } else {
            Err(CommandError::Refused(status))
        }
    };
    match tokio::time::timeout(limit, talk).await {
        Ok(done) => done,
        Err(_) => Err(CommandError::Late(limit)),
    }
}

fn said_by(program: &str, error: &CommandError) -> Failure {
    let exit = match error {
        CommandError::Start(_) => Exit::Usage,
        CommandError::Refused(_) => Exit::Denied,
        CommandError::Pipe(_) | CommandError::Late(_) | CommandError::Long => Exit::Unavailable,
    };
    Failure::new(exit, format!("credential helper {program} {error}"))
}

/// Reads what a helper printed.
fn read(said: &Secret, program: &str) -> Result<Secret, Failure> {
    let place = format!("credential helper {program}");
    let text = said
        .expose_str()
        .map_err(|_| Failure::usage(format!("{place}: the answer is not text")))?;
    if !text.trim_start().starts_with('{') {
        return clean(said, &place);
    }
    let found = serde_json::from_str::<Value>(text).ok().and_then(|json| {
        ["/token", "/Secret", "/status/token"]
            .iter()
            .find_map(|path| json.pointer(path)?.as_str().map(Secret::from))
    });
    match found {
        Some(token) => clean(&token, &place),
        None => Err(Failure::usage(format!("{place}: the JSON has no token"))
            .hint("it prints the token alone, or {\"token\": \"..\"}")),
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;

    async fn sh(script: &str) -> Result<Secret, Failure> {
        let server = Url::parse("https://nautes.example.org/").unwrap();
        let words: Vec<String> = ["sh", "-c", script].map(str::to_owned).to_vec();
        token(&words, &server).await
    }

    #[tokio::test]
    async fn text_and_every_form_of_json_is_understood() {
        for script in [
            "echo canary",
            "printf canary",
            r#"echo '{"token": "canary", "expires": 1}'"#,
            r#"echo '{"ServerURL": "x", "Username": "u", "Secret": "canary"}'"#,
            r#"echo '{"kind": "ExecCredential", "status": {"token": "canary"}}'"#,
            "read server; test $server = https://nautes.example.org/ && echo canary",
            "test $NAUTES_HELPER_SERVER = https://nautes.example.org/ && echo canary",
        ] {
            assert_eq!(sh(script).await.unwrap().expose(), b"canary", "{script}");
        }
    }

    #[tokio::test]
    async fn what_is_no_token_is_refused_and_not_quoted() {
        for (script, exit) in [
            ("echo canary; exit 3", Exit::Denied),
            ("echo canary two", Exit::Usage),
            ("echo '{\"password\": \"canary\"}'", Exit::Usage),
            ("echo '{canary'", Exit::Usage),
            ("true", Exit::Usage),
            ("while echo canary; do :; done", Exit::Unavailable),
        ] {
            let failure = sh(script).await.unwrap_err();
            assert_eq!(failure.exit, exit, "{script}: {failure:?}");
            assert!(!format!("{failure:?}").contains("canary"), "{failure:?}");
        }
        let server = Url::parse("https://a/").unwrap();
        let missing = token(&["no-such-helper".to_owned()], &server).await.unwrap_err();
        assert_eq!(missing.exit, Exit::Usage);
    }

    #[tokio::test]
    async fn a_command_that_takes_too_long_is_given_up() {
        let mut command = Command::new("sh");
        command.args(["-c", "exec cat /dev/zero > /dev/null"]);
        let late = run(&mut command, "", Duration::from_millis(20))
            .await
            .unwrap_err();
        assert!(matches!(late, CommandError::Late(_)), "{late}");
    }
}
