//! The reader of manifests, by data, by property, and on the reference's own examples.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test reads files, is told by the environment, and may fail"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nautes_model::manifest::{self, Context, Form};
use nautes_model::name::ProductName;

#[path = "manifest/properties.rs"]
mod properties;
#[path = "manifest/reading.rs"]
mod reading;
#[path = "manifest/strategies.rs"]
mod strategies;
#[path = "manifest/support.rs"]
mod support;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/manifest")
}

/// Says what came of a text: resources, their notes, findings.
fn describe(file: &str, text: &[u8]) -> String {
    let product: ProductName = "demo".parse().unwrap();
    let mut context = Context::new(
        file,
        if file.starts_with("git-") {
            Form::Git
        } else {
            Form::Request
        },
    );
    if !file.contains("no-product") {
        context.product = Some(&product);
    }
    let parsed = manifest::parse_bytes(text, &context);
    let mut out = String::new();
    for resource in &parsed.resources {
        out += &format!("{} (line {})\n", resource.identity, resource.source.line);
        for note in &resource.notes {
            out += &format!("  note: {note}\n");
        }
        for (field, _) in &resource.secrets {
            out += &format!("  secret: {field}\n");
        }
    }
    for finding in &parsed.findings {
        out += &format!("{finding}\n");
    }
    out
}

#[test]
fn every_input_gives_the_expected_findings() {
    let mut seen = 0;
    let mut wrong = Vec::new();
    for path in support::files(&folder(), "yaml") {
        seen += 1;
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let found = describe(&name, &std::fs::read(&path).unwrap());
        let expected = path.with_extension("txt");
        if support::update() {
            std::fs::write(&expected, &found).unwrap();
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != found {
            wrong.push(format!("== {name}\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "UPDATE=1 rewrites\n{}", wrong.join("\n"));
    let expectations = support::files(&folder(), "txt").len();
    assert!(
        seen > 0 && seen == expectations,
        "{seen} inputs, {expectations} expectations"
    );
}

#[test]
#[expect(clippy::print_stdout, reason = "says that it did nothing")]
fn the_examples_of_the_reference_are_read_unchanged() {
    let Some(folder) = support::reference() else {
        println!("skipped: NAUTES_REFERENCE_DIR is not set");
        return;
    };
    let kubeconfig = "apiVersion: v1\n    kind: Config\n    users:\n    - name: a\n      user:\n        token: canary-4711";
    let mut kinds = BTreeMap::new();
    for path in support::files(&folder.join("cli-examples"), "yaml") {
        let text = std::fs::read_to_string(&path)
            .unwrap()
            .replace("$kubeconfig", kubeconfig)
            .replace("$api-server-port", "31443")
            .replace("$api-server", "https://10.0.0.1:6443")
            .replace("$cluster-ip", "10.0.0.1")
            .replace("$host-cluster", "host-1")
            .replace("$product-name", "demo-1")
            .replace("$deployment-runtime-cluster", "worker-1")
            .replace("$pipeline-runtime-cluster", "worker-2")
            .replace("$suffix", "1");
        let parsed = manifest::parse(&text, &Context::new(&path.display().to_string(), Form::Request));
        assert_eq!(parsed.findings, [], "{}", path.display());
        assert!(!parsed.resources.is_empty());
        assert!(
            !format!("{parsed:?}").contains("canary-4711"),
            "{}",
            path.display()
        );
        for resource in &parsed.resources {
            *kinds.entry(resource.identity.kind).or_insert(0) += 1;
            let own = resource.identity.product.as_ref();
            let file = manifest::render(&resource.resource).unwrap();
            assert!(!file.contains("canary-4711"));
            let context = Context::new("file", Form::Git).product(own);
            let again = manifest::parse(&file, &context);
            assert_eq!(again.findings, [], "{file}");
            assert_eq!(again.resources[0].resource, resource.resource);
            assert!(manifest::same_meaning(&file, &resource.resource, &context));
        }
    }
    assert_eq!(kinds.len(), 8, "{kinds:?}");
}
