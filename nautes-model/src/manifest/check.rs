//! A value against the schema of its kind: every fault at once.

use serde_json::Value as Json;

use super::report::{any_of, join, nearest, quoted};
use super::{convert::Faults, rule};
use crate::yaml::{Entry, Node, Value};

/// Checks a value and everything below it. Empty texts at optional enumerations count as absent and are taken
/// out, as are fields without a value.
pub(super) fn check(schema: &Json, node: &mut Node, path: &str, faults: &mut Faults) {
    let at = node.at;
    match (schema["type"].as_str().unwrap_or_default(), &mut node.value) {
        ("object", Value::Map(entries)) => {
            if let Some(properties) = schema["properties"].as_object() {
                check_fields(schema, properties, entries, at, path, faults);
            } else if schema["additionalProperties"].is_object() {
                for entry in entries {
                    let path = join(path, &entry.key);
                    check(&schema["additionalProperties"], &mut entry.node, &path, faults);
                }
            }
        }
        ("array", Value::List(items)) => {
            if let Some(max) = limit(schema, "maxItems").filter(|max| items.len() > *max) {
                let message = format!("the list has {} items, {max} are allowed", items.len());
                faults.add(rule::FIELD_VALUE, at, path, message, None);
            }
            for (index, item) in items.iter_mut().enumerate() {
                check(&schema["items"], item, &format!("{path}[{index}]"), faults);
            }
        }
        ("string", Value::Text(text)) => check_text(schema, text, node.at, path, faults),
        ("boolean", Value::Bool(_)) => {}
        ("integer", Value::Number(n)) if n.is_i64() => {}
        ("number", Value::Number(_)) => {}
        (expected, found) => {
            let expected_name = match expected {
                "object" => "a mapping",
                "array" => "a list",
                "string" => "a text",
                "boolean" => "true or false",
                "integer" => "a whole number",
                _ => "a number",
            };
            let hint = match (expected, &*found) {
                ("string", Value::Number(n)) => Some(format!("put it in quotes: \"{n}\"")),
                ("string", Value::Bool(b)) => Some(format!("put it in quotes: \"{b}\"")),
                ("array", Value::Text(_)) => {
                    Some("write each item on a line that begins with '- '".to_owned())
                }
                ("boolean", Value::Text(_)) => Some("write true or false without quotes".to_owned()),
                _ => None,
            };
            let message = format!("expected {expected_name}, found {}", found.type_name());
            faults.add(rule::FIELD_TYPE, at, path, message, hint);
        }
    }
}

fn limit(schema: &Json, key: &str) -> Option<usize> {
    schema[key].as_u64().and_then(|n| usize::try_from(n).ok())
}

fn check_fields(
    schema: &Json,
    properties: &serde_json::Map<String, Json>,
    entries: &mut Vec<Entry>,
    at: Option<crate::resource::Position>,
    path: &str,
    faults: &mut Faults,
) {
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .collect();
    entries.retain(|entry| {
        let empty_choice = || {
            entry.node.as_text() == Some("")
                && properties.get(&entry.key).is_some_and(|s| s["enum"].is_array())
                && !required.contains(&entry.key.as_str())
        };
        entry.node.value != Value::Null && !empty_choice()
    });
    for entry in entries.iter_mut() {
        let field = join(path, &entry.key);
        match properties.get(&entry.key) {
            Some(schema) => check(schema, &mut entry.node, &field, faults),
            None => unknown_field(&entry.key, entry.at, &field, properties.keys(), faults),
        }
    }
    for name in required {
        if entries.iter().all(|e| e.key != name) {
            let hint = schema["properties"][name]["description"]
                .as_str()
                .map(|text| format!("{name}: {}", first_sentence(text)));
            faults.add(
                rule::FIELD_MISSING,
                at,
                &join(path, name),
                "the field is missing",
                hint,
            );
        }
    }
}

/// Reports a field that the schema does not have.
pub(super) fn unknown_field<'a>(
    key: &str,
    at: Option<crate::resource::Position>,
    field: &str,
    known: impl IntoIterator<Item = &'a String>,
    faults: &mut Faults,
) {
    let known: Vec<&str> = known.into_iter().map(String::as_str).collect();
    let hint = match nearest(key, known.iter().copied()) {
        Some(name) => format!("did you mean {name}?"),
        None => format!("known here: {}", known.join(", ")),
    };
    faults.add(
        rule::FIELD_UNKNOWN,
        at,
        field,
        "there is no such field",
        Some(hint),
    );
}

fn first_sentence(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default().trim_end_matches('.');
    let mut chars = line.chars();
    chars
        .next()
        .map(|c| c.to_lowercase().chain(chars).collect())
        .unwrap_or_default()
}

fn check_text(
    schema: &Json,
    text: &str,
    at: Option<crate::resource::Position>,
    path: &str,
    faults: &mut Faults,
) {
    if let Some(allowed) = schema["enum"].as_array() {
        let allowed: Vec<&str> = allowed.iter().filter_map(Json::as_str).collect();
        if !allowed.contains(&text) {
            let hint = nearest(text, allowed.iter().copied()).map(|word| format!("did you mean {word}?"));
            let message = format!("{} is not {}", quoted(text), any_of(&allowed));
            faults.add(rule::FIELD_VALUE, at, path, message, hint);
        }
        return;
    }
    let length = text.chars().count();
    if let Some(max) = limit(schema, "maxLength").filter(|max| length > *max) {
        let message = format!("the text has {length} characters, {max} are allowed");
        faults.add(rule::FIELD_VALUE, at, path, message, None);
    }
    if let Some(min) = limit(schema, "minLength").filter(|min| length < *min) {
        let message = if length == 0 {
            "the text is empty".to_owned()
        } else {
            format!("the text has {length} characters, at least {min} are needed")
        };
        faults.add(rule::FIELD_VALUE, at, path, message, None);
    }
}
