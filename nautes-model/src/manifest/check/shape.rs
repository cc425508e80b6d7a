//! Schemas made ready for checking: once for each kind, with sorted fields and compiled patterns.

use std::sync::{LazyLock, OnceLock};

use regex::Regex;
use serde_json::Value as Json;

use crate::crd;
use crate::kind::{KINDS, Kind};

/// What a value must be.
#[derive(Debug)]
pub(in crate::manifest) enum Shape {
    /// A mapping with these fields.
    Object(Object),
    /// A mapping of any keys.
    Map {
        values: Box<Self>,
        max: usize,
    },
    List(List),
    Text(Text),
    Boolean,
    Integer {
        min: Option<i64>,
        max: Option<i64>,
    },
    Number,
    /// Anything.
    Any,
}

#[derive(Debug, Default)]
pub(in crate::manifest) struct Object {
    /// In order of name.
    pub(super) fields: Vec<Field>,
    /// How many of the fields must be there.
    pub(super) required: usize,
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: Box<str>,
    pub(super) required: bool,
    pub(super) shape: Shape,
    pub(super) description: Box<str>,
}

#[derive(Debug)]
pub(in crate::manifest) struct List {
    pub(super) items: Box<Shape>,
    pub(super) min: usize,
    pub(super) max: usize,
    pub(super) told_apart: ToldApart,
}

/// How the items of a list are told apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ToldApart {
    Not,
    /// Each is another text.
    ByText,
    /// By the values of some of their fields.
    ByKeys(Vec<Box<str>>),
}

#[derive(Debug)]
pub(in crate::manifest) struct Text {
    pub(super) min: usize,
    pub(super) max: usize,
    /// The only texts that are allowed, if they are told.
    pub(super) choices: Option<Vec<Box<str>>>,
    pub(super) pattern: Option<Pattern>,
}

#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) source: Box<str>,
    /// `None` when it does not compile; the tests show that it does not happen.
    pub(super) regex: Option<Regex>,
}

impl Object {
    pub(super) fn field(&self, name: &str) -> Option<usize> {
        self.fields.binary_search_by(|field| (*field.name).cmp(name)).ok()
    }
}

/// Returns what the spec of a kind must be.
pub(in crate::manifest) fn spec(kind: Kind) -> &'static Shape {
    static SHAPES: [OnceLock<Shape>; KINDS.len()] = [const { OnceLock::new() }; KINDS.len()];
    SHAPES[kind as usize].get_or_init(|| Shape::of(&crd::schema(kind)["properties"]["spec"]))
}

/// Returns what labels and annotations must be.
pub(in crate::manifest) fn texts() -> &'static Shape {
    static TEXTS: LazyLock<Shape> = LazyLock::new(|| Shape::Map {
        values: Box::new(Shape::Text(Text {
            min: 0,
            max: usize::MAX,
            choices: None,
            pattern: None,
        })),
        max: usize::MAX,
    });
    &TEXTS
}

impl Shape {
    /// Makes a schema ready.
    pub(super) fn of(schema: &Json) -> Self {
        match schema["type"].as_str().unwrap_or_default() {
            "object" if schema["properties"].is_object() => Self::Object(object(schema)),
            "object" if schema["additionalProperties"].is_object() => Self::Map {
                values: Box::new(Self::of(&schema["additionalProperties"])),
                max: count(schema, "maxProperties").unwrap_or(usize::MAX),
            },
            "array" => Self::List(List {
                items: Box::new(Self::of(&schema["items"])),
                min: count(schema, "minItems").unwrap_or(0),
                max: count(schema, "maxItems").unwrap_or(usize::MAX),
                told_apart: told_apart(schema),
            }),
            "string" => Self::Text(Text {
                min: count(schema, "minLength").unwrap_or(0),
                max: count(schema, "maxLength").unwrap_or(usize::MAX),
                choices: schema["enum"].as_array().map(|all| texts_of(all).collect()),
                pattern: schema["pattern"].as_str().map(|source| Pattern {
                    source: source.into(),
                    regex: Regex::new(source).ok(),
                }),
            }),
            "boolean" => Self::Boolean,
            "integer" => Self::Integer {
                min: whole(&schema["minimum"]),
                max: whole(&schema["maximum"]),
            },
            "number" => Self::Number,
            _ => Self::Any,
        }
    }
}

fn object(schema: &Json) -> Object {
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .collect();
    let mut fields: Vec<Field> = schema["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, schema)| Field {
            required: required.contains(&name.as_str()),
            shape: Shape::of(schema),
            description: schema["description"].as_str().unwrap_or_default().into(),
            name: name.as_str().into(),
        })
        .collect();
    fields.sort_by(|a, b| a.name.cmp(&b.name));
    Object {
        required: fields.iter().filter(|f| f.required).count(),
        fields,
    }
}

fn told_apart(schema: &Json) -> ToldApart {
    match schema["x-kubernetes-list-type"].as_str() {
        Some("set") => ToldApart::ByText,
        Some("map") => {
            let keys = schema["x-kubernetes-list-map-keys"].as_array();
            ToldApart::ByKeys(keys.map(|keys| texts_of(keys).collect()).unwrap_or_default())
        }
        _ => ToldApart::Not,
    }
}

fn texts_of(values: &[Json]) -> impl Iterator<Item = Box<str>> {
    values.iter().filter_map(Json::as_str).map(Box::from)
}

fn count(schema: &Json, key: &str) -> Option<usize> {
    schema[key].as_u64().and_then(|n| usize::try_from(n).ok())
}

/// A bound, which definitions write as `0` or as `0.0`.
fn whole(value: &Json) -> Option<i64> {
    value.as_i64().or_else(|| {
        let text = value.as_f64()?.to_string();
        text.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(shape: &Shape) {
        match shape {
            Shape::Object(object) => {
                for field in &object.fields {
                    assert_eq!(object.fields[object.field(&field.name).unwrap()].name, field.name);
                    walk(&field.shape);
                }
            }
            Shape::Map { values, .. } => walk(values),
            Shape::List(list) => walk(&list.items),
            Shape::Text(text) => {
                assert!(
                    text.pattern.as_ref().is_none_or(|p| p.regex.is_some()),
                    "{text:?}"
                );
            }
            Shape::Boolean | Shape::Integer { .. } | Shape::Number => {}
            Shape::Any => unreachable!("nothing in a spec is free"),
        }
    }

    #[test]
    fn every_spec_is_made_ready_with_all_its_patterns() {
        for info in KINDS {
            walk(spec(info.kind));
        }
    }
}
