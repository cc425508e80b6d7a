//! Reading the manifests of a repository: files in, objects and problems out.

use std::collections::{BTreeMap, BTreeSet};

use nautes_model::Class;
use serde::Serialize;
use serde_json::Value;

use super::kinds;
use super::yaml::{self, Budget, Document};
use crate::apply::Hold;
use crate::apply::entry::Id;
use crate::object::ObjectKey;
use crate::plan::DeployUnit;

/// The largest file that is read, in bytes.
pub const MAX_FILE: usize = 4 << 20;

/// How many bytes all files may have together.
pub const MAX_TOTAL: usize = 64 << 20;

/// How many objects one unit may have.
pub const MAX_OBJECTS: usize = 5_000;

/// How deep a `List` may be in a `List`.
const MAX_LISTS: usize = 4;

/// An object and the file that declares it.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// The file, below the folder of the unit.
    pub path: String,
    /// The object; a namespaced one has its namespace.
    pub object: Value,
}

/// Something in a file that cannot be deployed. The rest is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestProblem {
    /// The file.
    pub path: String,
    /// The document in the file, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<usize>,
    /// The line at which the document begins, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The object, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What can be done about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The class.
    #[serde(skip)]
    pub class: Class,
}

/// What the files of a unit say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifests {
    /// The objects, in order of file and place.
    pub objects: Vec<Manifest>,
    /// What cannot be deployed.
    pub problems: Vec<ManifestProblem>,
    /// What is not known because a file cannot be read: it is neither changed nor pruned.
    pub hold: Hold,
}

/// Reads the manifests of a unit: plain YAML and JSON, any number of documents in a file, `List`s.
///
/// Files with other endings are not looked at. A file of which any part cannot be parsed is not used at all, and
/// what it used to declare is held. An object that may not be deployed is left out and said so.
#[must_use]
pub fn read_manifests(files: &BTreeMap<String, Vec<u8>>, unit: &DeployUnit) -> Manifests {
    let mut reader = Reader {
        unit,
        out: Manifests::default(),
        seen: BTreeMap::new(),
        budget: Budget {
            documents: MAX_OBJECTS,
            bytes: MAX_TOTAL,
        },
    };
    let unsupported = reader.unsupported(files);
    for (path, bytes) in files {
        let below = |folder: &String| folder.is_empty() || path.starts_with(&format!("{folder}/"));
        if !is_manifest(path) || unsupported.iter().any(below) {
            continue;
        }
        reader.file(path, bytes);
    }
    reader.finish()
}

fn is_manifest(path: &str) -> bool {
    let ending = path
        .rsplit_once('.')
        .map(|(_, ending)| ending.to_ascii_lowercase());
    matches!(ending.as_deref(), Some("yaml" | "yml" | "json"))
}

struct Reader<'a> {
    unit: &'a DeployUnit,
    out: Manifests,
    /// Where each object was first declared.
    seen: BTreeMap<Id, Vec<(ObjectKey, String)>>,
    budget: Budget,
}

impl Reader<'_> {
    /// Reports folders that need a tool, and returns them.
    fn unsupported(&mut self, files: &BTreeMap<String, Vec<u8>>) -> BTreeSet<String> {
        let mut folders = BTreeSet::new();
        for path in files.keys() {
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
            let (what, hint) = match name {
                "kustomization.yaml" | "kustomization.yml" | "Kustomization" => (
                    "kustomizations are not supported by engine direct",
                    "commit the output of `kustomize build`, or use a cluster whose deployment component is argocd or flux",
                ),
                "Chart.yaml" => (
                    "Helm charts are not supported by engine direct",
                    "commit the output of `helm template`, or use a cluster whose deployment component is argocd or flux",
                ),
                _ => continue,
            };
            folders.insert(folder.to_owned());
            self.out.hold.paths.insert(folder.to_owned());
            self.out.problems.push(ManifestProblem {
                path: path.clone(),
                document: None,
                line: None,
                object: None,
                message: format!("{what}; nothing in its folder is deployed, and what was stays"),
                hint: Some(hint.to_owned()),
                class: Class::Invalid,
            });
        }
        folders
    }

    /// Reports a file that cannot be read, and holds what it used to declare.
    fn broken(&mut self, path: &str, message: String) {
        self.out.hold.paths.insert(path.to_owned());
        self.out.problems.push(ManifestProblem {
            path: path.to_owned(),
            document: None,
            line: None,
            object: None,
            message,
            hint: Some("what the file declared before stays as it is until it can be read".to_owned()),
            class: Class::Invalid,
        });
    }

    fn file(&mut self, path: &str, bytes: &[u8]) {
        if bytes.len() > MAX_FILE {
            let message = format!("the file has {} bytes, {MAX_FILE} are allowed", bytes.len());
            return self.broken(path, message);
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            return self.broken(path, "the file is not UTF-8 text".to_owned());
        };
        let mut budget = self.budget;
        match yaml::documents(text, &mut budget) {
            Ok(documents) => {
                self.budget = budget;
                for Document { number, line, value } in documents {
                    self.document(path, (number, line), value, 0);
                }
            }
            Err(message) => self.broken(path, message),
        }
    }

    fn document(&mut self, path: &str, at: (usize, usize), mut object: Value, depth: usize) {
        if let Some(items) = list_items(&mut object) {
            if depth >= MAX_LISTS {
                return self.refuse(path, at, None, Class::Invalid, "lists are nested too deep");
            }
            for item in items {
                self.document(path, at, item, depth + 1);
            }
            return;
        }
        match self.judge(&mut object) {
            Ok(key) => self.accept(path, at, key, object),
            Err((class, message)) => {
                let shown = ObjectKey::of(&object).ok().map(|key| key.to_string());
                self.refuse(path, at, shown, class, &message);
            }
        }
    }

    /// Completes an object, or says why it may not be deployed.
    fn judge(&self, object: &mut Value) -> Result<ObjectKey, (Class, String)> {
        let invalid = |message: &str| (Class::Invalid, message.to_owned());
        if !object.is_object() {
            return Err(invalid("the document is not a map"));
        }
        if object.pointer("/metadata/generateName").is_some() {
            return Err(invalid(
                "metadata.generateName is refused: the object needs a name that stays",
            ));
        }
        let key = ObjectKey::of(object).map_err(|error| invalid(&error.to_string()))?;
        if key.kind.is_empty() || key.name.is_empty() || key.version.is_empty() {
            return Err(invalid("apiVersion, kind and metadata.name must not be empty"));
        }
        yaml::plain_secret(object).map_err(|message| (Class::Invalid, message))?;
        let group_kind = (key.group.clone(), key.kind.clone());
        if self.unit.cluster_kinds.contains(&group_kind) {
            return Ok(key);
        }
        if kinds::is_cluster_scoped(&key.group, &key.kind) {
            let message = format!(
                "the cluster does not allow the product to deploy {}, which is cluster-scoped",
                key.kind
            );
            return Err((Class::Denied, message));
        }
        self.place(object, key)
    }

    /// Gives an object its namespace.
    fn place(&self, object: &mut Value, mut key: ObjectKey) -> Result<ObjectKey, (Class, String)> {
        match &key.namespace {
            Some(namespace) if self.unit.namespaces.contains(namespace) => Ok(key),
            Some(namespace) => {
                let message = format!(
                    "namespace {namespace} is not one of the runtime ({})",
                    self.unit.namespaces.join(", ")
                );
                Err((Class::Denied, message))
            }
            None => {
                let Some(first) = self.unit.namespaces.first() else {
                    return Err((Class::Invalid, "the runtime has no namespace".to_owned()));
                };
                object["metadata"]["namespace"] = Value::String(first.clone());
                key.namespace = Some(first.clone());
                Ok(key)
            }
        }
    }

    fn accept(&mut self, path: &str, at: (usize, usize), key: ObjectKey, object: Value) {
        if self.out.objects.len() >= MAX_OBJECTS {
            let message = format!("there are more than {MAX_OBJECTS} objects");
            self.out.hold.paths.insert(path.to_owned());
            return self.refuse(path, at, Some(key.to_string()), Class::Invalid, &message);
        }
        let places = self.seen.entry(Id::from(&key)).or_default();
        places.push((key, path.to_owned()));
        self.out.objects.push(Manifest {
            path: path.to_owned(),
            object,
        });
    }

    fn refuse(
        &mut self,
        path: &str,
        at: (usize, usize),
        object: Option<String>,
        class: Class,
        message: &str,
    ) {
        self.out.problems.push(ManifestProblem {
            path: path.to_owned(),
            document: Some(at.0),
            line: Some(at.1),
            object,
            message: message.to_owned(),
            hint: None,
            class,
        });
    }

    /// Takes out what is declared more than once: nobody can tell which one counts.
    fn finish(mut self) -> Manifests {
        let twice: BTreeMap<Id, Vec<(ObjectKey, String)>> = self
            .seen
            .into_iter()
            .filter(|(_, places)| places.len() > 1)
            .collect();
        let id = |object: &Value| ObjectKey::of(object).ok().map(|key| Id::from(&key));
        self.out
            .objects
            .retain(|manifest| id(&manifest.object).is_none_or(|id| !twice.contains_key(&id)));
        for places in twice.into_values() {
            let paths: Vec<&str> = places.iter().map(|(_, path)| path.as_str()).collect();
            let Some((key, path)) = places.first() else {
                continue;
            };
            self.out.problems.push(ManifestProblem {
                path: path.clone(),
                document: None,
                line: None,
                object: Some(key.to_string()),
                message: format!("it is declared {} times: {}", paths.len(), paths.join(", ")),
                hint: Some("keep one of the declarations".to_owned()),
                class: Class::Invalid,
            });
            self.out.hold.objects.insert(key.clone());
        }
        self.out.problems.sort();
        self.out
    }
}

/// Takes the items out of a `List` (or `ConfigMapList`, ...) of any version; `None` if it is none.
fn list_items(object: &mut Value) -> Option<Vec<Value>> {
    let kind = object.get("kind")?.as_str()?;
    let is_list = kind == "List" || kind.ends_with("List") && object.pointer("/metadata/name").is_none();
    match object.get_mut("items") {
        Some(Value::Array(items)) if is_list => Some(std::mem::take(items)),
        Some(_) | None => None,
    }
}
