//! Entries of an inventory.

use std::collections::BTreeSet;
use std::fmt;

use nautes_model::Identity;
use serde::{Deserialize, Serialize};

use crate::object::ObjectKey;

/// What an object is known by, in whatever version it is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id {
    pub(crate) group: String,
    pub(crate) kind: String,
    pub(crate) namespace: Option<String>,
    pub(crate) name: String,
}

impl From<&ObjectKey> for Id {
    fn from(key: &ObjectKey) -> Self {
        Self {
            group: key.group.clone(),
            kind: key.kind.clone(),
            namespace: key.namespace.clone(),
            name: key.name.clone(),
        }
    }
}

impl Id {
    pub(crate) fn is_namespace(&self) -> bool {
        self.group.is_empty() && self.kind == "Namespace"
    }

    pub(crate) fn is_definition(&self) -> bool {
        self.group == "apiextensions.k8s.io" && self.kind == "CustomResourceDefinition"
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// One object that was, or may have been, applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The object.
    #[serde(flatten)]
    pub key: ObjectKey,
    /// The UID that it had; `None` from before it is made until that is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// On whose behalf it exists.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub owners: BTreeSet<Identity>,
    /// The wave in which it was applied; objects are pruned from the last wave to the first.
    #[serde(default)]
    pub wave: usize,
    /// The file that declares it, if it is deployed from a repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}
