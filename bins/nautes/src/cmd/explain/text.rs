//! Kinds and fields for people.

use super::shown::{KindShown, Part, RuleLine, Shown};
use crate::output;

/// How wide texts are, without what stands before them.
const WIDTH: usize = 92;

/// Lists kinds and rules.
pub(super) fn all(kinds: &[KindShown], rules: &[RuleLine]) -> String {
    let first_line = |text: &str| text.lines().next().unwrap_or_default().to_owned();
    let kinds = kinds.iter().map(|k| {
        vec![
            k.kind.to_lowercase(),
            k.short_names.join(","),
            first_line(&k.description),
        ]
    });
    let rules = rules
        .iter()
        .map(|rule| vec![rule.id.clone(), rule.summary.clone()]);
    format!(
        "{}\n{}",
        output::table(&["kind", "short", "what it is"], kinds.collect()),
        output::table(&["rule", "what must hold"], rules.collect())
    )
}

/// Shows a kind or one of its fields.
pub(super) fn field(shown: &Shown, recursive: bool) -> String {
    let (kind, part) = (&shown.kind, &shown.part);
    let mut out = format!("KIND:     {}\nVERSION:  {}\n", kind.kind, shown.version);
    if shown.path.is_empty() {
        out.push_str(&format!(
            "NAMES:    {}, {}\n",
            kind.plural,
            kind.short_names.join(", ")
        ));
        let place = if kind.scope == "product" {
            "in a product's default.project"
        } else {
            "in the tenant's repository"
        };
        if let Some(file) = &kind.file {
            out.push_str(&format!("FILE:     {file} {place}\n"));
        }
    } else {
        out.push_str(&format!(
            "FIELD:    {} <{}>{}\n",
            shown.path,
            part.type_name,
            mark(part)
        ));
    }
    if !part.description.is_empty() {
        out.push_str("\nDESCRIPTION:\n");
        out.push_str(&wrap(&part.description, "  "));
    }
    if !part.limits.is_empty() {
        out.push_str("\nVALUES:\n");
        part.limits
            .iter()
            .for_each(|limit| out.push_str(&wrap(limit, "  ")));
    }
    if !part.fields.is_empty() {
        out.push_str("\nFIELDS:\n");
        if recursive {
            tree(&part.fields, 1, &mut out);
        } else {
            part.fields.iter().for_each(|child| list(child, &mut out));
        }
    }
    out
}

const fn mark(part: &Part) -> &'static str {
    if part.required { " -required-" } else { "" }
}

/// A field with its description.
fn list(part: &Part, out: &mut String) {
    out.push_str(&format!("  {} <{}>{}\n", part.name, part.type_name, mark(part)));
    out.push_str(&wrap(&part.description, "    "));
    for limit in part
        .limits
        .iter()
        .filter(|l| l.starts_with("one of") || l.starts_with("default"))
    {
        out.push_str(&wrap(limit, "    "));
    }
    out.push('\n');
}

/// Fields by name and type only, with everything below.
fn tree(parts: &[Part], depth: usize, out: &mut String) {
    for part in parts {
        let values = part.limits.iter().find(|l| l.starts_with("one of"));
        let values = values.map(|v| format!("  {v}")).unwrap_or_default();
        out.push_str(&format!(
            "{:2$}{} <{3}>{4}{values}\n",
            "",
            part.name,
            depth * 2,
            part.type_name,
            mark(part)
        ));
        tree(&part.fields, depth + 1, out);
    }
}

/// Breaks a text into lines of a width, each after an indentation.
pub(super) fn wrap(text: &str, indent: &str) -> String {
    let mut out = String::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
                out.push_str(&format!("{indent}{line}\n"));
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        if line.is_empty() {
            out.push('\n');
        } else {
            out.push_str(&format!("{indent}{line}\n"));
        }
    }
    out
}
