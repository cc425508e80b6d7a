//! The table form that kubectl prints.

mod cells;
mod columns;

use serde_json::{Value, json};

use self::columns::Row;
use super::{
    call::Call,
    kinds::{Column, ResourceType, Version},
    read,
};

fn columns(kind: &ResourceType, version: &Version) -> Vec<Column> {
    let column = |row: &Row| {
        let (name, ty, priority, cell, by) = *row;
        Column {
            name: name.to_owned(),
            ty: ty.to_owned(),
            format: if name == "Name" { "name" } else { "" }.to_owned(),
            description: columns::described(by),
            priority,
            path: format!("={cell}"),
        }
    };
    let own = columns::of(kind);
    let events = kind.plural == "events" && own.is_some();
    let mut all = Vec::new();
    if !events {
        all.push(column(&columns::FIRST));
    }
    match own {
        Some(rows) => all.extend(rows.iter().map(column)),
        None if !kind.custom => all.push(column(&columns::CREATED_AT)),
        None if version.columns.is_empty() => all.push(column(&columns::CUSTOM_AGE)),
        None => all.extend(version.columns.iter().cloned()),
    }
    all
}

/// Objects as a table.
pub(crate) fn of(
    objects: &[impl std::borrow::Borrow<Value>],
    kind: &ResourceType,
    version: &Version,
    call: &Call,
    metadata: &Value,
) -> Value {
    let columns = columns(kind, version);
    let whole = call.param("includeObject");
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let object = object.borrow();
            let cells: Vec<Value> = columns.iter().map(|c| cell(object, c)).collect();
            let shown = match whole {
                "Object" => object.clone(),
                "None" => Value::Null,
                _ => read::metadata_only(object),
            };
            json!({"cells": cells, "object": shown})
        })
        .collect();
    let definitions: Vec<Value> = columns
        .iter()
        .map(|c| {
            json!({"name": c.name, "type": c.ty, "format": c.format, "description": c.description,
                   "priority": c.priority})
        })
        .collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "columnDefinitions": definitions,
        "rows": rows,
    })
}

fn cell(object: &Value, column: &Column) -> Value {
    if let Some(word) = column.path.strip_prefix('=') {
        return cells::cell(object, word);
    }
    let Some(found) = look(object, &column.path) else {
        return Value::Null;
    };
    match (column.ty.as_str(), &found) {
        ("date", Value::String(time)) => age(time).into(),
        ("string", Value::String(_))
        | ("integer" | "number", Value::Number(_))
        | ("boolean", Value::Bool(_)) => found,
        ("string", Value::Null) => Value::Null,
        ("string", other) => other.to_string().into(),
        _ => Value::Null,
    }
}

/// The time since a moment, as kubectl words it.
fn age(time: &str) -> String {
    let Ok(then) = time.parse::<jiff::Timestamp>() else {
        return "<unknown>".to_owned();
    };
    human(jiff::Timestamp::now().as_second() - then.as_second())
}

/// A duration, as kubectl words it.
fn human(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    let with = |big: i64, unit: &str, small: i64, sub: &str| {
        if small == 0 {
            format!("{big}{unit}")
        } else {
            format!("{big}{unit}{small}{sub}")
        }
    };
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => with(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => with(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => with(days, "d", hours % 24, "h"),
        691_200..63_072_000 => format!("{days}d"),
        _ => with(days / 365, "y", days % 365, "d"),
    }
}

/// The JSON paths that printer columns use: fields, `[index]`, `[*]`, `[?(@.a=="b")]`, `['quoted']`.
pub(crate) fn look(object: &Value, path: &str) -> Option<Value> {
    let mut found: Vec<Value> = vec![object.clone()];
    let mut rest = path;
    let mut many = false;
    while !rest.is_empty() {
        if let Some(tail) = rest.strip_prefix("[?(") {
            let end = tail.find(")]")?;
            let (left, right) = tail[..end].split_once("==")?;
            let left = left.trim().trim_start_matches('@').to_owned();
            let right = right.trim().trim_matches(['"', '\'']).to_owned();
            found = found
                .iter()
                .filter_map(Value::as_array)
                .flatten()
                .filter(|item| match look(item, &left) {
                    Some(Value::String(text)) => text == right,
                    Some(other) => other == right.as_str() || format!("{other}") == right,
                    None => false,
                })
                .cloned()
                .collect();
            rest = &tail[end + 2..];
        } else if let Some(tail) = rest.strip_prefix('[') {
            let end = tail.find(']')?;
            let inside = tail[..end].trim_matches(['"', '\'']);
            found = match inside {
                "*" => {
                    many = true;
                    found
                        .iter()
                        .filter_map(Value::as_array)
                        .flatten()
                        .cloned()
                        .collect()
                }
                inside => found
                    .iter()
                    .filter_map(|v| match inside.parse::<usize>() {
                        Ok(index) => v.get(index).cloned(),
                        Err(_) => v.get(inside).cloned(),
                    })
                    .collect(),
            };
            rest = &tail[end + 1..];
        } else {
            let tail = rest.trim_start_matches('.');
            let mut end = 0;
            let bytes = tail.as_bytes();
            let mut name = String::new();
            while end < bytes.len() && bytes[end] != b'.' && bytes[end] != b'[' {
                let step = if bytes[end] == b'\\' && end + 1 < bytes.len() {
                    end + 1
                } else {
                    end
                };
                let next = tail[step..].chars().next()?;
                name.push(next);
                end = step + next.len_utf8();
            }
            if !name.is_empty() {
                found = found.iter().filter_map(|v| v.get(&name).cloned()).collect();
            }
            rest = &tail[end..];
        }
    }
    if many {
        return if found.is_empty() {
            None
        } else {
            Some(Value::Array(found))
        };
    }
    found.into_iter().next()
}
