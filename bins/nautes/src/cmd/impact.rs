//! `nautes impact`: what breaks when a resource goes, or when a change is made.

use std::collections::{BTreeMap, BTreeSet};

use nautes_model::name::ProductName;
use nautes_model::{Finding, Identity, Scopes};
use nautes_runtime::engine::Engines;
use nautes_runtime::plan::compare::{Comparison, Done, Side, System, compare};
use nautes_validate::graph::Reached;
use nautes_validate::{ChangeReport, Graph, check_change};
use serde_json::{Value, json};

use crate::cli::offline::{Impact, Show};
use crate::exit::{Exit, Outcome};
use crate::output::{self, BOLD, DIM, GREEN, RED, YELLOW};
use crate::settings::Settings;
use crate::target::Named;
use crate::tree;

/// How many resources are listed for one product.
const MANY: usize = 50;

/// Runs the command.
///
/// # Errors
/// The tree or the change cannot be read, or the resource is not there.
pub fn run(settings: &Settings, args: &Impact) -> Outcome {
    let tree = tree::read(settings, &args.tree)?;
    tree.warn();
    let on = tree.checked();
    let mut after = tree.scopes.clone();
    let (title, touched) = if args.change.is_empty() {
        let of = Named::read(&args.what, tree.product.as_ref())?.find(&tree.scopes, &on.graph)?;
        after.remove(&of);
        (of.to_string(), vec![of])
    } else {
        let change = tree::load(&args.change, tree.product.clone())?;
        change.warn();
        let touched = lay(&change.scopes, &mut after);
        (format!("the change of {}", args.change.join(", ")), touched)
    };
    let side = |scopes| Side {
        scopes,
        rules: &tree.rules,
    };
    // What goes or is changed; the values of secrets play no part.
    let follows = compare(
        side(&tree.scopes),
        side(&after),
        &Engines::bundled(),
        &|_, _, _| String::new(),
    );
    let report = check_change(&tree.scopes, &after, &tree.rules);
    let answer = Answer::new(
        title,
        &touched,
        &on.graph,
        &report,
        lost(follows),
        !args.change.is_empty(),
    );
    match args.output {
        Show::Text => output::data(&answer.text())?,
        Show::Json => output::data(&format!("{:#}\n", answer.json()))?,
        Show::Yaml => output::data(&output::yaml(&answer.json())?)?,
    }
    Ok(if answer.breaks() {
        Exit::Findings
    } else {
        Exit::Clean
    })
}

/// Lays a change over what is declared; returns what is new or another.
fn lay(change: &Scopes, after: &mut Scopes) -> Vec<Identity> {
    let mut touched = Vec::new();
    for sourced in change.iter() {
        if after
            .get(&sourced.identity)
            .is_none_or(|was| was.resource != sourced.resource)
        {
            touched.push(sourced.identity.clone());
            after.replace((**sourced).clone());
        }
    }
    touched
}

/// What is removed, held or fails because of a change, by where it is.
fn lost(follows: Comparison) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for step in follows.steps {
        let sign = match step.action {
            Done::Remove => "-",
            Done::Hold => "=",
            Done::Wait => "\u{2026}",
            Done::Fail => "!",
            Done::Make | Done::Change => continue,
        };
        let place = match step.system {
            System::Platform => "resources".to_owned(),
            System::Forge => "forge".to_owned(),
            System::SecretStore => "secret store".to_owned(),
            System::Cluster(name) => format!("cluster {name}"),
        };
        let message = if step.message.is_empty() {
            String::new()
        } else {
            format!(": {}", step.message)
        };
        all.entry(place)
            .or_default()
            .push(format!("{sign} {}{message}", step.what));
    }
    all
}

/// What falls, by the shortest way.
struct Fallen<'a> {
    reached: Reached<'a>,
    from: &'a Identity,
}

struct Answer<'a> {
    title: String,
    touched: &'a [Identity],
    fallen: Vec<Fallen<'a>>,
    findings: Vec<&'a Finding>,
    /// What is removed, held or fails, by where it is.
    lost: BTreeMap<String, Vec<String>>,
    is_change: bool,
}

impl<'a> Answer<'a> {
    fn new(
        title: String,
        touched: &'a [Identity],
        graph: &'a Graph,
        report: &'a ChangeReport,
        lost: BTreeMap<String, Vec<String>>,
        is_change: bool,
    ) -> Self {
        let mut nearest: BTreeMap<&Identity, Fallen<'a>> = BTreeMap::new();
        for from in touched {
            for reached in graph.impact(from) {
                let known = nearest.get(reached.identity);
                if known.is_none_or(|k| reached.path.len() < k.reached.path.len()) {
                    nearest.insert(reached.identity, Fallen { reached, from });
                }
            }
        }
        let goes: BTreeSet<&Identity> = touched.iter().collect();
        let mut fallen: Vec<Fallen<'a>> = nearest
            .into_values()
            .filter(|f| !goes.contains(f.reached.identity))
            .collect();
        fallen.sort_by_key(|f| (f.reached.path.len(), f.reached.identity));
        Self {
            title,
            touched,
            fallen,
            findings: report.rejected.iter().collect(),
            lost,
            is_change,
        }
    }

    /// Whether something breaks. What depends on something that merely changes need not break.
    fn breaks(&self) -> bool {
        let falls = !self.fallen.is_empty() || !self.lost.is_empty();
        !self.findings.is_empty() || falls && !self.is_change
    }

    fn by_product(&self) -> BTreeMap<Option<&ProductName>, Vec<&Fallen<'a>>> {
        let mut all: BTreeMap<Option<&ProductName>, Vec<&Fallen<'a>>> = BTreeMap::new();
        for fallen in &self.fallen {
            all.entry(fallen.reached.identity.product.as_ref())
                .or_default()
                .push(fallen);
        }
        all
    }

    fn text(&self) -> String {
        let mut out = String::new();
        let products = self.by_product().keys().filter(|p| p.is_some()).count();
        let direct = self.fallen.iter().filter(|f| f.reached.path.len() == 1).count();
        let counted = format!(
            "{} {}, {direct} directly, in {products} {}",
            self.fallen.len(),
            plural(self.fallen.len(), "resource"),
            plural(products, "product")
        );
        let title = &self.title;
        let head = match (self.is_change, self.fallen.is_empty()) {
            (false, true) if !self.lost.is_empty() => {
                format!(
                    "{YELLOW}~{YELLOW:#} {BOLD}{title}{BOLD:#}: no resource needs it, and this goes with it"
                )
            }
            (false, true) => format!("{GREEN}\u{2714}{GREEN:#} {BOLD}{title}{BOLD:#}: no resource needs it"),
            (false, false) => {
                format!("{RED}\u{2718}{RED:#} {BOLD}{title}{BOLD:#}: {counted} cannot work without it")
            }
            (true, _) if self.touched.is_empty() => {
                format!("{GREEN}\u{2714}{GREEN:#} {BOLD}{title}{BOLD:#}: it changes nothing")
            }
            (true, true) => format!("{BOLD}{title}{BOLD:#}: nothing else depends on what it touches"),
            (true, false) => {
                format!("{YELLOW}~{YELLOW:#} {BOLD}{title}{BOLD:#}: {counted} depend on what it touches")
            }
        };
        out.push_str(&format!("{head}\n"));
        if self.is_change {
            for touched in self.touched {
                out.push_str(&format!("  {YELLOW}~{YELLOW:#} {touched}\n"));
            }
        }
        for (product, fallen) in self.by_product() {
            let name = product.map_or_else(|| "tenant".to_owned(), |p| format!("product {p}"));
            out.push_str(&format!(
                "\n{BOLD}{name}{BOLD:#} {DIM}({}){DIM:#}\n",
                fallen.len()
            ));
            for one in fallen.iter().take(MANY) {
                out.push_str(&line(one, self.touched.len() > 1));
            }
            if fallen.len() > MANY {
                out.push_str(&format!(
                    "  {} more (-o json has them all)\n",
                    fallen.len() - MANY
                ));
            }
        }
        for (place, all) in &self.lost {
            out.push_str(&format!("\n{BOLD}{place}{BOLD:#} {DIM}({}){DIM:#}\n", all.len()));
            for one in all.iter().take(MANY) {
                out.push_str(&format!("  {one}\n"));
            }
            if all.len() > MANY {
                out.push_str(&format!("  {} more (-o json has them all)\n", all.len() - MANY));
            }
        }
        if !self.findings.is_empty() {
            out.push_str(&format!(
                "\n{BOLD}rules that would be broken{BOLD:#} {DIM}({}){DIM:#}\n",
                self.findings.len()
            ));
            for finding in self.findings.iter().take(MANY) {
                let about = finding
                    .resource
                    .as_ref()
                    .map_or_else(String::new, |r| format!(" {r}"));
                out.push_str(&format!(
                    "  {RED}{}{RED:#}{about}: {}\n",
                    finding.rule, finding.message
                ));
            }
            if self.findings.len() > MANY {
                out.push_str(&format!(
                    "  {} more (-o json has them all)\n",
                    self.findings.len() - MANY
                ));
            }
        }
        out
    }

    fn json(&self) -> Value {
        let fallen: Vec<Value> = self
            .fallen
            .iter()
            .map(|f| {
                let path: Vec<Value> = f
                    .reached
                    .path
                    .iter()
                    .map(|l| json!({ "resource": l.from.to_string(), "field": l.field }))
                    .collect();
                json!({
                    "resource": f.reached.identity.to_string(),
                    "product": f.reached.identity.product,
                    "direct": f.reached.path.len() == 1,
                    "because": f.from.to_string(),
                    "path": path,
                })
            })
            .collect();
        let touched: Vec<String> = self.touched.iter().map(ToString::to_string).collect();
        json!({
            "kind": if self.is_change { "change" } else { "removal" },
            "touched": touched,
            "dependents": fallen,
            "follows": self.lost,
            "findings": self.findings,
            "breaks": self.breaks(),
        })
    }
}

fn plural(number: usize, word: &str) -> String {
    format!("{word}{}", if number == 1 { "" } else { "s" })
}

/// A resource and the way by which it is reached, without both ends.
fn line(one: &Fallen<'_>, name_end: bool) -> String {
    let path = &one.reached.path;
    let field = path.first().map_or("", |l| &*l.field);
    let mut via: Vec<String> = path.iter().skip(1).map(|l| l.from.to_string()).collect();
    if name_end {
        via.push(one.from.to_string());
    }
    let via = if via.is_empty() {
        String::new()
    } else {
        format!(" through {}", via.join(" \u{2192} "))
    };
    format!(
        "  {RED}-{RED:#} {}  {DIM}{field}{via}{DIM:#}\n",
        one.reached.identity
    )
}
