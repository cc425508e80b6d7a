//! Versions of a definition as messages quote them: Kubernetes shows the fields of its own structures.

use serde_json::{Map, Value};

use crate::local::json;

/// The fields that all versions of a definition may share, which are then those of the definition.
const SHARED: [(&str, &str); 4] = [
    ("Schema", "schema"),
    ("Subresources", "subresources"),
    ("AdditionalPrinterColumns", "additionalPrinterColumns"),
    ("SelectableFields", "selectableFields"),
];

/// The text of a list of versions, in the order of the structure.
pub(super) fn versions(versions: &[Value]) -> String {
    let all: Vec<String> = versions.iter().map(|v| version(v, versions)).collect();
    format!("[{}]", all.join(","))
}

fn version(version: &Value, all: &[Value]) -> String {
    let flag = |key: &str| Value::from(version.get(key).and_then(Value::as_bool).unwrap_or(false));
    let given = |key: &str| version.get(key).cloned().unwrap_or_default();
    let mut fields = vec![
        ("Name", Value::from(json::text(version, &["name"]))),
        ("Served", flag("served")),
        ("Storage", flag("storage")),
        ("Deprecated", flag("deprecated")),
        ("DeprecationWarning", given("deprecationWarning")),
    ];
    fields.extend(SHARED.map(|(shown, key)| {
        let shared = all.iter().all(|v| v.get(key) == version.get(key));
        (shown, if shared { Value::Null } else { capitals(given(key)) })
    }));
    let fields: Vec<String> = fields.iter().map(|(k, v)| format!("{k:?}:{v}")).collect();
    format!("{{{}}}", fields.join(","))
}

/// Field names begin with a capital in the structures.
fn capitals(value: Value) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .map(|(key, value)| {
                let mut letters = key.chars();
                let first = letters.next().map(|c| c.to_ascii_uppercase());
                (first.into_iter().chain(letters).collect(), capitals(value))
            })
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(list) => list.into_iter().map(capitals).collect(),
        other => other,
    }
}
