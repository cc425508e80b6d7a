//! The kinds that are served: built-in ones, and those of custom resource definitions.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use serde_json::Value;

use super::{
    builtin::{self, Sort},
    cel::Rules,
    schema::{self, Schema},
};

/// A column of the table form.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) ty: String,
    pub(crate) format: String,
    pub(crate) description: String,
    pub(crate) priority: i64,
    pub(crate) path: String,
}

/// Where the scale subresource of a kind finds its numbers (paths without the leading dot).
#[derive(Clone, Debug)]
pub(crate) struct ScalePaths {
    pub(crate) spec: Vec<String>,
    pub(crate) status: Vec<String>,
    pub(crate) selector: Option<Vec<String>>,
}

/// One version of a kind.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) name: String,
    pub(crate) schema: Schema,
    pub(crate) document: Option<Arc<Value>>,
    pub(crate) rules: Option<Arc<Rules>>,
    pub(crate) status: bool,
    pub(crate) scale: Option<ScalePaths>,
    pub(crate) columns: Vec<Column>,
    pub(crate) selectable: Vec<String>,
    pub(crate) deprecated: Option<String>,
}

/// One kind, in all its served versions.
#[derive(Clone, Debug)]
pub(crate) struct ResourceType {
    pub(crate) group: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) namespaced: bool,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) versions: Vec<Arc<Version>>,
    /// How objects are stored; `events` of both groups share one place.
    pub(crate) storage: Arc<str>,
    /// The group, version and kind that API servers keep objects in (`apps/v1/Deployment`).
    pub(crate) kept_as: String,
    pub(crate) sort: Sort,
    pub(crate) custom: bool,
}

impl ResourceType {
    /// The name with its group, as messages show it.
    pub(crate) fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.plural.clone()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    pub(crate) fn version(&self, name: &str) -> Option<&Arc<Version>> {
        self.versions.iter().find(|v| v.name == name)
    }

    pub(crate) fn api_version(&self, version: &str) -> String {
        if self.group.is_empty() {
            version.to_owned()
        } else {
            format!("{}/{version}", self.group)
        }
    }

    pub(crate) fn is(&self, group: &str, plural: &str) -> bool {
        self.group == group && self.plural == plural
    }

    pub(crate) fn is_stored(&self) -> bool {
        !matches!(self.sort, Sort::Review | Sort::Hidden)
    }
}

/// All kinds of a server, by group and plural.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registry {
    types: BTreeMap<(String, String), Arc<ResourceType>>,
    /// Grows with every change, so that documents made from the registry can be kept.
    pub(crate) generation: u64,
}

static BUILTINS: LazyLock<Registry> = LazyLock::new(|| {
    let mut registry = Registry::default();
    for row in builtin::TYPES.iter().filter(|row| row.sort != Sort::Hidden) {
        let mut kind = from_row(row);
        if let Some(other) = registry.get(&kind.group, &kind.plural) {
            kind.versions = other.versions.iter().cloned().chain(kind.versions).collect();
            kind.kept_as.clone_from(&other.kept_as);
        }
        registry.insert(kind);
    }
    registry
});

fn from_row(row: &builtin::Builtin) -> ResourceType {
    let path = |p: &str| p.split('.').map(str::to_owned).collect::<Vec<_>>();
    let scale = (row.sort == Sort::Scale).then(|| ScalePaths {
        spec: path("spec.replicas"),
        status: path("status.replicas"),
        selector: None,
    });
    let version = Version {
        name: row.version.to_owned(),
        schema: schema::builtin(&row.definition).unwrap_or_else(Schema::untyped),
        document: None,
        rules: None,
        status: matches!(row.sort, Sort::Status | Sort::Scale),
        scale,
        columns: Vec::new(),
        selectable: Vec::new(),
        deprecated: (row.plural == "endpoints").then(|| {
            "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice".to_owned()
        }),
    };
    let storage = match row.plural {
        "events" => "events".to_owned(),
        plural if row.group.is_empty() => plural.to_owned(),
        plural => format!("{plural}.{}", row.group),
    };
    let words = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
    ResourceType {
        group: row.group.to_owned(),
        plural: row.plural.to_owned(),
        singular: row.kind.to_lowercase(),
        kind: row.kind.to_owned(),
        list_kind: format!("{}List", row.kind),
        namespaced: row.namespaced,
        short_names: words(row.short),
        categories: words(row.categories),
        versions: vec![Arc::new(version)],
        storage: storage.into(),
        kept_as: match row.plural {
            "events" => "/v1/Event".to_owned(),
            "customresourcedefinitions" => format!("{}/v1beta1/{}", row.group, row.kind),
            _ => format!("{}/{}/{}", row.group, row.version, row.kind),
        },
        sort: row.sort,
        custom: false,
    }
}

impl Registry {
    /// A registry that knows the built-in kinds.
    pub(crate) fn with_builtins() -> Self {
        BUILTINS.clone()
    }

    pub(crate) fn insert(&mut self, kind: ResourceType) {
        self.generation += 1;
        self.types
            .insert((kind.group.clone(), kind.plural.clone()), Arc::new(kind));
    }

    pub(crate) fn remove(&mut self, group: &str, plural: &str) {
        self.generation += 1;
        self.types.remove(&(group.to_owned(), plural.to_owned()));
    }

    pub(crate) fn get(&self, group: &str, plural: &str) -> Option<&Arc<ResourceType>> {
        self.types.get(&(group.to_owned(), plural.to_owned()))
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<ResourceType>> {
        self.types.values()
    }

    /// True where the group is one that the server brings, and not only definitions.
    pub(crate) fn is_built_in(&self, group: &str) -> bool {
        self.types.values().any(|t| t.group == group && !t.custom)
    }

    /// The versions of a group that are served, preferred first.
    pub(crate) fn versions(&self, group: &str) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for version in self
            .types
            .values()
            .filter(|t| t.group == group)
            .flat_map(|t| &t.versions)
        {
            if !found.contains(&version.name) {
                found.push(version.name.clone());
            }
        }
        found.sort_by(|a, b| rank(b).cmp(&rank(a)).then(a.cmp(b)));
        found
    }

    /// The named groups that are served: those of Kubernetes first, so that clients that know no more than the name of a
    /// kind find its own before that of a definition.
    pub(crate) fn groups(&self) -> Vec<String> {
        let mut found: Vec<String> = self
            .types
            .values()
            .map(|t| t.group.clone())
            .filter(|g| !g.is_empty())
            .collect();
        let place = |group: &str| GROUPS.iter().position(|g| *g == group).unwrap_or(GROUPS.len());
        found.sort_by(|a, b| (place(a), a).cmp(&(place(b), b)));
        found.dedup();
        found
    }
}

/// The groups of Kubernetes, in its order.
const GROUPS: [&str; 14] = [
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "scheduling.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
];

/// Kubernetes' order of versions: stable before beta before alpha, higher numbers first.
pub(crate) fn rank(version: &str) -> (u8, u64, u64) {
    let Some(rest) = version.strip_prefix('v') else {
        return (0, 0, 0);
    };
    let split = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let Ok(major) = rest[..split].parse() else {
        return (0, 0, 0);
    };
    match &rest[split..] {
        "" => (3, major, 0),
        tail => match (tail.strip_prefix("beta"), tail.strip_prefix("alpha")) {
            (Some(minor), _) => (2, major, minor.parse().unwrap_or(0)),
            (_, Some(minor)) => (1, major, minor.parse().unwrap_or(0)),
            _ => (0, 0, 0),
        },
    }
}
