//! Webhooks that want to see what others made of an object after them.

use serde_json::{Value, json};

use crate::{
    hook::{Hook, at_once, patch},
    subject::on_each,
};

const MUTATING: &str = "MutatingWebhookConfiguration";

/// A webhook that writes its name where it is missing.
async fn signing(name: &'static str) -> Hook {
    Hook::start(at_once(move |request| {
        let labels = &request["object"]["metadata"]["labels"];
        match labels[name].as_str() {
            Some(_) => json!({"allowed": true}),
            None => patch(
                &json!([{"op": "add", "path": format!("/metadata/labels/{name}"), "value": "was-here"}]),
            ),
        }
    }))
    .await
}

/// The labels of the objects that a webhook was shown.
fn labels(hook: &Hook) -> Vec<Vec<String>> {
    let names = |request: Value| {
        let labels = request["object"]["metadata"]["labels"].as_object().cloned();
        labels.unwrap_or_default().into_iter().map(|(k, _)| k).collect()
    };
    hook.seen().into_iter().map(names).collect()
}

async fn shown(policy: &'static str) -> Vec<Vec<Vec<String>>> {
    let all = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = all.clone();
    on_each(move |on| {
        let told = told.clone();
        async move {
            let (a, b) = (signing("a").await, signing("b").await);
            for hook in [&a, &b] {
                on.register(MUTATING, hook, &json!({"reinvocationPolicy": policy}))
                    .await;
            }
            let _ = (a.seen(), b.seen());
            let made = on.make(json!({"name": "x", "labels": {"own": ""}})).await;
            assert_eq!(made.code, 201, "{made:?}");
            assert_eq!(
                made.body["metadata"]["labels"],
                json!({"a": "was-here", "b": "was-here", "own": ""})
            );
            // Which is asked first depends on the names of the configurations.
            let mut seen = vec![labels(&a), labels(&b)];
            seen.sort_by_key(Vec::len);
            told.lock().unwrap().push(seen);
        }
    })
    .await;
    let all = all.lock().unwrap().clone();
    all.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_asked_again_when_a_later_one_changed_the_object() {
    for seen in shown("IfNeeded").await.chunks(2) {
        assert_eq!((seen[0].len(), seen[1].len()), (1, 2), "{seen:?}");
        assert_eq!(seen[1][0], ["own"]);
        assert_eq!(seen[1][1], ["a", "b", "own"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_does_not_ask_for_it_is_asked_once() {
    for seen in shown("Never").await.chunks(2) {
        assert_eq!((seen[0].len(), seen[1].len()), (1, 1), "{seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plug_ins_of_the_server_see_what_webhooks_made() {
    on_each(|on| async move {
        let hook = Hook::start(at_once(|request| match request["kind"]["kind"].as_str() {
            Some("Pod") => patch(&json!([
                {"op": "add", "path": "/spec/containers/-", "value": {"name": "side", "image": "s"}},
            ])),
            _ => json!({"allowed": true}),
        }))
        .await;
        let rules = json!([{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods", "configmaps"],
                            "operations": ["CREATE"]}]);
        on.register(MUTATING, &hook, &json!({"rules": rules})).await;
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
                         "spec": {"containers": [{"name": "c", "image": "i"}]}});
        let path = format!("/api/v1/namespaces/{}/pods", on.namespace);
        let made = on.send("POST", &path, &pod).await;
        assert_eq!(made.code, 201, "{made:?}");
        let side = &made.body["spec"]["containers"][1];
        assert_eq!(side["imagePullPolicy"], "Always");
        assert_eq!(
            side["volumeMounts"][0]["mountPath"],
            "/var/run/secrets/kubernetes.io/serviceaccount"
        );
    })
    .await;
}
