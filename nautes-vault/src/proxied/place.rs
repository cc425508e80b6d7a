//! Where a proxy keeps a secret, and how it takes its values.

use std::collections::BTreeMap;

use nautes_model::Secret;
use nautes_model::secret::SecretPath;
use serde_json::{Map, Value, json};

use crate::vault::encoded;

/// A kind of secret that a proxy knows: each has routes of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Git,
    Cluster,
    Repo,
    TenantGit,
    TenantRepo,
}

/// A secret as a proxy names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) kind: Kind,
    /// The fields of `meta`.
    meta: Vec<(&'static str, String)>,
}

impl Place {
    /// Returns the place of a path.
    ///
    /// # Errors
    /// Says why a proxy has none for it.
    pub(super) fn of(path: &SecretPath) -> Result<Self, &'static str> {
        let plain = |text: &str| {
            text.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'/')
        };
        if !plain(path.as_str()) {
            return Err("a vault-proxy takes only letters, digits, '-' and '/' in paths");
        }
        let parts: Vec<&str> = path.as_str().split('/').collect();
        let (kind, names): (_, &[&'static str]) = match parts.as_slice() {
            ["git", _, _, _, _] => (Kind::Git, &["provider_type", "id", "username", "permission"]),
            ["cluster", _, _, _, _] => (Kind::Cluster, &["type", "id", "username", "permission"]),
            ["repo", _, _] => (Kind::Repo, &["provider_id", "product"]),
            ["repo", _, _, _] => (Kind::Repo, &["provider_id", "product", "project"]),
            ["tenant", "git", _, _] => (Kind::TenantGit, &["id", "permission"]),
            ["tenant", "repo", _, _] => (Kind::TenantRepo, &["id", "permission"]),
            _ => return Err("a vault-proxy has no place for it"),
        };
        let values = parts.iter().skip(parts.len() - names.len());
        let meta = names
            .iter()
            .copied()
            .zip(values.map(|v| (*v).to_owned()))
            .collect();
        Ok(Self { kind, meta })
    }

    /// Returns the route of the kind, which is also how grants of it are named.
    pub(super) const fn route(&self) -> &'static str {
        match self.kind {
            Kind::Git => "git",
            Kind::Cluster => "cluster",
            Kind::Repo => "repo",
            Kind::TenantGit => "tenant/git",
            Kind::TenantRepo => "tenant/repos",
        }
    }

    /// Returns the route by which grants of the kind are made.
    pub(super) const fn grants(&self) -> &'static str {
        match self.kind {
            Kind::TenantRepo => "tenant/repo",
            _ => self.route(),
        }
    }

    /// Returns `meta` as JSON.
    pub(super) fn meta(&self) -> Value {
        let fields = self
            .meta
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)));
        Value::Object(fields.collect())
    }

    /// Returns `meta` as parameters of a query below a name.
    pub(super) fn query(&self, below: &str) -> Vec<(String, String)> {
        let fields = self.meta.iter();
        fields
            .map(|(name, value)| (format!("{below}.{name}"), value.clone()))
            .collect()
    }

    /// Returns the route that deletes the secret, with the parameters that a proxy insists on. What stands there in place of
    /// values is no secret.
    pub(super) fn deletion(&self) -> (String, Vec<(String, String)>) {
        let value = |at: usize| self.meta.get(at).map_or("", |(_, value)| value.as_str());
        let dummy = |name: &str| vec![(name.to_owned(), "x".to_owned())];
        let all = || {
            let values: Vec<&str> = self.meta.iter().map(|(_, value)| value.as_str()).collect();
            values.join("/")
        };
        let permission = || ("meta.permission".to_owned(), value(1).to_owned());
        match self.kind {
            Kind::Git => (format!("git/{}", all()), dummy("kvs.deploy_key")),
            Kind::Cluster => (format!("cluster/{}", all()), dummy("account.kubeconfig")),
            Kind::Repo if self.meta.len() == 3 => (
                format!("repo/{}/project/{}", value(0), value(2)),
                vec![("meta.product".to_owned(), value(1).to_owned())],
            ),
            Kind::Repo => (format!("repo/{}/product/{}", value(0), value(1)), Vec::new()),
            Kind::TenantGit => {
                let mut query = dummy("kvs.deploy_key");
                query.push(permission());
                (format!("tenant/git/{}", value(0)), query)
            }
            Kind::TenantRepo => {
                let mut query = dummy("account.auth_type");
                query.push(permission());
                (format!("tenant/repos/{}", value(0)), query)
            }
        }
    }

    /// Returns the body that writes values.
    ///
    /// # Errors
    /// Says why a proxy cannot take these keys.
    pub(super) fn body(&self, values: &BTreeMap<String, Secret>) -> Result<Value, &'static str> {
        let mut left: BTreeMap<&str, Value> = values
            .iter()
            .map(|(key, value)| (key.as_str(), Value::String(encoded(value))))
            .collect();
        let mut take = |key: &str| left.remove(key);
        let content = match self.kind {
            Kind::Git | Kind::TenantGit => {
                let mut fields = Map::new();
                for (name, key) in [("deploy_key", "deploykey"), ("access_token", "accesstoken")] {
                    if let Some(value) = take(key) {
                        fields.insert(name.to_owned(), value);
                    }
                }
                ("kvs", fields)
            }
            Kind::Cluster => {
                let kubeconfig = take("kubeconfig").ok_or("a vault-proxy keeps only a kubeconfig there")?;
                if !left.is_empty() {
                    return Err("a vault-proxy keeps only a kubeconfig there");
                }
                let fields = Map::from_iter([("kubeconfig".to_owned(), kubeconfig)]);
                return Ok(json!({"meta": self.meta(), "account": fields}));
            }
            Kind::Repo | Kind::TenantRepo => ("account", account(&mut take)?),
        };
        let (name, mut fields) = content;
        if !left.is_empty() {
            let rest = left.into_iter().map(|(key, value)| (key.to_owned(), value));
            fields.insert("additionals".to_owned(), Value::Object(rest.collect()));
        }
        let mut body = json!({"meta": self.meta()});
        body[name] = Value::Object(fields);
        Ok(body)
    }
}

/// Returns the fields of an account at an artifact repository.
fn account(take: &mut impl FnMut(&str) -> Option<Value>) -> Result<Map<String, Value>, &'static str> {
    const KEYS: &str = "a vault-proxy keeps authType with token, or username with password, there";
    let kind = take("authType").ok_or(KEYS)?;
    let mut fields = Map::new();
    if kind == "token" {
        let token = take("token").ok_or(KEYS)?;
        fields.insert("token".to_owned(), json!({"token": token}));
    } else if kind == "password" {
        let (username, password) = (take("username").ok_or(KEYS)?, take("password").ok_or(KEYS)?);
        fields.insert(
            "account".to_owned(),
            json!({"username": username, "password": password}),
        );
    } else {
        return Err(KEYS);
    }
    fields.insert("auth_type".to_owned(), kind);
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(path: &str) -> Result<Place, &'static str> {
        Place::of(&path.parse().unwrap())
    }

    fn values(all: &[(&str, &str)]) -> BTreeMap<String, Secret> {
        all.iter()
            .map(|(key, value)| ((*key).to_owned(), Secret::from(*value)))
            .collect()
    }

    #[test]
    fn every_secret_of_the_platform_has_a_place() {
        let git = place("git/gitlab/repo-1/default/readonly").unwrap();
        let body = git
            .body(&values(&[("deploykey", "k"), ("fingerprint", "f")]))
            .unwrap();
        assert_eq!(
            body,
            json!({"meta": {"provider_type": "gitlab", "id": "repo-1", "username": "default", "permission": "readonly"},
                   "kvs": {"deploy_key": "k", "additionals": {"fingerprint": "f"}}})
        );
        assert_eq!(git.deletion().0, "git/gitlab/repo-1/default/readonly");
        let cluster = place("cluster/kubernetes/host-1/default/admin").unwrap();
        assert_eq!(
            cluster.body(&values(&[("kubeconfig", "c")])).unwrap()["account"],
            json!({"kubeconfig": "c"})
        );
        assert!(
            cluster
                .body(&values(&[("kubeconfig", "c"), ("more", "m")]))
                .is_err()
        );
        let repo = place("repo/nexus/shop/web").unwrap();
        let token = repo
            .body(&values(&[("authType", "token"), ("token", "t")]))
            .unwrap();
        assert_eq!(
            token["account"],
            json!({"auth_type": "token", "token": {"token": "t"}})
        );
        assert!(repo.body(&values(&[("token", "t")])).is_err());
        assert_eq!(place("tenant/repo/nexus/root").unwrap().grants(), "tenant/repo");
        assert_eq!(
            place("tenant/git/gitlab/root").unwrap().deletion().0,
            "tenant/git/gitlab"
        );
    }

    #[test]
    fn other_places_are_refused() {
        for path in [
            "git/a",
            "git/gitlab/a_b/default/readonly",
            "git/a/b/c/d/e",
            "tenant/nautes/grants/x",
            "pki/default",
        ] {
            assert!(place(path).is_err(), "{path}");
        }
    }
}
