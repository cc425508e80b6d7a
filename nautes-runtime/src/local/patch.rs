//! JSON patch (RFC 6902, with Kubernetes' leniency) and JSON merge patch (RFC 7386).

use serde_json::{Map, Value};

use super::status::Status;

const LIMIT: usize = 10_000;

/// How much a patch may copy: copies of copies double.
const COPY_LIMIT: usize = 3 << 20;

/// An operation that does not apply; Kubernetes does not say which.
fn rejected() -> Status {
    let message = "the server rejected our request due to an error in our request";
    Status::new(422, "Invalid", message).detail("", "", "")
}

/// Applies a JSON patch.
///
/// A `test` of null on a path that does not exist passes, as in Kubernetes; clients that add a finalizer
/// rely on that.
///
/// # Errors
/// Bad request where the patch cannot be read, invalid where an operation does not apply.
pub(crate) fn json_patch(document: &Value, patch: &Value) -> Result<Value, Status> {
    let operations = patch.as_array().ok_or_else(|| {
        Status::bad_request(
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
        )
    })?;
    if operations.len() > LIMIT {
        let message = format!(
            "The allowed maximum operations in a JSON patch is {LIMIT}, got {}",
            operations.len()
        );
        return Err(Status::new(413, "RequestEntityTooLarge", message));
    }
    let mut document = document.clone();
    let mut copied = 0;
    for operation in operations {
        apply(&mut document, operation, &mut copied).map_err(|_| rejected())?;
        if copied > COPY_LIMIT {
            let message = format!("the copies of the patch exceed {COPY_LIMIT} bytes");
            return Err(Status::new(413, "RequestEntityTooLarge", message));
        }
    }
    Ok(document)
}

/// True where a path names a key of a map.
fn parent_is_map(document: &Value, path: &[String]) -> bool {
    path.split_last()
        .and_then(|(_, parents)| find(document, parents))
        .is_some_and(Value::is_object)
}

fn apply(document: &mut Value, operation: &Value, copied: &mut usize) -> Result<(), String> {
    let text = |key: &str| operation.get(key).and_then(Value::as_str);
    let op = text("op").ok_or("operation does not contain an op")?;
    let path = pointer(text("path").ok_or("operation does not contain a path")?)?;
    let value = operation.get("value").cloned();
    match op {
        "add" => add(document, &path, value.unwrap_or(Value::Null)),
        "remove" => take(document, &path)
            .map(drop)
            .map_err(|e| format!("remove operation does not apply: {e}")),
        // A key that is not there yet is set all the same.
        "replace" if parent_is_map(document, &path) => add(document, &path, value.unwrap_or(Value::Null)),
        "replace" => {
            let place = find_mut(document, &path).ok_or_else(|| {
                format!(
                    "replace operation does not apply: doc is missing key: {}",
                    shown(&path)
                )
            })?;
            *place = value.unwrap_or(Value::Null);
            Ok(())
        }
        "move" | "copy" => {
            let from = pointer(text("from").ok_or("operation does not contain a from")?)?;
            let moved = if op == "copy" {
                find(document, &from)
                    .cloned()
                    .ok_or_else(|| format!("doc is missing from path: {}", shown(&from)))?
            } else if path.starts_with(&from) && path != from {
                return Err("cannot move a value into itself".to_owned());
            } else {
                take(document, &from).map_err(|e| format!("move operation does not apply: {e}"))?
            };
            if op == "copy" {
                *copied += moved.to_string().len();
            }
            add(document, &path, moved)
        }
        "test" => {
            let wanted = value.unwrap_or(Value::Null);
            let found = find(document, &path).cloned().unwrap_or(Value::Null);
            if found == wanted {
                Ok(())
            } else {
                Err(format!("testing value {} failed: test failed", shown(&path)))
            }
        }
        other => Err(format!("unexpected kind of operation: {other}")),
    }
}

fn pointer(text: &str) -> Result<Vec<String>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let rest = text
        .strip_prefix('/')
        .ok_or_else(|| format!("path {text:?} does not start with a slash"))?;
    Ok(rest
        .split('/')
        .map(|part| part.replace("~1", "/").replace("~0", "~"))
        .collect())
}

fn shown(path: &[String]) -> String {
    path.iter().map(|p| format!("/{p}")).collect()
}

fn find<'a>(document: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(document, |value, part| match value {
        Value::Object(map) => map.get(part),
        Value::Array(list) => list.get(index(part)?),
        _ => None,
    })
}

fn find_mut<'a>(document: &'a mut Value, path: &[String]) -> Option<&'a mut Value> {
    path.iter().try_fold(document, |value, part| match value {
        Value::Object(map) => map.get_mut(part),
        Value::Array(list) => list.get_mut(index(part)?),
        _ => None,
    })
}

fn index(part: &str) -> Option<usize> {
    part.parse().ok()
}

fn add(document: &mut Value, path: &[String], value: Value) -> Result<(), String> {
    let Some((last, parents)) = path.split_last() else {
        *document = value;
        return Ok(());
    };
    let missing = || {
        format!(
            "add operation does not apply: doc is missing path: {}",
            shown(path)
        )
    };
    match find_mut(document, parents).ok_or_else(missing)? {
        Value::Object(map) => {
            map.insert(last.clone(), value);
            Ok(())
        }
        Value::Array(list) => {
            let at = if last == "-" {
                list.len()
            } else {
                index(last).ok_or_else(missing)?
            };
            if at > list.len() {
                return Err(format!("add operation does not apply: invalid index: {at}"));
            }
            list.insert(at, value);
            Ok(())
        }
        _ => Err(missing()),
    }
}

fn take(document: &mut Value, path: &[String]) -> Result<Value, String> {
    let missing = || format!("doc is missing key: {}: missing value", shown(path));
    let (last, parents) = path.split_last().ok_or_else(missing)?;
    match find_mut(document, parents).ok_or_else(missing)? {
        Value::Object(map) => map.remove(last).ok_or_else(missing),
        Value::Array(list) => {
            let at = index(last).filter(|i| *i < list.len()).ok_or_else(missing)?;
            Ok(list.remove(at))
        }
        _ => Err(missing()),
    }
}

/// Applies a JSON merge patch.
pub(crate) fn merge_patch(document: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *document = patch.clone();
        return;
    };
    if !document.is_object() {
        *document = Value::Object(Map::new());
    }
    if let Value::Object(map) = document {
        for (key, value) in patch {
            if value.is_null() {
                map.remove(key);
            } else {
                merge_patch(map.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
    }
}
