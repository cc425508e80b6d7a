//! What the types cannot say of a field: how long its lists and maps may be, how their items are told apart,
//! and what its text looks like. The kinds name these in their attributes.

use schemars::Schema;
use serde_json::{Value, json};

/// A lower-case DNS label.
pub(crate) const LABEL: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
/// A domain, or nothing.
pub(crate) const DOMAIN: &str =
    r"^([A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?(\.[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)*)?$";
/// The value of a Kubernetes label, or nothing.
pub(crate) const LABEL_VALUE: &str = "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$";
/// A word that says of what type something is.
pub(crate) const WORD: &str = "^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$";
/// A branch, a tag, a commit or a pattern on them, or nothing.
pub(crate) const REVISION: &str = r"^([^\x00-\x20\x7f-][^\x00-\x20\x7f]*)?$";

/// What to write where a text does not fit a pattern.
pub(crate) fn words(pattern: &str) -> Option<&'static str> {
    Some(match pattern {
        LABEL => "use lower-case letters, digits and '-', beginning and ending with a letter or digit",
        DOMAIN => "write a domain, for example apps.example.org",
        LABEL_VALUE | WORD => {
            "use letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"
        }
        REVISION => "write a branch, a tag or a commit: no white space, and no '-' at the beginning",
        _ => return None,
    })
}

fn set(schema: &mut Schema, key: &str, value: impl Into<Value>) {
    schema.insert(key.to_owned(), value.into());
}

/// A list of at most `max` different texts.
pub(crate) fn distinct(max: u32, length: u32) -> impl Fn(&mut Schema) {
    move |schema| {
        set(schema, "maxItems", max);
        set(schema, "x-kubernetes-list-type", "set");
        set(schema, "items", json!({ "type": "string", "maxLength": length }));
    }
}

/// A list of at most `max` things, told apart by some of their fields.
pub(crate) fn keyed(max: u32, keys: &'static [&'static str]) -> impl Fn(&mut Schema) {
    move |schema| {
        set(schema, "maxItems", max);
        set(schema, "x-kubernetes-list-type", "map");
        set(schema, "x-kubernetes-list-map-keys", json!(keys));
    }
}

/// A list of at most `max` things of which the order matters, or which nothing tells apart.
pub(crate) fn atomic(max: u32) -> impl Fn(&mut Schema) {
    move |schema| {
        set(schema, "maxItems", max);
        set(schema, "x-kubernetes-list-type", "atomic");
    }
}

/// A mapping of at most `max` texts.
pub(crate) fn texts(max: u32, length: u32) -> impl Fn(&mut Schema) {
    move |schema| {
        set(schema, "maxProperties", max);
        let values = json!({ "type": "string", "maxLength": length });
        set(schema, "additionalProperties", values);
    }
}

/// A mapping of at most `max` lists, of what a list of them is.
pub(crate) fn lists(max: u32, list: impl Fn(&mut Schema)) -> impl Fn(&mut Schema) {
    move |schema| {
        set(schema, "maxProperties", max);
        let inner = schema.get_mut("additionalProperties");
        if let Some(inner) = inner.and_then(|inner| <&mut Schema>::try_from(inner).ok()) {
            list(inner);
        }
    }
}

/// One of some texts.
pub(crate) fn choice(texts: &'static [&'static str]) -> impl Fn(&mut Schema) {
    move |schema| replace(schema, json!({ "type": "string", "enum": texts }))
}

/// An object of any fields, as another program wrote it.
pub(crate) fn free(schema: &mut Schema) {
    replace(
        schema,
        json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true }),
    );
}

/// Puts another schema in the place of one, with the same description.
fn replace(schema: &mut Schema, new: Value) {
    let description = schema.remove("description");
    *schema = new.try_into().unwrap_or_default();
    if let Some(description) = description {
        set(schema, "description", description);
    }
}
