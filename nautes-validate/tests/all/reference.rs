//! The reference page of the rules is what the rules say. `UPDATE=1` writes it anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use nautes_model::Severity;
use nautes_validate::{Explained, RuleSet, explained};

const HEAD: &str = "# Rules

<!-- Written by a test from the rules themselves (UPDATE=1); do not edit. -->

Every request is judged by these rules, on the platform as it would be afterwards. Only what a request adds or
touches can be the reason to reject it; older faults elsewhere are shown as warnings. `nautes validate` applies the
same rules offline, and `nautes explain RULE` prints what stands here.

A request can name rules that it wants to skip; the commit then says so. Faults of syntax and schema (their ids begin
with `Manifest`), missing rights and secrets are no rules in this sense and are never skipped.

An organisation can add rules of its own: see [writing rules](../guide/rules.md).

The examples are the cases that the rules are tested with. Their documents are added to
[one small platform](../../nautes-validate/tests/cases/base.yaml), or replace what it declares under the same name.
Their first lines may say more:

| line | meaning |
|---|---|
| `# change` | the documents are a change of that platform, and judged as one |
| `# after` | what stands above is changed to what stands below |
| `# remove: Kind/name`, `# remove: Kind/product/name` | the platform is without this resource |
| `# broken: Kind/product/name` | the file of this resource cannot be read |
| `# unloaded: product` | the repository of this product cannot be read |
| `# owner: product` | the documents stand in the repository of this product |
| `# file: name` | another file begins |

";

/// With a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let mut characters = text.trim_end_matches('.').chars();
    let first: String = characters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect();
    format!("{first}{}.", characters.as_str())
}

fn block(language: &str, text: &str) -> String {
    // A byte order mark is not to be seen, and no page should have one.
    let text = text.trim_start_matches('\u{feff}').trim_end();
    format!("```{language}\n{text}\n```\n")
}

fn section(of: &Explained) -> String {
    let (summary, why) = (sentence(&of.summary), sentence(&of.explanation));
    let mut text = format!("\n## {}\n\n**{summary}** {why}\n", of.id);
    if of.severity == Severity::Warning {
        text.push_str("\nIt only warns.\n");
    }
    if of.mendable {
        text.push_str("\nWhere the way out is one definite edit, `nautes validate --fix` makes it.\n");
    }
    let (bad, good) = (of.bad.clone().unwrap(), of.good.clone().unwrap());
    write!(text, "\nBreaks it:\n\n{}", block("yaml", &bad.manifests)).unwrap();
    write!(text, "\n{}", block("text", &bad.findings)).unwrap();
    write!(text, "\nKeeps it:\n\n{}", block("yaml", &good.manifests)).unwrap();
    text
}

#[test]
fn the_page_of_the_rules_is_what_the_rules_say() {
    let mut page = HEAD.to_owned();
    writeln!(
        page,
        "| rule | what must hold | can be mended by `--fix` |\n|---|---|---|"
    )
    .unwrap();
    for of in explained() {
        let (id, summary) = (&of.id, of.summary.replace('|', "\\|"));
        let mendable = if of.mendable { "yes" } else { "" };
        writeln!(
            page,
            "| [{id}](#{}) | {summary} | {mendable} |",
            id.to_lowercase()
        )
        .unwrap();
    }
    for of in explained() {
        page.push_str(&section(&of));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/rules.md");
    if std::env::vars().any(|(key, value)| key == "UPDATE" && value == "1") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &page).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == page,
        "docs/reference/rules.md is not what the rules say (UPDATE=1 writes it)"
    );
}

#[test]
fn pages_name_only_rules_that_there_are() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/kinds");
    let ids: Vec<String> = explained().map(|of| of.id.to_lowercase()).collect();
    let mut found = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for link in text.split("reference/rules.md#").skip(1) {
            let id = link.split(')').next().unwrap_or_default();
            assert!(ids.iter().any(|known| known == id), "there is no rule {id}");
            found += 1;
        }
    }
    assert!(found > 20, "{found}");
}

#[test]
fn the_page_of_the_go_version_names_every_rule_and_only_rules_that_there_are() {
    let page = include_str!("../../../docs/reference/rules-of-the-go-version.md");
    let known: BTreeMap<String, String> = RuleSet::standard()
        .iter()
        .map(|rule| (rule.id().to_lowercase(), rule.id().to_owned()))
        .collect();
    let mut named = BTreeSet::new();
    for (before, after) in page
        .match_indices("](rules.md#")
        .map(|(at, text)| (&page[..at], &page[at + text.len()..]))
    {
        let shown = before.rsplit('[').next().unwrap_or_default();
        let anchor = after.split(')').next().unwrap_or_default();
        assert_eq!(
            known.get(anchor).map(String::as_str),
            Some(shown),
            "there is no rule {anchor}"
        );
        named.insert(shown);
    }
    let missing: Vec<&String> = known.values().filter(|id| !named.contains(id.as_str())).collect();
    assert!(
        missing.is_empty(),
        "the page does not say where these come from: {missing:?}"
    );
}
