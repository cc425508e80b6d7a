//! The dependency graph as a picture.
//!
//! A product is a frame around what it declares; left of it stand the providers, right of it the clusters.
//! Inside, the columns follow the flow: projects, bindings, repositories, runtimes, environments. An arrow leads
//! from what needs to what is needed; it is dashed where it only permits or mentions. That something belongs to
//! a product is said by the frame, not by an arrow. What is referred to but not declared is drawn as missing.
//!
//! The picture carries its own background and colours for light and dark surroundings, and names only generic
//! fonts, so that it needs nothing but a viewer.

mod place;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use nautes_model::name::ProductName;
use nautes_model::reference::Relation;
use nautes_model::{Identity, Kind};

use super::{Graph, Target};
use place::{Item, stack, tidy};

/// The columns of a picture, from left to right.
const COLUMNS: usize = 8;
const PROVIDERS: usize = 0;
const CLUSTERS: usize = 6;
const HOSTS: usize = 7;

const BOX_HEIGHT: f64 = 40.0;
const WIRE_HEIGHT: f64 = 4.0;
const GAP: f64 = 16.0;
const COLUMN_GAP: f64 = 52.0;
const MARGIN: f64 = 20.0;
const FRAME_HEAD: f64 = 34.0;
const FRAME_PAD: f64 = 16.0;
/// How wide a character is taken to be, generously, since the font is the viewer's.
const CHARACTER: f64 = 7.8;

const STYLE: &str = "\
    text { font-family: sans-serif; font-size: 13px; fill: #1f2328; }
    .kind { font-size: 10px; fill: #59636e; }
    .frame-name { font-size: 14px; font-weight: bold; }
    .back { fill: #ffffff; }
    .frame { fill: #f6f8fa; stroke: #d1d9e0; }
    .node { stroke-width: 1.2; }
    .project { fill: #ddf4ff; stroke: #0969da; }
    .repo { fill: #dafbe1; stroke: #1a7f37; }
    .binding { fill: #fff8c5; stroke: #9a6700; }
    .runtime { fill: #fbefff; stroke: #8250df; }
    .environment { fill: #fff1e5; stroke: #bc4c00; }
    .tenant { fill: #eff2f5; stroke: #59636e; }
    .missing { fill: none; stroke: #d1242f; stroke-dasharray: 4 3; }
    .wire { fill: none; stroke: #59636e; stroke-width: 1.3; }
    .soft { stroke-dasharray: 5 4; }
    .tip { fill: #59636e; }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc; }
      .kind { fill: #9198a1; }
      .back { fill: #0d1117; }
      .frame { fill: #151b23; stroke: #3d444d; }
      .project { fill: #0c2d4d; stroke: #4493f8; }
      .repo { fill: #0f2d1a; stroke: #3fb950; }
      .binding { fill: #332700; stroke: #d29922; }
      .runtime { fill: #2a1a42; stroke: #ab7df8; }
      .environment { fill: #3a1d0a; stroke: #db6d28; }
      .tenant { fill: #212830; stroke: #9198a1; }
      .missing { fill: none; stroke: #f85149; }
      .wire { stroke: #9198a1; }
      .tip { fill: #9198a1; }
    }
";

impl Graph {
    /// Draws the graph as SVG: the same text for the same graph, without anything from outside.
    #[must_use]
    pub fn svg(&self) -> String {
        Picture::of(self).render()
    }
}

/// A resource in the picture.
struct Node<'a> {
    identity: &'a Identity,
    column: usize,
    declared: bool,
    y: f64,
}

/// An arrow in the picture, with the heights at which it passes the columns in between.
struct Wire {
    from: usize,
    to: usize,
    soft: bool,
    bends: Vec<(usize, f64)>,
}

struct Frame<'a> {
    name: &'a ProductName,
    top: f64,
    height: f64,
}

struct Picture<'a> {
    nodes: Vec<Node<'a>>,
    wires: Vec<Wire>,
    frames: Vec<Frame<'a>>,
    height: f64,
}

impl<'a> Picture<'a> {
    fn of(graph: &'a Graph) -> Self {
        let mut picture = Self {
            nodes: Vec::new(),
            wires: Vec::new(),
            frames: Vec::new(),
            height: 0.0,
        };
        picture.collect(graph);
        picture.place_products();
        picture.place_tenant();
        picture
    }

    /// Takes nodes and arrows from the graph, by identity.
    fn collect(&mut self, graph: &'a Graph) {
        let mut declared: BTreeMap<&Identity, bool> = graph.links.keys().map(|i| (i, true)).collect();
        let mut hosts = BTreeSet::new();
        let mut wires: BTreeMap<(&Identity, &Identity), bool> = BTreeMap::new();
        for link in graph.links() {
            let Some(to) = link.to.identity().filter(|to| to.kind != Kind::Product) else {
                continue;
            };
            if link.from.kind == Kind::Cluster && to.kind == Kind::Cluster {
                hosts.insert(to);
            }
            if matches!(link.to, Target::Missing(_)) {
                declared.entry(to).or_insert(false);
            } else if !declared.contains_key(to) {
                continue;
            }
            let soft = matches!(link.reference.relation, Relation::Grants | Relation::Mentions)
                || link.from.kind == Kind::CodeRepoBinding;
            *wires.entry((&link.from, to)).or_insert(true) &= soft;
        }
        let mut numbers = BTreeMap::new();
        for (identity, declared) in declared {
            if identity.kind == Kind::Product {
                continue;
            }
            numbers.insert(identity, self.nodes.len());
            let column = if hosts.contains(identity) {
                HOSTS
            } else {
                column(identity.kind)
            };
            self.nodes.push(Node {
                identity,
                column,
                declared,
                y: 0.0,
            });
        }
        self.wires = wires
            .into_iter()
            .filter_map(|((from, to), soft)| {
                Some(Wire {
                    from: *numbers.get(from)?,
                    to: *numbers.get(to)?,
                    soft,
                    bends: Vec::new(),
                })
            })
            .collect();
    }

    /// Places what each product declares, product below product.
    fn place_products(&mut self) {
        let products: BTreeSet<&ProductName> = self
            .nodes
            .iter()
            .filter_map(|n| n.identity.product.as_ref())
            .collect();
        let mut top = MARGIN;
        for name in products {
            let height = FRAME_HEAD + self.place_product(name, top + FRAME_HEAD) + FRAME_PAD;
            self.frames.push(Frame { name, top, height });
            top += height + GAP;
        }
        self.height = top - GAP + MARGIN;
    }

    /// Places the nodes of a product from a height on, and the bends of arrows that leave them; returns how high
    /// they are together.
    fn place_product(&mut self, product: &ProductName, top: f64) -> f64 {
        let mut columns = vec![Vec::new(); COLUMNS];
        let mut items = Vec::new();
        let mut item_of = BTreeMap::new();
        for (number, node) in self.nodes.iter().enumerate() {
            if node.identity.product.as_ref() == Some(product) {
                item_of.insert(number, items.len());
                columns[node.column].push(items.len());
                items.push(Item::new(BOX_HEIGHT));
            }
        }
        // An arrow over several columns gets a place of its own in each that it passes.
        let mut bends = Vec::new();
        for (number, wire) in self.wires.iter().enumerate() {
            let Some(mut last) = item_of.get(&wire.from).copied() else {
                continue;
            };
            let end = item_of.get(&wire.to).copied();
            if end.is_none() && self.nodes[wire.to].identity.product.is_some() {
                continue;
            }
            for column in between(self.nodes[wire.from].column, self.nodes[wire.to].column) {
                let bend = items.len();
                items.push(Item::new(WIRE_HEIGHT));
                columns[column].push(bend);
                bends.push((number, column, bend));
                items[last].near.push(bend);
                items[bend].near.push(last);
                last = bend;
            }
            if let Some(end) = end {
                items[last].near.push(end);
                items[end].near.push(last);
            }
        }
        tidy(&mut items, &mut columns, GAP);
        let low = items.iter().map(Item::top).fold(f64::INFINITY, f64::min);
        let high = items.iter().map(Item::bottom).fold(f64::NEG_INFINITY, f64::max);
        for (node, item) in item_of {
            self.nodes[node].y = items[item].y - low + top;
        }
        for (wire, column, item) in bends {
            self.wires[wire].bends.push((column, items[item].y - low + top));
        }
        (high - low).max(0.0)
    }

    /// Places clusters and providers beside what uses them.
    fn place_tenant(&mut self) {
        let middle = self.height / 2.0;
        for column in [PROVIDERS, CLUSTERS, HOSTS] {
            let mut members: Vec<(f64, usize)> = (0..self.nodes.len())
                .filter(|n| self.nodes[*n].identity.product.is_none() && self.nodes[*n].column == column)
                .map(|n| (self.wished(n).unwrap_or(middle), n))
                .collect();
            members.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            let wishes: Vec<(f64, f64)> = members.iter().map(|(wish, _)| (*wish, BOX_HEIGHT)).collect();
            for (y, (_, node)) in stack(&wishes, GAP).into_iter().zip(&members) {
                self.nodes[*node].y = y;
            }
        }
        let tenant = || self.nodes.iter().map(|n| n.y);
        let low = tenant().fold(f64::INFINITY, f64::min) - BOX_HEIGHT / 2.0;
        let shift = if low < MARGIN { MARGIN - low } else { 0.0 };
        let high = tenant().fold(0.0, f64::max) + shift + BOX_HEIGHT / 2.0 + MARGIN;
        for node in &mut self.nodes {
            node.y += shift;
        }
        for (_, y) in self.wires.iter_mut().flat_map(|w| &mut w.bends) {
            *y += shift;
        }
        for frame in &mut self.frames {
            frame.top += shift;
        }
        self.height = high.max(self.height + shift);
    }

    /// The height at which the arrows to a node come from, on average.
    fn wished(&self, node: usize) -> Option<f64> {
        let from: Vec<f64> = self
            .wires
            .iter()
            .filter(|w| w.to == node && self.nodes[w.from].y > 0.0)
            .map(|w| w.bends.last().map_or(self.nodes[w.from].y, |(_, y)| *y))
            .collect();
        (!from.is_empty()).then(|| from.iter().sum::<f64>() / from.len() as f64)
    }

    fn render(&self) -> String {
        let spans = self.spans();
        let width = spans[COLUMNS - 1].1 + MARGIN;
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
             height=\"{height:.0}\" role=\"img\">\n  <title>What is declared, and what needs what</title>\n  \
             <style>\n{STYLE}  </style>\n  <defs>\n    <marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" \
             markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path class=\"tip\" d=\"M0 0 L8 4 L0 8 z\"/></marker>\n  \
             </defs>\n  <rect class=\"back\" width=\"{width:.0}\" height=\"{height:.0}\" rx=\"8\"/>\n",
            height = self.height,
        );
        for frame in &self.frames {
            render_frame(&mut out, frame, &spans);
        }
        for wire in &self.wires {
            self.render_wire(&mut out, wire, &spans);
        }
        for node in &self.nodes {
            render_node(&mut out, node, spans[node.column]);
        }
        out.push_str("</svg>\n");
        out
    }

    /// Where each column begins and ends; one without nodes has no width.
    fn spans(&self) -> Vec<(f64, f64)> {
        let mut left = MARGIN;
        let mut end = MARGIN;
        (0..COLUMNS)
            .map(|column| {
                let texts = self.nodes.iter().filter(|n| n.column == column).flat_map(|n| {
                    let kind = n.identity.kind.name().len() as f64 * 0.8;
                    [n.identity.name.as_str().len() as f64, kind]
                });
                let longest = texts.fold(0.0, f64::max);
                if longest > 0.0 {
                    let span = (left, left + longest * CHARACTER + 20.0);
                    end = span.1;
                    left = end + COLUMN_GAP;
                    span
                } else {
                    (end, end)
                }
            })
            .collect()
    }

    fn render_wire(&self, out: &mut String, wire: &Wire, spans: &[(f64, f64)]) {
        let (from, to) = (&self.nodes[wire.from], &self.nodes[wire.to]);
        let class = if wire.soft { "wire soft" } else { "wire" };
        let _ = write!(out, "  <path class=\"{class}\" marker-end=\"url(#tip)\" d=\"");
        let (left, right) = spans[from.column];
        if from.column == to.column {
            let far = right + COLUMN_GAP * 0.6;
            let _ = write!(
                out,
                "M{right:.0} {:.0} C{far:.0} {:.0} {far:.0} {:.0} {:.0} {:.0}",
                from.y,
                from.y,
                to.y,
                right + 2.0,
                to.y
            );
        } else {
            let rightwards = to.column > from.column;
            let mut at = (if rightwards { right } else { left }, from.y);
            let _ = write!(out, "M{:.0} {:.0}", at.0, at.1);
            for (column, y) in &wire.bends {
                let (near, far) = if rightwards {
                    spans[*column]
                } else {
                    (spans[*column].1, spans[*column].0)
                };
                curve(out, at, (near, *y));
                let _ = write!(out, " L{far:.0} {y:.0}");
                at = (far, *y);
            }
            let end = if rightwards {
                spans[to.column].0 - 2.0
            } else {
                spans[to.column].1 + 2.0
            };
            curve(out, at, (end, to.y));
        }
        out.push_str("\"/>\n");
    }
}

/// The column of a kind.
const fn column(kind: Kind) -> usize {
    match kind {
        Kind::CodeRepoProvider | Kind::ArtifactRepoProvider | Kind::ProductProvider | Kind::Product => {
            PROVIDERS
        }
        Kind::Project => 1,
        Kind::CodeRepoBinding | Kind::ProjectArtifactRepo => 2,
        Kind::CodeRepo | Kind::ArtifactRepo => 3,
        Kind::ProjectPipelineRuntime | Kind::DeploymentRuntime => 4,
        Kind::Environment => 5,
        Kind::Cluster => CLUSTERS,
    }
}

const fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Project => "project",
        Kind::CodeRepoBinding | Kind::ProjectArtifactRepo => "binding",
        Kind::CodeRepo | Kind::ArtifactRepo => "repo",
        Kind::ProjectPipelineRuntime | Kind::DeploymentRuntime => "runtime",
        Kind::Environment => "environment",
        Kind::CodeRepoProvider
        | Kind::ArtifactRepoProvider
        | Kind::ProductProvider
        | Kind::Product
        | Kind::Cluster => "tenant",
    }
}

/// The columns that lie between two, in the direction of the arrow.
fn between(from: usize, to: usize) -> Vec<usize> {
    if from < to {
        (from + 1..to).collect()
    } else {
        (to + 1..from).rev().collect()
    }
}

fn curve(out: &mut String, from: (f64, f64), to: (f64, f64)) {
    let middle = f64::midpoint(from.0, to.0);
    let _ = write!(
        out,
        " C{middle:.0} {:.0} {middle:.0} {:.0} {:.0} {:.0}",
        from.1, to.1, to.0, to.1
    );
}

fn render_frame(out: &mut String, frame: &Frame<'_>, spans: &[(f64, f64)]) {
    // The frame reaches over the columns of products, whether this one uses them all or not.
    let left = spans[PROVIDERS].1.max(spans[1].0 - FRAME_PAD).min(spans[1].0);
    let left = if left > spans[PROVIDERS].1 {
        left
    } else {
        spans[1].0
    };
    let right = spans[CLUSTERS - 1].1 + FRAME_PAD;
    let _ = writeln!(
        out,
        "  <rect class=\"frame\" x=\"{left:.0}\" y=\"{:.0}\" width=\"{:.0}\" height=\"{:.0}\" rx=\"8\"/>\n  \
         <text x=\"{:.0}\" y=\"{:.0}\"><tspan class=\"frame-name\">{}</tspan><tspan class=\"kind\" dx=\"8\">\
         Product</tspan></text>",
        frame.top,
        right - left,
        frame.height,
        left + 12.0,
        frame.top + 21.0,
        frame.name
    );
}

fn render_node(out: &mut String, node: &Node<'_>, (left, right): (f64, f64)) {
    let (top, middle) = (node.y - BOX_HEIGHT / 2.0, f64::midpoint(left, right));
    let class = if node.declared {
        class(node.identity.kind)
    } else {
        "missing"
    };
    let _ = writeln!(
        out,
        "  <g><title>{}</title><rect class=\"node {class}\" x=\"{left:.0}\" y=\"{top:.0}\" width=\"{:.0}\" \
         height=\"{BOX_HEIGHT:.0}\" rx=\"6\"/>\n    <text class=\"kind\" x=\"{middle:.0}\" y=\"{:.0}\" \
         text-anchor=\"middle\">{}</text>\n    <text x=\"{middle:.0}\" y=\"{:.0}\" text-anchor=\"middle\">{}</text></g>",
        node.identity,
        right - left,
        top + 15.0,
        node.identity.kind,
        top + 31.0,
        node.identity.name
    );
}
