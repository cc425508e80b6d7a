//! The fields of a kind, read from its schema, for people who ask what to write.

use serde_json::{Map, Value, json};

use crate::crd;
use crate::kind::{API_VERSION, Kind};

/// How deep fields are shown; schemas are not recursive, so that nothing is left out.
const DEEPEST: usize = 32;

/// A field of a kind.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name; the kind's for the whole.
    pub name: String,
    /// Whether it must be given.
    pub required: bool,
    /// Its schema.
    pub schema: Value,
}

/// Says in a sentence what a kind is.
#[must_use]
pub fn about(kind: Kind) -> String {
    // The description of the whole is made up by the derivation; the one of the spec is the author's.
    description(&crd::schema(kind)["properties"]["spec"])
}

/// Returns a kind as a field: the whole of a manifest.
#[must_use]
pub fn whole(kind: Kind) -> Field {
    let mut schema = crd::schema(kind).clone();
    schema["description"] = json!(about(kind));
    let common = [
        (
            "apiVersion",
            json!({"type": "string", "description": "The version of the schema.",
            "enum": [API_VERSION]}),
        ),
        (
            "kind",
            json!({"type": "string", "description": "The kind.", "enum": [kind.name()]}),
        ),
        (
            "metadata",
            json!({"type": "object", "description": "The name, and what others note about the resource.",
            "required": ["name"],
            "properties": {
                "name": {"type": "string", "maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
                    "description": "The name: a DNS label, unique among its kind in the product or tenant."},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}, "description": "Labels."},
                "annotations": {"type": "object", "additionalProperties": {"type": "string"},
                    "description": "Annotations."},
            }}),
        ),
    ];
    if let Some(properties) = schema["properties"].as_object_mut() {
        for (name, known) in common {
            properties.insert(name.to_owned(), known);
        }
    }
    schema["required"] = json!(["apiVersion", "kind", "metadata", "spec"]);
    Field {
        name: kind.name().to_owned(),
        required: true,
        schema,
    }
}

/// The description in a schema.
#[must_use]
pub fn description(schema: &Value) -> String {
    schema["description"]
        .as_str()
        .unwrap_or_default()
        .trim()
        .to_owned()
}

impl Field {
    /// Finds one of the fields of its value; case does not matter where there is no exact one.
    #[must_use]
    pub fn child(&self, name: &str) -> Option<Self> {
        let all = self.children();
        all.iter()
            .find(|field| field.name == name)
            .or_else(|| all.iter().find(|field| field.name.eq_ignore_ascii_case(name)))
            .cloned()
    }

    /// Returns the fields of its value, or of the items of its value, in the order of a manifest.
    #[must_use]
    pub fn children(&self) -> Vec<Self> {
        let object = inner(&self.schema);
        let required = |name: &str| {
            object["required"]
                .as_array()
                .is_some_and(|all| all.iter().any(|r| r == name))
        };
        let none = Map::new();
        let mut all: Vec<Self> = object["properties"]
            .as_object()
            .unwrap_or(&none)
            .iter()
            .map(|(name, schema)| Self {
                name: name.clone(),
                required: required(name),
                schema: schema.clone(),
            })
            .collect();
        let rank = |name: &str| {
            ["apiVersion", "kind", "metadata", "name", "spec"]
                .iter()
                .position(|n| *n == name)
        };
        all.sort_by_key(|f| (rank(&f.name).unwrap_or(usize::MAX), f.name.clone()));
        all
    }

    /// Returns the type as kubectl writes it: `string`, `[]Object`, `map[string]string`.
    #[must_use]
    pub fn type_name(&self) -> String {
        type_of(&self.schema)
    }

    /// Returns what restricts its value, a line each.
    #[must_use]
    pub fn limits(&self) -> Vec<String> {
        limits(&self.schema)
    }

    /// Returns it with its fields as JSON.
    #[must_use]
    pub fn json(&self, recursive: bool) -> Value {
        self.json_to(if recursive { DEEPEST } else { 1 })
    }

    /// Returns it as JSON, with the fields of its value as deep as is said: the keywords of its schema, and in `limits` the
    /// same in words.
    #[must_use]
    pub fn json_to(&self, depth: usize) -> Value {
        let mut shown = Map::new();
        shown.insert("name".to_owned(), json!(self.name));
        shown.insert("type".to_owned(), json!(self.type_name()));
        shown.insert("required".to_owned(), json!(self.required));
        shown.insert("description".to_owned(), json!(description(&self.schema)));
        let keys = [
            "enum",
            "default",
            "pattern",
            "format",
            "minLength",
            "maxLength",
            "minItems",
            "maxItems",
            "minimum",
            "maximum",
        ];
        for key in keys {
            if let Some(value) = self.schema.get(key) {
                shown.insert(key.to_owned(), value.clone());
            }
        }
        let limits = self.limits();
        if !limits.is_empty() {
            shown.insert("limits".to_owned(), json!(limits));
        }
        let children = self.children();
        if !children.is_empty() && depth > 0 {
            let fields: Vec<Value> = children.iter().map(|f| f.json_to(depth - 1)).collect();
            shown.insert("fields".to_owned(), json!(fields));
        }
        Value::Object(shown)
    }
}

/// The schema of an object, of the items of a list, or of the values of a map.
fn inner(schema: &Value) -> &Value {
    let mut at = schema;
    for _ in 0..DEEPEST {
        match at
            .get("items")
            .or_else(|| at.get("additionalProperties"))
            .filter(|s| s.is_object())
        {
            Some(below) => at = below,
            None => break,
        }
    }
    at
}

fn type_of(schema: &Value) -> String {
    if let Some(items) = schema.get("items") {
        return format!("[]{}", type_of(items));
    }
    if let Some(values) = schema.get("additionalProperties").filter(|s| s.is_object()) {
        return format!("map[string]{}", type_of(values));
    }
    match schema["type"].as_str() {
        Some("object") | None => "Object".to_owned(),
        Some(other) => other.to_owned(),
    }
}

fn limits(schema: &Value) -> Vec<String> {
    let mut all = Vec::new();
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<String> = values.iter().filter(|v| !v.is_null()).map(plain).collect();
        all.push(format!("one of: {}", values.join(", ")));
    }
    if let Some(value) = schema.get("default").filter(|v| !v.is_null()) {
        all.push(format!(
            "default: {}",
            if value == "" {
                "\"\"".to_owned()
            } else {
                plain(value)
            }
        ));
    }
    range(schema, ["minLength", "maxLength"], "characters", &mut all);
    range(schema, ["minItems", "maxItems"], "items", &mut all);
    range(schema, ["minProperties", "maxProperties"], "keys", &mut all);
    range(schema, ["minimum", "maximum"], "", &mut all);
    for key in ["pattern", "format"] {
        if let Some(text) = schema[key].as_str() {
            all.push(format!("{key}: {text}"));
        }
    }
    if let Some(keys) = schema["x-kubernetes-list-map-keys"].as_array() {
        let keys: Vec<String> = keys.iter().map(plain).collect();
        all.push(format!("items differ by: {}", keys.join(", ")));
    }
    for rule in schema["x-kubernetes-validations"]
        .as_array()
        .into_iter()
        .flatten()
    {
        all.push(format!(
            "must hold: {}",
            rule["message"]
                .as_str()
                .or(rule["rule"].as_str())
                .unwrap_or_default()
        ));
    }
    if let Some(items) = schema.get("items").filter(|i| i.get("properties").is_none()) {
        all.extend(limits(items).into_iter().map(|limit| format!("each {limit}")));
    }
    all
}

fn range(schema: &Value, [least, most]: [&str; 2], unit: &str, all: &mut Vec<String>) {
    let text = match (&schema[least], &schema[most]) {
        (Value::Null, Value::Null) => return,
        (Value::Null, most) => format!("at most {most} {unit}"),
        (least, Value::Null) => format!("at least {least} {unit}"),
        (least, most) => format!("{least} to {most} {unit}"),
    };
    all.push(text.trim_end().to_owned());
}
