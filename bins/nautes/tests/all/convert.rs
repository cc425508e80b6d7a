//! `nautes convert` on files and standard input.

use std::path::Path;

use crate::kit::{nautes, program, run};

const OLD: &str = "\
# why
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Cluster
spec:
  name: worker-1  # never reused
  apiServer: https://10.0.0.1:6443
  clusterType: physical
  usage: worker
  workerType: deployment
  kubeconfig: |
    users: [{token: canary-4711}]
  argocdHost: argocd.example.com
";

fn folder() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("old.yaml"), OLD).unwrap();
    let current =
        "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: Project\nmetadata: {name: a}\nspec:   {}\n";
    std::fs::write(home.path().join("current.yaml"), current).unwrap();
    home
}

fn inside(home: &Path, words: &[&str]) -> crate::kit::Run {
    run(program(home).args(words).current_dir(home), "")
}

#[test]
fn standard_input_goes_to_standard_output() {
    let run = nautes(&["convert", "-f", "-"], OLD);
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(
        run.out
            .contains("metadata:\n  name: worker-1  # never reused\nspec:\n")
    );
    assert!(
        run.out
            .ends_with("      additions:\n        host: argocd.example.com\n")
    );
    assert!(run.err.contains("spec.kubeconfig is a secret"), "{}", run.err);
    assert!(!run.err.contains("canary"), "{}", run.err);
    assert_eq!(nautes(&["convert", "-f", "-"], &run.out).out, run.out);
}

#[test]
fn looking_changes_nothing_and_shows_no_secret() {
    let home = folder();
    let check = inside(home.path(), &["convert", "-f", ".", "--check"]);
    assert_eq!(
        (check.code, check.out.as_str()),
        (1, "./old.yaml\n"),
        "{}",
        check.err
    );
    let diff = inside(home.path(), &["convert", "-f", "old.yaml", "--diff"]);
    assert_eq!(diff.code, 0, "{}", diff.err);
    assert!(
        diff.out.starts_with("--- a/old.yaml\n+++ b/old.yaml\n@@ "),
        "{}",
        diff.out
    );
    assert!(
        diff.out
            .contains("\n+metadata:\n   name: worker-1  # never reused\n"),
        "{}",
        diff.out
    );
    assert!(
        !format!("{}{}", diff.out, diff.err).contains("canary"),
        "{}",
        diff.out
    );
    assert_eq!(
        std::fs::read_to_string(home.path().join("old.yaml")).unwrap(),
        OLD
    );
}

#[test]
fn files_are_written_in_place_and_then_there_is_nothing_to_do() {
    let home = folder();
    let current = std::fs::read(home.path().join("current.yaml")).unwrap();
    let written = inside(home.path(), &["convert", "-f", ".", "--write"]);
    assert_eq!(written.code, 0, "{}", written.err);
    assert!(written.err.contains("converted: 1 of 2 files"), "{}", written.err);
    assert_eq!(std::fs::read(home.path().join("current.yaml")).unwrap(), current);
    let text = std::fs::read_to_string(home.path().join("old.yaml")).unwrap();
    assert!(
        text.starts_with("# why\n") && text.contains("componentsList:"),
        "{text}"
    );
    assert_eq!(inside(home.path(), &["convert", "-f", ".", "--check"]).code, 0);
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 2);
}

#[test]
fn what_cannot_be_converted_stays_and_is_told() {
    let home = folder();
    let bad = OLD.replace("worker-1  # never reused", ">-\n    worker-1");
    std::fs::write(home.path().join("old.yaml"), &bad).unwrap();
    let written = inside(home.path(), &["convert", "-f", ".", "-w"]);
    assert_eq!(written.code, 1, "{}", written.err);
    assert!(written.err.contains("error[ManifestConvert]"), "{}", written.err);
    assert_eq!(
        std::fs::read_to_string(home.path().join("old.yaml")).unwrap(),
        bad
    );
    for words in [
        vec!["convert", "-f", "-", "--write"],
        vec!["convert", "-f", "."],
        vec!["convert", "-f", ".", "--write", "--check"],
        vec!["convert", "-f", ".", "--check", "--keep-going"],
    ] {
        assert_eq!(inside(home.path(), &words).code, 2, "{words:?}");
    }
}

#[test]
fn all_files_are_written_or_none_unless_it_is_asked_for() {
    let home = folder();
    let bad = OLD.replace("worker-1  # never reused", ">-\n    worker-1");
    // Before and after the good one in order of name.
    for name in ["a.yaml", "z.yaml"] {
        std::fs::write(home.path().join(name), &bad).unwrap();
    }
    let text = |name: &str| std::fs::read_to_string(home.path().join(name)).unwrap();
    let refused = inside(home.path(), &["convert", "-f", ".", "--write"]);
    assert_eq!(refused.code, 1, "{}", refused.err);
    assert!(
        refused
            .err
            .contains("nothing is written: 2 of 4 files cannot be converted\n  hint: "),
        "{}",
        refused.err
    );
    assert_eq!(text("old.yaml"), OLD);
    let some = inside(home.path(), &["convert", "-f", ".", "--write", "--keep-going"]);
    assert_eq!(some.code, 1, "{}", some.err);
    assert!(some.err.contains("converted: 1 of 4 files"), "{}", some.err);
    assert!(text("old.yaml").contains("componentsList:"));
    assert_eq!((text("a.yaml"), text("z.yaml")), (bad.clone(), bad));
    assert_eq!(
        std::fs::read_dir(home.path()).unwrap().count(),
        4,
        "nothing is left beside them"
    );
}
