//! The verdict on what was read: what is wrong with the files, and by the rules.

use nautes_model::{Finding, Severity};
use nautes_validate::part::Unchecked;
use nautes_validate::report::Report;
use nautes_validate::{RuleSet, check_part, check_part_change};

use crate::input::Input;

/// The verdict on an input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Everything that is wrong, in order.
    pub findings: Vec<Finding>,
    /// What was wrong before a change and elsewhere, in order; empty unless a change is judged.
    pub standing: Vec<Finding>,
    /// What is referred to and is not part of the input.
    pub unchecked: Vec<Unchecked>,
}

impl Verdict {
    /// Judges a state.
    #[must_use]
    pub fn of(input: &Input, rules: &RuleSet) -> Self {
        let mut findings = input.findings.clone();
        findings.extend(check_part(&input.scopes, rules, input.part).findings);
        Self {
            findings: Report::new(findings).findings,
            standing: Vec::new(),
            unchecked: input.part.unchecked(&input.scopes),
        }
    }

    /// Judges what a change adds or touches.
    #[must_use]
    pub fn of_change(before: &Input, after: &Input, rules: &RuleSet) -> Self {
        let report = check_part_change(&before.scopes, &after.scopes, rules, after.part);
        let mut findings = report.rejected;
        findings.extend(report.warnings);
        let mut standing = report.standing;
        for finding in &after.findings {
            // A file as it was is as broken as it was.
            if after.same_content(&finding.file, before) {
                let mut finding = finding.clone();
                finding.severity = Severity::Warning;
                standing.push(finding);
            } else {
                findings.push(finding.clone());
            }
        }
        Self {
            findings: Report::new(findings).findings,
            standing: Report::new(standing).findings,
            unchecked: after.part.unchecked(&after.scopes),
        }
    }

    /// Adds what was found elsewhere.
    pub fn add(&mut self, findings: Vec<Finding>) {
        self.findings.extend(findings);
        self.findings = Report::new(std::mem::take(&mut self.findings)).findings;
    }

    /// Returns how many errors there are.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
            .count()
    }

    /// Returns how many warnings there are, without what was wrong before.
    #[must_use]
    pub fn warnings(&self) -> usize {
        self.findings.len() - self.errors()
    }
}
