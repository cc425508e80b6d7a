//! Rules: what a rule is, what it is given to look at ([`Checked`]), and sets of rules.

mod checked;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use nautes_model::{Finding, Severity};

use crate::catalogue::Catalogue;
use crate::explain::Example;
use crate::organisation::Known;
use crate::rules;

pub use checked::{Checked, RuntimeUse};

/// A rule: one thing that must hold, under a stable id.
///
/// A rule is a pure function of what it is given: no I/O, no clock, no panic, and no dependence on order. It
/// should stay near linear in the number of resources.
/// ```
/// use nautes_model::Finding;
/// use nautes_validate::{Checked, Rule};
///
/// /// Environments have a stage.
/// #[derive(Debug)]
/// struct Stage;
///
/// impl Rule for Stage {
///     fn id(&self) -> &str {
///         "EnvironmentStage"
///     }
///
///     fn summary(&self) -> &str {
///         "an environment says which stage it is"
///     }
///
///     fn check(&self, on: &Checked<'_>, out: &mut Vec<Finding>) {
///         for (sourced, environment) in on.environments() {
///             if environment.spec.env_type.is_empty() {
///                 out.push(on.error(self.id(), sourced, "spec.envType", "the stage is not given"));
///             }
///         }
///     }
/// }
/// ```
///
/// Rules can also be written in YAML, without a program: see [`organisation`](crate::organisation).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a rule",
    label = "`Rule` is not implemented for it",
    note = "a rule has an `id`, a `summary` and a `check`, and is `Debug + Send + Sync`; examples/custom_rule.rs is one"
)]
pub trait Rule: Send + Sync + Debug {
    /// Returns the stable id, for example `EnvironmentClusterMissing`: letters and digits.
    fn id(&self) -> &str;

    /// Returns the worst that the rule finds; single findings may be milder.
    fn severity(&self) -> Severity {
        Severity::Error
    }

    /// Says in one sentence what must hold: lower case, no full stop.
    fn summary(&self) -> &str;

    /// Says why, for people who ask.
    fn explanation(&self) -> &str {
        ""
    }

    /// Whether a request may ask to be accepted although it breaks the rule.
    ///
    /// Not where the definitions of the kinds enforce it: an API server would never take what was committed.
    fn skippable(&self) -> bool {
        true
    }

    /// Returns manifests that break the rule, and manifests that keep it.
    fn examples(&self) -> Option<[Example; 2]> {
        None
    }

    /// Says how far the rule looks; what is declared too narrow makes [`Judge`](crate::Judge) miss findings.
    fn reach(&self) -> Reach {
        Reach::Everything
    }

    /// Looks for violations and adds a finding for each.
    fn check(&self, on: &Checked<'_>, out: &mut Vec<Finding>);
}

/// How far a rule looks: on what a finding about a resource depends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Every finding is about a resource, and depends only on
    /// - the resource, everything in its product, and the scope of a product that it registers;
    /// - what it names, what that names, and so on;
    /// - what names it, except where it is a provider; and what names a repository that it names;
    /// - what has the same as it: a namespace of a cluster, an account, an address, a port of a host, the path of
    ///   a group or its namespace, the name of an artifact repository or an old one of a repository; among
    ///   providers, all of them;
    /// - where it names what is not declared, the names that it could have meant.
    Near,
    /// As [`Self::Near`], and resources are compared with those of the same product only: the rule goes through the
    /// tenant and the products one by one, by what [`Checked`] gives it to go through. It looks others up by
    /// identity.
    Product,
    /// What the tenant adds to the catalogue, and no resource at all.
    Catalogue,
    /// Anything.
    Everything,
}

/// What is known of the platform beyond what is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The components that have an engine in this build.
    pub engines: BTreeSet<String>,
    /// The components and hooks that are known.
    pub catalogue: Catalogue,
    /// Namespaces in which no runtime may run; an entry that ends with `*` stands for all that begin so.
    pub reserved_namespaces: BTreeSet<String>,
    /// Accounts that no runtime may have, in lower case.
    pub reserved_accounts: BTreeSet<String>,
    /// Names that no cluster may have.
    pub reserved_clusters: BTreeSet<String>,
    /// Whether the tenant is part of what is checked. If not, what refers to it is taken on trust: for
    /// checking a product's files without access to the tenant.
    pub tenant_known: bool,
}

impl Default for Facts {
    fn default() -> Self {
        let set = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect();
        Self {
            engines: set(&["direct", "local", "namespaces", "tekton", "webhook"]),
            catalogue: Catalogue::default(),
            reserved_namespaces: set(&["default", "kube-*", "nautes", "nautes-*", "product-*"]),
            // Roles of the platform itself in the secret store, which compares them without case.
            reserved_accounts: set(&["api", "argo", "base", "cluster", "default", "repo", "runtime"]),
            reserved_clusters: set(&["nautes", "tenant"]),
            tenant_known: true,
        }
    }
}

/// A set of rules, and the facts that they are given.
#[derive(Clone, Debug)]
pub struct RuleSet {
    rules: BTreeMap<String, Arc<dyn Rule>>,
    facts: Facts,
    known: Known,
}

impl RuleSet {
    /// Returns the rules that Nautes always has.
    #[must_use]
    pub fn standard() -> Self {
        let mut set = Self::empty();
        for rule in rules::all() {
            set = set.with(rule);
        }
        set
    }

    /// Returns a set without rules.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            rules: BTreeMap::new(),
            facts: Facts::default(),
            known: Known::default(),
        }
    }

    /// Adds a rule, in the place of the one of the same id if there is one.
    #[must_use]
    pub fn with(mut self, rule: Arc<dyn Rule>) -> Self {
        self.rules.insert(rule.id().to_owned(), rule);
        self
    }

    /// Takes a rule out.
    #[must_use]
    pub fn without(mut self, id: &str) -> Self {
        self.rules.remove(id);
        self
    }

    /// Sets the facts.
    #[must_use]
    pub fn with_facts(mut self, facts: Facts) -> Self {
        self.facts = facts;
        self
    }

    pub(crate) const fn known(&self) -> &Known {
        &self.known
    }

    /// Returns the facts.
    #[must_use]
    pub const fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Goes through the rules in order of id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Rule>> {
        self.rules.values()
    }

    /// Whether a request may skip the rule of an id; see [`Rule::skippable`]. What is no rule of the set, such as
    /// a fault that the reader finds, cannot be skipped.
    #[must_use]
    pub fn is_skippable(&self, id: &str) -> bool {
        self.get(id).is_some_and(|rule| rule.skippable())
    }

    /// Finds a rule.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Arc<dyn Rule>> {
        self.rules.get(id)
    }
}

impl Default for RuleSet {
    fn default() -> Self {
        Self::standard()
    }
}
