//! Rules tried on their own examples.

use std::collections::BTreeSet;
use std::sync::Arc;

use nautes_model::manifest::{self, Context, Form};
use nautes_model::name::ProductName;
use nautes_model::{Finding, ProductScope, Scopes, Severity};

use super::{OrganisationRule, rule};
use crate::report::check;
use crate::rule::RuleSet;

/// Tries rules on their own examples: each bad one must break its rule, each good one must keep it. A rule without
/// one of both is warned of. What is found is in order.
#[must_use]
pub fn test_rules<'r>(rules: impl IntoIterator<Item = &'r Arc<OrganisationRule>>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for one in rules {
        for (name, texts, breaks) in [("bad", &one.bad, true), ("good", &one.good, false)] {
            let field = format!("spec.examples.{name}");
            let finding = |message: String, hint: &str| {
                let finding = Finding::error(rule::EXAMPLE, &one.file, message);
                finding.at(one.at).field(field.clone()).hint(hint)
            };
            if texts.is_empty() {
                let what = if breaks { "breaks" } else { "keeps" };
                let message = format!("rule {} has no example that {what} it", one.id);
                findings.push(Finding {
                    severity: Severity::Warning,
                    ..finding(message, "an example shows what the rule means, and that it works")
                });
            }
            for (i, text) in texts.iter().enumerate() {
                match outcome(one, text) {
                    Err(message) => findings.push(finding(
                        format!("example {} of rule {} cannot be read: {message}", i + 1, one.id),
                        "examples are manifests, as they are kept in Git",
                    )),
                    Ok(found) => findings.extend(
                        verdict(one, i + 1, breaks, &found)
                            .map(|message| finding(message, "mend the rule, or the example")),
                    ),
                }
            }
        }
    }
    findings.sort();
    findings
}

/// What is wrong with what was found in an example.
fn verdict(one: &OrganisationRule, number: usize, breaks: bool, found: &[Finding]) -> Option<String> {
    let failed = found.iter().find(|f| f.rule == rule::EVALUATION);
    if let Some(failed) = failed {
        return Some(format!(
            "example {number} of rule {} fails: {}",
            one.id, failed.message
        ));
    }
    match found.first() {
        None if breaks => Some(format!(
            "example {number} should break rule {} and keeps it",
            one.id
        )),
        Some(first) if !breaks => {
            let id = &one.id;
            Some(format!(
                "example {number} should keep rule {id} and breaks it: {}",
                first.message
            ))
        }
        _ => None,
    }
}

/// Applies one rule to the manifests of an example.
fn outcome(one: &Arc<OrganisationRule>, text: &str) -> Result<Vec<Finding>, String> {
    let parsed = manifest::parse(text, &Context::new("example.yaml", Form::Git));
    if let Some(first) = parsed.findings.iter().find(|f| f.severity == Severity::Error) {
        return Err(first.message.clone());
    }
    if parsed.resources.is_empty() {
        return Err("it declares nothing".to_owned());
    }
    let mut scopes = Scopes::default();
    let mut products: BTreeSet<ProductName> = BTreeSet::new();
    for resource in parsed.resources {
        products.extend(resource.identity.product.clone());
        scopes.insert(resource);
    }
    for product in products {
        scopes
            .products
            .entry(product.clone())
            .or_insert_with(|| ProductScope::new(product));
    }
    let rules = RuleSet::empty().with(Arc::clone(one) as Arc<dyn crate::Rule>);
    Ok(check(&scopes, &rules).findings)
}
