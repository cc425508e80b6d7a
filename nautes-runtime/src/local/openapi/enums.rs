//! The values that fields of built-in kinds can have, as documents tell them. The types that the schemas are made from
//! do not say them.

use std::{collections::BTreeMap, sync::LazyLock};

use serde_json::{Value, json};

/// Lines of a type and its field (`[]` where it is a list) and the values.
const TABLE: &str = include_str!("enums.txt");

type Fields = Vec<(&'static str, Vec<&'static str>)>;

static BY_TYPE: LazyLock<BTreeMap<&str, Fields>> = LazyLock::new(|| {
    let mut types: BTreeMap<&str, Fields> = BTreeMap::new();
    for line in TABLE.lines() {
        let mut words = line.split(' ');
        if let Some((ty, field)) = words.next().and_then(|w| w.split_once('/')) {
            types.entry(ty).or_default().push((field, words.collect()));
        }
    }
    types
});

/// Adds the values of its fields to the document of a type.
pub(super) fn add(name: &str, document: &mut Value) {
    for (field, values) in BY_TYPE.get(name).into_iter().flatten() {
        let place = match field.strip_suffix("[]") {
            Some(field) => document.pointer_mut(&format!("/properties/{field}/items")),
            None => document.pointer_mut(&format!("/properties/{field}")),
        };
        if let Some(place) = place {
            place["enum"] = json!(values);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::schema;

    #[test]
    fn every_line_is_about_a_field_that_there_is() {
        for (ty, fields) in BY_TYPE.iter() {
            let Some(document) = schema::definitions().get(*ty) else {
                panic!("{ty} is not served");
            };
            for (field, values) in fields {
                let field = field.trim_end_matches("[]");
                assert!(
                    document.pointer(&format!("/properties/{field}")).is_some(),
                    "{ty}/{field}"
                );
                assert!(!values.is_empty(), "{ty}/{field}");
            }
        }
    }
}
