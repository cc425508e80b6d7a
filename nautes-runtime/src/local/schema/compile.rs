//! From a JSON schema document to nodes.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde_json::{Map, Value};

use super::{Arena, ListKind, Node, Schema, Type};
use crate::local::status::Cause;

/// Compiles the schema of a custom resource. The standard fields of `metadata` are added at the root and in
/// embedded resources.
pub(crate) fn compile(document: &Value) -> Schema {
    compiled(document, true)
}

/// Compiles a part of such a schema.
pub(crate) fn compile_part(document: &Value) -> Schema {
    compiled(document, false)
}

fn compiled(document: &Value, root: bool) -> Schema {
    let mut compiler = Compiler::default();
    let root = compiler.node(document, &Map::new(), root);
    Schema {
        arena: Arc::new(Arena {
            nodes: compiler.nodes,
        }),
        root,
    }
}

#[derive(Default)]
pub(super) struct Compiler {
    pub(super) nodes: Vec<Node>,
    named: HashMap<String, usize>,
    metadata: Option<usize>,
}

impl Compiler {
    /// The node of a named definition, compiled once.
    pub(super) fn definition(&mut self, name: &str, defs: &Map<String, Value>) -> usize {
        if let Some(known) = self.named.get(name) {
            return *known;
        }
        let place = self.nodes.len();
        self.nodes.push(Node::default());
        self.named.insert(name.to_owned(), place);
        if let Some(document) = defs.get(name) {
            let mut node = self.build(document, defs, false);
            let mut parts = name.rsplit('.');
            node.name = parts
                .next()
                .zip(parts.next())
                .map(|(n, package)| format!("{package}.{n}"));
            self.nodes[place] = node;
        }
        place
    }

    fn node(&mut self, document: &Value, defs: &Map<String, Value>, root: bool) -> usize {
        if let Some(name) = reference(document) {
            return self.definition(name, defs);
        }
        let node = self.build(document, defs, root);
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn build(&mut self, document: &Value, defs: &Map<String, Value>, root: bool) -> Node {
        let Some(map) = document.as_object() else {
            return Node {
                preserve_unknown: true,
                ..Node::default()
            };
        };
        let flag = |key: &str| map.get(key).and_then(Value::as_bool).unwrap_or(false);
        let mut node = Node {
            ty: map.get("type").and_then(Value::as_str).and_then(Type::parse),
            format: map.get("format").and_then(Value::as_str).map(str::to_owned),
            nullable: flag("nullable"),
            int_or_string: flag("x-kubernetes-int-or-string"),
            preserve_unknown: flag("x-kubernetes-preserve-unknown-fields"),
            embedded: flag("x-kubernetes-embedded-resource"),
            unique_items: flag("uniqueItems"),
            default: map.get("default").cloned(),
            list: list_kind(map),
            patch_key: map
                .get("x-kubernetes-patch-merge-key")
                .and_then(Value::as_str)
                .map(str::to_owned),
            atomic_map: map.get("x-kubernetes-map-type").and_then(Value::as_str) == Some("atomic"),
            ..Node::default()
        };
        limits(&mut node, map);
        self.children(&mut node, map, defs);
        if root || node.embedded {
            self.resource_fields(&mut node);
        }
        node
    }

    fn children(&mut self, node: &mut Node, map: &Map<String, Value>, defs: &Map<String, Value>) {
        if let Some(properties) = map.get("properties").and_then(Value::as_object) {
            node.properties = properties
                .iter()
                .map(|(name, document)| (name.clone(), self.node(document, defs, false)))
                .collect::<BTreeMap<_, _>>();
        }
        if let Some(required) = map.get("required").and_then(Value::as_array) {
            node.required = required
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect();
        }
        if let Some(items) = map.get("items").filter(|i| i.is_object()) {
            node.items = Some(self.node(items, defs, false));
        }
        match map.get("additionalProperties") {
            Some(Value::Bool(any)) => {
                node.additional_any = *any;
                node.additional_none = !*any;
            }
            Some(document @ Value::Object(_)) => node.additional = Some(self.node(document, defs, false)),
            _ => {}
        }
        let mut branches = |key: &str| -> Vec<usize> {
            map.get(key)
                .and_then(Value::as_array)
                .map(|list| list.iter().map(|d| self.node(d, defs, false)).collect())
                .unwrap_or_default()
        };
        node.all_of = branches("allOf");
        node.any_of = branches("anyOf");
        node.one_of = branches("oneOf");
        node.not = map.get("not").map(|d| self.node(d, defs, false));
        self.inherit(node);
    }

    /// A lone `allOf` reference (how schemas attach a description to a reference) becomes the node itself.
    fn inherit(&mut self, node: &mut Node) {
        if node.ty.is_some() || node.int_or_string || !node.properties.is_empty() || node.all_of.len() != 1 {
            return;
        }
        let target = self.nodes[node.all_of[0]].clone();
        let default = node.default.take();
        *node = Node {
            nullable: node.nullable || target.nullable,
            ..target
        };
        if default.is_some() {
            node.default = default;
        }
    }

    fn resource_fields(&mut self, node: &mut Node) {
        node.ty.get_or_insert(Type::Object);
        for field in ["apiVersion", "kind"] {
            if !node.properties.contains_key(field) {
                self.nodes.push(Node {
                    ty: Some(Type::String),
                    ..Node::default()
                });
                node.properties.insert(field.to_owned(), self.nodes.len() - 1);
            }
        }
        let metadata = match self.metadata {
            Some(known) => known,
            None => {
                let base = self.nodes.len();
                let built = super::builtin::metadata_nodes();
                self.nodes
                    .extend(built.nodes.iter().cloned().map(|n| shifted(n, base)));
                self.metadata = Some(base + built.root);
                base + built.root
            }
        };
        node.properties.insert("metadata".to_owned(), metadata);
    }
}

pub(super) struct Part {
    pub(super) nodes: Vec<Node>,
    pub(super) root: usize,
}

fn shifted(mut node: Node, by: usize) -> Node {
    node.properties.values_mut().for_each(|v| *v += by);
    for list in [&mut node.all_of, &mut node.any_of, &mut node.one_of] {
        list.iter_mut().for_each(|v| *v += by);
    }
    for one in [&mut node.items, &mut node.additional, &mut node.not] {
        *one = one.map(|v| v + by);
    }
    node
}

fn reference(document: &Value) -> Option<&str> {
    let direct = document.get("$ref").and_then(Value::as_str);
    let wrapped = || {
        let list = document.get("allOf")?.as_array()?;
        match list.as_slice() {
            [one] if document.get("properties").is_none() => one.get("$ref").and_then(Value::as_str),
            _ => None,
        }
    };
    direct.or_else(wrapped)?.rsplit('/').next()
}

fn list_kind(map: &Map<String, Value>) -> ListKind {
    match map.get("x-kubernetes-list-type").and_then(Value::as_str) {
        Some("set") => ListKind::Set,
        Some("map") => {
            let keys = map.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
            ListKind::Map(
                keys.into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect(),
            )
        }
        _ => ListKind::Atomic,
    }
}

fn limits(node: &mut Node, map: &Map<String, Value>) {
    let number = |key: &str| map.get(key).and_then(Value::as_f64);
    let count = |key: &str| map.get(key).and_then(Value::as_u64);
    let flag = |key: &str| map.get(key).and_then(Value::as_bool).unwrap_or(false);
    node.minimum = number("minimum").map(|m| (m, flag("exclusiveMinimum")));
    node.maximum = number("maximum").map(|m| (m, flag("exclusiveMaximum")));
    node.multiple_of = number("multipleOf");
    node.lengths = (count("minLength"), count("maxLength"));
    node.items_count = (count("minItems"), count("maxItems"));
    node.properties_count = (count("minProperties"), count("maxProperties"));
    node.enumeration = map
        .get("enum")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    node.pattern = map
        .get("pattern")
        .and_then(Value::as_str)
        .map(|p| (p.to_owned(), pattern(p)));
}

fn pattern(text: &str) -> Option<regex::Regex> {
    regex::RegexBuilder::new(text).size_limit(4 << 20).build().ok()
}

/// What keeps a schema from being structural, with the wording of the CRD validation.
pub(crate) fn structural_causes(document: &Value, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    structural(document, path, true, 0, &mut causes);
    causes
}

fn structural(document: &Value, path: &str, root: bool, depth: usize, causes: &mut Vec<Cause>) {
    let Some(map) = document.as_object() else {
        causes.push(Cause::required(path, "must be a schema"));
        return;
    };
    if depth > 60 {
        causes.push(Cause::forbidden(path, "the schema is nested too deeply"));
        return;
    }
    let flag = |key: &str| map.get(key).and_then(Value::as_bool).unwrap_or(false);
    let ty = map.get("type").and_then(Value::as_str).unwrap_or_default();
    if map.contains_key("$ref") {
        causes.push(Cause::forbidden(format!("{path}.$ref"), "$ref is not supported"));
    }
    if root && ty != "object" {
        let value = if ty.is_empty() {
            Value::from("")
        } else {
            Value::from(ty)
        };
        causes.push(match ty {
            "" => Cause::required(format!("{path}.type"), "must not be empty at the root"),
            _ => Cause::invalid(format!("{path}.type"), &value, "must be object at the root"),
        });
    } else if ty.is_empty()
        && !flag("x-kubernetes-int-or-string")
        && !flag("x-kubernetes-preserve-unknown-fields")
    {
        causes.push(Cause::required(
            format!("{path}.type"),
            "must not be empty for specified object fields",
        ));
    } else if !ty.is_empty() && Type::parse(ty).is_none() {
        let all = ["array", "boolean", "integer", "number", "object", "string"].map(str::to_owned);
        causes.push(Cause::not_supported(
            format!("{path}.type"),
            &Value::from(ty),
            &all,
        ));
    }
    if let Some(text) = map.get("pattern").and_then(Value::as_str)
        && pattern(text).is_none()
    {
        let detail = "must be a valid regular expression";
        causes.push(Cause::invalid(
            format!("{path}.pattern"),
            &Value::from(text),
            detail,
        ));
    }
    if map
        .get("properties")
        .is_some_and(|p| p.as_object().is_some_and(|p| !p.is_empty()))
        && map
            .get("additionalProperties")
            .is_some_and(|a| *a != Value::Bool(false))
    {
        let detail = "additionalProperties and properties are mutual exclusive";
        causes.push(Cause::forbidden(format!("{path}.additionalProperties"), detail));
    }
    if ty == "array" && !map.contains_key("items") {
        causes.push(Cause::required(format!("{path}.items"), "must be specified"));
    }
    list_causes(map, path, causes);
    for (name, child) in map
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        if !(root && name == "metadata") {
            structural(
                child,
                &format!("{path}.properties[{name}]"),
                false,
                depth + 1,
                causes,
            );
        }
    }
    if let Some(items) = map.get("items") {
        structural(items, &format!("{path}.items"), false, depth + 1, causes);
    }
    if let Some(additional) = map.get("additionalProperties").filter(|a| a.is_object()) {
        structural(
            additional,
            &format!("{path}.additionalProperties"),
            false,
            depth + 1,
            causes,
        );
    }
}

fn list_causes(map: &Map<String, Value>, path: &str, causes: &mut Vec<Cause>) {
    let Some(kind) = map.get("x-kubernetes-list-type").and_then(Value::as_str) else {
        return;
    };
    let field = format!("{path}.x-kubernetes-list-type");
    if !["atomic", "set", "map"].contains(&kind) {
        let all = ["atomic", "map", "set"].map(str::to_owned);
        causes.push(Cause::not_supported(field, &Value::from(kind), &all));
    } else if map.get("type").and_then(Value::as_str) != Some("array") {
        let detail = "must be array if x-kubernetes-list-type is specified";
        let value = map.get("type").cloned().unwrap_or_else(|| Value::from(""));
        causes.push(Cause::invalid(format!("{path}.type"), &value, detail));
    } else if kind == "map" && map.get("x-kubernetes-list-map-keys").is_none() {
        let detail = "must not be empty if x-kubernetes-list-type is map";
        causes.push(Cause::required(
            format!("{path}.x-kubernetes-list-map-keys"),
            detail,
        ));
    }
}
