//! `field_selector`: which resources of a list are wanted.
//!
//! A comma-separated list of `field=value`, all of which must hold. `cluster_type`, `usage`, `worker_type` and
//! booleans are compared exactly, texts by containing the value, and `field.in=value` holds if any element of a
//! list contains it, as the reference has it. `field==value` is exact, `field!=value` is its opposite, and
//! `field in (a, b)` and `field notin (a, b)` compare exactly with several.

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

#[derive(Clone, Debug, PartialEq, Eq)]
enum How {
    Contains(String),
    In(Vec<String>),
    NotIn(Vec<String>),
}

/// A parsed selector.
#[derive(Clone, Debug, Default)]
pub struct Selector {
    terms: Vec<(String, How)>,
}

/// Returns the fields of a kind that can be selected by.
#[must_use]
pub fn fields(kind: Kind) -> &'static [&'static str] {
    FIELDS
        .iter()
        .find(|(k, _)| *k == kind)
        .map_or(&[][..], |(_, fields)| fields)
}

impl Selector {
    /// Reads a selector for a kind.
    ///
    /// # Errors
    /// A term has no `=`, or its field is not one of the kind's; the error lists those.
    pub fn parse(kind: Kind, text: &str) -> Result<Self, ApiError> {
        let known = fields(kind);
        let mut terms = Vec::new();
        for term in split(text) {
            let (field, how) = read(term)?;
            if !known.contains(&field) {
                return Err(
                    ApiError::malformed(format!("field_selector: {kind} has no field {field:?}"))
                        .hint(format!("fields of {kind}: {}", known.join(", "))),
                );
            }
            terms.push((field.to_owned(), how));
        }
        Ok(Self { terms })
    }

    /// Whether a resource is wanted, given its answer and what is declared: a name may be the one or the other.
    #[must_use]
    pub fn matches(&self, view: &Value, declared: &Value) -> bool {
        self.terms.iter().all(|(field, how)| {
            let mut found = values(view, field);
            found.extend(values(declared, field));
            match how {
                How::Contains(part) => found.iter().any(|text| text.contains(part)),
                How::In(all) => found.iter().any(|text| all.contains(text)),
                How::NotIn(all) => !found.iter().any(|text| all.contains(text)),
            }
        })
    }
}

/// Splits at the commas that are not between parentheses.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_usize;
    text.split(move |c| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
    .map(str::trim)
    .filter(|term| !term.is_empty())
}

fn read(term: &str) -> Result<(&str, How), ApiError> {
    let several = |word: &str| {
        let (field, rest) = term.split_once(char::is_whitespace)?;
        let all = rest
            .trim()
            .strip_prefix(word)?
            .trim()
            .strip_prefix('(')?
            .strip_suffix(')')?;
        let all = all.split(',').map(|value| value.trim().to_owned()).collect();
        Some((field, all))
    };
    let one = |value: &str| vec![value.trim().to_owned()];
    if let Some((field, all)) = several("in") {
        Ok((field, How::In(all)))
    } else if let Some((field, all)) = several("notin") {
        Ok((field, How::NotIn(all)))
    } else if let Some((field, value)) = term.split_once("!=") {
        Ok((field.trim(), How::NotIn(one(value))))
    } else if let Some((field, value)) = term.split_once("==") {
        Ok((field.trim(), How::In(one(value))))
    } else if let Some((field, value)) = term.split_once('=') {
        let (field, value) = (field.trim(), value.trim());
        let exact = EXACT.contains(&field) || value == "true" || value == "false";
        Ok((
            field,
            if exact {
                How::In(one(value))
            } else {
                How::Contains(value.to_owned())
            },
        ))
    } else {
        Err(
            ApiError::malformed(format!("field_selector: {term:?} compares nothing"))
                .hint("write field=part, field==value, field!=value or field in (a, b)"),
        )
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
        let holds = |text: &str| {
            Selector::parse(Kind::Cluster, text)
                .unwrap()
                .matches(&view, &view)
        };
        assert!(holds("cluster_name=host") && holds("cluster_type=physical,usage=host") && holds(""));
        assert!(!holds("cluster_type=phys") && !holds("cluster_name==host") && !holds("usage!=host"));
        assert!(holds("usage in (worker, host),cluster_name = host-1"));
        assert!(!holds("usage notin (host)") && !holds("usage in ()"));
        for bad in ["color=red", "usage", "usage in host", "usage in (host"] {
            assert!(Selector::parse(Kind::Cluster, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn lists_match_by_any_element() {
        let view = json!({"projects": ["web", "api"], "coderepo": "deploy"});
        let holds = |text: &str| {
            Selector::parse(Kind::CodeRepoBinding, text)
                .unwrap()
                .matches(&view, &view)
        };
        assert!(holds("projects.in=we") && !holds("projects.in=db"));
    }
}
