//! From nodes to the types of the kinds, without another form between.

use std::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer, StringDeserializer};
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, VariantAccess, Visitor};

use super::{Node, Value};

/// A value does not fit a type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Misfit(String);

impl serde::de::Error for Misfit {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

impl<'de> IntoDeserializer<'de, Misfit> for Node {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// Reads a type out of a node.
impl<'de> Deserializer<'de> for Node {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(b) => visitor.visit_bool(b),
            Value::Number(n) => n.deserialize_any(visitor).map_err(|e| Misfit(e.to_string())),
            Value::Text(text) => visitor.visit_string(text),
            Value::List(items) => visitor.visit_seq(SeqDeserializer::new(items.into_iter())),
            Value::Map(entries) => {
                visitor.visit_map(MapDeserializer::new(entries.into_iter().map(|e| (e.key, e.node))))
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let (name, content) = match self.value {
            Value::Text(name) => (name, None),
            Value::Map(mut entries) if entries.len() == 1 => match entries.pop() {
                Some(entry) => (entry.key, Some(entry.node)),
                None => (String::new(), None),
            },
            other => return Err(Misfit(format!("expected a choice, found {}", other.type_name()))),
        };
        visitor.visit_enum(Choice { name, content })
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct map struct identifier ignored_any
    }
}

struct Choice {
    name: String,
    content: Option<Node>,
}

impl<'de> EnumAccess<'de> for Choice {
    type Error = Misfit;
    type Variant = Content;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Content), Misfit> {
        let name: StringDeserializer<Misfit> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, Content(self.content)))
    }
}

struct Content(Option<Node>);

impl Content {
    fn node(self) -> Result<Node, Misfit> {
        self.0
            .ok_or_else(|| Misfit("the choice has no content".to_owned()))
    }
}

impl<'de> VariantAccess<'de> for Content {
    type Error = Misfit;

    fn unit_variant(self) -> Result<(), Misfit> {
        match self.0 {
            None => Ok(()),
            Some(_) => Err(Misfit("the choice takes no content".to_owned())),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Misfit> {
        seed.deserialize(self.node()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Misfit> {
        self.node()?.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.node()?.deserialize_any(visitor)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Everything {
        text: String,
        whole: u16,
        part: f64,
        flag: bool,
        #[serde(default)]
        absent: Option<String>,
        empty: Option<String>,
        list: Vec<Choose>,
        map: BTreeMap<String, i64>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase")]
    enum Choose {
        Plain,
        One(u8),
        Two(u8, u8),
        Named { a: u8 },
    }

    fn node(json: serde_json::Value) -> Node {
        Node::from_json(json)
    }

    #[test]
    fn a_type_reads_from_a_node_what_it_reads_from_json() {
        let json = serde_json::json!({
            "text": "a", "whole": 3, "part": 1.5, "flag": true, "empty": null, "map": {"x": -1},
            "list": ["plain", {"one": 1}, {"two": [1, 2]}, {"named": {"a": 3}}],
        });
        let expected: Everything = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(Everything::deserialize(node(json)).unwrap(), expected);
    }

    #[test]
    fn what_does_not_fit_is_said() {
        for (json, said) in [
            (serde_json::json!(["plain"]), "invalid length 1"),
            (
                serde_json::json!({"text": 1}),
                "invalid type: integer `1`, expected a string",
            ),
            (
                serde_json::json!({"whole": 70_000}),
                "invalid value: integer `70000`, expected u16",
            ),
            (serde_json::json!({"list": ["other"]}), "unknown variant `other`"),
            (
                serde_json::json!({"list": [{"plain": 1}]}),
                "the choice takes no content",
            ),
            (serde_json::json!({"list": ["one"]}), "the choice has no content"),
            (
                serde_json::json!({"list": [1]}),
                "expected a choice, found a number",
            ),
            (serde_json::json!({"text": "a"}), "missing field `whole`"),
            (serde_json::json!({"x": "a"}), "unknown field `x`"),
        ] {
            let error = Everything::deserialize(node(json)).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
