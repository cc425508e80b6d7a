//! What a server said, without what differs from run to run.
#![expect(
    clippy::unwrap_used,
    reason = "the expressions are constants, and a test reads them all"
)]

use std::{collections::BTreeMap, fmt::Write as _, sync::LazyLock};

use regex::{Captures, Regex};
use serde_json::{Map, Value};

use super::{case::Step, play::Answer};

pub(crate) struct Transcript {
    text: String,
    /// The names of what is unique.
    unique: Vec<(String, String)>,
    known: BTreeMap<String, String>,
    /// The names that the case gave to identities and revisions.
    named: BTreeMap<String, String>,
}

static TIME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z").unwrap());
static UID: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").unwrap());
static ADDRESS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^10\.\d+\.\d+\.\d+$").unwrap());
static REVISION: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"((?:ResourceVersion in [a-z ]+|requested RV|Version is|current): |ResourceVersion in record \(|resourceVersion\\*":\\*")(\d+)"#,
    )
    .unwrap()
});
/// Where the source of the server registers its kinds: that depends on how it was built.
static SCHEME: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#"in scheme "[^"]+""#).unwrap());
static AGE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^(\d+[smhd])+$").unwrap());
static TOKEN: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_.-]+$").unwrap());

impl Transcript {
    pub(crate) fn new(values: &BTreeMap<String, String>) -> Self {
        let mut unique: Vec<_> = values
            .iter()
            .map(|(name, value)| (value.clone(), format!("${name}")))
            .collect();
        unique.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        Self {
            text: String::new(),
            unique,
            known: BTreeMap::new(),
            named: BTreeMap::new(),
        }
    }

    /// Adds an answer. What is in `named` is told by its name there: the transcript shows that it is still the same.
    pub(crate) fn add(&mut self, step: &Step, answer: &Answer, named: &BTreeMap<String, String>) {
        self.named.clone_from(named);
        let _ = writeln!(self.text, "== {}", step.call);
        if let Some(user) = &step.user {
            let _ = writeln!(self.text, "as {user}");
        }
        let _ = writeln!(self.text, "{}", answer.code);
        for warning in &answer.warnings {
            let warning = self.plain(warning);
            let _ = writeln!(self.text, "warning: {warning}");
        }
        let body = sorted_causes(self.value("", &answer.body));
        let body = if step.show.is_empty() {
            body
        } else {
            step.show
                .iter()
                .map(|p| (p.clone(), body.pointer(p).cloned().unwrap_or_default()))
                .collect::<Map<_, _>>()
                .into()
        };
        let yaml = serde_yaml::to_string(&body).unwrap_or_default();
        for line in yaml.lines().filter(|l| !l.is_empty()) {
            let _ = writeln!(self.text, "{line}");
        }
        self.text.push('\n');
    }

    pub(crate) fn end(self) -> String {
        self.text
    }

    /// The name of something, the same for the same thing.
    fn name(&mut self, kind: &str, value: &str) -> String {
        if let Some(name) = self.named.get(value) {
            return name.clone();
        }
        let count = self.known.values().filter(|n| n.starts_with(kind)).count();
        let fresh = || format!("{kind}{}", count + 1);
        self.known
            .entry(format!("{kind} {value}"))
            .or_insert_with(fresh)
            .clone()
    }

    fn plain(&mut self, text: &str) -> String {
        let mut text = text.to_owned();
        for (value, name) in &self.unique {
            text = text.replace(value, name);
        }
        if ADDRESS.is_match(&text) {
            return "<address>".to_owned();
        }
        if TOKEN.is_match(&text) {
            return "<token>".to_owned();
        }
        let text = TIME.replace_all(&text, "<time>").into_owned();
        let text = SCHEME.replace_all(&text, "in scheme <scheme>").into_owned();
        let text = REVISION
            .replace_all(&text, |c: &Captures<'_>| {
                format!("{}{}", &c[1], self.name("rv", &c[2]))
            })
            .into_owned();
        UID.replace_all(&text, |c: &Captures<'_>| self.name("uid", &c[0]))
            .into_owned()
    }

    fn value(&mut self, key: &str, value: &Value) -> Value {
        match value {
            Value::String(text) => self.text_of(key, text).into(),
            Value::Array(items) => items.iter().map(|item| self.value(key, item)).collect(),
            Value::Object(fields) => self.fields(fields),
            other => other.clone(),
        }
    }

    fn text_of(&mut self, key: &str, text: &str) -> String {
        match key {
            "resourceVersion" if text == NOW => NOW.to_owned(),
            "resourceVersion" if !text.is_empty() => self.name("rv", text),
            "continue" => "<continue>".to_owned(),
            "cells" if AGE.is_match(text) => "<age>".to_owned(),
            _ => self.plain(text),
        }
    }

    fn fields(&mut self, fields: &Map<String, Value>) -> Value {
        let generated = fields
            .get("generateName")
            .and_then(Value::as_str)
            .map(str::to_owned);
        let kind = fields.get("kind").and_then(Value::as_str).unwrap_or_default();
        let collection = kind.ends_with("List") || kind == "Table";
        let mut sorted: Vec<_> = fields.iter().collect();
        sorted.sort_by_key(|(key, _)| key.as_str());
        let mut map = Map::new();
        for (key, field) in sorted {
            let mut said = match (key.as_str(), collection) {
                ("metadata", true) => self.value(key, &without_revision(field)),
                ("managedFields", _) => self.value(key, &sorted_managers(field)),
                _ => self.value(key, field),
            };
            if key == "fieldsV1" {
                said = said.to_string().into();
            }
            if let (Some(prefix), "name", Some(name)) = (&generated, key.as_str(), field.as_str()) {
                let kept = prefix.get(..LONGEST_PREFIX).unwrap_or(prefix);
                if let Some(letters) = name.strip_prefix(kept) {
                    said = format!("{}<{} letters>", self.plain(kept), letters.len()).into();
                }
            }
            map.insert(self.plain(key), said);
        }
        map.into()
    }
}

/// How much of the beginning of a name is kept when a name is generated.
const LONGEST_PREFIX: usize = 58;

/// The revision of a collection, which others move as well.
const NOW: &str = "<now>";

fn without_revision(metadata: &Value) -> Value {
    let mut metadata = metadata.clone();
    if let Some(revision) = metadata.get_mut("resourceVersion") {
        *revision = NOW.into();
    }
    metadata
}

/// Puts the managers of an object in order: theirs is that of the seconds in which they wrote.
fn sorted_managers(entries: &Value) -> Value {
    let mut entries = entries.clone();
    if let Some(entries) = entries.as_array_mut() {
        entries.sort_by_key(|entry| {
            ["operation", "manager", "subresource", "apiVersion"].map(|key| entry[key].to_string())
        });
    }
    entries
}

/// Puts the causes of a refusal in order: kube-apiserver finds some of them in no order.
fn sorted_causes(mut status: Value) -> Value {
    let Some(causes) = status
        .pointer_mut("/details/causes")
        .and_then(Value::as_array_mut)
    else {
        return status;
    };
    causes.sort_by_key(|c| format!("{}: {}", c["field"].as_str().unwrap_or_default(), c["message"]));
    let mut lines: Vec<String> = causes
        .iter()
        .map(|c| {
            let text = |key: &str| c[key].as_str().unwrap_or_default().to_owned();
            format!("{}: {}", text("field"), text("message"))
        })
        .collect();
    lines.dedup();
    let message = status["message"].as_str().unwrap_or_default();
    if let Some((head, _)) = message.split_once(" is invalid: [") {
        let whole = format!("{head} is invalid: [{}]", lines.join(", "));
        if whole.len() == message.len() {
            status["message"] = whole.into();
        }
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_run_to_run_has_names() {
        let said =
            |text: &str| Transcript::new(&BTreeMap::from([("NS".to_owned(), "ns-1".to_owned())])).plain(text);
        for (text, expect) in [
            ("in ns-1 at 2026-01-01T00:00:00Z", "in $NS at <time>"),
            ("11111111-1111-1111-1111-111111111111", "uid1"),
            ("10.0.0.7", "<address>"),
            ("eyJh.eyJi.c", "<token>"),
            ("in scheme \"pkg/x.go:1\"", "in scheme <scheme>"),
            ("requested RV: 17", "requested RV: rv1"),
        ] {
            assert_eq!(said(text), expect);
        }
        assert!(AGE.is_match("3d4h"));
    }
}
