//! Service accounts of pods: each pod has one, and its token where the containers look for it.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Value, json};

use crate::local::{
    json,
    server::{Scope, State},
    status::Status,
};

const MOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const VOLUME: &str = "kube-api-access-";

/// How long a token is good for, in seconds; a little more than an hour marks those that clients should renew.
const SECONDS: u64 = 3607;

/// Marks pods that a node made by itself.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// Lets an account say that its pods may use its own secrets only.
const ENFORCE: &str = "kubernetes.io/enforce-mountable-secrets";

fn is_mirror(pod: &Value) -> bool {
    json::meta(pod)
        .get("annotations")
        .is_some_and(|a| a.get(MIRROR).is_some())
}

fn account<'a>(scope: &Scope<'_>, state: &'a State, pod: &Value) -> Result<&'a Arc<Value>, Status> {
    let namespace = scope.namespace();
    let name = json::text(pod, &["spec", "serviceAccountName"]);
    state
        .store
        .opened("serviceaccounts", namespace, name)
        .ok_or_else(|| {
            let why = format!(
                "error looking up service account {namespace}/{name}: serviceaccount {name:?} not found"
            );
            Status::forbidden(&scope.kind, json::name(pod), &why)
        })
}

/// Gives a new pod its account, the token of it, and the secrets to pull images with.
pub(super) fn fill(scope: &Scope<'_>, state: &State, pod: &mut Value) -> Result<(), Status> {
    if is_mirror(pod) {
        return Ok(());
    }
    let spec = json::path_mut(pod, &["spec"]);
    if spec
        .get("serviceAccountName")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .is_empty()
    {
        spec.insert("serviceAccountName".to_owned(), "default".into());
    }
    let name = spec["serviceAccountName"].clone();
    spec.insert("serviceAccount".to_owned(), name);
    let account = account(scope, state, pod)?;
    let mounts = |of: &Value, path: &[&str]| json::at(of, path).and_then(Value::as_bool);
    let automount = mounts(pod, &["spec", "automountServiceAccountToken"])
        .or_else(|| mounts(account, &["automountServiceAccountToken"]));
    let pull = json::at(account, &["imagePullSecrets"]).cloned();
    if automount.unwrap_or(true) {
        mount(scope, pod);
    }
    if json::list(pod, &["spec", "imagePullSecrets"]).is_empty()
        && let Some(secrets) = pull
    {
        json::path_mut(pod, &["spec"]).insert("imagePullSecrets".to_owned(), secrets);
    }
    Ok(())
}

fn mount(scope: &Scope<'_>, pod: &mut Value) {
    let found = json::list(pod, &["spec", "volumes"])
        .iter()
        .map(|v| json::text(v, &["name"]))
        .find(|name| name.starts_with(VOLUME))
        .map(str::to_owned);
    let name = found
        .clone()
        .unwrap_or_else(|| format!("{VOLUME}{}", scope.hooks.tail()));
    let spec = json::path_mut(pod, &["spec"]);
    let mut used = false;
    for list in ["initContainers", "containers"] {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let mounts = json::object_mut(container)
                .entry("volumeMounts")
                .or_insert_with(|| json!([]));
            let taken = json::list(mounts, &[])
                .iter()
                .any(|m| json::text(m, &["mountPath"]) == MOUNT);
            if let Some(mounts) = mounts.as_array_mut().filter(|_| !taken) {
                mounts.push(json!({"name": name, "readOnly": true, "mountPath": MOUNT}));
                used = true;
            }
        }
    }
    let volumes = spec.entry("volumes").or_insert_with(|| json!([]));
    if let Some(volumes) = volumes.as_array_mut().filter(|_| used && found.is_none()) {
        volumes.push(json!({"name": name, "projected": {"defaultMode": 0o644, "sources": [
            {"serviceAccountToken": {"expirationSeconds": SECONDS, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [
                {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}},
            ]}},
        ]}}));
    }
}

/// Refuses a pod whose account is not there, or that uses secrets which its account does not lend.
pub(super) fn judge(scope: &Scope<'_>, state: &State, pod: &Value) -> Result<(), Status> {
    let refuse = |why: String| Err(Status::forbidden(&scope.kind, json::name(pod), &why));
    if is_mirror(pod) {
        let named = !json::text(pod, &["spec", "serviceAccountName"]).is_empty();
        return if named {
            refuse("a mirror pod may not reference service accounts".to_owned())
        } else {
            Ok(())
        };
    }
    let account = account(scope, state, pod)?;
    let enforced = json::meta(account)
        .get("annotations")
        .map(|a| json::text(a, &[ENFORCE]));
    if !enforced.is_some_and(|e| ["1", "t", "T", "true", "True", "TRUE"].contains(&e)) {
        return Ok(());
    }
    match borrowed(pod, account) {
        Some(what) => refuse(format!(
            "{what} is not allowed because service account {} does not reference that {}",
            json::name(account),
            if what.starts_with("imagePullSecrets") {
                "imagePullSecret"
            } else {
                "secret"
            }
        )),
        None => Ok(()),
    }
}

/// The first use of a secret that the account does not name.
fn borrowed(pod: &Value, account: &Value) -> Option<String> {
    let names = |field: &str| -> BTreeSet<&str> {
        let all = json::list(account, &[field]).iter();
        all.map(|s| json::text(s, &["name"])).collect()
    };
    let (own, pull) = (names("secrets"), names("imagePullSecrets"));
    let foreign = |name: &str| !name.is_empty() && !own.contains(name);
    for volume in json::list(pod, &["spec", "volumes"]) {
        let name = json::text(volume, &["secret", "secretName"]);
        if foreign(name) {
            return Some(format!("volume with secret.secretName=\"{name}\""));
        }
    }
    for (list, word) in [("initContainers", "init container"), ("containers", "container")] {
        for container in json::list(pod, &["spec", list]) {
            let of = json::text(container, &["name"]);
            for env in json::list(container, &["env"]) {
                let name = json::text(env, &["valueFrom", "secretKeyRef", "name"]);
                if foreign(name) {
                    return Some(format!(
                        "{word} {of} with envVar {} referencing secret.secretName=\"{name}\"",
                        json::text(env, &["name"])
                    ));
                }
            }
            for env in json::list(container, &["envFrom"]) {
                let name = json::text(env, &["secretRef", "name"]);
                if foreign(name) {
                    return Some(format!(
                        "{word} {of} with envFrom referencing secret.secretName=\"{name}\""
                    ));
                }
            }
        }
    }
    json::list(pod, &["spec", "imagePullSecrets"])
        .iter()
        .map(|s| json::text(s, &["name"]))
        .enumerate()
        .find(|(_, name)| !pull.contains(name))
        .map(|(index, name)| format!("imagePullSecrets[{index}].name=\"{name}\""))
}
