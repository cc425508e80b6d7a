//! The doors through which the demo goes: those of every user, and the desk for counting.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client as Kube, Config};
use nautes_api::wire::{ApplyReply, ApplyRequest, ManifestFile};
use nautes_model::Identity;
use nautes_runtime::status_report::{StatusNode, StatusTree};
use serde_json::Value;
use tempfile::TempDir;

use super::git::Git;
use super::until::{Look, unmet, until};
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::local::clusters::{self, ALL};
use crate::local::data::{Data, Remembered};
use crate::local::desk::DeskClient;
use crate::local::forge::{ADMIN, ALICE, BOB};
use crate::local::instance::{address, client, token_of};
use crate::local::{env, ports};
use crate::settings::Environment;

/// A user: his client of the API, and his git.
#[derive(Debug)]
pub struct User {
    /// His name.
    pub name: &'static str,
    /// The API, as the commands call it.
    pub api: Client,
    /// The real git.
    pub git: Git,
}

/// Everything that the steps work with.
#[derive(Debug)]
pub struct Stage {
    /// Owns the tenant.
    pub admin: User,
    /// Makes the product `shop`.
    pub alice: User,
    /// Makes the product `books`.
    pub bob: User,
    /// Counts.
    pub desk: DeskClient,
    /// What nobody else may ever see: the tokens in the kubeconfigs.
    pub secrets: Vec<String>,
    configs: BTreeMap<&'static str, Config>,
    manifests: BTreeMap<&'static str, String>,
    _folder: TempDir,
}

impl Stage {
    /// Opens the doors of a platform that runs on a data folder.
    ///
    /// # Errors
    /// The platform has never run, or a file of it cannot be read.
    pub async fn of(
        data: &Data,
        remembered: &Remembered,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        crate::tls();
        let folder = tempfile::tempdir()?;
        let path = environment
            .path
            .clone()
            .unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".to_owned());
        let forge = address(remembered, ports::FORGE)?;
        let user = |name: &'static str| -> Result<User, Failure> {
            let exports = env::variables(data, remembered, name, clusters::TENANT)?;
            let git = Git::new(folder.path(), &forge, name, &exports, &path)?;
            Ok(User {
                name,
                api: client(remembered, name)?,
                git,
            })
        };
        let (admin, alice, bob) = (user(ADMIN)?, user(ALICE)?, user(BOB)?);
        let mut configs = BTreeMap::new();
        let mut manifests = BTreeMap::new();
        for &name in ALL {
            let kubeconfig = Kubeconfig::read_from(data.kubeconfig(name))?;
            configs.insert(
                name,
                Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?,
            );
            if name != clusters::TENANT {
                let file = data.at("manifests").join("clusters").join(format!("{name}.yaml"));
                manifests.insert(name, std::fs::read_to_string(file)?);
            }
        }
        let port = remembered.ports.get(ports::DESK).copied().unwrap_or_default();
        Ok(Self {
            admin,
            alice,
            bob,
            desk: DeskClient::new(port, token_of(remembered, ADMIN)?)?,
            secrets: remembered.clusters.values().cloned().collect(),
            configs,
            manifests,
            _folder: folder,
        })
    }

    /// Makes sure that the names that the demo uses are free.
    ///
    /// # Errors
    /// One of them is taken.
    pub async fn check_free(&self) -> Result<(), Failure> {
        let tree = self.status(None).await?;
        let taken: Vec<String> = tree
            .tenant
            .iter()
            .chain(&tree.products)
            .map(|node| &node.resource)
            .filter(|r| {
                let name = r.name.as_str();
                self.manifests.contains_key(name) || matches!(name, "shop" | "books" | "legacy")
            })
            .map(ToString::to_string)
            .collect();
        if taken.is_empty() {
            return Ok(());
        }
        Err(Failure::new(
            Exit::Conflict,
            format!("the demo needs these names for itself: {}", taken.join(", ")),
        )
        .hint("remove them, or leave --attach out: the demo then has a platform of its own"))
    }

    /// Returns a client of a cluster, made from its kubeconfig.
    ///
    /// # Errors
    /// There is none of the name.
    pub fn kube(&self, cluster: &str) -> Result<Kube, Failure> {
        Ok(Kube::try_from(self.config(cluster)?)?)
    }

    /// Returns a client of a cluster that acts as a machine account.
    ///
    /// # Errors
    /// There is none of the name.
    pub fn kube_as(&self, cluster: &str, namespace: &str, account: &str) -> Result<Kube, Failure> {
        let mut config = self.config(cluster)?;
        config.auth_info.impersonate = Some(format!("system:serviceaccount:{namespace}:{account}"));
        config.auth_info.impersonate_groups = Some(vec![
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{namespace}"),
            "system:authenticated".to_owned(),
        ]);
        Ok(Kube::try_from(config)?)
    }

    fn config(&self, cluster: &str) -> Result<Config, Failure> {
        self.configs
            .get(cluster)
            .cloned()
            .ok_or_else(|| unmet(format!("there is no cluster {cluster}")))
    }

    /// Returns the manifest by which a cluster is registered.
    ///
    /// # Errors
    /// There is none of the name.
    pub fn manifest(&self, cluster: &str) -> Result<&str, Failure> {
        self.manifests
            .get(cluster)
            .map(String::as_str)
            .ok_or_else(|| unmet(format!("there is no cluster {cluster}")))
    }

    /// Returns the state of a product or of everything, as the administrator sees it.
    ///
    /// # Errors
    /// The API refuses or does not answer.
    pub async fn status(&self, product: Option<&str>) -> Result<StatusTree, Failure> {
        self.admin.status(product).await
    }

    /// Waits until a resource is in a state that is wanted, as a user sees it, and returns it.
    ///
    /// # Errors
    /// It did not come in time.
    pub async fn until_status(
        &self,
        user: &User,
        resource: &str,
        wanted: impl Fn(&StatusNode) -> bool,
    ) -> Result<StatusNode, Failure> {
        let product = resource
            .split('/')
            .rev()
            .nth(1)
            .filter(|_| resource.matches('/').count() == 2);
        until(&format!("the state of {resource}"), async || {
            let tree = user.status(product).await?;
            Ok(match tree.nodes().find(|n| n.resource.to_string() == resource) {
                Some(node) if wanted(node) => Ok(node.clone()),
                Some(node) => Err(format!("{:?} {}: {}", node.state, node.reason, node.message)),
                None => Err("it is not there".to_owned()),
            })
        })
        .await
    }
}

impl User {
    /// Applies manifests.
    ///
    /// # Errors
    /// The API refuses or does not answer.
    pub async fn apply(&self, name: &str, text: &str, query: &[(&str, bool)]) -> Result<ApplyReply, Failure> {
        self.write("apply", name, text, query).await
    }

    /// Removes what manifests declare.
    ///
    /// # Errors
    /// The API refuses or does not answer.
    pub async fn remove(&self, name: &str, text: &str) -> Result<ApplyReply, Failure> {
        self.write("remove", name, text, &[]).await
    }

    async fn write(
        &self,
        what: &str,
        name: &str,
        text: &str,
        query: &[(&str, bool)],
    ) -> Result<ApplyReply, Failure> {
        let files = vec![ManifestFile {
            name: name.to_owned(),
            text: text.to_owned(),
        }];
        let query: Vec<(&str, String)> = query.iter().map(|(name, is)| (*name, is.to_string())).collect();
        let reply = self
            .api
            .write(what, &ApplyRequest { files, product: None }, &query)
            .await?;
        match reply.repositories.iter().find_map(|r| r.error.as_ref()) {
            None => Ok(reply),
            Some(error) => Err(unmet(format!("{what} of {name} is partly done: {error}"))),
        }
    }

    /// Returns the state of a product or of everything that the user may see.
    ///
    /// # Errors
    /// The API refuses or does not answer.
    pub async fn status(&self, product: Option<&str>) -> Result<StatusTree, Failure> {
        self.api.get(&crate::cmd::status::path("status", product)).await
    }

    /// Returns what is not yet as declared.
    ///
    /// # Errors
    /// The API refuses or does not answer.
    pub async fn plan(&self, product: &str) -> Result<Vec<Value>, Failure> {
        let answer: Value = self
            .api
            .get(&crate::cmd::status::path("plan", Some(product)))
            .await?;
        answer
            .get("changes")
            .and_then(Value::as_array)
            .cloned()
            .ok_or_else(|| unmet("the plan names no changes"))
    }
}

/// Returns the one commit of a reply on a repository, with what it did to each resource.
///
/// # Errors
/// There is none.
pub fn commit_on<'a>(
    reply: &'a ApplyReply,
    repository: &str,
) -> Result<(&'a str, Vec<&'a Identity>), Failure> {
    let on = reply.repositories.iter().find(|r| r.repository == repository);
    let commit = on.and_then(|r| r.commit.as_deref());
    match (on, commit) {
        (Some(on), Some(commit)) => Ok((commit, on.resources.iter().map(|o| &o.resource).collect())),
        _ => Err(unmet(format!("there is no commit on {repository}"))),
    }
}

/// Returns the first twelve digits of a commit.
#[must_use]
pub fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}

/// Reads an object; `Err` in the inner result says that it is not there.
///
/// # Errors
/// The cluster refuses or does not answer.
pub async fn look_for<K>(api: &kube::Api<K>, name: &str) -> Look<K>
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    match api.get_opt(name).await {
        Ok(Some(found)) => Ok(Ok(found)),
        Ok(None) => Ok(Err(format!("there is no {name}"))),
        Err(error) => Err(unmet(format!("{name} cannot be read: {error}"))),
    }
}

/// Returns metadata with a name.
#[must_use]
pub fn named(name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        ..ObjectMeta::default()
    }
}
