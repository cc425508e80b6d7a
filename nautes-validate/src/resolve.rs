//! From the text of a reference to what it names.

use std::collections::{BTreeMap, HashMap, HashSet};

use foldhash::fast::RandomState;
use nautes_model::name::{ProductName, ResourceName};
use nautes_model::reference::Reference;
use nautes_model::{ForgePaths, Identity, Kind, Resource, Scopes, Sourced};

use crate::graph::Target;
use crate::table::Table;

/// Finds what references name, by name, else by the unique path on the forge.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resolver {
    present: Table<()>,
    /// With how many files that cannot be read name each.
    held: HashMap<Identity, usize, RandomState>,
    loaded: HashSet<ProductName, RandomState>,
    paths: ForgePaths,
    providers: BTreeMap<Identity, String>,
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
            all.hold(&file.identities);
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

    /// Learns of a resource.
    pub(crate) fn add(&mut self, of: &Sourced) {
        if self.present.insert(&of.identity, ()).is_some() {
            return;
        }
        self.paths.insert(of);
        if let Resource::CodeRepoProvider(r) = &of.resource {
            let provider_type = r.spec.provider_type.clone();
            self.providers.insert(of.identity.clone(), provider_type);
        }
    }

    /// Forgets a resource that it was told of.
    pub(crate) fn remove(&mut self, of: &Sourced) {
        if self.present.remove(&of.identity).is_none() {
            return;
        }
        self.paths.remove(of);
        if of.identity.kind == Kind::CodeRepoProvider {
            self.providers.remove(&of.identity);
        }
    }

    /// Learns that a product was loaded.
    pub(crate) fn load(&mut self, product: &ProductName) {
        self.loaded.insert(product.clone());
    }

    /// Learns that a product is not loaded any more.
    pub(crate) fn unload(&mut self, product: &ProductName) {
        self.loaded.remove(product);
        self.paths.forget(product);
    }

    /// Learns what a file used to declare that cannot be read now.
    pub(crate) fn hold(&mut self, identities: &[Identity]) {
        for identity in identities {
            *self.held.entry(identity.clone()).or_default() += 1;
        }
    }

    /// Forgets what a file used to declare.
    pub(crate) fn release(&mut self, identities: &[Identity]) {
        for identity in identities {
            if let Some(files) = self.held.get_mut(identity) {
                *files -= 1;
                if *files == 0 {
                    self.held.remove(identity);
                }
            }
        }
    }

    /// Whether a file that cannot be read now used to declare it.
    pub(crate) fn is_held(&self, identity: &Identity) -> bool {
        self.held.contains_key(identity)
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
        self.paths.product(text).one().or(by_name)
    }

    pub(crate) fn is_registered(&self, product: &ProductName) -> bool {
        let Ok(name) = ResourceName::new(product.as_str()) else {
            return false;
        };
        let identity = Identity::tenant(Kind::Product, name);
        self.present.contains(&identity) || self.held.contains_key(&identity)
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
        if self.held.contains_key(&named) {
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
        if let Ok(name) = ResourceName::new(name) {
            let identity = Identity::product(Kind::CodeRepo, product.clone(), name);
            if self.present.contains(&identity) {
                return Some(identity);
            }
        }
        self.paths.code_repo(&product, name).one()
    }

    /// Goes through the Git platforms in order of identity.
    pub(crate) fn code_repo_providers(&self) -> impl Iterator<Item = &Identity> {
        self.providers.keys()
    }

    /// A tenant with one provider may call it by its type.
    fn only_provider(&self, text: &str) -> Option<Identity> {
        let (identity, type_) = self.providers.first_key_value()?;
        (self.providers.len() == 1 && type_ == text).then(|| identity.clone())
    }
}

fn is_code_repo_field(field: &str) -> bool {
    ["codeRepo", "pipelineSource", "repoName"]
        .iter()
        .any(|end| field.ends_with(end))
}
