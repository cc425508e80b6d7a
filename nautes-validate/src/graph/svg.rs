//! The dependency graph as a picture.
//!
//! A product is a frame around what it declares; left of it stand the providers, right of it the clusters.
//! Inside, the columns follow the flow: projects, bindings, repositories, runtimes, environments. An arrow leads
//! from what needs to what is needed; it is dashed where it only permits or mentions. That something belongs to
//! a product is said by the frame, not by an arrow; where all repositories of a product are on one provider, one
//! arrow from the frame says so. What is referred to but not declared is drawn as missing, and what breaks a rule in
//! red. A legend says which colour is what.
//!
//! A platform that would make one very high picture is drawn in bands of products side by side, each with the
//! providers and clusters that it uses.
//!
//! The picture carries its own background and colours for light and dark surroundings, and names only generic
//! fonts, so that it needs nothing but a viewer.

mod bands;
mod draw;
mod legend;
mod place;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use nautes_model::name::ProductName;
use nautes_model::{Identity, Kind};

use super::Graph;
use super::view::{Node as Shown, Presence, View};
use draw::{curve, faults, render_node, sign};
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
const BAND_GAP: f64 = 64.0;
const FRAME_HEAD: f64 = 34.0;
const FRAME_PAD: f64 = 16.0;
/// How wide a character is taken to be, generously, since the font is the viewer's.
const CHARACTER: f64 = 7.8;
/// How much room the sign of a fault takes beside the kind, on each side.
const MARK: f64 = 20.0;

const STYLE: &str = "\
    text { font-family: sans-serif; font-size: 13px; fill: #1f2328; }
    .kind { font-size: 10px; fill: #59636e; }
    .frame-name { font-size: 14px; font-weight: bold; }
    .back { fill: #ffffff; }
    .frame { fill: #f6f8fa; stroke: #d1d9e0; }
    .node { stroke-width: 1.2; }
    .sample { stroke-width: 1.2; }
    .legend { font-size: 12px; fill: #59636e; }
    .project { fill: #ddf4ff; stroke: #0969da; }
    .repo { fill: #dafbe1; stroke: #1a7f37; }
    .binding { fill: #fff8c5; stroke: #9a6700; }
    .runtime { fill: #fbefff; stroke: #8250df; }
    .environment { fill: #fff1e5; stroke: #bc4c00; }
    .tenant { fill: #eff2f5; stroke: #59636e; }
    .missing { fill: none; stroke: #d1242f; stroke-dasharray: 4 3; }
    .elsewhere { fill: none; stroke: #59636e; stroke-dasharray: 4 3; }
    .fault { fill: #ffebe9; stroke: #d1242f; stroke-width: 2.2; }
    .focus { stroke-width: 3.4; }
    .mark { fill: #d1242f; font-size: 10px; font-weight: bold; }
    .broken { stroke: #d1242f; }
    .wire { fill: none; stroke: #59636e; stroke-width: 1.3; }
    .soft { stroke-dasharray: 5 4; }
    .tip { fill: #59636e; }
    .broken-tip { fill: #d1242f; }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc; }
      .kind, .legend { fill: #9198a1; }
      .back { fill: #0d1117; }
      .frame { fill: #151b23; stroke: #3d444d; }
      .project { fill: #0c2d4d; stroke: #4493f8; }
      .repo { fill: #0f2d1a; stroke: #3fb950; }
      .binding { fill: #332700; stroke: #d29922; }
      .runtime { fill: #2a1a42; stroke: #ab7df8; }
      .environment { fill: #3a1d0a; stroke: #db6d28; }
      .tenant { fill: #212830; stroke: #9198a1; }
      .missing { fill: none; stroke: #f85149; }
      .elsewhere { fill: none; stroke: #9198a1; }
      .fault { fill: #3c1618; stroke: #f85149; }
      .mark { fill: #f85149; }
      .broken { stroke: #f85149; }
      .broken-tip { fill: #f85149; }
      .wire { stroke: #9198a1; }
      .tip { fill: #9198a1; }
    }
";

impl Graph {
    /// Draws the graph as SVG: the same text for the same graph, without anything from outside.
    #[must_use]
    pub fn svg(&self) -> String {
        self.view().svg()
    }
}

impl View {
    /// Draws it as SVG: the same text for the same view, without anything from outside.
    #[must_use]
    pub fn svg(&self) -> String {
        let bands = bands::split(self);
        let mut left = MARGIN;
        let mut pictures = Vec::with_capacity(bands.len());
        for band in &bands {
            let picture = Picture::of(band, left);
            left = picture.right() + BAND_GAP;
            pictures.push(picture);
        }
        render(&pictures, &self.classes())
    }
}

/// A resource in the picture.
struct Node<'a> {
    identity: &'a Identity,
    column: usize,
    shown: &'a Shown,
    y: f64,
}

/// An arrow in the picture, with the heights at which it passes the columns in between.
struct Wire {
    from: usize,
    to: usize,
    soft: bool,
    broken: bool,
    bends: Vec<(usize, f64)>,
}

struct Frame<'a> {
    name: ProductName,
    product: Option<&'a Shown>,
    top: f64,
    height: f64,
    /// Providers that all repositories are on.
    providers: Vec<usize>,
}

struct Picture<'a> {
    left: f64,
    nodes: Vec<Node<'a>>,
    wires: Vec<Wire>,
    frames: Vec<Frame<'a>>,
    height: f64,
}

impl<'a> Picture<'a> {
    fn of(view: &'a View, left: f64) -> Self {
        let mut picture = Self {
            left,
            nodes: Vec::new(),
            wires: Vec::new(),
            frames: Vec::new(),
            height: 0.0,
        };
        picture.collect(view);
        let bundled = picture.bundle();
        picture.place_products(view, bundled);
        picture.place_tenant();
        picture
    }

    /// Takes nodes and arrows from the view, by identity.
    fn collect(&mut self, view: &'a View) {
        let drawn = |i: &Identity| i.kind != Kind::Product;
        let hosts: BTreeSet<&Identity> = view
            .edges()
            .filter(|(from, to, _)| from.kind == Kind::Cluster && to.kind == Kind::Cluster)
            .map(|(_, to, _)| to)
            .collect();
        let mut numbers = BTreeMap::new();
        for (identity, shown) in view.nodes().filter(|(i, _)| drawn(i)) {
            numbers.insert(identity, self.nodes.len());
            let is_host = hosts.contains(identity);
            self.nodes.push(Node {
                identity,
                column: if is_host { HOSTS } else { column(identity.kind) },
                shown,
                y: 0.0,
            });
        }
        self.wires = view
            .edges()
            .filter_map(|(from, to, edge)| {
                Some(Wire {
                    from: *numbers.get(from)?,
                    to: *numbers.get(to)?,
                    soft: edge.is_dashed(),
                    broken: edge.broken,
                    bends: Vec::new(),
                })
            })
            .collect();
    }

    /// Puts one arrow from the frame in the place of those of all repositories of a product to their one provider.
    fn bundle(&mut self) -> BTreeMap<&'a ProductName, Vec<usize>> {
        let mut repos: BTreeMap<&ProductName, usize> = BTreeMap::new();
        for node in self.nodes.iter().filter(|n| n.identity.kind == Kind::CodeRepo) {
            if let Some(product) = &node.identity.product {
                *repos.entry(product).or_default() += 1;
            }
        }
        let mut users: BTreeMap<(&ProductName, usize), usize> = BTreeMap::new();
        for wire in &self.wires {
            let from = self.nodes[wire.from].identity;
            if let Some(product) = from.product.as_ref().filter(|_| self.is_bundled(wire)) {
                *users.entry((product, wire.to)).or_default() += 1;
            }
        }
        let mut bundles: BTreeMap<&'a ProductName, Vec<usize>> = BTreeMap::new();
        for ((product, to), count) in users {
            if count > 1 && repos.get(product) == Some(&count) {
                bundles.entry(product).or_default().push(to);
            }
        }
        let mut wires = std::mem::take(&mut self.wires);
        wires.retain(|wire| {
            let product = self.nodes[wire.from].identity.product.as_ref();
            let bundle = product.and_then(|p| bundles.get(p));
            !(self.is_bundled(wire) && bundle.is_some_and(|to| to.contains(&wire.to)))
        });
        self.wires = wires;
        bundles
    }

    fn is_bundled(&self, wire: &Wire) -> bool {
        let (from, to) = (self.nodes[wire.from].identity, self.nodes[wire.to].identity);
        from.kind == Kind::CodeRepo && to.kind == Kind::CodeRepoProvider && !wire.broken
    }

    /// Places what each product declares, product below product.
    fn place_products(&mut self, view: &'a View, mut providers: BTreeMap<&'a ProductName, Vec<usize>>) {
        let members = view.nodes().filter_map(|(i, _)| i.product.clone());
        let mut products: BTreeMap<ProductName, Option<&Shown>> = members.map(|p| (p, None)).collect();
        for (identity, shown) in view.nodes().filter(|(i, _)| i.kind == Kind::Product) {
            if let Ok(product) = ProductName::new(identity.name.as_str()) {
                products.insert(product, Some(shown));
            }
        }
        let mut top = MARGIN;
        for (name, product) in products {
            let height = FRAME_HEAD + self.place_product(&name, top + FRAME_HEAD) + FRAME_PAD;
            let providers = providers.remove(&name).unwrap_or_default();
            self.frames.push(Frame {
                name,
                product,
                top,
                height,
                providers,
            });
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
        let frames = self
            .frames
            .iter()
            .filter(|f| f.providers.contains(&node))
            .map(Frame::middle);
        let from: Vec<f64> = self
            .wires
            .iter()
            .filter(|w| w.to == node && self.nodes[w.from].y > 0.0)
            .map(|w| w.bends.last().map_or(self.nodes[w.from].y, |(_, y)| *y))
            .chain(frames)
            .collect();
        (!from.is_empty()).then(|| from.iter().sum::<f64>() / from.len() as f64)
    }

    /// Where it ends.
    fn right(&self) -> f64 {
        self.spans().last().map_or(self.left, |span| span.1)
    }

    fn render(&self, out: &mut String) {
        let spans = self.spans();
        for frame in &self.frames {
            self.render_frame(out, frame, &spans);
        }
        for wire in &self.wires {
            self.render_wire(out, wire, &spans);
        }
        for node in &self.nodes {
            render_node(out, node, spans[node.column]);
        }
    }

    /// Where each column begins and ends; one without nodes has no width.
    fn spans(&self) -> Vec<(f64, f64)> {
        let mut left = self.left;
        let mut end = self.left;
        (0..COLUMNS)
            .map(|column| {
                let texts = self.nodes.iter().filter(|n| n.column == column).flat_map(|n| {
                    let beside = if sign(n.shown).is_empty() { 0.0 } else { 2.0 * MARK };
                    let kind = n.identity.kind.name().len() as f64 * 0.8 + beside / CHARACTER;
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

    fn render_frame(&self, out: &mut String, frame: &Frame<'_>, spans: &[(f64, f64)]) {
        // The frame reaches over the columns of products, whether this one uses them all or not.
        let left = spans[PROVIDERS].1.max(spans[1].0 - FRAME_PAD).min(spans[1].0);
        let left = if left > spans[PROVIDERS].1 {
            left
        } else {
            spans[1].0
        };
        let right = spans[CLUSTERS - 1].1 + FRAME_PAD;
        let faulty = frame.product.is_some_and(Shown::is_faulty);
        let _ = writeln!(
            out,
            "  <g><title>{}</title><rect class=\"frame{}\" x=\"{left:.0}\" y=\"{:.0}\" width=\"{:.0}\" \
             height=\"{:.0}\" rx=\"8\"/>\n  <text x=\"{:.0}\" y=\"{:.0}\"><tspan class=\"frame-name\">{}</tspan>\
             <tspan class=\"kind\" dx=\"8\">Product</tspan></text></g>",
            frame.title(),
            if faulty { " broken" } else { "" },
            frame.top,
            right - left,
            frame.height,
            left + 12.0,
            frame.top + 21.0,
            frame.name
        );
        for provider in &frame.providers {
            let to = &self.nodes[*provider];
            let (start, end) = ((left, frame.middle()), (spans[to.column].1 + 2.0, to.y));
            let _ = write!(
                out,
                "  <path class=\"wire\" marker-end=\"url(#tip)\" d=\"M{:.0} {:.0}",
                start.0, start.1
            );
            curve(out, start, end);
            out.push_str("\"/>\n");
        }
    }

    fn render_wire(&self, out: &mut String, wire: &Wire, spans: &[(f64, f64)]) {
        let (from, to) = (&self.nodes[wire.from], &self.nodes[wire.to]);
        let class = match (wire.soft, wire.broken) {
            (false, false) => "wire",
            (true, false) => "wire soft",
            (false, true) => "wire broken",
            (true, true) => "wire soft broken",
        };
        let tip = if wire.broken { "broken-tip" } else { "tip" };
        let _ = write!(out, "  <path class=\"{class}\" marker-end=\"url(#{tip})\" d=\"");
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

/// Draws pictures side by side, with one legend.
fn render(pictures: &[Picture<'_>], classes: &BTreeSet<&'static str>) -> String {
    let legend = legend::items(classes, pictures);
    let right = pictures.last().map_or(MARGIN, Picture::right);
    let width = (right + MARGIN).max(legend::width(&legend) + 2.0 * MARGIN);
    let below = pictures.iter().map(|p| p.height).fold(0.0, f64::max);
    let height = below + if legend.is_empty() { 0.0 } else { legend::HEIGHT };
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" role=\"img\">\n  <title>What is declared, and what needs what</title>\n  \
         <style>\n{STYLE}  </style>\n  <defs>\n    <marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" \
         markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path class=\"tip\" d=\"M0 0 L8 4 L0 8 z\"/></marker>\n    \
         <marker id=\"broken-tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
         orient=\"auto\"><path class=\"broken-tip\" d=\"M0 0 L8 4 L0 8 z\"/></marker>\n  </defs>\n  <rect class=\"back\" width=\"{width:.0}\" height=\"{height:.0}\" rx=\"8\"/>\n",
    );
    for picture in pictures {
        picture.render(&mut out);
    }
    legend::render(&mut out, &legend, below);
    out.push_str("</svg>\n");
    out
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

/// The columns that lie between two, in the direction of the arrow.
fn between(from: usize, to: usize) -> Vec<usize> {
    if from < to {
        (from + 1..to).collect()
    } else {
        (to + 1..from).rev().collect()
    }
}

impl Frame<'_> {
    fn middle(&self) -> f64 {
        self.top + self.height / 2.0
    }

    fn title(&self) -> String {
        let faults = self.product.map(faults).unwrap_or_default();
        format!("Product/{}{faults}", self.name)
    }
}
