//! What is in the cluster now: metadata only, so that no secret is read.

use std::collections::{BTreeMap, HashMap};

use futures::stream::{self, StreamExt};
use kube::api::{DynamicObject, ListParams, ObjectMeta};
use kube::{Api, Client};
use nautes_model::Class;
use serde_json::Value;

use super::call::{CallError, call, call_opt};
use super::discovery::{KindState, Served};
use super::entry::{Entry, Id};
use super::mark;
use super::unit::Unit;

/// How many calls go to one cluster at a time.
pub(crate) const AT_ONCE: usize = 16;

/// From how many objects of a kind and namespace on they are listed, not read one by one.
const LIST_FROM: usize = 4;

/// An object as it is in the cluster.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    pub(crate) uid: String,
    pub(crate) deleting: bool,
    pub(crate) product: Option<String>,
    pub(crate) inventory: Option<String>,
    pub(crate) digest: Option<String>,
    /// The fields that our manager owns; `None` if it owns none.
    pub(crate) owned: Option<Value>,
}

impl Live {
    pub(crate) fn new(metadata: ObjectMeta) -> Self {
        let owned = metadata
            .managed_fields
            .unwrap_or_default()
            .into_iter()
            .find(|entry| {
                entry.manager.as_deref() == Some(mark::MANAGER)
                    && entry.operation.as_deref() == Some("Apply")
                    && entry.subresource.as_deref().unwrap_or_default().is_empty()
            })
            .and_then(|entry| entry.fields_v1)
            .map(|fields| fields.0);
        let mut annotations = metadata.annotations.unwrap_or_default();
        Self {
            uid: metadata.uid.unwrap_or_default(),
            deleting: metadata.deletion_timestamp.is_some(),
            product: metadata.labels.unwrap_or_default().remove(mark::PRODUCT),
            inventory: annotations.remove(mark::INVENTORY),
            digest: annotations.remove(mark::DIGEST),
            owned,
        }
    }

    /// Whether it carries our marks for this unit.
    pub(crate) fn is_marked(&self, unit: &Unit) -> bool {
        self.product.as_deref() == Some(unit.label())
            && self.inventory.as_deref() == Some(unit.to_string().as_str())
    }

    /// Decides whose it is.
    pub(crate) fn whose(&self, unit: &Unit, entry: Option<&Entry>) -> Whose {
        if let Some(product) = self.product.as_deref().filter(|product| *product != unit.label()) {
            return Whose::Other(format!("it belongs to product {product}"));
        }
        let recorded = entry.is_some_and(|entry| entry.uid.as_deref() == Some(&self.uid));
        match self.inventory.as_deref() {
            Some(name) if name != unit.to_string() => Whose::Other(format!("it belongs to {name}")),
            Some(_) | None if recorded => Whose::Ours,
            Some(_) | None if self.is_marked(unit) && self.owned.is_some() => Whose::Ours,
            Some(_) | None => Whose::Other("it exists already, and Nautes did not make it".to_owned()),
        }
    }
}

/// Whose an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    Ours,
    Other(String),
}

/// What is known about an object.
#[derive(Clone, Debug)]
pub(crate) enum Look {
    Live(Box<Live>),
    Absent,
    /// The cluster does not serve the kind.
    NoKind,
    /// Nobody can tell now, and why.
    Unknown(Trouble),
}

/// Why something is not known: a text that may be shown, and its class.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    pub(crate) class: Class,
    pub(crate) message: String,
}

impl From<&CallError> for Trouble {
    fn from(error: &CallError) -> Self {
        Self {
            class: error.class(),
            message: error.to_string(),
        }
    }
}

/// Addresses a kind, in a namespace if it has one.
pub(crate) fn api(client: &Client, served: &Served, namespace: Option<&str>) -> Api<DynamicObject> {
    match namespace {
        Some(namespace) if served.namespaced => {
            Api::namespaced_with(client.clone(), namespace, &served.resource)
        }
        Some(_) | None => Api::all_with(client.clone(), &served.resource),
    }
}

/// Looks at one object.
pub(crate) async fn look_at(client: &Client, served: &Served, id: &Id) -> Look {
    if served.namespaced != id.namespace.is_some() {
        return Look::Absent;
    }
    match call_opt(api(client, served, id.namespace.as_deref()).get_metadata(&id.name)).await {
        Ok(Some(found)) => Look::Live(Box::new(Live::new(found.metadata))),
        Ok(None) => Look::Absent,
        Err(error) => Look::Unknown(Trouble::from(&error)),
    }
}

/// Looks at many objects, by one listing per kind and namespace where that is less work.
pub(crate) async fn look(
    client: &Client,
    unit: &Unit,
    kinds: &BTreeMap<Id, KindState>,
) -> BTreeMap<Id, Look> {
    let mut looks = BTreeMap::new();
    let mut groups: HashMap<(Served, Option<String>), Vec<Id>> = HashMap::new();
    for (id, state) in kinds {
        match state {
            KindState::Served(served) => groups
                .entry((served.clone(), id.namespace.clone()))
                .or_default()
                .push(id.clone()),
            KindState::Missing => drop(looks.insert(id.clone(), Look::NoKind)),
            KindState::Unknown(message) => {
                let trouble = Trouble {
                    class: Class::Unreachable,
                    message: message.clone(),
                };
                looks.insert(id.clone(), Look::Unknown(trouble));
            }
        }
    }
    let found: Vec<_> = stream::iter(groups)
        .map(|((served, namespace), ids)| async move {
            look_at_group(client, unit, &served, namespace.as_deref(), ids).await
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    looks.extend(found.into_iter().flatten());
    looks
}

async fn look_at_group(
    client: &Client,
    unit: &Unit,
    served: &Served,
    namespace: Option<&str>,
    ids: Vec<Id>,
) -> Vec<(Id, Look)> {
    let mut listed = BTreeMap::new();
    if ids.len() >= LIST_FROM {
        match list(&api(client, served, namespace), unit).await {
            Ok(found) => listed = found,
            Err(error) if error.class() == Class::Unreachable => {
                let unknown = |id| (id, Look::Unknown(Trouble::from(&error)));
                return ids.into_iter().map(unknown).collect();
            }
            // Reading may be allowed where listing is not.
            Err(_) => {}
        }
    }
    stream::iter(ids)
        .map(|id| {
            let known = listed.remove(&id.name);
            async move {
                match known {
                    Some(live) => (id, Look::Live(Box::new(live))),
                    None => {
                        let look = look_at(client, served, &id).await;
                        (id, look)
                    }
                }
            }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await
}

/// Lists what carries the unit's label, page by page.
async fn list(api: &Api<DynamicObject>, unit: &Unit) -> Result<BTreeMap<String, Live>, CallError> {
    let mut found = BTreeMap::new();
    let mut params = ListParams::default()
        .labels(&format!("{}={}", mark::PRODUCT, unit.label()))
        .limit(500);
    loop {
        let page = call(api.list_metadata(&params)).await?;
        for item in page.items {
            if let Some(name) = item.metadata.name.clone() {
                found.insert(name, Live::new(item.metadata));
            }
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params.continue_token = Some(token),
            None => return Ok(found),
        }
    }
}
