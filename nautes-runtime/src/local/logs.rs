//! The logs of pods: nothing runs here, so that they have written what somebody says that they have.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::Response;
use serde_json::Value;

use super::{
    json, read,
    server::{Body, Scope, Server, plain},
    status::Status,
};

/// How much is kept of a container, in bytes: the last, as a kubelet does.
const KEPT: usize = 10 << 20;

/// What containers have written, by the uid of the pod and the name of the container.
#[derive(Default)]
pub(crate) struct Logs(Mutex<BTreeMap<(String, String), String>>);

impl Logs {
    fn all(&self) -> MutexGuard<'_, BTreeMap<(String, String), String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets a container have written a text, after what it has written before.
///
/// # Errors
/// The pod is not there, or has no such container.
pub(crate) fn write(
    server: &Server,
    namespace: &str,
    pod: &str,
    container: &str,
    text: &str,
) -> Result<(), Status> {
    let state = server.state();
    let kind = state.registry.get("", "pods").ok_or_else(Status::no_such_path)?;
    let found = state.store.get(&kind.storage, namespace, pod);
    let object = found.ok_or_else(|| Status::not_found(kind, pod))?;
    let of = container_of(&object, container)?;
    let mut all = server.logs.all();
    let log = all.entry((uid(&object), of)).or_default();
    log.push_str(text);
    let over = log.len().saturating_sub(KEPT);
    let from = (over..log.len()).find(|at| log.is_char_boundary(*at));
    log.drain(..from.unwrap_or_default());
    Ok(())
}

/// `GET ../pods/NAME/log`: `container`, `tailLines` and `limitBytes` are heeded; it ends where it is now.
pub(crate) fn get(scope: &Scope<'_>) -> Result<Response<Body>, Status> {
    let object = read::find(scope)?;
    let container = container_of(&object, scope.call.param("container"))?;
    let number = |name: &str| match scope.call.param(name) {
        "" => Ok(usize::MAX),
        text => text
            .parse()
            .map_err(|_| Status::bad_request(format!("{name}: {text:?} is not a number of them"))),
    };
    let (lines, bytes) = (number("tailLines")?, number("limitBytes")?);
    let all = scope.server.logs.all();
    let text = all.get(&(uid(&object), container.clone())).ok_or_else(|| {
        Status::bad_request(format!(
            "container {container:?} in pod {:?} is waiting to start: ContainerCreating",
            scope.name()
        ))
    })?;
    let all: Vec<&str> = text.split_inclusive('\n').collect();
    let tail = all[all.len().saturating_sub(lines)..].concat();
    let end = (0..=tail.len().min(bytes))
        .rev()
        .find(|at| tail.is_char_boundary(*at));
    Ok(plain(
        200,
        "text/plain",
        tail[..end.unwrap_or_default()].to_owned(),
    ))
}

fn uid(pod: &Value) -> String {
    let uid = json::meta(pod).get("uid").and_then(Value::as_str);
    uid.unwrap_or_default().to_owned()
}

/// The container that is named; where none is, the only one.
fn container_of(pod: &Value, named: &str) -> Result<String, Status> {
    let name = json::meta(pod)
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let all: Vec<&str> = ["initContainers", "containers"]
        .iter()
        .filter_map(|list| json::at(pod, &["spec", list]).and_then(Value::as_array))
        .flatten()
        .filter_map(|container| container["name"].as_str())
        .collect();
    match (named, all.as_slice()) {
        ("", [only]) => Ok((*only).to_owned()),
        ("", _) => Err(Status::bad_request(format!(
            "a container name must be specified for pod {name}, choose one of: [{}]",
            all.join(" ")
        ))),
        (named, all) if all.contains(&named) => Ok(named.to_owned()),
        _ => Err(Status::bad_request(format!(
            "container {named} is not valid for pod {name}"
        ))),
    }
}
