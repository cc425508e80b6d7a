//! OpenAPI documents, made from the registry: version 3 by group and version (what kubectl reads to
//! validate, explain and patch), and version 2 as one document.

mod enums;
mod gnostic;
mod second;
mod tagged;

use std::collections::BTreeSet;

use http::Response;
use serde_json::{Map, Value, json};

use super::{
    builtin::TYPES,
    call::Call,
    discovery::VERSION,
    kinds::{Registry, ResourceType, Version},
    schema,
    server::{Body, Server, respond},
    status::Status,
};

use self::tagged::Tag;

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const MANAGER: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ManagedFieldsEntry";
const REFERENCE: &str = "#/components/schemas/";

pub(crate) fn serve(server: &Server, call: &Call) -> Result<Response<Body>, Status> {
    let registry = server.state().registry.clone();
    let path = call
        .path
        .trim_end_matches('/')
        .trim_start_matches("/openapi/")
        .to_owned();
    let parts: Vec<&str> = path.split('/').collect();
    let tag = Tag::of(server, &registry);
    match parts.as_slice() {
        ["v3"] => Ok(respond(200, &index(&tag, &registry), &[])),
        ["v3", "api", "v1"] => Ok(third(&tag, &registry, call, "", "v1")),
        ["v3", "apis", group, version] => Ok(third(&tag, &registry, call, group, version)),
        ["v2"] => Ok(second::serve(&tag, &registry, call)),
        ["v3", ..] => Ok(tagged::empty(404)),
        _ => Err(Status::no_such_group()),
    }
}

/// The document of a group and version.
fn third(tag: &Tag, registry: &Registry, call: &Call, group: &str, version: &str) -> Response<Body> {
    const JSON: &str = "application/json";
    let Some(document) = document(registry, group, version) else {
        return tagged::empty(404);
    };
    let hash = call.param("hash");
    match tagged::form(&call.accept, &[(JSON, JSON)]) {
        None => tagged::empty(406),
        Some(_) if !hash.is_empty() && hash != tag.text() => tag.elsewhere(call),
        Some(form) => tag.answer(call, form, || document().to_string().into_bytes()),
    }
}

fn place(group: &str, version: &str) -> String {
    if group.is_empty() {
        format!("api/{version}")
    } else {
        format!("apis/{group}/{version}")
    }
}

fn index(tag: &Tag, registry: &Registry) -> Value {
    let mut paths = Map::new();
    for group in std::iter::once(String::new()).chain(registry.groups()) {
        for version in registry.versions(&group) {
            let place = place(&group, &version);
            let url = format!("/openapi/v3/{place}?hash={}", tag.text());
            paths.insert(place, json!({"serverRelativeURL": url}));
        }
    }
    json!({"paths": paths})
}

fn info() -> Value {
    json!({"title": "Kubernetes", "version": format!("v{}.{}.0", VERSION.0, VERSION.1)})
}

/// What makes the document of a group and version; none where nothing of it is served.
fn document(registry: &Registry, group: &str, version: &str) -> Option<impl FnOnce() -> Value> {
    let served: Vec<(&ResourceType, &Version)> = registry
        .all()
        .filter(|t| t.group == group)
        .filter_map(|t| Some((t.as_ref(), t.version(version)?.as_ref())))
        .collect();
    (!served.is_empty()).then_some(move || {
        let mut schemas = Map::new();
        let mut paths = Map::new();
        for (kind, of) in served {
            let name = definition(kind, of, &mut schemas);
            operations(kind, of, &name, &mut paths);
        }
        json!({"openapi": "3.0.0", "info": info(), "paths": paths, "components": {"schemas": schemas}})
    })
}

/// Adds the schema of a kind, with all that it refers to; answers with its name.
fn definition(kind: &ResourceType, version: &Version, schemas: &mut Map<String, Value>) -> String {
    if let Some(document) = &version.document {
        let domain: Vec<&str> = kind.group.split('.').rev().collect();
        let name = format!("{}.{}.{}", domain.join("."), version.name, kind.kind);
        let mut document = document.as_ref().clone();
        let properties = super::json::path_mut(&mut document, &["properties"]);
        for field in ["apiVersion", "kind"] {
            let own = described(field, json!({"type": "string"}));
            super::json::default_to(properties, field, own);
        }
        let reference = json!({"allOf": [{"$ref": format!("{REFERENCE}{META}")}]});
        properties.insert("metadata".to_owned(), described("metadata", reference));
        document["type"] = "object".into();
        document["x-kubernetes-group-version-kind"] =
            json!([{"group": kind.group, "version": version.name, "kind": kind.kind}]);
        schemas.insert(name.clone(), document);
        with_references(META, schemas);
        return name;
    }
    let row = TYPES
        .iter()
        .find(|row| row.group == kind.group && row.kind == kind.kind && row.version == version.name);
    let name = row.map(|row| row.definition.clone()).unwrap_or_default();
    with_references(&name, schemas);
    name
}

/// A field that every object has, with the words that the built-in kinds have for it.
fn described(field: &str, mut schema: Value) -> Value {
    let place = format!("/properties/{field}/description");
    let words = schema::definitions()
        .get("io.k8s.api.core.v1.ConfigMap")
        .and_then(|map| map.pointer(&place));
    if let Some(words) = words {
        schema["description"] = words.clone();
    }
    schema
}

fn with_references(name: &str, schemas: &mut Map<String, Value>) {
    let mut wanted = vec![name.to_owned()];
    while let Some(name) = wanted.pop() {
        if schemas.contains_key(&name) {
            continue;
        }
        let Some(found) = schema::definitions().get(&name) else {
            continue;
        };
        let mut references = BTreeSet::new();
        let mut document = found.clone();
        metadata_is_optional(&mut document);
        enums::add(&name, &mut document);
        if name == META {
            managers(&mut document);
        }
        wrap(&mut document, &mut references);
        wanted.extend(references);
        schemas.insert(name, document);
    }
}

/// Describes the owners of fields: the schema itself takes them as they come.
fn managers(metadata: &mut Value) {
    if let Some(field) = metadata.pointer_mut("/properties/managedFields") {
        let description = field.get("description").cloned().unwrap_or_default();
        *field = json!({"type": "array", "description": description, "items": {"$ref": format!("{REFERENCE}{MANAGER}")}});
    }
}

/// Takes the metadata of an object out of what is required: the types that the documents are made from have it always,
/// and those of Kubernetes do not ask for it.
fn metadata_is_optional(document: &mut Value) {
    if document.pointer("/properties/metadata").is_some()
        && let Some(required) = document.get_mut("required").and_then(Value::as_array_mut)
    {
        required.retain(|field| field != "metadata");
    }
}

/// Collects references, and wraps those that have siblings, which OpenAPI 3.0 would not allow.
fn wrap(document: &mut Value, references: &mut BTreeSet<String>) {
    match document {
        Value::Object(map) => {
            if let Some(Value::String(target)) = map.get("$ref").cloned() {
                references.insert(target.trim_start_matches(REFERENCE).to_owned());
                if map.len() > 1 {
                    map.remove("$ref");
                    map.insert("allOf".to_owned(), json!([{"$ref": target}]));
                }
            }
            map.values_mut().for_each(|v| wrap(v, references));
        }
        Value::Array(list) => list.iter_mut().for_each(|v| wrap(v, references)),
        _ => {}
    }
}

fn query(name: &str) -> Value {
    json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}})
}

fn operations(kind: &ResourceType, version: &Version, definition: &str, paths: &mut Map<String, Value>) {
    let kind_of = json!({"group": kind.group, "version": version.name, "kind": kind.kind});
    let reference = json!({"$ref": format!("{REFERENCE}{definition}")});
    let answer =
        json!({"200": {"description": "OK", "content": {"application/json": {"schema": reference}}}});
    let write = || {
        json!([
            query("dryRun"),
            query("fieldManager"),
            query("fieldValidation"),
            query("pretty")
        ])
    };
    let operation = |action: &str, parameters: Value| {
        json!({"x-kubernetes-action": action, "x-kubernetes-group-version-kind": kind_of,
               "parameters": parameters, "responses": answer})
    };
    let body = |media: &[&str]| -> Value {
        let content: Map<String, Value> = media
            .iter()
            .map(|m| ((*m).to_owned(), json!({"schema": reference})))
            .collect();
        json!({"content": content, "required": true})
    };
    let mut post = operation("post", write());
    post["requestBody"] = body(&["*/*"]);
    let base = format!("/{}", place(&kind.group, &version.name));
    let all = if kind.namespaced {
        format!("{base}/namespaces/{{namespace}}/{}", kind.plural)
    } else {
        format!("{base}/{}", kind.plural)
    };
    if !kind.is_stored() {
        paths.insert(all, json!({"post": post}));
        return;
    }
    let mut put = operation("put", write());
    put["requestBody"] = body(&["*/*"]);
    let mut patch = operation("patch", write());
    let mut media = vec![
        "application/apply-patch+yaml",
        "application/json-patch+json",
        "application/merge-patch+json",
    ];
    if !kind.custom {
        media.push("application/strategic-merge-patch+json");
    }
    patch["requestBody"] = body(&media);
    let list = || {
        operation(
            "list",
            json!([query("labelSelector"), query("fieldSelector"), query("watch")]),
        )
    };
    let one = json!({
        "get": operation("get", json!([query("pretty")])), "put": put, "patch": patch,
        "delete": operation("delete", json!([query("dryRun"), query("propagationPolicy")])),
    });
    if kind.namespaced {
        paths.insert(format!("{base}/{}", kind.plural), json!({"get": list()}));
    }
    paths.insert(format!("{all}/{{name}}"), one.clone());
    if version.status {
        paths.insert(format!("{all}/{{name}}/status"), one);
    }
    let collection = json!({"get": list(), "post": post, "delete": operation("deletecollection", json!([query("dryRun")]))});
    paths.insert(all, collection);
}
