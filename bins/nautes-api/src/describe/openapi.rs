//! The OpenAPI 3.1 document.

use std::collections::BTreeSet;

use nautes_model::kind::API_VERSION;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::needs;
use crate::error::{Envelope, Problem};
use crate::routes::answer::{self, Header};
use crate::routes::operation::{JSON, Needs, Operation, Parameter, Place, Tag};

/// Makes a generator whose definitions are the components of the document.
#[must_use]
pub fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12()
        .with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        })
        .into_generator()
}

/// Makes the document.
#[must_use]
pub fn document(table: &[Operation]) -> Value {
    let mut generator = generator();
    let mut paths = Map::new();
    for operation in table {
        let made = one(operation, &mut generator);
        let path = paths.entry(operation.path.clone()).or_insert_with(|| json!({}));
        path[operation.method.as_str().to_ascii_lowercase()] = made;
    }
    let responses = errors(&mut generator);
    let tags: Vec<Value> = Tag::ALL
        .iter()
        .map(|tag| json!({ "name": tag.name(), "description": tag.description() }))
        .collect();
    let mut document = json!({
        "openapi": "3.1.1",
        "info": {
            "title": "Nautes",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "The HTTP API of Nautes",
            "description": format!(
                "The door through which teams, the command line and other programs change what is declared. \
                 Resources are of API version `{API_VERSION}`."
            ),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": tags,
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "A token of the forge." },
            },
            "headers": answer::EVERY.iter().map(|h| (h.name.to_owned(), header(h))).collect::<Map<_, _>>(),
            "responses": responses,
            "schemas": generator.take_definitions(true),
        },
    });
    while leave_out_unused(&mut document) {}
    document
}

/// Leaves out forms that nothing refers to: a type whose use was described by hand. Says whether there were any.
fn leave_out_unused(document: &mut Value) -> bool {
    fn collect(value: &Value, used: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                used.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
                map.values().for_each(|inner| collect(inner, used));
            }
            Value::Array(all) => all.iter().for_each(|inner| collect(inner, used)),
            _ => {}
        }
    }
    let mut used = BTreeSet::new();
    collect(document, &mut used);
    let Some(schemas) = document["components"]["schemas"].as_object_mut() else {
        return false;
    };
    let before = schemas.len();
    schemas.retain(|name, _| used.contains(&format!("#/components/schemas/{name}")));
    schemas.len() < before
}

fn one(operation: &Operation, generator: &mut SchemaGenerator) -> Value {
    let mut responses = Map::new();
    for reply in &operation.replies {
        // One status may come in several media types.
        let made = responses
            .entry(reply.status.to_string())
            .or_insert_with(|| json!({ "description": reply.description, "headers": headers(&operation.headers(reply.status)) }));
        if let Some((media, schema)) = &reply.content {
            made["content"][*media] = json!({ "schema": schema.schema(generator) });
        }
    }
    for (status, _) in operation.errors() {
        responses
            .entry(status.to_string())
            .or_insert_with(|| json!({ "$ref": format!("#/components/responses/{status}") }));
    }
    let parameters: Vec<Value> = operation
        .parameters
        .iter()
        .map(|p| parameter(p, generator))
        .collect();
    let mut made = json!({
        "operationId": operation.id,
        "tags": [operation.tag.name()],
        "summary": operation.summary,
        "description": format!("{}\n\nNeeds {}.", operation.description, needs(operation.needs)).trim_start(),
        "parameters": parameters,
        "responses": responses,
    });
    if operation.needs != Needs::Public {
        made["security"] = json!([{ "token": [] }]);
    }
    if let Some(body) = &operation.body {
        let mut content = Map::new();
        for (media, schema) in &body.content {
            let mut one = json!({ "schema": schema.schema(generator) });
            if *media == JSON {
                one["example"] = body.example.clone();
            }
            content.insert((*media).to_owned(), one);
        }
        made["requestBody"] = json!({ "required": true, "content": content });
    }
    made
}

/// The headers of an answer; those of every answer are components of the document.
fn headers(own: &[Header]) -> Value {
    let every = answer::EVERY.iter().map(|header| {
        let reference = format!("#/components/headers/{}", header.name);
        (header.name.to_owned(), json!({ "$ref": reference }))
    });
    let own = own.iter().map(|h| (h.name.to_owned(), header(h)));
    every.chain(own).collect::<Map<String, Value>>().into()
}

fn header(header: &Header) -> Value {
    json!({
        "description": header.description,
        "required": header.always,
        "schema": { "type": if header.is_number { "integer" } else { "string" } },
    })
}

fn parameter(parameter: &Parameter, generator: &mut SchemaGenerator) -> Value {
    let mut schema = parameter.schema.schema(generator).to_value();
    if let Some(default) = parameter.default {
        // What reads as JSON is meant as JSON: `false`, `10`.
        let value = serde_json::from_str(default).unwrap_or_else(|_| json!(default));
        if let Some(schema) = schema.as_object_mut() {
            schema.insert("default".to_owned(), value);
        }
    }
    let mut made = json!({
        "name": parameter.name,
        "in": parameter.place.word(),
        "description": parameter.description,
        "required": parameter.place == Place::Path,
        "schema": schema,
    });
    if let Some(example) = parameter.example {
        made["example"] = json!(example);
    }
    made
}

fn errors(generator: &mut SchemaGenerator) -> Map<String, Value> {
    let envelope = generator.subschema_for::<Envelope>();
    let problem = generator.subschema_for::<Problem>();
    crate::routes::operation::ERRORS
        .iter()
        .map(|(status, description)| {
            let made = json!({
                "description": description,
                "headers": headers(answer::of_failure(*status)),
                "content": {
                    JSON: { "schema": envelope },
                    "application/problem+json": { "schema": problem },
                },
            });
            (status.to_string(), made)
        })
        .collect()
}
