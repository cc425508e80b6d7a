//! YAML as the API server reads it: the words and numbers of YAML 1.1, keys that stand twice, merge keys.

use std::collections::HashMap;

use base64::Engine as _;
use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use serde_json::{Map, Value};

/// How deep a document may be nested.
const DEPTH: usize = 250;

/// How many values the aliases of a document may repeat, so that a small text does not become a large object.
const REPEATED: usize = 200_000;

const YES: [&str; 11] = [
    "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON",
];
const NO: [&str; 11] = [
    "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF",
];

/// A document that was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Document {
    pub(crate) value: Value,
    /// Keys that stand twice in their map, with their lines: the last is taken.
    pub(crate) twice: Vec<String>,
}

/// A list or map that is not complete.
struct Open {
    place: Place,
    anchor: usize,
}

enum Place {
    List(Vec<Value>),
    Map {
        map: Map<String, Value>,
        /// What merge keys bring, which never counts more than what the map says itself.
        merged: Map<String, Value>,
        key: Option<Key>,
    },
}

enum Key {
    Merge,
    Name(String),
}

#[derive(Default)]
struct Reader {
    open: Vec<Open>,
    anchors: HashMap<usize, Value>,
    repeated: usize,
    document: Document,
}

/// Reads the first document of a text.
///
/// # Errors
/// What is wrong with it, in one line.
pub(crate) fn read(text: &str) -> Result<Document, String> {
    let mut reader = Reader::default();
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|e| format!("yaml: line {}: {}", e.marker().line(), e.info()))?;
        let line = span.start.line();
        match event {
            Event::DocumentEnd => break,
            Event::SequenceStart(anchor, _) => reader.begin(Place::List(Vec::new()), anchor)?,
            Event::MappingStart(anchor, _) => {
                let place = Place::Map {
                    map: Map::new(),
                    merged: Map::new(),
                    key: None,
                };
                reader.begin(place, anchor)?;
            }
            Event::SequenceEnd | Event::MappingEnd => reader.end(line)?,
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                if plain && tag.is_none() && text == "<<" && reader.wants_key() {
                    reader.key(Key::Merge, line);
                    continue;
                }
                let value = scalar(&text, plain, tag.as_deref())?;
                reader.add(value, anchor, line)?;
            }
            Event::Alias(anchor) => {
                let Some(value) = reader.anchors.get(&anchor).cloned() else {
                    return Err("yaml: anchor value contains itself".to_owned());
                };
                reader.repeated = reader.repeated.saturating_add(size(&value));
                if reader.repeated > REPEATED {
                    return Err("yaml: document contains excessive aliasing".to_owned());
                }
                reader.add(value, 0, line)?;
            }
            _ => {}
        }
    }
    Ok(reader.document)
}

fn size(value: &Value) -> usize {
    match value {
        Value::Object(map) => 1 + map.values().map(size).sum::<usize>(),
        Value::Array(list) => 1 + list.iter().map(size).sum::<usize>(),
        _ => 1,
    }
}

impl Reader {
    fn begin(&mut self, place: Place, anchor: usize) -> Result<(), String> {
        if self.open.len() >= DEPTH {
            return Err("yaml: exceeded max depth".to_owned());
        }
        if self.wants_key() {
            return Err("yaml: invalid map key".to_owned());
        }
        self.open.push(Open { place, anchor });
        Ok(())
    }

    fn end(&mut self, line: usize) -> Result<(), String> {
        let Some(Open { place, anchor }) = self.open.pop() else {
            return Ok(());
        };
        let value = match place {
            Place::List(list) => list.into(),
            Place::Map { map, mut merged, .. } => {
                merged.extend(map);
                merged.into()
            }
        };
        self.add(value, anchor, line)
    }

    fn wants_key(&self) -> bool {
        matches!(
            self.open.last(),
            Some(Open {
                place: Place::Map { key: None, .. },
                ..
            })
        )
    }

    fn key(&mut self, found: Key, line: usize) {
        if let Some(Open {
            place: Place::Map { map, merged, key },
            ..
        }) = self.open.last_mut()
        {
            if let Key::Name(name) = &found
                && (map.contains_key(name) || merged.contains_key(name))
            {
                self.document
                    .twice
                    .push(format!("line {line}: key {name:?} already set in map"));
            }
            *key = Some(found);
        }
    }

    fn add(&mut self, value: Value, anchor: usize, line: usize) -> Result<(), String> {
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
        if self.wants_key() {
            let name = match value {
                Value::String(text) => text,
                Value::Bool(_) | Value::Number(_) => value.to_string(),
                _ => return Err("unsupported map key of type: %!s(<nil>), key: <nil>".to_owned()),
            };
            self.key(Key::Name(name), line);
            return Ok(());
        }
        match self.open.last_mut().map(|o| &mut o.place) {
            None => self.document.value = value,
            Some(Place::List(list)) => list.push(value),
            Some(Place::Map { map, merged, key }) => match key.take() {
                Some(Key::Name(name)) => {
                    map.insert(name, value);
                }
                _ => merge(merged, value)?,
            },
        }
        Ok(())
    }
}

/// Adds what a merge key names: of several maps, the first counts most.
fn merge(merged: &mut Map<String, Value>, value: Value) -> Result<(), String> {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                merged.entry(name).or_insert(value);
            }
            Ok(())
        }
        Value::Array(list) if list.iter().all(Value::is_object) => {
            list.into_iter().try_for_each(|map| merge(merged, map))
        }
        _ => Err("yaml: map merge requires map or sequence of maps as the value".to_owned()),
    }
}

fn scalar(text: &str, plain: bool, tag: Option<&Tag>) -> Result<Value, String> {
    match tag {
        None if plain => resolve(text),
        Some(tag) if tag.is_yaml_core_schema() => match tag.suffix.as_str() {
            "int" | "float" | "bool" | "null" => resolve(text),
            "binary" => {
                let standard = base64::engine::general_purpose::STANDARD;
                let bytes = standard
                    .decode(text)
                    .map_err(|_| "yaml: !!binary value contains invalid base64 data".to_owned())?;
                Ok(String::from_utf8_lossy(&bytes).into_owned().into())
            }
            _ => Ok(text.into()),
        },
        _ => Ok(text.into()),
    }
}

/// The value of a text without quotes.
fn resolve(text: &str) -> Result<Value, String> {
    if ["", "~", "null", "Null", "NULL"].contains(&text) {
        return Ok(Value::Null);
    }
    if YES.contains(&text) {
        return Ok(true.into());
    }
    if NO.contains(&text) {
        return Ok(false.into());
    }
    match text {
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Err("unsupported value: +Inf".to_owned());
        }
        "-.inf" | "-.Inf" | "-.INF" => return Err("unsupported value: -Inf".to_owned()),
        ".nan" | ".NaN" | ".NAN" => return Err("unsupported value: NaN".to_owned()),
        _ => {}
    }
    let starts = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    let number = || {
        let bare = text.replace('_', "");
        whole(&bare).or_else(|| fraction(&bare))
    };
    Ok(Some(())
        .filter(|()| starts)
        .and_then(|()| number())
        .unwrap_or_else(|| text.into()))
}

/// A whole number: decimal, hexadecimal, octal (also with a zero only), binary.
fn whole(text: &str) -> Option<Value> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (base, digits) = match digits.get(..2) {
        Some("0x" | "0X") => (16, &digits[2..]),
        Some("0o" | "0O") => (8, &digits[2..]),
        Some("0b" | "0B") => (2, &digits[2..]),
        _ if digits.len() > 1 && digits.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !digits.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    let number = u64::from_str_radix(digits, base).ok()?;
    if negative {
        let number = 0_i64.checked_sub_unsigned(number)?;
        return Some(number.into());
    }
    Some(number.into())
}

fn fraction(text: &str) -> Option<Value> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (number, exponent) = match digits.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, Some(exponent)),
        None => (digits, None),
    };
    let all = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let (before, after) = number.split_once('.').unwrap_or((number, ""));
    let exponent_fits = exponent.is_none_or(|e| {
        let e = e.strip_prefix(['+', '-']).unwrap_or(e);
        !e.is_empty() && all(e)
    });
    if !all(before) || !all(after) || before.is_empty() && after.is_empty() || !exponent_fits {
        return None;
    }
    let number: f64 = text.parse().ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and small enough")]
    if number.fract() == 0.0 && number.abs() < 1e15 {
        return Some((number as i64).into());
    }
    serde_json::Number::from_f64(number).map(Value::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value(text: &str) -> Value {
        read(&format!("x: {text}\n")).unwrap_or_default().value["x"].take()
    }

    #[test]
    fn words_and_numbers_are_those_of_yaml_1_1() {
        for (text, wanted) in [
            ("yes", json!(true)),
            ("OFF", json!(false)),
            ("nULL", json!("nULL")),
            ("~", json!(null)),
            ("0777", json!(511)),
            ("0o17", json!(15)),
            ("0o8", json!("0o8")),
            ("0x1F", json!(31)),
            ("0x", json!("0x")),
            ("1_000", json!(1000)),
            ("-0b11", json!(-3)),
            ("1:30", json!("1:30")),
            ("1e3", json!(1000)),
            ("1.5", json!(1.5)),
            (".5", json!(0.5)),
            ("2020-01-01", json!("2020-01-01")),
            ("=", json!("=")),
            ("!!str yes", json!("yes")),
            ("\"yes\"", json!("yes")),
            ("!!int \"3\"", json!(3)),
            ("!!binary aGVsbG8=", json!("hello")),
            ("!foo bar", json!("bar")),
        ] {
            assert_eq!(value(text), wanted, "{text}");
        }
        assert!(read("x: .inf").is_err());
    }

    #[test]
    fn the_last_of_two_keys_counts_and_both_are_told() {
        let read = read("a: {b: 1}\nc: 1\nc: 2\n<<: {c: 3, d: 4}\n").unwrap_or_default();
        assert_eq!(read.value, json!({"a": {"b": 1}, "c": 2, "d": 4}));
        assert_eq!(read.twice, ["line 3: key \"c\" already set in map"]);
    }

    #[test]
    fn aliases_cannot_grow_a_document_without_end() {
        let mut text = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (name, before) in ["b", "c", "d", "e", "f", "g"]
            .iter()
            .zip(["a", "b", "c", "d", "e", "f"])
        {
            let many = vec![format!("*{before}"); 10].join(", ");
            text.push_str(&format!("{name}: &{name} [{many}]\n"));
        }
        assert!(read(&text).is_err());
        assert!(read("a: &a [*a]").is_err());
    }
}
