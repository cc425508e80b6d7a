//! The dependency graph: which resource needs which.
//!
//! An edge leads from a resource to one that it refers to. Everything that asks what must come first, what
//! breaks when something goes, or what is missing, reads it from here.

mod query;
mod svg;
mod text;
mod view;

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;

use nautes_model::kind::KINDS;
use nautes_model::reference::{Relation, references};
use nautes_model::{Identity, Scopes, Sourced};
use petgraph::Direction;
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use crate::resolve::Resolver;
use crate::table::Table;

pub use query::{Blocker, Cause, Reached};
pub use view::{Edge, Fault, Node, Presence, View};

/// What the text of a reference turned out to name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// This, which is declared.
    Found(Identity),
    /// This, whose file cannot be read now; it counts as being there.
    Held(Identity),
    /// This, in something that was not loaded: nobody can tell whether it is there.
    Unknown(Identity),
    /// This, which is not declared.
    Missing(Identity),
    /// Nothing: the text is not a name.
    Invalid,
}

impl Target {
    /// Returns what is named, whether it is there or not.
    #[must_use]
    pub const fn identity(&self) -> Option<&Identity> {
        match self {
            Self::Found(i) | Self::Held(i) | Self::Unknown(i) | Self::Missing(i) => Some(i),
            Self::Invalid => None,
        }
    }

    /// Returns what is named if it is declared.
    #[must_use]
    pub const fn found(&self) -> Option<&Identity> {
        match self {
            Self::Found(i) => Some(i),
            Self::Held(_) | Self::Unknown(_) | Self::Missing(_) | Self::Invalid => None,
        }
    }
}

/// A reference and what it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Who refers.
    pub from: Identity,
    /// The path of the field, for example `spec.destination.environment`.
    pub field: Cow<'static, str>,
    /// The text in that field.
    pub text: Arc<str>,
    /// Why.
    pub relation: Relation,
    /// What it names.
    pub to: Target,
}

/// Which resource needs which, over the whole platform.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// Nodes are numbered as they came: what comes together is looked at together.
    graph: DiGraph<Identity, Relation>,
    nodes: Table<NodeIndex>,
    /// The references of each node, by its number.
    links: Vec<Vec<Link>>,
    /// The nodes in order of identity, so that no answer depends on the order of the input.
    order: Vec<NodeIndex>,
}

impl Graph {
    /// Builds the graph of everything that is declared.
    #[must_use]
    pub fn of(scopes: &Scopes) -> Self {
        Self::with(&Resolver::of(scopes, true), scopes.iter().map(|s| &**s))
    }

    /// Builds the graph of some resources; of those with the same identity the first counts.
    pub(crate) fn with<'a>(resolver: &Resolver, resources: impl Iterator<Item = &'a Sourced>) -> Self {
        let mut graph = Self::default();
        for resource in resources {
            let identity = &resource.identity;
            if graph.nodes.contains(identity) {
                continue;
            }
            let links = references(resource).into_iter().map(|reference| Link {
                from: identity.clone(),
                to: resolver.resolve(identity, &reference),
                field: reference.field,
                text: reference.text,
                relation: reference.relation,
            });
            graph.links.push(links.collect());
            let node = graph.graph.add_node(identity.clone());
            graph.nodes.insert(identity, node);
        }
        for (node, links) in graph.links.iter().enumerate() {
            for link in links {
                if let Some(to) = link.to.found().and_then(|to| graph.nodes.get(to)) {
                    graph.graph.add_edge(NodeIndex::new(node), *to, link.relation);
                }
            }
        }
        graph.order = in_order(&graph.graph);
        graph
    }

    /// Returns everything in an order in which it can be made: what is needed comes before what needs it,
    /// otherwise by kind and name. Members of a cycle come by kind and name.
    #[must_use]
    pub fn apply_order(&self) -> Vec<Identity> {
        let cycle_of = self.cycle_of();
        let hard = |edge: NodeIndex, to: NodeIndex, relation: Relation| {
            is_hard(relation) && edge != to && (cycle_of[edge.index()] != cycle_of[to.index()])
        };
        let mut waiting: Vec<usize> = vec![0; self.graph.node_count()];
        for edge in self.graph.edge_references() {
            if hard(edge.source(), edge.target(), *edge.weight()) {
                waiting[edge.source().index()] += 1;
            }
        }
        let mut rank = vec![0; self.order.len()];
        for (i, node) in self.order.iter().enumerate() {
            rank[node.index()] = i;
        }
        let mut ready: BinaryHeap<Reverse<usize>> = self
            .graph
            .node_indices()
            .filter(|n| waiting[n.index()] == 0)
            .map(|n| Reverse(rank[n.index()]))
            .collect();
        let mut order = Vec::with_capacity(self.graph.node_count());
        while let Some(Reverse(first)) = ready.pop() {
            let node = self.order[first];
            order.push(self.graph[node].clone());
            for edge in self.graph.edges_directed(node, Direction::Incoming) {
                if hard(edge.source(), node, *edge.weight()) {
                    let left = &mut waiting[edge.source().index()];
                    *left -= 1;
                    if *left == 0 {
                        ready.push(Reverse(rank[edge.source().index()]));
                    }
                }
            }
        }
        order
    }

    /// Returns everything in an order in which it can be removed: the reverse of [`Self::apply_order`].
    #[must_use]
    pub fn remove_order(&self) -> Vec<Identity> {
        let mut order = self.apply_order();
        order.reverse();
        order
    }

    /// Returns everything that stops working when a resource goes, directly or not, in order of identity.
    #[must_use]
    pub fn dependents(&self, of: &Identity) -> Vec<Identity> {
        let Some(start) = self.nodes.get(of) else {
            return Vec::new();
        };
        let mut seen = BTreeSet::new();
        let mut todo = vec![*start];
        while let Some(node) = todo.pop() {
            for edge in self.graph.edges_directed(node, Direction::Incoming) {
                if is_hard(*edge.weight()) && edge.source() != *start && seen.insert(edge.source()) {
                    todo.push(edge.source());
                }
            }
        }
        self.named(seen)
    }

    /// Returns what refers to a resource directly and needs it, in order of identity.
    #[must_use]
    pub fn direct_dependents(&self, of: &Identity) -> Vec<Identity> {
        let Some(node) = self.nodes.get(of) else {
            return Vec::new();
        };
        let found: BTreeSet<NodeIndex> = self
            .graph
            .edges_directed(*node, Direction::Incoming)
            .filter(|e| is_hard(*e.weight()) && e.source() != *node)
            .map(|e| e.source())
            .collect();
        self.named(found)
    }

    /// The identities of some nodes, in order.
    fn named(&self, nodes: BTreeSet<NodeIndex>) -> Vec<Identity> {
        let mut all: Vec<Identity> = nodes.into_iter().map(|n| self.graph[n].clone()).collect();
        all.sort();
        all
    }

    /// Returns the references of a resource, in order of its fields.
    #[must_use]
    pub fn references(&self, of: &Identity) -> &[Link] {
        let node = self.nodes.get(of).and_then(|node| self.links.get(node.index()));
        node.map_or(&[], Vec::as_slice)
    }

    /// Returns what a field of a resource names.
    #[must_use]
    pub fn target(&self, of: &Identity, field: &str) -> Option<&Target> {
        self.references(of)
            .iter()
            .find(|l| l.field == field)
            .map(|l| &l.to)
    }

    /// Goes through every reference, by resource and field.
    pub fn links(&self) -> impl Iterator<Item = &Link> {
        self.order.iter().flat_map(|node| &self.links[node.index()])
    }

    /// Returns the number of a resource: they are numbered as they came.
    pub(crate) fn number(&self, of: &Identity) -> Option<usize> {
        self.nodes.get(of).map(|node| node.index())
    }

    /// Returns the references of each resource, by its number.
    pub(crate) fn rows(&self) -> &[Vec<Link>] {
        &self.links
    }

    /// Goes through references to what is not declared.
    pub fn missing(&self) -> impl Iterator<Item = &Link> {
        self.links().filter(|l| matches!(l.to, Target::Missing(_)))
    }

    /// Goes through everything that is declared, in order of identity.
    pub fn identities(&self) -> impl Iterator<Item = &Identity> {
        self.order.iter().map(|node| &self.graph[*node])
    }

    /// Whether a resource is declared.
    #[must_use]
    pub fn contains(&self, identity: &Identity) -> bool {
        self.nodes.contains(identity)
    }

    /// Explains why one resource needs another: the shortest way from it, both ends included.
    #[must_use]
    pub fn path_between(&self, from: &Identity, to: &Identity) -> Option<Vec<Identity>> {
        let (start, end) = (*self.nodes.get(from)?, *self.nodes.get(to)?);
        let mut came: HashMap<NodeIndex, NodeIndex> = HashMap::new();
        let mut todo = VecDeque::from([start]);
        while let Some(node) = todo.pop_front() {
            if node == end {
                let mut path = vec![self.graph[end].clone()];
                let mut at = end;
                while at != start {
                    at = came[&at];
                    path.push(self.graph[at].clone());
                }
                path.reverse();
                return Some(path);
            }
            let mut next: Vec<NodeIndex> = self.hard_targets(node).collect();
            next.sort_by(|a, b| self.graph[*a].cmp(&self.graph[*b]));
            for target in next {
                if target != start && !came.contains_key(&target) {
                    came.insert(target, node);
                    todo.push_back(target);
                }
            }
        }
        None
    }

    /// Returns groups of resources that need each other, each in order of identity.
    #[must_use]
    pub fn cycles(&self) -> Vec<Vec<Identity>> {
        let mut cycles: Vec<Vec<Identity>> = self
            .components()
            .into_iter()
            .filter(|group| group.len() > 1 || self.hard_targets(group[0]).any(|to| to == group[0]))
            .map(|group| {
                let mut group: Vec<Identity> = group.into_iter().map(|n| self.graph[n].clone()).collect();
                group.sort();
                group
            })
            .collect();
        cycles.sort();
        cycles
    }

    /// Draws the graph in the language of Graphviz.
    #[must_use]
    pub fn dot(&self) -> String {
        self.view().dot()
    }

    /// Draws the graph in the language of Mermaid.
    #[must_use]
    pub fn mermaid(&self) -> String {
        self.view().mermaid()
    }

    fn hard_targets(&self, node: NodeIndex) -> impl Iterator<Item = NodeIndex> {
        self.graph
            .edges(node)
            .filter(|e| is_hard(*e.weight()))
            .map(|e| e.target())
    }

    fn components(&self) -> Vec<Vec<NodeIndex>> {
        let hard = self
            .graph
            .filter_map(|_, _| Some(()), |_, r| is_hard(*r).then_some(()));
        kosaraju_scc(&hard)
    }

    fn cycle_of(&self) -> Vec<usize> {
        let mut number = vec![0; self.graph.node_count()];
        for (i, group) in self.components().into_iter().enumerate() {
            for node in group {
                number[node.index()] = i;
            }
        }
        number
    }
}

/// The nodes in order of identity. Whole products come in order, so that each kind is in order already.
fn in_order(graph: &DiGraph<Identity, Relation>) -> Vec<NodeIndex> {
    let mut by_kind: Vec<Vec<NodeIndex>> = vec![Vec::new(); KINDS.len()];
    for node in graph.node_indices() {
        by_kind[graph[node].kind as usize].push(node);
    }
    for nodes in &mut by_kind {
        nodes.sort_by(|a, b| graph[*a].cmp(&graph[*b]));
    }
    by_kind.concat()
}

/// Whether something breaks when the named one is missing.
const fn is_hard(relation: Relation) -> bool {
    !matches!(relation, Relation::Mentions)
}

/// Sorts a bundle so that it can be applied front to back: what is needed comes before what needs it,
/// otherwise by kind, product and name. The order of the input has no part in it; a resource that is
/// declared twice stands twice, in order of file and line.
#[must_use]
pub fn order(resources: &[Sourced]) -> Vec<&Sourced> {
    let mut order: Vec<&Sourced> = resources.iter().collect();
    order.sort_by_key(|s| (&s.identity, &s.source.file, s.source.line));
    let graph = Graph::with(&Resolver::of_bundle(&order), order.iter().copied());
    let rank: HashMap<Identity, usize> = graph
        .apply_order()
        .into_iter()
        .enumerate()
        .map(|(i, identity)| (identity, i))
        .collect();
    order.sort_by_key(|s| rank.get(&s.identity).copied());
    order
}
