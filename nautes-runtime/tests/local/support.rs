//! What the tests share.

use std::{future::Future, time::Duration};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::PostParams,
    core::{DynamicObject, GroupVersionKind},
    discovery::ApiResource,
};
use nautes_runtime::local::{self, Options};
use serde_json::{Value, json};

pub(crate) async fn cluster() -> local::Cluster {
    local::Cluster::start(Options::in_memory("test")).await.unwrap()
}

pub(crate) fn map(name: &str, data: &[(&str, &str)]) -> ConfigMap {
    let mut map = ConfigMap::default();
    map.metadata.name = Some(name.to_owned());
    map.data = Some(
        data.iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect(),
    );
    map
}

pub(crate) fn maps(client: &Client) -> Api<ConfigMap> {
    Api::namespaced(client.clone(), "default")
}

/// Sends a request as it is and answers with the code and the body.
pub(crate) async fn raw(
    client: &Client,
    method: &str,
    path: &str,
    media: &str,
    body: &Value,
) -> (u16, Value) {
    let bytes = if body.is_null() {
        Vec::new()
    } else {
        serde_json::to_vec(body).unwrap()
    };
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", media)
        .header("user-agent", "test/1.0")
        .body(kube::client::Body::from(bytes))
        .unwrap();
    let response = client.send(request).await.unwrap();
    let code = response.status().as_u16();
    let bytes = response.into_body().collect_bytes().await.unwrap();
    (code, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

pub(crate) async fn get(client: &Client, path: &str) -> (u16, Value) {
    raw(client, "GET", path, "application/json", &Value::Null).await
}

pub(crate) async fn post(client: &Client, path: &str, body: &Value) -> (u16, Value) {
    raw(client, "POST", path, "application/json", body).await
}

/// Waits until a check holds.
pub(crate) async fn eventually<F, Fut>(what: &str, mut check: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    let mut interval = tokio::time::interval(Duration::from_millis(10));
    while !check().await {
        assert!(tokio::time::Instant::now() < deadline, "never happened: {what}");
        interval.tick().await;
    }
}

pub(crate) fn widget_definition(schema: &Value) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.io"},
        "spec": {
            "group": "example.io", "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets", "shortNames": ["wd"], "categories": ["all"]},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "subresources": {"status": {}},
                "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}],
                "schema": {"openAPIV3Schema": schema},
            }],
        },
    })
}

pub(crate) async fn install(client: &Client, definition: &Value) {
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let (code, body) = post(client, path, definition).await;
    assert_eq!(code, 201, "{body}");
}

pub(crate) fn widgets(client: &Client) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("example.io", "v1", "Widget");
    Api::namespaced_with(client.clone(), "default", &ApiResource::from_gvk(&kind))
}

pub(crate) async fn make(client: &Client, map: &ConfigMap) -> ConfigMap {
    maps(client).create(&PostParams::default(), map).await.unwrap()
}
