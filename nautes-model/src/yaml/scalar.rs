//! What a plain scalar stands for.

use std::borrow::Cow;

use super::Value;

/// Resolves a plain scalar by the core schema of YAML 1.2.
pub(super) fn resolve(text: Cow<'_, str>) -> Value {
    match &*text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    match number(&text) {
        Some(number) => Value::Number(number),
        None => Value::Text(text.into_owned()),
    }
}

fn number(text: &str) -> Option<serde_json::Number> {
    let first = *text.as_bytes().first()?;
    if !(first.is_ascii_digit() || matches!(first, b'+' | b'-' | b'.')) {
        return None;
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            let clean = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_alphanumeric());
            return clean
                .then(|| u64::from_str_radix(digits, radix).ok())
                .flatten()
                .map(Into::into);
        }
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned.bytes().all(|b| b.is_ascii_digit()) && !unsigned.is_empty() {
        let whole = text.strip_prefix('+').unwrap_or(text);
        if let Ok(n) = whole.parse::<i64>() {
            return Some(n.into());
        }
        if let Ok(n) = whole.parse::<u64>() {
            return Some(n.into());
        }
    }
    let float = unsigned.bytes().any(|b| b.is_ascii_digit())
        && unsigned
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'))
        && !unsigned.starts_with(['+', '-', 'e', 'E']);
    if !float {
        return None;
    }
    serde_json::Number::from_f64(text.parse().ok()?)
}
