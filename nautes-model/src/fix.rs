//! Fixes: the way out of a finding as edits that a program can make.
//!
//! A finding has a fix only where the way out is one definite edit; where a person has to choose, it has a hint
//! alone. Edits name resources and fields, not places, so they stay right when lines move.
//! [`manifest::mend`](crate::manifest::mend) makes them in the text of files.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::resource::{Identity, Sourced};
use crate::yaml;

/// The edits that make a finding go away; all of them are needed.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Fix {
    /// The edits. Their fields are those of the resource as it is now, whatever the order of the edits.
    pub edits: Vec<Edit>,
}

/// An edit of one resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Edit {
    /// The file in which the resource is declared, as the caller named it; for [`Action::Add`] one to which it can
    /// be added. Empty for what was made in memory.
    #[serde(default = "no_file", skip_serializing_if = "is_empty")]
    pub file: Arc<str>,
    /// The resource; `None` when its manifest does not say which it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<Identity>,
    /// The line at which the manifest begins, counted from 1; it counts only where file and resource do not tell
    /// which one is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// What is done.
    #[serde(flatten)]
    pub action: Action,
}

fn no_file() -> Arc<str> {
    Arc::from("")
}

fn is_empty(file: &Arc<str>) -> bool {
    file.is_empty()
}

/// What an edit does. Fields are paths of the resource, such as `spec.pipelines[0].path`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "op", rename_all = "camelCase")]
pub enum Action {
    /// Gives a field or an item of a list a value; a field that is not there is added.
    Set {
        /// The field.
        field: String,
        /// Its new value.
        value: Value,
    },
    /// Gives a field another key.
    Rename {
        /// The field.
        field: String,
        /// The last part of its new path.
        key: String,
    },
    /// Takes a field, or an item of a list, out.
    Remove {
        /// The field.
        field: String,
    },
    /// Takes a field out where its key stands for the second and any further time.
    RemoveRepeated {
        /// The field.
        field: String,
    },
    /// Adds items at the end of a list, which is made if it is not there.
    Append {
        /// The list.
        field: String,
        /// The items.
        values: Vec<Value>,
    },
    /// Declares the resource.
    Add {
        /// Its manifest.
        manifest: Value,
    },
    /// Takes the declaration of the resource out.
    Delete,
}

/// A value of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Value {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(String),
    /// Values in order.
    List(Vec<Self>),
    /// Values by key.
    Map(BTreeMap<String, Self>),
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl Value {
    /// Takes a JSON value; `None` if it holds nothing, or a number that is not whole.
    #[must_use]
    pub fn from_json(value: serde_json::Value) -> Option<Self> {
        use serde_json::Value as Json;
        Some(match value {
            Json::Null => return None,
            Json::Bool(value) => Self::Bool(value),
            Json::Number(number) => Self::Integer(number.as_i64()?),
            Json::String(text) => Self::Text(text),
            Json::Array(items) => Self::List(items.into_iter().map(Self::from_json).collect::<Option<_>>()?),
            Json::Object(fields) => Self::Map(
                fields
                    .into_iter()
                    .map(|(key, value)| Some((key, Self::from_json(value)?)))
                    .collect::<Option<_>>()?,
            ),
        })
    }

    /// Returns the same as JSON.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match self {
            Self::Bool(value) => Json::Bool(*value),
            Self::Integer(number) => Json::from(*number),
            Self::Text(text) => Json::String(text.clone()),
            Self::List(items) => Json::Array(items.iter().map(Self::to_json).collect()),
            Self::Map(fields) => Json::Object(fields.iter().map(|(k, v)| (k.clone(), v.to_json())).collect()),
        }
    }
}

impl Fix {
    /// Makes a fix of one edit.
    #[must_use]
    pub fn one(edit: Edit) -> Self {
        Self { edits: vec![edit] }
    }

    /// Makes a fix of one edit of a resource.
    #[must_use]
    pub fn of(about: &Sourced, action: Action) -> Self {
        Self::one(Edit::of(about, action))
    }

    /// Adds another edit.
    #[must_use]
    pub fn and(mut self, edit: Edit) -> Self {
        self.edits.push(edit);
        self
    }
}

impl Edit {
    /// Makes an edit of a resource.
    #[must_use]
    pub fn of(about: &Sourced, action: Action) -> Self {
        Self {
            file: Arc::clone(&about.source.file),
            resource: Some(about.identity.clone()),
            line: None,
            action,
        }
    }
}

impl Action {
    /// Gives a field a value.
    #[must_use]
    pub fn set(field: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::Set {
            field: field.into(),
            value: value.into(),
        }
    }

    /// Gives a field another key.
    #[must_use]
    pub fn rename(field: impl Into<String>, key: impl Into<String>) -> Self {
        Self::Rename {
            field: field.into(),
            key: key.into(),
        }
    }

    /// Takes a field, or an item of a list, out.
    #[must_use]
    pub fn remove(field: impl Into<String>) -> Self {
        Self::Remove { field: field.into() }
    }

    /// Adds items to a list.
    #[must_use]
    pub fn append(field: impl Into<String>, values: impl IntoIterator<Item = impl Into<Value>>) -> Self {
        Self::Append {
            field: field.into(),
            values: values.into_iter().map(Into::into).collect(),
        }
    }
}

/// As YAML writes it on one line.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&yaml::flow(&yaml::Node::from_json(self.to_json())))
    }
}

/// `set spec.cluster to live`.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set { field, value } => write!(f, "set {field} to {value}"),
            Self::Rename { field, key } => write!(f, "rename {field} to {key}"),
            Self::Remove { field } => write!(f, "remove {field}"),
            Self::RemoveRepeated { field } => write!(f, "remove {field} where it stands again"),
            Self::Append { field, values } => {
                let values: Vec<String> = values.iter().map(ToString::to_string).collect();
                write!(f, "add {} to {field}", values.join(", "))
            }
            Self::Add { manifest } => {
                let spec = match manifest {
                    Value::Map(fields) => fields.get("spec"),
                    _ => None,
                };
                write!(f, "declare it with {}", spec.unwrap_or(manifest))
            }
            Self::Delete => f.write_str("remove this declaration"),
        }
    }
}

/// `Environment/shop/dev: set spec.cluster to live`.
impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(resource) = &self.resource {
            write!(f, "{resource}: ")?;
        }
        write!(f, "{}", self.action)
    }
}
