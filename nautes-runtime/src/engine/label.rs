//! Labels and annotations that every planned object carries, and the frame of an object.

use std::collections::BTreeSet;

use nautes_model::Identity;
use nautes_model::name::ProductName;
use serde_json::{Value, json};

/// The label that says who manages an object.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The value of [`MANAGED_BY`] on everything of ours.
pub const NAUTES: &str = "nautes";
/// The label that says to which product an object belongs: the value is the namespace of the product.
pub const BELONGS_TO: &str = "resource.nautes.io/belongsto";
/// The annotation that lists on whose behalf an object exists, for people.
pub const OWNERS: &str = "resource.nautes.io/owners";
/// The label of a pipeline run that names the project.
pub const PROJECT: &str = "resource.nautes.io/project";
/// The label of a pipeline run that names the runtime.
pub const RUNTIME: &str = "resource.nautes.io/runtime";
/// The annotation of a pipeline run that names the event source of its trigger.
pub const EVENT_SOURCE: &str = "resource.nautes.io/event-source";
/// The annotation of a pipeline run that names the pipeline of its trigger.
pub const PIPELINE: &str = "resource.nautes.io/pipeline";
/// The annotation of a pipeline run that names the repository of the event.
pub const EVENT_REPO: &str = "resource.nautes.io/event-repo";
/// The annotation of a pipeline run with the ref of the event.
pub const EVENT_REF: &str = "resource.nautes.io/event-ref";
/// The annotation of a pipeline run with the commit of the event.
pub const COMMIT: &str = "resource.nautes.io/commit";
/// The annotation of a pipeline run with the revision of the pipeline repository.
pub const PIPELINE_REVISION: &str = "resource.nautes.io/pipeline-revision";
/// The label of a pipeline run with the label of its pipeline.
pub const BRANCH: &str = "branch";

/// Makes the frame of an object of a product: its key, the standard labels, and its owners for people.
///
/// The revision that made it is left out on purpose: it would change every object at every commit.
#[must_use]
pub fn frame(
    api_version: &str,
    kind: &str,
    namespace: Option<&str>,
    name: &str,
    product: &ProductName,
    owners: &BTreeSet<Identity>,
) -> Value {
    let owners: Vec<String> = owners.iter().map(ToString::to_string).collect();
    let mut object = json!({
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "name": name,
            "labels": {MANAGED_BY: NAUTES, BELONGS_TO: product.namespace()},
            "annotations": {OWNERS: owners.join(",")},
        },
    });
    if let Some(namespace) = namespace {
        object["metadata"]["namespace"] = json!(namespace);
    }
    object
}

/// Whether a text can be the value of a label.
#[must_use]
pub fn is_label_value(text: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// Returns the label of an object.
#[must_use]
pub fn of<'a>(object: &'a Value, label: &str) -> Option<&'a str> {
    object.get("metadata")?.get("labels")?.get(label)?.as_str()
}
