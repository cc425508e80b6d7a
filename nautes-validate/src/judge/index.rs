//! What the verdict on a resource depends on, as keys that can be looked up from both sides.

use std::collections::BTreeSet;
use std::hash::Hash;
use std::sync::Arc;

use foldhash::{HashMap, HashSet};
use nautes_model::name::ProductName;
use nautes_model::reference::references;
use nautes_model::{Identity, Kind, Resource, Scopes, Sourced};

use crate::graph::Target;
use crate::resolve::Resolver;

/// Something that one resource has to give, and others look for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// The resource of an identity.
    Is(Identity),
    /// What a word means as the name of a product: its name, or the path of its group.
    Product(Arc<str>),
    /// The repository at a path of a product's group.
    Path(ProductName, Arc<str>),
    /// The providers of repositories: the only one may be called by its type.
    Provider,
    /// The declared names of a kind in a product or the tenant, for "did you mean".
    Names(Kind, Option<Arc<str>>),
}

/// Something that at most one may have; those that have the same are told of each other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Share {
    /// A namespace of a cluster.
    Namespace(Identity, String),
    /// An account, in lower case.
    Account(String),
    /// The host of an address.
    Address(String),
    /// The ports of a host cluster.
    Host(String),
    /// The path of a product's group, or its namespace.
    Group(String),
    /// The name of a repository that an older version made of its number on the forge.
    Repository(String),
    /// The name of an artifact repository.
    Artifact(String),
    /// All of a kind of which there are few.
    Kind(Kind),
}

/// What is known of one resource.
#[derive(Debug, Default)]
struct Row {
    needs: Vec<Key>,
    shares: Vec<Share>,
    /// What it names, as far as it is declared.
    targets: Vec<Identity>,
}

/// The keys of all resources.
#[derive(Debug, Default)]
pub(super) struct Index {
    rows: HashMap<Identity, Row>,
    by_need: HashMap<Key, HashSet<Identity>>,
    by_share: HashMap<Share, HashSet<Identity>>,
}

impl Index {
    /// Writes down what a resource depends on now, in the place of what was known of it.
    pub(super) fn set(&mut self, of: &Sourced, scopes: &Scopes, resolver: &Resolver) {
        self.remove(&of.identity);
        let row = row(of, scopes, resolver);
        for need in &row.needs {
            let all = self.by_need.entry(need.clone()).or_default();
            all.insert(of.identity.clone());
        }
        for share in &row.shares {
            let all = self.by_share.entry(share.clone()).or_default();
            all.insert(of.identity.clone());
        }
        self.rows.insert(of.identity.clone(), row);
    }

    /// Forgets a resource.
    pub(super) fn remove(&mut self, identity: &Identity) {
        let Some(row) = self.rows.remove(identity) else {
            return;
        };
        for need in row.needs {
            forget(&mut self.by_need, &need, identity);
        }
        for share in row.shares {
            forget(&mut self.by_share, &share, identity);
        }
    }

    /// Goes through the resources that look for something.
    pub(super) fn needing(&self, key: &Key) -> impl Iterator<Item = &Identity> + use<'_> {
        self.by_need.get(key).into_iter().flatten()
    }

    /// Goes through the resources that name one.
    pub(super) fn naming(&self, identity: &Identity) -> impl Iterator<Item = &Identity> + use<'_> {
        self.needing(&Key::Is(identity.clone()))
    }

    /// Returns what a resource names, as far as it is declared.
    pub(super) fn targets(&self, of: &Identity) -> &[Identity] {
        self.rows.get(of).map_or(&[], |row| &row.targets)
    }

    /// Goes through the resources that have something that this one has as well, itself included.
    pub(super) fn sharing(&self, of: &Identity) -> impl Iterator<Item = &Identity> {
        let shares = self.rows.get(of).into_iter().flat_map(|row| &row.shares);
        shares.filter_map(|share| self.by_share.get(share)).flatten()
    }

    /// Goes through the names that a resource was compared with, because it names what is not there.
    pub(super) fn compared(&self, of: &Identity) -> impl Iterator<Item = (Kind, Option<&Arc<str>>)> {
        let needs = self.rows.get(of).into_iter().flat_map(|row| &row.needs);
        needs.filter_map(|need| match need {
            Key::Names(kind, product) => Some((*kind, product.as_ref())),
            _ => None,
        })
    }

    /// Returns everything of which the verdict may be another when these change: what needs them, directly or
    /// not, what they name, and what has the same as one of those. `given` is what they have to give.
    pub(super) fn affected(&self, changed: &BTreeSet<Identity>, given: &HashSet<Key>) -> BTreeSet<Identity> {
        let mut all: BTreeSet<Identity> = changed.clone();
        all.extend(given.iter().flat_map(|key| self.needing(key)).cloned());
        let mut todo: Vec<Identity> = all.iter().cloned().collect();
        while let Some(one) = todo.pop() {
            for dependent in self.naming(&one) {
                if all.insert(dependent.clone()) {
                    todo.push(dependent.clone());
                }
            }
        }
        let mut beside = BTreeSet::new();
        for one in &all {
            beside.extend(self.sharing(one).cloned());
            // A permission is part of what the users of a repository depend on, and a resource of what it names.
            if one.kind == Kind::CodeRepoBinding || changed.contains(one) {
                for target in self.targets(one) {
                    beside.insert(target.clone());
                    if matches!(target.kind, Kind::CodeRepo | Kind::ArtifactRepo) {
                        beside.extend(self.naming(target).cloned());
                    }
                }
            }
        }
        all.extend(beside);
        all
    }
}

fn forget<K: Hash + Eq>(map: &mut HashMap<K, HashSet<Identity>>, key: &K, identity: &Identity) {
    if let Some(all) = map.get_mut(key) {
        all.remove(identity);
        if all.is_empty() {
            map.remove(key);
        }
    }
}

/// Returns what a resource gives to those that look for it.
pub(super) fn gives(of: &Sourced) -> Vec<Key> {
    let identity = &of.identity;
    let product = identity.product.as_ref().map(|p| Arc::from(p.as_str()));
    let mut keys = vec![Key::Is(identity.clone()), Key::Names(identity.kind, product)];
    match &of.resource {
        Resource::Product(r) => {
            keys.push(Key::Product(Arc::from(identity.name.as_str())));
            keys.push(Key::Product(Arc::from(r.spec.name.as_str())));
        }
        Resource::CodeRepo(r) => {
            let paths = [identity.name.as_str(), r.spec.repo_name.as_str()];
            let product = identity.product.iter();
            keys.extend(product.flat_map(|p| paths.map(|path| Key::Path(p.clone(), Arc::from(path)))));
        }
        Resource::CodeRepoProvider(_) | Resource::ArtifactRepoProvider(_) => keys.push(Key::Provider),
        _ => {}
    }
    keys
}

fn row(of: &Sourced, scopes: &Scopes, resolver: &Resolver) -> Row {
    let mut row = Row::default();
    for reference in references(of) {
        if reference.to.as_ref().is_none_or(|to| to.kind == Kind::CodeRepo) {
            let (product, path) = match reference.text.split_once('/') {
                Some((product, path)) => {
                    row.needs.push(Key::Product(Arc::from(product)));
                    (resolver.product(product), path)
                }
                None => (of.identity.product.clone(), &*reference.text),
            };
            row.needs
                .extend(product.map(|product| Key::Path(product, Arc::from(path))));
        }
        if let Some(to) = &reference.to {
            row.needs.push(Key::Is(to.clone()));
            match (to.kind, &to.product) {
                (Kind::Product, _) => row.needs.push(Key::Product(Arc::from(to.name.as_str()))),
                (Kind::CodeRepoProvider | Kind::ArtifactRepoProvider, _) => row.needs.push(Key::Provider),
                (_, Some(product)) => row.needs.push(Key::Product(Arc::from(product.as_str()))),
                _ => {}
            }
        }
        let target = resolver.resolve(&of.identity, &reference);
        if let Some(to) = target.identity() {
            row.needs.push(Key::Is(to.clone()));
        }
        match target {
            Target::Found(to) => row.targets.push(to),
            Target::Missing(to) => {
                let product = to.product.as_ref().map(|p| Arc::from(p.as_str()));
                row.needs.push(Key::Names(to.kind, product));
            }
            Target::Held(_) | Target::Unknown(_) | Target::Invalid => {}
        }
    }
    row.shares = shares(of, scopes, resolver);
    row
}

fn shares(of: &Sourced, scopes: &Scopes, resolver: &Resolver) -> Vec<Share> {
    let mut shares = Vec::new();
    let (namespaces, account) = match &of.resource {
        Resource::Cluster(r) => {
            let host = url::Url::parse(&r.spec.api_server)
                .ok()
                .and_then(|url| url.host_str().map(str::to_owned));
            shares.extend(host.map(Share::Address));
            shares.push(Share::Host(of.identity.name.to_string()));
            shares.push(Share::Host(r.spec.host_cluster.clone()));
            return shares;
        }
        Resource::Product(r) => {
            let name = of.identity.name.as_str();
            // `shop` and `product-shop` have the same namespace.
            shares.extend(ProductName::new(name).map(|p| Share::Group(p.namespace())));
            shares.push(Share::Group(name.to_owned()));
            shares.push(Share::Group(r.spec.name.clone()));
            return shares;
        }
        Resource::CodeRepo(_) if of.identity.name.as_str().starts_with("repo-") => {
            return vec![Share::Repository(of.identity.name.to_string())];
        }
        Resource::ArtifactRepo(r) => return vec![Share::Artifact(r.spec.repo_name.clone())],
        Resource::CodeRepoProvider(_) | Resource::ArtifactRepoProvider(_) | Resource::ProductProvider(_) => {
            return vec![Share::Kind(of.identity.kind)];
        }
        Resource::DeploymentRuntime(r) => (r.namespaces().into_iter().collect(), r.account()),
        Resource::ProjectPipelineRuntime(r) => (vec![r.namespace_name()], r.account()),
        _ => return shares,
    };
    shares.push(Share::Account(account.to_lowercase()));
    if let Some(cluster) = cluster_of(of, scopes, resolver) {
        let of_cluster = |namespace: &str| Share::Namespace(cluster.clone(), namespace.to_owned());
        shares.extend(namespaces.into_iter().map(of_cluster));
    }
    shares
}

/// The cluster of the environment of a runtime.
fn cluster_of(of: &Sourced, scopes: &Scopes, resolver: &Resolver) -> Option<Identity> {
    let found = |of: &Sourced, field: &str| {
        let reference = references(of).into_iter().find(|r| r.field == field)?;
        match resolver.resolve(&of.identity, &reference) {
            Target::Found(to) => Some(to),
            _ => None,
        }
    };
    let environment = found(of, "spec.destination.environment")?;
    found(scopes.get(&environment)?, "spec.cluster")
}
