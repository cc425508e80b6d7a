//! What holds for every platform.

use std::collections::{BTreeMap, BTreeSet};

use nautes_model::reference::Relation;
use nautes_model::{Finding, Identity, Severity, Sourced};
use nautes_validate::{Graph, RuleSet, check, check_change, generate, order};
use proptest::prelude::*;

fn platform(size: usize, seed: u64) -> Vec<Sourced> {
    generate::platform(size, seed).unwrap()
}

fn names(sorted: &[&Sourced]) -> Vec<Identity> {
    sorted.iter().map(|s| s.identity.clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_generated_breaks_no_rule(size in 1..150_usize, seed in any::<u64>()) {
        let report = check(&generate::scopes(&platform(size, seed)), &RuleSet::standard());
        prop_assert_eq!(report.errors().collect::<Vec<_>>(), Vec::<&Finding>::new());
    }

    #[test]
    fn the_order_of_a_bundle_is_that_of_its_content(size in 1..150_usize, seed in any::<u64>(), by in any::<u64>()) {
        let bundle = platform(size, seed);
        let mut shuffled = bundle.clone();
        generate::shuffle(&mut shuffled, by);
        let sorted = names(&order(&bundle));
        prop_assert_eq!(&sorted, &names(&order(&shuffled)));
        prop_assert_eq!(&sorted, &Graph::of(&generate::scopes(&bundle)).apply_order());
    }

    #[test]
    fn the_order_respects_every_edge(size in 1..150_usize, seed in any::<u64>()) {
        let scopes = generate::scopes(&platform(size, seed));
        let graph = Graph::of(&scopes);
        let rank: BTreeMap<Identity, usize> = graph.apply_order().into_iter().enumerate().map(|(i, n)| (n, i)).collect();
        prop_assert_eq!(rank.len(), scopes.iter().count());
        for link in graph.links().filter(|l| l.relation != Relation::Mentions) {
            let to = link.to.found().unwrap();
            prop_assert!(rank[to] < rank[&link.from], "{} needs {}", link.from, to);
        }
    }

    #[test]
    fn a_shuffled_platform_has_the_same_report(size in 1..100_usize, seed in any::<u64>(), by in any::<u64>(), drop in any::<prop::sample::Index>()) {
        let mut resources = platform(size, seed);
        // Something is missing, so that there is something to report.
        resources.remove(drop.index(resources.len()));
        let rules = RuleSet::standard();
        let report = check(&generate::scopes(&resources), &rules);
        generate::shuffle(&mut resources, by);
        prop_assert_eq!(report, check(&generate::scopes(&resources), &rules));
    }

    #[test]
    fn removing_what_is_referenced_is_found(size in 1..100_usize, seed in any::<u64>(), which in any::<prop::sample::Index>()) {
        let before = generate::scopes(&platform(size, seed));
        let graph = Graph::of(&before);
        let referenced: BTreeSet<Identity> = graph
            .links()
            .filter(|l| l.relation != Relation::Mentions)
            .filter_map(|l| l.to.found().cloned())
            .collect();
        let referenced: Vec<Identity> = referenced.into_iter().collect();
        let gone = &referenced[which.index(referenced.len())];
        let mut after = before.clone();
        after.remove(gone);
        let rules = RuleSet::standard();
        let state = check(&after, &rules);
        prop_assert!(!state.is_ok(), "{} is missed", gone);
        let change = check_change(&before, &after, &rules);
        prop_assert!(change.rejected.iter().any(|f| f.resource.as_ref() == Some(gone)), "{} is not named", gone);
        prop_assert_eq!(change.dependents.len(), 1);
        prop_assert_eq!(&change.dependents[0].0, gone);
        prop_assert_eq!(&change.dependents[0].1, &graph.dependents(gone));
        // What depends on it is named there, and not once more each.
        prop_assert!(change.rejected.iter().all(|f| !f.rule.ends_with("Missing")), "{:#?}", change.rejected);
    }

    #[test]
    fn an_old_fault_elsewhere_stops_no_change(size in 1..100_usize, seed in any::<u64>(), drop in any::<prop::sample::Index>()) {
        let mut resources = platform(size, seed);
        resources.remove(drop.index(resources.len()));
        let before = generate::scopes(&resources);
        let rules = RuleSet::standard();
        let standing = check(&before, &rules);
        let unchanged = check_change(&before, &before, &rules);
        prop_assert!(unchanged.is_ok());
        prop_assert_eq!(unchanged.standing.len(), standing.findings.len());
        prop_assert!(unchanged.standing.iter().all(|f| f.severity == Severity::Warning));
    }
}
