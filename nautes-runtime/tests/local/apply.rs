//! Server-side apply.

use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::support::{cluster, make, map, maps, raw};

const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/default/deployments/web";

fn deployment(containers: &Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": containers}},
        },
    })
}

async fn apply(client: &kube::Client, path: &str, manager: &str, force: bool, body: &Value) -> (u16, Value) {
    let path = format!("{path}?fieldManager={manager}&force={force}");
    raw(client, "PATCH", &path, "application/apply-patch+yaml", body).await
}

fn fields(object: &Value, manager: &str) -> Value {
    let list = object["metadata"]["managedFields"].as_array().unwrap();
    let entry = list.iter().find(|e| e["manager"] == manager);
    entry.map_or(Value::Null, |e| e["fieldsV1"].clone())
}

#[tokio::test]
async fn applying_again_keeps_the_revision() {
    let cluster = cluster().await;
    let client = cluster.client();
    let config = deployment(&json!([{"name": "a", "image": "x:1", "ports": [{"containerPort": 80}]}]));
    let (code, first) = apply(&client, DEPLOYMENT, "me", false, &config).await;
    assert_eq!(code, 201, "{first}");
    let (code, second) = apply(&client, DEPLOYMENT, "me", false, &config).await;
    assert_eq!(code, 200);
    assert_eq!(first, second);
}

#[tokio::test]
async fn ownership_is_written_by_keys() {
    let cluster = cluster().await;
    let client = cluster.client();
    let config = deployment(&json!([{"name": "a", "image": "x:1", "ports": [{"containerPort": 80}]}]));
    let (_, object) = apply(&client, DEPLOYMENT, "me", false, &config).await;
    assert_eq!(
        fields(&object, "me"),
        json!({"f:spec": {
            "f:selector": {},
            "f:template": {
                "f:metadata": {"f:labels": {"f:app": {}}},
                "f:spec": {"f:containers": {"k:{\"name\":\"a\"}": {
                    ".": {}, "f:name": {}, "f:image": {},
                    "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}},
                }}},
            },
        }})
    );
}

#[tokio::test]
async fn another_manager_conflicts_unless_it_forces() {
    let cluster = cluster().await;
    let client = cluster.client();
    let path = "/api/v1/namespaces/default/configmaps/a";
    let config = |v: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": v}});
    apply(&client, path, "one", false, &config("1")).await;
    let (code, body) = apply(&client, path, "two", false, &config("2")).await;
    assert_eq!(code, 409);
    assert_eq!(
        body["message"],
        "Apply failed with 1 conflict: conflict with \"one\": .data.k"
    );
    assert_eq!(
        body["details"]["causes"],
        json!([{"reason": "FieldManagerConflict", "message": "conflict with \"one\"", "field": ".data.k"}])
    );
    let (code, body) = apply(&client, path, "two", true, &config("2")).await;
    assert_eq!((code, &body["data"]), (200, &json!({"k": "2"})));
    assert_eq!(fields(&body, "one"), Value::Null);
    // The same value is owned together.
    let (code, body) = apply(&client, path, "one", false, &config("2")).await;
    assert_eq!(code, 200);
    assert_eq!(fields(&body, "one"), fields(&body, "two"));
}

#[tokio::test]
async fn what_leaves_an_apply_is_removed_unless_others_own_it() {
    let cluster = cluster().await;
    let client = cluster.client();
    let path = "/api/v1/namespaces/default/configmaps/a";
    let config = |data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data});
    apply(&client, path, "one", false, &config(json!({"a": "1", "b": "1"}))).await;
    apply(&client, path, "two", false, &config(json!({"b": "1"}))).await;
    let (_, body) = apply(&client, path, "one", false, &config(json!({"c": "1"}))).await;
    assert_eq!(body["data"], json!({"b": "1", "c": "1"}));
    let two = deployment(&json!([{"name": "a", "image": "x"}, {"name": "b", "image": "y"}]));
    let one = deployment(&json!([{"name": "a", "image": "x"}]));
    apply(&client, DEPLOYMENT, "me", false, &two).await;
    let (_, body) = apply(&client, DEPLOYMENT, "me", false, &one).await;
    let containers = body["spec"]["template"]["spec"]["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 1, "{body}");
}

#[tokio::test]
async fn an_update_takes_ownership_of_what_it_changes() {
    let cluster = cluster().await;
    let client = cluster.client();
    let made = make(&client, &map("a", &[("k", "1")])).await;
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "1", "x": "1"}});
    let applied = maps(&client)
        .patch("a", &PatchParams::apply("me"), &Patch::Apply(&config))
        .await
        .unwrap();
    assert_eq!(made.metadata.uid, applied.metadata.uid);
    let mut changed = applied;
    changed.data = map("a", &[("k", "2"), ("x", "1")]).data;
    let params = PostParams {
        field_manager: Some("hand".to_owned()),
        ..PostParams::default()
    };
    let changed = maps(&client).replace("a", &params, &changed).await.unwrap();
    let object = serde_json::to_value(&changed).unwrap();
    assert_eq!(fields(&object, "me"), json!({"f:data": {"f:x": {}}}));
    assert_eq!(fields(&object, "hand"), json!({"f:data": {"f:k": {}}}));
    let error = maps(&client)
        .patch("a", &PatchParams::apply("me"), &Patch::Apply(&config))
        .await
        .unwrap_err();
    let kube::Error::Api(status) = error else {
        panic!("{error}")
    };
    assert!(
        status
            .message
            .starts_with("Apply failed with 1 conflict: conflict with \"hand\" using v1: "),
        "{}",
        status.message
    );
}

#[tokio::test]
async fn an_apply_needs_a_manager() {
    let cluster = cluster().await;
    let path = "/api/v1/namespaces/default/configmaps/a";
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
    let (code, _) = raw(
        &cluster.client(),
        "PATCH",
        path,
        "application/apply-patch+yaml",
        &config,
    )
    .await;
    assert_eq!(code, 422);
}
