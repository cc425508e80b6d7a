//! The unit of a cluster: whether it can be reached, who holds its namespaces, what has an inventory there.

use std::future::Future;
use std::time::Duration;

use nautes_model::kinds::Cluster;
use nautes_model::kinds::cluster::{ClusterType, ClusterUsage, ClusterWarning};
use nautes_model::name::ClusterName;
use nautes_model::{Class, Known};
use serde_json::json;

use super::ControlError;
use super::facts::{Fact, Facts};
use super::logins;
use super::state::{Next, Shared, Unit, cluster_identity, count};
use super::sync::cluster_fact;
use crate::apply;
use crate::clusters::AccessError;
use crate::clusters::virtual_cluster::collect;
use crate::plan::VerdictState;
use crate::platform::planning::read_claims;
use crate::projection::Projection;

/// The condition that says whether a cluster answers.
const REACHABLE: &str = "Reachable";
/// The condition that says why accounts of a cluster cannot log in at the secret store.
const LOGINS: &str = "Logins";

/// Why a cluster cannot be worked on now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClusterError {
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error("its inventories cannot be read")]
    Inventory(#[source] apply::InventoryError),
    #[error("{0}")]
    Claims(String),
    #[error("the host cluster {0:?} is not declared")]
    NoHost(String),
    #[error("it did not answer in time")]
    Late,
}

impl ClusterError {
    pub(crate) fn class(&self) -> Class {
        match self {
            Self::Access(source) => source.class(),
            Self::Inventory(source) => source.class(),
            Self::Claims(_) | Self::Late => Class::Unreachable,
            Self::NoHost(_) => Class::Waiting,
        }
    }
}

/// Bounds the time of a call.
pub(super) async fn within<T, E>(
    limit: Duration,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, ClusterError>
where
    ClusterError: From<E>,
{
    match tokio::time::timeout(limit, call).await {
        Ok(result) => result.map_err(ClusterError::from),
        Err(_) => Err(ClusterError::Late),
    }
}

/// Looks at a cluster.
pub(super) async fn pass(shared: &Shared, name: &ClusterName) -> Result<Next, ControlError> {
    let world = shared.world();
    let declared = world
        .scopes()
        .tenant
        .cluster(name.as_str())
        .map(|(_, c)| c.clone());
    let looked = look(shared, name, declared.as_ref()).await;
    let before = shared.cluster(name);
    let answers = looked.is_ok();
    let claims = match &looked {
        Ok((claims, _)) => Known::Known(claims.clone()),
        Err(error) => Known::Unknown(format!("cluster {name}: {}", super::facts::chain(error))),
    };
    shared.update_cluster(name, |state| {
        state.answers = Some(answers);
        state.claims = claims.clone();
        if let Ok((_, units)) = &looked {
            state.units = units.clone();
        }
    });
    if claims != before.claims || before.answers.is_none() {
        shared.queue.add(Unit::World);
    }
    if let Ok((_, units)) = &looked {
        for product in units
            .symmetric_difference(&before.units)
            .filter_map(|unit| unit.product.clone())
        {
            shared.queue.add(Unit::Product(product.clone()));
            shared.queue.add(Unit::Retire(product));
        }
    }
    if answers && before.answers == Some(false) {
        wake(shared, name);
    }
    if let Some(declared) = declared {
        let mut facts = facts(shared, &declared, looked.as_ref().err());
        if answers && declared.spec.usage == ClusterUsage::Worker {
            facts.facts.extend(logins_of(shared, name).await);
        }
        cluster_fact(shared, name, facts);
    } else {
        let never_had = matches!(&looked, Err(ClusterError::Access(AccessError::NoKubeconfig(_))));
        return leave(shared, name, never_had).await;
    }
    Ok(Next::unless(!answers))
}

/// Lets the accounts of a cluster log in at the secret store, where that can be; returns what is wrong with it. It does not
/// make a cluster less ready: what is put into it by us works all the same.
async fn logins_of(shared: &Shared, name: &ClusterName) -> Option<Fact> {
    let client = within(
        shared.platform.timing().call,
        shared.platform.clusters().client(name),
    )
    .await;
    match logins::keep(shared, name, &client.ok()?).await {
        Ok(writes) => {
            count(&shared.writes.grants, writes);
            None
        }
        Err(error) => {
            let said = format!(
                "its accounts cannot log in at the secret store: {}",
                super::facts::chain(&error)
            );
            tracing::warn!(cluster = %name, message = said, "logins are not configured");
            Some(Fact::new(LOGINS, VerdictState::Ready, "NotConfigured", said))
        }
    }
}

type Looked = (crate::plan::Claims, std::collections::BTreeSet<apply::Unit>);

async fn look(
    shared: &Shared,
    name: &ClusterName,
    declared: Option<&Cluster>,
) -> Result<Looked, ClusterError> {
    let platform = &shared.platform;
    let limit = platform.timing().call;
    if let Some(cluster) = declared.filter(|c| c.spec.cluster_type == ClusterType::Virtual) {
        let host = ClusterName::new(&cluster.spec.host_cluster)
            .map_err(|_| ClusterError::NoHost(cluster.spec.host_cluster.clone()))?;
        let host = within(limit, platform.clusters().client(&host)).await?;
        let collected = collect(&host, name, &cluster.spec.api_server, &**platform.store());
        let written = within(limit, collected).await?;
        count(&shared.writes.grants, u64::from(written.changed));
    }
    let client = within(limit, platform.clusters().client(name)).await?;
    let scopes = shared.world();
    let claims = match read_claims(&client, scopes.scopes(), limit).await {
        Known::Known(claims) => claims,
        Known::Absent => crate::plan::Claims::default(),
        Known::Unknown(why) => return Err(ClusterError::Claims(why)),
    };
    let units = match tokio::time::timeout(limit, apply::units(&client)).await {
        Ok(units) => units.map_err(ClusterError::Inventory)?,
        Err(_) => return Err(ClusterError::Late),
    };
    Ok((claims, units))
}

/// A cluster that answers again has missed something.
fn wake(shared: &Shared, name: &ClusterName) {
    let units = shared.cluster(name).units;
    for unit in units {
        if let Some(product) = unit.product {
            shared.queue.add(Unit::Apply(product, name.clone()));
        }
    }
    for (product, plan) in shared.plans() {
        if let Some(planned) = plan.clusters.get(name) {
            shared.queue.add(Unit::Apply(product, name.clone()));
            for unit in &planned.deploys {
                shared.queue.add(Unit::Deploy(unit.runtime.clone(), name.clone()));
            }
        }
    }
}

fn facts(shared: &Shared, declared: &Cluster, error: Option<&ClusterError>) -> Facts {
    let fact = match error {
        None => Fact::ready(REACHABLE, "it answers"),
        Some(error) => Fact::failed(REACHABLE, error.class(), error),
    };
    let missing = shared.platform.engines().missing(declared);
    let mut facts = Facts::from(fact);
    if declared.spec.usage == ClusterUsage::Worker && !missing.is_empty() {
        let warnings: Vec<ClusterWarning> = missing
            .iter()
            .map(|engine| ClusterWarning {
                type_: "EngineMissing".to_owned(),
                from: "controller".to_owned(),
                id: engine.slot.field().to_owned(),
                message: engine.to_string(),
            })
            .collect();
        facts = facts.field("warnings", json!(warnings));
        // A warning never makes a cluster less ready: only a runtime that needs the slot is blocked.
        facts.facts.push(Fact::new(
            "Engines",
            VerdictState::Ready,
            "EngineMissing",
            missing
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("; "),
        ));
    }
    facts
}

/// A cluster that is declared no more is let go when nothing of ours is left in it.
async fn leave(shared: &Shared, name: &ClusterName, never_had: bool) -> Result<Next, ControlError> {
    let Some(identity) = cluster_identity(name).filter(|_| shared.world().knows_tenant()) else {
        return Ok(Next::Done);
    };
    let timing = shared.platform.timing();
    let tenant = shared.platform.tenant();
    let projection = Projection::tenant(
        shared.platform.tenant_cluster().clone(),
        &tenant.namespace,
        timing.call,
    );
    let live = projection.read().await.map_err(ControlError::Projection)?;
    let Some(object) = live.get(&identity) else {
        shared.forget_cluster(name);
        return Ok(Next::Done);
    };
    let state = shared.cluster(name);
    // Without a kubeconfig nothing was ever applied there.
    let is_empty = never_had || state.answers == Some(true) && state.units.is_empty();
    if object.deleting && (is_empty || object.abandoned) {
        let writes = projection
            .release(&identity, object)
            .await
            .map_err(ControlError::Projection)?;
        count(&shared.writes.projection, writes);
        match logins::forget(shared, name).await {
            Ok(writes) => count(&shared.writes.grants, writes),
            Err(error) => {
                let message = super::facts::chain(&error);
                tracing::warn!(cluster = %name, message, "its logins stay at the secret store");
            }
        }
        forget_kubeconfig(shared, name).await?;
        shared.forget_cluster(name);
        return Ok(Next::Done);
    }
    for unit in &state.units {
        if let Some(product) = &unit.product {
            shared.queue.add(Unit::Apply(product.clone(), name.clone()));
        }
    }
    let why = if state.answers == Some(true) {
        let names: Vec<String> = state.units.iter().map(ToString::to_string).collect();
        format!("it is kept until nothing is left in it: {}", names.join(", "))
    } else {
        "it does not answer, so nobody knows what is left in it".to_owned()
    };
    let fact = Fact::new(REACHABLE, VerdictState::Pending, "InUse", why);
    cluster_fact(shared, name, fact);
    Ok(Next::Retry)
}

async fn forget_kubeconfig(shared: &Shared, name: &ClusterName) -> Result<(), ControlError> {
    let at = nautes_vault::keys::kubeconfig(name);
    let store = shared.platform.store();
    let failed = |source| ControlError::Store {
        action: format!("forget the kubeconfig of cluster {name}"),
        source,
    };
    if store.read(&at.path).await.map_err(failed)?.is_some() {
        store.delete(&at.path).await.map_err(failed)?;
        count(&shared.writes.grants, 1);
    }
    Ok(())
}

/// Returns the component of a cluster in the pipeline slot.
pub(super) fn pipeline_component(shared: &Shared, cluster: &ClusterName) -> Option<String> {
    let world = shared.world();
    let (_, declared) = world.scopes().tenant.cluster(cluster.as_str())?;
    declared
        .spec
        .components_list
        .pipeline
        .as_ref()
        .map(|c| c.name.clone())
}
