//! Schemas of kinds: what a field is, how lists merge, what is unknown, what is defaulted.
//!
//! One form for both sources: the `openAPIV3Schema` of custom resources, and the schemas of the built-in
//! kinds. Nodes live in an arena, so that the recursive types of Kubernetes (`JSONSchemaProps`) need no
//! special care.

mod amounts;
mod builtin;
mod compile;
mod fill;
mod formats;
mod times;
mod typed;
mod validate;

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

pub(crate) use amounts::canonical_amounts;
pub(crate) use builtin::{builtin, definitions};
pub(crate) use compile::{compile, compile_part, structural_causes};
pub(crate) use fill::{drop_empty, empty_texts, fill_defaults, prune};
pub(crate) use typed::{go_value, typed_errors};
pub(crate) use validate::{decode_error, validate};

/// How the items of a list are told apart when lists merge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum ListKind {
    /// Replaced as a whole.
    #[default]
    Atomic,
    /// Scalars without duplicates.
    Set,
    /// Objects identified by the values of these fields.
    Map(Vec<String>),
}

/// The JSON type that a node asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
}

impl Type {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "object" => Self::Object,
            "array" => Self::Array,
            "string" => Self::String,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "boolean" => Self::Boolean,
            _ => return None,
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
        }
    }
}

/// One place in a schema.
#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    /// Package and name of the structure, of built-in kinds (`v1.PodSpec`).
    pub(crate) name: Option<String>,
    pub(crate) ty: Option<Type>,
    pub(crate) format: Option<String>,
    pub(crate) nullable: bool,
    pub(crate) int_or_string: bool,
    pub(crate) preserve_unknown: bool,
    pub(crate) embedded: bool,
    pub(crate) properties: BTreeMap<String, usize>,
    pub(crate) required: Vec<String>,
    pub(crate) items: Option<usize>,
    pub(crate) additional: Option<usize>,
    pub(crate) additional_any: bool,
    pub(crate) additional_none: bool,
    pub(crate) list: ListKind,
    /// Key of strategic merge where it is not the first list-map key.
    pub(crate) patch_key: Option<String>,
    /// The keys `$retainKeys` work on (unions).
    pub(crate) atomic_map: bool,
    pub(crate) default: Option<Value>,
    pub(crate) enumeration: Vec<Value>,
    pub(crate) pattern: Option<(String, Option<regex::Regex>)>,
    pub(crate) minimum: Option<(f64, bool)>,
    pub(crate) maximum: Option<(f64, bool)>,
    pub(crate) multiple_of: Option<f64>,
    pub(crate) lengths: (Option<u64>, Option<u64>),
    pub(crate) items_count: (Option<u64>, Option<u64>),
    pub(crate) properties_count: (Option<u64>, Option<u64>),
    pub(crate) unique_items: bool,
    pub(crate) all_of: Vec<usize>,
    pub(crate) any_of: Vec<usize>,
    pub(crate) one_of: Vec<usize>,
    pub(crate) not: Option<usize>,
}

/// A set of nodes that refer to each other.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    pub(crate) nodes: Vec<Node>,
}

/// A whole schema: an arena and where it starts.
#[derive(Clone, Debug)]
pub(crate) struct Schema {
    pub(crate) arena: Arc<Arena>,
    pub(crate) root: usize,
}

impl Schema {
    /// A schema that knows nothing: every object is granular, every list atomic, nothing is unknown.
    pub(crate) fn untyped() -> Self {
        let node = Node {
            preserve_unknown: true,
            ..Node::default()
        };
        Self {
            arena: Arc::new(Arena { nodes: vec![node] }),
            root: 0,
        }
    }

    pub(crate) fn view(&self) -> View<'_> {
        View {
            arena: &self.arena,
            node: Some(self.root),
        }
    }
}

/// A place in a schema, or somewhere that no schema describes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(crate) arena: &'a Arena,
    pub(crate) node: Option<usize>,
}

impl<'a> View<'a> {
    pub(crate) fn get(self) -> Option<&'a Node> {
        self.arena.nodes.get(self.node?)
    }

    fn to(self, node: Option<usize>) -> Self {
        Self {
            arena: self.arena,
            node,
        }
    }

    pub(crate) fn node(self, node: usize) -> Self {
        self.to(Some(node))
    }

    /// The schema of a field; of nothing where the field is not described.
    pub(crate) fn field(self, name: &str) -> Self {
        let node = self
            .get()
            .and_then(|n| n.properties.get(name).copied().or(n.additional));
        self.to(node)
    }

    /// True where the schema names this field itself.
    pub(crate) fn has_field(self, name: &str) -> bool {
        self.get().is_some_and(|n| n.properties.contains_key(name))
    }

    pub(crate) fn items(self) -> Self {
        self.to(self.get().and_then(|n| n.items))
    }

    pub(crate) fn list(self) -> &'a ListKind {
        static ATOMIC: ListKind = ListKind::Atomic;
        self.get().map_or(&ATOMIC, |n| &n.list)
    }

    pub(crate) fn is_atomic_map(self) -> bool {
        self.get().is_some_and(|n| n.atomic_map)
    }
}
