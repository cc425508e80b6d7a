//! Observing: what the tenant and its products declare now, read together.
//!
//! # Guarantees
//! * Who asks gets what was read after he asked; those who ask for the same at the same time share one reading.
//! * Products that cannot be read are named, and no product holds up another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt as _;
use nautes_gitops::RepoRef;
use nautes_gitops::tree::Scope;
use nautes_model::kinds::Product;
use nautes_model::name::ProductName;
use nautes_model::{Finding, Scopes};

use super::{Platform, ReadError};

/// How many repositories are read at once.
const AT_ONCE: usize = 8;
/// From how many repositories on turns are swept that nobody waits for.
const MOST: usize = 10_000;

/// What is declared, as far as it could be read.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The last good reading of everything.
    pub scopes: Arc<Scopes>,
    /// What is wrong with files, by repository.
    pub findings: BTreeMap<RepoRef, Vec<Finding>>,
    /// Repositories that could not be read now, and why; what `scopes` has of them is their last good reading.
    pub unread: BTreeMap<RepoRef, Arc<ReadError>>,
}

impl Observed {
    /// Whether a repository was read now.
    #[must_use]
    pub fn is_known(&self, of: &RepoRef) -> bool {
        !self.unread.contains_key(of)
    }

    fn copy_findings(&mut self, from: &Self, of: &RepoRef) {
        if let Some(findings) = from.findings.get(of) {
            self.findings.insert(of.clone(), findings.clone());
        }
    }
}

/// Readings by what was asked for: everything, or one repository.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    turns: Mutex<BTreeMap<Option<RepoRef>, Arc<Turns>>>,
    /// Whether everything was read once.
    whole: AtomicBool,
}

/// The readings of the same, by number: one at a time, for all who asked before it began.
#[derive(Debug, Default)]
struct Turns {
    begun: AtomicU64,
    turn: tokio::sync::Mutex<Option<Round>>,
}

#[derive(Debug)]
struct Round {
    number: u64,
    observed: Result<Observed, Arc<ReadError>>,
}

impl Rounds {
    fn of(&self, what: Option<&RepoRef>) -> Arc<Turns> {
        let mut all = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turns) = all.get(&what.cloned()) {
            return Arc::clone(turns);
        }
        // Names that lead nowhere are asked for as well: whoever waits keeps his turns, and the map keeps no others.
        if all.len() >= MOST {
            all.retain(|what, turns| what.is_none() || Arc::strong_count(turns) > 1);
        }
        Arc::clone(all.entry(what.cloned()).or_default())
    }
}

impl Platform {
    /// Reads what is declared now: the tenant and every registered product, with the platform's own session.
    ///
    /// # Errors
    /// The tenant's repository cannot be read and never could. Products that cannot be read are named in the
    /// answer.
    pub async fn observe(&self) -> Result<Observed, ReadError> {
        self.in_turn(None).await
    }

    /// Reads what is declared now in one repository, and in the tenant's, which says where it is. What others declare
    /// is as it was read last, and what is wrong with them is not told. The first time everything is read.
    ///
    /// # Errors
    /// See [`Platform::observe`].
    pub async fn observe_repository(&self, of: &RepoRef) -> Result<Observed, ReadError> {
        if self.inner.rounds.whole.load(Ordering::Relaxed) {
            self.in_turn(Some(of)).await
        } else {
            self.observe().await
        }
    }

    async fn in_turn(&self, of: Option<&RepoRef>) -> Result<Observed, ReadError> {
        let turns = self.inner.rounds.of(of);
        let asked = turns.begun.load(Ordering::SeqCst);
        let mut last = turns.turn.lock().await;
        if let Some(round) = last.as_ref().filter(|round| round.number > asked) {
            return round.observed.clone().map_err(ReadError::Shared);
        }
        let number = turns.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let observed = match of {
            None => self.observe_after(&Observed::default(), None).await,
            Some(of) => {
                let wanted = |one: &RepoRef| *one == RepoRef::Tenant || one == of;
                self.observe_some(&self.read_before(of), wanted).await
            }
        };
        if of.is_none() && observed.is_ok() {
            self.inner.rounds.whole.store(true, Ordering::Relaxed);
        }
        let observed = observed.map_err(Arc::new);
        *last = Some(Round {
            number,
            observed: observed.clone(),
        });
        observed.map_err(ReadError::Shared)
    }

    /// What was read last of products, but for one repository.
    fn read_before(&self, other_than: &RepoRef) -> Observed {
        let mut scopes = Scopes::default();
        for reading in self.inner.readings.all() {
            if let Scope::Product(scope) = &reading.scope
                && other_than.product() != Some(&scope.product)
            {
                scopes.products.insert(scope.product.clone(), scope.clone());
            }
        }
        Observed {
            scopes: Arc::new(scopes),
            ..Observed::default()
        }
    }

    /// Reads again what `only` names (everything if it is `None`), and takes the rest from `before`.
    pub(crate) async fn observe_after(
        &self,
        before: &Observed,
        only: Option<&BTreeSet<RepoRef>>,
    ) -> Result<Observed, ReadError> {
        let is_new = |of: &RepoRef| {
            of.product()
                .is_some_and(|name| !before.scopes.products.contains_key(name))
        };
        let again =
            |of: &RepoRef| only.is_none_or(|only| only.contains(of)) || !before.is_known(of) || is_new(of);
        self.observe_some(before, again).await
    }

    /// Reads again what is asked for, and takes the rest from `before` as far as it is there.
    async fn observe_some(
        &self,
        before: &Observed,
        again: impl Fn(&RepoRef) -> bool,
    ) -> Result<Observed, ReadError> {
        let mut observed = Observed::default();
        let mut scopes = Scopes::default();
        if again(&RepoRef::Tenant) {
            let ((tenant, findings), late) = self.read_tenant().await?;
            scopes.tenant = tenant;
            observed.findings.insert(RepoRef::Tenant, findings);
            if let Some(error) = late {
                observed.unread.insert(RepoRef::Tenant, Arc::new(error));
            }
        } else {
            scopes.tenant = before.scopes.tenant.clone();
            observed.copy_findings(before, &RepoRef::Tenant);
        }
        let names: Vec<(ProductName, Product)> = scopes
            .tenant
            .products()
            .filter_map(|(s, p)| Some((ProductName::new(s.identity.name.as_str()).ok()?, p.clone())))
            .collect();
        self.inner.readings.forget_all_but(|of| {
            of.product()
                .is_none_or(|name| names.iter().any(|(n, _)| n == name))
        });
        let (names, kept): (Vec<_>, Vec<_>) = names
            .into_iter()
            .partition(|(name, _)| again(&RepoRef::Product(name.clone())));
        for (name, _) in kept {
            observed.copy_findings(before, &RepoRef::Product(name.clone()));
            if let Some(scope) = before.scopes.products.get(&name) {
                scopes.products.insert(name, scope.clone());
            }
        }
        let mut read = futures::stream::iter(names)
            .map(|(name, product)| async move {
                let result = self.read_product(&name, Some(&product)).await;
                (name, result)
            })
            .buffer_unordered(AT_ONCE);
        while let Some((name, (scope, findings, error))) = read.next().await {
            let of = RepoRef::Product(name.clone());
            observed.findings.insert(of.clone(), findings);
            if let Some(scope) = scope {
                scopes.products.insert(name, scope);
            }
            if let Some(error) = error {
                observed.unread.insert(of, Arc::new(error));
            }
        }
        observed.scopes = Arc::new(scopes);
        Ok(observed)
    }

    /// Reads what is declared now, and nothing about what could not be read: see [`Platform::observe`].
    ///
    /// # Errors
    /// See [`Platform::observe`].
    pub async fn scopes(&self) -> Result<Arc<Scopes>, ReadError> {
        Ok(self.observe().await?.scopes)
    }
}

/// Returns what a scope of a repository is, for callers that check what they are about to commit.
#[must_use]
pub fn merged(scopes: &Scopes, of: &RepoRef, scope: &Scope) -> Scopes {
    let mut merged = scopes.clone();
    match (of, scope) {
        (RepoRef::Tenant, Scope::Tenant(tenant)) => merged.tenant = tenant.clone(),
        (RepoRef::Product(name), Scope::Product(product)) => {
            merged.products.insert(name.clone(), product.clone());
        }
        (RepoRef::Tenant, Scope::Product(_)) | (RepoRef::Product(_), Scope::Tenant(_)) => {}
    }
    merged
}
