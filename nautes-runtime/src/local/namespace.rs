//! The life cycle of namespaces.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use super::{
    json,
    kinds::ResourceType,
    server::State,
    status::{Cause, Status},
};

/// Namespaces that are always there.
pub(crate) const FIXED: &[&str] = &["default", "kube-node-lease", "kube-public", "kube-system"];

/// Refuses what cannot be created in its namespace.
pub(crate) fn admit_create(state: &State, kind: &ResourceType, object: &Value) -> Result<(), Status> {
    if !kind.namespaced {
        return Ok(());
    }
    let namespace = json::namespace(object);
    let Some(found) = state.store.opened("namespaces", "", namespace) else {
        return Err(
            Status::new(404, "NotFound", format!("namespaces {namespace:?} not found")).detail(
                namespace,
                "",
                "namespaces",
            ),
        );
    };
    if json::is_terminating(found) {
        let detail =
            format!("unable to create new content in namespace {namespace} because it is being terminated");
        let cause = Cause::new(
            "NamespaceTerminating",
            "metadata.namespace",
            format!("namespace {namespace} is being terminated"),
        );
        return Err(Status::forbidden(kind, json::name(object), &detail).causes(vec![cause]));
    }
    Ok(())
}

/// Refuses the deletion of namespaces that are always there.
pub(crate) fn admit_delete(kind: &ResourceType, object: &Value) -> Result<(), Status> {
    let name = json::name(object);
    if kind.is("", "namespaces") && ["default", "kube-public", "kube-system"].contains(&name) {
        return Err(Status::forbidden(kind, name, "this namespace may not be deleted"));
    }
    Ok(())
}

pub(crate) fn begin_delete(kind: &ResourceType, object: &mut Value) {
    if kind.is("", "namespaces") {
        json::path_mut(object, &["status"]).insert("phase".to_owned(), "Terminating".into());
    }
}

/// The conditions of a namespace that is being deleted: type, reason and message where all is well, then where not.
const CONDITIONS: [(&str, [&str; 2], [&str; 2]); 5] = [
    (
        "NamespaceDeletionDiscoveryFailure",
        ["ResourcesDiscovered", "All resources successfully discovered"],
        ["DiscoveryFailed", ""],
    ),
    (
        "NamespaceDeletionGroupVersionParsingFailure",
        ["ParsedGroupVersions", "All legacy kube types successfully parsed"],
        ["GroupVersionParsingFailed", ""],
    ),
    (
        "NamespaceDeletionContentFailure",
        [
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ],
        ["ContentDeletionFailed", ""],
    ),
    (
        "NamespaceContentRemaining",
        ["ContentRemoved", "All content successfully removed"],
        ["SomeResourcesRemain", "Some resources are remaining: "],
    ),
    (
        "NamespaceFinalizersRemaining",
        [
            "ContentHasNoFinalizers",
            "All content-preserving finalizers finished",
        ],
        [
            "SomeFinalizersRemain",
            "Some content in the namespace has finalizers remaining: ",
        ],
    ),
];

/// Writes what keeps a namespace from going into its conditions; false where they say so already.
pub(crate) fn tell_what_is_left(namespace: &mut Value, left: &[(Arc<str>, Arc<Value>)]) -> bool {
    let mut resources: BTreeMap<String, usize> = BTreeMap::new();
    let mut finalizers: BTreeMap<&str, usize> = BTreeMap::new();
    for (storage, object) in left {
        // A kind of the core has no group to name after the point.
        let resource = if storage.contains('.') {
            storage.to_string()
        } else {
            format!("{storage}.")
        };
        *resources.entry(resource).or_default() += 1;
        for finalizer in json::texts(object, &["metadata", "finalizers"]) {
            *finalizers.entry(finalizer).or_default() += 1;
        }
    }
    let listed = |parts: Vec<String>| parts.join(", ");
    let remaining = [
        listed(
            resources
                .iter()
                .map(|(what, n)| format!("{what} has {n} resource instances"))
                .collect(),
        ),
        listed(
            finalizers
                .iter()
                .map(|(what, n)| format!("{what} in {n} resource instances"))
                .collect(),
        ),
    ];
    let before = json::list(namespace, &["status", "conditions"]).to_vec();
    let conditions: Vec<Value> = CONDITIONS
        .iter()
        .enumerate()
        .map(|(at, (ty, well, ill))| {
            let what = at.checked_sub(3).map_or("", |i| remaining[i].as_str());
            let (status, reason, message) = if what.is_empty() {
                ("False", well[0], well[1].to_owned())
            } else {
                ("True", ill[0], format!("{}{what}", ill[1]))
            };
            let same = before.iter().find(|b| b["type"] == *ty && b["status"] == status);
            let since = same.and_then(|b| b.get("lastTransitionTime")).cloned();
            json!({"type": ty, "status": status, "reason": reason, "message": message,
                   "lastTransitionTime": since.unwrap_or_else(|| json::now().into())})
        })
        .collect();
    if before == conditions {
        return false;
    }
    json::path_mut(namespace, &["status"]).insert("conditions".to_owned(), conditions.into());
    true
}

/// Gives namespaces their default account again where it was deleted; true where one was missing.
pub(crate) fn default_accounts(state: &mut State) -> bool {
    let without: Vec<Arc<Value>> = state
        .store
        .list("namespaces", None)
        .filter(|n| !json::is_terminating(n))
        .filter(|n| {
            state
                .store
                .kept("serviceaccounts", json::name(n), "default")
                .is_none()
        })
        .collect();
    for namespace in &without {
        after_create(state, namespace);
    }
    !without.is_empty()
}

/// What a new namespace comes with.
pub(crate) fn after_create(state: &mut State, namespace: &Value) {
    let name = json::name(namespace).to_owned();
    if state.store.kept("serviceaccounts", &name, "default").is_none() {
        let account = json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "default", "namespace": name, "uid": uuid::Uuid::new_v4().to_string(),
                         "creationTimestamp": json::now()},
        });
        state.store.put(&"serviceaccounts".into(), account);
    }
}

/// Makes the namespaces that are always there.
pub(crate) fn seed(state: &mut State) {
    for name in FIXED {
        if state.store.kept("namespaces", "", name).is_some() {
            continue;
        }
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "uid": uuid::Uuid::new_v4().to_string(), "creationTimestamp": json::now(),
                         "labels": {"kubernetes.io/metadata.name": name}},
            "spec": {"finalizers": ["kubernetes"]},
            "status": {"phase": "Active"},
        });
        state.store.put(&"namespaces".into(), namespace.clone());
        after_create(state, &namespace);
    }
}
