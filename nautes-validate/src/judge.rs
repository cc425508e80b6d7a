//! A verdict that is kept up to date: after a change only what the change can affect is looked at again.
//!
//! ```
//! use nautes_model::{Scopes, Sourced};
//! use nautes_validate::judge::{Change, Judge};
//! use nautes_validate::{RuleSet, check};
//!
//! # fn example(platform: Scopes, edited: Sourced) {
//! let mut judge = Judge::new(platform, RuleSet::standard());
//! let difference = judge.apply([Change::Put(edited.into())]);
//! println!("{} new findings", difference.added.len());
//! assert_eq!(judge.report(), check(judge.scopes(), judge.rules()));
//! # }
//! ```
//!
//! Flow: what a change can affect is read from an index of what every resource names, gives and shares. The
//! rules then look at those resources only, within the part of the platform that their verdict depends on.
//!
//! Guarantees: [`Judge::report`] is what [`check`](crate::check) says of the same scopes and rules.
//!
//! Caveats: the work follows what is affected, not what is declared. That is little for what belongs to a
//! product, and much for what everything names, such as the only provider of repositories. A rule that says
//! [`Reach::Everything`] looks at everything after every change. Rules of an organisation are of that kind: their
//! expressions can look at what needs something, directly or not, in any product; and a rule that takes too many
//! steps, or fails too often, is given up for the platform as a whole.

mod index;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use foldhash::HashSet;
use nautes_model::name::ProductName;
use nautes_model::scope::Broken;
use nautes_model::{Finding, Identity, Kind, ProductScope, Scopes, Sourced, TenantScope};

use crate::report::{self, Report, located};
use crate::resolve::Resolver;
use crate::rule::{Checked, Reach, Rule, RuleSet};
use index::{Index, Key, gives};

/// A change of what is declared.
#[derive(Clone, Debug)]
pub enum Change {
    /// A resource is added, or takes the place of the one of its identity.
    Put(Arc<Sourced>),
    /// A resource is taken out.
    Remove(Identity),
    /// A whole product takes the place of what was known of it, the files that cannot be read included.
    Product(Box<ProductScope>),
    /// A product is not loaded any more.
    Unload(ProductName),
    /// The files of the tenant that cannot be read are these.
    TenantBroken(Vec<Broken>),
}

/// What a change made of a report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// What was found that was not before, in order.
    pub added: Vec<Finding>,
    /// What was found before and is not any more, in order.
    pub gone: Vec<Finding>,
    /// How many resources were looked at again.
    pub looked_at: usize,
}

/// A state, its verdict, and what is needed to keep it up to date.
#[derive(Debug)]
pub struct Judge {
    scopes: Scopes,
    rules: RuleSet,
    near: Vec<Arc<dyn Rule>>,
    /// They look at what no change touches, see [`Change`]: the catalogue comes with the tenant.
    fixed: Vec<Arc<dyn Rule>>,
    wide: Vec<Arc<dyn Rule>>,
    resolver: Resolver,
    index: Index,
    /// What the rules found that look at what is near, by the resource that it is about.
    found: BTreeMap<Identity, Vec<Finding>>,
    /// What the rules found whose findings stay.
    found_fixed: Vec<Finding>,
    /// What the others found.
    found_wide: Vec<Finding>,
}

impl Judge {
    /// Judges a state by every rule.
    #[must_use]
    pub fn new(scopes: Scopes, rules: RuleSet) -> Self {
        let all = rules.of_tenant(&scopes.tenant);
        let of = |reach: &[Reach]| {
            let of = all.iter().filter(|rule| reach.contains(&rule.reach()));
            of.cloned().collect()
        };
        let near = of(&[Reach::Near, Reach::Product]);
        let (fixed, wide) = (of(&[Reach::Catalogue]), of(&[Reach::Everything]));
        drop(all);
        let mut judge = Self {
            scopes,
            rules,
            near,
            fixed,
            wide,
            resolver: Resolver::default(),
            index: Index::default(),
            found: BTreeMap::new(),
            found_fixed: Vec::new(),
            found_wide: Vec::new(),
        };
        judge.begin();
        judge
    }

    /// Returns the state.
    #[must_use]
    pub const fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    /// Returns the rules.
    #[must_use]
    pub const fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// Returns what is wrong with the state.
    #[must_use]
    pub fn report(&self) -> Report {
        let all = self.found.values().flatten();
        let all = all.chain(&self.found_fixed).chain(&self.found_wide);
        Report::new(all.cloned().collect())
    }

    /// Changes the state and judges again what that can affect.
    pub fn apply(&mut self, changes: impl IntoIterator<Item = Change>) -> Difference {
        let changes: Vec<Change> = changes.into_iter().collect();
        if changes.iter().any(|c| matches!(c, Change::TenantBroken(_))) {
            return self.anew(changes);
        }
        let mut changed = BTreeSet::new();
        let mut given = HashSet::default();
        self.note(&changes, &mut changed, &mut given);
        let mut affected = self.index.affected(&changed, &given);
        for change in changes {
            self.make(change);
        }
        let mut indexed = BTreeSet::new();
        loop {
            for identity in &affected {
                if indexed.insert(identity.clone()) {
                    self.reindex(identity);
                }
            }
            let more = self.index.affected(&changed, &given);
            if more.is_subset(&affected) {
                break;
            }
            affected.extend(more);
        }
        let touched: BTreeSet<&ProductName> = changed.iter().filter_map(|i| i.product.as_ref()).collect();
        for name in touched {
            let product = self.scopes.products.get(name);
            affected.extend(
                product
                    .into_iter()
                    .flat_map(|p| p.resources.iter())
                    .map(|s| s.identity.clone()),
            );
            let registered = self.scopes.tenant.product(name.as_str());
            affected.extend(registered.map(|(s, _)| s.identity.clone()));
        }
        self.look_at(&affected)
    }

    /// Judges everything.
    fn begin(&mut self) {
        self.resolver = Resolver::of(&self.scopes, self.rules.facts().tenant_known);
        self.index = Index::default();
        for sourced in self.scopes.iter() {
            self.index.set(sourced, &self.scopes, &self.resolver);
        }
        let mut on = Checked::with(&self.scopes, self.rules.facts(), Cow::Borrowed(&self.resolver));
        let mut found: BTreeMap<Identity, Vec<Finding>> = BTreeMap::new();
        for finding in run(&self.near, &mut on) {
            if let Some(about) = finding.resource.clone() {
                found.entry(about).or_default().push(finding);
            }
        }
        self.found_fixed = run(&self.fixed, &mut on);
        self.found_wide = run(&self.wide, &mut on);
        self.found = found;
    }

    fn anew(&mut self, changes: Vec<Change>) -> Difference {
        let before = self.report().findings;
        for change in changes {
            self.make(change);
        }
        self.begin();
        difference(before, self.report().findings, self.scopes.iter().count())
    }

    /// Writes down what changes, and everything that it gives before and after.
    fn note(&self, changes: &[Change], changed: &mut BTreeSet<Identity>, given: &mut HashSet<Key>) {
        let mut products = BTreeSet::new();
        for change in changes {
            match change {
                Change::Put(new) => {
                    note(new, changed, given);
                    self.note_old(&new.identity, changed, given);
                    products.extend(new.identity.product.clone());
                }
                Change::Remove(identity) => self.note_old(identity, changed, given),
                Change::Product(new) => {
                    note_product(new, changed, given);
                    self.note_old_product(&new.product, changed, given);
                    products.insert(new.product.clone());
                }
                Change::Unload(product) => {
                    self.note_old_product(product, changed, given);
                    products.insert(product.clone());
                }
                Change::TenantBroken(_) => {}
            }
        }
        for product in products {
            given.insert(Key::Product(Arc::from(product.as_str())));
        }
    }

    fn note_old(&self, identity: &Identity, changed: &mut BTreeSet<Identity>, given: &mut HashSet<Key>) {
        if let Some(old) = self.scopes.get(identity) {
            note(old, changed, given);
        }
    }

    fn note_old_product(
        &self,
        product: &ProductName,
        changed: &mut BTreeSet<Identity>,
        given: &mut HashSet<Key>,
    ) {
        if let Some(old) = self.scopes.products.get(product) {
            note_product(old, changed, given);
        }
    }

    fn make(&mut self, change: Change) {
        match change {
            Change::Put(new) => {
                if let Some(product) = &new.identity.product
                    && !self.scopes.products.contains_key(product)
                {
                    self.resolver.load(product);
                }
                let old = self.scopes.put(Arc::clone(&new));
                old.into_iter().for_each(|old| self.resolver.remove(&old));
                self.resolver.add(&new);
            }
            Change::Remove(identity) => {
                if let Some(old) = self.scopes.remove(&identity) {
                    self.resolver.remove(&old);
                }
            }
            Change::Product(new) => {
                self.unload(&new.product);
                self.resolver.load(&new.product);
                new.resources.iter().for_each(|s| self.resolver.add(s));
                new.broken.iter().for_each(|b| self.resolver.hold(&b.identities));
                self.scopes.products.insert(new.product.clone(), *new);
            }
            Change::Unload(product) => self.unload(&product),
            Change::TenantBroken(broken) => self.scopes.tenant.broken = broken,
        }
    }

    fn unload(&mut self, product: &ProductName) {
        if let Some(old) = self.scopes.products.remove(product) {
            old.resources.iter().for_each(|s| self.resolver.remove(s));
            old.broken
                .iter()
                .for_each(|b| self.resolver.release(&b.identities));
            self.resolver.unload(product);
        }
    }

    fn reindex(&mut self, identity: &Identity) {
        match self.scopes.get(identity) {
            Some(sourced) => self.index.set(sourced, &self.scopes, &self.resolver),
            None => self.index.remove(identity),
        }
    }

    /// Runs the rules on some resources and puts what they find in the place of what was found before.
    fn look_at(&mut self, affected: &BTreeSet<Identity>) -> Difference {
        let part = self.part(affected);
        let mut on = Checked::with(&part, self.rules.facts(), Cow::Borrowed(&self.resolver)).only(affected);
        let mut now: BTreeMap<Identity, Vec<Finding>> = BTreeMap::new();
        for finding in run(&self.near, &mut on) {
            if let Some(about) = finding.resource.clone().filter(|about| affected.contains(about)) {
                now.entry(about).or_default().push(finding);
            }
        }
        let mut before = Vec::new();
        for identity in affected {
            before.extend(self.found.remove(identity).into_iter().flatten());
        }
        let mut after: Vec<Finding> = now.values().flatten().cloned().collect();
        self.found.append(&mut now);
        if !self.wide.is_empty() {
            let mut on = Checked::with(&self.scopes, self.rules.facts(), Cow::Borrowed(&self.resolver));
            let found = run(&self.wide, &mut on);
            after.extend(found.iter().cloned());
            before.append(&mut std::mem::replace(&mut self.found_wide, found));
        }
        difference(before, after, affected.len())
    }

    /// Cuts out the part of the platform that the verdict on some resources depends on. See [`Reach::Near`].
    fn part(&self, about: &BTreeSet<Identity>) -> Scopes {
        let mut whole: BTreeSet<&ProductName> = about.iter().filter_map(|i| i.product.as_ref()).collect();
        let mut wanted: HashSet<Identity> = about.iter().cloned().collect();
        for one in about {
            if !matches!(
                one.kind,
                Kind::CodeRepoProvider | Kind::ArtifactRepoProvider | Kind::ProductProvider
            ) {
                wanted.extend(self.index.naming(one).cloned());
            }
            wanted.extend(self.index.sharing(one).cloned());
            for target in self.index.targets(one) {
                if matches!(target.kind, Kind::CodeRepo | Kind::ArtifactRepo) {
                    wanted.extend(self.index.naming(target).cloned());
                }
            }
            for (kind, product) in self.index.compared(one) {
                if product.is_none() {
                    let all = self.scopes.tenant.resources.iter().map(|s| &s.identity);
                    wanted.extend(all.filter(|i| i.kind == kind).cloned());
                }
            }
            if one.kind == Kind::Product
                && let Some((name, _)) = self.scopes.products.get_key_value(one.name.as_str())
            {
                whole.insert(name);
            }
        }
        for product in whole.iter().filter_map(|p| self.scopes.products.get(*p)) {
            wanted.extend(product.resources.iter().map(|s| s.identity.clone()));
        }
        let providers = self.scopes.tenant.code_repo_providers();
        wanted.extend(providers.map(|(s, _)| s.identity.clone()));
        let mut todo: Vec<Identity> = wanted.iter().cloned().collect();
        while let Some(one) = todo.pop() {
            for target in self.index.targets(&one) {
                if wanted.insert(target.clone()) {
                    todo.push(target.clone());
                }
            }
        }
        self.cut(&whole, &wanted)
    }

    fn cut(&self, whole: &BTreeSet<&ProductName>, wanted: &HashSet<Identity>) -> Scopes {
        let tenant = &self.scopes.tenant;
        let of_tenant = wanted.iter().filter(|i| i.product.is_none());
        let mut part = Scopes {
            tenant: TenantScope {
                revision: tenant.revision.clone(),
                resources: tenant.resources.part(of_tenant),
                broken: tenant.broken.clone(),
                catalogue: tenant.catalogue.clone(),
                // They are sorted in already, see `new`.
                rules: Vec::new(),
            },
            products: BTreeMap::new(),
        };
        for product in whole {
            if let Some(scope) = self.scopes.products.get(*product) {
                part.products.insert((*product).clone(), scope.clone());
            }
        }
        for identity in wanted {
            let Some(product) = identity.product.as_ref().filter(|p| !whole.contains(p)) else {
                continue;
            };
            let (Some(scope), Some(sourced)) = (self.scopes.products.get(product), self.scopes.get(identity))
            else {
                continue;
            };
            let cut = part
                .products
                .entry(product.clone())
                .or_insert_with(|| ProductScope {
                    broken: scope.broken.clone(),
                    ..ProductScope::new(product.clone())
                });
            cut.resources.replace(Arc::clone(sourced));
        }
        part
    }
}

fn note(sourced: &Sourced, changed: &mut BTreeSet<Identity>, given: &mut HashSet<Key>) {
    changed.insert(sourced.identity.clone());
    given.extend(gives(sourced));
}

fn note_product(scope: &ProductScope, changed: &mut BTreeSet<Identity>, given: &mut HashSet<Key>) {
    for sourced in scope.resources.iter() {
        note(sourced, changed, given);
    }
    for held in scope.broken.iter().flat_map(|file| &file.identities) {
        changed.insert(held.clone());
        given.insert(Key::Is(held.clone()));
    }
}

fn run(rules: &[Arc<dyn Rule>], on: &mut Checked<'_>) -> Vec<Finding> {
    let found = report::run(on, rules.iter());
    located(found, on)
}

fn difference(mut before: Vec<Finding>, mut after: Vec<Finding>, looked_at: usize) -> Difference {
    before.sort();
    before.dedup();
    after.sort();
    after.dedup();
    let only = |of: &[Finding], other: &[Finding]| -> Vec<Finding> {
        of.iter()
            .filter(|f| other.binary_search(f).is_err())
            .cloned()
            .collect()
    };
    Difference {
        added: only(&after, &before),
        gone: only(&before, &after),
        looked_at,
    }
}
