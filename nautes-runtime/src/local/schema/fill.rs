//! Pruning of unknown fields and filling in of defaults.

use serde_json::{Map, Value};

use super::{Node, Type, View};

const DEPTH: usize = 200;

/// Removes what the schema does not know and returns the paths of what was removed.
pub(crate) fn prune(value: &mut Value, view: View<'_>) -> Vec<String> {
    let mut gone = Vec::new();
    prune_at(value, view, "", 0, true, &mut gone);
    gone
}

fn prune_at(value: &mut Value, view: View<'_>, path: &str, depth: usize, root: bool, gone: &mut Vec<String>) {
    let Some(node) = view.get() else {
        return;
    };
    if depth > DEPTH {
        return;
    }
    match value {
        Value::Object(map) => prune_map(map, view, node, path, depth, root, gone),
        Value::Array(list) if node.items.is_some() => {
            for (index, item) in list.iter_mut().enumerate() {
                prune_at(
                    item,
                    view.items(),
                    &format!("{path}[{index}]"),
                    depth + 1,
                    false,
                    gone,
                );
            }
        }
        _ => {}
    }
}

fn prune_map(
    map: &mut Map<String, Value>,
    view: View<'_>,
    node: &Node,
    path: &str,
    depth: usize,
    root: bool,
    gone: &mut Vec<String>,
) {
    let resource = |key: &str| (root || node.embedded) && ["apiVersion", "kind", "metadata"].contains(&key);
    let keeps_all = node.preserve_unknown || node.additional_any || node.additional.is_some();
    // A node that describes nothing about objects (a bare `type: object` included) keeps no field.
    map.retain(|key, _| {
        let known = keeps_all || node.properties.contains_key(key) || resource(key);
        if !known {
            gone.push(join(path, key));
        }
        known
    });
    for (key, child) in map.iter_mut() {
        if node.properties.contains_key(key) || node.additional.is_some() {
            prune_at(child, view.field(key), &join(path, key), depth + 1, false, gone);
        }
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// Makes the nulls in maps of texts empty texts, as decoders of built-in kinds do.
pub(crate) fn empty_texts(value: &mut Value, view: View<'_>) {
    empty_texts_at(value, view, 0);
}

fn empty_texts_at(value: &mut Value, view: View<'_>, depth: usize) {
    if view.get().is_none() || depth > DEPTH {
        return;
    }
    match value {
        Value::Object(map) => {
            for (key, child) in map.iter_mut() {
                let inner = view.field(key);
                let is_text = inner
                    .get()
                    .is_some_and(|n| n.ty == Some(Type::String) && n.format.is_none());
                if child.is_null() && is_text && !view.has_field(key) {
                    *child = Value::from("");
                } else {
                    empty_texts_at(child, inner, depth + 1);
                }
            }
        }
        Value::Array(list) => list
            .iter_mut()
            .for_each(|item| empty_texts_at(item, view.items(), depth + 1)),
        _ => {}
    }
}

/// Removes lists and maps without anything in them, where the schema does not ask for them: encoders of
/// built-in kinds leave them out.
pub(crate) fn drop_empty(value: &mut Value, view: View<'_>) {
    drop_empty_at(value, view, 0);
}

fn drop_empty_at(value: &mut Value, view: View<'_>, depth: usize) {
    let Some(node) = view.get().filter(|_| depth <= DEPTH) else {
        return;
    };
    match value {
        Value::Object(map) => {
            map.retain(|key, child| {
                let inner = view.field(key).get();
                let empty = match child {
                    Value::Array(list) => list.is_empty() && inner.is_some_and(|n| n.items.is_some()),
                    Value::Object(map) => map.is_empty() && inner.is_some_and(|n| n.additional.is_some()),
                    _ => false,
                };
                !empty || node.required.contains(key) || !node.properties.contains_key(key)
            });
            for (key, child) in map.iter_mut() {
                drop_empty_at(child, view.field(key), depth + 1);
            }
        }
        Value::Array(list) => list
            .iter_mut()
            .for_each(|item| drop_empty_at(item, view.items(), depth + 1)),
        _ => {}
    }
}

/// Fills in the defaults of the schema. Nulls of fields that have a default and are not nullable are
/// replaced by it.
pub(crate) fn fill_defaults(value: &mut Value, view: View<'_>) {
    fill_at(value, view, 0);
}

fn fill_at(value: &mut Value, view: View<'_>, depth: usize) {
    let Some(node) = view.get() else {
        return;
    };
    if depth > DEPTH {
        return;
    }
    match value {
        Value::Object(map) => {
            // A null that the schema does not allow stands for nothing.
            map.retain(|name, value| {
                !value.is_null()
                    || view
                        .field(name)
                        .get()
                        .is_none_or(|n| n.nullable || n.default.is_some())
            });
            for (name, child) in &node.properties {
                let at = view.node(*child);
                let Some(inner) = at.get() else {
                    continue;
                };
                if let Some(default) = &inner.default {
                    let missing = match map.get(name) {
                        None => true,
                        Some(Value::Null) => !inner.nullable,
                        Some(_) => false,
                    };
                    if missing {
                        map.insert(name.clone(), default.clone());
                    }
                }
                if let Some(present) = map.get_mut(name) {
                    fill_at(present, at, depth + 1);
                }
            }
            if let Some(additional) = node.additional {
                for (_, child) in map.iter_mut().filter(|(k, _)| !node.properties.contains_key(*k)) {
                    fill_at(child, view.node(additional), depth + 1);
                }
            }
        }
        Value::Array(list) if node.items.is_some() => {
            list.iter_mut()
                .for_each(|item| fill_at(item, view.items(), depth + 1));
        }
        _ => {}
    }
}
