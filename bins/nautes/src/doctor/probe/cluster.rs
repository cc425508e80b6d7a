//! What clusters are, and what the credentials for them allow. Reviews of access are asked with POST, and nothing comes of
//! them.

use std::time::Duration;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client, Config};
use nautes_model::kind::{GROUP, KINDS};
use nautes_model::kinds::cluster::{ClusterUsage, WorkerType};
use nautes_runtime::apply::inventory;
use nautes_runtime::projection::ProjectionError;
use nautes_runtime::projection::crds::require_crds;

use super::certificate::Bundle;
use super::chain;
use super::reach::{Reach, Way, reach};

/// How many reviews are asked for at once.
const AT_ONCE: usize = 8;
/// How long definitions may take to be there.
const MOMENT: Duration = Duration::from_secs(1);

/// What is known of a cluster.
#[derive(Debug)]
pub struct Cluster {
    /// What it is for people: `cluster live at https://10.0.0.1:6443`.
    pub subject: String,
    /// Where its kubeconfig is.
    pub source: String,
    /// The way to it; `None` where that is not known.
    pub reach: Option<Reach>,
    /// What it says; an error where there is no access.
    pub seen: Result<Seen, String>,
}

/// What a cluster says.
#[derive(Debug)]
pub struct Seen {
    /// The version of the API server.
    pub version: Result<String, String>,
    /// What was asked for, and whether it is allowed.
    pub rights: Result<Vec<(Right, bool)>, String>,
    /// The custom resource definitions that are missing; `None` where none is needed.
    pub definitions: Option<Result<Vec<String>, String>>,
}

/// What a cluster is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Nautes keeps its resources there.
    Tenant,
    /// It carries virtual clusters.
    Host,
    /// Runtimes run there: pipelines, deployments, or any.
    Worker(Option<WorkerType>),
}

impl Role {
    /// Returns the role of a declared cluster.
    #[must_use]
    pub const fn of(usage: ClusterUsage, worker: Option<WorkerType>) -> Self {
        match usage {
            ClusterUsage::Host => Self::Host,
            ClusterUsage::Worker => Self::Worker(worker),
        }
    }
}

/// Something that is done in a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    /// The group; empty for the core.
    pub group: &'static str,
    /// The plural of the resource, and after `/` the subresource.
    pub resource: String,
    /// What is done.
    pub verb: &'static str,
    /// Where; everywhere if it is not said.
    pub namespace: Option<String>,
}

impl Right {
    /// Says on what, for people.
    #[must_use]
    pub fn place(&self) -> String {
        let mut text = self.resource.clone();
        if !self.group.is_empty() {
            text.push_str(&format!(".{}", self.group));
        }
        if let Some(namespace) = &self.namespace {
            text.push_str(&format!(" in {namespace}"));
        }
        text
    }
}

/// Returns what Nautes does in a cluster; `namespace` is that of the tenant's resources.
#[must_use]
pub fn needed(role: Role, namespace: &str) -> Vec<Right> {
    const RBAC: &str = "rbac.authorization.k8s.io";
    const WRITES: &[&str] = &["get", "list", "create", "patch", "delete"];
    let mut all = Vec::new();
    let mut add = |group, resource: &str, verbs: &[&'static str], namespace: Option<&str>| {
        all.extend(verbs.iter().map(|verb| Right {
            group,
            resource: resource.to_owned(),
            verb,
            namespace: namespace.map(str::to_owned),
        }));
    };
    match role {
        Role::Tenant => {
            add("", "namespaces", WRITES, None);
            for info in KINDS {
                add(GROUP, info.plural, WRITES, Some(namespace));
                add(GROUP, info.plural, &["update"], Some(namespace));
                add(GROUP, info.plural, &["watch"], None);
                add(
                    GROUP,
                    &format!("{}/status", info.plural),
                    &["patch"],
                    Some(namespace),
                );
            }
            add(
                "apiextensions.k8s.io",
                "customresourcedefinitions",
                &["list"],
                None,
            );
        }
        Role::Host => {
            // What virtual clusters leave there is read, and the inventories.
            add("apps", "statefulsets", &["list"], None);
            add("", "secrets", &["get"], None);
            add("", "configmaps", &["list"], Some(inventory::NAMESPACE));
        }
        Role::Worker(worker) => {
            add("", "namespaces", WRITES, None);
            add("", "configmaps", WRITES, Some(inventory::NAMESPACE));
            add("", "serviceaccounts", WRITES, None);
            add(RBAC, "rolebindings", WRITES, None);
            add(RBAC, "clusterroles", &["bind"], None);
            if worker != Some(WorkerType::Pipeline) {
                // What products deploy is written with the rights of their accounts.
                add("", "serviceaccounts", &["impersonate"], None);
                add("", "groups", &["impersonate"], None);
            }
            if worker != Some(WorkerType::Deployment) {
                add(
                    "tekton.dev",
                    "pipelineruns",
                    &["get", "list", "create", "patch"],
                    None,
                );
            }
        }
    }
    all
}

/// Looks at a cluster by the settings of a client.
pub async fn look(
    (name, source): (&str, &str),
    config: Config,
    (role, namespace): (Role, &str),
    limit: Duration,
) -> Cluster {
    let subject = format!(
        "{name} at {}",
        config.cluster_url.to_string().trim_end_matches('/')
    );
    let way = way(&subject, &config);
    let client = Client::try_from(config).map_err(|error| chain(&error));
    let reached = async {
        match way {
            Some(way) => Some(reach(way, limit).await),
            None => None,
        }
    };
    let seen = async {
        match client {
            Ok(client) => Ok(see(&client, role, namespace, limit).await),
            Err(why) => Err(format!("the kubeconfig cannot be used: {why}")),
        }
    };
    let (reach, seen) = futures::future::join(reached, seen).await;
    Cluster {
        subject,
        source: source.to_owned(),
        reach,
        seen,
    }
}

/// Returns the way to an API server; `None` where the client takes one that is not known here.
fn way(subject: &str, config: &Config) -> Option<Way> {
    if config.tls_server_name.is_some() || config.accept_invalid_certs || config.proxy_url.is_some() {
        return None;
    }
    let mut url: url::Url = config.cluster_url.to_string().parse().ok()?;
    url.path_segments_mut().ok()?.pop_if_empty().push("version");
    let bundle = config.root_cert.as_ref().map(|ders| {
        let certificates = ders
            .iter()
            .filter_map(|der| reqwest::Certificate::from_der(der).ok());
        (
            Bundle::inline("certificate-authority-data of the kubeconfig", ders),
            certificates.collect(),
        )
    });
    Some(Way {
        only: bundle.is_some(),
        bundle,
        ..Way::new(subject, url)
    })
}

async fn see(client: &Client, role: Role, namespace: &str, limit: Duration) -> Seen {
    let late = || format!("there was no complete answer within {} seconds", limit.as_secs());
    let version = async {
        match tokio::time::timeout(limit, client.apiserver_version()).await {
            Ok(Ok(info)) => Ok(info.git_version),
            Ok(Err(error)) => Err(chain(&error)),
            Err(_) => Err(late()),
        }
    };
    let rights = async {
        let asked = tokio::time::timeout(limit, ask(client, needed(role, namespace))).await;
        asked.unwrap_or_else(|_| Err(late()))
    };
    let definitions = async {
        if role != Role::Tenant {
            return None;
        }
        Some(
            match tokio::time::timeout(limit, require_crds(client, MOMENT)).await {
                Ok(Ok(())) => Ok(Vec::new()),
                Ok(Err(ProjectionError::MissingCrds(missing))) => Ok(missing),
                Ok(Err(error)) => Err(chain(&error)),
                Err(_) => Err(late()),
            },
        )
    };
    let (version, rights, definitions) = futures::future::join3(version, rights, definitions).await;
    Seen {
        version,
        rights,
        definitions,
    }
}

/// Asks whether the credentials allow something. Who may do everything is asked one question.
async fn ask(client: &Client, needed: Vec<Right>) -> Result<Vec<(Right, bool)>, String> {
    let everything = Right {
        group: "*",
        resource: "*".to_owned(),
        verb: "*",
        namespace: None,
    };
    if review(client, &everything).await? {
        return Ok(needed.into_iter().map(|right| (right, true)).collect());
    }
    stream::iter(needed)
        .map(async |right| {
            let allowed = review(client, &right).await?;
            Ok((right, allowed))
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await
}

async fn review(client: &Client, right: &Right) -> Result<bool, String> {
    let (resource, subresource) = match right.resource.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
        None => (right.resource.as_str(), None),
    };
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                group: Some(right.group.to_owned()),
                resource: Some(resource.to_owned()),
                subresource,
                verb: Some(right.verb.to_owned()),
                namespace: right.namespace.clone(),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let api: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let answer = api.create(&PostParams::default(), &review).await;
    let answer = answer.map_err(|error| format!("the rights cannot be asked for: {}", chain(&error)))?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(role: Role) -> Vec<String> {
        let mut all: Vec<String> = needed(role, "nautes").iter().map(Right::place).collect();
        all.dedup();
        all
    }

    #[test]
    fn rights_are_asked_for_by_what_a_cluster_is_for() {
        let has = |role, place: &str| places(role).iter().any(|found| found == place);
        let (pipelines, deployments) = (Some(WorkerType::Pipeline), Some(WorkerType::Deployment));
        assert!(has(Role::Worker(pipelines), "pipelineruns.tekton.dev"));
        assert!(!has(Role::Worker(deployments), "pipelineruns.tekton.dev"));
        assert!(has(Role::Worker(deployments), "groups") && !has(Role::Worker(pipelines), "groups"));
        assert!(has(Role::Worker(None), "groups") && has(Role::Worker(None), "pipelineruns.tekton.dev"));
        assert!(has(Role::Tenant, &format!("products.{GROUP} in nautes")));
        let host = needed(Role::Host, "nautes");
        assert!(
            host.iter().all(|right| matches!(right.verb, "get" | "list")),
            "a host is only read"
        );
    }
}
