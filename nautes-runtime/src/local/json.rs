//! Small reads and writes on JSON objects as the API stores them.

use serde_json::{Map, Value};

static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);

/// The value at a path of field names.
pub(crate) fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |v, key| v.get(*key))
}

/// The text at a path, empty where there is none.
pub(crate) fn text<'a>(value: &'a Value, path: &[&str]) -> &'a str {
    at(value, path).and_then(Value::as_str).unwrap_or_default()
}

/// The `metadata` of an object, empty where there is none.
pub(crate) fn meta(value: &Value) -> &Map<String, Value> {
    value.get("metadata").and_then(Value::as_object).unwrap_or(&EMPTY)
}

/// The `metadata` of an object, made where there is none. The object must be a JSON object.
pub(crate) fn meta_mut(value: &mut Value) -> &mut Map<String, Value> {
    child_mut(object_mut(value), "metadata")
}

/// The value as a map; anything else is replaced by an empty one.
pub(crate) fn object_mut(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        _ => unreachable!("just made an object"),
    }
}

/// The map under a key, made where there is none.
pub(crate) fn child_mut<'a>(map: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    object_mut(map.entry(key.to_owned()).or_insert(Value::Null))
}

/// The map at a path, made where there is none.
pub(crate) fn path_mut<'a>(value: &'a mut Value, path: &[&str]) -> &'a mut Map<String, Value> {
    path.iter()
        .fold(object_mut(value), |map, key| child_mut(map, key))
}

/// Sets a field unless it has a value.
pub(crate) fn default_to(map: &mut Map<String, Value>, key: &str, value: impl Into<Value>) {
    if map.get(key).is_none_or(Value::is_null) {
        map.insert(key.to_owned(), value.into());
    }
}

pub(crate) fn name(value: &Value) -> &str {
    text(value, &["metadata", "name"])
}

pub(crate) fn namespace(value: &Value) -> &str {
    text(value, &["metadata", "namespace"])
}

pub(crate) fn uid(value: &Value) -> &str {
    text(value, &["metadata", "uid"])
}

pub(crate) fn resource_version(value: &Value) -> &str {
    text(value, &["metadata", "resourceVersion"])
}

pub(crate) fn is_terminating(value: &Value) -> bool {
    meta(value).get("deletionTimestamp").is_some_and(|t| !t.is_null())
}

/// The texts in a list of texts at a path.
pub(crate) fn texts<'a>(value: &'a Value, path: &[&str]) -> Vec<&'a str> {
    list(value, path).iter().filter_map(Value::as_str).collect()
}

/// The list at a path, empty where there is none.
pub(crate) fn list<'a>(value: &'a Value, path: &[&str]) -> &'a [Value] {
    at(value, path)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// Why a text is no JSON, as the decoder of the API server words it.
pub(crate) fn syntax_error(text: &[u8], error: &serde_json::Error) -> String {
    if error.is_eof() {
        return "unexpected end of JSON input".to_owned();
    }
    let line = text.split(|b| *b == b'\n').nth(error.line().saturating_sub(1));
    let found = line
        .and_then(|l| l.get(error.column().saturating_sub(1)))
        .map_or(' ', |b| char::from(*b));
    let said = error.to_string();
    let place = [
        ("trailing characters", "after top-level value"),
        (
            "key must be a string",
            "looking for beginning of object key string",
        ),
        ("expected `,` or `}`", "after object key:value pair"),
        ("expected `,` or `]`", "after array element"),
        ("expected `:`", "after object key"),
        ("control character", "in string literal"),
        ("invalid number", "in numeric literal"),
    ]
    .into_iter()
    .find_map(|(words, place)| said.starts_with(words).then_some(place));
    format!(
        "invalid character {found:?} {}",
        place.unwrap_or("looking for beginning of value")
    )
}

/// Writes numbers without a fraction as whole ones (`2.0` as 2), at any depth, as the encoder of the API server does.
pub(crate) fn whole_numbers(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            // Beyond this a number has no fraction, and cannot be told from its neighbours.
            const EXACT: f64 = 9_007_199_254_740_992.0;
            let float = number.as_f64().filter(|f| f.fract() == 0.0 && f.abs() < EXACT);
            #[expect(
                clippy::cast_possible_truncation,
                reason = "it is a whole number in the range"
            )]
            if let Some(whole) = float.map(|f| f as i64) {
                *value = whole.into();
            }
        }
        Value::Object(map) => map.values_mut().for_each(whole_numbers),
        Value::Array(list) => list.iter_mut().for_each(whole_numbers),
        _ => {}
    }
}

/// Removes nulls from maps, at any depth (JSON null is the absence of a value in built-in kinds).
pub(crate) fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, v| !v.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// True where two maps are the same but for some fields, which they may have or not.
pub(crate) fn same_but(a: &Value, b: &Value, fields: &[&str]) -> bool {
    let kept = |value: &Value| {
        let map = value.as_object()?;
        Some(map.len() - fields.iter().filter(|f| map.contains_key(**f)).count())
    };
    let same = |(key, value): (&String, &Value)| fields.contains(&key.as_str()) || b.get(key) == Some(value);
    match (kept(a), kept(b)) {
        (Some(x), Some(y)) => x == y && a.as_object().into_iter().flatten().all(same),
        _ => a == b,
    }
}

/// The time now as Kubernetes writes it: UTC, whole seconds.
pub(crate) fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Some seconds after a time, or after now.
pub(crate) fn time(from: Option<&Value>, seconds: i64) -> String {
    let from = from
        .and_then(Value::as_str)
        .and_then(|t| t.parse::<jiff::Timestamp>().ok())
        .unwrap_or_else(jiff::Timestamp::now);
    // A time that cannot be written is no time to wait for.
    let at = from
        .checked_add(jiff::SignedDuration::from_secs(seconds))
        .unwrap_or(from);
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// How deep a value is nested.
pub(crate) fn depth(value: &Value) -> usize {
    match value {
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        Value::Array(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// The namespace that the subject of a binding names.
pub(crate) fn namespace_of_subject(subject: &Value) -> &str {
    text(subject, &["namespace"])
}

/// The fields of structures in the order in which Kubernetes writes them.
const METADATA: [&str; 15] = [
    "name",
    "generateName",
    "namespace",
    "selfLink",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "managedFields",
];
const OWNER: [&str; 6] = [
    "apiVersion",
    "kind",
    "name",
    "uid",
    "controller",
    "blockOwnerDeletion",
];
const MANAGER: [&str; 7] = [
    "manager",
    "operation",
    "apiVersion",
    "time",
    "fieldsType",
    "fieldsV1",
    "subresource",
];

/// A map as JSON, with these fields first; the values as `each` writes them.
fn in_order(map: &Map<String, Value>, first: &[&str], each: impl Fn(&str, &Value) -> String) -> String {
    let named = first.iter().filter_map(|f| map.get_key_value(*f));
    let others = map.iter().filter(|(key, _)| !first.contains(&key.as_str()));
    let fields: Vec<String> = named
        .chain(others)
        .map(|(key, value)| format!("{}:{}", Value::from(key.as_str()), each(key, value)))
        .collect();
    format!("{{{}}}", fields.join(","))
}

/// Metadata as Kubernetes writes it; where a patch has changed them, their own fields are sorted.
pub(crate) fn quoted_metadata(metadata: &Value, sorted: bool) -> String {
    let list = |value: &Value, order: &[&str]| {
        let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
        let items: Vec<String> = items
            .iter()
            .map(|item| match item {
                Value::Object(map) => in_order(map, order, |_, v| v.to_string()),
                other => other.to_string(),
            })
            .collect();
        format!("[{}]", items.join(","))
    };
    let Some(map) = metadata.as_object() else {
        return metadata.to_string();
    };
    in_order(
        map,
        if sorted { &[] } else { &METADATA },
        |key, value| match key {
            "ownerReferences" => list(value, &OWNER),
            "managedFields" => list(value, &MANAGER),
            _ => value.to_string(),
        },
    )
}

/// An object of a built-in kind that a patch made, as messages quote it.
pub(crate) fn quoted(object: &Value, sorted: bool) -> String {
    match object {
        Value::Object(map) => in_order(map, &[], |key, value| match key {
            "metadata" => quoted_metadata(value, sorted),
            _ => value.to_string(),
        }),
        other => other.to_string(),
    }
}

/// The uid that an owner reference names.
pub(crate) fn uid_of_owner(owner: &Value) -> &str {
    text(owner, &["uid"])
}
