//! Amounts, wherever a schema has them.

use serde_json::Value;

use super::{Node, View};
use crate::local::quantity;

const DEPTH: usize = 200;

pub(super) fn is_amount(node: &Node) -> bool {
    node.name.as_deref() == Some("resource.Quantity")
}

/// Writes all amounts as Kubernetes does: `1000m` is `1`.
pub(crate) fn canonical_amounts(value: &mut Value, view: View<'_>) {
    walk(value, view, 0);
}

fn walk(value: &mut Value, view: View<'_>, depth: usize) {
    let Some(node) = view.get().filter(|_| depth < DEPTH) else {
        return;
    };
    if is_amount(node) {
        if let Some(text) = quantity::canonical(value) {
            *value = text.into();
        }
        return;
    }
    match value {
        Value::Object(map) => {
            for (key, child) in map.iter_mut() {
                walk(child, view.field(key), depth + 1);
            }
        }
        Value::Array(list) => {
            for item in list.iter_mut() {
                walk(item, view.items(), depth + 1);
            }
        }
        _ => {}
    }
}
