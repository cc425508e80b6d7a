//! The document of version 2: all kinds in one, with what that version has no words for left out.

use http::Response;
use serde_json::{Map, Value, json};

use super::{
    REFERENCE, definition, gnostic, info, operations,
    tagged::{self, Tag},
};
use crate::local::{call::Call, json, kinds::Registry, schema, server::Body};

const DEFINITIONS: &str = "#/definitions/";

const JSON: &str = "application/json";
const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
/// The types that are asked for, and the types of the answers.
const FORMS: [(&str, &str); 3] = [
    (JSON, JSON),
    (
        "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
        PROTOBUF,
    ),
    (PROTOBUF, PROTOBUF),
];

pub(super) fn serve(tag: &Tag, registry: &Registry, call: &Call) -> Response<Body> {
    match tagged::form(&call.accept, &FORMS) {
        None => tagged::empty(406),
        Some(PROTOBUF) => tag.answer(call, PROTOBUF, || gnostic::encode(&document(registry))),
        Some(form) => tag.answer(call, form, || document(registry).to_string().into_bytes()),
    }
}

fn document(registry: &Registry) -> Value {
    let (mut schemas, mut paths) = (Map::new(), Map::new());
    for kind in registry.all() {
        for version in &kind.versions {
            let name = definition(kind, version, &mut schemas);
            operations(kind, version, &name, &mut paths);
        }
    }
    for (name, document) in &mut schemas {
        convert(document, !schema::definitions().contains_key(name));
    }
    for operations in paths.values_mut().filter_map(Value::as_object_mut) {
        operations.values_mut().for_each(|o| *o = operation(o));
    }
    json!({"swagger": "2.0", "info": info(), "paths": paths, "definitions": schemas})
}

/// An operation in the words of version 2: the body is a parameter, and what is answered has one schema.
fn operation(third: &Value) -> Value {
    let mut parameters = Vec::new();
    let mut consumes = vec![json!("*/*")];
    if let Some(content) = third["requestBody"]["content"].as_object() {
        consumes = content.keys().map(|media| json!(media)).collect();
        // As Kubernetes has them.
        consumes.sort_by_key(|media| media == "application/apply-patch+yaml");
        let schema = content.values().next().map(|c| referring(&c["schema"]));
        parameters.push(json!({"name": "body", "in": "body", "required": true, "schema": schema}));
    }
    for parameter in json::list(third, &["parameters"]) {
        let of = &parameter["schema"];
        parameters.push(json!({
            "name": parameter["name"], "in": parameter["in"], "type": of["type"], "uniqueItems": true,
        }));
    }
    let responses: Map<String, Value> = third["responses"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(code, answer)| {
            let schema = referring(&answer["content"][JSON]["schema"]);
            (
                code.clone(),
                json!({"description": answer["description"], "schema": schema}),
            )
        })
        .collect();
    json!({
        "consumes": consumes, "produces": [JSON], "schemes": ["https"], "parameters": parameters,
        "responses": responses, "x-kubernetes-action": third["x-kubernetes-action"],
        "x-kubernetes-group-version-kind": third["x-kubernetes-group-version-kind"],
    })
}

fn referring(schema: &Value) -> Value {
    let mut schema = schema.clone();
    convert(&mut schema, false);
    schema
}

/// A schema in the words of version 2. Clients take what is nullable, or may be anything, only without a type.
fn convert(schema: &mut Value, custom: bool) {
    let Some(map) = schema.as_object_mut() else {
        return;
    };
    if let Some([one]) = map.get("allOf").and_then(Value::as_array).map(Vec::as_slice)
        && let Some(target) = one.get("$ref").cloned()
    {
        map.insert("$ref".to_owned(), target);
    }
    if let Some(Value::String(target)) = map.get_mut("$ref") {
        *target = target.replace(REFERENCE, DEFINITIONS);
    }
    let is_set = |map: &Map<String, Value>, key: &str| map.get(key) == Some(&Value::Bool(true));
    let mut dropped = vec!["allOf", "anyOf", "oneOf", "not"];
    if is_set(map, "nullable") {
        dropped.extend(["type", "items", "properties"]);
    }
    if custom {
        dropped.push("default");
        if is_set(map, "x-kubernetes-preserve-unknown-fields") {
            dropped.extend(["items", "properties"]);
            if map.get("type") == Some(&json!("object")) {
                dropped.push("type");
            }
        }
    } else if is_set(map, "x-kubernetes-int-or-string") {
        map.insert("type".to_owned(), "string".into());
        map.insert("format".to_owned(), "int-or-string".into());
        dropped.push("x-kubernetes-int-or-string");
    }
    required_is_there(map);
    dropped.push("nullable");
    map.retain(|key, _| !dropped.contains(&key.as_str()));
    if map.get("type") == Some(&json!("array")) && !map.contains_key("items") {
        map.remove("type");
    }
    for key in ["items", "additionalProperties"] {
        if let Some(child) = map.get_mut(key) {
            convert(child, custom);
        }
    }
    if let Some(properties) = map.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(|child| convert(child, custom));
    }
}

/// Takes out of what is required what may be null: version 2 cannot say that it may.
fn required_is_there(map: &mut Map<String, Value>) {
    let nullable =
        |schema: Option<&Value>| schema.and_then(|s| s.get("nullable")) == Some(&Value::Bool(true));
    let Some(Value::Array(mut required)) = map.remove("required") else {
        return;
    };
    let properties = map.get("properties").cloned().unwrap_or_default();
    required.retain(|name| !nullable(name.as_str().and_then(|n| properties.get(n))));
    if !required.is_empty() && !nullable(map.get("additionalProperties")) {
        map.insert("required".to_owned(), required.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_wanted_most_is_taken() {
        let asked = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
        for (accept, expect) in [
            ("", Some(JSON)),
            ("*/*", Some(JSON)),
            ("application/*", Some(JSON)),
            ("text/plain", None),
            ("text/plain, application/json", Some(JSON)),
            (asked, Some(PROTOBUF)),
            (PROTOBUF, Some(PROTOBUF)),
            (&format!("{asked},application/json"), Some(PROTOBUF)),
            (&format!("application/json;q=0.5,{asked}"), Some(PROTOBUF)),
            (&format!("{asked};q=0.1, application/json"), Some(JSON)),
        ] {
            assert_eq!(tagged::form(accept, &FORMS), expect, "{accept}");
        }
    }

    fn check(third: Value, expect: &Value) {
        let mut schema = third;
        convert(&mut schema, true);
        assert_eq!(&schema, expect);
    }

    #[test]
    fn what_may_be_null_has_no_type() {
        check(
            json!({"type": "object", "required": ["a", "b"], "properties": {
                "a": {"type": "object", "nullable": true, "properties": {"c": {"type": "string"}}},
                "b": {"type": "string", "default": "x", "minLength": 1},
            }}),
            &json!({"type": "object", "required": ["b"], "properties": {
                "a": {}, "b": {"type": "string", "minLength": 1},
            }}),
        );
    }

    #[test]
    fn what_may_be_anything_has_no_type() {
        let keep = "x-kubernetes-preserve-unknown-fields";
        check(
            json!({"type": "object", keep: true, "properties": {"a": {"type": "string"}}}),
            &json!({keep: true}),
        );
        check(
            json!({"type": "array", keep: true, "items": {"type": "string"}}),
            &json!({keep: true}),
        );
        check(
            json!({"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]}),
            &json!({"x-kubernetes-int-or-string": true}),
        );
    }

    #[test]
    fn references_are_those_of_version_2() {
        check(
            json!({"description": "d", "allOf": [{"$ref": "#/components/schemas/a"}]}),
            &json!({"description": "d", "$ref": "#/definitions/a"}),
        );
    }
}
