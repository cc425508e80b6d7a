//! What keeps a configuration from being applied: values that are not of the type of their field, fields
//! that the schema does not declare, and items of a list that share a key. Worded as the typed objects of
//! Kubernetes word it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{ListKind, Type, View};

const DEPTH: usize = 200;

/// Everything that is wrong, a line each.
pub(crate) fn typed_errors(config: &Value, view: View<'_>) -> Vec<String> {
    let mut errors = Vec::new();
    check(config, view, "", 0, &mut errors);
    errors
}

fn check(value: &Value, view: View<'_>, path: &str, depth: usize, errors: &mut Vec<String>) {
    let Some(node) = view.get().filter(|_| depth <= DEPTH && !value.is_null()) else {
        return;
    };
    let at = if path.is_empty() {
        String::new()
    } else {
        format!("{path}: ")
    };
    match (node.ty, value) {
        _ if node.int_or_string => {}
        (Some(Type::Object), Value::Object(_)) | (Some(Type::Array), Value::Array(_)) | (None, _) => {}
        (Some(Type::Object), other) => errors.push(format!("{at}expected map, got &{{{}}}", go_value(other))),
        (Some(Type::Array), other) => errors.push(format!("{at}expected list, got &{{{}}}", go_value(other))),
        (Some(Type::String), other) if !other.is_string() => {
            errors.push(format!(
                "{at}expected string, got &value.valueUnstructured{{Value:{other}}}"
            ));
        }
        (Some(Type::Integer | Type::Number), other) if !other.is_number() => {
            errors.push(format!(
                "{at}expected numeric (int or float), got {}",
                go_type(other)
            ));
        }
        (Some(Type::Boolean), other) if !other.is_boolean() => {
            errors.push(format!("{at}expected boolean, got {}", go_value(other)));
        }
        _ => {}
    }
    match value {
        Value::Object(map) => {
            let open = node.preserve_unknown || node.additional_any || node.additional.is_some();
            for (key, child) in map {
                let below = format!("{path}.{key}");
                if node.properties.contains_key(key) || open || node.ty != Some(Type::Object) {
                    check(child, view.field(key), &below, depth + 1, errors);
                } else if depth > 0 || !["apiVersion", "kind", "metadata"].contains(&key.as_str()) {
                    errors.push(format!("{below}: field not declared in schema"));
                }
            }
        }
        Value::Array(list) => check_items(list, view, path, depth, errors),
        _ => {}
    }
}

fn check_items(list: &[Value], view: View<'_>, path: &str, depth: usize, errors: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for (index, item) in list.iter().enumerate() {
        let (place, key) = match view.list() {
            ListKind::Atomic => (format!("{path}[{index}]"), None),
            ListKind::Set => (format!("{path}[={item}]"), Some(format!("[={item}]"))),
            ListKind::Map(names) => {
                let value = |name: &String| {
                    let default = || view.items().field(name).get()?.default.clone();
                    let found = item.get(name).cloned().or_else(default)?;
                    Some(format!("{name}={found}"))
                };
                let key = names.iter().filter_map(value).collect::<Vec<_>>().join(",");
                (format!("{path}[{key}]"), Some(format!("[{key}]")))
            }
        };
        if let Some(key) = key.filter(|k| !seen.insert(k.clone())) {
            errors.push(format!("{path}: duplicate entries for key {key}"));
        }
        check(item, view.items(), &place, depth + 1, errors);
    }
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// A value as Go prints it.
pub(crate) fn go_value(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(list) => format!("[{}]", list.iter().map(go_value).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let entries = map.iter().map(|(k, v)| format!("{k}:{}", go_value(v)));
            format!("map[{}]", entries.collect::<Vec<_>>().join(" "))
        }
        other => other.to_string(),
    }
}
