//! Routes for machines, and answers where there is no route.

use axum::Json;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use serde_json::{Value, json};

use crate::app::App;
use crate::error::ApiError;

/// `GET /healthz`: the process answers.
pub(crate) async fn healthz() -> &'static str {
    "ok"
}

/// `GET /readyz`: the forge answers too.
pub(crate) async fn readyz(State(app): State<App>) -> Result<&'static str, ApiError> {
    app.platform().host().platform().await?;
    Ok("ok")
}

/// `GET /version`.
pub(crate) async fn version() -> Json<Value> {
    Json(json!({ "name": "nautes-api", "version": env!("CARGO_PKG_VERSION") }))
}

/// There is no such route.
pub(crate) async fn fallback(uri: Uri) -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "ROUTE_NOT_FOUND",
        format!("there is no route {}", uri.path()),
    )
}

/// The route has other methods.
pub(crate) async fn method_not_allowed(method: Method, uri: Uri) -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "METHOD_NOT_ALLOWED",
        format!("{} cannot be used on {}", method, uri.path()),
    )
}
