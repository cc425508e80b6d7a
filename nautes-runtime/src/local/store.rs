//! Objects, their one revision counter, and the recent history that watches read.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use serde_json::Value;
use tokio::sync::watch;

use super::{
    durable::{Durable, Record},
    json,
};

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
    pub(crate) before: Option<Arc<Value>>,
    /// The object after the change; for a deletion its last state, with the revision of the deletion.
    pub(crate) after: Arc<Value>,
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

pub(crate) type Objects = BTreeMap<(String, String), Arc<Value>>;

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
                store
                    .objects
                    .entry(record.storage.into())
                    .or_default()
                    .insert(place, Arc::new(record.object));
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

    pub(crate) fn get(&self, storage: &str, namespace: &str, name: &str) -> Option<&Arc<Value>> {
        self.objects
            .get(storage)?
            .get(&(namespace.to_owned(), name.to_owned()))
    }

    /// The objects of a kind, of one namespace or of all, by namespace and name.
    pub(crate) fn list<'a>(
        &'a self,
        storage: &str,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a (String, String), &'a Arc<Value>)> + use<'a> {
        self.list_from(storage, namespace, (String::new(), String::new()))
    }

    /// The objects of a kind from a namespace and name on.
    pub(crate) fn list_from<'a>(
        &'a self,
        storage: &str,
        namespace: Option<&'a str>,
        start: (String, String),
    ) -> impl Iterator<Item = (&'a (String, String), &'a Arc<Value>)> + use<'a> {
        let start = start.max((namespace.unwrap_or_default().to_owned(), String::new()));
        self.objects
            .get(storage)
            .into_iter()
            .flat_map(move |objects| objects.range(start.clone()..))
            .take_while(move |((ns, _), _)| namespace.is_none_or(|wanted| wanted == ns))
    }

    /// All objects of all kinds.
    pub(crate) fn everything(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<Value>)> {
        self.objects
            .iter()
            .flat_map(|(storage, objects)| objects.values().map(move |o| (storage, o)))
    }

    /// Stores an object under the next revision.
    pub(crate) fn put(&mut self, storage: &Arc<str>, mut object: Value) -> Arc<Value> {
        self.revision += 1;
        self.unsettled |= json::is_terminating(&object)
            || json::meta(&object).contains_key("ownerReferences")
            || storage.starts_with("clusterroles.");
        json::meta_mut(&mut object).insert("resourceVersion".to_owned(), self.revision.to_string().into());
        let (namespace, name) = (
            json::namespace(&object).to_owned(),
            json::name(&object).to_owned(),
        );
        let object = Arc::new(object);
        let place = (namespace.clone(), name.clone());
        let before = self
            .objects
            .entry(storage.clone())
            .or_default()
            .insert(place, object.clone());
        if let Some(durable) = &self.durable {
            durable.put(storage, &namespace, &name, object.clone(), self.revision);
        }
        self.record(storage, namespace, before, object.clone(), false);
        object
    }

    /// Removes an object; the answer is its last state, with the revision of the removal.
    pub(crate) fn remove(&mut self, storage: &Arc<str>, namespace: &str, name: &str) -> Option<Arc<Value>> {
        let place = (namespace.to_owned(), name.to_owned());
        let before = self.objects.get_mut(storage)?.remove(&place)?;
        self.revision += 1;
        self.unsettled = true;
        let mut last = before.as_ref().clone();
        json::meta_mut(&mut last).insert("resourceVersion".to_owned(), self.revision.to_string().into());
        let last = Arc::new(last);
        if let Some(durable) = &self.durable {
            durable.delete(storage, namespace, name, self.revision);
        }
        self.record(storage, place.0, Some(before), last.clone(), true);
        Some(last)
    }

    fn record(
        &mut self,
        storage: &Arc<str>,
        namespace: String,
        before: Option<Arc<Value>>,
        after: Arc<Value>,
        deleted: bool,
    ) {
        let (revision, storage) = (self.revision, storage.clone());
        let space = namespace.clone();
        self.history.push_back(Arc::new(Change {
            revision,
            storage,
            namespace,
            before,
            after,
            deleted,
        }));
        let has_quotas = |space: &&String| {
            let mut quotas = self.list("resourcequotas", Some(space));
            !space.is_empty() && quotas.next().is_some()
        };
        if let Some(space) = Some(&space).filter(has_quotas) {
            self.recount.insert(space.clone());
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
            .list(storage, namespace)
            .map(|(place, object)| (place.clone(), object.clone()))
            .collect();
        let since = self.history.iter().rev().take_while(|c| c.revision > revision);
        for change in since.filter(|c| *c.storage == *storage) {
            if namespace.is_some_and(|n| n != change.namespace) {
                continue;
            }
            let place = (change.namespace.clone(), json::name(&change.after).to_owned());
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
