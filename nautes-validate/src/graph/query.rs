//! Questions to the graph: what stands in the way of a resource, and what falls with it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use nautes_model::{Finding, Identity, Severity};

use super::{Graph, Link, Target, is_hard};

/// Something that stands in the way of a resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Blocker<'a> {
    /// The shortest way to the resource at which it stands, link by link; empty when it is the one asked about.
    pub path: Vec<&'a Link>,
    /// The resource at which it stands.
    pub at: Identity,
    /// What it is.
    pub cause: Cause<'a>,
}

/// What stands in the way.
#[derive(Clone, Debug, PartialEq)]
pub enum Cause<'a> {
    /// The resource refers to what is not there, or cannot be read now.
    Link {
        /// The reference.
        link: &'a Link,
        /// What the rules say of it.
        finding: Option<&'a Finding>,
    },
    /// The resource breaks a rule.
    Rule(&'a Finding),
}

/// Something that falls when a resource goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached<'a> {
    /// What falls.
    pub identity: &'a Identity,
    /// The shortest way from it to the resource that goes, link by link; at least one.
    pub path: Vec<&'a Link>,
}

impl Graph {
    /// Returns everything that stands in the way of a resource, the nearest first: what it or anything that it
    /// needs refers to and is not there, and the errors among the findings about any of these.
    #[must_use]
    pub fn blockers<'a>(&'a self, of: &Identity, findings: &'a [Finding]) -> Vec<Blocker<'a>> {
        let mut about: BTreeMap<&Identity, Vec<&Finding>> = BTreeMap::new();
        for finding in findings.iter().filter(|f| f.severity == Severity::Error) {
            for resource in crate::report::about(finding) {
                about.entry(resource).or_default().push(finding);
            }
        }
        let mut all = Vec::new();
        // What is about several of them is told once, of the nearest.
        let mut said: BTreeSet<*const Finding> = BTreeSet::new();
        let mut came: BTreeMap<Identity, &'a Link> = BTreeMap::new();
        let mut todo = VecDeque::from([of.clone()]);
        while let Some(at) = todo.pop_front() {
            let path = way(&came, &at);
            let found = about.get(&at).map_or(&[][..], Vec::as_slice);
            let mut told: BTreeSet<&str> = BTreeSet::new();
            for link in self.references(&at).iter().filter(|l| is_hard(l.relation)) {
                if let Some(to) = link.to.found() {
                    if to != of && !came.contains_key(to) {
                        came.insert(to.clone(), link);
                        todo.push_back(to.clone());
                    }
                    continue;
                }
                let field = &*link.field;
                told.insert(field);
                let finding = found.iter().find(|f| f.field.as_deref() == Some(field)).copied();
                all.push(Blocker {
                    path: path.clone(),
                    at: at.clone(),
                    cause: Cause::Link { link, finding },
                });
            }
            for finding in found
                .iter()
                .filter(|f| f.field.as_deref().is_none_or(|f| !told.contains(f)))
                .filter(|f| said.insert(std::ptr::from_ref::<Finding>(f)))
            {
                all.push(Blocker {
                    path: path.clone(),
                    at: at.clone(),
                    cause: Cause::Rule(finding),
                });
            }
        }
        all
    }

    /// Returns everything that falls when a resource goes, the nearest first, then by identity. It need not be
    /// declared: what waits for it is returned as well.
    #[must_use]
    pub fn impact<'a>(&'a self, of: &Identity) -> Vec<Reached<'a>> {
        let mut into: BTreeMap<&Identity, Vec<&Link>> = BTreeMap::new();
        for link in self.links().filter(|l| is_hard(l.relation)) {
            if let Some(to) = link.to.identity() {
                into.entry(to).or_default().push(link);
            }
        }
        let mut all: Vec<Reached<'a>> = Vec::new();
        let mut seen: BTreeSet<&Identity> = BTreeSet::new();
        let mut wave: Vec<(&Identity, Vec<&Link>)> = Vec::new();
        let first = into.get(of).into_iter().flatten();
        wave.extend(first.map(|link| (&link.from, vec![*link])));
        while !wave.is_empty() {
            wave.sort_by(|a, b| a.0.cmp(b.0));
            let mut next = Vec::new();
            for (identity, path) in wave {
                if identity == of || !seen.insert(identity) {
                    continue;
                }
                for link in into.get(identity).into_iter().flatten() {
                    if !seen.contains(&link.from) {
                        let longer = std::iter::once(*link).chain(path.iter().copied()).collect();
                        next.push((&link.from, longer));
                    }
                }
                all.push(Reached { identity, path });
            }
            wave = next;
        }
        all
    }
}

/// The links that led to a resource, from the beginning.
fn way<'a>(came: &BTreeMap<Identity, &'a Link>, to: &Identity) -> Vec<&'a Link> {
    let mut path = Vec::new();
    let mut at = to;
    while let Some(link) = came.get(at) {
        path.push(*link);
        at = &link.from;
    }
    path.reverse();
    path
}

impl Cause<'_> {
    /// Returns what is waited for, if it is something that has a name.
    #[must_use]
    pub const fn awaited(&self) -> Option<&Identity> {
        match self {
            Self::Link { link, .. } => link.to.identity(),
            Self::Rule(_) => None,
        }
    }

    /// Whether nobody can tell now: it is declared where it cannot be read.
    #[must_use]
    pub const fn is_unknown(&self) -> bool {
        matches!(self, Self::Link { link, .. } if matches!(link.to, Target::Held(_) | Target::Unknown(_)))
    }
}
