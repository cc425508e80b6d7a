//! Manifests: from text to resources with positions, and back.
//!
//! Reading never fails as a whole. What is right becomes resources, what is wrong becomes findings: all of
//! them, in the order of the text, with their positions and the way out.
//!
//! Two forms are read. In Git, and in a cluster, a manifest has its name in `metadata.name`. The command line
//! also takes the form of the reference's own tool, with the name and the owner inside `spec`; what was
//! renamed on the way is noted, and positions lead back to what was written.
//!
//! ```
//! use nautes_model::manifest::{self, Context, Form};
//!
//! let text = "
//! apiVersion: nautes.resource.nautes.io/v1alpha1
//! kind: Environment
//! metadata:
//!   name: dev
//! spec:
//!   product: demo
//!   cluster: worker-1
//!   envTyp: dev
//! ";
//! let parsed = manifest::parse(text, &Context::new("env.yaml", Form::Git));
//! assert_eq!(parsed.resources, []);
//! assert_eq!(
//!     parsed.findings[0].message,
//!     "the field is missing"
//! );
//! assert_eq!(parsed.findings[1].hint.as_deref(), Some("did you mean envType?"));
//! ```

mod check;
mod convert;
mod locate;
mod render;
mod report;
mod rewrite;

use std::collections::HashMap;
use std::collections::hash_map;
use std::sync::Arc;

use crate::catalogue::{self, Extension};
use crate::finding::{Finding, Severity};
use crate::fix::{Action, Edit, Fix};
use crate::name::ProductName;
use crate::resource::{Identity, Position, Resource, Source, Sourced};
use crate::yaml::{self, DocumentLimits, Entry, Fault, Node, Value};

pub use locate::{locate, locate_all};
pub use render::{RenderError, render};
pub use rewrite::{
    Change, Converted, HeldSecret, Mended, MendedFile, Refused, Replacement, convert, mend, mend_each,
    without_secrets,
};

use convert::Draft;
use report::Report;
pub(crate) use report::{meant, nearest, quoted};

/// The ids of the rules that findings of this module carry.
pub mod rule {
    /// The text is not YAML, or not a manifest at all.
    pub const SYNTAX: &str = "ManifestSyntax";
    /// The text is larger, deeper or longer than allowed.
    pub const LIMIT: &str = "ManifestLimit";
    /// The text is not UTF-8.
    pub const ENCODING: &str = "ManifestEncoding";
    /// The kind is not a kind of Nautes.
    pub const KIND: &str = "ManifestKind";
    /// `apiVersion` is not ours.
    pub const API_VERSION: &str = "ManifestApiVersion";
    /// The kind has no such field.
    pub const FIELD_UNKNOWN: &str = "ManifestFieldUnknown";
    /// A field that must be there is not.
    pub const FIELD_MISSING: &str = "ManifestFieldMissing";
    /// A field has a value of another type.
    pub const FIELD_TYPE: &str = "ManifestFieldType";
    /// A field has a value that is not allowed.
    pub const FIELD_VALUE: &str = "ManifestFieldValue";
    /// A key stands twice in a mapping.
    pub const DUPLICATE_KEY: &str = "ManifestDuplicateKey";
    /// A name is not a DNS label.
    pub const NAME: &str = "ManifestName";
    /// The owning product is not given, or given in two ways that differ.
    pub const PRODUCT: &str = "ManifestProduct";
    /// A text of an older form is written so that it cannot be converted by an edit.
    pub const CONVERT: &str = "ManifestConvert";
    /// The same resource is declared twice.
    pub const DUPLICATE: &str = "ManifestDuplicate";
}

/// How much one input may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The size of the text in bytes.
    pub bytes: usize,
    /// The number of documents, the items of lists included.
    pub documents: usize,
    /// How deep values may be nested.
    pub depth: usize,
    /// How many values one document may hold once aliases are expanded.
    pub nodes: usize,
    /// How many findings are reported.
    pub findings: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 16 << 20,
            documents: 20_000,
            depth: 64,
            nodes: 100_000,
            findings: 1000,
        }
    }
}

impl Limits {
    const fn of_document(&self) -> DocumentLimits {
        DocumentLimits {
            depth: self.depth,
            nodes: self.nodes,
            bytes: self.bytes,
        }
    }
}

/// Which form of a manifest is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The form that is kept in Git: `metadata.name`, no secrets.
    Git,
    /// What people hand in: also with `spec.name`, `spec.productName` and a cluster's `spec.kubeconfig`.
    Request,
}

/// What is known about a text besides its content.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The name of the file, for findings.
    pub file: &'a str,
    /// The product that owns resources that name none: the repository's, or the one given by `-p`.
    pub product: Option<&'a ProductName>,
    /// Which form is accepted.
    pub form: Form,
    /// How much the text may hold.
    pub limits: Limits,
}

impl<'a> Context<'a> {
    /// Makes a context without a product and with the usual limits.
    #[must_use]
    pub fn new(file: &'a str, form: Form) -> Self {
        Self {
            file,
            product: None,
            form,
            limits: Limits::default(),
        }
    }

    /// Sets the product that owns resources that name none.
    #[must_use]
    pub const fn product(mut self, product: Option<&'a ProductName>) -> Self {
        self.product = product;
        self
    }
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    /// The resources of the documents without errors, in the order of the text.
    pub resources: Vec<Sourced>,
    /// What the tenant adds to the catalogue, if one of the documents says so.
    pub catalogue: Option<Arc<Extension>>,
    /// Everything that is wrong, in order.
    pub findings: Vec<Finding>,
}

/// Reads every document of a text.
///
/// A document with an error yields no resource; its findings carry its identity if that could be read. One bad
/// document does not hide the next.
#[must_use]
pub fn parse(text: &str, context: &Context<'_>) -> Parsed {
    let mut reader = Reader::new(context);
    if text.len() > context.limits.bytes {
        reader.refuse_size(text.len());
        return reader.finish();
    }
    let shared: Arc<str> = Arc::from(text.strip_prefix('\u{feff}').unwrap_or(text));
    if shared.len() < text.len() {
        reader.warn_of_mark();
    }
    if yaml::pieces(&shared).nth(context.limits.documents).is_some() {
        reader.refuse_count();
        return reader.finish();
    }
    for piece in yaml::pieces(&shared) {
        let source = Source {
            file: Arc::clone(&reader.report.file),
            text: Arc::clone(&shared),
            span: piece.span,
            line: piece.line,
            renamed: Arc::from([]),
        };
        reader.document(&source);
    }
    reader.finish()
}

/// Reads every document of a text that may not be UTF-8. The size is checked before anything else.
#[must_use]
pub fn parse_bytes(bytes: &[u8], context: &Context<'_>) -> Parsed {
    let mut reader = Reader::new(context);
    if bytes.len() > context.limits.bytes {
        reader.refuse_size(bytes.len());
        return reader.finish();
    }
    let bad = if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        Finding::error(
            rule::ENCODING,
            &reader.report.file,
            "the text is UTF-16, not UTF-8",
        )
    } else {
        match std::str::from_utf8(bytes) {
            Ok(text) => return parse(text, context),
            Err(error) => encoding_finding(&reader.report.file, bytes, error.valid_up_to()),
        }
    };
    reader.report.add(bad.hint("save the file as UTF-8"));
    reader.finish()
}

fn encoding_finding(file: &Arc<str>, bytes: &[u8], offset: usize) -> Finding {
    let before = &bytes[..offset];
    let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
    let position = Position {
        line: before.iter().filter(|b| **b == b'\n').count() + 1,
        column: String::from_utf8_lossy(&before[start..]).chars().count() + 1,
    };
    let message = format!("the byte 0x{:02x} at offset {offset} is not UTF-8", bytes[offset]);
    Finding::error(rule::ENCODING, file, message).at(Some(position))
}

/// Reads one resource, or a list of them, from the body of a request. Findings have no positions.
#[must_use]
pub fn parse_json(value: serde_json::Value, context: &Context<'_>) -> Parsed {
    let mut reader = Reader::new(context);
    let source = Source {
        file: Arc::clone(&reader.report.file),
        ..Source::none()
    };
    reader.root(Node::from_json(value), &source, true);
    reader.finish()
}

/// Whether a text already declares exactly this resource and nothing else, so that rewriting it would only
/// lose its comments and its order.
#[must_use]
pub fn same_meaning(text: &str, resource: &Resource, context: &Context<'_>) -> bool {
    let parsed = parse(text, context);
    let [found] = parsed.resources.as_slice() else {
        return false;
    };
    parsed.findings.is_empty()
        && found.secrets.is_empty()
        && matches!((render::canonical(&found.resource), render::canonical(resource)), (Ok(a), Ok(b)) if a == b)
}

struct Reader<'a> {
    context: &'a Context<'a>,
    report: Report,
    resources: Vec<Sourced>,
    catalogue: Option<Arc<Extension>>,
    /// Where each resource stands, and its place among the resources.
    first_seen: HashMap<Identity, (Option<Position>, usize)>,
    documents: usize,
}

impl<'a> Reader<'a> {
    fn new(context: &'a Context<'a>) -> Self {
        Self {
            context,
            report: Report::new(Arc::from(context.file), context.limits.findings),
            resources: Vec::new(),
            catalogue: None,
            first_seen: HashMap::new(),
            documents: 0,
        }
    }

    fn finish(self) -> Parsed {
        Parsed {
            resources: self.resources,
            catalogue: self.catalogue,
            findings: self.report.finish(),
        }
    }

    fn refuse_size(&mut self, bytes: usize) {
        let message = format!(
            "the text has {bytes} bytes, {} are allowed",
            self.context.limits.bytes
        );
        let finding = Finding::error(rule::LIMIT, &self.report.file, message);
        self.report.add(finding.hint("split it into several files"));
    }

    fn warn_of_mark(&mut self) {
        let message = "the text begins with a byte order mark, which is ignored";
        let mut finding = Finding::error(rule::ENCODING, &self.report.file, message);
        finding.severity = Severity::Warning;
        self.report.add(finding.hint("save the file as UTF-8 without it"));
    }

    fn refuse_count(&mut self) {
        let message = format!(
            "the text has more than {} documents",
            self.context.limits.documents
        );
        let finding = Finding::error(rule::LIMIT, &self.report.file, message);
        self.report.add(finding.hint("split it into several files"));
    }

    fn document(&mut self, source: &Source) {
        let document = yaml::read(
            &source.text[source.span.clone()],
            source.line,
            &self.context.limits.of_document(),
        );
        let identity = match &document.root {
            Some(root) if !document.problems.is_empty() => convert::readable_identity(root, self.context),
            _ => None,
        };
        let line = document.root.as_ref().and_then(|root| root.at).map(|at| at.line);
        let whole = document.problems.iter().all(|p| p.fault == Fault::DuplicateKey);
        let sound = document.problems.is_empty();
        let mut repeated = Vec::new();
        for problem in document.problems {
            let rule = match problem.fault {
                Fault::Syntax => rule::SYNTAX,
                Fault::Limit => rule::LIMIT,
                Fault::DuplicateKey => rule::DUPLICATE_KEY,
            };
            let mut finding = Finding::error(rule, &self.report.file, problem.message).at(problem.at);
            // Of an item of a list nobody can tell here which resource it is.
            let field = problem
                .field
                .as_ref()
                .filter(|f| problem.repeats && !f.starts_with("items["));
            finding.fix = field.map(|field| {
                Fix::one(Edit {
                    file: Arc::clone(&self.report.file),
                    resource: identity.clone(),
                    line,
                    action: Action::RemoveRepeated { field: field.clone() },
                })
            });
            repeated.extend(problem.field.clone());
            finding.field = problem.field;
            finding.hint = problem.hint;
            finding.resource.clone_from(&identity);
            self.report.add(finding);
        }
        let before = self.report.len();
        match document.root {
            Some(root) if whole && root.value != Value::Null => self.root(root, source, sound),
            _ => {}
        }
        self.report.unsettle(before, &repeated);
    }

    /// Reads what a document holds; one that is not sound is only searched for more faults.
    fn root(&mut self, mut root: Node, source: &Source, sound: bool) {
        if root.get("kind").and_then(Node::as_text) == Some("List")
            && let Value::Map(entries) = &mut root.value
            && let Some(Entry { node, .. }) = entries.iter_mut().find(|e| e.key == "items")
            && let Value::List(items) = &mut node.value
        {
            for (index, item) in std::mem::take(items).into_iter().enumerate() {
                self.resource(item, source, &format!("items[{index}]"), sound);
            }
            return;
        }
        self.resource(root, source, "", sound);
    }

    fn resource(&mut self, node: Node, source: &Source, prefix: &str, sound: bool) {
        self.documents += 1;
        if self.documents == self.context.limits.documents + 1 {
            self.refuse_count();
        }
        if self.documents > self.context.limits.documents {
            return;
        }
        if catalogue::is_extension(&node) {
            self.catalogue(&node, sound);
            return;
        }
        let at = node.at;
        let mut draft = Draft::new(node, self.context, prefix);
        let resource = draft.read();
        let identity = draft.identity();
        let errors = draft.findings(&self.report.file);
        if let (Some(resource), Some(identity), true, true) = (resource, identity, errors.is_empty(), sound) {
            self.keep(resource, identity, at, draft, source);
        }
        for finding in errors {
            self.report.add(finding);
        }
    }

    /// Reads what the tenant adds to the catalogue.
    fn catalogue(&mut self, node: &Node, sound: bool) {
        let mut findings = Vec::new();
        let mut read = catalogue::read(node, &self.report.file, &mut findings);
        read.incomplete |= !sound;
        for finding in findings {
            self.report.add(finding);
        }
        if self.catalogue.is_none() {
            self.catalogue = Some(Arc::new(read));
            return;
        }
        let message = "the catalogue is declared twice";
        let finding = Finding::error(rule::DUPLICATE, &self.report.file, message).at(node.at);
        self.report.add(finding.hint("keep one document of this kind"));
    }

    fn keep(
        &mut self,
        resource: Resource,
        identity: Identity,
        at: Option<Position>,
        draft: Draft<'_>,
        source: &Source,
    ) {
        match self.first_seen.entry(identity.clone()) {
            hash_map::Entry::Occupied(first) => {
                let kept = &self.resources[first.get().1];
                let fix = (kept.resource == resource && kept.secrets == draft.secrets()).then(|| {
                    Fix::one(Edit {
                        file: Arc::clone(&self.report.file),
                        resource: Some(identity.clone()),
                        line: at.map(|at| at.line),
                        action: Action::Delete,
                    })
                });
                let finding = Finding::error(
                    rule::DUPLICATE,
                    &self.report.file,
                    "the resource is declared twice",
                )
                .at(at)
                .about(identity.clone())
                .fix(fix)
                .hint(match first.get().0 {
                    Some(p) => format!("keep this one or the one of line {}", p.line),
                    None => "keep one of the two".to_owned(),
                });
                self.report.add(finding);
            }
            hash_map::Entry::Vacant(free) => {
                free.insert((at, self.resources.len()));
                let (renamed, secrets, notes) = draft.into_parts();
                self.resources.push(Sourced {
                    identity,
                    resource,
                    source: Source {
                        renamed: Arc::from(renamed),
                        ..source.clone()
                    },
                    secrets,
                    notes,
                });
            }
        }
    }
}
