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
    let (name, items) = part.strip_suffix("[]").map_or((part, false), |name| (name, true));
    for (key, inner) in properties(schema) {
        if key == name || name == "*" {
            add_rule(if items { &mut inner["items"] } else { inner }, rest, rule);
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

    #[test]
    fn the_yaml_of_all_definitions_reads_back() {
        let documents = yaml::documents(&yaml().unwrap(), &yaml::DocumentLimits::default()).unwrap();
        assert_eq!(documents.len(), KINDS.len());
        for (document, crd) in documents.into_iter().zip(definitions()) {
            assert_eq!(document, serde_json::to_value(crd).unwrap());
        }
    }
}
