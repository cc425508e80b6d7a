//! What a pass did, and what it did not do and why.

use std::collections::{BTreeMap, BTreeSet};

use nautes_model::{Class, Identity, Kind};
use serde::Serialize;

use super::entry::{Entry, Id};
use super::inventory::InventoryError;
use crate::object::ObjectKey;
use crate::plan::Held;

/// What happens to what differs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// It is changed.
    #[default]
    Apply,
    /// It is reported as if it had been changed; no request that writes is made.
    DryRun,
    /// It is reported as held; no request that writes is made.
    Paused,
}

/// How much may be removed at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RemovalPolicy {
    /// Somebody asked for the removal: everything may go.
    pub explicit: bool,
    /// The share of an inventory that may go in one pass without being asked for, from 0 to 1.
    pub max_share: f64,
}

impl RemovalPolicy {
    /// As many objects may always go in one pass, whatever their share.
    pub const FEW: usize = 5;

    /// Somebody asked for the removal.
    pub const EXPLICIT: Self = Self {
        explicit: true,
        max_share: 1.0,
    };

    /// Whether `count` of `all` may go.
    #[must_use]
    pub fn allows(&self, count: usize, all: usize) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "inventories are far smaller than 2^52")]
        let share = count as f64 / all.max(1) as f64;
        self.explicit || count <= Self::FEW || share <= self.max_share
    }
}

impl Default for RemovalPolicy {
    /// A third may go.
    fn default() -> Self {
        Self {
            explicit: false,
            max_share: 1.0 / 3.0,
        }
    }
}

/// What is unknown: it is neither changed nor pruned (decision D5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hold {
    /// Objects that exist on behalf of any of these.
    pub owners: BTreeSet<Identity>,
    /// Objects that these files, or files in these folders, declare or used to.
    pub paths: BTreeSet<String>,
    /// These objects.
    pub objects: BTreeSet<ObjectKey>,
}

impl Hold {
    /// Whether any of these owners is held, or the whole product of one.
    pub(crate) fn holds_owner(&self, owners: &BTreeSet<Identity>) -> bool {
        let is_whole = |owner: &Identity| {
            self.owners.iter().any(|held| {
                held.kind == Kind::Product
                    && owner
                        .product
                        .as_ref()
                        .is_some_and(|p| held.name.as_str() == p.as_str())
            })
        };
        !self.owners.is_disjoint(owners) || owners.iter().any(is_whole)
    }

    pub(crate) fn holds_path(&self, path: Option<&str>) -> bool {
        path.is_some_and(|path| {
            self.paths.iter().any(|held| {
                held.is_empty()
                    || path
                        .strip_prefix(held.as_str())
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
        })
    }

    pub(crate) fn holds(&self, entry: &Entry) -> bool {
        self.holds_owner(&entry.owners)
            || self.holds_path(entry.path.as_deref())
            || self.objects.iter().any(|key| key.is_same_object(&entry.key))
    }
}

/// Holds what the plan of a product names.
impl From<&BTreeMap<Identity, Held>> for Hold {
    fn from(held: &BTreeMap<Identity, Held>) -> Self {
        Self {
            owners: held.keys().cloned().collect(),
            ..Self::default()
        }
    }
}

/// Something about one object that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The object.
    pub key: ObjectKey,
    /// What happened, for people; holds no secret.
    pub message: String,
    /// The class.
    #[serde(skip)]
    pub class: Class,
    /// On whose behalf the object exists.
    pub owners: BTreeSet<Identity>,
}

/// The removal of more than what may go at once was put off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct OverBudget {
    /// How many objects would have been removed.
    pub count: usize,
    /// How many the inventory has.
    pub of: usize,
}

/// What a pass did. Lists are sorted.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// Objects that were made or changed.
    pub written: Vec<ObjectKey>,
    /// How many objects were as they should be.
    pub unchanged: usize,
    /// Objects that were removed and are gone.
    pub pruned: Vec<ObjectKey>,
    /// Objects that were left as they are because something is unknown, or everything is paused.
    pub held: Vec<ObjectKey>,
    /// Objects that somebody else has a hold of, and why.
    pub conflicts: Vec<(ObjectKey, String)>,
    /// Objects that were not touched because they are not ours, or removing them needs somebody to ask for it.
    pub refused: Vec<Problem>,
    /// Objects that could not be dealt with now, or as they are.
    pub failed: Vec<Problem>,
    /// Objects that are being removed and are not gone yet.
    pub pending_deletion: Vec<ObjectKey>,
    /// Set if pruning was put off because too much would have gone at once.
    pub over_budget: Option<OverBudget>,
    /// How many objects the inventory names now.
    pub inventory: usize,
    /// How many requests that write were made.
    pub writes: usize,
}

impl Applied {
    /// Whether the cluster is as it should be, and nothing is left to do.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.held.is_empty()
            && self.conflicts.is_empty()
            && self.refused.is_empty()
            && self.failed.is_empty()
            && self.pending_deletion.is_empty()
            && self.over_budget.is_none()
    }

    pub(crate) fn sort(&mut self) {
        self.written.sort();
        self.pruned.sort();
        self.held.sort();
        self.held.dedup();
        self.conflicts.sort();
        self.refused.sort();
        self.failed.sort();
        self.pending_deletion.sort();
    }
}

/// Why a pass could not be made at all. What one object does is in [`Applied`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// The inventory cannot be read or written: without it nothing is done.
    #[error("cannot apply {unit} to cluster {cluster}")]
    Inventory {
        /// The cluster.
        cluster: String,
        /// The unit.
        unit: String,
        /// Why.
        #[source]
        source: Box<InventoryError>,
    },
}

impl ApplyError {
    /// Returns the class.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Inventory { source, .. } => source.class(),
        }
    }

    /// Says what can be done about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Inventory { source, .. } => match **source {
                InventoryError::Damaged { .. } => {
                    Some("restore the ConfigMap in namespace nautes-inventory from a backup")
                }
                InventoryError::Call { .. } => None,
            },
        }
    }
}

/// What became of one planned object.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Written { uid: String },
    Unchanged { uid: String },
    WouldWrite,
    Held,
    Conflict(String),
    Refused(String),
    Failed { class: Class, message: String },
    Pending,
}

impl Outcome {
    /// Whether the object is there now, and ours.
    pub(crate) const fn is_there(&self) -> bool {
        matches!(
            self,
            Self::Written { .. } | Self::Unchanged { .. } | Self::WouldWrite | Self::Held
        )
    }

    pub(crate) fn waiting(message: impl Into<String>) -> Self {
        Self::Failed {
            class: Class::Waiting,
            message: message.into(),
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Failed {
            class: Class::Invalid,
            message: message.into(),
        }
    }
}

/// What became of every planned object.
pub(crate) type Outcomes = BTreeMap<Id, Outcome>;
