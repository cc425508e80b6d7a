//! Where each secret of the platform is kept: the naming that existing installations have, as pure functions.
//!
//! | secret | path | key |
//! |---|---|---|
//! | kubeconfig of a cluster | `cluster/kubernetes/<cluster>/default/admin` | `kubeconfig` |
//! | deploy key of a repository | `git/<provider type>/<repo id>/default/<readonly or readwrite>` | `deploykey` |
//! | access token of a repository | `git/<provider type>/<repo id>/default/accesstoken-api` | `accesstoken` |
//! | webhook secret of a repository | `git/<provider type>/<repo id>/default/webhook` | `token` |
//! | root token of a provider | `tenant/git/<provider>/root` | `access_token` |
//!
//! Every path consists of `[A-Za-z0-9/-]` only.

use std::fmt;

use nautes_model::name::{ClusterName, NameError, ProductName, ResourceName, check_label};
use nautes_model::secret::{SecretPath, SecretRef};
use sha2::{Digest, Sha256};

/// The id of a code repository in the secret store: one path segment that no other repository has.
///
/// # Rule
/// * A repository that the Go version of Nautes made keeps `repo-<n>`, where `n` is its id on the forge.
/// * Any other has `<product>-<name>` if that text can be read in one way only: neither part has a `-`, and it
///   does not look like `repo-<n>`.
/// * Otherwise the first 10 hexadecimal digits of the SHA-256 of `<product>/<name>` follow after another `-`.
///
/// So (`a-b`, `c`) and (`a`, `b-c`) never meet: without a digest there is exactly one `-`, with one there are
/// two or more, and two ids with a digest that agree before it differ in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoId(String);

impl RepoId {
    /// Returns the id of a repository that Nautes made itself.
    #[must_use]
    pub fn new(product: &ProductName, name: &ResourceName) -> Self {
        let plain = format!("{product}-{name}");
        let clear = !product.as_str().contains('-') && !name.as_str().contains('-');
        if clear && legacy_number(&plain).is_none() {
            return Self(plain);
        }
        let digest = Sha256::digest(format!("{product}/{name}"));
        let short: String = digest.iter().take(5).map(|byte| format!("{byte:02x}")).collect();
        Self(format!("{plain}-{short}"))
    }

    /// Returns the id of a repository that the Go version made, by its id on the forge.
    ///
    /// A name alone is no proof: anybody can call a repository `repo-7`. The caller must know from the forge
    /// that the repository has this id.
    #[must_use]
    pub fn legacy(number: u64) -> Self {
        Self(format!("repo-{number}"))
    }

    /// Returns the id of a repository: the legacy one if its forge id is given and its name says the same.
    #[must_use]
    pub fn of(product: &ProductName, name: &ResourceName, forge_id: Option<u64>) -> Self {
        match legacy_number(name.as_str()) {
            Some(number) if forge_id == Some(number) => Self::legacy(number),
            Some(_) | None => Self::new(product, name),
        }
    }

    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RepoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads the number of a name in the form `repo-<n>` that the Go version gave, without leading zeros.
#[must_use]
pub fn legacy_number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("repo-")?;
    let number: u64 = digits.parse().ok()?;
    (number.to_string() == digits).then_some(number)
}

/// A credential of a code repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RepoCredential {
    /// The private half of the deploy key that may fetch.
    Readonly,
    /// The private half of the deploy key that may fetch and push.
    Readwrite,
    /// The access token for the forge's API.
    AccessToken,
    /// The token that deliveries of the repository's webhook carry.
    Webhook,
}

impl RepoCredential {
    /// Every credential that a repository may have.
    pub const ALL: [Self; 4] = [Self::Readonly, Self::Readwrite, Self::AccessToken, Self::Webhook];

    /// Returns the last segment of the path.
    #[must_use]
    pub const fn segment(self) -> &'static str {
        match self {
            Self::Readonly => "readonly",
            Self::Readwrite => "readwrite",
            Self::AccessToken => "accesstoken-api",
            Self::Webhook => "webhook",
        }
    }

    /// Returns the key under which the value is.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Readonly | Self::Readwrite => "deploykey",
            Self::AccessToken => "accesstoken",
            Self::Webhook => "token",
        }
    }
}

/// Returns where the kubeconfig of a cluster is.
#[must_use]
pub fn kubeconfig(cluster: &ClusterName) -> SecretRef {
    at(
        format!("cluster/kubernetes/{cluster}/default/admin"),
        "kubeconfig",
    )
}

/// Returns where a credential of a code repository is; `provider_type` is the type of its provider, for example
/// `gitlab`.
///
/// # Errors
/// The provider type is not a DNS label.
pub fn repo(provider_type: &str, id: &RepoId, what: RepoCredential) -> Result<SecretRef, NameError> {
    check_label("provider type", provider_type, ResourceName::MAX)?;
    Ok(at(
        format!("git/{provider_type}/{id}/default/{}", what.segment()),
        what.key(),
    ))
}

/// Returns where the root token of a code repository provider is.
#[must_use]
pub fn provider_root(provider: &ResourceName) -> SecretRef {
    at(format!("tenant/git/{provider}/root"), "access_token")
}

fn at(path: String, key: &str) -> SecretRef {
    // The parts are DNS labels of bounded length, so the whole is a path of less than 512 bytes.
    let path = SecretPath::new(path).expect("labels make a path");
    SecretRef {
        path,
        key: key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(product: &str, name: &str) -> String {
        RepoId::new(&product.parse().unwrap(), &name.parse().unwrap()).to_string()
    }

    #[test]
    fn paths_are_those_of_existing_installations() {
        let show = |r: SecretRef| r.to_string();
        assert_eq!(
            show(kubeconfig(&"host-1".parse().unwrap())),
            "cluster/kubernetes/host-1/default/admin#kubeconfig"
        );
        assert_eq!(
            show(provider_root(&"gitlab-nautes".parse().unwrap())),
            "tenant/git/gitlab-nautes/root#access_token"
        );
        let of = |what| show(repo("gitlab", &RepoId::legacy(19), what).unwrap());
        assert_eq!(
            of(RepoCredential::Readonly),
            "git/gitlab/repo-19/default/readonly#deploykey"
        );
        assert_eq!(
            of(RepoCredential::Readwrite),
            "git/gitlab/repo-19/default/readwrite#deploykey"
        );
        assert_eq!(
            of(RepoCredential::AccessToken),
            "git/gitlab/repo-19/default/accesstoken-api#accesstoken"
        );
        assert_eq!(
            of(RepoCredential::Webhook),
            "git/gitlab/repo-19/default/webhook#token"
        );
        assert!(repo("git/lab", &RepoId::legacy(19), RepoCredential::Webhook).is_err());
    }

    #[test]
    fn clear_pairs_stay_readable_and_ambiguous_ones_get_a_digest() {
        assert_eq!(id("shop", "api"), "shop-api");
        assert_ne!(id("a-b", "c"), id("a", "b-c"));
        assert!(id("a-b", "c").starts_with("a-b-c-"));
    }

    #[test]
    fn a_name_alone_does_not_make_a_legacy_id() {
        let of = |product: &str, name: &str, forge| {
            RepoId::of(&product.parse().unwrap(), &name.parse().unwrap(), forge).to_string()
        };
        assert_eq!(of("product-1", "repo-7", Some(7)), "repo-7");
        for (product, name, forge) in [
            ("evil", "repo-7", None),
            ("evil", "repo-7", Some(8)),
            ("repo", "7", Some(7)),
            ("repo", "7", None),
        ] {
            assert_ne!(of(product, name, forge), "repo-7", "{product} {name} {forge:?}");
        }
        assert_eq!(legacy_number("repo-07"), None);
        assert_eq!(legacy_number("repo-+7"), None);
    }
}
