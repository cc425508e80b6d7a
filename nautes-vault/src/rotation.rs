//! Replacing a credential without a gap: the new one comes first, the old one goes last.
//!
//! A secret that rotates holds up to three values of one credential, each in a key of its own, so that every step is one
//! write that is there whole or not at all:
//!
//! | key | what |
//! |---|---|
//! | `<key>` | the credential that is handed out |
//! | `<key>-next` | the one that comes: it is made known to whoever checks credentials, and handed out to nobody yet |
//! | `<key>-previous` | the one before: it still works, for those who have not heard of the new one |
//! | `generation` | the number of the credential, from 1; absent while it is 1 |
//! | `made` | when it was handed out first, RFC 3339; absent where nobody has written it down |
//! | `replaced`, `previous-made` | when the one before was replaced, and when it was made |
//!
//! ```text
//! Settled --begin--> Coming --promote--> Leaving --end--> Settled
//! ```
//!
//! What belongs to a value (the id of a token on the forge, the day on which it ends) is kept in companion keys that move
//! with it: `id`, `id-next`, `id-previous`. Everything is a pure function; the caller reads, writes with
//! [`Expect::Version`](crate::Expect::Version), and tells the time.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use nautes_model::Secret;

const NEXT: &str = "-next";
const PREVIOUS: &str = "-previous";
const GENERATION: &str = "generation";
const MADE: &str = "made";
const REPLACED: &str = "replaced";
const PREVIOUS_MADE: &str = "previous-made";

/// One value of a credential, with what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The value.
    pub value: Secret,
    /// Its companions, by key.
    pub with: BTreeMap<String, Secret>,
}

impl Slot {
    /// Returns a value without companions.
    #[must_use]
    pub fn new(value: Secret) -> Self {
        Self {
            value,
            with: BTreeMap::new(),
        }
    }

    /// Returns a companion as text; `None` where it is absent or no text.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        std::str::from_utf8(self.with.get(key)?.expose()).ok()
    }
}

/// How far a replacement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// There is one value.
    Settled,
    /// The next value is there, and not handed out yet.
    Coming,
    /// The value before still works.
    Leaving,
}

/// When credentials are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How old a credential may become; without it none is too old. One whose age nobody knows is too old.
    pub max_age: Option<Duration>,
    /// How long the one before works at least after it was replaced.
    pub overlap: Duration,
}

impl Policy {
    /// The overlap that is usual: an hour.
    pub const OVERLAP: Duration = Duration::from_secs(3600);
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            max_age: None,
            overlap: Self::OVERLAP,
        }
    }
}

/// What somebody has asked for. An instant that has not come yet asks for nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// Credentials made before this instant are to be replaced.
    pub rotate_before: Option<Timestamp>,
    /// The same, and those that were replaced end at once, without the overlap: others may know them.
    pub revoke_before: Option<Timestamp>,
}

impl Order {
    /// Returns what two orders ask for together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            rotate_before: self.rotate_before.max(other.rotate_before),
            revoke_before: self.revoke_before.max(other.revoke_before),
        }
    }
}

/// A credential with its successor and its predecessor, as far as they are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ring {
    key: String,
    generation: u64,
    made: Option<Timestamp>,
    current: Slot,
    next: Option<Slot>,
    previous: Option<Previous>,
    /// Keys of the secret that are not ours: they speak of the current value, and go with it.
    others: BTreeMap<String, Secret>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Previous {
    slot: Slot,
    made: Option<Timestamp>,
    replaced: Option<Timestamp>,
}

impl Ring {
    /// Returns the first credential of its kind; `generation` is 1 unless earlier ones were lost.
    #[must_use]
    pub fn first(key: impl Into<String>, current: Slot, generation: u64, now: Timestamp) -> Self {
        Self {
            key: key.into(),
            generation: generation.max(1),
            made: Some(now),
            current,
            next: None,
            previous: None,
            others: BTreeMap::new(),
        }
    }

    /// Reads what a secret holds; `None` if it has no value under `key`. `companions` are the keys that belong to a value.
    ///
    /// Times and numbers that cannot be read count as absent: they say only when to replace something.
    #[must_use]
    pub fn read(key: &str, companions: &[&str], mut values: BTreeMap<String, Secret>) -> Option<Self> {
        let mut slot = |suffix: &str| -> Option<Slot> {
            let value = values.remove(&format!("{key}{suffix}"));
            let with = companions
                .iter()
                .filter_map(|name| Some(((*name).to_owned(), values.remove(&format!("{name}{suffix}"))?)))
                .collect();
            Some(Slot { value: value?, with })
        };
        let (current, next, previous) = (slot(""), slot(NEXT), slot(PREVIOUS));
        let mut text = |name: &str| -> Option<String> {
            let value = values.remove(name)?;
            std::str::from_utf8(value.expose()).ok().map(str::to_owned)
        };
        let generation = text(GENERATION).and_then(|t| t.parse().ok());
        let mut time = |name: &str| text(name).and_then(|t| t.parse::<Timestamp>().ok());
        let (made, replaced, previous_made) = (time(MADE), time(REPLACED), time(PREVIOUS_MADE));
        Some(Self {
            key: key.to_owned(),
            generation: generation.unwrap_or(1).max(1),
            made,
            current: current?,
            next,
            previous: previous.map(|slot| Previous {
                slot,
                made: previous_made,
                replaced,
            }),
            others: values,
        })
    }

    /// Returns what the secret has to hold.
    #[must_use]
    pub fn values(&self) -> BTreeMap<String, Secret> {
        let mut values = self.others.clone();
        let mut put = |slot: &Slot, suffix: &str| {
            values.insert(format!("{}{suffix}", self.key), slot.value.clone());
            for (name, value) in &slot.with {
                values.insert(format!("{name}{suffix}"), value.clone());
            }
        };
        put(&self.current, "");
        if let Some(next) = &self.next {
            put(next, NEXT);
        }
        if let Some(previous) = &self.previous {
            put(&previous.slot, PREVIOUS);
        }
        let mut say = |name: &str, text: Option<String>| {
            if let Some(text) = text {
                values.insert(name.to_owned(), Secret::from(text));
            }
        };
        say(
            GENERATION,
            (self.generation > 1).then(|| self.generation.to_string()),
        );
        let shown = |time: Option<Timestamp>| time.map(|t| t.to_string());
        say(MADE, shown(self.made));
        if let Some(previous) = &self.previous {
            say(REPLACED, shown(previous.replaced));
            say(PREVIOUS_MADE, shown(previous.made));
        }
        values
    }

    /// Returns how far a replacement is.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        match (&self.next, &self.previous) {
            (Some(_), _) => Phase::Coming,
            (None, Some(_)) => Phase::Leaving,
            (None, None) => Phase::Settled,
        }
    }

    /// Returns the number of the current credential.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Returns when the current credential was handed out first; `None` where nobody has written it down.
    #[must_use]
    pub const fn made(&self) -> Option<Timestamp> {
        self.made
    }

    /// Returns the credential that is handed out.
    #[must_use]
    pub const fn current(&self) -> &Slot {
        &self.current
    }

    /// Returns the credential that comes.
    #[must_use]
    pub const fn next(&self) -> Option<&Slot> {
        self.next.as_ref()
    }

    /// Returns the credential before, while it still works.
    #[must_use]
    pub fn previous(&self) -> Option<&Slot> {
        self.previous.as_ref().map(|previous| &previous.slot)
    }

    /// Returns when the credential before was replaced; `None` where there is none.
    #[must_use]
    pub fn replaced(&self) -> Option<Timestamp> {
        self.previous.as_ref().and_then(|previous| previous.replaced)
    }

    /// Returns every credential that has to work now, with its number.
    pub fn working(&self) -> impl Iterator<Item = (u64, &Slot)> {
        let before = self.generation.saturating_sub(1);
        let previous = self.previous().map(|slot| (before, slot));
        let next = self.next.as_ref().map(|slot| (self.generation + 1, slot));
        previous
            .into_iter()
            .chain([(self.generation, &self.current)])
            .chain(next)
    }

    /// Whether the current credential is to be replaced.
    #[must_use]
    pub fn is_due(&self, policy: &Policy, order: Order, now: Timestamp) -> bool {
        let is_before = |limit: Option<Timestamp>| {
            limit.is_some_and(|limit| limit <= now && self.made.is_none_or(|made| made < limit))
        };
        is_before(order.rotate_before)
            || is_before(order.revoke_before)
            || policy
                .max_age
                .is_some_and(|age| self.made.is_none_or(|made| since(made, now) >= age))
    }

    /// Whether an order ends the credential before at once.
    #[must_use]
    pub fn is_revoked(&self, order: Order, now: Timestamp) -> bool {
        self.previous.as_ref().is_some_and(|previous| {
            order
                .revoke_before
                .is_some_and(|limit| limit <= now && previous.made.is_none_or(|made| made < limit))
        })
    }

    /// Returns how long the credential before has to go on working; zero where it may end, or there is none.
    #[must_use]
    pub fn rest(&self, policy: &Policy, order: Order, now: Timestamp) -> Duration {
        match self.replaced() {
            Some(replaced) if !self.is_revoked(order, now) => {
                policy.overlap.saturating_sub(since(replaced, now))
            }
            _ => Duration::ZERO,
        }
    }

    /// Adds the credential that comes. Does nothing unless the ring is [`Phase::Settled`].
    pub fn begin(&mut self, next: Slot) {
        if self.phase() == Phase::Settled {
            self.next = Some(next);
        }
    }

    /// Hands out the credential that comes, and keeps the current one as the one before. Does nothing where none comes.
    pub fn promote(&mut self, now: Timestamp) {
        if let Some(next) = self.next.take() {
            let slot = std::mem::replace(&mut self.current, next);
            self.previous = Some(Previous {
                slot,
                made: self.made,
                replaced: Some(now),
            });
            self.made = Some(now);
            self.generation += 1;
            self.others.clear();
        }
    }

    /// Forgets the credential before.
    pub fn end(&mut self) {
        self.previous = None;
    }
}

/// How long ago something was; zero where it is to come.
fn since(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "deploykey";
    const WITH: [&str; 2] = ["id", "expires"];

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn slot(text: &str) -> Slot {
        let with = WITH.map(|name| (name.to_owned(), Secret::from(format!("{name} of {text}"))));
        Slot {
            value: Secret::from(text),
            with: BTreeMap::from(with),
        }
    }

    fn again(ring: &Ring) -> Ring {
        Ring::read(KEY, &WITH, ring.values()).unwrap()
    }

    #[test]
    fn a_secret_of_an_earlier_installation_is_a_ring_of_unknown_age() {
        let values = BTreeMap::from([
            (KEY.to_owned(), Secret::from("old")),
            ("fingerprint".to_owned(), Secret::from("ab:cd")),
        ]);
        let mut ring = Ring::read(KEY, &WITH, values.clone()).unwrap();
        assert_eq!(ring.values(), values, "nothing is added by reading");
        assert_eq!((ring.generation(), ring.made()), (1, None));
        let policy = Policy::default();
        assert!(!ring.is_due(&policy, Order::default(), at(0)));
        let aged = Policy {
            max_age: Some(Duration::from_secs(10)),
            ..policy
        };
        assert!(ring.is_due(&aged, Order::default(), at(0)));
        ring.begin(slot("new"));
        assert!(ring.values().contains_key("fingerprint"));
        ring.promote(at(0));
        assert!(
            !ring.values().contains_key("fingerprint"),
            "it was that of the old one"
        );
        assert!(Ring::read("other", &WITH, values).is_none());
    }

    #[test]
    fn age_and_orders_make_a_credential_due() {
        let ring = Ring::first(KEY, slot("a"), 1, at(0));
        let age = |seconds| Policy {
            max_age: Some(Duration::from_secs(seconds)),
            ..Policy::default()
        };
        let nothing = Order::default();
        assert!(!ring.is_due(&age(10), nothing, at(9)));
        assert!(ring.is_due(&age(10), nothing, at(10)));
        assert!(
            !ring.is_due(&age(10), nothing, at(-5)),
            "a clock that goes back makes nothing old"
        );
        for of in [
            |t| Order {
                rotate_before: Some(t),
                ..Order::default()
            },
            |t| Order {
                revoke_before: Some(t),
                ..Order::default()
            },
        ] {
            let due = |limit, now| ring.is_due(&Policy::default(), of(at(limit)), at(now));
            assert!(due(1, 1));
            assert!(!due(0, 1), "it was made at that instant");
            assert!(!due(5, 1), "the instant has not come");
        }
    }

    #[test]
    fn the_one_before_works_for_the_overlap_unless_it_is_revoked() {
        let policy = Policy {
            max_age: None,
            overlap: Duration::from_secs(60),
        };
        let mut ring = Ring::first(KEY, slot("a"), 1, at(0));
        assert_eq!(ring.rest(&policy, Order::default(), at(0)), Duration::ZERO);
        ring.begin(slot("b"));
        ring.promote(at(100));
        let revoke = |t| Order {
            revoke_before: Some(at(t)),
            ..Order::default()
        };
        assert_eq!(
            ring.rest(&policy, Order::default(), at(110)),
            Duration::from_secs(50)
        );
        assert_eq!(ring.rest(&policy, Order::default(), at(160)), Duration::ZERO);
        assert_eq!(ring.rest(&policy, revoke(50), at(110)), Duration::ZERO);
        // An order that was carried out before the one before was made says nothing of it.
        assert_eq!(ring.rest(&policy, revoke(0), at(110)), Duration::from_secs(50));
        assert_eq!(ring.rest(&policy, revoke(500), at(110)), Duration::from_secs(50));
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Begin,
        Promote,
        End,
    }

    proptest! {
        #[test]
        fn what_was_handed_out_works_until_it_is_ended(
            steps in prop::collection::vec(prop::sample::select(&[Step::Begin, Step::Promote, Step::End][..]), 0..40),
        ) {
            let mut ring = Ring::first(KEY, slot("0"), 1, at(0));
            for (n, step) in (1i64..).zip(steps) {
                let before = ring.clone();
                match step {
                    Step::Begin => ring.begin(slot(&n.to_string())),
                    Step::Promote => ring.promote(at(n)),
                    Step::End => ring.end(),
                }
                prop_assert_eq!(&again(&ring), &ring, "written and read back");
                let works = |ring: &Ring, slot: &Slot| ring.working().any(|(_, s)| s == slot);
                // The one that is handed out was announced before, and works on afterwards.
                prop_assert!(works(&before, ring.current()));
                prop_assert!(works(&ring, before.current()));
                let numbers: Vec<u64> = ring.working().map(|(n, _)| n).collect();
                prop_assert!(numbers.windows(2).all(|w| w[0] + 1 == w[1]), "{:?}", numbers);
                prop_assert!(ring.generation() >= before.generation());
                prop_assert!(!(ring.next().is_some() && ring.previous().is_some()));
            }
        }
    }

    #[test]
    fn no_value_shows_in_debug() {
        let mut ring = Ring::first(KEY, slot("canary"), 1, at(0));
        ring.begin(slot("canary"));
        assert!(!format!("{ring:?}").contains("canary"));
    }
}
