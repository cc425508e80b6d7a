//! The forms of the per-kind bodies, made from the types of the kinds and from the shapes of the answers.

use nautes_model::Kind;
use nautes_model::kind::API_VERSION;
use nautes_model::kinds::cluster::ClusterSpec;
use nautes_model::kinds::code_repo::CodeRepoSpec;
use nautes_model::kinds::code_repo_binding::CodeRepoBindingSpec;
use nautes_model::kinds::deployment_runtime::DeploymentRuntimeSpec;
use nautes_model::kinds::environment::EnvironmentSpec;
use nautes_model::kinds::pipeline_runtime::ProjectPipelineRuntimeSpec;
use nautes_model::kinds::product::ProductSpec;
use nautes_model::kinds::project::ProjectSpec;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::shape::{Fields, Shape, fields};
use super::snake;

/// Fields that the path or the server decides.
const NOT_SENT: &[&str] = &["name", "product_name", "registration", "meta_data_path"];

/// Returns the form of the body that saves a resource.
pub fn body(kind: Kind, generator: &mut SchemaGenerator) -> Schema {
    named(generator, format!("{kind}Body"), |_| {
        let mut schema = spec(kind);
        let foreign = kind == Kind::CodeRepoBinding;
        let sent = |name: &str| !NOT_SENT.contains(&name) && (name != "product" || foreign);
        if let Some(properties) = schema["properties"].as_object_mut() {
            properties.retain(|name, _| sent(name));
            if kind == Kind::Cluster {
                let text = "The kubeconfig of a physical cluster, as YAML or in base64. It goes to the secret store only.";
                properties.insert(
                    "kubeconfig".to_owned(),
                    json!({ "type": "string", "writeOnly": true, "description": text }),
                );
            }
        }
        if let Some(required) = schema["required"].as_array_mut() {
            // A binding that names no product is one for the product of the path.
            required.retain(|name| name.as_str().is_some_and(|name| name != "product" && sent(name)));
        }
        allow_nulls(&mut schema);
        schema
    })
}

/// Lets whatever need not be sent be sent as null, as the reference's clients do.
fn allow_nulls(schema: &mut Value) {
    let required = schema.get("required").cloned().unwrap_or_default();
    let is_required = |name: &str| {
        required
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one == name))
    };
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for (name, property) in properties {
            allow_nulls(property);
            if is_required(name) {
                continue;
            }
            if let Some(Value::String(one)) = property.get("type") {
                property["type"] = json!([one, "null"]);
            }
            for several in ["enum", "anyOf", "oneOf"] {
                let null = if several == "enum" {
                    Value::Null
                } else {
                    json!({ "type": "null" })
                };
                if let Some(all) = property.get_mut(several).and_then(Value::as_array_mut)
                    && !all.contains(&null)
                {
                    all.push(null);
                }
            }
        }
    }
    if let Some(items) = schema.get_mut("items") {
        allow_nulls(items);
    }
}

/// Returns the form of the answer about a resource: as the reference answers, or the manifest.
pub fn answer(kind: Kind, generator: &mut SchemaGenerator) -> Schema {
    let fields = named(generator, format!("{kind}Fields"), |_| {
        let mut schema = filled(fields(kind), &spec(kind));
        let mut first = vec!["name"];
        if kind.is_of_product() && kind != Kind::CodeRepoBinding {
            first.push("product");
        }
        for name in first {
            schema["properties"][name] = json!({ "type": "string" });
            if let Some(required) = schema["required"].as_array_mut() {
                required.push(json!(name));
            }
        }
        schema
    });
    let manifest = named(generator, format!("{kind}Manifest"), |generator| {
        let spec = of_kind(kind, generator);
        json!({
            "type": "object",
            "required": ["apiVersion", "kind", "metadata", "spec"],
            "properties": {
                "apiVersion": { "type": "string", "const": API_VERSION },
                "kind": { "type": "string", "const": kind.name() },
                "metadata": { "type": "object" },
                "spec": spec,
            },
        })
    });
    json_schema!({ "anyOf": [fields, manifest] })
}

/// Returns the form of a list.
pub fn list(kind: Kind, generator: &mut SchemaGenerator) -> Schema {
    let item = answer(kind, generator);
    json_schema!({
        "type": "object",
        "required": ["items"],
        "properties": { "items": { "type": "array", "items": item } },
    })
}

/// Puts a schema under a name into the definitions, and returns the reference to it.
fn named(
    generator: &mut SchemaGenerator,
    name: String,
    make: impl FnOnce(&mut SchemaGenerator) -> Value,
) -> Schema {
    let path = generator.settings().definitions_path.trim_matches('/').to_owned();
    let reference = format!("#/{path}/{name}");
    if !generator.definitions().contains_key(&name) {
        let made = make(generator);
        generator.definitions_mut().insert(name, made);
    }
    Schema::new_ref(reference)
}

fn of_kind(kind: Kind, generator: &mut SchemaGenerator) -> Schema {
    fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<T>()
    }
    match kind {
        Kind::Cluster => of::<ClusterSpec>(generator),
        Kind::Product => of::<ProductSpec>(generator),
        Kind::Project => of::<ProjectSpec>(generator),
        Kind::Environment => of::<EnvironmentSpec>(generator),
        Kind::CodeRepo => of::<CodeRepoSpec>(generator),
        Kind::CodeRepoBinding => of::<CodeRepoBindingSpec>(generator),
        Kind::DeploymentRuntime => of::<DeploymentRuntimeSpec>(generator),
        Kind::ProjectPipelineRuntime => of::<ProjectPipelineRuntimeSpec>(generator),
        _ => json_schema!({ "type": "object" }),
    }
}

/// Returns the form of a spec as one schema, with the names of these routes.
fn spec(kind: Kind) -> Value {
    let mut generator = SchemaSettings::draft2020_12()
        .with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        })
        .into_generator();
    let mut schema = renamed(of_kind(kind, &mut generator).to_value());
    let git = match kind {
        Kind::CodeRepoBinding => Some(&mut schema),
        Kind::ProjectPipelineRuntime => message(&mut schema["properties"]["additional_resources"])
            .and_then(|resources| message(&mut resources["properties"]["git"])),
        _ => None,
    };
    if let Some(git) = git {
        as_the_reference_has_it(git);
    }
    schema
}

/// The reference writes `coderepo` here.
fn as_the_reference_has_it(schema: &mut Value) {
    if let Some(properties) = schema["properties"].as_object_mut()
        && let Some(repo) = properties.remove("code_repo")
    {
        properties.insert("coderepo".to_owned(), repo);
    }
    for name in schema["required"].as_array_mut().into_iter().flatten() {
        if name == "code_repo" {
            *name = json!("coderepo");
        }
    }
}

/// Returns the schema with properties, also where the value may be absent.
fn message(schema: &mut Value) -> Option<&mut Value> {
    if schema.get("properties").is_some() {
        return Some(schema);
    }
    schema
        .get_mut("anyOf")?
        .as_array_mut()?
        .iter_mut()
        .find(|one| one.get("properties").is_some())
}

/// Renames properties to snake_case, and leaves out what only Kubernetes understands.
fn renamed(schema: Value) -> Value {
    let Value::Object(map) = schema else {
        return schema;
    };
    let each = |value: Value| match value {
        Value::Array(all) => Value::Array(all.into_iter().map(renamed).collect()),
        other => renamed(other),
    };
    let names = |value: Value| match value {
        Value::Array(all) => all
            .into_iter()
            .map(|name| name.as_str().map_or(Value::Null, |name| json!(snake(name))))
            .collect(),
        other => other,
    };
    let properties = |value: Value| match value {
        Value::Object(all) => all
            .into_iter()
            .map(|(name, schema)| (snake(&name), renamed(schema)))
            .collect::<Map<_, _>>()
            .into(),
        other => other,
    };
    map.into_iter()
        .filter(|(key, _)| !key.starts_with("x-") && key != "title" && key != "default")
        .map(|(key, value)| {
            let value = match key.as_str() {
                "properties" => properties(value),
                "required" => names(value),
                "items" | "additionalProperties" | "anyOf" | "oneOf" | "allOf" => each(value),
                _ => value,
            };
            (key, value)
        })
        .collect::<Map<_, _>>()
        .into()
}

/// Returns the form of an answer that always has the fields of a shape.
fn filled(fields: Fields, spec: &Value) -> Value {
    let mut properties = spec["properties"].as_object().cloned().unwrap_or_default();
    let mut required = Vec::new();
    for (name, shape) in fields {
        let mut found = properties.get(*name).cloned().unwrap_or_default();
        let inner = message(&mut found).map(|inner| inner.clone()).unwrap_or_default();
        let mut schema = match shape {
            Shape::Text => json!({ "type": "string" }),
            Shape::Flag => json!({ "type": "boolean" }),
            Shape::Map => json!({ "type": "object" }),
            Shape::List(None) => json!({ "type": "array", "items": { "type": "string" } }),
            Shape::List(Some(fields)) => {
                json!({ "type": "array", "items": filled(fields, &found["items"]) })
            }
            Shape::Message(fields) => filled(fields, &inner),
        };
        if let Some(text) = found.get("description") {
            schema["description"] = text.clone();
        }
        if !matches!(shape, Shape::Message(_)) {
            required.push(json!(name));
        }
        properties.insert((*name).to_owned(), schema);
    }
    json!({ "type": "object", "properties": properties, "required": required })
}
