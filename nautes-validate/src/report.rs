//! Judging a state, and judging a change.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use nautes_model::{Finding, Identity, Scopes, Severity, Sourced, manifest};

use crate::rule::{Checked, Reach, Rule, RuleSet};
use crate::rules::removal::with_dependents;

/// What is wrong with a state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What was found, in order, each once.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Puts findings in order.
    #[must_use]
    pub fn new(mut findings: Vec<Finding>) -> Self {
        findings.sort();
        findings.dedup();
        Self { findings }
    }

    /// Whether there is no error; there may be warnings.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.errors().next().is_none()
    }

    /// Goes through the errors.
    pub fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|f| f.severity == Severity::Error)
    }

    /// Goes through the warnings.
    pub fn warnings(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|f| f.severity == Severity::Warning)
    }
}

/// What is wrong with a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeReport {
    /// Errors that the change adds, or that are about something that it touches: reasons to reject it.
    pub rejected: Vec<Finding>,
    /// Warnings that the change adds, or that are about something that it touches.
    pub warnings: Vec<Finding>,
    /// What was wrong before and elsewhere, as warnings.
    pub standing: Vec<Finding>,
    /// What the change removes although something still needs it, and everything that would stop working,
    /// directly or not, in order of identity.
    pub dependents: Vec<(Identity, Vec<Identity>)>,
}

impl ChangeReport {
    /// Whether nothing speaks against the change.
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        self.rejected.is_empty()
    }
}

/// The id under which a cycle is found.
pub(crate) const CYCLE: &str = "ReferenceCycle";

/// Goes through the resources that a finding is about: the one that it names and, where that stands for a whole
/// cycle, every other member. What else is related only has a part in it.
pub fn about(finding: &Finding) -> impl Iterator<Item = &Identity> {
    let others = match finding.rule.as_str() {
        CYCLE => finding.related.as_slice(),
        _ => &[],
    };
    finding.resource.iter().chain(others)
}

/// Judges a state by every rule, those that its tenant declares included.
#[must_use]
pub fn check(scopes: &Scopes, rules: &RuleSet) -> Report {
    let rules = &rules.of_tenant(&scopes.tenant);
    let mut on = Checked::new(scopes, rules.facts());
    let found = findings(&mut on, rules);
    Report::new(located(found, &on))
}

/// Judges a change: what it adds and touches must be right; what was wrong before and elsewhere does not
/// stand in its way.
#[must_use]
pub fn check_change(before: &Scopes, after: &Scopes, rules: &RuleSet) -> ChangeReport {
    let mut old = Checked::new(before, rules.facts());
    let old_rules = rules.of_tenant(&before.tenant);
    let known = Known::of(findings(&mut old, &old_rules));
    let rules = &rules.of_tenant(&after.tenant);
    let mut new = Checked::new(after, rules.facts()).after(&old);
    let found = findings(&mut new, rules);
    let touched = touched(&old, &new);
    let mut report = ChangeReport {
        dependents: new
            .still_needed
            .iter()
            .map(|(gone, by)| (gone.clone(), with_dependents(&new, by).into_iter().collect()))
            .collect(),
        ..ChangeReport::default()
    };
    let found = Report::new(located(found, &new)).findings;
    let about_touched: BTreeSet<(Severity, String, Identity)> = found
        .iter()
        .filter_map(|f| Some((f.severity, f.rule.clone(), f.resource.clone()?)))
        .filter(|(_, _, resource)| touched.contains(resource))
        .collect();
    let worse = known.fewer_than(&found);
    for mut finding in found {
        let is_touched = match &finding.resource {
            Some(_) => about(&finding).any(|resource| touched.contains(resource)),
            // Only what is wrong with the catalogue, or with rules of the tenant, is about no resource.
            None => {
                before.tenant.catalogue != after.tenant.catalogue || before.tenant.rules != after.tenant.rules
            }
        };
        if !is_touched && known.has(&finding, &worse) {
            finding.severity = Severity::Warning;
            report.standing.push(finding);
        } else if !is_touched && is_mirror(&finding, &about_touched) {
            // The change is told of it where it was made.
        } else if finding.severity == Severity::Error {
            report.rejected.push(finding);
        } else {
            report.warnings.push(finding);
        }
    }
    // Turning errors into warnings may have changed the order.
    report.standing.sort();
    report
}

/// Whether a conflict is already told of something that the change touches.
fn is_mirror(finding: &Finding, about_touched: &BTreeSet<(Severity, String, Identity)>) -> bool {
    let told =
        |other: &Identity| about_touched.contains(&(finding.severity, finding.rule.clone(), other.clone()));
    finding.related.iter().any(told)
}

/// Returns what the change removes although something needs it, and what that is.
pub(crate) fn still_needed(on: &Checked<'_>) -> BTreeMap<Identity, BTreeSet<Identity>> {
    let mut all = BTreeMap::new();
    let Some(before) = on.before else {
        return all;
    };
    for gone in &on.removed {
        let by: BTreeSet<Identity> = before
            .graph
            .direct_dependents(gone)
            .into_iter()
            .filter(|needs| on.graph.contains(needs) && still_names(on, before, needs, gone))
            .collect();
        if !by.is_empty() {
            all.insert(gone.clone(), by);
        }
    }
    all
}

/// Whether a field that named what is gone still does.
fn still_names(on: &Checked<'_>, before: &Checked<'_>, needs: &Identity, gone: &Identity) -> bool {
    let now = on.graph.references(needs);
    before
        .graph
        .references(needs)
        .iter()
        .filter(|link| link.to.found() == Some(gone))
        .any(|old| {
            now.iter().any(|new| {
                new.text == old.text && new.to.found().is_none() && plain(&new.field) == plain(&old.field)
            })
        })
}

/// The path of a field without the numbers of its items.
fn plain(field: &str) -> String {
    field.chars().filter(|c| !c.is_ascii_digit()).collect()
}

/// Runs rules. Those that look at one product at a time run together on each, so that a product is taken into the
/// caches once, however large the platform is.
pub(crate) fn run<'r>(on: &mut Checked<'_>, rules: impl Iterator<Item = &'r Arc<dyn Rule>>) -> Vec<Finding> {
    let mut out = Vec::new();
    let (each, whole): (Vec<_>, Vec<_>) = rules.partition(|rule| rule.reach() == Reach::Product);
    for stretch in on.stretches() {
        on.look_at(Some(stretch));
        for rule in &each {
            rule.check(on, &mut out);
        }
    }
    on.look_at(None);
    for rule in &whole {
        rule.check(on, &mut out);
    }
    out
}

fn findings(on: &mut Checked<'_>, rules: &RuleSet) -> Vec<Finding> {
    run(on, rules.iter())
}

/// Adds the places in the files; each document is read once.
pub(crate) fn located(mut findings: Vec<Finding>, on: &Checked<'_>) -> Vec<Finding> {
    let mut by_resource: BTreeMap<Identity, Vec<usize>> = BTreeMap::new();
    for (i, finding) in findings.iter().enumerate() {
        if let Some(resource) = &finding.resource
            && finding.position.is_none()
            && !finding.file.is_empty()
        {
            by_resource.entry(resource.clone()).or_default().push(i);
        }
    }
    for (resource, indexes) in by_resource {
        let before = || on.before.and_then(|b| b.scopes.get(&resource));
        let Some(sourced) = on.scopes.get(&resource).or_else(before) else {
            continue;
        };
        let fields = indexes
            .iter()
            .map(|i| findings[*i].field.as_deref().unwrap_or_default());
        let places = manifest::locate_all(&sourced.source, fields);
        for (i, place) in indexes.into_iter().zip(places) {
            findings[i].position = place;
        }
    }
    findings
}

fn touched(before: &Checked<'_>, after: &Checked<'_>) -> BTreeSet<Identity> {
    let mut touched = BTreeSet::new();
    different(before.sources(), after.sources(), |resource| {
        touched.insert(resource.identity.clone());
    });
    touched
}

/// Tells of every resource that is in one of two states and not the same in the other. Both are in order of
/// product and identity; what was not read again is shared, and is not looked into.
pub(crate) fn different<'a>(
    before: &[&'a Sourced],
    after: &[&'a Sourced],
    mut tell: impl FnMut(&'a Sourced),
) {
    let key = |s: &'a Sourced| (&s.identity.product, &s.identity);
    let (mut before, mut after) = (before.iter().peekable(), after.iter().peekable());
    while let (Some(old), Some(new)) = (before.peek(), after.peek()) {
        if std::ptr::eq(**old, **new) {
            before.next();
            after.next();
            continue;
        }
        match key(old).cmp(&key(new)) {
            Ordering::Less => before.next().into_iter().for_each(|s| tell(s)),
            Ordering::Greater => after.next().into_iter().for_each(|s| tell(s)),
            Ordering::Equal => {
                if old != new {
                    tell(new);
                }
                before.next();
                after.next();
            }
        }
    }
    before.chain(after).for_each(|s| tell(s));
}

/// What was wrong before a change.
struct Known {
    messages: BTreeMap<Key, Vec<String>>,
    cycles: Vec<BTreeSet<Identity>>,
}

impl Known {
    fn of(findings: Vec<Finding>) -> Self {
        let mut all: BTreeMap<Key, Vec<String>> = BTreeMap::new();
        let mut cycles = Vec::new();
        for finding in findings {
            if finding.rule == CYCLE {
                cycles.push(about(&finding).cloned().collect());
            }
            let messages = all.entry(Key::of(&finding)).or_default();
            if !messages.contains(&finding.message) {
                messages.push(finding.message);
            }
        }
        Self {
            messages: all,
            cycles,
        }
    }

    /// Of which there are more now: one was there, and another joined it.
    fn fewer_than(&self, now: &[Finding]) -> BTreeSet<Key> {
        let mut count: BTreeMap<Key, usize> = BTreeMap::new();
        for finding in now {
            *count.entry(Key::of(finding)).or_default() += 1;
        }
        let more = |(key, n): &(Key, usize)| self.messages.get(key).is_some_and(|before| before.len() < *n);
        count.into_iter().filter(more).map(|(key, _)| key).collect()
    }

    /// Whether a finding was there before. Its message may name others that come and go; only where there are
    /// more of its kind now it must be the same.
    fn has(&self, finding: &Finding, worse: &BTreeSet<Key>) -> bool {
        if finding.rule == CYCLE {
            // What is left of one that was broken up is not new, whichever member comes first now.
            return self
                .cycles
                .iter()
                .any(|was| about(finding).all(|one| was.contains(one)));
        }
        let key = Key::of(finding);
        let Some(messages) = self.messages.get(&key) else {
            return false;
        };
        !worse.contains(&key) || messages.contains(&finding.message)
    }
}

/// By what a finding is known again after a change: its message may name others that come and go.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    severity: Severity,
    rule: String,
    resource: Option<Identity>,
    field: Option<String>,
}

impl Key {
    fn of(finding: &Finding) -> Self {
        Self {
            severity: finding.severity,
            rule: finding.rule.clone(),
            resource: finding.resource.clone(),
            field: finding.field.clone(),
        }
    }
}
