//! What the offline commands look at: folders, files, patterns, standard input and revisions, laid over each other.
//!
//! | what is named | what it is |
//! |---|---|
//! | `-` | standard input |
//! | `a.yaml`, `envs/*.yaml` | files |
//! | `shop/default.project` | a folder: the tree of a repository, several of them, or files in no order |
//! | `shop/default.project@main` | the same folder at a revision of the repository around it; `@HEAD` is that of the current folder |
//! | `repo.git@v1:envs` | a folder or a file of a revision; the repository may be bare |
//!
//! The trees of repositories are read by the reader of the controllers
//! ([`TreeReader::read_folder`](nautes_gitops::TreeReader::read_folder)), so that the verdict on them is the same.
//!
//! What comes later is laid over what came before: it replaces the same file and the same resource. What it does not
//! have stays. Files that are named one after the other lie in one layer, as `nautes apply` would take them: the same
//! resource twice is a fault there.

mod files;
mod layers;
mod loose;
mod stdin;
mod trees;
mod word;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use nautes_gitops::folder::{Layout, TreeAt};
use nautes_gitops::{FolderError, Oid, RepoRef};
use nautes_model::name::ProductName;
use nautes_model::{Finding, Identity, Scopes};
use nautes_validate::Part;

use crate::exit::{Exit, Failure};

pub use files::read;

use layers::Layer;
use word::Source;

/// What was read.
#[derive(Debug)]
pub struct Input {
    /// What is declared.
    pub scopes: Scopes,
    /// What is wrong with files and documents, in order. The rules have not been asked yet.
    pub findings: Vec<Finding>,
    /// How much of a platform it is.
    pub part: Part,
    /// What is worth saying and is no finding: links that were not followed, resources that were replaced.
    pub notes: Vec<String>,
    /// How many files were read.
    pub files: usize,
    /// What stands before the path in the names of files of revisions, such as `@HEAD:`.
    prefixes: Vec<String>,
    /// The texts of files that have findings of their own; those of resources are with the resources.
    texts: HashMap<Arc<str>, Arc<str>>,
    /// The id of the content of each file, by what identifies the file.
    contents: BTreeMap<String, Oid>,
    /// What identifies a file, by its name for people.
    keys: HashMap<Arc<str>, String>,
}

/// Reads everything that is named; `product` owns the resources that name no product, and the tree of a product that
/// does not say whose it is.
///
/// # Errors
/// Something that is named cannot be read at all, or nothing is found: every such thing at once. What is wrong with
/// the content is in [`Input::findings`].
pub fn load(words: &[String], product: Option<&ProductName>) -> Result<Input, Failure> {
    let sources = each(words, Source::find)?;
    let (input, empty) = read_all(sources, product)?;
    if input.files == 0 && input.findings.is_empty() && empty {
        let failure = Failure::usage(format!("{}: no manifests found", words.join(" ")));
        return Err(failure.hint("a folder is searched for .yaml, .yml and .json"));
    }
    Ok(input)
}

/// Reads everything that is named, and takes what is not there for nothing: it may have been removed.
///
/// # Errors
/// See [`load`].
pub fn load_or_nothing(words: &[String], product: Option<&ProductName>) -> Result<Input, Failure> {
    let sources = each(words, |word| match Source::find(word) {
        Err(_) if word::may_be_gone(word) => Ok(Vec::new()),
        found => found,
    })?;
    Ok(read_all(sources, product)?.0)
}

/// Reads what is named as it was where what is checked out began to differ from a revision. What was not there then is
/// passed over.
///
/// # Errors
/// The revision is not there, or something is named that has no past: standard input, or a revision.
pub fn load_at(words: &[String], revision: &str, product: Option<&ProductName>) -> Result<Input, Failure> {
    let sources = each(words, |word| Source::past(word, revision))?;
    Ok(read_all(sources, product)?.0)
}

/// Whether what a word names can be written: it is on disk as it is named.
#[must_use]
pub fn is_written_to(word: &str) -> bool {
    word::is_on_disk(word)
}

fn each(
    words: &[String],
    find: impl Fn(&str) -> Result<Vec<Source>, Failure>,
) -> Result<Vec<Source>, Failure> {
    let mut problems = Problems::default();
    let found = words
        .iter()
        .filter_map(|word| problems.keep(find(word)))
        .collect::<Vec<_>>();
    problems.end()?;
    Ok(found.into_iter().flatten().collect())
}

/// A source that was opened: a folder in its layout, or something that is read as it is.
enum Step {
    Folder(trees::Opened),
    One(Source),
}

/// Reads sources; and says whether there was nothing but files in no order.
fn read_all(sources: Vec<Source>, product: Option<&ProductName>) -> Result<(Input, bool), Failure> {
    let mut problems = Problems::default();
    let mut steps = Vec::new();
    for source in sources {
        match source {
            Source::Folder(folder, path, shown) => {
                let named = path.display().to_string();
                let opened = trees::open(folder, path, shown).map_err(|e| word::unreadable(&named, &e));
                steps.extend(problems.keep(opened).map(Step::Folder));
            }
            other => steps.push(Step::One(other)),
        }
    }
    // Which group is whose product is declared by tenants: they are read first.
    let mut tenants: Vec<Layer> = Vec::new();
    let mut groups = HashMap::new();
    for step in &steps {
        let mut layer = Layer::default();
        if let Step::Folder(opened) = step {
            for at in opened.trees(true) {
                let read = read_tree(opened, at, &RepoRef::Tenant, &mut layer);
                problems.keep(read);
            }
            trees::groups(&layer.files, &mut groups);
        }
        tenants.push(layer);
    }
    let mut layers: Vec<Layer> = Vec::new();
    let (mut prefixes, mut notes) = (Vec::new(), Vec::new());
    let mut is_open = false;
    for (step, tenant) in steps.into_iter().zip(tenants) {
        match step {
            Step::Folder(opened) => {
                let mut layer = tenant;
                let result = read_folder(&opened, product, &groups, &mut layer, &mut notes);
                problems.keep(result);
                prefixes.push(opened.shown.revision);
                layers.push(layer);
                is_open = false;
            }
            Step::One(source) => {
                if !is_open {
                    layers.push(Layer::default());
                }
                is_open = true;
                let file = problems.keep(read_one(source, product, &mut prefixes));
                if let Some(layer) = layers.last_mut() {
                    layer.files.extend(file);
                }
            }
        }
    }
    problems.end()?;
    prefixes.retain(|prefix| !prefix.is_empty());
    prefixes.sort();
    prefixes.dedup();
    let empty = layers.iter().all(|layer| layer.trees.is_empty());
    Ok((layers::lay(layers, prefixes, notes), empty))
}

fn read_folder(
    opened: &trees::Opened,
    product: Option<&ProductName>,
    groups: &HashMap<String, ProductName>,
    layer: &mut Layer,
    notes: &mut Vec<String>,
) -> Result<(), Failure> {
    if opened.layout == Layout::Files {
        let named = |e: FolderError| word::unreadable(&opened.path.display().to_string(), &e);
        let files = loose::folder(&opened.folder, &opened.shown, &opened.path, product).map_err(named)?;
        layer.files.extend(files);
        notes.extend(loose::notes(&opened.listing, &opened.shown));
        return Ok(());
    }
    if !opened.listing.complete {
        let failure = Failure::usage(format!(
            "{}: more than {} files and folders",
            opened.path.display(),
            loose::LIMITS.entries
        ));
        return Err(failure.hint("name the folders of the repositories"));
    }
    notes.extend(opened.outside());
    let mut problems = Problems::default();
    for at in opened.trees(false) {
        let product = trees::product_of(opened, at, groups, product);
        if let Some(product) = problems.keep(product) {
            problems.keep(read_tree(opened, at, &RepoRef::Product(product), layer));
        }
    }
    problems.end()
}

fn read_tree(opened: &trees::Opened, at: &TreeAt, of: &RepoRef, layer: &mut Layer) -> Result<(), Failure> {
    let (files, rest) = trees::read(opened, at, of)
        .map_err(|e| word::unreadable(&format!("{}{}", opened.shown.prefix, at.below), &e))?;
    layer.files.extend(files);
    layer.trees.push((of.clone(), rest));
    Ok(())
}

fn read_one(
    source: Source,
    product: Option<&ProductName>,
    prefixes: &mut Vec<String>,
) -> Result<layers::FileRead, Failure> {
    match source {
        Source::File(path) => loose::file(&path, product),
        Source::Blob(shown, path, on_disk, bytes) => {
            let name = format!("{}{path}", shown.prefix);
            prefixes.push(shown.revision);
            let on_disk = on_disk.then_some(path.as_str());
            Ok(loose::blob(on_disk, &name, &bytes, product))
        }
        Source::Stdin | Source::Folder(..) => loose::stdin(product),
    }
}

impl Input {
    /// Returns the text of a file, by its name for people.
    #[must_use]
    pub fn text(&self, file: &str, about: Option<&Identity>) -> Option<Arc<str>> {
        if let Some(text) = self.texts.get(file) {
            return Some(Arc::clone(text));
        }
        let of =
            |s: &Arc<nautes_model::Sourced>| (&*s.source.file == file).then(|| Arc::clone(&s.source.text));
        about
            .and_then(|identity| self.scopes.get(identity))
            .and_then(of)
            .or_else(|| self.scopes.iter().find_map(of))
    }

    /// Returns the texts of some files, as far as they are known.
    #[must_use]
    pub fn texts_of(&self, names: &BTreeSet<&Arc<str>>) -> BTreeMap<Arc<str>, Arc<str>> {
        let with_findings = self.texts.iter().filter(|(name, _)| names.contains(name));
        let of_resources = self.scopes.iter().map(|s| (&s.source.file, &s.source.text));
        of_resources
            .filter(|(name, _)| names.contains(name))
            .chain(with_findings)
            .map(|(name, text)| (Arc::clone(name), Arc::clone(text)))
            .collect()
    }

    /// Goes through the names of all files, in order.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.keys.keys().map(|name| &**name).collect();
        names.sort_unstable();
        names
    }

    /// Returns the path of a file without the revision that it was read from.
    #[must_use]
    pub fn path<'f>(&self, file: &'f str) -> &'f str {
        self.prefixes
            .iter()
            .find_map(|prefix| file.strip_prefix(prefix.as_str()))
            .unwrap_or(file)
    }

    /// Whether a file had the same content in another input, of the same things at another time.
    #[must_use]
    pub fn same_content(&self, file: &str, other: &Self) -> bool {
        self.keys.get(file).is_some_and(|key| {
            let here = self.contents.get(key);
            here.is_some() && here == other.contents.get(key)
        })
    }
}

/// Everything that stands in the way, to be told at once.
#[derive(Debug, Default)]
struct Problems(Vec<Failure>);

impl Problems {
    fn keep<T>(&mut self, result: Result<T, Failure>) -> Option<T> {
        result.map_err(|failure| self.0.push(failure)).ok()
    }

    fn end(mut self) -> Result<(), Failure> {
        if self.0.len() < 2 {
            return self.0.pop().map_or(Ok(()), Err);
        }
        let mut lines = vec![format!("{} inputs cannot be read", self.0.len())];
        for failure in self.0 {
            lines.push(format!("  {}", failure.message));
            lines.extend(failure.hints.iter().map(|hint| format!("    hint: {hint}")));
        }
        Err(Failure::new(Exit::Usage, lines.join("\n")))
    }
}
