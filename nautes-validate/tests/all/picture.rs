//! The picture of the example product, made from its manifests. `UPDATE=1` draws it anew.

use std::path::{Path, PathBuf};

use nautes_model::manifest::{Context, Form, parse};
use nautes_model::{Kind, Scopes};
use nautes_validate::{Graph, RuleSet, check};

use crate::support::scopes;

/// What a local platform declares itself.
const PROVIDER: &str = "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: CodeRepoProvider
metadata: {name: gitlab}
spec: {apiServer: 'https://forge.example.org', httpAddress: 'https://forge.example.org', sshAddress: '', providerType: gitlab}
";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn add(scopes: &mut Scopes, text: &str, form: Form) {
    let parsed = parse(text, &Context::new("example.yaml", form));
    assert_eq!(parsed.findings, []);
    for resource in parsed.resources {
        scopes.insert(resource);
    }
}

fn shop() -> Graph {
    let examples = root().join("examples/manifests");
    let mut scopes = Scopes::default();
    add(&mut scopes, PROVIDER, Form::Git);
    for file in [
        "shop",
        "clusters/host",
        "clusters/live",
        "clusters/pipelines",
        "clusters/staging",
    ] {
        let text = std::fs::read_to_string(examples.join(format!("{file}.yaml"))).unwrap();
        let text = text
            .replace("$API_SERVER", "https://cluster.example.org:6443")
            .replace("  kubeconfig: |\n    $KUBECONFIG\n", "");
        add(&mut scopes, &text, Form::Request);
    }
    Graph::of(&scopes)
}

#[test]
fn the_picture_of_the_shop_shows_its_manifests() {
    let svg = shop().svg();
    let path = root().join("docs/pictures/shop.svg");
    if std::env::vars().any(|(key, value)| key == "UPDATE" && value == "1") {
        std::fs::write(&path, &svg).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == svg,
        "docs/pictures/shop.svg is not what the manifests say (UPDATE=1 draws it)"
    );
}

#[test]
fn every_resource_and_every_reference_is_drawn_once() {
    let graph = shop();
    let svg = graph.svg();
    let mut arrows = std::collections::BTreeSet::new();
    for link in graph.links() {
        let title = format!("<title>{}</title>", link.from);
        if link.from.kind != Kind::Product {
            assert_eq!(svg.matches(&title).count(), 1, "{title}");
        }
        if let Some(to) = link.to.found().filter(|to| to.kind != Kind::Product) {
            // All repositories of the shop are on one provider: the frame says so with one arrow.
            let bundled = to.kind == Kind::CodeRepoProvider;
            arrows.insert((if bundled { None } else { Some(&link.from) }, to));
        }
    }
    let samples = svg.matches(" sample\"").count();
    assert_eq!(svg.matches("class=\"wire").count() - samples, arrows.len());
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
}

#[test]
fn what_is_not_declared_is_drawn_as_missing() {
    let svg = Graph::of(&scopes("x.yaml", "# remove: Cluster/run-1\n")).svg();
    assert_eq!(svg.matches("class=\"node missing\"").count(), 1);
}

#[test]
fn nothing_declared_is_a_picture_too() {
    let svg = Graph::default().svg();
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
}

#[test]
fn what_breaks_a_rule_is_red_and_says_what() {
    let scopes = scopes(
        "x.yaml",
        "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Environment
metadata: {name: dev}
spec: {product: demo, cluster: host-1, envType: dev}
",
    );
    let findings = check(&scopes, &RuleSet::standard()).findings;
    let view = Graph::of(&scopes).view().with_findings(&findings);
    let svg = view.svg();
    assert!(
        svg.contains("Environment/demo/dev\nEnvironmentClusterUsage: "),
        "{svg}"
    );
    assert!(
        svg.contains("class=\"node fault\"") && svg.contains(">breaks a rule<"),
        "{svg}"
    );
}

#[test]
fn the_legend_names_only_what_is_there() {
    let text = "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Project
metadata: {name: web}
spec: {product: shop, language: go}
";
    let mut one = Scopes::default();
    add(&mut one, text, Form::Git);
    let svg = Graph::of(&one).svg();
    assert_eq!(svg.matches("class=\"legend\"").count(), 1, "{svg}");
    assert!(svg.contains(">project<") && !svg.contains(">permits<"), "{svg}");
}
