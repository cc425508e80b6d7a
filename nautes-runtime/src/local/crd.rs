//! Custom resource definitions: checks, names, conditions, and the kinds they bring.

mod defaults;
mod quoted;

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    builtin::Sort,
    cel::{self, Rules},
    json,
    kinds::{Column, Registry, ResourceType, ScalePaths, Version, rank},
    names,
    schema::{self, Schema},
    status::Cause,
};

pub(crate) const GROUP: &str = "apiextensions.k8s.io";
pub(crate) const PLURAL: &str = "customresourcedefinitions";
/// What a definition in a group of Kubernetes itself must carry.
const APPROVAL: &str = "api-approved.kubernetes.io";

pub(crate) const FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";

/// Fills in what a definition leaves out.
pub(crate) fn fill(definition: &mut Value) {
    let kind = json::text(definition, &["spec", "names", "kind"]).to_owned();
    let names = json::path_mut(definition, &["spec", "names"]);
    if !kind.is_empty() {
        json::default_to(names, "singular", kind.to_lowercase());
        json::default_to(names, "listKind", format!("{kind}List"));
    }
    let conversion = json::path_mut(definition, &["spec", "conversion"]);
    json::default_to(conversion, "strategy", "None");
}

/// What is wrong with a definition.
pub(crate) fn causes(definition: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let text = |path: &[&str]| json::text(definition, path);
    let (group, plural) = (text(&["spec", "group"]), text(&["spec", "names", "plural"]));
    let wanted = format!("{plural}.{group}");
    if json::name(definition) != wanted {
        causes.push(Cause::invalid(
            "metadata.name",
            &Value::from(json::name(definition)),
            "must be spec.names.plural+\".\"+spec.group",
        ));
    }
    for (field, value) in [("spec.group", group), ("spec.names.plural", plural)] {
        if value.is_empty() {
            causes.push(Cause::required(field, ""));
        } else if let Some(why) = names::dns_subdomain(value) {
            causes.push(Cause::invalid(field, &Value::from(value), why));
        }
    }
    if !group.is_empty() && !group.contains('.') {
        causes.push(Cause::invalid(
            "spec.group",
            &Value::from(group),
            "should be a domain with at least one dot",
        ));
    }
    if (group.ends_with(".k8s.io") || group.ends_with(".kubernetes.io"))
        && json::at(definition, &["metadata", "annotations", APPROVAL]).is_none()
    {
        let detail = format!("protected groups must have approval annotation {APPROVAL:?}");
        causes.push(Cause::required(
            format!("metadata.annotations[{APPROVAL}]"),
            &detail,
        ));
    }
    if text(&["spec", "names", "kind"]).is_empty() {
        causes.push(Cause::required("spec.names.kind", ""));
    }
    let scope = text(&["spec", "scope"]);
    if scope.is_empty() {
        causes.push(Cause::required("spec.scope", ""));
    } else if !["Namespaced", "Cluster"].contains(&scope) {
        let all = ["Cluster", "Namespaced"].map(str::to_owned);
        causes.push(Cause::not_supported("spec.scope", &Value::from(scope), &all));
    }
    if let Some(old) = old {
        immutable(definition, old, &mut causes);
    }
    version_causes(definition, &mut causes);
    causes
}

fn immutable(definition: &Value, old: &Value, causes: &mut Vec<Cause>) {
    for path in [
        &["spec", "group"][..],
        &["spec", "scope"],
        &["spec", "names", "kind"],
        &["spec", "names", "plural"],
    ] {
        let (now, before) = (json::at(definition, path), json::at(old, path));
        if now != before {
            let value = now.cloned().unwrap_or_default();
            causes.push(Cause::invalid(path.join("."), &value, "field is immutable"));
        }
    }
}

fn version_causes(definition: &Value, causes: &mut Vec<Cause>) {
    let versions = json::list(definition, &["spec", "versions"]);
    let marked: Vec<&str> = versions
        .iter()
        .filter(|v| v.get("storage") == Some(&Value::Bool(true)))
        .map(|v| json::text(v, &["name"]))
        .collect();
    if marked.len() != 1 {
        causes.push(Cause::invalid_shown(
            "spec.versions",
            &quoted::versions(versions),
            "must have exactly one version marked as storage version",
        ));
    }
    let ever = json::texts(definition, &["status", "storedVersions"]);
    if ever.is_empty() {
        let detail = "must have at least one stored version";
        causes.push(Cause::invalid("status.storedVersions", &Value::Null, detail));
    } else if let Some(last) = marked.last().filter(|m| !ever.contains(m)) {
        let detail = format!("must have the storage version {last}");
        causes.push(Cause::invalid("status.storedVersions", &json!(ever), detail));
    }
    for (index, stored) in ever.into_iter().enumerate() {
        if versions.iter().all(|v| json::text(v, &["name"]) != stored) {
            let why = format!(
                "missing from spec.versions; {stored} was previously a storage version, and must remain in \
                 spec.versions until a storage migration ensures no data remains persisted in {stored} and removes \
                 {stored} from status.storedVersions"
            );
            let at = format!("status.storedVersions[{index}]");
            causes.push(Cause::invalid(at, &Value::from(stored), why));
        }
    }
    for (index, version) in versions.iter().enumerate() {
        let at = format!("spec.versions[{index}]");
        let name = json::text(version, &["name"]);
        if let Some(why) = names::dns_1035_label(name) {
            // The first version is that of the definition too.
            if index == 0 {
                causes.push(Cause::invalid("spec.version", &Value::from(name), &why));
            }
            causes.push(Cause::invalid(format!("{at}.name"), &Value::from(name), why));
        }
        if versions[..index].iter().any(|v| json::text(v, &["name"]) == name) {
            causes.push(Cause::duplicate(format!("{at}.name"), &Value::from(name)));
        }
        let Some(document) = json::at(version, &["schema", "openAPIV3Schema"]) else {
            let path = format!("{at}.schema.openAPIV3Schema");
            causes.push(Cause::required(path, ""));
            continue;
        };
        // A schema that all versions share is that of the definition.
        let shared = versions.iter().all(|v| v.get("schema") == version.get("schema"));
        if shared && index > 0 {
            continue;
        }
        let path = if shared {
            "spec.validation.openAPIV3Schema".to_owned()
        } else {
            format!("{at}.schema.openAPIV3Schema")
        };
        let found = schema::structural_causes(document, &path);
        if !found.is_empty() {
            causes.extend(found);
            continue;
        }
        causes.extend(defaults::causes(document, &path));
        causes.extend(cel::causes(document, &path));
    }
}

/// The first version that is marked as the one to store in.
fn storage_version(definition: &Value) -> Option<String> {
    json::list(definition, &["spec", "versions"])
        .iter()
        .find(|v| v.get("storage") == Some(&Value::Bool(true)))
        .map(|v| json::text(v, &["name"]).to_owned())
}

/// Notes the version that objects are stored in among those that they ever were.
pub(crate) fn note_stored(definition: &mut Value) {
    let Some(storage) = storage_version(definition).map(Value::from) else {
        return;
    };
    let status = json::path_mut(definition, &["status"]);
    let stored = status.entry("storedVersions").or_insert(Value::Null);
    if stored.is_null() {
        *stored = json!([]);
    }
    if let Some(list) = stored.as_array_mut().filter(|l| !l.contains(&storage)) {
        list.push(storage);
    }
}

/// The status of a definition that nobody has looked at yet.
pub(crate) fn start_status(definition: &mut Value) {
    let storage = storage_version(definition);
    json::object_mut(definition).insert(
        "status".to_owned(),
        json!({"acceptedNames": {"kind": "", "plural": ""}, "conditions": null,
               "storedVersions": storage.into_iter().collect::<Vec<_>>()}),
    );
}

/// Sets the status of a definition: accepted names, conditions, stored versions.
pub(crate) fn set_status(definition: &mut Value, registry: &Registry) {
    let (accepted, conflict) = accepted_names(definition, registry);
    let now = json::now();
    let condition = |ty: &str, ok: bool, reason: &str, message: &str| {
        json!({"type": ty, "status": if ok { "True" } else { "False" }, "reason": reason, "message": message,
               "lastTransitionTime": now})
    };
    let conditions = match &conflict {
        None => vec![
            condition("NamesAccepted", true, "NoConflicts", "no conflicts found"),
            condition(
                "Established",
                true,
                "InitialNamesAccepted",
                "the initial names have been accepted",
            ),
        ],
        Some((reason, message)) => vec![
            condition("NamesAccepted", false, reason, message),
            condition("Established", false, "NotAccepted", "not all names are accepted"),
        ],
    };
    let status = json::path_mut(definition, &["status"]);
    let before = status
        .get("conditions")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let conditions: Vec<Value> = conditions.into_iter().map(|c| kept_time(c, &before)).collect();
    let others = before
        .into_iter()
        .filter(|b| !conditions.iter().any(|c| c["type"] == b["type"]));
    let all: Vec<Value> = conditions.iter().cloned().chain(others).collect();
    status.insert("conditions".to_owned(), all.into());
    status.insert("acceptedNames".to_owned(), accepted);
    note_stored(definition);
}

/// A condition that says the same as before keeps its time.
fn kept_time(mut condition: Value, before: &[Value]) -> Value {
    let same = before
        .iter()
        .find(|b| b["type"] == condition["type"] && b["status"] == condition["status"]);
    if let Some(time) = same.and_then(|b| b.get("lastTransitionTime")) {
        condition["lastTransitionTime"] = time.clone();
    }
    condition
}

/// The names of a definition that no other definition of the group has, and the last conflict of the others: its
/// reason and its message.
fn accepted_names(definition: &Value, registry: &Registry) -> (Value, Option<(&'static str, String)>) {
    let group = json::text(definition, &["spec", "group"]);
    let name = |key: &str| json::text(definition, &["spec", "names", key]);
    let others: Vec<_> = registry
        .all()
        .filter(|t| t.group == group && (t.plural != name("plural") || !t.custom))
        .collect();
    let is_resource = |text: &str| {
        let has = |t: &ResourceType| {
            [&*t.plural, &*t.singular].contains(&text) || t.short_names.iter().any(|s| *s == text)
        };
        others.iter().any(|t| has(t))
    };
    let is_kind = |text: &str| others.iter().any(|t| [&*t.kind, &*t.list_kind].contains(&text));
    let mut accepted = json!({"kind": "", "plural": ""});
    let mut conflict = None;
    for (key, reason, taken) in [
        ("plural", "PluralConflict", is_resource(name("plural"))),
        ("singular", "SingularConflict", is_resource(name("singular"))),
        ("kind", "KindConflict", is_kind(name("kind"))),
        ("listKind", "ListKindConflict", is_kind(name("listKind"))),
    ] {
        if taken {
            conflict = Some((reason, format!("{:?} is already in use", name(key))));
        } else if !name(key).is_empty() {
            accepted[key] = name(key).into();
        }
        if key == "singular" {
            let short = json::texts(definition, &["spec", "names", "shortNames"]);
            let taken = short.iter().filter(|s| is_resource(s));
            let said: Vec<String> = taken.map(|s| format!("{s:?} is already in use")).collect();
            match said.as_slice() {
                [] if short.is_empty() => {}
                [] => accepted["shortNames"] = short.into(),
                [one] => conflict = Some(("ShortNamesConflict", one.clone())),
                several => conflict = Some(("ShortNamesConflict", format!("[{}]", several.join(", ")))),
            }
        }
    }
    if let Some(categories) = json::at(definition, &["spec", "names", "categories"]) {
        accepted["categories"] = categories.clone();
    }
    (accepted, conflict)
}

/// True where the kind of a definition is served.
pub(crate) fn is_established(definition: &Value) -> bool {
    json::list(definition, &["status", "conditions"])
        .iter()
        .any(|c| c["type"] == "Established" && c["status"] == "True")
}

/// The kind that a definition brings.
pub(crate) fn resource_type(definition: &Value) -> ResourceType {
    let text = |path: &[&str]| json::text(definition, path).to_owned();
    let texts = |path: &[&str]| {
        json::texts(definition, path)
            .into_iter()
            .map(str::to_owned)
            .collect()
    };
    let mut versions: Vec<Arc<Version>> = json::list(definition, &["spec", "versions"])
        .iter()
        .filter(|v| v.get("served") == Some(&Value::Bool(true)))
        .map(|v| Arc::new(version(v)))
        .collect();
    versions.sort_by_key(|v| std::cmp::Reverse(rank(&v.name)));
    let (group, plural) = (text(&["spec", "group"]), text(&["spec", "names", "plural"]));
    ResourceType {
        storage: format!("{plural}.{group}").into(),
        kept_as: {
            let all = json::list(definition, &["spec", "versions"]);
            let kept = all.iter().find(|v| v.get("storage") == Some(&Value::Bool(true)));
            let version = kept.map(|v| json::text(v, &["name"])).unwrap_or_default();
            format!("{group}/{version}/{}", text(&["spec", "names", "kind"]))
        },
        group,
        plural,
        singular: text(&["spec", "names", "singular"]),
        kind: text(&["spec", "names", "kind"]),
        list_kind: text(&["spec", "names", "listKind"]),
        namespaced: text(&["spec", "scope"]) == "Namespaced",
        short_names: texts(&["spec", "names", "shortNames"]),
        categories: texts(&["spec", "names", "categories"]),
        versions,
        sort: Sort::Plain,
        custom: true,
    }
}

fn version(version: &Value) -> Version {
    let document = json::at(version, &["schema", "openAPIV3Schema"])
        .cloned()
        .unwrap_or_else(|| json!({}));
    let rules = Rules::of(&document).map(Arc::new);
    let path = |text: &str| -> Vec<String> {
        text.trim_start_matches('.')
            .split('.')
            .map(str::to_owned)
            .collect()
    };
    let scale = json::at(version, &["subresources", "scale"]).map(|scale| ScalePaths {
        spec: path(json::text(scale, &["specReplicasPath"])),
        status: path(json::text(scale, &["statusReplicasPath"])),
        selector: scale.get("labelSelectorPath").and_then(Value::as_str).map(path),
    });
    let deprecated = (version.get("deprecated") == Some(&Value::Bool(true)))
        .then(|| json::text(version, &["deprecationWarning"]).to_owned());
    Version {
        name: json::text(version, &["name"]).to_owned(),
        schema: schema_of(&document),
        rules,
        status: json::at(version, &["subresources", "status"]).is_some(),
        scale,
        columns: json::list(version, &["additionalPrinterColumns"])
            .iter()
            .map(column)
            .collect(),
        selectable: json::list(version, &["selectableFields"])
            .iter()
            .map(|f| json::text(f, &["jsonPath"]).trim_start_matches('.').to_owned())
            .collect(),
        document: Some(Arc::new(document)),
        deprecated,
    }
}

fn schema_of(document: &Value) -> Schema {
    schema::compile(document)
}

fn column(column: &Value) -> Column {
    let text = |key: &str| json::text(column, &[key]).to_owned();
    Column {
        name: text("name"),
        ty: text("type"),
        format: text("format"),
        description: match text("description") {
            none if none.is_empty() => format!(
                "Custom resource definition column (in JSONPath format): {}",
                text("jsonPath")
            ),
            told => told,
        },
        priority: column.get("priority").and_then(Value::as_i64).unwrap_or(0),
        path: text("jsonPath"),
    }
}

/// Marks a definition whose objects are being removed.
pub(crate) fn begin_delete(definition: &mut Value) {
    let status = json::path_mut(definition, &["status"]);
    let list = status.entry("conditions").or_insert_with(|| json!([]));
    if let Some(list) = list.as_array_mut() {
        list.push(json!({
            "type": "Terminating", "status": "True", "reason": "InstanceDeletionPending",
            "message": "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
            "lastTransitionTime": json::now(),
        }));
    }
}
