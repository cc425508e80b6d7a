//! Documents of version 2 in protobuf: the messages of gnostic, which is the form that clients written in Go ask for.
//!
//! Tables say which field has which number; what they do not have is left out.

use serde_json::{Map, Value};

/// What a field holds.
#[derive(Clone, Copy, Debug)]
enum Holds {
    Text,
    Texts,
    Flag,
    /// A number of 64 bits with a sign.
    Count,
    /// A number with a fraction.
    Number,
    /// Any value, as text.
    Any,
    /// Any value or several.
    Anys,
    /// A message, within others that hold nothing but it.
    One(&'static [u64], &'static str),
    /// As many messages as there are.
    Many(&'static [u64], &'static str),
    /// A message whose repeated field of this number has a name and a message, within others.
    Named(u64, &'static [u64], &'static str),
    /// A text, or several, in a message of their own.
    Wrapped,
    /// A schema, or whether there may be anything.
    SchemaOrFlag,
    /// The body of a request, or a parameter of it.
    Parameters,
    /// Every other field whose name begins with `x-`.
    Extensions,
}

type Field = (u64, &'static str, Holds);

fn fields(message: &str) -> &'static [Field] {
    use Holds::{
        Any, Anys, Count, Extensions, Flag, Many, Named, Number, One, Parameters, SchemaOrFlag, Text, Texts,
        Wrapped,
    };
    match message {
        "Document" => &[
            (1, "swagger", Text),
            (2, "info", One(&[], "Info")),
            (8, "paths", Named(2, &[], "PathItem")),
            (9, "definitions", Named(1, &[], "Schema")),
        ],
        "Info" => &[(1, "title", Text), (2, "version", Text)],
        "PathItem" => &[
            (2, "get", One(&[], "Operation")),
            (3, "put", One(&[], "Operation")),
            (4, "post", One(&[], "Operation")),
            (5, "delete", One(&[], "Operation")),
            (8, "patch", One(&[], "Operation")),
        ],
        "Operation" => &[
            (6, "produces", Texts),
            (7, "consumes", Texts),
            (8, "parameters", Parameters),
            (9, "responses", Named(1, &[1], "Response")),
            (10, "schemes", Texts),
            (13, "x-", Extensions),
        ],
        "Body" => &[
            (2, "name", Text),
            (3, "in", Text),
            (4, "required", Flag),
            (5, "schema", One(&[], "Schema")),
        ],
        "Query" => &[
            (2, "in", Text),
            (4, "name", Text),
            (6, "type", Text),
            (20, "uniqueItems", Flag),
        ],
        "Response" => &[(1, "description", Text), (2, "schema", One(&[1], "Schema"))],
        "ExternalDocs" => &[(1, "description", Text), (2, "url", Text)],
        "Schema" => &[
            (1, "$ref", Text),
            (2, "format", Text),
            (3, "title", Text),
            (4, "description", Text),
            (5, "default", Any),
            (6, "multipleOf", Number),
            (7, "maximum", Number),
            (8, "exclusiveMaximum", Flag),
            (9, "minimum", Number),
            (10, "exclusiveMinimum", Flag),
            (11, "maxLength", Count),
            (12, "minLength", Count),
            (13, "pattern", Text),
            (14, "maxItems", Count),
            (15, "minItems", Count),
            (16, "uniqueItems", Flag),
            (17, "maxProperties", Count),
            (18, "minProperties", Count),
            (19, "required", Texts),
            (20, "enum", Anys),
            (21, "additionalProperties", SchemaOrFlag),
            (22, "type", Wrapped),
            (23, "items", One(&[1], "Schema")),
            (24, "allOf", Many(&[], "Schema")),
            (25, "properties", Named(1, &[], "Schema")),
            (29, "externalDocs", One(&[], "ExternalDocs")),
            (30, "example", Any),
            (31, "x-", Extensions),
        ],
        _ => &[],
    }
}

/// A document in bytes.
pub(super) fn encode(document: &Value) -> Vec<u8> {
    message("Document", document)
}

fn message(of: &str, value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(map) = value.as_object() {
        for (number, name, holds) in fields(of) {
            if matches!(holds, Holds::Extensions) {
                extensions(&mut bytes, *number, map);
            } else if let Some(value) = map.get(*name) {
                field(&mut bytes, *number, *holds, value);
            }
        }
    }
    bytes
}

fn field(bytes: &mut Vec<u8>, number: u64, holds: Holds, value: &Value) {
    match holds {
        Holds::Text => text(bytes, number, value.as_str().unwrap_or_default()),
        Holds::Texts => each(value).for_each(|v| text(bytes, number, v.as_str().unwrap_or_default())),
        Holds::Flag if value == &Value::Bool(true) => varint_field(bytes, number, 1),
        Holds::Flag => {}
        Holds::Count => {
            if let Some(count) = value.as_i64() {
                varint_field(bytes, number, u64::from_ne_bytes(count.to_ne_bytes()));
            }
        }
        Holds::Number => {
            if let Some(wide) = value.as_f64() {
                varint(bytes, number << 3 | 1);
                bytes.extend_from_slice(&wide.to_le_bytes());
            }
        }
        Holds::Any => part(bytes, number, &any(value)),
        Holds::Anys => each(value).for_each(|v| part(bytes, number, &any(v))),
        Holds::One(within, of) => part(bytes, number, &wrapped(within, message(of, value))),
        Holds::Many(within, of) => {
            each(value).for_each(|v| part(bytes, number, &wrapped(within, message(of, v))));
        }
        Holds::Named(at, within, of) => {
            let mut all = Vec::new();
            for (name, value) in value.as_object().into_iter().flatten() {
                part(&mut all, at, &named(name, &wrapped(within, message(of, value))));
            }
            part(bytes, number, &all);
        }
        Holds::Wrapped => {
            let mut all = Vec::new();
            each(value).for_each(|v| text(&mut all, 1, v.as_str().unwrap_or_default()));
            part(bytes, number, &all);
        }
        Holds::SchemaOrFlag => {
            let mut choice = Vec::new();
            match value {
                // Also a field that is false says something here: it is one of two.
                Value::Bool(flag) => varint_field(&mut choice, 2, u64::from(*flag)),
                schema => part(&mut choice, 1, &message("Schema", schema)),
            }
            part(bytes, number, &choice);
        }
        Holds::Parameters => {
            for parameter in each(value) {
                let (within, of): (&[u64], _) = match parameter["in"].as_str() {
                    Some("body") => (&[1, 1], "Body"),
                    _ => (&[1, 2, 3], "Query"),
                };
                part(bytes, number, &wrapped(within, message(of, parameter)));
            }
        }
        Holds::Extensions => {}
    }
}

/// The items of a list, or the one value that there is.
fn each(value: &Value) -> impl Iterator<Item = &Value> {
    match value {
        Value::Array(list) => list.iter(),
        one => std::slice::from_ref(one).iter(),
    }
}

fn extensions(bytes: &mut Vec<u8>, number: u64, map: &Map<String, Value>) {
    for (name, value) in map.iter().filter(|(name, _)| name.starts_with("x-")) {
        part(bytes, number, &named(name, &any(value)));
    }
}

/// A value as YAML, of which JSON is a part.
fn any(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    text(&mut bytes, 2, &format!("{value}\n"));
    bytes
}

fn named(name: &str, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    text(&mut bytes, 1, name);
    part(&mut bytes, 2, value);
    bytes
}

/// A message within others, the outermost first.
fn wrapped(within: &[u64], message: Vec<u8>) -> Vec<u8> {
    within.iter().rev().fold(message, |inner, number| {
        let mut outer = Vec::with_capacity(inner.len() + 8);
        part(&mut outer, *number, &inner);
        outer
    })
}

fn text(bytes: &mut Vec<u8>, number: u64, text: &str) {
    part(bytes, number, text.as_bytes());
}

fn part(bytes: &mut Vec<u8>, number: u64, content: &[u8]) {
    varint(bytes, number << 3 | 2);
    varint(bytes, u64::try_from(content.len()).unwrap_or(u64::MAX));
    bytes.extend_from_slice(content);
}

fn varint_field(bytes: &mut Vec<u8>, number: u64, value: u64) {
    varint(bytes, number << 3);
    varint(bytes, value);
}

fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        bytes.push(u8::try_from(value & 0x7f).unwrap_or_default() | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(of: &str, value: &Value, expect: &[u8]) {
        assert_eq!(message(of, value), expect, "{value}");
    }

    #[test]
    fn fields_have_their_numbers_and_forms() {
        check(
            "Schema",
            &json!({"$ref": "#/d", "type": "string"}),
            b"\x0a\x03#/d\xb2\x01\x08\x0a\x06string",
        );
        check("Schema", &json!({"maxLength": 300}), b"\x58\xac\x02");
        check("Schema", &json!({"minimum": 1.0}), b"\x49\0\0\0\0\0\0\xf0\x3f");
        check("Schema", &json!({"enum": ["a"]}), b"\xa2\x01\x06\x12\x04\"a\"\n");
        check(
            "Schema",
            &json!({"additionalProperties": false}),
            b"\xaa\x01\x02\x10\0",
        );
        check(
            "Schema",
            &json!({"items": {"title": "t"}}),
            b"\xba\x01\x05\x0a\x03\x1a\x01t",
        );
        check(
            "Schema",
            &json!({"properties": {"p": {"title": "t"}}}),
            b"\xca\x01\x0a\x0a\x08\x0a\x01p\x12\x03\x1a\x01t",
        );
        check(
            "Schema",
            &json!({"x-a": 1, "y": 2}),
            b"\xfa\x01\x0b\x0a\x03x-a\x12\x04\x12\x021\n",
        );
    }

    #[test]
    fn parameters_are_of_the_query_or_the_body() {
        check(
            "Operation",
            &json!({"parameters": [{"name": "q", "in": "query"}, {"name": "b", "in": "body", "required": true}]}),
            b"\x42\x10\x0a\x0e\x12\x0c\x1a\x0a\x12\x05query\x22\x01q\x42\x0f\x0a\x0d\x0a\x0b\x12\x01b\x1a\x04body\x20\x01",
        );
    }
}
