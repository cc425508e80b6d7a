//! Schemas as lines for people.

use serde_json::Value;

/// A field of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The name.
    pub(crate) name: String,
    /// The type.
    pub(crate) kind: String,
    /// Whether it is always there.
    pub(crate) required: bool,
    /// What it is.
    pub(crate) description: String,
}

/// Returns the fields of an object.
pub(crate) fn rows(schema: &Value) -> Vec<Row> {
    let required = |name: &str| {
        schema["required"]
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one == name))
    };
    schema["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, property)| Row {
            name: name.clone(),
            kind: kind(property),
            required: required(name),
            description: description(property),
        })
        .collect()
}

/// Returns the first paragraph of the description of a schema.
pub(crate) fn description(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    text.split("\n\n").next().unwrap_or_default().replace('\n', " ")
}

/// Returns the type of a schema in a few words.
pub(crate) fn kind(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        return reference.rsplit('/').next().unwrap_or_default().to_owned();
    }
    if let Some(value) = schema.get("const") {
        return value.to_string();
    }
    if let Some(all) = schema["enum"].as_array() {
        let words: Vec<String> = all
            .iter()
            .filter(|v| !v.is_null())
            .map(Value::to_string)
            .collect();
        return words.join(" or ");
    }
    for several in ["anyOf", "oneOf", "allOf"] {
        if let Some(all) = schema[several].as_array() {
            let words: Vec<String> = all.iter().filter(|one| one["type"] != "null").map(kind).collect();
            return words.join(" or ");
        }
    }
    let word = match &schema["type"] {
        Value::Array(all) => all.iter().find(|t| *t != "null").and_then(Value::as_str),
        one => one.as_str(),
    };
    match word {
        Some("array") => format!("list of {}", kind(&schema["items"])),
        Some("object") if schema["additionalProperties"].is_object() => {
            format!("map of {}", kind(&schema["additionalProperties"]))
        }
        Some(word) => word.to_owned(),
        None => "anything".to_owned(),
    }
}
