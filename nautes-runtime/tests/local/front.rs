//! The local cluster has one front door, and needs nothing else of Nautes.

use std::path::{Path, PathBuf};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The paths in a text that lead out of the module: other modules of the crate, and other crates of Nautes.
fn ways_out(text: &str) -> Vec<String> {
    let code = |line: &&str| !line.trim_start().starts_with("//");
    let mut found = Vec::new();
    for line in text.lines().filter(code) {
        let others = line.match_indices("crate::").filter(|(at, _)| {
            let rest = &line[at + "crate::".len()..];
            rest != "local"
                && !["local::", "local;", "local,"]
                    .iter()
                    .any(|own| rest.starts_with(own))
        });
        let crates = ["nautes_model", "nautes_validate", "nautes_gitops", "nautes_vault"];
        if others.count() > 0 || crates.iter().any(|name| line.contains(name)) {
            found.push(line.trim().to_owned());
        }
    }
    found
}

#[test]
fn nothing_in_it_needs_the_rest_of_nautes() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = vec![source.join("local.rs")];
    sources(&source.join("local"), &mut files);
    assert!(files.len() > 40, "the module was not found: {files:?}");
    let mut found = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        found.extend(
            ways_out(&text)
                .into_iter()
                .map(|line| format!("{}: {line}", file.display())),
        );
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_way_out_is_seen() {
    assert_eq!(ways_out("use crate::plan::Plan;"), ["use crate::plan::Plan;"]);
    assert_eq!(ways_out("use nautes_model::name;").len(), 1);
    assert_eq!(ways_out("use crate::local::{json, x};\n// crate::plan").len(), 0);
}
