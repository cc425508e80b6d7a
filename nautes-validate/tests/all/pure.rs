//! The model and its rules are pure: no I/O, no clock, no environment, no runtime for async code.

use std::path::{Path, PathBuf};

fn sources(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// The part of a source file before its tests.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or_default()
}

#[test]
fn the_sources_name_nothing_that_does_io() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let forbidden = [
        "std::fs",
        "std::env",
        "std::net",
        "std::process",
        "std::thread",
        "std::io",
        "SystemTime",
        "Instant::now",
        "Timestamp::now",
        "Zoned::now",
        "tokio",
        "async fn",
        "println!",
        "eprintln!",
    ];
    let mut files = Vec::new();
    for folder in [here.join("src"), here.join("../nautes-model/src")] {
        sources(&folder, &mut files);
    }
    assert!(files.len() > 20, "{}", files.len());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for word in forbidden {
            for (number, line) in without_tests(&text).lines().enumerate() {
                let code = line.trim_start();
                let comment = code.starts_with("//");
                assert!(
                    comment || !code.contains(word),
                    "{}:{}: {word}",
                    file.display(),
                    number + 1
                );
            }
        }
    }
}

#[test]
fn no_runtime_for_async_code_comes_along() {
    for krate in ["nautes-model", "nautes-validate"] {
        let tree = tree(krate);
        assert!(tree.contains("serde"), "{tree}");
        for word in ["tokio ", "hyper ", "reqwest ", "kube-client ", "git2 "] {
            assert!(!tree.lines().any(|l| l.starts_with(word)), "{krate} needs {word}");
        }
    }
}

fn tree(krate: &str) -> String {
    let output = std::process::Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--locked",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "-p",
            krate,
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
