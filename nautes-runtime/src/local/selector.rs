//! Label and field selectors.

use serde_json::Value;

use super::{
    json,
    kinds::{ResourceType, Version},
    status::Status,
};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Missing,
    Above(i64),
    Below(i64),
}

/// What a list or watch is narrowed to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selector {
    labels: Vec<(String, Test)>,
    fields: Vec<(String, String, bool)>,
}

impl Selector {
    /// Reads both selectors of a request.
    ///
    /// # Errors
    /// Bad request where one cannot be read, or names a field that the kind does not support.
    pub(crate) fn parse(
        labels: &str,
        fields: &str,
        kind: &ResourceType,
        version: &Version,
    ) -> Result<Self, Status> {
        let labels = parse_labels(labels)
            .map_err(|what| Status::bad_request(format!("unable to parse requirement: {what}")))?;
        let fields = parse_fields(fields)?;
        for (field, ..) in &fields {
            let known = ["metadata.name", "metadata.namespace"].contains(&field.as_str())
                || builtin_fields(kind).contains(&field.as_str())
                || version.selectable.iter().any(|s| s == field);
            if !known {
                let message = if builtin_fields(kind).is_empty() && !kind.custom {
                    format!(
                        "{field:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
                    )
                } else {
                    format!("field label not supported: {field}")
                };
                return Err(Status::bad_request(message));
            }
        }
        Ok(Self { labels, fields })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// The one name that can match, where the selector pins it.
    pub(crate) fn only_name(&self) -> Option<&str> {
        self.fields
            .iter()
            .find(|(f, _, eq)| f == "metadata.name" && *eq)
            .map(|(_, v, _)| v.as_str())
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        let number = |value: Option<&str>| value.and_then(|v| v.parse::<i64>().ok());
        let labels = json::at(object, &["metadata", "labels"]);
        self.labels.iter().all(|(key, test)| {
            let value = labels.and_then(|l| l.get(key)).and_then(Value::as_str);
            match test {
                Test::In(values) => value.is_some_and(|v| values.iter().any(|x| x == v)),
                Test::NotIn(values) => !value.is_some_and(|v| values.iter().any(|x| x == v)),
                Test::Exists => value.is_some(),
                Test::Missing => value.is_none(),
                Test::Above(least) => number(value).is_some_and(|n| n > *least),
                Test::Below(most) => number(value).is_some_and(|n| n < *most),
            }
        }) && self.fields.iter().all(|(field, wanted, equal)| {
            let path: Vec<&str> = field.split('.').collect();
            let found = match json::at(object, &path) {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Bool(_) | Value::Number(_)) => json::at(object, &path)
                    .map(ToString::to_string)
                    .unwrap_or_default(),
                _ => default_of(field).to_owned(),
            };
            (found == *wanted) == *equal
        })
    }
}

fn default_of(field: &str) -> &'static str {
    if field == "spec.unschedulable" {
        "false"
    } else {
        ""
    }
}

fn builtin_fields(kind: &ResourceType) -> &'static [&'static str] {
    match (kind.group.as_str(), kind.plural.as_str()) {
        ("", "pods") => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        ("", "namespaces") => &["status.phase"],
        ("", "secrets") => &["type"],
        ("", "services") => &["spec.clusterIP", "spec.type"],
        ("", "events") => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        ("events.k8s.io", "events") => &[
            "regarding.kind",
            "regarding.namespace",
            "regarding.name",
            "regarding.uid",
            "reason",
            "reportingController",
            "type",
        ],
        ("batch", "jobs") => &["status.successful"],
        _ => &[],
    }
}

fn parse_fields(text: &str) -> Result<Vec<(String, String, bool)>, Status> {
    text.split(',')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (field, value, equal) = if let Some((f, v)) = part.split_once("!=") {
                (f, v, false)
            } else if let Some((f, v)) = part.split_once("==").or_else(|| part.split_once('=')) {
                (f, v, true)
            } else {
                let message = format!("invalid selector: '{part}'; can't understand '{part}'");
                return Err(Status::bad_request(message));
            };
            Ok((field.trim().to_owned(), value.trim().to_owned(), equal))
        })
        .collect()
}

fn parse_labels(text: &str) -> Result<Vec<(String, Test)>, String> {
    split_top(text)
        .into_iter()
        .map(|part| requirement(part.trim()))
        .collect()
}

/// Splits at commas outside parentheses.
fn split_top(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_i32, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.retain(|p| !p.trim().is_empty());
    parts
}

fn requirement(text: &str) -> Result<(String, Test), String> {
    if let Some(rest) = text.strip_prefix('!') {
        return Ok((key(rest)?, Test::Missing));
    }
    if let Some(open) = text.find('(') {
        let inside = text[open + 1..]
            .strip_suffix(')')
            .ok_or_else(|| format!("found '{text}', expected: ')'"))?;
        let values = inside
            .split(',')
            .enumerate()
            .map(|(index, v)| value(index, text[..open].split_whitespace().next(), v))
            .collect::<Result<Vec<_>, _>>()?;
        let words: Vec<&str> = text[..open].split_whitespace().collect();
        return match words.as_slice() {
            [name, "in"] => Ok((key(name)?, Test::In(values))),
            [name, "notin"] => Ok((key(name)?, Test::NotIn(values))),
            _ => Err(format!("found '{text}', expected: in, notin")),
        };
    }
    if let Some((name, v)) = text.split_once("!=") {
        return Ok((key(name)?, Test::NotIn(vec![value(0, Some(name), v)?])));
    }
    if let Some((name, v)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Ok((key(name)?, Test::In(vec![value(0, Some(name), v)?])));
    }
    if let Some((name, v)) = text.split_once('>') {
        return Ok((key(name)?, Test::Above(bound(v)?)));
    }
    if let Some((name, v)) = text.split_once('<') {
        return Ok((key(name)?, Test::Below(bound(v)?)));
    }
    if let [_, second, ..] = text.split_whitespace().collect::<Vec<_>>().as_slice() {
        return Err(format!(
            "found '{second}', expected: in, notin, =, ==, !=, gt, lt"
        ));
    }
    Ok((key(text)?, Test::Exists))
}

/// The number beside `<` or `>`.
fn bound(text: &str) -> Result<i64, String> {
    let text = text.trim();
    text.parse().map_err(|_| {
        format!("values[0]: Invalid value: {text:?}: for 'Gt', 'Lt' operators, the value must be an integer")
    })
}

fn key(text: &str) -> Result<String, String> {
    let text = text.trim();
    match super::names::label_key(text) {
        None => Ok(text.to_owned()),
        Some(why) => Err(format!("<nil>: Invalid value: {text:?}: {why}")),
    }
}

fn value(index: usize, key: Option<&str>, text: &str) -> Result<String, String> {
    let (text, key) = (text.trim(), key.unwrap_or_default().trim());
    match super::names::label_value(text) {
        None => Ok(text.to_owned()),
        Some(why) => Err(format!("values[{index}][{key}]: Invalid value: {text:?}: {why}")),
    }
}
