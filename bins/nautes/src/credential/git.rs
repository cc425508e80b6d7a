//! The credential store of git: `git credential fill` answers with what its helpers know.
//!
//! It is only read. Git asks nobody: without a terminal and without a graphical prompt it says that it knows nothing.

use std::time::Duration;

use nautes_model::Secret;
use reqwest::Url;
use tokio::process::Command;

use super::clean;
use super::helper::{CommandError, run};
use crate::exit::{Exit, Failure};

/// How long git and its helpers may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Asks git for the password of an address; that of the server where none is given.
pub(super) async fn token(url: Option<&str>, server: &Url) -> Result<Secret, Failure> {
    let url = match url {
        Some(text) => Url::parse(text).map_err(|_| Failure::usage(format!("{text:?} is not a URL")))?,
        None => server.clone(),
    };
    let question = question(&url)?;
    let mut git = Command::new("git");
    git.args(["credential", "fill"])
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_ASKPASS", "true")
        .env_remove("SSH_ASKPASS");
    let answer = run(&mut git, &question, LIMIT).await.map_err(|error| {
        let exit = match error {
            CommandError::Start(_) => Exit::Usage,
            CommandError::Refused(_) => Exit::Denied,
            CommandError::Pipe(_) | CommandError::Late(_) | CommandError::Long => Exit::Unavailable,
        };
        let place = shown(&url);
        Failure::new(exit, format!("git credential fill for {place} {error}"))
    })?;
    let text = answer
        .expose_str()
        .map_err(|_| Failure::usage("git's answer is not text"))?;
    match text.lines().find_map(|line| line.strip_prefix("password=")) {
        Some(password) if !password.is_empty() => clean(&Secret::from(password), "git's credentials"),
        _ => Err(Failure::new(
            Exit::Denied,
            format!("git knows no credentials for {}", shown(&url)),
        )
        .hint(
            "clone or fetch something from there once, or name the forge: --git-credentials=https://..; \
             git config credential.helper says who is asked",
        )),
    }
}

/// What git is asked. A path is told only where there is one, as git itself does it.
fn question(url: &Url) -> Result<String, Failure> {
    let Some(host) = url.host_str() else {
        return Err(Failure::usage(format!("{} has no host", shown(url))));
    };
    let port = url.port().map_or_else(String::new, |p| format!(":{p}"));
    let mut text = format!("protocol={}\nhost={host}{port}\n", url.scheme());
    let path = url.path().trim_matches('/');
    if !path.is_empty() {
        text.push_str(&format!("path={path}\n"));
    }
    if !url.username().is_empty() {
        text.push_str(&format!("username={}\n", url.username()));
    }
    text.push('\n');
    Ok(text)
}

/// An address without what may be a password in it.
fn shown(url: &Url) -> String {
    let port = url.port().map_or_else(String::new, |p| format!(":{p}"));
    format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_is_asked_for_the_host_and_nothing_can_be_slipped_in() {
        let ask = |text: &str| question(&Url::parse(text).unwrap()).unwrap();
        assert_eq!(
            ask("https://a.example.org/"),
            "protocol=https\nhost=a.example.org\n\n"
        );
        assert_eq!(
            ask("http://me@127.0.0.1:8080/git/"),
            "protocol=http\nhost=127.0.0.1:8080\npath=git\nusername=me\n\n"
        );
        // A URL has no line breaks: they are taken out or written as %0A.
        assert_eq!(
            ask("https://a.example.org/x%0Ahost=evil"),
            "protocol=https\nhost=a.example.org\npath=x%0Ahost=evil\n\n"
        );
        assert_eq!(
            shown(&Url::parse("https://u:canary@h:1/p").unwrap()),
            "https://h:1"
        );
    }
}
