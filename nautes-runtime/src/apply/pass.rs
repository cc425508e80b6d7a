//! One pass over one unit in one cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::stream::{self, StreamExt};

use super::desired::{Desired, Wanted};
use super::discovery::{Discovery, KindState};
use super::entry::{Entry, Id};
use super::inventory::{Inventory, InventoryError};
use super::live::{AT_ONCE, Look, Whose, look};
use super::report::{Applied, ApplyError, Hold, Outcome, Outcomes, Problem, RemovalPolicy, Strategy};
use super::{Limits, Target, Unit, write};
use crate::object::ObjectKey;

/// Everything that one pass needs to know.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    pub(crate) target: &'a Target<'a>,
    pub(crate) unit: &'a Unit,
    pub(crate) desired: &'a Desired,
    pub(crate) hold: &'a Hold,
    pub(crate) how: Strategy,
    pub(crate) removal: RemovalPolicy,
    /// What may be applied at all; nothing is said by a plan.
    pub(crate) limits: Option<&'a Limits>,
    pub(crate) writes: AtomicUsize,
}

impl Pass<'_> {
    /// Makes the pass.
    pub(crate) async fn run(self) -> Result<Applied, ApplyError> {
        let platform = &self.target.inventory;
        let mut inventory = self.inventory(Inventory::read(platform, self.unit).await)?;
        let mut discovery = Discovery::new(self.target.cache, platform.clone());
        let kinds = self.kinds(&inventory, &mut discovery).await;
        let mut looks = look(&self.target.client, self.unit, &kinds).await;

        if self.how == Strategy::Apply {
            self.announce(&mut inventory, &looks);
            let writes = self.inventory(inventory.write(platform).await)?;
            self.wrote(writes);
        }
        let outcomes = self.waves(&inventory, &mut discovery, &mut looks).await;
        let mut applied = Applied::default();
        self.record(&mut inventory, &outcomes, &mut applied);
        self.prune(&mut inventory, &looks, &kinds, &mut applied).await;
        if self.how == Strategy::Apply {
            let writes = self.inventory(inventory.write(platform).await)?;
            self.wrote(writes);
        }
        applied.inventory = inventory.len();
        applied.writes = self.writes.load(Ordering::Relaxed);
        applied.sort();
        Ok(applied)
    }

    pub(crate) fn wrote(&self, count: usize) {
        self.writes.fetch_add(count, Ordering::Relaxed);
    }

    fn inventory<T>(&self, result: Result<T, InventoryError>) -> Result<T, ApplyError> {
        result.map_err(|source| ApplyError::Inventory {
            cluster: self.target.cluster.to_string(),
            unit: self.unit.to_string(),
            source: Box::new(source),
        })
    }

    /// Finds out how the cluster serves everything that is wanted or recorded.
    async fn kinds(&self, inventory: &Inventory, discovery: &mut Discovery<'_>) -> BTreeMap<Id, KindState> {
        let mut kinds = BTreeMap::new();
        for wanted in self.desired.iter() {
            kinds.insert(wanted.id.clone(), discovery.kind(&wanted.key).await);
        }
        for (id, entry) in inventory.iter() {
            if !kinds.contains_key(id) {
                kinds.insert(id.clone(), discovery.any_version(&entry.key).await);
            }
        }
        kinds
    }

    /// Puts into the inventory what this pass may make, and keeps everything that is in it.
    fn announce(&self, inventory: &mut Inventory, looks: &BTreeMap<Id, Look>) {
        for wanted in self.desired.iter() {
            let old = inventory.get(&wanted.id);
            if old.is_some() && self.is_held(wanted, old, looks.get(&wanted.id)) {
                continue;
            }
            let uid = match looks.get(&wanted.id) {
                Some(Look::Live(live)) => match live.whose(self.unit, old) {
                    Whose::Ours => Some(live.uid.clone()),
                    Whose::Other(_) => continue,
                },
                Some(Look::Absent | Look::NoKind) if self.hold.holds_owner(&wanted.owners) => continue,
                Some(Look::Absent | Look::NoKind) => None,
                Some(Look::Unknown(_)) | None => continue,
            };
            let mut owners = wanted.owners.clone();
            owners.extend(old.into_iter().flat_map(|old| old.owners.iter().cloned()));
            let entry = wanted.entry(uid, owners);
            inventory.put(entry);
        }
    }

    async fn waves(
        &self,
        inventory: &Inventory,
        discovery: &mut Discovery<'_>,
        looks: &mut BTreeMap<Id, Look>,
    ) -> Outcomes {
        let mut outcomes = Outcomes::new();
        let mut closed = BTreeSet::new();
        for wave in &self.desired.waves {
            let kinds = self.kinds_of_wave(wave, discovery, looks).await;
            let looks = &*looks;
            let (closed_now, kinds) = (&closed, &kinds);
            let work = wave.iter().map(|wanted| async move {
                let outcome = self
                    .one(wanted, inventory, kinds.get(&wanted.id), looks, closed_now)
                    .await;
                (wanted.id.clone(), outcome)
            });
            // Collected, so that the type of the stream names no closure: it has to be `Send`.
            let work: Vec<_> = work.collect();
            let done: Vec<_> = stream::iter(work).buffer_unordered(AT_ONCE).collect().await;
            for (id, outcome) in done {
                if id.is_namespace() && !outcome.is_there() {
                    closed.insert(id.name.clone());
                }
                outcomes.insert(id, outcome);
            }
        }
        outcomes
    }

    /// Looks again at what could not be seen before: an earlier wave may have brought its kind.
    async fn kinds_of_wave(
        &self,
        wave: &[Wanted],
        discovery: &mut Discovery<'_>,
        looks: &mut BTreeMap<Id, Look>,
    ) -> BTreeMap<Id, KindState> {
        let mut kinds = BTreeMap::new();
        let mut late = BTreeMap::new();
        if self.how == Strategy::Apply
            && wave
                .iter()
                .any(|w| matches!(looks.get(&w.id), Some(Look::NoKind)))
        {
            discovery.ask_again();
        }
        for wanted in wave {
            let kind = discovery.kind(&wanted.key).await;
            if matches!(looks.get(&wanted.id), Some(Look::NoKind)) {
                late.insert(wanted.id.clone(), kind.clone());
            }
            kinds.insert(wanted.id.clone(), kind);
        }
        looks.extend(look(&self.target.client, self.unit, &late).await);
        kinds
    }

    async fn one(
        &self,
        wanted: &Wanted,
        inventory: &Inventory,
        kind: Option<&KindState>,
        looks: &BTreeMap<Id, Look>,
        closed: &BTreeSet<String>,
    ) -> Outcome {
        let entry = inventory.get(&wanted.id);
        let look = looks.get(&wanted.id);
        if self.is_held(wanted, entry, look) {
            return Outcome::Held;
        }
        if let Some(namespace) = wanted.id.namespace.as_ref().filter(|name| closed.contains(*name)) {
            return Outcome::waiting(format!("waits for namespace {namespace}"));
        }
        let served = match kind {
            Some(KindState::Served(served)) => served,
            Some(KindState::Unknown(message)) => {
                return Outcome::Failed {
                    class: nautes_model::Class::Unreachable,
                    message: message.clone(),
                };
            }
            Some(KindState::Missing) | None => return Outcome::waiting(no_kind(&wanted.key)),
        };
        if let Err(outcome) = self.fits(wanted, served.namespaced) {
            return outcome;
        }
        let live = match look {
            Some(Look::Live(live)) => Some(live.as_ref()),
            Some(Look::Absent) => None,
            Some(Look::Unknown(trouble)) => {
                return Outcome::Failed {
                    class: trouble.class,
                    message: trouble.message.clone(),
                };
            }
            Some(Look::NoKind) | None => return Outcome::waiting(no_kind(&wanted.key)),
        };
        if let Some(live) = live {
            if let Whose::Other(why) = live.whose(self.unit, entry) {
                return if self.unit.is_deployment() {
                    Outcome::Conflict(why)
                } else {
                    Outcome::Refused(why)
                };
            }
            if live.deleting {
                return Outcome::Pending;
            }
        }
        write::write(self, wanted, served, live).await
    }

    fn is_held(&self, wanted: &Wanted, entry: Option<&Entry>, look: Option<&Look>) -> bool {
        let planned = self.hold.holds_owner(&wanted.owners)
            || self.hold.holds_path(wanted.path.as_deref())
            || self
                .hold
                .objects
                .iter()
                .any(|key| key.is_same_object(&wanted.key));
        let recorded = entry.is_some_and(|entry| self.hold.holds(entry));
        planned || recorded && !matches!(look, Some(Look::Absent))
    }

    /// Checks that the object is where its kind belongs, and where the unit may put things.
    fn fits(&self, wanted: &Wanted, namespaced: bool) -> Result<(), Outcome> {
        let kind = &wanted.id.kind;
        match (&wanted.id.namespace, namespaced) {
            (None, true) => return Err(Outcome::invalid(format!("a {kind} needs a namespace"))),
            (Some(_), false) if self.limits.is_none() => {
                return Err(Outcome::invalid(format!(
                    "a {kind} is cluster-scoped and cannot be in a namespace"
                )));
            }
            (Some(_) | None, _) => {}
        }
        match self.limits {
            None => Ok(()),
            Some(limits) => limits.check(&wanted.id, namespaced),
        }
    }

    /// Takes down what became of the planned objects.
    fn record(&self, inventory: &mut Inventory, outcomes: &Outcomes, applied: &mut Applied) {
        applied.failed.clone_from(&self.desired.broken);
        for wanted in self.desired.iter() {
            let Some(outcome) = outcomes.get(&wanted.id) else {
                continue;
            };
            let key = wanted.key.clone();
            let problem = |message: &str, class| Problem {
                key: key.clone(),
                message: message.to_owned(),
                class,
                owners: wanted.owners.clone(),
            };
            match outcome {
                Outcome::Written { uid } => {
                    self.remember(inventory, wanted, uid);
                    applied.written.push(key);
                }
                Outcome::Unchanged { uid } => {
                    self.remember(inventory, wanted, uid);
                    applied.unchanged += 1;
                }
                Outcome::WouldWrite if self.how == Strategy::Paused => applied.held.push(key),
                Outcome::WouldWrite => applied.written.push(key),
                Outcome::Held => {
                    self.keep(inventory, wanted);
                    applied.held.push(key);
                }
                Outcome::Conflict(why) => {
                    self.forget_if_not_ours(inventory, wanted);
                    applied.conflicts.push((key, why.clone()));
                }
                Outcome::Refused(why) => {
                    self.forget_if_not_ours(inventory, wanted);
                    applied.refused.push(problem(why, nautes_model::Class::Conflict));
                }
                Outcome::Failed { class, message } => applied.failed.push(problem(message, *class)),
                Outcome::Pending => applied.pending_deletion.push(key),
            }
        }
    }

    /// Leaves the entry of a held object as it is, but for owners that are known to want it no more.
    fn keep(&self, inventory: &mut Inventory, wanted: &Wanted) {
        if let Some(old) = inventory.get(&wanted.id) {
            let mut entry = old.clone();
            entry.owners.retain(|owner| self.hold.owners.contains(owner));
            entry.owners.extend(wanted.owners.iter().cloned());
            inventory.put(entry);
        }
    }

    fn remember(&self, inventory: &mut Inventory, wanted: &Wanted, uid: &str) {
        let mut owners = wanted.owners.clone();
        if let Some(old) = inventory.get(&wanted.id) {
            owners.extend(old.owners.intersection(&self.hold.owners).cloned());
        }
        inventory.put(wanted.entry(Some(uid.to_owned()), owners));
    }

    /// Drops the entry of an object that was ours and is not any more: it is gone, another has its name.
    fn forget_if_not_ours(&self, inventory: &mut Inventory, wanted: &Wanted) {
        if inventory
            .get(&wanted.id)
            .is_some_and(|entry| entry.uid.is_some() && !self.hold.holds(entry))
        {
            inventory.remove(&wanted.id);
        }
    }
}

impl Wanted {
    fn entry(&self, uid: Option<String>, owners: BTreeSet<nautes_model::Identity>) -> Entry {
        Entry {
            key: self.key.clone(),
            uid,
            owners,
            wave: self.wave,
            path: self.path.clone(),
        }
    }
}

/// Says what is missing when a kind is not served.
pub(crate) fn no_kind(key: &ObjectKey) -> String {
    format!(
        "the cluster does not serve kind {} of {}: its CustomResourceDefinition is not installed",
        key.kind,
        key.api_version()
    )
}
