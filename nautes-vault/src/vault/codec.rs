//! Values as JSON: text as it is, so that everything else that reads the engine understands it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nautes_model::Secret;
use serde_json::{Map, Value};

/// What precedes the base64 text of a value that is no text, and of a text that begins like this itself.
const BINARY: &str = "nautes:base64:";

/// Returns the text of a value.
pub(crate) fn encoded(value: &Secret) -> String {
    match value.expose_str() {
        Ok(text) if !text.starts_with(BINARY) => text.to_owned(),
        Ok(_) | Err(_) => format!("{BINARY}{}", STANDARD.encode(value.expose())),
    }
}

/// Returns the JSON of a secret.
pub(super) fn encode(values: &BTreeMap<String, Secret>) -> Value {
    let values = values
        .iter()
        .map(|(key, value)| (key.clone(), Value::String(encoded(value))));
    Value::Object(values.collect())
}

/// Reads the JSON of a secret. What is no text there, since somebody else wrote it, becomes its JSON text.
///
/// # Errors
/// Says what is wrong, without a value.
pub(super) fn decode(json: Map<String, Value>) -> Result<BTreeMap<String, Secret>, &'static str> {
    let mut values = BTreeMap::new();
    for (key, value) in json {
        let value = match value {
            Value::String(text) => match text.strip_prefix(BINARY) {
                None => Secret::from(text),
                Some(encoded) => Secret::new(
                    STANDARD
                        .decode(encoded)
                        .map_err(|_| "a value is no base64 text, and says that it is")?,
                ),
            },
            other => Secret::from(other.to_string()),
        };
        values.insert(key, value);
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(value: &[u8]) -> (Value, Secret) {
        let values = BTreeMap::from([("k".to_owned(), Secret::new(value))]);
        let json = encode(&values);
        let Value::Object(map) = json.clone() else {
            panic!("an object")
        };
        (json["k"].clone(), decode(map).unwrap().remove("k").unwrap())
    }

    #[test]
    fn text_stays_readable_and_everything_comes_back() {
        assert_eq!(round(b"plain").0, "plain");
        for value in [
            &b""[..],
            b"\xff\x00",
            b"nautes:base64:",
            b"nautes:base64:!!",
            "ключ\n\0".as_bytes(),
        ] {
            assert_eq!(round(value).1, Secret::new(value), "{value:?}");
        }
    }

    #[test]
    fn what_others_wrote_is_read_as_its_json() {
        let json = serde_json::json!({"n": 5, "o": {"a": [true]}, "z": null});
        let Value::Object(map) = json else {
            panic!("an object")
        };
        let values = decode(map).unwrap();
        assert_eq!(values["n"], Secret::from("5"));
        assert_eq!(values["o"], Secret::from(r#"{"a":[true]}"#));
        assert_eq!(values["z"], Secret::from("null"));
    }
}
