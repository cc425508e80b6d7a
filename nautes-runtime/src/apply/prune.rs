//! Removing what an inventory names and nobody plans any more (invariant I5).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt};
use kube::api::{DeleteParams, Preconditions};
use nautes_model::Class;

use super::call::call_opt;
use super::discovery::{KindState, Served};
use super::entry::{Entry, Id};
use super::inventory::Inventory;
use super::live::{AT_ONCE, Live, Look, api};
use super::pass::Pass;
use super::report::{Applied, OverBudget, Problem, Strategy};

/// What is to be done about an entry that nobody plans.
enum Step {
    /// The object is gone: the entry goes.
    Forget,
    /// The object is not the one that we made: the entry goes, the object stays.
    NotOurs(String),
    /// Something has to be settled first: both stay.
    Keep(Problem),
    /// It is being removed already.
    Pending,
    /// It is removed.
    Delete { uid: String, served: Served },
}

impl Pass<'_> {
    pub(crate) async fn prune(
        &self,
        inventory: &mut Inventory,
        looks: &BTreeMap<Id, Look>,
        kinds: &BTreeMap<Id, KindState>,
        applied: &mut Applied,
    ) {
        let all = inventory.len();
        let mut kept_in = BTreeSet::new();
        let mut doomed = Vec::new();
        for entry in self.candidates(inventory, &mut kept_in, applied) {
            let id = Id::from(&entry.key);
            match self.step(&entry, looks.get(&id), kinds.get(&id)) {
                Step::Forget => inventory.remove(&id),
                Step::NotOurs(why) => {
                    applied.refused.push(problem(&entry, Class::Conflict, why));
                    inventory.remove(&id);
                }
                Step::Keep(problem) => {
                    kept_in.extend(id.namespace);
                    applied.failed.push(problem);
                }
                Step::Pending => applied.pending_deletion.push(entry.key),
                Step::Delete { uid, served } => doomed.push((entry, id, uid, served)),
            }
        }
        // What must stay must not go with its namespace.
        doomed.retain(|(entry, id, _, _)| {
            let stays = id.is_namespace() && kept_in.contains(&id.name);
            if stays {
                applied.held.push(entry.key.clone());
            }
            !stays
        });
        if !self.removal.allows(doomed.len(), all) {
            applied.over_budget = Some(OverBudget {
                count: doomed.len(),
                of: all,
            });
            return;
        }
        match self.how {
            Strategy::Apply => self.delete(doomed, inventory, applied).await,
            Strategy::DryRun => applied
                .pruned
                .extend(doomed.into_iter().map(|(entry, ..)| entry.key)),
            Strategy::Paused => applied
                .held
                .extend(doomed.into_iter().map(|(entry, ..)| entry.key)),
        }
    }

    /// Returns the entries that nobody plans and nothing holds; adds the namespaces of the held ones.
    fn candidates(
        &self,
        inventory: &Inventory,
        kept_in: &mut BTreeSet<String>,
        applied: &mut Applied,
    ) -> Vec<Entry> {
        let mut candidates = Vec::new();
        for (id, entry) in inventory.iter() {
            if self.desired.contains(id) {
                kept_in.extend(id.namespace.clone());
            } else if self.hold.holds(entry) {
                kept_in.extend(id.namespace.clone());
                applied.held.push(entry.key.clone());
            } else {
                candidates.push(entry.clone());
            }
        }
        candidates
    }

    fn step(&self, entry: &Entry, look: Option<&Look>, kind: Option<&KindState>) -> Step {
        match (look, kind) {
            (Some(Look::Absent | Look::NoKind), _) => Step::Forget,
            (Some(Look::Unknown(trouble)), _) => {
                Step::Keep(problem(entry, trouble.class, trouble.message.clone()))
            }
            (Some(Look::Live(live)), Some(KindState::Served(served))) => self.step_live(entry, live, served),
            (Some(Look::Live(_)) | None, _) => {
                let message = "nothing is known about it".to_owned();
                Step::Keep(problem(entry, Class::Unreachable, message))
            }
        }
    }

    fn step_live(&self, entry: &Entry, live: &Live, served: &Served) -> Step {
        let same = entry.uid.as_deref().is_none_or(|uid| uid == live.uid);
        let ours = live.is_marked(self.unit) && live.owned.is_some();
        match (same, ours) {
            (false, _) => Step::NotOurs("it was made anew by somebody else, and stays".to_owned()),
            // Recorded before it was made, and then somebody else made it.
            (true, false) if entry.uid.is_none() => Step::Forget,
            (true, false) => Step::Keep(problem(
                entry,
                Class::Conflict,
                "it carries our marks no more, and stays: remove it, or give the marks back".to_owned(),
            )),
            (true, true) if live.deleting => Step::Pending,
            (true, true) => Step::Delete {
                uid: live.uid.clone(),
                served: served.clone(),
            },
        }
    }

    /// Deletes from the last wave to the first, namespaces last.
    async fn delete(
        &self,
        doomed: Vec<(Entry, Id, String, Served)>,
        inventory: &mut Inventory,
        applied: &mut Applied,
    ) {
        let mut steps: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for item in doomed {
            let (entry, id, ..) = &item;
            let step = (id.is_namespace(), id.is_definition(), Reverse(entry.wave));
            steps.entry(step).or_default().push(item);
        }
        let mut kept_in = BTreeSet::new();
        for items in steps.into_values() {
            let kept = &kept_in;
            let done: Vec<_> = stream::iter(items)
                .map(|(entry, id, uid, served)| async move {
                    let end = if id.is_namespace() && kept.contains(&id.name) {
                        End::Kept("something in it could not be removed".to_owned(), Class::Waiting)
                    } else {
                        self.delete_one(&id, uid, &served).await
                    };
                    (entry, id, end)
                })
                .buffer_unordered(AT_ONCE)
                .collect()
                .await;
            for (entry, id, end) in done {
                match end {
                    End::Gone => {
                        inventory.remove(&id);
                        applied.pruned.push(entry.key);
                    }
                    End::Pending => applied.pending_deletion.push(entry.key),
                    End::Kept(message, class) => {
                        kept_in.extend(id.namespace);
                        applied.failed.push(problem(&entry, class, message));
                    }
                }
            }
        }
    }

    async fn delete_one(&self, id: &Id, uid: String, served: &Served) -> End {
        let params = DeleteParams::background().preconditions(Preconditions {
            uid: Some(uid),
            resource_version: None,
        });
        let api = api(&self.target.client, served, id.namespace.as_deref());
        self.wrote(1);
        self.target.cache.settle(id, None);
        match call_opt(api.delete(&id.name, &params)).await {
            Ok(answer) => match answer.and_then(|answer| answer.left()) {
                Some(object) if object.metadata.deletion_timestamp.is_some() => End::Pending,
                Some(_) | None => End::Gone,
            },
            Err(error) => End::Kept(error.to_string(), error.class()),
        }
    }
}

/// How a deletion ended.
enum End {
    Gone,
    Pending,
    Kept(String, Class),
}

fn problem(entry: &Entry, class: Class, message: String) -> Problem {
    Problem {
        key: entry.key.clone(),
        message,
        class,
        owners: entry.owners.clone(),
    }
}
