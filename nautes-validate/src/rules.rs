//! The rules that Nautes always has, one module a subject.

use std::collections::BTreeSet;
use std::sync::Arc;

use nautes_model::fix::Action;
use nautes_model::{Finding, Fix, Identity, Kind, Severity, Sourced};

use crate::explain::{Example, examples};
use crate::rule::{Checked, Reach, Rule};

mod artifact;
mod binding;
mod catalogue;
mod cluster;
mod code_repo;
mod component;
mod deployment;
mod environment;
mod hook;
mod name;
mod namespace;
mod pipeline;
mod product;
mod provider;
mod reference;
pub(crate) mod removal;
mod runtime;
mod step;

/// The rules that only ever warn.
const MILD: &[&str] = &[
    "AccountShared",
    "ClusterComponentReplaced",
    "ClusterEngineMissing",
    "ClusterPermissionWithdrawn",
    "CodeRepoUse",
    "ReferenceHeld",
    "RuntimeMoved",
];

/// The rules that compare resources of several products, or look at what is not there any more.
const ACROSS: &[&str] = &[
    "AccountShared",
    "AccountTaken",
    "ArtifactRepoNameTaken",
    "ClusterComponentReplaced",
    "ClusterPermissionWithdrawn",
    "CodeRepoIdTaken",
    "ProjectArtifactRepoDuplicate",
    "ReferenceCycle",
    "ResourceDuplicate",
    "RuntimeNamespaceTaken",
];

type Check = fn(&'static str, &Checked<'_>, &mut Vec<Finding>);

/// A rule as a row of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standard {
    id: &'static str,
    summary: &'static str,
    why: &'static str,
    check: Check,
}

impl Rule for Standard {
    fn id(&self) -> &str {
        self.id
    }

    fn severity(&self) -> Severity {
        if MILD.contains(&self.id) {
            Severity::Warning
        } else {
            Severity::Error
        }
    }

    fn summary(&self) -> &str {
        self.summary
    }

    fn explanation(&self) -> &str {
        self.why
    }

    fn skippable(&self) -> bool {
        !nautes_model::crd::enforces(self.id)
    }

    fn examples(&self) -> Option<[Example; 2]> {
        examples(self.id)
    }

    fn reach(&self) -> Reach {
        let is_of = |rules: &[Self]| rules.iter().any(|rule| rule.id == self.id);
        if is_of(catalogue::RULES) {
            Reach::Catalogue
        } else if ACROSS.contains(&self.id) || is_of(removal::RULES) {
            Reach::Near
        } else {
            Reach::Product
        }
    }

    fn check(&self, on: &Checked<'_>, out: &mut Vec<Finding>) {
        (self.check)(self.id, on, out);
    }
}

/// Goes through all of them.
pub(crate) fn all() -> impl Iterator<Item = Arc<dyn Rule>> {
    [
        artifact::RULES,
        binding::RULES,
        catalogue::RULES,
        cluster::RULES,
        code_repo::RULES,
        component::RULES,
        deployment::RULES,
        environment::RULES,
        hook::RULES,
        name::RULES,
        namespace::RULES,
        pipeline::RULES,
        product::RULES,
        provider::RULES,
        reference::RULES,
        removal::RULES,
        runtime::RULES,
        step::RULES,
    ]
    .into_iter()
    .flatten()
    .map(|rule| Arc::new(*rule) as Arc<dyn Rule>)
}

/// How many others a finding names at most.
const MANY: usize = 10;

/// Adds other resources that have a part in a finding.
fn related<'i>(mut finding: Finding, others: impl IntoIterator<Item = &'i Identity>) -> Finding {
    finding.related.extend(others.into_iter().take(MANY).cloned());
    finding.related.sort();
    finding.related.dedup();
    finding
}

/// What people call a kind.
const fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::CodeRepoProvider => "code repository provider",
        Kind::ArtifactRepoProvider => "artifact repository provider",
        Kind::ProductProvider => "product provider",
        Kind::Cluster => "cluster",
        Kind::Product => "product",
        Kind::Environment => "environment",
        Kind::Project => "project",
        Kind::CodeRepo => "code repository",
        Kind::CodeRepoBinding => "code repository binding",
        Kind::ArtifactRepo => "artifact repository",
        Kind::ProjectArtifactRepo => "project artifact repository",
        Kind::ProjectPipelineRuntime => "pipeline runtime",
        Kind::DeploymentRuntime => "deployment runtime",
    }
}

/// What people call a resource, seen from another: the product is named where it is not the same.
fn say(identity: &Identity, from: &Identity) -> String {
    let (word, name) = (word(identity.kind), &identity.name);
    match &identity.product {
        Some(product) if identity.product != from.product => {
            format!("{word} {name:?} of product {product:?}")
        }
        _ => format!("{word} {name:?}"),
    }
}

/// A short list of what people call resources.
fn say_all<'i>(all: impl IntoIterator<Item = &'i Identity>, from: &Identity) -> String {
    let mut all = all.into_iter();
    let names: Vec<String> = all.by_ref().take(3).map(|i| say(i, from)).collect();
    say_some(&names, all.count())
}

/// Some names, and how many more there are.
fn say_some(names: &[String], more: usize) -> String {
    let mut text = names.join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

/// The nearest of some words, for "did you mean".
fn nearest<'w>(text: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    // Of equal ones the first by name, whatever the order.
    words
        .map(|word| (strsim::osa_distance(text, word), word))
        .filter(|(distance, word)| *distance <= 1 + word.len() / 4)
        .min()
        .map(|(_, word)| word)
}

/// A way out: what people are told, and the same as an edit of the resource where it is one.
type WayOut = (String, Option<Action>);

/// The way out where something was probably meant to be another of some words, else what there is. It is an edit
/// where no other word is as near.
fn meant<'w>(
    text: &str,
    words: impl Iterator<Item = &'w str> + Clone,
    edit: impl FnOnce(&str) -> Action,
    others: impl FnOnce() -> String,
) -> WayOut {
    let Some(near) = nearest(text, words.clone()) else {
        return (others(), None);
    };
    let far = |word: &str| strsim::osa_distance(text, word);
    let is_alone = words
        .into_iter()
        .all(|other| other == near || far(other) > far(near));
    (format!("did you mean {near:?}?"), is_alone.then(|| edit(near)))
}

/// As [`meant`], for names that people give. What is not there may have gone, and something else of a similar name
/// may be there for another purpose: only what can be nothing but a slip within a word is an edit.
fn meant_name<'w>(
    text: &str,
    names: impl Iterator<Item = &'w str> + Clone,
    edit: impl FnOnce(&str) -> Action,
    others: impl FnOnce() -> String,
) -> WayOut {
    let slips = nearest(text, names.clone()).is_some_and(|near| is_slip(text, near));
    let (hint, edit) = meant(text, names, edit, others);
    (hint, edit.filter(|_| slips))
}

/// Whether a name can only be a slip for another: one letter too many, too few, other or exchanged (two in a long
/// word). Names that differ in a number, or in a part of one to three letters such as `eu` and `us`, are others.
fn is_slip(text: &str, name: &str) -> bool {
    let digits = |s: &str| -> String { s.chars().filter(char::is_ascii_digit).collect() };
    let (parts, names): (Vec<&str>, Vec<&str>) = (text.split('-').collect(), name.split('-').collect());
    if digits(text) != digits(name) {
        return false;
    }
    if parts.len() != names.len() {
        return text.replace('-', "") == name.replace('-', "");
    }
    let mut other = parts.iter().zip(&names).filter(|(part, name)| part != name);
    match (other.next(), other.next()) {
        (Some((part, name)), None) => {
            let letters = name.chars().count();
            let allowed = if letters < 8 { 1 } else { 2 };
            letters > 3 && strsim::osa_distance(part, name) <= allowed
        }
        _ => false,
    }
}

/// Writes another word in the place of an item of a list; where the list has the word already, the item can go.
fn replaced(item: &str, list: &[String], word: &str) -> Action {
    if list.iter().any(|other| other == word) {
        Action::remove(item)
    } else {
        Action::set(item, word)
    }
}

/// Adds a way out to a finding about a resource.
fn way_out(finding: Finding, about: &Sourced, (hint, edit): WayOut) -> Finding {
    finding.hint(hint).fix(edit.map(|edit| Fix::of(about, edit)))
}

/// Who is to be told that several have the same: it stays with whoever had it before the change, and only
/// newcomers are told. When nobody had it, it was contested already, or there is no change, all are.
fn newcomers<'i>(
    all: impl Iterator<Item = &'i Identity>,
    had: impl Fn(&Identity) -> bool,
) -> BTreeSet<&'i Identity> {
    let (old, new): (BTreeSet<_>, BTreeSet<_>) = all.partition(|who| had(who));
    if old.len() == 1 && !new.is_empty() {
        new
    } else {
        old.into_iter().chain(new).collect()
    }
}

/// Turns what is not known into a warning while the catalogue of the tenant cannot be read, or the tenant is no
/// part of what is checked: it may be there.
fn unless_unreadable(on: &Checked<'_>, mut finding: Finding) -> Finding {
    if !on.facts.tenant_known && on.scopes.tenant.catalogue.is_none() {
        finding.severity = Severity::Warning;
        finding.fix = None;
    } else if on.catalogue.incomplete {
        finding.severity = Severity::Warning;
        finding.hint = Some("mend the catalogue of the tenant, which cannot be read in full".to_owned());
        finding.fix = None;
    }
    finding
}

/// Whether a field names the same as before the change, however it is spelt.
fn same_target(on: &Checked<'_>, of: &Identity, field: &str) -> bool {
    let was = on.before.and_then(|before| before.found(of, field));
    was.is_some() && was == on.found(of, field)
}

/// What others are called: those of another product are not named, for they are none of its business.
fn call<'c>(others: &[&'c Identity], of: &Identity) -> (String, Vec<&'c Identity>) {
    let own: Vec<&Identity> = others
        .iter()
        .copied()
        .filter(|other| other.product == of.product)
        .collect();
    if own.is_empty() {
        ("another product".to_owned(), own)
    } else {
        (say_all(own.iter().copied(), of), own)
    }
}

#[cfg(test)]
mod tests {
    use super::is_slip;

    #[test]
    fn only_slips_within_a_word_are_certain() {
        for (text, name) in [
            ("web-deplyo", "web-deploy"),
            ("produktion", "production"),
            ("teest", "test"),
            ("webdeploy", "web-deploy"),
            ("hots-1", "host-1"),
        ] {
            assert!(is_slip(text, name), "{text} {name}");
        }
        for (text, name) in [
            ("deploy-0", "deploy-1"),
            ("deploy-0", "deploy"),
            ("prod-eu", "prod-us"),
            ("team-a", "team-b"),
            ("dev", "deb"),
            ("test", "tools"),
            ("web-test-live", "app-tests-live"),
        ] {
            assert!(!is_slip(text, name), "{text} {name}");
        }
    }
}
