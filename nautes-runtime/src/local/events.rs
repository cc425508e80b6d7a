//! The two faces of events: one object, shown by the core group and by `events.k8s.io`.

use serde_json::{Value, json};

use super::{json, kinds::ResourceType};

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

/// True for both faces of events.
pub(crate) fn are(kind: &ResourceType) -> bool {
    kind.plural == "events" && !kind.custom
}

fn is_new_face(kind: &ResourceType) -> bool {
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

/// The fields that an event shows also where they are empty, in the core group.
fn empty_fields() -> [(&'static str, Value); 7] {
    [
        ("eventTime", Value::Null),
        ("firstTimestamp", Value::Null),
        ("lastTimestamp", Value::Null),
        ("involvedObject", json!({})),
        ("source", json!({})),
        ("reportingComponent", "".into()),
        ("reportingInstance", "".into()),
    ]
}

/// The stored object with the names of `events.k8s.io`; none for every other kind.
pub(crate) fn renamed(object: &Value, kind: &ResourceType) -> Option<Value> {
    is_new_face(kind).then(|| rename(object, true))
}

/// The stored object as one of the faces of events shows it; none for every other kind.
pub(crate) fn shown(object: &Value, kind: &ResourceType) -> Option<Value> {
    if !are(kind) {
        return None;
    }
    let mut object = object.clone();
    let new = is_new_face(kind);
    for (field, empty) in empty_fields() {
        // The new group leaves out who reports, where nobody is named.
        if !(new && field.starts_with("reporting")) {
            json::default_to(json::object_mut(&mut object), field, empty);
        }
    }
    Some(if new { rename(&object, true) } else { object })
}

/// The object as it is stored; none where it is in that form already.
pub(crate) fn stored(object: &Value, kind: &ResourceType) -> Option<Value> {
    is_new_face(kind).then(|| rename(object, false))
}
