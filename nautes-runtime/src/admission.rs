//! Admission: the verdict on a write to a custom resource of the tenant cluster, by the same rules as everywhere.
//!
//! The custom resources are a projection of what Git declares (decision D2): what somebody writes there by hand is
//! healed. Admission says so at once, and says what the rules think of it, before anybody waits for an effect.
//!
//! | the write | the answer |
//! |---|---|
//! | says what Git says (every write of Nautes itself) | admitted |
//! | touches status or metadata only | admitted |
//! | differs from Git and breaks rules | denied, with every finding |
//! | differs from Git and breaks none | admitted, with a warning that Git decides |
//! | deletes what Git declares | admitted, with warnings: what still needs it, and that it will come back |
//! | comes before Git was read, or from a namespace that is not ours | admitted, with a warning |
//!
//! Deletions are never denied: whoever empties a namespace must be able to end, and nothing is lost by it.
//!
//! # Guarantees
//! * Pure: no call to a cluster, a forge or a store. What is declared is what the controllers have read.
//! * The findings are those of [`nautes_validate::check_change`], word for word.

mod configuration;
mod review;

use nautes_model::manifest::{self, Context, Form};
use nautes_model::name::{ProductName, ResourceName};
use nautes_model::{Finding, Identity, Kind, Resource, Scopes, Severity, Sourced};
use nautes_validate::{RuleSet, check_change};
use serde_json::Value;

pub use crate::local::Operation;
pub use configuration::configuration;
pub use review::answer;

/// The name of the file in findings about what was sent.
const SENT: &str = "request";
/// Longer warnings are cut by Kubernetes, in bytes.
const WARNING: usize = 256;

/// A write of one object.
#[derive(Clone, Copy, Debug)]
pub struct Write<'a> {
    /// What it does.
    pub operation: Operation,
    /// The kind, for example `Environment`.
    pub kind: &'a str,
    /// The subresource, empty for the object itself.
    pub subresource: &'a str,
    /// The namespace.
    pub namespace: &'a str,
    /// The name.
    pub name: &'a str,
    /// The object to be stored; none for a deletion.
    pub object: Option<&'a Value>,
    /// The object as it is; none for a creation.
    pub old: Option<&'a Value>,
}

/// What the rules say of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be done; the sentences are for whoever does it.
    Admitted(Vec<String>),
    /// It may not be done, for all these reasons.
    Denied(Vec<Finding>),
}

impl Verdict {
    fn warned(text: impl Into<String>) -> Self {
        Self::Admitted(vec![text.into()])
    }

    /// Returns the reasons of a denial as one text, a finding a line.
    #[must_use]
    pub fn reasons(&self) -> Option<String> {
        match self {
            Self::Admitted(_) => None,
            Self::Denied(findings) => Some(
                findings
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join("\n"),
            ),
        }
    }
}

/// What writes are judged by.
#[derive(Clone, Copy, Debug)]
pub struct Judge<'a> {
    /// What Git declares; `None` before it was read.
    pub declared: Option<&'a Scopes>,
    /// The namespace of the tenant's resources.
    pub tenant_namespace: &'a str,
    /// The rules.
    pub rules: &'a RuleSet,
}

impl Judge<'_> {
    /// Judges a write.
    #[must_use]
    pub fn judge(&self, write: &Write<'_>) -> Verdict {
        let Some(kind) = Kind::from_name(write.kind).filter(|_| write.subresource.is_empty()) else {
            return Verdict::Admitted(Vec::new());
        };
        if write.operation == Operation::Update && same_spec(kind, write.object, write.old) {
            return Verdict::Admitted(Vec::new());
        }
        let Some(declared) = self.declared else {
            return Verdict::warned("not judged: Nautes has not read its repositories yet");
        };
        let Some(product) = self.owner(declared, kind, write.namespace) else {
            let message = format!("has no effect: {} is no namespace of Nautes", write.namespace);
            return Verdict::warned(message);
        };
        let Ok(name) = ResourceName::new(write.name) else {
            // The API server says what is wrong with a name.
            return Verdict::Admitted(Vec::new());
        };
        let identity = Identity {
            kind,
            product: product.cloned(),
            name,
        };
        match write.object.filter(|_| write.operation != Operation::Delete) {
            None => self.removal(declared, &identity),
            Some(object) => self.change(declared, &identity, object),
        }
    }

    /// Returns the product whose namespace it is, `None` inside for the tenant's.
    fn owner<'s>(
        &self,
        declared: &'s Scopes,
        kind: Kind,
        namespace: &str,
    ) -> Option<Option<&'s ProductName>> {
        if !kind.is_of_product() {
            return (namespace == self.tenant_namespace).then_some(None);
        }
        declared
            .products
            .keys()
            .find(|product| product.namespace() == namespace)
            .map(Some)
    }

    fn removal(&self, declared: &Scopes, identity: &Identity) -> Verdict {
        let Some(sourced) = declared.get(identity) else {
            return Verdict::Admitted(Vec::new());
        };
        let mut after = declared.clone();
        after.remove(identity);
        let report = check_change(declared, &after, self.rules);
        let mut warnings: Vec<String> = report.rejected.iter().map(warning).collect();
        warnings.push(cut(format!(
            "Git declares it ({}), so it will be made again: remove it with `nautes delete`",
            sourced.source.file
        )));
        Verdict::Admitted(warnings)
    }

    fn change(&self, declared: &Scopes, identity: &Identity, object: &Value) -> Verdict {
        let now = declared.get(identity);
        if now.is_some_and(|now| says(&now.resource, object)) {
            return Verdict::Admitted(Vec::new());
        }
        let context = Context::new(SENT, Form::Git).product(identity.product.as_ref());
        let parsed = manifest::parse_json(plain(object), &context);
        let mut rejected: Vec<Finding> = parsed
            .findings
            .into_iter()
            .filter(|f| f.severity == Severity::Error)
            .collect();
        if rejected.is_empty() {
            let after = parsed.resources.into_iter().fold(declared.clone(), put);
            rejected = check_change(declared, &after, self.rules).rejected;
        }
        if !rejected.is_empty() {
            return Verdict::Denied(rejected);
        }
        Verdict::warned(match now {
            Some(now) => cut(format!(
                "Git declares it ({}) and decides: change it there, this will be undone",
                now.source.file
            )),
            None => "it is not in Git, so it has no effect: declare it with `nautes apply`".to_owned(),
        })
    }
}

fn put(mut scopes: Scopes, resource: Sourced) -> Scopes {
    scopes.replace(resource);
    scopes
}

/// An object without what the cluster adds to it.
fn plain(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
        if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.retain(|key, _| matches!(key.as_str(), "name" | "namespace" | "labels" | "annotations"));
        }
    }
    object
}

/// Whether an object says what a resource says; defaults that the cluster fills in are no difference.
fn says(resource: &Resource, object: &Value) -> bool {
    let sent = Resource::from_json(plain(object)).ok();
    let specs = |r: &Resource| r.to_json().ok().map(|json| json["spec"].clone());
    sent.as_ref().and_then(specs) == specs(resource)
}

fn same_spec(kind: Kind, new: Option<&Value>, old: Option<&Value>) -> bool {
    let of = |value: Option<&Value>| {
        let mut value = plain(value?);
        value["kind"] = kind.name().into();
        Resource::from_json(value)
            .ok()?
            .to_json()
            .ok()
            .map(|json| json["spec"].clone())
    };
    matches!((of(new), of(old)), (Some(new), Some(old)) if new == old)
}

fn warning(finding: &Finding) -> String {
    cut(format!("{}: {}", finding.rule, finding.message))
}

fn cut(mut text: String) -> String {
    if text.len() > WARNING {
        let end = (0..=WARNING - 3).rev().find(|i| text.is_char_boundary(*i));
        text.truncate(end.unwrap_or_default());
        text.push_str("...");
    }
    text
}
