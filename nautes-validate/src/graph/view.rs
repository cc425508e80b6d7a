//! A part of the graph, as it is drawn: which resources, which arrows, and what is wrong with them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use nautes_model::name::ProductName;
use nautes_model::reference::Relation;
use nautes_model::{Finding, Identity, Kind, Severity};
use serde::Serialize;

use super::{Graph, Target, is_hard};

/// A part of the graph, as it is drawn. It begins with everything; each filter takes something out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    pub(super) nodes: BTreeMap<Identity, Node>,
    pub(super) edges: BTreeMap<(Identity, Identity), Edge>,
}

/// Whether a resource is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Presence {
    /// It is not declared, and something refers to it all the same.
    #[default]
    Missing,
    /// It is declared where nobody can read now, or in what is not looked at.
    Elsewhere,
    /// It is declared.
    Declared,
}

/// A resource in a view.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// Whether it is there.
    pub presence: Presence,
    /// Whether it is what the view is about.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub focus: bool,
    /// What is wrong with it: rules that it breaks, and what they say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
}

/// Something wrong with a resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// How bad it is.
    pub severity: Severity,
    /// The id of the rule.
    pub rule: String,
    /// What is wrong.
    pub message: String,
}

/// An arrow from a resource to one that it refers to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Edge {
    /// The fields that refer; empty when what lies between was taken out of the view.
    pub fields: BTreeSet<String>,
    /// Whether it only permits or mentions; nothing breaks without what it leads to.
    pub soft: bool,
    /// Whether it belongs to a binding, which grants and is drawn dashed.
    pub binding: bool,
    /// Whether it leads to what is not declared.
    pub broken: bool,
}

impl Graph {
    /// Returns a view of everything.
    #[must_use]
    pub fn view(&self) -> View {
        let mut view = View::default();
        for identity in self.identities() {
            let node = view.nodes.entry(identity.clone()).or_default();
            node.presence = Presence::Declared;
        }
        for link in self.links() {
            let Some(to) = link.to.identity() else { continue };
            let missing = matches!(link.to, Target::Missing(_));
            let node = view.nodes.entry(to.clone()).or_default();
            if !missing {
                node.presence = node.presence.max(Presence::Elsewhere);
            }
            let edge = view.edges.entry((link.from.clone(), to.clone()));
            let edge = edge.or_insert_with(|| Edge {
                soft: true,
                ..Edge::default()
            });
            edge.fields.insert(link.field.to_string());
            edge.soft &= !is_hard(link.relation);
            edge.binding |= link.from.kind == Kind::CodeRepoBinding || link.relation == Relation::Grants;
            edge.broken |= missing;
        }
        view
    }
}

impl View {
    /// Goes through the resources, in order of identity.
    pub fn nodes(&self) -> impl Iterator<Item = (&Identity, &Node)> {
        self.nodes.iter()
    }

    /// Goes through the arrows, in order of both ends.
    pub fn edges(&self) -> impl Iterator<Item = (&Identity, &Identity, &Edge)> {
        self.edges.iter().map(|((from, to), edge)| (from, to, edge))
    }

    /// Whether anything is shown.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Notes what is wrong, errors and warnings, with the resources that it is about.
    #[must_use]
    pub fn with_findings<'f>(mut self, findings: impl IntoIterator<Item = &'f Finding>) -> Self {
        for finding in findings {
            for about in crate::report::about(finding) {
                if let Some(node) = self.nodes.get_mut(about) {
                    node.faults.push(Fault {
                        severity: finding.severity,
                        rule: finding.rule.clone(),
                        message: finding.message.clone(),
                    });
                }
            }
        }
        for node in self.nodes.values_mut() {
            node.faults.sort();
            node.faults.dedup();
        }
        self
    }

    /// Takes what is not declared for declared elsewhere, where somebody says that it may be.
    #[must_use]
    pub fn with_elsewhere(mut self, may_exist: impl Fn(&Identity) -> bool) -> Self {
        let is_missing = |(_, node): &(&Identity, &mut Node)| node.presence == Presence::Missing;
        for (_, node) in self
            .nodes
            .iter_mut()
            .filter(is_missing)
            .filter(|(i, _)| may_exist(i))
        {
            node.presence = Presence::Elsewhere;
        }
        for ((_, to), edge) in &mut self.edges {
            edge.broken &= !may_exist(to);
        }
        self
    }

    /// Keeps what somebody may read, and the names of what that refers to. Of these it is not shown whether they are
    /// there, what is wrong with them, or to what they refer.
    #[must_use]
    pub fn readable_by(mut self, may_read: impl Fn(&Identity) -> bool) -> Self {
        self.edges.retain(|(from, _), _| may_read(from));
        let named: BTreeSet<Identity> = self.edges.keys().map(|(_, to)| to.clone()).collect();
        self.nodes.retain(|of, _| may_read(of) || named.contains(of));
        for (_, node) in self.nodes.iter_mut().filter(|(of, _)| !may_read(of)) {
            node.presence = Presence::Elsewhere;
            node.faults.clear();
        }
        for ((_, to), edge) in &mut self.edges {
            edge.broken &= may_read(to);
        }
        self
    }

    /// Calls resources otherwise; no two of them may get the same name.
    #[must_use]
    pub fn called(self, name: impl Fn(Identity) -> Identity) -> Self {
        let nodes = self.nodes.into_iter().map(|(of, node)| (name(of), node));
        let edges = self.edges.into_iter();
        let edges = edges.map(|((from, to), edge)| ((name(from), name(to)), edge));
        Self {
            nodes: nodes.collect(),
            edges: edges.collect(),
        }
    }

    /// Keeps what belongs to some products, and what stands at the ends of arrows from and to it.
    #[must_use]
    pub fn of_products(self, products: &BTreeSet<ProductName>) -> Self {
        let is_of = |i: &Identity| match &i.product {
            Some(product) => products.contains(product),
            None => i.kind == Kind::Product && products.iter().any(|p| p.as_str() == i.name.as_str()),
        };
        let mut keep: BTreeSet<Identity> = self.nodes.keys().filter(|i| is_of(i)).cloned().collect();
        for (from, to) in self.edges.keys() {
            // That a cluster mentions the product, or another product its own, says nothing about it.
            if is_of(from) {
                keep.insert(to.clone());
            } else if is_of(to) && from.product.is_some() {
                keep.insert(from.clone());
            }
        }
        let hosts: Vec<Identity> = self.targets_of(&keep, Kind::Cluster).cloned().collect();
        keep.extend(hosts);
        self.keep(&keep)
    }

    /// What resources of a kind refer to among themselves: the hosts of clusters.
    fn targets_of<'v>(
        &'v self,
        of: &'v BTreeSet<Identity>,
        kind: Kind,
    ) -> impl Iterator<Item = &'v Identity> {
        self.edges
            .keys()
            .filter(move |(from, to)| from.kind == kind && to.kind == kind && of.contains(from))
            .map(|(_, to)| to)
    }

    /// Keeps some kinds. What led through others leads on directly.
    #[must_use]
    pub fn of_kinds(mut self, kinds: &BTreeSet<Kind>) -> Self {
        let keep: BTreeSet<Identity> = self
            .nodes
            .keys()
            .filter(|i| kinds.contains(&i.kind))
            .cloned()
            .collect();
        let mut bridges: BTreeMap<(Identity, Identity), Edge> = BTreeMap::new();
        let next = self.outgoing();
        for start in &keep {
            // Only from what was taken out on, so that an arrow that is there already is not drawn twice.
            let mut todo: Vec<&Identity> = next.get(start).into_iter().flatten().copied().collect();
            let mut seen: BTreeSet<&Identity> = BTreeSet::new();
            todo.retain(|i| !keep.contains(i));
            while let Some(at) = todo.pop() {
                if keep.contains(at) {
                    let key = (start.clone(), at.clone());
                    if at != start && !self.edges.contains_key(&key) {
                        bridges.entry(key).or_default();
                    }
                } else if seen.insert(at) {
                    todo.extend(next.get(at).into_iter().flatten().copied());
                }
            }
        }
        self.edges.extend(bridges);
        self.keep(&keep)
    }

    /// Keeps what a resource needs and what needs it, as far as some steps away, and marks it.
    #[must_use]
    pub fn around(mut self, focus: &Identity, depth: usize) -> Self {
        let mut keep = BTreeSet::from([focus.clone()]);
        let (out, into) = (self.outgoing(), self.incoming());
        for next in [&out, &into] {
            let mut todo = VecDeque::from([(focus, 0)]);
            let mut seen = BTreeSet::from([focus]);
            while let Some((at, steps)) = todo.pop_front() {
                keep.insert(at.clone());
                if steps == depth {
                    continue;
                }
                for to in next.get(at).into_iter().flatten() {
                    if seen.insert(to) {
                        todo.push_back((to, steps + 1));
                    }
                }
            }
        }
        if let Some(node) = self.nodes.get_mut(focus) {
            node.focus = true;
        }
        self.keep(&keep)
    }

    fn outgoing(&self) -> BTreeMap<&Identity, Vec<&Identity>> {
        let mut next: BTreeMap<&Identity, Vec<&Identity>> = BTreeMap::new();
        for (from, to) in self.edges.keys() {
            next.entry(from).or_default().push(to);
        }
        next
    }

    fn incoming(&self) -> BTreeMap<&Identity, Vec<&Identity>> {
        let mut next: BTreeMap<&Identity, Vec<&Identity>> = BTreeMap::new();
        for (from, to) in self.edges.keys() {
            next.entry(to).or_default().push(from);
        }
        next
    }

    fn keep(&self, keep: &BTreeSet<Identity>) -> Self {
        let has = |i: &Identity| keep.contains(i);
        let nodes = self.nodes.iter().filter(|(i, _)| has(i));
        let edges = self.edges.iter().filter(|((from, to), _)| has(from) && has(to));
        Self {
            nodes: nodes.map(|(i, n)| (i.clone(), n.clone())).collect(),
            edges: edges.map(|(ends, e)| (ends.clone(), e.clone())).collect(),
        }
    }
}

impl Node {
    /// Whether something is wrong with it that is an error, or it is not declared.
    #[must_use]
    pub fn is_faulty(&self) -> bool {
        self.presence == Presence::Missing || self.faults.iter().any(|f| f.severity == Severity::Error)
    }
}

impl Edge {
    /// Whether it is drawn dashed.
    #[must_use]
    pub const fn is_dashed(&self) -> bool {
        self.soft || self.binding
    }
}
