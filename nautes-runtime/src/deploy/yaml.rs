//! Plain manifests: YAML (and so JSON) to JSON values, strictly.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nautes_model::yaml::{DocumentLimits, pieces, read};
use serde_json::{Map, Value};

/// How much one document may hold: more than an API server takes.
const LIMITS: DocumentLimits = DocumentLimits {
    depth: 64,
    nodes: 100_000,
    bytes: 4 << 20,
};

/// How much may be read still, over all files.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// Documents.
    pub(crate) documents: usize,
    /// Bytes, once aliases are expanded.
    pub(crate) bytes: usize,
}

/// A document and its place in the file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Document {
    /// Which one of the file it is, counted from 1.
    pub(crate) number: usize,
    /// The line at which it begins.
    pub(crate) line: usize,
    pub(crate) value: Value,
}

/// Reads all documents of a text; empty ones are left out.
///
/// # Errors
/// A document cannot be read, or there is more than the budget allows: says where and why, without values.
pub(crate) fn documents(text: &str, budget: &mut Budget) -> Result<Vec<Document>, String> {
    let mut found = Vec::new();
    for (index, piece) in pieces(text).enumerate() {
        let document = read(&text[piece.span], piece.line, &LIMITS);
        if let Some(problem) = document.problems.into_iter().next() {
            let line = problem.at.map_or(piece.line, |at| at.line);
            return Err(format!(
                "the file cannot be read: line {line}: {}",
                problem.message
            ));
        }
        let value = document.root.map_or(Value::Null, |root| root.into_json());
        if value.is_null() {
            continue;
        }
        budget.documents = spend(budget.documents, 1).ok_or("there are too many documents")?;
        budget.bytes = spend(budget.bytes, size(&value)).ok_or("the manifests are too large together")?;
        found.push(Document {
            number: index + 1,
            line: piece.line,
            value,
        });
    }
    Ok(found)
}

const fn spend(budget: usize, amount: usize) -> Option<usize> {
    budget.checked_sub(amount)
}

/// About how many bytes the value takes as text.
fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(size).sum::<usize>() + 2,
        Value::Object(fields) => {
            fields
                .iter()
                .map(|(name, value)| name.len() + 3 + size(value))
                .sum::<usize>()
                + 2
        }
    }
}

/// Turns `stringData` of a Secret into `data`, as the API server does: it is write-only, and nobody can own it.
///
/// # Errors
/// It is not a map of texts. The message holds no value.
pub(crate) fn plain_secret(object: &mut Value) -> Result<(), String> {
    let is_secret = object.get("kind").and_then(Value::as_str) == Some("Secret")
        && object.get("apiVersion").and_then(Value::as_str) == Some("v1");
    let Some(object) = object.as_object_mut().filter(|_| is_secret) else {
        return Ok(());
    };
    let texts = match object.remove("stringData") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(texts)) => texts,
        Some(_) => return Err("stringData is not a map".to_owned()),
    };
    let data = object.entry("data").or_insert_with(|| Value::Object(Map::new()));
    if data.is_null() {
        *data = Value::Object(Map::new());
    }
    let data = data.as_object_mut().ok_or("data is not a map")?;
    for (name, value) in texts {
        let text = value
            .as_str()
            .ok_or_else(|| format!("stringData.{name} is not a text"))?;
        data.insert(name, STANDARD.encode(text).into());
    }
    Ok(())
}
