//! The graph in languages that other programs draw: Graphviz and Mermaid.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use nautes_model::name::ProductName;
use nautes_model::{Identity, Kind};

use super::view::{Node, Presence, View};

/// Fill and border of the kinds, light and told apart by people who see few colours.
const COLOURS: &[(&str, &str, &str)] = &[
    ("project", "#ddf4ff", "#0969da"),
    ("repo", "#dafbe1", "#1a7f37"),
    ("binding", "#fff8c5", "#9a6700"),
    ("runtime", "#fbefff", "#8250df"),
    ("environment", "#fff1e5", "#bc4c00"),
    ("tenant", "#eff2f5", "#59636e"),
    ("fault", "#ffebe9", "#d1242f"),
];

/// Returns the group of kinds that are drawn alike.
pub(super) const fn class(kind: Kind) -> &'static str {
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

fn class_of(identity: &Identity, node: &Node) -> &'static str {
    if node.is_faulty() {
        "fault"
    } else {
        class(identity.kind)
    }
}

impl View {
    /// Draws it in the language of Graphviz.
    #[must_use]
    pub fn dot(&self) -> String {
        let mut out = String::from(
            "digraph nautes {\n  rankdir=LR;\n  node [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\"];\n  \
             edge [fontname=\"sans-serif\"];\n",
        );
        for (product, members) in self.by_product() {
            let indent = if let Some(product) = product {
                let _ = write!(
                    out,
                    "  subgraph \"cluster_{product}\" {{\n    label=\"{product}\";\n    style=rounded;\n"
                );
                "    "
            } else {
                "  "
            };
            for (identity, node) in members {
                let (fill, line) = colours(class_of(identity, node));
                let dashed = if node.presence == Presence::Declared {
                    ""
                } else {
                    ", style=\"rounded,dashed\""
                };
                let bold = if node.focus { ", penwidth=3" } else { "" };
                let _ = writeln!(
                    out,
                    "{indent}\"{identity}\" [label=\"{}\\n{}\", fillcolor=\"{fill}\", color=\"{line}\"{dashed}{bold}];",
                    identity.kind, identity.name
                );
            }
            if product.is_some() {
                out.push_str("  }\n");
            }
        }
        for (from, to, edge) in self.edges() {
            let mut looks = Vec::new();
            if edge.is_dashed() {
                looks.push("style=dashed");
            }
            if edge.broken {
                looks.push("color=\"#d1242f\"");
            }
            let looks = if looks.is_empty() {
                String::new()
            } else {
                format!(" [{}]", looks.join(", "))
            };
            let _ = writeln!(out, "  \"{from}\" -> \"{to}\"{looks};");
        }
        out.push_str("}\n");
        out
    }

    /// Draws it in the language of Mermaid.
    #[must_use]
    pub fn mermaid(&self) -> String {
        let mut out = String::from("graph LR\n");
        let numbers: BTreeMap<&Identity, usize> =
            self.nodes.keys().enumerate().map(|(n, i)| (i, n)).collect();
        let mut classes: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (product, members) in self.by_product() {
            let indent = if let Some(product) = product {
                let _ = writeln!(out, "  subgraph product-{product} [\"{product}\"]");
                "    "
            } else {
                "  "
            };
            for (identity, node) in members {
                let id = format!("n{}", numbers[identity]);
                let _ = writeln!(out, "{indent}{id}[\"{}<br/>{}\"]", identity.kind, identity.name);
                classes.entry(class_of(identity, node)).or_default().push(id);
            }
            if product.is_some() {
                out.push_str("  end\n");
            }
        }
        let mut broken = Vec::new();
        for (number, (from, to, edge)) in self.edges().enumerate() {
            let arrow = if edge.is_dashed() { "-.->" } else { "-->" };
            let _ = writeln!(out, "  n{} {arrow} n{}", numbers[from], numbers[to]);
            if edge.broken {
                broken.push(number.to_string());
            }
        }
        for (name, fill, line) in COLOURS {
            if let Some(ids) = classes.get(name) {
                let _ = writeln!(out, "  classDef {name} fill:{fill},stroke:{line},color:#1f2328");
                let _ = writeln!(out, "  class {} {name}", ids.join(","));
            }
        }
        if !broken.is_empty() {
            let _ = writeln!(out, "  linkStyle {} stroke:#d1242f", broken.join(","));
        }
        out
    }

    /// The resources by the product in whose frame they stand; the tenant's first.
    fn by_product(&self) -> BTreeMap<Option<&ProductName>, Vec<(&Identity, &Node)>> {
        let mut all: BTreeMap<Option<&ProductName>, Vec<(&Identity, &Node)>> = BTreeMap::new();
        for (identity, node) in self.nodes() {
            all.entry(identity.product.as_ref())
                .or_default()
                .push((identity, node));
        }
        all
    }

    /// Returns the groups of kinds that are in the view, in the order of a legend.
    pub(super) fn classes(&self) -> BTreeSet<&'static str> {
        self.nodes
            .keys()
            .filter(|i| i.kind != Kind::Product)
            .map(|i| class(i.kind))
            .collect()
    }
}

fn colours(class: &str) -> (&'static str, &'static str) {
    COLOURS
        .iter()
        .find(|(name, _, _)| *name == class)
        .map_or(("#ffffff", "#59636e"), |(_, fill, line)| (fill, line))
}
