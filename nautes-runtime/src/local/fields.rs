//! Sets of field paths: who owns what in an object, as `fieldsV1` writes it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::schema::{ListKind, View};

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// A field of a map.
    Field(String),
    /// An item of a list, by its keys (canonical JSON).
    Key(String),
    /// An item of a set, by its value (canonical JSON).
    Value(String),
    /// An item of a list, by its place.
    Index(usize),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Branch {
    member: bool,
    children: Set,
}

/// A set of paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Set {
    branches: BTreeMap<Step, Branch>,
}

impl Set {
    pub(crate) fn is_empty(&self) -> bool {
        self.branches.is_empty()
    }

    fn add(&mut self, step: Step, branch: Branch) {
        let Branch { member, children } = branch;
        if member || !children.is_empty() {
            let place = self.branches.entry(step).or_default();
            place.member |= member;
            place.children = if place.children.is_empty() {
                children
            } else {
                place.children.union(&children)
            };
        }
    }

    pub(crate) fn union(&self, other: &Self) -> Self {
        let mut result = self.clone();
        for (step, branch) in &other.branches {
            result.add(step.clone(), branch.clone());
        }
        result
    }

    /// The paths of `self` that are not in `other`.
    pub(crate) fn difference(&self, other: &Self) -> Self {
        let mut result = Self::default();
        for (step, branch) in &self.branches {
            let left = match other.branches.get(step) {
                Some(theirs) => Branch {
                    member: branch.member && !theirs.member,
                    children: branch.children.difference(&theirs.children),
                },
                None => branch.clone(),
            };
            result.add(step.clone(), left);
        }
        result
    }

    pub(crate) fn intersection(&self, other: &Self) -> Self {
        let mut result = Self::default();
        for (step, branch) in &self.branches {
            if let Some(theirs) = other.branches.get(step) {
                let both = Branch {
                    member: branch.member && theirs.member,
                    children: branch.children.intersection(&theirs.children),
                };
                result.add(step.clone(), both);
            }
        }
        result
    }

    /// Removes a field and everything below it.
    pub(crate) fn forget(&mut self, path: &[&str]) {
        let Some((first, rest)) = path.split_first() else {
            return;
        };
        let step = Step::Field((*first).to_owned());
        if rest.is_empty() {
            self.branches.remove(&step);
        } else if let Some(branch) = self.branches.get_mut(&step) {
            branch.children.forget(rest);
            if !branch.member && branch.children.is_empty() {
                self.branches.remove(&step);
            }
        }
    }

    /// Leaves a top field itself out, but not what is below it.
    pub(crate) fn unmark(&mut self, field: &str) {
        let step = Step::Field(field.to_owned());
        if let Some(branch) = self.branches.get_mut(&step) {
            branch.member = false;
            if branch.children.is_empty() {
                self.branches.remove(&step);
            }
        }
    }

    /// Keeps only one top field.
    pub(crate) fn keep_only(&mut self, field: &str) {
        self.branches
            .retain(|step, _| *step == Step::Field(field.to_owned()));
    }

    /// Makes the parents that the schema names members themselves.
    pub(crate) fn with_named_parents(&self, view: View<'_>) -> Self {
        let mut result = Self::default();
        for (step, branch) in &self.branches {
            let inner = match step {
                Step::Field(name) => view.field(name),
                _ => view.items(),
            };
            let named = matches!(step, Step::Field(name) if view.has_field(name));
            let children = branch.children.with_named_parents(inner);
            let member = branch.member || named && !children.is_empty();
            result.branches.insert(step.clone(), Branch { member, children });
        }
        result
    }

    /// The paths as messages show them.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.walk("", &mut found);
        found
    }

    /// What is a member itself comes before what is below others.
    fn walk(&self, at: &str, found: &mut Vec<String>) {
        let path = |step: &Step| match step {
            Step::Field(name) => format!("{at}.{name}"),
            Step::Key(keys) => format!("{at}[{}]", shown_keys(keys)),
            Step::Value(value) => format!("{at}[={value}]"),
            Step::Index(index) => format!("{at}[{index}]"),
        };
        let members = self.branches.iter().filter(|(_, branch)| branch.member);
        found.extend(members.map(|(step, _)| path(step)));
        for (step, branch) in &self.branches {
            branch.children.walk(&path(step), found);
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut map = Map::new();
        for (step, branch) in &self.branches {
            let key = match step {
                Step::Field(name) => format!("f:{name}"),
                Step::Key(keys) => format!("k:{keys}"),
                Step::Value(value) => format!("v:{value}"),
                Step::Index(index) => format!("i:{index}"),
            };
            let mut child = branch.children.to_json();
            if branch.member
                && let Some(inner) = child.as_object_mut().filter(|c| !c.is_empty())
            {
                inner.insert(".".to_owned(), Value::Object(Map::new()));
            }
            map.insert(key, child);
        }
        Value::Object(map)
    }

    /// Reads `fieldsV1`; none where it is not in that form.
    pub(crate) fn from_json(value: &Value) -> Option<Self> {
        Self::read(value, 0)
    }

    fn read(value: &Value, depth: usize) -> Option<Self> {
        if depth > 100 {
            return None;
        }
        let mut set = Self::default();
        for (key, child) in value.as_object()? {
            if key == "." {
                continue;
            }
            let (sort, rest) = key.split_once(':')?;
            let canonical = |text: &str| serde_json::from_str::<Value>(text).ok().map(|v| v.to_string());
            let step = match sort {
                "f" => Step::Field(rest.to_owned()),
                "k" => Step::Key(canonical(rest)?),
                "v" => Step::Value(canonical(rest)?),
                "i" => Step::Index(rest.parse().ok()?),
                _ => return None,
            };
            let children = Self::read(child, depth + 1)?;
            let member = child
                .as_object()
                .is_some_and(|c| c.is_empty() || c.contains_key("."));
            set.add(step, Branch { member, children });
        }
        Some(set)
    }
}

fn shown_keys(keys: &str) -> String {
    let Ok(Value::Object(map)) = serde_json::from_str(keys) else {
        return keys.to_owned();
    };
    map.iter()
        .map(|(k, v)| format!("{k}={v}"))
        .collect::<Vec<_>>()
        .join(",")
}

/// What an object sets.
pub(crate) fn set_of(value: &Value, view: View<'_>) -> Set {
    branch_of(value, view, false, Marks::Leaves).children
}

/// Which containers are part of a set besides what is in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Marks {
    /// None: an applied configuration owns what it says.
    #[default]
    Leaves,
    /// What may be absent in a built-in kind: maps, lists that are not required, and structures that are
    /// not always there.
    Maps,
    /// All.
    All,
}

/// The structures of built-in kinds that are always there, if empty.
const ALWAYS: [&str; 20] = [
    "backend",
    "deprecatedSource",
    "involvedObject",
    "jobTemplate",
    "loadBalancer",
    "metadata",
    "names",
    "podSelector",
    "port",
    "regarding",
    "resources",
    "role",
    "roleRef",
    "scopeSelector",
    "source",
    "spec",
    "status",
    "strategy",
    "template",
    "updateStrategy",
];

impl Marks {
    /// Whether the field of a structure is part of a set besides what is in it.
    fn field(self, structure: View<'_>, name: &str) -> bool {
        if self == Self::Leaves {
            return !structure.has_field(name);
        }
        let Some(node) = structure.field(name).get().filter(|_| self == Self::Maps) else {
            return true;
        };
        if !structure.has_field(name) {
            true
        } else if node.properties.is_empty() {
            let required = structure
                .get()
                .is_some_and(|n| n.required.iter().any(|r| r == name));
            node.items.is_none() || !required
        } else {
            let of = structure.get().and_then(|n| n.name.as_deref());
            // What a container asks for is there as soon as it is.
            let asked = name == "resources" && of == Some("v1.Container");
            asked || !ALWAYS.contains(&name)
        }
    }
}

fn branch_of(value: &Value, view: View<'_>, member: bool, marks: Marks) -> Branch {
    match value {
        Value::Object(map) if !view.is_atomic_map() => {
            let mut children = Set::default();
            for (name, child) in map {
                children.add(
                    Step::Field(name.clone()),
                    branch_of(child, view.field(name), marks.field(view, name), marks),
                );
            }
            Branch {
                member: member || map.is_empty(),
                children,
            }
        }
        Value::Array(list) => match steps(list, view) {
            Some(steps) => {
                let mut children = Set::default();
                for (step, item) in steps.into_iter().zip(list) {
                    children.add(step, branch_of(item, view.items(), true, marks));
                }
                Branch { member, children }
            }
            None => Branch {
                member: true,
                children: Set::default(),
            },
        },
        _ => Branch {
            member: true,
            children: Set::default(),
        },
    }
}

/// The steps to the items of a list that merges; none for atomic lists and for lists whose items cannot be
/// told apart.
fn steps(list: &[Value], view: View<'_>) -> Option<Vec<Step>> {
    let mut found = Vec::with_capacity(list.len());
    for item in list {
        found.push(match view.list() {
            ListKind::Atomic => return None,
            ListKind::Set => Step::Value(item.to_string()),
            ListKind::Map(keys) => {
                let map = item.as_object()?;
                let mut key = Map::new();
                for name in keys {
                    let default = || view.items().field(name).get()?.default.clone();
                    if let Some(value) = map.get(name).cloned().or_else(default) {
                        key.insert(name.clone(), value);
                    }
                }
                if key.is_empty() {
                    return None;
                }
                Step::Key(Value::Object(key).to_string())
            }
        });
    }
    let mut sorted: Vec<&Step> = found.iter().collect();
    sorted.sort();
    sorted.windows(2).all(|w| w[0] != w[1]).then_some(found)
}

fn is_granular_list(view: View<'_>) -> bool {
    view.list().is_granular()
}

/// How two states of an object differ.
#[derive(Clone, Debug, Default)]
pub(crate) struct Difference {
    marks: Marks,
    pub(crate) added: Set,
    pub(crate) modified: Set,
    pub(crate) removed: Set,
}

pub(crate) fn compare(old: &Value, new: &Value, view: View<'_>, marks: Marks) -> Difference {
    let mut difference = Difference {
        marks,
        ..Difference::default()
    };
    compare_at(old, new, view, &mut Vec::new(), &mut difference);
    difference
}

fn compare_at(old: &Value, new: &Value, view: View<'_>, path: &mut Vec<Step>, out: &mut Difference) {
    if old == new {
        return;
    }
    match (old, new) {
        (Value::Object(a), Value::Object(b)) if !view.is_atomic_map() => {
            for (name, before) in a {
                path.push(Step::Field(name.clone()));
                match b.get(name) {
                    Some(after) => compare_at(before, after, view.field(name), path, out),
                    None => put(
                        &mut out.removed,
                        path,
                        branch_of(before, view.field(name), true, Marks::All),
                    ),
                }
                path.pop();
            }
            for (name, after) in b.iter().filter(|(name, _)| !a.contains_key(*name)) {
                let marked = out.marks.field(view, name);
                path.push(Step::Field(name.clone()));
                put(
                    &mut out.added,
                    path,
                    branch_of(after, view.field(name), marked, out.marks),
                );
                path.pop();
            }
        }
        (Value::Array(a), Value::Array(b)) if is_granular_list(view) => {
            let (Some(before), Some(after)) = (steps(a, view), steps(b, view)) else {
                put(
                    &mut out.modified,
                    path,
                    Branch {
                        member: true,
                        children: Set::default(),
                    },
                );
                return;
            };
            for (step, item) in before.iter().zip(a) {
                path.push(step.clone());
                match after.iter().position(|s| s == step) {
                    Some(at) => compare_at(item, &b[at], view.items(), path, out),
                    None => put(
                        &mut out.removed,
                        path,
                        branch_of(item, view.items(), true, Marks::All),
                    ),
                }
                path.pop();
            }
            for (step, item) in after.iter().zip(b).filter(|(step, _)| !before.contains(step)) {
                path.push(step.clone());
                put(
                    &mut out.added,
                    path,
                    branch_of(item, view.items(), true, out.marks),
                );
                path.pop();
            }
        }
        _ => put(
            &mut out.modified,
            path,
            Branch {
                member: true,
                children: Set::default(),
            },
        ),
    }
}

fn put(set: &mut Set, path: &[Step], branch: Branch) {
    let Some((last, parents)) = path.split_last() else {
        return;
    };
    if !branch.member && branch.children.is_empty() {
        return;
    }
    let mut at = set;
    for step in parents {
        at = &mut at.branches.entry(step.clone()).or_default().children;
    }
    at.add(last.clone(), branch);
}

/// Lays one object over another as the schema says.
pub(crate) fn merge(live: &Value, config: &Value, view: View<'_>) -> Value {
    match (live, config) {
        (Value::Object(a), Value::Object(b)) if !view.is_atomic_map() => {
            let mut result = a.clone();
            for (name, value) in b {
                let merged = match a.get(name) {
                    Some(before) => merge(before, value, view.field(name)),
                    None => value.clone(),
                };
                result.insert(name.clone(), merged);
            }
            Value::Object(result)
        }
        (Value::Array(a), Value::Array(b)) => match (steps(a, view), steps(b, view)) {
            (Some(before), Some(after)) => {
                let order = merged_order(&before, &after);
                Value::Array(
                    order
                        .into_iter()
                        .map(|place| match place {
                            (Some(at), Some(by)) => merge(&a[at], &b[by], view.items()),
                            (Some(at), None) => a[at].clone(),
                            (None, by) => by.map(|by| b[by].clone()).unwrap_or_default(),
                        })
                        .collect(),
                )
            }
            _ => config.clone(),
        },
        // Nothing is laid over the entries of others.
        (Value::Object(_), Value::Null) if !view.is_atomic_map() => live.clone(),
        (Value::Array(a), Value::Null) if steps(a, view).is_some() => live.clone(),
        _ => config.clone(),
    }
}

/// In which order the items of two lists stand in their merger: places in the first, places in the second.
/// What both have stands as in the second; what only one has keeps its place before the next that both have.
fn merged_order(before: &[Step], after: &[Step]) -> Vec<(Option<usize>, Option<usize>)> {
    let place = |list: &[Step], step: &Step| list.iter().position(|s| s == step);
    let mut shared = after.iter().filter(|s| before.contains(s));
    let mut next = shared.next();
    let mut taken = vec![false; after.len()];
    let (mut order, mut left, mut right) = (Vec::new(), 0, 0);
    while left < before.len() || right < after.len() {
        if left < before.len() && right < after.len() {
            if before[left] == after[right] {
                order.push((Some(left), Some(right)));
                taken[right] = true;
                (left, right) = (left + 1, right + 1);
                next = shared.next();
                continue;
            }
            if after.contains(&before[left]) && next.is_some_and(|n| *n != before[left]) {
                left += 1;
                continue;
            }
        }
        if left < before.len() {
            match place(after, &before[left]) {
                None => {
                    order.push((Some(left), None));
                    left += 1;
                    continue;
                }
                Some(at) if taken[at] => left += 1,
                Some(_) => {}
            }
        }
        if right < after.len() {
            order.push((place(before, &after[right]), Some(right)));
            taken[right] = true;
            if next == Some(&after[right]) {
                next = shared.next();
            }
            right += 1;
        }
    }
    order
}

/// Takes the fields of a set out of an object.
pub(crate) fn remove(value: &mut Value, set: &Set, view: View<'_>) {
    if set.is_empty() {
        return;
    }
    match value {
        Value::Object(map) => {
            for (step, branch) in &set.branches {
                let Step::Field(name) = step else {
                    continue;
                };
                if branch.member {
                    map.remove(name);
                } else if let Some(child) = map.get_mut(name) {
                    remove(child, &branch.children, view.field(name));
                }
            }
        }
        Value::Array(list) => {
            let Some(steps) = steps(list, view) else {
                return;
            };
            let mut kept = Vec::with_capacity(list.len());
            for (step, mut item) in steps.iter().zip(std::mem::take(list)) {
                match set.branches.get(step) {
                    Some(branch) if branch.member => continue,
                    Some(branch) => remove(&mut item, &branch.children, view.items()),
                    None => {}
                }
                kept.push(item);
            }
            *list = kept;
        }
        _ => {}
    }
}
