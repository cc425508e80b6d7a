//! Where a runtime runs: the cluster of its environment, namespaces that are free for it, engines that are there.

use std::collections::BTreeSet;

use nautes_model::kinds::Cluster;
use nautes_model::kinds::cluster::{ClusterUsage, Component, Slot, WorkerType};
use nautes_model::name::{AccountName, ClusterName, NamespaceName};
use nautes_model::{Identity, Known};

use super::Context;
use crate::engine::On;
use crate::plan::inputs::{Claims, Holder};
use crate::plan::model::Verdict;

/// Where a runtime runs.
#[derive(Clone)]
pub(super) struct Place<'a> {
    pub(super) name: ClusterName,
    pub(super) cluster: &'a Cluster,
    /// The first is the default.
    pub(super) namespaces: Vec<NamespaceName>,
    pub(super) account: AccountName,
}

impl<'a> Place<'a> {
    /// Returns where the engine of a slot renders; its component is there if [`find`] was asked for the slot.
    pub(super) fn on(&self, slot: Slot) -> Option<On<'_>> {
        Some(On {
            cluster: &self.name,
            component: self.component(slot)?,
        })
    }

    pub(super) fn component(&self, slot: Slot) -> Option<&'a Component> {
        self.cluster.spec.components_list.get(slot)
    }
}

/// Finds where a runtime runs, or says why it cannot.
pub(super) fn find<'a>(
    on: &Context<'a>,
    identity: &Identity,
    namespaces: &[&str],
    account: &str,
    worker: WorkerType,
    slots: &[Slot],
) -> Result<Place<'a>, Verdict> {
    let (name, cluster) = cluster(on, identity, worker)?;
    for slot in slots {
        check_slot(on, &name, cluster, *slot)?;
    }
    let mut own = Vec::new();
    for namespace in namespaces {
        let namespace = NamespaceName::new(namespace)
            .map_err(|error| Verdict::failed("NamespaceInvalid", error.to_string()))?;
        check_reserved(on, &name, cluster, &namespace)?;
        if !own.contains(&namespace) {
            own.push(namespace);
        }
    }
    if own.is_empty() {
        return Err(Verdict::failed("NamespaceInvalid", "it has no namespace"));
    }
    check_claims(on, &name, &own)?;
    Ok(Place {
        name,
        cluster,
        namespaces: own,
        account: account_name(on, account)?,
    })
}

fn cluster<'a>(
    on: &Context<'a>,
    identity: &Identity,
    worker: WorkerType,
) -> Result<(ClusterName, &'a Cluster), Verdict> {
    let judged = on.judged;
    let environment = judged
        .on
        .found(identity, "spec.destination.environment")
        .ok_or_else(|| Verdict::failed("EnvironmentInvalid", "it names no environment"))?;
    let (sourced, cluster) = judged
        .on
        .found(environment, "spec.cluster")
        .and_then(|cluster| judged.on.cluster(cluster))
        .ok_or_else(|| Verdict::failed("EnvironmentInvalid", format!("{environment} names no cluster")))?;
    let wanted = match worker {
        WorkerType::Deployment => "deployment",
        WorkerType::Pipeline => "pipeline",
    };
    if cluster.spec.usage != ClusterUsage::Worker || cluster.spec.worker_type != Some(worker) {
        let message = format!("{} takes no {wanted} runtimes", sourced.identity);
        return Err(Verdict::failed("RuntimeClusterType", message));
    }
    let name = ClusterName::new(sourced.identity.name.as_str())
        .map_err(|error| Verdict::failed("RuntimeClusterType", error.to_string()))?;
    Ok((name, cluster))
}

/// Says whether a slot is filled by an engine that is there.
pub(super) fn check_slot(
    on: &Context<'_>,
    name: &ClusterName,
    cluster: &Cluster,
    slot: Slot,
) -> Result<(), Verdict> {
    match cluster.spec.components_list.get(slot) {
        None => Err(Verdict::failed(
            "ComponentMissing",
            format!("Cluster/{name} has no component for {}", slot.field()),
        )),
        Some(component) if on.engines.has(slot, component) => Ok(()),
        Some(_) => {
            let missing = on.engines.missing(cluster);
            let what = missing
                .iter()
                .find(|m| m.slot == slot)
                .map_or_else(String::new, ToString::to_string);
            Err(Verdict::failed(
                "EngineMissing",
                format!("Cluster/{name}: {what}"),
            ))
        }
    }
}

fn check_reserved(
    on: &Context<'_>,
    name: &ClusterName,
    cluster: &Cluster,
    namespace: &NamespaceName,
) -> Result<(), Verdict> {
    let mut components = cluster.spec.components_list.iter();
    if let Some((_, component)) = components.find(|(_, c)| *namespace == c.namespace.as_str()) {
        let message = format!(
            "namespace {namespace} is that of {} on Cluster/{name}",
            component.name
        );
        return Err(Verdict::failed("RuntimeNamespaceReserved", message));
    }
    let is_reserved = |pattern: &String| match pattern.strip_suffix('*') {
        Some(start) => namespace.as_str().starts_with(start),
        None => *namespace == pattern.as_str(),
    };
    // The namespace of a product is never a runtime's, whatever the set of rules says.
    if namespace.as_str().starts_with("product-")
        || *namespace == on.product.namespace().as_str()
        || on.judged.on.facts.reserved_namespaces.iter().any(is_reserved)
    {
        let message = format!("namespace {namespace} is one of the platform");
        return Err(Verdict::failed("RuntimeNamespaceReserved", message));
    }
    Ok(())
}

fn check_claims(on: &Context<'_>, name: &ClusterName, own: &[NamespaceName]) -> Result<(), Verdict> {
    let nothing = Claims::default();
    let claims = match on.inputs.claims_of(name) {
        Known::Known(claims) => claims,
        Known::Absent => &nothing,
        Known::Unknown(why) => {
            return Err(Verdict::unknown(format!("Cluster/{name} is unknown: {why}")));
        }
    };
    let product_namespace = on.product.namespace();
    let mut all: BTreeSet<&str> = own.iter().map(NamespaceName::as_str).collect();
    all.insert(&product_namespace);
    for namespace in all {
        if let Some(holder) = claims.other_holder(namespace, on.product) {
            let message = format!(
                "namespace {namespace} of Cluster/{name} is held by {}",
                say(holder)
            );
            return Err(Verdict::failed("RuntimeNamespaceTaken", message));
        }
        // Nobody has it yet: the first of those that declare it gets it.
        let is_free = !claims.namespaces.contains_key(namespace);
        if is_free
            && let Some(first) = on.judged.first_claimant(name, namespace)
            && first != on.product
        {
            let message = format!(
                "namespace {namespace} of Cluster/{name} is also declared by another product, which comes first"
            );
            return Err(Verdict::failed("RuntimeNamespaceTaken", message));
        }
    }
    Ok(())
}

/// Which product it is, is none of the business of the one that is told.
const fn say(holder: &Holder) -> &'static str {
    match holder {
        Holder::Product(_) => "another product",
        Holder::Label(_) => "a product that is not registered",
        Holder::Foreign => "somebody else: Nautes has not made it",
    }
}

fn account_name(on: &Context<'_>, text: &str) -> Result<AccountName, Verdict> {
    let account =
        AccountName::new(text).map_err(|error| Verdict::failed("AccountInvalid", error.to_string()))?;
    if account == "default" || on.judged.on.facts.reserved_accounts.contains(account.as_str()) {
        let message = format!("account {account} is one of the platform");
        return Err(Verdict::failed("AccountReserved", message));
    }
    Ok(account)
}
