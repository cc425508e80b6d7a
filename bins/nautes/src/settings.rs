//! Settings, decided once: the command line wins over the environment, and the environment over the context.

use std::path::PathBuf;
use std::time::Duration;

use nautes_model::Secret;
use nautes_model::name::ProductName;
use reqwest::Url;

use crate::cli::Global;
use crate::config::{Config, Files};
use crate::credential::Source;
use crate::exit::Failure;

/// What every command that talks to the API needs. What a context says is read by [`Settings::connection`] only, so
/// that commands without a server do not depend on it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The address of the API, as the command line or the environment says, with a slash at its end.
    pub server: Option<Url>,
    /// Where the token is, as the command line or the environment says.
    pub token: Option<Source>,
    /// Certificates that the API's may be signed by, besides the system's.
    pub ca_file: Option<PathBuf>,
    /// How long one request may take.
    pub request_timeout: Duration,
    /// The product that `-p` stands for when it is not given (`PRODUCT`).
    pub product: Option<String>,
    /// The key of the digests by which plans show secrets.
    pub digest_key: Option<Secret>,
    /// The context, as the command line or the environment says.
    pub context: Option<String>,
    /// The file of contexts; `None` where there is no home folder to look for it.
    pub config: Option<PathBuf>,
    /// Whether the command line itself names a server or a context: commands that could do without ask it then.
    pub names_server: bool,
    /// Whether the terminal can do nothing but print lines (`TERM=dumb`).
    pub is_dumb: bool,
}

/// A server and how it is talked to, decided.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The address of the API, with a slash at its end.
    pub server: Url,
    /// Where the token is.
    pub source: Option<Source>,
    /// Certificates that the API's may be signed by, besides the system's.
    pub ca_file: Option<PathBuf>,
    /// The context that has a part in it.
    pub context: Option<String>,
}

/// The environment, read in one place.
///
/// | variable | what it sets |
/// |---|---|
/// | `NAUTES_SERVER`, else `API_SERVER` | the address of the API |
/// | `NAUTES_TOKEN`, else `GIT_TOKEN` | the forge token |
/// | `NAUTES_CA_FILE` | `--ca-file` |
/// | `NAUTES_CONTEXT` | `--context` |
/// | `NAUTES_CONFIG` | the file of contexts; else `nautes/config.yaml` in `XDG_CONFIG_HOME`, else in `~/.config` |
/// | `NAUTES_PRODUCT`, else `PRODUCT` | `-p` |
/// | `NAUTES_DIGEST_KEY` | the key of the digests by which `plan` shows secrets; without one each run has its own |
/// | `NAUTES_HOME` | the folder of `nautes local` |
/// | `NAUTES_OPENBAO` | the program of OpenBao for `nautes local --secrets vault` |
/// | `NAUTES_STORE_KEY` | the key of the secret store of `nautes local`, base64 of 32 bytes |
///
/// A context may name one more, with a token in it: [`variable`].
#[derive(Clone, Debug, Default)]
pub struct Environment {
    server: Option<String>,
    token: Option<(&'static str, Secret)>,
    ca_file: Option<String>,
    product: Option<String>,
    digest_key: Option<Secret>,
    context: Option<String>,
    config: Option<PathBuf>,
    is_dumb: bool,
    /// The folder of `nautes local`.
    pub home: Option<PathBuf>,
    /// The key of the secret store of `nautes local`.
    pub store_key: Option<Secret>,
    /// The program of OpenBao for `nautes local`.
    pub openbao: Option<PathBuf>,
    /// Where programs are found (`PATH`).
    pub path: Option<String>,
}

impl Environment {
    /// Reads it.
    #[must_use]
    pub fn read() -> Self {
        let first = |names: &[&str]| names.iter().find_map(|name| text_of(name));
        // The specification of these folders says that a relative one is not to be used.
        let absolute = |name: &str| first(&[name]).map(PathBuf::from).filter(|p| p.is_absolute());
        let user = first(&["HOME"]).map(PathBuf::from);
        let folder = |variable: &str, below: &str| {
            absolute(variable).or_else(|| user.as_ref().map(|home| home.join(below)))
        };
        Self {
            server: first(&["NAUTES_SERVER", "API_SERVER"]),
            token: ["NAUTES_TOKEN", "GIT_TOKEN"]
                .into_iter()
                .find_map(|name| Some((name, variable(name)?))),
            ca_file: first(&["NAUTES_CA_FILE"]),
            product: first(&["NAUTES_PRODUCT", "PRODUCT"]),
            digest_key: variable("NAUTES_DIGEST_KEY"),
            context: first(&["NAUTES_CONTEXT"]),
            config: first(&["NAUTES_CONFIG"])
                .map(PathBuf::from)
                .or_else(|| folder("XDG_CONFIG_HOME", ".config").map(|f| f.join("nautes/config.yaml"))),
            is_dumb: first(&["TERM"]).is_some_and(|terminal| terminal == "dumb"),
            home: first(&["NAUTES_HOME"])
                .map(PathBuf::from)
                .or_else(|| folder("XDG_DATA_HOME", ".local/share").map(|f| f.join("nautes"))),
            store_key: variable("NAUTES_STORE_KEY"),
            openbao: first(&["NAUTES_OPENBAO"]).map(PathBuf::from),
            path: first(&["PATH"]),
        }
    }
}

fn text_of(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "settings are resolved here, once")]
    std::env::var(name).ok().filter(|v| !v.is_empty())
}

/// Returns the secret in a variable of the environment.
#[must_use]
pub fn variable(name: &str) -> Option<Secret> {
    text_of(name).map(Secret::from)
}

impl Settings {
    /// Decides what the command line and the environment say.
    ///
    /// # Errors
    /// The address is not a URL.
    pub fn resolve(global: &Global, environment: &Environment) -> Result<Self, Failure> {
        let server = global
            .server
            .as_ref()
            .or(environment.server.as_ref())
            .map(|text| url(text))
            .transpose()?;
        let given = |token: Secret, by| Source::Given { token, by };
        let token = match (&global.token, &global.token_file) {
            (Some(token), _) => Some(given(Secret::from(token.as_str()), "--token")),
            (None, Some(file)) => Some(Source::File(file.clone())),
            (None, None) => environment
                .token
                .as_ref()
                .map(|(name, token)| given(token.clone(), name)),
        };
        Ok(Self {
            server,
            token,
            ca_file: global
                .ca_file
                .clone()
                .or_else(|| environment.ca_file.as_ref().map(PathBuf::from)),
            request_timeout: Duration::from_secs(global.request_timeout.max(1)),
            product: environment.product.clone(),
            digest_key: environment.digest_key.clone(),
            context: global.context.clone().or_else(|| environment.context.clone()),
            config: environment.config.clone(),
            names_server: global.server.is_some() || global.context.is_some(),
            is_dumb: environment.is_dumb,
        })
    }

    /// Returns the files of contexts.
    ///
    /// # Errors
    /// There is no folder for them.
    pub fn files(&self) -> Result<Files, Failure> {
        self.config.as_deref().map(Files::at).ok_or_else(|| {
            Failure::usage("there is no home folder to keep contexts in")
                .hint("name a file with NAUTES_CONFIG")
        })
    }

    /// Decides where the API is and how it is talked to. Each of server, token and certificates is taken from the
    /// command line, else from the environment, else from the context. Where the server is given and is another than
    /// that of the context, nothing of the context is taken: its token is for its server only.
    ///
    /// # Errors
    /// No server is set, the context is not there, or its file cannot be read.
    pub fn connection(&self) -> Result<Connection, Failure> {
        self.find_connection()?.ok_or_else(|| {
            Failure::usage("no API server is set")
                .hint("nautes login SERVER, or set NAUTES_SERVER or --server")
                .hint("for one on this machine: eval \"$(nautes local env)\"")
        })
    }

    /// Decides as [`Settings::connection`] does; `None` where no server is set.
    ///
    /// # Errors
    /// The context is not there, or its file cannot be read.
    pub fn find_connection(&self) -> Result<Option<Connection>, Failure> {
        // A context that is asked for by name has to be there; the current one need not even be read.
        let is_whole = self.server.is_some() && self.token.is_some();
        let config = match &self.config {
            Some(path) if self.context.is_some() || !is_whole => Files::at(path).read()?,
            _ => Config::default(),
        };
        let name = self.context.as_ref().or(config.current.as_ref());
        let context = match name {
            Some(name) => Some((name, config.context(name)?)),
            None => None,
        };
        let of_context = context.map(|(_, c)| url(&c.server)).transpose()?;
        let Some(server) = self.server.clone().or_else(|| of_context.clone()) else {
            return Ok(None);
        };
        let context = context.filter(|_| of_context.as_ref() == Some(&server));
        let source = self.token.clone().or_else(|| {
            let (name, context) = context?;
            Some(Source::Context {
                name: name.clone(),
                credential: context.credential.clone()?,
                files: Files::at(self.config.as_ref()?),
            })
        });
        Ok(Some(Connection {
            server,
            source,
            ca_file: self
                .ca_file
                .clone()
                .or_else(|| context.and_then(|(_, c)| c.ca_file.clone())),
            context: context.map(|(name, _)| name.clone()),
        }))
    }

    /// Returns the product that `-p` or the environment names.
    ///
    /// # Errors
    /// It is no name of a product.
    pub fn product(&self, given: Option<&str>) -> Result<Option<ProductName>, Failure> {
        let named = given.or(self.product.as_deref());
        named
            .map(|name| ProductName::new(name).map_err(|e| Failure::usage(format!("-p {name}: {e}"))))
            .transpose()
    }
}

/// Reads the address of an API.
///
/// # Errors
/// It is not one, or there is a user or password in it.
pub fn url(text: &str) -> Result<Url, Failure> {
    let wrong = || {
        Failure::usage(format!("the server {text:?} is not a URL"))
            .hint("for example https://nautes.example.org")
    };
    let with_slash = format!("{}/", text.trim_end_matches('/'));
    let url = Url::parse(&with_slash).map_err(|_| wrong())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            Failure::usage("the address of the server has a user or password in it")
                .hint("give the token by nautes login, NAUTES_TOKEN or --token-file"),
        );
    }
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        Ok(url)
    } else {
        Err(wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Context, Credential};

    fn settings(dir: &std::path::Path) -> Settings {
        let files = Files::at(&dir.join("config.yaml"));
        let context = |server: &str, ca_file: Option<&str>| Context {
            server: server.to_owned(),
            ca_file: ca_file.map(PathBuf::from),
            credential: Some(Credential::Kept {}),
        };
        let config = Config {
            current: Some("office".to_owned()),
            contexts: [
                (
                    "office".to_owned(),
                    context("https://office/", Some("office.pem")),
                ),
                ("home".to_owned(), context("https://home/", None)),
            ]
            .into(),
        };
        files.write(&files.lock().unwrap(), &config).unwrap();
        Settings {
            server: None,
            token: None,
            ca_file: None,
            request_timeout: Duration::from_secs(1),
            product: None,
            digest_key: None,
            context: None,
            config: Some(files.config().to_owned()),
            names_server: false,
            is_dumb: false,
        }
    }

    fn shown(settings: &Settings) -> String {
        let found = settings.connection().unwrap();
        format!(
            "{} {} {}",
            found.server,
            found.source.map_or_else(|| "-".to_owned(), |s| s.origin()),
            found
                .ca_file
                .map_or_else(|| "-".to_owned(), |f| f.display().to_string())
        )
    }

    #[test]
    fn the_command_line_wins_over_the_environment_and_that_over_the_context() {
        let dir = tempfile::tempdir().unwrap();
        let mut given = settings(dir.path());
        assert_eq!(
            shown(&given),
            "https://office/ kept by nautes login (context office) office.pem"
        );
        given.context = Some("home".to_owned());
        assert_eq!(
            shown(&given),
            "https://home/ kept by nautes login (context home) -"
        );
        given.ca_file = Some("mine.pem".into());
        given.token = Some(Source::File("t".into()));
        assert_eq!(shown(&given), "https://home/ file t mine.pem");
    }

    #[test]
    fn a_token_of_a_context_goes_to_no_other_server() {
        let dir = tempfile::tempdir().unwrap();
        let mut given = settings(dir.path());
        given.server = Some(url("https://elsewhere").unwrap());
        assert_eq!(shown(&given), "https://elsewhere/ - -");
        given.server = Some(url("https://office").unwrap());
        assert_eq!(
            shown(&given),
            "https://office/ kept by nautes login (context office) office.pem"
        );
    }

    #[test]
    fn a_context_that_is_asked_for_has_to_be_there() {
        let dir = tempfile::tempdir().unwrap();
        let mut given = settings(dir.path());
        given.context = Some("wrok".to_owned());
        assert_eq!(given.connection().unwrap_err().exit, crate::exit::Exit::NotFound);
        given.context = None;
        given.config = None;
        assert_eq!(given.connection().unwrap_err().exit, crate::exit::Exit::Usage);
        assert!(given.find_connection().unwrap().is_none());
    }

    #[test]
    fn a_broken_file_of_contexts_stops_only_who_needs_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut given = settings(dir.path());
        std::fs::write(given.config.as_ref().unwrap(), "contexts: [").unwrap();
        assert!(given.connection().is_err());
        given.server = Some(url("https://elsewhere").unwrap());
        given.token = Some(Source::File("t".into()));
        assert!(given.connection().is_ok());
    }

    #[test]
    fn an_address_carries_no_password() {
        let failure = url("https://me:canary@work").unwrap_err();
        assert!(!format!("{failure:?}").contains("canary"));
        for text in ["work", "ftp://work", ""] {
            assert!(url(text).is_err(), "{text}");
        }
    }
}
