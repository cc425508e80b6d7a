//! What each rule wants, why, and a platform that breaks it beside one that keeps it.
//!
//! The examples are the cases that the rules are tested with, so they say what the rules really do. Most are
//! added to one small platform ([`BASE`]); the first lines of an example may say more:
//!
//! | line | meaning |
//! |---|---|
//! | `# change` | the documents are a change of the base platform, and judged as one |
//! | `# after` | what stands above is changed to what stands below |
//! | `# remove: Kind/name`, `# remove: Kind/product/name` | the base platform is without this resource |
//! | `# broken: ...` | the file of this resource cannot be read |
//! | `# unloaded: product` | the repository of this product cannot be read |
//! | `# owner: product` | the documents stand in the repository of this product |
//! | `# file: name` | another file begins |
//!
//! ```
//! let explained = nautes_validate::explain("EnvironmentMissing").expect("it is a rule");
//! assert_eq!(explained.summary, "the environment of a runtime is declared in its product");
//! let bad = explained.bad.expect("every rule of Nautes has one");
//! assert!(bad.findings.contains("error[EnvironmentMissing]"));
//! ```

mod reader;
mod rules;

use std::borrow::Cow;

use nautes_model::Severity;
use serde::Serialize;

use crate::rule::{Rule, RuleSet};

pub(crate) use rules::INVALID;

/// The platform that the examples of the rules are added to.
pub const BASE: &str = include_str!("../tests/cases/base.yaml");

/// A rule, explained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// The stable id.
    pub id: Cow<'static, str>,
    /// The worst that it finds.
    pub severity: Severity,
    /// What must hold, as one sentence: lower case, no full stop.
    pub summary: Cow<'static, str>,
    /// Why.
    pub explanation: Cow<'static, str>,
    /// Whether findings of it can have a [`Fix`](nautes_model::Fix), which `nautes validate --fix` makes.
    pub mendable: bool,
    /// An example that breaks it. Every rule of Nautes has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bad: Option<Example>,
    /// An example that keeps it. Every rule of Nautes has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub good: Option<Example>,
}

/// Manifests that show a rule at work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Example {
    /// The manifests, as YAML.
    pub manifests: Cow<'static, str>,
    /// What is found in them, as `nautes validate` says it; empty when nothing is.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub findings: Cow<'static, str>,
}

/// The examples of a rule.
struct Case {
    rule: &'static str,
    bad: &'static str,
    findings: &'static str,
    good: &'static str,
}

/// In order of rule.
static CASES: &[Case] = include!(concat!(env!("OUT_DIR"), "/cases.rs"));

/// What can be mended by an edit that is certain: each has a case that is mended in the tests. In order.
const MENDABLE: &[&str] = &[
    "ArtifactRepoMissing",
    "ArtifactRepoNotPermitted",
    "ClusterApiServer",
    "ClusterComponentSlot",
    "ClusterComponentUnknown",
    "ClusterHostMissing",
    "ClusterReservedNamespaceUnknown",
    "CodeRepoMissing",
    "CodeRepoPath",
    "CodeRepoUse",
    "CodeRepoWebhookEvent",
    "EnvironmentClusterMissing",
    "EnvironmentMissing",
    "HookDuplicate",
    "HookPosition",
    "HookUnknown",
    "HookVars",
    "ManifestApiVersion",
    "ManifestDuplicate",
    "ManifestDuplicateKey",
    "ManifestFieldMissing",
    "ManifestFieldType",
    "ManifestFieldUnknown",
    "ManifestFieldValue",
    "ManifestKind",
    "ManifestProduct",
    "PipelineEvent",
    "PipelineInput",
    "PipelineStatic",
    "ProductPath",
    "ProjectMissing",
    "ProviderMissing",
    "ProviderType",
    "ProviderUrl",
    "RepoNotPermitted",
    "ResourceDuplicate",
    "RuntimeProjectIllegal",
];

fn is_mendable(id: &str) -> bool {
    MENDABLE.binary_search(&id).is_ok()
}

/// Explains a rule of Nautes, or a fault that the reader of manifests finds. Case does not matter.
///
/// Rules that were added to a set are explained by [`RuleSet::explain`].
#[must_use]
pub fn explain(id: &str) -> Option<Explained> {
    explained().find(|explained| explained.id.eq_ignore_ascii_case(id))
}

/// Explains every rule of Nautes and every fault that the reader of manifests finds, in order of id.
pub fn explained() -> impl Iterator<Item = Explained> {
    let mut all: Vec<Explained> = RuleSet::standard()
        .explained()
        .chain(reader::explained())
        .chain(rules::explained())
        .collect();
    all.sort_by(|a, b| a.id.cmp(&b.id));
    all.into_iter()
}

impl RuleSet {
    /// Explains a rule of the set. Case does not matter.
    #[must_use]
    pub fn explain(&self, id: &str) -> Option<Explained> {
        let rule = self.get(id);
        let rule = rule.or_else(|| self.iter().find(|rule| rule.id().eq_ignore_ascii_case(id)));
        rule.map(|rule| of_rule(&**rule))
    }

    /// Explains every rule of the set, in order of id.
    pub fn explained(&self) -> impl Iterator<Item = Explained> {
        self.iter().map(|rule| of_rule(&**rule))
    }
}

fn of_rule(rule: &dyn Rule) -> Explained {
    let owned = |text: &str| Cow::Owned(text.to_owned());
    let [bad, good] = rule
        .examples()
        .map_or([None, None], |[bad, good]| [Some(bad), Some(good)]);
    Explained {
        id: owned(rule.id()),
        severity: rule.severity(),
        summary: owned(rule.summary()),
        explanation: owned(rule.explanation()),
        mendable: is_mendable(rule.id()),
        bad,
        good,
    }
}

/// A fault that no rule of the standard set finds: its id, what must hold, and why.
type Row = (&'static str, &'static str, &'static str);

fn of_row((id, summary, explanation): &Row) -> Explained {
    let [bad, good] = examples(id).map_or([None, None], |[bad, good]| [Some(bad), Some(good)]);
    Explained {
        id: Cow::Borrowed(*id),
        severity: Severity::Error,
        summary: Cow::Borrowed(*summary),
        explanation: Cow::Borrowed(*explanation),
        mendable: is_mendable(id),
        bad,
        good,
    }
}

/// Returns the examples among the tested cases: the one that breaks the rule, and the one that keeps it.
pub(crate) fn examples(id: &str) -> Option<[Example; 2]> {
    let at = CASES.binary_search_by(|case| case.rule.cmp(id)).ok()?;
    let case = CASES.get(at)?;
    let example = |manifests, findings| Example {
        manifests: Cow::Borrowed(manifests),
        findings: Cow::Borrowed(findings),
    };
    Some([example(case.bad, case.findings), example(case.good, "")])
}
