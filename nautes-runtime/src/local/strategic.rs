//! Strategic merge patch: merges lists by the keys that the schema of a built-in kind gives.

use serde_json::{Map, Value};

use super::{
    schema::{self, ListKind, View},
    status::Status,
};

const ORDER: &str = "$setElementOrder/";
const DELETE: &str = "$deleteFromPrimitiveList/";

/// Applies a strategic merge patch.
///
/// # Errors
/// Bad request where a directive is unknown or an item lacks its merge key.
pub(crate) fn strategic_merge(document: &Value, patch: &Value, view: View<'_>) -> Result<Value, Status> {
    merge(Some(document), patch, view, 0)
}

fn merge(document: Option<&Value>, patch: &Value, view: View<'_>, depth: usize) -> Result<Value, Status> {
    if depth > 100 {
        return Err(Status::bad_request("the patch is nested too deeply"));
    }
    match patch {
        Value::Object(patch) => {
            let empty = Map::new();
            let map = document.and_then(Value::as_object).unwrap_or(&empty);
            merge_map(map, patch, view, depth).map(Value::Object)
        }
        Value::Array(list) => {
            let old = document
                .and_then(Value::as_array)
                .map(Vec::as_slice)
                .unwrap_or_default();
            merge_list(old, list, None, view, depth).map(Value::Array)
        }
        other => Ok(other.clone()),
    }
}

fn merge_map(
    map: &Map<String, Value>,
    patch: &Map<String, Value>,
    view: View<'_>,
    depth: usize,
) -> Result<Map<String, Value>, Status> {
    match patch.get("$patch").and_then(Value::as_str) {
        Some("replace") => {
            return Ok(patch
                .iter()
                .filter(|(k, _)| *k != "$patch")
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect());
        }
        Some("delete") => return Ok(Map::new()),
        Some("merge") | None => {}
        Some(other) => {
            let shown = schema::go_value(&Value::Object(patch.clone()));
            let message = format!("unknown patch type: {other} in map: {shown}");
            return Err(Status::new(500, "", message));
        }
    }
    let mut result = map.clone();
    if let Some(keep) = patch.get("$retainKeys").and_then(Value::as_array) {
        result.retain(|key, _| keep.iter().any(|k| k.as_str() == Some(key)));
    }
    for (key, value) in patch {
        if let Some(field) = key.strip_prefix(DELETE) {
            let gone = value.as_array().cloned().unwrap_or_default();
            if let Some(list) = result.get_mut(field).and_then(Value::as_array_mut) {
                list.retain(|item| !gone.contains(item));
            }
        } else if key.starts_with('$') {
            continue;
        } else if value.is_null() {
            result.remove(key);
        } else if let Value::Array(items) = value {
            let old = result
                .get(key)
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default();
            let order = patch.get(&format!("{ORDER}{key}")).and_then(Value::as_array);
            let merged = merge_list(&old, items, order, view.field(key), depth + 1)?;
            result.insert(key.clone(), Value::Array(merged));
        } else {
            let merged = merge(result.get(key), value, view.field(key), depth + 1)?;
            result.insert(key.clone(), merged);
        }
    }
    for (key, order) in patch
        .iter()
        .filter_map(|(k, v)| Some((k.strip_prefix(ORDER)?, v.as_array()?)))
    {
        if !patch.contains_key(key)
            && let Some(list) = result.get_mut(key).and_then(Value::as_array_mut)
        {
            reorder(list, order, &patch_key(view.field(key)));
        }
    }
    Ok(result)
}

fn patch_key(view: View<'_>) -> Option<String> {
    let node = view.get()?;
    node.patch_key.clone().or_else(|| match &node.list {
        ListKind::Map(keys) => keys.first().cloned(),
        _ => None,
    })
}

fn merge_list(
    old: &[Value],
    patch: &[Value],
    order: Option<&Vec<Value>>,
    view: View<'_>,
    depth: usize,
) -> Result<Vec<Value>, Status> {
    let is_directive = |item: &Value, word: &str| {
        item.as_object()
            .is_some_and(|m| m.len() == 1 && m.get("$patch").and_then(Value::as_str) == Some(word))
    };
    if patch.iter().any(|item| is_directive(item, "replace")) {
        return Ok(patch
            .iter()
            .filter(|i| !is_directive(i, "replace"))
            .cloned()
            .collect());
    }
    let Some(key) = patch_key(view) else {
        if *view.list() != ListKind::Set {
            return Ok(patch.to_vec());
        }
        let mut result = old.to_vec();
        result.extend(patch.iter().filter(|i| !old.contains(i)).cloned());
        result = interleaved(result, old, patch, None);
        if let Some(order) = order {
            reorder(&mut result, order, &None);
        }
        return Ok(result);
    };
    let mut result = old.to_vec();
    for item in patch {
        let id = item.get(&key).ok_or_else(|| {
            let shown = schema::go_value(item);
            let message = format!("map: {shown} does not contain declared merge key: {key}");
            Status::new(500, "", message)
        })?;
        let place = result.iter().position(|r| r.get(&key) == Some(id));
        match (item.get("$patch").and_then(Value::as_str), place) {
            (Some("delete"), _) => result.retain(|r| r.get(&key) != Some(id)),
            (_, Some(at)) => result[at] = merge(Some(&result[at]), item, view.items(), depth + 1)?,
            (_, None) => result.push(merge(None, item, view.items(), depth + 1)?),
        }
    }
    let result = interleaved(result, old, patch, Some(&key));
    Ok(match order {
        Some(order) => {
            let mut result = result;
            reorder(&mut result, order, &Some(key));
            result
        }
        None => result,
    })
}

/// The order of a merged list: items of the patch stand as in the patch, the others as before; of one of
/// each, the one comes first that came first before, else that of the patch.
fn interleaved(merged: Vec<Value>, old: &[Value], patch: &[Value], key: Option<&str>) -> Vec<Value> {
    let same = |a: &Value, b: &Value| key.map_or_else(|| a == b, |key| a.get(key) == b.get(key));
    let place = |list: &[Value], item: &Value| list.iter().position(|o| same(o, item));
    let (mut named, mut others): (Vec<Value>, Vec<Value>) =
        merged.into_iter().partition(|item| place(patch, item).is_some());
    named.sort_by_key(|item| place(patch, item));
    others.sort_by_key(|item| place(old, item));
    let mut result = Vec::with_capacity(named.len() + others.len());
    let mut named = named.into_iter().peekable();
    for item in others {
        let before = |n: &Value| match (place(old, &item), place(old, n)) {
            (Some(one), Some(other)) => one < other,
            _ => false,
        };
        while let Some(next) = named.next_if(|n| !before(n)) {
            result.push(next);
        }
        result.push(item);
    }
    result.extend(named);
    result
}

/// Puts items in the order that a patch asks for; items that it does not name keep their places behind.
fn reorder(list: &mut [Value], order: &[Value], key: &Option<String>) {
    let rank = |item: &Value| {
        let id = |v: &Value| {
            key.as_ref()
                .map_or_else(|| Some(v.clone()), |k| v.get(k).cloned())
        };
        order.iter().position(|o| id(o) == id(item)).unwrap_or(usize::MAX)
    };
    list.sort_by_key(rank);
}
