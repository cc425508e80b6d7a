//! The names of policies, roles and auth mounts, as pure functions.
//!
//! A policy has the name that the Go version gave where no other secret could have it, a role the name of its
//! component; whatever could mean two things is qualified and ends with a digest. All are in `[a-z0-9-]`: a server
//! does not tell large from small letters in them.

use nautes_model::name::ClusterName;
use nautes_model::secret::{GrantLevel, Principal, SecretPath};
use sha2::{Digest, Sha256};

/// The permissions that end the path of a credential of a repository.
const PERMISSIONS: [&str; 4] = ["readonly", "readwrite", "accesstoken-api", "webhook"];

/// The longest readable part of a name that ends with a digest.
const READABLE: usize = 100;

/// Returns the name of the policy that allows `level` on `path`, without the prefix of the installation.
///
/// | path | policy to read |
/// |---|---|
/// | `git/<type>/<repo>/default/<permission>` | `<type>-<repo>-default-<permission>` |
/// | `cluster/kubernetes/<cluster>/default/admin` | `kubernetes-<cluster>-default-admin` |
/// | `tenant/git/<provider>/root`, `tenant/repo/<provider>/root` | `tenant-git-<provider>-root`, `tenant-repo-<provider>-root` |
/// | `repo/<provider>/<product>`, `repo/<provider>/<product>/<project>` | the same with `-`, if no part has one |
/// | any other | the path with `-`, and 16 hexadecimal digits of its SHA-256 |
///
/// The policy to write has `-write` after it.
#[must_use]
pub fn policy(path: &SecretPath, level: GrantLevel) -> String {
    let name = if is_clear(path) {
        let whole = path.as_str().replace('/', "-");
        match path.engine() {
            "tenant" => whole,
            engine => whole[engine.len() + 1..].to_owned(),
        }
    } else {
        format!("{}-{}", readable(path.as_str()), digest(path.as_str(), 16))
    };
    match level {
        GrantLevel::Read => name,
        GrantLevel::Write => format!("{name}-write"),
    }
}

/// Returns the name of the role of a principal on the auth mount of its cluster.
///
/// An account is `<product>-<account>` if neither has a `-`, and has 10 hexadecimal digits of the SHA-256 of
/// `<product>/<account>` after it otherwise: two products may have accounts of one name on one cluster. A component
/// has its own name, unless it looks like an account's or is no such name; then it is `component-<name>-<digest>`.
#[must_use]
pub fn role(principal: &Principal) -> String {
    match principal {
        Principal::Account { product, account, .. } => {
            let plain = format!("{product}-{account}");
            if product.as_str().contains('-') || account.as_str().contains('-') {
                format!("{plain}-{}", digest(&format!("{product}/{account}"), 10))
            } else {
                plain
            }
        }
        Principal::Component { component, .. } | Principal::Platform { component } => {
            let plain = is_name(component) && component.len() <= READABLE;
            let ends = component.rsplit_once('-').map_or("", |(_, end)| end);
            let like_an_account = component.matches('-').count() == 1 || is_hex(ends, 10);
            if plain && !like_an_account {
                component.clone()
            } else {
                format!("component-{}-{}", readable(component), digest(component, 10))
            }
        }
    }
}

/// Returns the auth mount of a principal, without the prefix of the installation: the one of its cluster, or that
/// of the tenant cluster.
#[must_use]
pub fn mount<'a>(principal: &'a Principal, tenant: &'a str) -> &'a str {
    match principal {
        Principal::Account { cluster, .. } | Principal::Component { cluster, .. } => of_cluster(cluster),
        Principal::Platform { .. } => tenant,
    }
}

/// Returns the auth mount of a cluster, without the prefix of the installation.
#[must_use]
pub fn of_cluster(cluster: &ClusterName) -> &str {
    cluster.as_str()
}

/// Returns the secret that a policy to read is about, if its name can be read in one way only: the inverse of
/// [`policy`] for those names that the Go version gives as well.
pub(crate) fn path_of(policy: &str) -> Option<SecretPath> {
    let inner = |text: &str, begin: &str, end: &str| {
        let inner = text.strip_prefix(begin)?.strip_suffix(end)?;
        (!inner.is_empty()).then(|| inner.to_owned())
    };
    let git = || {
        let (kind, rest) = policy.split_once('-')?;
        PERMISSIONS.into_iter().find_map(|permission| {
            let id = inner(rest, "", &format!("-default-{permission}"))?;
            Some(format!("git/{kind}/{id}/default/{permission}"))
        })
    };
    let cluster = || {
        let name = inner(policy, "kubernetes-", "-default-admin")?;
        Some(format!("cluster/kubernetes/{name}/default/admin"))
    };
    let tenant = || {
        ["git", "repo"].into_iter().find_map(|kind| {
            let provider = inner(policy, &format!("tenant-{kind}-"), "-root")?;
            Some(format!("tenant/{kind}/{provider}/root"))
        })
    };
    let repo = || Some(format!("repo/{}", policy.replace('-', "/")));
    let readings = [git(), cluster(), tenant(), repo()];
    readings.into_iter().flatten().find_map(|text| {
        let path = SecretPath::new(text).ok()?;
        (is_clear(&path) && self::policy(&path, GrantLevel::Read) == policy).then_some(path)
    })
}

/// Whether the reference's name for the policy can be read in one way only.
fn is_clear(path: &SecretPath) -> bool {
    let parts: Vec<&str> = path.as_str().split('/').collect();
    let short = path.as_str().len() <= READABLE && parts.iter().all(|part| is_name(part));
    // What ends like a qualified name, or like a policy to write, is left to those.
    let free = |part: &str| !part.contains('-') && !is_hex(part, 16) && part != "write";
    short
        && match parts.as_slice() {
            ["git", kind, _, "default", permission] => {
                !kind.contains('-')
                    && !matches!(*kind, "tenant" | "kubernetes")
                    && PERMISSIONS.contains(permission)
            }
            ["cluster", "kubernetes", _, "default", "admin"] | ["tenant", "git" | "repo", _, "root"] => true,
            ["repo", parts @ ..] => matches!(parts.len(), 2 | 3) && parts.iter().all(|part| free(part)),
            _ => false,
        }
}

fn is_name(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty() && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'))
}

fn readable(text: &str) -> String {
    let plain = |c: char| match c.to_ascii_lowercase() {
        c @ ('a'..='z' | '0'..='9') => c,
        _ => '-',
    };
    let text: String = text.chars().map(plain).take(READABLE).collect();
    match text.trim_matches('-') {
        "" => "x".to_owned(),
        text => text.to_owned(),
    }
}

fn digest(text: &str, digits: usize) -> String {
    let digest = Sha256::digest(text);
    let mut hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    hex.truncate(digits);
    hex
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    fn read(path: &str) -> String {
        policy(&SecretPath::new(path).unwrap(), GrantLevel::Read)
    }

    #[test]
    fn policies_have_the_names_of_existing_installations() {
        for (path, name) in [
            (
                "git/gitlab/repo-19/default/readonly",
                "gitlab-repo-19-default-readonly",
            ),
            (
                "git/gitlab/shop-api/default/accesstoken-api",
                "gitlab-shop-api-default-accesstoken-api",
            ),
            (
                "cluster/kubernetes/host-1/default/admin",
                "kubernetes-host-1-default-admin",
            ),
            ("tenant/git/gitlab-nautes/root", "tenant-git-gitlab-nautes-root"),
            ("repo/nexus/shop", "nexus-shop"),
            ("repo/nexus/shop/web", "nexus-shop-web"),
        ] {
            assert_eq!(read(path), name);
            assert_eq!(path_of(name).unwrap().as_str(), path);
        }
    }

    #[test]
    fn what_could_mean_two_things_is_qualified() {
        let names = [
            read("git/gitlab-repo/19/default/readonly"),
            read("git/gitlab/repo-19/default/readonly/x"),
            read("repo/nexus/shop-web"),
            read("repo/nexus/a/write"),
            read("git/GitLab/x/default/readonly"),
        ];
        for name in names {
            assert!(is_hex(name.rsplit_once('-').unwrap().1, 16), "{name}");
        }
    }

    fn account(product: &str, account: &str) -> String {
        role(&Principal::Account {
            cluster: "c".parse().unwrap(),
            product: product.parse().unwrap(),
            account: account.parse().unwrap(),
        })
    }

    fn component(name: &str) -> String {
        role(&Principal::Platform {
            component: name.to_owned(),
        })
    }

    #[test]
    fn roles_of_two_products_and_of_components_never_meet() {
        assert_eq!(account("shop", "ci"), "shop-ci");
        assert_ne!(account("a-b", "c"), account("a", "b-c"));
        assert_eq!(component("argo"), "argo");
        assert_eq!(component("nautes-argo-event-sa"), "nautes-argo-event-sa");
        assert_ne!(component("shop-ci"), account("shop", "ci"));
        assert_ne!(component(&account("a-b", "c")), account("a-b", "c"));
        assert_ne!(component("ARGO"), component("argo"));
    }

    fn segment() -> impl Strategy<Value = String> {
        let special = [
            "git",
            "repo",
            "tenant",
            "kubernetes",
            "default",
            "readonly",
            "admin",
            "root",
            "write",
            "a",
        ];
        prop_oneof![
            proptest::sample::select(special.to_vec()).prop_map(str::to_owned),
            "[ab.A_-]{1,3}".prop_filter("no climbing", |s| s != "." && s != ".."),
        ]
    }

    proptest! {
        #[test]
        fn no_two_secrets_share_a_policy(paths in proptest::collection::vec(proptest::collection::vec(segment(), 2..6), 2..40)) {
            let mut seen = BTreeMap::new();
            for path in paths {
                let path = SecretPath::new(path.join("/")).unwrap();
                for level in [GrantLevel::Read, GrantLevel::Write] {
                    let name = policy(&path, level);
                    prop_assert!(is_name(&name), "{}", name);
                    let other = seen.insert(name, (path.clone(), level));
                    prop_assert!(other.is_none_or(|other| other == (path.clone(), level)));
                }
            }
        }
    }
}
