//! YAML in and out: the one place that knows which crates read and write it.
//!
//! Reading goes through parser events into [`Node`]s that remember where they stood; documents that keep to the
//! plainest part of YAML take a shorter way to the same. Nothing is recursive on the way beyond the limit of
//! depth, and every limit is checked while reading, so that no text, of whatever shape, costs more than its
//! limits allow. Duplicate keys are reported, tags of other languages are refused.

mod de;
mod plain;
mod read;
mod scalar;
pub(crate) mod spans;
mod split;
mod write;

use crate::resource::Position;

pub use de::Misfit;
pub use read::{Document, read};
pub use split::{Piece, pieces};
pub use write::{flow, write};

/// A value and where it stood.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it begins; `None` for what was not read from a text.
    pub at: Option<Position>,
    /// The value.
    pub value: Value,
}

/// A value of a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A number.
    Number(serde_json::Number),
    /// A text.
    Text(String),
    /// Values in order.
    List(Vec<Node>),
    /// Values by key, in the order of the text, each key once.
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stood.
    pub at: Option<Position>,
    /// The value.
    pub node: Node,
}

/// How much one document may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DocumentLimits {
    /// How deep values may be nested.
    pub depth: usize,
    /// How many values there may be once aliases are expanded.
    pub nodes: usize,
    /// How many bytes of text there may be once aliases are expanded.
    pub bytes: usize,
}

impl Default for DocumentLimits {
    fn default() -> Self {
        Self {
            depth: 64,
            nodes: 100_000,
            bytes: 16 << 20,
        }
    }
}

/// What kind of fault a text has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not YAML, or uses a part of YAML that is not understood here.
    Syntax,
    /// It is larger or deeper than allowed.
    Limit,
    /// A key stands twice in one mapping.
    DuplicateKey,
}

/// A fault of a text. It never quotes values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// Of what kind it is.
    pub fault: Fault,
    /// Where it is.
    pub at: Option<Position>,
    /// The path of the field, if it is about one.
    pub field: Option<String>,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether a key that stands again has the value that it has already.
    pub repeats: bool,
}

impl Node {
    /// Makes a text that stands nowhere.
    #[must_use]
    pub fn text(text: impl Into<String>, at: Option<Position>) -> Self {
        Self {
            at,
            value: Value::Text(text.into()),
        }
    }

    /// Returns the text, if it is one.
    #[must_use]
    pub const fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// Returns the value of a key, if it is a mapping and has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|e| e.key == key).map(|e| &e.node),
            _ => None,
        }
    }

    /// Takes a JSON value; its nesting must be of a reasonable depth (what `serde_json` reads is).
    #[must_use]
    pub fn from_json(value: serde_json::Value) -> Self {
        use serde_json::Value as Json;
        let value = match value {
            Json::Null => Value::Null,
            Json::Bool(b) => Value::Bool(b),
            Json::Number(n) => Value::Number(n),
            Json::String(s) => Value::Text(s),
            Json::Array(items) => Value::List(items.into_iter().map(Self::from_json).collect()),
            Json::Object(map) => Value::Map(
                map.into_iter()
                    .map(|(key, value)| Entry {
                        key,
                        at: None,
                        node: Self::from_json(value),
                    })
                    .collect(),
            ),
        };
        Self { at: None, value }
    }

    /// Turns it into JSON.
    #[must_use]
    pub fn into_json(self) -> serde_json::Value {
        use serde_json::Value as Json;
        match self.value {
            Value::Null => Json::Null,
            Value::Bool(b) => Json::Bool(b),
            Value::Number(n) => Json::Number(n),
            Value::Text(s) => Json::String(s),
            Value::List(items) => Json::Array(items.into_iter().map(Self::into_json).collect()),
            Value::Map(entries) => Json::Object(
                entries
                    .into_iter()
                    .map(|entry| (entry.key, entry.node.into_json()))
                    .collect(),
            ),
        }
    }
}

impl Value {
    /// Returns what people call a value of this type.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// Reads every document of a text as JSON, each within the limits; empty documents are left out.
///
/// # Errors
/// The first problem of any document.
pub fn documents(text: &str, limits: &DocumentLimits) -> Result<Vec<serde_json::Value>, Problem> {
    let mut all = Vec::new();
    for piece in pieces(text) {
        let document = read(&text[piece.span], piece.line, limits);
        if let Some(problem) = document.problems.into_iter().next() {
            return Err(problem);
        }
        match document.root {
            Some(root) if root.value != Value::Null => all.push(root.into_json()),
            _ => {}
        }
    }
    Ok(all)
}

/// Writes anything that can be serialised, in the order of its fields.
///
/// # Errors
/// The value cannot be expressed, for example a map whose keys are not scalars.
pub fn to_text<T: serde::Serialize>(value: &T) -> Result<String, WriteError> {
    serde_yaml::to_string(value).map_err(|e| WriteError(e.to_string()))
}

/// A value cannot be written as YAML.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot write the value as YAML: {0}")]
pub struct WriteError(String);
