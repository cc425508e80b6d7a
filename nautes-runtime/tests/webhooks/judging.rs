//! What webhooks are shown, and what comes of what they say.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    hook::{Hook, at_once, patch},
    subject::on_each,
};

const MUTATING: &str = "MutatingWebhookConfiguration";
const VALIDATING: &str = "ValidatingWebhookConfiguration";

/// The request of a review without what differs from run to run.
fn plain(request: &Value) -> Value {
    let mut request = request.clone();
    for field in ["uid", "userInfo", "namespace"] {
        request.as_object_mut().unwrap().remove(field);
    }
    for object in ["object", "oldObject"] {
        let meta = request.pointer_mut(&format!("/{object}/metadata"));
        if let Some(meta) = meta.and_then(Value::as_object_mut) {
            let known: Vec<String> = meta.keys().cloned().collect();
            meta.retain(|k, _| k == "name" || k == "labels" || k == "generateName");
            request[object]["has"] = json!(known);
        }
    }
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mutating_webhook_changes_what_is_stored() {
    on_each(|on| async move {
        let hook = Hook::start(at_once(|request| match request["operation"].as_str() {
            Some("DELETE") => json!({"allowed": true}),
            _ => patch(&json!([{"op": "add", "path": "/data", "value": {"by": "webhook"}}])),
        }))
        .await;
        on.register(MUTATING, &hook, &json!({})).await;
        let made = on.make(json!({"name": "a"})).await;
        assert_eq!((made.code, &made.body["data"]), (201, &json!({"by": "webhook"})));
        assert_eq!(made.body["metadata"]["managedFields"], json!(null));
        let seen = hook.seen();
        assert_eq!(seen.len(), 1);
        assert_eq!(
            plain(&seen[0]),
            json!({
                "kind": {"group": "", "version": "v1", "kind": "ConfigMap"},
                "resource": {"group": "", "version": "v1", "resource": "configmaps"},
                "requestKind": {"group": "", "version": "v1", "kind": "ConfigMap"},
                "requestResource": {"group": "", "version": "v1", "resource": "configmaps"},
                "operation": "CREATE", "name": "a", "dryRun": false, "oldObject": null,
                "object": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"},
                           "has": ["name", "namespace"]},
                "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"},
            })
        );
        let change = json!({"metadata": {"labels": {"k": "v"}}});
        let path = format!("{}/a?fieldManager=me", on.maps());
        let changed = on.send("PATCH", &path, &change).await;
        assert_eq!(changed.code, 200, "{changed:?}");
        let gone = on.send("DELETE", &format!("{}/a", on.maps()), &Value::Null).await;
        assert_eq!(gone.code, 200, "{gone:?}");
        let seen: Vec<Value> = hook.seen().iter().map(plain).collect();
        assert_eq!(seen.len(), 2);
        assert_eq!(
            seen[0]["options"],
            json!({"apiVersion": "meta.k8s.io/v1", "kind": "UpdateOptions", "fieldManager": "me"})
        );
        assert_eq!(seen[0]["object"]["metadata"]["labels"], json!({"k": "v"}));
        assert_eq!(seen[0]["oldObject"]["metadata"]["labels"], json!(null));
        assert_eq!(seen[1]["operation"], "DELETE");
        assert_eq!(seen[1]["object"], json!(null));
        assert_eq!(seen[1]["oldObject"]["data"], json!({"by": "webhook"}));
        assert_eq!(seen[1]["options"]["kind"], "DeleteOptions");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_name_is_made_once() {
    on_each(|on| async move {
        let hook = Hook::start(at_once(|_| json!({"allowed": true}))).await;
        on.register(VALIDATING, &hook, &json!({})).await;
        let made = on.make(json!({"generateName": "a-"})).await;
        let seen = hook.seen();
        assert_eq!(seen.len(), 1);
        assert_eq!(
            seen[0]["object"]["metadata"]["name"],
            made.body["metadata"]["name"]
        );
        assert_eq!(seen[0]["object"]["metadata"]["uid"], made.body["metadata"]["uid"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_is_told_in_the_words_of_kubernetes() {
    on_each(|on| async move {
        let hook = Hook::start(at_once(|request| {
            let status = request["object"]["metadata"]["annotations"]["status"].clone();
            let status: Value = serde_json::from_str(status.as_str().unwrap_or("null")).unwrap();
            json!({"allowed": false, "status": status, "warnings": ["beware of \"this\""]})
        }))
        .await;
        on.register(VALIDATING, &hook, &json!({})).await;
        let make = async |status: &str| {
            on.make(json!({"name": "a", "annotations": {"status": status}}))
                .await
        };
        let said = make("null").await;
        assert_eq!(
            said.refusal(),
            "400 admission webhook \"judge.example.io\" denied the request without explanation"
        );
        assert_eq!(said.warnings, ["299 - \"beware of \\\"this\\\"\""]);
        assert_eq!(said.body.get("reason"), None);
        let said =
            make(r#"{"code": 403, "message": "not today", "reason": "Forbidden", "details": {"name": "x"}}"#)
                .await;
        assert_eq!(
            said.refusal(),
            "403 admission webhook \"judge.example.io\" denied the request: not today"
        );
        assert_eq!(said.body["reason"], "Forbidden");
        assert_eq!(said.body["details"], json!({"name": "x"}));
        let said = make(r#"{"reason": "Because"}"#).await;
        assert_eq!(
            said.refusal(),
            "400 admission webhook \"judge.example.io\" denied the request: Because"
        );
        let none = on.send("GET", &format!("{}/a", on.maps()), &Value::Null).await;
        assert_eq!(none.code, 404);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_fails_is_passed_over_or_not() {
    on_each(|on| async move {
        let hook = Hook::start(Arc::new(|request: Value| {
            Box::pin(async move {
                match request["object"]["metadata"]["labels"]["how"].as_str() {
                    Some("slow") => std::future::pending().await,
                    Some("broken") => json!({"http": 500}),
                    Some("missing") => json!({"http": 404}),
                    Some("mixed-up") => json!({"allowed": true, "uid": "other"}),
                    Some("untyped") => json!({"allowed": true, "patch": "W10="}),
                    Some("bad-patch") => patch(&json!([{"op": "remove", "path": "/no/such"}])),
                    _ => json!({"allowed": true}),
                }
            })
        }))
        .await;
        on.register(MUTATING, &hook, &json!({"timeoutSeconds": 1})).await;
        let url = format!("{}?timeout=1s", hook.url());
        for (how, said) in [
            ("slow", format!("failed to call webhook: Post \"{url}\": context deadline exceeded")),
            ("broken", "failed to call webhook: an error on the server (\"out of order\") has prevented the request from succeeding".to_owned()),
            ("missing", "failed to call webhook: the server could not find the requested resource".to_owned()),
            ("mixed-up", "received invalid webhook response: expected response.uid=UID, got \"other\"".to_owned()),
            ("untyped", "received invalid webhook response: webhook returned response.patch but not response.patchType".to_owned()),
        ] {
            let answer = on.make(json!({"name": how, "labels": {"how": how}})).await;
            let asked = hook.seen();
            let uid = format!("{:?}", asked[0]["uid"].as_str().unwrap());
            assert_eq!(
                answer.refusal().replace(&uid, "UID"),
                format!("500 Internal error occurred: failed calling webhook \"judge.example.io\": {said}")
            );
            assert_eq!(answer.body["reason"], "InternalError");
        }
        let answer = on.make(json!({"name": "bad-patch", "labels": {"how": "bad-patch"}})).await;
        assert_eq!(answer.code, 500, "{answer:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_listens_there() {
    on_each(|on| async move {
        let hook = Hook::start(at_once(|_| json!({"allowed": true}))).await;
        let nowhere = json!({"url": "https://127.0.0.1:1/judge"});
        on.register(VALIDATING, &hook, &json!({"clientConfig": nowhere})).await;
        assert_eq!(
            on.make(json!({"name": "a"})).await.refusal(),
            "500 Internal error occurred: failed calling webhook \"judge.example.io\": failed to call webhook: \
             Post \"https://127.0.0.1:1/judge?timeout=10s\": dial tcp 127.0.0.1:1: connect: connection refused"
        );
    })
    .await;
    on_each(|on| async move {
        let hook = Hook::start(at_once(|_| json!({"allowed": true}))).await;
        let nowhere = json!({"url": "https://127.0.0.1:1/judge"});
        let ignoring = json!({"clientConfig": nowhere, "failurePolicy": "Ignore"});
        on.register(VALIDATING, &hook, &ignoring).await;
        assert_eq!(on.make(json!({"name": "a"})).await.code, 201);
    })
    .await;
    on_each(|on| async move {
        let (hook, other) = (
            Hook::start(at_once(|_| json!({"allowed": true}))).await,
            Hook::start(at_once(|_| json!({"allowed": true}))).await,
        );
        let mixed = json!({"url": other.url(), "caBundle": hook.client()["caBundle"]});
        on.register(VALIDATING, &hook, &json!({"clientConfig": mixed}))
            .await;
        let said = on.make(json!({"name": "a"})).await;
        assert!(
            said.refusal()
                .contains("tls: failed to verify certificate: x509: "),
            "{said:?}"
        );
    })
    .await;
    on_each(|on| async move {
        let hook = Hook::start(at_once(|_| json!({"allowed": true}))).await;
        let service = json!({"service": {"namespace": on.namespace, "name": "none"}});
        on.register(VALIDATING, &hook, &json!({"clientConfig": service})).await;
        assert_eq!(
            on.make(json!({"name": "a"})).await.refusal().replace(&on.namespace, "NS"),
            "500 Internal error occurred: failed calling webhook \"judge.example.io\": failed to call webhook: \
             Post \"https://none.NS.svc:443/?timeout=10s\": service \"none\" not found"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_sees_what_its_selectors_and_conditions_let_it() {
    on_each(|on| async move {
        let hook = Hook::start(at_once(|_| json!({"allowed": true}))).await;
        on.register(
            VALIDATING,
            &hook,
            &json!({
                "objectSelector": {"matchLabels": {"judged": "yes"}},
                "matchConditions": [
                    {"name": "not-b", "expression": "object.metadata.name != 'b'"},
                    {"name": "creates", "expression": "request.operation == 'CREATE' && oldObject == null"},
                ],
            }),
        )
        .await;
        for (name, labels) in [("a", json!({})), ("b", json!({"judged": "yes"})), ("c", json!({"judged": "yes"}))] {
            assert_eq!(on.make(json!({"name": name, "labels": labels})).await.code, 201);
        }
        let change = json!({"data": {"a": "b"}});
        assert_eq!(on.send("PATCH", &format!("{}/c", on.maps()), &change).await.code, 200);
        let dry = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "d", "labels": {"judged": "yes"}}});
        assert_eq!(on.send("POST", &format!("{}?dryRun=All", on.maps()), &dry).await.code, 201);
        let seen: Vec<(Value, Value)> = hook.seen().iter().map(|s| (s["name"].clone(), s["dryRun"].clone())).collect();
        assert_eq!(seen, [("c".into(), false.into()), ("d".into(), true.into())]);
    })
    .await;
    on_each(|on| async move {
        let hook = Hook::start(at_once(|_| json!({"allowed": true}))).await;
        let own = json!({"matchLabels": {"kubernetes.io/metadata.name": on.namespace}});
        on.register(VALIDATING, &hook, &json!({"namespaceSelector": own, "rules": [
            {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["CREATE"]},
        ]}))
        .await;
        assert_eq!(on.make(json!({"name": "a"})).await.code, 201);
        assert_eq!(
            on.send("DELETE", &format!("{}/a", on.maps()), &Value::Null)
                .await
                .code,
            200
        );
        assert_eq!(hook.seen().len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_can_write_to_the_server_that_asks_it() {
    on_each(|on| async move {
        let inner = on.clone();
        let hook = Hook::start(Arc::new(move |request: Value| {
            let on = inner.clone();
            Box::pin(async move {
                let first = request["oldObject"]["data"]["other"].is_null();
                if request["operation"] == "UPDATE" && first {
                    // The write that is judged meets another state of its object then.
                    let path = format!("{}/a", on.maps());
                    let change = json!({"data": {"other": "yes"}});
                    let inner = json!(request["object"]["data"]["other"].is_null());
                    if inner == json!(true) {
                        assert_eq!(on.send("PATCH", &path, &change).await.code, 200);
                    }
                }
                json!({"allowed": true})
            })
        }))
        .await;
        on.register(VALIDATING, &hook, &json!({})).await;
        assert_eq!(on.make(json!({"name": "a"})).await.code, 201);
        let path = format!("{}/a", on.maps());
        let change = on.send("PATCH", &path, &json!({"data": {"own": "yes"}})).await;
        assert_eq!((change.code, &change.body["data"]), (200, &json!({"other": "yes", "own": "yes"})));
        hook.seen();
        // A write that names the version it is about is not made on another.
        let stale = json!({"metadata": {"resourceVersion": change.body["metadata"]["resourceVersion"]}, "data": {"a": "b"}});
        assert_eq!(on.send("PATCH", &path, &stale).await.code, 200);
        assert_eq!(on.send("PATCH", &path, &stale).await.code, 409);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_object_of_a_collection_is_judged() {
    on_each(|on| async move {
        let hook = Hook::start(at_once(|request| json!({"allowed": request["operation"] == "CREATE" || request["oldObject"]["metadata"]["labels"]["kept"].is_null()}))).await;
        on.register(VALIDATING, &hook, &json!({})).await;
        for name in ["a", "b", "c"] {
            assert_eq!(on.make(json!({"name": name, "labels": {"of": "test"}})).await.code, 201);
        }
        hook.seen();
        let all = format!("{}?labelSelector=of%3Dtest", on.maps());
        let gone = on.send("DELETE", &all, &Value::Null).await;
        assert_eq!((gone.code, gone.body["items"].as_array().unwrap().len()), (200, 3));
        assert_eq!(hook.seen().len(), 3);
        assert_eq!(on.make(json!({"name": "k", "labels": {"of": "test", "kept": "yes"}})).await.code, 201);
        assert_eq!(on.send("DELETE", &all, &Value::Null).await.code, 400);
        let path = format!("{}/k", on.maps());
        assert_eq!(on.send("GET", &path, &Value::Null).await.code, 200);
    })
    .await;
}
