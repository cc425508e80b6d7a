//! SARIF 2.1.0, for code scanning.

use std::collections::BTreeMap;

use std::sync::Arc;

use nautes_model::manifest::{self, Context, Form, Replacement};
use nautes_model::{Fix, Identity};
use serde_json::{Value, json};

use super::super::mend;
use super::{Report, Shown, fingerprints, told};

/// How many related locations are given.
const MANY: usize = 100;

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

pub(super) fn write(report: &Report<'_>) -> String {
    let (shown, rest) = report.shown();
    let mut rules: BTreeMap<&str, usize> = shown.iter().map(|s| (s.finding.rule.as_str(), 0)).collect();
    for (index, at) in rules.values_mut().enumerate() {
        *at = index;
    }
    let described: Vec<Value> = rules.keys().map(|id| rule(report, id)).collect();
    let prints = fingerprints(report, &shown);
    let mut results: Vec<Value> = shown
        .iter()
        .zip(prints)
        .map(|(shown, print)| result(report, *shown, rules[shown.finding.rule.as_str()], &print))
        .collect();
    for (index, fix) in fixes(report, &shown) {
        results[index]["fixes"] = json!([fix]);
    }
    let mut notes: Vec<String> = report.input.notes.clone();
    if rest > 0 {
        notes.push(format!("{rest} more findings are not shown"));
    }
    let notes: Vec<Value> = notes
        .into_iter()
        .map(|text| json!({ "level": "note", "message": { "text": text } }))
        .collect();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "nautes",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": described,
            } },
            "columnKind": "unicodeCodePoints",
            "invocations": [{ "executionSuccessful": true, "toolExecutionNotifications": notes }],
            "results": results,
        }],
    });
    format!("{log:#}\n")
}

fn rule(report: &Report<'_>, id: &str) -> Value {
    let Some(explained) = report.explain(id) else {
        let known = nautes_gitops::tree::rule::ALL
            .iter()
            .find(|(known, ..)| *known == id);
        let (_, summary, why) = known.copied().unwrap_or((id, id, ""));
        return described(id, summary, why, &format!("{summary}\n\n{why}"), "error");
    };
    let level = match explained.severity {
        nautes_model::Severity::Error => "error",
        nautes_model::Severity::Warning => "warning",
    };
    let mut help = format!("{}\n\n{}", explained.summary, explained.explanation);
    if let Some(good) = &explained.good {
        help.push_str(&format!("\n\nFor example:\n\n{}", good.manifests));
    }
    described(id, &explained.summary, &explained.explanation, &help, level)
}

fn described(id: &str, summary: &str, why: &str, help: &str, level: &str) -> Value {
    let why = if why.is_empty() { summary } else { why };
    json!({
        "id": id,
        "name": id,
        "shortDescription": { "text": summary },
        "fullDescription": { "text": why },
        "help": { "text": help },
        "defaultConfiguration": { "level": level },
    })
}

fn result(report: &Report<'_>, shown: Shown<'_>, index: usize, fingerprint: &str) -> Value {
    let finding = shown.finding;
    let level = match (shown.is_standing, shown.is_error()) {
        (true, _) => "note",
        (false, true) => "error",
        (false, false) => "warning",
    };
    let mut region = json!({ "startLine": 1 });
    if let Some(at) = finding.position {
        region = json!({ "startLine": at.line, "startColumn": at.column });
        if let Some(end) = report.texts.end_column(finding) {
            region["endColumn"] = end.into();
        }
    }
    let mut location = json!({
        "physicalLocation": {
            "artifactLocation": { "uri": uri(report.texts.path(&finding.file)) },
            "region": region,
        },
    });
    if let Some(resource) = &finding.resource {
        location["logicalLocations"] = json!([{ "fullyQualifiedName": super::subject(finding), "name": resource.to_string(), "kind": "resource" }]);
    }
    let mut result = json!({
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": level,
        "message": { "text": told(finding) },
        "locations": [location],
        "partialFingerprints": { "nautes/v1": fingerprint },
    });
    let related: Vec<Value> = finding
        .related
        .iter()
        .filter_map(|other| related(report, other))
        .take(MANY)
        .collect();
    if !related.is_empty() {
        result["relatedLocations"] = related.into();
    }
    if report.is_change {
        result["baselineState"] = if shown.is_standing { "unchanged" } else { "new" }.into();
    }
    result
}

/// Where another resource is declared that has a part in a finding.
fn related(report: &Report<'_>, other: &Identity) -> Option<Value> {
    let source = &report.input.scopes.get(other)?.source;
    (!source.file.is_empty()).then(|| {
        json!({
            "message": { "text": other.to_string() },
            "physicalLocation": {
                "artifactLocation": { "uri": uri(report.texts.path(&source.file)) },
                "region": { "startLine": source.line.max(1) },
            },
        })
    })
}

/// The fixes of findings, by their place among them, as what is replaced in files.
fn fixes(report: &Report<'_>, shown: &[Shown<'_>]) -> Vec<(usize, Value)> {
    let all: Vec<(usize, &Fix)> = shown
        .iter()
        .enumerate()
        .filter_map(|(index, shown)| Some((index, shown.finding.fix.as_ref()?)))
        .collect();
    let fixes: Vec<&Fix> = all.iter().map(|(_, fix)| *fix).collect();
    let texts = mend::texts(report.input, &fixes);
    let starts: BTreeMap<&Arc<str>, Vec<usize>> =
        texts.iter().map(|(name, text)| (name, lines(text))).collect();
    let text_of = |file: &str| texts.get(file).map(|text| &**text);
    let made = manifest::mend_each(text_of, &fixes, &Context::new("", Form::Request));
    all.iter()
        .zip(made)
        .filter(|(_, files)| !files.is_empty())
        .map(|((index, fix), files)| {
            let changes: Vec<Value> = files
                .iter()
                .filter_map(|(name, replacements)| {
                    let (text, starts) = (texts.get(name)?, starts.get(name)?);
                    let replacements: Vec<Value> = replacements
                        .iter()
                        .map(|r| replacement(text, starts, r))
                        .collect();
                    Some(json!({
                        "artifactLocation": { "uri": uri(report.texts.path(name)) },
                        "replacements": replacements,
                    }))
                })
                .collect();
            let edits: Vec<String> = fix.edits.iter().map(ToString::to_string).collect();
            let fix = json!({
                "description": { "text": edits.join("; ") },
                "artifactChanges": changes,
            });
            (*index, fix)
        })
        .collect()
}

/// Where the lines of a text begin.
fn lines(text: &str) -> Vec<usize> {
    let after = text.match_indices('\n').map(|(at, _)| at + 1);
    std::iter::once(0).chain(after).collect()
}

fn replacement(text: &str, starts: &[usize], of: &Replacement) -> Value {
    let place = |at: usize| {
        let line = starts.partition_point(|start| *start <= at);
        let start = starts.get(line - 1).copied().unwrap_or_default();
        let column = text[start..at].trim_start_matches('\u{feff}').chars().count() + 1;
        (line, column)
    };
    let ((start_line, start_column), (end_line, end_column)) = (place(of.range.start), place(of.range.end));
    json!({
        "deletedRegion": {
            "startLine": start_line,
            "startColumn": start_column,
            "endLine": end_line,
            "endColumn": end_column,
        },
        "insertedContent": { "text": of.text },
    })
}

/// The path of a file as a relative reference, or as an address if it is absolute.
fn uri(path: &str) -> String {
    let path = match path {
        "" | "-" => "stdin",
        path => path,
    };
    let mut out = String::new();
    if path.starts_with('/') {
        out.push_str("file://");
    }
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte))
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Replacement, lines, replacement, uri};

    #[test]
    fn what_is_replaced_is_told_in_lines_and_columns() {
        let text = "\u{feff}a: 1\nbé: 2\n";
        let region = |range: std::ops::Range<usize>| {
            let of = Replacement {
                range,
                text: String::new(),
            };
            let told = replacement(text, &lines(text), &of);
            let at = |key: &str| told["deletedRegion"][key].as_u64().unwrap();
            (at("startLine"), at("startColumn"), at("endLine"), at("endColumn"))
        };
        assert_eq!(region(3..4), (1, 1, 1, 2));
        assert_eq!(region(11..12), (2, 3, 2, 4));
        assert_eq!(region(8..15), (2, 1, 3, 1));
    }

    #[test]
    fn paths_become_references() {
        assert_eq!(uri("envs/a b#é.yaml"), "envs/a%20b%23%C3%A9.yaml");
        assert_eq!(uri("/srv/a.yaml"), "file:///srv/a.yaml");
        assert_eq!(uri("-"), "stdin");
    }
}
