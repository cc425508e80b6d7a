//! One resource of each kind that works, in the names of the per-kind routes: for descriptions and tests.

use nautes_model::Kind;
use serde_json::{Value, json};

const KUBECONFIG: &str = "apiVersion: v1
kind: Config
current-context: a
clusters: [{name: a, cluster: {server: 'https://127.0.0.1:6443'}}]
users: [{name: a, user: {token: REPLACE-ME}}]
contexts: [{name: a, context: {cluster: a, user: a}}]
";

/// Returns the name of the example of a kind.
#[must_use]
pub const fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Cluster => "pipelines",
        Kind::Product => "shop",
        Kind::Project => "web",
        Kind::Environment => "dev",
        Kind::CodeRepo => "source",
        Kind::CodeRepoBinding => "open",
        Kind::ProjectPipelineRuntime => "build",
        Kind::DeploymentRuntime => "live",
        _ => "example",
    }
}

/// Returns the body that saves the example of a kind.
#[must_use]
pub fn body(kind: Kind) -> Value {
    match kind {
        Kind::Cluster => json!({
            "api_server": "https://10.0.0.1:6443", "cluster_kind": "kubernetes", "cluster_type": "physical",
            "usage": "worker", "worker_type": "pipeline", "kubeconfig": KUBECONFIG,
            "components_list": {
                "multi_tenant": { "name": "namespaces", "namespace": "nautes" },
                "secret_sync": { "name": "direct", "namespace": "nautes" },
                "deployment": { "name": "direct", "namespace": "nautes" },
                "pipeline": {
                    "name": "tekton", "namespace": "tekton-pipelines",
                    "additions": { "host": "tekton.example.org" },
                },
                "event_listener": { "name": "webhook", "namespace": "nautes" },
            },
        }),
        Kind::Product => json!({ "git": { "gitlab": { "visibility": "private", "description": "a shop" } } }),
        Kind::Project => json!({ "language": "rust" }),
        Kind::Environment => json!({ "cluster": "pipelines", "env_type": "dev" }),
        Kind::CodeRepo => json!({
            "project": "web", "pipeline_runtime": true, "webhook": { "events": ["push_events"] },
            "git": { "gitlab": { "visibility": "private", "description": "the source" } },
        }),
        Kind::CodeRepoBinding => {
            json!({ "coderepo": "source", "permissions": "readonly", "projects": ["web"] })
        }
        Kind::ProjectPipelineRuntime => json!({
            "project": "web", "pipeline_source": "source",
            "pipelines": [{ "name": "main", "label": "default", "path": "main.yaml" }],
            "event_sources": [{
                "name": "push",
                "gitlab": { "repo_name": "source", "revision": "main", "events": ["push_events"] },
            }],
            "pipeline_triggers": [{ "event_source": "push", "pipeline": "main", "revision": "main" }],
            "destination": { "environment": "dev" }, "isolation": "shared",
        }),
        Kind::DeploymentRuntime => json!({
            "projects_ref": ["web"],
            "manifest_source": { "code_repo": "source", "target_revision": "main", "path": "live" },
            "destination": { "environment": "live", "namespaces": ["shop-live"] },
        }),
        _ => json!({}),
    }
}
