//! Every example runs to its end and says what it should. `UPDATE=1` writes golden texts anew.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test reads files and may fail; the main functions of the examples are not called"
)]

use std::path::Path;

#[path = "../custom_engine.rs"]
mod custom_engine;
#[path = "../custom_rule.rs"]
mod custom_rule;
#[path = "../embed.rs"]
mod embed;

/// Compares a text with the one that is kept beside the examples.
fn is_kept(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
    if std::env::var("UPDATE").is_ok_and(|v| v == "1") {
        std::fs::write(&path, text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, kept, "UPDATE=1 accepts another {}", path.display());
}

#[test]
fn a_plan_can_be_made_without_a_platform() {
    is_kept("embed.txt", &embed::plan_without_a_platform().unwrap());
}

#[tokio::test]
async fn a_platform_can_be_composed_in_a_program() {
    let out = embed::run_a_platform().await.unwrap();
    assert!(out.contains("in the cluster: {\"text\": \"hello\"}"), "{out}");
    assert!(out.ends_with("reconciled again with 0 writes\n"), "{out}");
}

#[test]
fn an_engine_of_ones_own_renders_what_a_cluster_names() {
    is_kept("custom_engine.txt", &custom_engine::plan().unwrap());
}

#[test]
fn a_rule_of_ones_own_finds_what_it_forbids_and_nothing_else() {
    let found = custom_rule::find().unwrap();
    let texts: Vec<String> = found
        .iter()
        .filter(|f| f.rule == "ProductionOnLive")
        .map(ToString::to_string)
        .collect();
    assert_eq!(texts.len(), 1, "{found:#?}");
    assert!(
        texts[0].contains("production may not be on the cluster staging"),
        "{}",
        texts[0]
    );
    assert_eq!(found[0].position.map(|p| p.line > 1), Some(true));
}
