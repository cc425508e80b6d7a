//! The graph: orders, dependents, ways and pictures.

use nautes_model::Identity;
use nautes_validate::{Graph, Target, order};

use crate::support::{BASE, identity, resources, scopes};

fn position(order: &[Identity], of: &str) -> usize {
    order
        .iter()
        .position(|i| *i == identity(of))
        .unwrap_or_else(|| panic!("{of}"))
}

#[test]
fn a_host_comes_before_its_virtual_cluster_whatever_their_names() {
    let text = "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Cluster
metadata: {name: a-virtual}
spec: {apiServer: 'https://a.example.org', clusterType: virtual, usage: worker, workerType: pipeline, hostCluster: host-1, componentsList: {}}
";
    let order = Graph::of(&scopes("x.yaml", text)).apply_order();
    assert!(position(&order, "Cluster/host-1") < position(&order, "Cluster/a-virtual"));
}

#[test]
fn kinds_come_in_the_order_of_creation_and_go_in_the_reverse() {
    let graph = Graph::of(&scopes("base.yaml", ""));
    let order = graph.apply_order();
    for pair in order.windows(2) {
        assert!(pair[0].kind <= pair[1].kind, "{} before {}", pair[0], pair[1]);
    }
    let mut reverse = graph.remove_order();
    reverse.reverse();
    assert_eq!(order, reverse);
}

#[test]
fn dependents_are_all_that_stops_working() {
    let graph = Graph::of(&scopes("base.yaml", ""));
    let of = |text: &str| -> Vec<String> {
        graph
            .dependents(&identity(text))
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    assert_eq!(
        of("Cluster/pipe-1"),
        ["Environment/demo/dev", "ProjectPipelineRuntime/demo/build"]
    );
    assert_eq!(
        of("CodeRepo/demo/deploy"),
        ["CodeRepoBinding/demo/deploy-app", "DeploymentRuntime/demo/web"]
    );
    // A cluster only mentions the products to which it opens something.
    assert!(!of("Product/demo").contains(&"Cluster/pipe-1".to_owned()));
}

#[test]
fn the_shortest_way_explains_why_one_needs_another() {
    let graph = Graph::of(&scopes("base.yaml", ""));
    let way = graph
        .path_between(
            &identity("ProjectPipelineRuntime/demo/build"),
            &identity("Cluster/host-1"),
        )
        .unwrap();
    let names: Vec<String> = way.iter().map(ToString::to_string).collect();
    assert_eq!(
        names,
        [
            "ProjectPipelineRuntime/demo/build",
            "Environment/demo/dev",
            "Cluster/pipe-1",
            "Cluster/host-1"
        ]
    );
    assert_eq!(
        graph.path_between(
            &identity("Cluster/host-1"),
            &identity("ProjectPipelineRuntime/demo/build")
        ),
        None
    );
}

#[test]
fn a_cycle_is_named_and_everything_else_goes_on() {
    let text = "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Cluster
metadata: {name: v-1}
spec: {apiServer: 'https://v-1.example.org', clusterType: virtual, usage: worker, workerType: pipeline, hostCluster: v-2, componentsList: {}}
---
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Cluster
metadata: {name: v-2}
spec: {apiServer: 'https://v-2.example.org', clusterType: virtual, usage: worker, workerType: pipeline, hostCluster: v-1, componentsList: {}}
";
    let scopes = scopes("x.yaml", text);
    let graph = Graph::of(&scopes);
    assert_eq!(
        graph.cycles(),
        [vec![identity("Cluster/v-1"), identity("Cluster/v-2")]]
    );
    assert_eq!(graph.apply_order().len(), scopes.iter().count());
}

#[test]
fn what_is_not_declared_is_missing_and_what_cannot_be_read_is_held() {
    let graph = Graph::of(&scopes("x.yaml", "# remove: Cluster/run-1\n"));
    let missing: Vec<String> = graph.missing().map(|l| l.from.to_string()).collect();
    assert_eq!(missing, ["Environment/demo/test", "Environment/shop/test"]);
    let held = Graph::of(&scopes("x.yaml", "# broken: Cluster/run-1\n"));
    assert_eq!(held.missing().count(), 0);
    let cluster = identity("Cluster/run-1");
    assert_eq!(
        held.target(&identity("Environment/demo/test"), "spec.cluster"),
        Some(&Target::Held(cluster))
    );
}

#[test]
fn pictures_show_every_edge() {
    let graph = Graph::of(&scopes("base.yaml", ""));
    let dot = graph.dot();
    assert!(
        dot.contains("\"Environment/demo/dev\" -> \"Cluster/pipe-1\";"),
        "{dot}"
    );
    assert!(
        dot.contains("\"Cluster/pipe-1\" -> \"Product/demo\" [style=dashed];"),
        "{dot}"
    );
    let mermaid = graph.mermaid();
    assert_eq!(
        mermaid.matches("-->").count() + mermaid.matches("-.->").count(),
        dot.matches("->").count()
    );
}

#[test]
fn a_bundle_that_declares_something_twice_keeps_both() {
    let mut twice = resources("a.yaml", BASE);
    twice.extend(resources("b.yaml", BASE));
    let sorted = order(&twice);
    assert_eq!(sorted.len(), twice.len());
    for pair in sorted.chunks(2) {
        assert_eq!(pair[0].identity, pair[1].identity);
        assert_eq!(
            (&*pair[0].source.file, &*pair[1].source.file),
            ("a.yaml", "b.yaml")
        );
    }
}

#[test]
fn a_chain_of_ten_thousand_hosts_is_sorted_without_recursion() {
    use nautes_model::kinds::Cluster;
    use nautes_model::kinds::cluster::ClusterSpec;
    use nautes_model::{Kind, Sourced};
    let count = 10_000;
    let chain: Vec<Sourced> = (0..count)
        .map(|i| {
            let name = format!("c-{i}");
            let spec = ClusterSpec {
                host_cluster: format!("c-{}", i + 1),
                ..ClusterSpec::default()
            };
            let identity = Identity::tenant(Kind::Cluster, name.parse().unwrap());
            Sourced::made(identity, Cluster::new(&name, spec).into())
        })
        .collect();
    let sorted = order(&chain);
    assert_eq!(sorted[0].identity, identity("Cluster/c-9999"));
    assert_eq!(sorted[count - 1].identity, identity("Cluster/c-0"));
}
