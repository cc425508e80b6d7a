//! A plan from one state to another, for people.

use std::collections::{BTreeMap, BTreeSet};

use anstyle::Style;
use nautes_model::name::ProductName;
use nautes_runtime::plan::compare::{Comparison, Done, FieldChange, Removal, Step, System};
use serde_json::Value;

use crate::output::{BOLD, DIM, GREEN, RED, YELLOW};

/// How many reasons are named on one line.
const REASONS: usize = 3;
/// How long a value may be that is shown whole.
const LONG: usize = 60;

/// Writes a plan; a wide one names every reason and file.
pub(super) fn of(from: &str, to: &str, changes: &Comparison, wide: bool) -> String {
    let mut out = String::new();
    out.push_str(&format!("{DIM}from{DIM:#} {from}\n"));
    out.push_str(&format!("{DIM}to{DIM:#}   {to}\n"));
    if !changes.resources.is_empty() {
        out.push_str(&format!("\n{BOLD}resources{BOLD:#}\n"));
    }
    for change in &changes.resources {
        let (style, sign) = look(change.action);
        let mut note = String::new();
        if wide {
            note = change
                .revision
                .as_ref()
                .map_or_else(String::new, |r| format!(" at {}", r.get(..12).unwrap_or(r)));
            note = format!("  {DIM}{}{note}{DIM:#}", change.file);
        }
        out.push_str(&format!("  {style}{sign}{style:#} {}{note}\n", change.resource));
        for field in &change.fields {
            out.push_str(&field_line(field));
        }
    }
    for (product, systems) in grouped(&changes.steps) {
        let title = product.map_or_else(|| "tenant".to_owned(), |p| format!("product {p}"));
        out.push_str(&format!("\n{BOLD}{title}{BOLD:#}\n"));
        for (system, steps) in systems {
            out.push_str(&format!("  {}\n", place(system)));
            for step in steps {
                out.push_str(&line(step, wide));
            }
        }
    }
    removals(&changes.removals, &mut out);
    out
}

/// Counts what is done to resources and to things.
pub(super) fn counted(changes: &Comparison) -> BTreeMap<Done, usize> {
    let mut all = BTreeMap::new();
    let resources = changes.resources.iter().map(|r| r.action);
    let steps = changes.steps.iter().map(|s| s.action);
    for action in resources.chain(steps) {
        *all.entry(action).or_insert(0) += 1;
    }
    all
}

/// Says in a line how much there is.
pub(super) fn summary(changes: &Comparison) -> String {
    let parts: Vec<String> = counted(changes)
        .iter()
        .map(|(done, count)| {
            let word = match done {
                Done::Make => "to make",
                Done::Change => "to change",
                Done::Remove => "to remove",
                Done::Hold => "held",
                Done::Wait => "waiting",
                Done::Fail => "failing",
            };
            format!("{count} {word}")
        })
        .collect();
    let breaks: BTreeSet<&String> = changes.removals.iter().flat_map(|r| &r.breaks).collect();
    let breaks = match breaks.len() {
        0 => String::new(),
        1 => "; 1 resource stops working".to_owned(),
        n => format!("; {n} resources stop working"),
    };
    format!("{}{breaks}", parts.join(", "))
}

const fn look(done: Done) -> (Style, &'static str) {
    match done {
        Done::Make => (GREEN, "+"),
        Done::Change => (YELLOW, "~"),
        Done::Remove => (RED, "-"),
        Done::Hold => (YELLOW, "="),
        Done::Wait => (YELLOW, "\u{2026}"),
        Done::Fail => (RED, "!"),
    }
}

fn place(system: &System) -> String {
    match system {
        System::Platform => "not yet".to_owned(),
        System::Forge => "forge".to_owned(),
        System::SecretStore => "secret store".to_owned(),
        System::Cluster(name) => format!("cluster {name}"),
    }
}

type Grouped<'a> = BTreeMap<Option<&'a ProductName>, BTreeMap<&'a System, Vec<&'a Step>>>;

fn grouped(steps: &[Step]) -> Grouped<'_> {
    let mut all = Grouped::new();
    for step in steps {
        all.entry(step.product.as_ref())
            .or_default()
            .entry(&step.system)
            .or_default()
            .push(step);
    }
    all
}

fn line(step: &Step, wide: bool) -> String {
    let (style, sign) = look(step.action);
    // Of what is about the resource itself the resource is the reason.
    let because: Vec<&str> = step
        .because
        .iter()
        .map(String::as_str)
        .filter(|b| *b != step.what)
        .collect();
    let most = if wide { because.len() } else { REASONS };
    let more = because.len().saturating_sub(most);
    let mut why = because[..because.len() - more].join(", ");
    if more > 0 {
        why.push_str(&format!(" and {more} more"));
    }
    let why = if why.is_empty() {
        String::new()
    } else {
        format!("  {DIM}for {why}{DIM:#}")
    };
    let message = if step.message.is_empty() {
        String::new()
    } else {
        format!(": {}", step.message)
    };
    format!("    {style}{sign}{style:#} {}{message}{why}\n", step.what)
}

fn field_line(change: &FieldChange) -> String {
    let digest = if change.secret { "digest " } else { "" };
    let show = |value: &Option<Value>| match value {
        None => "nothing".to_owned(),
        Some(value) => {
            let text = value.to_string();
            match text.char_indices().nth(LONG) {
                Some((at, _)) => format!("{digest}{}\u{2026}", &text[..at]),
                None => format!("{digest}{text}"),
            }
        }
    };
    format!(
        "      {}: {} \u{2192} {}\n",
        change.field,
        show(&change.from),
        show(&change.to)
    )
}

/// What falls with what goes.
fn removals(all: &[Removal], out: &mut String) {
    let hurts: Vec<&Removal> = all.iter().filter(|r| !r.breaks.is_empty()).collect();
    if hurts.is_empty() {
        return;
    }
    out.push_str(&format!("\n{BOLD}removed, and still needed{BOLD:#}\n"));
    for removal in hurts {
        out.push_str(&format!(
            "  {RED}-{RED:#} {}, without which these do not work\n",
            removal.resource
        ));
        for breaks in &removal.breaks {
            out.push_str(&format!("      {breaks}\n"));
        }
    }
}
