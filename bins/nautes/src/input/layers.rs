//! Laying what was read over each other.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use nautes_gitops::{Oid, RepoRef, Scope};
use nautes_model::catalogue::Extension;
use nautes_model::name::ProductName;
use nautes_model::scope::{Broken, ProductScope};
use nautes_model::{Finding, Identity, Scopes, Sourced};
use nautes_validate::Part;

use super::Input;

/// One file as it was read.
#[derive(Debug)]
pub(super) struct FileRead {
    /// What identifies it: the same file at another time has the same.
    pub(super) key: String,
    /// Its name for people.
    pub(super) shown: Arc<str>,
    /// The id of its content, if it could be read.
    pub(super) content: Option<Oid>,
    /// What it declares.
    pub(super) resources: Vec<Arc<Sourced>>,
    /// What it adds to the catalogue.
    pub(super) catalogue: Option<Arc<Extension>>,
    /// What is wrong with it.
    pub(super) findings: Vec<Finding>,
    /// What cannot be read now and may be declared all the same.
    pub(super) broken: Vec<(RepoRef, Broken)>,
    /// Its text, if something is wrong with it.
    pub(super) text: Option<Arc<str>>,
}

/// What was read at once.
#[derive(Debug, Default)]
pub(super) struct Layer {
    pub(super) files: Vec<FileRead>,
    /// The repositories that were read as such: their scopes without resources and broken files.
    pub(super) trees: Vec<(RepoRef, Scope)>,
}

/// Lays them over each other, the first at the bottom.
pub(super) fn lay(layers: Vec<Layer>, prefixes: Vec<String>, mut notes: Vec<String>) -> Input {
    let mut trees: BTreeMap<RepoRef, Vec<Scope>> = BTreeMap::new();
    for (of, scope) in layers.iter().flat_map(|layer| &layer.trees) {
        trees.entry(of.clone()).or_default().push(scope.clone());
    }
    let mut scopes = Scopes::default();
    for scope in trees.values().filter_map(|all| beginning(all)) {
        match scope {
            Scope::Tenant(scope) => scopes.tenant = scope,
            Scope::Product(scope) => {
                scopes.products.insert(scope.product.clone(), scope);
            }
        }
    }
    let files = live(layers, &mut notes);
    let mut broken = Vec::new();
    let mut findings = Vec::new();
    let (mut texts, mut contents, mut keys) = (HashMap::new(), BTreeMap::new(), HashMap::new());
    let count = files.iter().filter(|file| file.content.is_some()).count();
    for file in files {
        for resource in file.resources {
            resources_of(&mut scopes, resource.identity.product.as_ref()).insert(resource);
        }
        // The last one counts, as with everything that is laid over something else.
        scopes.tenant.catalogue = file.catalogue.or(scopes.tenant.catalogue);
        if let Some(content) = file.content {
            contents.insert(file.key.clone(), content);
        }
        keys.insert(Arc::clone(&file.shown), file.key);
        if let Some(text) = file.text {
            texts.insert(file.shown, text);
        }
        findings.extend(file.findings);
        broken.extend(file.broken);
    }
    hold(&mut scopes, broken);
    findings.sort();
    findings.dedup();
    let part = if trees.contains_key(&RepoRef::Tenant) {
        Part::Whole
    } else {
        Part::of(&scopes)
    };
    Input {
        scopes,
        findings,
        part,
        notes,
        files: count,
        prefixes,
        texts,
        contents,
        keys,
    }
}

/// What is known of a repository besides its files: the last that was read says it. What two revisions were mixed into
/// is none of them.
fn beginning(all: &[Scope]) -> Option<Scope> {
    let mut last = all.last()?.clone();
    if all.len() > 1 {
        match &mut last {
            Scope::Tenant(scope) => scope.revision = None,
            Scope::Product(scope) => scope.revision = None,
        }
    }
    Some(last)
}

/// The files that no later layer replaces, without the resources that one replaces.
fn live(layers: Vec<Layer>, notes: &mut Vec<String>) -> Vec<FileRead> {
    let mut last_key: HashMap<String, usize> = HashMap::new();
    let mut last: HashMap<Identity, usize> = HashMap::new();
    let several = layers.len() > 1;
    if several {
        for (at, layer) in layers.iter().enumerate() {
            last_key.extend(layer.files.iter().map(|file| (file.key.clone(), at)));
        }
        for (at, layer) in layers.iter().enumerate() {
            let live = layer.files.iter().filter(|file| last_key[&file.key] == at);
            let named = live.flat_map(|file| &file.resources);
            last.extend(named.map(|resource| (resource.identity.clone(), at)));
        }
    }
    let mut replaced = HashSet::new();
    let mut files = Vec::new();
    for (at, layer) in layers.into_iter().enumerate() {
        for mut file in layer.files {
            if several {
                if last_key[&file.key] != at {
                    replaced.extend(file.resources.iter().map(|r| r.identity.clone()));
                    continue;
                }
                file.resources.retain(|resource| {
                    let stays = last[&resource.identity] == at;
                    if !stays {
                        replaced.insert(resource.identity.clone());
                    }
                    stays
                });
            }
            files.push(file);
        }
    }
    if !replaced.is_empty() {
        let count = replaced.len();
        let noun = if count == 1 {
            "resource is"
        } else {
            "resources are"
        };
        notes.push(format!("{count} {noun} replaced by what is named later"));
    }
    files
}

/// Names what may exist although its file cannot be read now.
fn hold(scopes: &mut Scopes, broken: Vec<(RepoRef, Broken)>) {
    for (of, mut file) in broken {
        file.identities.retain(|identity| scopes.get(identity).is_none());
        match of {
            RepoRef::Tenant => scopes.tenant.broken.push(file),
            RepoRef::Product(product) => product_of(scopes, &product).broken.push(file),
        }
    }
}

fn product_of<'s>(scopes: &'s mut Scopes, product: &ProductName) -> &'s mut ProductScope {
    scopes
        .products
        .entry(product.clone())
        .or_insert_with(|| ProductScope::new(product.clone()))
}

fn resources_of<'s>(
    scopes: &'s mut Scopes,
    product: Option<&ProductName>,
) -> &'s mut nautes_model::scope::Resources {
    match product {
        None => &mut scopes.tenant.resources,
        Some(product) => &mut product_of(scopes, product).resources,
    }
}
