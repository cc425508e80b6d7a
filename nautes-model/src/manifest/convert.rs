//! From a document to a resource: header, name, owner, the other forms, the check, the types.

pub(super) mod dialect;
mod faults;
mod owner;
pub(super) mod spelling;
pub(super) mod step;

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;

use super::check::{check, check_labels, shape_of_spec, shape_of_texts, unknown_field};
use super::locate::written;
use super::report::{join, meant, nearest, quoted};
use super::{Context, Form, rule};
use crate::finding::Finding;
use crate::fix::{Action, Edit, Fix};
use crate::kind::{API_VERSION, KINDS, Kind};
use crate::name::{NameError, ProductName, ResourceName};
use crate::resource::{Identity, Position, Resource};
use crate::secret::Secret;
use crate::yaml;
use crate::yaml::{Entry, Node, Value};
use step::Step;

pub(super) use faults::Faults;

/// The fields of `metadata` that Kubernetes knows; all but the first four are left out on reading.
const METADATA: &[&str] = &[
    "name",
    "namespace",
    "labels",
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// The fields of a manifest.
const KNOWN: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];

/// What kubectl keeps a copy of the whole manifest in.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A document on its way to a resource.
pub(super) struct Draft<'a> {
    context: &'a Context<'a>,
    /// Where it begins.
    at: Option<Position>,
    node: Option<Node>,
    kind: Option<Kind>,
    name: Option<ResourceName>,
    product: Option<ProductName>,
    faults: Faults,
    /// Where the resource stands in the document: empty, or an item of a list.
    prefix: String,
    /// Fields that stand elsewhere in the text: (now, as written), below the resource.
    renamed: Vec<(String, String)>,
    steps: Vec<Step>,
    secrets: Vec<(String, Secret)>,
    notes: Vec<String>,
}

/// The parts of a document.
#[derive(Default)]
struct Parts {
    at: Option<Position>,
    metadata_at: Option<Position>,
    metadata: Vec<Entry>,
    has_spec: bool,
    spec_at: Option<Position>,
    spec: Vec<Entry>,
}

/// Returns what a broken document is about, if that much can be read.
pub(super) fn readable_identity(root: &Node, context: &Context<'_>) -> Option<Identity> {
    let mut draft = Draft::new(root.clone(), context, "");
    draft.read();
    draft.identity()
}

impl<'a> Draft<'a> {
    /// Begins with a document, or with the part of one that stands at the prefix.
    pub(super) fn new(node: Node, context: &'a Context<'a>, prefix: &str) -> Self {
        Self {
            context,
            at: node.at,
            node: Some(node),
            kind: None,
            name: None,
            product: None,
            faults: Faults {
                list: Vec::new(),
                limit: context.limits.findings,
            },
            prefix: prefix.to_owned(),
            renamed: Vec::new(),
            steps: Vec::new(),
            secrets: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Reads the document; what is wrong is kept as faults, and then there is no resource.
    pub(super) fn read(&mut self) -> Option<Resource> {
        let mut parts = self.parts()?;
        let kind = self.kind?;
        self.read_name(kind, &mut parts);
        self.read_owner(kind, &mut parts);
        self.refuse_request_fields(kind, &mut parts.spec);
        self.convert(kind, &mut parts.spec);
        let metadata = self.check_metadata(parts.metadata);
        let mut spec = Node {
            at: parts.spec_at,
            value: Value::Map(parts.spec),
        };
        if parts.has_spec {
            check(shape_of_spec(kind), &mut spec, "spec", &mut self.faults);
        }
        if !self.faults.list.is_empty() {
            return None;
        }
        let error = match Resource::from_parts(kind, metadata, spec) {
            Ok(resource) => return Some(resource),
            Err(error) => error,
        };
        let message = format!("the fields do not fit together: {error}");
        self.faults
            .add(rule::FIELD_TYPE, parts.spec_at, "spec", message, None);
        None
    }

    /// Returns what the document is about, if it could be read.
    pub(super) fn identity(&self) -> Option<Identity> {
        let (kind, name) = (self.kind?, self.name.clone()?);
        if kind.is_of_product() {
            Some(Identity::product(kind, self.product.clone()?, name))
        } else {
            Some(Identity::tenant(kind, name))
        }
    }

    /// Returns what the document says that it is, as far as it does: kind, name and product.
    pub(super) fn said(&self) -> (Option<Kind>, Option<&ResourceName>, Option<&ProductName>) {
        (self.kind, self.name.as_ref(), self.product.as_ref())
    }

    /// Returns the fields that stand elsewhere in the text: (now, as written), below the resource.
    pub(super) fn renamed(&self) -> &[(String, String)] {
        &self.renamed
    }

    /// Returns the faults as findings, with the paths as they were written.
    pub(super) fn findings(&mut self, file: &Arc<str>) -> Vec<Finding> {
        let resource = self.identity();
        let line = self.at.map(|at| at.line);
        let faults = std::mem::take(&mut self.faults.list);
        let renamed = self.renamed_in_document();
        faults
            .into_iter()
            .map(|fault| {
                let mut finding = Finding::error(fault.rule, file, fault.message).at(fault.at);
                if !fault.field.is_empty() {
                    finding.field = Some(written(&renamed, &fault.field));
                }
                finding.hint = fault.hint;
                finding.fix = fault.action.map(|action| {
                    Fix::one(Edit {
                        file: Arc::clone(file),
                        resource: resource.clone(),
                        line,
                        action,
                    })
                });
                finding.resource.clone_from(&resource);
                finding
            })
            .collect()
    }

    /// Hands out what goes along with the resource: renamed fields, secrets, notes.
    #[expect(clippy::type_complexity, reason = "the types of the fields of Sourced")]
    pub(super) fn into_parts(self) -> (Vec<(String, String)>, Vec<(String, Secret)>, Vec<String>) {
        (self.renamed_in_document(), self.secrets, self.notes)
    }

    /// Returns the secrets that were taken out, by their fields.
    pub(super) fn secrets(&self) -> &[(String, Secret)] {
        &self.secrets
    }

    /// Hands out what an editor of the text has to do, and what it can say about it.
    pub(super) fn into_steps(self) -> (Vec<Step>, Vec<String>) {
        (self.steps, self.notes)
    }

    fn renamed_in_document(&self) -> Vec<(String, String)> {
        if self.prefix.is_empty() {
            return self.renamed.clone();
        }
        let whole = (String::new(), self.prefix.clone());
        let fields = self
            .renamed
            .iter()
            .map(|(field, written)| (field.clone(), format!("{}.{written}", self.prefix)));
        std::iter::once(whole).chain(fields).collect()
    }

    /// Takes the document apart and reads kind and version; without a kind nothing more can be said.
    fn parts(&mut self) -> Option<Parts> {
        let node = self.node.take()?;
        let mut parts = Parts {
            at: node.at,
            ..Parts::default()
        };
        let Value::Map(entries) = node.value else {
            let message = format!("a manifest is a mapping, this is {}", node.value.type_name());
            self.faults.add(rule::SYNTAX, node.at, "", message, None);
            return None;
        };
        let (mut version, mut kind, mut no_spec) = (None, None, true);
        let mut unknown = Vec::new();
        for entry in entries {
            match entry.key.as_str() {
                "apiVersion" => version = Some(entry.node),
                "kind" => kind = Some(entry.node),
                "metadata" => {
                    parts.metadata_at = entry.node.at;
                    parts.metadata = self.section("metadata", entry.node).unwrap_or_default();
                }
                "spec" => {
                    no_spec = entry.node.value == Value::Null;
                    parts.has_spec = matches!(entry.node.value, Value::Map(_));
                    parts.spec_at = entry.node.at;
                    parts.spec = self.section("spec", entry.node).unwrap_or_default();
                }
                "status" => match entry.node.value {
                    Value::Null => {}
                    Value::Map(fields) if fields.is_empty() => {}
                    _ => self.notes.push("the status is left out".to_owned()),
                },
                _ => unknown.push(entry),
            }
        }
        self.read_kind(kind, parts.at);
        if self.kind.is_some() {
            let has_version = version.is_some();
            let misspelt = unknown
                .iter()
                .any(|e: &Entry| nearest(&e.key, KNOWN.iter().copied()) == Some("apiVersion"));
            self.read_version(version, parts.at, misspelt);
            for entry in &unknown {
                // What the document has of the known ones is not among these.
                let given = |name: &str| match name {
                    "metadata" => parts.metadata_at.is_some(),
                    "spec" => parts.spec_at.is_some(),
                    "apiVersion" => has_version,
                    "kind" => true,
                    _ => false,
                };
                let path = join("", &entry.key);
                unknown_field(entry, &path, KNOWN.iter().copied(), given, &mut self.faults);
            }
            if no_spec {
                let message = "the field is missing";
                self.faults
                    .add(rule::FIELD_MISSING, parts.at, "spec", message, None);
            }
        }
        Some(parts)
    }

    fn section(&mut self, name: &str, node: Node) -> Option<Vec<Entry>> {
        match node.value {
            Value::Map(entries) => Some(entries),
            Value::Null => None,
            other => {
                let message = format!("expected a mapping, found {}", other.type_name());
                self.faults.add(rule::FIELD_TYPE, node.at, name, message, None);
                None
            }
        }
    }

    fn read_kind(&mut self, node: Option<Node>, at: Option<Position>) {
        let Some(node) = node.filter(|n| n.value != Value::Null) else {
            let hint = "every document begins with apiVersion and kind".to_owned();
            self.faults.add(
                rule::FIELD_MISSING,
                at,
                "kind",
                "the field is missing",
                Some(hint),
            );
            return;
        };
        let Some(text) = node.as_text() else {
            let message = format!("expected a text, found {}", node.value.type_name());
            self.faults.add(rule::FIELD_TYPE, node.at, "kind", message, None);
            return;
        };
        self.kind = Kind::from_name(text);
        if self.kind.is_none() {
            let near = nearest(text, KINDS.iter().map(|info| info.name));
            let hint = match near {
                Some(name) => format!("did you mean {name}?"),
                None => {
                    let names: Vec<&str> = KINDS.iter().map(|info| info.name).collect();
                    format!("the kinds are {}", names.join(", "))
                }
            };
            let message = format!("{} is not a kind of Nautes", quoted(text));
            let meant = meant(text, KINDS.iter().map(|info| info.name));
            let action = meant.map(|name| Action::set("kind", name));
            self.faults
                .add_mendable(rule::KIND, node.at, "kind", message, Some(hint), action);
        }
    }

    /// Reads the version; `misspelt` says that it may stand there under another key.
    fn read_version(&mut self, node: Option<Node>, at: Option<Position>, misspelt: bool) {
        let hint = Some(format!("write apiVersion: {API_VERSION}"));
        let action = Some(Action::set("apiVersion", API_VERSION));
        let Some(node) = node.filter(|n| n.value != Value::Null) else {
            self.faults.add_mendable(
                rule::FIELD_MISSING,
                at,
                "apiVersion",
                "the field is missing",
                hint,
                action.filter(|_| !misspelt),
            );
            return;
        };
        match node.as_text() {
            Some(API_VERSION) => {}
            Some(text) => {
                let message = format!("{} is not the version of this kind", quoted(text));
                self.faults
                    .add_mendable(rule::API_VERSION, node.at, "apiVersion", message, hint, action);
            }
            None => {
                let message = format!("expected a text, found {}", node.value.type_name());
                self.faults
                    .add_mendable(rule::FIELD_TYPE, node.at, "apiVersion", message, hint, action);
            }
        }
    }

    /// Takes a field that must be a text; another type is a fault, no value is no field.
    fn take_text(&mut self, fields: &mut Vec<Entry>, base: &str, key: &str) -> Option<Entry> {
        let entry = take(fields, key)?;
        match &entry.node.value {
            Value::Text(_) => return Some(entry),
            Value::Null => {}
            other => {
                let message = format!("expected a text, found {}", other.type_name());
                let hint = match other {
                    Value::Number(n) => Some(format!("put it in quotes: \"{n}\"")),
                    _ => None,
                };
                let field = join(base, key);
                let action = match other {
                    Value::Number(n) if n.is_i64() => Some(Action::set(&field, n.to_string())),
                    _ => None,
                };
                self.faults
                    .add_mendable(rule::FIELD_TYPE, entry.node.at, &field, message, hint, action);
            }
        }
        None
    }

    /// Takes a text that only requests have in their spec; one without a value is left out.
    fn take_request_text(&mut self, spec: &mut Vec<Entry>, key: &str) -> Option<Entry> {
        if spec.iter().any(|e| e.key == key && e.node.value == Value::Null) {
            self.left_out(&join("spec", key));
        }
        self.take_text(spec, "spec", key)
    }

    /// Finds the name, in `metadata` or, as the command line may, in `spec`.
    fn read_name(&mut self, kind: Kind, parts: &mut Parts) {
        let wrong_before = self.faults.list.len();
        let mut name = self.take_text(&mut parts.metadata, "metadata", "name");
        // These two have a field of that name, which means something else.
        let own_field = matches!(kind, Kind::Product | Kind::ProductProvider);
        if self.context.form == Form::Request {
            let in_spec = if own_field {
                parts
                    .spec
                    .iter()
                    .find(|e| e.key == "name" && e.node.as_text().is_some_and(|t| !t.is_empty()))
                    .cloned()
            } else {
                self.take_request_text(&mut parts.spec, "name")
            };
            match (&name, in_spec) {
                (None, Some(entry)) => {
                    self.rename("metadata.name", "spec.name");
                    self.steps.push(Step::Metadata {
                        path: "spec.name".to_owned(),
                        key: "name",
                        value: None,
                        stays: own_field,
                    });
                    name = Some(entry);
                }
                (Some(name), Some(entry)) if !own_field && name.node.as_text() != entry.node.as_text() => {
                    let message = format!(
                        "spec.name is {}, but metadata.name is {}",
                        quoted(entry.node.as_text().unwrap_or_default()),
                        quoted(name.node.as_text().unwrap_or_default()),
                    );
                    let hint = Some("give the name once, in metadata.name".to_owned());
                    self.faults
                        .add(rule::NAME, entry.node.at, "spec.name", message, hint);
                }
                (Some(_), Some(_)) if !own_field => self.left_out("spec.name"),
                _ => {}
            }
        }
        let Some(entry) = name else {
            if self.faults.list.len() == wrong_before {
                let at = parts.metadata_at.or(parts.at);
                let message = "the resource has no name";
                self.faults
                    .add(rule::FIELD_MISSING, at, "metadata.name", message, None);
            }
            return;
        };
        let text = entry.node.as_text().unwrap_or_default();
        let error = match kind {
            Kind::Product => ProductName::new(text).err(),
            _ => None,
        };
        match (error, ResourceName::new(text)) {
            (Some(error), _) | (None, Err(error)) => self.bad_name(&error, entry.node.at, "metadata.name"),
            (None, Ok(name)) => self.name = Some(name),
        }
        // A value of another type is left to the check.
        let is_open = |e: &Entry| e.node.value == Value::Null || e.node.as_text() == Some("");
        if kind == Kind::Product && parts.spec.iter().find(|e| e.key == "name").is_none_or(is_open) {
            set(&mut parts.spec, "name", text);
        }
    }

    fn bad_name(&mut self, error: &NameError, at: Option<Position>, field: &str) {
        let hint = match error {
            NameError::NotLabel { .. } => Some("for example: my-name-1".to_owned()),
            NameError::Empty { .. } | NameError::TooLong { .. } => None,
        };
        self.faults.add(rule::NAME, at, field, error.to_string(), hint);
    }

    /// Checks what is left of the metadata and returns what is kept of it.
    fn check_metadata(&mut self, fields: Vec<Entry>) -> ObjectMeta {
        let mut kept = ObjectMeta {
            name: self.name.as_ref().map(ToString::to_string),
            ..ObjectMeta::default()
        };
        let mut dropped = Vec::new();
        // Only an unknown field needs to know what else is there.
        let mut given: Vec<String> = Vec::new();
        if fields.iter().any(|e| !METADATA.contains(&e.key.as_str())) {
            given.extend(fields.iter().map(|e| e.key.clone()));
            given.extend(self.name.as_ref().map(|_| "name".to_owned()));
        }
        for mut entry in fields {
            let field = join("metadata", &entry.key);
            match entry.key.as_str() {
                _ if entry.node.value == Value::Null => {}
                "labels" | "annotations" => {
                    if let Value::Map(texts) = &mut entry.node.value {
                        texts.retain(|e| e.key != LAST_APPLIED && e.node.value != Value::Null);
                        if texts.is_empty() {
                            continue;
                        }
                    }
                    check(shape_of_texts(), &mut entry.node, &field, &mut self.faults);
                    if let Value::Map(texts) = &entry.node.value {
                        check_labels(&field, entry.key == "labels", texts, &mut self.faults);
                    }
                    // What does not fit was reported: nothing is made of this document.
                    let texts = Deserialize::deserialize(entry.node).ok();
                    match entry.key.as_str() {
                        "labels" => kept.labels = texts,
                        _ => kept.annotations = texts,
                    }
                }
                key if METADATA.contains(&key) => dropped.push(field),
                _ => {
                    let known = METADATA[..4].iter().copied();
                    let is_given = |name: &str| given.iter().any(|g| g == name);
                    unknown_field(&entry, &field, known, is_given, &mut self.faults);
                }
            }
        }
        if !dropped.is_empty() {
            self.notes.push(format!("left out: {}", dropped.join(", ")));
        }
        kept
    }

    /// Notes that a field of the resource stands elsewhere in the text.
    fn rename(&mut self, field: &str, written: &str) {
        let written = self.as_written(written);
        self.notes.push(format!("{written} is read as {field}"));
        self.renamed.push((field.to_owned(), written));
    }

    /// Translates the path of a field to the one in the text, below the resource.
    fn as_written(&self, field: &str) -> String {
        written(&self.renamed, field)
    }

    /// Notes that a field adds nothing.
    fn left_out(&mut self, field: &str) {
        let path = self.as_written(field);
        self.notes.push(format!("{path} adds nothing and is left out"));
        self.steps.push(Step::Drop { path });
    }
}

/// Takes a field out.
fn take(fields: &mut Vec<Entry>, key: &str) -> Option<Entry> {
    let index = fields.iter().position(|e| e.key == key)?;
    Some(fields.remove(index))
}

/// Returns the text of a field.
fn text_of<'n>(fields: &'n [Entry], key: &str) -> Option<&'n str> {
    fields.iter().find(|e| e.key == key)?.node.as_text()
}

/// Sets a field to a text.
fn set(fields: &mut Vec<Entry>, key: &str, text: &str) {
    take(fields, key);
    fields.push(Entry {
        key: key.to_owned(),
        at: None,
        node: Node::text(text, None),
    });
}

/// Returns the fields of a mapping below, which is made if it is not there; `None` if it is something else.
fn fields_below<'n>(
    fields: &'n mut Vec<Entry>,
    key: &str,
    at: Option<Position>,
) -> Option<&'n mut Vec<Entry>> {
    let index = match fields.iter().position(|e| e.key == key) {
        Some(index) => index,
        None => {
            fields.push(Entry {
                key: key.to_owned(),
                at,
                node: Node {
                    at,
                    value: yaml::Value::Null,
                },
            });
            fields.len() - 1
        }
    };
    let value = &mut fields[index].node.value;
    if *value == Value::Null {
        *value = Value::Map(Vec::new());
    }
    match value {
        Value::Map(entries) => Some(entries),
        _ => None,
    }
}
