//! Whether a planned object is still what a field manager owns of the live one.
//!
//! An API server takes a field away from its manager as soon as somebody else changes or removes it. So as long
//! as every planned field is owned by our manager, the live object has the values that we applied.

use serde_json::{Map, Value};

/// Whether the set of owned fields (the `FieldsV1` of a managed-fields entry) has every field of the planned
/// object. Identity (`apiVersion`, `kind`, name, namespace) is nobody's field.
pub(crate) fn covers(owned: &Value, planned: &Value) -> bool {
    let (Some(owned), Some(planned)) = (owned.as_object(), planned.as_object()) else {
        return false;
    };
    planned.iter().all(|(name, value)| match name.as_str() {
        "apiVersion" | "kind" => true,
        "metadata" => metadata_is_covered(owned, value),
        _ => child_is_covered(owned, name, value),
    })
}

fn metadata_is_covered(owned: &Map<String, Value>, metadata: &Value) -> bool {
    let Some(metadata) = metadata.as_object() else {
        return false;
    };
    let owned = owned.get("f:metadata").and_then(Value::as_object);
    metadata
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "name" | "namespace" | "uid"))
        .all(|(name, value)| owned.is_some_and(|owned| child_is_covered(owned, name, value)))
}

fn child_is_covered(owned: &Map<String, Value>, name: &str, value: &Value) -> bool {
    value.is_null()
        || owned
            .get(&format!("f:{name}"))
            .is_some_and(|node| is_covered(node, value))
}

/// A node without children stands for the whole value below it.
fn is_covered(node: &Value, value: &Value) -> bool {
    let Some(node) = node.as_object() else {
        return false;
    };
    match value {
        _ if node.is_empty() => true,
        Value::Object(fields) => fields
            .iter()
            .all(|(name, value)| child_is_covered(node, name, value)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .all(|(index, item)| item_is_covered(node, index, item)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

fn item_is_covered(node: &Map<String, Value>, index: usize, item: &Value) -> bool {
    node.iter().any(|(name, below)| {
        if let Some(keys) = name.strip_prefix("k:") {
            has_keys(item, keys) && is_covered(below, item)
        } else if let Some(value) = name.strip_prefix("v:") {
            serde_json::from_str::<Value>(value).is_ok_and(|value| value == *item)
        } else {
            name.strip_prefix("i:") == Some(&index.to_string()) && is_covered(below, item)
        }
    })
}

/// Whether the item is the one with these keys; a key that it leaves out has been given its default.
fn has_keys(item: &Value, keys: &str) -> bool {
    let Ok(Value::Object(keys)) = serde_json::from_str(keys) else {
        return false;
    };
    let mut known = 0;
    let fits = keys.iter().all(|(name, value)| match item.get(name) {
        Some(mine) => {
            known += 1;
            mine == value
        }
        None => true,
    });
    fits && known > 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn planned() -> Value {
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "web", "namespace": "shop", "labels": {"a": "b"}},
            "spec": {
                "ports": [{"port": 80, "targetPort": 8080}, {"port": 53, "protocol": "UDP"}],
                "selector": {"app": "web"},
                "finalizers": ["x"],
            }
        })
    }

    fn owned() -> Value {
        json!({
            "f:metadata": {"f:labels": {"f:a": {}}},
            "f:spec": {
                "f:ports": {
                    "k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}, "f:targetPort": {}},
                    "k:{\"port\":53,\"protocol\":\"UDP\"}": {".": {}, "f:port": {}, "f:protocol": {}},
                },
                "f:selector": {},
                "f:finalizers": {".": {}, "v:\"x\"": {}},
            }
        })
    }

    #[test]
    fn all_fields_owned_means_covered() {
        assert!(covers(&owned(), &planned()));
    }

    #[test]
    fn any_field_that_is_not_owned_is_noticed() {
        for pointer in [
            "/f:metadata/f:labels/f:a",
            "/f:metadata",
            "/f:spec/f:selector",
            "/f:spec/f:ports/k:{\"port\":53,\"protocol\":\"UDP\"}",
            "/f:spec/f:ports/k:{\"port\":80,\"protocol\":\"TCP\"}/f:targetPort",
            "/f:spec/f:finalizers/v:\"x\"",
        ] {
            let mut owned = owned();
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            let parent = owned.pointer_mut(parent).and_then(Value::as_object_mut).unwrap();
            assert!(parent.remove(name).is_some(), "{pointer}");
            // An API server writes no empty node but for a leaf; a node that is owned itself has a dot.
            parent.insert(".".to_owned(), json!({}));
            assert!(!covers(&owned, &planned()), "{pointer}");
        }
        assert!(!covers(&Value::Null, &planned()));
    }
}
