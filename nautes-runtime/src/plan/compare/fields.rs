//! The fields of a resource that are another.

use std::collections::BTreeSet;

use nautes_model::Sourced;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Digest;

/// A field that is another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldChange {
    /// Its path, for example `spec.destination.namespaces[0]`.
    pub field: String,
    /// What it was; absent when it was not given. Of a secret its digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Value>,
    /// What it is; absent when it is no longer given. Of a secret its digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Value>,
    /// Whether the values are digests of a secret.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secret: bool,
}

/// Compares a resource with what it was.
pub(super) fn diff(was: &Sourced, now: &Sourced, digest: Digest<'_>) -> Vec<FieldChange> {
    let json = |sourced: &Sourced| sourced.resource.without_status().to_json().unwrap_or_default();
    let mut all = Vec::new();
    values("", Some(&json(was)), Some(&json(now)), &mut all);
    secrets(was, now, digest, &mut all);
    all
}

fn values(path: &str, was: Option<&Value>, now: Option<&Value>, all: &mut Vec<FieldChange>) {
    if was == now {
        return;
    }
    match (was, now) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                values(&path, a.get(key), b.get(key), all);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            for i in 0..a.len().max(b.len()) {
                values(&format!("{path}[{i}]"), a.get(i), b.get(i), all);
            }
        }
        _ => all.push(FieldChange {
            field: path.to_owned(),
            from: was.cloned(),
            to: now.cloned(),
            secret: false,
        }),
    }
}

fn secrets(was: &Sourced, now: &Sourced, digest: Digest<'_>, all: &mut Vec<FieldChange>) {
    let of = |sourced: &Sourced, field: &str| {
        let found = sourced.secrets.iter().find(|(f, _)| f == field);
        found.map(|(f, value)| Value::from(digest(&sourced.identity, f, value)))
    };
    let names: BTreeSet<&String> = was.secrets.iter().chain(&now.secrets).map(|(f, _)| f).collect();
    for field in names {
        let (from, to) = (of(was, field), of(now, field));
        // A manifest without the secret leaves the one in the store as it is.
        if from != to && to.is_some() {
            all.push(FieldChange {
                field: field.clone(),
                from,
                to,
                secret: true,
            });
        }
    }
}
