//! Kinds and fields for people.

use nautes_model::Kind;
use nautes_model::kind::{API_VERSION, KINDS};
use nautes_validate::explained;

use super::field::{self, Field};
use super::home;
use crate::output;

/// How wide texts are, without what stands before them.
const WIDTH: usize = 92;

/// Lists kinds and rules.
pub(super) fn all() -> String {
    let first_line = |text: String| text.lines().next().unwrap_or_default().to_owned();
    let kinds = KINDS
        .iter()
        .map(|k| {
            vec![
                k.name.to_lowercase(),
                k.short_names.join(","),
                first_line(field::about(k.kind)),
            ]
        })
        .collect();
    let rules = explained().map(|rule| vec![rule.id.into_owned(), rule.summary.into_owned()]);
    format!(
        "{}\n{}",
        output::table(&["kind", "short", "what it is"], kinds),
        output::table(&["rule", "what must hold"], rules.collect())
    )
}

/// Shows a kind or one of its fields.
pub(super) fn field(kind: Kind, path: &[Field], recursive: bool) -> String {
    let Some(last) = path.last() else {
        return String::new();
    };
    let mut out = format!("KIND:     {kind}\nVERSION:  {API_VERSION}\n");
    if path.len() == 1 {
        let info = kind.info();
        out.push_str(&format!(
            "NAMES:    {}, {}\n",
            info.plural,
            info.short_names.join(", ")
        ));
        let place = if kind.is_of_product() {
            "in a product's default.project"
        } else {
            "in the tenant's repository"
        };
        out.push_str(&format!("FILE:     {} {place}\n", home(kind)));
    } else {
        out.push_str(&format!(
            "FIELD:    {} <{}>{}\n",
            field::path_of(path),
            last.type_name(),
            mark(last)
        ));
    }
    let about = field::description(&last.schema);
    if !about.is_empty() {
        out.push_str("\nDESCRIPTION:\n");
        out.push_str(&wrap(&about, "  "));
    }
    let limits = last.limits();
    if !limits.is_empty() {
        out.push_str("\nVALUES:\n");
        limits.iter().for_each(|limit| out.push_str(&wrap(limit, "  ")));
    }
    let children = last.children();
    if !children.is_empty() {
        out.push_str("\nFIELDS:\n");
        if recursive {
            tree(&children, 1, &mut out);
        } else {
            children.iter().for_each(|child| list(child, &mut out));
        }
    }
    out
}

const fn mark(field: &Field) -> &'static str {
    if field.required { " -required-" } else { "" }
}

/// A field with its description.
fn list(field: &Field, out: &mut String) {
    out.push_str(&format!(
        "  {} <{}>{}\n",
        field.name,
        field.type_name(),
        mark(field)
    ));
    let about = field::description(&field.schema);
    out.push_str(&wrap(&about, "    "));
    for limit in field
        .limits()
        .iter()
        .filter(|l| l.starts_with("one of") || l.starts_with("default"))
    {
        out.push_str(&wrap(limit, "    "));
    }
    out.push('\n');
}

/// Fields by name and type only, with everything below.
fn tree(fields: &[Field], depth: usize, out: &mut String) {
    for field in fields {
        let values = field.limits().into_iter().find(|l| l.starts_with("one of"));
        let values = values.map(|v| format!("  {v}")).unwrap_or_default();
        out.push_str(&format!(
            "{:2$}{} <{3}>{4}{values}\n",
            "",
            field.name,
            depth * 2,
            field.type_name(),
            mark(field)
        ));
        tree(&field.children(), depth + 1, out);
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
