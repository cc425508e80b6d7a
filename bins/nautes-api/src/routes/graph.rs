//! The dependency graph of what the caller may read, as data or drawn.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse, Response};
use nautes_model::name::ProductName;
use nautes_model::{Finding, Identity, Kind};
use nautes_validate::check;
use nautes_validate::graph::{Graph, View};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::gate::InProduct;
use super::operation::{JSON, Needs, Operation, Parameter, Tag};
use super::path;
use crate::app::App;
use crate::apply::scopes;
use crate::auth::Caller;
use crate::error::{ApiError, internal};
use crate::names::answer;
use crate::policy::Action;
use crate::sight::Sight;

/// How many resources a picture may have.
const DRAWN: usize = 2_000;
/// How many resources an answer in JSON may have.
const LISTED: usize = 20_000;
/// How many steps around a resource are shown at most.
const DEEPEST: usize = 32;

const DOT: &str = "text/vnd.graphviz";
const SVG: &str = "image/svg+xml";
const MERMAID: &str = "text/vnd.mermaid";
/// A drawing has styles of its own, and needs nothing else.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

/// The rows of the table.
pub(crate) fn operations() -> Vec<Operation> {
    let product = Parameter::product();
    vec![
        described(
            Operation::get("/api/v1/graph", "graph", Needs::Caller, graph),
            "How everything hangs together that the caller may read",
        ),
        described(
            Operation::get(
                "/api/v1/graph/{product}",
                "graphOfProduct",
                Needs::Product(Action::Read),
                graph_of,
            )
            .with(product),
            "How a product hangs together",
        ),
    ]
}

fn described(operation: Operation, summary: &str) -> Operation {
    operation
        .with(Parameter::query::<Option<String>>(
            "focus",
            "The resource around which the graph is shown: `KIND/NAME` or `KIND/PRODUCT/NAME`.",
        ))
        .with(Parameter::query::<Option<u8>>("depth", "How many steps around `focus`: 1 to 32.").default("2"))
        .with(Parameter::query::<Option<String>>(
            "kind",
            "Kinds to show, separated by commas; what leads through others leads on directly.",
        ))
        .with(Parameter::query::<Option<Format>>(
            "format",
            "The form of the answer; it wins over `Accept`.",
        ))
        .says(
            Tag::Insight,
            summary,
            "An arrow leads from a resource to one that it refers to. What stands in products that the caller may not \
             read is shown only where something that he may read refers to it, by its name alone: whether it is there, \
             what is wrong with it and where it leads is not told.",
        )
        .replies_made(
            200,
            "The graph.",
            JSON,
            super::operation::Form::of::<GraphReply>(),
        )
        .replies_text(200, "The graph for Graphviz.", DOT)
        .replies_text(200, "The graph as a drawing.", SVG)
        .replies_text(200, "The graph for Mermaid.", MERMAID)
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// Nodes and edges.
    #[default]
    Json,
    /// The language of Graphviz.
    Dot,
    /// A drawing.
    Svg,
    /// The language of Mermaid.
    Mermaid,
}

/// A graph.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GraphReply {
    /// The resources, in order of kind and name.
    pub nodes: Vec<GraphNode>,
    /// The arrows, in order of both ends.
    pub edges: Vec<GraphEdge>,
}

/// A resource of a graph.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GraphNode {
    /// `Kind/product/name`; edges name it so.
    pub id: String,
    /// The resource.
    pub resource: Identity,
    /// Whether it is there: `declared`, `missing`, or `elsewhere` where that cannot be told or not be said.
    pub presence: String,
    /// Whether it is what the graph is about.
    #[serde(default)]
    pub focus: bool,
    /// What is wrong with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<GraphFault>,
}

/// Something wrong with a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GraphFault {
    /// How bad it is.
    pub severity: nautes_model::Severity,
    /// The id of the rule.
    pub rule: String,
    /// What is wrong.
    pub message: String,
}

/// An arrow of a graph.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GraphEdge {
    /// Who refers.
    pub from: String,
    /// To what.
    pub to: String,
    /// The fields that refer; empty where what lies between is not shown.
    pub fields: BTreeSet<String>,
    /// Whether nothing breaks without what it leads to.
    pub soft: bool,
    /// Whether it belongs to a binding.
    pub binding: bool,
    /// Whether it leads to what is not declared.
    pub broken: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct GraphQuery {
    #[serde(default)]
    focus: String,
    depth: Option<usize>,
    #[serde(default)]
    kind: String,
    format: Option<Format>,
}

type Asked = Result<Query<GraphQuery>, QueryRejection>;

async fn graph(
    caller: Caller,
    State(app): State<App>,
    headers: HeaderMap,
    query: Asked,
) -> Result<Response, ApiError> {
    answer(&app, &caller, None, &headers, query).await
}

async fn graph_of(
    caller: Caller,
    State(app): State<App>,
    InProduct(product): InProduct,
    headers: HeaderMap,
    query: Asked,
) -> Result<Response, ApiError> {
    answer(&app, &caller, Some(product), &headers, query).await
}

async fn answer(
    app: &App,
    caller: &Caller,
    product: Option<ProductName>,
    headers: &HeaderMap,
    query: Asked,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|e| ApiError::malformed(e.body_text()))?;
    let depth = query.depth.unwrap_or(2);
    if !(1..=DEEPEST).contains(&depth) {
        return Err(ApiError::malformed(format!(
            "the depth is {depth}; it can be 1 to {DEEPEST}"
        )));
    }
    let words = query
        .kind
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty());
    let kinds: BTreeSet<Kind> = words.map(path::kind).collect::<Result<_, _>>()?;
    let format = query.format.unwrap_or_else(|| accepted(headers));
    let sight = Sight::of(app, caller).await?;
    let scopes = scopes(app).await?;
    let focus = match query.focus.as_str() {
        "" => None,
        text => Some((path::resource(&scopes, text, product.as_ref())?, text.to_owned())),
    };
    let platform = app.platform().clone();
    let shown = answer::known_to(app, &sight);
    let work = move || {
        let graph = Graph::of(&scopes);
        let report = check(&scopes, platform.rules());
        let findings: Vec<Finding> = report.findings.into_iter().map(|f| sight.told(f)).collect();
        let mut view = graph
            .view()
            .with_findings(&findings)
            .readable_by(|of| sight.sees(of));
        if let Some((focus, asked)) = &focus {
            if !view.nodes().any(|(of, _)| of == focus) {
                return Err(ApiError::not_found(format!("{asked} not found"))
                    .hint("check the name; what you may not see does not show either"));
            }
            view = view.around(focus, depth);
        } else if let Some(product) = product {
            view = view.of_products(&BTreeSet::from([product]));
        }
        if !kinds.is_empty() {
            view = view.of_kinds(&kinds);
        }
        render(&view.called(|of| shown.called(of)), format)
    };
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| internal("the graph was not made", &error))?
}

fn render(view: &View, format: Format) -> Result<Response, ApiError> {
    let count = view.nodes().count();
    let most = if format == Format::Json { LISTED } else { DRAWN };
    if count > most {
        return Err(ApiError::malformed(format!(
            "the graph has {count} resources; {most} can be answered in this form"
        ))
        .hint("ask for one product, for some kinds, or around one resource (focus)"));
    }
    let (media, text) = match format {
        Format::Json => return Ok(Json(data(view)).into_response()),
        Format::Dot => (DOT, view.dot()),
        Format::Svg => (SVG, view.svg()),
        Format::Mermaid => (MERMAID, view.mermaid()),
    };
    let headers: [(HeaderName, &str); 2] = [
        (header::CONTENT_TYPE, media),
        (header::CONTENT_SECURITY_POLICY, POLICY),
    ];
    Ok((headers, text).into_response())
}

fn data(view: &View) -> GraphReply {
    let nodes = view.nodes().map(|(resource, node)| GraphNode {
        id: resource.to_string(),
        resource: resource.clone(),
        presence: match node.presence {
            nautes_validate::graph::Presence::Declared => "declared",
            nautes_validate::graph::Presence::Elsewhere => "elsewhere",
            nautes_validate::graph::Presence::Missing => "missing",
        }
        .to_owned(),
        focus: node.focus,
        faults: node
            .faults
            .iter()
            .map(|fault| GraphFault {
                severity: fault.severity,
                rule: fault.rule.clone(),
                message: fault.message.clone(),
            })
            .collect(),
    });
    let edges = view.edges().map(|(from, to, edge)| GraphEdge {
        from: from.to_string(),
        to: to.to_string(),
        fields: edge.fields.clone(),
        soft: edge.soft,
        binding: edge.binding,
        broken: edge.broken,
    });
    GraphReply {
        nodes: nodes.collect(),
        edges: edges.collect(),
    }
}

/// The first form that the client takes and that there is.
fn accepted(headers: &HeaderMap) -> Format {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let medias = accept
        .split(',')
        .map(|one| one.split(';').next().unwrap_or_default().trim());
    medias
        .filter_map(|media| match media {
            JSON => Some(Format::Json),
            DOT => Some(Format::Dot),
            SVG => Some(Format::Svg),
            MERMAID => Some(Format::Mermaid),
            _ => None,
        })
        .next()
        .unwrap_or_default()
}
