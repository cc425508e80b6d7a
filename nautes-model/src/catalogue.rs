//! What a tenant adds to the catalogue: components, hooks, and what clusters of a shape must have.
//!
//! It is one document, kept in the tenant repository at [`layout::CATALOGUE`](crate::layout::CATALOGUE):
//!
//! ```
//! use nautes_model::manifest::{Context, Form, parse};
//!
//! let text = "
//! apiVersion: nautes.resource.nautes.io/v1alpha1
//! kind: Catalogue
//! spec:
//!   components:
//!     - name: kong
//!       slots: [gateway]
//!       namespace: kong
//!       properties:
//!         - {name: class, required: true, pattern: '[a-z]+'}
//! ";
//! let parsed = parse(text, &Context::new("nautes/catalogue.yaml", Form::Git));
//! assert_eq!(parsed.findings, []);
//! assert_eq!(parsed.catalogue.unwrap().components[0].name, "kong");
//! ```
//!
//! Reading says what is wrong with the form; whether an entry makes sense is for the rules to say.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::finding::Finding;
use crate::fix::{Action, Edit, Fix};
use crate::kind::API_VERSION;
use crate::kinds::cluster::{ClusterType, ClusterUsage, Slot, WorkerType};
use crate::manifest::{meant, nearest, quoted, rule};
use crate::resource::Position;
use crate::yaml::{Entry, Node, Value};

/// The `kind` of the document.
pub const KIND: &str = "Catalogue";
/// How many entries a list may have.
const MAX_ENTRIES: usize = 1000;
/// How long a name, a default or a pattern may be.
const MAX_TEXT: usize = 1000;

/// Where an entry stands.
#[derive(Clone, Debug, Default)]
pub struct EntryPlace {
    /// The path of the entry, for example `spec.components[0]`.
    pub field: String,
    /// The place in the file.
    pub at: Option<Position>,
}

/// Two are equal when they name the same entry; where the file has it does not matter.
impl PartialEq for EntryPlace {
    fn eq(&self, other: &Self) -> bool {
        self.field == other.field
    }
}

impl Eq for EntryPlace {}

/// What a tenant adds to the catalogue.
#[derive(Clone, Debug, Default)]
pub struct Extension {
    /// The file, as the caller named it.
    pub file: Arc<str>,
    /// Whether a part of it cannot be read: then nobody can tell what it does not say.
    pub incomplete: bool,
    /// Components that clusters can have.
    pub components: Vec<ComponentEntry>,
    /// Hooks that pipelines can have.
    pub hooks: Vec<HookEntry>,
    /// What clusters of a shape must have, beyond what they always must.
    pub shapes: Vec<ShapeEntry>,
}

/// Two are equal when they say the same; where they stand does not matter.
impl PartialEq for Extension {
    fn eq(&self, other: &Self) -> bool {
        (self.incomplete, &self.components, &self.hooks, &self.shapes)
            == (other.incomplete, &other.components, &other.hooks, &other.shapes)
    }
}

impl Eq for Extension {}

impl Extension {
    /// Stands for a file that cannot be read at all: nobody can tell what it says.
    #[must_use]
    pub fn unreadable(file: &str) -> Self {
        Self {
            file: Arc::from(file),
            incomplete: true,
            ..Self::default()
        }
    }
}

/// A component of the extension.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ComponentEntry {
    /// Where it stands.
    pub place: EntryPlace,
    /// Its name.
    pub name: String,
    /// The slots that it can fill.
    pub slots: BTreeSet<Slot>,
    /// The namespace in which it usually runs.
    pub namespace: Option<String>,
    /// Its settings.
    pub properties: Vec<PropertyEntry>,
}

/// A setting of a component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PropertyEntry {
    /// Where it stands.
    pub place: EntryPlace,
    /// Its name.
    pub name: String,
    /// What its value is: `any`, `host` or `port`.
    pub shape: Option<String>,
    /// A regular expression that the whole value must match.
    pub pattern: Option<String>,
    /// Whether it must be given.
    pub required: Option<bool>,
    /// The value when it is not given.
    pub default: Option<String>,
}

/// A hook of the extension.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HookEntry {
    /// Where it stands.
    pub place: EntryPlace,
    /// Its name.
    pub name: String,
    /// Whether it may come before the pipeline.
    pub before: bool,
    /// Whether it may come after the pipeline.
    pub after: bool,
    /// The types of event source that it understands; empty for all.
    pub event_sources: Vec<String>,
    /// The names of its parameters, and whether each must be given.
    pub vars: Vec<(String, bool)>,
}

/// What clusters of a shape must have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShapeEntry {
    /// Where it stands.
    pub place: EntryPlace,
    /// How they are used.
    pub usage: ClusterUsage,
    /// Physical or virtual.
    pub cluster_type: ClusterType,
    /// What workers are for.
    pub worker_type: Option<WorkerType>,
    /// The slots that they fill.
    pub slots: BTreeSet<Slot>,
    /// Whether an empty slot is an error.
    pub required: bool,
}

/// Whether a document is an extension of the catalogue.
pub(crate) fn is_extension(node: &Node) -> bool {
    node.get("kind").and_then(Node::as_text) == Some(KIND)
}

/// Reads the document. What is wrong is added to the findings, and the rest is read all the same.
pub(crate) fn read(node: &Node, file: &Arc<str>, findings: &mut Vec<Finding>) -> Extension {
    let before = findings.len();
    let line = node.at.map(|at| at.line);
    let mut reader = Reader { file, line, findings };
    let mut extension = Extension {
        file: Arc::clone(file),
        ..Extension::default()
    };
    let root = reader.map(node, "", &["apiVersion", "kind", "metadata", "spec"]);
    match root.get("apiVersion").map(|n| (n, n.as_text())) {
        Some((_, Some(API_VERSION))) => {}
        Some((at, _)) => reader.fault(
            rule::API_VERSION,
            at.at,
            "apiVersion",
            format!("it is not {API_VERSION}"),
            format!("write `apiVersion: {API_VERSION}`"),
        ),
        None => reader.missing(node.at, "apiVersion"),
    }
    match root.get("spec") {
        Some(spec) => reader.spec(spec, &mut extension),
        None => reader.missing(node.at, "spec"),
    }
    extension.incomplete = findings.len() > before;
    extension
}

/// The fields of a mapping.
struct Fields<'n>(&'n [Entry]);

impl<'n> Fields<'n> {
    fn get(&self, key: &str) -> Option<&'n Node> {
        let entry = self.0.iter().find(|e| e.key == key)?;
        (entry.node.value != Value::Null).then_some(&entry.node)
    }
}

struct Reader<'a> {
    file: &'a Arc<str>,
    /// Where the document begins.
    line: Option<usize>,
    findings: &'a mut Vec<Finding>,
}

impl Reader<'_> {
    fn fault(
        &mut self,
        rule: &str,
        at: Option<Position>,
        field: &str,
        message: String,
        hint: impl Into<String>,
    ) {
        let finding = Finding::error(rule, self.file, message).at(at).field(field);
        self.findings.push(finding.hint(hint));
    }

    /// Adds the way out of the last fault as an edit.
    fn mend_by(&mut self, action: Option<Action>) {
        if let (Some(last), Some(action)) = (self.findings.last_mut(), action) {
            last.fix = Some(Fix::one(Edit {
                file: Arc::clone(self.file),
                resource: None,
                line: self.line,
                action,
            }));
        }
    }

    fn missing(&mut self, at: Option<Position>, field: &str) {
        let name = field.rsplit('.').next().unwrap_or(field);
        self.fault(
            rule::FIELD_MISSING,
            at,
            field,
            "the field is missing".to_owned(),
            format!("write `{name}:`"),
        );
    }

    fn wrong_type(&mut self, node: &Node, field: &str, expected: &str) {
        let message = format!("expected {expected}, found {}", node.value.type_name());
        self.fault(
            rule::FIELD_TYPE,
            node.at,
            field,
            message,
            format!("write {expected}"),
        );
    }

    fn map<'n>(&mut self, node: &'n Node, field: &str, known: &[&str]) -> Fields<'n> {
        let Value::Map(entries) = &node.value else {
            self.wrong_type(node, field, "a mapping");
            return Fields(&[]);
        };
        for entry in entries.iter().filter(|e| !known.contains(&e.key.as_str())) {
            let shown: String = entry.key.chars().take(80).collect();
            let near = nearest(&entry.key, known.iter().copied());
            let hint = near.map_or_else(
                || format!("known here: {}", known.join(", ")),
                |near| format!("did you mean {near}?"),
            );
            let field = join(field, &shown);
            let message = "there is no such field".to_owned();
            self.fault(rule::FIELD_UNKNOWN, entry.at, &field, message, hint);
            let free = meant(&entry.key, known.iter().copied())
                .filter(|name| entries.iter().all(|e| e.key != **name));
            self.mend_by(free.map(|name| Action::rename(&field, name)));
        }
        Fields(entries)
    }

    fn list<'n>(&mut self, node: Option<&'n Node>, field: &str) -> &'n [Node] {
        let Some(node) = node else { return &[] };
        let Value::List(items) = &node.value else {
            self.wrong_type(node, field, "a list");
            return &[];
        };
        if items.len() > MAX_ENTRIES {
            let message = format!("the list has {} items, {MAX_ENTRIES} are allowed", items.len());
            self.fault(rule::FIELD_VALUE, node.at, field, message, "leave some out");
        }
        &items[..items.len().min(MAX_ENTRIES)]
    }

    fn text(&mut self, node: Option<&Node>, field: &str) -> Option<String> {
        let node = node?;
        let Some(text) = node.as_text() else {
            self.wrong_type(node, field, "a text");
            return None;
        };
        if text.is_empty() || text.chars().count() > MAX_TEXT {
            let message = format!("a text of 1 to {MAX_TEXT} characters is wanted");
            self.fault(rule::FIELD_VALUE, node.at, field, message, "write another");
            return None;
        }
        Some(text.to_owned())
    }

    fn name(&mut self, of: &Node, fields: &Fields<'_>, field: &str) -> Option<String> {
        let field = join(field, "name");
        if fields.get("name").is_none() {
            self.missing(of.at, &field);
        }
        self.text(fields.get("name"), &field)
    }

    fn flag(&mut self, node: Option<&Node>, field: &str) -> Option<bool> {
        let node = node?;
        if let Value::Bool(flag) = node.value {
            return Some(flag);
        }
        self.wrong_type(node, field, "true or false");
        None
    }

    /// Reads one of some words.
    fn word<T: Copy>(&mut self, node: Option<&Node>, field: &str, words: &[(&str, T)]) -> Option<T> {
        let at = node?.at;
        let text = self.text(node, field)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let near = nearest(&text, known.iter().copied());
        let hint = near.map_or_else(
            || format!("write one of {}", known.join(", ")),
            |near| format!("did you mean {near}?"),
        );
        let message = format!("{} is not known here", quoted(&text));
        self.fault(rule::FIELD_VALUE, at, field, message, hint);
        let meant = meant(&text, known.iter().copied());
        self.mend_by(meant.map(|word| Action::set(field, word)));
        None
    }

    fn slots(&mut self, node: Option<&Node>, field: &str) -> BTreeSet<Slot> {
        let words = Slot::ALL.map(|slot| (slot.field(), slot));
        let items = self.list(node, field).iter().enumerate();
        items
            .filter_map(|(i, item)| self.word(Some(item), &format!("{field}[{i}]"), &words))
            .collect()
    }

    fn spec(&mut self, node: &Node, into: &mut Extension) {
        let fields = self.map(node, "spec", &["components", "hooks", "shapes"]);
        for (place, item) in self.entries(fields.get("components"), "spec.components") {
            into.components.extend(self.component(place, item));
        }
        for (place, item) in self.entries(fields.get("hooks"), "spec.hooks") {
            into.hooks.extend(self.hook(place, item));
        }
        for (place, item) in self.entries(fields.get("shapes"), "spec.shapes") {
            into.shapes.extend(self.shape(place, item));
        }
    }

    fn entries<'n>(&mut self, node: Option<&'n Node>, field: &str) -> Vec<(EntryPlace, &'n Node)> {
        let items = self.list(node, field).iter().enumerate();
        items
            .map(|(i, item)| {
                let field = format!("{field}[{i}]");
                (EntryPlace { field, at: item.at }, item)
            })
            .collect()
    }

    fn component(&mut self, place: EntryPlace, node: &Node) -> Option<ComponentEntry> {
        let field = place.field.clone();
        let fields = self.map(node, &field, &["name", "slots", "namespace", "properties"]);
        let name = self.name(node, &fields, &field)?;
        let properties = join(&field, "properties");
        let properties = self.entries(fields.get("properties"), &properties);
        Some(ComponentEntry {
            name,
            slots: self.slots(fields.get("slots"), &join(&field, "slots")),
            namespace: self.text(fields.get("namespace"), &join(&field, "namespace")),
            properties: properties
                .into_iter()
                .filter_map(|(place, item)| self.property(place, item))
                .collect(),
            place,
        })
    }

    fn property(&mut self, place: EntryPlace, node: &Node) -> Option<PropertyEntry> {
        const SHAPES: [(&str, &str); 3] = [("any", "any"), ("host", "host"), ("port", "port")];
        let field = place.field.clone();
        let known = ["name", "shape", "pattern", "required", "default"];
        let fields = self.map(node, &field, &known);
        Some(PropertyEntry {
            name: self.name(node, &fields, &field)?,
            shape: self
                .word(fields.get("shape"), &join(&field, "shape"), &SHAPES)
                .map(ToOwned::to_owned),
            pattern: self.text(fields.get("pattern"), &join(&field, "pattern")),
            required: self.flag(fields.get("required"), &join(&field, "required")),
            default: self.text(fields.get("default"), &join(&field, "default")),
            place,
        })
    }

    fn hook(&mut self, place: EntryPlace, node: &Node) -> Option<HookEntry> {
        const SOURCES: [(&str, &str); 2] = [("gitlab", "gitlab"), ("calendar", "calendar")];
        let field = place.field.clone();
        let known = ["name", "before", "after", "eventSources", "vars"];
        let fields = self.map(node, &field, &known);
        let name = self.name(node, &fields, &field)?;
        let sources = join(&field, "eventSources");
        let event_sources = self
            .list(fields.get("eventSources"), &sources)
            .iter()
            .enumerate()
            .filter_map(|(i, item)| self.word(Some(item), &format!("{sources}[{i}]"), &SOURCES))
            .map(ToOwned::to_owned)
            .collect();
        let mut vars = Vec::new();
        for (place, item) in self.entries(fields.get("vars"), &join(&field, "vars")) {
            let of = self.map(item, &place.field, &["name", "required"]);
            let required = self.flag(of.get("required"), &join(&place.field, "required"));
            if let Some(name) = self.name(item, &of, &place.field) {
                vars.push((name, required.unwrap_or(false)));
            }
        }
        Some(HookEntry {
            name,
            before: self
                .flag(fields.get("before"), &join(&field, "before"))
                .unwrap_or(false),
            after: self
                .flag(fields.get("after"), &join(&field, "after"))
                .unwrap_or(false),
            event_sources,
            vars,
            place,
        })
    }

    fn shape(&mut self, place: EntryPlace, node: &Node) -> Option<ShapeEntry> {
        const USAGES: [(&str, ClusterUsage); 2] =
            [("host", ClusterUsage::Host), ("worker", ClusterUsage::Worker)];
        const TYPES: [(&str, ClusterType); 2] = [
            ("physical", ClusterType::Physical),
            ("virtual", ClusterType::Virtual),
        ];
        const WORKERS: [(&str, WorkerType); 2] = [
            ("pipeline", WorkerType::Pipeline),
            ("deployment", WorkerType::Deployment),
        ];
        let field = place.field.clone();
        let known = ["usage", "clusterType", "workerType", "slots", "required"];
        let fields = self.map(node, &field, &known);
        for wanted in ["usage", "clusterType", "slots"] {
            if fields.get(wanted).is_none() {
                self.missing(node.at, &join(&field, wanted));
            }
        }
        Some(ShapeEntry {
            usage: self.word(fields.get("usage"), &join(&field, "usage"), &USAGES)?,
            cluster_type: self.word(fields.get("clusterType"), &join(&field, "clusterType"), &TYPES)?,
            worker_type: match fields.get("workerType") {
                Some(node) => Some(self.word(Some(node), &join(&field, "workerType"), &WORKERS)?),
                None => None,
            },
            slots: self.slots(fields.get("slots"), &join(&field, "slots")),
            required: self
                .flag(fields.get("required"), &join(&field, "required"))
                .unwrap_or(false),
            place,
        })
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

#[cfg(test)]
mod tests {
    use crate::manifest::{Context, Form, parse};

    fn problems(spec: &str) -> Vec<String> {
        let text = format!("apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: Catalogue\nspec:\n{spec}");
        let parsed = parse(&text, &Context::new("c.yaml", Form::Git));
        assert_eq!(parsed.catalogue.unwrap().incomplete, !parsed.findings.is_empty());
        parsed.findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_wrong_has_a_place_and_a_way_out() {
        let found = problems(
            "  components:\n    - name: kong\n      slot: [gateway]\n      slots: [gatway]\n    - slots: 7\n  hooks: {}\n",
        );
        let expected = [
            "c.yaml:6:7: error[ManifestFieldUnknown] spec.components[0].slot: there is no such field\n  hint: did you mean slots?",
            "c.yaml:7:15: error[ManifestFieldValue] spec.components[0].slots[0]: \"gatway\" is not known here\n  hint: did you mean gateway?",
            "c.yaml:8:7: error[ManifestFieldMissing] spec.components[1].name: the field is missing\n  hint: write `name:`",
            "c.yaml:9:10: error[ManifestFieldType] spec.hooks: expected a list, found a mapping\n  hint: write a list",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn an_entry_that_is_right_is_read_beside_one_that_is_wrong() {
        let text = "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: Catalogue\nspec:\n  shapes:\n    - {usage: worker, clusterType: virtual, workerType: pipeline, slots: [certManagement]}\n    - {usage: nobody}\n";
        let parsed = parse(text, &Context::new("c.yaml", Form::Git));
        let catalogue = parsed.catalogue.unwrap();
        assert!(catalogue.incomplete);
        assert_eq!(catalogue.shapes.len(), 1);
        assert_eq!(parsed.resources, []);
    }

    #[test]
    fn a_second_one_is_told() {
        let one = "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: Catalogue\nspec: {}\n";
        let parsed = parse(&format!("{one}---\n{one}"), &Context::new("c.yaml", Form::Git));
        assert_eq!(parsed.findings.len(), 1);
        assert_eq!(parsed.findings[0].rule, "ManifestDuplicate");
    }

    #[test]
    fn any_shape_of_document_is_a_finding_and_no_more() {
        for spec in [
            "  7\n",
            "  components: [7, [], {name: []}]\n",
            "  shapes:\n    - []\n",
            "  hooks: [{name: a, vars: [1]}]\n",
        ] {
            assert!(!problems(spec).is_empty(), "{spec}");
        }
    }
}
