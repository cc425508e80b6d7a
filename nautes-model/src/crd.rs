//! The custom resource definitions, made from the types.

pub(crate) mod bounds;
mod rules;

use std::sync::OnceLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube_core::CustomResourceExt;
use serde_json::{Value, json};

use crate::kind::{KINDS, Kind};
use crate::kinds::{
    ArtifactRepo, ArtifactRepoProvider, Cluster, CodeRepo, CodeRepoBinding, CodeRepoProvider,
    DeploymentRuntime, Environment, Product, ProductProvider, Project, ProjectArtifactRepo,
    ProjectPipelineRuntime,
};
use crate::yaml;

pub use rules::{Extent, ObjectRule, enforces, rules};

/// Returns the definition of every kind, in order of creation.
#[must_use]
pub fn definitions() -> Vec<CustomResourceDefinition> {
    KINDS.iter().map(|info| definition(info.kind)).collect()
}

/// Returns the definition of a kind.
#[must_use]
pub fn definition(kind: Kind) -> CustomResourceDefinition {
    let mut crd = from_types(kind);
    for version in &mut crd.spec.versions {
        if let Some(schema) = &mut version.schema {
            // What was taken from a schema and completed is one again.
            schema.open_api_v3_schema = serde_json::from_value(self::schema(kind).clone()).ok();
        }
    }
    crd
}

fn from_types(kind: Kind) -> CustomResourceDefinition {
    match kind {
        Kind::CodeRepoProvider => CodeRepoProvider::crd(),
        Kind::ArtifactRepoProvider => ArtifactRepoProvider::crd(),
        Kind::ProductProvider => ProductProvider::crd(),
        Kind::Cluster => Cluster::crd(),
        Kind::Product => Product::crd(),
        Kind::Environment => Environment::crd(),
        Kind::Project => Project::crd(),
        Kind::CodeRepo => CodeRepo::crd(),
        Kind::CodeRepoBinding => CodeRepoBinding::crd(),
        Kind::ArtifactRepo => ArtifactRepo::crd(),
        Kind::ProjectArtifactRepo => ProjectArtifactRepo::crd(),
        Kind::ProjectPipelineRuntime => ProjectPipelineRuntime::crd(),
        Kind::DeploymentRuntime => DeploymentRuntime::crd(),
    }
}

/// Returns the schema of a kind: an object with `spec` and `status` among its properties.
#[must_use]
pub fn schema(kind: Kind) -> &'static Value {
    static SCHEMAS: [OnceLock<Value>; KINDS.len()] = [const { OnceLock::new() }; KINDS.len()];
    SCHEMAS[kind as usize].get_or_init(|| make_schema(kind))
}

fn make_schema(kind: Kind) -> Value {
    let mut schema = from_types(kind)
        .spec
        .versions
        .into_iter()
        .find_map(|version| version.schema?.open_api_v3_schema)
        .and_then(|schema| serde_json::to_value(schema).ok())
        .unwrap_or_default();
    schema["description"] = schema["properties"]["spec"]["description"].clone();
    refuse_null(&mut schema["properties"]["spec"]);
    let conditions = &mut schema["properties"]["status"]["properties"]["conditions"];
    conditions["x-kubernetes-list-type"] = json!("map");
    conditions["x-kubernetes-list-map-keys"] = json!(["type"]);
    for rule in rules().iter().filter(|rule| rule.kind == kind) {
        add_rule(&mut schema, rule.at, rule);
    }
    schema
}

/// Makes no value the same as no field, which is what an API server does where a value may not be null; rules
/// then need not ask for both.
fn refuse_null(schema: &mut Value) {
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("nullable");
        if let Some(choices) = schema.get_mut("enum").and_then(Value::as_array_mut) {
            choices.retain(|choice| !choice.is_null());
        }
    }
    for (_, inner) in properties(schema) {
        refuse_null(inner);
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get_mut(inner).filter(|inner| inner.is_object()) {
            refuse_null(inner);
        }
    }
}

fn properties(schema: &mut Value) -> impl Iterator<Item = (&String, &mut Value)> {
    schema
        .get_mut("properties")
        .and_then(Value::as_object_mut)
        .into_iter()
        .flatten()
}

/// Adds a rule to the schemas of the place that it names.
fn add_rule(schema: &mut Value, at: &str, rule: &ObjectRule) {
    if at.is_empty() {
        match schema
            .get_mut("x-kubernetes-validations")
            .and_then(Value::as_array_mut)
        {
            Some(all) => all.push(rule.entry()),
            None => schema["x-kubernetes-validations"] = json!([rule.entry()]),
        }
        return;
    }
    let (part, rest) = at.split_once('.').unwrap_or((at, ""));
    let (part, of_items) = part.strip_suffix("[]").map_or((part, false), |part| (part, true));
    let (name, of_values) = part.strip_suffix("{}").map_or((part, false), |name| (name, true));
    for (key, mut inner) in properties(schema) {
        if key == name || name == "*" {
            if of_values {
                inner = &mut inner["additionalProperties"];
            }
            if of_items {
                inner = &mut inner["items"];
            }
            add_rule(inner, rest, rule);
        }
    }
}

/// Returns every definition as one YAML text of several documents.
///
/// # Errors
/// A definition cannot be written; the tests show that it does not happen.
pub fn yaml() -> Result<String, yaml::WriteError> {
    let mut out = String::new();
    for crd in definitions() {
        out.push_str("---\n");
        out.push_str(&yaml::to_text(&crd)?);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::kind::{GROUP, VERSION};

    #[test]
    fn definitions_agree_with_the_table_of_kinds() {
        for (crd, info) in definitions().iter().zip(KINDS) {
            assert_eq!(crd.spec.names.kind, info.name);
            assert_eq!(crd.spec.names.plural, info.plural);
            assert_eq!(crd.metadata.name, Some(format!("{}.{GROUP}", info.plural)));
            assert_eq!(crd.spec.scope, "Namespaced");
            assert_eq!(crd.spec.versions.len(), 1);
            assert_eq!(crd.spec.versions[0].name, VERSION);
            assert!(
                crd.spec.versions[0]
                    .subresources
                    .as_ref()
                    .unwrap()
                    .status
                    .is_some()
            );
            for short in crd.spec.names.short_names.iter().flatten() {
                assert_eq!(Kind::find(short), Some(info.kind));
            }
        }
    }

    fn walk(path: &str, schema: &Value) {
        assert!(schema.get("$ref").is_none(), "{path}");
        let object = schema.as_object().unwrap();
        assert!(
            object.contains_key("type") || object.contains_key("x-kubernetes-preserve-unknown-fields"),
            "{path} has no type: {schema}"
        );
        if let Some(properties) = schema["properties"].as_object() {
            assert!(schema["additionalProperties"].is_null(), "{path}");
            for (name, property) in properties {
                walk(&format!("{path}.{name}"), property);
            }
            for required in schema["required"].as_array().into_iter().flatten() {
                assert!(
                    properties.contains_key(required.as_str().unwrap()),
                    "{path}: {required}"
                );
            }
        }
        for inner in ["items", "additionalProperties"] {
            if schema[inner].is_object() {
                walk(&format!("{path}.{inner}"), &schema[inner]);
            }
        }
    }

    #[test]
    fn schemas_are_structural() {
        for info in KINDS {
            let schema = schema(info.kind);
            walk(info.name, schema);
            assert_eq!(
                schema["properties"]["status"]["properties"]["conditions"]["x-kubernetes-list-type"],
                "map"
            );
        }
        let pipelines =
            &schema(Kind::ProjectPipelineRuntime)["properties"]["spec"]["properties"]["pipelines"];
        assert_eq!(pipelines["x-kubernetes-list-map-keys"][0], "name");
    }

    /// Calls with every schema below a place, and the place.
    fn each(path: &str, schema: &Value, look: &mut impl FnMut(&str, &Value)) {
        look(path, schema);
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            each(&format!("{path}.{name}"), property, look);
        }
        for (inner, mark) in [("items", "[]"), ("additionalProperties", ".*")] {
            if schema[inner].is_object() {
                each(&format!("{path}{mark}"), &schema[inner], look);
            }
        }
    }

    fn each_of_specs(mut look: impl FnMut(&str, &Value)) {
        for info in KINDS {
            each(info.name, &schema(info.kind)["properties"]["spec"], &mut look);
        }
    }

    #[test]
    fn everything_in_a_spec_has_a_bound() {
        each_of_specs(|path, schema| {
            let bound = match schema["type"].as_str().unwrap() {
                "string" if schema["enum"].is_array() => return,
                "string" => "maxLength",
                "array" => "maxItems",
                "object" if schema["additionalProperties"].is_object() => "maxProperties",
                "integer" => "minimum",
                _ => return,
            };
            assert!(schema[bound].is_number(), "{path} has no {bound}");
        });
    }

    #[test]
    fn every_list_says_how_its_items_are_told_apart() {
        each_of_specs(|path, schema| {
            if schema["type"] == "array" {
                let of_objects = schema["items"]["type"] == "object";
                match schema["x-kubernetes-list-type"].as_str() {
                    Some("set") => assert!(!of_objects, "{path}"),
                    Some("atomic") => {}
                    Some("map") => {
                        for key in schema["x-kubernetes-list-map-keys"].as_array().unwrap() {
                            let item = &schema["items"];
                            let required = item["required"].as_array().is_some_and(|r| r.contains(key));
                            let field = &item["properties"][key.as_str().unwrap()];
                            assert!(required || field["default"].is_string(), "{path}: {key}");
                        }
                    }
                    other => unreachable!("{path}: {other:?}"),
                }
            }
        });
    }

    #[test]
    fn every_field_is_described_and_none_may_be_null() {
        for info in KINDS {
            let schema = schema(info.kind);
            assert!(!schema["description"].as_str().unwrap().contains("Auto-generated"));
            each(info.name, schema, &mut |path, schema| {
                for (name, field) in schema["properties"].as_object().into_iter().flatten() {
                    let described = field["description"].as_str().is_some_and(|d| d.len() > 5);
                    assert!(described, "{path}.{name} is not described");
                }
            });
        }
        each_of_specs(|path, schema| assert!(schema["nullable"].is_null(), "{path}"));
    }

    #[test]
    fn every_pattern_is_said_in_words() {
        each_of_specs(|path, schema| {
            if let Some(pattern) = schema["pattern"].as_str() {
                assert!(bounds::words(pattern).is_some(), "{path}: {pattern}");
            }
        });
    }

    #[test]
    fn every_rule_stands_in_the_definition_of_its_kind_at_a_field_that_is_there() {
        for info in KINDS {
            let mut found = 0;
            each("", schema(info.kind), &mut |path, schema| {
                for rule in schema["x-kubernetes-validations"]
                    .as_array()
                    .into_iter()
                    .flatten()
                {
                    found += 1;
                    let mut field = schema;
                    for part in rule["fieldPath"].as_str().unwrap_or_default().split('.').skip(1) {
                        field = &field["properties"][part];
                        assert!(field.is_object(), "{path}: {rule}");
                    }
                    let message = rule["message"].as_str().unwrap();
                    assert!(message.len() < 2048 && !message.contains('\n'), "{message}");
                }
            });
            let wanted: Vec<_> = rules().iter().filter(|r| r.kind == info.kind).collect();
            // A star stands for each of the ten slots.
            let stars = wanted.iter().filter(|r| r.at.contains('*')).count();
            assert_eq!(found, wanted.len() + stars * 9, "{}", info.name);
        }
        assert!(enforces("PipelineStatic"));
        assert!(!enforces("EnvironmentMissing"));
    }

    #[test]
    fn every_kind_has_columns_for_its_state_and_its_age() {
        for crd in definitions() {
            let columns = crd.spec.versions[0]
                .additional_printer_columns
                .as_deref()
                .unwrap();
            let names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
            assert!(names.ends_with(&["Ready", "Age"]), "{names:?}");
            assert!(names.len() > 2, "{names:?}");
            assert_eq!(
                crd.spec.names.categories.as_deref(),
                Some(&["nautes".to_owned()][..])
            );
            assert!(crd.spec.names.short_names.is_some());
            let schema = crd.spec.versions[0].schema.as_ref().unwrap();
            let schema = serde_json::to_value(schema.open_api_v3_schema.as_ref().unwrap()).unwrap();
            for column in columns {
                let path = column.json_path.trim_start_matches('.');
                let path = path.split('[').next().unwrap();
                if path != "metadata.creationTimestamp" {
                    let field = path.split('.').fold(&schema, |at, part| &at["properties"][part]);
                    assert!(field.is_object(), "{}: {}", crd.spec.names.kind, column.json_path);
                }
            }
        }
    }

    #[test]
    fn every_status_has_conditions_by_convention() {
        for info in KINDS {
            let status = &schema(info.kind)["properties"]["status"]["properties"];
            for field in ["conditions", "observedGeneration", "revision"] {
                assert!(status[field].is_object(), "{}: {field}", info.name);
            }
            let condition = &status["conditions"]["items"]["properties"];
            for field in [
                "type",
                "status",
                "reason",
                "message",
                "lastTransitionTime",
                "observedGeneration",
            ] {
                assert!(condition[field].is_object(), "{}: {field}", info.name);
            }
        }
    }

    #[test]
    fn the_yaml_of_all_definitions_reads_back() {
        let documents = yaml::documents(&yaml().unwrap(), &yaml::DocumentLimits::default()).unwrap();
        assert_eq!(documents.len(), KINDS.len());
        for (document, crd) in documents.into_iter().zip(definitions()) {
            assert_eq!(document, serde_json::to_value(crd).unwrap());
        }
    }
}
