//! Routes for machines, and for readers of the description.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::operation::{Form, JSON, Needs, Operation, Tag};
use crate::app::App;
use crate::describe;
use crate::error::{ApiError, Envelope};

/// What the browser may do on the page: nothing but show it with our style.
const PAGE_POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The rows of the table.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/healthz", "healthz", Needs::Public, healthz)
            .says(
                Tag::Server,
                "Whether the process answers",
                "For liveness probes: nothing outside is asked.",
            )
            .replies_text(200, "It does.", "text/plain"),
        Operation::get("/readyz", "readyz", Needs::Public, readyz)
            .says(
                Tag::Server,
                "Whether requests can be served",
                "For readiness probes: the forge is asked as well.",
            )
            .replies_text(200, "They can.", "text/plain")
            .replies_made(
                503,
                "They cannot; the body says what does not answer.",
                JSON,
                Form::of::<Envelope>(),
            ),
        Operation::get("/version", "version", Needs::Public, version)
            .says(Tag::Server, "What runs here", "")
            .replies::<Version>(200, "The version."),
        Operation::get("/openapi.json", "openapi", Needs::Public, openapi)
            .says(
                Tag::Server,
                "This description for programs",
                "OpenAPI 3.1, made from the table that the routes are made from.",
            )
            .replies::<serde_json::Value>(200, "The description."),
        Operation::get("/docs", "docs", Needs::Public, page)
            .says(
                Tag::Server,
                "This description for people",
                "A page without scripts, made from the same table.",
            )
            .replies_text(200, "The page.", "text/html"),
        Operation::get("/docs/style.css", "docsStyle", Needs::Public, style)
            .says(Tag::Server, "The style of the page", "")
            .replies_text(200, "The style.", "text/css"),
    ]
}

/// What runs here.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Version {
    /// `nautes-api`.
    name: &'static str,
    /// The version of Nautes.
    version: &'static str,
}

/// `GET /openapi.json`.
pub(crate) async fn openapi() -> Response {
    typed(JSON, describe::openapi_text())
}

/// `GET /docs`.
pub(crate) async fn page() -> Response {
    let mut response = typed("text/html; charset=utf-8", describe::page());
    let policy = axum::http::HeaderValue::from_static(PAGE_POLICY);
    response
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

/// `GET /docs/style.css`.
pub(crate) async fn style() -> Response {
    typed("text/css; charset=utf-8", describe::STYLE)
}

fn typed(media: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, media)], text).into_response()
}

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
pub(crate) async fn version() -> Json<Version> {
    Json(Version {
        name: "nautes-api",
        version: env!("CARGO_PKG_VERSION"),
    })
}
