//! `managedFields`: which manager owns which field, and server-side apply on top of that.

use serde_json::{Map, Value, json};

use super::{
    fields::{self, Marks, Set},
    json,
    schema::View,
    status::{Cause, Status},
};

/// How many managers that update are told apart; older ones are folded into one.
const UPDATERS: usize = 10;

/// Who writes, through which door.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    pub(crate) manager: String,
    pub(crate) api_version: String,
    pub(crate) subresource: String,
    /// True where status is a part of its own: main writes leave it alone, status writes leave the rest.
    pub(crate) has_status: bool,
    /// True where a status write may set annotations.
    pub(crate) annotates: bool,
    /// True for custom resources, whose structures may be absent.
    pub(crate) custom: bool,
}

impl Writer {
    /// The time of a write; those of scales are not written down.
    fn now(&self) -> String {
        if self.subresource == "scale" {
            String::new()
        } else {
            json::now()
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    manager: String,
    operation: String,
    api_version: String,
    subresource: String,
    time: String,
    set: Set,
}

impl Entry {
    fn is(&self, writer: &Writer, operation: &str) -> bool {
        self.manager == writer.manager
            && self.operation == operation
            && self.subresource == writer.subresource
            && (operation == "Apply" || self.api_version == writer.api_version)
    }
}

fn decode(object: &Value) -> Option<Vec<Entry>> {
    let list = json::list(object, &["metadata", "managedFields"]);
    list.iter()
        .map(|entry| {
            let text = |key: &str| json::text(entry, &[key]).to_owned();
            if text("fieldsType") != "FieldsV1" {
                return None;
            }
            Some(Entry {
                manager: text("manager"),
                operation: text("operation"),
                api_version: text("apiVersion"),
                subresource: text("subresource"),
                time: text("time"),
                set: Set::from_json(entry.get("fieldsV1")?)?,
            })
        })
        .collect()
}

fn encode(object: &mut Value, mut entries: Vec<Entry>) {
    entries.retain(|e| !e.set.is_empty());
    // Apply entries first, then by time, as the real server orders them.
    entries.sort_by(|a, b| {
        (&a.operation, &a.time, &a.manager, &a.subresource).cmp(&(
            &b.operation,
            &b.time,
            &b.manager,
            &b.subresource,
        ))
    });
    let meta = json::meta_mut(object);
    if entries.is_empty() {
        meta.remove("managedFields");
        return;
    }
    let list: Vec<Value> = entries
        .iter()
        .map(|e| {
            let mut entry = json!({
                "manager": e.manager, "operation": e.operation, "apiVersion": e.api_version,
                "fieldsType": "FieldsV1", "fieldsV1": e.set.to_json(),
            });
            if !e.time.is_empty() {
                entry["time"] = e.time.clone().into();
            }
            if !e.subresource.is_empty() {
                entry["subresource"] = e.subresource.clone().into();
            }
            entry
        })
        .collect();
    meta.insert("managedFields".to_owned(), list.into());
}

const UNOWNED: &[&[&str]] = &[
    &["apiVersion"],
    &["kind"],
    &["metadata", "name"],
    &["metadata", "namespace"],
    &["metadata", "creationTimestamp"],
    &["metadata", "selfLink"],
    &["metadata", "uid"],
    &["metadata", "generation"],
    &["metadata", "managedFields"],
    &["metadata", "resourceVersion"],
];

fn ownable(mut set: Set, writer: &Writer) -> Set {
    for path in UNOWNED {
        set.forget(path);
    }
    match writer.subresource.as_str() {
        "status" if writer.annotates => set.forget(&["spec"]),
        "status" => set.keep_only("status"),
        _ if writer.has_status => set.forget(&["status"]),
        _ => {}
    }
    set.unmark("metadata");
    set
}

fn bare(object: &Value) -> Value {
    let mut object = object.clone();
    json::meta_mut(&mut object).remove("managedFields");
    object
}

/// Writes down who owns what after a create or an update. `new` is the object as it will be stored.
pub(crate) fn track_update(old: Option<&Value>, new: &mut Value, writer: &Writer, view: View<'_>) {
    let empty = json!({});
    let live = old.unwrap_or(&empty);
    let mut entries = starting_entries(old, new, writer);
    let before = entries.clone();
    let marks = if writer.custom { Marks::All } else { Marks::Maps };
    let difference = fields::compare(&bare(live), &bare(new), view, marks);
    let touched = difference.added.union(&difference.modified);
    let gone = difference.removed.clone();
    for entry in entries.iter_mut().filter(|e| !e.is(writer, "Update")) {
        entry.set = entry.set.difference(&touched).difference(&gone);
    }
    let mine = ownable(touched, writer);
    match entries.iter_mut().find(|e| e.is(writer, "Update")) {
        Some(entry) => {
            let set = entry.set.difference(&gone).union(&mine);
            if set != entry.set {
                entry.set = set;
                entry.time = writer.now();
            }
        }
        None if !mine.is_empty() => entries.push(Entry {
            manager: writer.manager.clone(),
            operation: "Update".to_owned(),
            api_version: writer.api_version.clone(),
            subresource: writer.subresource.clone(),
            time: writer.now(),
            set: mine,
        }),
        None => {}
    }
    fold_old_updaters(&mut entries);
    if entries != before
        || old.is_none()
        || json::list(new, &["metadata", "managedFields"]).len() != before.len()
    {
        encode(new, entries);
    } else {
        keep(live, new);
    }
}

/// Gives an object the managers that it had.
pub(crate) fn keep(live: &Value, new: &mut Value) {
    match json::meta(live).get("managedFields") {
        Some(fields) => json::meta_mut(new).insert("managedFields".to_owned(), fields.clone()),
        None => json::meta_mut(new).remove("managedFields"),
    };
}

/// True where two states of an object differ in nothing but the times of its managers, and in the version they are in.
pub(crate) fn same_but_times(old: &Value, new: &Value) -> bool {
    json::same_but(old, new, &["apiVersion", "metadata"])
        && json::same_but(&old["metadata"], &new["metadata"], &["managedFields"])
        && {
            let lists = [old, new].map(|object| json::list(object, &["metadata", "managedFields"]));
            lists[0].len() == lists[1].len()
                && lists[0]
                    .iter()
                    .zip(lists[1])
                    .all(|(a, b)| json::same_but(a, b, &["time"]))
        }
}

/// The entries to start from: those of the request, where it sets them on purpose, else those of the object.
fn starting_entries(old: Option<&Value>, new: &Value, writer: &Writer) -> Vec<Entry> {
    let live = || old.and_then(decode).unwrap_or_default();
    if old.is_none() {
        return Vec::new();
    }
    if !writer.subresource.is_empty() {
        return live();
    }
    let list = json::list(new, &["metadata", "managedFields"]);
    if let [only] = list
        && only.as_object().is_some_and(Map::is_empty)
    {
        return Vec::new();
    }
    match decode(new) {
        Some(entries) if !entries.is_empty() => entries,
        _ => live(),
    }
}

fn fold_old_updaters(entries: &mut Vec<Entry>) {
    let mut updaters: Vec<usize> = (0..entries.len())
        .filter(|i| entries[*i].operation == "Update" && entries[*i].subresource.is_empty())
        .collect();
    if updaters.len() <= UPDATERS {
        return;
    }
    updaters.sort_by(|a, b| entries[*a].time.cmp(&entries[*b].time));
    let extra = updaters.len() - UPDATERS + 1;
    let mut oldest: Vec<usize> = updaters.into_iter().take(extra).collect();
    oldest.sort_unstable_by(|a, b| b.cmp(a));
    let mut folded: Option<Entry> = None;
    for index in oldest {
        let entry = entries.remove(index);
        folded = Some(match folded {
            None => Entry {
                manager: "ancient-changes".to_owned(),
                ..entry
            },
            Some(sum) => Entry {
                set: sum.set.union(&entry.set),
                ..sum
            },
        });
    }
    entries.extend(folded);
}

/// Server-side apply: what the object becomes. `fold` brings it into the form in which it is stored, which
/// owns nothing.
///
/// # Errors
/// A conflict (409) where another manager owns a field that the configuration changes, unless `force`.
pub(crate) fn apply(
    live: Option<&Value>,
    config: &Value,
    writer: &Writer,
    force: bool,
    view: View<'_>,
    fold: &dyn Fn(&mut Value),
) -> Result<Value, Status> {
    let mut entries = live.and_then(decode).unwrap_or_default();
    let base = live.map_or_else(|| json!({}), bare);
    if let Some(live) = live
        && entries.is_empty()
    {
        entries.push(before_first_apply(live, writer, view));
    }
    let mut config = bare(config);
    strip_foreign(&mut config, writer);
    let mine = ownable(fields::set_of(&config, view), writer);
    let merged = fields::merge(&base, &config, view);
    let last = entries
        .iter()
        .find(|e| e.is(writer, "Apply"))
        .map(|e| e.set.clone());
    let before = entries.clone();
    match entries.iter_mut().find(|e| e.is(writer, "Apply")) {
        Some(entry) => {
            entry.set = mine.clone();
            entry.api_version.clone_from(&writer.api_version);
        }
        None => entries.push(Entry {
            manager: writer.manager.clone(),
            operation: "Apply".to_owned(),
            api_version: writer.api_version.clone(),
            subresource: writer.subresource.clone(),
            time: String::new(),
            set: mine.clone(),
        }),
    }
    let mut result = merged;
    if let Some(last) = last {
        let managed = entries.iter().fold(Set::default(), |sum, e| sum.union(&e.set));
        let gone = last
            .with_named_parents(view)
            .difference(&managed.with_named_parents(view));
        fields::remove(&mut result, &gone, view);
    }
    let difference = fields::compare(&base, &result, view, Marks::Leaves);
    let touched = difference.added.union(&difference.modified);
    let mut conflicts = Vec::new();
    for entry in entries.iter_mut().filter(|e| !e.is(writer, "Apply")) {
        let both = entry.set.intersection(&touched);
        if !both.is_empty() {
            conflicts.push((entry.clone(), both.clone()));
            entry.set = entry.set.difference(&both);
        }
        entry.set = entry.set.difference(&difference.removed);
    }
    if !conflicts.is_empty() && !force {
        return Err(conflict(&conflicts));
    }
    fold(&mut result);
    let unchanged = live.is_some() && result == base && same_sets(&before, &entries);
    if unchanged {
        return Ok(live.cloned().unwrap_or_default());
    }
    if let Some(entry) = entries.iter_mut().find(|e| e.is(writer, "Apply")) {
        // A configuration that the object agreed with already leaves no time.
        let agreed = live.is_some() && result == base;
        entry.time = if agreed { String::new() } else { writer.now() };
    }
    encode(&mut result, entries);
    Ok(result)
}

fn same_sets(a: &[Entry], b: &[Entry]) -> bool {
    let strip = |list: &[Entry]| {
        list.iter()
            .filter(|e| !e.set.is_empty())
            .map(|e| Entry {
                time: String::new(),
                ..e.clone()
            })
            .collect::<Vec<_>>()
    };
    strip(a) == strip(b)
}

fn before_first_apply(live: &Value, writer: &Writer, view: View<'_>) -> Entry {
    let door = Writer {
        subresource: String::new(),
        has_status: false,
        ..writer.clone()
    };
    Entry {
        manager: "before-first-apply".to_owned(),
        operation: "Update".to_owned(),
        api_version: writer.api_version.clone(),
        subresource: String::new(),
        time: json::text(live, &["metadata", "creationTimestamp"]).to_owned(),
        set: ownable(fields::set_of(&bare(live), view), &door),
    }
}

/// Leaves out of a configuration what this door does not write.
fn strip_foreign(config: &mut Value, writer: &Writer) {
    let map = json::object_mut(config);
    match writer.subresource.as_str() {
        "status" => {
            let name: Map<String, Value> = json::child_mut(map, "metadata")
                .iter()
                .filter(|(k, _)| ["name", "namespace", "uid", "resourceVersion"].contains(&k.as_str()))
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect();
            map.insert("metadata".to_owned(), Value::Object(name));
            map.retain(|k, _| ["apiVersion", "kind", "metadata", "status"].contains(&k.as_str()));
        }
        _ if writer.has_status => {
            map.remove("status");
        }
        _ => {}
    }
    let meta = json::child_mut(map, "metadata");
    for field in [
        "creationTimestamp",
        "generation",
        "selfLink",
        "resourceVersion",
        "uid",
    ] {
        meta.remove(field);
    }
}

fn shown(entry: &Entry) -> String {
    let mut text = format!("{:?}", entry.manager);
    if !entry.subresource.is_empty() {
        text = format!("{text} with subresource {:?}", entry.subresource);
    }
    if entry.operation == "Update" {
        text = format!("{text} using {}", entry.api_version);
    }
    text
}

fn conflict(conflicts: &[(Entry, Set)]) -> Status {
    let mut causes = Vec::new();
    let mut lines = Vec::new();
    for (entry, set) in conflicts {
        let who = shown(entry);
        lines.push(format!("conflicts with {who}:"));
        for path in set.paths() {
            lines.push(format!("- {path}"));
            causes.push(Cause::new(
                "FieldManagerConflict",
                path,
                format!("conflict with {who}"),
            ));
        }
    }
    let message = match causes.as_slice() {
        [only] => format!("Apply failed with 1 conflict: {}: {}", only.message, only.field),
        many => format!("Apply failed with {} conflicts: {}", many.len(), lines.join("\n")),
    };
    Status::new(409, "Conflict", message).causes(causes)
}
