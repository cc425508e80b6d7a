//! In which fields two versions of an object differ. Pure.
//!
//! # Guarantees
//! * No value that may be a secret is told: none of a Secret, none whose path or neighbour speaks of one, none that looks
//!   like one. That such a field differs is told.
//! * The answer is bounded: so many fields, and so much of each value.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How many fields of one object are told.
pub const MAX_FIELDS: usize = 20;
/// How much of a text is told, in characters.
pub const MAX_TEXT: usize = 200;

/// A field of an object that is not as the wanted commit declares it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldDrift {
    /// The field, from the top of the object: `spec.template.spec.containers[name=web].image`. Items of lists are named by
    /// their names where all have one, else by their places, from 0.
    pub path: String,
    /// What it shall be; absent where it shall not be there, or is hidden. Long texts are cut off, with `…` at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<Value>,
    /// What it is; absent where it is not there, or is hidden. Long texts are cut off, with `…` at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actual: Option<Value>,
    /// Whether the values are hidden, because they may be secret.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
}

/// Words of what is secret, without the signs between their parts.
const SECRET_WORDS: [&str; 16] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "credential",
    "apikey",
    "accesskey",
    "privatekey",
    "kubeconfig",
    "dockercfg",
    "dockerconfig",
    "authorization",
    "bearer",
    // The whole object in an annotation of kubectl.
    "lastappliedconfiguration",
];

/// Returns the fields in which an object differs from what is wanted, and how many more there are.
pub(crate) fn differences(is_secret: bool, actual: &Value, wanted: &Value) -> (Vec<FieldDrift>, usize) {
    let mut walk = Walk::default();
    let path = Path {
        text: String::new(),
        secret: false,
    };
    walk.both(&path, is_secret, actual, wanted);
    (walk.fields, walk.more)
}

#[derive(Clone)]
struct Path {
    text: String,
    /// Whether it speaks of a secret.
    secret: bool,
}

impl Path {
    fn field(&self, name: &str) -> Self {
        let plain = !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        let text = match (plain, self.text.as_str()) {
            (true, "") => name.to_owned(),
            (true, above) => format!("{above}.{name}"),
            (false, above) => format!("{above}[{:?}]", clipped(name)),
        };
        self.below(text, name)
    }

    fn item(&self, name: &str) -> Self {
        self.below(format!("{}[{}]", self.text, clipped(name)), name)
    }

    fn below(&self, text: String, name: &str) -> Self {
        Self {
            text,
            secret: self.secret || speaks_of_secrets(name),
        }
    }
}

#[derive(Default)]
struct Walk {
    fields: Vec<FieldDrift>,
    more: usize,
}

impl Walk {
    fn both(&mut self, path: &Path, all_secret: bool, actual: &Value, wanted: &Value) {
        match (actual, wanted) {
            _ if actual == wanted => {}
            (Value::Object(a), Value::Object(w)) => self.maps(path, all_secret, a, w),
            (Value::Array(a), Value::Array(w)) => self.lists(path, all_secret, a, w),
            _ => self.leaf(path, all_secret, Some(actual), Some(wanted)),
        }
    }

    fn maps(
        &mut self,
        path: &Path,
        all_secret: bool,
        actual: &Map<String, Value>,
        wanted: &Map<String, Value>,
    ) {
        let names: BTreeSet<&String> = actual.keys().chain(wanted.keys()).collect();
        // `{name: DB_PASSWORD, value: ..}`
        let named = [actual, wanted]
            .iter()
            .flat_map(|map| [map.get("name"), map.get("key")])
            .flatten()
            .filter_map(Value::as_str)
            .any(speaks_of_secrets);
        for name in names {
            let mut below = path.field(name);
            below.secret |= named;
            self.maybe(&below, all_secret, actual.get(name), wanted.get(name));
        }
    }

    fn lists(&mut self, path: &Path, all_secret: bool, actual: &[Value], wanted: &[Value]) {
        if let (Some(a), Some(w)) = (by_name(actual), by_name(wanted)) {
            let names: BTreeSet<&str> = a.iter().chain(&w).map(|(name, _)| *name).collect();
            let find = |all: &[(&str, &'_ Value)], name: &str| -> Option<Value> {
                all.iter()
                    .find(|(of, _)| *of == name)
                    .map(|(_, item)| (*item).clone())
            };
            for name in names {
                let below = path.item(&format!("name={name}"));
                self.maybe(
                    &below,
                    all_secret,
                    find(&a, name).as_ref(),
                    find(&w, name).as_ref(),
                );
            }
            return;
        }
        for index in 0..actual.len().max(wanted.len()) {
            let below = path.item(&index.to_string());
            self.maybe(&below, all_secret, actual.get(index), wanted.get(index));
        }
    }

    fn maybe(&mut self, path: &Path, all_secret: bool, actual: Option<&Value>, wanted: Option<&Value>) {
        let nothing = |value: &Value| match value {
            Value::Object(_) => Some(Value::Object(Map::new())),
            Value::Array(_) => Some(Value::Array(Vec::new())),
            _ => None,
        };
        match (actual, wanted) {
            (Some(a), Some(w)) => self.both(path, all_secret, a, w),
            (None, None) => {}
            // What is all new or all gone is told leaf by leaf.
            (None, Some(one)) | (Some(one), None) => match nothing(one).filter(|empty| empty != one) {
                Some(empty) if actual.is_none() => self.both(path, all_secret, &empty, one),
                Some(empty) => self.both(path, all_secret, one, &empty),
                None => self.leaf(path, all_secret, actual, wanted),
            },
        }
    }

    fn leaf(&mut self, path: &Path, all_secret: bool, actual: Option<&Value>, wanted: Option<&Value>) {
        if self.fields.len() >= MAX_FIELDS {
            self.more += 1;
            return;
        }
        let is_of_object =
            ["apiVersion", "kind", "metadata.name", "metadata.namespace"].contains(&path.text.as_str());
        let hidden = !is_of_object
            && (all_secret
                || [actual, wanted]
                    .into_iter()
                    .flatten()
                    .any(|value| is_hidden(path, value)));
        let shown = |value: Option<&Value>| value.filter(|_| !hidden).map(short);
        self.fields.push(FieldDrift {
            path: path.text.clone(),
            wanted: shown(wanted),
            actual: shown(actual),
            hidden,
        });
    }
}

/// The items by their names, where each has one of its own.
fn by_name(items: &[Value]) -> Option<Vec<(&str, &Value)>> {
    let named: Option<Vec<(&str, &Value)>> = items
        .iter()
        .map(|item| Some((item.get("name")?.as_str()?, item)))
        .collect();
    let named = named?;
    let names: BTreeSet<&str> = named.iter().map(|(name, _)| *name).collect();
    (names.len() == items.len()).then_some(named)
}

fn is_hidden(path: &Path, value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) => false,
        Value::Number(_) => path.secret,
        Value::String(text) => path.secret || looks_secret(text),
        // Different forms stand against each other.
        Value::Array(_) | Value::Object(_) => path.secret || looks_secret(&value.to_string()),
    }
}

fn speaks_of_secrets(name: &str) -> bool {
    let plain: String = name
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect();
    SECRET_WORDS.iter().any(|word| plain.contains(word))
}

/// Whether a text may be a secret, or have one in it: a key, an address with a password, a setting with the name of
/// something secret, or letters without a sense.
fn looks_secret(text: &str) -> bool {
    if text.contains("-----BEGIN") {
        return true;
    }
    let has_user = |word: &str| {
        word.split_once("://")
            .is_some_and(|(_, rest)| rest.split('/').next().unwrap_or_default().contains('@'))
    };
    text.lines().any(|line| {
        let set = line.find(['=', ':']).is_some_and(|_| speaks_of_secrets(line));
        set || line
            .split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ','))
            .any(|word| has_user(word) || is_senseless(word))
    })
}

/// At least twenty letters of both cases and digits in one word, as in tokens.
fn is_senseless(word: &str) -> bool {
    word.split(['/', ':', '.', '=']).any(|part| {
        part.len() >= 20
            && part.bytes().any(|b| b.is_ascii_lowercase())
            && part.bytes().any(|b| b.is_ascii_uppercase())
            && part.bytes().any(|b| b.is_ascii_digit())
    })
}

fn clipped(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A value, or so much of it.
fn short(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(clipped(text)),
        Value::Array(_) | Value::Object(_) => Value::String(clipped(&value.to_string())),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines(actual: &Value, wanted: &Value) -> Vec<String> {
        let (fields, more) = differences(false, actual, wanted);
        assert_eq!(more, 0);
        let text = |value: &Option<Value>| value.as_ref().map_or_else(|| "-".to_owned(), Value::to_string);
        fields
            .iter()
            .map(|field| match field.hidden {
                true => format!("{} hidden", field.path),
                false => format!("{} {} {}", field.path, text(&field.actual), text(&field.wanted)),
            })
            .collect()
    }

    #[test]
    fn fields_are_named_and_items_by_their_names() {
        let container = |name: &str, image: &str| json!({ "name": name, "image": image });
        let actual = json!({
            "metadata": { "labels": { "app.kubernetes.io/name": "web", "gone": "x" } },
            "spec": {
                "replicas": 1, "paused": true,
                "containers": [container("side", "s:1"), container("web", "w:1")],
                "args": ["a", "b"],
            },
        });
        let wanted = json!({
            "metadata": { "labels": { "app.kubernetes.io/name": "shop" } },
            "spec": {
                "replicas": 3, "paused": true,
                "containers": [container("web", "w:2"), container("side", "s:1"), container("new", "n:1")],
                "args": ["a", "c", "d"],
            },
        });
        assert_eq!(
            lines(&actual, &wanted),
            [
                "metadata.labels[\"app.kubernetes.io/name\"] \"web\" \"shop\"",
                "metadata.labels.gone \"x\" -",
                "spec.args[1] \"b\" \"c\"",
                "spec.args[2] - \"d\"",
                "spec.containers[name=new].image - \"n:1\"",
                "spec.containers[name=new].name - \"new\"",
                "spec.containers[name=web].image \"w:1\" \"w:2\"",
                "spec.replicas 1 3",
            ]
        );
        assert!(lines(&wanted, &wanted).is_empty());
    }

    #[test]
    fn what_may_be_secret_is_never_told() {
        let env = |value: &str| json!([{ "name": "DB_PASSWORD", "value": value }, { "value": value, "key": "api-token" }]);
        let all = |text: &str| {
            json!({
                "data": {
                    "password": text, "apiKey": text,
                    "app.properties": format!("user=a\ndb.password={text}"),
                    "url": format!("https://u:{text}@db.example.org/x"),
                    "pem": format!("-----BEGIN PRIVATE KEY-----\n{text}"),
                    "plain": "glpat-9aXk2LmQwE7rTyUiOpZx".replace('9', &text.len().to_string()),
                },
                "env": env(text),
                "metadata": { "annotations": { "kubectl.kubernetes.io/last-applied-configuration": text } },
            })
        };
        let (actual, wanted) = (all("canary-1"), all("canary-two"));
        let (fields, _) = differences(false, &actual, &wanted);
        assert_eq!(fields.len(), 9, "{fields:#?}");
        assert!(fields.iter().all(|field| field.hidden), "{fields:#?}");
        let text = serde_json::to_string(&fields).unwrap();
        assert!(!text.contains("canary") && !text.contains("glpat"), "{text}");

        let secret = |text: &str| json!({ "data": { "a": text }, "metadata": { "labels": { "b": text } } });
        let (fields, _) = differences(true, &secret("canary-1"), &secret("canary-2"));
        let paths: Vec<&str> = fields.iter().map(|field| field.path.as_str()).collect();
        assert_eq!(paths, ["data.a", "metadata.labels.b"], "that it differs is told");
        assert!(!serde_json::to_string(&fields).unwrap().contains("canary"));
    }

    #[test]
    fn the_answer_is_bounded() {
        let map = |text: &str| -> Value {
            let all = (0..100).map(|i| (format!("k{i}"), Value::from(text.repeat(1000))));
            all.collect::<Map<String, Value>>().into()
        };
        let (fields, more) = differences(false, &map("a"), &map("ß"));
        assert_eq!((fields.len(), more), (MAX_FIELDS, 100 - MAX_FIELDS));
        let longest = serde_json::to_string(&fields[0]).unwrap();
        assert!(longest.chars().count() < 3 * MAX_TEXT, "{longest}");
    }
}
