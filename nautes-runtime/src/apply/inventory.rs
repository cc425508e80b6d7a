//! The inventory of a unit in a cluster: what was applied, beside the objects (decision D4).
//!
//! # Protocol
//! Before anything is applied, the inventory is written as the union of what it was and what will be; after
//! pruning it is written exactly. Whenever the work is cut in between, every object that exists is named.
//!
//! An inventory is one or more ConfigMaps. An entry never moves from one to another, so that no order of writes
//! can lose it. A ConfigMap is replaced only in the version that was read.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, Client};
use nautes_model::Class;
use serde_json::json;

use super::call::{CallError, call, call_opt};
use super::entry::{Entry, Id};
use super::mark;
use super::unit::Unit;

/// The namespace of inventories; only Nautes has rights in it.
pub const NAMESPACE: &str = "nautes-inventory";

/// The label on ConfigMaps of inventories; its value is the unit's digest.
pub const LABEL: &str = "resource.nautes.io/inventory-of";

/// The annotation on ConfigMaps of inventories that holds the unit.
pub const UNIT: &str = "resource.nautes.io/unit";

/// The size of entries in one ConfigMap, in bytes, from which on another is begun.
pub const SPLIT: usize = 512 << 10;

const ENTRIES: &str = "entries";
const FORMAT: &str = "format";

/// Why an inventory cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// The cluster did not do it.
    #[error("cannot {action} the inventory of {unit}")]
    Call {
        /// `read`, `write` or `list`.
        action: &'static str,
        /// The unit.
        unit: String,
        /// Why.
        #[source]
        source: CallError,
    },
    /// What was read is not an inventory.
    #[error("the inventory {name} is damaged: {message}")]
    Damaged {
        /// The ConfigMap.
        name: String,
        /// What is wrong with it.
        message: String,
    },
}

impl InventoryError {
    /// Returns the class.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Call { source, .. } => source.class(),
            Self::Damaged { .. } => Class::Invalid,
        }
    }
}

#[derive(Debug, Default)]
struct Shard {
    /// UID and version of the ConfigMap; `None` for one that is not written yet.
    stored: Option<(String, String)>,
    entries: BTreeMap<Id, Entry>,
    /// The text of the entries as it is in the cluster.
    text: String,
}

/// The inventory of one unit, as read, and as it is to be written.
#[derive(Debug)]
pub(crate) struct Inventory {
    unit: Unit,
    shards: BTreeMap<usize, Shard>,
    /// When it was written last, as the cluster says, in RFC 3339.
    written: Option<String>,
}

impl Inventory {
    /// Reads it; one that does not exist is empty.
    pub(crate) async fn read(client: &Client, unit: &Unit) -> Result<Self, InventoryError> {
        let mut inventory = Self {
            unit: unit.clone(),
            shards: BTreeMap::new(),
            written: None,
        };
        let params = ListParams::default().labels(&format!("{LABEL}={}", unit.digest()));
        let found = call(api(client).list(&params)).await;
        let found = found.map_err(|source| inventory.error("read", source))?;
        for map in found.items {
            let fields = map.metadata.managed_fields.iter().flatten();
            let written = fields
                .filter_map(|f| f.time.as_ref())
                .map(|time| time.0.to_string())
                .max();
            inventory.written = inventory.written.take().max(written);
            let (number, shard) = inventory.shard(map)?;
            inventory.shards.insert(number, shard);
        }
        Ok(inventory)
    }

    fn shard(&self, map: ConfigMap) -> Result<(usize, Shard), InventoryError> {
        let name = map.metadata.name.unwrap_or_default();
        let damaged = |message: &str| InventoryError::Damaged {
            name: name.clone(),
            message: message.to_owned(),
        };
        let number = name
            .strip_prefix(&format!("{}.", self.unit))
            .and_then(|number| number.parse::<usize>().ok())
            .ok_or_else(|| damaged("its name is not that of its unit"))?;
        let mut data = map.data.unwrap_or_default();
        if data.get(FORMAT).map(String::as_str) != Some("1") {
            return Err(damaged("its format is not 1"));
        }
        let text = data.remove(ENTRIES).unwrap_or_default();
        let entries: Vec<Entry> =
            serde_json::from_str(&text).map_err(|error| damaged(&format!("its entries: {error}")))?;
        let stored = map
            .metadata
            .uid
            .zip(map.metadata.resource_version)
            .ok_or_else(|| damaged("it has no uid"))?;
        let entries = entries
            .into_iter()
            .map(|entry| (Id::from(&entry.key), entry))
            .collect();
        let shard = Shard {
            stored: Some(stored),
            entries,
            text,
        };
        Ok((number, shard))
    }

    fn error(&self, action: &'static str, source: CallError) -> InventoryError {
        InventoryError::Call {
            action,
            unit: self.unit.to_string(),
            source,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.shards.values().map(|shard| shard.entries.len()).sum()
    }

    pub(crate) fn get(&self, id: &Id) -> Option<&Entry> {
        self.shards.values().find_map(|shard| shard.entries.get(id))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Id, &Entry)> {
        self.shards.values().flat_map(|shard| &shard.entries)
    }

    /// Adds an entry, or puts it where the one of the same object is.
    pub(crate) fn put(&mut self, entry: Entry) {
        let id = Id::from(&entry.key);
        if let Some(found) = self
            .shards
            .values_mut()
            .find_map(|shard| shard.entries.get_mut(&id))
        {
            *found = entry;
            return;
        }
        self.room().entries.insert(id, entry);
    }

    pub(crate) fn remove(&mut self, id: &Id) {
        for shard in self.shards.values_mut() {
            shard.entries.remove(id);
        }
    }

    /// Returns the first shard with room, by an estimate of the size of entries.
    fn room(&mut self) -> &mut Shard {
        const SIZE: usize = 400;
        let number = (0..)
            .find(|number| {
                self.shards
                    .get(number)
                    .is_none_or(|shard| shard.entries.len() * SIZE < SPLIT && shard.text.len() < SPLIT)
            })
            .unwrap_or_default();
        self.shards.entry(number).or_default()
    }

    /// Writes what differs from what is in the cluster, and returns the number of writing requests.
    pub(crate) async fn write(&mut self, client: &Client) -> Result<usize, InventoryError> {
        let mut writes = 0;
        let numbers: Vec<usize> = self.shards.keys().copied().collect();
        for number in numbers {
            let Some(mut shard) = self.shards.remove(&number) else {
                continue;
            };
            let name = format!("{}.{number}", self.unit);
            let result = write_shard(client, &self.unit, &name, &mut shard, &mut writes).await;
            if shard.stored.is_some() || result.is_err() {
                self.shards.insert(number, shard);
            }
            result?;
        }
        Ok(writes)
    }
}

async fn write_shard(
    client: &Client,
    unit: &Unit,
    name: &str,
    shard: &mut Shard,
    writes: &mut usize,
) -> Result<(), InventoryError> {
    let wrong = |source| InventoryError::Call {
        action: "write",
        unit: unit.to_string(),
        source,
    };
    if shard.entries.is_empty() {
        if let Some((uid, version)) = shard.stored.take() {
            *writes += 1;
            let params = DeleteParams::background().preconditions(Preconditions {
                uid: Some(uid),
                resource_version: Some(version),
            });
            call_opt(api(client).delete(name, &params)).await.map_err(wrong)?;
        }
        return Ok(());
    }
    let entries: Vec<&Entry> = shard.entries.values().collect();
    let text = serde_json::to_string(&entries).map_err(|error| InventoryError::Damaged {
        name: name.to_owned(),
        message: error.to_string(),
    })?;
    if shard.stored.is_some() && text == shard.text {
        return Ok(());
    }
    let map = config_map(unit, name, text.clone(), shard.stored.as_ref());
    let params = PostParams {
        field_manager: Some(mark::MANAGER.to_owned()),
        ..PostParams::default()
    };
    *writes += 1;
    let written = match &shard.stored {
        Some(_) => call(api(client).replace(name, &params, &map)).await,
        None => match call(api(client).create(&params, &map)).await {
            Err(error) if error.is_not_found() => {
                *writes += 2;
                ensure_namespace(client).await.map_err(wrong)?;
                call(api(client).create(&params, &map)).await
            }
            other => other,
        },
    };
    let written = written.map_err(wrong)?;
    shard.stored = written.metadata.uid.zip(written.metadata.resource_version);
    shard.text = text;
    Ok(())
}

fn config_map(unit: &Unit, name: &str, text: String, stored: Option<&(String, String)>) -> ConfigMap {
    let labels = [
        (LABEL.to_owned(), unit.digest()),
        (mark::PRODUCT.to_owned(), unit.label().to_owned()),
    ];
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(NAMESPACE.to_owned()),
            uid: stored.map(|(uid, _)| uid.clone()),
            resource_version: stored.map(|(_, version)| version.clone()),
            labels: Some(labels.into()),
            annotations: Some([(UNIT.to_owned(), json!(unit).to_string())].into()),
            ..ObjectMeta::default()
        },
        data: Some([(FORMAT.to_owned(), "1".to_owned()), (ENTRIES.to_owned(), text)].into()),
        ..ConfigMap::default()
    }
}

async fn ensure_namespace(client: &Client) -> Result<(), CallError> {
    let object = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": NAMESPACE, "labels": {mark::PRODUCT: Unit::cluster().label()}},
    });
    let params = PatchParams::apply(mark::MANAGER);
    let api: Api<Namespace> = Api::all(client.clone());
    call(api.patch_metadata(NAMESPACE, &params, &Patch::Apply(&object)))
        .await
        .map(|_| ())
}

fn api(client: &Client) -> Api<ConfigMap> {
    Api::namespaced(client.clone(), NAMESPACE)
}

/// Lists the units that have an inventory in a cluster: what must be visited when something is removed, whether
/// or not a plan names the cluster still.
///
/// # Errors
/// The cluster does not answer, or has an inventory that cannot be read.
pub async fn units(client: &Client) -> Result<BTreeSet<Unit>, InventoryError> {
    let found = call(api(client).list_metadata(&ListParams::default().labels(LABEL))).await;
    let found = found.map_err(|source| InventoryError::Call {
        action: "list",
        unit: "every unit".to_owned(),
        source,
    })?;
    let read = |metadata: ObjectMeta| {
        let name = metadata.name.unwrap_or_default();
        let text = metadata.annotations.unwrap_or_default().remove(UNIT);
        serde_json::from_str(&text.unwrap_or_default()).map_err(|error| InventoryError::Damaged {
            name,
            message: format!("its unit: {error}"),
        })
    };
    found.items.into_iter().map(|map| read(map.metadata)).collect()
}

/// What the inventory of a unit names, and since when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// The objects.
    pub entries: Vec<Entry>,
    /// When the inventory was written last, as the cluster says, in RFC 3339.
    pub written: Option<String>,
}

/// Reads what the inventory of a unit names, and when it was written last.
///
/// # Errors
/// The cluster does not answer, or the inventory cannot be read.
pub async fn recorded(client: &Client, unit: &Unit) -> Result<Recorded, InventoryError> {
    let inventory = Inventory::read(client, unit).await?;
    Ok(Recorded {
        entries: inventory.iter().map(|(_, entry)| entry.clone()).collect(),
        written: inventory.written,
    })
}

/// Reads what the inventory of a unit names.
///
/// # Errors
/// The cluster does not answer, or the inventory cannot be read.
pub async fn entries(client: &Client, unit: &Unit) -> Result<Vec<Entry>, InventoryError> {
    Ok(recorded(client, unit).await?.entries)
}
