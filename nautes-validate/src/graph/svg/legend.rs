//! The legend of a picture.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{CHARACTER, MARGIN, Picture, Presence};

/// How high the legend is.
pub(super) const HEIGHT: f64 = 36.0;

const SAMPLE: f64 = 22.0;
const AFTER_SAMPLE: f64 = 7.0;
const BETWEEN: f64 = 20.0;

/// A sample and what it means.
pub(super) struct Item {
    class: &'static str,
    is_wire: bool,
    text: &'static str,
}

const BOXES: [(&str, &str); 6] = [
    ("project", "project"),
    ("binding", "binding"),
    ("repo", "repository"),
    ("runtime", "runtime"),
    ("environment", "environment"),
    ("tenant", "cluster, provider"),
];

/// Returns what the legend of pictures says: only what is in it.
pub(super) fn items(classes: &BTreeSet<&'static str>, pictures: &[Picture<'_>]) -> Vec<Item> {
    let node = |class, text| Item {
        class,
        is_wire: false,
        text,
    };
    let wire = |class, text| Item {
        class,
        is_wire: true,
        text,
    };
    let boxes = BOXES.iter().filter(|(class, _)| classes.contains(class));
    let mut all: Vec<Item> = boxes.map(|(class, text)| node(class, text)).collect();
    let frames = || pictures.iter().flat_map(|p| &p.frames);
    let wires = || pictures.iter().flat_map(|p| &p.wires);
    let nodes = || pictures.iter().flat_map(|p| &p.nodes);
    let bundled = frames().any(|f| !f.providers.is_empty());
    if bundled || wires().any(|w| !w.soft) {
        all.push(wire("wire", "needs"));
    }
    if wires().any(|w| w.soft) {
        all.push(wire("wire soft", "permits"));
    }
    if nodes().any(|n| n.shown.presence != Presence::Missing && n.shown.is_faulty()) {
        all.push(node("fault", "breaks a rule"));
    }
    let is_any = |presence| nodes().any(|n| n.shown.presence == presence);
    if is_any(Presence::Missing) {
        all.push(node("missing", "not declared"));
    }
    if is_any(Presence::Elsewhere) {
        all.push(node("elsewhere", "declared elsewhere"));
    }
    all
}

fn span(item: &Item) -> f64 {
    SAMPLE + AFTER_SAMPLE + item.text.len() as f64 * CHARACTER * 0.85 + BETWEEN
}

/// How wide a legend is.
pub(super) fn width(items: &[Item]) -> f64 {
    items.iter().map(span).sum::<f64>() - if items.is_empty() { 0.0 } else { BETWEEN }
}

/// Draws the legend below a height.
pub(super) fn render(out: &mut String, items: &[Item], top: f64) {
    let mut left = MARGIN;
    let middle = top + HEIGHT / 2.0 - MARGIN / 2.0;
    for item in items {
        let Item { class, is_wire, text } = item;
        let sample = if *is_wire {
            format!(
                "<path class=\"{class} sample\" marker-end=\"url(#tip)\" d=\"M{left:.0} {middle:.0} h{SAMPLE:.0}\"/>"
            )
        } else {
            format!(
                "<rect class=\"sample {class}\" x=\"{left:.0}\" y=\"{:.0}\" width=\"{SAMPLE:.0}\" height=\"14\" \
                 rx=\"3\"/>",
                middle - 7.0
            )
        };
        let _ = writeln!(
            out,
            "  {sample}<text class=\"legend\" x=\"{:.0}\" y=\"{:.0}\">{text}</text>",
            left + SAMPLE + AFTER_SAMPLE,
            middle + 4.0
        );
        left += span(item);
    }
}
