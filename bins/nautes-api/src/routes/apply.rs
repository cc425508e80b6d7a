//! Routes that take several resources: apply, remove, validate.

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;

use super::RequestId;
use crate::app::App;
use crate::apply::{self, Mode, Options};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::wire::{ApplyReply, ApplyRequest, ManifestFile, ValidateReply};

/// What the query of a write may say.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct WriteQuery {
    #[serde(default, alias = "dryRun", deserialize_with = "flag")]
    dry_run: bool,
    #[serde(default, alias = "insecureSkipCheck", deserialize_with = "flag")]
    insecure_skip_check: bool,
    #[serde(default)]
    product: Option<String>,
}

impl WriteQuery {
    /// Returns the options of the service.
    pub(crate) fn options(&self, mode: Mode, request_id: &RequestId) -> Options {
        Options {
            mode,
            dry_run: self.dry_run,
            skip_check: self.insecure_skip_check,
            request_id: request_id.0.clone(),
        }
    }
}

/// Reads a boolean strictly: what is not a boolean is refused instead of being taken for `false`.
fn flag<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.as_str() {
        "true" | "1" | "t" | "T" | "TRUE" | "True" => Ok(true),
        "false" | "0" | "f" | "F" | "FALSE" | "False" => Ok(false),
        other => Err(serde::de::Error::custom(format!(
            "{other:?} is neither true nor false"
        ))),
    }
}

/// `POST /api/v1/apply`.
pub(crate) async fn apply(
    caller: Caller,
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    query: Result<Query<WriteQuery>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Result<Response, ApiError> {
    write(Mode::Apply, &caller, &app, &id, query, &headers, body).await
}

/// `POST /api/v1/remove`.
pub(crate) async fn remove(
    caller: Caller,
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    query: Result<Query<WriteQuery>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Result<Response, ApiError> {
    write(Mode::Remove, &caller, &app, &id, query, &headers, body).await
}

async fn write(
    mode: Mode,
    caller: &Caller,
    app: &App,
    id: &RequestId,
    query: Result<Query<WriteQuery>, axum::extract::rejection::QueryRejection>,
    headers: &HeaderMap,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|e| ApiError::malformed(e.body_text()))?;
    let request = read(headers, &body_of(body)?, query.product.clone())?;
    let reply = apply::run(app, caller, &request, query.options(mode, id)).await?;
    let status = if reply.is_partial() {
        StatusCode::MULTI_STATUS
    } else {
        StatusCode::OK
    };
    Ok((status, Json::<ApplyReply>(reply)).into_response())
}

/// `POST /api/v1/validate`.
pub(crate) async fn validate(
    caller: Caller,
    State(app): State<App>,
    query: Result<Query<WriteQuery>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Result<Json<ValidateReply>, ApiError> {
    let Query(query) = query.map_err(|e| ApiError::malformed(e.body_text()))?;
    let request = read(&headers, &body_of(body)?, query.product)?;
    Ok(Json(apply::validate(&app, &caller, &request).await?))
}

/// Returns a body, or says that it is too large.
pub(crate) fn body_of(
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Result<Bytes, ApiError> {
    body.map_err(|e| {
        if e.status() == StatusCode::PAYLOAD_TOO_LARGE {
            ApiError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "TOO_LARGE",
                "the body is too large",
            )
            .hint("send fewer files in one request")
        } else {
            ApiError::malformed("the body could not be read")
        }
    })
}

/// Reads a request: the JSON form with files, or plain YAML as one file.
fn read(headers: &HeaderMap, body: &[u8], product: Option<String>) -> Result<ApplyRequest, ApiError> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    if kind.contains("yaml") {
        let text = std::str::from_utf8(body)
            .map_err(|e| ApiError::malformed(format!("the body is not UTF-8 (byte {})", e.valid_up_to())))?;
        let file = ManifestFile {
            name: "request.yaml".to_owned(),
            text: text.to_owned(),
        };
        return Ok(ApplyRequest {
            files: vec![file],
            product,
        });
    }
    // The error of the parser may quote the text, which may hold a kubeconfig: only the place is told.
    let mut request: ApplyRequest = serde_json::from_slice(body).map_err(|e| {
        ApiError::malformed(format!(
            "the body is not a request: line {}, column {}",
            e.line(),
            e.column()
        ))
        .hint("send {\"files\": [{\"name\": .., \"text\": ..}]} as JSON, or manifests as application/yaml")
    })?;
    if product.is_some() {
        request.product = product;
    }
    Ok(request)
}
