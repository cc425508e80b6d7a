//! One folder a rule: platforms that break it, with the text of the findings, and platforms that do not.
//!
//! `UPDATE=1` writes the texts anew.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use nautes_model::manifest::{self, Context, Form};
use nautes_model::{Finding, Severity};
use nautes_validate::catalogue::HookInfo;
use nautes_validate::organisation::{self, rule, test_rules};
use nautes_validate::{Explained, Facts, RuleSet, check, check_change, explain, explained};

use crate::support::{BASE, changed, scopes, scopes_on};

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

pub(crate) fn entries(folder: &Path) -> BTreeSet<PathBuf> {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect()
}

pub(crate) fn name(path: &Path) -> &str {
    path.file_name().and_then(|n| n.to_str()).unwrap()
}

/// The standard rules, with two more hooks to break rules with.
fn rules() -> RuleSet {
    let mut facts = Facts::default();
    for (name, after, event_sources) in [("prepare", false, &[][..]), ("comment", true, &["gitlab"][..])] {
        let hook = HookInfo {
            name: name.into(),
            before: true,
            after,
            event_sources: event_sources.iter().map(|e| (*e).into()).collect(),
            vars: Vec::new(),
        };
        facts.catalogue.hooks.insert(name.into(), hook);
    }
    RuleSet::standard().with_facts(facts)
}

/// Whether a folder is of a fault that the reader finds, which is told of it alone.
fn of_reader(folder: &Path) -> bool {
    name(folder).starts_with("Manifest")
}

/// Whether a folder is of a fault of organisation rules themselves.
fn of_rules(folder: &Path) -> bool {
    [rule::INVALID, rule::EVALUATION, rule::EXAMPLE].contains(&name(folder))
}

/// What is found. A case with the line `# change` is judged as a change of the base, one with the line
/// `# after` as a change of what stands above it.
fn findings(path: &Path) -> Vec<Finding> {
    findings_in(path, &std::fs::read_to_string(path).unwrap(), BASE)
}

/// What is found in the text of a case.
pub(crate) fn findings_in(path: &Path, text: &str, base: &str) -> Vec<Finding> {
    if path
        .parent()
        .is_some_and(|folder| name(folder) == manifest::rule::CONVERT)
    {
        return manifest::convert(text, &Context::new(name(path), Form::Request)).findings;
    }
    if path.parent().is_some_and(of_reader) {
        let read = manifest::parse(text, &Context::new(name(path), Form::Git));
        if !read.findings.is_empty() || read.resources.is_empty() {
            return read.findings;
        }
    }
    if path.parent().is_some_and(|folder| name(folder) == rule::EXAMPLE) {
        let files = scopes_on(base, name(path), text).tenant.rules;
        let read = files.iter().map(|f| organisation::read(&f.file, &f.text));
        return read.flat_map(|read| test_rules(&read.rules)).collect();
    }
    let rules = rules();
    let (before, now) = match text.split_once("# after\n") {
        Some((before, after)) => {
            let before_it = before.lines().count() + 1;
            let before = scopes_on(base, name(path), before);
            // The lines keep their numbers.
            let after = format!("{}{after}", "\n".repeat(before_it));
            (before.clone(), changed(before, name(path), &after))
        }
        None if text.lines().any(|line| line == "# change") => {
            (scopes("base.yaml", ""), scopes_on(base, name(path), text))
        }
        None => return check(&scopes_on(base, name(path), text), &rules).findings,
    };
    let report = check_change(&before, &now, &rules);
    let mut all = report.rejected;
    all.extend(report.warnings);
    all
}

fn render(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        writeln!(text, "{finding}").unwrap();
        if !finding.related.is_empty() {
            let related: Vec<String> = finding.related.iter().map(ToString::to_string).collect();
            writeln!(text, "  related: {}", related.join(", ")).unwrap();
        }
    }
    text
}

#[test]
fn the_base_breaks_no_rule() {
    let found = check(&scopes("base.yaml", ""), &RuleSet::standard());
    let errors: Vec<&Finding> = found.errors().collect();
    assert!(errors.is_empty(), "{errors:#?}");
    assert!(!BASE.is_empty());
}

#[test]
fn every_rule_has_cases_that_break_it_and_cases_that_do_not() {
    let ids: BTreeSet<String> = explained().map(|e| e.id.into_owned()).collect();
    assert!(RuleSet::standard().iter().all(|rule| ids.contains(rule.id())));
    let folders: BTreeSet<String> = entries(&folder())
        .iter()
        .filter(|p| p.is_dir())
        .map(|p| name(p).to_owned())
        .collect();
    assert_eq!(folders, ids);
    for id in ids {
        let files = entries(&folder().join(&id));
        for start in ["good", "bad"] {
            let any = files
                .iter()
                .any(|f| name(f).starts_with(start) && name(f).ends_with(".yaml"));
            assert!(any, "{id} has no {start} case");
        }
        for file in &files {
            let known = name(file).ends_with(".yaml") || file.with_extension("yaml").exists();
            assert!(known, "{} belongs to no case", file.display());
        }
    }
}

#[test]
fn cases_give_the_findings_that_stand_beside_them() {
    let update = std::env::vars().any(|(key, value)| key == "UPDATE" && value == "1");
    let mut wrong = String::new();
    for rule in entries(&folder()).iter().filter(|p| p.is_dir()) {
        for file in entries(rule) {
            if file.extension().is_none_or(|e| e != "yaml") {
                continue;
            }
            let found = findings(&file);
            let of_rule = found.iter().any(|f| f.rule == name(rule));
            let place = format!("{}/{}", name(rule), name(&file));
            if name(&file).starts_with("good") {
                let errors = found.iter().any(|f| f.severity == Severity::Error);
                if of_rule || errors {
                    write!(wrong, "{place} is not good:\n{}", render(&found)).unwrap();
                }
                continue;
            }
            if !of_rule {
                writeln!(wrong, "{place} does not break the rule").unwrap();
            }
            // What the base says as well is no news.
            let news: Vec<Finding> = found
                .into_iter()
                .filter(|f| {
                    f.file.as_ref() != "base.yaml" || f.rule == name(rule) || f.severity == Severity::Error
                })
                .collect();
            let text = render(&news);
            let expected = file.with_extension("txt");
            if update {
                std::fs::write(&expected, &text).unwrap();
            } else if std::fs::read_to_string(&expected).unwrap_or_default() != text {
                write!(wrong, "{place} gives another text (UPDATE=1 accepts it):\n{text}").unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_finding_has_a_place_a_field_and_a_way_out() {
    for rule in entries(&folder()).iter().filter(|p| p.is_dir() && !of_reader(p)) {
        for file in entries(rule)
            .iter()
            .filter(|f| name(f).starts_with("bad") && name(f).ends_with(".yaml"))
        {
            for finding in findings(file) {
                let text = finding.to_string();
                assert!(finding.position.is_some(), "{text}");
                let about_none = finding.rule.starts_with("Catalogue") || of_rules(rule);
                assert!(finding.resource.is_some() || about_none, "{text}");
                assert!(finding.field.is_some() || of_rules(rule), "{text}");
                assert!(finding.hint.is_some(), "{text}");
                assert!(!finding.message.ends_with('.'), "{text}");
            }
        }
    }
}

#[test]
fn every_rule_says_what_it_wants_and_why_and_shows_it() {
    for Explained {
        id,
        summary,
        explanation,
        bad,
        good,
        ..
    } in explained()
    {
        assert!(summary.len() > 10 && !summary.ends_with('.'), "{id}");
        assert!(explanation.len() > 10, "{id}");
        assert!(id.chars().all(|c| c.is_ascii_alphanumeric()), "{id}");
        let (bad, good) = (bad.unwrap(), good.unwrap());
        assert!(
            bad.findings.contains(&format!("[{id}]")),
            "{id}: {}",
            bad.findings
        );
        assert!(good.findings.is_empty(), "{id}");
        assert!(
            good.manifests.len() > 10 && bad.manifests != good.manifests,
            "{id}"
        );
    }
}

#[test]
fn the_severity_of_a_rule_is_the_worst_that_its_cases_show() {
    for rule in entries(&folder()).iter().filter(|p| p.is_dir() && !of_reader(p)) {
        let cases = entries(rule);
        let worst = cases
            .iter()
            .filter(|f| name(f).starts_with("bad") && name(f).ends_with(".yaml"))
            .flat_map(|file| findings(file))
            .filter(|finding| finding.rule == name(rule))
            .map(|finding| finding.severity)
            .min();
        let said = explain(name(rule)).map(|e| e.severity);
        assert_eq!(said, worst, "{}", name(rule));
    }
}

#[test]
fn every_fault_that_the_reader_knows_is_explained() {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../nautes-model/src/manifest.rs");
    let text = std::fs::read_to_string(model).unwrap();
    let known: BTreeSet<&str> = text
        .split('"')
        .filter(|word| word.starts_with("Manifest") && word.chars().all(char::is_alphanumeric))
        .collect();
    let said: BTreeSet<String> = explained()
        .map(|e| e.id.into_owned())
        .filter(|id| id.starts_with("Manifest"))
        .collect();
    assert!(known.len() > 10, "{known:?}");
    assert_eq!(said.iter().map(String::as_str).collect::<BTreeSet<_>>(), known);
}

#[test]
fn a_rule_is_found_whatever_the_case_of_its_id() {
    let found = explain("environmentmissing").unwrap();
    assert_eq!(found.id, "EnvironmentMissing");
    assert_eq!(explain("NoSuchRule"), None);
}
