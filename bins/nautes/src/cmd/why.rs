//! `nautes why`: what stands in the way of a resource, and what to change.

use nautes_model::fix::Action;
use nautes_model::{Finding, Fix, Identity, Scopes, Severity, manifest};
use nautes_runtime::status_report::{State, StatusNode, StatusTree};
use nautes_validate::graph::{Blocker, Cause};
use nautes_validate::{Link, Target};
use serde_json::{Value, json};

use crate::cli::offline::{Show, Why};
use crate::client::Client;
use crate::cmd::status;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, BOLD, DIM, GREEN, RED, YELLOW};
use crate::settings::Settings;
use crate::suggest::nearest;
use crate::target::Named;
use crate::tree::{self, Tree};

/// How many things that stand in the way are told.
const MANY: usize = 20;

/// Runs the command.
///
/// # Errors
/// The tree cannot be read, the resource is not there, or the server does not answer.
pub async fn run(settings: &Settings, args: &Why) -> Outcome {
    if args.live || (settings.names_server && args.tree.filename.is_empty()) {
        return live(settings, args).await;
    }
    let tree = tree::read(settings, &args.tree)?;
    tree.warn();
    let on = tree.checked();
    let of = Named::read(&args.what, tree.product.as_ref())?.find(&tree.scopes, &on.graph)?;
    let told: Vec<Told> = if on.graph.contains(&of) {
        let blockers = on.graph.blockers(&of, &tree.findings);
        blockers
            .iter()
            .flat_map(|blocker| Told::all_of(blocker, &tree))
            .collect()
    } else if faults(&of, &tree).next().is_some() {
        faults(&of, &tree)
            .map(|finding| Told::faulty(&of, Vec::new(), finding))
            .collect()
    } else {
        vec![Told::undeclared(
            &of,
            &tree,
            on.graph.links().find(|l| l.to.identity() == Some(&of)),
        )]
    };
    match args.output {
        Show::Text => output::data(&text(&of, &told))?,
        Show::Json => output::data(&format!("{:#}\n", shown(&of, &told)))?,
        Show::Yaml => output::data(&output::yaml(&shown(&of, &told))?)?,
    }
    Ok(if told.iter().any(|t| !t.is_unknown) {
        Exit::Findings
    } else {
        Exit::Clean
    })
}

/// Something that stands in the way, as it is told.
struct Told {
    path: Vec<(Identity, String)>,
    at: Identity,
    what: String,
    rule: Option<String>,
    place: Option<String>,
    hint: Option<String>,
    fix: Option<Fix>,
    awaits: Option<Identity>,
    is_unknown: bool,
}

/// What is wrong with the manifest of something that is not there because of it.
fn faults<'t>(of: &'t Identity, tree: &'t Tree) -> impl Iterator<Item = &'t Finding> {
    let is_there = tree.scopes.get(of).is_some();
    let about = move |f: &&Finding| f.severity == Severity::Error && f.resource.as_ref() == Some(of);
    tree.findings.iter().filter(move |_| !is_there).filter(about)
}

impl Told {
    /// A reference to what is not there is told as what is wrong with its manifest, if there is one.
    fn all_of(blocker: &Blocker<'_>, tree: &Tree) -> Vec<Self> {
        let Cause::Link { link, .. } = &blocker.cause else {
            return vec![Self::of(blocker, tree)];
        };
        let mut path: Vec<(Identity, String)> = steps(&blocker.path);
        path.push((link.from.clone(), link.field.to_string()));
        let awaited = blocker.cause.awaited();
        let all: Vec<Self> = awaited
            .into_iter()
            .flat_map(|to| faults(to, tree).map(|finding| Self::faulty(to, path.clone(), finding)))
            .collect();
        if all.is_empty() {
            vec![Self::of(blocker, tree)]
        } else {
            all
        }
    }

    /// Something whose manifest has a fault.
    fn faulty(at: &Identity, path: Vec<(Identity, String)>, finding: &Finding) -> Self {
        let mut told = Self {
            path,
            at: at.clone(),
            what: String::new(),
            rule: None,
            place: None,
            hint: None,
            fix: None,
            awaits: Some(at.clone()),
            is_unknown: false,
        };
        told.add(finding);
        told
    }

    fn of(blocker: &Blocker<'_>, tree: &Tree) -> Self {
        let path = steps(&blocker.path);
        let mut told = Self {
            path,
            at: blocker.at.clone(),
            what: String::new(),
            rule: None,
            place: None,
            hint: None,
            fix: None,
            awaits: blocker.cause.awaited().cloned(),
            is_unknown: blocker.cause.is_unknown() || is_elsewhere(blocker.cause.awaited(), tree),
        };
        match &blocker.cause {
            Cause::Rule(finding) => told.add(finding),
            Cause::Link { link, finding } => {
                told.place = place(&tree.scopes, link);
                told.what = missing(link, told.is_unknown);
                if let Some(finding) = finding {
                    told.add(finding);
                }
                if told.is_unknown {
                    (told.hint, told.fix) = (None, None);
                } else if let Some(near) = told.fix.as_ref().and_then(|fix| written(fix, link)) {
                    told.hint = Some(near);
                } else if let Some(near) = near(&tree.scopes, link) {
                    told.hint = Some(near);
                } else if told.hint.is_none() {
                    told.hint = Some(declare(link));
                }
            }
        }
        told
    }

    fn add(&mut self, finding: &Finding) {
        let field = finding
            .field
            .as_ref()
            .map_or_else(String::new, |f| format!("{f}: "));
        self.what = format!("{field}{}", finding.message);
        self.rule = Some(finding.rule.clone());
        self.hint.clone_from(&finding.hint);
        self.fix.clone_from(&finding.fix);
        let at = finding
            .position
            .map_or_else(String::new, |p| format!(":{}:{}", p.line, p.column));
        if !finding.file.is_empty() {
            self.place = Some(format!("{}{at}", finding.file));
        }
    }

    /// Something that is not declared, and that something refers to.
    fn undeclared(of: &Identity, tree: &Tree, link: Option<&Link>) -> Self {
        let user = link.map_or_else(String::new, |l| {
            format!("; {} refers to it ({})", l.from, l.field)
        });
        let is_unknown = link.is_some_and(|l| matches!(l.to, Target::Held(_) | Target::Unknown(_)))
            || is_elsewhere(Some(of), tree);
        let word = if is_unknown {
            "is not among the files"
        } else {
            "is not declared"
        };
        Self {
            path: Vec::new(),
            at: of.clone(),
            what: format!("it {word}{user}"),
            rule: None,
            place: link.and_then(|l| place(&tree.scopes, l)),
            hint: link.and_then(|l| near(&tree.scopes, l).or_else(|| (!is_unknown).then(|| declare(l)))),
            fix: None,
            awaits: None,
            is_unknown,
        }
    }
}

/// Whether something that is not among the files may be declared elsewhere.
fn is_elsewhere(what: Option<&Identity>, tree: &Tree) -> bool {
    what.is_some_and(|what| tree.part.may_exist(what) && tree.scopes.get(what).is_none())
}

fn steps(path: &[&Link]) -> Vec<(Identity, String)> {
    path.iter()
        .map(|l| (l.from.clone(), l.field.to_string()))
        .collect()
}

/// Where a reference stands.
fn place(scopes: &Scopes, link: &Link) -> Option<String> {
    let sourced = scopes.get(&link.from)?;
    if sourced.source.file.is_empty() {
        return None;
    }
    let at = manifest::locate(&sourced.source, &link.field);
    let at = at.map_or_else(String::new, |at| format!(":{}:{}", at.line, at.column));
    Some(format!("{}{at}", sourced.source.file))
}

fn missing(link: &Link, is_unknown: bool) -> String {
    let field = &link.field;
    match &link.to {
        Target::Missing(to) if !is_unknown => format!("{field}: {to} is not declared"),
        Target::Held(to) => format!("{field}: the file of {to} cannot be read"),
        Target::Unknown(to) | Target::Missing(to) => {
            format!("{field}: {to} is not among the files, nobody can tell here whether it is there")
        }
        Target::Invalid => format!("{field}: {:?} is not a name", link.text),
        Target::Found(to) => format!("{field}: {to}"),
    }
}

/// The name that a fix writes, as the edit that would use it.
fn written(fix: &Fix, link: &Link) -> Option<String> {
    let [edit] = fix.edits.as_slice() else { return None };
    match (&edit.action, &link.to) {
        (Action::Set { field, value }, Target::Missing(to)) => {
            Some(format!("write {value} in {field}, or declare {to}"))
        }
        _ => None,
    }
}

/// The nearest name that is declared, as the edit that would use it.
fn near(scopes: &Scopes, link: &Link) -> Option<String> {
    let Target::Missing(to) = &link.to else {
        return None;
    };
    let of_kind = scopes
        .iter()
        .map(|s| &s.identity)
        .filter(|i| i.kind == to.kind && i.product == to.product);
    let names: Vec<&str> = of_kind.map(|i| i.name.as_str()).collect();
    let near = nearest(to.name.as_str(), names.iter().copied())?;
    Some(format!("write {near} in {}, or declare {to}", link.field))
}

fn declare(link: &Link) -> String {
    match link.to.identity() {
        Some(to) => format!(
            "declare {to} ({}), or name another in {}",
            crate::cmd::explain::home(to.kind),
            link.field
        ),
        None => format!("name a resource in {}", link.field),
    }
}

fn text(of: &Identity, told: &[Told]) -> String {
    let stands = told.iter().filter(|t| !t.is_unknown).count();
    if told.is_empty() {
        return format!(
            "{GREEN}\u{2714}{GREEN:#} {BOLD}{of}{BOLD:#}: everything that it needs is declared, and no rule is broken\n"
        );
    }
    let (style, sign, head) = if stands == 0 {
        (
            YELLOW,
            "?",
            "nothing stands in its way among the files; not all can be told here".to_owned(),
        )
    } else if stands == 1 {
        (RED, "\u{2718}", "one thing stands in its way".to_owned())
    } else {
        (
            RED,
            "\u{2718}",
            format!("{stands} things stand in its way, the nearest first"),
        )
    };
    let mut out = format!("{style}{sign}{style:#} {BOLD}{of}{BOLD:#}: {head}\n");
    for one in told.iter().take(MANY) {
        out.push('\n');
        for (step, (from, field)) in one.path.iter().enumerate() {
            out.push_str(&format!("  {:1$}{from}  {DIM}{field}{DIM:#}\n", "", step * 2));
        }
        let indent = 2 + one.path.len() * 2;
        let style = if one.is_unknown { YELLOW } else { RED };
        let rule = one
            .rule
            .as_ref()
            .map_or_else(String::new, |r| format!(" {DIM}[{r}]{DIM:#}"));
        out.push_str(&format!(
            "{:indent$}{}  {style}{}{style:#}{rule}\n",
            "", one.at, one.what
        ));
        if let Some(place) = &one.place {
            out.push_str(&format!("{:indent$}  {DIM}at{DIM:#} {place}\n", ""));
        }
        if let Some(hint) = &one.hint {
            out.push_str(&format!("{:indent$}  {DIM}hint:{DIM:#} {hint}\n", ""));
        }
        for edit in one.fix.iter().flat_map(|fix| &fix.edits) {
            out.push_str(&format!("{:indent$}  {DIM}edit:{DIM:#} {edit}\n", ""));
        }
    }
    if told.len() > MANY {
        out.push_str(&format!("\n{} more\n", told.len() - MANY));
    }
    out
}

fn shown(of: &Identity, told: &[Told]) -> Value {
    let blockers: Vec<Value> = told
        .iter()
        .map(|t| {
            let path: Vec<Value> = t
                .path
                .iter()
                .map(|(from, field)| json!({ "resource": from.to_string(), "field": field }))
                .collect();
            let mut one = json!({
                "path": path,
                "at": t.at.to_string(),
                "message": t.what,
                "unknown": t.is_unknown,
            });
            let more = [("rule", &t.rule), ("place", &t.place), ("hint", &t.hint)];
            for (key, value) in more {
                if let Some(value) = value {
                    one[key] = json!(value);
                }
            }
            if let Some(fix) = &t.fix {
                one["fix"] = json!(fix);
            }
            if let Some(awaits) = &t.awaits {
                one["waitsFor"] = json!(awaits.to_string());
            }
            one
        })
        .collect();
    let blocked = told.iter().any(|t| !t.is_unknown);
    json!({ "resource": of.to_string(), "blocked": blocked, "blockers": blockers })
}

/// What the server knows of the resource.
async fn live(settings: &Settings, args: &Why) -> Outcome {
    let client = Client::connect(settings).await?;
    let product = args.tree.product.clone().or_else(|| settings.product.clone());
    let product = product
        .map(|p| p.parse().map_err(|e| Failure::usage(format!("-p {p}: {e}"))))
        .transpose()?;
    let named = Named::read(&args.what, product.as_ref())?;
    let all: StatusTree = client.get(&status::path("status", None)).await?;
    let matching = |node: &&StatusNode| {
        node.resource.kind == named.kind
            && node.resource.name == named.name
            && (named.product.is_none() || node.resource.product == named.product)
    };
    let found: Vec<&StatusNode> = all.nodes().filter(matching).collect();
    let node = match found.as_slice() {
        [one] => *one,
        [] => {
            return Err(Failure::new(
                Exit::NotFound,
                format!("the server knows no {} {}", named.kind, named.name),
            ));
        }
        several => {
            let names: Vec<String> = several.iter().map(|n| n.resource.to_string()).collect();
            return Err(
                Failure::usage(format!("several products have {} {}", named.kind, named.name))
                    .hint(format!("write {}", names.join(" or "))),
            );
        }
    };
    match args.output {
        Show::Text => {
            let only = StatusTree {
                tenant: Vec::new(),
                products: vec![node.clone()],
            };
            output::data(&status::draw(&only, true))?;
        }
        Show::Json => output::data(&format!("{:#}\n", serde_json::to_value(node)?))?,
        Show::Yaml => output::data(&output::yaml(node)?)?,
    }
    Ok(if node.state == State::Ready {
        Exit::Clean
    } else {
        Exit::Findings
    })
}
