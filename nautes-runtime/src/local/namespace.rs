//! The life cycle of namespaces.

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
