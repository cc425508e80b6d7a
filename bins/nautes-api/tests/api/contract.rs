//! The contract of the reference: every operation of its description of the API, asked in its words.
//!
//! `NAUTES_REFERENCE_DIR` names a folder with that description, `openapi.yaml`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{World, physical};

const GITLAB: &str = "
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: CodeRepoProvider
metadata: {name: gitlab}
spec:
  httpAddress: https://git.example.org
  sshAddress: ssh://git@git.example.org
  apiServer: https://git.example.org/api/v4
  providerType: gitlab
";

const LIVE: &str = "
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Environment
spec: {name: live, product: shop, cluster: live, envType: live}
";

const KUBECONFIG: &str = "
apiVersion: v1
kind: Config
current-context: a
clusters: [{name: a, cluster: {server: 'https://127.0.0.1:1'}}]
users: [{name: a, user: {token: t}}]
contexts: [{name: a, context: {cluster: a, user: a}}]
";

#[expect(clippy::print_stdout, reason = "says that it did nothing")]
fn description() -> Option<Value> {
    let variable = "NAUTES_REFERENCE_DIR";
    let folder = std::env::vars().find_map(|(key, value)| (key == variable).then_some(value));
    let Some(folder) = folder else {
        println!("skipped: {variable} does not name the folder of the reference's openapi.yaml");
        return None;
    };
    let text = std::fs::read_to_string(PathBuf::from(folder).join("openapi.yaml")).unwrap();
    Some(serde_yaml::from_str(&text).unwrap())
}

/// One resource of each kind: the name, and the body with every field that the description has.
struct Sample {
    collection: &'static str,
    name: &'static str,
    body: Value,
}

fn component(name: &str, namespace: &str) -> Value {
    json!({ "name": name, "namespace": namespace, "additions": {} })
}

/// In the order in which they can be created.
fn samples() -> Vec<Sample> {
    let forge =
        |name: &str| json!({ "name": name, "path": name, "visibility": "private", "description": "d" });
    let sample = |collection, name, body| Sample {
        collection,
        name,
        body,
    };
    vec![
        sample(
            "clusters",
            "all",
            json!({
                "api_server": "https://10.0.0.1:6443", "cluster_kind": "kubernetes", "cluster_type": "physical",
                "usage": "worker", "host_cluster": "", "worker_type": "pipeline", "kubeconfig": KUBECONFIG,
                "primary_domain": "example.org",
                "reserved_namespaces_allowed_products": { "tekton-pipelines": ["shop"] },
                "product_allowed_cluster_resources": { "shop": [{ "kind": "ClusterRole", "group": "rbac.authorization.k8s.io" }] },
                "components_list": {
                    "multi_tenant": component("namespaces", "nautes"),
                    "secret_sync": component("direct", "nautes"),
                    "deployment": component("direct", "nautes"),
                    "pipeline": { "name": "tekton", "namespace": "tekton-pipelines", "additions": { "host": "tekton.example.org" } },
                    "event_listener": component("webhook", "nautes"),
                },
            }),
        ),
        sample(
            "products",
            "shop",
            json!({ "product_name": "shop", "git": { "gitlab": forge("shop"), "github": null } }),
        ),
        sample("projects", "web", json!({ "language": "rust" })),
        sample(
            "environments",
            "dev",
            json!({ "cluster": "all", "env_type": "dev" }),
        ),
        sample(
            "coderepos",
            "source",
            json!({
                "project": "web", "webhook": { "events": ["push_events"] }, "deployment_runtime": false,
                "pipeline_runtime": true, "git": { "gitlab": forge("source"), "github": null },
            }),
        ),
        sample(
            "coderepobindings",
            "open",
            json!({ "product": "shop", "coderepo": "source", "permissions": "readonly", "projects": ["web"] }),
        ),
        sample(
            "projectpipelineruntimes",
            "build",
            json!({
                "project": "web", "pipeline_source": "source",
                "pipelines": [{ "name": "main", "label": "default", "path": "main.yaml" }],
                "event_sources": [
                    { "name": "push", "gitlab": { "repo_name": "source", "revision": "main", "events": ["push_events"] }, "calendar": null },
                    { "name": "night", "gitlab": null, "calendar": { "schedule": "0 17 * * *", "interval": "", "exclusion_dates": [], "timezone": "UTC" } },
                ],
                "pipeline_triggers": [{
                    "event_source": "push", "pipeline": "main", "revision": "main",
                    "inputs": [{
                        "source": { "built_in_var": "", "from_event": "body.ref" },
                        "transmission_method": { "kustomization": { "path": "params" } },
                    }],
                }],
                "destination": { "environment": "dev", "namespace": "shop-build" }, "isolation": "shared",
                "additional_resources": { "git": { "coderepo": "source", "url": "", "revision": "main", "path": "deploy" } },
                "account": "builder", "hooks": { "pre_hooks": [{ "name": "log", "vars": {}, "alias": "before" }], "post_hooks": [] },
            }),
        ),
        sample(
            "deploymentruntimes",
            "live",
            json!({
                "projects_ref": ["web"],
                "manifest_source": { "code_repo": "source", "target_revision": "main", "path": "live" },
                "destination": { "environment": "live", "namespaces": ["shop-live"] }, "account": "deployer",
            }),
        ),
    ]
}

/// Fills the variables of a path: the product in products, the sample elsewhere.
fn filled(path: &str, sample: &Sample) -> String {
    let mut out = path.replace("{product_name}", "shop");
    while let (Some(start), Some(end)) = (out.find('{'), out.find('}')) {
        out.replace_range(start..=end, sample.name);
    }
    out
}

fn of<'s>(path: &str, samples: &'s [Sample]) -> &'s Sample {
    samples
        .iter()
        .rfind(|sample| path.contains(&format!("/{}", sample.collection)))
        .unwrap()
}

/// Says what in a value is not as a schema of the description has it.
fn faults(description: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        if reference.ends_with("google.protobuf.ListValue") {
            // In JSON it is a list, as its own text says.
            let what = format!("{at}: not a list: {value}");
            return if value.is_array() { Vec::new() } else { vec![what] };
        }
        let pointer = reference.trim_start_matches('#');
        return faults(description, description.pointer(pointer).unwrap(), value, at);
    }
    if let Some(all) = schema["allOf"].as_array() {
        return all
            .iter()
            .flat_map(|one| faults(description, one, value, at))
            .collect();
    }
    match (schema["type"].as_str(), value) {
        (Some("object"), Value::Object(map)) => map
            .iter()
            .flat_map(|(key, inner)| {
                let schema = schema["properties"]
                    .get(key)
                    .or_else(|| schema.get("additionalProperties"));
                schema.map_or_else(Vec::new, |schema| {
                    faults(description, schema, inner, &format!("{at}.{key}"))
                })
            })
            .collect(),
        (Some("array"), Value::Array(items)) => items
            .iter()
            .flat_map(|item| faults(description, &schema["items"], item, &format!("{at}[]")))
            .collect(),
        (Some("string"), Value::String(_)) | (Some("boolean"), Value::Bool(_)) => Vec::new(),
        (Some("integer"), Value::Number(n)) if n.is_i64() => Vec::new(),
        (None, _) => Vec::new(),
        (Some(wanted), found) => vec![format!("{at}: not of type {wanted}: {found}")],
    }
}

/// Says which fields of a message of the description an answer does not have.
fn missing(description: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let pointer = schema["$ref"].as_str().map(|r| r.trim_start_matches('#'));
    let schema = pointer.map_or(schema, |p| description.pointer(p).unwrap());
    let message = |schema: &Value| schema["$ref"].is_string() || schema["allOf"].is_array();
    match value {
        Value::Object(map) => schema["properties"]
            .as_object()
            .into_iter()
            .flatten()
            .flat_map(|(key, inner)| match map.get(key) {
                Some(value) => missing(description, inner, value, &format!("{at}.{key}")),
                None if message(inner) => Vec::new(),
                None => vec![format!("{at}.{key}")],
            })
            .collect(),
        Value::Array(items) => items
            .iter()
            .flat_map(|item| missing(description, &schema["items"], item, &format!("{at}[]")))
            .collect(),
        _ => Vec::new(),
    }
}

fn reply(operation: &Value) -> &Value {
    &operation["responses"]["200"]["content"]["application/json"]["schema"]
}

#[tokio::test]
async fn every_operation_of_the_reference_is_answered_as_it_describes() {
    let Some(description) = description() else { return };
    let world = World::new().await;
    world.apply(&world.admin, GITLAB).await;
    world
        .apply(&world.admin, &physical("live", "deployment", "6444"))
        .await;
    let samples = samples();
    let paths: Vec<(&String, &Value)> = description["paths"].as_object().unwrap().iter().collect();
    let mut asked = BTreeSet::new();
    let mut wrong = Vec::new();
    // Saved in the order of creation, read, and removed in the opposite order.
    let posts = samples.iter().map(|sample| ("post", sample));
    let gets = samples.iter().map(|sample| ("get", sample));
    let deletes = samples.iter().rev().map(|sample| ("delete", sample));
    for (method, sample) in posts.chain(gets).chain(deletes) {
        match (method, sample.collection) {
            // Deployments take a cluster of another type than pipelines.
            ("post", "deploymentruntimes") => drop(world.apply(&world.admin, LIVE).await),
            ("delete", "projectpipelineruntimes") => {
                let path = "/api/v1/products/shop/environments/live";
                world.call(&world.admin, Method::DELETE, path, Value::Null).await;
            }
            // A product that clusters name stays.
            ("delete", "products") => {
                let mut cluster = samples[0].body.clone();
                cluster["reserved_namespaces_allowed_products"] = json!({});
                cluster["product_allowed_cluster_resources"] = json!({});
                let path = "/api/v1/clusters/all";
                world.call(&world.admin, Method::POST, path, cluster).await;
            }
            _ => {}
        }
        for (path, operations) in &paths {
            let operation = &operations[method];
            if operation.is_null() || !std::ptr::eq(of(path, &samples), sample) {
                continue;
            }
            let name = format!("{method} {path}");
            let body = if method == "post" {
                sample.body.clone()
            } else {
                Value::Null
            };
            let verb = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let answer = world.call(&world.admin, verb, &filled(path, sample), body).await;
            if answer.status != StatusCode::OK {
                wrong.push(format!("{name}: {} {:#}", answer.status, answer.body));
            }
            wrong.extend(
                faults(&description, reply(operation), &answer.body, "")
                    .into_iter()
                    .map(|fault| format!("{name}: {fault}")),
            );
            wrong.extend(
                missing(&description, reply(operation), &answer.body, "")
                    .into_iter()
                    .map(|field| format!("{name}: {field} is missing")),
            );
            if method == "get" && path.ends_with('}') {
                wrong.extend(
                    unlike(&sample.body, &answer.body, "")
                        .into_iter()
                        .map(|fault| format!("{name}: {fault}")),
                );
            }
            asked.insert(name);
        }
    }
    let all: BTreeSet<String> = paths
        .iter()
        .flat_map(|(path, operations)| {
            let methods = operations.as_object().unwrap().keys();
            methods.map(move |method| format!("{method} {path}"))
        })
        .collect();
    assert_eq!(asked, all, "every operation is asked");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Says what was sent and is not answered. Secrets are never answered, nor is the port, which becomes part of the
/// address.
fn unlike(sent: &Value, got: &Value, at: &str) -> Vec<String> {
    match sent {
        Value::Null => Vec::new(),
        Value::Object(map) => map
            .iter()
            .filter(|(key, _)| !matches!(key.as_str(), "kubeconfig" | "product_name"))
            .flat_map(|(key, inner)| unlike(inner, &got[key], &format!("{at}.{key}")))
            .collect(),
        Value::Array(items) if !items.is_empty() => items
            .iter()
            .enumerate()
            .flat_map(|(i, item)| unlike(item, &got[i], &format!("{at}[{i}]")))
            .collect(),
        other if got == other => Vec::new(),
        other => vec![format!("{at}: {other} was sent, {got} is answered")],
    }
}
