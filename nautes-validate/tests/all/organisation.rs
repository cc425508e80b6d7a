//! Rules of an organisation: the guide's, their language, and how they take part in a verdict.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use nautes_model::scope::RuleFile;
use nautes_model::{Scopes, Severity};
use nautes_validate::organisation::{self, Read, functions, neighbours, read, test_rules};
use nautes_validate::{RuleSet, check, check_change};

use crate::support::{changed, resources, scopes};

fn guide() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide/rules.md");
    std::fs::read_to_string(path).unwrap()
}

/// The rules of the guide.
fn of_guide() -> Read {
    let guide = guide();
    let blocks = guide.split("```yaml\n").skip(1);
    let texts: Vec<&str> = blocks.filter_map(|block| block.split("```").next()).collect();
    assert_eq!(texts.len(), 2);
    read("guide.yaml", &texts.join("---\n"))
}

#[test]
fn the_rules_of_the_guide_do_what_their_examples_say() {
    let rules = of_guide();
    assert_eq!(rules.findings, []);
    assert_eq!(rules.rules.len(), 2);
    assert_eq!(test_rules(&rules.rules), []);
}

#[test]
fn the_page_of_the_language_is_what_the_language_is() {
    let mut page = String::from(
        "# The language of rules

<!-- Written by a test from the language itself (UPDATE=1); do not edit. -->

Expressions in [rules of an organisation](../guide/rules.md) are CEL, without unsigned numbers, bytes, times, durations,
messages and optional values.

## Neighbours

Every resource has these fields besides `apiVersion`, `kind`, `metadata` and `spec`; those of `self` are variables too.
One that is not there is `null`, a list of none is empty.

| name | what it is |
|---|---|
",
    );
    for (name, what) in neighbours() {
        writeln!(page, "| `{name}` | {what} |").unwrap();
    }
    page.push_str(
        "
## Operators and macros

| form | meaning |
|---|---|
| `a ? b : c` | b if a is true, else c |
| `\\|\\|`, `&&`, `!` | or, and, not; one side that decides is enough, even if the other fails |
| `==`, `!=`, `<`, `<=`, `>`, `>=` | comparison of values of one kind |
| `x in list`, `'key' in mapping` | whether it is there |
| `+`, `-`, `*`, `/`, `%` | numbers; `+` also joins texts, and lists |
| `a.b`, `a['b']`, `list[0]` | a field, the value of a key, an item |
| `has(a.b)` | whether a field is given, or a neighbour is there |
| `list.all(x, ...)`, `list.exists(x, ...)`, `list.exists_one(x, ...)` | whether it is true of all, of some, of one item; of a mapping, of its keys |
| `list.filter(x, ...)`, `list.map(x, ...)` | the items of which it is true; what becomes of each item |

## Functions

| form | result |
|---|---|
",
    );
    for (form, what) in functions() {
        writeln!(page, "| `{form}` | {what} |").unwrap();
    }
    page.push_str("\nRegular expressions are matched in linear time; write them as `r'...'`.\n\nLimits are on the [page of limits](limits.md).\n");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/rule-language.md");
    if std::env::vars().any(|(key, value)| key == "UPDATE" && value == "1") {
        std::fs::write(&path, &page).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == page,
        "docs/reference/rule-language.md is not what the language is (UPDATE=1 writes it)"
    );
}

/// A rule about environments with this assertion.
fn rule(name: &str, severity: &str, assert: &str) -> RuleFile {
    let text = format!(
        "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Rule
metadata:
  name: {name}
spec:
  severity: {severity}
  summary: it is as the test says
  match:
    kinds: [Environment]
  assert: |
    {assert}
  field: spec.envType
"
    );
    RuleFile {
        file: format!("rules/{name}.yaml").into(),
        text: text.into(),
        held: None,
    }
}

fn base_with(rules: &[RuleFile]) -> Scopes {
    let mut scopes = scopes("base.yaml", "");
    scopes.tenant.rules = rules.to_vec();
    scopes
}

fn found(scopes: &Scopes, id: &str) -> Vec<String> {
    let report = check(scopes, &RuleSet::standard());
    let of_rule = report.findings.iter().filter(|f| f.rule == id);
    of_rule
        .map(|f| f.resource.as_ref().unwrap().to_string())
        .collect()
}

#[test]
fn every_check_with_the_tenant_applies_its_rules() {
    let scopes = base_with(&[rule("NoTests", "error", "self.spec.envType != 'test'")]);
    assert_eq!(
        found(&scopes, "NoTests"),
        ["Environment/demo/test", "Environment/shop/test"]
    );
    let report = check(&scopes, &RuleSet::standard());
    let first = report.findings.iter().find(|f| f.rule == "NoTests").unwrap();
    assert_eq!(first.file.as_ref(), "base.yaml");
    assert!(first.position.is_some());
    assert_eq!(first.field.as_deref(), Some("spec.envType"));
}

#[test]
fn neighbours_are_what_the_base_declares() {
    for (holds, assert) in [
        (true, "self.kind == 'Environment' && product.kind == 'Product'"),
        (true, "cluster == self.cluster && cluster.kind == 'Cluster'"),
        (true, "owner == product && host == null && repository == null"),
        (
            true,
            "references.exists(r, r == cluster) && cluster in references",
        ),
        (true, "dependents.all(d, d.environment == self)"),
        (
            true,
            "runtimes.all(r, r.cluster == cluster && r.repository.kind == 'CodeRepo')",
        ),
        (true, "cluster.runtimes.size() >= runtimes.size()"),
        (
            true,
            "size(product.runtimes) > 0 && product.bindings.all(b, b.owner == b.repository)",
        ),
        (true, "self.metadata.labels == {} && !has(self.metadata.labels.x)"),
        (
            true,
            "self.metadata.name != '' && has(self.cluster) && !has(self.host)",
        ),
        (
            true,
            "runtimes.all(r, r.kind != 'ProjectPipelineRuntime' || r.project.kind == 'Project')",
        ),
        (false, "cluster.metadata.name == 'nowhere'"),
    ] {
        let scopes = base_with(&[rule("Probe", "error", assert)]);
        let report = check(&scopes, &RuleSet::standard());
        let bad: Vec<String> = report
            .findings
            .iter()
            .filter(|f| f.rule == "Probe" || f.rule.starts_with("Rule") && !f.rule.starts_with("Runtime"))
            .map(ToString::to_string)
            .collect();
        assert_eq!(bad.is_empty(), holds, "{assert}: {bad:#?}");
    }
}

#[test]
fn what_cannot_be_read_is_no_violation() {
    let mut scopes = scopes("x.yaml", "# broken: Cluster/run-1\n");
    scopes.tenant.rules = vec![rule("HasCluster", "error", "cluster != null")];
    let report = check(&scopes, &RuleSet::standard());
    let of_rule: Vec<Severity> = report
        .findings
        .iter()
        .filter(|f| f.rule == "HasCluster")
        .map(|f| f.severity)
        .collect();
    assert!(!of_rule.is_empty());
    assert!(of_rule.iter().all(|s| *s == Severity::Warning));
}

#[test]
fn a_change_is_judged_by_the_rules_that_it_leads_to() {
    let tests = || rule("NoTests", "error", "self.spec.envType != 'test'");
    let (before, after) = (base_with(&[]), base_with(&[tests()]));
    let report = check_change(&before, &after, &RuleSet::standard());
    assert!(
        report.rejected.iter().any(|f| f.rule == "NoTests"),
        "a new rule that is broken"
    );
    // Where it was broken before, other work goes on; what adds to it is rejected.
    let mut more = after.clone();
    let text = "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Environment
metadata: {name: more}
spec: {product: demo, cluster: spare, envType: test}
";
    for resource in resources("more.yaml", text) {
        more.insert(resource);
    }
    let report = check_change(&after, &more, &RuleSet::standard());
    let rejected: Vec<String> = report.rejected.iter().map(ToString::to_string).collect();
    assert_eq!(rejected.len(), 1, "{rejected:#?}");
    assert!(report.standing.iter().any(|f| f.rule == "NoTests"));
}

#[test]
fn rules_of_files_are_explained_and_cannot_take_the_place_of_others() {
    let files = [
        rule("NoTests", "warning", "true"),
        rule("NoTests", "error", "true"),
    ];
    let set = RuleSet::standard().with_rule_files(&files);
    let explained = set.explain("notests").unwrap();
    assert_eq!(
        (explained.severity, &*explained.summary),
        (Severity::Warning, "it is as the test says")
    );
    assert!(
        set.get(organisation::rule::INVALID).is_some(),
        "the second is said to be wrong"
    );
}

#[test]
fn the_last_good_version_of_a_broken_file_stays_in_force_and_says_so() {
    let good = rule("Never", "error", "false");
    let none = base_with(&[]);
    for text in [
        "kind: Rule\nspec: [",
        "",
        "# nothing\n",
        &good.text.replace("    false", "    nothing("),
    ] {
        let broken = RuleFile {
            text: text.into(),
            ..good.clone()
        };
        let held = RuleFile {
            held: Some(Arc::clone(&good.text)),
            ..broken.clone()
        };
        let lost = check(&base_with(std::slice::from_ref(&broken)), &RuleSet::standard());
        let kept = check(&base_with(std::slice::from_ref(&held)), &RuleSet::standard());
        let of = |report: &nautes_validate::Report, id: &str| -> Vec<nautes_model::Finding> {
            report.findings.iter().filter(|f| f.rule == id).cloned().collect()
        };
        assert_eq!(of(&lost, "Never"), [], "{text:?}");
        let by_the_good = check(&base_with(std::slice::from_ref(&good)), &RuleSet::standard());
        assert!(!of(&kept, "Never").is_empty());
        assert_eq!(of(&kept, "Never"), of(&by_the_good, "Never"), "{text:?}");
        let said = of(&kept, organisation::rule::INVALID);
        assert!(
            said.iter().any(|f| f.severity == Severity::Error),
            "{text:?}: what is wrong is told"
        );
        assert!(
            said.iter()
                .any(|f| f.message == "the last good version of the file stays in force: Never"),
            "{text:?}: {said:#?}"
        );
        // Breaking the file does not let through what the rule forbids.
        let after = changed(
            base_with(&[held]),
            "x.yaml",
            "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Environment
metadata: {name: stage}
spec: {product: shop, cluster: run-1, envType: stage}
",
        );
        let report = check_change(&none, &after, &RuleSet::standard());
        assert!(report.rejected.iter().any(|f| f.rule == "Never"), "{text:?}");
    }
}

#[test]
fn files_of_rules_have_limits() {
    let one = rule("Small", "error", "true").text;
    let many = format!("{one}---\n").repeat(organisation::MAX_RULES + 1);
    let large = format!("# {}\n{one}", "x".repeat(organisation::MAX_FILE));
    let lets: String = (0..=organisation::MAX_LETS)
        .map(|i| format!("    l{i}: 'true'\n"))
        .collect();
    let lets = one.replace("  assert:", &format!("  let:\n{lets}  assert:"));
    for (text, part) in [(many, "documents"), (large, "bytes"), (lets, "let has")] {
        let read = read("r.yaml", &text);
        assert!(
            read.findings.iter().any(|f| f.message.contains(part)),
            "{part}: {:?}",
            read.findings.first()
        );
    }
}
