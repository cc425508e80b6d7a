//! From the text of a reference to what it names.

use std::collections::{BTreeSet, HashMap, HashSet};

use nautes_model::kinds::CodeRepoProvider;
use nautes_model::name::{ProductName, ResourceName};
use nautes_model::reference::Reference;
use nautes_model::{Identity, Kind, Resource, Scopes, Sourced};

use crate::graph::Target;

/// Finds what references name, by name, else by the unique path on the forge.
#[derive(Debug, Default)]
pub(crate) struct Resolver {
    present: HashSet<Identity>,
    held: HashSet<Identity>,
    loaded: BTreeSet<ProductName>,
    /// Products by the path of their group; `None` when two have the same.
    product_paths: HashMap<String, Option<ProductName>>,
    /// Repositories by product and path; `None` when two have the same.
    repo_paths: HashMap<(ProductName, String), Option<Identity>>,
    providers: Vec<(Identity, String)>,
    tenant_known: bool,
}

impl Resolver {
    /// Knows everything that the scopes declare.
    pub(crate) fn of(scopes: &Scopes, tenant_known: bool) -> Self {
        let mut all = Self {
            tenant_known,
            ..Self::default()
        };
        for resource in scopes.iter() {
            all.add(resource);
        }
        all.loaded.extend(scopes.products.keys().cloned());
        let broken = scopes
            .tenant
            .broken
            .iter()
            .chain(scopes.products.values().flat_map(|p| &p.broken));
        for file in broken {
            all.held.extend(file.identities.iter().cloned());
        }
        all
    }

    /// Knows what a bundle declares, and nothing else.
    pub(crate) fn of_bundle(resources: &[&Sourced]) -> Self {
        let mut all = Self::default();
        for resource in resources {
            all.add(resource);
        }
        all
    }

    fn add(&mut self, of: &Sourced) {
        if !self.present.insert(of.identity.clone()) {
            return;
        }
        match &of.resource {
            Resource::Product(r) if r.spec.name != of.identity.name.as_str() => {
                if let Ok(product) = ProductName::new(of.identity.name.as_str()) {
                    self.product_paths
                        .entry(r.spec.name.clone())
                        .and_modify(|one| *one = None)
                        .or_insert(Some(product));
                }
            }
            Resource::CodeRepo(r) => {
                if let Some(product) = &of.identity.product {
                    self.repo_paths
                        .entry((product.clone(), r.spec.repo_name.clone()))
                        .and_modify(|one| *one = None)
                        .or_insert_with(|| Some(of.identity.clone()));
                }
            }
            Resource::CodeRepoProvider(r) => {
                let CodeRepoProvider { spec, .. } = &**r;
                self.providers
                    .push((of.identity.clone(), spec.provider_type.clone()));
            }
            _ => {}
        }
    }

    /// Whether a file that cannot be read now used to declare it.
    pub(crate) fn is_held(&self, identity: &Identity) -> bool {
        self.held.contains(identity)
    }

    /// Whether it is declared.
    pub(crate) fn is_present(&self, identity: &Identity) -> bool {
        self.present.contains(identity)
    }

    /// Returns the name of the product that a text means: its own name, else the path of its group.
    pub(crate) fn product(&self, text: &str) -> Option<ProductName> {
        let by_name = ProductName::new(text).ok();
        if let Some(name) = &by_name
            && (self.loaded.contains(name) || self.is_registered(name))
        {
            return by_name;
        }
        self.product_paths.get(text).cloned().flatten().or(by_name)
    }

    pub(crate) fn is_registered(&self, product: &ProductName) -> bool {
        let Ok(name) = ResourceName::new(product.as_str()) else {
            return false;
        };
        let identity = Identity::tenant(Kind::Product, name);
        self.present.contains(&identity) || self.held.contains(&identity)
    }

    /// Finds what a reference of a resource names.
    pub(crate) fn resolve(&self, from: &Identity, reference: &Reference) -> Target {
        let Some(named) = &reference.to else {
            return match self.code_repo(from.product.as_ref(), &reference.text) {
                Some(found) if is_code_repo_field(&reference.field) => Target::Found(found),
                _ => Target::Invalid,
            };
        };
        let named = self.canonical(named);
        if self.present.contains(&named) {
            return Target::Found(named);
        }
        let other = match named.kind {
            Kind::CodeRepo => self.code_repo(from.product.as_ref(), &reference.text),
            Kind::CodeRepoProvider => self.only_provider(&reference.text),
            _ => None,
        };
        if let Some(found) = other {
            return Target::Found(found);
        }
        if self.held.contains(&named) {
            return Target::Held(named);
        }
        match &named.product {
            Some(product) if !self.loaded.contains(product) && self.may_exist(product) => {
                Target::Unknown(named)
            }
            None if !self.tenant_known => Target::Unknown(named),
            _ => Target::Missing(named),
        }
    }

    fn may_exist(&self, product: &ProductName) -> bool {
        !self.tenant_known || self.is_registered(product)
    }

    /// Puts the name of a product in the place of the path of its group.
    fn canonical(&self, named: &Identity) -> Identity {
        if named.kind == Kind::Product && !self.present.contains(named) {
            if let Some(product) = self.product(named.name.as_str())
                && let Ok(name) = ResourceName::new(product.as_str())
            {
                return Identity::tenant(Kind::Product, name);
            }
        } else if let Some(product) = &named.product
            && !self.loaded.contains(product)
            && let Some(product) = self.product(product.as_str())
        {
            return Identity::product(named.kind, product, named.name.clone());
        }
        named.clone()
    }

    fn code_repo(&self, from: Option<&ProductName>, text: &str) -> Option<Identity> {
        let (product, name) = match text.split_once('/') {
            Some((product, name)) => (self.product(product)?, name),
            None => (from?.clone(), text),
        };
        self.repo_paths
            .get(&(product, name.to_owned()))
            .cloned()
            .flatten()
    }

    /// A tenant with one provider may call it by its type.
    fn only_provider(&self, text: &str) -> Option<Identity> {
        match self.providers.as_slice() {
            [(identity, type_)] if type_ == text => Some(identity.clone()),
            _ => None,
        }
    }
}

fn is_code_repo_field(field: &str) -> bool {
    ["codeRepo", "pipelineSource", "repoName"]
        .iter()
        .any(|end| field.ends_with(end))
}
