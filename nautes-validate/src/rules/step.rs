//! Steps from one state to the next that are allowed and that somebody should know of.

use std::collections::{BTreeMap, BTreeSet};

use nautes_model::kinds::Cluster;
use nautes_model::kinds::cluster::Slot;
use nautes_model::name::ProductName;
use nautes_model::{Finding, Identity, Resource};

use super::{Standard, related, say, say_all};
use crate::rule::{Checked, RuntimeUse};

pub(super) const RULES: &[Standard] = &[
    Standard {
        id: "RuntimeMoved",
        summary: "a runtime that moves to another cluster leaves nothing behind that is needed",
        why: "what it deployed on the old cluster is removed there, volumes included; copy what must survive before the change is made",
        check: moved,
    },
    Standard {
        id: "AccountShared",
        summary: "runtimes of a product that come to share an account, or cease to, are meant to",
        why: "an account is given the secrets of all runtimes that have it, so each can read what the others may; a runtime that leaves keeps only its own",
        check: shared,
    },
    Standard {
        id: "ClusterComponentReplaced",
        summary: "a component that runtimes depend on is replaced or moved knowingly",
        why: "what the old component made is not carried over to the new one, and in another namespace it begins from nothing; the runtimes stand still meanwhile",
        check: replaced,
    },
    Standard {
        id: "ClusterPermissionWithdrawn",
        summary: "a product that loses a permission on a cluster no longer needs it",
        why: "what it deployed into the namespace of a component, or of that kind, is no longer its own and is removed with the next pass",
        check: withdrawn,
    },
];

fn moved(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    let Some(before) = on.before else { return };
    for runtime in on.runtimes().iter().filter(|r| on.wants(&r.sourced.identity)) {
        let of = &runtime.sourced.identity;
        let was = before.runtime_of(of).and_then(|r| r.cluster);
        let (Some((was, _)), Some((now, _))) = (was, runtime.cluster) else {
            continue;
        };
        // Where the environment moves, EnvironmentClusterImmutable speaks of it.
        let environment = |on: &Checked<'_>| on.found(of, "spec.destination.environment").cloned();
        if was.identity == now.identity || environment(before) == environment(on) {
            continue;
        }
        let message = format!(
            "the runtime moves from {} to {}: what it has on the old one is removed",
            say(&was.identity, of),
            say(&now.identity, of)
        );
        let finding = on
            .warning(id, runtime.sourced, "spec.destination.environment", message)
            .hint("copy data that must survive first, or add a second runtime and remove this one later");
        out.push(related(finding, [&was.identity, &now.identity]));
    }
}

/// Who has an account: a part of a cluster that belongs to a product.
type Account<'c> = (&'c Identity, &'c ProductName, &'c str);

fn account_of<'c>(runtime: &'c RuntimeUse<'_>) -> Option<Account<'c>> {
    let (cluster, _) = runtime.cluster?;
    Some((&cluster.identity, runtime.product, runtime.account))
}

fn accounts<'c>(on: &'c Checked<'_>) -> BTreeMap<Account<'c>, BTreeSet<&'c Identity>> {
    let mut accounts: BTreeMap<Account<'c>, BTreeSet<&Identity>> = BTreeMap::new();
    for runtime in on.runtimes() {
        if let Some(account) = account_of(runtime) {
            accounts
                .entry(account)
                .or_default()
                .insert(&runtime.sourced.identity);
        }
    }
    accounts
}

fn shared(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    let Some(before) = on.before else { return };
    let changed = |r: &&RuntimeUse<'_>| {
        on.wants(&r.sourced.identity)
            && before.runtime_of(&r.sourced.identity).and_then(account_of) != account_of(r)
    };
    let changed: Vec<&RuntimeUse<'_>> = on.runtimes().iter().filter(changed).collect();
    if changed.is_empty() {
        return;
    }
    let (old, new) = (accounts(before), accounts(on));
    for runtime in changed {
        let of = &runtime.sourced.identity;
        let Some(now) = account_of(runtime) else { continue };
        let field = super::namespace::account_field(runtime);
        let joins: Vec<&Identity> = others(&new, now, of).collect();
        if !joins.is_empty() {
            let message = format!(
                "account {:?} is also that of {}",
                now.2,
                say_all(joins.iter().copied(), of)
            );
            let finding = on
                .warning(id, runtime.sourced, field, message)
                .hint("write `account:` with a name of its own, unless they may read each other's secrets");
            out.push(related(finding, joins));
        }
        let Some(was) = before.runtime_of(of).and_then(account_of) else {
            continue;
        };
        let left: Vec<&Identity> = others(&old, was, of)
            .filter(|other| on.graph.contains(other))
            .collect();
        if !left.is_empty() {
            let message = format!(
                "account {:?} stays with {}; the runtime loses what it had by it",
                was.2,
                say_all(left.iter().copied(), of)
            );
            let finding = on
                .warning(id, runtime.sourced, field, message)
                .hint("see that the runtime, and each that stays, may use its repositories by itself");
            out.push(related(finding, left));
        }
    }
}

fn others<'c>(
    accounts: &BTreeMap<Account<'_>, BTreeSet<&'c Identity>>,
    account: Account<'_>,
    of: &Identity,
) -> impl Iterator<Item = &'c Identity> {
    let of = of.clone();
    let all = accounts.get(&account).cloned().unwrap_or_default();
    all.into_iter().filter(move |other| **other != of)
}

/// The runtimes of each cluster.
fn by_cluster<'c>(on: &'c Checked<'_>) -> BTreeMap<&'c Identity, Vec<&'c RuntimeUse<'c>>> {
    let mut all: BTreeMap<&Identity, Vec<&RuntimeUse<'_>>> = BTreeMap::new();
    for runtime in on.runtimes() {
        if let Some((cluster, _)) = runtime.cluster {
            all.entry(&cluster.identity).or_default().push(runtime);
        }
    }
    all
}

/// The clusters that change, with what they were.
fn changed<'c>(on: &'c Checked<'_>) -> Vec<(&'c nautes_model::Sourced, &'c Cluster, &'c Cluster)> {
    on.clusters()
        .filter_map(|(now, spec)| match &on.changed_from(now)?.resource {
            Resource::Cluster(was) => Some((now, &**was, spec)),
            _ => None,
        })
        .collect()
}

/// The slots that a runtime of a cluster cannot do without.
const DEPENDED_ON: &[Slot] = &[
    Slot::Deployment,
    Slot::Pipeline,
    Slot::EventListener,
    Slot::SecretManagement,
    Slot::SecretSync,
    Slot::MultiTenant,
];

fn replaced(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    let changed = changed(on);
    if changed.is_empty() {
        return;
    }
    let by_cluster = by_cluster(on);
    for (resource, was, now) in changed {
        let Some(runtimes) = by_cluster.get(&resource.identity) else {
            continue;
        };
        for slot in DEPENDED_ON {
            let (was, now) = (
                was.spec.components_list.get(*slot),
                now.spec.components_list.get(*slot),
            );
            let (Some(was), Some(now)) = (was, now) else {
                continue;
            };
            let using: Vec<&Identity> = runtimes
                .iter()
                .filter(|r| uses(r, *slot))
                .map(|r| &r.sourced.identity)
                .collect();
            if using.is_empty() {
                continue;
            }
            let under = say_all(using.iter().copied(), &resource.identity);
            let (below, message) = if was.name != now.name {
                (
                    "name",
                    format!("{} takes the place of {} under {under}", now.name, was.name),
                )
            } else if was.namespace != now.namespace {
                let message = format!(
                    "{} moves from namespace {:?} to {:?} under {under}",
                    now.name, was.namespace, now.namespace
                );
                ("namespace", message)
            } else {
                continue;
            };
            let field = format!("spec.componentsList.{}.{below}", slot.field());
            let finding = on
                .warning(id, resource, &field, message)
                .hint("register another cluster and move environments to it, or see that nothing is lost");
            out.push(related(finding, using));
        }
    }
}

fn uses(runtime: &RuntimeUse<'_>, slot: Slot) -> bool {
    match slot {
        Slot::Deployment => runtime.is_deployment(),
        Slot::Pipeline | Slot::EventListener => !runtime.is_deployment(),
        _ => true,
    }
}

fn withdrawn(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    let changed = changed(on);
    if changed.is_empty() {
        return;
    }
    let by_cluster = by_cluster(on);
    for (resource, was, now) in changed {
        let runtimes = by_cluster.get(&resource.identity).map_or(&[][..], Vec::as_slice);
        for (field, product, what) in lost(was, now) {
            let Some(product) = on.resolver.product(product) else {
                continue;
            };
            let using: Vec<&Identity> = runtimes
                .iter()
                .filter(|r| r.is_deployment() && *r.product == product)
                .map(|r| &r.sourced.identity)
                .collect();
            if using.is_empty() {
                continue;
            }
            let message = format!(
                "product {:?} loses {what}; it has {} here",
                product.as_str(),
                say_all(using.iter().copied(), &resource.identity)
            );
            let finding = on
                .warning(id, resource, field, message)
                .hint("see that none of its deployments needs it any more");
            out.push(related(finding, using));
        }
    }
}

/// What products lose on a cluster: the field, the product and the permission.
fn lost<'c>(was: &'c Cluster, now: &Cluster) -> Vec<(&'static str, &'c str, String)> {
    let mut lost = Vec::new();
    let allowed = &now.spec.reserved_namespaces_allowed_products;
    for (namespace, products) in &was.spec.reserved_namespaces_allowed_products {
        let kept: BTreeSet<&String> = allowed.get(namespace).into_iter().flatten().collect();
        for product in products.iter().filter(|p| !kept.contains(p)) {
            let what = format!("the use of namespace {namespace:?}");
            lost.push(("spec.reservedNamespacesAllowedProducts", product.as_str(), what));
        }
    }
    let allowed = &now.spec.product_allowed_cluster_resources;
    for (product, kinds) in &was.spec.product_allowed_cluster_resources {
        let kept: BTreeSet<_> = allowed.get(product).into_iter().flatten().collect();
        let gone: Vec<&str> = kinds
            .iter()
            .filter(|kind| !kept.contains(kind))
            .map(|kind| kind.kind.as_str())
            .collect();
        if !gone.is_empty() {
            let what = format!("the permission to deploy {}", gone.join(", "));
            lost.push(("spec.productAllowedClusterResources", product.as_str(), what));
        }
    }
    lost
}
