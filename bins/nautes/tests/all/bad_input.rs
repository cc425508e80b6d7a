//! Input of any size and shape: a clear error, and never a crash.

use std::fs::File;

use crate::kit::{Run, nautes, program, run};

fn validate(bytes: &[u8]) -> Run {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("in.yaml");
    std::fs::write(&file, bytes).unwrap();
    run(
        program(dir.path())
            .current_dir(dir.path())
            .args(["validate", "-f", "in.yaml"]),
        "",
    )
}

#[test]
fn malformed_yaml_has_a_place() {
    for text in [
        "a: [",
        "kind: {\n",
        "\t- a",
        "a: b: c",
        "---\n- 1\n--- |\n x\n...\nfoo",
        "'",
    ] {
        let run = validate(text.as_bytes());
        assert_eq!(run.code, 1, "{text:?}: {}", run.err);
        assert!(run.out.contains("in.yaml:"), "{text:?}: {}", run.err);
    }
}

#[test]
fn text_that_is_not_utf_8_is_a_finding_with_its_place() {
    let run = validate(b"kind: \xff\xfe");
    assert_eq!(run.code, 1);
    assert!(run.out.contains("in.yaml:1:7"), "{}", run.out);
    assert!(run.out.contains("not UTF-8"), "{}", run.out);
}

#[test]
fn a_file_of_100_mb_is_refused_before_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    File::create(dir.path().join("big.yaml"))
        .unwrap()
        .set_len(100 << 20)
        .unwrap();
    let run = run(
        program(dir.path())
            .current_dir(dir.path())
            .args(["validate", "-f", "big.yaml"]),
        "",
    );
    assert_eq!(run.code, 1);
    assert!(run.out.contains("104857600"), "{}", run.out);
}

#[test]
fn ten_thousand_documents_are_read() {
    let one = |i: usize| {
        format!(
            "---\napiVersion: nautes.resource.nautes.io/v1alpha1\nkind: Project\nmetadata:\n  name: p-{i}\nspec:\n  \
             product: shop\n  language: rust\n"
        )
    };
    let text: String = (0..10_000).map(one).collect();
    let run = validate(text.as_bytes());
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(run.err.contains("10000 resources"), "{}", run.err);
}

#[test]
fn bombs_do_not_go_off() {
    let mut aliases = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..12 {
        let before = format!("*a{}", i - 1);
        let ten = vec![before; 10].join(", ");
        aliases.push_str(&format!("a{i}: &a{i} [{ten}]\n"));
    }
    let deep = "[".repeat(100_000);
    for text in [aliases, deep, "{a: ".repeat(50_000)] {
        let run = validate(text.as_bytes());
        assert_eq!(run.code, 1, "{}", run.err.chars().take(500).collect::<String>());
    }
}

#[test]
fn names_that_climb_are_refused() {
    for name in ["../../etc/passwd", "a/b", &"x".repeat(300), ".", "-a", "A b"] {
        let text = format!(
            "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: Project\nmetadata:\n  name: {name:?}\nspec:\n  product: shop\n"
        );
        let run = nautes(&["validate", "-f", "-"], &text);
        assert_eq!(run.code, 1, "{name}: {}", run.err);
    }
}

#[test]
fn nothing_is_not_an_error_of_the_reader() {
    for text in ["", "# only a comment\n", "---\n---\n"] {
        let run = nautes(&["validate", "-f", "-"], text);
        assert!(run.code <= 2, "{}", run.err);
    }
}
