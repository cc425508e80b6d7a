//! The code quality report of GitLab.

use serde_json::{Value, json};

use super::{Report, fingerprints, told};

pub(super) fn write(report: &Report<'_>) -> String {
    let (shown, _) = report.shown();
    let prints = fingerprints(report, &shown);
    let all: Vec<Value> = shown
        .iter()
        .zip(prints)
        .map(|(shown, fingerprint)| {
            let finding = shown.finding;
            let severity = match (shown.is_standing, shown.is_error()) {
                (true, _) => "info",
                (false, true) => "critical",
                (false, false) => "minor",
            };
            let path = report.texts.path(&finding.file);
            json!({
                "description": told(finding).replace('\n', "; "),
                "check_name": finding.rule,
                "fingerprint": fingerprint,
                "severity": severity,
                "location": {
                    "path": path.strip_prefix("./").unwrap_or(path),
                    "lines": { "begin": finding.position.map_or(1, |at| at.line) },
                },
            })
        })
        .collect();
    format!("{:#}\n", Value::from(all))
}
