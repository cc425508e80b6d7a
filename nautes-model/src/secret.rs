//! Secrets, where they are kept, and who may read them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::name::{AccountName, ClusterName, ProductName};

/// A secret value. It has no `Display` and no `Serialize`, its `Debug` is redacted, and its memory is wiped on drop.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes a value into custody.
    #[must_use]
    pub fn new(value: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// Hands the value out. Every call of this is a place to look at in a review.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Hands the value out as text.
    ///
    /// # Errors
    /// The value is not UTF-8; the error does not show it.
    pub fn expose_str(&self) -> Result<&str, NotText> {
        std::str::from_utf8(&self.0).map_err(|_| NotText)
    }

    /// Whether the value is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A secret that was expected to be text is not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the secret is not UTF-8 text")]
pub struct NotText;

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self::new(value.into_bytes())
    }
}

impl From<&str> for Secret {
    fn from(value: &str) -> Self {
        Self::new(value.as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// Compares in time that depends on the lengths only.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && self
                .0
                .iter()
                .zip(other.0.iter())
                .fold(0u8, |acc, (a, b)| acc | (a ^ b))
                == 0
    }
}

impl Eq for Secret {}

/// Where a secret is kept: an engine (a mount of the store) and a path below it, for example
/// `cluster/kubernetes/host-1/default/admin`. The whole secret is a small map from key to value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretPath(String);

/// A text is not the path of a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a secret path: at least two segments of [A-Za-z0-9._-], separated by '/', at most 512 bytes"
)]
pub struct SecretPathError(String);

impl SecretPath {
    /// Reads `engine/path/..`.
    ///
    /// # Errors
    /// A segment is empty, `.`, `..`, or has a character outside `[A-Za-z0-9._-]`.
    pub fn new(text: impl Into<String>) -> Result<Self, SecretPathError> {
        let text = text.into();
        let good = |s: &str| {
            !s.is_empty()
                && s != "."
                && s != ".."
                && s.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        };
        if text.len() <= 512 && text.split('/').count() >= 2 && text.split('/').all(good) {
            Ok(Self(text))
        } else {
            Err(SecretPathError(text.chars().take(80).collect()))
        }
    }

    /// Returns the whole path, engine first.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the engine: the first segment.
    #[must_use]
    pub fn engine(&self) -> &str {
        self.0
            .split_once('/')
            .map_or(self.0.as_str(), |(engine, _)| engine)
    }

    /// Returns the path below the engine.
    #[must_use]
    pub fn below(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, rest)| rest)
    }
}

impl fmt::Display for SecretPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SecretPath {
    type Err = SecretPathError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl TryFrom<String> for SecretPath {
    type Error = SecretPathError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(text)
    }
}

impl From<SecretPath> for String {
    fn from(path: SecretPath) -> Self {
        path.0
    }
}

/// One value of a secret: where it is and under which key. It names a secret and never holds it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SecretRef {
    /// The secret.
    pub path: SecretPath,
    /// The key within it.
    pub key: String,
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.path, self.key)
    }
}

/// Who may be granted something in the secret store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum Principal {
    /// A machine account of a product in a runtime cluster.
    Account {
        /// The cluster in which it lives.
        cluster: ClusterName,
        /// The product that owns it.
        product: ProductName,
        /// Its name.
        account: AccountName,
    },
    /// A component of the platform itself, for example `controller` or `argocd`, in one cluster.
    Component {
        /// The cluster in which it runs.
        cluster: ClusterName,
        /// Its name.
        component: String,
    },
    /// A component of the platform in the tenant cluster.
    Platform {
        /// Its name.
        component: String,
    },
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account {
                cluster,
                product,
                account,
            } => write!(f, "account {product}.{account} on {cluster}"),
            Self::Component { cluster, component } => write!(f, "component {component} on {cluster}"),
            Self::Platform { component } => write!(f, "platform {component}"),
        }
    }
}

/// What a grant allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GrantLevel {
    /// Reading the secret.
    Read,
    /// Reading and writing the secret.
    Write,
}

/// A right in the secret store: this principal may do this with this secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Grant {
    /// Who.
    pub principal: Principal,
    /// Which secret.
    pub secret: SecretPath,
    /// What.
    pub level: GrantLevel,
}

/// For whom a set of grants was computed: converging one scope never touches the grants of another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum GrantScope {
    /// The grants that one product needs on one cluster.
    Product {
        /// The product.
        product: ProductName,
        /// The cluster.
        cluster: ClusterName,
    },
    /// The grants that products share on one cluster.
    Cluster {
        /// The cluster.
        cluster: ClusterName,
    },
}

impl fmt::Display for GrantScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Product { product, cluster } => write!(f, "product {product} on {cluster}"),
            Self::Cluster { cluster } => write!(f, "cluster {cluster}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_a_secret_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::from("canary")), "Secret(redacted)");
    }

    #[test]
    fn secret_paths_cannot_climb() {
        for bad in ["", "a", "/a", "a/", "a//b", "a/../b", "a/./b", "a/b c", "a/b\n"] {
            assert!(SecretPath::new(bad).is_err(), "{bad}");
        }
        let path = SecretPath::new("git/gitlab/repo-1/default/readonly").unwrap();
        assert_eq!(
            (path.engine(), path.below()),
            ("git", "gitlab/repo-1/default/readonly")
        );
    }
}
