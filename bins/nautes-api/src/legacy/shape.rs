//! The shapes of the reference's answers: which fields an answer always has.
//!
//! The reference writes zero values (`""`, `false`, `[]`, `{}`), so that its clients read fields without asking
//! whether they are there. A message that is absent is left out: its own description of the API has no `null`.

use nautes_model::Kind;
use serde_json::{Map, Value, json};

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// A text, `""` when absent.
    Text,
    /// A truth, `false` when absent.
    Flag,
    /// A list, `[]` when absent; the shape of its items, if they have fields.
    List(Option<Fields>),
    /// A map with keys of the user, `{}` when absent.
    Map,
    /// Fields of their own; left out when absent.
    Message(Fields),
}

/// Fields by name.
pub type Fields = &'static [(&'static str, Shape)];

use Shape::{Flag, List, Map as Keys, Message, Text};

const FORGE_GROUP: Fields = &[("path", Text), ("visibility", Text), ("description", Text)];
const FORGE_REPO: Fields = &[
    ("name", Text),
    ("path", Text),
    ("visibility", Text),
    ("description", Text),
    ("ssh_url_to_repo", Text),
    ("http_url_to_repo", Text),
];
const COMPONENT: Shape = Message(&[("name", Text), ("namespace", Text), ("additions", Keys)]);
const HOOK: Shape = List(Some(&[("name", Text), ("vars", Keys), ("alias", Text)]));

/// Returns the fields of the answer about a resource of a kind.
#[must_use]
pub const fn fields(kind: Kind) -> Fields {
    match kind {
        Kind::Cluster => &[
            ("cluster_kind", Text),
            ("cluster_type", Text),
            ("usage", Text),
            ("host_cluster", Text),
            ("primary_domain", Text),
            ("worker_type", Text),
            ("api_server", Text),
            (
                "components_list",
                Message(&[
                    ("multi_tenant", COMPONENT),
                    ("secret_sync", COMPONENT),
                    ("gateway", COMPONENT),
                    ("deployment", COMPONENT),
                    ("progressive_delivery", COMPONENT),
                    ("pipeline", COMPONENT),
                    ("event_listener", COMPONENT),
                ]),
            ),
            ("reserved_namespaces_allowed_products", Keys),
            ("product_allowed_cluster_resources", Keys),
        ],
        Kind::Product => &[(
            "git",
            Message(&[("gitlab", Message(FORGE_GROUP)), ("github", Message(FORGE_GROUP))]),
        )],
        Kind::Project => &[("language", Text)],
        Kind::Environment => &[("cluster", Text), ("env_type", Text)],
        Kind::CodeRepo => &[
            ("project", Text),
            ("webhook", Message(&[("events", List(None))])),
            ("deployment_runtime", Flag),
            ("pipeline_runtime", Flag),
            (
                "git",
                Message(&[("gitlab", Message(FORGE_REPO)), ("github", Message(FORGE_REPO))]),
            ),
        ],
        Kind::CodeRepoBinding => &[
            ("product", Text),
            ("projects", List(None)),
            ("permissions", Text),
            ("coderepo", Text),
        ],
        Kind::DeploymentRuntime => &[
            ("projects_ref", List(None)),
            (
                "manifest_source",
                Message(&[("code_repo", Text), ("target_revision", Text), ("path", Text)]),
            ),
            (
                "destination",
                Message(&[("environment", Text), ("namespaces", List(None))]),
            ),
            ("account", Text),
        ],
        Kind::ProjectPipelineRuntime => PIPELINE_RUNTIME,
        _ => &[],
    }
}

const PIPELINE_RUNTIME: Fields = &[
    ("project", Text),
    ("pipeline_source", Text),
    (
        "event_sources",
        List(Some(&[
            ("name", Text),
            (
                "gitlab",
                Message(&[("repo_name", Text), ("revision", Text), ("events", List(None))]),
            ),
            (
                "calendar",
                Message(&[
                    ("schedule", Text),
                    ("interval", Text),
                    ("exclusion_dates", List(None)),
                    ("timezone", Text),
                ]),
            ),
        ])),
    ),
    (
        "pipelines",
        List(Some(&[("name", Text), ("label", Text), ("path", Text)])),
    ),
    (
        "pipeline_triggers",
        List(Some(&[
            ("event_source", Text),
            ("pipeline", Text),
            ("revision", Text),
            (
                "inputs",
                List(Some(&[
                    ("source", Message(&[("built_in_var", Text), ("from_event", Text)])),
                    (
                        "transmission_method",
                        Message(&[("kustomization", Message(&[("path", Text)]))]),
                    ),
                ])),
            ),
        ])),
    ),
    (
        "destination",
        Message(&[("environment", Text), ("namespace", Text)]),
    ),
    ("isolation", Text),
    (
        "additional_resources",
        Message(&[(
            "git",
            Message(&[
                ("coderepo", Text),
                ("url", Text),
                ("revision", Text),
                ("path", Text),
            ]),
        )]),
    ),
    ("account", Text),
    ("hooks", Message(&[("pre_hooks", HOOK), ("post_hooks", HOOK)])),
];

/// Adds what an answer always has.
pub fn fill(fields: Fields, value: &mut Map<String, Value>) {
    for (name, shape) in fields {
        match shape {
            Text => zero(value, name, || json!("")),
            Flag => zero(value, name, || json!(false)),
            Keys => zero(value, name, || json!({})),
            List(items) => {
                zero(value, name, || json!([]));
                if let (Some(fields), Some(Value::Array(all))) = (items, value.get_mut(*name)) {
                    for item in all.iter_mut().filter_map(Value::as_object_mut) {
                        fill(fields, item);
                    }
                }
            }
            Message(fields) => {
                if let Some(Value::Object(inner)) = value.get_mut(*name) {
                    fill(fields, inner);
                }
            }
        }
    }
}

fn zero(value: &mut Map<String, Value>, name: &str, make: impl FnOnce() -> Value) {
    let entry = value.entry(name.to_owned()).or_insert(Value::Null);
    if entry.is_null() {
        *entry = make();
    }
}

/// Takes out zero values: to the reference's clients an empty field and an absent one are the same. The keys of users
/// stay as they are.
pub fn without_zeros(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.into_iter()
                .map(|(key, value)| (key, without_zeros(value)))
                .filter(|(_, value)| !matches!(value, Value::Null) && value != "")
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(without_zeros).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_becomes_the_zero_of_its_shape_and_messages_stay_away() {
        let Value::Object(mut view) = json!({ "webhook": {}, "git": { "gitlab": { "name": "a" } } }) else {
            unreachable!()
        };
        fill(fields(Kind::CodeRepo), &mut view);
        assert_eq!(
            Value::Object(view),
            json!({
                "project": "", "deployment_runtime": false, "pipeline_runtime": false,
                "webhook": { "events": [] },
                "git": { "gitlab": {
                    "name": "a", "path": "", "visibility": "", "description": "",
                    "ssh_url_to_repo": "", "http_url_to_repo": "",
                } },
            })
        );
    }

    #[test]
    fn empty_texts_and_nulls_are_as_absent() {
        let sent = json!({ "a": "", "b": null, "c": { "d": "" }, "e": [{ "f": "", "g": 0 }], "h": false });
        assert_eq!(
            without_zeros(sent),
            json!({ "c": {}, "e": [{ "g": 0 }], "h": false })
        );
    }
}
