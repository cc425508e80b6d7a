//! A change of what a repository declares, and the edits of files that make it.
//!
//! # Guarantees
//! * A resource that already means the same is left alone, byte for byte: comments of people survive.
//! * A file with several documents keeps those that the change is not about, byte for byte.
//! * The same change on the same tree gives the same edits.

use std::collections::{BTreeMap, BTreeSet};

use nautes_model::kinds::Retention;
use nautes_model::manifest::{RenderError, render};
use nautes_model::name::ResourceName;
use nautes_model::scope::Broken;
use nautes_model::{Class, Identity, Resource, Sourced};

use crate::oid::Oid;
use crate::place::{RepoRef, path_for};
use crate::repo::Snapshot;
use crate::tree::Reading;

/// How many identities a message lists.
const LISTED: usize = 50;

/// What one request changes in one repository.
#[derive(Clone, Debug, Default)]
pub struct ChangeSet {
    /// What shall be declared, whether or not it is already.
    pub upserts: Vec<Resource>,
    /// What shall be declared no more.
    pub removals: BTreeSet<Identity>,
    /// The first line of the commit's message; empty for a generated one.
    pub message: String,
    /// The id of the request, for the audit.
    pub request_id: String,
    /// What made the change, with its version, for the audit: `nautes-api/0.1.0`.
    pub tool: String,
    /// By what a repetition of the request is known again: what is before the first colon is the key, what is after it
    /// stands for the request. Empty where nobody asked for that.
    pub key: String,
    /// The revision up to which the history has no commit of the key, as far as the caller knows.
    pub seen: Option<Oid>,
    /// The revision on which the change must land; on any where it is `None`.
    pub onto: Option<Oid>,
    /// The rules that the request asked to skip.
    pub skipped_rules: Vec<String>,
    /// What becomes of removed things on the forge, where the request says otherwise than the manifests.
    pub retention: BTreeMap<Identity, Retention>,
}

/// Why a change cannot be made in this tree.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// A resource has no valid name.
    #[error("a {kind} has no valid name")]
    Name {
        /// The kind.
        kind: nautes_model::Kind,
    },
    /// A resource belongs in another repository.
    #[error("{identity} does not belong in the repository of {repo}")]
    WrongRepository {
        /// The resource.
        identity: Identity,
        /// The repository.
        repo: RepoRef,
    },
    /// A resource is changed twice, or changed and removed.
    #[error("{identity} is changed twice in one request")]
    Twice {
        /// The resource.
        identity: Identity,
    },
    /// A resource cannot be written.
    #[error("cannot write {identity}")]
    Render {
        /// The resource.
        identity: Identity,
        /// Why.
        #[source]
        source: RenderError,
    },
    /// The resource is in a file that cannot be read, with other things that would be lost.
    #[error("{identity} is declared in {path}, which is broken and declares other things as well")]
    InBrokenFile {
        /// The resource.
        identity: Identity,
        /// The file.
        path: String,
    },
    /// Something else is where the file belongs.
    #[error("there is no place for {identity}: {path} is taken")]
    Taken {
        /// The resource.
        identity: Identity,
        /// The path.
        path: String,
    },
    /// Something that is no folder is where a folder belongs, or the other way round.
    #[error("there is no place for {path}")]
    PathTaken {
        /// The path.
        path: String,
    },
    /// A resource would not be accepted when read back.
    #[error("{identity} cannot be kept: {}", finding.message)]
    Invalid {
        /// The resource.
        identity: Identity,
        /// What is wrong with it.
        finding: Box<nautes_model::Finding>,
    },
    /// What was written does not read as what was meant.
    #[error("{identity} would not read back from {path} as it was written")]
    NotReadBack {
        /// The resource.
        identity: Identity,
        /// The file.
        path: String,
    },
}

impl ChangeError {
    /// Returns the class, by which callers decide.
    #[must_use]
    pub const fn class(&self) -> Class {
        match self {
            Self::InBrokenFile { .. } | Self::Taken { .. } | Self::PathTaken { .. } => Class::Conflict,
            Self::NotReadBack { .. } => Class::Bug,
            Self::Name { .. }
            | Self::WrongRepository { .. }
            | Self::Twice { .. }
            | Self::Render { .. }
            | Self::Invalid { .. } => Class::Invalid,
        }
    }

    /// Returns what the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::InBrokenFile { path, .. } => Some(format!("repair {path} in the repository first")),
            Self::Taken { path, .. } | Self::PathTaken { path } => {
                Some(format!("move or delete {path} in the repository first"))
            }
            Self::Invalid { finding, .. } => finding.hint.clone(),
            Self::Name { .. }
            | Self::WrongRepository { .. }
            | Self::Twice { .. }
            | Self::Render { .. }
            | Self::NotReadBack { .. } => None,
        }
    }
}

/// What a change does to the files of a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Edits {
    /// New content by path; `None` deletes.
    pub(crate) files: BTreeMap<String, Option<Vec<u8>>>,
    /// What is newly declared.
    pub(crate) created: Vec<Identity>,
    /// What is declared otherwise than before.
    pub(crate) updated: Vec<Identity>,
    /// What is declared no more, and what shall become of it on the forge.
    pub(crate) removed: BTreeMap<Identity, Option<Retention>>,
}

impl ChangeSet {
    /// Returns the identities that the resources have in a repository, in order of kind and name.
    ///
    /// # Errors
    /// A resource has no valid name, does not belong there, or is named twice.
    pub(crate) fn identified(&self, of: &RepoRef) -> Result<BTreeMap<Identity, &Resource>, ChangeError> {
        let mut all = BTreeMap::new();
        for resource in &self.upserts {
            let kind = resource.kind();
            let name = ResourceName::new(resource.name()).map_err(|_| ChangeError::Name { kind })?;
            let identity = of.identity(kind, name);
            if !of.holds(kind) {
                return Err(ChangeError::WrongRepository {
                    identity,
                    repo: of.clone(),
                });
            }
            if self.removals.contains(&identity) || all.contains_key(&identity) {
                return Err(ChangeError::Twice { identity });
            }
            all.insert(identity, resource);
        }
        match self
            .removals
            .iter()
            .find(|identity| RepoRef::of(identity) != *of || !of.holds(identity.kind))
        {
            Some(identity) => Err(ChangeError::WrongRepository {
                identity: identity.clone(),
                repo: of.clone(),
            }),
            None => Ok(all),
        }
    }

    /// Works out the edits of files.
    pub(crate) fn edits(
        &self,
        of: &RepoRef,
        tree: &Snapshot,
        reading: &Reading,
    ) -> Result<Edits, ChangeError> {
        let mut editor = Editor {
            tree,
            reading,
            edits: Edits::default(),
            replaced: BTreeMap::new(),
        };
        let wanted = self.identified(of)?;
        for identity in &self.removals {
            editor.remove(identity, self.retention.get(identity).copied())?;
        }
        for (identity, resource) in wanted {
            editor.put(&identity, resource)?;
        }
        editor.finish()
    }
}

/// What becomes of one document or list item of a file: by identity, and by where it begins in the text.
type Replaced = BTreeMap<(Identity, usize), Option<String>>;

struct Editor<'t> {
    tree: &'t Snapshot,
    reading: &'t Reading,
    edits: Edits,
    replaced: BTreeMap<String, Replaced>,
}

impl<'t> Editor<'t> {
    /// Returns what declares an identity; several where it is declared more than once.
    fn declarations(&self, identity: &Identity) -> Vec<&'t Sourced> {
        all(self.reading)
            .filter(|other| other.identity == *identity)
            .collect()
    }

    /// Returns the broken file that declared an identity.
    fn broken(&self, identity: &Identity) -> Option<&'t Broken> {
        self.reading
            .scope
            .broken()
            .iter()
            .find(|broken| broken.identities.contains(identity))
    }

    fn remove(&mut self, identity: &Identity, retention: Option<Retention>) -> Result<(), ChangeError> {
        let found = self.declarations(identity);
        if let Some(first) = found.first() {
            let retention = retention.or_else(|| retention_of(&first.resource));
            self.edits.removed.insert(identity.clone(), retention);
            found.into_iter().for_each(|sourced| self.replace(sourced, None));
        } else if let Some(broken) = self.broken(identity) {
            let path = self.only(broken, identity)?;
            self.edits.files.insert(path, None);
            self.edits.removed.insert(identity.clone(), retention);
        }
        Ok(())
    }

    fn put(&mut self, identity: &Identity, resource: &Resource) -> Result<(), ChangeError> {
        let text = write(identity, resource)?;
        // The first is the one that counts.
        let Some(present) = self.reading.scope.resources().get(identity) else {
            let path = match self.broken(identity) {
                Some(broken) => self.only(broken, identity)?,
                None => self.free_path(identity, resource)?,
            };
            self.edits.files.insert(path, Some(text.into_bytes()));
            self.edits.created.push(identity.clone());
            return Ok(());
        };
        let stays = folder(&present.source.file) == folder(&nautes_model::layout::path_of(resource));
        if stays && write(identity, &present.resource)? == text {
            return Ok(());
        }
        self.edits.updated.push(identity.clone());
        if stays {
            self.replace(present, Some(text));
        } else {
            self.replace(present, None);
            let path = self.free_path(identity, resource)?;
            self.edits.files.insert(path, Some(text.into_bytes()));
        }
        Ok(())
    }

    fn replace(&mut self, sourced: &Sourced, text: Option<String>) {
        let file = self.replaced.entry(sourced.source.file.to_string()).or_default();
        file.insert((sourced.identity.clone(), sourced.source.span.start), text);
    }

    /// Returns the path of a broken file, if it declares nothing but `identity`.
    fn only(&self, broken: &Broken, identity: &Identity) -> Result<String, ChangeError> {
        let path = &broken.path;
        let good = all(self.reading).any(|other| *other.source.file == **path);
        if good || broken.identities.len() != 1 || !self.tree.files.contains_key(path) {
            return Err(ChangeError::InBrokenFile {
                identity: identity.clone(),
                path: path.clone(),
            });
        }
        Ok(path.clone())
    }

    fn free_path(&self, identity: &Identity, resource: &Resource) -> Result<String, ChangeError> {
        let taken = |path: &str| match self.edits.files.get(path) {
            Some(content) => content.is_some(),
            None => self.tree.files.contains_key(path) || self.tree.findings.iter().any(|f| f.path == path),
        };
        path_for(resource, taken).ok_or_else(|| ChangeError::Taken {
            identity: identity.clone(),
            path: nautes_model::layout::path_of(resource),
        })
    }

    /// Writes the files in which something is replaced. What else they hold stays as it is.
    fn finish(mut self) -> Result<Edits, ChangeError> {
        for (path, replaced) in std::mem::take(&mut self.replaced) {
            let content = self.spliced(&path, &replaced)?;
            self.edits.files.insert(path, content.map(String::into_bytes));
        }
        Ok(self.edits)
    }

    /// Returns the new text of a file, `None` where nothing is left in it.
    fn spliced(&self, path: &str, replaced: &Replaced) -> Result<Option<String>, ChangeError> {
        let mut documents: BTreeMap<usize, Vec<&Sourced>> = BTreeMap::new();
        for sourced in all(self.reading).filter(|other| *other.source.file == *path) {
            documents
                .entry(sourced.source.span.start)
                .or_default()
                .push(sourced);
        }
        let (mut text, mut at, mut left) = (String::new(), 0, 0);
        for sources in documents.values() {
            let Some(first) = sources.first() else { continue };
            let (span, old) = (first.source.span.clone(), &first.source.text);
            let key = |sourced: &Sourced| (sourced.identity.clone(), span.start);
            let broken = || ChangeError::NotReadBack {
                identity: first.identity.clone(),
                path: path.to_owned(),
            };
            text.push_str(old.get(at..span.start).ok_or_else(broken)?);
            let document = old.get(span.clone()).ok_or_else(broken)?;
            at = span.end;
            if sources
                .iter()
                .all(|sourced| !replaced.contains_key(&key(sourced)))
            {
                left += 1;
                text.push_str(document);
                continue;
            }
            let mut parts = Vec::new();
            for sourced in sources {
                match replaced.get(&key(sourced)) {
                    Some(Some(new)) => parts.push(new.clone()),
                    Some(None) => {}
                    // An item of a list, whose other items change.
                    None => parts.push(write(&sourced.identity, &sourced.resource)?),
                }
            }
            left += parts.len();
            if !parts.is_empty() && (document.starts_with("---") || document.starts_with('%')) {
                text.push_str("---\n");
            }
            text.push_str(&parts.join("---\n"));
        }
        if let Some(sourced) = documents.values().flatten().next() {
            text.push_str(sourced.source.text.get(at..).unwrap_or_default());
        }
        let is_broken = self
            .reading
            .scope
            .broken()
            .iter()
            .any(|broken| broken.path == path);
        Ok((left > 0 || is_broken).then_some(text))
    }
}

/// Goes through everything that a tree declares, also what is declared again.
fn all(reading: &Reading) -> impl Iterator<Item = &Sourced> {
    let resources = reading.scope.resources();
    resources.iter().chain(resources.duplicates()).map(AsRef::as_ref)
}

fn write(identity: &Identity, resource: &Resource) -> Result<String, ChangeError> {
    render(resource).map_err(|source| ChangeError::Render {
        identity: identity.clone(),
        source,
    })
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn retention_of(resource: &Resource) -> Option<Retention> {
    match resource {
        Resource::CodeRepo(repo) => repo.spec.retention,
        Resource::Product(product) => product.spec.retention,
        _ => None,
    }
}

impl Edits {
    /// Whether nothing changes.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Returns the message of the commit.
    pub(crate) fn message(&self, subject: &str) -> String {
        let count = |what: &str, number: usize| (number > 0).then(|| format!("{what} {number}"));
        let parts = [
            count("create", self.created.len()),
            count("update", self.updated.len()),
            count("remove", self.removed.len()),
        ];
        let generated = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
        let subject: String = subject
            .lines()
            .next()
            .unwrap_or_default()
            .chars()
            .take(200)
            .collect();
        let subject = if subject.trim().is_empty() {
            generated
        } else {
            subject
        };
        let lines = (self.created.iter().map(|id| format!("create {id}")))
            .chain(self.updated.iter().map(|id| format!("update {id}")))
            .chain(self.removed.keys().map(|id| format!("remove {id}")));
        let total = self.created.len() + self.updated.len() + self.removed.len();
        let mut text = format!("{subject}\n\n");
        lines
            .take(LISTED)
            .for_each(|line| text.push_str(&format!("{line}\n")));
        if total > LISTED {
            text.push_str(&format!("and {} more\n", total - LISTED));
        }
        text
    }
}

#[cfg(test)]
mod tests;
