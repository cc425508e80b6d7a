//! Removal: what is still needed stays.

use std::collections::{BTreeMap, BTreeSet};

use nautes_model::{Finding, Identity, Kind};

use super::{Standard, related, say, say_all};
use crate::rule::Checked;

const WHY: &str = "what still names a removed resource would stop working; the finding names what does so directly \
     and says how many more depend on that; `nautes impact` lists them all";

macro_rules! referenced {
    ($($id:literal, $summary:literal, [$($kind:ident),*];)*) => {
        pub(super) const RULES: &[Standard] = &[$(Standard {
            id: $id,
            summary: $summary,
            why: WHY,
            check: |id, on, out| {
                const KINDS: &[Kind] = &[$(Kind::$kind),*];
                referenced(id, KINDS, on, out);
                if KINDS.contains(&Kind::Product) {
                    named_by_clusters(id, on, out);
                }
            },
        }),*];
    };
}

referenced! {
    "ClusterReferenced", "a cluster that is removed has no virtual cluster and no environment", [Cluster];
    "ProductReferenced", "a product that is removed is empty and has no permissions", [Product];
    "EnvironmentReferenced", "an environment that is removed has no runtime", [Environment];
    "ProjectReferenced", "a project that is removed is named by nothing", [Project];
    "CodeRepoReferenced", "a code repository that is removed is used by no runtime and opened by no binding", [CodeRepo];
    "ProviderReferenced", "a provider that is removed has no repository", [CodeRepoProvider, ArtifactRepoProvider, ProductProvider];
    "ArtifactRepoReferenced", "an artifact repository that is removed is used by no project", [ArtifactRepo];
}

fn referenced(id: &'static str, kinds: &[Kind], on: &Checked<'_>, out: &mut Vec<Finding>) {
    let Some(before) = on.before else { return };
    for (gone, needed_by) in &on.still_needed {
        let Some(was) = before.scopes.get(gone) else {
            continue;
        };
        if kinds.contains(&gone.kind) && on.wants(gone) {
            let behind = behind(on, gone, needed_by);
            let more = match behind {
                0 => String::new(),
                1 => "; 1 more depends on those".to_owned(),
                n => format!("; {n} more depend on those"),
            };
            let message = format!(
                "{} is still needed by {}{more}",
                say(gone, gone),
                say_all(needed_by, gone)
            );
            let finding = on
                .error(id, was, "metadata.name", message)
                .hint("remove or change what needs it in the same request, or first");
            out.push(related(finding, needed_by));
        }
    }
}

/// How many more depend on what needs something that is gone, directly or not.
fn behind(on: &Checked<'_>, gone: &Identity, needed_by: &BTreeSet<Identity>) -> usize {
    with_dependents(on, needed_by)
        .iter()
        .filter(|i| *i != gone && !needed_by.contains(*i))
        .count()
}

/// What needs something, and everything that depends on that, each once.
pub(crate) fn with_dependents(on: &Checked<'_>, needed_by: &BTreeSet<Identity>) -> BTreeSet<Identity> {
    let mut all = needed_by.clone();
    let mut todo: Vec<Identity> = needed_by.iter().cloned().collect();
    while let Some(next) = todo.pop() {
        for by in on.graph.direct_dependents(&next) {
            if all.insert(by.clone()) {
                todo.push(by);
            }
        }
    }
    all
}

/// A product is also named by clusters, which give it permissions.
fn named_by_clusters(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    let Some(before) = on.before else { return };
    let gone: BTreeSet<&Identity> = on
        .removed
        .iter()
        .filter(|i| i.kind == Kind::Product && on.wants(i))
        .collect();
    if gone.is_empty() {
        return;
    }
    let mut named: BTreeMap<&Identity, BTreeSet<&Identity>> = BTreeMap::new();
    for cluster in on.of_kind(Kind::Cluster) {
        for link in on.graph.references(&cluster.identity) {
            let was = || before.found(&cluster.identity, &link.field);
            let to = link.to.identity().filter(|to| to.kind == Kind::Product);
            if let Some(product) = to.and_then(|to| gone.get(to).or_else(|| gone.get(was()?))) {
                named.entry(product).or_default().insert(&cluster.identity);
            }
        }
    }
    for (product, clusters) in named {
        let Some(was) = before.scopes.get(product) else {
            continue;
        };
        let message = format!(
            "{} still has permissions on {}",
            say(product, product),
            say_all(clusters.iter().copied(), product)
        );
        let finding = on
            .error(id, was, "spec.name", message)
            .hint("take the product out of the maps of these clusters in the same request, or first");
        out.push(related(finding, clusters));
    }
}
