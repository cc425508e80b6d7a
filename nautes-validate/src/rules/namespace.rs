//! Namespaces and accounts of runtimes: who has what in a cluster.

use std::collections::{BTreeMap, BTreeSet};

use nautes_model::name::ProductName;
use nautes_model::{Finding, Identity};

use super::{Standard, related, say, say_all};
use crate::rule::{Checked, RuntimeUse};

pub(super) const RULES: &[Standard] = &[
    Standard {
        id: "RuntimeNamespaceTaken",
        summary: "a namespace of a cluster belongs to one runtime, or to deployments of one product",
        why: "in a shared namespace one could read the secrets and change the objects of the other; deployments of one product may share",
        check: taken,
    },
    Standard {
        id: "RuntimeNamespaceReserved",
        summary: "a runtime does not run in a namespace of the platform or of a component",
        why: "whoever runs there has the rights of what else runs there",
        check: reserved,
    },
    Standard {
        id: "AccountTaken",
        summary: "an account of a cluster belongs to one product",
        why: "the account is the name by which secrets are given out; two products of one name would share theirs",
        check: account_taken,
    },
    Standard {
        id: "AccountReserved",
        summary: "a runtime has no account of the platform",
        why: "it would have the rights of the platform's own parts in the secret store",
        check: account_reserved,
    },
];

/// Who uses a namespace: deployments by product, pipelines each for itself.
#[derive(Default)]
struct Users<'c> {
    groups: BTreeMap<(&'c ProductName, Option<&'c Identity>), Vec<&'c RuntimeUse<'c>>>,
}

fn taken(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    let mut spaces: BTreeMap<(&Identity, &str), Users<'_>> = BTreeMap::new();
    for runtime in on.runtimes() {
        let Some((cluster, _)) = runtime.cluster else {
            continue;
        };
        let alone = (!runtime.is_deployment()).then_some(&runtime.sourced.identity);
        for namespace in runtime.namespaces() {
            let users = spaces.entry((&cluster.identity, namespace)).or_default();
            users
                .groups
                .entry((runtime.product, alone))
                .or_default()
                .push(runtime);
        }
    }
    for ((cluster, namespace), users) in spaces.into_iter().filter(|(_, u)| u.groups.len() > 1) {
        for (group, members) in &users.groups {
            let others: Vec<&Identity> = users
                .groups
                .iter()
                .filter(|(other, _)| *other != group)
                .flat_map(|(_, members)| members)
                .map(|other| &other.sourced.identity)
                .take(3)
                .collect();
            for runtime in members.iter().filter(|m| on.wants(&m.sourced.identity)) {
                let of = &runtime.sourced.identity;
                let message = format!(
                    "namespace {namespace:?} of {} is also used by {}",
                    say(cluster, of),
                    say_all(others.iter().copied(), of)
                );
                let finding = on
                    .error(id, runtime.sourced, &namespace_field(runtime, namespace), message)
                    .hint("give the runtime a namespace of its own");
                out.push(related(finding, others.iter().copied()));
            }
        }
    }
}

/// The field that gives a runtime a namespace; its name, where that is the namespace by default.
fn namespace_field(runtime: &RuntimeUse<'_>, namespace: &str) -> String {
    use nautes_model::Resource::{DeploymentRuntime, ProjectPipelineRuntime};
    match &runtime.sourced.resource {
        DeploymentRuntime(r) => match r.spec.destination.namespaces.iter().position(|n| n == namespace) {
            Some(i) => format!("spec.destination.namespaces[{i}]"),
            None => "metadata.name".to_owned(),
        },
        ProjectPipelineRuntime(r) if r.spec.destination.namespace.is_empty() => "metadata.name".to_owned(),
        _ => runtime.namespace_field.to_owned(),
    }
}

fn reserved(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for runtime in on.runtimes().iter().filter(|r| on.wants(&r.sourced.identity)) {
        for namespace in runtime.namespaces() {
            let of = &runtime.sourced.identity;
            let component = runtime.cluster.and_then(|(cluster, spec)| {
                let mut all = spec.spec.components_list.iter();
                let (_, component) = all.find(|(_, c)| c.namespace == namespace)?;
                Some(format!(
                    "is that of {} on {}",
                    component.name,
                    say(&cluster.identity, of)
                ))
            });
            let why = component.or_else(|| {
                is_reserved(&on.facts.reserved_namespaces, namespace)
                    .then(|| "is one of the platform".to_owned())
            });
            if let Some(why) = why {
                out.push(
                    on.error(
                        id,
                        runtime.sourced,
                        &namespace_field(runtime, namespace),
                        format!("namespace {namespace:?} {why}"),
                    )
                    .hint("give the runtime a namespace of its own"),
                );
            }
        }
    }
}

fn is_reserved(reserved: &BTreeSet<String>, namespace: &str) -> bool {
    reserved.contains(namespace)
        || reserved
            .iter()
            .filter_map(|r| r.strip_suffix('*'))
            .any(|start| namespace.starts_with(start))
}

/// The field that gives a runtime its account; its name, where that is the account by default.
fn account_field(runtime: &RuntimeUse<'_>) -> &'static str {
    use nautes_model::Resource::{DeploymentRuntime, ProjectPipelineRuntime};
    let given = match &runtime.sourced.resource {
        DeploymentRuntime(r) => !r.spec.account.is_empty(),
        ProjectPipelineRuntime(r) => !r.spec.account.is_empty(),
        _ => false,
    };
    if given { "spec.account" } else { "metadata.name" }
}

fn account_taken(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    type ByProduct<'c> = BTreeMap<&'c ProductName, Vec<&'c RuntimeUse<'c>>>;
    let mut accounts: BTreeMap<(&Identity, &str), ByProduct<'_>> = BTreeMap::new();
    for runtime in on.runtimes() {
        if let Some((cluster, _)) = runtime.cluster {
            let key = (&cluster.identity, runtime.account);
            accounts
                .entry(key)
                .or_default()
                .entry(runtime.product)
                .or_default()
                .push(runtime);
        }
    }
    for ((cluster, account), products) in accounts.into_iter().filter(|(_, p)| p.len() > 1) {
        for (product, members) in &products {
            let other = products
                .iter()
                .filter(|(other, _)| *other != product)
                .flat_map(|(_, members)| members)
                .map(|other| &other.sourced.identity)
                .next();
            let Some(other) = other else { continue };
            for runtime in members.iter().filter(|m| on.wants(&m.sourced.identity)) {
                let of = &runtime.sourced.identity;
                let message = format!(
                    "account {account:?} on {} is also that of {}",
                    say(cluster, of),
                    say(other, of)
                );
                let finding = on
                    .error(id, runtime.sourced, account_field(runtime), message)
                    .hint("write `account:` with a name that no other product uses on the cluster");
                out.push(related(finding, [other]));
            }
        }
    }
}

fn account_reserved(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for runtime in on.runtimes().iter().filter(|r| on.wants(&r.sourced.identity)) {
        let account = runtime.account;
        if on.facts.reserved_accounts.contains(&account.to_ascii_lowercase()) {
            out.push(
                on.error(
                    id,
                    runtime.sourced,
                    account_field(runtime),
                    format!("account {account:?} is one of the platform"),
                )
                .hint("write `account:` with another name"),
            );
        }
    }
}
