//! What applying an object would change in it: the object as it is, and as it would be. Nothing is written.

use futures::stream::{self, StreamExt};
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::Value;

use super::call::{call, call_opt};
use super::desired::{Desired, Wanted};
use super::discovery::{Discovery, KindState, Served};
use super::live::api;
use super::{Target, mark};
use crate::object::ObjectKey;

/// How many objects of a cluster are compared at a time.
const AT_ONCE: usize = 8;

/// An object as it is, and as it would be.
#[derive(Clone, PartialEq)]
pub(crate) struct Compared {
    pub(crate) actual: Value,
    pub(crate) wanted: Value,
}

/// Compares objects that are there with what is wanted, as the cluster itself would merge them (a dry run of the apply).
/// `None` where it is not there, or the cluster does not say.
pub(crate) async fn compare(
    target: &Target<'_>,
    desired: &Desired,
    keys: &[ObjectKey],
) -> Vec<(ObjectKey, Option<Compared>)> {
    let mut discovery = Discovery::new(target.cache, target.inventory.clone());
    let mut all = Vec::new();
    for wanted in desired.iter().filter(|wanted| keys.contains(&wanted.key)) {
        let served = match discovery.kind(&wanted.key).await {
            KindState::Served(served) => Some(served),
            KindState::Missing | KindState::Unknown(_) => None,
        };
        all.push((wanted, served));
    }
    let work: Vec<_> = all
        .into_iter()
        .map(|(wanted, served)| async move {
            let compared = match served {
                Some(served) => one(target, wanted, &served).await,
                None => None,
            };
            (wanted.key.clone(), compared)
        })
        .collect();
    stream::iter(work).buffer_unordered(AT_ONCE).collect().await
}

async fn one(target: &Target<'_>, wanted: &Wanted, served: &Served) -> Option<Compared> {
    let api = api(&target.client, served, wanted.id.namespace.as_deref());
    let name = &wanted.id.name;
    let actual: DynamicObject = call_opt(api.get(name)).await.ok()??;
    let digest = wanted.digest(target.store).await.ok()?;
    let uid = actual.metadata.uid.as_deref();
    let object = wanted.complete(target.store, &digest, uid).await.ok()?;
    // As it would be applied to what is ours: fields that somebody else took are taken back.
    let mut params = PatchParams::apply(mark::MANAGER);
    params.dry_run = true;
    params.force = true;
    let merged = call(api.patch(name, &params, &Patch::Apply(&object)))
        .await
        .ok()?;
    Some(Compared {
        actual: plain(&actual)?,
        wanted: plain(&merged)?,
    })
}

/// An object without what the cluster writes itself, and without our marks.
fn plain(object: &DynamicObject) -> Option<Value> {
    let mut value = serde_json::to_value(object).ok()?;
    let top = value.as_object_mut()?;
    top.remove("status");
    let metadata = top.get_mut("metadata")?.as_object_mut()?;
    for name in [
        "managedFields",
        "resourceVersion",
        "generation",
        "uid",
        "creationTimestamp",
    ] {
        metadata.remove(name);
    }
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.remove(mark::DIGEST);
    }
    Some(value)
}
