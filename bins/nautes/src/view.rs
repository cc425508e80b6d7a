//! What the API says of the state of things, as the commands show it.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

/// Whether a resource works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum State {
    /// It does.
    Ready,
    /// It waits for something that may still come.
    Pending,
    /// It cannot; somebody has to change something.
    Failed,
    /// Nobody can tell now.
    #[default]
    #[serde(other)]
    Unknown,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ready => "Ready",
            Self::Pending => "Pending",
            Self::Failed => "Failed",
            Self::Unknown => "Unknown",
        })
    }
}

/// A resource in the tree.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// The resource: `Environment/demo/dev`.
    pub resource: String,
    /// Whether it works.
    pub state: State,
    /// The reason in one word.
    pub reason: String,
    /// The reason in a sentence.
    pub message: String,
    /// The revision that declares it.
    pub revision: String,
    /// What else somebody should know.
    pub notes: Vec<String>,
    /// What belongs to it.
    pub children: Vec<Self>,
}

impl Node {
    /// Returns the kind and name, without the product.
    #[must_use]
    pub fn shown(&self) -> String {
        let mut parts = self.resource.split('/');
        match (parts.next(), parts.next_back()) {
            (Some(kind), Some(name)) => format!("{kind} {name}"),
            _ => self.resource.clone(),
        }
    }

    fn collect<'a>(&'a self, into: &mut Vec<&'a Self>) {
        into.push(self);
        for child in &self.children {
            child.collect(into);
        }
    }
}

/// Everything that was asked for.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// Clusters and products.
    pub roots: Vec<Node>,
}

impl Tree {
    /// Reads an answer of the API. What it does not know is left out, so that a newer server can say more.
    #[must_use]
    pub fn read(value: &Value) -> Self {
        let mut roots = Vec::new();
        nodes(value, &mut roots);
        Self { roots }
    }

    /// Goes through all resources, parents first.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        let mut all = Vec::new();
        for root in &self.roots {
            root.collect(&mut all);
        }
        all.into_iter()
    }

    /// Finds a resource.
    #[must_use]
    pub fn get(&self, resource: &str) -> Option<&Node> {
        self.nodes().find(|n| n.resource == resource)
    }
}

fn nodes(value: &Value, into: &mut Vec<Node>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| nodes(item, into)),
        Value::Object(map) => {
            let Some(resource) = map
                .get("resource")
                .map(identity)
                .filter(|_| map.contains_key("state"))
            else {
                map.values().for_each(|inner| nodes(inner, into));
                return;
            };
            let text = |key: &str| {
                map.get(key)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned()
            };
            let mut children = Vec::new();
            if let Some(inner) = map.get("children") {
                nodes(inner, &mut children);
            }
            let notes = map
                .get("notes")
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default();
            into.push(Node {
                resource,
                state: map
                    .get("state")
                    .and_then(|s| State::deserialize(s).ok())
                    .unwrap_or_default(),
                reason: text("reason"),
                message: text("message"),
                revision: text("revision"),
                notes: notes
                    .iter()
                    .filter_map(|n| n.as_str().map(str::to_owned))
                    .collect(),
                children,
            });
        }
        _ => {}
    }
}

fn identity(value: &Value) -> String {
    nautes_model::Identity::deserialize(value).map_or_else(
        |_| value.as_str().unwrap_or_default().to_owned(),
        |identity| identity.to_string(),
    )
}
