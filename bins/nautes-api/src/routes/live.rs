//! What is live: status and plan. Both show only products that the caller may read.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Path, State};
use nautes_model::name::{ProductName, ResourceName};
use nautes_model::{Class, Identity, Kind};
use nautes_runtime::preview::{Preview, preview};
use nautes_runtime::status_report::{StatusTree, report};

use crate::app::App;
use crate::apply::scopes;
use crate::auth::Caller;
use crate::error::{ApiError, chain, internal};
use crate::policy::{Action, gate};

/// `GET /api/v1/status`.
pub(crate) async fn status(caller: Caller, State(app): State<App>) -> Result<Json<StatusTree>, ApiError> {
    let mut tree = read(&app, None).await?;
    let visible = visible(&app, &caller).await?;
    tree.products
        .retain(|node| visible.contains(node.resource.name.as_str()));
    if gate(&app, &caller, Action::Read, &any_cluster()?).await.is_err() {
        tree.tenant.clear();
    }
    Ok(Json(tree))
}

/// `GET /api/v1/status/{product}`.
pub(crate) async fn status_of(
    caller: Caller,
    State(app): State<App>,
    Path(product): Path<String>,
) -> Result<Json<StatusTree>, ApiError> {
    let product = allowed(&app, &caller, &product).await?;
    Ok(Json(read(&app, Some(&product)).await?))
}

/// `GET /api/v1/plan`.
pub(crate) async fn plan(caller: Caller, State(app): State<App>) -> Result<Json<Preview>, ApiError> {
    let visible = visible(&app, &caller).await?;
    compare(&app, &visible).await
}

/// `GET /api/v1/plan/{product}`.
pub(crate) async fn plan_of(
    caller: Caller,
    State(app): State<App>,
    Path(product): Path<String>,
) -> Result<Json<Preview>, ApiError> {
    let product = allowed(&app, &caller, &product).await?;
    compare(&app, &BTreeSet::from([product])).await
}

async fn compare(app: &App, products: &BTreeSet<ProductName>) -> Result<Json<Preview>, ApiError> {
    let found = preview(app.platform(), products).await;
    found
        .map(Json)
        .map_err(|e| ApiError::of_class(e.class(), e.to_string()))
}

async fn read(app: &App, product: Option<&ProductName>) -> Result<StatusTree, ApiError> {
    report(app.platform(), product)
        .await
        .map_err(|error| match error.class() {
            Class::Bug => internal("the status cannot be read", &error),
            class => ApiError::of_class(class, chain(&error)),
        })
}

fn any_cluster() -> Result<Identity, ApiError> {
    let name = ResourceName::new("any").map_err(|e| ApiError::malformed(e.to_string()))?;
    Ok(Identity::tenant(Kind::Cluster, name))
}

/// Reads the name of a product that the caller may see.
async fn allowed(app: &App, caller: &Caller, text: &str) -> Result<ProductName, ApiError> {
    let product = ProductName::new(text).map_err(|e| ApiError::malformed(e.to_string()))?;
    let name = ResourceName::new(text).map_err(|e| ApiError::malformed(e.to_string()))?;
    gate(app, caller, Action::Read, &Identity::tenant(Kind::Product, name)).await?;
    Ok(product)
}

/// Returns the products that the caller may read.
async fn visible(app: &App, caller: &Caller) -> Result<BTreeSet<ProductName>, ApiError> {
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
