//! Parts of the graph, and questions to it.

use std::collections::BTreeSet;

use nautes_model::{Identity, Kind};
use nautes_validate::graph::{Cause, View};
use nautes_validate::{Graph, RuleSet, check};

use crate::support::{identity, scopes};

fn names(view: &View) -> Vec<String> {
    view.nodes().map(|(i, _)| i.to_string()).collect()
}

fn steps(path: &[&nautes_validate::Link]) -> Vec<String> {
    path.iter().map(|l| format!("{} {}", l.from, l.field)).collect()
}

#[test]
fn a_view_of_a_product_has_its_own_and_what_stands_at_its_arrows() {
    let graph = Graph::of(&scopes("x.yaml", ""));
    let view = graph
        .view()
        .of_products(&BTreeSet::from(["shop".parse().unwrap()]));
    let shown = names(&view);
    assert!(shown.contains(&"Product/shop".to_owned()), "{shown:?}");
    assert!(shown.iter().any(|n| n.starts_with("Cluster/")), "{shown:?}");
    for (from, to, _) in view.edges() {
        assert!(shown.contains(&from.to_string()) && shown.contains(&to.to_string()));
    }
    let all = graph.view().nodes().count();
    assert!(shown.len() < all, "{shown:?}");
}

#[test]
fn what_leads_through_kinds_that_are_left_out_leads_on() {
    let graph = Graph::of(&scopes("x.yaml", ""));
    let kinds = BTreeSet::from([Kind::DeploymentRuntime, Kind::Cluster]);
    let view = graph.view().of_kinds(&kinds);
    assert!(view.nodes().all(|(i, _)| kinds.contains(&i.kind)));
    let mut bridged = view
        .edges()
        .filter(|(from, to, _)| from.kind == Kind::DeploymentRuntime && to.kind == Kind::Cluster);
    assert!(bridged.next().is_some_and(|(_, _, edge)| edge.fields.is_empty()));
}

#[test]
fn a_focus_shows_both_directions_and_no_further_than_asked() {
    let scopes = scopes("x.yaml", "");
    let graph = Graph::of(&scopes);
    let runtimes = scopes
        .iter()
        .filter(|s| s.identity.kind == Kind::DeploymentRuntime);
    let focus = runtimes.map(|s| s.identity.clone()).next().unwrap();
    let near = graph.view().around(&focus, 1);
    let far = graph.view().around(&focus, 9);
    let is_there = |view: &View, kind| view.nodes().any(|(i, _)| i.kind == kind);
    assert!(is_there(&near, Kind::Environment) && !is_there(&near, Kind::Cluster));
    assert!(is_there(&far, Kind::Cluster));
    assert!(near.nodes().any(|(i, n)| *i == focus && n.focus));
    // What only shares the cluster is neither needed nor needs it.
    let environments = far.nodes().filter(|(i, _)| i.kind == Kind::Environment);
    assert_eq!(environments.count(), 1);
    let environment = graph
        .target(&focus, "spec.destination.environment")
        .and_then(|t| t.found());
    let below = graph.view().around(environment.unwrap(), 1);
    assert!(
        below.nodes().any(|(i, _)| *i == focus),
        "what needs it is shown as well"
    );
}

#[test]
fn the_nearest_blocker_comes_first_with_the_way_to_it() {
    let scopes = scopes("x.yaml", "# remove: Cluster/run-1\n");
    let report = check(&scopes, &RuleSet::standard());
    let graph = Graph::of(&scopes);
    let runtime = scopes
        .iter()
        .find(|s| s.identity.kind == Kind::DeploymentRuntime)
        .map(|s| s.identity.clone())
        .unwrap();
    let blockers = graph.blockers(&runtime, &report.findings);
    let first = blockers.first().unwrap();
    assert_eq!(first.at.kind, Kind::Environment);
    assert_eq!(
        steps(&first.path),
        [format!("{runtime} spec.destination.environment")]
    );
    assert_eq!(first.cause.awaited(), Some(&identity("Cluster/run-1")));
    let Cause::Link { finding, .. } = &first.cause else {
        panic!("{first:?}")
    };
    assert_eq!(finding.unwrap().rule, "EnvironmentClusterMissing");
    let whole = Graph::of(&crate::support::scopes("x.yaml", ""));
    assert_eq!(whole.blockers(&runtime, &[]), []);
}

#[test]
fn impact_agrees_with_dependents_and_every_path_ends_at_what_goes() {
    let scopes = scopes("x.yaml", "");
    let graph = Graph::of(&scopes);
    for sourced in scopes.iter() {
        let of = &sourced.identity;
        let reached = graph.impact(of);
        let mut found: Vec<Identity> = reached.iter().map(|r| r.identity.clone()).collect();
        let distances: Vec<usize> = reached.iter().map(|r| r.path.len()).collect();
        assert!(distances.is_sorted(), "{of}: {distances:?}");
        for one in &reached {
            assert_eq!(&one.path[0].from, one.identity);
            assert_eq!(one.path.last().unwrap().to.found(), Some(of));
            for pair in one.path.windows(2) {
                assert_eq!(pair[0].to.found(), Some(&pair[1].from));
            }
        }
        found.sort();
        assert_eq!(found, graph.dependents(of), "{of}");
    }
}

#[test]
fn what_is_not_declared_has_an_impact_too() {
    let graph = Graph::of(&scopes("x.yaml", "# remove: Cluster/run-1\n"));
    let reached = graph.impact(&identity("Cluster/run-1"));
    assert!(
        reached
            .iter()
            .any(|r| *r.identity == identity("Environment/demo/test"))
    );
}
