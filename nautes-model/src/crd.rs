//! The custom resource definitions, made from the types.

use std::sync::OnceLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube_core::CustomResourceExt;

use crate::kind::{KINDS, Kind};
use crate::kinds::{
    ArtifactRepo, ArtifactRepoProvider, Cluster, CodeRepo, CodeRepoBinding, CodeRepoProvider,
    DeploymentRuntime, Environment, Product, ProductProvider, Project, ProjectArtifactRepo,
    ProjectPipelineRuntime,
};
use crate::yaml;

/// Lists whose items are told apart by a key: section, field, key.
const KEYED_LISTS: &[(&str, &str, &str)] = &[
    ("status", "conditions", "type"),
    ("spec", "pipelines", "name"),
    ("spec", "eventSources", "name"),
];

/// Returns the definition of every kind, in order of creation.
#[must_use]
pub fn definitions() -> Vec<CustomResourceDefinition> {
    KINDS.iter().map(|info| definition(info.kind)).collect()
}

/// Returns the definition of a kind.
#[must_use]
pub fn definition(kind: Kind) -> CustomResourceDefinition {
    let mut crd = match kind {
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
    };
    for version in &mut crd.spec.versions {
        if let Some(root) = version
            .schema
            .as_mut()
            .and_then(|s| s.open_api_v3_schema.as_mut())
        {
            for (section, field, key) in KEYED_LISTS {
                if let Some(list) = property(root, section).and_then(|s| property(s, field)) {
                    set_key(list, key);
                }
            }
        }
    }
    crd
}

fn property<'a>(schema: &'a mut JSONSchemaProps, name: &str) -> Option<&'a mut JSONSchemaProps> {
    schema.properties.as_mut()?.get_mut(name)
}

/// Says that the items of a list are told apart by a key, so that server-side apply merges them by it.
fn set_key(list: &mut JSONSchemaProps, key: &str) {
    list.x_kubernetes_list_type = Some("map".to_owned());
    list.x_kubernetes_list_map_keys = Some(vec![key.to_owned()]);
    if let Some(JSONSchemaPropsOrArray::Schema(item)) = &mut list.items {
        let required = item.required.get_or_insert_default();
        if !required.iter().any(|r| r == key) {
            required.push(key.to_owned());
        }
    }
}

/// Returns the schema of a kind: an object with `spec` and `status` among its properties.
#[must_use]
pub fn schema(kind: Kind) -> &'static serde_json::Value {
    static SCHEMAS: OnceLock<Vec<serde_json::Value>> = OnceLock::new();
    &SCHEMAS.get_or_init(|| KINDS.iter().map(|info| make_schema(info.kind)).collect())[kind as usize]
}

fn make_schema(kind: Kind) -> serde_json::Value {
    definition(kind)
        .spec
        .versions
        .into_iter()
        .find_map(|version| version.schema?.open_api_v3_schema)
        .and_then(|schema| serde_json::to_value(schema).ok())
        .unwrap_or_default()
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
