//! What may be taken away because a manifest is gone.
//!
//! Whoever asks for a removal (a request of the API, or a commit with the trailer `Nautes-Removes`) has it at once. A file
//! that is simply gone may be a slip: then much at once is held, and what cannot come back is kept for a time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use nautes_gitops::publish::trailer;
use nautes_model::Identity;
use nautes_model::condition;
use nautes_model::kinds::Retention;
use nautes_model::name::ProductName;

use super::conditions::conditions_of;
use super::facts::Fact;
use super::state::product_identity;
use crate::plan::{Held, Plan, VerdictState};
use crate::projection::objects::LiveObject;

/// The condition of what is kept for a time before it is deleted.
pub(crate) const RETIRING: &str = "Retiring";
/// The reason of what is kept for a time.
pub(crate) const GRACE_PERIOD: &str = "GracePeriod";
/// The reason of what stays because too much would go at once.
pub(crate) const REMOVAL_HELD: &str = "RemovalHeld";
/// How many repositories of a product may go at once without being asked for.
const FEW_REPOS: usize = 2;

/// Whether so many may go at once without being asked for: a few, or a third.
fn is_within_budget(count: usize, of: usize, few: usize) -> bool {
    count <= few || count.saturating_mul(3) <= of
}

/// How a repository or group leaves the forge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leaving {
    /// What its manifest, or the removing commit, has said.
    pub(crate) retention: Retention,
    /// Whether somebody asked for it.
    pub(crate) asked: bool,
    /// Since when it is kept for a time, where that has begun.
    pub(crate) since: Option<Timestamp>,
}

/// What is done with it now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Delete,
    Archive,
    /// It is archived, and deleted after so long.
    Keep(Duration),
}

impl Leaving {
    /// Returns what is done now with what is kept for `grace`.
    pub(crate) fn step(self, grace: Duration, now: Timestamp) -> Step {
        match (self.retention, self.asked) {
            (Retention::Archive, _) => Step::Archive,
            (Retention::Delete, true) => Step::Delete,
            (Retention::Delete, false) => {
                let kept = self.since.map_or(Duration::ZERO, |since| {
                    Duration::try_from(now.duration_since(since)).unwrap_or_default()
                });
                match grace.saturating_sub(kept) {
                    Duration::ZERO => Step::Delete,
                    rest => Step::Keep(rest),
                }
            }
        }
    }
}

/// Says that something is kept for a time.
pub(crate) fn kept(what: &str, grace: Duration) -> Fact {
    let message = format!(
        "{what} is archived and will be deleted {} hours after its manifest was gone; put the manifest back to keep it, or \
         remove it by a request to have it deleted at once",
        grace.as_secs().div_ceil(3600)
    );
    Fact::new(RETIRING, VerdictState::Pending, GRACE_PERIOD, message)
}

/// Since when something is kept.
pub(crate) fn kept_since(live: &LiveObject) -> Option<Timestamp> {
    let conditions = conditions_of(&live.status);
    Some(condition::find(&conditions, RETIRING)?.last_transition_time.0)
}

/// Returns what the last commits have asked to be removed.
pub(crate) fn asked(removed: &[trailer::Facts]) -> BTreeSet<&Identity> {
    removed.iter().flat_map(|facts| &facts.removes).collect()
}

/// Says why the repositories of a product stay that are gone from it without being asked for; `None` if they may go.
pub(crate) fn held_repos(count: usize, of: usize) -> Option<Fact> {
    let message = format!(
        "{count} of {of} repositories would go at once; remove them by a request, or say so in a commit with the trailer {}",
        trailer::REMOVES
    );
    (!is_within_budget(count, of, FEW_REPOS)).then(|| {
        Fact::new(
            super::code_repo::ON_FORGE,
            VerdictState::Failed,
            REMOVAL_HELD,
            message,
        )
    })
}

/// Holds the products of which nobody asked that they go, if more than one in three, and more than one, would. Returns
/// them.
pub(crate) fn hold_products(
    plans: &mut BTreeMap<ProductName, Plan>,
    gone: &BTreeSet<ProductName>,
    asked: &BTreeSet<&Identity>,
) -> Vec<(Identity, Fact)> {
    let is_asked = |name: &ProductName| product_identity(name).is_some_and(|i| asked.contains(&i));
    let unasked: Vec<&ProductName> = gone.iter().filter(|name| !is_asked(name)).collect();
    if is_within_budget(unasked.len(), plans.len(), 1) {
        return Vec::new();
    }
    let reason = format!(
        "{} of {} products would go at once; remove them by a request, or say so in a commit with the trailer {}",
        unasked.len(),
        plans.len(),
        trailer::REMOVES
    );
    let mut all = Vec::new();
    for name in unasked {
        if let (Some(identity), Some(plan)) = (product_identity(name), plans.get_mut(name)) {
            let reason = reason.clone();
            plan.held.insert(
                identity.clone(),
                Held {
                    reason: reason.clone(),
                },
            );
            all.push((
                identity,
                Fact::new("Planned", VerdictState::Failed, REMOVAL_HELD, reason),
            ));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(100);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn what_was_not_asked_for_is_kept_for_a_time() {
        let leaving = |retention, asked, since: Option<i64>| Leaving {
            retention,
            asked,
            since: since.map(at),
        };
        let now = at(1000);
        for asked in [true, false] {
            let step = leaving(Retention::Archive, asked, Some(0)).step(GRACE, now);
            assert_eq!(step, Step::Archive);
        }
        for (asked, since, step) in [
            (true, None, Step::Delete),
            (false, None, Step::Keep(GRACE)),
            (false, Some(960), Step::Keep(Duration::from_secs(60))),
            (false, Some(900), Step::Delete),
            // A clock that went back makes nothing old.
            (false, Some(2000), Step::Keep(GRACE)),
        ] {
            assert_eq!(
                leaving(Retention::Delete, asked, since).step(GRACE, now),
                step,
                "{asked} {since:?}"
            );
        }
    }

    #[test]
    fn much_at_once_is_held_unless_it_was_asked_for() {
        assert!(held_repos(2, 2).is_none());
        assert!(held_repos(3, 9).is_none());
        assert!(held_repos(3, 8).unwrap().message.contains("3 of 8"));

        let name = |n: usize| format!("p{n}").parse::<ProductName>().unwrap();
        let plans = || {
            (0..5)
                .map(|n| (name(n), Plan::default()))
                .collect::<BTreeMap<_, _>>()
        };
        let gone: BTreeSet<ProductName> = (0..2).map(name).collect();
        let mut all = plans();
        assert_eq!(hold_products(&mut all, &gone, &BTreeSet::new()).len(), 2);
        assert!(all[&name(0)].holds(&product_identity(&name(0)).unwrap()));
        assert!(all[&name(2)].held.is_empty());
        let one = product_identity(&name(0)).unwrap();
        assert!(hold_products(&mut plans(), &gone, &BTreeSet::from([&one])).is_empty());
        let alone = BTreeSet::from([name(0)]);
        assert!(hold_products(&mut plans(), &alone, &BTreeSet::new()).is_empty());
    }
}
