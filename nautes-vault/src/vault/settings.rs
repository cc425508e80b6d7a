//! How to reach a Vault server, and who Nautes is there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use nautes_model::Secret;
use nautes_model::name::ProductName;
use url::{Host, Url};

use crate::StoreError;

/// The file in which Kubernetes gives a pod the token of its service account.
pub const POD_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// The engines that Nautes keeps secrets in: the first segments of their paths.
pub const ENGINES: [&str; 4] = ["cluster", "git", "repo", "tenant"];

/// How to reach a server of Vault or OpenBao.
#[derive(Clone, Debug)]
pub struct VaultSettings {
    /// The address, for example `https://vault.example.org:8200`.
    pub address: Url,
    /// How Nautes logs in.
    pub login: Login,
    /// The namespace (Vault Enterprise, OpenBao), if not the root one.
    pub namespace: Option<String>,
    /// What precedes every mount and policy of this installation, without a slash at its end; empty for none.
    pub prefix: String,
    /// The auth mount of the tenant cluster, below the prefix. No cluster may have this name.
    pub tenant_mount: String,
    /// Certificates, as PEM, to trust instead of those of the system.
    pub ca_bundle: Option<Vec<u8>>,
    /// Whether credentials may go over plain HTTP to another machine.
    pub allow_plain_http: bool,
    /// Whether policies and roles that have the names that Nautes gives, and that it has not made, are taken over.
    pub adopt: bool,
    /// Which service account each component of the platform is, by the component's name.
    pub components: BTreeMap<String, Home>,
    /// Of which clusters the tokens are judged by their signature (the JWT method) instead of by asking the cluster (the
    /// Kubernetes method), by the name of the cluster or the tenant mount: the audiences of which a token needs one.
    pub jwt_clusters: BTreeMap<String, BTreeSet<String>>,
    /// For those clusters, by cluster and product: the namespaces from which the product's accounts log in, besides its
    /// own one. A signed token does not tell whose its namespace is.
    pub jwt_namespaces: BTreeMap<(String, ProductName), BTreeSet<String>>,
    /// How long to wait, and how often to ask.
    pub pace: Pace,
}

impl VaultSettings {
    /// Returns settings with the usual choices.
    #[must_use]
    pub fn new(address: Url, login: Login) -> Self {
        Self {
            address,
            login,
            namespace: None,
            prefix: String::new(),
            tenant_mount: "nautes".to_owned(),
            ca_bundle: None,
            allow_plain_http: false,
            adopt: false,
            components: BTreeMap::new(),
            jwt_clusters: BTreeMap::new(),
            jwt_namespaces: BTreeMap::new(),
            pace: Pace::default(),
        }
    }

    /// Checks what can be checked without the server.
    ///
    /// # Errors
    /// Names the setting that cannot be used.
    pub fn check(&self) -> Result<(), StoreError> {
        let bad = |setting, reason: &str| {
            Err(StoreError::BadSetting {
                setting,
                reason: reason.to_owned(),
            })
        };
        let here = match self.address.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            None => return bad("address", "it names no host"),
        };
        match self.address.scheme() {
            "https" => {}
            "http" if here || self.allow_plain_http => {}
            "http" => {
                return bad(
                    "address",
                    "it would send credentials unencrypted to another machine: use https, or allow it (allow_plain_http, \
                     --vault-plain-http true)",
                );
            }
            _ => return bad("address", "it begins neither with https:// nor with http://"),
        }
        if !self.address.username().is_empty() || self.address.password().is_some() {
            return bad("address", "it holds a user or a password");
        }
        if !matches!(self.address.path(), "" | "/") || self.address.query().is_some() {
            return bad(
                "address",
                "it has a path; only scheme, host and port belong to it",
            );
        }
        if !self.prefix.is_empty() && !self.prefix.split('/').all(is_segment) {
            return bad("prefix", "it consists of segments of [a-z0-9-], separated by '/'");
        }
        if !is_segment(&self.tenant_mount) {
            return bad("tenant_mount", "it is one segment of [a-z0-9-]");
        }
        let namespace = self.namespace.as_deref().unwrap_or("x");
        if namespace.is_empty() || !namespace.bytes().all(|b| b.is_ascii_graphic()) {
            return bad(
                "namespace",
                "it is empty, or has characters that no namespace has",
            );
        }
        if self
            .jwt_clusters
            .iter()
            .any(|(name, audiences)| !is_segment(name) || audiences.is_empty())
        {
            return bad(
                "jwt_clusters",
                "each has a name and an audience at least: without one, tokens for other services would log in",
            );
        }
        let unknown = self
            .jwt_namespaces
            .keys()
            .find(|(cluster, _)| !self.jwt_clusters.contains_key(cluster));
        if unknown.is_some()
            || !self
                .jwt_namespaces
                .values()
                .flatten()
                .all(|name| is_segment(name))
        {
            return bad(
                "jwt_namespaces",
                "it names namespaces, of clusters that are among the jwt_clusters",
            );
        }
        self.login.check()
    }

    /// Returns the server for messages: scheme, host and port.
    #[must_use]
    pub(super) fn label(&self) -> String {
        format!("Vault at {}", self.address.origin().ascii_serialization())
    }

    /// Returns where something of this installation is mounted.
    #[must_use]
    pub(super) fn mount(&self, name: &str) -> String {
        if self.prefix.is_empty() {
            name.to_owned()
        } else {
            format!("{}/{name}", self.prefix)
        }
    }
}

fn is_segment(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 63
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// The service account of a component of the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// The namespace in its cluster.
    pub namespace: String,
    /// The service account.
    pub account: String,
}

/// How Nautes logs in. Files are read at each login, so that what rotates them need not tell Nautes.
#[derive(Clone)]
pub enum Login {
    /// A token as it is. It is neither exchanged nor revoked.
    Token(Secret),
    /// A file with a token, for example of a Vault agent. The token is renewed while it can be, and not revoked.
    TokenFile(PathBuf),
    /// The AppRole method.
    AppRole {
        /// Where it is mounted, usually `approle`.
        mount: String,
        /// The id of the role.
        role_id: String,
        /// The file with the secret id.
        secret_id_file: PathBuf,
    },
    /// The JWT method.
    Jwt {
        /// Where it is mounted, usually `jwt`.
        mount: String,
        /// The role.
        role: String,
        /// The file with the token of the identity provider.
        file: PathBuf,
    },
    /// The Kubernetes method.
    Kubernetes {
        /// Where it is mounted, usually as the tenant mount.
        mount: String,
        /// The role.
        role: String,
        /// The file with the token of the service account, usually [`POD_TOKEN`].
        file: PathBuf,
    },
}

impl Login {
    /// Returns the name of the method, as in messages and settings.
    #[must_use]
    pub const fn method(&self) -> &'static str {
        match self {
            Self::Token(_) => "token",
            Self::TokenFile(_) => "token file",
            Self::AppRole { .. } => "AppRole",
            Self::Jwt { .. } => "JWT",
            Self::Kubernetes { .. } => "Kubernetes",
        }
    }

    fn check(&self) -> Result<(), StoreError> {
        let (mount, role) = match self {
            Self::Token(_) | Self::TokenFile(_) => return Ok(()),
            Self::AppRole { mount, role_id, .. } => (mount, role_id),
            Self::Jwt { mount, role, .. } | Self::Kubernetes { mount, role, .. } => (mount, role),
        };
        let good = |text: &str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|b| b.is_ascii_graphic() && b != b'?' && b != b'#')
        };
        if good(mount) && good(role) {
            Ok(())
        } else {
            Err(StoreError::BadSetting {
                setting: "login",
                reason: "mount and role are texts without spaces".to_owned(),
            })
        }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({})", self.method())
    }
}

/// How long to wait, and how often to ask.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How long connecting may take.
    pub connect: Duration,
    /// How long one request may take.
    pub request: Duration,
    /// How long one operation on one path may take, with all its repetitions.
    pub operation: Duration,
    /// How often a request is sent at most.
    pub attempts: u32,
    /// How long the text of a policy that was seen to be right is taken to be so. Whether it is there at all is
    /// looked at each time.
    pub recheck: Duration,
    /// The pause before the second attempt; it doubles with each further one, up to two seconds.
    pub pause: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            request: Duration::from_secs(15),
            operation: Duration::from_secs(45),
            attempts: 5,
            recheck: Duration::from_secs(600),
            pause: Duration::from_millis(100),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(address: &str) -> VaultSettings {
        VaultSettings::new(address.parse().unwrap(), Login::Token("canary".into()))
    }

    #[test]
    fn addresses_that_leak_or_mislead_are_refused() {
        for good in [
            "https://vault:8200",
            "http://127.0.0.1:8200",
            "http://[::1]:1",
            "http://localhost:1/",
        ] {
            assert!(of(good).check().is_ok(), "{good}");
        }
        for bad in [
            "http://vault:8200",
            "ftp://vault",
            "https://u:p@vault",
            "https://vault/v1",
            "https://vault/?a=b",
        ] {
            assert!(of(bad).check().is_err(), "{bad}");
        }
        let mut plain = of("http://vault:8200");
        plain.allow_plain_http = true;
        assert!(plain.check().is_ok());
    }

    #[test]
    fn debug_shows_no_credential() {
        assert!(!format!("{:?}", of("https://vault")).contains("canary"));
    }

    #[test]
    fn prefixes_are_segments() {
        let with = |prefix: &str| {
            let mut settings = of("https://vault");
            prefix.clone_into(&mut settings.prefix);
            settings
        };
        assert_eq!(with("a/b").mount("git"), "a/b/git");
        assert_eq!(with("").mount("git"), "git");
        for bad in ["/a", "a/", "a//b", "A", "a b"] {
            assert!(with(bad).check().is_err(), "{bad}");
        }
    }
}
