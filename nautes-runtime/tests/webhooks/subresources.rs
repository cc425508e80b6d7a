//! Webhooks for parts of objects: their status, their scale, the tokens of accounts.

use serde_json::{Value, json};

use crate::{
    hook::{Hook, at_once, patch},
    subject::{Subject, on_each},
};

const MUTATING: &str = "MutatingWebhookConfiguration";
const VALIDATING: &str = "ValidatingWebhookConfiguration";

/// Rules for a resource of any group, and for the ConfigMaps by which a test sees that a webhook is in force.
fn rules(resource: &str) -> Value {
    json!([{"apiGroups": ["*"], "apiVersions": ["*"], "resources": [resource, "configmaps"], "operations": ["*"]}])
}

async fn deployment(on: &Subject) -> String {
    let body = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {
            "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}},
    });
    let path = format!("/apis/apps/v1/namespaces/{}/deployments", on.namespace);
    let made = on.send("POST", &path, &body).await;
    assert_eq!(made.code, 201, "{made:?}");
    format!("{path}/d")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_changes_a_scale() {
    on_each(|on| async move {
        let hook = Hook::start(at_once(|request| match request["subResource"].as_str() {
            Some("scale") => patch(&json!([{"op": "replace", "path": "/spec/replicas", "value": 7}])),
            _ => json!({"allowed": true}),
        }))
        .await;
        let path = deployment(&on).await;
        let conditions =
            json!([{"name": "many", "expression": "!has(object.spec) || object.spec.replicas > 2"}]);
        let more = json!({"rules": rules("deployments/scale"), "matchConditions": conditions});
        on.register(MUTATING, &hook, &more).await;
        let scale = |replicas: i64| json!({"spec": {"replicas": replicas}});
        let few = on.send("PATCH", &format!("{path}/scale"), &scale(2)).await;
        assert_eq!((few.code, &few.body["spec"]["replicas"]), (200, &json!(2)));
        assert_eq!(hook.seen().len(), 0);
        let many = on.send("PATCH", &format!("{path}/scale"), &scale(3)).await;
        assert_eq!(
            (many.code, &many.body["spec"]["replicas"]),
            (200, &json!(7)),
            "{many:?}"
        );
        let seen = hook.seen();
        assert_eq!(seen.len(), 1);
        assert_eq!(
            seen[0]["kind"],
            json!({"group": "autoscaling", "version": "v1", "kind": "Scale"})
        );
        assert_eq!(seen[0]["resource"]["resource"], "deployments");
        assert_eq!(
            (&seen[0]["name"], &seen[0]["operation"]),
            (&json!("d"), &json!("UPDATE"))
        );
        assert_eq!(seen[0]["object"]["spec"], json!({"replicas": 3}));
        assert_eq!(seen[0]["oldObject"]["spec"], json!({"replicas": 2}));
        let now = on.send("GET", &path, &Value::Null).await;
        assert_eq!(now.body["spec"]["replicas"], 7);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_judges_a_status_and_not_the_object() {
    on_each(|on| async move {
        let hook = Hook::start(at_once(|request| match request["subResource"].as_str() {
            Some("status") => json!({"allowed": false, "status": {"message": "no status"}}),
            _ => json!({"allowed": true}),
        }))
        .await;
        let path = deployment(&on).await;
        on.register(VALIDATING, &hook, &json!({"rules": rules("*/status")}))
            .await;
        let refused = on
            .send(
                "PATCH",
                &format!("{path}/status"),
                &json!({"status": {"replicas": 1}}),
            )
            .await;
        assert_eq!(
            refused.refusal(),
            "400 admission webhook \"judge.example.io\" denied the request: no status"
        );
        assert_eq!(hook.seen()[0]["kind"]["kind"], "Deployment");
        let changed = on
            .send("PATCH", &path, &json!({"metadata": {"labels": {"a": "b"}}}))
            .await;
        assert_eq!((changed.code, hook.seen().len()), (200, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_changes_how_long_a_token_is_good() {
    on_each(|on| async move {
        let hook = Hook::start(at_once(|request| match request["subResource"].as_str() {
            Some("token") => {
                patch(&json!([{"op": "replace", "path": "/spec/expirationSeconds", "value": 1000}]))
            }
            _ => json!({"allowed": true}),
        }))
        .await;
        on.register(MUTATING, &hook, &json!({"rules": rules("serviceaccounts/token")}))
            .await;
        let accounts = format!("/api/v1/namespaces/{}/serviceaccounts", on.namespace);
        let body = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "s"}});
        let made = on.send("POST", &accounts, &body).await;
        assert_eq!(made.code, 201, "{made:?}");
        let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
        let given = on.send("POST", &format!("{accounts}/s/token"), &body).await;
        assert_eq!(
            (given.code, &given.body["spec"]["expirationSeconds"]),
            (201, &json!(1000)),
            "{given:?}"
        );
        let seen = hook.seen();
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0]["kind"]["kind"], "TokenRequest");
        assert_eq!(
            (&seen[0]["name"], &seen[0]["operation"]),
            (&json!("s"), &json!("CREATE"))
        );
        assert_eq!(
            seen[0]["object"]["spec"],
            json!({"audiences": null, "boundObjectRef": null, "expirationSeconds": 3600})
        );
    })
    .await;
}
