//! Schemas of the built-in kinds: generated from their types, with what the types leave out (how lists
//! merge) added from a table.

use std::{collections::BTreeMap, sync::LazyLock};

use k8s_openapi::schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::{
    Arena, ListKind, Schema,
    compile::{Compiler, Part},
};
use crate::local::builtin::TYPES;

struct Built {
    definitions: Map<String, Value>,
    arena: std::sync::Arc<Arena>,
    roots: BTreeMap<String, usize>,
}

static BUILT: LazyLock<Built> = LazyLock::new(|| {
    let definitions = generate();
    let mut compiler = Compiler::default();
    let roots: BTreeMap<String, usize> = definitions
        .keys()
        .map(|name| (name.clone(), compiler.definition(name, &definitions)))
        .collect();
    Built {
        definitions,
        arena: std::sync::Arc::new(Arena {
            nodes: compiler.nodes,
        }),
        roots,
    }
});

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// The schema of a built-in type by its definition name.
pub(crate) fn builtin(name: &str) -> Option<Schema> {
    let root = *BUILT.roots.get(name)?;
    Some(Schema {
        arena: BUILT.arena.clone(),
        root,
    })
}

/// All definitions by name, for OpenAPI documents.
pub(crate) fn definitions() -> &'static Map<String, Value> {
    &BUILT.definitions
}

/// The nodes of `metadata`, for schemas of custom resources.
pub(super) fn metadata_nodes() -> Part {
    let mut compiler = Compiler::default();
    let root = compiler.definition(META, &BUILT.definitions);
    Part {
        nodes: compiler.nodes,
        root,
    }
}

fn generate() -> Map<String, Value> {
    let mut generator = SchemaSettings::openapi3().into_generator();
    for kind in TYPES.iter() {
        (kind.register)(&mut generator);
    }
    let mut definitions: Map<String, Value> = generator.take_definitions(true);
    for (name, definition) in &mut definitions {
        if name
            .rsplit('.')
            .next()
            .is_some_and(|n| n == "JSON" || n.starts_with("JSONSchemaPropsOr"))
        {
            *definition = json!({"x-kubernetes-preserve-unknown-fields": true});
        }
        open_ends(definition);
        overlay(name, definition);
    }
    for kind in TYPES.iter() {
        if let Some(definition) = definitions.get_mut(kind.definition.as_str()) {
            definition["x-kubernetes-group-version-kind"] =
                json!([{"group": kind.group, "version": kind.version, "kind": kind.kind}]);
        }
    }
    definitions
}

/// Objects that describe no field hold anything.
fn open_ends(schema: &mut Value) {
    let Some(map) = schema.as_object_mut() else {
        return;
    };
    let describes = [
        "properties",
        "additionalProperties",
        "$ref",
        "allOf",
        "x-kubernetes-int-or-string",
        "items",
    ];
    let any =
        map.get("type").is_none_or(|t| t == "object") && !describes.iter().any(|k| map.contains_key(*k));
    if any {
        map.insert("x-kubernetes-preserve-unknown-fields".to_owned(), true.into());
    }
    if let Some(properties) = map.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(open_ends);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(child) = map.get_mut(key) {
            open_ends(child);
        }
    }
}

/// (type, field, keys): lists that merge by keys. The first key is also the key of strategic merge.
const LISTS: &[(&str, &str, &[&str])] = &[
    ("v1.PodSpec", "containers", &["name"]),
    ("v1.PodSpec", "initContainers", &["name"]),
    ("v1.PodSpec", "ephemeralContainers", &["name"]),
    ("v1.PodSpec", "volumes", &["name"]),
    ("v1.PodSpec", "imagePullSecrets", &["name"]),
    ("v1.PodSpec", "hostAliases", &["ip"]),
    (
        "v1.PodSpec",
        "topologySpreadConstraints",
        &["topologyKey", "whenUnsatisfiable"],
    ),
    ("v1.PodSpec", "resourceClaims", &["name"]),
    ("v1.PodSpec", "schedulingGates", &["name"]),
    ("v1.Container", "env", &["name"]),
    ("v1.Container", "ports", &["containerPort", "protocol"]),
    ("v1.Container", "volumeMounts", &["mountPath"]),
    ("v1.Container", "volumeDevices", &["devicePath"]),
    ("v1.EphemeralContainer", "env", &["name"]),
    ("v1.EphemeralContainer", "ports", &["containerPort", "protocol"]),
    ("v1.EphemeralContainer", "volumeMounts", &["mountPath"]),
    ("v1.ServiceSpec", "ports", &["port", "protocol"]),
    ("v1.ServiceAccount", "secrets", &["name"]),
    ("v1.ObjectMeta", "ownerReferences", &["uid"]),
    ("v1.PodStatus", "podIPs", &["ip"]),
    ("v1.MutatingWebhookConfiguration", "webhooks", &["name"]),
    ("v1.ValidatingWebhookConfiguration", "webhooks", &["name"]),
    ("v1.MutatingWebhook", "matchConditions", &["name"]),
    ("v1.ValidatingWebhook", "matchConditions", &["name"]),
];

/// Lists that merge as sets.
const SETS: &[(&str, &str)] = &[("v1.ObjectMeta", "finalizers")];

/// Types whose fields are owned together.
const ATOMIC_TYPES: &[&str] = &[
    "v1.LabelSelector",
    "v1.OwnerReference",
    "v1.ObjectReference",
    "v1.LocalObjectReference",
    "v1.SecretKeySelector",
    "v1.ConfigMapKeySelector",
    "v1.ObjectFieldSelector",
    "v1.ResourceFieldSelector",
    "v1.SecretReference",
    "v1.NodeSelector",
    "v1.NodeSelectorTerm",
    "v1.TypedLocalObjectReference",
    "v1.TypedObjectReference",
    "v1.RoleRef",
    "v1.Subject",
    "v1.ScopeSelector",
];

const ATOMIC_FIELDS: &[(&str, &str)] = &[
    ("v1.ServiceSpec", "selector"),
    ("v1.PodSpec", "nodeSelector"),
    ("v1.PodSpec", "overhead"),
];

fn overlay(name: &str, definition: &mut Value) {
    let ends = |suffix: &str| name.strip_suffix(suffix).is_some_and(|head| head.ends_with('.'));
    if ATOMIC_TYPES.iter().any(|t| ends(t)) {
        definition["x-kubernetes-map-type"] = "atomic".into();
    }
    let Some(properties) = definition.get_mut("properties").and_then(Value::as_object_mut) else {
        return;
    };
    if name == META
        && let Some(field) = properties.get_mut("managedFields")
    {
        let description = field.get("description").cloned().unwrap_or_default();
        *field = json!({"type": "array", "description": description,
                        "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    }
    for (ty, field, keys) in LISTS {
        if ends(ty)
            && let Some(property) = properties.get_mut(*field)
        {
            keyed(property, keys);
        }
    }
    for (ty, field) in SETS {
        if ends(ty)
            && let Some(property) = properties.get_mut(*field)
        {
            property["x-kubernetes-list-type"] = "set".into();
            property["x-kubernetes-patch-strategy"] = "merge".into();
        }
    }
    for (ty, field) in ATOMIC_FIELDS {
        if ends(ty)
            && let Some(property) = properties.get_mut(*field)
        {
            property["x-kubernetes-map-type"] = "atomic".into();
        }
    }
    if name.ends_with("Status")
        && let Some(conditions) = properties.get_mut("conditions").filter(|c| c["type"] == "array")
    {
        keyed(conditions, &["type"]);
    }
    // The decoder fills these keys in, so they are part of the identity of a port.
    if (ends("v1.ContainerPort") || ends("v1.ServicePort"))
        && let Some(protocol) = properties.get_mut("protocol")
    {
        protocol["default"] = "TCP".into();
    }
}

fn keyed(property: &mut Value, keys: &[&str]) {
    property["x-kubernetes-list-type"] = "map".into();
    property["x-kubernetes-list-map-keys"] = json!(keys);
    property["x-kubernetes-patch-merge-key"] = json!(keys[0]);
    property["x-kubernetes-patch-strategy"] = "merge".into();
}

/// True where a list kind merges.
impl ListKind {
    pub(crate) fn is_granular(&self) -> bool {
        *self != Self::Atomic
    }
}
