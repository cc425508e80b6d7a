//! The two faces of events: one object, shown by the core group and by `events.k8s.io`.

use serde_json::Value;

use super::kinds::ResourceType;

/// (name in the core group, name in `events.k8s.io`)
const FIELDS: &[(&str, &str)] = &[
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

pub(crate) fn is_new_face(kind: &ResourceType) -> bool {
    kind.is("events.k8s.io", "events")
}

fn rename(object: &Value, to_new: bool) -> Value {
    let mut object = object.clone();
    if let Some(map) = object.as_object_mut() {
        for (core, new) in FIELDS {
            let (from, to) = if to_new { (core, new) } else { (new, core) };
            if let Some(value) = map.remove(*from) {
                map.insert((*to).to_owned(), value);
            }
        }
    }
    object
}

/// The stored object as `events.k8s.io` shows it; none for every other kind.
pub(crate) fn shown(object: &Value, kind: &ResourceType) -> Option<Value> {
    is_new_face(kind).then(|| rename(object, true))
}

/// The object as it is stored; none where it is in that form already.
pub(crate) fn stored(object: &Value, kind: &ResourceType) -> Option<Value> {
    is_new_face(kind).then(|| rename(object, false))
}
