//! Boxes, arrows and signs as text.

use std::fmt::Write as _;

use nautes_model::Severity;

use super::super::text::class;
use super::super::view::{Node as Shown, Presence};
use super::{BOX_HEIGHT, Node};

/// Goes on to a point in a curve.
pub(super) fn curve(out: &mut String, from: (f64, f64), to: (f64, f64)) {
    let middle = f64::midpoint(from.0, to.0);
    let _ = write!(
        out,
        " C{middle:.0} {:.0} {middle:.0} {:.0} {:.0} {:.0}",
        from.1, to.1, to.0, to.1
    );
}

/// What is wrong with a resource, a line each, after its name.
pub(super) fn faults(shown: &Shown) -> String {
    let mut text = String::new();
    text.push_str(match shown.presence {
        Presence::Missing => "\nnot declared",
        Presence::Elsewhere => "\ndeclared elsewhere",
        Presence::Declared => "",
    });
    for fault in &shown.faults {
        let _ = write!(text, "\n{}: {}", fault.rule, fault.message);
    }
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Draws the box of a resource between two edges.
pub(super) fn render_node(out: &mut String, node: &Node<'_>, (left, right): (f64, f64)) {
    let (top, middle) = (node.y - BOX_HEIGHT / 2.0, f64::midpoint(left, right));
    let mut classes = match (node.shown.presence, node.shown.is_faulty()) {
        (Presence::Missing, _) => "missing".to_owned(),
        (Presence::Elsewhere, _) => "elsewhere".to_owned(),
        (Presence::Declared, true) => "fault".to_owned(),
        (Presence::Declared, false) => class(node.identity.kind).to_owned(),
    };
    if node.shown.focus {
        classes.push_str(" focus");
    }
    let _ = writeln!(
        out,
        "  <g><title>{}{}</title><rect class=\"node {classes}\" x=\"{left:.0}\" y=\"{top:.0}\" width=\"{:.0}\" \
         height=\"{BOX_HEIGHT:.0}\" rx=\"6\"/>\n    <text class=\"kind\" x=\"{middle:.0}\" y=\"{:.0}\" \
         text-anchor=\"middle\">{}</text>\n    <text x=\"{middle:.0}\" y=\"{:.0}\" text-anchor=\"middle\">{}</text>{}</g>",
        node.identity,
        faults(node.shown),
        right - left,
        top + 15.0,
        node.identity.kind,
        top + 31.0,
        node.identity.name,
        mark(node.shown, right, top)
    );
}

/// Tells of what breaks rules how many, or that it is missing.
pub(super) fn sign(shown: &Shown) -> String {
    let errors = shown
        .faults
        .iter()
        .filter(|f| f.severity == Severity::Error)
        .count();
    match (shown.presence, errors) {
        (Presence::Declared | Presence::Elsewhere, 0) => String::new(),
        (Presence::Declared | Presence::Elsewhere, errors) => format!("{errors}\u{2009}\u{2717}"),
        (Presence::Missing, _) => "?".to_owned(),
    }
}

/// The sign in the corner of a box.
fn mark(shown: &Shown, right: f64, top: f64) -> String {
    let text = sign(shown);
    if text.is_empty() {
        return text;
    }
    format!(
        "\n    <text class=\"mark\" x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{text}</text>",
        right - 5.0,
        top + 12.0
    )
}
