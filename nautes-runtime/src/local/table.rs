//! The table form that kubectl prints.

use serde_json::{Value, json};

use super::{
    call::Call,
    json,
    kinds::{Column, ResourceType, Version},
    read,
};

/// Columns of built-in kinds: name, type, priority, path or the name of a computed cell.
type Row = (&'static str, &'static str, i64, &'static str);

fn builtin(kind: &ResourceType) -> &'static [Row] {
    match (kind.group.as_str(), kind.plural.as_str()) {
        ("", "namespaces") => &[("Status", "string", 0, ".status.phase")],
        ("", "configmaps") => &[("Data", "string", 0, "=data")],
        ("", "secrets") => &[("Type", "string", 0, ".type"), ("Data", "string", 0, "=data")],
        ("", "serviceaccounts") => &[("Secrets", "string", 0, "=secrets")],
        ("", "services") => &[
            ("Type", "string", 0, ".spec.type"),
            ("Cluster-IP", "string", 0, "=clusterip"),
            ("External-IP", "string", 0, "=externalip"),
            ("Port(s)", "string", 0, "=ports"),
        ],
        ("", "pods") => &[
            ("Ready", "string", 0, "=podready"),
            ("Status", "string", 0, ".status.phase"),
            ("Restarts", "string", 0, "=restarts"),
        ],
        ("apps", "deployments") => &[
            ("Ready", "string", 0, "=ready"),
            ("Up-to-date", "string", 0, "=.status.updatedReplicas"),
            ("Available", "string", 0, "=.status.availableReplicas"),
        ],
        ("apps", "statefulsets") => &[("Ready", "string", 0, "=ready")],
        ("apps", "replicasets") => &[
            ("Desired", "integer", 0, "=.spec.replicas"),
            ("Current", "integer", 0, "=.status.replicas"),
            ("Ready", "integer", 0, "=.status.readyReplicas"),
        ],
        ("batch", "cronjobs") => &[
            ("Schedule", "string", 0, ".spec.schedule"),
            ("Suspend", "boolean", 0, ".spec.suspend"),
            ("Last Schedule", "date", 0, ".status.lastScheduleTime"),
        ],
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => {
            &[("Role", "string", 0, "=role")]
        }
        ("rbac.authorization.k8s.io", _) => &[("Created At", "string", 0, ".metadata.creationTimestamp")],
        ("apiextensions.k8s.io", _) => &[("Created At", "string", 0, ".metadata.creationTimestamp")],
        ("", "events") => &[
            ("Last Seen", "date", 0, ".lastTimestamp"),
            ("Type", "string", 0, ".type"),
            ("Reason", "string", 0, ".reason"),
            ("Object", "string", 0, "=involved"),
            ("Message", "string", 0, ".message"),
        ],
        ("coordination.k8s.io", _) => &[("Holder", "string", 0, ".spec.holderIdentity")],
        ("networking.k8s.io", "ingresses") => &[
            ("Class", "string", 0, ".spec.ingressClassName"),
            ("Hosts", "string", 0, "=hosts"),
        ],
        _ => &[],
    }
}

fn has_age(kind: &ResourceType) -> bool {
    !(kind.group == "apiextensions.k8s.io"
        || kind.is("", "events")
        || kind.group == "rbac.authorization.k8s.io" && !kind.plural.ends_with("bindings"))
}

fn columns(kind: &ResourceType, version: &Version) -> Vec<Column> {
    let column = |name: &str, ty: &str, priority: i64, path: &str, format: &str, description: &str| Column {
        name: name.to_owned(),
        ty: ty.to_owned(),
        format: format.to_owned(),
        description: description.to_owned(),
        priority,
        path: path.to_owned(),
    };
    let mut all = vec![column(
        "Name",
        "string",
        0,
        ".metadata.name",
        "name",
        "Name must be unique within a namespace.",
    )];
    all.extend(
        builtin(kind)
            .iter()
            .map(|(name, ty, priority, path)| column(name, ty, *priority, path, "", "")),
    );
    all.extend(version.columns.iter().cloned());
    let own = kind.custom && !version.columns.is_empty();
    if !own && has_age(kind) {
        let description =
            "CreationTimestamp is a timestamp representing the server time when this object was created.";
        all.push(column(
            "Age",
            "date",
            0,
            ".metadata.creationTimestamp",
            "",
            description,
        ));
    }
    all
}

/// Objects as a table.
pub(crate) fn of(
    objects: &[Value],
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
            json!({"name": c.name, "type": if c.ty == "date" && !kind.custom { "string" } else { &c.ty },
                   "format": c.format, "description": c.description, "priority": c.priority})
        })
        .collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "columnDefinitions": definitions,
        "rows": rows,
    })
}

fn cell(object: &Value, column: &Column) -> Value {
    if let Some(word) = column.path.strip_prefix('=') {
        return computed(object, word, &column.ty);
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
    let seconds = (jiff::Timestamp::now().as_second() - then.as_second()).max(0);
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

fn count(object: &Value, path: &[&str]) -> i64 {
    json::at(object, path).and_then(Value::as_i64).unwrap_or(0)
}

fn computed(object: &Value, word: &str, ty: &str) -> Value {
    let size = |key: &str| {
        object
            .get(key)
            .map_or(0, |d| d.as_object().map_or(0, serde_json::Map::len))
    };
    let none = |text: String| {
        if text.is_empty() {
            "<none>".to_owned()
        } else {
            text
        }
    };
    match word {
        "data" => (size("data") + size("binaryData")).to_string().into(),
        "secrets" => json::list(object, &["secrets"]).len().to_string().into(),
        "ready" => format!(
            "{}/{}",
            count(object, &["status", "readyReplicas"]),
            count(object, &["spec", "replicas"])
        )
        .into(),
        "podready" => {
            let all = json::list(object, &["spec", "containers"]).len();
            let ready = json::list(object, &["status", "containerStatuses"])
                .iter()
                .filter(|s| s.get("ready") == Some(&Value::Bool(true)))
                .count();
            format!("{ready}/{all}").into()
        }
        "restarts" => json::list(object, &["status", "containerStatuses"])
            .iter()
            .map(|s| count(s, &["restartCount"]))
            .sum::<i64>()
            .to_string()
            .into(),
        "clusterip" => none(json::text(object, &["spec", "clusterIP"]).to_owned()).into(),
        "externalip" => none(json::texts(object, &["spec", "externalIPs"]).join(",")).into(),
        "ports" => none(
            json::list(object, &["spec", "ports"])
                .iter()
                .map(|p| format!("{}/{}", count(p, &["port"]), json::text(p, &["protocol"])))
                .collect::<Vec<_>>()
                .join(","),
        )
        .into(),
        "hosts" => {
            let hosts: Vec<&str> = json::list(object, &["spec", "rules"])
                .iter()
                .map(|r| json::text(r, &["host"]))
                .collect();
            let hosts: Vec<&str> = hosts.into_iter().filter(|h| !h.is_empty()).collect();
            if hosts.is_empty() {
                "*".into()
            } else {
                hosts.join(",").into()
            }
        }
        "role" => format!(
            "{}/{}",
            json::text(object, &["roleRef", "kind"]),
            json::text(object, &["roleRef", "name"])
        )
        .into(),
        "involved" => format!(
            "{}/{}",
            json::text(object, &["involvedObject", "kind"]).to_lowercase(),
            json::text(object, &["involvedObject", "name"])
        )
        .into(),
        path => {
            let number = look(object, path).and_then(|v| v.as_i64()).unwrap_or(0);
            if ty == "integer" {
                number.into()
            } else {
                number.to_string().into()
            }
        }
    }
}
