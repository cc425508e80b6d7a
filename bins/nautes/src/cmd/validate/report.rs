//! The verdict in the forms that people and tools read.

mod github;
mod gitlab;
mod json;
mod junit;
mod sarif;
mod text;

use nautes_model::{Finding, Severity};
use nautes_validate::{Explained, RuleSet};
use sha2::{Digest as _, Sha256};

use super::excerpt::Texts;
use super::verdict::Verdict;
use crate::cli::ReportFormat;
use crate::input::Input;

/// Everything that a report says.
pub(super) struct Report<'r> {
    pub(super) input: &'r Input,
    pub(super) verdict: &'r Verdict,
    pub(super) rules: &'r RuleSet,
    pub(super) texts: Texts<'r>,
    /// Whether a change was judged.
    pub(super) is_change: bool,
    /// How many findings are shown.
    pub(super) limit: usize,
    /// How wide lines are, and whether they have colours: for people.
    pub(super) style: text::Style,
}

/// A finding as it is shown.
#[derive(Clone, Copy)]
struct Shown<'r> {
    finding: &'r Finding,
    /// Whether it was wrong before the change that is judged, and elsewhere.
    is_standing: bool,
}

pub(super) use text::Style;

impl<'r> Report<'r> {
    /// Writes the report.
    pub(super) fn write(&self, format: ReportFormat) -> String {
        match format {
            ReportFormat::Text => text::write(self),
            ReportFormat::Json => json::write(self),
            ReportFormat::Sarif => sarif::write(self),
            ReportFormat::Junit => junit::write(self),
            ReportFormat::Github => github::write(self),
            ReportFormat::Gitlab => gitlab::write(self),
        }
    }

    /// The findings to be shown, in order; if there are too many, errors come before warnings. And how many are left
    /// out.
    fn shown(&self) -> (Vec<Shown<'r>>, usize) {
        let now = self.verdict.findings.iter().map(|finding| Shown {
            finding,
            is_standing: false,
        });
        let standing = self.verdict.standing.iter().map(|finding| Shown {
            finding,
            is_standing: true,
        });
        let mut all: Vec<Shown<'r>> = now.chain(standing).collect();
        let rest = all.len().saturating_sub(self.limit);
        if rest > 0 {
            all.sort_by_key(|shown| (shown.is_standing, shown.finding.severity));
            all.truncate(self.limit);
        }
        all.sort_by(|a, b| a.finding.cmp(b.finding));
        (all, rest)
    }

    fn explain(&self, rule: &str) -> Option<Explained> {
        self.rules
            .explain(rule)
            .or_else(|| nautes_validate::explain(rule))
    }
}

impl Shown<'_> {
    fn is_error(self) -> bool {
        self.finding.severity == Severity::Error
    }
}

/// What is wrong, with the resource and the way out: for forms that show one text.
fn told(finding: &Finding) -> String {
    let mut text = subject(finding);
    if !text.is_empty() {
        text.push_str(": ");
    }
    text.push_str(&finding.message);
    if let Some(hint) = &finding.hint {
        text.push_str(&format!("\nhint: {hint}"));
    }
    text
}

/// The resource and the field that a finding is about.
fn subject(finding: &Finding) -> String {
    let resource = finding.resource.as_ref().map(ToString::to_string);
    let parts: Vec<String> = resource.into_iter().chain(finding.field.clone()).collect();
    parts.join(" ")
}

/// By what findings are known again when lines move: the rule, the resource (else the file) and the field. Of several
/// that are alike the second and further ones are numbered.
fn fingerprints(report: &Report<'_>, shown: &[Shown<'_>]) -> Vec<String> {
    let mut seen = std::collections::HashMap::<String, usize>::new();
    shown
        .iter()
        .map(|Shown { finding, .. }| {
            let place = match &finding.resource {
                Some(resource) => resource.to_string(),
                None => report.texts.path(&finding.file).to_owned(),
            };
            let field = finding.field.as_deref().unwrap_or_default();
            let key = format!("{}\n{place}\n{field}", finding.rule);
            let count = seen.entry(key.clone()).or_default();
            *count += 1;
            let digest = Sha256::digest(format!("{key}\n{count}"));
            digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
        })
        .collect()
}
