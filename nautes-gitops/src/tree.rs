//! From the files of one revision to scopes.
//!
//! # Flow
//! files of a [`Snapshot`] -> every file parsed by itself -> resources by identity, findings, broken files.
//!
//! # Guarantees
//! * Nothing that a repository holds is an error of the whole: what is good goes on, what is broken is named
//!   ([`Broken`]) with what it declared when it could last be read, so that it can be held. Of a broken file of rules
//!   the last good version is held.
//! * The result depends on the revision and on the record of paths only, not on any order.
//!
//! # Caveats
//! The record of paths is memory. Where it says nothing about a broken file, the history of the repository is asked:
//! a restart forgets nothing.

pub(crate) mod recover;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use nautes_model::catalogue::Extension;
use nautes_model::layout::{CATALOGUE, Place};
use nautes_model::manifest::{self, Context, Form};
use nautes_model::scope::{Broken, Resources, RuleFile};
use nautes_model::{Finding, Identity, ProductScope, Revision, Sourced, TenantScope};
use nautes_validate::organisation;

use crate::folder::{Folder, FolderError};
use crate::oid::Oid;
use crate::place::RepoRef;
use crate::repo::{Limits, Mirror, Problem, RepoError, Snapshot};

/// The ids of the rules that findings of this module carry.
pub mod rule {
    /// An entry of the tree cannot be read as a file: a link, a submodule, too large, too deep.
    pub const UNREADABLE: &str = "TreeUnreadable";
    /// A file lies within a folder of Nautes where no manifest belongs.
    pub const MISPLACED: &str = "TreeMisplaced";
    /// A file declares a kind that does not belong in its folder.
    pub const KIND: &str = "TreeKind";
    /// A file declares nothing.
    pub const EMPTY: &str = "TreeEmpty";

    /// Every rule of this module: its id, what must hold, and why.
    pub const ALL: &[(&str, &str, &str)] = &[
        (
            EMPTY,
            "a file where manifests belong declares something",
            "an empty file is more often an accident than a wish; what it declared before is kept until it is gone",
        ),
        (
            KIND,
            "a file declares only what belongs in its folder",
            "the place of a file says what is in it, so that a change can be judged by where it is made",
        ),
        (
            MISPLACED,
            "the folders of Nautes hold manifests only where these belong",
            "a manifest elsewhere would be passed over in silence",
        ),
        (
            UNREADABLE,
            "everything where manifests belong can be read as a file",
            "links and submodules may lead anywhere, and what is too large or too deep would hold up all the others",
        ),
    ];
}

/// What each file of a revision declares, and what each broken one declared last.
pub type Paths = BTreeMap<String, Vec<Identity>>;

/// The last good texts of broken files of rules, by path.
pub(crate) type HeldRules = BTreeMap<String, Arc<str>>;

/// What one revision declares.
#[derive(Clone, Debug, PartialEq)]
pub enum Scope {
    /// The tenant.
    Tenant(TenantScope),
    /// A product.
    Product(ProductScope),
}

impl Scope {
    /// Makes the scope of a repository without a commit.
    #[must_use]
    pub fn empty(of: &RepoRef) -> Self {
        match of {
            RepoRef::Tenant => Self::Tenant(TenantScope::default()),
            RepoRef::Product(product) => Self::Product(ProductScope::new(product.clone())),
        }
    }

    /// Returns the resources.
    #[must_use]
    pub const fn resources(&self) -> &Resources {
        match self {
            Self::Tenant(scope) => &scope.resources,
            Self::Product(scope) => &scope.resources,
        }
    }

    /// Returns the broken files.
    #[must_use]
    pub fn broken(&self) -> &[Broken] {
        match self {
            Self::Tenant(scope) => &scope.broken,
            Self::Product(scope) => &scope.broken,
        }
    }

    /// Returns the tenant's scope, if it is that.
    #[must_use]
    pub fn tenant(self) -> Option<TenantScope> {
        match self {
            Self::Tenant(scope) => Some(scope),
            Self::Product(_) => None,
        }
    }

    /// Returns the product's scope, if it is that.
    #[must_use]
    pub fn product(self) -> Option<ProductScope> {
        match self {
            Self::Tenant(_) => None,
            Self::Product(scope) => Some(scope),
        }
    }
}

/// What was read from one revision.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The revision; `None` for a repository without a commit, or for what is not committed.
    pub revision: Option<Oid>,
    /// What it declares.
    pub scope: Scope,
    /// Everything that is wrong with its files, in order.
    pub findings: Vec<Finding>,
    /// What each file declares, or declared: the record for the next reading.
    pub paths: Paths,
    /// Whether the whole tree was read. If not, nothing may be taken for gone.
    pub complete: bool,
}

impl Reading {
    /// Makes the reading of a repository without a commit.
    #[must_use]
    pub fn empty(of: &RepoRef) -> Self {
        let scope = Scope::empty(of);
        Self {
            revision: None,
            scope,
            findings: Vec::new(),
            paths: Paths::new(),
            complete: true,
        }
    }

    /// Returns the last good texts of the files of rules that are broken.
    pub(crate) fn held_rules(&self) -> HeldRules {
        let rules = match &self.scope {
            Scope::Tenant(scope) => scope.rules.as_slice(),
            Scope::Product(_) => &[],
        };
        let held = rules
            .iter()
            .filter_map(|rules| Some((rules.file.to_string(), rules.held.clone()?)));
        held.collect()
    }

    /// Takes the revision away: for what is not committed yet.
    pub(crate) fn uncommitted(mut self) -> Self {
        self.revision = None;
        match &mut self.scope {
            Scope::Tenant(scope) => scope.revision = None,
            Scope::Product(scope) => scope.revision = None,
        }
        self
    }
}

/// One file, read by itself.
#[derive(Debug, Default)]
struct ReadFile {
    resources: Vec<Arc<Sourced>>,
    catalogue: Option<Arc<Extension>>,
    findings: Vec<Finding>,
    /// Why it is broken; empty for a good one.
    problems: Vec<String>,
    /// What broken documents of it say that they are.
    named: BTreeSet<Identity>,
    /// The text, if it is for rules of the organisation.
    rules: Option<Arc<str>>,
    /// Whether the rules cannot be used as they are written.
    has_broken_rules: bool,
}

/// Reads revisions of one repository. It remembers the files of the last reading, so that only what has changed is
/// parsed again.
#[derive(Debug)]
pub struct TreeReader {
    of: RepoRef,
    limits: Limits,
    shown_below: String,
    known: Mutex<HashMap<(String, Oid), Arc<ReadFile>>>,
}

impl TreeReader {
    /// Makes a reader of one repository.
    #[must_use]
    pub fn new(of: RepoRef) -> Self {
        Self {
            of,
            limits: Limits::default(),
            shown_below: String::new(),
            known: Mutex::default(),
        }
    }

    /// Sets how much of a revision is read.
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets what stands before the paths of files where people read them, for example `shop/default.project/`.
    #[must_use]
    pub fn shown_below(mut self, prefix: impl Into<String>) -> Self {
        self.shown_below = prefix.into();
        self
    }

    /// Returns whose repository it reads.
    #[must_use]
    pub const fn of(&self) -> &RepoRef {
        &self.of
    }

    /// Reads a revision that is in the mirror. `before` is [`Reading::paths`] of the reading before, or empty.
    ///
    /// # Errors
    /// The mirror cannot be read, or the revision is not there. Nothing that the revision holds is an error.
    pub async fn read(&self, mirror: &Mirror, revision: Oid, before: &Paths) -> Result<Reading, RepoError> {
        let snapshot = self.snapshot(mirror, revision).await?;
        self.read_snapshot(mirror, &snapshot, before).await
    }

    pub(crate) async fn read_snapshot(
        &self,
        mirror: &Mirror,
        snapshot: &Snapshot,
        before: &Paths,
    ) -> Result<Reading, RepoError> {
        let mut held = HeldRules::new();
        for path in self.broken_rules(snapshot) {
            held.extend(
                recover::rules(mirror, snapshot.revision, &path)
                    .await?
                    .map(|text| (path, text)),
            );
        }
        let mut reading = self.assemble(snapshot, before, &held);
        let unknown: Vec<String> = reading
            .scope
            .broken()
            .iter()
            .filter(|broken| !broken.path.is_empty() && !knows(before, &broken.path))
            .map(|broken| broken.path.clone())
            .collect();
        if !unknown.is_empty() {
            let mut before = before.clone();
            for path in unknown {
                let declared = recover::declared(self, mirror, snapshot.revision, &path).await?;
                before.insert(path, declared);
            }
            reading = self.assemble(snapshot, &before, &held);
        }
        Ok(reading)
    }

    /// Reads a folder of this machine, or of a revision, as the repository would be read if it were that; and returns
    /// the files that were looked at too. What a broken file declared is looked for in the history behind the folder.
    ///
    /// # Errors
    /// The repository cannot be read. Nothing that the folder holds is an error.
    pub fn read_folder(&self, folder: &Folder) -> Result<(Reading, Snapshot), FolderError> {
        let snapshot = folder.snapshot(self.limits, &|path| self.of.wants(path))?;
        let mut before = Paths::new();
        let mut held = HeldRules::new();
        for path in self.broken_rules(&snapshot) {
            held.extend(folder.last_good_rules(&path)?.map(|text| (path, text)));
        }
        let mut reading = self.assemble(&snapshot, &before, &held);
        for broken in reading.scope.broken().iter().filter(|b| !b.path.is_empty()) {
            before.insert(broken.path.clone(), folder.declared(&self.of, &broken.path)?);
        }
        if !before.is_empty() {
            reading = self.assemble(&snapshot, &before, &held);
        }
        if !folder.is_revision() {
            reading = reading.uncommitted();
        }
        Ok((reading, snapshot))
    }

    /// Reads the files of a revision.
    pub(crate) async fn snapshot(&self, mirror: &Mirror, revision: Oid) -> Result<Snapshot, RepoError> {
        let of = self.of.clone();
        mirror
            .read(revision, self.limits, move |path| of.wants(path))
            .await
    }

    /// Turns files into a scope. Without I/O.
    pub(crate) fn assemble(&self, snapshot: &Snapshot, before: &Paths, held: &HeldRules) -> Reading {
        let mut files: BTreeMap<&str, Arc<ReadFile>> = BTreeMap::new();
        for (path, file) in &snapshot.files {
            if !matches!(self.of.place(path), Place::Other | Place::Generated) {
                files.insert(path, self.file(path, file.id, &file.bytes));
            }
        }
        for finding in &snapshot.findings {
            files.insert(&finding.path, Arc::new(self.unreadable(finding)));
        }
        self.forget_all_but(snapshot);
        collect(&self.of, snapshot, &files, before, held)
    }

    /// Returns the files of rules that cannot be used as they are.
    fn broken_rules(&self, snapshot: &Snapshot) -> Vec<String> {
        let is_of_rules = |path: &str| self.of.place(path) == Place::Rules;
        let files = snapshot.files.iter().filter(|(path, _)| is_of_rules(path));
        let broken = files.filter(|(path, file)| self.file(path, file.id, &file.bytes).has_broken_rules);
        let unreadable = snapshot.findings.iter().map(|finding| &finding.path);
        broken
            .map(|(path, _)| path)
            .chain(unreadable.filter(|path| is_of_rules(path)))
            .cloned()
            .collect()
    }

    /// Parses one file, or remembers it.
    fn file(&self, path: &str, id: Oid, bytes: &[u8]) -> Arc<ReadFile> {
        let key = (path.to_owned(), id);
        if let Some(known) = self
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
        {
            return Arc::clone(known);
        }
        let file = Arc::new(parse(&self.of, path, &self.shown(path), bytes));
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key, Arc::clone(&file));
        file
    }

    /// The name of a file for people.
    fn shown(&self, path: &str) -> String {
        format!("{}{path}", self.shown_below)
    }

    /// Makes the file of an entry that was not read.
    fn unreadable(&self, finding: &crate::repo::Finding) -> ReadFile {
        let shown = match finding.path.as_str() {
            "" => self.shown_below.trim_end_matches('/').to_owned(),
            path => self.shown(path),
        };
        unreadable(finding, &Arc::from(shown))
    }

    fn forget_all_but(&self, snapshot: &Snapshot) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() > 2 * snapshot.files.len() + 100 {
            known.retain(|(path, id), _| snapshot.files.get(path).is_some_and(|file| file.id == *id));
        }
    }
}

/// Reads one file by itself; `shown` is its name for people.
fn parse(of: &RepoRef, path: &str, shown: &str, bytes: &[u8]) -> ReadFile {
    let mut read = ReadFile::default();
    let file: Arc<str> = Arc::from(shown);
    let kinds = match of.place(path) {
        Place::Manifest(kinds) => kinds,
        Place::Misplaced(right) => {
            let finding = Finding::error(rule::MISPLACED, &file, "no manifest belongs here");
            read.broken(finding.hint(format!("manifests here are {right}; other files go elsewhere")));
            return read;
        }
        Place::Catalogue => &[],
        Place::Rules => {
            match std::str::from_utf8(bytes) {
                Ok(text) => {
                    read.rules = Some(Arc::from(text));
                    read.has_broken_rules = !organisation::read(path, text).findings.is_empty();
                }
                Err(_) => {
                    read.has_broken_rules = true;
                    let finding = Finding::error(rule::UNREADABLE, &file, "the file is not UTF-8");
                    read.broken(finding.hint("save the file as UTF-8"));
                }
            }
            return read;
        }
        Place::Generated | Place::Other => return read,
    };
    let context = Context::new(shown, Form::Git).product(of.product());
    let parsed = manifest::parse_bytes(bytes, &context);
    for finding in parsed.findings {
        match finding.severity {
            nautes_model::Severity::Error => read.broken(finding),
            nautes_model::Severity::Warning => read.findings.push(finding),
        }
    }
    if of.place(path) == Place::Catalogue {
        read.catalogue = parsed.catalogue;
    } else if parsed.catalogue.is_some() {
        let message = "a catalogue does not belong here";
        let finding = Finding::error(rule::KIND, &file, message);
        read.broken(finding.hint(format!("move it to {CATALOGUE} of the tenant repository")));
    }
    for sourced in parsed.resources {
        if kinds.contains(&sourced.identity.kind) {
            read.resources.push(Arc::new(sourced));
        } else {
            let message = format!("a {} does not belong here", sourced.identity.kind);
            let right = nautes_model::layout::path_of(&sourced.resource);
            let finding = Finding::error(rule::KIND, &file, message).about(sourced.identity);
            read.broken(finding.hint(format!("move it to {right}")));
        }
    }
    if read.resources.is_empty() && read.catalogue.is_none() && read.problems.is_empty() {
        let finding = Finding::error(rule::EMPTY, &file, "the file declares nothing");
        read.broken(finding.hint("delete the file, or declare something in it"));
    }
    read
}

/// Makes the file of an entry that was not read. That a tree has too much of everything is no fault of one file.
fn unreadable(finding: &crate::repo::Finding, file: &Arc<str>) -> ReadFile {
    let found = Finding::error(rule::UNREADABLE, file, finding.problem.to_string());
    if matches!(finding.problem, Problem::TooMany { .. }) {
        let found = found.hint("the repository of a product holds manifests; move other things elsewhere");
        return ReadFile {
            findings: vec![found],
            ..ReadFile::default()
        };
    }
    let mut read = ReadFile::default();
    let hint = match finding.problem {
        Problem::Refused { .. } => "let yourself read it (chmod), or remove it",
        _ => "manifests are regular files; remove it, or put it elsewhere",
    };
    read.broken(found.hint(hint));
    read
}

impl ReadFile {
    fn broken(&mut self, finding: Finding) {
        self.problems.push(finding.message.clone());
        self.named.extend(finding.resource.clone());
        self.findings.push(finding);
    }
}

/// Whether the record says something about a path, or about anything below it.
fn knows(before: &Paths, path: &str) -> bool {
    recorded(before, path).next().is_some()
}

/// What the record says of a path and of everything below it: a file may stand where a folder was.
fn recorded<'p>(before: &'p Paths, path: &'p str) -> impl Iterator<Item = &'p Vec<Identity>> {
    let folder = format!("{}/", path.trim_end_matches('/'));
    before
        .iter()
        .filter(move |(known, _)| *known == path || known.starts_with(&folder))
        .map(|(_, ids)| ids)
}

/// What the tenant adds to the catalogue. Nobody can tell what a file says that cannot be read, or was not.
fn catalogue(files: &BTreeMap<&str, Arc<ReadFile>>, complete: bool) -> Option<Arc<Extension>> {
    let unknown = || Some(Arc::new(Extension::unreadable(CATALOGUE)));
    match files.get(CATALOGUE) {
        Some(file) => file.catalogue.clone().or_else(unknown),
        None if complete => None,
        None => unknown(),
    }
}

/// Puts the files together.
fn collect(
    of: &RepoRef,
    snapshot: &Snapshot,
    files: &BTreeMap<&str, Arc<ReadFile>>,
    before: &Paths,
    held: &HeldRules,
) -> Reading {
    let mut resources = Resources::default();
    let mut findings = Vec::new();
    let mut paths = Paths::new();
    for (path, file) in files {
        file.resources
            .iter()
            .for_each(|resource| resources.insert(Arc::clone(resource)));
        findings.extend(file.findings.iter().cloned());
        paths.insert(
            (*path).to_owned(),
            file.resources.iter().map(|r| r.identity.clone()).collect(),
        );
    }
    let rules = files.iter().filter_map(|(path, file)| {
        let held = held.get(*path).cloned();
        // What cannot be read as text at all says nothing, and its last good version is held all the same.
        let text = file
            .rules
            .clone()
            .or_else(|| held.is_some().then(|| Arc::from("")))?;
        let file = Arc::from(*path);
        Some(RuleFile { file, text, held })
    });
    let rules: Vec<RuleFile> = rules.collect();
    let mut broken: Vec<Broken> = files
        .iter()
        .filter(|(_, file)| !file.problems.is_empty())
        .map(|(path, file)| {
            let held: BTreeSet<_> = recorded(before, path)
                .flatten()
                .chain(&file.named)
                .cloned()
                .collect();
            Broken {
                path: (*path).to_owned(),
                identities: held.into_iter().collect(),
                problems: file.problems.clone(),
            }
        })
        .collect();
    if !snapshot.complete {
        let seen = |path: &str| !path.is_empty() && files.contains_key(path);
        let held: BTreeSet<_> = before
            .iter()
            .filter(|(path, _)| !seen(path))
            .flat_map(|(_, ids)| ids)
            .cloned()
            .collect();
        let problems = vec!["not all files were read".to_owned()];
        broken.push(Broken {
            path: String::new(),
            identities: held.into_iter().collect(),
            problems,
        });
    }
    for broken in &mut broken {
        // What is declared elsewhere by now is known.
        broken
            .identities
            .retain(|identity| resources.get(identity).is_none());
        paths
            .entry(broken.path.clone())
            .or_default()
            .extend(broken.identities.iter().cloned());
    }
    findings.sort();
    let revision = Some(Revision(Arc::from(snapshot.revision.to_string())));
    let scope = match of {
        RepoRef::Tenant => Scope::Tenant(TenantScope {
            revision,
            resources,
            broken,
            catalogue: catalogue(files, snapshot.complete),
            rules,
        }),
        RepoRef::Product(product) => Scope::Product(ProductScope {
            product: product.clone(),
            revision,
            resources,
            broken,
        }),
    };
    Reading {
        revision: Some(snapshot.revision),
        scope,
        findings,
        paths,
        complete: snapshot.complete,
    }
}
