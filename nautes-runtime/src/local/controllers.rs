//! What the controllers of a cluster do: empty namespaces that are being deleted, remove the objects of
//! definitions that are, collect what has lost its owners, and sum up aggregated roles.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::Value;

use super::{
    authz, crd, json, namespace, plugins,
    server::{Server, State},
    write,
};

/// Runs until the server stops.
pub(crate) async fn run(server: Arc<Server>) {
    loop {
        tokio::select! {
            () = server.follow_up.notified() => {}
            () = server.stopped.cancelled() => return,
        }
        // Each pass may free what the next one can remove.
        while settle(&mut server.state()) {
            tokio::task::yield_now().await;
        }
        plugins::recount(&mut server.state());
    }
}

/// One pass; true where it wrote something.
fn settle(state: &mut State) -> bool {
    if !std::mem::take(&mut state.store.unsettled) {
        return false;
    }
    let namespaces = empty_namespaces(state);
    let definitions = empty_definitions(state);
    let garbage = collect(state);
    let roles = authz::aggregate(state);
    let accounts = namespace::default_accounts(state);
    namespaces || definitions || garbage || roles || accounts
}

/// Begins (or completes) the deletion of one object.
fn delete(state: &mut State, storage: &Arc<str>, object: &Value) -> bool {
    let waits = json::at(object, &["metadata", "deletionGracePeriodSeconds"]) != Some(&0.into());
    if json::is_terminating(object) && !waits {
        return false;
    }
    // There is no node whose pods could end by themselves.
    let mut new = object.clone();
    let meta = json::meta_mut(&mut new);
    meta.insert("deletionTimestamp".to_owned(), json::now().into());
    meta.insert("deletionGracePeriodSeconds".to_owned(), 0.into());
    release(state, storage, new);
    true
}

/// Stores an object that is being deleted, or removes it where nothing keeps it.
fn release(state: &mut State, storage: &Arc<str>, object: Value) {
    if write::is_released(&object) {
        let (namespace, name) = (
            json::namespace(&object).to_owned(),
            json::name(&object).to_owned(),
        );
        state.store.remove(storage, &namespace, &name);
    } else {
        state.store.put(storage, object);
    }
}

fn empty_namespaces(state: &mut State) -> bool {
    let dying: Vec<Arc<Value>> = state
        .store
        .list("namespaces", None)
        .filter(|o| json::is_terminating(o) && !json::list(o, &["spec", "finalizers"]).is_empty())
        .collect();
    let mut wrote = false;
    for namespace in dying {
        let name = json::name(&namespace);
        let content: Vec<(Arc<str>, Arc<Value>)> = state
            .store
            .everything()
            .filter(|(_, (space, _), _)| space == name)
            .map(|(storage, _, kept)| (storage.clone(), kept.open()))
            .collect();
        for (storage, object) in &content {
            wrote |= delete(state, storage, object);
        }
        let left: Vec<(Arc<str>, Arc<Value>)> = state
            .store
            .everything()
            .filter(|(_, (space, _), _)| space == name)
            .map(|(storage, _, kept)| (storage.clone(), kept.open()))
            .collect();
        let mut told = namespace.as_ref().clone();
        let is_news = namespace::tell_what_is_left(&mut told, &left);
        if is_news {
            state.store.put(&"namespaces".into(), told.clone());
            wrote = true;
        }
        if left.is_empty() {
            let mut last = told;
            let list = json::path_mut(&mut last, &["spec"])
                .get_mut("finalizers")
                .and_then(Value::as_array_mut);
            let before = list.as_ref().map_or(0, |l| l.len());
            let after = list.map_or(0, |l| {
                l.retain(|f| f != "kubernetes");
                l.len()
            });
            if after < before {
                release(state, &"namespaces".into(), last);
                wrote = true;
            }
        }
    }
    wrote
}

fn empty_definitions(state: &mut State) -> bool {
    let storage: Arc<str> = format!("{}.{}", crd::PLURAL, crd::GROUP).into();
    let dying: Vec<Arc<Value>> = state
        .store
        .list(&storage, None)
        .filter(|o| {
            json::is_terminating(o) && json::texts(o, &["metadata", "finalizers"]).contains(&crd::FINALIZER)
        })
        .collect();
    let mut wrote = false;
    for definition in dying {
        let of: Arc<str> = json::name(&definition).into();
        let objects: Vec<Arc<Value>> = state.store.list(&of, None).collect();
        for object in &objects {
            wrote |= delete(state, &of, object);
        }
        if state.store.list(&of, None).next().is_some() {
            continue;
        }
        let mut last = definition.as_ref().clone();
        drop_finalizer(&mut last, crd::FINALIZER);
        if write::is_released(&last) {
            state.registry.remove(
                json::text(&definition, &["spec", "group"]),
                json::text(&definition, &["spec", "names", "plural"]),
            );
        }
        release(state, &storage, last);
        wrote = true;
    }
    wrote
}

fn drop_finalizer(object: &mut Value, finalizer: &str) {
    let meta = json::meta_mut(object);
    if let Some(list) = meta.get_mut("finalizers").and_then(Value::as_array_mut) {
        list.retain(|f| f != finalizer);
        if list.is_empty() {
            meta.remove("finalizers");
        }
    }
}

/// Garbage collection by owner references.
fn collect(state: &mut State) -> bool {
    let owned: Vec<(Arc<str>, Arc<Value>)> = state
        .store
        .everything()
        .filter(|(_, _, kept)| kept.is_owned())
        .map(|(storage, _, kept)| (storage.clone(), kept.open()))
        .collect();
    let named: BTreeSet<&str> = owned
        .iter()
        .flat_map(|(_, o)| json::list(o, &["metadata", "ownerReferences"]))
        .map(json::uid_of_owner)
        .collect();
    let alive: BTreeMap<String, (String, bool)> = state
        .store
        .everything()
        .filter(|(_, _, kept)| named.contains(kept.uid()))
        .map(|(_, (namespace, _), kept)| {
            let foreground = kept.is_terminating()
                && json::texts(&kept.open(), &["metadata", "finalizers"]).contains(&"foregroundDeletion");
            (kept.uid().to_owned(), (namespace.clone(), foreground))
        })
        .collect();
    let mut wrote = orphan(state, &owned);
    let mut blocked: BTreeSet<String> = BTreeSet::new();
    for (storage, object) in &owned {
        let owners = json::list(object, &["metadata", "ownerReferences"]);
        let lives = |owner: &Value| match alive.get(json::uid_of_owner(owner)) {
            // An owner in another namespace does not count.
            Some((namespace, foreground)) => {
                (namespace.is_empty() || namespace == json::namespace(object)) && !foreground
            }
            None => false,
        };
        if owners.iter().any(lives) {
            wrote |= disown(state, storage, object, &|owner| !lives(owner));
            continue;
        }
        let current = state
            .store
            .get(storage, json::namespace(object), json::name(object));
        if let Some(current) = current.filter(|c| json::uid(c) == json::uid(object)) {
            let still_owned = !json::list(&current, &["metadata", "ownerReferences"]).is_empty();
            if still_owned {
                wrote |= delete(state, storage, &current);
            }
        }
        let left = state
            .store
            .kept(storage, json::namespace(object), json::name(object))
            .is_some();
        if left {
            blocked.extend(
                owners
                    .iter()
                    .filter(|o| o.get("blockOwnerDeletion") == Some(&Value::Bool(true)))
                    .map(|o| json::uid_of_owner(o).to_owned()),
            );
        }
    }
    wrote | finish_foreground(state, &blocked)
}

/// Takes the references to some owners from an object; true where it had any.
fn disown(state: &mut State, storage: &Arc<str>, object: &Value, whom: &dyn Fn(&Value) -> bool) -> bool {
    let current = state
        .store
        .get(storage, json::namespace(object), json::name(object));
    let Some(mut new) = current.map(Arc::unwrap_or_clone) else {
        return false;
    };
    let meta = json::meta_mut(&mut new);
    let Some(list) = meta.get_mut("ownerReferences").and_then(Value::as_array_mut) else {
        return false;
    };
    let before = list.len();
    list.retain(|o| !whom(o));
    if list.len() == before {
        return false;
    }
    if list.is_empty() {
        meta.remove("ownerReferences");
    }
    state.store.put(storage, new);
    true
}

/// Takes the references to owners that are deleted with `Orphan` away, and lets these go.
fn orphan(state: &mut State, owned: &[(Arc<str>, Arc<Value>)]) -> bool {
    let going = marked(state, "orphan");
    for (storage, owner) in &going {
        for (place, object) in owned {
            let _ = disown(state, place, object, &|o| {
                json::uid_of_owner(o) == json::uid(owner)
            });
        }
        let mut last = owner.as_ref().clone();
        drop_finalizer(&mut last, "orphan");
        release(state, storage, last);
    }
    !going.is_empty()
}

fn finish_foreground(state: &mut State, blocked: &BTreeSet<String>) -> bool {
    let mut wrote = false;
    for (storage, owner) in marked(state, "foregroundDeletion") {
        if !blocked.contains(json::uid(&owner)) {
            let mut last = owner.as_ref().clone();
            drop_finalizer(&mut last, "foregroundDeletion");
            release(state, &storage, last);
            wrote = true;
        }
    }
    wrote
}

fn marked(state: &State, finalizer: &str) -> Vec<(Arc<str>, Arc<Value>)> {
    state
        .store
        .everything()
        .filter(|(_, _, kept)| kept.is_terminating())
        .map(|(storage, _, kept)| (storage.clone(), kept.open()))
        .filter(|(_, o)| json::texts(o, &["metadata", "finalizers"]).contains(&finalizer))
        .collect()
}

/// Sets up what every cluster starts with.
pub(crate) fn seed(state: &mut State) {
    namespace::seed(state);
    authz::seed(state);
    plugins::seed(state);
    let storage = format!("{}.{}", crd::PLURAL, crd::GROUP);
    let definitions: Vec<Arc<Value>> = state.store.list(&storage, None).collect();
    for definition in definitions.iter().filter(|d| crd::is_established(d)) {
        state.registry.insert(crd::resource_type(definition));
    }
    while settle(state) {}
}
