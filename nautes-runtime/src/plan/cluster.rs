//! Planning a cluster: what products share there, and what is to be said of the cluster itself.

use std::collections::{BTreeMap, BTreeSet};

use nautes_model::kinds::cluster::Slot;
use nautes_model::name::{ClusterName, ProductName, ResourceName};
use nautes_model::{Identity, Kind, Known};

use super::inputs::Inputs;
use super::judged::Judged;
use super::model::{ClusterPlan, Plan, Verdict};
use super::verdict;
use crate::engine::{Engines, MissingEngine, slots_of_a_deployment, slots_of_a_pipeline};

/// What shall exist on a cluster for all products together, and what is to be said of it.
#[derive(Clone, Debug, PartialEq)]
pub struct SharedPlan {
    /// What products share. The bundled engines share nothing: everything of a product is its own.
    pub plan: ClusterPlan,
    /// What can be said of the cluster.
    pub verdict: Verdict,
    /// What is not as it should be and stops nothing.
    pub warnings: Vec<String>,
    /// The products that have something there.
    pub products: BTreeSet<ProductName>,
}

/// Plans what products share on a cluster, from the plans of all of them.
///
/// A slot that names an engine which is not there is a warning; if a runtime on the cluster needs it, the
/// cluster fails, and so does the runtime.
#[must_use]
pub fn plan_cluster(
    cluster: &ClusterName,
    judged: &Judged<'_>,
    plans: &BTreeMap<ProductName, Plan>,
    inputs: &Inputs,
    engines: &Engines,
) -> SharedPlan {
    let products = plans
        .iter()
        .filter(|(_, plan)| plan.clusters.contains_key(cluster))
        .map(|(product, _)| product.clone())
        .collect();
    let mut shared = SharedPlan {
        plan: ClusterPlan::default(),
        verdict: Verdict::ready(),
        warnings: Vec::new(),
        products,
    };
    let Ok(name) = ResourceName::new(cluster.as_str()) else {
        return shared;
    };
    let identity = Identity::tenant(Kind::Cluster, name);
    if let Some(why) = judged.unread(&identity) {
        shared.verdict = Verdict::unknown(why);
        return shared;
    }
    let Some((_, declared)) = judged.on.cluster(&identity) else {
        shared.verdict = Verdict::waiting(&BTreeSet::from([identity]));
        return shared;
    };
    let missing = engines.missing(declared);
    shared.warnings = missing.iter().map(ToString::to_string).collect();
    let needed = needed_slots(judged, &identity);
    let blocking = missing.iter().find(|m| needed.contains_key(&m.slot));
    shared.verdict = verdict(&identity, judged, inputs.claims_of(cluster), blocking, &needed);
    if blocking.is_none() && !missing.is_empty() && shared.verdict == Verdict::ready() {
        shared.verdict.reason = "EngineMissing".to_owned();
        shared.verdict.message = format!("nobody needs it, but there is {}", shared.warnings.join("; "));
    }
    shared.verdict.revision = judged.revision(&identity);
    shared
}

/// Returns what can be said of the resources of the tenant but its products and clusters, for which their plans
/// speak, and of those that cannot be read.
#[must_use]
pub fn tenant_verdicts(judged: &Judged<'_>) -> BTreeMap<Identity, Verdict> {
    let declared = judged.scopes().tenant.resources.iter();
    let mut verdicts: BTreeMap<Identity, Verdict> = declared
        .filter(|s| !matches!(s.identity.kind, Kind::Product | Kind::Cluster))
        .map(|s| (s.identity.clone(), verdict::of_resource(judged, &s.identity)))
        .collect();
    for (identity, why) in judged.unread_of(None) {
        verdicts.insert(identity.clone(), Verdict::unknown(why));
    }
    for (identity, verdict) in &mut verdicts {
        verdict.revision = judged.revision(identity);
    }
    verdicts
}

fn verdict(
    identity: &Identity,
    judged: &Judged<'_>,
    claims: &Known<super::Claims>,
    blocking: Option<&MissingEngine>,
    needed: &BTreeMap<Slot, Identity>,
) -> Verdict {
    let declared = verdict::of_resource(judged, identity);
    if declared != Verdict::ready() {
        return declared;
    }
    if let Some(missing) = blocking {
        let by = needed
            .get(&missing.slot)
            .map_or_else(String::new, |runtime| format!(", which {runtime} needs"));
        return Verdict::failed("EngineMissing", format!("{missing}{by}"));
    }
    match claims {
        Known::Unknown(why) => Verdict::unknown(format!("it cannot be read: {why}")),
        Known::Known(_) | Known::Absent => declared,
    }
}

/// The slots that runtimes on a cluster cannot do without, each with the first runtime that needs it.
fn needed_slots(judged: &Judged<'_>, cluster: &Identity) -> BTreeMap<Slot, Identity> {
    let mut needed: BTreeMap<Slot, Identity> = BTreeMap::new();
    for runtime in judged.on.runtimes() {
        if runtime
            .cluster
            .is_none_or(|(sourced, _)| sourced.identity != *cluster)
        {
            continue;
        }
        let slots: &[Slot] = if runtime.is_deployment() {
            &slots_of_a_deployment()
        } else {
            &slots_of_a_pipeline()
        };
        for slot in slots {
            let first = needed
                .entry(*slot)
                .or_insert_with(|| runtime.sourced.identity.clone());
            if runtime.sourced.identity < *first {
                first.clone_from(&runtime.sourced.identity);
            }
        }
    }
    needed
}
