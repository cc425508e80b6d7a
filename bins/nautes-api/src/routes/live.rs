//! What is live: status and plan. Both show only products that the caller may read.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use nautes_model::Class;
use nautes_model::name::ProductName;
use nautes_runtime::preview::{Preview, preview};
use nautes_runtime::status_report::{ReportError, StatusTree};
use serde::Deserialize;

use super::gate::InProduct;
use super::operation::{Form, JSON, Needs, Operation, Parameter, Tag};
use crate::app::App;
use crate::auth::Caller;
use crate::error::{ApiError, chain, outside};
use crate::policy::Action;
use crate::revisions::{self, RevisionPlan};
use crate::sight::Sight;
use crate::trees;

/// The rows of the table.
pub(crate) fn operations() -> Vec<Operation> {
    let product = || Parameter::product();
    vec![
        Operation::get("/api/v1/status", "status", Needs::Caller, status)
            .says(
                Tag::Live,
                "Whether things work, and why not",
                "The products that the caller may read, as trees, and what belongs to the tenant where he may read \
                 that.",
            )
            .replies::<StatusTree>(200, "The state of everything that the caller may see."),
        Operation::get(
            "/api/v1/status/{product}",
            "statusOfProduct",
            Needs::Product(Action::Read),
            status_of,
        )
        .with(product())
        .says(
            Tag::Live,
            "Whether a product works, and why not",
            "A resource counts as ready only if its status speaks of what is declared now: waiting for `Ready` after \
             a commit means waiting for that commit.",
        )
        .replies::<StatusTree>(200, "The state of the product and of all that belongs to it."),
        Operation::get("/api/v1/plan", "plan", Needs::Caller, plan)
            .says(
                Tag::Live,
                "What is not yet as declared",
                "Compares the products that the caller may read with what is live, and changes nothing.",
            )
            .replies::<Preview>(200, "What would be done."),
        Operation::get(
            "/api/v1/plan/{product}",
            "planOfProduct",
            Needs::Product(Action::Read),
            plan_of,
        )
        .with(product())
        .with(Parameter::query::<Option<String>>(
            "from",
            "The revision from which the plan leads: a branch, a tag or a commit of the product's repository.",
        ))
        .with(Parameter::query::<Option<String>>(
            "to",
            "The revision to which the plan leads; without it, what is declared now.",
        ))
        .says(
            Tag::Live,
            "What of a product is not yet as declared, or what leads from one revision to another",
            "Without `from` it compares the product with what is live, and changes nothing. Values of secrets are \
             compared and never shown; what cannot be reached is named as unknown. With `from` it compares two \
             revisions of the product's repository, on top of what else is declared now: the resources that change, what \
             follows in clusters, on the forge and in the secret store, what breaks with what is removed, and the rules \
             that the change breaks. Nothing outside is asked then. What breaks where the caller may not read is \
             counted.",
        )
        .replies_made(
            200,
            "What would be done: `Preview` against what is live, `RevisionPlan` between revisions.",
            JSON,
            Form::made(|generator| {
                let live = generator.subschema_for::<Preview>();
                let between = generator.subschema_for::<RevisionPlan>();
                schemars::json_schema!({ "anyOf": [live, between] })
            }),
        ),
    ]
}

/// `GET /api/v1/status`.
pub(crate) async fn status(caller: Caller, State(app): State<App>) -> Result<Json<StatusTree>, ApiError> {
    let mut tree = trees::all(&app).await?;
    let sight = Sight::of(&app, &caller).await?;
    tree.products
        .retain(|node| sight.products.contains(node.resource.name.as_str()));
    if !sight.tenant {
        tree.tenant.clear();
    }
    Ok(Json(tree))
}

/// `GET /api/v1/status/{product}`.
pub(crate) async fn status_of(
    State(app): State<App>,
    InProduct(product): InProduct,
) -> Result<Response, ApiError> {
    let body = trees::of(&app, &product).await?;
    Ok(([(CONTENT_TYPE, HeaderValue::from_static(JSON))], body).into_response())
}

/// `GET /api/v1/plan`.
pub(crate) async fn plan(caller: Caller, State(app): State<App>) -> Result<Json<Preview>, ApiError> {
    let sight = Sight::of(&app, &caller).await?;
    compare(&app, &sight.products).await
}

/// `GET /api/v1/plan/{product}`.
pub(crate) async fn plan_of(
    caller: Caller,
    State(app): State<App>,
    InProduct(product): InProduct,
    query: Result<Query<PlanQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|e| ApiError::malformed(e.body_text()))?;
    let branch = &app.platform().tenant().branch;
    match (query.from, query.to) {
        (None, None) => Ok(compare(&app, &BTreeSet::from([product])).await?.into_response()),
        (None, Some(_)) => Err(ApiError::malformed("`to` says nothing without `from`")
            .hint("give the revision from which the plan leads: from=REVISION")),
        (Some(from), to) => {
            let to = to.as_deref().unwrap_or(branch);
            let plan = revisions::plan(&app, &caller, &product, &from, to).await?;
            Ok(Json::<RevisionPlan>(plan).into_response())
        }
    }
}

/// What the query of a plan may say.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct PlanQuery {
    from: Option<String>,
    to: Option<String>,
}

async fn compare(app: &App, products: &BTreeSet<ProductName>) -> Result<Json<Preview>, ApiError> {
    let found = preview(app.platform(), products).await;
    found
        .map(Json)
        .map_err(|e| outside(e.class(), "what is live cannot be compared", &e))
}

/// Says why there is no report.
pub(crate) fn report_error(error: &ReportError) -> ApiError {
    match (error, error.class()) {
        (ReportError::NoProduct(_) | ReportError::NoResource(_), class) => {
            ApiError::of_class(class, error.to_string())
        }
        // What is not found in the tenant cluster is a fault of the installation: the definitions of the kinds.
        (_, Class::NotFound) => {
            tracing::error!(error = %chain(error), "the statuses cannot be read");
            ApiError::of_class(
                Class::Unreachable,
                "the tenant cluster does not serve the kinds of Nautes",
            )
            .hint("an administrator installs them: nautes crds")
        }
        (_, class) => outside(class, "the status cannot be read", error),
    }
}
