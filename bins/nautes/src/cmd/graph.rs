//! `nautes graph`: the dependency graph of a tree, drawn.

use std::collections::BTreeSet;

use nautes_model::Kind;
use nautes_model::name::ProductName;
use nautes_validate::graph::View;
use serde_json::{Value, json};

use crate::cli::offline::{Drawing, Graph};
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::settings::Settings;
use crate::target::{self, Named};
use crate::tree;

/// Runs the command.
///
/// # Errors
/// The tree cannot be read, or what is asked for is not in it.
pub fn run(settings: &Settings, args: &Graph) -> Outcome {
    let kinds = args
        .kind
        .iter()
        .map(|k| target::kind(k))
        .collect::<Result<BTreeSet<Kind>, Failure>>()?;
    let tree = tree::read(settings, &args.tree)?;
    tree.warn();
    let on = tree.checked();
    let mut view = on
        .graph
        .view()
        .with_findings(&tree.findings)
        .with_elsewhere(|i| tree.part.may_exist(i));
    if args.focus.is_empty() {
        // The environment names a default product; a picture of one is asked for with -p only.
        if let Some(product) = args.tree.product.as_ref().and(tree.product.clone()) {
            view = of_product(view, &product)?;
        }
    } else {
        let focus = Named::read(&args.focus, tree.product.as_ref())?.find(&tree.scopes, &on.graph)?;
        view = view.around(&focus, args.depth);
    }
    if !kinds.is_empty() {
        view = view.of_kinds(&kinds);
    }
    let text = match args.output {
        Drawing::Dot => view.dot(),
        Drawing::Mermaid => view.mermaid(),
        Drawing::Svg => view.svg(),
        Drawing::Json => format!("{:#}\n", json(&view)),
    };
    output::data(&text)?;
    if view.is_empty() {
        output::say("nothing is left to draw");
    }
    Ok(Exit::Clean)
}

fn of_product(view: View, product: &ProductName) -> Result<View, Failure> {
    let shown = view.of_products(&BTreeSet::from([product.clone()]));
    if shown.is_empty() {
        return Err(Failure::new(
            Exit::NotFound,
            format!("nothing of product {product} is declared"),
        ));
    }
    Ok(shown)
}

fn json(view: &View) -> Value {
    let nodes: Vec<Value> = view
        .nodes()
        .map(|(identity, node)| {
            let mut shown = json!(node);
            shown["id"] = json!(identity.to_string());
            shown["resource"] = json!(identity);
            shown
        })
        .collect();
    let edges: Vec<Value> = view
        .edges()
        .map(|(from, to, edge)| {
            let mut shown = json!(edge);
            shown["from"] = json!(from.to_string());
            shown["to"] = json!(to.to_string());
            shown
        })
        .collect();
    json!({ "nodes": nodes, "edges": edges })
}
