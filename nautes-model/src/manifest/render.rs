//! The canonical file form of a resource.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::kind::API_VERSION;
use crate::resource::Resource;
use crate::yaml::{self, Entry, Node};

/// Why a resource cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// It has no name.
    #[error("cannot write a {0} without a name")]
    NoName(crate::kind::Kind),
    /// A value cannot be expressed.
    #[error("cannot express a field of {0:?}")]
    Value(String, #[source] serde_json::Error),
}

/// Writes a resource as it is kept in Git: `apiVersion`, `kind`, `metadata` with name, labels and annotations,
/// `spec` with its keys sorted. Status, namespace and what a cluster adds are left out. The same resource
/// always gives the same bytes.
///
/// # Errors
/// The resource has no name.
pub fn render(resource: &Resource) -> Result<String, RenderError> {
    Ok(yaml::write(&canonical(resource)?))
}

/// Makes the tree that is written.
pub(super) fn canonical(resource: &Resource) -> Result<Node, RenderError> {
    let metadata = resource.metadata();
    let name = metadata
        .name
        .as_deref()
        .filter(|n| !n.is_empty())
        .ok_or_else(|| RenderError::NoName(resource.kind()))?;
    let mut header = vec![entry("name", Node::text(name, None))];
    for (key, texts) in [
        ("labels", &metadata.labels),
        ("annotations", &metadata.annotations),
    ] {
        if let Some(texts) = texts.as_ref().filter(|t| !t.is_empty()) {
            header.push(entry(key, texts_node(texts)));
        }
    }
    let mut json = resource
        .to_json()
        .map_err(|e| RenderError::Value(name.to_owned(), e))?;
    let spec = sorted(Node::from_json(
        json.get_mut("spec").map_or(Value::Null, Value::take),
    ));
    Ok(map(vec![
        entry("apiVersion", Node::text(API_VERSION, None)),
        entry("kind", Node::text(resource.kind().name(), None)),
        entry("metadata", map(header)),
        entry("spec", spec),
    ]))
}

fn entry(key: &str, node: Node) -> Entry {
    Entry {
        key: key.to_owned(),
        at: None,
        node,
    }
}

const fn map(entries: Vec<Entry>) -> Node {
    Node {
        at: None,
        value: yaml::Value::Map(entries),
    }
}

fn texts_node(texts: &BTreeMap<String, String>) -> Node {
    map(texts
        .iter()
        .map(|(key, text)| entry(key, Node::text(text, None)))
        .collect())
}

/// Sorts every mapping by key: the order of a JSON map depends on how its crate was built.
fn sorted(node: Node) -> Node {
    let value = match node.value {
        yaml::Value::List(items) => yaml::Value::List(items.into_iter().map(sorted).collect()),
        yaml::Value::Map(mut entries) => {
            entries.sort_by(|a, b| a.key.cmp(&b.key));
            for entry in &mut entries {
                let value = std::mem::replace(&mut entry.node.value, yaml::Value::Null);
                entry.node = sorted(Node { at: None, value });
            }
            yaml::Value::Map(entries)
        }
        other => other,
    };
    Node { at: None, value }
}
