//! Fields that a body gives twice. Readers take the last; strict decoding refuses them.

use std::{cell::RefCell, collections::BTreeSet, fmt};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::yaml;

/// The fields that a body gives twice, as its reader tells them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Twice {
    /// Paths of fields.
    Json(Vec<String>),
    /// Keys with their lines.
    Yaml(Vec<String>),
}

impl Default for Twice {
    fn default() -> Self {
        Self::Json(Vec::new())
    }
}

impl Twice {
    /// Looks for them in a body of a media type.
    pub(crate) fn of(text: &[u8], media: &str) -> Self {
        let found = of_json(text);
        let is_json = || serde_json::from_slice::<IgnoredAny>(text).is_ok();
        if !media.ends_with("yaml") || found.is_empty() && is_json() {
            return Self::Json(found);
        }
        let document = std::str::from_utf8(text).map(yaml::read);
        Self::Yaml(document.ok().and_then(Result::ok).unwrap_or_default().twice)
    }

    /// What is told of each where the last one counts.
    pub(crate) fn warnings(&self) -> Vec<String> {
        match self {
            Self::Json(paths) => paths.iter().map(|f| format!("duplicate field {f:?}")).collect(),
            Self::Yaml(keys) => keys.clone(),
        }
    }

    /// What is told of them where they are refused: one problem each, or all in one.
    pub(crate) fn problems(&self) -> Vec<String> {
        match self {
            Self::Json(_) => self.warnings(),
            Self::Yaml(keys) if keys.is_empty() => Vec::new(),
            Self::Yaml(keys) => vec![format!("yaml: unmarshal errors:\n  {}", keys.join("\n  "))],
        }
    }
}

/// The paths of the fields that a text gives more than once, as Kubernetes writes them; none where it
/// cannot be read.
fn of_json(text: &[u8]) -> Vec<String> {
    let found = RefCell::new(Vec::new());
    let mut reader = serde_json::Deserializer::from_slice(text);
    let whole = Place {
        path: String::new(),
        found: &found,
    };
    match whole.deserialize(&mut reader) {
        Ok(()) => found.into_inner(),
        Err(_) => Vec::new(),
    }
}

/// A place in the text that is being read.
struct Place<'a> {
    path: String,
    found: &'a RefCell<Vec<String>>,
}

impl Place<'_> {
    fn below(&self, path: String) -> Self {
        Self {
            path,
            found: self.found,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            let path = if self.path.is_empty() {
                key.clone()
            } else {
                format!("{}.{key}", self.path)
            };
            if !seen.insert(key) {
                self.found.borrow_mut().push(path.clone());
            }
            map.next_value_seed(self.below(path))?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut index = 0;
        while list
            .next_element_seed(self.below(format!("{}[{index}]", self.path)))?
            .is_some()
        {
            index += 1;
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_ignored_any(IgnoredAny).map(drop)
    }
}
