//! Namespaces and accounts of runtimes: who has what in a cluster.

use std::collections::{BTreeMap, BTreeSet};

use nautes_model::name::ProductName;
use nautes_model::{Finding, Identity};

use super::{Standard, call, related, say};
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
type Users<'c> = BTreeMap<(&'c ProductName, Option<&'c Identity>), Vec<&'c RuntimeUse<'c>>>;

/// A part of a cluster, by its name.
type Part<'c> = (&'c Identity, &'c str);

fn spaces<'c>(on: &'c Checked<'_>) -> BTreeMap<Part<'c>, Users<'c>> {
    let mut spaces: BTreeMap<Part<'_>, Users<'_>> = BTreeMap::new();
    for runtime in on.runtimes() {
        let Some((cluster, _)) = runtime.cluster else {
            continue;
        };
        let alone = (!runtime.is_deployment()).then_some(&runtime.sourced.identity);
        for namespace in runtime.namespaces() {
            let users = spaces.entry((&cluster.identity, namespace)).or_default();
            users.entry((runtime.product, alone)).or_default().push(runtime);
        }
    }
    spaces
}

/// Who is to be told that several have the same: a part stays with whoever had it before the change, and only
/// newcomers are told. When it was contested before already, or there is no change, all are.
fn told<'c>(
    groups: impl Iterator<Item = &'c Vec<&'c RuntimeUse<'c>>>,
    had: impl Fn(&Identity) -> bool,
) -> BTreeSet<&'c Identity> {
    let mut all = BTreeSet::new();
    let mut new = BTreeSet::new();
    let mut holders = 0;
    for group in groups {
        let members = || group.iter().map(|m| &m.sourced.identity);
        all.extend(members());
        new.extend(members().filter(|m| !had(m)));
        holders += usize::from(members().any(&had));
    }
    if holders == 1 && !new.is_empty() { new } else { all }
}

fn taken(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (part, users) in spaces(on).into_iter().filter(|(_, users)| users.len() > 1) {
        let (cluster, namespace) = part;
        let had = |who: &Identity| on.before.is_some_and(|b| has_namespace(b, who, part));
        let told = told(users.values(), had);
        for (group, members) in &users {
            let others: Vec<&Identity> = users
                .iter()
                .filter(|(other, _)| *other != group)
                .flat_map(|(_, members)| members)
                .map(|other| &other.sourced.identity)
                .take(3)
                .collect();
            for runtime in members.iter().filter(|m| on.wants(&m.sourced.identity)) {
                let of = &runtime.sourced.identity;
                if !told.contains(of) {
                    continue;
                }
                let (by, named) = call(&others, of);
                let message = format!(
                    "namespace {namespace:?} of {} is also used by {by}",
                    say(cluster, of)
                );
                let finding = on
                    .error(id, runtime.sourced, &namespace_field(runtime, namespace), message)
                    .hint("give the runtime a namespace of its own");
                out.push(related(finding, named));
            }
        }
    }
}

fn has_namespace(on: &Checked<'_>, who: &Identity, (cluster, namespace): Part<'_>) -> bool {
    on.runtime_of(who)
        .filter(|r| r.cluster.is_some_and(|(c, _)| c.identity == *cluster))
        .is_some_and(|r| r.namespaces().contains(namespace))
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
pub(super) fn account_field(runtime: &RuntimeUse<'_>) -> &'static str {
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
    let mut accounts: BTreeMap<Part<'_>, ByProduct<'_>> = BTreeMap::new();
    for runtime in on.runtimes() {
        if let Some((cluster, _)) = runtime.cluster {
            let key = (&cluster.identity, runtime.account);
            let products = accounts.entry(key).or_default();
            products.entry(runtime.product).or_default().push(runtime);
        }
    }
    for ((cluster, account), products) in accounts.into_iter().filter(|(_, p)| p.len() > 1) {
        let had = |who: &Identity| {
            let before = on.before.and_then(|b| b.runtime_of(who));
            before.is_some_and(|r| {
                r.account == account && r.cluster.is_some_and(|(c, _)| c.identity == *cluster)
            })
        };
        let told = told(products.values(), had);
        for runtime in products.values().flatten() {
            let of = &runtime.sourced.identity;
            if !on.wants(of) || !told.contains(of) {
                continue;
            }
            let message = format!(
                "account {account:?} on {} is also that of another product",
                say(cluster, of)
            );
            out.push(
                on.error(id, runtime.sourced, account_field(runtime), message)
                    .hint("write `account:` with a name that no other product uses on the cluster"),
            );
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
