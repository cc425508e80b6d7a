//! Names within resources, and names that are made from names.

use nautes_model::kinds::cluster::ClusterType;
use nautes_model::name::{MAX_LABEL, check_label};
use nautes_model::{Finding, Resource, Sourced};

use super::Standard;
use crate::rule::Checked;

/// A StatefulSet adds a hyphen and ten characters to its name in a label of its pods.
const MAX_STATEFUL_SET: usize = MAX_LABEL - 11;

pub(super) const RULES: &[Standard] = &[
    Standard {
        id: "NameInvalid",
        summary: "names of namespaces, accounts, pipelines and event sources are DNS names",
        why: "objects of the cluster get these names, and the cluster takes no others",
        check: invalid,
    },
    Standard {
        id: "NameTooLong",
        summary: "names that are made from a name fit where they go",
        why: "a name in a cluster has at most 63 characters, and some are made by adding to another",
        check: too_long,
    },
];

/// The names in a resource that are not its own: the field, what it is, and the text.
fn names(resource: &Sourced) -> Vec<(String, &'static str, &str)> {
    let mut names = Vec::new();
    let mut add = |field: String, what, text| names.push((field, what, text));
    match &resource.resource {
        Resource::Cluster(r) => {
            for (slot, component) in r.spec.components_list.iter() {
                let field = format!("spec.componentsList.{}.namespace", slot.field());
                add(field, "namespace", component.namespace.as_str());
            }
        }
        Resource::DeploymentRuntime(r) => {
            for (i, namespace) in r.spec.destination.namespaces.iter().enumerate() {
                let field = format!("spec.destination.namespaces[{i}]");
                add(field, "namespace", namespace.as_str());
            }
            add("spec.account".to_owned(), "account name", r.account());
        }
        Resource::ProjectPipelineRuntime(r) => {
            let field = "spec.destination.namespace".to_owned();
            add(field, "namespace", r.namespace_name());
            add("spec.account".to_owned(), "account name", r.account());
            for (i, pipeline) in r.spec.pipelines.iter().enumerate() {
                add(
                    format!("spec.pipelines[{i}].name"),
                    "pipeline name",
                    &pipeline.name,
                );
            }
            for (i, source) in r.spec.event_sources.iter().enumerate() {
                add(
                    format!("spec.eventSources[{i}].name"),
                    "event source name",
                    &source.name,
                );
            }
            let hooks = r.spec.hooks.iter();
            for (i, hook) in hooks.clone().flat_map(|h| &h.pre_hooks).enumerate() {
                let alias = hook.alias.as_deref().unwrap_or(&hook.name);
                add(format!("spec.hooks.preHooks[{i}].alias"), "task name", alias);
            }
            for (i, hook) in hooks.flat_map(|h| &h.post_hooks).enumerate() {
                let alias = hook.alias.as_deref().unwrap_or(&hook.name);
                add(format!("spec.hooks.postHooks[{i}].alias"), "task name", alias);
            }
        }
        _ => {}
    }
    names
}

/// Pipelines and event sources may have dots: each part is a label.
fn is_dotted(what: &str) -> bool {
    matches!(what, "pipeline name" | "event source name")
}

fn problem(what: &'static str, text: &str) -> Option<String> {
    if is_dotted(what) && !text.is_empty() {
        return text
            .split('.')
            .find_map(|part| check_label(what, part, 253).err())
            .map(|_| {
                let shown: String = text.chars().take(80).collect();
                format!("{what} {shown:?} is not a DNS name")
            });
    }
    check_label(what, text, usize::MAX).err().map(|e| e.to_string())
}

fn invalid(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for resource in on.resources() {
        for (field, what, text) in names(resource) {
            if let Some(problem) = problem(what, text) {
                out.push(
                    on.error(id, resource, &field, problem)
                        .hint("use lower-case letters, digits and '-'"),
                );
            }
        }
    }
}

fn too_long(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for resource in on.resources() {
        for (field, what, text) in names(resource) {
            if text.len() > MAX_LABEL {
                let message = format!(
                    "the {what} has {} characters, {MAX_LABEL} are allowed",
                    text.len()
                );
                out.push(
                    on.error(id, resource, &field, message)
                        .hint("choose a shorter name"),
                );
            }
        }
        if let Resource::Cluster(r) = &resource.resource
            && r.spec.cluster_type == ClusterType::Virtual
        {
            let length = resource.identity.name.as_str().len();
            if length > MAX_STATEFUL_SET {
                let message = format!(
                    "the name of a virtual cluster has {length} characters, {MAX_STATEFUL_SET} are allowed"
                );
                out.push(
                    on.error(id, resource, "metadata.name", message)
                        .hint("choose a shorter name"),
                );
            }
        }
    }
}
