//! What is not yet as declared: the plan of every product against what is live, without changing anything.
//!
//! Everything is read: the repositories, the inventories and objects of the clusters, the grants in the store.
//! Values of secrets are compared and never shown. What cannot be reached is named as unknown, not left out.

use std::collections::BTreeSet;

use futures::StreamExt as _;
use nautes_model::name::{ClusterName, ProductName};
use nautes_model::secret::GrantScope;
use nautes_model::{Identity, Scopes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::apply::{self, Cache, Hold, RemovalPolicy, Strategy, Target, Unit};
use crate::object::ObjectKey;
use crate::plan::{ClusterPlan, Plan, VerdictState};
use crate::platform::Platform;

/// How many clusters are looked at at once.
const AT_ONCE: usize = 8;

/// Everything that is not yet as declared; empty when there is nothing to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    /// What would be done, in order of product, cluster, action and thing.
    pub changes: Vec<Change>,
}

/// What would be done to a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It would be made or changed.
    Write,
    /// It would be removed.
    Prune,
    /// A right would be given.
    Grant,
    /// A right would be taken.
    Revoke,
    /// It is left as it is until something is known or somebody decides.
    Hold,
    /// It waits for something that may still come.
    Wait,
    /// It cannot be; somebody has to change something.
    Fail,
}

/// One thing that is not yet as declared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// The product.
    pub product: String,
    /// The cluster; empty for what is in none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cluster: String,
    /// What would be done.
    pub action: Action,
    /// The object of a cluster, or the right.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub object: String,
    /// The resource, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<Identity>,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// Compares what products declare with what is live.
///
/// # Errors
/// What is declared cannot be read at all.
pub async fn preview(
    platform: &Platform,
    products: &BTreeSet<ProductName>,
) -> Result<Preview, crate::platform::ReadError> {
    let scopes = platform.scopes().await?;
    let mut all = BTreeSet::new();
    for product in products {
        all.extend(of_product(platform, &scopes, product).await);
    }
    Ok(Preview {
        changes: all.into_iter().collect(),
    })
}

async fn of_product(
    platform: &Platform,
    scopes: &std::sync::Arc<Scopes>,
    product: &ProductName,
) -> Vec<Change> {
    let unknown = |cluster: &str, message: String| Change {
        product: product.to_string(),
        cluster: cluster.to_owned(),
        action: Action::Hold,
        object: String::new(),
        resource: None,
        message,
    };
    let plan = match platform.plan_of(scopes, product).await {
        Ok(plan) => plan,
        Err(error) => return vec![unknown("", error.to_string())],
    };
    let mut changes = verdicts(product, &plan);
    // Clusters without a plan are looked at as well: what an inventory there names would be pruned.
    let clusters: BTreeSet<ClusterName> = scopes
        .tenant
        .clusters()
        .filter_map(|(s, _)| ClusterName::new(s.identity.name.as_str()).ok())
        .chain(plan.clusters.keys().cloned())
        .collect();
    let looked = futures::stream::iter(clusters)
        .map(|cluster| {
            let plan = &plan;
            async move {
                let limit = platform.timing().cluster;
                match tokio::time::timeout(limit, of_cluster(platform, product, &cluster, plan)).await {
                    Ok(Ok(changes)) => changes,
                    Ok(Err(message)) if plan.clusters.contains_key(&cluster) => {
                        vec![unknown(cluster.as_str(), message)]
                    }
                    // A cluster that nobody plans for and that cannot be reached is not this product's concern.
                    Ok(Err(_)) => Vec::new(),
                    Err(_) => vec![unknown(
                        cluster.as_str(),
                        "the cluster does not answer in time".to_owned(),
                    )],
                }
            }
        })
        .buffer_unordered(AT_ONCE);
    changes.extend(looked.collect::<Vec<_>>().await.into_iter().flatten());
    changes
}

/// What the declarations alone say: resources that wait or cannot be.
fn verdicts(product: &ProductName, plan: &Plan) -> Vec<Change> {
    plan.verdicts
        .iter()
        .filter_map(|(identity, verdict)| {
            let action = match verdict.state {
                VerdictState::Ready => return None,
                VerdictState::Pending => Action::Wait,
                VerdictState::Failed => Action::Fail,
                VerdictState::Unknown => Action::Hold,
            };
            Some(Change {
                product: product.to_string(),
                cluster: String::new(),
                action,
                object: String::new(),
                resource: Some(identity.clone()),
                message: verdict.message.clone(),
            })
        })
        .collect()
}

async fn of_cluster(
    platform: &Platform,
    product: &ProductName,
    cluster: &ClusterName,
    plan: &Plan,
) -> Result<Vec<Change>, String> {
    let planned = plan.clusters.get(cluster);
    let nothing = ClusterPlan::default();
    let wanted = planned.unwrap_or(&nothing);
    let mut changes = grants(platform, product, cluster, wanted).await?;
    let client = platform
        .clusters()
        .client(cluster)
        .await
        .map_err(|e| e.to_string())?;
    let cache = Cache::default();
    let target = Target::new(cluster, client, &**platform.store(), &cache);
    let hold = Hold::from(&plan.held);
    let unit = Unit::product(product.clone());
    let removal = RemovalPolicy {
        explicit: true,
        ..RemovalPolicy::default()
    };
    let applied = apply::apply(&target, &unit, wanted, &hold, Strategy::DryRun, removal)
        .await
        .map_err(|e| e.to_string())?;
    let mut add = |action, key: &ObjectKey, message: String| {
        changes.push(Change {
            product: product.to_string(),
            cluster: cluster.to_string(),
            action,
            object: key.to_string(),
            resource: None,
            message,
        });
    };
    applied
        .written
        .iter()
        .for_each(|key| add(Action::Write, key, String::new()));
    applied
        .pruned
        .iter()
        .for_each(|key| add(Action::Prune, key, String::new()));
    applied
        .pending_deletion
        .iter()
        .for_each(|key| add(Action::Wait, key, "it is being removed".to_owned()));
    applied
        .held
        .iter()
        .for_each(|key| add(Action::Hold, key, "something about it is unknown".to_owned()));
    applied
        .conflicts
        .iter()
        .for_each(|(key, why)| add(Action::Fail, key, why.clone()));
    for problem in applied.refused.iter().chain(&applied.failed) {
        add(Action::Fail, &problem.key, problem.message.clone());
    }
    Ok(changes)
}

async fn grants(
    platform: &Platform,
    product: &ProductName,
    cluster: &ClusterName,
    wanted: &ClusterPlan,
) -> Result<Vec<Change>, String> {
    let scope = GrantScope::Product {
        product: product.clone(),
        cluster: cluster.clone(),
    };
    let have = platform.store().grants(&scope).await.map_err(|e| e.to_string())?;
    let change = |action, grant: &nautes_model::secret::Grant| Change {
        product: product.to_string(),
        cluster: cluster.to_string(),
        action,
        object: format!("{} to {}", grant.principal, grant.secret),
        resource: None,
        message: String::new(),
    };
    let given = wanted.grants.difference(&have).map(|g| change(Action::Grant, g));
    let taken = have.difference(&wanted.grants).map(|g| change(Action::Revoke, g));
    Ok(given.chain(taken).collect())
}
