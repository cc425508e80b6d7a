//! The trees of repositories, read as the controllers read them.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nautes_gitops::folder::{Layout, Listing, TreeAt, recognise};
use nautes_gitops::{Folder, FolderError, RepoRef, Scope, TreeReader};
use nautes_model::Resource;
use nautes_model::layout::{self, DEFAULT_PROJECT, Place};
use nautes_model::manifest::{self, Context, Form};
use nautes_model::name::ProductName;

use super::layers::FileRead;
use super::loose;
use super::word::Shown;
use crate::exit::Failure;

/// How many files are asked whose product's they are.
const ASKED: usize = 200;
/// How much of a file is looked at to see what it is.
const GLANCE: usize = 64 << 10;

/// A folder, and what it holds.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) folder: Box<Folder>,
    pub(super) path: PathBuf,
    pub(super) shown: Shown,
    pub(super) layout: Layout,
    pub(super) listing: Listing,
}

/// Looks at what a folder holds.
pub(super) fn open(folder: Box<Folder>, path: PathBuf, shown: Shown) -> Result<Opened, FolderError> {
    let listing = folder.list(loose::LIMITS)?;
    let is_product = is_default_project(&path)
        || folder
            .origin()
            .is_some_and(|origin| origin.ends_with(&format!("/{DEFAULT_PROJECT}")));
    let form = |file: &str| {
        let bytes = folder.peek(file, GLANCE)?;
        let text = String::from_utf8_lossy(&bytes);
        let has = |key: &str| text.lines().any(|line| line.starts_with(key));
        if has("metadata:") {
            Some(Form::Git)
        } else {
            has("spec:").then_some(Form::Request)
        }
    };
    let layout = recognise(&listing.files, is_product, &form);
    Ok(Opened {
        folder,
        path,
        shown,
        layout,
        listing,
    })
}

fn is_default_project(path: &Path) -> bool {
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    real.file_name().is_some_and(|name| name == DEFAULT_PROJECT)
}

impl Opened {
    /// Returns the trees of tenants, or those of products.
    pub(super) fn trees(&self, is_tenant: bool) -> impl Iterator<Item = &TreeAt> {
        let trees: &[TreeAt] = match &self.layout {
            Layout::Trees(trees) => trees,
            Layout::Files => &[],
        };
        trees.iter().filter(move |tree| tree.is_tenant == is_tenant)
    }

    /// Says how many manifests lie outside of the trees.
    pub(super) fn outside(&self) -> Option<String> {
        let Layout::Trees(trees) = &self.layout else {
            return None;
        };
        let mut outside = self
            .listing
            .files
            .iter()
            .filter(|file| !trees.iter().any(|tree| file.starts_with(&tree.below)));
        let first = outside.next()?;
        let more = match outside.count() {
            0 => String::new(),
            count => format!(" and {count} more"),
        };
        Some(format!(
            "what lies outside of the repositories is not read: {}{first}{more}",
            self.shown.prefix
        ))
    }
}

/// Reads one tree: its files, and what else its scope says.
pub(super) fn read(
    opened: &Opened,
    at: &TreeAt,
    of: &RepoRef,
) -> Result<(Vec<FileRead>, Scope), FolderError> {
    let folder = opened.folder.below(&at.below)?;
    let prefix = format!("{}{}", opened.shown.prefix, at.below);
    let reader = TreeReader::new(of.clone()).shown_below(&prefix);
    let (reading, mut snapshot) = reader.read_folder(&folder)?;
    let whole: Arc<str> = Arc::from(prefix.trim_end_matches('/'));
    let mut files: BTreeMap<String, FileRead> = BTreeMap::new();
    let mut entry = |path: &str, change: &mut dyn FnMut(&mut FileRead)| {
        let file = files.entry(path.to_owned()).or_insert_with(|| FileRead {
            key: format!("{of}:{path}"),
            shown: if path.is_empty() {
                Arc::clone(&whole)
            } else {
                Arc::from(format!("{prefix}{path}"))
            },
            content: snapshot.files.get(path).map(|file| file.id),
            resources: Vec::new(),
            catalogue: None,
            findings: Vec::new(),
            broken: Vec::new(),
            text: None,
        });
        change(file);
    };
    let path_of = |shown: &str| shown.strip_prefix(&prefix).unwrap_or_default().to_owned();
    let resources = reading.scope.resources();
    for resource in resources.iter().chain(resources.duplicates()) {
        entry(&path_of(&resource.source.file), &mut |file| {
            file.resources.push(Arc::clone(resource));
        });
    }
    if let nautes_gitops::Scope::Tenant(scope) = &reading.scope
        && let Some(catalogue) = &scope.catalogue
    {
        entry(layout::CATALOGUE, &mut |file| {
            file.catalogue = Some(Arc::clone(catalogue));
        });
    }
    for finding in reading.findings {
        entry(&path_of(&finding.file), &mut |file| {
            file.findings.push(finding.clone())
        });
    }
    for broken in reading.scope.broken() {
        entry(&broken.path, &mut |file| {
            file.broken.push((of.clone(), broken.clone()));
        });
    }
    for (path, file) in &mut files {
        if !file.findings.is_empty() {
            let read = snapshot.files.remove(path);
            file.text = read.map(|read| Arc::from(String::from_utf8_lossy(&read.bytes)));
        }
    }
    let mut rest = reading.scope;
    match &mut rest {
        Scope::Tenant(scope) => (scope.resources, scope.broken) = Default::default(),
        Scope::Product(scope) => (scope.resources, scope.broken) = Default::default(),
    }
    Ok((files.into_values().collect(), rest))
}

/// The products that the groups of a forge belong to, as tenants declare it.
pub(super) fn groups(files: &[FileRead], into: &mut HashMap<String, ProductName>) {
    for resource in files.iter().flat_map(|file| &file.resources) {
        if let Resource::Product(product) = &resource.resource
            && let Ok(name) = ProductName::new(resource.identity.name.as_str())
        {
            let group = match product.spec.name.as_str() {
                "" => name.as_str().to_owned(),
                group => group.to_owned(),
            };
            into.insert(group, name);
        }
    }
}

/// Finds out whose product a tree is: as its folder says (`shop/default.project`), as the user says, as its remote
/// says, as its manifests say, as the folder around it is called.
pub(super) fn product_of(
    opened: &Opened,
    at: &TreeAt,
    groups: &HashMap<String, ProductName>,
    given: Option<&ProductName>,
) -> Result<ProductName, Failure> {
    let of_group = |group: &str| {
        let declared = groups.get(group).cloned();
        declared.or_else(|| ProductName::new(group).ok())
    };
    if let Some(product) = at.group.as_deref().and_then(of_group) {
        return Ok(product);
    }
    let is_root = at.below.is_empty();
    if let Some(product) = given.filter(|_| is_root) {
        return Ok(product.clone());
    }
    let origin = opened.folder.origin().filter(|_| is_root);
    let group = origin
        .as_deref()
        .and_then(|origin| origin.strip_suffix(DEFAULT_PROJECT)?.strip_suffix('/'));
    if let Some(product) = group.and_then(of_group) {
        return Ok(product);
    }
    if let Some(product) = by_manifests(opened, at) {
        return Ok(product);
    }
    if let Some(name) = at
        .below
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .filter(|_| !is_root)
    {
        return of_group(name).ok_or_else(|| unknown(&format!("{}{}", opened.shown.prefix, at.below)));
    }
    let real = opened.path.canonicalize().unwrap_or_else(|_| opened.path.clone());
    let around = real.parent().and_then(Path::file_name);
    around
        .filter(|_| is_default_project(&opened.path))
        .and_then(|name| of_group(&name.to_string_lossy()))
        .ok_or_else(|| unknown(&opened.shown.prefix))
}

fn unknown(tree: &str) -> Failure {
    let tree = match tree.trim_end_matches('/') {
        "" => ".",
        tree => tree,
    };
    Failure::usage(format!(
        "{tree}: it is the tree of a product, and nothing says of which"
    ))
    .hint("name the product with -p, or set NAUTES_PRODUCT")
}

/// The product that most manifests name.
fn by_manifests(opened: &Opened, at: &TreeAt) -> Option<ProductName> {
    let mut votes: BTreeMap<ProductName, usize> = BTreeMap::new();
    let files = opened.listing.files.iter().filter(|file| {
        file.strip_prefix(&at.below)
            .is_some_and(|path| matches!(layout::product_place(path), Place::Manifest(_)))
    });
    for file in files.take(ASKED) {
        let bytes = opened.folder.peek(file, GLANCE).unwrap_or_default();
        let parsed = manifest::parse_bytes(&bytes, &Context::new(file, Form::Git));
        let read = parsed.resources.iter().map(|resource| &resource.identity);
        let broken = parsed
            .findings
            .iter()
            .filter_map(|finding| finding.resource.as_ref());
        for product in read.chain(broken).filter_map(|identity| identity.product.clone()) {
            *votes.entry(product).or_default() += 1;
        }
    }
    // With as many votes the first by name: the answer must not depend on anything else.
    votes
        .into_iter()
        .rev()
        .max_by_key(|(_, votes)| *votes)
        .map(|(product, _)| product)
}
