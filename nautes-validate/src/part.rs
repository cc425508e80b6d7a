//! Judging a part of a platform: a product without its tenant, or files that are laid out by hand.
//!
//! What refers to something that is not given cannot be judged. It is named ([`Unchecked`]), and is no finding.

use std::collections::BTreeSet;
use std::sync::Arc;

use nautes_model::reference::references;
use nautes_model::resource::Position;
use nautes_model::{Identity, Kind, Scopes, manifest};

use crate::report::{ChangeReport, Report, check, check_change};
use crate::rule::RuleSet;

/// The rule that says that a Git platform is missing.
const PROVIDER_MISSING: &str = "ProviderMissing";

/// How much of a platform is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The tenant, and every product that is to be judged. What is not there does not exist.
    Whole,
    /// What belongs to the tenant, without its Git platforms, which are set up once and seldom stand beside the rest.
    WithoutProviders,
    /// Products only.
    WithoutTenant,
}

impl Part {
    /// Guesses it from what is declared: for files that are not known to be the whole of a repository.
    #[must_use]
    pub fn of(scopes: &Scopes) -> Self {
        let kinds: BTreeSet<Kind> = scopes
            .tenant
            .resources
            .iter()
            .map(|resource| resource.identity.kind)
            .collect();
        if kinds.contains(&Kind::CodeRepoProvider) {
            Self::Whole
        } else if kinds.iter().any(|kind| *kind != Kind::Product) {
            Self::WithoutProviders
        } else {
            Self::WithoutTenant
        }
    }

    /// Returns the rules that can be judged by, of these.
    #[must_use]
    pub fn rules(self, rules: &RuleSet) -> RuleSet {
        match self {
            Self::Whole => rules.clone(),
            Self::WithoutProviders => rules.clone().without(PROVIDER_MISSING),
            Self::WithoutTenant => {
                let mut facts = rules.facts().clone();
                facts.tenant_known = false;
                rules.clone().with_facts(facts)
            }
        }
    }

    /// Whether something that is not given may exist all the same.
    #[must_use]
    pub fn may_exist(self, identity: &Identity) -> bool {
        match self {
            Self::Whole => false,
            Self::WithoutProviders => identity.kind == Kind::CodeRepoProvider,
            Self::WithoutTenant => identity.product.is_none(),
        }
    }

    /// Names what is referred to and cannot be looked up, each once, where it is named first.
    #[must_use]
    pub fn unchecked(self, scopes: &Scopes) -> Vec<Unchecked> {
        if self == Self::Whole {
            return Vec::new();
        }
        let mut seen = BTreeSet::new();
        let mut all = Vec::new();
        for sourced in scopes.iter() {
            for reference in references(sourced) {
                let Some(to) = reference.to else { continue };
                if !self.may_exist(&to) || scopes.get(&to).is_some() || !seen.insert(to.clone()) {
                    continue;
                }
                all.push(Unchecked {
                    resource: to,
                    by: sourced.identity.clone(),
                    file: Arc::clone(&sourced.source.file),
                    position: manifest::locate(&sourced.source, &reference.field),
                    field: reference.field.into_owned(),
                });
            }
        }
        all
    }
}

/// Something that is referred to, and is not part of what is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unchecked {
    /// What it is.
    pub resource: Identity,
    /// The first that refers to it.
    pub by: Identity,
    /// The file of that.
    pub file: Arc<str>,
    /// Where in the file.
    pub position: Option<Position>,
    /// The field that refers to it.
    pub field: String,
}

/// Judges a part of a state; of the whole it is [`check`].
#[must_use]
pub fn check_part(scopes: &Scopes, rules: &RuleSet, part: Part) -> Report {
    check(scopes, &part.rules(rules))
}

/// Judges a change of a part; of the whole it is [`check_change`].
#[must_use]
pub fn check_part_change(before: &Scopes, after: &Scopes, rules: &RuleSet, part: Part) -> ChangeReport {
    check_change(before, after, &part.rules(rules))
}
