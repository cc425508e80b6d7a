//! Scopes: everything that one revision of a repository declares, indexed and free of order.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::catalogue::Extension;
use crate::forge_path::{ForgePaths, Meaning};
use crate::kind::Kind;
use crate::kinds::{
    Cluster, CodeRepo, CodeRepoBinding, CodeRepoProvider, DeploymentRuntime, Environment, Product, Project,
    ProjectPipelineRuntime,
};
use crate::name::{ProductName, ResourceName};
use crate::resource::{Identity, Resource, Sourced};

/// A revision of a repository: the full id of a commit, in hexadecimal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Revision(pub Arc<str>);

impl Revision {
    /// Returns the first twelve digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short())
    }
}

/// A file of a repository that could not be read as what belongs there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The path of the file, from the root of the repository.
    pub path: String,
    /// What the file declared when it could last be read; it is held.
    pub identities: Vec<Identity>,
    /// What is wrong with it.
    pub problems: Vec<String>,
}

/// A set of resources, by identity. Later ones of the same identity are kept apart as duplicates.
///
/// Cloning is cheap: clones share what they hold until one of them is changed.
#[derive(Clone, Debug, Default)]
pub struct Resources {
    by_identity: Arc<BTreeMap<Identity, Arc<Sourced>>>,
    duplicates: Vec<Arc<Sourced>>,
    /// Of those of `by_identity`.
    paths: Arc<ForgePaths>,
}

impl PartialEq for Resources {
    fn eq(&self, other: &Self) -> bool {
        let same = |a: &Arc<Sourced>, b: &Arc<Sourced>| Arc::ptr_eq(a, b) || a == b;
        let all_same = || self.len() == other.len() && self.iter().zip(other.iter()).all(|(a, b)| same(a, b));
        (Arc::ptr_eq(&self.by_identity, &other.by_identity) || all_same())
            && self.duplicates == other.duplicates
    }
}

impl Resources {
    /// Adds a resource; the first of an identity counts, others are duplicates.
    pub fn insert(&mut self, resource: impl Into<Arc<Sourced>>) {
        let resource = resource.into();
        match Arc::make_mut(&mut self.by_identity).entry(resource.identity.clone()) {
            std::collections::btree_map::Entry::Vacant(free) => {
                Arc::make_mut(&mut self.paths).insert(&resource);
                free.insert(resource);
            }
            std::collections::btree_map::Entry::Occupied(mut taken) => {
                // Which of two counts must not depend on the order of reading.
                let key = |s: &Sourced| (Arc::clone(&s.source.file), s.source.line);
                let loser = if key(&resource) < key(taken.get()) {
                    let paths = Arc::make_mut(&mut self.paths);
                    paths.remove(taken.get());
                    paths.insert(&resource);
                    taken.insert(resource)
                } else {
                    resource
                };
                self.duplicates.push(loser);
                self.duplicates.sort_by_key(|s| (s.identity.clone(), key(s)));
            }
        }
    }

    /// Puts a resource in the place of the one of the same identity.
    pub fn replace(&mut self, resource: impl Into<Arc<Sourced>>) -> Option<Arc<Sourced>> {
        let resource = resource.into();
        let identity = resource.identity.clone();
        let before = Arc::make_mut(&mut self.by_identity).insert(identity, Arc::clone(&resource));
        let paths = Arc::make_mut(&mut self.paths);
        if let Some(before) = &before {
            paths.remove(before);
        }
        paths.insert(&resource);
        before
    }

    /// Takes a resource out.
    pub fn remove(&mut self, identity: &Identity) -> Option<Arc<Sourced>> {
        // What is not there costs no copy.
        self.by_identity.get(identity)?;
        let before = Arc::make_mut(&mut self.by_identity).remove(identity)?;
        Arc::make_mut(&mut self.paths).remove(&before);
        Some(before)
    }

    /// Returns where those are on the forge that have another path than name.
    #[must_use]
    pub fn forge_paths(&self) -> &ForgePaths {
        &self.paths
    }

    /// Returns the resource of an identity.
    #[must_use]
    pub fn get(&self, identity: &Identity) -> Option<&Arc<Sourced>> {
        self.by_identity.get(identity)
    }

    /// Goes through all resources in order of identity, without duplicates.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Sourced>> {
        self.by_identity.values()
    }

    /// Takes out a copy of some of them, with what declares one of these once more.
    #[must_use]
    pub fn part<'i>(&self, wanted: impl IntoIterator<Item = &'i Identity>) -> Self {
        let found = wanted
            .into_iter()
            .filter_map(|identity| self.by_identity.get_key_value(identity));
        let mut part = Self {
            by_identity: Arc::new(
                found
                    .map(|(identity, s)| (identity.clone(), Arc::clone(s)))
                    .collect(),
            ),
            ..Self::default()
        };
        let paths = Arc::make_mut(&mut part.paths);
        part.by_identity.values().for_each(|s| paths.insert(s));
        let again = self
            .duplicates
            .iter()
            .filter(|s| part.by_identity.contains_key(&s.identity));
        part.duplicates = again.cloned().collect();
        part
    }

    /// Returns resources that declare an identity once more.
    #[must_use]
    pub fn duplicates(&self) -> &[Arc<Sourced>] {
        &self.duplicates
    }

    /// Returns how many there are, without duplicates.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_identity.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_identity.is_empty()
    }
}

impl FromIterator<Sourced> for Resources {
    fn from_iter<I: IntoIterator<Item = Sourced>>(iter: I) -> Self {
        let mut all = Self::default();
        for resource in iter {
            all.insert(resource);
        }
        all
    }
}

macro_rules! accessors {
    ($scope:ident: $($(#[$doc:meta])* $many:ident, $one:ident => $kind:ident;)*) => {
        impl $scope {
            $(
                $(#[$doc])*
                pub fn $many(&self) -> impl Iterator<Item = (&Arc<Sourced>, &$kind)> {
                    self.resources.iter().filter_map(|s| match &s.resource {
                        Resource::$kind(r) => Some((s, &**r)),
                        _ => None,
                    })
                }

                /// Finds one of them by name.
                #[must_use]
                pub fn $one(&self, name: &str) -> Option<(&Arc<Sourced>, &$kind)> {
                    let name = ResourceName::new(name).ok()?;
                    let sourced = self.resources.get(&self.identity(Kind::$kind, name))?;
                    match &sourced.resource {
                        Resource::$kind(r) => Some((sourced, &**r)),
                        _ => None,
                    }
                }
            )*
        }
    };
}

/// A file of the tenant that declares rules of the organisation. It is kept as text: what it means is for who judges.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleFile {
    /// The name of the file, for findings.
    pub file: Arc<str>,
    /// The text.
    pub text: Arc<str>,
    /// The text of the last good version, while this one is broken: its rules are held.
    pub held: Option<Arc<str>>,
}

/// Everything that one revision of the tenant repository declares.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TenantScope {
    /// The revision; `None` for what is not committed.
    pub revision: Option<Revision>,
    /// The resources.
    pub resources: Resources,
    /// Files that could not be read.
    pub broken: Vec<Broken>,
    /// What the tenant adds to the catalogue of components, hooks and shapes.
    pub catalogue: Option<Arc<Extension>>,
    /// The rules of the organisation, in order of file.
    pub rules: Vec<RuleFile>,
}

impl TenantScope {
    const fn identity(&self, kind: Kind, name: ResourceName) -> Identity {
        Identity::tenant(kind, name)
    }

    /// Finds a product as people name it: by its own name, also where its file cannot be read now, else by the path of
    /// its group.
    #[must_use]
    pub fn find_product(&self, text: &str) -> Meaning<ProductName> {
        if let Ok(name) = ProductName::new(text) {
            let identity = self.identity(Kind::Product, name.as_resource());
            if self.resources.get(&identity).is_some() || holding(&self.broken, &identity).is_some() {
                return Meaning::One(name);
            }
        }
        self.resources.forge_paths().product(text)
    }

    /// Returns the file that declared a resource when it could last be read.
    #[must_use]
    pub fn holding(&self, identity: &Identity) -> Option<&Broken> {
        holding(&self.broken, identity)
    }
}

fn holding<'b>(broken: &'b [Broken], identity: &Identity) -> Option<&'b Broken> {
    broken.iter().find(|file| file.identities.contains(identity))
}

accessors! {
    TenantScope:
    /// Goes through the clusters in order of name.
    clusters, cluster => Cluster;
    /// Goes through the registered products in order of name.
    products, product => Product;
    /// Goes through the Git platforms in order of name.
    code_repo_providers, code_repo_provider => CodeRepoProvider;
}

/// Everything that one revision of a product's `default.project` declares.
#[derive(Clone, Debug, PartialEq)]
pub struct ProductScope {
    /// The product.
    pub product: ProductName,
    /// The revision; `None` for what is not committed.
    pub revision: Option<Revision>,
    /// The resources.
    pub resources: Resources,
    /// Files that could not be read.
    pub broken: Vec<Broken>,
}

impl ProductScope {
    /// Makes an empty scope.
    #[must_use]
    pub fn new(product: ProductName) -> Self {
        Self {
            product,
            revision: None,
            resources: Resources::default(),
            broken: Vec::new(),
        }
    }

    fn identity(&self, kind: Kind, name: ResourceName) -> Identity {
        Identity::product(kind, self.product.clone(), name)
    }

    /// Finds a repository as people name it: by its own name, also where its file cannot be read now, else by its path
    /// on the forge.
    #[must_use]
    pub fn find_code_repo(&self, text: &str) -> Meaning<Identity> {
        if let Ok(name) = ResourceName::new(text) {
            let identity = self.identity(Kind::CodeRepo, name);
            if self.resources.get(&identity).is_some() || self.holding(&identity).is_some() {
                return Meaning::One(identity);
            }
        }
        self.resources.forge_paths().code_repo(&self.product, text)
    }

    /// Returns the file that declared a resource when it could last be read.
    #[must_use]
    pub fn holding(&self, identity: &Identity) -> Option<&Broken> {
        holding(&self.broken, identity)
    }
}

accessors! {
    ProductScope:
    /// Goes through the projects in order of name.
    projects, project => Project;
    /// Goes through the environments in order of name.
    environments, environment => Environment;
    /// Goes through the repositories in order of name.
    code_repos, code_repo => CodeRepo;
    /// Goes through the bindings in order of name.
    code_repo_bindings, code_repo_binding => CodeRepoBinding;
    /// Goes through the deployment runtimes in order of name.
    deployment_runtimes, deployment_runtime => DeploymentRuntime;
    /// Goes through the pipeline runtimes in order of name.
    pipeline_runtimes, pipeline_runtime => ProjectPipelineRuntime;
}

/// The whole platform: the tenant and every product that could be read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scopes {
    /// The tenant.
    pub tenant: TenantScope,
    /// The products.
    pub products: BTreeMap<ProductName, ProductScope>,
}

impl Scopes {
    /// Finds a resource anywhere.
    #[must_use]
    pub fn get(&self, identity: &Identity) -> Option<&Arc<Sourced>> {
        match &identity.product {
            Some(product) => self.products.get(product)?.resources.get(identity),
            None => self.tenant.resources.get(identity),
        }
    }

    /// Finds a repository as people name it from within a product: `name` or `product/name`.
    #[must_use]
    pub fn find_code_repo(&self, from: &ProductName, text: &str) -> Option<(&Arc<Sourced>, &CodeRepo)> {
        let (product, name) = match text.split_once('/') {
            Some((product, name)) => (self.find_product(product)?, name),
            None => (from.clone(), text),
        };
        let scope = self.products.get(&product)?;
        scope.code_repo(scope.find_code_repo(name).one()?.name.as_str())
    }

    /// Finds a product that is there, as people name it.
    fn find_product(&self, text: &str) -> Option<ProductName> {
        match self.products.get_key_value(text) {
            Some((name, _)) => Some(name.clone()),
            None => self.tenant.find_product(text).one(),
        }
    }

    /// Goes through every resource, the tenant's first, then product by product.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Sourced>> {
        self.tenant
            .resources
            .iter()
            .chain(self.products.values().flat_map(|p| p.resources.iter()))
    }

    /// Puts a resource where it belongs; a product that is not there yet is added, empty.
    pub fn insert(&mut self, resource: Sourced) {
        self.resources_of(&resource.identity).insert(resource);
    }

    /// Puts a resource where it belongs, in the place of the one of the same identity.
    pub fn replace(&mut self, resource: Sourced) -> Option<Arc<Sourced>> {
        self.resources_of(&resource.identity).replace(resource)
    }

    /// Puts a shared resource where it belongs, in the place of the one of the same identity.
    pub fn put(&mut self, resource: Arc<Sourced>) -> Option<Arc<Sourced>> {
        self.resources_of(&resource.identity).replace(resource)
    }

    /// Takes a resource out.
    pub fn remove(&mut self, identity: &Identity) -> Option<Arc<Sourced>> {
        match &identity.product {
            Some(product) => self.products.get_mut(product)?.resources.remove(identity),
            None => self.tenant.resources.remove(identity),
        }
    }

    fn resources_of(&mut self, identity: &Identity) -> &mut Resources {
        match &identity.product {
            Some(product) => {
                &mut self
                    .products
                    .entry(product.clone())
                    .or_insert_with(|| ProductScope::new(product.clone()))
                    .resources
            }
            None => &mut self.tenant.resources,
        }
    }
}
