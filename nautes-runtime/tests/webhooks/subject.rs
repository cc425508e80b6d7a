//! The servers that the tests run on.

use kube::{Client, client::Body};
use nautes_runtime::local::{self, Options};
use serde_json::{Value, json};
use std::time::Duration;

use crate::{hook::Hook, real};

/// A server, with a namespace of the test's own.
pub(crate) struct Subject {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    configurations: std::sync::Mutex<Vec<String>>,
    _cluster: Option<local::Cluster>,
}

/// What a server said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) warnings: Vec<String>,
    pub(crate) body: Value,
}

impl Answer {
    /// Code and message of a refusal.
    pub(crate) fn refusal(&self) -> String {
        format!("{} {}", self.code, self.body["message"].as_str().unwrap_or("-"))
    }
}

/// Runs a test on every server that there is.
pub(crate) async fn on_each<F: Future<Output = ()>>(test: impl Fn(std::sync::Arc<Subject>) -> F) {
    let cluster = local::Cluster::start(Options::in_memory("test")).await.unwrap();
    run(&test, cluster.client(), Some(cluster)).await;
    match real::server().await {
        Some(server) => run(&test, server.client_without_retries(), None).await,
        None => eprintln!("neither KUBECONFIG nor KUBEBUILDER_ASSETS is set: no real API server is asked"),
    }
}

async fn run<F: Future<Output = ()>>(
    test: &impl Fn(std::sync::Arc<Subject>) -> F,
    client: Client,
    cluster: Option<local::Cluster>,
) {
    let namespace = format!("hooks-{:08x}", rand::random::<u32>());
    let subject = std::sync::Arc::new(Subject {
        client,
        namespace: namespace.clone(),
        configurations: std::sync::Mutex::default(),
        _cluster: cluster,
    });
    let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
    let made = subject.send("POST", "/api/v1/namespaces", &body).await;
    assert_eq!(made.code, 201, "{made:?}");
    test(subject.clone()).await;
    let paths = std::mem::take(&mut *subject.configurations.lock().unwrap());
    for path in paths {
        subject.send("DELETE", &path, &Value::Null).await;
    }
    subject
        .send("DELETE", &format!("/api/v1/namespaces/{namespace}"), &Value::Null)
        .await;
}

impl Subject {
    pub(crate) async fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        let bytes = if body.is_null() {
            Vec::new()
        } else {
            body.to_string().into_bytes()
        };
        let media = match method {
            "PATCH" => "application/merge-patch+json",
            _ => "application/json",
        };
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", media)
            .header("user-agent", "hooks/1.0")
            .body(Body::from(bytes))
            .unwrap();
        let response = self.client.send(request).await.unwrap();
        let code = response.status().as_u16();
        let warnings = response
            .headers()
            .get_all("warning")
            .iter()
            .map(|w| w.to_str().unwrap().to_owned())
            .collect();
        let bytes = response.into_body().collect_bytes().await.unwrap();
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Answer { code, warnings, body }
    }

    pub(crate) fn maps(&self) -> String {
        format!("/api/v1/namespaces/{}/configmaps", self.namespace)
    }

    /// Creates a ConfigMap.
    pub(crate) async fn make(&self, metadata: Value) -> Answer {
        let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata});
        self.send("POST", &self.maps(), &body).await
    }

    /// Registers a webhook for ConfigMaps of the namespace, and waits until it is called.
    pub(crate) async fn register(&self, kind: &str, hook: &Hook, more: &Value) {
        let id = format!("{}-{:04x}", self.namespace, rand::random::<u16>());
        let mut webhook = json!({
            "name": "judge.example.io", "admissionReviewVersions": ["v1"], "sideEffects": "None",
            "clientConfig": hook.client(),
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.namespace}},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["*"]}],
        });
        for (key, value) in more.as_object().unwrap() {
            webhook[key] = value.clone();
        }
        // A second webhook of the same service, by which the test sees that the first is in force.
        let mut probe = webhook.clone();
        probe["name"] = "probe.example.io".into();
        probe["objectSelector"] = json!({"matchLabels": {"probe": id}});
        probe["failurePolicy"] = "Ignore".into();
        probe["clientConfig"] = hook.client();
        probe["matchConditions"] = json!([]);
        probe["timeoutSeconds"] = 1.into();
        webhook["objectSelector"]["matchExpressions"] = json!([{"key": "probe", "operator": "DoesNotExist"}]);
        let body = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": id},
            "webhooks": [webhook, probe],
        });
        let path = format!("/apis/admissionregistration.k8s.io/v1/{}s", kind.to_lowercase());
        let made = self.send("POST", &path, &body).await;
        assert_eq!(made.code, 201, "{made:?}");
        self.configurations.lock().unwrap().push(format!("{path}/{id}"));
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        let dry = json!({"apiVersion": "v1", "kind": "ConfigMap",
                         "metadata": {"name": "probe", "labels": {"probe": id}}});
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        hook.seen();
        while hook.seen().is_empty() {
            assert!(
                tokio::time::Instant::now() < deadline,
                "the webhook is never called"
            );
            self.send("POST", &format!("{}?dryRun=All", self.maps()), &dry)
                .await;
            ticks.tick().await;
        }
        hook.seen();
    }
}
