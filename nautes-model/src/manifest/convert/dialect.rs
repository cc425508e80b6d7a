//! Other ways to write the same: the form of the reference's command line, and the fields of its version 0.3.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::spelling::same;
use super::step::{Additions, Step};
use super::{Draft, fields_below, take, text_of};
use crate::fix::Action;
use crate::kind::Kind;
use crate::manifest::{Form, rule};
use crate::resource::Position;
use crate::secret::Secret;
use crate::yaml::{Entry, Node, Value};

/// A field of clusters before 0.4.0 that became settings of a component.
pub(in crate::manifest) struct Setting {
    pub(in crate::manifest) field: &'static str,
    /// The same in the reference's API.
    pub(in crate::manifest) snake: &'static str,
    pub(in crate::manifest) slot: &'static str,
    pub(in crate::manifest) name: &'static str,
    pub(in crate::manifest) namespace: &'static str,
    /// The addition that the value became; without one it was a mapping of additions.
    pub(in crate::manifest) addition: Option<&'static str>,
}

/// The fields of clusters that became settings of components.
pub(in crate::manifest) const SETTINGS: &[Setting] = &[
    Setting {
        field: "argocdHost",
        snake: "argocd_host",
        slot: "deployment",
        name: "argocd",
        namespace: "argocd",
        addition: Some("host"),
    },
    Setting {
        field: "tektonHost",
        snake: "tekton_host",
        slot: "pipeline",
        name: "tekton",
        namespace: "tekton-pipelines",
        addition: Some("host"),
    },
    Setting {
        field: "traefik",
        snake: "traefik",
        slot: "gateway",
        name: "traefik",
        namespace: "traefik",
        addition: None,
    },
];

/// The names of the ports of the gateway in the reference's API.
const PORTS: &[(&str, &str)] = &[
    ("http_node_port", "httpNodePort"),
    ("https_node_port", "httpsNodePort"),
];

impl Draft<'_> {
    /// Turns the fields of other forms into ours.
    pub(super) fn convert(&mut self, kind: Kind, spec: &mut Vec<Entry>) {
        self.respell(kind, spec);
        match kind {
            Kind::Cluster => self.convert_cluster(spec),
            Kind::DeploymentRuntime | Kind::ProjectPipelineRuntime => self.convert_destination(spec),
            Kind::CodeRepoProvider
            | Kind::ArtifactRepoProvider
            | Kind::ProductProvider
            | Kind::Product
            | Kind::Environment
            | Kind::Project
            | Kind::CodeRepo
            | Kind::CodeRepoBinding
            | Kind::ArtifactRepo
            | Kind::ProjectArtifactRepo => {}
        }
    }

    /// Says where the fields that only the command line takes belong in Git.
    pub(super) fn refuse_request_fields(&mut self, kind: Kind, spec: &mut Vec<Entry>) {
        if self.context.form == Form::Request {
            return;
        }
        let own_name = matches!(kind, Kind::Product | Kind::ProductProvider);
        for (key, applies, hint) in [
            ("name", !own_name, "in Git the name stands in metadata.name"),
            (
                "productName",
                true,
                "in Git the repository says whose the resource is",
            ),
            (
                "kubeconfig",
                kind == Kind::Cluster,
                "secrets are not kept in Git: hand it in with nautes apply, and replace what it gives access to",
            ),
        ] {
            if let Some(entry) = applies.then(|| take(spec, key)).flatten() {
                let (field, hint) = (format!("spec.{key}"), Some(hint.to_owned()));
                let message = "there is no such field";
                let adds_nothing = match key {
                    "name" => self.name.as_ref().map(|n| n.as_str()) == entry.node.as_text(),
                    "productName" => self.product.as_ref().map(|p| p.as_str()) == entry.node.as_text(),
                    _ => false,
                };
                let action = adds_nothing.then(|| Action::remove(&field));
                self.faults
                    .add_mendable(rule::FIELD_UNKNOWN, entry.at, &field, message, hint, action);
            }
        }
    }

    /// Before 0.3.9 a destination was the name of an environment.
    fn convert_destination(&mut self, spec: &mut [Entry]) {
        if let Some(entry) = spec.iter_mut().find(|e| e.key == "destination")
            && matches!(entry.node.value, Value::Text(_))
        {
            let at = entry.node.at;
            let text = std::mem::replace(&mut entry.node.value, Value::Null);
            entry.node.value = Value::Map(vec![Entry {
                key: "environment".to_owned(),
                at,
                node: Node { at, value: text },
            }]);
            self.rename("spec.destination.environment", "spec.destination");
            self.steps.push(Step::Wrap {
                path: "spec.destination".to_owned(),
                key: "environment",
            });
        }
    }

    fn convert_cluster(&mut self, spec: &mut Vec<Entry>) {
        if self.context.form == Form::Request {
            self.take_kubeconfig(spec);
        }
        if let Some(Value::Map(vcluster)) = value_mut(spec, "vcluster")
            && let Some(port) = value_mut(vcluster, "httpsNodePort")
        {
            self.number_to_text(port, "spec.vcluster.httpsNodePort");
        }
        for setting in SETTINGS {
            self.convert_setting(spec, setting);
        }
    }

    /// Takes an old field of a cluster apart into the additions of its component.
    fn convert_setting(&mut self, spec: &mut Vec<Entry>, setting: &'static Setting) {
        let snake = (self.context.form == Form::Request).then_some(setting.snake);
        let names = [Some(setting.field), snake.filter(|s| *s != setting.field)];
        let mut given: Vec<Entry> = names.iter().flatten().filter_map(|key| take(spec, key)).collect();
        given.retain(|entry| {
            let empty = match &entry.node.value {
                Value::Null => true,
                Value::Map(fields) => setting.addition.is_none() && fields.is_empty(),
                _ => false,
            };
            if empty {
                self.left_out(&format!("spec.{}", entry.key));
            }
            !empty
        });
        for entry in given {
            let path = format!("spec.{}", entry.key);
            let expected = match (&entry.node.value, setting.addition) {
                (Value::Text(_), Some(_)) | (Value::Map(_), None) => None,
                (_, Some(_)) => Some("a text"),
                (_, None) => Some("a mapping"),
            };
            if let Some(expected) = expected {
                let message = format!("expected {expected}, found {}", entry.node.value.type_name());
                self.faults
                    .add(rule::FIELD_TYPE, entry.node.at, &path, message, None);
                continue;
            }
            let at = entry.at;
            let values = match (entry.node.value, setting.addition) {
                (Value::Map(fields), None) => self.ports(fields, &path),
                (value, addition) => vec![(
                    path.clone(),
                    Entry {
                        key: addition.unwrap_or_default().to_owned(),
                        at,
                        node: Node {
                            at: entry.node.at,
                            value,
                        },
                    },
                )],
            };
            self.convert_component(spec, setting, &path, at, values);
        }
    }

    /// Reads the ports of the gateway: they may be numbers, and may have the names of the reference's API.
    fn ports(&mut self, mut fields: Vec<Entry>, base: &str) -> Vec<(String, Entry)> {
        if self.context.form == Form::Request {
            for (from, to) in PORTS {
                if fields.iter().all(|e| e.key != *to)
                    && let Some(entry) = fields.iter_mut().find(|e| e.key == *from)
                {
                    (*to).clone_into(&mut entry.key);
                    self.renamed
                        .push((format!("{base}.{to}"), format!("{base}.{from}")));
                }
            }
        }
        let mut values = Vec::new();
        for mut entry in fields {
            let path = format!("{base}.{}", shown(&entry.key));
            self.number_to_text(&mut entry.node.value, &path);
            values.push((self.as_written(&path), entry));
        }
        values
    }

    /// Puts settings into the additions of a component, which is made if its slot is free.
    fn convert_component(
        &mut self,
        spec: &mut Vec<Entry>,
        setting: &'static Setting,
        path: &str,
        at: Option<Position>,
        values: Vec<(String, Entry)>,
    ) {
        let slot = format!("spec.componentsList.{}", setting.slot);
        let Some(slots) = fields_below(spec, "componentsList", at) else {
            return;
        };
        let free = match value_mut(slots, setting.slot) {
            None => true,
            Some(value) => *value == Value::Null,
        };
        if free {
            let node = |value| Node { at, value };
            let entry = |key: &str, node| Entry {
                key: key.to_owned(),
                at,
                node,
            };
            take(slots, setting.slot);
            slots.push(entry(
                setting.slot,
                node(Value::Map(vec![
                    entry("name", Node::text(setting.name, at)),
                    entry("namespace", Node::text(setting.namespace, at)),
                    entry("additions", node(Value::Map(Vec::new()))),
                ])),
            ));
            for part in ["", ".name", ".namespace", ".additions"] {
                self.renamed
                    .push((format!("{slot}{part}"), self.as_written(path)));
            }
        }
        let Some(component) = fields_below(slots, setting.slot, at) else {
            return;
        };
        if let Some(other) = text_of(component, "name").filter(|name| *name != setting.name) {
            let message = format!(
                "{} is a setting of {}, but componentsList.{} is {}",
                short(path),
                setting.name,
                setting.slot,
                shown(other)
            );
            let hint = Some(format!("remove {}, or name {} there", short(path), setting.name));
            self.faults.add(rule::FIELD_VALUE, at, path, message, hint);
            return;
        }
        let Some(additions) = fields_below(component, "additions", at) else {
            return;
        };
        let mut moved = Vec::new();
        for (written, entry) in values {
            let target = format!("{slot}.additions.{}", shown(&entry.key));
            match additions.iter().find(|e| e.key == entry.key) {
                None => {
                    moved.push((written.clone(), entry.key.clone()));
                    additions.push(entry);
                    self.renamed.push((target, written));
                }
                Some(other) if same(&entry.node, &other.node) => {}
                Some(_) => {
                    let message = format!(
                        "{} and {} are the same setting, and say different things",
                        short(&written),
                        short(&target)
                    );
                    let hint = Some(format!("keep {} and remove {}", short(&target), short(&written)));
                    let action = Some(Action::remove(&written));
                    self.faults
                        .add_mendable(rule::FIELD_VALUE, entry.at, &written, message, hint, action);
                }
            }
        }
        let suffix = setting.addition.map(|a| format!(".{a}")).unwrap_or_default();
        let component = if free {
            format!(" ({} in the namespace {})", setting.name, setting.namespace)
        } else {
            String::new()
        };
        if moved.is_empty() {
            self.left_out(path);
            return;
        }
        self.notes
            .push(format!("{path} is read as {slot}.additions{suffix}{component}"));
        self.steps.push(Step::Additions(Additions {
            path: path.to_owned(),
            slot: setting.slot,
            name: setting.name,
            namespace: setting.namespace,
            values: moved,
        }));
    }

    fn number_to_text(&mut self, value: &mut Value, path: &str) {
        if let Value::Number(number) = value {
            let text = number.to_string();
            let path = self.as_written(path);
            self.notes
                .push(format!("{path} is a number and is read as a text"));
            self.steps.push(Step::Text {
                path,
                text: text.clone(),
            });
            *value = Value::Text(text);
        }
    }

    /// Takes the kubeconfig into custody: from here on it is in no resource, note or message.
    fn take_kubeconfig(&mut self, spec: &mut Vec<Entry>) {
        let field = "spec.kubeconfig";
        let Some(entry) = take(spec, "kubeconfig") else {
            return;
        };
        let at = entry.node.at;
        let text = match entry.node.value {
            Value::Text(text) => Secret::from(text),
            Value::Null => return self.left_out(field),
            other => {
                let message = format!("expected a text, found {}", other.type_name());
                let hint = Some("begin the value with '|' and indent the kubeconfig below it".to_owned());
                self.faults.add(rule::FIELD_TYPE, at, field, message, hint);
                return;
            }
        };
        if text.expose().trim_ascii().is_empty() {
            return self.left_out(field);
        }
        match decode_kubeconfig(text) {
            Some(secret) => {
                self.secrets.push((field.to_owned(), secret));
                self.steps.push(Step::Secret {
                    path: field.to_owned(),
                });
            }
            None => {
                let message = "the text is neither a kubeconfig nor the base64 of one";
                let hint = Some("give the whole file that kubectl uses".to_owned());
                self.faults.add(rule::FIELD_VALUE, at, field, message, hint);
            }
        }
    }
}

/// Returns a kubeconfig in plain text; a kubeconfig has colons, which base64 has not.
fn decode_kubeconfig(text: Secret) -> Option<Secret> {
    if text.expose().contains(&b':') {
        return Some(text);
    }
    let compact = Secret::new(
        text.expose()
            .iter()
            .copied()
            .filter(|b| !b.is_ascii_whitespace())
            .collect::<Vec<u8>>(),
    );
    let plain = Secret::new(STANDARD.decode(compact.expose()).ok()?);
    let good = plain.expose_str().is_ok_and(|text| text.contains(':'));
    good.then_some(plain)
}

fn value_mut<'n>(fields: &'n mut [Entry], key: &str) -> Option<&'n mut Value> {
    fields
        .iter_mut()
        .find(|e| e.key == key)
        .map(|e| &mut e.node.value)
}

/// Leaves `spec.` away, for messages that name several fields.
fn short(path: &str) -> &str {
    path.strip_prefix("spec.").unwrap_or(path)
}

/// Returns the beginning of a text that a user wrote.
fn shown(text: &str) -> &str {
    let end = text.char_indices().nth(80).map_or(text.len(), |(i, _)| i);
    &text[..end]
}
