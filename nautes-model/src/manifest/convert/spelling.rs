//! Fields that have another name: those of version 0.3, and the snake_case names of the reference's API.

use serde_json::{Map, Value as Json};

use super::step::Step;
use super::{Draft, join};
use crate::crd;
use crate::fix::Action;
use crate::kind::Kind;
use crate::manifest::report::shown_key;
use crate::manifest::{Form, rule};
use crate::yaml::{Entry, Node, Value};

/// A field that was called otherwise.
pub(in crate::manifest) struct Alias {
    pub(in crate::manifest) kind: Kind,
    /// The mapping that holds it.
    pub(in crate::manifest) within: &'static str,
    pub(in crate::manifest) old: &'static str,
    pub(in crate::manifest) new: &'static str,
}

/// The fields that were called otherwise in version 0.3 or in the reference's command line.
pub(in crate::manifest) const ALIASES: &[Alias] = &[
    Alias {
        kind: Kind::DeploymentRuntime,
        within: "spec",
        old: "manifestsource",
        new: "manifestSource",
    },
    Alias {
        kind: Kind::CodeRepoBinding,
        within: "spec",
        old: "coderepo",
        new: "codeRepo",
    },
    Alias {
        kind: Kind::CodeRepo,
        within: "spec",
        old: "projectPipelineRuntime",
        new: "pipelineRuntime",
    },
    Alias {
        kind: Kind::ProjectPipelineRuntime,
        within: "spec.additionalResources.git",
        old: "coderepo",
        new: "codeRepo",
    },
];

impl Draft<'_> {
    /// Gives the fields of a spec their current names.
    pub(super) fn respell(&mut self, kind: Kind, spec: &mut Vec<Entry>) {
        if self.may_need_respelling(kind, spec) {
            self.respell_fields(kind, &crd::schema(kind)["properties"]["spec"], spec, "spec");
        }
    }

    /// Looks at the keys only: most documents have none that could be meant.
    fn may_need_respelling(&self, kind: Kind, fields: &[Entry]) -> bool {
        let request = self.context.form == Form::Request;
        let suspicious = |key: &str| {
            (request && key.contains('_')) || ALIASES.iter().any(|a| a.kind == kind && a.old == key)
        };
        fields.iter().any(|entry| {
            suspicious(&entry.key)
                || match &entry.node.value {
                    Value::Map(inner) => self.may_need_respelling(kind, inner),
                    Value::List(items) => items.iter().any(|item| match &item.value {
                        Value::Map(inner) => self.may_need_respelling(kind, inner),
                        _ => false,
                    }),
                    _ => false,
                }
        })
    }

    fn respell_fields(&mut self, kind: Kind, schema: &Json, fields: &mut Vec<Entry>, path: &str) {
        let Some(properties) = schema["properties"].as_object() else {
            // The keys of such a mapping are the user's own.
            let values = &schema["additionalProperties"];
            for entry in fields {
                self.respell_value(kind, values, &mut entry.node, &join(path, &entry.key));
            }
            return;
        };
        let old: Vec<(String, String)> = fields
            .iter()
            .filter(|entry| !properties.contains_key(&entry.key))
            .filter_map(|entry| {
                let new = self.current_name(kind, path, &entry.key, properties)?;
                Some((entry.key.clone(), new.to_owned()))
            })
            .collect();
        for (from, to) in old {
            self.respell_field(fields, path, &from, &to);
        }
        for entry in fields {
            if let Some(schema) = properties.get(&entry.key) {
                let path = join(path, &entry.key);
                self.respell_value(kind, schema, &mut entry.node, &path);
            }
        }
    }

    fn respell_value(&mut self, kind: Kind, schema: &Json, node: &mut Node, path: &str) {
        match &mut node.value {
            Value::Map(inner) => self.respell_fields(kind, schema, inner, path),
            Value::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.respell_value(kind, &schema["items"], item, &format!("{path}[{index}]"));
                }
            }
            _ => {}
        }
    }

    /// Finds the field that a name stands for, if it stands for one.
    fn current_name<'p>(
        &self,
        kind: Kind,
        path: &str,
        key: &str,
        properties: &'p Map<String, Json>,
    ) -> Option<&'p str> {
        let alias = ALIASES
            .iter()
            .find(|a| a.kind == kind && a.within == path && a.old == key);
        if let Some(alias) = alias {
            return properties.get_key_value(alias.new).map(|(name, _)| name.as_str());
        }
        let snake = key.contains('_') && key.bytes().all(|b| b == b'_' || b.is_ascii_lowercase());
        if self.context.form != Form::Request || !snake {
            return None;
        }
        let flat = key.replace('_', "");
        properties
            .keys()
            .map(String::as_str)
            .find(|name| name.to_ascii_lowercase() == flat)
    }

    /// Renames one field; where the new name is given too, both must say the same.
    fn respell_field(&mut self, fields: &mut Vec<Entry>, path: &str, from: &str, to: &str) {
        let Some(index) = fields.iter().position(|e| e.key == from) else {
            return;
        };
        let (old, new) = (format!("{path}.{}", shown_key(from)), format!("{path}.{to}"));
        if let Some(other) = fields.iter().position(|e| e.key == to) {
            if fields[other].node.value == Value::Null {
                self.left_out(&new);
                fields.remove(other);
            } else {
                let entry = fields.remove(index);
                let other = if index < other { other - 1 } else { other };
                if entry.node.value == Value::Null || same(&entry.node, &fields[other].node) {
                    self.left_out(&old);
                } else {
                    let message = format!(
                        "{} and {to} are the same field, and say different things",
                        shown_key(from)
                    );
                    let hint = Some(format!("keep {to} and remove {}", shown_key(from)));
                    let action = Some(Action::remove(&old));
                    self.faults
                        .add_mendable(rule::FIELD_VALUE, entry.at, &old, message, hint, action);
                }
                return;
            }
        }
        if let Some(entry) = fields.iter_mut().find(|e| e.key == from) {
            to.clone_into(&mut entry.key);
        }
        self.steps.push(Step::Key {
            path: self.as_written(&old),
            key: to.to_owned(),
        });
        self.rename(&new, &old);
    }
}

/// Whether two values say the same.
pub(super) fn same(one: &Node, other: &Node) -> bool {
    one.clone().into_json() == other.clone().into_json()
}
