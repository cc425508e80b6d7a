//! Whether the defaults of a schema fit the schema that they are in.

use serde_json::Value;

use crate::local::{cel::Rules, json, schema, status::Cause};

/// The defaults that an object could not have, each with the place where it stands.
pub(super) fn causes(document: &Value, path: &str) -> Vec<Cause> {
    let mut found = Vec::new();
    walk(document, path, &mut found);
    found
}

fn walk(document: &Value, path: &str, found: &mut Vec<Cause>) {
    // A null says that there is no default.
    if let Some(default) = document.get("default").filter(|d| !d.is_null()) {
        found.extend(judge(default, document, &format!("{path}.default")));
    }
    let properties = document.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        walk(property, &format!("{path}.properties[{name}]"), found);
    }
    if let Some(items) = document.get("items") {
        walk(items, &format!("{path}.items"), found);
    }
}

fn judge(default: &Value, document: &Value, at: &str) -> Vec<Cause> {
    let schema = schema::compile_part(document);
    let mut pruned = default.clone();
    let gone = schema::prune(&mut pruned, schema.view());
    let of_metadata = |path: &String| document_is_embedded(document) && path.starts_with("metadata.");
    let mut causes = Vec::new();
    if !gone.iter().all(of_metadata) {
        causes.push(Cause::invalid(at, default, "must not have unknown fields"));
    }
    let by_schema = schema::validate(default, schema.view());
    let sound = by_schema.is_empty();
    causes.extend(by_schema.into_iter().map(|c| c.below(at)));
    if sound && let Some(rules) = Rules::of(document) {
        causes.extend(rules.check(default, None).causes.into_iter().map(|c| c.below(at)));
    }
    causes
}

fn document_is_embedded(document: &Value) -> bool {
    json::at(document, &["x-kubernetes-embedded-resource"]) == Some(&Value::Bool(true))
}
