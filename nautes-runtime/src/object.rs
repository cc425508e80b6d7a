//! Objects of clusters as plans carry them: plain JSON with the identity readable.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What an object is known by in a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectKey {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version in which it is written.
    pub version: String,
    /// The kind.
    pub kind: String,
    /// The namespace; `None` for cluster-scoped objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
}

impl ObjectKey {
    /// Reads the key of an object.
    ///
    /// # Errors
    /// Says which part is missing.
    pub fn of(object: &Value) -> Result<Self, KeyError> {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let api_version = text(object.get("apiVersion")).ok_or(KeyError("apiVersion"))?;
        let (group, version) = match api_version.split_once('/') {
            Some((group, version)) => (group.to_owned(), version.to_owned()),
            None => (String::new(), api_version),
        };
        let kind = text(object.get("kind")).ok_or(KeyError("kind"))?;
        let metadata = object.get("metadata").ok_or(KeyError("metadata"))?;
        let name = text(metadata.get("name")).ok_or(KeyError("metadata.name"))?;
        Ok(Self {
            group,
            version,
            kind,
            namespace: text(metadata.get("namespace")),
            name,
        })
    }

    /// Returns `group/version`, or the version alone for the core group.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// Whether both name the same object, in whatever version it is written.
    #[must_use]
    pub fn is_same_object(&self, other: &Self) -> bool {
        (&self.group, &self.kind, &self.namespace, &self.name)
            == (&other.group, &other.kind, &other.namespace, &other.name)
    }
}

/// `Deployment.apps shop/web`, `Namespace shop`.
impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        f.write_str(" ")?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.name)
    }
}

/// An object lacks a part of its identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the object has no {0}")]
pub struct KeyError(pub &'static str);
