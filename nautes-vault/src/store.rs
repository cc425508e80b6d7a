//! The trait of a secret store, and its vocabulary.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use async_trait::async_trait;
use nautes_model::Secret;
use nautes_model::secret::{Grant, GrantScope, Principal, SecretPath, SecretRef};

use crate::vault::ClusterLogins;
use crate::{SecretDigest, StoreError};

/// The longest key within a secret, in bytes.
pub const MAX_KEY: usize = 256;

/// The largest secret, keys and values together, in bytes.
pub const MAX_BYTES: usize = 4 << 20;

/// How many versions of a secret a store keeps at least; older ones may be dropped.
pub const KEPT_VERSIONS: usize = 10;

/// One version of a secret. Its `Debug` shows keys and no values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    /// The version: it begins at 1 and grows with each write that changes something.
    pub version: u64,
    /// The values by key.
    pub values: BTreeMap<String, Secret>,
}

/// What is known about one version without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionInfo {
    /// The version.
    pub version: u64,
    /// Whether it is the one that [`SecretStore::read`] gives.
    pub current: bool,
}

/// What a writer expects to replace: the compare of compare-and-swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Whatever is there.
    Any,
    /// Nothing is there.
    Absent,
    /// Exactly this version is the current one.
    Version(u64),
}

impl Expect {
    /// Whether `current` is what is expected.
    #[must_use]
    pub fn holds(self, current: Option<u64>) -> bool {
        match self {
            Self::Any => true,
            Self::Absent => current.is_none(),
            Self::Version(version) => current == Some(version),
        }
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("anything"),
            Self::Absent => f.write_str("nothing"),
            Self::Version(version) => write!(f, "version {version}"),
        }
    }
}

/// Something that every store promises unless it says otherwise ([`SecretStore::lacks`]): whoever relies on it looks
/// first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Promise {
    /// Comparing and writing are one step. Without it the store looks before it writes and afterwards: a write of another
    /// process that came in between is an error then ([`StoreError::Overwritten`]), and was written over.
    AtomicSwap,
    /// A version that was removed cannot be read any more, and older ones can be removed too. Without it only the current
    /// one can be undone: the values before it become current as a new version.
    RemovedVersions,
    /// Secrets may be at any path of the engines. Without it they are at those of [`keys`](crate::keys).
    AnyPlace,
    /// Every principal can be granted every secret at both levels, by products and clusters, whether or not the secret is
    /// there. Without it products can grant their accounts to read secrets that are there.
    AnyGrant,
}

/// What a write did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "`changed` decides whether undoing means removing this version"]
pub struct Written {
    /// The version that is current now.
    pub version: u64,
    /// Whether this write made it. If not, the values were there already, and undoing must leave the version
    /// alone: it belongs to an earlier write.
    pub changed: bool,
}

/// The difference that one convergence made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrantChange {
    /// The grants that were missing.
    pub added: BTreeSet<Grant>,
    /// The grants that were too many.
    pub removed: BTreeSet<Grant>,
}

impl GrantChange {
    /// Returns what leads from `have` to `want`.
    #[must_use]
    pub fn between(have: &BTreeSet<Grant>, want: &BTreeSet<Grant>) -> Self {
        Self {
            added: want.difference(have).cloned().collect(),
            removed: have.difference(want).cloned().collect(),
        }
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }
}

/// A store of secrets and of who may read them.
///
/// # Guarantees
/// * `None` and an empty list mean *confirmed absent*. Whatever could not be read, or not completely, is an
///   error, so that nobody mistakes unknown for empty.
/// * A write that returned is durable; one that failed or was interrupted is there whole or not at all.
/// * Errors, `Debug` and logs name paths, keys and principals, and never a value.
/// * Version numbers of a path grow and are not used again until the path is deleted.
///
/// The methods without a principal act with the rights of the platform itself; those with one
/// ([`read_as`](Self::read_as), [`write_as`](Self::write_as)) act with the rights that were granted to it.
#[async_trait]
pub trait SecretStore: fmt::Debug + Send + Sync {
    /// Returns the name of this kind of store, as in settings and messages.
    fn name(&self) -> &'static str;

    /// Returns what of the contract the store cannot keep; nothing for most.
    fn lacks(&self) -> &'static [Promise] {
        &[]
    }

    /// Reads the current version; `None` if there is none.
    ///
    /// # Errors
    /// The store cannot answer, or what it has is damaged.
    async fn read(&self, path: &SecretPath) -> Result<Option<Versioned>, StoreError>;

    /// Reads one version; `None` if it was never written, was removed, or is too old to be kept.
    ///
    /// # Errors
    /// The store cannot answer, or what it has is damaged.
    async fn read_version(&self, path: &SecretPath, version: u64) -> Result<Option<Versioned>, StoreError>;

    /// Lists the versions that can be read, oldest first; empty if the secret is absent.
    ///
    /// # Errors
    /// The store cannot answer, or what it has is damaged.
    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionInfo>, StoreError>;

    /// Makes `values` the current version, as a whole: keys that are not in it are gone.
    ///
    /// Values equal to the current ones write nothing and keep the version; the expectation is checked first.
    ///
    /// # Errors
    /// The expectation does not hold ([`StoreError::Conflict`]); the values are not acceptable (none at all, a
    /// bad key, more than [`MAX_BYTES`]); the store cannot write.
    async fn write(
        &self,
        path: &SecretPath,
        values: BTreeMap<String, Secret>,
        expect: Expect,
    ) -> Result<Written, StoreError>;

    /// Removes one version for good. The newest of those that are left becomes current; with none left the
    /// secret is absent. This undoes a write whose commit failed; a version that is not there is no error.
    ///
    /// # Errors
    /// The store cannot write.
    async fn remove_version(&self, path: &SecretPath, version: u64) -> Result<(), StoreError>;

    /// Deletes the secret with all its versions; one that is absent is no error. Grants on the path stay: they
    /// belong to their scopes.
    ///
    /// # Errors
    /// The store cannot write.
    async fn delete(&self, path: &SecretPath) -> Result<(), StoreError>;

    /// Lists the secrets at and below `prefix`, sorted. The prefix consists of whole segments (`git/gitlab`
    /// does not match `git/gitlab2/..`); the empty prefix stands for everything.
    ///
    /// # Errors
    /// The prefix is not a beginning of a path; the listing could not be completed.
    async fn list(&self, prefix: &str) -> Result<Vec<SecretPath>, StoreError>;

    /// Makes the grants of `scope` exactly `wanted`, and returns what had to change. Other scopes are not
    /// touched; a second call with the same set writes nothing. The secrets need not exist yet.
    ///
    /// # Errors
    /// A grant reaches beyond the scope ([`StoreError::OutOfScope`], nothing is written); the store cannot write.
    async fn converge_grants(
        &self,
        scope: &GrantScope,
        wanted: &BTreeSet<Grant>,
    ) -> Result<GrantChange, StoreError>;

    /// Returns the grants of one scope; empty if it has none.
    ///
    /// # Errors
    /// The store cannot answer.
    async fn grants(&self, scope: &GrantScope) -> Result<BTreeSet<Grant>, StoreError>;

    /// Lists the scopes that have grants, sorted.
    ///
    /// # Errors
    /// The store cannot answer.
    async fn grant_scopes(&self) -> Result<Vec<GrantScope>, StoreError>;

    /// Reads as a principal may: a grant of any scope, at either level, allows it.
    ///
    /// # Errors
    /// No grant allows it ([`StoreError::Denied`], whether or not the secret exists); see [`read`](Self::read).
    async fn read_as(
        &self,
        principal: &Principal,
        path: &SecretPath,
    ) -> Result<Option<Versioned>, StoreError>;

    /// Writes as a principal may: a grant of any scope at level `Write` allows it.
    ///
    /// # Errors
    /// No grant allows it ([`StoreError::Denied`]); see [`write`](Self::write).
    async fn write_as(
        &self,
        principal: &Principal,
        path: &SecretPath,
        values: BTreeMap<String, Secret>,
        expect: Expect,
    ) -> Result<Written, StoreError>;

    /// Returns the keyed digest of one current value; `None` if the secret or the key is absent.
    ///
    /// # Errors
    /// See [`read`](Self::read).
    async fn digest(&self, reference: &SecretRef) -> Result<Option<SecretDigest>, StoreError>;

    /// Returns how accounts of clusters log in to the store by themselves; `None` where none can.
    fn logins(&self) -> Option<&dyn ClusterLogins> {
        None
    }

    /// Reads one current value; `None` if the secret or the key is absent.
    ///
    /// # Errors
    /// See [`read`](Self::read).
    async fn resolve(&self, reference: &SecretRef) -> Result<Option<Secret>, StoreError> {
        Ok(self
            .read(&reference.path)
            .await?
            .and_then(|mut found| found.values.remove(&reference.key)))
    }
}

/// Checks values before they are written: every store refuses the same ones.
///
/// # Errors
/// There are none, a key is empty, too long or has control characters, or all together are too large.
pub fn check_values(path: &SecretPath, values: &BTreeMap<String, Secret>) -> Result<(), StoreError> {
    let refuse = |reason: String| {
        Err(StoreError::BadValues {
            path: path.clone(),
            reason,
        })
    };
    if values.is_empty() {
        return refuse("a secret needs at least one key".to_owned());
    }
    for key in values.keys() {
        if key.is_empty() || key.len() > MAX_KEY || key.chars().any(char::is_control) {
            let shown: String = key.chars().take(40).collect();
            return refuse(format!(
                "the key {shown:?} is empty, too long, or has control characters"
            ));
        }
    }
    let bytes: usize = values
        .iter()
        .map(|(key, value)| key.len() + value.expose().len())
        .sum();
    if bytes > MAX_BYTES {
        return refuse(format!(
            "they have {bytes} bytes together, {MAX_BYTES} are allowed"
        ));
    }
    Ok(())
}

/// Checks that no grant reaches beyond its scope: a product's scope serves accounts of that product only, and
/// every scope serves its own cluster (and the platform) only.
///
/// # Errors
/// Names the first grant that does.
pub fn check_grants(scope: &GrantScope, wanted: &BTreeSet<Grant>) -> Result<(), StoreError> {
    let fits = |principal: &Principal| match (scope, principal) {
        (_, Principal::Platform { .. }) => true,
        (
            GrantScope::Product { product, cluster },
            Principal::Account {
                cluster: on,
                product: of,
                ..
            },
        ) => product == of && cluster == on,
        (
            GrantScope::Product { cluster, .. } | GrantScope::Cluster { cluster },
            Principal::Account { cluster: on, .. } | Principal::Component { cluster: on, .. },
        ) => cluster == on,
    };
    match wanted.iter().find(|grant| !fits(&grant.principal)) {
        None => Ok(()),
        Some(grant) => Err(StoreError::OutOfScope {
            scope: scope.clone(),
            principal: grant.principal.clone(),
            path: grant.secret.clone(),
        }),
    }
}

/// Checks a prefix for [`SecretStore::list`] and returns it without a slash at its end.
///
/// # Errors
/// It is not a beginning of a path.
pub fn check_prefix(prefix: &str) -> Result<&str, StoreError> {
    let whole = prefix;
    let prefix = whole.strip_suffix('/').unwrap_or(whole);
    if whole.is_empty() || prefix.len() <= 510 && SecretPath::new(format!("{prefix}/x")).is_ok() {
        Ok(prefix)
    } else {
        Err(StoreError::BadPrefix {
            prefix: prefix.chars().take(80).collect(),
        })
    }
}

/// Whether `path` is at or below `prefix`, as [`check_prefix`] returned it.
#[must_use]
pub fn is_below(path: &SecretPath, prefix: &str) -> bool {
    prefix.is_empty()
        || path
            .as_str()
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path() -> SecretPath {
        SecretPath::new("git/a").unwrap()
    }

    #[test]
    fn unacceptable_values_are_refused_without_showing_them() {
        for (key, value) in [("", 1), ("a\nb", 1), (&*"x".repeat(257), 1), ("k", MAX_BYTES)] {
            let values = BTreeMap::from([(key.to_owned(), Secret::new(vec![b'c'; value]))]);
            let error = check_values(&path(), &values).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("ccc"));
        }
        assert!(check_values(&path(), &BTreeMap::new()).is_err());
        let good = BTreeMap::from([("ключ".to_owned(), Secret::new(vec![]))]);
        assert!(check_values(&path(), &good).is_ok());
    }

    #[test]
    fn a_product_scope_serves_its_own_accounts_on_its_own_cluster() {
        let scope = GrantScope::Product {
            product: "p".parse().unwrap(),
            cluster: "c".parse().unwrap(),
        };
        let check = |cluster: &str, product: &str| {
            let principal = Principal::Account {
                cluster: cluster.parse().unwrap(),
                product: product.parse().unwrap(),
                account: "a".parse().unwrap(),
            };
            let grant = Grant {
                principal,
                secret: path(),
                level: nautes_model::secret::GrantLevel::Read,
            };
            check_grants(&scope, &BTreeSet::from([grant])).is_ok()
        };
        assert!(check("c", "p"));
        assert!(!check("c", "q"));
        assert!(!check("d", "p"));
    }

    #[test]
    fn prefixes_are_whole_segments() {
        assert!(is_below(&path(), ""));
        assert!(is_below(&path(), "git"));
        assert!(is_below(&path(), "git/a"));
        assert!(!is_below(&path(), "gi"));
        assert!(!is_below(&path(), "git/a/b"));
        assert_eq!(check_prefix("git/").unwrap(), "git");
        for bad in ["/", "/git", "git//a", "../git", "git/..", "a b", &"x".repeat(600)] {
            assert!(check_prefix(bad).is_err(), "{bad}");
        }
    }
}
