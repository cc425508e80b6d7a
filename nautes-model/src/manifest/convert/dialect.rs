//! Other ways to write the same: the form of the reference's command line, and the fields of its version 0.3.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Draft, fields_below, take};
use crate::kind::Kind;
use crate::manifest::{Form, rule};
use crate::resource::Position;
use crate::secret::Secret;
use crate::yaml::{Entry, Node, Value};

impl Draft<'_> {
    /// Turns the fields of other forms into ours.
    pub(super) fn convert(&mut self, kind: Kind, spec: &mut Vec<Entry>) {
        match kind {
            Kind::Cluster => self.convert_cluster(spec),
            Kind::DeploymentRuntime => {
                self.convert_field(spec, "spec", "manifestsource", "manifestSource");
                self.convert_destination(spec);
            }
            Kind::ProjectPipelineRuntime => {
                if let Some(Value::Map(additional)) = value_mut(spec, "additionalResources")
                    && let Some(Value::Map(git)) = value_mut(additional, "git")
                {
                    self.convert_field(git, "spec.additionalResources.git", "coderepo", "codeRepo");
                }
                self.convert_destination(spec);
            }
            Kind::CodeRepoBinding => self.convert_field(spec, "spec", "coderepo", "codeRepo"),
            Kind::CodeRepo => {
                self.convert_field(spec, "spec", "projectPipelineRuntime", "pipelineRuntime");
            }
            Kind::CodeRepoProvider
            | Kind::ArtifactRepoProvider
            | Kind::ProductProvider
            | Kind::Product
            | Kind::Environment
            | Kind::Project
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
                self.faults
                    .add(rule::FIELD_UNKNOWN, entry.at, &field, message, hint);
            }
        }
    }

    /// Renames a field that the command line spells otherwise.
    fn convert_field(&mut self, fields: &mut Vec<Entry>, base: &str, from: &str, to: &str) {
        if self.context.form != Form::Request || fields.iter().all(|e| e.key != from) {
            return;
        }
        let Some(mut entry) = take(fields, from) else {
            return;
        };
        if fields.iter().any(|e| e.key == to) {
            let message = format!("{from} and {to} are the same field, and both are given");
            let hint = Some(format!("keep {to}"));
            self.faults.add(
                rule::FIELD_VALUE,
                entry.at,
                &format!("{base}.{from}"),
                message,
                hint,
            );
            return;
        }
        to.clone_into(&mut entry.key);
        fields.push(entry);
        self.rename(&format!("{base}.{to}"), &format!("{base}.{from}"));
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
        }
    }

    fn convert_cluster(&mut self, spec: &mut Vec<Entry>) {
        if self.context.form == Form::Request {
            self.take_kubeconfig(spec);
        }
        if let Some(Value::Map(vcluster)) = value_mut(spec, "vcluster")
            && let Some(port) = value_mut(vcluster, "httpsNodePort")
        {
            number_to_text(port);
        }
        for (field, slot, name, namespace) in [
            ("argocdHost", "deployment", "argocd", "argocd"),
            ("tektonHost", "pipeline", "tekton", "tekton-pipelines"),
        ] {
            if let Some(entry) = self.take_text(spec, "spec", field) {
                let host = Entry {
                    key: "host".to_owned(),
                    ..entry
                };
                self.convert_component(spec, field, slot, (name, namespace), host.at, vec![host]);
            }
        }
        if let Some(entry) = take(spec, "traefik") {
            match entry.node.value {
                Value::Map(mut ports) => {
                    for port in &mut ports {
                        number_to_text(&mut port.node.value);
                    }
                    self.convert_component(
                        spec,
                        "traefik",
                        "gateway",
                        ("traefik", "traefik"),
                        entry.at,
                        ports,
                    );
                }
                Value::Null => {}
                other => {
                    let message = format!("expected a mapping, found {}", other.type_name());
                    self.faults
                        .add(rule::FIELD_TYPE, entry.node.at, "spec.traefik", message, None);
                }
            }
        }
    }

    /// Before 0.4.0 some settings of components had fields of their own.
    fn convert_component(
        &mut self,
        spec: &mut Vec<Entry>,
        field: &str,
        slot: &str,
        (name, namespace): (&str, &str),
        at: Option<Position>,
        additions: Vec<Entry>,
    ) {
        let written = format!("spec.{field}");
        let Some(slots) = fields_below(spec, "componentsList", at) else {
            return;
        };
        if slots.iter().any(|e| e.key == slot && e.node.value != Value::Null) {
            let message = format!("{field} and componentsList.{slot} are both given");
            let hint = Some(format!(
                "keep componentsList.{slot} and put the setting into its additions"
            ));
            self.faults.add(rule::FIELD_VALUE, at, &written, message, hint);
            return;
        }
        take(slots, slot);
        let node = |value| Node { at, value };
        let entry = |key: &str, node| Entry {
            key: key.to_owned(),
            at,
            node,
        };
        slots.push(entry(
            slot,
            node(Value::Map(vec![
                entry("name", Node::text(name, at)),
                entry("namespace", Node::text(namespace, at)),
                entry("additions", node(Value::Map(additions))),
            ])),
        ));
        self.rename(&format!("spec.componentsList.{slot}"), &written);
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
            Value::Null => return,
            other => {
                let message = format!("expected a text, found {}", other.type_name());
                let hint = Some("begin the value with '|' and indent the kubeconfig below it".to_owned());
                self.faults.add(rule::FIELD_TYPE, at, field, message, hint);
                return;
            }
        };
        if text.expose().trim_ascii().is_empty() {
            return;
        }
        match decode_kubeconfig(text) {
            Some(secret) => self.secrets.push((field.to_owned(), secret)),
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

fn number_to_text(value: &mut Value) {
    if let Value::Number(number) = value {
        *value = Value::Text(number.to_string());
    }
}
