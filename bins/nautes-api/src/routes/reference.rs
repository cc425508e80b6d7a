//! What rules want and why, and what can be written of each kind.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use nautes_model::field::{Field, about, whole};
use nautes_model::kind::{API_VERSION, KINDS};
use nautes_model::{Kind, Severity};
use nautes_validate::{Explained, explained};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::operation::{Form, JSON, Needs, Operation, Parameter, Tag};
use super::path;
use crate::app::App;
use crate::apply::scopes;
use crate::error::{ApiError, Envelope};
use crate::page::{Page, mark, paged};

/// How deep fields are answered: a field with the fields of its value.
const DEPTH: usize = 1;
/// How deep fields are answered where all are asked for.
const DEEPEST: usize = 32;

/// The rows of the table.
pub(crate) fn operations() -> Vec<Operation> {
    let recursive =
        || Parameter::query::<bool>("recursive", "Answers the fields of fields as well.").default("false");
    let kind = || {
        Parameter::path::<String>(
            "kind",
            "The kind: its name, its plural or a short name.",
            "environments",
        )
    };
    let missing = |operation: Operation| {
        operation.replies_made(
            404,
            "There is no such kind or field.",
            JSON,
            Form::of::<Envelope>(),
        )
    };
    vec![
        paged(Operation::get("/api/v1/rules", "listRules", Needs::Caller, rules))
            .says(
                Tag::Insight,
                "List the rules by which changes are judged",
                "The rules of Nautes, those of the installation, those that the tenant has declared, and the faults that \
                 the reader of manifests finds; in order of id.",
            )
            .replies::<RuleList>(200, "The rules."),
        Operation::get("/api/v1/rules/{rule}", "getRule", Needs::Caller, rule)
            .with(Parameter::path::<String>(
                "rule",
                "The id of the rule; case does not matter.",
                "EnvironmentMissing",
            ))
            .says(
                Tag::Insight,
                "What a rule wants, why, and a platform that breaks it beside one that keeps it",
                "",
            )
            .replies::<RuleExplained>(200, "The rule."),
        Operation::get("/api/v1/kinds", "listKinds", Needs::Public, kinds)
            .says(Tag::Insight, "List the kinds of resources", "In the order in which they are created.")
            .replies::<KindList>(200, "The kinds."),
        missing(Operation::get("/api/v1/kinds/{kind}", "getKind", Needs::Public, kind_of))
            .with(kind())
            .with(recursive())
            .says(Tag::Insight, "What can be written of a kind", "")
            .replies::<KindExplained>(200, "The kind with its fields."),
        missing(Operation::get("/api/v1/kinds/{kind}/{field}", "getField", Needs::Public, field_of))
            .with(kind())
            .with(Parameter::path::<String>(
                "field",
                "The field, with dots between its parts; positions in lists are ignored.",
                "spec.cluster",
            ))
            .with(recursive())
            .says(Tag::Insight, "What can be written in a field of a kind", "")
            .replies::<KindExplained>(200, "The kind with the field."),
    ]
}

/// The rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleList {
    /// The rules, in order of id.
    pub items: Vec<RuleInfo>,
    /// The mark of the next page.
    #[serde(default, rename = "continue", skip_serializing_if = "Option::is_none")]
    pub continue_: Option<String>,
}

/// A rule in a few words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleInfo {
    /// The stable id.
    pub id: String,
    /// The worst that it finds.
    pub severity: Severity,
    /// What must hold.
    pub summary: String,
}

/// A rule, explained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleExplained {
    /// The rule in a few words.
    #[serde(flatten)]
    pub rule: RuleInfo,
    /// Why.
    pub explanation: String,
    /// Manifests that break it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bad: Option<RuleExample>,
    /// Manifests that keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub good: Option<RuleExample>,
}

/// Manifests that show a rule at work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleExample {
    /// The manifests, as YAML.
    pub manifests: String,
    /// What is found in them; empty where nothing is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub findings: String,
}

/// The kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KindList {
    /// The kinds, in the order in which they are created.
    pub items: Vec<KindInfo>,
}

/// A kind in a few words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KindInfo {
    /// The name in manifests.
    pub kind: String,
    /// What is written in `apiVersion`.
    pub api_version: String,
    /// The plural, as paths have it.
    pub plural: String,
    /// What people may type instead.
    pub short_names: Vec<String>,
    /// `product` or `tenant`: to what resources of the kind belong.
    pub scope: String,
    /// What it is.
    pub description: String,
}

/// A kind with a field, or as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KindExplained {
    /// The kind in a few words.
    #[serde(flatten)]
    pub kind: KindInfo,
    /// The path of the field; empty for the whole.
    pub path: String,
    /// The field: `name`, `type`, `required`, `description`, what restricts its value, and `fields` of the same form.
    pub field: serde_json::Value,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct ListQuery {
    limit: Option<usize>,
    #[serde(rename = "continue")]
    mark: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct FieldQuery {
    #[serde(default)]
    recursive: bool,
}

#[derive(Clone, Debug, Deserialize)]
struct RulePath {
    rule: String,
}

#[derive(Clone, Debug, Deserialize)]
struct KindPath {
    kind: String,
    #[serde(default)]
    field: String,
}

type Asked<Q> = Result<Query<Q>, QueryRejection>;
type At<P> = Result<Path<P>, PathRejection>;

/// Every rule that judges changes here, in order of id.
async fn all_rules(app: &App) -> Result<Vec<Explained>, ApiError> {
    let scopes = scopes(app).await?;
    let rules = app.platform().rules().of_tenant(&scopes.tenant);
    let mut all: Vec<Explained> = rules.explained().chain(explained()).collect();
    all.sort_by(|a, b| a.id.cmp(&b.id));
    all.dedup_by(|a, b| a.id == b.id);
    Ok(all)
}

async fn rules(State(app): State<App>, query: Asked<ListQuery>) -> Result<Json<RuleList>, ApiError> {
    let Query(query) = query.map_err(|e| ApiError::malformed(e.body_text()))?;
    let page = Page::read(query.limit, query.mark.as_deref(), 1)?;
    let all = all_rules(&app).await?;
    let mut items: Vec<RuleInfo> = all.iter().map(info).collect();
    if let Some([after]) = page.after.as_deref() {
        items.retain(|rule| rule.id > *after);
    }
    let more = items.len() > page.limit;
    items.truncate(page.limit);
    let last = items.last().filter(|_| more);
    Ok(Json(RuleList {
        continue_: last.map(|rule| mark(&[&rule.id])),
        items,
    }))
}

async fn rule(State(app): State<App>, at: At<RulePath>) -> Result<Json<RuleExplained>, ApiError> {
    let Path(RulePath { rule }) = at.map_err(|e| ApiError::malformed(e.body_text()))?;
    let all = all_rules(&app).await?;
    let Some(found) = all.iter().find(|one| one.id.eq_ignore_ascii_case(&rule)) else {
        let shown: String = rule.chars().take(80).collect();
        return Err(
            ApiError::not_found(format!("there is no rule {shown:?}")).hint("list them: /api/v1/rules")
        );
    };
    let example = |one: &Option<nautes_validate::Example>| {
        one.as_ref().map(|example| RuleExample {
            manifests: example.manifests.to_string(),
            findings: example.findings.to_string(),
        })
    };
    Ok(Json(RuleExplained {
        rule: info(found),
        explanation: found.explanation.to_string(),
        bad: example(&found.bad),
        good: example(&found.good),
    }))
}

fn info(rule: &Explained) -> RuleInfo {
    RuleInfo {
        id: rule.id.to_string(),
        severity: rule.severity,
        summary: rule.summary.to_string(),
    }
}

async fn kinds() -> Json<KindList> {
    Json(KindList {
        items: KINDS.iter().map(|info| kind_info(info.kind)).collect(),
    })
}

async fn kind_of(at: At<KindPath>, query: Asked<FieldQuery>) -> Result<Json<KindExplained>, ApiError> {
    explain(at, query)
}

async fn field_of(at: At<KindPath>, query: Asked<FieldQuery>) -> Result<Json<KindExplained>, ApiError> {
    explain(at, query)
}

fn explain(at: At<KindPath>, query: Asked<FieldQuery>) -> Result<Json<KindExplained>, ApiError> {
    let Path(KindPath { kind, field }) = at.map_err(|e| ApiError::malformed(e.body_text()))?;
    let Query(query) = query.map_err(|e| ApiError::malformed(e.body_text()))?;
    let kind = path::kind(&kind).map_err(|error| {
        let hint = error.hint.unwrap_or_default();
        ApiError::not_found(error.message).hint(hint)
    })?;
    let mut found = whole(kind);
    let mut names: Vec<String> = Vec::new();
    for word in field.split('.').filter(|word| !word.is_empty()) {
        // `spec.pipelines[0].name` and `spec.pipelines.name` are the same field.
        let name = word.split('[').next().unwrap_or_default();
        found = found
            .child(name)
            .ok_or_else(|| no_field(kind, &names, &found, name))?;
        names.push(found.name.clone());
    }
    Ok(Json(KindExplained {
        kind: kind_info(kind),
        path: names.join("."),
        field: found.json_to(if query.recursive { DEEPEST } else { DEPTH }),
    }))
}

fn no_field(kind: Kind, names: &[String], parent: &Field, name: &str) -> ApiError {
    let shown: String = name.chars().take(80).collect();
    let place = std::iter::once(kind.name()).chain(names.iter().map(String::as_str));
    let place: Vec<&str> = place.collect();
    let known: Vec<String> = parent.children().into_iter().map(|field| field.name).collect();
    let hint = if known.is_empty() {
        "it has no fields".to_owned()
    } else {
        format!("its fields: {}", known.join(", "))
    };
    ApiError::not_found(format!("{} has no field {shown:?}", place.join("."))).hint(hint)
}

fn kind_info(kind: Kind) -> KindInfo {
    let info = kind.info();
    KindInfo {
        kind: info.name.to_owned(),
        api_version: API_VERSION.to_owned(),
        plural: info.api_path.to_owned(),
        short_names: info.short_names.iter().map(|name| (*name).to_owned()).collect(),
        scope: if kind.is_of_product() { "product" } else { "tenant" }.to_owned(),
        description: about(kind),
    }
}
