//! From older forms of manifests to the current one, by data, by property, and on the reference's own examples.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test reads files, is told by the environment, and may fail"
)]

use std::path::Path;

use nautes_model::manifest::{self, Context, Form};

#[path = "convert/properties.rs"]
mod properties;
#[path = "manifest/strategies.rs"]
mod strategies;
#[path = "manifest/support.rs"]
mod support;

/// Says what came of a text.
fn describe(file: &str, text: &str) -> String {
    let converted = manifest::convert(text, &Context::new(file, Form::Request));
    let mut out = String::new();
    for change in &converted.changes {
        out += &format!("{} (line {}): {}\n", change.resource, change.line, change.note);
    }
    for secret in &converted.secrets {
        out += &format!("secret: {} {}\n", secret.resource, secret.field);
    }
    for finding in &converted.findings {
        out += &format!("{finding}\n");
    }
    if converted.findings.is_empty() {
        out += "----------\n";
        out += &converted.text;
    } else {
        assert_eq!(converted.text, text, "{file}");
    }
    out
}

#[test]
fn every_text_becomes_what_is_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/convert");
    let mut wrong = Vec::new();
    for path in support::files(&folder, "yaml") {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let found = describe(&name, &text);
        let expected = path.with_extension("txt");
        if support::update() {
            std::fs::write(&expected, &found).unwrap();
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != found {
            wrong.push(format!("== {name}\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "UPDATE=1 rewrites\n{}", wrong.join("\n"));
    assert_eq!(
        support::files(&folder, "txt").len(),
        support::files(&folder, "yaml").len()
    );
}

#[test]
#[expect(clippy::print_stdout, reason = "says that it did nothing")]
fn the_examples_of_the_reference_become_files_for_git() {
    let Some(folder) = support::reference() else {
        println!("skipped: NAUTES_REFERENCE_DIR is not set");
        return;
    };
    for path in support::files(&folder.join("cli-examples"), "yaml") {
        let text = std::fs::read_to_string(&path)
            .unwrap()
            .replace("$kubeconfig", "apiVersion: v1\n    users: []")
            .replace("$api-server-port", "31443")
            .replace("$api-server", "https://10.0.0.1:6443")
            .replace("$cluster-ip", "10.0.0.1")
            .replace("$host-cluster", "host-1")
            .replace("$product-name", "demo-1")
            .replace("$deployment-runtime-cluster", "worker-1")
            .replace("$pipeline-runtime-cluster", "worker-2")
            .replace("$suffix", "1");
        let file = path.display().to_string();
        properties::holds(&text, &Context::new(&file, Form::Request), true);
        let converted = manifest::convert(&text, &Context::new(&file, Form::Request));
        assert!(!converted.changes.is_empty(), "{file}");
        let form = if converted.secrets.is_empty() {
            Form::Git
        } else {
            Form::Request
        };
        let parsed = manifest::parse(&converted.text, &Context::new(&file, form));
        assert_eq!(parsed.findings, [], "{file}");
        assert!(parsed.resources.iter().all(|r| r.notes.is_empty()), "{file}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/convert/secret.yaml");
    let text = std::fs::read_to_string(file).unwrap();
    let context = Context::new("f", Form::Request);
    let shown = manifest::without_secrets(&text, &context);
    assert!(!shown.contains("canary"), "{shown}");
    assert!(
        shown.contains("  kubeconfig: |\n    (not shown)\n  # after\n"),
        "{shown}"
    );
    let converted = manifest::convert(&text, &context);
    assert!(converted.text.contains("canary"));
    assert!(!format!("{:?}{:?}", converted.changes, converted.secrets).contains("canary"));
}

#[test]
fn limits_are_kept() {
    let context = Context::new("f", Form::Request);
    for (text, message) in [
        ("#".repeat((16 << 20) + 1), "bytes"),
        ("---\na: 1\n".repeat(20_001), "documents"),
    ] {
        let converted = manifest::convert(&text, &context);
        assert!(converted.text == text && converted.findings[0].message.contains(message));
    }
}

#[test]
fn line_ends_of_other_systems_stay() {
    let text = "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: Environment\nspec:\n  # name\n  name: dev # d\n  product: demo\n  cluster: a\n  env_type: dev";
    let expected = "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: Environment\nmetadata:\n  # name\n  name: dev # d\nspec:\n  product: demo\n  cluster: a\n  envType: dev";
    let context = Context::new("f", Form::Request);
    for (from, to) in [
        (text.to_owned(), expected.to_owned()),
        (text.replace('\n', "\r\n"), expected.replace('\n', "\r\n")),
    ] {
        assert_eq!(manifest::convert(&from, &context).text, to);
    }
}

#[test]
fn the_example_of_the_guide_is_true() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide/dialects.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let mut examples = guide
        .split("```yaml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap());
    let (old, new) = (examples.next().unwrap(), examples.next().unwrap());
    let converted = manifest::convert(old, &Context::new("f", Form::Request));
    assert_eq!(converted.findings, []);
    assert_eq!(converted.text, new);
}
