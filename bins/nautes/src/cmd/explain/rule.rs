//! Rules, as `explain` shows them.

use nautes_model::Severity;
use nautes_validate::Explained;

use super::text::wrap;

/// Shows a rule: what must hold, why, and both its examples.
pub(super) fn text(rule: &Explained) -> String {
    let severity = match rule.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut out = format!("RULE:      {}\nSEVERITY:  {severity}\n\n", rule.id);
    out.push_str(&wrap(&sentence(&rule.summary), "  "));
    if !rule.explanation.is_empty() {
        out.push_str("\nWHY:\n");
        out.push_str(&wrap(&sentence(&rule.explanation), "  "));
    }
    if rule.mendable {
        out.push_str("\nWAY OUT:\n");
        out.push_str(&wrap(
            "Where it is one definite edit, nautes validate --fix makes it, and --diff shows it.",
            "  ",
        ));
    }
    if let Some(bad) = &rule.bad {
        out.push_str("\nTHIS BREAKS IT:\n");
        out.push_str(&indent(&bad.manifests));
        if !bad.findings.is_empty() {
            out.push_str("\nAND IS TOLD AS:\n");
            out.push_str(&indent(&bad.findings));
        }
    }
    if let Some(good) = &rule.good {
        out.push_str("\nTHIS KEEPS IT:\n");
        out.push_str(&indent(&good.manifests));
    }
    out
}

fn indent(text: &str) -> String {
    text.trim_end()
        .lines()
        .map(|line| format!("  {line}").trim_end().to_owned() + "\n")
        .collect()
}

/// A text with a capital letter at its begin and a full stop at its end.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase);
    let end = if text.ends_with(['.', '?', '!']) { "" } else { "." };
    first
        .into_iter()
        .flatten()
        .chain(letters)
        .chain(end.chars())
        .collect()
}
