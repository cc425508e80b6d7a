//! `field_selector`: which resources of a list are wanted.
//!
//! A comma-separated list of `field=value`, all of which must hold. `cluster_type`, `usage`, `worker_type` and
//! booleans are compared exactly, texts by containing the value, and `field.in=value` holds if any element of a
//! list contains it, as the reference has it. `field==value` is exact, `field!=value` is not.

use nautes_model::Kind;
use serde_json::Value;

use crate::error::ApiError;

/// Which fields can be selected by, per kind.
const FIELDS: &[(Kind, &[&str])] = &[
    (
        Kind::Cluster,
        &[
            "cluster_name",
            "cluster_type",
            "usage",
            "worker_type",
            "host_cluster",
        ],
    ),
    (Kind::Product, &["product_name"]),
    (Kind::Project, &["project_name", "language"]),
    (Kind::Environment, &["environment_name", "cluster", "env_type"]),
    (
        Kind::CodeRepo,
        &[
            "coderepo_name",
            "pipeline_runtime",
            "deployment_runtime",
            "project",
        ],
    ),
    (
        Kind::CodeRepoBinding,
        &["coderepo", "product", "projects.in", "permissions"],
    ),
    (
        Kind::DeploymentRuntime,
        &[
            "projects_ref.in",
            "manifest_source.code_repo",
            "destination",
            "destination.environment",
        ],
    ),
    (
        Kind::ProjectPipelineRuntime,
        &[
            "project_name",
            "project",
            "pipeline_source",
            "pipeline_triggers.pipeline",
            "destination",
        ],
    ),
];

const EXACT: &[&str] = &["cluster_type", "usage", "worker_type", "permissions"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Contains,
    Equal,
    NotEqual,
}

/// A parsed selector.
#[derive(Clone, Debug, Default)]
pub struct Selector {
    terms: Vec<(String, How, String)>,
}

impl Selector {
    /// Reads a selector for a kind.
    ///
    /// # Errors
    /// A term has no `=`, or its field is not one of the kind's; the error lists those.
    pub fn parse(kind: Kind, text: &str) -> Result<Self, ApiError> {
        let known = FIELDS
            .iter()
            .find(|(k, _)| *k == kind)
            .map_or(&[][..], |(_, fields)| fields);
        let mut terms = Vec::new();
        for term in text.split(',').map(str::trim).filter(|t| !t.is_empty()) {
            let (field, how, value) = if let Some((field, value)) = term.split_once("!=") {
                (field, How::NotEqual, value)
            } else if let Some((field, value)) = term.split_once("==") {
                (field, How::Equal, value)
            } else if let Some((field, value)) = term.split_once('=') {
                let exact = EXACT.contains(&field) || value == "true" || value == "false";
                (field, if exact { How::Equal } else { How::Contains }, value)
            } else {
                return Err(ApiError::malformed(format!(
                    "field_selector: {term:?} has no '='"
                )));
            };
            if !known.contains(&field) {
                return Err(
                    ApiError::malformed(format!("field_selector: {kind} has no field {field:?}"))
                        .hint(format!("fields of {kind}: {}", known.join(", "))),
                );
            }
            terms.push((field.to_owned(), how, value.to_owned()));
        }
        Ok(Self { terms })
    }

    /// Whether the answer of a resource is wanted.
    #[must_use]
    pub fn matches(&self, view: &Value) -> bool {
        self.terms.iter().all(|(field, how, value)| {
            let found = values(view, field);
            let equal = found.iter().any(|text| text == value);
            match how {
                How::Equal => equal,
                How::NotEqual => !equal,
                How::Contains => found.iter().any(|text| text.contains(value)),
            }
        })
    }
}

fn values(view: &Value, field: &str) -> Vec<String> {
    let field = match field {
        "cluster_name" | "product_name" | "project_name" | "environment_name" | "coderepo_name" => "name",
        "destination" => "destination.environment",
        other => other.strip_suffix(".in").unwrap_or(other),
    };
    let mut at = vec![view];
    for part in field.split('.') {
        at = at
            .into_iter()
            .flat_map(|v| match v.get(part) {
                Some(Value::Array(items)) => items.iter().collect(),
                Some(other) => vec![other],
                None => Vec::new(),
            })
            .collect();
    }
    at.into_iter()
        .map(|v| match v {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn selectors_follow_the_reference() {
        let view = json!({"name": "host-1", "cluster_type": "physical", "usage": "host"});
        let holds = |text: &str| Selector::parse(Kind::Cluster, text).unwrap().matches(&view);
        assert!(holds("cluster_name=host") && holds("cluster_type=physical,usage=host") && holds(""));
        assert!(!holds("cluster_type=phys") && !holds("cluster_name==host") && !holds("usage!=host"));
        assert!(Selector::parse(Kind::Cluster, "color=red").is_err());
    }

    #[test]
    fn lists_match_by_any_element() {
        let view = json!({"projects": ["web", "api"], "coderepo": "deploy"});
        let holds = |text: &str| {
            Selector::parse(Kind::CodeRepoBinding, text)
                .unwrap()
                .matches(&view)
        };
        assert!(holds("projects.in=we") && !holds("projects.in=db"));
    }
}
