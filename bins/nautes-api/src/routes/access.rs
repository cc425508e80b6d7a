//! Who may use which repository, and because of what, as far as the caller may see it.

mod ask;

use axum::Json;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use nautes_model::Identity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::operation::{Needs, Operation, Parameter, Tag};
use crate::error::ApiError;
use crate::page::paged;

const ITEM: &str = "The repository, `PRODUCT/NAME`, or one of its keys, `secret:PRODUCT/NAME/KEY`.";
const SUBJECT: &str = "Who: `PRODUCT`, `PRODUCT/PROJECT`, `account:PRODUCT/NAME@CLUSTER` or `group:PRODUCT`.";
const LIMITS: &str =
    "Reasons that stand in products that the caller may not read are counted in `hidden` and not told.";

/// The rows of the table.
pub(crate) fn operations() -> Vec<Operation> {
    let level = || Parameter::query::<AccessVerb>("level", "What somebody wants to do.").default("read");
    vec![
        paged(
            Operation::get("/api/v1/access/who-can", "whoCan", Needs::Caller, ask::who_can)
                .with(Parameter::query::<String>("item", ITEM).example("shop/source"))
                .with(level()),
        )
        .says(
            Tag::Access,
            "Who may use a repository",
            format!("The caller has to be able to read the product of the repository. {LIMITS}"),
        )
        .replies::<WhoCan>(200, "Everybody who may, in order."),
        Operation::get("/api/v1/access/can", "can", Needs::Caller, ask::can)
            .with(Parameter::query::<String>("subject", SUBJECT).example("shop/web"))
            .with(Parameter::query::<String>("item", ITEM).example("shop/source"))
            .with(level())
            .says(
                Tag::Access,
                "Whether somebody may use a repository",
                "The caller has to be able to read the product of the one who wants, or of the repository.",
            )
            .replies::<Can>(200, "Yes or no."),
        paged(
            Operation::get("/api/v1/access/explain", "explainAccess", Needs::Caller, ask::explain)
                .with(Parameter::query::<String>("subject", SUBJECT).example("shop/web"))
                .with(Parameter::query::<Option<String>>("item", ITEM).example("shop/source")),
        )
        .says(
            Tag::Access,
            "What somebody may use, and because of what",
            format!(
                "Without `item`, every repository that somebody may use; the caller has to be able to read his product \
                 then. {LIMITS}"
            ),
        )
        .replies::<Explained>(200, "Each repository with every way that leads to it."),
    ]
}

/// What somebody wants to do with a repository.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AccessVerb {
    /// Reading it.
    #[default]
    Read,
    /// Pushing to it.
    Write,
}

/// Who may use a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WhoCan {
    /// The repository or key.
    pub item: String,
    /// What was asked for.
    pub level: AccessVerb,
    /// Who may, and why.
    pub who: Vec<AccessExplanation>,
    /// How many more there are of products that the caller may not read.
    pub hidden: usize,
    /// The mark of the next page.
    #[serde(default, rename = "continue", skip_serializing_if = "Option::is_none")]
    pub continue_: Option<String>,
}

/// Whether somebody may use a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Can {
    /// Who.
    pub subject: String,
    /// The repository or key.
    pub item: String,
    /// What was asked for.
    pub level: AccessVerb,
    /// The answer.
    pub can: bool,
}

/// What somebody may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// Who.
    pub subject: String,
    /// The repositories or keys, in order.
    pub items: Vec<AccessExplanation>,
    /// The mark of the next page.
    #[serde(default, rename = "continue", skip_serializing_if = "Option::is_none")]
    pub continue_: Option<String>,
}

/// What somebody may do with something, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessExplanation {
    /// Who.
    pub subject: String,
    /// With what.
    pub item: String,
    /// How much; `null` for nothing.
    pub level: Option<AccessVerb>,
    /// Every way that leads there, in order.
    pub chains: Vec<AccessChain>,
}

/// One way to a permission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessChain {
    /// What this way alone allows.
    pub level: AccessVerb,
    /// The steps, the first that of the one who wants.
    pub steps: Vec<AccessStep>,
    /// How many steps stand in products that the caller may not read.
    #[serde(default)]
    pub hidden: usize,
}

/// A reason, with the place where it is declared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessStep {
    /// The resource that says so.
    pub resource: Identity,
    /// The file that declares it.
    pub file: String,
    /// The line at which its document begins.
    pub line: usize,
    /// The step as a sentence for people.
    pub text: String,
}

/// What the query may say.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct AccessQuery {
    #[serde(default)]
    subject: String,
    #[serde(default)]
    item: String,
    #[serde(default)]
    level: AccessVerb,
    limit: Option<usize>,
    #[serde(rename = "continue")]
    mark: Option<String>,
}

type Asked = Result<Query<AccessQuery>, QueryRejection>;
type Answer<T> = Result<Json<T>, ApiError>;
