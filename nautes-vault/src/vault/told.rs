//! What programs are told about a server: one table of settings, from which each program makes its flags, the names in
//! the environment and in files, and its documentation.
//!
//! No setting holds a credential: they name files. With the feature `clap`, [`Told`] is a group of arguments.

#[cfg(feature = "clap")]
mod arguments;
mod open;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nautes_model::name::ProductName;
use url::Url;

use self::values::{
    Method, audiences, components, count, filled, method, namespaces, parsed, some_time, truth,
};
use super::StoreError;
use super::settings::{Home, Login, POD_TOKEN, Pace, VaultSettings};

pub use self::open::Opened;

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its name as a flag.
    pub name: &'static str,
    /// Its name in the environment.
    pub env: &'static str,
    /// What stands for the value in help.
    pub value: &'static str,
    /// What it is where nobody sets it.
    pub default: Option<&'static str>,
    /// What it does.
    pub description: &'static str,
    set: fn(&mut Told, &str) -> Result<(), String>,
}

impl Setting {
    /// Sets it.
    ///
    /// # Errors
    /// Says what is wrong with the text, as in `is neither true nor false`.
    pub fn set(&self, told: &mut Told, text: &str) -> Result<(), String> {
        (self.set)(told, text)
    }
}

/// What a program was told. Without an address there is no server, and secrets are kept elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    address: Option<Url>,
    method: Method,
    mount: Option<String>,
    role: Option<String>,
    file: Option<PathBuf>,
    namespace: Option<String>,
    prefix: String,
    tenant_mount: String,
    ca_file: Option<PathBuf>,
    plain_http: bool,
    adopt: bool,
    components: BTreeMap<String, Home>,
    jwt_clusters: BTreeMap<String, BTreeSet<String>>,
    jwt_namespaces: BTreeMap<(String, ProductName), BTreeSet<String>>,
    proxy: Option<Url>,
    proxy_cert_file: Option<PathBuf>,
    proxy_key_file: Option<PathBuf>,
    proxy_ca_file: Option<PathBuf>,
    connect: Duration,
    request: Duration,
    operation: Duration,
    attempts: u32,
}

/// Where a vault-proxy is, and what is needed to talk to it.
#[derive(Clone, Copy, Debug)]
pub struct ProxyFiles<'a> {
    /// The address.
    pub address: &'a Url,
    /// The file of the client's certificate.
    pub certificate: &'a Path,
    /// The file of its key.
    pub key: &'a Path,
    /// The file of certificates that are trusted for the proxy.
    pub ca: Option<&'a Path>,
}

macro_rules! settings {
    ($($name:literal, $env:literal, $value:literal, $default:expr, $description:literal,
       |$told:ident, $text:ident| $set:expr;)*) => {
        /// Every setting.
        pub const SETTINGS: &[Setting] = &[$(Setting {
            name: $name,
            env: $env,
            value: $value,
            default: $default,
            description: $description,
            set: |$told, $text| {
                $set;
                Ok(())
            },
        }),*];
    };
}

settings! {
    "vault-address", "NAUTES_VAULT_ADDRESS", "URL", None,
        "The address of a Vault or OpenBao: scheme, host and port. Then there is no local secret store.",
        |t, text| t.address = Some(parsed(text)?);
    "vault-login", "NAUTES_VAULT_LOGIN", "METHOD", Some("kubernetes"),
        "How to log in there: `kubernetes`, `approle`, `jwt` or `token-file`.",
        |t, text| t.method = method(text)?;
    "vault-role", "NAUTES_VAULT_ROLE", "ROLE", None,
        "The role to log in with; with `approle` its role id.",
        |t, text| t.role = Some(filled(text)?);
    "vault-login-file", "NAUTES_VAULT_LOGIN_FILE", "FILE", None,
        "The file with the credential: the token of the pod (`kubernetes`, which knows where it is), the secret id (`approle`), \
         the token of the identity provider (`jwt`), or a token of the server (`token-file`). It is read again at each login.",
        |t, text| t.file = Some(PathBuf::from(text));
    "vault-login-mount", "NAUTES_VAULT_LOGIN_MOUNT", "PATH", None,
        "Where the login method is mounted; else the auth mount of the tenant cluster for `kubernetes`, and otherwise the name \
         of the method.",
        |t, text| t.mount = Some(filled(text)?);
    "vault-namespace", "NAUTES_VAULT_NAMESPACE", "NAME", None,
        "The namespace (Vault Enterprise, OpenBao), if not the root one.",
        |t, text| t.namespace = Some(filled(text)?);
    "vault-prefix", "NAUTES_VAULT_PREFIX", "PATH", None,
        "What precedes every mount and policy, for several installations in one Vault.",
        |t, text| t.prefix = filled(text)?;
    "vault-tenant-mount", "NAUTES_VAULT_TENANT_MOUNT", "NAME", Some("nautes"),
        "The auth mount of the tenant cluster, below the prefix; no cluster may be called so.",
        |t, text| t.tenant_mount = filled(text)?;
    "vault-ca-file", "NAUTES_VAULT_CA_FILE", "FILE", None,
        "Certificates (PEM) that are trusted for Vault instead of those of the system.",
        |t, text| t.ca_file = Some(PathBuf::from(text));
    "vault-plain-http", "NAUTES_VAULT_PLAIN_HTTP", "BOOL", Some("false"),
        "Whether credentials may go over plain HTTP to another machine.",
        |t, text| t.plain_http = truth(text)?;
    "vault-adopt", "NAUTES_VAULT_ADOPT", "BOOL", Some("false"),
        "Whether policies and roles of our names that somebody else made are taken over.",
        |t, text| t.adopt = truth(text)?;
    "vault-components", "NAUTES_VAULT_COMPONENTS", "LIST", None,
        "The service accounts of the platform's components, as in `controller=nautes/nautes-controller,api=nautes/nautes-api`; \
         one that is not listed is called like the component, in the namespace `nautes`.",
        |t, text| t.components = components(text)?;
    "vault-jwt-clusters", "NAUTES_VAULT_JWT_CLUSTERS", "LIST", None,
        "The clusters whose tokens are judged by their signature (the JWT method) and not by asking the cluster, each with the \
         audiences of which a token needs one, as in `live=vault,edge=vault+backup`; the tenant mount names the tenant cluster.",
        |t, text| t.jwt_clusters = audiences(text)?;
    "vault-jwt-namespaces", "NAUTES_VAULT_JWT_NAMESPACES", "LIST", None,
        "For those clusters: the namespaces from which the accounts of a product log in besides its own one, as in \
         `live/shop=shop-web+shop-jobs`.",
        |t, text| t.jwt_namespaces = namespaces(text)?;
    "vault-proxy-address", "NAUTES_VAULT_PROXY_ADDRESS", "URL", None,
        "The address of a vault-proxy, by which everything is written then; the login at Vault need only read.",
        |t, text| t.proxy = Some(parsed(text)?);
    "vault-proxy-cert-file", "NAUTES_VAULT_PROXY_CERT_FILE", "FILE", None,
        "The client certificate for the vault-proxy (PEM); its common name is the user of the proxy's access lists.",
        |t, text| t.proxy_cert_file = Some(PathBuf::from(text));
    "vault-proxy-key-file", "NAUTES_VAULT_PROXY_KEY_FILE", "FILE", None,
        "The private key of that certificate (PEM).",
        |t, text| t.proxy_key_file = Some(PathBuf::from(text));
    "vault-proxy-ca-file", "NAUTES_VAULT_PROXY_CA_FILE", "FILE", None,
        "Certificates (PEM) that are trusted for the vault-proxy instead of those of the system.",
        |t, text| t.proxy_ca_file = Some(PathBuf::from(text));
    "vault-connect-timeout", "NAUTES_VAULT_CONNECT_TIMEOUT", "DURATION", Some("5s"),
        "How long connecting to Vault may take.",
        |t, text| t.connect = some_time(text)?;
    "vault-request-timeout", "NAUTES_VAULT_REQUEST_TIMEOUT", "DURATION", Some("15s"),
        "How long one request to Vault may take.",
        |t, text| t.request = some_time(text)?;
    "vault-operation-timeout", "NAUTES_VAULT_OPERATION_TIMEOUT", "DURATION", Some("45s"),
        "How long reading or writing one secret may take, with all its repetitions.",
        |t, text| t.operation = some_time(text)?;
    "vault-attempts", "NAUTES_VAULT_ATTEMPTS", "NUMBER", Some("5"),
        "How often a request to Vault is sent at most.",
        |t, text| t.attempts = count(text)?;
}

impl Told {
    /// Returns what is so where nobody sets anything.
    #[must_use]
    pub fn nothing() -> Self {
        let mut told = Self::default();
        for setting in SETTINGS {
            if let Some(text) = setting.default {
                // A test holds every default to its own rules.
                let _ = setting.set(&mut told, text);
            }
        }
        told
    }

    /// Whether there is a server.
    #[must_use]
    pub const fn is_some(&self) -> bool {
        self.address.is_some()
    }

    /// Returns the address of the server.
    #[must_use]
    pub const fn address(&self) -> Option<&Url> {
        self.address.as_ref()
    }

    /// Returns the file of certificates that are trusted for the server.
    #[must_use]
    pub fn ca_file(&self) -> Option<&Path> {
        self.ca_file.as_deref()
    }

    /// Returns the file with the credential, where one is named.
    #[must_use]
    pub fn login_file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Returns where the vault-proxy is by which everything is written, if there is one, and the files for it. The login
    /// need only read then.
    #[must_use]
    pub fn proxy_files(&self) -> Option<ProxyFiles<'_>> {
        Some(ProxyFiles {
            address: self.proxy.as_ref()?,
            certificate: self.proxy_cert_file.as_deref()?,
            key: self.proxy_key_file.as_deref()?,
            ca: self.proxy_ca_file.as_deref(),
        })
    }

    /// Returns what does not go together, each with the settings that it is about and the way out.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let Some(address) = &self.address else {
            return self.idle();
        };
        let mut faults = Vec::new();
        let login = self.login(&mut faults);
        if let Err(StoreError::BadSetting { setting, reason }) = self.with(address, login).check() {
            let name = match setting {
                "tenant_mount" => "vault-tenant-mount",
                "prefix" => "vault-prefix",
                "namespace" => "vault-namespace",
                "login" => "vault-role and vault-login-mount",
                "jwt_clusters" => "vault-jwt-clusters",
                "jwt_namespaces" => "vault-jwt-namespaces",
                _ => "vault-address",
            };
            // What is missing was said already.
            if faults.is_empty() || setting != "login" {
                faults.push(format!("{name}: {reason}"));
            }
        }
        self.proxy_faults(&mut faults);
        faults
    }

    fn proxy_faults(&self, faults: &mut Vec<String>) {
        let files = [
            ("vault-proxy-cert-file", self.proxy_cert_file.is_some()),
            ("vault-proxy-key-file", self.proxy_key_file.is_some()),
        ];
        if self.proxy.is_none() {
            let set = files
                .into_iter()
                .chain([("vault-proxy-ca-file", self.proxy_ca_file.is_some())]);
            let set: Vec<&str> = set.filter(|(_, is)| *is).map(|(name, _)| name).collect();
            if !set.is_empty() {
                let set = set.join(", ");
                faults.push(format!(
                    "{set} without vault-proxy-address: set the address (NAUTES_VAULT_PROXY_ADDRESS)"
                ));
            }
            return;
        }
        for (name, _) in files.into_iter().filter(|(_, is)| !is) {
            faults.push(format!(
                "vault-proxy-address needs {name}: a vault-proxy knows its users by their certificates"
            ));
        }
        if !self.prefix.is_empty() {
            faults.push(
                "vault-prefix does not go with vault-proxy-address: a vault-proxy knows no prefix".to_owned(),
            );
        }
        if !self.jwt_clusters.is_empty() {
            faults.push(
                "vault-jwt-clusters does not go with vault-proxy-address: a vault-proxy knows the Kubernetes method only"
                    .to_owned(),
            );
        }
    }

    /// What is set for a server that is not there.
    fn idle(&self) -> Vec<String> {
        let set = [
            ("vault-role", self.role.is_some()),
            ("vault-login-file", self.file.is_some()),
            ("vault-login-mount", self.mount.is_some()),
            ("vault-namespace", self.namespace.is_some()),
            ("vault-prefix", !self.prefix.is_empty()),
            ("vault-ca-file", self.ca_file.is_some()),
            ("vault-components", !self.components.is_empty()),
            ("vault-jwt-clusters", !self.jwt_clusters.is_empty()),
            ("vault-jwt-namespaces", !self.jwt_namespaces.is_empty()),
            ("vault-proxy-address", self.proxy.is_some()),
            ("vault-proxy-cert-file", self.proxy_cert_file.is_some()),
            ("vault-proxy-key-file", self.proxy_key_file.is_some()),
            ("vault-proxy-ca-file", self.proxy_ca_file.is_some()),
        ];
        let idle: Vec<&str> = set.iter().filter(|(_, is)| *is).map(|(name, _)| *name).collect();
        if idle.is_empty() {
            return Vec::new();
        }
        vec![format!(
            "{} without vault-address: set the address (NAUTES_VAULT_ADDRESS), or leave the local secret store alone",
            idle.join(", ")
        )]
    }

    fn login(&self, faults: &mut Vec<String>) -> Login {
        let mut needed = |name: &str, env: &str, is: bool| {
            if !is {
                faults.push(format!(
                    "vault-login is {}, which needs {name}: set --{name} or {env}",
                    self.method.name()
                ));
            }
        };
        if self.method != Method::TokenFile {
            needed("vault-role", "NAUTES_VAULT_ROLE", self.role.is_some());
        }
        if self.method != Method::Kubernetes {
            needed("vault-login-file", "NAUTES_VAULT_LOGIN_FILE", self.file.is_some());
        }
        let role = self.role.clone().unwrap_or_default();
        let file = self.file.clone();
        let mount = |usual: &str| self.mount.clone().unwrap_or_else(|| usual.to_owned());
        match self.method {
            Method::TokenFile => {
                if self.role.is_some() || self.mount.is_some() {
                    faults.push(
                        "vault-role and vault-login-mount go with the other logins: vault-login is token-file".to_owned(),
                    );
                }
                Login::TokenFile(file.unwrap_or_default())
            }
            Method::AppRole => Login::AppRole {
                mount: mount("approle"),
                role_id: role,
                secret_id_file: file.unwrap_or_default(),
            },
            Method::Jwt => Login::Jwt {
                mount: mount("jwt"),
                role,
                file: file.unwrap_or_default(),
            },
            Method::Kubernetes => {
                let usual = [self.prefix.as_str(), &self.tenant_mount];
                let usual: Vec<&str> = usual.into_iter().filter(|part| !part.is_empty()).collect();
                Login::Kubernetes {
                    mount: mount(&usual.join("/")),
                    role,
                    file: file.unwrap_or_else(|| POD_TOKEN.into()),
                }
            }
        }
    }

    fn with(&self, address: &Url, login: Login) -> VaultSettings {
        VaultSettings {
            namespace: self.namespace.clone(),
            prefix: self.prefix.clone(),
            tenant_mount: self.tenant_mount.clone(),
            allow_plain_http: self.plain_http,
            adopt: self.adopt,
            components: self.components.clone(),
            jwt_clusters: self.jwt_clusters.clone(),
            jwt_namespaces: self.jwt_namespaces.clone(),
            pace: Pace {
                connect: self.connect,
                request: self.request,
                operation: self.operation,
                attempts: self.attempts,
                ..Pace::default()
            },
            ..VaultSettings::new(address.clone(), login)
        }
    }

    /// Returns the settings of the server, with the certificates read; `None` where there is no server.
    ///
    /// # Errors
    /// They do not go together (all of it), or the file of certificates cannot be read.
    pub async fn settings(&self) -> Result<Option<VaultSettings>, StoreError> {
        let Some(address) = &self.address else {
            return Ok(None);
        };
        let faults = self.faults();
        if !faults.is_empty() {
            return Err(StoreError::BadSetting {
                setting: "vault-login",
                reason: faults.join("; "),
            });
        }
        let mut settings = self.with(address, self.login(&mut Vec::new()));
        if let Some(file) = &self.ca_file {
            settings.ca_bundle = Some(read("vault-ca-file", file).await?);
        }
        Ok(Some(settings))
    }
}

async fn read(setting: &'static str, file: &Path) -> Result<Vec<u8>, StoreError> {
    tokio::fs::read(file)
        .await
        .map_err(|error| StoreError::BadSetting {
            setting,
            reason: format!("cannot read {}: {error}", file.display()),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(all: &[(&str, &str)]) -> Result<Told, String> {
        let mut told = Told::nothing();
        for (name, text) in all {
            let setting = SETTINGS.iter().find(|setting| setting.name == *name).unwrap();
            setting.set(&mut told, text)?;
        }
        Ok(told)
    }

    const ADDRESS: (&str, &str) = ("vault-address", "https://vault.example:8200");

    #[test]
    fn the_defaults_are_those_of_the_library() {
        for setting in SETTINGS {
            if let Some(text) = setting.default {
                setting.set(&mut Told::default(), text).unwrap();
            }
            assert!(setting.description.ends_with('.'), "{}", setting.name);
            let env = format!("NAUTES_{}", setting.name.to_uppercase().replace('-', "_"));
            assert_eq!(setting.env, env);
        }
        let told = told(&[ADDRESS, ("vault-role", "nautes")]).unwrap();
        assert!(told.faults().is_empty(), "{:?}", told.faults());
        let login = told.login(&mut Vec::new());
        let Login::Kubernetes { mount, file, .. } = &login else {
            panic!("{login:?}")
        };
        assert_eq!((mount.as_str(), file.to_str().unwrap()), ("nautes", POD_TOKEN));
        let made = told.with(told.address.as_ref().unwrap(), login);
        let usual = VaultSettings::new(made.address.clone(), made.login.clone());
        assert_eq!(format!("{made:?}"), format!("{usual:?}"));
    }

    #[test]
    fn what_is_missing_or_idle_is_named_with_the_way_out() {
        for (given, wanted) in [
            (
                vec![ADDRESS],
                &["kubernetes, which needs vault-role: set --vault-role"][..],
            ),
            (
                vec![ADDRESS, ("vault-login", "approle")],
                &["needs vault-role", "needs vault-login-file"],
            ),
            (
                vec![ADDRESS, ("vault-login", "jwt"), ("vault-role", "r")],
                &["needs vault-login-file"],
            ),
            (
                vec![
                    ADDRESS,
                    ("vault-login", "token-file"),
                    ("vault-login-file", "f"),
                    ("vault-role", "r"),
                ],
                &["go with the other logins"],
            ),
            (
                vec![("vault-role", "r"), ("vault-prefix", "p")],
                &["vault-role, vault-prefix without vault-address"],
            ),
            (
                vec![("vault-address", "http://vault.example"), ("vault-role", "r")],
                &["--vault-plain-http"],
            ),
            (
                vec![ADDRESS, ("vault-role", "r"), ("vault-prefix", "A/")],
                &["vault-prefix: "],
            ),
            (
                vec![
                    ADDRESS,
                    ("vault-role", "r"),
                    ("vault-jwt-namespaces", "live/shop=web"),
                ],
                &["vault-jwt-namespaces: "],
            ),
            (
                vec![ADDRESS, ("vault-role", "r"), ("vault-proxy-address", "https://p")],
                &["needs vault-proxy-cert-file", "needs vault-proxy-key-file"],
            ),
            (
                vec![ADDRESS, ("vault-role", "r"), ("vault-proxy-key-file", "k")],
                &["vault-proxy-key-file without vault-proxy-address"],
            ),
        ] {
            let faults = told(&given).unwrap().faults();
            assert_eq!(faults.len(), wanted.len(), "{given:?}: {faults:?}");
            for (fault, wanted) in faults.iter().zip(wanted) {
                assert!(fault.contains(wanted), "{given:?}: {fault}");
            }
        }
        assert!(Told::nothing().faults().is_empty());
    }

    #[test]
    fn values_that_cannot_be_read_are_refused() {
        for (name, bad) in [
            ("vault-address", "vault"),
            ("vault-login", "password"),
            ("vault-adopt", "yes"),
            ("vault-components", "api"),
            ("vault-components", "api=nautes"),
            ("vault-components", "api=a/b/c"),
            ("vault-jwt-clusters", "live"),
            ("vault-jwt-clusters", "live="),
            ("vault-jwt-namespaces", "shop=web"),
            ("vault-jwt-namespaces", "live/Shop=web"),
            ("vault-attempts", "0"),
            ("vault-request-timeout", "0s"),
            ("vault-request-timeout", "15"),
            ("vault-role", " "),
        ] {
            assert!(told(&[(name, bad)]).is_err(), "{name} {bad}");
        }
        let read = told(&[(
            "vault-components",
            "api=nautes/nautes-api, controller=c/nautes-controller",
        )]);
        assert_eq!(read.unwrap().components["controller"].namespace, "c");
        let read = told(&[
            ("vault-jwt-clusters", "live=vault+backup, edge=vault"),
            ("vault-jwt-namespaces", "live/shop=web+jobs"),
        ]);
        let read = read.unwrap();
        assert_eq!(read.jwt_clusters["live"].len(), 2);
        assert_eq!(
            read.jwt_namespaces[&("live".to_owned(), "shop".parse().unwrap())].len(),
            2
        );
    }

    #[cfg(feature = "clap")]
    #[test]
    fn arguments_say_all_that_is_wrong() {
        #[derive(Debug, clap::Parser)]
        struct Program {
            #[command(flatten)]
            vault: Told,
        }
        use clap::Parser as _;
        let parse = |words: &[&str]| Program::try_parse_from([&["p"], words].concat());
        assert_eq!(parse(&[]).unwrap().vault, Told::nothing());
        let error = parse(&["--vault-login", "x", "--vault-attempts", "0"]).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("--vault-login (NAUTES_VAULT_LOGIN) is none of")
                && text.contains("--vault-attempts"),
            "{text}"
        );
        let error = parse(&["--vault-address", "https://v"]).unwrap_err();
        assert!(error.to_string().contains("needs vault-role"), "{error}");
    }
}
