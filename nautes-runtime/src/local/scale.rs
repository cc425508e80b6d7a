//! The scale subresource.

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use super::{
    json,
    kinds::{ScalePaths, Version},
    read,
    server::{Body, Scope, respond},
    status::{Cause, Status},
    write,
};

fn paths<'a>(scope: &'a Scope<'_>) -> Result<&'a ScalePaths, Status> {
    scope.version.scale.as_ref().ok_or_else(Status::no_such_path)
}

fn at<'a>(object: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(object, |v, key| v.get(key))
}

/// The scale of an object.
pub(crate) fn shown(scope: &Scope<'_>, object: &Value) -> Result<Value, Status> {
    let paths = paths(scope)?;
    let number = |path: &[String]| at(object, path).and_then(Value::as_i64).unwrap_or(0);
    let meta: serde_json::Map<String, Value> = json::meta(object)
        .iter()
        .filter(|(k, _)| {
            ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"].contains(&k.as_str())
        })
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    let selector = match &paths.selector {
        Some(path) => at(object, path).and_then(Value::as_str).map(str::to_owned),
        None => json::at(object, &["spec", "selector", "matchLabels"])
            .or_else(|| {
                let plain = scope.kind.is("", "replicationcontrollers");
                json::at(object, &["spec", "selector"]).filter(|_| plain)
            })
            .and_then(Value::as_object)
            .map(|labels| {
                let label = |(k, v): (&String, &Value)| format!("{k}={}", v.as_str().unwrap_or_default());
                labels.iter().map(label).collect::<Vec<_>>().join(",")
            }),
    };
    let mut status = json!({"replicas": number(&paths.status)});
    if let Some(selector) = selector.filter(|s| !s.is_empty()) {
        status["selector"] = selector.into();
    }
    Ok(json!({
        "apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": meta,
        "spec": {"replicas": number(&paths.spec)}, "status": status,
    }))
}

/// What keeps the numbers of a custom resource from being read as a scale.
pub(crate) fn causes(object: &Value, version: &Version) -> Vec<Cause> {
    let Some(paths) = &version.scale else {
        return Vec::new();
    };
    let broken = |path: &Vec<String>| {
        let found = at(object, path).filter(|v| !v.is_null() && !v.is_i64())?;
        let (field, shown) = (
            format!(".{}", path.join(".")),
            found.as_str().map_or_else(|| found.to_string(), str::to_owned),
        );
        let ty = match found {
            Value::String(_) => "string",
            Value::Bool(_) => "bool",
            Value::Array(_) => "[]interface {}",
            Value::Object(_) => "map[string]interface {}",
            _ => "float64",
        };
        let detail = format!("{field} accessor error: {shown} is of the type {ty}, expected int64");
        Some(Cause::invalid(field, &json!(0), detail))
    };
    [&paths.spec, &paths.status]
        .into_iter()
        .filter_map(broken)
        .collect()
}

pub(crate) fn get(scope: &Scope<'_>) -> Result<Response<Body>, Status> {
    let object = read::find(scope)?;
    Ok(respond(200, &shown(scope, &object)?, &[]))
}

/// An object with the number of a scale.
pub(crate) fn with(scope: &Scope<'_>, object: &Value, scale: &Value) -> Result<Value, Status> {
    let replicas = json::at(scale, &["spec", "replicas"])
        .and_then(Value::as_i64)
        .unwrap_or(0);
    if replicas < 0 {
        let detail = "must be greater than or equal to 0";
        let cause = Cause::invalid("spec.replicas", &json!(replicas), detail);
        return Err(Status::invalid("autoscaling", "Scale", scope.name(), vec![cause]));
    }
    let mut new = object.clone();
    let parents: Vec<&str> = paths(scope)?.spec.iter().map(String::as_str).collect();
    if let Some((last, parents)) = parents.split_last() {
        json::path_mut(&mut new, parents).insert((*last).to_owned(), replicas.into());
    }
    Ok(new)
}

pub(crate) fn change(scope: &Scope<'_>, body: &Bytes) -> Result<Response<Body>, Status> {
    if scope.call.is_apply() {
        let object = write::apply_scale(scope, body, paths(scope)?)?;
        return Ok(respond(200, &shown(scope, &object)?, &[]));
    }
    let change: Value = serde_json::from_slice(body)
        .map_err(|e| Status::bad_request(format!("error decoding the scale: {e}")))?;
    let media = scope
        .call
        .content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned();
    let make = |old: &Value| -> Result<Value, Status> {
        let scale = if scope.call.verb == "update" {
            change
        } else {
            let media = if media.starts_with("application/strategic") {
                "application/merge-patch+json"
            } else {
                &media
            };
            write::patched(scope, media, &shown(scope, old)?, &change)?
        };
        let mut new = with(scope, old, &scale)?;
        new["apiVersion"] = scope.api_version().into();
        let version = json::resource_version(&scale).to_owned();
        if !version.is_empty() {
            json::meta_mut(&mut new).insert("resourceVersion".to_owned(), version.into());
        }
        Ok(new)
    };
    let mut state = scope.server.state();
    let object = write::update(scope, &mut state, &mut Vec::new(), make, false)?;
    drop(state);
    Ok(respond(200, &shown(scope, &object)?, &[]))
}
