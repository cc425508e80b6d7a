//! The examples of the Go version's command line, checked as one platform.

use std::path::PathBuf;

use nautes_model::manifest::{Context, Form, parse};
use nautes_model::{Finding, Scopes};
use nautes_validate::{RuleSet, check};

/// The folder of the reference's data, if it is there.
fn folder() -> Option<PathBuf> {
    std::env::var("NAUTES_REFERENCE_DIR")
        .ok()
        .map(|d| PathBuf::from(d).join("cli-examples"))
}

/// Puts values in the place of the variables of one example.
fn fill(text: &str, cluster: &str, port: &str) -> String {
    text.replace("host-$suffix", "host")
        .replace("name: \"vcluster-$suffix\"", &format!("name: {cluster}"))
        .replace("name: \"physical-worker-$suffix\"", &format!("name: {cluster}"))
        .replace("$deployment-runtime-cluster", "vdeploy")
        .replace("$pipeline-runtime-cluster", "vpipe")
        .replace("$host-cluster", "host")
        .replace("$api-server-port", port)
        .replace("\"$api-server\"", &format!("https://10.0.0.1:{port}"))
        .replace("$cluster-ip", "10.0.0.1")
        .replace("$product-name", "demo-x")
        .replace("$kubeconfig", "apiVersion: v1")
        .replace("$suffix", "x")
}

#[test]
fn the_examples_of_the_go_version_break_no_rule() {
    let Some(folder) = folder() else {
        println!("skipped: NAUTES_REFERENCE_DIR is not set");
        return;
    };
    let provider = "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: CodeRepoProvider
metadata: {name: forge}
spec: {httpAddress: 'https://g.example.org', apiServer: 'https://g.example.org', providerType: gitlab}
";
    let mut scopes = Scopes::default();
    let mut add = |file: &str, text: &str, form: Form| {
        let parsed = parse(text, &Context::new(file, form));
        assert_eq!(parsed.findings, [], "{file}");
        for resource in parsed.resources {
            scopes.insert(resource);
        }
    };
    add("provider.yaml", provider, Form::Git);
    for (file, cluster, port) in [
        ("demo-cluster-host", "host", "6443"),
        ("demo-cluster-virtual-worker-deployment", "vdeploy", "31443"),
        ("demo-cluster-virtual-worker-pipeline", "vpipe", "31444"),
        ("demo-cluster-physical-worker-deployment", "pdeploy", "6444"),
        ("demo-cluster-physical-worker-pipeline", "ppipe", "6445"),
        ("demo-product", "", ""),
        ("demo-deployment", "", ""),
        ("demo-pipeline", "", ""),
    ] {
        let file = format!("{file}.yaml");
        let text = std::fs::read_to_string(folder.join(&file)).unwrap();
        add(&file, &fill(&text, cluster, port), Form::Request);
    }
    let report = check(&scopes, &RuleSet::standard());
    let errors: Vec<String> = report.errors().map(Finding::to_string).collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
    assert!(report.warnings().any(|f| f.rule == "ClusterEngineMissing"));
}

#[test]
fn the_example_of_a_catalogue_has_no_mistake() {
    let text = include_str!("../../../examples/manifests/catalogue.yaml");
    let parsed = parse(text, &Context::new("catalogue.yaml", Form::Git));
    assert_eq!(parsed.findings, []);
    let mut scopes = Scopes::default();
    scopes.tenant.catalogue = parsed.catalogue;
    assert!(scopes.tenant.catalogue.is_some());
    assert_eq!(check(&scopes, &RuleSet::standard()).findings, []);
}

#[test]
fn the_catalogue_of_the_guide_has_no_mistake() {
    let guide = include_str!("../../../docs/guide/catalogue.md");
    let text = guide
        .split("```yaml\n")
        .nth(1)
        .and_then(|t| t.split("```").next());
    let parsed = parse(text.unwrap(), &Context::new("catalogue.yaml", Form::Git));
    assert_eq!(parsed.findings, []);
    assert_eq!(parsed.catalogue.unwrap().shapes.len(), 1);
}
