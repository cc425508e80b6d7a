//! Settings, decided once: the command line wins over the environment.

use std::path::PathBuf;
use std::time::Duration;

use nautes_model::Secret;
use nautes_model::name::ProductName;
use reqwest::Url;

use crate::cli::Global;
use crate::exit::Failure;

/// What every command that talks to the API needs, fully decided.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The address of the API, with a slash at its end.
    pub server: Option<Url>,
    /// The forge token.
    pub token: Option<Secret>,
    /// Certificates that the API's may be signed by, besides the system's.
    pub ca_file: Option<PathBuf>,
    /// How long one request may take.
    pub request_timeout: Duration,
    /// The product that `-p` stands for when it is not given (`PRODUCT`).
    pub product: Option<String>,
    /// The key of the digests by which plans show secrets.
    pub digest_key: Option<Secret>,
}

/// The environment, read in one place.
///
/// | variable | what it sets |
/// |---|---|
/// | `NAUTES_SERVER`, else `API_SERVER` | the address of the API |
/// | `NAUTES_TOKEN`, else `GIT_TOKEN` | the forge token |
/// | `NAUTES_CA_FILE` | `--ca-file` |
/// | `NAUTES_PRODUCT`, else `PRODUCT` | `-p` |
/// | `NAUTES_DIGEST_KEY` | the key of the digests by which `plan` shows secrets; without one each run has its own |
/// | `NAUTES_HOME` | the folder of `nautes local` |
/// | `NAUTES_STORE_KEY` | the key of the secret store of `nautes local`, base64 of 32 bytes |
#[derive(Clone, Debug, Default)]
pub struct Environment {
    server: Option<String>,
    token: Option<Secret>,
    ca_file: Option<String>,
    product: Option<String>,
    digest_key: Option<Secret>,
    /// The folder of `nautes local`.
    pub home: Option<PathBuf>,
    /// The key of the secret store of `nautes local`.
    pub store_key: Option<Secret>,
    /// Where programs are found (`PATH`).
    pub path: Option<String>,
}

impl Environment {
    /// Reads it.
    #[must_use]
    pub fn read() -> Self {
        let first = |names: &[&str]| {
            names.iter().find_map(|name| {
                #[expect(clippy::disallowed_methods, reason = "settings are resolved here, once")]
                std::env::var(name).ok().filter(|v| !v.is_empty())
            })
        };
        let home = first(&["NAUTES_HOME"]).map(PathBuf::from).or_else(|| {
            first(&["XDG_DATA_HOME"])
                .map(PathBuf::from)
                .or_else(|| first(&["HOME"]).map(|home| PathBuf::from(home).join(".local/share")))
                .map(|data| data.join("nautes"))
        });
        Self {
            server: first(&["NAUTES_SERVER", "API_SERVER"]),
            token: first(&["NAUTES_TOKEN", "GIT_TOKEN"]).map(Secret::from),
            ca_file: first(&["NAUTES_CA_FILE"]),
            product: first(&["NAUTES_PRODUCT", "PRODUCT"]),
            digest_key: first(&["NAUTES_DIGEST_KEY"]).map(Secret::from),
            home,
            store_key: first(&["NAUTES_STORE_KEY"]).map(Secret::from),
            path: first(&["PATH"]),
        }
    }
}

impl Settings {
    /// Decides.
    ///
    /// # Errors
    /// The address is not a URL, or the token file cannot be read.
    pub fn resolve(global: &Global, environment: &Environment) -> Result<Self, Failure> {
        let server = global
            .server
            .as_ref()
            .or(environment.server.as_ref())
            .map(|text| url(text))
            .transpose()?;
        let token = match (&global.token, &global.token_file) {
            (Some(token), _) => Some(Secret::from(token.trim())),
            (None, Some(file)) => {
                let text = std::fs::read_to_string(file)
                    .map_err(|e| Failure::usage(format!("{}: {e}", file.display())))?;
                Some(Secret::from(text.trim()))
            }
            (None, None) => environment.token.clone(),
        };
        Ok(Self {
            server,
            token: token.filter(|t| !t.is_empty()),
            ca_file: global
                .ca_file
                .clone()
                .or_else(|| environment.ca_file.as_ref().map(PathBuf::from)),
            request_timeout: Duration::from_secs(global.request_timeout.max(1)),
            product: environment.product.clone(),
            digest_key: environment.digest_key.clone(),
        })
    }
}

impl Settings {
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

fn url(text: &str) -> Result<Url, Failure> {
    let wrong = || {
        Failure::usage(format!("the server {text:?} is not a URL"))
            .hint("for example https://nautes.example.org")
    };
    let with_slash = format!("{}/", text.trim_end_matches('/'));
    let url = Url::parse(&with_slash).map_err(|_| wrong())?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        Ok(url)
    } else {
        Err(wrong())
    }
}
