//! From the deploy keys that a repository has to those that it should have: which steps, in which order.
//!
//! # Guarantees
//! * A key that is there and is wanted works after each step: what is missing is added first, rights are changed in
//!   place, and what is not wanted goes last.
//! * What others have put there under titles and keys of their own is left alone, and named.

use std::collections::BTreeSet;

use nautes_gitops::host::DeployKey;

use super::{WantedKeys, is_managed};

/// One change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// The wanted key of this title is added.
    Add(&'a str),
    /// A key that is there gets the right that it should have.
    Allow { id: u64, can_push: bool },
    /// A key is taken away. Where it is replaced by another of its title, that one has to be there first.
    Remove { id: u64, replaced: Option<&'a str> },
}

/// Whether a key is ours to take away: by its title, or because it is known under any title.
fn is_ours(key: &DeployKey, wanted: &WantedKeys, known: &BTreeSet<String>) -> bool {
    is_managed(&key.title) || wanted.contains_key(&key.title) || known.contains(&key.public_key)
}

/// Returns the steps that lead from `present` to `wanted`.
pub(super) fn steps<'a>(
    present: &[DeployKey],
    wanted: &'a WantedKeys,
    known: &BTreeSet<String>,
) -> Vec<Step<'a>> {
    let mut first = Vec::new();
    let mut kept = BTreeSet::new();
    for (title, key) in wanted {
        match present.iter().find(|there| there.public_key == key.public_key) {
            None => first.push(Step::Add(title)),
            Some(there) => {
                kept.insert(there.id);
                if there.can_push != key.can_push {
                    first.push(Step::Allow {
                        id: there.id,
                        can_push: key.can_push,
                    });
                }
            }
        }
    }
    let last = present
        .iter()
        .filter(|key| !kept.contains(&key.id) && is_ours(key, wanted, known))
        .map(|key| Step::Remove {
            id: key.id,
            replaced: wanted.get_key_value(&key.title).map(|(title, _)| title.as_str()),
        });
    first.into_iter().chain(last).collect()
}

/// Says which keys others have put there.
pub(super) fn foreign(present: &[DeployKey], wanted: &WantedKeys, known: &BTreeSet<String>) -> Vec<String> {
    let is_wanted = |key: &DeployKey| wanted.values().any(|w| w.public_key == key.public_key);
    present
        .iter()
        .filter(|key| !is_wanted(key) && !is_ours(key, wanted, known))
        .map(|key| {
            let right = if key.can_push { "may push" } else { "may read" };
            format!("the deploy key {:?}, which {right}", key.title)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use nautes_gitops::host::DeployKey;
    use proptest::prelude::*;

    use super::super::WantedKey;
    use super::*;

    fn key(id: u64, title: &str, public_key: &str, can_push: bool) -> DeployKey {
        DeployKey {
            id,
            title: title.to_owned(),
            public_key: public_key.to_owned(),
            can_push,
        }
    }

    fn want(public_key: &str, can_push: bool) -> WantedKey {
        WantedKey {
            public_key: public_key.to_owned(),
            can_push,
            home: "a/b".parse().unwrap(),
        }
    }

    #[test]
    fn a_new_key_comes_before_the_old_one_goes() {
        let wanted = WantedKeys::from([("demo-api-readonly".to_owned(), want("new", false))]);
        let present = [key(1, "demo-api-readonly", "old", false)];
        let replaced = Some("demo-api-readonly");
        assert_eq!(
            steps(&present, &wanted, &BTreeSet::new()),
            [Step::Add("demo-api-readonly"), Step::Remove { id: 1, replaced }]
        );
    }

    #[test]
    fn a_key_of_ours_under_another_title_is_not_lost_sight_of() {
        let known = BTreeSet::from(["ours".to_owned()]);
        let present = [key(1, "laptop", "ours", true), key(2, "laptop", "theirs", true)];
        let gone = Step::Remove {
            id: 1,
            replaced: None,
        };
        assert_eq!(steps(&present, &WantedKeys::new(), &known), [gone]);
        assert_eq!(
            foreign(&present, &WantedKeys::new(), &known),
            ["the deploy key \"laptop\", which may push"]
        );
        let wanted = WantedKeys::from([("demo-api-readonly".to_owned(), want("ours", false))]);
        let less = Step::Allow {
            id: 1,
            can_push: false,
        };
        assert_eq!(steps(&present, &wanted, &known), [less]);
    }

    fn titles() -> impl Strategy<Value = &'static str> {
        prop::sample::select(&["a-readonly", "a-readwrite", "b-readonly", "b-readwrite", "laptop"][..])
    }

    fn keys() -> impl Strategy<Value = BTreeMap<&'static str, (u8, bool)>> {
        prop::collection::btree_map(titles(), (0u8..6, any::<bool>()), 0..5)
    }

    proptest! {
        #[test]
        fn a_key_that_should_work_does_at_every_moment(have in keys(), want_ in keys(), extra in 0u8..6) {
            // A forge has a public key once in a repository.
            let mut seen = BTreeSet::new();
            let present: Vec<DeployKey> = have
                .iter()
                .filter(|(_, (public, _))| seen.insert(*public))
                .zip(1..)
                .map(|((title, (public, push)), id)| key(id, title, &public.to_string(), *push))
                .collect();
            let mut seen = BTreeSet::new();
            let wanted: WantedKeys = want_
                .iter()
                .filter(|(title, (public, _))| **title != "laptop" && seen.insert(*public))
                .map(|(title, (public, push))| ((*title).to_owned(), want(&public.to_string(), *push)))
                .collect();
            let known = BTreeSet::from([extra.to_string()]);
            // What works, by public key, with whether it may push.
            let of = |keys: &[DeployKey]| -> BTreeMap<String, bool> {
                keys.iter().map(|k| (k.public_key.clone(), k.can_push)).collect()
            };
            let mut now = present.clone();
            let before = of(&present);
            let after: BTreeMap<String, bool> =
                wanted.values().map(|w| (w.public_key.clone(), w.can_push)).collect();
            for step in steps(&present, &wanted, &known) {
                match step {
                    Step::Add(title) => {
                        let w = &wanted[title];
                        prop_assert!(now.iter().all(|k| k.public_key != w.public_key));
                        now.push(key(100 + now.len() as u64, title, &w.public_key, w.can_push));
                    }
                    Step::Allow { id, can_push } => {
                        now.iter_mut().find(|k| k.id == id).unwrap().can_push = can_push;
                    }
                    Step::Remove { id, replaced } => {
                        // Nothing of a title goes before its successor is there.
                        if let Some(title) = replaced {
                            prop_assert!(of(&now).contains_key(&wanted[title].public_key));
                        }
                        now.retain(|k| k.id != id);
                    }
                }
                let works = of(&now);
                for (public, push) in &after {
                    if let Some(had) = before.get(public) {
                        let has = works.get(public);
                        prop_assert!(has.is_some());
                        // A right that it had and should have is never lost.
                        prop_assert!(!(*had && *push) || has == Some(&true));
                    }
                }
            }
            let works = of(&now);
            for (public, push) in &after {
                prop_assert_eq!(works.get(public), Some(push));
            }
            for left in now.iter().filter(|k| !after.contains_key(&k.public_key)) {
                prop_assert!(left.title == "laptop" && !known.contains(&left.public_key), "{:?}", left);
                // What is left alone is named.
                prop_assert_eq!(foreign(&present, &wanted, &known).len(), 1);
            }
            // Once more changes nothing.
            prop_assert!(steps(&now, &wanted, &known).is_empty());
        }
    }
}
