//! The reference page of the rules is what the rules say. `UPDATE=1` writes it anew.

use std::fmt::Write as _;
use std::path::Path;

use nautes_validate::RuleSet;

const HEAD: &str = "# Rules

<!-- Written by a test from the rules themselves (UPDATE=1); do not edit. -->

Every request is judged by these rules, on the platform as it would be afterwards. Only what a request adds or
touches can be the reason to reject it; older faults elsewhere are shown as warnings. `nautes validate` applies the
same rules offline.

A request can name rules that it wants to skip; the commit then says so. Faults of syntax and schema (their ids begin
with `Manifest`), missing rights and secrets are no rules in this sense and are never skipped.

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

#[test]
fn the_page_of_the_rules_is_what_the_rules_say() {
    let mut page = HEAD.to_owned();
    writeln!(page, "| rule | what must hold |\n|---|---|").unwrap();
    for rule in RuleSet::standard().iter() {
        let id = rule.id();
        writeln!(
            page,
            "| [{id}](#{}) | {} |",
            id.to_lowercase(),
            rule.summary().replace('|', "\\|")
        )
        .unwrap();
    }
    for rule in RuleSet::standard().iter() {
        let (summary, why) = (sentence(rule.summary()), sentence(rule.explanation()));
        write!(page, "\n## {}\n\n**{summary}** {why}\n", rule.id()).unwrap();
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
    let rules = RuleSet::standard();
    let ids: Vec<String> = rules.iter().map(|rule| rule.id().to_lowercase()).collect();
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
