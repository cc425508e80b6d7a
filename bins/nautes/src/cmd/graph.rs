//! `nautes graph`: the dependency graph of a tree, drawn.

use std::collections::BTreeSet;

use nautes_model::Kind;
use nautes_model::name::ProductName;
use nautes_validate::graph::View;
use serde_json::{Value, json};

use crate::cli::offline::{Drawing, Graph};
use crate::client::Client;
use crate::cmd::status;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::settings::Settings;
use crate::target::{self, Named};
use crate::tree;

/// Runs the command.
///
/// # Errors
/// The tree cannot be read, what is asked for is not in it, or the server does not answer.
pub async fn run(settings: &Settings, args: &Graph) -> Outcome {
    if args.live || (settings.names_server && args.tree.filename.is_empty()) {
        return live(settings, args).await;
    }
    of_files(settings, args)
}

/// What the server declares.
async fn live(settings: &Settings, args: &Graph) -> Outcome {
    let product = settings.product(args.tree.product.as_deref())?;
    let mut query = vec![("format", word(args.output).to_owned())];
    if !args.focus.is_empty() {
        let focus = Named::read(&args.focus, product.as_ref())?;
        let of = focus
            .product
            .as_ref()
            .map_or_else(String::new, |p| format!("{p}/"));
        query.push(("focus", format!("{}/{of}{}", focus.kind, focus.name)));
        query.push(("depth", args.depth.to_string()));
    }
    if !args.kind.is_empty() {
        query.push(("kind", args.kind.join(",")));
    }
    let client = Client::connect(settings).await?;
    // The environment names a default product; a picture of one is asked for with -p only.
    let only = args.tree.product.as_deref();
    let text = client.text(&status::path("graph", only), &query).await?;
    output::data(&if args.output == Drawing::Json {
        let graph: Value = serde_json::from_str(&text)?;
        format!("{graph:#}\n")
    } else {
        text
    })?;
    Ok(Exit::Clean)
}

const fn word(drawing: Drawing) -> &'static str {
    match drawing {
        Drawing::Dot => "dot",
        Drawing::Mermaid => "mermaid",
        Drawing::Svg => "svg",
        Drawing::Json => "json",
    }
}

fn of_files(settings: &Settings, args: &Graph) -> Outcome {
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
