//! The declarations with what the rules say of them, and what each resource still needs.

use std::collections::{BTreeMap, BTreeSet};

use nautes_model::name::{ClusterName, ProductName};
use nautes_model::reference::Relation;
use nautes_model::scope::Broken;
use nautes_model::{Finding, Identity, Kind, Revision, Scopes, Severity};
use nautes_validate::{Checked, Link, RuleSet, Target};

/// Rules that find fault with all who name the same thing, whoever has it.
const CONTENDED: &[&str] = &["AccountTaken", "RuntimeNamespaceTaken"];

/// Everything that is declared, judged once for all products.
#[derive(Debug)]
pub struct Judged<'a> {
    /// The declarations with their indexes.
    pub on: Checked<'a>,
    errors: BTreeMap<Identity, Vec<Finding>>,
    unread: BTreeMap<Identity, String>,
    claimants: BTreeMap<(ClusterName, String), BTreeSet<ProductName>>,
}

/// What a resource needs and has not got.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// What is known not to be there.
    pub missing: BTreeSet<Identity>,
    /// What nobody can tell about now, and why.
    pub unknown: BTreeMap<Identity, String>,
}

impl<'a> Judged<'a> {
    /// Judges everything that is declared by a set of rules, and by those that the tenant declares.
    #[must_use]
    pub fn new(scopes: &'a Scopes, rules: &'a RuleSet) -> Self {
        let on = Checked::new(scopes, rules.facts());
        let rules = rules.of_tenant(&scopes.tenant);
        let mut found = Vec::new();
        for rule in rules.iter() {
            rule.check(&on, &mut found);
        }
        found.sort();
        found.dedup();
        let mut errors: BTreeMap<Identity, Vec<Finding>> = BTreeMap::new();
        for finding in found {
            if finding.severity == Severity::Error {
                for about in nautes_validate::about(&finding) {
                    errors.entry(about.clone()).or_default().push(finding.clone());
                }
            }
        }
        Self {
            errors,
            unread: unread(scopes),
            claimants: claimants(&on),
            on,
        }
    }

    /// Returns the declarations.
    #[must_use]
    pub const fn scopes(&self) -> &'a Scopes {
        self.on.scopes
    }

    /// Returns the errors about a resource that stand in its way, in order. Left out are those about what is not
    /// there (yet), which it waits for, and those that another product causes by naming the same namespace or
    /// account: a plan decides these by who has it.
    pub fn errors(&self, of: &Identity) -> impl Iterator<Item = &Finding> {
        self.errors.get(of).into_iter().flatten().filter(move |finding| {
            // Runtimes of other products are not named in findings.
            let is_of_others = !finding.related.iter().any(|other| other.product == of.product);
            if is_of_others && CONTENDED.contains(&finding.rule.as_str()) {
                return false;
            }
            let target = finding
                .field
                .as_ref()
                .and_then(|field| self.on.graph.target(of, field));
            !matches!(
                target,
                Some(Target::Missing(_) | Target::Held(_) | Target::Unknown(_))
            )
        })
    }

    /// Says why a resource cannot be read, if its file is broken.
    #[must_use]
    pub fn unread(&self, identity: &Identity) -> Option<&str> {
        self.unread.get(identity).map(String::as_str)
    }

    /// Goes through the resources of a product (or the tenant) whose files cannot be read now.
    pub fn unread_of(&self, product: Option<&ProductName>) -> impl Iterator<Item = (&Identity, &str)> {
        self.unread
            .iter()
            .filter(move |(identity, _)| identity.product.as_ref() == product)
            .map(|(identity, why)| (identity, why.as_str()))
    }

    /// Returns the product whose claim on a free namespace of a cluster comes first, of all that declare it.
    #[must_use]
    pub fn first_claimant(&self, cluster: &ClusterName, namespace: &str) -> Option<&ProductName> {
        self.claimants
            .get(&(cluster.clone(), namespace.to_owned()))?
            .first()
    }

    /// Returns what a resource needs, directly or not, and has not got. References for which `is_part` says so
    /// are left out.
    #[must_use]
    pub fn needs(&self, of: &Identity, is_part: impl Fn(&str) -> bool) -> Needs {
        let mut needs = Needs::default();
        let mut seen = BTreeSet::from([of.clone()]);
        for link in self.on.graph.references(of) {
            if !is_part(&link.field) {
                self.follow(link, &mut needs, &mut seen);
            }
        }
        needs
    }

    /// Returns what one reference of a resource needs and has not got.
    #[must_use]
    pub fn needs_of(&self, of: &Identity, field: &str) -> Needs {
        self.needs(of, |other| other != field)
    }

    fn follow(&self, link: &Link, needs: &mut Needs, seen: &mut BTreeSet<Identity>) {
        if !matches!(link.relation, Relation::Needs | Relation::Owner) {
            return;
        }
        match &link.to {
            Target::Found(found) => {
                if seen.insert(found.clone()) {
                    for next in self.on.graph.references(found) {
                        self.follow(next, needs, seen);
                    }
                }
            }
            Target::Missing(missing) => {
                needs.missing.insert(missing.clone());
            }
            Target::Held(held) => {
                let why = self.unread(held).unwrap_or("its file cannot be read");
                needs.unknown.insert(held.clone(), why.to_owned());
            }
            Target::Unknown(unknown) => {
                let why = "it is declared where nobody can read now";
                needs.unknown.insert(unknown.clone(), why.to_owned());
            }
            Target::Invalid => {}
        }
    }

    /// Whether it is certain that no binding which cannot be read now opens a repository.
    #[must_use]
    pub fn knows_bindings_of(&self, repo: &Identity) -> bool {
        let Some(scope) = repo.product.as_ref().and_then(|p| self.scopes().products.get(p)) else {
            return false;
        };
        let folder = format!("code-repos/{}/", repo.name);
        !scope.broken.iter().any(|file| {
            file.path.starts_with(&folder)
                || file
                    .identities
                    .iter()
                    .any(|i| matches!(i.kind, Kind::CodeRepoBinding | Kind::Project) || i == repo)
        })
    }

    /// Returns the revision that declares a resource.
    #[must_use]
    pub fn revision(&self, of: &Identity) -> Option<Revision> {
        match &of.product {
            Some(product) => self.scopes().products.get(product)?.revision.clone(),
            None => self.scopes().tenant.revision.clone(),
        }
    }
}

fn unread(scopes: &Scopes) -> BTreeMap<Identity, String> {
    let files = scopes
        .tenant
        .broken
        .iter()
        .chain(scopes.products.values().flat_map(|p| &p.broken));
    files
        .flat_map(|file| file.identities.iter().map(|i| (i.clone(), reason(file))))
        .filter(|(identity, _)| scopes.get(identity).is_none())
        .collect()
}

/// Why a file cannot be read, in one line.
pub(super) fn reason(file: &Broken) -> String {
    let first = file.problems.iter().min().map_or("", String::as_str);
    let line = first.lines().next().unwrap_or_default();
    format!("{} cannot be read: {line}", file.path)
}

fn claimants(on: &Checked<'_>) -> BTreeMap<(ClusterName, String), BTreeSet<ProductName>> {
    let mut all: BTreeMap<(ClusterName, String), BTreeSet<ProductName>> = BTreeMap::new();
    for runtime in on.runtimes() {
        let Some((sourced, _)) = runtime.cluster else {
            continue;
        };
        let Ok(cluster) = ClusterName::new(sourced.identity.name.as_str()) else {
            continue;
        };
        for namespace in runtime.namespaces() {
            all.entry((cluster.clone(), namespace.to_owned()))
                .or_default()
                .insert(runtime.product.clone());
        }
    }
    all
}
