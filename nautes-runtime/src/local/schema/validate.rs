//! Validation of a value against a schema, in Kubernetes' wording.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{ListKind, Node, Type, View, amounts, formats, times};
use crate::local::{quantity, status::Cause};

const DEPTH: usize = 200;
const LIMIT: usize = 200;

/// Everything that the schema forbids about this value.
pub(crate) fn validate(value: &Value, view: View<'_>) -> Vec<Cause> {
    let mut causes = Vec::new();
    check(value, view, "", 0, &mut causes);
    causes
}

fn check(value: &Value, view: View<'_>, path: &str, depth: usize, causes: &mut Vec<Cause>) {
    let Some(node) = view.get() else {
        return;
    };
    if depth > DEPTH || causes.len() > LIMIT {
        return;
    }
    if value.is_null() && (node.nullable || node.ty.is_none() && node.preserve_unknown) {
        return;
    }
    if !check_type(value, node, path, causes) {
        return;
    }
    check_enum(value, node, path, causes);
    match value {
        Value::String(text) => check_text(text, node, path, causes),
        Value::Number(number) => check_number(number.as_f64().unwrap_or(0.0), value, node, path, causes),
        Value::Array(list) => check_list(list, view, node, path, depth, causes),
        Value::Object(map) => check_map(map, view, node, path, depth, causes),
        Value::Null | Value::Bool(_) => {}
    }
    check_branches(value, view, node, path, depth, causes);
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn fits(value: &Value, ty: Type) -> bool {
    match ty {
        Type::Object => value.is_object(),
        Type::Array => value.is_array(),
        Type::String => value.is_string(),
        Type::Boolean => value.is_boolean(),
        Type::Number => value.is_number(),
        Type::Integer => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|f| f.fract() == 0.0),
    }
}

fn check_type(value: &Value, node: &Node, path: &str, causes: &mut Vec<Cause>) -> bool {
    let wanted = if node.int_or_string {
        if value.is_string() || fits(value, Type::Integer) || value.is_number() {
            return true;
        }
        "integer,string"
    } else {
        match node.ty {
            Some(ty) if !fits(value, ty) => ty.name(),
            _ => return true,
        }
    };
    let found = type_name(value);
    if wanted == "integer" && value.is_number() {
        causes.push(unchecked("integer (default format)", path));
    }
    let message = format!(
        "Invalid value: {found:?}: {}must be of type {wanted}: {found:?}",
        in_body(path)
    );
    causes.push(Cause::new("FieldValueTypeInvalid", shown(path), message));
    false
}

/// How the OpenAPI validator names a place: the root has no name.
fn in_body(path: &str) -> String {
    if path.is_empty() {
        " in body ".to_owned()
    } else {
        format!("{path} in body ")
    }
}

fn shown(path: &str) -> String {
    if path.is_empty() {
        "<nil>".to_owned()
    } else {
        path.to_owned()
    }
}

fn check_enum(value: &Value, node: &Node, path: &str, causes: &mut Vec<Cause>) {
    if !node.enumeration.is_empty() && !node.enumeration.contains(value) {
        let allowed: Vec<String> = node
            .enumeration
            .iter()
            .map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))
            .collect();
        causes.push(Cause::not_supported(shown(path), value, &allowed));
    }
}

fn check_text(text: &str, node: &Node, path: &str, causes: &mut Vec<Cause>) {
    let value = || Value::from(text);
    let chars = text.chars().count() as u64;
    // Length and pattern are one check: what fails first is said.
    if let Some(most) = node.lengths.1.filter(|m| chars > *m) {
        let message = format!("Too long: may not be more than {most} bytes");
        causes.push(Cause::new("FieldValueTooLong", shown(path), message));
    } else if let Some(least) = node.lengths.0.filter(|l| chars < *l) {
        let detail = format!("{}should be at least {least} chars long", in_body(path));
        causes.push(Cause::invalid(shown(path), &value(), detail));
    } else if let Some((source, Some(pattern))) = &node.pattern
        && !pattern.is_match(text)
    {
        let detail = format!("{}should match '{source}'", in_body(path));
        causes.push(Cause::invalid(shown(path), &value(), detail));
    }
    if let Some(format) = &node.format
        && node.ty == Some(Type::String)
        && !formats::matches(format, text)
    {
        let message = format!(
            "Invalid value: {text:?}: {}must be of type {format}: {text:?}",
            in_body(path)
        );
        causes.push(Cause::new("FieldValueTypeInvalid", shown(path), message));
    }
}

/// A value that the OpenAPI validator does not get to check.
fn unchecked(wanted: &str, path: &str) -> Cause {
    let message = format!("Invalid value: \"\": Checked value must be of type {wanted} in {path}");
    Cause::new("FieldValueInvalid", "<nil>", message)
}

fn check_number(number: f64, value: &Value, node: &Node, path: &str, causes: &mut Vec<Cause>) {
    let mut bad = |detail: String| {
        causes.push(Cause::invalid(
            shown(path),
            value,
            format!("{}{detail}", in_body(path)),
        ));
    };
    match node.minimum {
        Some((least, true)) if number <= least => bad(format!("should be greater than {least}")),
        Some((least, false)) if number < least => bad(format!("should be greater than or equal to {least}")),
        _ => {}
    }
    match node.maximum {
        Some((most, true)) if number >= most => bad(format!("should be less than {most}")),
        Some((most, false)) if number > most => bad(format!("should be less than or equal to {most}")),
        _ => {}
    }
    if let Some(step) = node
        .multiple_of
        .filter(|s| *s > 0.0 && (number / s).fract() != 0.0)
    {
        bad(format!("should be a multiple of {step}"));
    }
    match node.format.as_deref() {
        Some("int32") if number > f64::from(i32::MAX) || number < f64::from(i32::MIN) => {
            causes.push(unchecked("integer with format int32", path));
        }
        _ => {}
    }
}

fn check_list(
    list: &[Value],
    view: View<'_>,
    node: &Node,
    path: &str,
    depth: usize,
    causes: &mut Vec<Cause>,
) {
    let count = list.len() as u64;
    if let Some(least) = node.items_count.0.filter(|l| count < *l) {
        let detail = format!("{}should have at least {least} items", in_body(path));
        causes.push(Cause::invalid(shown(path), &Value::from(count), detail));
    }
    if let Some(most) = node.items_count.1.filter(|m| count > *m) {
        causes.push(too_many(count, most, path));
    }
    for (index, item) in list.iter().enumerate() {
        check(item, view.items(), &format!("{path}[{index}]"), depth + 1, causes);
    }
    let mut seen = BTreeSet::new();
    for (index, item) in list.iter().enumerate() {
        let key = match &node.list {
            ListKind::Map(keys) => {
                let Some(map) = item.as_object() else {
                    continue;
                };
                let key: serde_json::Map<String, Value> = keys
                    .iter()
                    .filter_map(|k| Some((k.clone(), map.get(k).cloned().or_else(|| key_default(view, k))?)))
                    .collect();
                Value::Object(key)
            }
            ListKind::Set => item.clone(),
            ListKind::Atomic if node.unique_items => item.clone(),
            ListKind::Atomic => continue,
        };
        if !seen.insert(key.to_string()) {
            causes.push(Cause::duplicate(format!("{path}[{index}]"), &key));
        }
    }
}

fn too_many(count: u64, most: u64, path: &str) -> Cause {
    let items = if most == 1 { "item" } else { "items" };
    let message = format!("Too many: {count}: must have at most {most} {items}");
    Cause::new("FieldValueTooMany", shown(path), message)
}

fn key_default(view: View<'_>, key: &str) -> Option<Value> {
    view.items().field(key).get()?.default.clone()
}

fn check_map(
    map: &serde_json::Map<String, Value>,
    view: View<'_>,
    node: &Node,
    path: &str,
    depth: usize,
    causes: &mut Vec<Cause>,
) {
    let count = map.len() as u64;
    if let Some(least) = node.properties_count.0.filter(|l| count < *l) {
        let detail = format!("{}should have at least {least} properties", in_body(path));
        causes.push(Cause::invalid(shown(path), &Value::from(count), detail));
    }
    if let Some(most) = node.properties_count.1.filter(|m| count > *m) {
        causes.push(too_many(count, most, path));
    }
    for field in node.required.iter().filter(|f| !map.contains_key(*f)) {
        causes.push(Cause::required(join(path, field), ""));
    }
    if node.embedded {
        for field in ["apiVersion", "kind"] {
            if map
                .get(field)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .is_empty()
            {
                causes.push(Cause::required(join(path, field), ""));
            }
        }
    }
    for (key, value) in map {
        let child = view.field(key);
        let at = match node.properties.contains_key(key) {
            true => join(path, key),
            false if node.additional.is_some() => {
                if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                }
            }
            false => continue,
        };
        if !(path.is_empty() && key == "metadata") {
            check(value, child, &at, depth + 1, causes);
        }
    }
}

fn check_branches(
    value: &Value,
    view: View<'_>,
    node: &Node,
    path: &str,
    depth: usize,
    causes: &mut Vec<Cause>,
) {
    let passes = |branch: &usize| {
        let mut found = Vec::new();
        check(value, view.node(*branch), path, depth + 1, &mut found);
        found
    };
    let bad = |detail: &str| {
        let message = format!("Invalid value: \"\": {path:?} must {detail}");
        Cause::new("FieldValueInvalid", "<nil>", message)
    };
    // Where no branch fits, what is wrong with the first is told too.
    let first = |branches: &[usize]| branches.first().map(passes).unwrap_or_default();
    if !node.any_of.is_empty() && !node.any_of.iter().any(|b| passes(b).is_empty()) {
        causes.push(bad("validate at least one schema (anyOf)"));
        causes.extend(first(&node.any_of));
    }
    match node.one_of.iter().filter(|b| passes(b).is_empty()).count() {
        _ if node.one_of.is_empty() => {}
        0 => {
            causes.push(bad("validate one and only one schema (oneOf). Found none valid"));
            causes.extend(first(&node.one_of));
        }
        1 => {}
        _ => causes.push(bad(
            "validate one and only one schema (oneOf). Found 2 valid alternatives",
        )),
    }
    if let Some(not) = &node.not
        && passes(not).is_empty()
    {
        causes.push(bad("not validate the schema (not)"));
    }
    for branch in &node.all_of {
        causes.extend(passes(branch));
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// The first place where a value does not have the type that a built-in kind needs, as the decoder of the
/// API server words it.
pub(crate) fn decode_error(value: &Value, view: View<'_>, kind: &str) -> Option<String> {
    misfit(value, view, kind, "", 0)
}

/// The type of a place as Go names it.
fn go_name(view: View<'_>) -> String {
    let Some(node) = view.get() else {
        return "interface {}".to_owned();
    };
    if let Some(name) = node.name.as_ref().filter(|_| !node.properties.is_empty()) {
        return name.clone();
    }
    match node.ty {
        Some(Type::Object) if node.additional.is_some() => {
            let inner = node.additional.map(|a| go_name(view.node(a)));
            format!("map[string]{}", inner.unwrap_or_default())
        }
        Some(Type::Object) | None => "map[string]interface {}".to_owned(),
        Some(Type::Array) => format!("[]{}", go_name(view.items())),
        Some(Type::String) if node.format.as_deref() == Some("byte") => "[]uint8".to_owned(),
        Some(Type::String) => "string".to_owned(),
        Some(Type::Integer) => node.format.clone().unwrap_or_else(|| "int32".to_owned()),
        Some(Type::Number) => "float64".to_owned(),
        Some(Type::Boolean) => "bool".to_owned(),
    }
}

fn misfit(value: &Value, view: View<'_>, owner: &str, path: &str, depth: usize) -> Option<String> {
    let node = view.get().filter(|_| !value.is_null() && depth <= DEPTH)?;
    let unfit = |wanted: &str| {
        let found = match value {
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            other => type_name(other),
        };
        Some(format!(
            "json: cannot unmarshal {found} into Go struct field {owner}{path} of type {wanted}"
        ))
    };
    if node.int_or_string {
        return if value.is_string() || value.is_number() {
            amounts::is_amount(node).then(|| quantity::error(value)).flatten()
        } else {
            unfit("intstr.IntOrString")
        };
    }
    if node.ty.is_some_and(|ty| !fits(value, ty)) {
        return unfit(&go_name(view));
    }
    let structure = node.name.as_deref().filter(|_| !node.properties.is_empty());
    let owner = structure.and_then(|n| n.split('.').nth(1)).unwrap_or(owner);
    match value {
        // Paths are those of structures: the keys of a map are not part of them.
        Value::Object(map) => map.iter().find_map(|(key, child)| {
            let below = match node.properties.contains_key(key) {
                true => format!("{path}.{key}"),
                false => path.to_owned(),
            };
            misfit(child, view.field(key), owner, &below, depth + 1)
        }),
        Value::Array(list) => list
            .iter()
            .find_map(|item| misfit(item, view.items(), owner, path, depth + 1)),
        Value::String(text) if node.format.as_deref() == Some("byte") => {
            let at = formats::corrupt_base64(text)?;
            Some(format!("illegal base64 data at input byte {at}"))
        }
        Value::String(text) => times::error(text, times::layout(node)?),
        _ => None,
    }
}
