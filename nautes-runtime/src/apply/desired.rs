//! What shall exist, ready to be compared and applied.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nautes_model::secret::SecretRef;
use nautes_model::{Class, Identity};
use nautes_vault::SecretStore;
use serde_json::{Map, Value};

use super::call::DEADLINE;
use super::entry::Id;
use super::mark;
use super::report::{Outcome, Problem};
use super::unit::Unit;
use crate::object::ObjectKey;
use crate::plan::{ClusterPlan, Planned};

/// An object that shall exist.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) key: ObjectKey,
    pub(crate) id: Id,
    /// Marked, complete but for secrets and the annotation with the digest.
    pub(crate) object: Value,
    pub(crate) owners: BTreeSet<Identity>,
    /// Where secrets go, and where they are.
    pub(crate) secrets: BTreeMap<String, SecretRef>,
    pub(crate) path: Option<String>,
    pub(crate) wave: usize,
}

/// Everything that shall exist, wave by wave, each object once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Desired {
    pub(crate) waves: Vec<Vec<Wanted>>,
    ids: BTreeSet<Id>,
    /// What cannot be an object, or is there twice.
    pub(crate) broken: Vec<Problem>,
}

impl Desired {
    pub(crate) fn of(plan: &ClusterPlan, unit: &Unit) -> Self {
        let mut desired = Self::default();
        for (wave, objects) in plan.waves.iter().enumerate() {
            for planned in objects {
                desired.add(planned, unit, wave, None);
            }
        }
        desired
    }

    pub(crate) fn add(&mut self, planned: &Planned, unit: &Unit, wave: usize, path: Option<String>) {
        let key = match ObjectKey::of(&planned.object) {
            Ok(key) => key,
            Err(error) => return self.broken(ObjectKey::default(), planned, error.to_string()),
        };
        let object = match mark::stamped(&planned.object, unit) {
            Ok(object) => object,
            Err(error) => return self.broken(key, planned, error.to_string()),
        };
        let id = Id::from(&key);
        if !self.ids.insert(id.clone()) {
            return self.broken(key, planned, "it is planned twice".to_owned());
        }
        let secrets = planned
            .secrets
            .iter()
            .map(|(pointer, material)| (pointer.clone(), material.reference.clone()))
            .collect();
        if self.waves.len() <= wave {
            self.waves.resize_with(wave + 1, Vec::new);
        }
        self.waves[wave].push(Wanted {
            key,
            id,
            object,
            owners: planned.owners.clone(),
            secrets,
            path,
            wave,
        });
    }

    fn broken(&mut self, key: ObjectKey, planned: &Planned, message: String) {
        self.broken.push(Problem {
            key,
            message,
            class: Class::Invalid,
            owners: planned.owners.clone(),
        });
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Wanted> {
        self.waves.iter().flatten()
    }

    pub(crate) fn contains(&self, id: &Id) -> bool {
        self.ids.contains(id)
    }
}

impl Wanted {
    /// Whether what the server says about the object may hold a secret.
    pub(crate) fn is_secret(&self) -> bool {
        !self.secrets.is_empty() || (self.id.group.is_empty() && self.id.kind == "Secret")
    }

    /// Returns the digest of what is to be applied, with the present values of secrets.
    ///
    /// # Errors
    /// A secret is absent, or the store does not answer.
    pub(crate) async fn digest(&self, store: &dyn SecretStore) -> Result<String, Outcome> {
        let mut secrets = BTreeMap::new();
        for (pointer, reference) in &self.secrets {
            let digest = in_time(store.digest(reference), reference).await?;
            secrets.insert(pointer.as_str(), digest.to_string());
        }
        Ok(mark::digest(&self.object, &secrets))
    }

    /// Returns the object as it is sent, with secrets, the digest, and the UID it must have.
    ///
    /// # Errors
    /// A secret is absent or cannot be put where it belongs, or the store does not answer.
    pub(crate) async fn complete(
        &self,
        store: &dyn SecretStore,
        digest: &str,
        uid: Option<&str>,
    ) -> Result<Value, Outcome> {
        let mut object = self.object.clone();
        for (pointer, reference) in &self.secrets {
            let value = in_time(store.resolve(reference), reference).await?;
            let text = if self.id.kind == "Secret" && pointer.starts_with("/data/") {
                STANDARD.encode(value.expose())
            } else {
                let text = value.expose_str();
                text.map_err(|_| Outcome::invalid(format!("the secret {reference} is not text")))?
                    .to_owned()
            };
            put(&mut object, pointer, text.into())
                .ok_or_else(|| Outcome::invalid(format!("{pointer} is no place for a secret")))?;
        }
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            if let Some(uid) = uid {
                metadata.insert("uid".to_owned(), uid.into());
            }
            if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
                annotations.insert(mark::DIGEST.to_owned(), digest.into());
            }
        }
        Ok(object)
    }
}

async fn in_time<T>(
    what: impl Future<Output = Result<Option<T>, nautes_vault::StoreError>> + Send,
    reference: &SecretRef,
) -> Result<T, Outcome> {
    let message = format!("the secret {reference} cannot be read");
    match tokio::time::timeout(DEADLINE, what).await {
        Ok(Ok(Some(value))) => Ok(value),
        Ok(Ok(None)) => Err(Outcome::waiting(format!("waits for the secret {reference}"))),
        Ok(Err(error)) => Err(Outcome::Failed {
            class: error.class(),
            message,
        }),
        Err(_) => Err(Outcome::Failed {
            class: Class::Unreachable,
            message,
        }),
    }
}

/// Puts a value at a JSON pointer, making maps on the way; `None` if something else is in the way.
fn put(object: &mut Value, pointer: &str, value: Value) -> Option<()> {
    let mut at = object;
    let mut parts = pointer.strip_prefix('/')?.split('/').peekable();
    while let Some(part) = parts.next() {
        let name = part.replace("~1", "/").replace("~0", "~");
        at = match at {
            Value::Object(fields) => fields.entry(name).or_insert_with(|| Value::Object(Map::new())),
            Value::Array(items) => items.get_mut(name.parse::<usize>().ok()?)?,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
        };
        if parts.peek().is_none() {
            *at = value;
            return Some(());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_put_at_pointers() {
        let mut object = json!({"spec": {"list": [{"a": "b"}]}});
        put(&mut object, "/data/a~1b", json!("x")).unwrap();
        put(&mut object, "/spec/list/0/a", json!("y")).unwrap();
        assert_eq!(
            object,
            json!({"spec": {"list": [{"a": "y"}]}, "data": {"a/b": "x"}})
        );
        for bad in ["", "data", "/spec/list/1/a", "/data/a~1b/c"] {
            assert!(put(&mut object, bad, json!(1)).is_none(), "{bad}");
        }
    }
}
