//! Arbitrary resources of every kind.

use std::collections::BTreeMap;

use nautes_model::kind::API_VERSION;
use nautes_model::resource::Resource;
use nautes_model::{Kind, crd, kind::KINDS};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::string::string_regex;
use serde_json::{Map, Value, json};

/// A name as every kind accepts it.
pub(crate) fn name() -> impl Strategy<Value = String> {
    "[a-z]([a-z0-9-]{0,20}[a-z0-9])?"
}

/// A text of any characters, with some that YAML could take for something else.
pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>().prop_map(|s| s.chars().take(40).collect()),
        "[ -~\n\t]{0,40}",
        select(vec![
            "",
            "yes",
            "null",
            "~",
            "1",
            "0x1f",
            "1e3",
            "a: b",
            "- a",
            "# a",
            "a\nb\n",
            "a\n\nb\n\n",
            "2024-01-01"
        ])
        .prop_map(str::to_owned),
    ]
}

/// A value that fits a schema.
fn fitting(schema: &'static Value) -> BoxedStrategy<Value> {
    match schema["type"].as_str().unwrap() {
        "object" if schema["properties"].is_object() => object(schema),
        "object" => {
            let values = fitting(&schema["additionalProperties"]);
            btree_map(text(), values, 1..4)
                .prop_map(|map| Value::Object(map.into_iter().collect()))
                .boxed()
        }
        "array" => vec(fitting(&schema["items"]), 0..4)
            .prop_map(move |mut items| {
                different(&mut items, schema);
                Value::Array(items)
            })
            .boxed(),
        "string" => match schema["enum"].as_array() {
            Some(allowed) => {
                let allowed: Vec<Value> = allowed.iter().filter(|v| v.is_string()).cloned().collect();
                select(allowed).boxed()
            }
            None => {
                let min = schema["minLength"].as_u64().unwrap_or(0);
                let max = usize::try_from(schema["maxLength"].as_u64().unwrap_or(40)).unwrap();
                let pattern = schema["pattern"].as_str();
                let text = pattern.map_or_else(|| text().boxed(), |pattern| matching(pattern, max));
                text.prop_map(move |s| s.chars().take(max).collect::<String>())
                    .prop_filter("long enough", move |s| min == 0 || !s.is_empty())
                    .prop_map(Value::String)
                    .boxed()
            }
        },
        "boolean" => any::<bool>().prop_map(Value::Bool).boxed(),
        "integer" => (0..=i64::MAX).prop_map(|n| json!(n)).boxed(),
        other => unreachable!("{other}"),
    }
}

/// A text that matches a pattern and is not too long.
fn matching(pattern: &str, max: usize) -> BoxedStrategy<String> {
    let regex = regex::Regex::new(pattern).unwrap();
    let inner = pattern.trim_start_matches('^').trim_end_matches('$');
    string_regex(inner)
        .unwrap()
        .prop_map(move |text| text.chars().take(max).collect::<String>())
        .prop_filter("still matches when cut", move |text| regex.is_match(text))
        .boxed()
}

/// Leaves out the items of a list that are not told apart from one before them.
fn different(items: &mut Vec<Value>, schema: &Value) {
    let mut seen = Vec::new();
    let keys = schema["x-kubernetes-list-map-keys"].as_array();
    items.retain(|item| {
        let key: Vec<Value> = match keys {
            Some(keys) => keys.iter().map(|k| item[k.as_str().unwrap()].clone()).collect(),
            None if schema["x-kubernetes-list-type"] == "set" => vec![item.clone()],
            None => return true,
        };
        let key: Vec<Value> = key
            .into_iter()
            .map(|k| if k.is_null() { json!("") } else { k })
            .collect();
        let new = !seen.contains(&key);
        seen.push(key);
        new
    });
}

fn object(schema: &'static Value) -> BoxedStrategy<Value> {
    let mut all = Just(Map::new()).boxed();
    for (key, inner) in schema["properties"].as_object().unwrap() {
        let required = schema["required"]
            .as_array()
            .is_some_and(|r| r.iter().any(|k| k == key));
        let value = if required {
            fitting(inner).prop_map(Some).boxed()
        } else {
            proptest::option::of(fitting(inner)).boxed()
        };
        all = (all, value)
            .prop_map(move |(mut map, value)| {
                map.extend(value.map(|v| (key.clone(), v)));
                map
            })
            .boxed();
    }
    all.prop_map(Value::Object).boxed()
}

/// The key of a label or annotation.
fn key() -> impl Strategy<Value = String> {
    "([a-z0-9]([-a-z0-9]{0,9}[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]{0,9}[a-z0-9])?){0,2}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,9}[A-Za-z0-9])?"
}

fn labels() -> impl Strategy<Value = BTreeMap<String, String>> {
    btree_map(key(), "([A-Za-z0-9]([-A-Za-z0-9_.]{0,20}[A-Za-z0-9])?)?", 0..3)
}

fn annotations() -> impl Strategy<Value = BTreeMap<String, String>> {
    btree_map(key(), text(), 0..3)
}

/// A resource of a kind that belongs to the product `demo`, if to any.
pub(crate) fn resource_of(kind: Kind) -> BoxedStrategy<Resource> {
    let spec = &crd::schema(kind)["properties"]["spec"];
    (name(), labels(), annotations(), fitting(spec), name())
        .prop_map(move |(name, labels, annotations, mut spec, product)| {
            if spec["product"].is_string() || kind.is_of_product() {
                let owner = if kind == Kind::CodeRepoBinding {
                    &product
                } else {
                    "demo"
                };
                if crd::schema(kind)["properties"]["spec"]["properties"]["product"].is_object() {
                    spec["product"] = json!(owner);
                }
            }
            if kind == Kind::Product {
                spec["name"] = json!(product);
            }
            let mut metadata = json!({ "name": name });
            for (key, texts) in [("labels", labels), ("annotations", annotations)] {
                if !texts.is_empty() {
                    metadata[key] = json!(texts);
                }
            }
            let json = json!({
                "apiVersion": API_VERSION, "kind": kind.name(), "metadata": metadata, "spec": spec,
            });
            Resource::from_json(json).unwrap()
        })
        .boxed()
}

/// A resource of any kind.
pub(crate) fn resource() -> impl Strategy<Value = Resource> {
    select(KINDS).prop_flat_map(|info| resource_of(info.kind))
}
