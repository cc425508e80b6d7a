//! From older forms of manifests to the current one, as small edits of the text.
//!
//! Whatever the reader understands besides the current form (fields of version 0.3, the form of the reference's
//! command line, snake_case names of its API) is edited where it stands: keys are renamed, values moved or put
//! one level deeper. Everything else stays byte for byte: comments, order, quotes, blank lines, line ends, and
//! every document that has nothing to convert.
//!
//! # Guarantees
//! * The resources that the text declares are the same before and after: the new text is read and compared.
//! * Converting again changes nothing.
//! * No comment is lost.
//! * Secrets stay where they are, and are named.
//! * A text that cannot be edited so, for example because what moves comes from an alias, is left as it is as a
//!   whole, with findings that say why.

mod component;
mod edit;
mod item;
mod mend;
mod plan;

pub use mend::{Mended, MendedFile, Refused, Replacement, mend, mend_each};

use std::ops::Range;

use super::convert::{Draft, step::Step};
use super::{Context, Form, Reader, rule};
use crate::finding::Finding;
use crate::kind::{API_VERSION, Kind};
use crate::name::ProductName;
use crate::resource::{Identity, Position, Resource};
use crate::secret::Secret;
use crate::yaml::spans::{Shape, Span, spans};
use crate::yaml::{self, Fault, Node, Piece, Value};

use edit::{Edits, Refusal};
use plan::Plan;

/// A text in the current form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// The text: the one that was given if there are findings, or nothing to convert.
    pub text: String,
    /// What was changed, in order.
    pub changes: Vec<Change>,
    /// Why the text is left as it is.
    pub findings: Vec<Finding>,
    /// The secrets that the text holds; they are in neither changes nor findings.
    pub secrets: Vec<HeldSecret>,
}

/// Something that was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The line of the given text at which its document begins, counted from 1.
    pub line: usize,
    /// The resource.
    pub resource: Identity,
    /// What became what.
    pub note: String,
}

/// A secret that stays in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldSecret {
    /// The resource.
    pub resource: Identity,
    /// The field.
    pub field: String,
}

/// Converts every document of a text to the current form.
///
/// The form of the context does not matter: older forms are understood, and what comes out is the form of Git,
/// but for secrets, which stay. A document of another API stays as it is. When one document cannot be read or
/// converted, the whole text stays as it is.
///
/// ```
/// use nautes_model::manifest::{self, Context, Form};
///
/// let text = "\
/// apiVersion: nautes.resource.nautes.io/v1alpha1
/// kind: CodeRepoBinding
/// spec:
///   productName: demo  # the owner
///   name: deploy
///   coderepo: 'web'
///   permissions: readonly
/// ";
/// let converted = manifest::convert(text, &Context::new("binding.yaml", Form::Request));
/// assert_eq!(converted.findings, []);
/// assert_eq!(converted.text, "\
/// apiVersion: nautes.resource.nautes.io/v1alpha1
/// kind: CodeRepoBinding
/// metadata:
///   name: deploy
///   namespace: product-demo  # the owner
/// spec:
///   codeRepo: 'web'
///   permissions: readonly
/// ");
/// ```
#[must_use]
pub fn convert(text: &str, context: &Context<'_>) -> Converted {
    let context = Context {
        form: Form::Request,
        ..*context
    };
    let mut reader = Reader::new(&context);
    let mut all = Converted {
        text: text.to_owned(),
        changes: Vec::new(),
        findings: Vec::new(),
        secrets: Vec::new(),
    };
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > context.limits.bytes {
        reader.refuse_size(text.len());
    } else if yaml::pieces(body).nth(context.limits.documents).is_some() {
        reader.refuse_count();
    } else {
        let mut out = text[..text.len() - body.len()].to_owned();
        let mut done = 0;
        for piece in yaml::pieces(body) {
            out.push_str(&body[done..piece.span.start]);
            done = piece.span.end;
            match convert_piece(&body[piece.span.clone()], &piece, &context, &mut all) {
                Ok(text) => out.push_str(&text),
                Err(findings) => findings.into_iter().for_each(|f| reader.report.add(f)),
            }
        }
        out.push_str(&body[done..]);
        all.text = out;
    }
    all.findings = reader.finish().findings;
    if !all.findings.is_empty() {
        text.clone_into(&mut all.text);
        all.changes.clear();
    }
    all
}

/// Hides the secrets of a text, so that it can be shown to people. What surrounds them stays as it is.
#[must_use]
pub fn without_secrets(text: &str, context: &Context<'_>) -> String {
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut edits = Edits::new(body);
    if text.len() <= context.limits.bytes {
        for piece in yaml::pieces(body).take(context.limits.documents) {
            let text = &body[piece.span.clone()];
            let sound = yaml::read(text, piece.line, &context.limits.of_document())
                .problems
                .is_empty();
            let Some(root) = spans(text).filter(|_| sound) else {
                continue;
            };
            for place in kubeconfigs(&root) {
                let end = if text[place.clone()].ends_with('\n') {
                    "\n"
                } else {
                    ""
                };
                edits.replace(
                    piece.span.start + place.start..piece.span.start + place.end,
                    format!("(not shown){end}"),
                );
            }
        }
    }
    edits.apply().unwrap_or_default()
}

fn kubeconfigs(root: &Span) -> Vec<Range<usize>> {
    let items = match root.member("items").map(|m| &m.value.shape) {
        Some(Shape::List { items }) => items.as_slice(),
        _ => &[],
    };
    std::iter::once(root)
        .chain(items)
        .filter_map(|resource| resource.member("spec")?.value.member("kubeconfig"))
        .map(|member| member.value.range.clone())
        .collect()
}

/// A resource of a document, as it was read.
struct Read {
    /// Where it stands in the document: empty, or an item of a list.
    prefix: String,
    at: Option<Position>,
    identity: Identity,
    resource: Resource,
    steps: Vec<Step>,
    notes: Vec<String>,
    secrets: Vec<(String, Secret)>,
}

impl Read {
    /// Whether there is anything to convert.
    fn is_old(&self) -> bool {
        self.steps.iter().any(|s| !matches!(s, Step::Secret { .. }))
    }

    fn says_the_same(&self, other: &Self) -> bool {
        self.prefix == other.prefix
            && self.identity == other.identity
            && self.resource == other.resource
            && self.secrets == other.secrets
    }
}

fn convert_piece(
    text: &str,
    piece: &Piece,
    context: &Context<'_>,
    all: &mut Converted,
) -> Result<String, Vec<Finding>> {
    let (before, owner) = read_any_owner(text, piece.line, context)?;
    for read in &before {
        all.secrets
            .extend(read.secrets.iter().map(|(field, _)| HeldSecret {
                resource: read.identity.clone(),
                field: field.clone(),
            }));
    }
    if !before.iter().any(Read::is_old) {
        return Ok(text.to_owned());
    }
    let context = Context {
        product: owner.as_ref().or(context.product),
        ..*context
    };
    let refuse = |refusal: &Refusal, read: &Read| vec![refused(refusal, text, piece, &context, read)];
    let edited = edited(text, &before).map_err(|(refusal, read)| refuse(&refusal, read))?;
    if let Err(message) = verified(text, &edited, piece.line, &context, &before) {
        let first = before.iter().find(|r| r.is_old()).unwrap_or(&before[0]);
        let refusal = Refusal { message, at: None };
        return Err(refuse(&refusal, first));
    }
    for mut read in before.into_iter().filter(Read::is_old) {
        if read.identity.product == owner {
            // One that was made up.
            read.identity.product = None;
        }
        all.changes.extend(read.notes.into_iter().map(|note| Change {
            line: read.at.map_or(piece.line, |p| p.line),
            resource: read.identity.clone(),
            note,
        }));
    }
    Ok(edited)
}

/// Makes the edits of every resource of a document.
fn edited<'r>(text: &str, resources: &'r [Read]) -> Result<String, (Refusal, &'r Read)> {
    let nowhere = || Refusal {
        message: "the document has another shape than it seems".to_owned(),
        at: None,
    };
    let mut edits = Edits::new(text);
    let root = spans(text);
    for read in resources.iter().filter(|r| r.is_old()) {
        let root = root.as_ref().and_then(|root| resource_at(root, &read.prefix));
        let root = root.ok_or_else(|| (nowhere(), read))?;
        Plan::make(text, root, &read.steps, &mut edits).map_err(|refusal| (refusal, read))?;
    }
    match (edits.apply(), resources.iter().find(|r| r.is_old())) {
        (Ok(text), _) => Ok(text),
        (Err(refusal), Some(read)) => Err((refusal, read)),
        (Err(_), None) => Ok(text.to_owned()),
    }
}

fn resource_at<'s>(root: &'s Span, prefix: &str) -> Option<&'s Span> {
    let Some(index) = prefix.strip_prefix("items[") else {
        return Some(root);
    };
    match &root.member("items")?.value.shape {
        Shape::List { items } => items.get(index.strip_suffix(']')?.parse::<usize>().ok()?),
        _ => None,
    }
}

/// Checks the promises: the same resources, nothing left to convert, no comment lost.
fn verified(old: &str, new: &str, line: usize, context: &Context<'_>, before: &[Read]) -> Result<(), String> {
    let has_secrets = before.iter().any(|r| !r.secrets.is_empty());
    let form = if has_secrets { Form::Request } else { Form::Git };
    let only_one = yaml::pieces(new).count() == 1;
    let after = read(new, line, &Context { form, ..*context }).unwrap_or_default();
    let same =
        only_one && after.len() == before.len() && before.iter().zip(&after).all(|(b, a)| b.says_the_same(a));
    if !same {
        return Err("the text is written in a way that cannot be edited safely".to_owned());
    }
    if after.iter().any(Read::is_old) {
        return Err("something of an older form would be left".to_owned());
    }
    let marks = |text: &str| text.bytes().filter(|b| *b == b'#').count();
    if marks(old) != marks(new) {
        return Err("a comment would be lost".to_owned());
    }
    Ok(())
}

/// Reads a document whose owner may be known only to its repository; then one is made up, and returned.
fn read_any_owner(
    text: &str,
    line: usize,
    context: &Context<'_>,
) -> Result<(Vec<Read>, Option<ProductName>), Vec<Finding>> {
    let findings = match read(text, line, context) {
        Ok(all) => return Ok((all, None)),
        Err(findings) => findings,
    };
    let ownerless = context.product.is_none() && findings.iter().all(|f| f.rule == rule::PRODUCT);
    let owner = ProductName::new("owner").ok().filter(|_| ownerless);
    let again = owner.as_ref().map(|owner| {
        let context = context.product(Some(owner));
        read(text, line, &context)
    });
    match again {
        Some(Ok(all)) => Ok((all, owner)),
        _ => Err(findings),
    }
}

/// Reads the resources of ours in one document.
fn read(text: &str, line: usize, context: &Context<'_>) -> Result<Vec<Read>, Vec<Finding>> {
    let document = yaml::read(text, line, &context.limits.of_document());
    let file = std::sync::Arc::from(context.file);
    let mut findings: Vec<Finding> = document
        .problems
        .into_iter()
        .map(|problem| {
            let rule = match problem.fault {
                Fault::Syntax => rule::SYNTAX,
                Fault::Limit => rule::LIMIT,
                Fault::DuplicateKey => rule::DUPLICATE_KEY,
            };
            let mut finding = Finding::error(rule, &file, problem.message).at(problem.at);
            finding.field = problem.field;
            finding.hint = problem.hint;
            finding
        })
        .collect();
    let mut all = Vec::new();
    let resources = document.root.filter(|_| findings.is_empty()).map(resources);
    for (prefix, node) in resources.unwrap_or_default() {
        let at = node.at;
        let mut draft = Draft::new(node, context, &prefix);
        let resource = draft.read();
        let identity = draft.identity();
        findings.extend(draft.findings(&file));
        if let (Some(resource), Some(identity)) = (resource, identity) {
            let secrets = draft.secrets().to_vec();
            let (steps, notes) = draft.into_steps();
            all.push(Read {
                prefix,
                at,
                identity,
                resource,
                steps,
                notes,
                secrets,
            });
        }
    }
    if findings.is_empty() {
        Ok(all)
    } else {
        Err(findings)
    }
}

/// Returns the resources of a document that may be ours, and where they stand.
fn resources(root: Node) -> Vec<(String, Node)> {
    let mut all = all_resources(root);
    all.retain(|(_, node)| may_be_ours(node));
    all
}

/// Returns the resources of a document, and where they stand.
fn all_resources(mut root: Node) -> Vec<(String, Node)> {
    let is_list = root.get("kind").and_then(Node::as_text) == Some("List");
    match &mut root.value {
        Value::Map(entries) if is_list => {
            let items = entries.iter_mut().find(|e| e.key == "items");
            match items.map(|e| &mut e.node.value) {
                Some(Value::List(items)) => std::mem::take(items)
                    .into_iter()
                    .enumerate()
                    .map(|(index, item)| (format!("items[{index}]"), item))
                    .collect(),
                _ => Vec::new(),
            }
        }
        _ => vec![(String::new(), root)],
    }
}

/// Whether a resource says that it is of this API, or nothing else.
fn may_be_ours(node: &Node) -> bool {
    if node.value == Value::Null {
        return false;
    }
    let group = API_VERSION.split('/').next().unwrap_or(API_VERSION);
    match node.get("apiVersion").and_then(Node::as_text) {
        Some(version) => {
            version.split('/').next() == Some(group)
                || node
                    .get("kind")
                    .and_then(Node::as_text)
                    .and_then(Kind::from_name)
                    .is_some()
                    && !version.contains('.')
        }
        None => true,
    }
}

fn refused(refusal: &Refusal, text: &str, piece: &Piece, context: &Context<'_>, read: &Read) -> Finding {
    let at = refusal.at.filter(|at| text.is_char_boundary(*at)).map(|at| {
        let before = &text[..at];
        let start = before.rfind('\n').map_or(0, |i| i + 1);
        Position {
            line: piece.line + before.matches('\n').count(),
            column: before[start..].chars().count() + 1,
        }
    });
    let file = std::sync::Arc::from(context.file);
    let message = format!("this cannot be converted here: {}", refusal.message);
    Finding::error(rule::CONVERT, &file, message)
        .at(at.or(read.at))
        .about(read.identity.clone())
        .hint(format!("change it by hand: {}", read.notes.join("; ")))
}
