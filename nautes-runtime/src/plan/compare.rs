//! What changes between two states of what is declared: resources, and what follows from them in clusters, on the
//! forge and in the secret store.
//!
//! Nothing is asked but the declarations: a cluster counts as free of other people's namespaces. Values of secrets are
//! never shown; the caller gives their digests.

mod fields;
mod follow;

use std::collections::{BTreeMap, BTreeSet};

use nautes_model::name::{ClusterName, ProductName};
use nautes_model::{Identity, Scopes, Secret, Sourced};
use nautes_validate::RuleSet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::inputs::Inputs;
use super::judged::Judged;
use super::model::Plan;
use super::product::plan_product;
use crate::engine::Engines;

pub use fields::FieldChange;

/// A state of what is declared, with the rules by which it is judged.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// What is declared.
    pub scopes: &'a Scopes,
    /// The rules.
    pub rules: &'a RuleSet,
}

/// Makes the digest of a secret that came with a resource: the resource, the field, the value.
pub type Digest<'a> = &'a dyn Fn(&Identity, &str, &Secret) -> String;

/// What changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// The resources that are new, another, or gone, in order of identity.
    pub resources: Vec<ResourceChange>,
    /// What follows, in order of product, system, action and thing.
    pub steps: Vec<Step>,
    /// The resources that are gone, with what still needs them.
    pub removals: Vec<Removal>,
}

/// What is done to a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Done {
    /// It is made.
    Make,
    /// It is changed.
    Change,
    /// It is removed.
    Remove,
    /// It is left as it is, until something is known or somebody decides.
    Hold,
    /// It waits for something that may still come.
    Wait,
    /// It cannot be; somebody has to change something.
    Fail,
}

/// Where something is done.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", tag = "type", content = "name")]
pub enum System {
    /// In none: it is about the resource itself.
    Platform,
    /// On the forge.
    Forge,
    /// In the secret store.
    SecretStore,
    /// In this cluster.
    Cluster(ClusterName),
}

/// A resource that is new, another, or gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceChange {
    /// The resource, as `Kind/product/name`.
    pub resource: String,
    /// What is done to it: made, changed or removed.
    pub action: Done,
    /// The file that declares it, or did.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// The revision that declares it, or the one that does so no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The fields that are another; empty for what is new or gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
}

/// Something that is done because of changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// The product; `None` for the tenant.
    pub product: Option<ProductName>,
    /// Where.
    pub system: System,
    /// What is done.
    pub action: Done,
    /// To what: `Namespace shop-web`, `repository shop/web-deploy`.
    pub what: String,
    /// Because of which resources, as `Kind/product/name`.
    pub because: BTreeSet<String>,
    /// What else is to be said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// A resource that is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Removal {
    /// The resource.
    pub resource: String,
    /// What needs it, directly or not, and stays: it stops working.
    pub breaks: Vec<String>,
    /// What needs it and goes as well.
    pub goes_too: Vec<String>,
}

impl Comparison {
    /// Whether nothing changes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.steps.is_empty()
    }

    /// Keeps what is about one product: its own resources, and what follows for it.
    #[must_use]
    pub fn of_product(mut self, product: &ProductName) -> Self {
        let own = format!("/{product}/");
        let itself = format!("Product/{product}");
        let is_of = |text: &str| text.contains(&own) || text == itself;
        self.resources.retain(|r| is_of(&r.resource));
        self.steps.retain(|s| s.product.as_ref() == Some(product));
        self.removals.retain(|r| is_of(&r.resource));
        self
    }
}

/// Compares two states.
#[must_use]
pub fn compare(before: Side<'_>, after: Side<'_>, engines: &Engines, digest: Digest<'_>) -> Comparison {
    let changes = changes(before.scopes, after.scopes);
    let (old, new) = (
        Judged::new(before.scopes, before.rules),
        Judged::new(after.scopes, after.rules),
    );
    let products: BTreeSet<&ProductName> = before
        .scopes
        .products
        .keys()
        .chain(after.scopes.products.keys())
        .collect();
    let inputs = Inputs::offline();
    let mut steps = BTreeSet::new();
    for product in products {
        let plans: [Plan; 2] = [&old, &new].map(|judged| plan_product(product, judged, &inputs, engines));
        follow::product(product, &plans[0], &plans[1], &mut steps);
    }
    follow::forge(&changes, &mut steps);
    follow::access(&old, &new, &mut steps);
    let gone: BTreeSet<&Identity> = changes
        .iter()
        .filter(|c| c.now.is_none())
        .map(|c| c.identity)
        .collect();
    let removals = gone
        .iter()
        .map(|identity| removal(identity, &gone, &old, &new))
        .collect();
    Comparison {
        resources: changes
            .iter()
            .map(|change| change.shown(&old, &new, digest))
            .collect(),
        steps: steps.into_iter().collect(),
        removals,
    }
}

/// A resource in both states.
pub(super) struct Both<'a> {
    pub(super) identity: &'a Identity,
    pub(super) was: Option<&'a Sourced>,
    pub(super) now: Option<&'a Sourced>,
}

/// Returns the resources that are not the same in both states, in order of identity.
fn changes<'a>(before: &'a Scopes, after: &'a Scopes) -> Vec<Both<'a>> {
    let mut all: BTreeMap<&Identity, Both<'a>> = BTreeMap::new();
    let both = |identity| Both {
        identity,
        was: None,
        now: None,
    };
    for sourced in before.iter() {
        all.entry(&sourced.identity)
            .or_insert_with(|| both(&sourced.identity))
            .was = Some(sourced);
    }
    for sourced in after.iter() {
        all.entry(&sourced.identity)
            .or_insert_with(|| both(&sourced.identity))
            .now = Some(sourced);
    }
    let differs = |one: &Both<'_>| match (one.was, one.now) {
        (Some(was), Some(now)) => was != now,
        _ => true,
    };
    all.into_values().filter(differs).collect()
}

impl Both<'_> {
    pub(super) const fn action(&self) -> Done {
        match (self.was, self.now) {
            (None, _) => Done::Make,
            (Some(_), None) => Done::Remove,
            (Some(_), Some(_)) => Done::Change,
        }
    }

    fn shown(&self, old: &Judged<'_>, new: &Judged<'_>, digest: Digest<'_>) -> ResourceChange {
        let declared = self.now.or(self.was);
        ResourceChange {
            resource: self.identity.to_string(),
            action: self.action(),
            file: declared.map_or_else(String::new, |s| s.source.file.to_string()),
            revision: new
                .revision(self.identity)
                .or_else(|| old.revision(self.identity))
                .map(|r| r.to_string()),
            fields: match (self.was, self.now) {
                (Some(was), Some(now)) => fields::diff(was, now, digest),
                _ => Vec::new(),
            },
        }
    }
}

fn removal(gone: &Identity, all: &BTreeSet<&Identity>, old: &Judged<'_>, new: &Judged<'_>) -> Removal {
    let (mut breaks, mut goes_too) = (Vec::new(), Vec::new());
    for needs in old.on.graph.dependents(gone) {
        if all.contains(&needs) {
            goes_too.push(needs.to_string());
        } else if still_needs(&needs, gone, new) {
            breaks.push(needs.to_string());
        }
    }
    Removal {
        resource: gone.to_string(),
        breaks,
        goes_too,
    }
}

/// Whether something that stays still leads to what is gone.
fn still_needs(needs: &Identity, gone: &Identity, new: &Judged<'_>) -> bool {
    new.on
        .graph
        .blockers(needs, &[])
        .iter()
        .any(|b| b.cause.awaited() == Some(gone))
}
