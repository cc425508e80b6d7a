//! Bodies of any shape: an answer, never a failure of the server.

use proptest::{collection, prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};

use crate::support::{cluster, install, raw, widget_definition};

const WORDS: &[&str] = &[
    "metadata",
    "spec",
    "status",
    "name",
    "namespace",
    "labels",
    "annotations",
    "finalizers",
    "ownerReferences",
    "managedFields",
    "fieldsV1",
    "f:spec",
    "k:{",
    "data",
    "stringData",
    "containers",
    "template",
    "selector",
    "ports",
    "uid",
    "resourceVersion",
    "generateName",
    "deletionTimestamp",
    "op",
    "path",
    "value",
    "add",
    "/spec/a",
    "$patch",
    "replace",
    "versions",
    "schema",
    "openAPIV3Schema",
    "properties",
    "type",
    "object",
    "size",
    "",
    "a",
    "w",
];

fn value() -> impl Strategy<Value = Value> {
    let word = || proptest::sample::select(WORDS).prop_map(str::to_owned);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        word().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            collection::btree_map(
                proptest::sample::select(WORDS).prop_map(str::to_owned),
                inner,
                0..6
            )
            .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

#[test]
fn every_body_gets_an_answer() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object",
        "properties": {"size": {"type": "integer"}, "a": {"type": "array", "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"], "items": {"type": "object", "properties": {"name": {"type": "string"}}}}},
        "x-kubernetes-preserve-unknown-fields": true}}});
    let client = runtime.block_on(async {
        let client = cluster().await.client();
        install(&client, &widget_definition(&schema)).await;
        client
    });
    let kinds = [
        ("/api/v1/namespaces/default/configmaps", "v1", "ConfigMap"),
        ("/api/v1/namespaces/default/services", "v1", "Service"),
        (
            "/apis/apps/v1/namespaces/default/deployments",
            "apps/v1",
            "Deployment",
        ),
        (
            "/apis/example.io/v1/namespaces/default/widgets",
            "example.io/v1",
            "Widget",
        ),
        (
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
        ),
        (
            "/apis/rbac.authorization.k8s.io/v1/clusterroles",
            "rbac.authorization.k8s.io/v1",
            "ClusterRole",
        ),
    ];
    let doors = [
        ("POST", "", "application/json"),
        ("PUT", "/a", "application/json"),
        (
            "PATCH",
            "/a?fieldManager=me&force=true",
            "application/apply-patch+yaml",
        ),
        ("PATCH", "/a", "application/merge-patch+json"),
        ("PATCH", "/a", "application/json-patch+json"),
        ("PATCH", "/a", "application/strategic-merge-patch+json"),
        ("DELETE", "/a", "application/json"),
    ];
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let input = (value(), 0..kinds.len(), 0..doors.len(), any::<bool>());
    runner
        .run(&input, |(mut body, kind, door, typed)| {
            let ((path, api_version, kind), (method, end, media)) = (kinds[kind], doors[door]);
            if typed && let Some(map) = body.as_object_mut() {
                map.insert("apiVersion".to_owned(), api_version.into());
                map.insert("kind".to_owned(), kind.into());
                let named = map.entry("metadata").or_insert_with(|| json!({}));
                if let Some(meta) = named.as_object_mut() {
                    meta.insert("name".to_owned(), "a".into());
                }
            }
            let (code, answer) =
                runtime.block_on(raw(&client, method, &format!("{path}{end}"), media, &body));
            // Kubernetes answers 500 itself where a configuration has undeclared fields, and to revisions that
            // are no numbers.
            let message = answer["message"].as_str().unwrap_or_default();
            let alike = [
                "failed to create typed patch object",
                "strconv.ParseUint",
                "resourceVersion should",
            ]
            .iter()
            .any(|start| message.starts_with(start));
            prop_assert!(
                (code < 500 || alike) && answer.is_object(),
                "{method} {path}{end} {body}: {code} {answer}"
            );
            Ok(())
        })
        .unwrap();
}
