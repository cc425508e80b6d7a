//! Verdicts: what can be said of a resource from the declarations alone.

use std::collections::{BTreeMap, BTreeSet};

use nautes_model::name::{ProductName, ResourceName};
use nautes_model::{Identity, Kind};

use super::judged::{Judged, Needs};
use super::model::{Verdict, VerdictState};

impl Verdict {
    /// It can work.
    #[must_use]
    pub fn ready() -> Self {
        Self::new(
            VerdictState::Ready,
            "Planned",
            "everything that it needs is declared",
        )
    }

    /// It cannot work; somebody has to change something.
    #[must_use]
    pub fn failed(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(VerdictState::Failed, reason, message)
    }

    /// Nobody can tell now.
    #[must_use]
    pub fn unknown(message: impl Into<String>) -> Self {
        Self::new(VerdictState::Unknown, "Held", message)
    }

    /// It waits for something that may still come.
    #[must_use]
    pub fn pending(message: impl Into<String>) -> Self {
        Self::new(VerdictState::Pending, "Waiting", message)
    }

    /// It waits for resources to be declared.
    #[must_use]
    pub fn waiting(missing: &BTreeSet<Identity>) -> Self {
        let names: Vec<String> = missing.iter().map(ToString::to_string).collect();
        Self {
            waiting_for: missing.iter().cloned().collect(),
            ..Self::pending(format!("waiting for {}", names.join(", ")))
        }
    }

    fn new(state: VerdictState, reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            state,
            reason: reason.into(),
            message: message.into(),
            waiting_for: Vec::new(),
            revision: None,
        }
    }

    /// What is to be said when something is needed that is not there, or unknown.
    pub(super) fn of_needs(needs: &Needs) -> Option<Self> {
        if let Some((identity, why)) = needs.unknown.first_key_value() {
            return Some(Self::unknown(format!("{identity} is unknown: {why}")));
        }
        (!needs.missing.is_empty()).then(|| Self::waiting(&needs.missing))
    }

    /// How much a verdict asks for attention.
    const fn rank(&self) -> u8 {
        match self.state {
            VerdictState::Ready => 0,
            VerdictState::Pending => 1,
            VerdictState::Unknown => 2,
            VerdictState::Failed => 3,
        }
    }
}

/// Judges a resource that nothing in a cluster is made of: what it needs must be there, and no rule be broken.
pub(super) fn of_resource(judged: &Judged<'_>, identity: &Identity) -> Verdict {
    if let Some(verdict) = Verdict::of_needs(&judged.needs(identity, |_| false)) {
        return verdict;
    }
    of_errors(judged, identity, |_| false).unwrap_or_else(Verdict::ready)
}

/// The verdict of broken rules, but for findings about fields for which `is_part` says so.
pub(super) fn of_errors(
    judged: &Judged<'_>,
    identity: &Identity,
    is_part: impl Fn(&str) -> bool,
) -> Option<Verdict> {
    let mut errors = judged
        .errors(identity)
        .filter(|f| !f.field.as_deref().is_some_and(&is_part));
    let first = errors.next()?;
    let more = errors.count();
    let field = first
        .field
        .as_ref()
        .map_or_else(String::new, |f| format!("{f}: "));
    let more = match more {
        0 => String::new(),
        n => format!(" (and {n} more)"),
    };
    let message = format!("{field}{}{more}", first.message);
    Some(Verdict::failed(first.rule.clone(), message))
}

/// Sums up the verdicts of a product.
pub(super) fn of_product(
    judged: &Judged<'_>,
    product: &ProductName,
    verdicts: &BTreeMap<Identity, Verdict>,
) -> Option<(Identity, Verdict)> {
    let identity = product_identity(product)?;
    if judged.scopes().get(&identity).is_some()
        && let Some(verdict) = of_errors(judged, &identity, |_| false)
    {
        return Some((identity, verdict));
    }
    let mut worst: Option<(&Identity, &Verdict)> = None;
    let mut ready = 0;
    for (of, verdict) in verdicts {
        ready += usize::from(verdict.state == VerdictState::Ready);
        if verdict.rank() > worst.map_or(0, |(_, w)| w.rank()) {
            worst = Some((of, verdict));
        }
    }
    let counted = format!("{ready} of {} resources can work", verdicts.len());
    let verdict = match worst {
        None => Verdict::new(VerdictState::Ready, "Planned", counted),
        Some((of, worst)) => Verdict::new(
            worst.state,
            worst.reason.clone(),
            format!("{counted}; {of}: {}", worst.message),
        ),
    };
    Some((identity, verdict))
}

/// The identity of a product in the tenant.
pub(super) fn product_identity(product: &ProductName) -> Option<Identity> {
    let name = ResourceName::new(product.as_str()).ok()?;
    Some(Identity::tenant(Kind::Product, name))
}
