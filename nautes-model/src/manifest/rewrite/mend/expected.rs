//! What a document says once it is mended: the same actions on its values, against which the new text is held.

use crate::fix::{Action, Value as New};
use crate::yaml::{Entry, Node, Value};

/// A part of the path of a field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Item(usize),
    Key(String),
}

/// Does the actions on values. `None` when a field is not there.
pub(super) fn after(mut root: Node, actions: &[Action]) -> Option<Node> {
    let mut renames = Vec::new();
    let mut removals = Vec::new();
    for action in actions {
        match action {
            Action::Set { field, value } => set(&mut root, field, value)?,
            Action::Append { field, values } => append(&mut root, field, values)?,
            Action::Rename { field, key } => renames.push((path(&root, field)?, key)),
            Action::Remove { field } => removals.push(path(&root, field)?),
            // Of a key that stands again the reader keeps the first.
            Action::RemoveRepeated { .. } => {}
            Action::Add { .. } | Action::Delete => return None,
        }
    }
    // What stands behind or deeper goes first, so that the paths of the rest stay what they are.
    removals.sort();
    removals.dedup();
    for removal in removals.iter().rev() {
        remove(&mut root, removal)?;
    }
    renames.sort();
    for (of, key) in renames.iter().rev() {
        let (last, above) = of.split_last()?;
        let Part::Key(old) = last else { return None };
        let Value::Map(entries) = &mut at(&mut root, above)?.value else {
            return None;
        };
        if entries.iter().any(|e| e.key == **key) {
            return None;
        }
        let entry = entries.iter_mut().find(|e| e.key == *old)?;
        entry.key.clone_from(key);
    }
    Some(root)
}

/// Takes a path apart as far as it is there; `rest` is what is not.
fn walk<'p>(root: &Node, field: &'p str) -> (Vec<Part>, &'p str) {
    let (mut node, mut rest, mut parts) = (root, field, Vec::new());
    while !rest.is_empty() {
        let (part, next, after) = match &node.value {
            Value::Map(entries) => {
                let fits = |e: &&Entry| {
                    rest.strip_prefix(e.key.as_str())
                        .is_some_and(|after| after.is_empty() || after.starts_with(['.', '[']))
                };
                let Some(entry) = entries.iter().filter(fits).max_by_key(|e| e.key.len()) else {
                    break;
                };
                (
                    Part::Key(entry.key.clone()),
                    &entry.node,
                    &rest[entry.key.len()..],
                )
            }
            Value::List(items) => {
                let index = rest.strip_prefix('[').and_then(|r| r.split_once(']'));
                let Some((index, after)) = index else { break };
                let Some((index, item)) = index.parse().ok().and_then(|i| Some((i, items.get(i)?))) else {
                    break;
                };
                (Part::Item(index), item, after)
            }
            _ => break,
        };
        parts.push(part);
        node = next;
        rest = after.strip_prefix('.').unwrap_or(after);
    }
    (parts, rest)
}

fn path(root: &Node, field: &str) -> Option<Vec<Part>> {
    let (parts, rest) = walk(root, field);
    (rest.is_empty() && !parts.is_empty()).then_some(parts)
}

fn at<'n>(root: &'n mut Node, parts: &[Part]) -> Option<&'n mut Node> {
    parts
        .iter()
        .try_fold(root, |node, part| match (&mut node.value, part) {
            (Value::Map(entries), Part::Key(key)) => {
                entries.iter_mut().find(|e| e.key == *key).map(|e| &mut e.node)
            }
            (Value::List(items), Part::Item(index)) => items.get_mut(*index),
            _ => None,
        })
}

fn node(value: &New) -> Node {
    Node::from_json(value.to_json())
}

fn set(root: &mut Node, field: &str, value: &New) -> Option<()> {
    let (parts, rest) = walk(root, field);
    let found = at(root, &parts)?;
    if rest.is_empty() {
        *found = node(value);
        return Some(());
    }
    if rest.contains('[') {
        return None;
    }
    let mut keys = rest.rsplit('.');
    let last = keys.next()?;
    let mut new = (last, node(value));
    for key in keys {
        let inner = Entry {
            key: new.0.to_owned(),
            at: None,
            node: new.1,
        };
        new = (
            key,
            Node {
                at: None,
                value: Value::Map(vec![inner]),
            },
        );
    }
    if found.value == Value::Null {
        found.value = Value::Map(Vec::new());
    }
    let Value::Map(entries) = &mut found.value else {
        return None;
    };
    entries.push(Entry {
        key: new.0.to_owned(),
        at: None,
        node: new.1,
    });
    Some(())
}

fn append(root: &mut Node, field: &str, values: &[New]) -> Option<()> {
    let (parts, rest) = walk(root, field);
    if rest.is_empty() {
        let found = at(root, &parts)?;
        if let Value::List(items) = &mut found.value {
            items.extend(values.iter().map(node));
            return Some(());
        }
        if found.value != Value::Null {
            return None;
        }
    }
    set(root, field, &New::List(values.to_vec()))
}

fn remove(root: &mut Node, parts: &[Part]) -> Option<()> {
    let (last, above) = parts.split_last()?;
    match (&mut at(root, above)?.value, last) {
        (Value::Map(entries), Part::Key(key)) => entries.retain(|e| e.key != *key),
        (Value::List(items), Part::Item(index)) if *index < items.len() => {
            items.remove(*index);
        }
        _ => return None,
    }
    Some(())
}
