//! Marks on objects: by what we know our own, and whether nothing has changed.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::unit::Unit;

/// The field manager under which everything is applied.
pub const MANAGER: &str = "nautes";

/// The label that every object of ours carries: the product, or `Shared`.
pub const PRODUCT: &str = "resource.nautes.io/product";

/// The annotation that says in which inventory the object is.
pub const INVENTORY: &str = "resource.nautes.io/inventory";

/// The annotation with a digest of what was applied; secrets enter as keyed digests.
pub const DIGEST: &str = "resource.nautes.io/digest";

/// An object cannot be applied as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a map of texts")]
pub(crate) struct NotAMap(&'static str);

/// Makes an object ready to be applied: marked as ours, without status, nulls, and metadata that is not for a
/// writer to say.
pub(crate) fn stamped(object: &Value, unit: &Unit) -> Result<Value, NotAMap> {
    let mut object = without_nulls(object);
    let top = object.as_object_mut().ok_or(NotAMap("the object"))?;
    top.remove("status");
    let metadata = map_in(top, "metadata", "metadata")?;
    metadata.retain(|name, _| {
        matches!(
            name.as_str(),
            "name" | "namespace" | "labels" | "annotations" | "ownerReferences" | "finalizers"
        )
    });
    map_in(metadata, "labels", "metadata.labels")?.insert(PRODUCT.to_owned(), unit.label().into());
    let annotations = map_in(metadata, "annotations", "metadata.annotations")?;
    annotations.insert(INVENTORY.to_owned(), unit.to_string().into());
    annotations.remove(DIGEST);
    Ok(object)
}

fn map_in<'a>(
    parent: &'a mut Map<String, Value>,
    name: &str,
    what: &'static str,
) -> Result<&'a mut Map<String, Value>, NotAMap> {
    parent
        .entry(name)
        .or_insert_with(|| Value::Object(Map::new()))
        .as_object_mut()
        .ok_or(NotAMap(what))
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), without_nulls(value)))
            .collect(),
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other.clone(),
    }
}

/// Returns the digest of a stamped object and of the secrets that go into it, by pointer.
pub(crate) fn digest(object: &Value, secrets: &BTreeMap<&str, String>) -> String {
    let mut hash = Sha256::new();
    feed(&mut hash, object);
    for (pointer, digest) in secrets {
        text(&mut hash, b'p', pointer);
        text(&mut hash, b'd', digest);
    }
    let digest = hash.finalize();
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Feeds a value so that no two values give the same bytes, and the order of names does not matter.
fn feed(hash: &mut Sha256, value: &Value) {
    match value {
        Value::Null => hash.update(b"n"),
        Value::Bool(value) => hash.update(if *value { b"t" } else { b"f" }),
        Value::Number(number) => text(hash, b'#', &number.to_string()),
        Value::String(string) => text(hash, b's', string),
        Value::Array(items) => {
            text(hash, b'[', &items.len().to_string());
            items.iter().for_each(|item| feed(hash, item));
        }
        Value::Object(fields) => {
            text(hash, b'{', &fields.len().to_string());
            let sorted: BTreeMap<_, _> = fields.iter().collect();
            for (name, value) in sorted {
                text(hash, b'k', name);
                feed(hash, value);
            }
        }
    }
}

fn text(hash: &mut Sha256, tag: u8, text: &str) {
    hash.update([tag]);
    hash.update((text.len() as u64).to_le_bytes());
    hash.update(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn stamping_marks_and_drops_what_is_not_ours_to_say() {
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "status": {"x": 1}, "data": {"a": "b", "c": null},
            "metadata": {"name": "a", "uid": "u", "managedFields": [], "labels": {"mine": "1", PRODUCT: "other"}},
        });
        let unit = Unit::product("demo".parse().unwrap());
        let stamped = stamped(&object, &unit).unwrap();
        assert_eq!(
            stamped,
            json!({
                "apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"},
                "metadata": {
                    "name": "a", "labels": {"mine": "1", PRODUCT: "demo"},
                    "annotations": {INVENTORY: "product.demo"},
                },
            })
        );
    }

    #[test]
    fn bad_metadata_is_an_error() {
        let unit = Unit::cluster();
        for bad in [
            json!(1),
            json!({"metadata": []}),
            json!({"metadata": {"labels": "x"}}),
        ] {
            assert!(stamped(&bad, &unit).is_err(), "{bad}");
        }
    }

    #[test]
    fn digests_follow_content_not_order() {
        let none = BTreeMap::new();
        let a: Value = serde_json::from_str(r#"{"a":1,"b":[1,2]}"#).unwrap();
        let b: Value = serde_json::from_str(r#"{"b":[1,2],"a":1}"#).unwrap();
        assert_eq!(digest(&a, &none), digest(&b, &none));
        assert_ne!(digest(&a, &none), digest(&json!({"a": 1, "b": [2, 1]}), &none));
        assert_ne!(
            digest(&a, &none),
            digest(&a, &BTreeMap::from([("/data/x", "1".to_owned())]))
        );
    }
}
