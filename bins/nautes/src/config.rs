//! What is remembered of servers: *contexts*, in a file of the user's.
//!
//! | file | what it holds |
//! |---|---|
//! | `config.yaml` | a name, an address and the way to a token for each context, and which one is current; no secret |
//! | `config.credentials.yaml` | tokens that `nautes login` was given, each for one context and one address; mode 0600 |
//!
//! The second lies beside the first and is named after it. Both are replaced as a whole, so that a reader sees the old
//! content or the new one; who changes them holds the lock beside them.

mod file;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nautes_model::Secret;
use serde::{Deserialize, Serialize};

use crate::exit::{Exit, Failure};

pub use file::Lock;

/// The servers that somebody uses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// The context of commands that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    /// The contexts by name.
    #[serde(default)]
    pub contexts: BTreeMap<String, Context>,
}

/// One server, as one user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Context {
    /// The address of the API.
    pub server: String,
    /// Certificates that the API's may be signed by, besides the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Where the token comes from; `None` after `nautes logout`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Credential>,
}

/// Where a token comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "lowercase", deny_unknown_fields)]
pub enum Credential {
    /// The file of kept tokens.
    Kept {},
    /// A file that somebody else writes.
    File {
        /// The file.
        file: PathBuf,
    },
    /// A variable of the environment.
    Environment {
        /// Its name.
        variable: String,
    },
    /// A command that prints it.
    Helper {
        /// The program and its arguments.
        command: Vec<String>,
    },
    /// The credential store of git.
    Git {
        /// The address that git knows it by; that of the API when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<String>,
    },
}

impl Credential {
    /// Says where the token comes from, for people.
    #[must_use]
    pub fn origin(&self) -> String {
        match self {
            Self::Kept {} => "kept by nautes login".to_owned(),
            Self::File { file } => format!("file {}", file.display()),
            Self::Environment { variable } => format!("environment variable {variable}"),
            Self::Helper { command } => {
                format!("credential helper {}", command.first().map_or("", String::as_str))
            }
            Self::Git { url: Some(url) } => format!("git's credentials for {url}"),
            Self::Git { url: None } => "git's credentials".to_owned(),
        }
    }
}

/// The tokens that `nautes login` was given. It is never printed, and has no `Debug` for that.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Tokens {
    /// The tokens by context.
    #[serde(default)]
    tokens: BTreeMap<String, KeptToken>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KeptToken {
    /// The address that it is for, so that a context that is pointed elsewhere does not take it along.
    server: String,
    token: String,
}

/// The two files.
#[derive(Clone, Debug)]
pub struct Files {
    config: PathBuf,
    tokens: PathBuf,
}

impl Files {
    /// Names the files after the first.
    #[must_use]
    pub fn at(config: &Path) -> Self {
        Self {
            config: config.to_owned(),
            tokens: config.with_extension("credentials.yaml"),
        }
    }

    /// Returns the file of contexts.
    #[must_use]
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Returns the file of kept tokens.
    #[must_use]
    pub fn tokens(&self) -> &Path {
        &self.tokens
    }

    /// Keeps others from changing the files meanwhile. Reading needs no lock.
    ///
    /// # Errors
    /// The folder cannot be made or written.
    pub fn lock(&self) -> Result<Lock, Failure> {
        Lock::take(&self.config.with_extension("lock"))
    }

    /// Reads the contexts; none where there is no file.
    ///
    /// # Errors
    /// The file cannot be read, or is not one of contexts.
    pub fn read(&self) -> Result<Config, Failure> {
        let Some(text) = file::read(&self.config)? else {
            return Ok(Config::default());
        };
        serde_yaml::from_str(&text).map_err(|e| {
            Failure::usage(format!("{}: {e}", self.config.display()))
                .hint("mend the file, or name another with NAUTES_CONFIG")
        })
    }

    /// Writes the contexts.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, _lock: &Lock, config: &Config) -> Result<(), Failure> {
        file::replace(&self.config, &crate::output::yaml(config)?)
    }

    /// Returns the token that is kept for a context and an address.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn token(&self, context: &str, server: &str) -> Result<Option<Secret>, Failure> {
        let kept = self.read_tokens()?.tokens.remove(context);
        Ok(kept
            .filter(|kept| kept.server == server)
            .map(|kept| Secret::from(kept.token)))
    }

    /// Keeps a token.
    ///
    /// # Errors
    /// The file cannot be read or written, or the token is no text.
    pub fn keep(&self, _lock: &Lock, context: &str, server: &str, token: &Secret) -> Result<(), Failure> {
        let mut all = self.read_tokens()?;
        let token = token
            .expose_str()
            .map_err(|_| Failure::usage("the token is not text"))?;
        let kept = KeptToken {
            server: server.to_owned(),
            token: token.to_owned(),
        };
        all.tokens.insert(context.to_owned(), kept);
        self.write_tokens(&all)
    }

    /// Forgets the token of a context, and says whether there was one.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn forget(&self, _lock: &Lock, context: &str) -> Result<bool, Failure> {
        let mut all = self.read_tokens()?;
        if all.tokens.remove(context).is_none() {
            return Ok(false);
        }
        self.write_tokens(&all)?;
        Ok(true)
    }

    fn read_tokens(&self) -> Result<Tokens, Failure> {
        let Some(text) = file::read(&self.tokens)? else {
            return Ok(Tokens::default());
        };
        file::warn_of_readers(&self.tokens);
        // The parser may quote what it reads: only the place is told.
        serde_yaml::from_str(&text).map_err(|e| {
            let at = e
                .location()
                .map_or_else(String::new, |l| format!(":{}:{}", l.line(), l.column()));
            Failure::usage(format!("{}{at}: not a file of tokens", self.tokens.display()))
                .hint("remove the file and log in again")
        })
    }

    fn write_tokens(&self, all: &Tokens) -> Result<(), Failure> {
        let text = serde_yaml::to_string(all)
            .map_err(|_| Failure::new(Exit::Internal, "the tokens cannot be written down"))?;
        file::replace(&self.tokens, &text)
    }
}

impl Config {
    /// Finds a context.
    ///
    /// # Errors
    /// There is none of the name; the failure names the nearest, or all.
    pub fn context(&self, name: &str) -> Result<&Context, Failure> {
        self.contexts.get(name).ok_or_else(|| {
            let failure = Failure::new(Exit::NotFound, format!("there is no context {name:?}"));
            let known = self.contexts.keys().map(String::as_str);
            match crate::suggest::nearest(name, known.clone()) {
                Some(near) => failure.hint(format!("did you mean {near}?")),
                None if self.contexts.is_empty() => failure.hint("nautes login SERVER makes one"),
                None => failure.hint(format!("there are {}", known.collect::<Vec<_>>().join(", "))),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(server: &str) -> Context {
        Context {
            server: server.to_owned(),
            ca_file: None,
            credential: Some(Credential::Kept {}),
        }
    }

    #[test]
    fn contexts_are_read_as_they_were_written() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::at(&dir.path().join("deep/config.yaml"));
        assert_eq!(files.read().unwrap(), Config::default());
        let all = [
            Credential::Kept {},
            Credential::File {
                file: "/run/token".into(),
            },
            Credential::Environment {
                variable: "WORK_TOKEN".to_owned(),
            },
            Credential::Helper {
                command: vec!["pass".to_owned(), "show".to_owned()],
            },
            Credential::Git { url: None },
            Credential::Git {
                url: Some("https://git.example.org".to_owned()),
            },
        ];
        let mut config = Config {
            current: Some("c0".to_owned()),
            ..Config::default()
        };
        for (number, credential) in all.into_iter().enumerate() {
            let credential = Some(credential);
            config.contexts.insert(
                format!("c{number}"),
                Context {
                    credential,
                    ..context("https://a.example.org/")
                },
            );
        }
        files.write(&files.lock().unwrap(), &config).unwrap();
        assert_eq!(files.read().unwrap(), config);
    }

    #[test]
    fn a_token_is_for_one_context_and_one_address() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::at(&dir.path().join("config.yaml"));
        let lock = files.lock().unwrap();
        files
            .keep(&lock, "work", "https://a/", &Secret::from("t1"))
            .unwrap();
        files
            .keep(&lock, "home", "https://b/", &Secret::from("t2"))
            .unwrap();
        let token = |context: &str, server: &str| {
            let found = files.token(context, server).unwrap();
            found.map(|t| t.expose_str().unwrap().to_owned())
        };
        assert_eq!(token("work", "https://a/").as_deref(), Some("t1"));
        assert_eq!(token("work", "https://b/"), None);
        assert_eq!(token("other", "https://a/"), None);
        assert!(files.forget(&lock, "work").unwrap());
        assert!(!files.forget(&lock, "work").unwrap());
        assert_eq!(token("work", "https://a/"), None);
        assert_eq!(token("home", "https://b/").as_deref(), Some("t2"));
    }

    #[cfg(unix)]
    #[test]
    fn tokens_are_for_their_owner_only_whatever_was_there() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let files = Files::at(&dir.path().join("config.yaml"));
        std::fs::write(files.tokens(), "tokens: {}\n").unwrap();
        std::fs::set_permissions(files.tokens(), std::fs::Permissions::from_mode(0o644)).unwrap();
        let lock = files.lock().unwrap();
        files
            .keep(&lock, "work", "https://a/", &Secret::from("t1"))
            .unwrap();
        let mode = std::fs::metadata(files.tokens()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_broken_file_of_tokens_is_not_quoted() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::at(&dir.path().join("config.yaml"));
        for text in [
            "tokens: canary",
            "tokens: {work: canary}",
            "canary: [",
            "tokens: {work: {canary: 1}}",
        ] {
            std::fs::write(files.tokens(), text).unwrap();
            let failure = files.token("work", "https://a/").unwrap_err();
            assert!(!format!("{failure:?}").contains("canary"), "{failure:?}");
        }
    }

    #[test]
    fn a_context_that_is_not_there_is_answered_with_the_nearest() {
        let mut config = Config::default();
        assert!(config.context("work").unwrap_err().hints[0].contains("login"));
        config.contexts.insert("work".to_owned(), context("https://a/"));
        assert!(config.context("wrok").unwrap_err().hints[0].contains("did you mean work"));
        assert!(config.context("elsewhere").unwrap_err().hints[0].contains("there are work"));
        assert_eq!(config.context("elsewhere").unwrap_err().exit, Exit::NotFound);
    }
}
