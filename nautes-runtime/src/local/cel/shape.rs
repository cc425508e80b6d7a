//! How large values are: as large as a schema lets them be, or as they are.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::local::json;

/// The largest request, in bytes, by which Kubernetes bounds what no schema does.
const REQUEST: u64 = 3 << 20;

/// The size of a value and of its parts. The size of a text is its bytes, of a list or map its entries, of
/// anything else 1.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) size: u64,
    fields: BTreeMap<String, Self>,
    items: Option<Box<Self>>,
    keys: u64,
    /// True for texts and bytes, which cost by their length where they are compared.
    pub(super) is_text: bool,
    /// True for lists of such.
    pub(super) has_texts: bool,
    /// How large the items are of a list that an expression makes, where that is known.
    pub(super) made: Option<u64>,
}

impl Default for Shape {
    fn default() -> Self {
        Self::scalar(1)
    }
}

impl Shape {
    pub(super) fn scalar(size: u64) -> Self {
        Self {
            size,
            fields: BTreeMap::new(),
            items: None,
            keys: 1,
            is_text: false,
            has_texts: false,
            made: None,
        }
    }

    pub(super) fn text(size: u64) -> Self {
        Self {
            is_text: true,
            ..Self::scalar(size)
        }
    }

    /// A value of the same type of which nothing else is known.
    pub(super) fn unknown(self) -> Self {
        if self.size <= 1 && !self.is_text && !self.is_described() {
            Self::default()
        } else {
            Self {
                is_text: self.is_text,
                has_texts: self.has_texts,
                ..Self::scalar(u64::MAX)
            }
        }
    }

    pub(super) fn sized(self, size: u64) -> Self {
        Self { size, ..self }
    }

    pub(super) fn field(&self, name: &str) -> Self {
        self.fields.get(name).cloned().unwrap_or_else(|| self.item())
    }

    /// What an index gives.
    pub(super) fn item(&self) -> Self {
        self.items.as_deref().cloned().unwrap_or_default()
    }

    /// A value that costs by its length where it is compared, if it is a text.
    pub(super) fn with_length(self, is_text: bool) -> Self {
        Self { is_text, ..self }
    }

    pub(super) fn with_texts(self, has_texts: bool) -> Self {
        Self { has_texts, ..self }
    }

    /// A list that an expression makes, with items of at most this size.
    pub(super) fn with_items(self, made: Option<u64>) -> Self {
        Self { made, ..self }
    }

    /// How large the items of one of two made lists are.
    pub(super) fn either_made(&self, other: &Self) -> Option<u64> {
        Some(self.made?.max(other.made?))
    }

    /// This value with another after it.
    pub(super) fn followed_by(self, other: &Self) -> Self {
        Self {
            size: self.size.saturating_add(other.size),
            is_text: self.is_text || other.is_text,
            has_texts: self.has_texts || other.has_texts,
            made: self.either_made(other),
            ..self
        }
    }

    /// True where it is known what is in the value.
    pub(super) fn is_described(&self) -> bool {
        self.items.is_some() || !self.fields.is_empty()
    }

    /// What the first of two variables of a loop stands for: places in a list, the keys of a map.
    pub(super) fn place(&self) -> Self {
        Self::scalar(self.keys).with_length(self.keys != 1)
    }

    /// What a loop over the value goes through: the items of a list, the keys of a map.
    pub(super) fn element(&self) -> Self {
        if self.fields.is_empty() && self.keys == 1 {
            self.item()
        } else {
            Self::text(self.keys)
        }
    }

    /// As large as a schema lets values be.
    pub(super) fn of_schema(schema: &Value) -> Self {
        let number = |key: &str| schema.get(key).and_then(Value::as_u64);
        match json::text(schema, &["type"]) {
            "string" => Self::text(match (number("maxLength"), json::text(schema, &["format"])) {
                (Some(most), _) => most.saturating_mul(4),
                (None, "date") => 10,
                (None, "date-time") => 20,
                (None, "duration") => 29,
                (None, _) => longest_word(schema).unwrap_or(REQUEST - 2),
            }),
            "array" => {
                let items = schema.get("items").cloned().unwrap_or_default();
                let most = number("maxItems").unwrap_or_else(|| (REQUEST - 2) / (least(&items) + 1));
                let item = Self::of_schema(&items);
                Self {
                    has_texts: item.is_text,
                    items: Some(Box::new(item)),
                    ..Self::scalar(most)
                }
            }
            "object" => match schema.get("additionalProperties").filter(|a| a.is_object()) {
                Some(values) => Self {
                    items: Some(Box::new(Self::of_schema(values))),
                    keys: 0,
                    ..Self::scalar(entries(schema, values))
                },
                None => Self {
                    fields: properties(schema)
                        .map(|(k, v)| (k.clone(), Self::of_schema(v)))
                        .collect(),
                    ..Self::scalar(0)
                },
            },
            // Nothing that has a length, so that comparing it costs nothing.
            "integer" | "number" | "boolean" => Self::scalar(0),
            _ => Self::default(),
        }
    }

    /// As large as a value is; of items, the largest stands for all.
    pub(super) fn of_value(value: &Value) -> Self {
        match value {
            Value::String(text) => Self::text(u64::try_from(text.len()).unwrap_or(u64::MAX)),
            Value::Array(items) => Self {
                has_texts: items.first().is_some_and(Value::is_string),
                items: items
                    .iter()
                    .map(Self::of_value)
                    .reduce(Self::larger)
                    .map(Box::new),
                ..Self::scalar(u64::try_from(items.len()).unwrap_or(u64::MAX))
            },
            Value::Object(map) => Self {
                fields: map.iter().map(|(k, v)| (k.clone(), Self::of_value(v))).collect(),
                items: map
                    .values()
                    .map(Self::of_value)
                    .reduce(Self::larger)
                    .map(Box::new),
                keys: map
                    .keys()
                    .map(|k| u64::try_from(k.len()).unwrap_or(u64::MAX))
                    .max()
                    .unwrap_or(1),
                ..Self::scalar(u64::try_from(map.len()).unwrap_or(u64::MAX))
            },
            _ => Self::default(),
        }
    }

    fn larger(mut self, other: Self) -> Self {
        self.size = self.size.max(other.size);
        self.keys = self.keys.max(other.keys);
        self.items = match (self.items, other.items) {
            (Some(a), Some(b)) => Some(Box::new(a.larger(*b))),
            (a, b) => a.or(b),
        };
        for (name, field) in other.fields {
            let field = match self.fields.remove(&name) {
                Some(own) => own.larger(field),
                None => field,
            };
            self.fields.insert(name, field);
        }
        self
    }
}

pub(super) fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
}

/// How often a value can be in a request.
pub(super) fn most_often(schema: &Value) -> u64 {
    REQUEST / (least(schema) + 1)
}

/// The most entries that a map of these values can have.
fn entries(schema: &Value, values: &Value) -> u64 {
    schema
        .get("maxProperties")
        .and_then(Value::as_u64)
        .unwrap_or_else(|| (REQUEST - 2) / (least(values) + 6))
}

fn longest_word(schema: &Value) -> Option<u64> {
    let words = json::texts(schema, &["enum"]);
    words
        .iter()
        .map(|w| u64::try_from(w.len()).unwrap_or(u64::MAX))
        .max()
}

/// The fewest bytes that a value takes in a request.
fn least(schema: &Value) -> u64 {
    match json::text(schema, &["type"]) {
        "string" | "array" => 2,
        "boolean" => 4,
        "object" => {
            let required = json::texts(schema, &["required"]);
            properties(schema)
                .filter(|(name, property)| {
                    required.contains(&name.as_str()) && property.get("default").is_none()
                })
                .map(|(name, property)| u64::try_from(name.len()).unwrap_or(0) + least(property) + 4)
                .sum::<u64>()
                + 2
        }
        _ => 1,
    }
}
