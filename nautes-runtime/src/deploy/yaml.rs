//! Plain manifests: YAML (and so JSON) to JSON values, strictly.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize as _;
use serde_json::{Map, Value};
use serde_yaml::Value as Yaml;

/// Reads all documents of a text, with their places; empty ones are left out.
///
/// # Errors
/// A document cannot be parsed, or there are too many: says where and why.
pub(crate) fn documents(text: &str, max: usize) -> Result<Vec<(usize, Value)>, String> {
    let mut found = Vec::new();
    for (index, document) in serde_yaml::Deserializer::from_str(text).enumerate() {
        let wrong = |what: String| format!("document {} cannot be read: {what}", index + 1);
        let value = Yaml::deserialize(document).map_err(|error| wrong(error.to_string()))?;
        match json(value).map_err(wrong)? {
            Value::Null => {}
            value => found.push((index, value)),
        }
        if found.len() > max {
            return Err(format!("the file has more than {max} documents"));
        }
    }
    Ok(found)
}

fn json(value: Yaml) -> Result<Value, String> {
    Ok(match value {
        Yaml::Null => Value::Null,
        Yaml::Bool(value) => Value::Bool(value),
        Yaml::Number(number) => self::number(&number)?,
        Yaml::String(text) => Value::String(text),
        Yaml::Sequence(items) => Value::Array(items.into_iter().map(json).collect::<Result<_, _>>()?),
        Yaml::Mapping(fields) => {
            let mut map = Map::new();
            for (name, value) in fields {
                let name = self::name(name)?;
                let value = json(value)?;
                if map.insert(name.clone(), value).is_some() {
                    return Err(format!("the key {name:?} is there twice"));
                }
            }
            Value::Object(map)
        }
        Yaml::Tagged(tagged) => return Err(format!("the tag {} has no meaning here", tagged.tag)),
    })
}

fn number(number: &serde_yaml::Number) -> Result<Value, String> {
    if let Some(number) = number.as_i64() {
        return Ok(number.into());
    }
    if let Some(number) = number.as_u64() {
        return Ok(number.into());
    }
    number
        .as_f64()
        .and_then(serde_json::Number::from_f64)
        .map(Value::Number)
        .ok_or_else(|| format!("the number {number} cannot be written as JSON"))
}

fn name(name: Yaml) -> Result<String, String> {
    match name {
        Yaml::String(name) => Ok(name),
        Yaml::Bool(name) => Ok(name.to_string()),
        Yaml::Number(name) => Ok(name.to_string()),
        Yaml::Null | Yaml::Sequence(_) | Yaml::Mapping(_) | Yaml::Tagged(_) => {
            Err("a key is not a text".to_owned())
        }
    }
}

/// Turns `stringData` of a Secret into `data`, as the API server does: it is write-only, and nobody can own it.
///
/// # Errors
/// It is not a map of texts. The message holds no value.
pub(crate) fn plain_secret(object: &mut Value) -> Result<(), String> {
    let is_secret = object.get("kind").and_then(Value::as_str) == Some("Secret")
        && object.get("apiVersion").and_then(Value::as_str) == Some("v1");
    let Some(object) = object.as_object_mut().filter(|_| is_secret) else {
        return Ok(());
    };
    let texts = match object.remove("stringData") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(texts)) => texts,
        Some(_) => return Err("stringData is not a map".to_owned()),
    };
    let data = object.entry("data").or_insert_with(|| Value::Object(Map::new()));
    if data.is_null() {
        *data = Value::Object(Map::new());
    }
    let data = data.as_object_mut().ok_or("data is not a map")?;
    for (name, value) in texts {
        let text = value
            .as_str()
            .ok_or_else(|| format!("stringData.{name} is not a text"))?;
        data.insert(name, STANDARD.encode(text).into());
    }
    Ok(())
}
