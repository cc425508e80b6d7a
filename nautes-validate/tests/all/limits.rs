//! The page of limits is what the limits are (`UPDATE=1` writes it anew), and each holds.

use std::path::Path;

use nautes_model::manifest::{Context, Form, Limits, parse, rule};
use nautes_model::name::{AccountName, ClusterName, ProductName, ResourceName};
use nautes_validate::organisation;

/// 1234567 as `1,234,567`.
fn with_commas(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[test]
fn the_page_of_limits_is_what_the_limits_are() {
    let all = Limits::default();
    let rows: &[(&str, usize, &str)] = &[
        ("bytes of a text of manifests", all.bytes, rule::LIMIT),
        (
            "documents of a text, the items of lists included",
            all.documents,
            rule::LIMIT,
        ),
        ("depth of a document", all.depth, rule::LIMIT),
        (
            "values of a document, with aliases expanded",
            all.nodes,
            rule::LIMIT,
        ),
        ("findings of the reader in a text", all.findings, rule::LIMIT),
        (
            "characters of the name of a resource",
            ResourceName::MAX,
            rule::NAME,
        ),
        (
            "characters of the name of a product",
            ProductName::MAX,
            rule::NAME,
        ),
        (
            "characters of the name of a cluster",
            ClusterName::MAX,
            rule::NAME,
        ),
        (
            "characters of the name of an account",
            AccountName::MAX,
            rule::NAME,
        ),
        (
            "bytes of a file of rules",
            organisation::MAX_FILE,
            organisation::rule::INVALID,
        ),
        (
            "rules of a file",
            organisation::MAX_RULES,
            organisation::rule::INVALID,
        ),
        (
            "names in `let` of a rule",
            organisation::MAX_LETS,
            organisation::rule::INVALID,
        ),
        (
            "bytes of an expression",
            organisation::MAX_EXPRESSION,
            organisation::rule::INVALID,
        ),
        (
            "parts of an expression",
            organisation::MAX_PARTS,
            organisation::rule::INVALID,
        ),
        (
            "depth of an expression",
            organisation::MAX_DEPTH,
            organisation::rule::INVALID,
        ),
    ];
    let steps: &[(&str, u64, &str)] = &[
        (
            "steps of a rule for one resource",
            organisation::STEPS_EACH,
            organisation::rule::EVALUATION,
        ),
        (
            "steps of a rule for a whole platform",
            organisation::STEPS_ALL,
            organisation::rule::EVALUATION,
        ),
    ];
    let mut page = String::from(
        "# Limits

<!-- Written by a test from the limits themselves (UPDATE=1); do not edit. -->

Everything that is handed in has a limit, so that no input costs more than it is worth. What is beyond is refused with
the finding that stands beside it. The longest texts and lists of single fields are in the
[definitions](crds), and what of a repository is read in `nautes_gitops::repo::Limits`.

| what | at most | otherwise |
|---|---|---|
",
    );
    let rows = rows
        .iter()
        .map(|(what, limit, rule)| (*what, *limit as u64, *rule));
    for (what, limit, rule) in rows.chain(steps.iter().copied()) {
        let link = rule.to_lowercase();
        page.push_str(&format!(
            "| {what} | {} | [{rule}](rules.md#{link}) |\n",
            with_commas(limit)
        ));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/limits.md");
    if std::env::vars().any(|(key, value)| key == "UPDATE" && value == "1") {
        std::fs::write(&path, &page).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == page,
        "docs/reference/limits.md is not what the limits are (UPDATE=1 writes it)"
    );
}

/// The ids of what is found in a text within these limits.
fn found(text: &str, limits: Limits) -> Vec<String> {
    let mut context = Context::new("x.yaml", Form::Git);
    context.limits = limits;
    parse(text, &context)
        .findings
        .into_iter()
        .map(|f| f.rule)
        .collect()
}

fn project(name: &str, more: &str) -> String {
    format!(
        "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: Project\nmetadata:\n  name: {name}\nspec:\n  product: demo\n{more}"
    )
}

#[test]
fn each_limit_of_a_text_holds_and_what_is_within_it_is_read() {
    let all = Limits::default();
    let one = project("a", "");
    let two = format!("{one}---\n{}", project("b", ""));
    let deep = project("a", "  language: [[[[[[go]]]]]]\n");
    let aliases = "a: &a [1, 2, 3, 4]\nb: &b [*a, *a, *a, *a]\nc: [*b, *b, *b, *b]\n";
    for (text, fits, limits) in [
        (
            &one,
            true,
            Limits {
                bytes: one.len(),
                ..all
            },
        ),
        (
            &one,
            false,
            Limits {
                bytes: one.len() - 1,
                ..all
            },
        ),
        (&two, true, Limits { documents: 2, ..all }),
        (&two, false, Limits { documents: 1, ..all }),
        (&one, true, Limits { depth: 4, ..all }),
        (&deep, false, Limits { depth: 4, ..all }),
        (&one, true, Limits { nodes: 40, ..all }),
        (&aliases.to_owned(), false, Limits { nodes: 40, ..all }),
    ] {
        let rules = found(text, limits);
        assert_eq!(rules.is_empty(), fits, "{limits:?}: {rules:?}");
        assert!(
            fits || rules.iter().any(|r| r == rule::LIMIT),
            "{limits:?}: {rules:?}"
        );
    }
    let faults = project("a", &(0..20).map(|i| format!("  f{i}: x\n")).collect::<String>());
    let few = found(&faults, Limits { findings: 5, ..all });
    assert_eq!(few.len(), 6, "five, and that there are more");
    assert_eq!(few.last().map(String::as_str), Some(rule::LIMIT));
}

#[test]
fn the_lengths_of_names_hold() {
    for (length, fits) in [(ResourceName::MAX, true), (ResourceName::MAX + 1, false)] {
        let rules = found(&project(&"a".repeat(length), ""), Limits::default());
        assert_eq!(rules.is_empty(), fits, "{rules:?}");
        assert!(fits || rules.iter().any(|r| r == rule::NAME), "{rules:?}");
    }
    assert!(ProductName::new("a".repeat(ProductName::MAX).as_str()).is_ok());
    assert!(ProductName::new("a".repeat(ProductName::MAX + 1).as_str()).is_err());
    assert!(ClusterName::new("a".repeat(ClusterName::MAX + 1).as_str()).is_err());
    assert!(AccountName::new("a".repeat(AccountName::MAX + 1).as_str()).is_err());
}
