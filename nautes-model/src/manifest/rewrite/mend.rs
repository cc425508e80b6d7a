//! From fixes to edits of the text of files.
//!
//! # Guarantees
//! * Comments, order, quotes and line ends of what is not edited stay as they are. No comment is lost.
//! * What comes out was read again, and says exactly what was intended.
//! * A fix is made as a whole or not at all. What cannot be made safely, because something comes from an alias or
//!   comments stand in what would go, is refused with the reason.

mod comments;
mod expected;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use super::super::convert::Draft;
use super::super::locate::written;
use super::super::{Context, Limits};
use super::all_resources;
use super::edit::Edits;
use crate::fix::{Action, Edit, Fix};
use crate::kind::Kind;
use crate::name::{ProductName, ResourceName};
use crate::yaml::spans::spans;
use crate::yaml::{self, Fault};

use text::Mending;

/// What came of fixes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mended {
    /// The files that change, by name.
    pub files: BTreeMap<Arc<str>, MendedFile>,
    /// Which fixes were made, by their place among those that were given, in order.
    pub done: Vec<usize>,
    /// Which were not, and why, in order.
    pub refused: Vec<Refused>,
}

/// A file with fixes in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MendedFile {
    /// The new text.
    pub text: String,
    /// What was replaced, in order and without overlaps.
    pub replacements: Vec<Replacement>,
}

/// A piece of a text, and what stands there instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// The bytes of the old text.
    pub range: Range<usize>,
    /// The new text.
    pub text: String,
}

/// A fix that was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its place among those that were given.
    pub fix: usize,
    /// Why: lower case, no full stop.
    pub reason: String,
}

/// Makes fixes in the text of files. A text is asked for by the name of its file in the fixes.
///
/// The fixes must come from findings about these texts. Those that do not fit together with an earlier one are
/// refused, and can be found again in the new text.
///
/// ```
/// use nautes_model::manifest::{self, Context, Form};
///
/// let text = "\
/// apiVersion: nautes.resource.nautes.io/v1alpha1
/// kind: Environment
/// metadata:
///   name: dev
/// spec:
///   product: shop
///   clustr: live # the only one
///   envType: dev
/// ";
/// let context = Context::new("env.yaml", Form::Git);
/// let found = manifest::parse(text, &context).findings;
/// let fixes: Vec<_> = found.iter().filter_map(|finding| finding.fix.as_ref()).collect();
/// let mended = manifest::mend(|_| Some(text), &fixes, &context);
/// assert!(mended.files["env.yaml"].text.contains("  cluster: live # the only one\n"));
/// ```
#[must_use]
pub fn mend<'t>(text_of: impl Fn(&str) -> Option<&'t str>, fixes: &[&Fix], context: &Context<'_>) -> Mended {
    let mut files = Files::default();
    let mut all = Mended::default();
    for (index, fix) in fixes.iter().enumerate() {
        match changed(fix, &text_of, context, &mut files) {
            Ok(changed) => {
                files.extend(changed.into_iter().map(|(name, file)| (name, Ok(file))));
                all.done.push(index);
            }
            Err(reason) => all.refused.push(Refused { fix: index, reason }),
        }
    }
    for (name, file) in files {
        if let Ok(file) = file
            && let Some(mended) = file.mended()
        {
            all.files.insert(Arc::from(name), mended);
        }
    }
    all
}

/// Says what each fix replaces when it is made alone, by file; nothing for one that would be refused. See [`mend`].
#[must_use]
pub fn mend_each<'t>(
    text_of: impl Fn(&str) -> Option<&'t str>,
    fixes: &[&Fix],
    context: &Context<'_>,
) -> Vec<BTreeMap<Arc<str>, Vec<Replacement>>> {
    let mut files = Files::default();
    let replaced = |file: File<'t>| (Arc::clone(&file.name), file.replacements());
    fixes
        .iter()
        .map(|fix| {
            let changed = changed(fix, &text_of, context, &mut files).unwrap_or_default();
            changed.into_values().map(replaced).collect()
        })
        .collect()
}

/// The files that were read, by name; or why one cannot be.
type Files<'f, 't> = BTreeMap<&'f str, Result<File<'t>, String>>;

/// Returns the files that a fix is about with the fix in them.
fn changed<'t, 'f>(
    fix: &'f Fix,
    text_of: &impl Fn(&str) -> Option<&'t str>,
    context: &Context<'_>,
    files: &mut Files<'f, 't>,
) -> Result<BTreeMap<&'f str, File<'t>>, String> {
    let mut changed: BTreeMap<&str, File<'t>> = BTreeMap::new();
    for edit in &fix.edits {
        let name = &*edit.file;
        if !changed.contains_key(name) {
            let known = files.entry(name).or_insert_with(|| {
                let text = text_of(name).ok_or_else(|| format!("there is no file {name:?}"))?;
                File::read(text, name, context)
            });
            changed.insert(name, known.clone()?);
        }
        if let Some(file) = changed.get_mut(name) {
            file.take(edit)?;
        }
    }
    for file in changed.values_mut() {
        file.check()?;
    }
    Ok(changed)
}

/// A file, and what is to be done in it.
#[derive(Clone)]
struct File<'t> {
    name: Arc<str>,
    text: &'t str,
    /// How many bytes of a byte order mark stand before the text.
    mark: usize,
    documents: Arc<[Document]>,
    /// By document; each action once.
    actions: BTreeMap<usize, Vec<Action>>,
    made: BTreeMap<usize, Vec<Replacement>>,
    deleted: BTreeSet<usize>,
    added: Vec<String>,
    /// The documents whose actions changed since they were last made.
    stale: BTreeSet<usize>,
}

/// A document, and the resources in it.
struct Document {
    span: Range<usize>,
    resources: Vec<Found>,
    /// Why it cannot be edited.
    fault: Option<String>,
}

/// A resource as far as its document says what it is.
struct Found {
    prefix: String,
    line: Option<usize>,
    kind: Option<Kind>,
    name: Option<ResourceName>,
    product: Option<ProductName>,
    renamed: Vec<(String, String)>,
}

impl Found {
    fn is(&self, edit: &Edit) -> bool {
        edit.resource.as_ref().is_none_or(|resource| {
            let product = self.product.is_none() || self.product == resource.product;
            self.kind == Some(resource.kind) && self.name.as_ref() == Some(&resource.name) && product
        })
    }
}

impl<'t> File<'t> {
    fn read(text: &'t str, name: &str, context: &Context<'_>) -> Result<Self, String> {
        let body = text.strip_prefix('\u{feff}').unwrap_or(text);
        let limits: &Limits = &context.limits;
        if text.len() > limits.bytes || yaml::pieces(body).nth(limits.documents).is_some() {
            return Err("the file is too large".to_owned());
        }
        let documents = yaml::pieces(body)
            .map(|piece| Document::read(&body[piece.span.clone()], &piece, context))
            .collect();
        Ok(Self {
            name: Arc::from(name),
            text: body,
            mark: text.len() - body.len(),
            documents,
            actions: BTreeMap::new(),
            made: BTreeMap::new(),
            deleted: BTreeSet::new(),
            added: Vec::new(),
            stale: BTreeSet::new(),
        })
    }

    /// Takes an edit up.
    fn take(&mut self, edit: &Edit) -> Result<(), String> {
        if let Action::Add { manifest } = &edit.action {
            let text = yaml::write(&yaml::Node::from_json(manifest.to_json()));
            if self.is_json() {
                return Err("the file is JSON, which holds one document".to_owned());
            }
            if !self.added.contains(&text) {
                self.added.push(text);
            }
            return Ok(());
        }
        let fitting = self.documents.iter().enumerate().flat_map(|(index, document)| {
            let fits = document.resources.iter().filter(|found| found.is(edit));
            fits.map(move |found| (index, document, found))
        });
        let missing = || "the manifest is not there any more".to_owned();
        let fitting: Vec<_> = fitting.collect();
        let (index, document, found) = match fitting.as_slice() {
            [only] if edit.resource.is_some() || edit.line.is_none() => *only,
            several => {
                let here = several.iter().find(|(_, _, found)| found.line == edit.line);
                *here.ok_or_else(missing)?
            }
        };
        if let Some(fault) = &document.fault {
            return Err(fault.clone());
        }
        if self.deleted.contains(&index) {
            return Err("the document goes".to_owned());
        }
        let action = match &edit.action {
            Action::Delete if found.prefix.is_empty() => {
                if self.actions.contains_key(&index) {
                    return Err("the document is edited as well".to_owned());
                }
                self.deleted.insert(index);
                return Ok(());
            }
            Action::Delete => Action::remove(found.prefix.clone()),
            action => in_document(action, found),
        };
        let actions = self.actions.entry(index).or_default();
        if !actions.contains(&action) {
            actions.push(action);
            self.stale.insert(index);
        }
        Ok(())
    }

    fn is_json(&self) -> bool {
        self.name.ends_with(".json")
            || self.documents.iter().any(|d| {
                let span = spans(&self.text[d.span.clone()]);
                span.and_then(|s| s.members().map(|(_, flow)| flow))
                    .unwrap_or(false)
            })
    }

    /// Makes what is to be done, and sees that it is what was intended.
    fn check(&mut self) -> Result<(), String> {
        for index in std::mem::take(&mut self.stale) {
            let document = &self.documents[index];
            let actions = &self.actions[&index];
            let made = make(&self.text[document.span.clone()], actions)?;
            self.made.insert(index, made);
        }
        if self.deleted.is_empty() && self.added.is_empty() {
            return Ok(());
        }
        for index in &self.deleted {
            if comments::has_any(&self.text[self.extent(*index)]) {
                return Err("there are comments in the document that would go".to_owned());
            }
        }
        let before = self.documents.len();
        let new = self.mended().map_or_else(String::new, |mended| mended.text);
        let after = yaml::pieces(new.trim_start_matches('\u{feff}')).count();
        if after + self.deleted.len() != before + self.added.len() {
            return Err("the documents of the file cannot be told apart safely".to_owned());
        }
        Ok(())
    }

    /// The bytes of a document with the marker that begins it.
    fn extent(&self, index: usize) -> Range<usize> {
        let Range { start, end } = self.documents[index].span.clone();
        let floor = index
            .checked_sub(1)
            .map_or(0, |before| self.documents[before].span.end);
        let marker = self.text[floor..start].rfind("---");
        let is_line = |at: &usize| *at == 0 || self.text.as_bytes()[floor + at - 1] == b'\n';
        let is_last = index + 1 == self.documents.len();
        match marker.filter(is_line) {
            Some(at) if index > 0 || is_last => floor + at..end,
            _ => start..end,
        }
    }

    /// Returns what is replaced by everything that is to be done, in order.
    fn replacements(&self) -> Vec<Replacement> {
        let mut replacements: Vec<Replacement> = Vec::new();
        for (index, made) in &self.made {
            let start = self.documents[*index].span.start;
            replacements.extend(made.iter().map(|r| Replacement {
                range: start + r.range.start..start + r.range.end,
                text: r.text.clone(),
            }));
        }
        replacements.extend(self.deleted.iter().map(|index| Replacement {
            range: self.extent(*index),
            text: String::new(),
        }));
        replacements.sort_by_key(|r| (r.range.start, r.range.end));
        if !self.added.is_empty() {
            let line_end = if self.text.contains("\r\n") { "\r\n" } else { "\n" };
            let mut text = String::new();
            if !self.text.is_empty() && !self.text.ends_with('\n') {
                text.push_str(line_end);
            }
            for added in &self.added {
                text.push_str(&format!("---\n{added}").replace('\n', line_end));
            }
            let end = self.text.len();
            replacements.push(Replacement {
                range: end..end,
                text,
            });
        }
        for replacement in &mut replacements {
            replacement.range.start += self.mark;
            replacement.range.end += self.mark;
        }
        replacements
    }

    /// Returns the file with everything in it that is to be done, if that is anything.
    fn mended(&self) -> Option<MendedFile> {
        let replacements = self.replacements();
        if replacements.is_empty() {
            return None;
        }
        let mut text = "\u{feff}"[..self.mark].to_owned();
        let mut done = self.mark;
        for replacement in &replacements {
            text.push_str(&self.text[done - self.mark..replacement.range.start - self.mark]);
            text.push_str(&replacement.text);
            done = replacement.range.end;
        }
        text.push_str(&self.text[done - self.mark..]);
        Some(MendedFile { text, replacements })
    }
}

impl Document {
    fn read(text: &str, piece: &yaml::Piece, context: &Context<'_>) -> Self {
        let read = yaml::read(text, piece.line, &context.limits.of_document());
        let broken = read.problems.iter().any(|p| p.fault != Fault::DuplicateKey);
        let all = read.root.filter(|_| !broken).map(all_resources);
        let found: Vec<Found> = all
            .unwrap_or_default()
            .into_iter()
            .map(|(prefix, node)| {
                let line = node.at.map(|at| at.line);
                let mut draft = Draft::new(node, context, &prefix);
                draft.read();
                let (kind, name, product) = draft.said();
                Found {
                    kind,
                    name: name.cloned(),
                    product: product.cloned(),
                    renamed: draft.renamed().to_vec(),
                    prefix,
                    line,
                }
            })
            .collect();
        Self {
            span: piece.span.clone(),
            resources: found,
            fault: broken.then(|| "the document is not sound YAML".to_owned()),
        }
    }
}

/// Says an action with the paths of the document.
fn in_document(action: &Action, found: &Found) -> Action {
    let path = |field: &String| {
        let field = written(&found.renamed, field);
        match found.prefix.as_str() {
            "" => field,
            prefix => format!("{prefix}.{field}"),
        }
    };
    let mut action = action.clone();
    match &mut action {
        Action::Set { field, .. }
        | Action::Rename { field, .. }
        | Action::Remove { field }
        | Action::RemoveRepeated { field }
        | Action::Append { field, .. } => *field = path(field),
        Action::Add { .. } | Action::Delete => {}
    }
    action
}

/// Makes the actions of one document, and sees that what comes out says what was intended.
fn make(text: &str, actions: &[Action]) -> Result<Vec<Replacement>, String> {
    let limits = yaml::DocumentLimits::default();
    let before = yaml::read(text, 1, &limits);
    let root = spans(text).ok_or("the document is not sound YAML")?;
    let mut repeats = 0;
    for action in actions {
        if let Action::RemoveRepeated { field } = action {
            let again = before.problems.iter().filter(|p| p.field.as_ref() == Some(field));
            if again.clone().any(|p| !p.repeats) {
                return Err(format!("{field} stands again with another value"));
            }
            let count = again.count();
            if count == 0 {
                return Err(format!("{field} does not stand again"));
            }
            repeats += count;
        }
    }
    let mut edits = Edits::new(text);
    Mending::make(text, &root, actions, &mut edits).map_err(|refusal| refusal.message)?;
    let replacements = edits.replacements().map_err(|refusal| refusal.message)?;
    let mut new = String::with_capacity(text.len() + 64);
    let mut done = 0;
    for replacement in &replacements {
        new.push_str(&text[done..replacement.range.start]);
        new.push_str(&replacement.text);
        done = replacement.range.end;
    }
    new.push_str(&text[done..]);
    let unsafe_here = "the text is written in a way that cannot be edited safely";
    let after = yaml::read(&new, 1, &limits);
    let expected = before
        .root
        .and_then(|root| expected::after(root, actions))
        .ok_or(unsafe_here)?;
    let as_many = after.problems.len() + repeats == before.problems.len();
    let sound = after.problems.iter().all(|p| p.fault == Fault::DuplicateKey) && as_many;
    let same = after
        .root
        .is_some_and(|root| root.into_json() == expected.into_json());
    if !(sound && same && yaml::pieces(&new).count() == 1) {
        return Err(unsafe_here.to_owned());
    }
    let new_root = spans(&new).ok_or(unsafe_here)?;
    if comments::of(text, &root) != comments::of(&new, &new_root) {
        return Err("a comment would be lost".to_owned());
    }
    Ok(replacements)
}
