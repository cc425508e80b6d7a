//! Objects of clusters, as others than Nautes read and write them.

use std::collections::BTreeSet;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use nautes_runtime::local;
use serde_json::{Value, json};

pub(super) async fn define(cluster: &local::Cluster, definition: &Value) {
    let api: Api<CustomResourceDefinition> = Api::all(cluster.client());
    let name = definition["metadata"]["name"].as_str().unwrap();
    api.patch(name, &PatchParams::apply("test"), &Patch::Apply(definition))
        .await
        .unwrap();
}

pub(crate) fn api(
    client: &kube::Client,
    api_version: &str,
    kind: &str,
    namespace: Option<&str>,
) -> Api<DynamicObject> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let resource = ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        plural: format!("{}s", kind.to_lowercase()),
    };
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

pub(crate) async fn list(
    client: &kube::Client,
    version: &str,
    kind: &str,
    namespace: Option<&str>,
) -> BTreeSet<String> {
    let found = api(client, version, kind, namespace)
        .list(&ListParams::default())
        .await
        .unwrap();
    found
        .items
        .into_iter()
        .map(|object| object.metadata.name.unwrap())
        .collect()
}

/// Makes or changes an object as somebody else.
pub(crate) async fn put(client: &kube::Client, version: &str, kind: &str, object: &Value) {
    let mut object = object.clone();
    object["apiVersion"] = json!(version);
    object["kind"] = json!(kind);
    let namespace = object["metadata"]["namespace"].as_str();
    let name = object["metadata"]["name"].as_str().unwrap();
    let params = PatchParams::apply("somebody").force();
    api(client, version, kind, namespace)
        .patch(name, &params, &Patch::Apply(&object))
        .await
        .unwrap();
}

pub(crate) async fn delete(client: &kube::Client, version: &str, kind: &str, namespace: &str, name: &str) {
    let api = api(client, version, kind, Some(namespace));
    api.delete(name, &DeleteParams::default()).await.unwrap();
}
