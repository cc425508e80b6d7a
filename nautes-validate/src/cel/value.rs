//! Values of expressions.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::rc::Rc;

use nautes_model::Identity;
use serde_json::Value as Json;

/// A value. Copies are cheap: what is large is shared.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Rc<str>),
    List(Rc<Vec<Self>>),
    Map(Rc<Map>),
    /// A resource of the platform; its parts are looked up when somebody asks.
    Resource(Rc<Identity>),
}

/// A mapping by text, with the schema that says what it may have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Map {
    pub(crate) entries: BTreeMap<Rc<str>, Value>,
    pub(crate) schema: Option<&'static Json>,
}

impl Map {
    /// Returns the value of a key; what is left out but allowed is empty.
    pub(crate) fn get(&self, key: &str) -> Option<Value> {
        if let Some(value) = self.entries.get(key) {
            return Some(value.clone());
        }
        let property = self.schema?.get("properties")?.get(key)?;
        Some(Value::absent(property))
    }
}

impl Value {
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(Rc::from(text))
    }

    pub(crate) fn list(items: Vec<Self>) -> Self {
        Self::List(Rc::new(items))
    }

    pub(crate) fn resource(identity: &Identity) -> Self {
        Self::Resource(Rc::new(identity.clone()))
    }

    /// What a field reads as that a manifest leaves out.
    fn absent(schema: &'static Json) -> Self {
        if let Some(default) = schema.get("default") {
            return Self::from_json(default, Some(schema));
        }
        match schema["type"].as_str().unwrap_or_default() {
            "string" => Self::text(""),
            "integer" => Self::Int(0),
            "number" => Self::Double(0.0),
            "boolean" => Self::Bool(false),
            "array" => Self::list(Vec::new()),
            "object" => Self::Map(Rc::new(Map {
                entries: BTreeMap::new(),
                schema: Some(schema),
            })),
            _ => Self::Null,
        }
    }

    pub(crate) fn from_json(json: &Json, schema: Option<&'static Json>) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(b) => Self::Bool(*b),
            Json::Number(n) => n
                .as_i64()
                .map_or_else(|| Self::Double(n.as_f64().unwrap_or(0.0)), Self::Int),
            Json::String(text) => Self::text(text),
            Json::Array(items) => {
                let of_item = schema.and_then(|s| s.get("items"));
                Self::list(items.iter().map(|item| Self::from_json(item, of_item)).collect())
            }
            Json::Object(fields) => {
                let others = schema.and_then(|s| s.get("additionalProperties"));
                let of_field = |key: &str| schema.and_then(|s| s.get("properties")?.get(key)).or(others);
                let entry = |(key, value): (&String, &Json)| {
                    (Rc::from(key.as_str()), Self::from_json(value, of_field(key)))
                };
                Self::Map(Rc::new(Map {
                    entries: fields.iter().map(entry).collect(),
                    schema,
                }))
            }
        }
    }

    /// What people call the type.
    pub(crate) const fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Int(_) | Self::Double(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
            Self::Resource(_) => "a resource",
        }
    }

    /// Compares numbers with numbers, texts with texts, and false before true; `None` for all else.
    pub(crate) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(b)),
            (Self::Int(a), Self::Double(b)) => (*a as f64).partial_cmp(b),
            (Self::Double(a), Self::Int(b)) => a.partial_cmp(&(*b as f64)),
            (Self::Double(a), Self::Double(b)) => a.partial_cmp(b),
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }

    /// How much work it is to look through it.
    pub(crate) fn weight(&self) -> u64 {
        let count = match self {
            Self::Text(text) => text.len() / 16,
            Self::List(items) => items.len(),
            Self::Map(map) => map.entries.len(),
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::Double(_) | Self::Resource(_) => 0,
        };
        1 + count as u64
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::List(a), Self::List(b)) => a == b,
            (Self::Map(a), Self::Map(b)) => a.entries == b.entries,
            (Self::Resource(a), Self::Resource(b)) => a == b,
            _ => self.compare(other) == Some(Ordering::Equal),
        }
    }
}
