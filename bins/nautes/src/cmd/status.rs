//! `nautes status`: the tree of a product, or of everything that the caller may see.

use nautes_runtime::status_report::{State, StatusNode, StatusTree};

use crate::cli::{Output, Status};
use crate::client::Client;
use crate::cmd::follow;
use crate::exit::{Exit, Outcome};
use crate::output::{self, BOLD, DIM, GREEN, RED, YELLOW};
use crate::settings::Settings;

/// Runs the command.
///
/// # Errors
/// The product is not there, or the API refuses or does not answer.
pub async fn run(settings: &Settings, args: &Status) -> Outcome {
    if args.watch {
        return follow::status(settings, args).await;
    }
    let client = Client::connect(settings).await?;
    let product = args.product.as_deref().or(settings.product.as_deref());
    let tree: StatusTree = client.get(&path("status", product)).await?;
    match args.output {
        Output::Json => output::data(&format!("{:#}\n", serde_json::to_value(&tree)?))?,
        Output::Yaml => output::data(&output::yaml(&tree)?)?,
        Output::Name => {
            for node in tree.nodes() {
                output::data(&format!("{}\n", node.resource))?;
            }
        }
        Output::Table | Output::Wide => {
            output::data(&draw(&tree, args.output == Output::Wide))?;
            output::say(&summary(&tree));
        }
    }
    let ready = tree.nodes().all(|n| n.state == State::Ready);
    Ok(if args.check && !ready {
        Exit::Findings
    } else {
        Exit::Clean
    })
}

/// Returns the path of a route that takes a product or stands for all.
pub(crate) fn path(route: &str, product: Option<&str>) -> String {
    product.map_or_else(|| format!("api/v1/{route}"), |p| format!("api/v1/{route}/{p}"))
}

/// Draws the tree: a line for each resource.
#[must_use]
pub fn draw(tree: &StatusTree, wide: bool) -> String {
    let mut text = String::new();
    for root in tree.tenant.iter().chain(&tree.products) {
        branch(root, "", "", wide, &mut text);
    }
    text
}

fn branch(node: &StatusNode, first: &str, rest: &str, wide: bool, text: &mut String) {
    let (style, symbol) = match node.state {
        State::Ready => (GREEN, "✔"),
        State::Pending => (YELLOW, "…"),
        State::Failed => (RED, "✘"),
        State::Unknown => (DIM, "?"),
    };
    let name = format!("{} {}", node.resource.kind, node.resource.name);
    let name = if first.is_empty() {
        format!("{BOLD}{name}{BOLD:#}")
    } else {
        name
    };
    text.push_str(&format!(
        "{DIM}{first}{DIM:#}{style}{symbol}{style:#} {name}  {style}{:?}{style:#}",
        node.state
    ));
    if node.state != State::Ready && !node.reason.is_empty() {
        text.push_str(&format!(" {}", node.reason));
    }
    if (node.state != State::Ready || wide) && !node.message.is_empty() {
        text.push_str(&format!(": {}", node.message));
    }
    if let Some(revision) = node.revision.as_ref().filter(|_| wide) {
        let short = revision.get(..12).unwrap_or(revision);
        text.push_str(&format!(" {DIM}({short}){DIM:#}"));
    }
    text.push('\n');
    for note in &node.notes {
        text.push_str(&format!(
            "{DIM}{rest}{}  {note}{DIM:#}\n",
            if node.children.is_empty() { " " } else { "│" }
        ));
    }
    for (i, child) in node.children.iter().enumerate() {
        let last = i + 1 == node.children.len();
        let first = format!("{rest}{}", if last { "└─ " } else { "├─ " });
        let rest = format!("{rest}{}", if last { "   " } else { "│  " });
        branch(child, &first, &rest, wide, text);
    }
}

pub(crate) fn summary(tree: &StatusTree) -> String {
    if tree.nodes().next().is_none() {
        return "nothing is declared that you may see".to_owned();
    }
    let of = |state| tree.nodes().filter(|n| n.state == state).count();
    let mut parts = vec![format!("{} ready", of(State::Ready))];
    for (state, word) in [
        (State::Pending, "pending"),
        (State::Failed, "failed"),
        (State::Unknown, "unknown"),
    ] {
        if of(state) > 0 {
            parts.push(format!("{} {word}", of(state)));
        }
    }
    parts.join(", ")
}
