//! Objects, their one revision counter, and the recent history that watches read.

mod kept;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use serde_json::Value;
use tokio::sync::watch;

pub(crate) use self::kept::Kept;
use super::{
    durable::{Durable, Record},
    json,
};

/// The kinds that requests and controllers ask for all the time. There are few of each; they stay open.
const OPEN: [&str; 12] = [
    "clusterrolebindings.rbac.authorization.k8s.io",
    "clusterroles.rbac.authorization.k8s.io",
    "customresourcedefinitions.apiextensions.k8s.io",
    "limitranges",
    "mutatingwebhookconfigurations.admissionregistration.k8s.io",
    "namespaces",
    "priorityclasses.scheduling.k8s.io",
    "resourcequotas",
    "rolebindings.rbac.authorization.k8s.io",
    "roles.rbac.authorization.k8s.io",
    "serviceaccounts",
    "validatingwebhookconfigurations.admissionregistration.k8s.io",
];

/// How many of the last changes are open: those that watches are about to show.
const FRESH: usize = 256;

/// How many changes are kept for watches to resume from.
const HISTORY: usize = 20_000;

/// How far the revision jumps when a data folder is opened again, so that no revision that a client may
/// have seen (acknowledged or not) is given twice.
const JUMP: u64 = 1_000;

/// One change: what was there and what is there now.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) revision: u64,
    pub(crate) storage: Arc<str>,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) before: Option<Kept>,
    /// The object after the change; for a deletion its last state, with the revision of the deletion.
    pub(crate) after: Kept,
    pub(crate) deleted: bool,
}

/// How far changes may be shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Everything up to this revision is kept.
    pub(crate) revision: u64,
    /// The data folder can no longer be written.
    pub(crate) failed: bool,
}

/// The namespace and name of an object.
pub(crate) type Place = (String, String);

pub(crate) type Objects = BTreeMap<Place, Kept>;

/// All objects of a server.
#[derive(Debug)]
pub(crate) struct Store {
    objects: BTreeMap<Arc<str>, Objects>,
    revision: u64,
    /// Watches can resume from this revision or a later one.
    oldest: u64,
    history: VecDeque<Arc<Change>>,
    durable: Option<Durable>,
    progress: watch::Sender<Progress>,
    /// Set by writes that a controller of the server may have to follow up.
    pub(crate) unsettled: bool,
    /// The namespaces with quotas in which something was written since these were last counted.
    pub(crate) recount: BTreeSet<String>,
}

impl Store {
    pub(crate) fn new(
        durable: Option<(Durable, Vec<Record>, u64)>,
        progress: watch::Sender<Progress>,
    ) -> Self {
        let mut store = Self {
            objects: BTreeMap::new(),
            revision: 1,
            oldest: 1,
            history: VecDeque::new(),
            durable: None,
            progress,
            unsettled: true,
            recount: BTreeSet::new(),
        };
        if let Some((durable, records, revision)) = durable {
            for record in records {
                let place = (record.namespace, record.name);
                let kept = Kept::new(record.object, stays_open(&record.storage));
                store
                    .objects
                    .entry(record.storage.into())
                    .or_default()
                    .insert(place, kept.closed());
            }
            if revision > 0 {
                store.revision = revision + JUMP;
                store.oldest = store.revision;
            }
            store.durable = Some(durable);
        }
        let revision = store.revision;
        store.progress.send_modify(|p| p.revision = revision);
        store
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    pub(crate) fn oldest(&self) -> u64 {
        self.oldest
    }

    pub(crate) fn get(&self, storage: &str, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.kept(storage, namespace, name).map(Kept::open)
    }

    /// An object as it is kept.
    pub(crate) fn kept(&self, storage: &str, namespace: &str, name: &str) -> Option<&Kept> {
        self.objects
            .get(storage)?
            .get(&(namespace.to_owned(), name.to_owned()))
    }

    /// An object of one of the kinds that stay open.
    pub(crate) fn opened(&self, storage: &str, namespace: &str, name: &str) -> Option<&Arc<Value>> {
        debug_assert!(stays_open(storage), "{storage} does not stay open");
        self.kept(storage, namespace, name)?.opened()
    }

    /// The objects of one of the kinds that stay open.
    pub(crate) fn all_opened<'a>(
        &'a self,
        storage: &str,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Arc<Value>> + use<'a> {
        debug_assert!(stays_open(storage), "{storage} does not stay open");
        self.all_kept(storage, namespace, Place::default())
            .filter_map(|(_, kept)| kept.opened())
    }

    /// The objects of a kind, of one namespace or of all, by namespace and name.
    pub(crate) fn list<'a>(
        &'a self,
        storage: &str,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = Arc<Value>> + use<'a> {
        self.all_kept(storage, namespace, Place::default())
            .map(|(_, kept)| kept.open())
    }

    /// The objects of a kind as they are kept, from a namespace and name on.
    pub(crate) fn all_kept<'a>(
        &'a self,
        storage: &str,
        namespace: Option<&'a str>,
        start: Place,
    ) -> impl Iterator<Item = (&'a Place, &'a Kept)> + use<'a> {
        let start = start.max((namespace.unwrap_or_default().to_owned(), String::new()));
        self.objects
            .get(storage)
            .into_iter()
            .flat_map(move |objects| objects.range(start.clone()..))
            .take_while(move |((ns, _), _)| namespace.is_none_or(|wanted| wanted == ns))
    }

    /// All objects of all kinds.
    pub(crate) fn everything(&self) -> impl Iterator<Item = (&Arc<str>, &Place, &Kept)> {
        self.objects
            .iter()
            .flat_map(|(storage, objects)| objects.iter().map(move |(place, kept)| (storage, place, kept)))
    }

    /// Stores an object under the next revision.
    pub(crate) fn put(&mut self, storage: &Arc<str>, mut object: Value) -> Arc<Value> {
        self.revision += 1;
        self.unsettled |= json::is_terminating(&object)
            || json::meta(&object).contains_key("ownerReferences")
            || storage.starts_with("clusterroles.");
        json::meta_mut(&mut object).insert("resourceVersion".to_owned(), self.revision.to_string().into());
        let place = (
            json::namespace(&object).to_owned(),
            json::name(&object).to_owned(),
        );
        let kept = Kept::new(object, stays_open(storage));
        let object = kept.open();
        let before = self
            .objects
            .entry(storage.clone())
            .or_default()
            .insert(place.clone(), kept.closed());
        if let Some(durable) = &self.durable {
            durable.put(storage, &place.0, &place.1, object.clone(), self.revision);
        }
        self.record(storage, place, before, kept, false);
        object
    }

    /// Removes an object; the answer is its last state, with the revision of the removal.
    pub(crate) fn remove(&mut self, storage: &Arc<str>, namespace: &str, name: &str) -> Option<Arc<Value>> {
        let place = (namespace.to_owned(), name.to_owned());
        let before = self.objects.get_mut(storage)?.remove(&place)?;
        self.revision += 1;
        self.unsettled = true;
        let mut last = Arc::unwrap_or_clone(before.open());
        json::meta_mut(&mut last).insert("resourceVersion".to_owned(), self.revision.to_string().into());
        let kept = Kept::new(last, stays_open(storage));
        let last = kept.open();
        if let Some(durable) = &self.durable {
            durable.delete(storage, namespace, name, self.revision);
        }
        self.record(storage, place, Some(before), kept, true);
        Some(last)
    }

    fn record(
        &mut self,
        storage: &Arc<str>,
        (namespace, name): Place,
        before: Option<Kept>,
        after: Kept,
        deleted: bool,
    ) {
        let (revision, storage) = (self.revision, storage.clone());
        let space = namespace.clone();
        self.history.push_back(Arc::new(Change {
            revision,
            storage,
            namespace,
            name,
            before,
            after,
            deleted,
        }));
        if let Some(aged) = self.history.len().checked_sub(FRESH + 1) {
            let change = &mut self.history[aged];
            let after = change.after.closed();
            *change = Arc::new(Change {
                after,
                ..Change::clone(change)
            });
        }
        if !space.is_empty() && self.all_opened("resourcequotas", Some(&space)).next().is_some() {
            self.recount.insert(space);
        }
        while self.history.len() > HISTORY {
            if let Some(gone) = self.history.pop_front() {
                self.oldest = gone.revision;
            }
        }
        if self.durable.is_none() {
            self.progress.send_modify(|p| p.revision = revision);
        }
    }

    /// The changes after a revision, up to another; none where they are no longer known.
    pub(crate) fn changes(&self, after: u64, up_to: u64, limit: usize) -> Option<Vec<Arc<Change>>> {
        if after < self.oldest {
            return None;
        }
        let start = self.history.partition_point(|c| c.revision <= after);
        Some(
            self.history
                .range(start..)
                .take_while(|c| c.revision <= up_to)
                .take(limit)
                .cloned()
                .collect(),
        )
    }

    /// The objects of a kind as they were at a revision, by namespace and name; none where that is no longer
    /// known.
    pub(crate) fn list_at(&self, storage: &str, namespace: Option<&str>, revision: u64) -> Option<Objects> {
        if revision < self.oldest {
            return None;
        }
        let mut objects: Objects = self
            .all_kept(storage, namespace, Place::default())
            .map(|(place, kept)| (place.clone(), kept.clone()))
            .collect();
        let since = self.history.iter().rev().take_while(|c| c.revision > revision);
        for change in since.filter(|c| *c.storage == *storage) {
            if namespace.is_some_and(|n| n != change.namespace) {
                continue;
            }
            let place = (change.namespace.clone(), change.name.clone());
            match &change.before {
                Some(before) => objects.insert(place, before.clone()),
                None => objects.remove(&place),
            };
        }
        Some(objects)
    }

    /// Ends the writer of the data folder, after what it was given; the folder can then be opened again.
    pub(crate) fn close(&mut self) {
        if self.durable.take().is_some() {
            // Whatever arrives now cannot be kept.
            self.progress.send_modify(|p| p.failed = true);
        }
    }

    /// Forgets the history, as a server does from time to time.
    pub(crate) fn compact(&mut self) {
        self.history.clear();
        self.oldest = self.revision;
    }
}

fn stays_open(storage: &str) -> bool {
    OPEN.binary_search(&storage).is_ok()
}
