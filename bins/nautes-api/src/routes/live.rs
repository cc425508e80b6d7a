//! What is live: status and plan. Both show only products that the caller may read.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use nautes_model::Class;
use nautes_model::name::ProductName;
use nautes_runtime::preview::{Preview, preview};
use nautes_runtime::status_report::{ReportError, StatusTree, report};

use super::gate::InProduct;
use super::operation::{Needs, Operation, Parameter, Tag};
use crate::app::App;
use crate::apply::scopes;
use crate::auth::Caller;
use crate::error::{ApiError, chain, outside};
use crate::policy::{Action, gate, gate_tenant};

/// The rows of the table.
pub(crate) fn operations() -> Vec<Operation> {
    let product = || Parameter::path::<ProductName>("product", "The name of the product.", "shop");
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
        .says(
            Tag::Live,
            "What of a product is not yet as declared",
            "Compares the product with what is live, and changes nothing. Values of secrets are compared and never \
             shown; what cannot be reached is named as unknown.",
        )
        .replies::<Preview>(200, "What would be done."),
    ]
}

/// `GET /api/v1/status`.
pub(crate) async fn status(caller: Caller, State(app): State<App>) -> Result<Json<StatusTree>, ApiError> {
    let mut tree = read(&app, None).await?;
    let visible = visible(&app, &caller).await?;
    tree.products
        .retain(|node| visible.contains(node.resource.name.as_str()));
    if gate_tenant(&app, &caller, Action::Read).await.is_err() {
        tree.tenant.clear();
    }
    Ok(Json(tree))
}

/// `GET /api/v1/status/{product}`.
pub(crate) async fn status_of(
    State(app): State<App>,
    InProduct(product): InProduct,
) -> Result<Json<StatusTree>, ApiError> {
    Ok(Json(read(&app, Some(&product)).await?))
}

/// `GET /api/v1/plan`.
pub(crate) async fn plan(caller: Caller, State(app): State<App>) -> Result<Json<Preview>, ApiError> {
    let visible = visible(&app, &caller).await?;
    compare(&app, &visible).await
}

/// `GET /api/v1/plan/{product}`.
pub(crate) async fn plan_of(
    State(app): State<App>,
    InProduct(product): InProduct,
) -> Result<Json<Preview>, ApiError> {
    compare(&app, &BTreeSet::from([product])).await
}

async fn compare(app: &App, products: &BTreeSet<ProductName>) -> Result<Json<Preview>, ApiError> {
    let found = preview(app.platform(), products).await;
    found
        .map(Json)
        .map_err(|e| outside(e.class(), "what is live cannot be compared", &e))
}

async fn read(app: &App, product: Option<&ProductName>) -> Result<StatusTree, ApiError> {
    report(app.platform(), product)
        .await
        .map_err(|error| report_error(&error))
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

/// Returns the products that the caller may read.
pub(crate) async fn visible(app: &App, caller: &Caller) -> Result<BTreeSet<ProductName>, ApiError> {
    let scopes = scopes(app).await?;
    let mut visible = BTreeSet::new();
    for (sourced, _) in scopes.tenant.products() {
        if gate(app, caller, Action::Read, &sourced.identity).await.is_ok()
            && let Ok(name) = ProductName::new(sourced.identity.name.as_str())
        {
            visible.insert(name);
        }
    }
    Ok(visible)
}
