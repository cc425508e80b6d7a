//! The platform as expressions see it: a resource, and what stands around it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::LazyLock;

use nautes_model::{Identity, Kind, crd};
use serde_json::{Value as Json, json};

use crate::cel::{Fields, Map, Type, Value, World};
use crate::graph::Target;
use crate::rule::Checked;

/// A neighbour that expressions can name: of every resource as a field, of the resource that is judged also as a
/// variable.
pub(crate) struct Neighbour {
    pub(crate) name: &'static str,
    /// The kinds that it can be of; none for any kind.
    kinds: &'static [Kind],
    is_list: bool,
    /// What it is, for people.
    pub(crate) what: &'static str,
}

const fn one(name: &'static str, kinds: &'static [Kind], what: &'static str) -> Neighbour {
    Neighbour {
        name,
        kinds,
        is_list: false,
        what,
    }
}

const fn many(name: &'static str, kinds: &'static [Kind], what: &'static str) -> Neighbour {
    Neighbour {
        name,
        kinds,
        is_list: true,
        what,
    }
}

const RUNTIMES: &[Kind] = &[Kind::ProjectPipelineRuntime, Kind::DeploymentRuntime];

/// Every neighbour, by name.
pub(crate) const NEIGHBOURS: &[Neighbour] = &[
    many("bindings", &[Kind::CodeRepoBinding], "the bindings that name it"),
    one(
        "cluster",
        &[Kind::Cluster],
        "the cluster of an environment, or of a runtime's environment",
    ),
    many("dependents", &[], "what needs it directly"),
    one(
        "environment",
        &[Kind::Environment],
        "the environment of a runtime",
    ),
    one("host", &[Kind::Cluster], "the host of a virtual cluster"),
    one(
        "owner",
        &[Kind::Project, Kind::CodeRepo, Kind::Product],
        "the project of a code repository or pipeline runtime, the repository of a binding, else the product",
    ),
    one("product", &[Kind::Product], "the product that it is of"),
    one(
        "project",
        &[Kind::Project],
        "the project of a code repository or pipeline runtime",
    ),
    one(
        "provider",
        &[Kind::CodeRepoProvider, Kind::ArtifactRepoProvider],
        "the provider of a repository",
    ),
    many("references", &[], "what it names"),
    one(
        "repository",
        &[Kind::CodeRepo],
        "the code repository of a binding, of a deployment, of pipelines",
    ),
    many("runtimes", RUNTIMES, "the runtimes that need it, directly or not"),
];

/// What a resource has besides its neighbours.
const PARTS: [&str; 4] = ["apiVersion", "kind", "metadata", "spec"];

/// The schema of the metadata that is kept of a manifest.
static METADATA: LazyLock<Json> = LazyLock::new(|| {
    let texts = json!({"type": "object", "additionalProperties": {"type": "string"}});
    json!({"type": "object", "properties": {
        "name": {"type": "string"},
        "namespace": {"type": "string"},
        "labels": texts,
        "annotations": texts,
    }})
});

/// The fields of resources, for the check of expressions.
pub(super) struct ResourceFields;

impl Fields for ResourceFields {
    fn field(&self, kind: Kind, name: &str) -> Option<Type> {
        match name {
            "apiVersion" | "kind" => Some(Type::Text),
            "metadata" => Some(Type::Object(vec![&METADATA])),
            "spec" => crd::schema(kind)
                .get("properties")?
                .get("spec")
                .map(Type::of_schema),
            _ => type_of(name),
        }
    }

    fn names(&self) -> Vec<String> {
        let neighbours = NEIGHBOURS.iter().map(|n| n.name.to_owned());
        PARTS
            .iter()
            .map(|part| (*part).to_owned())
            .chain(neighbours)
            .collect()
    }
}

/// The type of a neighbour.
pub(super) fn type_of(name: &str) -> Option<Type> {
    let neighbour = NEIGHBOURS.iter().find(|n| n.name == name)?;
    let kinds = if neighbour.kinds.is_empty() {
        nautes_model::kind::KINDS.iter().map(|info| info.kind).collect()
    } else {
        neighbour.kinds.to_vec()
    };
    let one = Type::Resource(kinds);
    Some(if neighbour.is_list {
        Type::List(Box::new(one))
    } else {
        one
    })
}

/// Whether what was looked at is certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Doubt {
    /// Everything is declared, or certainly not there.
    None,
    /// Something stands in a file that cannot be read now.
    Held,
    /// Something is not loaded.
    Unknown,
}

/// How many manifests are kept in the form that expressions read.
const MAX_KEPT: usize = 4096;

/// The platform around the resource that is judged.
pub(super) struct Around<'r, 'a> {
    on: &'r Checked<'a>,
    me: RefCell<Option<Rc<Identity>>>,
    doubt: Cell<Doubt>,
    kept: RefCell<BTreeMap<Identity, (Value, Value)>>,
}

impl<'r, 'a> Around<'r, 'a> {
    pub(super) const fn new(on: &'r Checked<'a>) -> Self {
        Self {
            on,
            me: RefCell::new(None),
            doubt: Cell::new(Doubt::None),
            kept: RefCell::new(BTreeMap::new()),
        }
    }

    /// Goes on to another resource.
    pub(super) fn about(&self, identity: &Identity) {
        *self.me.borrow_mut() = Some(Rc::new(identity.clone()));
        self.doubt.set(Doubt::None);
    }

    pub(super) fn doubt(&self) -> Doubt {
        self.doubt.get()
    }

    /// Returns `metadata` and `spec` of a resource.
    fn parts(&self, of: &Identity) -> Option<(Value, Value)> {
        if let Some(kept) = self.kept.borrow().get(of) {
            return Some(kept.clone());
        }
        let sourced = self.on.scopes.get(of)?;
        let json = sourced.resource.to_json().ok()?;
        let schema = crd::schema(of.kind).get("properties").and_then(|p| p.get("spec"));
        let known = METADATA.get("properties").and_then(Json::as_object);
        let metadata = json.get("metadata").and_then(Json::as_object);
        let metadata: serde_json::Map<String, Json> = metadata
            .into_iter()
            .flatten()
            .filter(|(key, _)| known.is_some_and(|known| known.contains_key(*key)))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let parts = (
            Value::from_json(&Json::Object(metadata), Some(&METADATA)),
            Value::from_json(json.get("spec").unwrap_or(&Json::Null), schema),
        );
        let mut kept = self.kept.borrow_mut();
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(of.clone(), parts.clone());
        Some(parts)
    }

    /// Follows a field to what it names.
    fn follow(&self, of: &Identity, field: &str) -> Option<Identity> {
        match self.on.graph.target(of, field)? {
            Target::Found(found) => return Some(found.clone()),
            Target::Held(_) => self.doubt.set(self.doubt.get().max(Doubt::Held)),
            Target::Unknown(_) => self.doubt.set(Doubt::Unknown),
            Target::Missing(_) | Target::Invalid => {}
        }
        None
    }

    /// Follows the field that a kind has for it.
    fn single(&self, of: &Identity, name: &str) -> Option<Identity> {
        let field = match (name, of.kind) {
            ("cluster", Kind::Environment) => "spec.cluster",
            ("cluster", Kind::DeploymentRuntime | Kind::ProjectPipelineRuntime) => {
                return self.single(&self.single(of, "environment")?, "cluster");
            }
            ("environment", Kind::DeploymentRuntime | Kind::ProjectPipelineRuntime) => {
                "spec.destination.environment"
            }
            ("host", Kind::Cluster) => "spec.hostCluster",
            ("project", Kind::CodeRepo | Kind::ProjectPipelineRuntime | Kind::ProjectArtifactRepo) => {
                "spec.project"
            }
            ("provider", Kind::CodeRepo) => "spec.codeRepoProvider",
            ("provider", Kind::ArtifactRepo) => "spec.artifactRepoProvider",
            ("provider", Kind::ProductProvider) => "spec.name",
            ("repository", Kind::CodeRepoBinding) => "spec.codeRepo",
            ("repository", Kind::DeploymentRuntime) => "spec.manifestSource.codeRepo",
            ("repository", Kind::ProjectPipelineRuntime) => "spec.pipelineSource",
            ("owner", Kind::CodeRepoBinding) => return self.single(of, "repository"),
            ("owner", _) => {
                return self.single(of, "project").or_else(|| self.single(of, "product"));
            }
            ("product", kind) if kind.is_of_product() => "spec.product",
            _ => return None,
        };
        self.follow(of, field)
    }

    fn several(&self, of: &Identity, name: &str) -> Option<Vec<Identity>> {
        let graph = &self.on.graph;
        Some(match name {
            "bindings" => {
                let all = graph.direct_dependents(of).into_iter();
                all.filter(|i| i.kind == Kind::CodeRepoBinding).collect()
            }
            "dependents" => graph.direct_dependents(of),
            "references" => {
                let all: BTreeSet<&Identity> =
                    graph.references(of).iter().filter_map(|l| l.to.found()).collect();
                all.into_iter().cloned().collect()
            }
            "runtimes" => {
                let all = graph.dependents(of).into_iter();
                all.filter(|i| RUNTIMES.contains(&i.kind)).collect()
            }
            _ => return None,
        })
    }
}

impl World for Around<'_, '_> {
    fn variable(&self, name: &str) -> Option<Value> {
        let me = self.me.borrow().clone()?;
        if name == "self" {
            return Some(Value::Resource(me));
        }
        NEIGHBOURS.iter().find(|n| n.name == name)?;
        self.select(&me, name)
    }

    fn select(&self, of: &Identity, field: &str) -> Option<Value> {
        match field {
            "apiVersion" => return Some(Value::text(nautes_model::kind::API_VERSION)),
            "kind" => return Some(Value::text(of.kind.name())),
            "metadata" => return Some(self.parts(of).map_or_else(empty, |(metadata, _)| metadata)),
            "spec" => return Some(self.parts(of).map_or_else(empty, |(_, spec)| spec)),
            _ => {}
        }
        let neighbour = NEIGHBOURS.iter().find(|n| n.name == field)?;
        if neighbour.is_list {
            let found = self.several(of, field)?;
            return Some(Value::list(found.iter().map(Value::resource).collect()));
        }
        Some(
            self.single(of, field)
                .as_ref()
                .map_or(Value::Null, Value::resource),
        )
    }
}

fn empty() -> Value {
    Value::Map(Rc::new(Map::default()))
}
