//! The kinds of Nautes on an API server: their definitions are taken, and what the reader of manifests makes of an
//! object is what the server makes of it.
//!
//! On the local cluster, and on a real server where `KUBECONFIG` or `KUBEBUILDER_ASSETS` names one; nothing is
//! kept there but the definitions.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "tests")]

#[path = "support/real.rs"]
mod real;

use std::time::Duration;

use kube::Client;
use nautes_model::kind::{API_VERSION, GROUP, KINDS, KindInfo, VERSION};
use nautes_model::manifest::{Context, Form, parse_json};
use nautes_model::{Kind, Severity, crd};
use nautes_runtime::local::{self, Options};
use nautes_validate::generate;
use serde_json::{Value, json};

async fn send(client: &Client, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .body(kube::client::Body::from(serde_json::to_vec(body).unwrap()))
        .unwrap();
    let response = client.send(request).await.unwrap();
    let code = response.status().as_u16();
    let bytes = response.into_body().collect_bytes().await.unwrap();
    (code, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

/// Installs every definition and waits until its kind is served.
async fn install(client: &Client) {
    const PATH: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    for definition in crd::definitions() {
        let mut definition = serde_json::to_value(definition).unwrap();
        let path = format!("{PATH}/{}", definition["metadata"]["name"].as_str().unwrap());
        let (code, live) = send(client, "GET", &path, &Value::Null).await;
        let (code, answer) = if code == 200 {
            definition["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
            send(client, "PUT", &path, &definition).await
        } else {
            send(client, "POST", PATH, &definition).await
        };
        assert!(code == 200 || code == 201, "{answer:#}");
    }
    for info in KINDS {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        let mut interval = tokio::time::interval(Duration::from_millis(20));
        while send(client, "GET", &path(info), &Value::Null).await.0 != 200 {
            assert!(
                tokio::time::Instant::now() < deadline,
                "{} is not served",
                info.name
            );
            interval.tick().await;
        }
    }
}

fn path(info: &KindInfo) -> String {
    format!("/apis/{GROUP}/{VERSION}/namespaces/default/{}", info.plural)
}

/// Tries to create an object. What the server has against its form, without the rules that also look at its
/// meaning.
async fn server_refuses(client: &Client, info: &KindInfo, object: &Value) -> Vec<String> {
    let path = format!("{}?dryRun=All&fieldValidation=Strict", path(info));
    let (code, answer) = send(client, "POST", &path, object).await;
    let message = answer["message"].as_str().unwrap_or_default().to_owned();
    match code {
        201 => Vec::new(),
        400 => vec![message],
        422 => {
            let causes = answer["details"]["causes"].as_array().unwrap();
            let texts = causes.iter().map(|c| format!("{}: {}", c["field"], c["message"]));
            let of_form = texts.filter(|text| {
                let by_rule = crd::rules()
                    .iter()
                    .any(|rule| text.contains(&format!("{}: ", rule.id)));
                // A server does not look at the rules of what has no form.
                !by_rule && !text.contains("some validation rules were not checked")
            });
            of_form.collect()
        }
        _ => panic!("{code}: {answer:#}"),
    }
}

fn reader_refuses(info: &KindInfo, object: &Value) -> Vec<String> {
    let product = "a".parse().unwrap();
    let context = Context::new("f", Form::Git).product(info.kind.is_of_product().then_some(&product));
    parse_json(object.clone(), &context)
        .findings
        .iter()
        .filter(|f| f.severity == Severity::Error)
        .map(ToString::to_string)
        .collect()
}

/// A value with everything that a schema has, once.
fn full(schema: &Value) -> Value {
    match schema["type"].as_str().unwrap() {
        "object" if schema["properties"].is_object() => {
            let fields = schema["properties"].as_object().unwrap();
            fields
                .iter()
                .map(|(name, field)| (name.clone(), full(field)))
                .collect()
        }
        "object" => json!({ "a": full(&schema["additionalProperties"]) }),
        "array" => json!([full(&schema["items"])]),
        "string" => match schema["enum"].as_array() {
            Some(choices) => choices.iter().find(|c| **c != json!("")).unwrap().clone(),
            None => json!("a"),
        },
        "boolean" => json!(true),
        _ => json!(1),
    }
}

/// Whether both must refuse it, or only do the same.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    Refused,
    Same,
}

/// Every way to spoil one place of a value.
fn spoilt(schema: &Value, value: &Value) -> Vec<(Expect, String, Value)> {
    use Expect::{Refused, Same};
    let mut all = vec![(Same, "null".to_owned(), Value::Null)];
    let mut add = |what: &str, value: Value| all.push((Refused, what.to_owned(), value));
    let bound = |key: &str| schema[key].as_u64().map(|n| usize::try_from(n).unwrap());
    match value {
        Value::Object(map) => {
            add("a text for a mapping", json!("a"));
            add("a list for a mapping", json!([]));
            if let Some(fields) = schema["properties"].as_object() {
                let mut more = map.clone();
                more.insert("unheardOf".to_owned(), json!("a"));
                add("an unknown field", more.into());
                for name in schema["required"].as_array().into_iter().flatten() {
                    let mut less = map.clone();
                    less.remove(name.as_str().unwrap());
                    add(&format!("no {name}"), less.into());
                }
                for (name, field) in fields {
                    for (expect, what, inner) in spoilt(field, &map[name]) {
                        let mut new = map.clone();
                        new.insert(name.clone(), inner);
                        all.push((expect, format!("{name}: {what}"), new.into()));
                    }
                }
            } else {
                let entries =
                    (0..=bound("maxProperties").unwrap()).map(|i| (format!("k{i}"), map["a"].clone()));
                add("too many entries", entries.collect());
                for (expect, what, inner) in spoilt(&schema["additionalProperties"], &map["a"]) {
                    all.push((expect, format!("*: {what}"), json!({ "a": inner })));
                }
            }
        }
        Value::Array(items) => {
            add("a text for a list", json!("a"));
            if schema["x-kubernetes-list-type"] == "atomic" {
                add(
                    "too many items",
                    vec![items[0].clone(); bound("maxItems").unwrap() + 1].into(),
                );
            } else {
                add("the same twice", json!([items[0], items[0]]));
                let different = (0..=bound("maxItems").unwrap()).map(|i| match &items[0] {
                    Value::Object(map) => {
                        let key = schema["x-kubernetes-list-map-keys"][0].as_str().unwrap();
                        let mut map = map.clone();
                        map.insert(key.to_owned(), json!(format!("k{i}")));
                        map.into()
                    }
                    _ => json!(format!("k{i}")),
                });
                add("too many items", different.collect());
            }
            for (expect, what, inner) in spoilt(&schema["items"], &items[0]) {
                all.push((expect, format!("[0]: {what}"), json!([inner])));
            }
        }
        Value::String(_) => {
            add("a number for a text", json!(1));
            add("a boolean for a text", json!(true));
            if schema["enum"].is_array() {
                add("no choice", json!("unheard of"));
                return all;
            }
            add(
                "too long a text",
                "a".repeat(bound("maxLength").unwrap() + 1).into(),
            );
            if bound("minLength").is_some() {
                add("an empty text", json!(""));
            }
            if schema["pattern"].is_string() {
                add("a text that does not fit", json!("-a b"));
            }
        }
        Value::Bool(_) => add("a text for a boolean", json!("true")),
        _ => {
            add("a text for a number", json!("1"));
            add("a fraction", json!(1.5));
            add("too small a number", json!(-1));
        }
    }
    all
}

/// What the reader knowingly takes otherwise than a server, because a manifest is not yet an object.
fn is_other_by_intent(kind: Kind, what: &str) -> bool {
    let filled_in = matches!(kind, Kind::Environment | Kind::Project | Kind::ArtifactRepo)
        && matches!(what, "no \"product\"" | "product: null");
    let older_form =
        what == "vcluster: httpsNodePort: a number for a text" || what == "destination: a text for a mapping";
    // A server drops the entry without a word; who wrote it is told.
    let told = what.ends_with("*: null");
    filled_in || older_form || told
}

async fn agree(client: &Client) {
    install(client).await;
    let mut tried = 0;
    let mut wrong = String::new();
    for info in KINDS {
        let schema = &crd::schema(info.kind)["properties"]["spec"];
        let object = |metadata: Value, spec: Value| json!({ "apiVersion": API_VERSION, "kind": info.name, "metadata": metadata, "spec": spec });
        let named = || json!({ "name": "a" });
        let sound = full(schema);
        let mut objects = vec![(Expect::Same, "sound".to_owned(), object(named(), sound.clone()))];
        assert_eq!(
            reader_refuses(info, &objects[0].2),
            Vec::<String>::new(),
            "{}",
            info.name
        );
        for (expect, what, spec) in spoilt(schema, &sound) {
            objects.push((expect, what, object(named(), spec)));
        }
        for (what, labels) in [("key", json!({ "a b": "c" })), ("value", json!({ "a": "b c" }))] {
            let metadata = json!({ "name": "a", "labels": labels });
            objects.push((
                Expect::Refused,
                format!("label: {what}"),
                object(metadata, sound.clone()),
            ));
        }
        let metadata = json!({ "name": "a", "annotations": { "-": "b" } });
        objects.push((
            Expect::Refused,
            "annotation".to_owned(),
            object(metadata, sound.clone()),
        ));
        for (expect, what, object) in objects {
            tried += 1;
            let server = server_refuses(client, info, &object).await;
            let reader = reader_refuses(info, &object);
            let refused = expect == Expect::Refused;
            let differs = server.is_empty() != reader.is_empty() || (refused && reader.is_empty());
            if is_other_by_intent(info.kind, &what) {
                assert!(differs, "{}: {what}: no difference any more", info.name);
            } else if differs {
                wrong += &format!(
                    "{}: {what}: the server says {server:?}, the reader {reader:?}\n",
                    info.name
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(tried > 500, "{tried}");
}

/// A sound platform is taken as it is, by every rule that the server has.
async fn takes_a_platform(client: &Client) {
    install(client).await;
    for resource in generate::platform(200, 3).unwrap() {
        let info = resource.identity.kind.info();
        let mut object = resource.resource.to_json().unwrap();
        object["metadata"] = json!({ "name": object["metadata"]["name"] });
        let path = format!("{}?dryRun=All&fieldValidation=Strict", path(info));
        let (code, answer) = send(client, "POST", &path, &object).await;
        assert_eq!(code, 201, "{}: {:#}", resource.identity, answer);
    }
}

#[tokio::test]
async fn the_local_cluster_and_the_reader_refuse_the_same() {
    let cluster = local::Cluster::start(Options::in_memory("kinds")).await.unwrap();
    agree(&cluster.client()).await;
}

#[tokio::test]
async fn the_local_cluster_takes_a_sound_platform() {
    let cluster = local::Cluster::start(Options::in_memory("kinds")).await.unwrap();
    takes_a_platform(&cluster.client()).await;
}

#[tokio::test]
async fn a_real_server_says_the_same() {
    let Some(server) = real::server().await else {
        eprintln!("skipped: neither KUBECONFIG nor KUBEBUILDER_ASSETS is set");
        return;
    };
    let client = server.client();
    agree(&client).await;
    takes_a_platform(&client).await;
}
