//! Deploying a folder of a repository: the engine `direct`.
//!
//! One unit belongs to one deployment runtime. [`read_manifests`] is pure: files in, objects and problems out.
//! [`deploy`] makes the cluster agree with them, with the rights of the runtime's account, by the same machinery
//! as plans (see [`crate::apply`]) and with an inventory of its own.
//!
//! # Guarantees
//! * Nothing outside the namespaces of the runtime is written, and cluster-scoped objects only of the kinds that
//!   the cluster allows the product; what the kind really is is asked of the cluster.
//! * An object that somebody else has made is a conflict, and not touched.
//! * What a file declared that cannot be read now stays as it is; the other files go on.

mod fields;
mod inspect;
pub(crate) mod kinds;
mod manifests;
mod source;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};

use nautes_model::Revision;
use serde::Serialize;

use crate::apply::{
    Applied, ApplyError, Desired, Hold, Limits, RemovalPolicy, Strategy, Target, Unit, apply_desired,
    remove_all,
};
use crate::object::ObjectKey;
use crate::plan::{DeployUnit, Planned};

pub use fields::{FieldDrift, MAX_FIELDS, MAX_TEXT};
pub use inspect::{DeploymentReport, DeploymentSource, InspectError, ObjectDrift, inspect};
pub use source::SourceError;
pub(crate) use source::{position, read};

pub use manifests::{MAX_FILE, MAX_OBJECTS, MAX_TOTAL, Manifest, ManifestProblem, Manifests, read_manifests};

/// What a deployment did.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployed {
    /// The revision that was deployed.
    pub revision: Revision,
    /// What was done to objects.
    pub applied: Applied,
    /// What in the files cannot be deployed.
    pub problems: Vec<ManifestProblem>,
}

impl Deployed {
    /// Whether the cluster is as the files say, all of them.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.problems.is_empty() && self.applied.is_complete()
    }
}

/// Returns the unit under which the objects of a deployment runtime are recorded.
#[must_use]
pub fn unit_of(unit: &DeployUnit) -> Unit {
    Unit::deployment(unit.product.clone(), unit.runtime.clone())
}

/// Makes the cluster agree with the manifests of one revision.
///
/// The client of `target` should act as the runtime's account (see [`Target::acting_as`]); its inventory is kept
/// with the platform's rights.
///
/// # Errors
/// The inventory cannot be read or written. What single objects and files do is in the answer.
pub async fn deploy(
    target: &Target<'_>,
    unit: &DeployUnit,
    revision: Revision,
    manifests: Manifests,
    how: Strategy,
    removal: RemovalPolicy,
) -> Result<Deployed, ApplyError> {
    let whose = unit_of(unit);
    let Manifests {
        objects,
        problems,
        hold,
    } = manifests;
    let desired = desired(objects, unit, &whose);
    let limits = limits(unit);
    let applied = apply_desired(target, &whose, &desired, &hold, how, removal, Some(&limits)).await?;
    Ok(Deployed {
        revision,
        applied,
        problems,
    })
}

/// Removes everything that a deployment runtime has deployed; works from the inventory alone.
///
/// # Errors
/// See [`deploy`].
pub async fn undeploy(
    target: &Target<'_>,
    unit: &Unit,
    how: Strategy,
    removal: RemovalPolicy,
) -> Result<Applied, ApplyError> {
    remove_all(target, unit, &Hold::default(), how, removal).await
}

fn limits(unit: &DeployUnit) -> Limits {
    Limits {
        namespaces: unit.namespaces.iter().cloned().collect(),
        cluster_kinds: unit.cluster_kinds.clone(),
    }
}

fn desired(objects: Vec<Manifest>, unit: &DeployUnit, whose: &Unit) -> Desired {
    let mut desired = Desired::default();
    for Manifest { path, object } in objects {
        let wave = ObjectKey::of(&object).map_or(0, |key| kinds::wave(&key.group, &key.kind));
        let planned = Planned {
            object,
            owners: BTreeSet::from([unit.runtime.clone()]),
            secrets: BTreeMap::new(),
        };
        desired.add(&planned, whose, wave, Some(path));
    }
    desired
}
