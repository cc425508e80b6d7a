//! Who may do what on which repository, and because of what.
//!
//! One relation, from which key grants, secret policies and the checks of runtimes are all derived.
//!
//! - The project that owns a repository may write to it.
//! - A binding opens a repository to a product, or to some projects of one. Only a binding in the product that
//!   owns the repository counts, so that no product grants itself what belongs to another.
//! - A repository without a project needs a binding, also within its own product.
//! - The account of a pipeline runtime may do what its project may; the account of a deployment reads the
//!   repository that the deployment is made from, if all for whom it acts may.
//! - The people of a product may push to the repositories of its group, and to no other.
//! - A key of a repository goes with a level: who has the level may read it, and nobody may write it.
//!
//! [`Access`] is the relation between products, projects and repositories. [`Permissions`] answers questions
//! about all of it, with the reasons and the places where they are declared.

mod permissions;
mod subject;

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use foldhash::fast::RandomState;
use nautes_model::kinds::code_repo_binding::Permission;
use nautes_model::name::{ProductName, ResourceName};
use nautes_model::{Identity, Kind, Resource, Scopes, Sourced};
use serde::{Deserialize, Serialize};

use crate::graph::Graph;
use crate::resolve::Resolver;
use crate::table::Table;

pub use permissions::{Cause, Chain, Explanation, Permissions, Step};
pub use subject::{Item, Key, Subject, UnknownText};

/// What may be done on a repository. A higher level includes the lower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Reading.
    Read,
    /// Reading and pushing.
    Write,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
        })
    }
}

impl From<Permission> for Level {
    fn from(permission: Permission) -> Self {
        match permission {
            Permission::Readonly => Self::Read,
            Permission::Readwrite => Self::Write,
        }
    }
}

/// Why somebody may use a repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Because {
    /// The repository belongs to this project.
    Owner(Identity),
    /// This binding opens it to the whole product.
    Product {
        /// The binding.
        binding: Identity,
        /// What it allows.
        level: Level,
    },
    /// This binding opens it to the project.
    Project {
        /// The binding.
        binding: Identity,
        /// What it allows.
        level: Level,
    },
}

impl Because {
    /// Returns the level that this reason alone gives.
    #[must_use]
    pub const fn level(&self) -> Level {
        match self {
            Self::Owner(_) => Level::Write,
            Self::Product { level, .. } | Self::Project { level, .. } => *level,
        }
    }
}

/// Somebody who may use a repository: a product as a whole, or one of its projects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Grantee {
    /// The product.
    pub product: ProductName,
    /// The project; `None` for the whole product.
    pub project: Option<ResourceName>,
}

/// Who may do what on which repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Few have something to do with one repository, and few reasons: lists in order, each once.
    by_repo: Table<Vec<(Grantee, Vec<Because>)>>,
    by_product: HashMap<ProductName, Vec<ByProject>, RandomState>,
}

/// The repositories of a project, or of the product as a whole.
type ByProject = (Option<ResourceName>, Vec<Identity>);

impl Access {
    /// Reads the relation from everything that is declared.
    #[must_use]
    pub fn of(scopes: &Scopes) -> Self {
        let resolver = Resolver::of(scopes, true);
        let graph = Graph::with(&resolver, scopes.iter().map(|s| &**s));
        Self::with(scopes, &resolver, &graph)
    }

    pub(crate) fn with(scopes: &Scopes, resolver: &Resolver, graph: &Graph) -> Self {
        let mut access = Self::default();
        for resource in scopes.iter() {
            match &resource.resource {
                Resource::CodeRepo(_) => access.add_owner(resource, graph),
                Resource::CodeRepoBinding(_) => access.add_binding(resource, resolver, graph),
                _ => {}
            }
        }
        access
    }

    /// Returns what a product (or one of its projects) may do on a repository, and every reason for it in
    /// order. Without a project only what the product as a whole may do counts.
    #[must_use]
    pub fn level(
        &self,
        product: &ProductName,
        project: Option<&ResourceName>,
        repo: &Identity,
    ) -> Option<(Level, Vec<Because>)> {
        let mut reasons: Vec<Because> = self.reasons(product, project, repo).cloned().collect();
        reasons.sort();
        reasons.dedup();
        let level = reasons.iter().map(Because::level).max()?;
        Some((level, reasons))
    }

    /// Whether a product (or one of its projects) may do anything on a repository: see [`Self::level`].
    #[must_use]
    pub fn is_allowed(&self, product: &ProductName, project: Option<&ResourceName>, repo: &Identity) -> bool {
        self.reasons(product, project, repo).next().is_some()
    }

    /// The reasons of the product as a whole, and those of the project if there is one.
    fn reasons<'a>(
        &'a self,
        product: &'a ProductName,
        project: Option<&'a ResourceName>,
        repo: &Identity,
    ) -> impl Iterator<Item = &'a Because> {
        let grantees = self.by_repo.get(repo).into_iter().flatten();
        grantees
            .filter(move |(who, _)| who.product == *product && asks(who.project.as_ref(), project))
            .flat_map(|(_, why)| why)
    }

    /// Goes through everybody who may use a repository, with the level and the reasons.
    pub fn grantees(&self, repo: &Identity) -> impl Iterator<Item = (&Grantee, Level, &[Because])> {
        self.by_repo
            .get(repo)
            .into_iter()
            .flatten()
            .filter_map(|(who, why)| Some((who, why.iter().map(Because::level).max()?, why.as_slice())))
    }

    /// Returns the repositories that a product (or one of its projects) may use, and at which level, in order
    /// of identity.
    #[must_use]
    pub fn repos_of(
        &self,
        product: &ProductName,
        project: Option<&ResourceName>,
    ) -> BTreeMap<Identity, Level> {
        self.by_product
            .get(product)
            .into_iter()
            .flatten()
            .filter(|(who, _)| asks(who.as_ref(), project))
            .flat_map(|(_, repos)| repos)
            .filter_map(|repo| Some((repo.clone(), self.level(product, project, repo)?.0)))
            .collect()
    }

    fn add_owner(&mut self, repo: &Sourced, graph: &Graph) {
        let Some(project) = graph
            .target(&repo.identity, "spec.project")
            .and_then(|t| t.identity())
        else {
            return;
        };
        // A project of another product never owns a repository of this one.
        if let Some(product) = &project.product
            && project.product == repo.identity.product
        {
            let who = Grantee {
                product: product.clone(),
                project: Some(project.name.clone()),
            };
            self.add(&repo.identity, who, Because::Owner(project.clone()));
        }
    }

    fn add_binding(&mut self, binding: &Sourced, resolver: &Resolver, graph: &Graph) {
        let Resource::CodeRepoBinding(r) = &binding.resource else {
            return;
        };
        let Some(repo) = graph
            .target(&binding.identity, "spec.codeRepo")
            .and_then(|t| t.found())
            .filter(|repo| repo.kind == Kind::CodeRepo && repo.product == binding.identity.product)
        else {
            return;
        };
        let Some(product) = resolver.product(&r.spec.product) else {
            return;
        };
        let level = Level::from(r.spec.permissions);
        let binding = &binding.identity;
        if r.spec.projects.is_empty() {
            let who = Grantee {
                product,
                project: None,
            };
            let why = Because::Product {
                binding: binding.clone(),
                level,
            };
            self.add(repo, who, why);
            return;
        }
        for project in r.spec.projects.iter().filter_map(|p| ResourceName::new(p).ok()) {
            let who = Grantee {
                product: product.clone(),
                project: Some(project),
            };
            let why = Because::Project {
                binding: binding.clone(),
                level,
            };
            self.add(repo, who, why);
        }
    }

    fn add(&mut self, repo: &Identity, who: Grantee, why: Because) {
        let projects = self.by_product.entry(who.product.clone()).or_default();
        put(of(projects, who.project.clone()), repo.clone());
        put(of(self.by_repo.get_or_default(repo), who), why);
    }
}

/// Returns the value of a key of a list that is in order of keys.
fn of<K: Ord, V: Default>(all: &mut Vec<(K, V)>, key: K) -> &mut V {
    let at = match all.binary_search_by(|(known, _)| known.cmp(&key)) {
        Ok(at) => at,
        Err(at) => {
            all.insert(at, (key, V::default()));
            at
        }
    };
    &mut all[at].1
}

/// Puts something into a list that is in order and has everything once.
fn put<T: Ord>(all: &mut Vec<T>, one: T) {
    if let Err(at) = all.binary_search(&one) {
        all.insert(at, one);
    }
}

/// Whether what somebody has counts for who asks: the product's counts for each of its projects.
fn asks(who: Option<&ResourceName>, project: Option<&ResourceName>) -> bool {
    who.is_none() || who == project
}
