//! All that was found, told.

use std::fmt::Write as _;

use serde::Serialize;

use super::check::{ALL, Outcome, Severity, Verdict};
use crate::exit::Exit;
use crate::output::{BOLD, DIM, GREEN, RED, YELLOW};

/// All that was found, in order of what it is about.
#[derive(Debug, Serialize)]
pub struct Report {
    findings: Vec<Finding>,
    good: Vec<Seen>,
    skipped: Vec<Seen>,
    summary: Summary,
    /// What they are about, in order.
    #[serde(skip)]
    subjects: Vec<String>,
}

/// Something that is not as it should be.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    severity: Severity,
    subject: String,
    message: String,
    remedy: String,
}

/// Something that is good, or could not be looked at.
#[derive(Debug, Serialize)]
struct Seen {
    check: &'static str,
    subject: String,
    text: String,
}

#[derive(Debug, Default, Serialize)]
struct Summary {
    errors: usize,
    warnings: usize,
    notes: usize,
    good: usize,
    skipped: usize,
}

impl Report {
    /// Makes one of verdicts in the order of what they are about; within that the order of the table counts.
    #[must_use]
    pub fn new(verdicts: Vec<Verdict>) -> Self {
        let mut subjects: Vec<String> = Vec::new();
        for verdict in &verdicts {
            if !subjects.contains(&verdict.subject) {
                subjects.push(verdict.subject.clone());
            }
        }
        let place = |verdict: &Verdict| {
            let subject = subjects.iter().position(|subject| *subject == verdict.subject);
            let check = ALL.iter().position(|check| *check == verdict.check);
            (subject, check)
        };
        let mut verdicts = verdicts;
        verdicts.sort_by_key(place);
        verdicts.dedup();
        let mut report = Self {
            findings: Vec::new(),
            good: Vec::new(),
            skipped: Vec::new(),
            summary: Summary::default(),
            subjects,
        };
        for Verdict {
            check,
            subject,
            outcome,
        } in verdicts
        {
            let check = check.id;
            match outcome {
                Outcome::Good(text) => report.good.push(Seen { check, subject, text }),
                Outcome::Skipped(text) => report.skipped.push(Seen { check, subject, text }),
                Outcome::Bad {
                    severity,
                    message,
                    remedy,
                } => report.findings.push(Finding {
                    check,
                    severity,
                    subject,
                    message,
                    remedy,
                }),
            }
        }
        let count = |severity| report.findings.iter().filter(|f| f.severity == severity).count();
        report.summary = Summary {
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            notes: count(Severity::Note),
            good: report.good.len(),
            skipped: report.skipped.len(),
        };
        report
    }

    /// Returns how the program ends: notes alone are no findings.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        if self.summary.errors + self.summary.warnings > 0 {
            Exit::Findings
        } else {
            Exit::Clean
        }
    }

    /// Returns what people read; `all` shows what is good and what could not be looked at as well.
    #[must_use]
    pub fn text(&self, all: bool) -> String {
        let mut text = String::new();
        for subject in &self.subjects {
            let lines = self.about(subject, all);
            if !lines.is_empty() {
                let gap = if text.is_empty() { "" } else { "\n" };
                // Writing to a string cannot fail.
                let _ = write!(text, "{gap}{BOLD}{subject}{BOLD:#}\n{lines}");
            }
        }
        let gap = if text.is_empty() { "" } else { "\n" };
        let Summary {
            errors,
            warnings,
            notes,
            good,
            skipped,
        } = self.summary;
        let _ = writeln!(
            text,
            "{gap}{errors} errors, {warnings} warnings, {notes} notes; {good} checks are good, {skipped} could not be made{}",
            if all || good + skipped == 0 {
                ""
            } else {
                " (--all shows them)"
            }
        );
        text
    }

    /// Returns what people read of one subject.
    fn about(&self, subject: &str, all: bool) -> String {
        let mut text = String::new();
        for finding in self.findings.iter().filter(|finding| finding.subject == subject) {
            let style = match finding.severity {
                Severity::Error => RED,
                Severity::Warning => YELLOW,
                Severity::Note => DIM,
            };
            let (word, check) = (finding.severity.word(), finding.check);
            let _ = writeln!(text, "  {style}{word}[{check}]{style:#}: {}", finding.message);
            let _ = writeln!(text, "    {DIM}remedy:{DIM:#} {}", finding.remedy);
        }
        let rest = [(&self.good, GREEN, "good"), (&self.skipped, DIM, "skipped")];
        for (seen, style, word) in rest.into_iter().filter(|_| all) {
            for seen in seen.iter().filter(|seen| seen.subject == subject) {
                let _ = writeln!(text, "  {style}{word}[{}]{style:#}: {}", seen.check, seen.text);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{CLOCK, REACHABLE, SETTINGS, TLS_NAME};
    use super::*;

    #[test]
    fn notes_alone_are_no_findings() {
        let note = || SETTINGS.found("a", Severity::Note, "n");
        assert_eq!(
            Report::new(vec![note(), REACHABLE.good("a", "g")]).exit(),
            Exit::Clean
        );
        let warning = CLOCK.found("a", Severity::Warning, "w");
        assert_eq!(Report::new(vec![note(), warning]).exit(), Exit::Findings);
    }

    #[test]
    fn a_report_is_told_subject_by_subject() {
        let verdicts = vec![
            CLOCK.skipped("forge", "it is not reachable"),
            REACHABLE
                .bad("forge", "nothing listens there")
                .remedy("look again"),
            TLS_NAME.good("Vault", "it is for vault.example.org"),
            SETTINGS.found("Vault", Severity::Note, "others can read it"),
        ];
        let text = anstream::adapter::strip_str(&Report::new(verdicts).text(true)).to_string();
        let expected = [
            "forge",
            "  error[Reachable]: nothing listens there",
            "    remedy: look again",
            "  skipped[Clock]: it is not reachable",
            "",
            "Vault",
            "  note[Settings]: others can read it",
            "    remedy: correct the setting, or the file that it names",
            "  good[TlsName]: it is for vault.example.org",
            "",
            "1 errors, 0 warnings, 1 notes; 1 checks are good, 1 could not be made",
            "",
        ];
        assert_eq!(text, expected.join("\n"));
    }
}
