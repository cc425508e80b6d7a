//! Where a token comes from, and how it is fetched: at the moment when a server is asked, and not before.
//!
//! A token goes from its source into a [`Secret`] and from there into a header. It is in no argument list, in no
//! variable of a child and in no message.

mod git;
mod helper;
mod prompt;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use nautes_model::Secret;
use reqwest::Url;

use crate::config::{Credential, Files};
use crate::exit::{Exit, Failure};

pub use prompt::{ask, can_ask};

/// More than this is no token.
const MOST: usize = 64 * 1024;

/// Where the token of a command comes from, decided but not fetched.
#[derive(Clone, Debug)]
pub enum Source {
    /// It was given: by `--token` or in the environment.
    Given {
        /// The token.
        token: Secret,
        /// By what, for people.
        by: &'static str,
    },
    /// A file.
    File(PathBuf),
    /// What a context says.
    Context {
        /// Its name.
        name: String,
        /// Where it says that the token is.
        credential: Credential,
        /// The files of contexts and kept tokens.
        files: Files,
    },
}

impl Source {
    /// Says where the token comes from, for people.
    #[must_use]
    pub fn origin(&self) -> String {
        match self {
            Self::Given { by, .. } => (*by).to_owned(),
            Self::File(file) => format!("file {}", file.display()),
            Self::Context { name, credential, .. } => format!("{} (context {name})", credential.origin()),
        }
    }

    /// Fetches the token for a server.
    ///
    /// # Errors
    /// The source does not have it, does not answer in time, or what it has is no token.
    pub async fn token(&self, server: &Url) -> Result<Secret, Failure> {
        match self {
            Self::Given { token, by } => clean(token, by),
            Self::File(path) => of_file(path),
            Self::Context {
                name,
                credential,
                files,
            } => fetch(credential, name, files, server)
                .await
                .map_err(|failure| failure.hint(format!("nautes login --context {name}"))),
        }
    }
}

/// Fetches the token of a context.
///
/// # Errors
/// See [`Source::token`].
pub async fn fetch(
    credential: &Credential,
    context: &str,
    files: &Files,
    server: &Url,
) -> Result<Secret, Failure> {
    match credential {
        Credential::Kept {} => files.token(context, server.as_str())?.ok_or_else(|| {
            Failure::new(
                Exit::Denied,
                format!("no token of context {context} is kept for {server}"),
            )
        }),
        Credential::File { file } => of_file(file),
        Credential::Environment { variable } => match crate::settings::variable(variable) {
            Some(token) => clean(&token, variable),
            None => Err(Failure::new(
                Exit::Denied,
                format!("the environment variable {variable} has no token"),
            )),
        },
        Credential::Helper { command } => helper::token(command, server).await,
        Credential::Git { url } => git::token(url.as_deref(), server).await,
    }
}

/// Reads a token from a file; `-` is standard input.
///
/// # Errors
/// The file cannot be read, or what is in it is no token.
pub fn of_file(path: &Path) -> Result<Secret, Failure> {
    if path.as_os_str() == "-" {
        return of_stdin();
    }
    let wrong = |e: std::io::Error| Failure::usage(format!("{}: {e}", path.display()));
    let file = std::fs::File::open(path).map_err(wrong)?;
    clean(&some_of(file).map_err(wrong)?, &path.display().to_string())
}

/// Reads a token from standard input.
///
/// # Errors
/// It cannot be read, or what comes is no token.
pub fn of_stdin() -> Result<Secret, Failure> {
    let read = some_of(std::io::stdin().lock());
    let text = read.map_err(|e| Failure::usage(format!("standard input cannot be read: {e}")))?;
    clean(&text, "standard input")
}

fn some_of(from: impl std::io::Read) -> std::io::Result<Secret> {
    let mut bytes = Vec::new();
    from.take(MOST as u64 + 1).read_to_end(&mut bytes)?;
    Ok(Secret::new(bytes))
}

/// Takes white space off both ends, and refuses what is no token. The text itself is never told.
fn clean(found: &Secret, place: &str) -> Result<Secret, Failure> {
    let wrong = |what: &str| Failure::new(Exit::Usage, format!("{place}: {what}"));
    if found.expose().len() > MOST {
        return Err(wrong("this is too long for a token"));
    }
    let text = found.expose_str().map_err(|_| wrong("the token is not text"))?;
    let token = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    if token.is_empty() {
        return Err(wrong("there is no token in it"));
    }
    if !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(wrong("there is more in it than a token"));
    }
    Ok(Secret::from(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_word_and_what_is_not_is_never_quoted() {
        let good = |text: &str| clean(&Secret::from(text), "f").unwrap().expose().to_vec();
        assert_eq!(good("canary"), b"canary");
        assert_eq!(good(" \u{feff}canary\r\n"), b"canary");
        for text in [
            "",
            " \n",
            "canary canary",
            "canary\ncanary",
            "canary\u{e9}",
            "canary\u{1b}[2J",
        ] {
            let failure = clean(&Secret::from(text), "f").unwrap_err();
            assert!(!format!("{failure:?}").contains("canary"), "{failure:?}");
        }
        assert!(clean(&Secret::new(vec![0xff, 0xfe]), "f").is_err());
        assert!(clean(&Secret::from("x".repeat(MOST + 1)), "f").is_err());
    }
}
