//! A verdict that is kept up to date is the verdict on the whole.

use std::collections::BTreeSet;
use std::sync::Arc;

use nautes_model::kinds::cluster::{ClusterType, ClusterUsage};
use nautes_model::scope::Broken;
use nautes_model::{Finding, Identity, ProductScope, Resource, Scopes, Sourced};
use nautes_validate::rule::Reach;
use nautes_validate::{Change, Checked, Judge, Rule, RuleSet, check, check_change, generate};
use proptest::prelude::*;

/// Words for fields: names that are there, names that are not, and texts that are no names.
const WORDS: &[&str] = &[
    "",
    "p0",
    "p1",
    "p2",
    "p3",
    "group",
    "nowhere",
    "dev",
    "test",
    "gitlab",
    "host-0",
    "run-0",
    "pipe-0",
    "run-1",
    "project-0",
    "project-1",
    "source-0",
    "deploy-0",
    "pipeline-1",
    "p1/source-0",
    "p0/deploy-0",
    "group/source-0",
    "p0-dr-0",
    "p1-dr-0",
    "shared",
    "No Name",
];

fn set(text: &mut String, word: usize) {
    WORDS[word % WORDS.len()].clone_into(text);
}

/// Changes one field of a resource.
fn edit(resource: &mut Resource, field: usize, word: usize) {
    match resource {
        Resource::Cluster(r) => match field % 6 {
            0 => set(&mut r.spec.host_cluster, word),
            1 => r.spec.api_server = format!("https://host-{}.example.org:6443", word % 3),
            2 => {
                r.spec.usage = if word.is_multiple_of(2) {
                    ClusterUsage::Host
                } else {
                    ClusterUsage::Worker
                }
            }
            3 => {
                r.spec.cluster_type = if word.is_multiple_of(2) {
                    ClusterType::Physical
                } else {
                    ClusterType::Virtual
                }
            }
            4 => r.spec.worker_type = None,
            _ => {
                let products = vec![WORDS[word % WORDS.len()].to_owned()];
                r.spec
                    .reserved_namespaces_allowed_products
                    .insert("sys-direct".to_owned(), products);
            }
        },
        Resource::Product(r) => set(&mut r.spec.name, word),
        Resource::Environment(r) => set(&mut r.spec.cluster, word),
        Resource::Project(r) => set(&mut r.spec.language, word),
        Resource::CodeRepo(r) => match field % 5 {
            0 => set(&mut r.spec.project, word),
            1 => set(&mut r.spec.repo_name, word),
            2 => set(&mut r.spec.code_repo_provider, word),
            3 => r.spec.webhook = None,
            _ => r.spec.deployment_runtime = word.is_multiple_of(2),
        },
        Resource::CodeRepoBinding(r) => match field % 3 {
            0 => set(&mut r.spec.code_repo, word),
            1 => set(&mut r.spec.product, word),
            _ => {
                r.spec.projects = vec![WORDS[word % WORDS.len()].to_owned()];
            }
        },
        Resource::DeploymentRuntime(r) => match field % 5 {
            0 => set(&mut r.spec.destination.environment, word),
            1 => r.spec.destination.namespaces = vec![WORDS[word % WORDS.len()].to_owned()],
            2 => set(&mut r.spec.account, word),
            3 => set(&mut r.spec.manifest_source.code_repo, word),
            _ => {
                r.spec.projects_ref = vec![WORDS[word % WORDS.len()].to_owned()];
            }
        },
        Resource::ProjectPipelineRuntime(r) => match field % 5 {
            0 => set(&mut r.spec.destination.environment, word),
            1 => set(&mut r.spec.destination.namespace, word),
            2 => set(&mut r.spec.account, word),
            3 => set(&mut r.spec.pipeline_source, word),
            _ => set(&mut r.spec.project, word),
        },
        Resource::CodeRepoProvider(r) => match field % 2 {
            0 => set(&mut r.spec.provider_type, word),
            _ => r.spec.api_server = format!("https://host-{}.example.org", word % 3),
        },
        _ => {}
    }
}

/// A resource of another identity with the same content.
fn renamed(of: &Sourced, word: usize) -> Option<Sourced> {
    let mut copy = of.clone();
    copy.identity.name = WORDS[word % WORDS.len()].parse().ok()?;
    copy.resource.metadata_mut().name = Some(copy.identity.name.to_string());
    Some(copy)
}

fn broken(identities: Vec<Identity>) -> Broken {
    Broken {
        path: "broken.yaml".to_owned(),
        identities,
        problems: vec!["not YAML".to_owned()],
    }
}

/// One change, made out of random numbers.
fn change(
    scopes: &Scopes,
    all: &[Sourced],
    (what, which, field, word): (usize, usize, usize, usize),
) -> Option<Change> {
    let declared: Vec<&Arc<Sourced>> = scopes.iter().collect();
    let one = declared.get(which % declared.len().max(1));
    match what % 10 {
        0..4 => {
            let mut copy = Sourced::clone(one?);
            edit(&mut copy.resource, field, word);
            Some(Change::Put(copy.into()))
        }
        4 => Some(Change::Remove(one?.identity.clone())),
        5 => Some(Change::Put(Arc::new(all[which % all.len()].clone()))),
        6 => Some(Change::Put(renamed(one?, word)?.into())),
        7 => {
            let product = scopes
                .products
                .values()
                .nth(which % scopes.products.len().max(1))?;
            let mut copy = product.clone();
            let gone = product
                .resources
                .iter()
                .nth(field % product.resources.len().max(1));
            if let Some(gone) = gone {
                copy.resources.remove(&gone.identity);
                copy.broken = vec![broken(vec![gone.identity.clone()])];
            }
            Some(Change::Product(Box::new(copy)))
        }
        8 => {
            let name = WORDS[word % WORDS.len()].parse().ok()?;
            Some(if field.is_multiple_of(2) {
                Change::Unload(name)
            } else {
                Change::Product(Box::new(ProductScope::new(name)))
            })
        }
        _ if field.is_multiple_of(4) => Some(Change::TenantBroken(vec![broken(vec![one?.identity.clone()])])),
        _ => Some(Change::TenantBroken(Vec::new())),
    }
}

/// The same, made the slow way.
fn make(scopes: &mut Scopes, change: Change) {
    match change {
        Change::Put(new) => {
            scopes.put(new);
        }
        Change::Remove(identity) => {
            scopes.remove(&identity);
        }
        Change::Product(new) => {
            scopes.products.insert(new.product.clone(), *new);
        }
        Change::Unload(product) => {
            scopes.products.remove(&product);
        }
        Change::TenantBroken(broken) => scopes.tenant.broken = broken,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn after_every_change_the_verdict_is_that_on_the_whole(
        size in 40..100_usize,
        seed in any::<u64>(),
        steps in prop::collection::vec(
            prop::collection::vec((0..10_usize, 0..1000_usize, 0..60_usize, 0..1000_usize), 1..4),
            1..10,
        ),
    ) {
        let all = generate::platform(size, seed).unwrap();
        let mut scopes = generate::scopes(&all);
        let rules = RuleSet::standard();
        let mut judge = Judge::new(scopes.clone(), rules.clone());
        let mut before = judge.report().findings;
        prop_assert_eq!(&before, &check(&scopes, &rules).findings);
        for step in steps {
            let mut changes = Vec::new();
            for numbers in step {
                if let Some(change) = change(&scopes, &all, numbers) {
                    make(&mut scopes, change.clone());
                    changes.push(change);
                }
            }
            let difference = judge.apply(changes.clone());
            prop_assert_eq!(judge.scopes(), &scopes);
            let now = judge.report().findings;
            prop_assert_eq!(&now, &check(&scopes, &rules).findings, "after {:#?}", changes);
            let old: BTreeSet<&Finding> = before.iter().collect();
            let new: BTreeSet<&Finding> = now.iter().collect();
            prop_assert_eq!(difference.added.iter().collect::<BTreeSet<_>>(), new.difference(&old).copied().collect());
            prop_assert_eq!(difference.gone.iter().collect::<BTreeSet<_>>(), old.difference(&new).copied().collect());
            before = now;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn circles_that_come_and_go_are_told_as_on_the_whole(
        steps in prop::collection::vec(prop::collection::vec((0..6_usize, 0..8_usize), 1..3), 1..12),
    ) {
        let mut scopes = generate::scopes(&generate::platform(40, 1).unwrap());
        let virtual_one = scopes
            .iter()
            .find(|s| matches!(&s.resource, Resource::Cluster(c) if !c.spec.host_cluster.is_empty()))
            .unwrap();
        let virtual_one = Sourced::clone(virtual_one);
        let named = |of: usize, host: usize| {
            let mut copy = virtual_one.clone();
            copy.identity.name = format!("v-{of}").parse().unwrap();
            copy.resource.metadata_mut().name = Some(copy.identity.name.to_string());
            if let Resource::Cluster(cluster) = &mut copy.resource {
                cluster.spec.host_cluster = format!("v-{host}");
            }
            copy
        };
        let rules = RuleSet::standard();
        let mut judge = Judge::new(scopes.clone(), rules.clone());
        for step in steps {
            let changes: Vec<Change> = step
                .into_iter()
                .map(|(of, host)| match host {
                    0..6 => Change::Put(named(of, host).into()),
                    _ => Change::Remove(named(of, 0).identity),
                })
                .collect();
            changes.iter().for_each(|change| make(&mut scopes, change.clone()));
            judge.apply(changes);
            prop_assert_eq!(judge.report(), check(&scopes, &rules));
        }
    }
}

/// A rule that is run on everything at once, however far it looks.
#[derive(Debug)]
struct AtOnce(Arc<dyn Rule>);

impl Rule for AtOnce {
    fn id(&self) -> &str {
        self.0.id()
    }

    fn summary(&self) -> &str {
        self.0.summary()
    }

    fn check(&self, on: &Checked<'_>, out: &mut Vec<Finding>) {
        self.0.check(on, out);
    }
}

fn at_once(rules: &RuleSet) -> RuleSet {
    let all = rules.iter().map(|rule| Arc::new(AtOnce(Arc::clone(rule))));
    all.fold(rules.clone(), |set, rule| set.with(rule))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn product_by_product_is_as_all_at_once(
        size in 40..120_usize,
        seed in any::<u64>(),
        first in prop::collection::vec((0..10_usize, 0..1000_usize, 0..60_usize, 0..1000_usize), 0..12),
        then in prop::collection::vec((0..10_usize, 0..1000_usize, 0..60_usize, 0..1000_usize), 1..8),
    ) {
        let all = generate::platform(size, seed).unwrap();
        let mut before = generate::scopes(&all);
        let some = |scopes: &mut Scopes, steps: Vec<_>| {
            for numbers in steps {
                if let Some(change) = change(scopes, &all, numbers) {
                    make(scopes, change);
                }
            }
        };
        some(&mut before, first);
        let mut after = before.clone();
        some(&mut after, then);
        let rules = RuleSet::standard();
        let slow = at_once(&rules);
        prop_assert_eq!(check(&after, &rules), check(&after, &slow));
        prop_assert_eq!(check_change(&before, &after, &rules), check_change(&before, &after, &slow));
    }
}

/// A rule that says nothing of how far it looks.
#[derive(Debug)]
struct FewProducts;

impl Rule for FewProducts {
    fn id(&self) -> &str {
        "FewProducts"
    }

    fn summary(&self) -> &str {
        "there are few products"
    }

    fn check(&self, on: &Checked<'_>, out: &mut Vec<Finding>) {
        let count = on.scopes.tenant.products().count();
        for (cluster, _) in on.clusters() {
            out.push(on.error(self.id(), cluster, "", format!("{count} products")));
        }
    }
}

#[test]
fn a_rule_that_looks_at_everything_is_asked_after_every_change() {
    let rules = RuleSet::standard().with(Arc::new(FewProducts));
    assert_eq!(rules.get("FewProducts").unwrap().reach(), Reach::Everything);
    let mut judge = Judge::new(generate::scopes(&generate::platform(60, 1).unwrap()), rules);
    let product = judge
        .scopes()
        .tenant
        .products()
        .next()
        .unwrap()
        .0
        .identity
        .clone();
    judge.apply([Change::Remove(product)]);
    assert_eq!(judge.report(), check(judge.scopes(), judge.rules()));
    assert!(judge.report().findings.iter().any(|f| f.rule == "FewProducts"));
}

#[test]
fn what_is_looked_at_does_not_grow_with_the_platform() {
    let looked_at = |size: usize| -> usize {
        let mut judge = Judge::new(
            generate::scopes(&generate::platform(size, 1).unwrap()),
            RuleSet::standard(),
        );
        let products: Vec<ProductScope> = judge.scopes().products.values().take(3).cloned().collect();
        let mut most = 0;
        for sourced in products.iter().flat_map(|p| p.resources.iter()) {
            let mut copy = Sourced::clone(sourced);
            edit(&mut copy.resource, 0, 6);
            most = most.max(judge.apply([Change::Put(copy.into())]).looked_at);
            judge.apply([Change::Put(Arc::clone(sourced))]);
        }
        most
    };
    let (small, large) = (looked_at(500), looked_at(2_000));
    assert!(large <= small * 2, "{small} and {large}");
    assert!(large < 300, "{large}");
}
