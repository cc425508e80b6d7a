//! Answers, read as what they are, and lists that come in pages.

use std::ops::Deref;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::Client;
use crate::exit::Failure;

/// How many items are asked for at once.
const PAGE: usize = 100;

/// An answer as this version reads it, beside all that was said. What a newer server says more is not read, and is not
/// lost either: it is written again as it came.
#[derive(Clone, Debug)]
pub struct Told<T> {
    read: T,
    whole: Value,
}

impl<T> Deref for Told<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.read
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Told<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let whole = Value::deserialize(deserializer)?;
        let read = T::deserialize(&whole).map_err(D::Error::custom)?;
        Ok(Self { read, whole })
    }
}

impl<T> Serialize for Told<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.whole.serialize(serializer)
    }
}

/// A page of a list.
#[derive(Debug, Deserialize)]
struct Page<T> {
    items: Vec<T>,
    #[serde(default, rename = "continue")]
    mark: Option<String>,
    #[serde(default)]
    truncated: bool,
}

/// A list, or its first items.
#[derive(Clone, Debug)]
pub struct Listed<T> {
    /// The items.
    pub items: Vec<T>,
    /// Whether the server has more than were asked for.
    pub has_more: bool,
    /// Whether the server has not looked at everything there is.
    pub truncated: bool,
}

impl Client {
    /// Reads a list page by page, up to a number of items.
    ///
    /// # Errors
    /// The API refuses, does not answer, or answers something else.
    pub async fn pages<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
        limit: usize,
    ) -> Result<Listed<T>, Failure> {
        let mut items: Vec<T> = Vec::new();
        let mut mark: Option<String> = None;
        loop {
            let mut query = query.to_vec();
            query.push((
                "limit",
                limit.saturating_sub(items.len()).clamp(1, PAGE).to_string(),
            ));
            query.extend(mark.take().map(|mark| ("continue", mark)));
            let page: Page<T> = self.read(path, &query).await?;
            items.extend(page.items);
            mark = page.mark.filter(|mark| !mark.is_empty());
            if mark.is_none() || items.len() >= limit {
                let has_more = mark.is_some() || items.len() > limit;
                items.truncate(limit);
                return Ok(Listed {
                    items,
                    has_more,
                    truncated: page.truncated,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Named {
        name: String,
    }

    #[test]
    fn what_is_not_read_is_not_lost() {
        let said = json!({ "name": "web", "new": { "in": "the next version" } });
        let told: Told<Named> = serde_json::from_value(said.clone()).unwrap();
        assert_eq!(told.name, "web");
        assert_eq!(serde_json::to_value(&told).unwrap(), said);
    }

    #[test]
    fn what_is_something_else_is_no_answer() {
        for said in [json!({ "nom": "web" }), json!([]), json!("web")] {
            assert!(
                serde_json::from_value::<Told<Named>>(said.clone()).is_err(),
                "{said}"
            );
        }
    }
}
