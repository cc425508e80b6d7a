//! Custom resources.

use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::support::{cluster, eventually, get, install, post, raw, widget_definition, widgets};

const WIDGETS: &str = "/apis/example.io/v1/namespaces/default/widgets";

fn schema() -> Value {
    json!({
        "type": "object",
        "required": ["spec"],
        "properties": {
            "spec": {
                "type": "object",
                "required": ["size"],
                "x-kubernetes-validations": [
                    {"rule": "self.size <= 10 || self.big", "message": "only big widgets exceed 10"},
                    {"rule": "self.colour == oldSelf.colour", "message": "colour is immutable"},
                ],
                "properties": {
                    "size": {"type": "integer", "minimum": 1},
                    "big": {"type": "boolean", "default": false},
                    "colour": {"type": "string", "enum": ["red", "green"], "default": "red"},
                    "tag": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 5},
                    "port": {"x-kubernetes-int-or-string": true},
                    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                    "parts": {
                        "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                        "items": {"type": "object", "required": ["name"], "properties": {
                            "name": {"type": "string"}, "weight": {"type": "integer"}}},
                    },
                },
            },
            "status": {"type": "object", "properties": {"phase": {"type": "string"}}},
        },
    })
}

fn widget(spec: &Value) -> Value {
    json!({"apiVersion": "example.io/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": spec})
}

async fn refused(client: &kube::Client, spec: &Value) -> String {
    let (code, body) = post(client, WIDGETS, &widget(spec)).await;
    assert_eq!(code, 422, "{body}");
    body["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_definition_is_established_and_discovered() {
    let cluster = cluster().await;
    let client = cluster.client();
    assert_eq!(get(&client, WIDGETS).await.0, 404);
    install(&client, &widget_definition(&schema())).await;
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.io";
    let (_, definition) = get(&client, path).await;
    let conditions = definition["status"]["conditions"].as_array().unwrap();
    assert!(
        conditions
            .iter()
            .any(|c| c["type"] == "Established" && c["status"] == "True")
    );
    let (_, list) = get(&client, "/apis/example.io/v1").await;
    assert_eq!(list["resources"][0]["name"], "widgets");
    assert_eq!(list["resources"][0]["shortNames"], json!(["wd"]));
    assert_eq!(get(&client, WIDGETS).await.0, 200);
}

const NOT_CHECKED: &str = "<nil>: Invalid value: null: some validation rules were not checked because the object was \
                           invalid; correct the existing errors to complete validation";

#[tokio::test]
async fn what_the_schema_forbids_is_refused_in_kubernetes_words() {
    let cluster = cluster().await;
    let client = cluster.client();
    install(&client, &widget_definition(&schema())).await;
    let head = "Widget.example.io \"w\" is invalid: ";
    for (spec, expect) in [
        (json!({}), "spec.size: Required value"),
        (
            json!({"size": "x"}),
            "spec.size: Invalid value: \"string\": spec.size in body must be of type integer: \"string\"",
        ),
        (
            json!({"size": 0}),
            "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1",
        ),
        (
            json!({"size": 1, "colour": "blue"}),
            "spec.colour: Unsupported value: \"blue\": supported values: \"red\", \"green\"",
        ),
        (
            json!({"size": 1, "tag": "A"}),
            "spec.tag: Invalid value: \"A\": spec.tag in body should match '^[a-z]+$'",
        ),
        (
            json!({"size": 1, "tag": "abcdef"}),
            "spec.tag: Too long: may not be more than 5 bytes",
        ),
        (
            json!({"size": 1, "parts": [{"name": "a"}, {"name": "a"}]}),
            "spec.parts[1]: Duplicate value: {\"name\":\"a\"}",
        ),
        (
            json!({"size": 11}),
            "spec: Invalid value: only big widgets exceed 10",
        ),
    ] {
        // Rules are not asked about what is too broken for them.
        let broken = ["Required", "of type", "Too long", "Duplicate"]
            .iter()
            .any(|w| expect.contains(w));
        let expect = if broken {
            format!("[{expect}, {NOT_CHECKED}]")
        } else {
            expect.to_owned()
        };
        assert_eq!(refused(&client, &spec).await, format!("{head}{expect}"), "{spec}");
    }
}

#[tokio::test]
async fn rules_see_the_old_object() {
    let cluster = cluster().await;
    let client = cluster.client();
    install(&client, &widget_definition(&schema())).await;
    let (code, body) = post(&client, WIDGETS, &widget(&json!({"size": 1}))).await;
    assert_eq!((code, &body["spec"]["colour"]), (201, &json!("red")));
    let patch = Patch::Merge(json!({"spec": {"colour": "green"}}));
    let error = widgets(&client)
        .patch("w", &PatchParams::default(), &patch)
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("spec: Invalid value: colour is immutable"),
        "{error}"
    );
}

#[tokio::test]
async fn unknown_fields_are_pruned_warned_of_or_refused() {
    let cluster = cluster().await;
    let client = cluster.client();
    install(&client, &widget_definition(&schema())).await;
    let spec = json!({"size": 1, "odd": 1, "free": {"any": {"thing": 1}}, "port": "http"});
    let (code, body) = post(
        &client,
        &format!("{WIDGETS}?fieldValidation=Strict"),
        &widget(&spec),
    )
    .await;
    assert_eq!(
        (code, body["message"].as_str()),
        (
            400,
            Some(
                "Widget in version \"v1\" cannot be handled as a Widget: strict decoding error: unknown field \"spec.odd\""
            )
        )
    );
    let (code, body) = post(&client, WIDGETS, &widget(&spec)).await;
    assert_eq!(code, 201);
    assert_eq!(
        body["spec"],
        json!({"size": 1, "big": false, "colour": "red", "free": {"any": {"thing": 1}}, "port": "http"})
    );
}

#[tokio::test]
async fn status_is_a_part_of_its_own_and_generation_follows_the_spec() {
    let cluster = cluster().await;
    let client = cluster.client();
    install(&client, &widget_definition(&schema())).await;
    let mut object = widget(&json!({"size": 1}));
    object["status"] = json!({"phase": "Made"});
    let (_, made) = post(&client, WIDGETS, &object).await;
    assert_eq!(
        (made.get("status"), &made["metadata"]["generation"]),
        (None, &json!(1))
    );
    let status = json!({"status": {"phase": "Ready"}, "spec": {"size": 7}});
    let path = format!("{WIDGETS}/w/status");
    let (code, body) = raw(&client, "PATCH", &path, "application/merge-patch+json", &status).await;
    assert_eq!(code, 200);
    assert_eq!(
        (&body["status"]["phase"], &body["spec"]["size"]),
        (&json!("Ready"), &json!(1))
    );
    assert_eq!(body["metadata"]["generation"], 1);
    let patch = json!({"spec": {"size": 2}, "status": {"phase": "No"}});
    let (_, body) = raw(
        &client,
        "PATCH",
        &format!("{WIDGETS}/w"),
        "application/merge-patch+json",
        &patch,
    )
    .await;
    assert_eq!(
        (&body["status"]["phase"], &body["metadata"]["generation"]),
        (&json!("Ready"), &json!(2))
    );
    let label = json!({"metadata": {"labels": {"a": "b"}}});
    let (_, body) = raw(
        &client,
        "PATCH",
        &format!("{WIDGETS}/w"),
        "application/merge-patch+json",
        &label,
    )
    .await;
    assert_eq!(body["metadata"]["generation"], 2);
}

#[tokio::test]
async fn applied_status_has_an_entry_of_its_own() {
    let cluster = cluster().await;
    let client = cluster.client();
    install(&client, &widget_definition(&schema())).await;
    let params = PatchParams::apply("me");
    widgets(&client)
        .patch("w", &params, &Patch::Apply(widget(&json!({"size": 1}))))
        .await
        .unwrap();
    let status = json!({"apiVersion": "example.io/v1", "kind": "Widget", "metadata": {"name": "w"},
        "status": {"phase": "Ready"}});
    let object = widgets(&client)
        .patch_status("w", &params, &Patch::Apply(status))
        .await
        .unwrap();
    let entries = object.metadata.managed_fields.unwrap();
    let subresources: Vec<Option<&str>> = entries.iter().map(|e| e.subresource.as_deref()).collect();
    assert_eq!(subresources.len(), 2);
    assert!(subresources.contains(&None) && subresources.contains(&Some("status")));
    assert_eq!(object.data["spec"]["size"], 1);
}

#[tokio::test]
async fn lists_of_custom_resources_merge_by_their_keys() {
    let cluster = cluster().await;
    let client = cluster.client();
    install(&client, &widget_definition(&schema())).await;
    let part = |name: &str| widget(&json!({"size": 1, "parts": [{"name": name, "weight": 1}]}));
    widgets(&client)
        .patch("w", &PatchParams::apply("one"), &Patch::Apply(part("a")))
        .await
        .unwrap();
    let both = widgets(&client)
        .patch("w", &PatchParams::apply("two"), &Patch::Apply(part("b")))
        .await
        .unwrap();
    assert_eq!(
        both.data["spec"]["parts"],
        json!([{"name": "a", "weight": 1}, {"name": "b", "weight": 1}])
    );
    let none = widget(&json!({"size": 1}));
    let left = widgets(&client)
        .patch("w", &PatchParams::apply("one"), &Patch::Apply(none))
        .await
        .unwrap();
    assert_eq!(left.data["spec"]["parts"], json!([{"name": "b", "weight": 1}]));
}

#[tokio::test]
async fn a_definition_takes_its_objects_along() {
    let cluster = cluster().await;
    let client = cluster.client();
    install(&client, &widget_definition(&schema())).await;
    post(&client, WIDGETS, &widget(&json!({"size": 1}))).await;
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.io";
    let (code, _) = raw(&client, "DELETE", path, "application/json", &Value::Null).await;
    assert_eq!(code, 200);
    eventually("the definition is gone", || async {
        get(&client, path).await.0 == 404
    })
    .await;
    assert_eq!(get(&client, WIDGETS).await.0, 404);
    install(&client, &widget_definition(&schema())).await;
    assert_eq!(get(&client, WIDGETS).await.1["items"], json!([]));
}

#[tokio::test]
async fn an_unstructured_schema_is_refused() {
    let cluster = cluster().await;
    let schema =
        json!({"type": "object", "properties": {"spec": {"properties": {"a": {"type": "strange"}}}}});
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let (code, body) = post(&cluster.client(), path, &widget_definition(&schema)).await;
    assert_eq!(code, 422);
    let message = body["message"].as_str().unwrap();
    let at = "spec.validation.openAPIV3Schema.properties[spec].type";
    assert!(
        message.contains(&format!(
            "{at}: Required value: must not be empty for specified object fields"
        )),
        "{message}"
    );
}

#[tokio::test]
async fn an_update_of_a_custom_resource_needs_its_revision() {
    let cluster = cluster().await;
    let client = cluster.client();
    install(&client, &widget_definition(&schema())).await;
    post(&client, WIDGETS, &widget(&json!({"size": 1}))).await;
    let mut object = widgets(&client).get("w").await.unwrap();
    object.metadata.resource_version = None;
    let error = widgets(&client)
        .replace("w", &PostParams::default(), &object)
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("metadata.resourceVersion: Invalid value: 0: must be specified for an update"),
        "{error}"
    );
}

/// Every definition in the folder that `NAUTES_CRD_DIR` names installs, and serves its kind.
#[tokio::test]
#[allow(
    clippy::disallowed_methods,
    reason = "tests take their data folders from the environment"
)]
async fn definitions_of_the_field_install() {
    let Ok(folder) = std::env::var("NAUTES_CRD_DIR") else {
        eprintln!("skipped: NAUTES_CRD_DIR is not set");
        return;
    };
    let cluster = cluster().await;
    let client = cluster.client();
    let mut folders = vec![std::path::PathBuf::from(folder)];
    let mut installed = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.extension().is_none_or(|e| e != "yaml") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for document in text.split("\n---") {
                let Ok(object) = serde_yaml::from_str::<Value>(document) else {
                    continue;
                };
                if object["kind"] != "CustomResourceDefinition" {
                    continue;
                }
                let (code, body) = post(
                    &client,
                    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
                    &object,
                )
                .await;
                assert_eq!(code, 201, "{}: {body}", path.display());
                let spec = &object["spec"];
                let version = spec["versions"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .find(|v| v["served"] == true)
                    .unwrap();
                let at = format!(
                    "/apis/{}/{}/{}",
                    spec["group"].as_str().unwrap(),
                    version["name"].as_str().unwrap(),
                    spec["names"]["plural"].as_str().unwrap()
                );
                assert_eq!(get(&client, &at).await.0, 200, "{at}");
                installed += 1;
            }
        }
    }
    assert!(installed > 0);
}

#[tokio::test]
async fn an_event_has_two_faces() {
    let cluster = cluster().await;
    let client = cluster.client();
    let event = json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e"},
        "eventTime": "2026-01-01T00:00:00.000000Z", "action": "Run", "reason": "Started", "type": "Normal",
        "note": "it began", "reportingController": "test", "reportingInstance": "test-1",
        "regarding": {"kind": "Pod", "name": "p", "namespace": "default"}});
    let (code, body) = post(
        &client,
        "/apis/events.k8s.io/v1/namespaces/default/events",
        &event,
    )
    .await;
    assert_eq!((code, &body["note"]), (201, &json!("it began")), "{body}");
    let (_, body) = get(&client, "/api/v1/namespaces/default/events/e").await;
    assert_eq!(
        (&body["message"], &body["involvedObject"]["name"]),
        (&json!("it began"), &json!("p"))
    );
    let path = "/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dp";
    assert_eq!(get(&client, path).await.1["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_null_that_the_schema_does_not_allow_stands_for_nothing() {
    let cluster = cluster().await;
    let client = cluster.client();
    install(&client, &widget_definition(&schema())).await;
    let spec = json!({"size": 1, "tag": null, "colour": null});
    let (code, body) = post(&client, WIDGETS, &widget(&spec)).await;
    assert_eq!(
        (code, &body["spec"]),
        (201, &json!({"size": 1, "big": false, "colour": "red"})),
        "{body}"
    );
}

#[tokio::test]
async fn definitions_leave_built_in_kinds_alone() {
    let cluster = cluster().await;
    let mut definition = widget_definition(&schema());
    definition["metadata"]["name"] = "ingresses.networking.k8s.io".into();
    definition["spec"]["group"] = "networking.k8s.io".into();
    definition["spec"]["names"] = json!({"kind": "Ingress", "plural": "ingresses"});
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let (code, _) = post(&cluster.client(), path, &definition).await;
    assert_eq!(code, 422);
    definition["metadata"]["annotations"] = json!({"api-approved.kubernetes.io": "unapproved"});
    let (code, _) = post(&cluster.client(), path, &definition).await;
    assert_eq!(code, 201);
    let (_, body) = get(&cluster.client(), &format!("{path}/ingresses.networking.k8s.io")).await;
    let conditions = body["status"]["conditions"].as_array().unwrap();
    assert!(
        conditions
            .iter()
            .any(|c| c["type"] == "Established" && c["status"] == "False")
    );
}

#[tokio::test]
async fn a_scale_changes_replicas_and_nothing_else() {
    let cluster = cluster().await;
    let client = cluster.client();
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "a", "image": "x"}]}}}});
    let base = "/apis/apps/v1/namespaces/default/deployments";
    assert_eq!(post(&client, base, &deployment).await.0, 201);
    let path = format!("{base}/web/scale");
    let (code, scale) = get(&client, &path).await;
    assert_eq!(
        (code, &scale["spec"]["replicas"], &scale["status"]["selector"]),
        (200, &json!(1), &json!("app=web"))
    );
    let change = json!({"spec": {"replicas": 5}});
    let (code, scale) = raw(&client, "PATCH", &path, "application/merge-patch+json", &change).await;
    assert_eq!((code, &scale["spec"]["replicas"]), (200, &json!(5)));
    let (_, object) = get(&client, &format!("{base}/web")).await;
    assert_eq!(
        (&object["spec"]["replicas"], &object["metadata"]["generation"]),
        (&json!(5), &json!(2))
    );
}
