//! Routes for machines, and for readers of the description.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::operation::{JSON, Needs, Operation, Tag};
use crate::app::App;
use crate::describe;
use crate::metrics::MEDIA;
use crate::policy::Action;
use crate::ready::{self, Readiness};

/// What the browser may do on the page: nothing but show it with our style.
const PAGE_POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The id of the operation that gives the metrics.
const METRICS: &str = "metrics";

/// Lets everybody have the metrics.
pub(crate) fn with_public_metrics(mut table: Vec<Operation>) -> Vec<Operation> {
    for operation in table.iter_mut().filter(|o| o.id == METRICS) {
        operation.needs = Needs::Public;
    }
    table
}

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
                "For readiness probes: the forge, the secret store and the tenant cluster are asked. The answer is kept for \
                 two seconds.",
            )
            .replies::<Readiness>(200, "They can.")
            .replies::<Readiness>(503, "They cannot, or the server stops; the body says what does not answer."),
        Operation::get("/metrics", METRICS, Needs::Tenant(Action::Read), metrics)
            .says(
                Tag::Server,
                "What the server counts",
                "OpenMetrics. Everybody gets them on a listener of their own (`metrics-listen`), or here where that is \
                 configured (`metrics-public`).",
            )
            .replies_text(200, "The metrics.", "application/openmetrics-text"),
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

/// `GET /readyz`: everything outside answers too, and the server does not stop.
pub(crate) async fn readyz(State(app): State<App>) -> Response {
    let mut found = ready::ask(&app).await;
    if app.is_stopping() {
        found.ready = false;
        found.checks.insert("server", "stops".to_owned());
    }
    if found.ready {
        return Json(found).into_response();
    }
    let later = [(header::RETRY_AFTER, ready::KEPT.as_secs().to_string())];
    (StatusCode::SERVICE_UNAVAILABLE, later, Json(found)).into_response()
}

/// `GET /metrics`.
pub(crate) async fn metrics(State(app): State<App>) -> Response {
    ([(header::CONTENT_TYPE, MEDIA)], app.metrics().text()).into_response()
}

/// `GET /version`.
pub(crate) async fn version() -> Json<Version> {
    Json(Version {
        name: "nautes-api",
        version: env!("CARGO_PKG_VERSION"),
    })
}
