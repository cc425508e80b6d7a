//! Routes that take several resources: apply, remove, validate.

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use super::RequestId;
use super::operation::{JSON, Needs, Operation, Parameter, Tag};
use crate::app::App;
use crate::apply::{self, Mode, Options};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::wire::{ApplyReply, ApplyRequest, ManifestFile, ValidateReply};

/// The rows of the table.
pub(crate) fn operations() -> Vec<Operation> {
    let written = "What was done, repository by repository.";
    let partly = "Some repositories could not be written; the same request again does the rest.";
    vec![
        several("/api/v1/apply", "apply", apply, example())
            .with(dry_run())
            .with(skip_check())
            .says(
                Tag::Changes,
                "Put manifests in place",
                "Resources may come in any order and of any kinds. The change is put on top of what is declared now \
                 and judged as a whole; then it becomes one commit on each repository that it touches, the tenant's \
                 first. Nothing is written before every resource is allowed and the whole is accepted. What is \
                 already as given is left alone, and where nothing changes there is no commit.",
            )
            .replies::<ApplyReply>(200, written)
            .replies::<ApplyReply>(207, partly)
            .writes(),
        several("/api/v1/remove", "remove", remove, removal())
            .with(dry_run())
            .with(skip_check())
            .says(
                Tag::Changes,
                "Remove what manifests declare",
                "Only kind, product and name of each manifest count. What is still referred to by something that \
                 stays is not removed, and the findings say by what. What is already gone counts as removed.",
            )
            .replies::<ApplyReply>(200, written)
            .replies::<ApplyReply>(207, partly)
            .writes(),
        several("/api/v1/validate", "validate", validate, example())
            .says(
                Tag::Changes,
                "Judge a change without making it",
                "Answers with everything for which `apply` would refuse the same request, and with everything that \
                 somebody should look at.",
            )
            .replies::<ValidateReply>(200, "The verdict."),
    ]
}

fn several<H, T>(path: &str, id: &str, handler: H, example: Value) -> Operation
where
    H: axum::handler::Handler<T, App>,
    T: 'static,
{
    Operation::post(path, id, Needs::Each, handler)
        .with(Parameter::query::<Option<String>>(
            "product",
            "The product of resources that name none; it wins over the one in the body.",
        ))
        .takes::<ApplyRequest>(example)
        .or_text("application/yaml")
}

/// Nothing is written, the plan is answered.
pub(crate) fn dry_run() -> Parameter {
    Parameter::query::<bool>("dry_run", "Writes nothing, and answers what would be done.").default("false")
}

/// Rules are skipped.
pub(crate) fn skip_check() -> Parameter {
    Parameter::query::<bool>(
        "insecure_skip_check",
        "Accepts what breaks rules that can be skipped; the commits and the answer name them.",
    )
    .default("false")
}

fn example() -> Value {
    let text = "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: Project\n\
                spec: {name: web, product: shop, language: rust}\n";
    json!({ "files": [{ "name": "web.yaml", "text": text }] })
}

fn removal() -> Value {
    let text = "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: Project\n\
                spec: {name: spare, product: shop, language: rust}\n";
    json!({ "files": [{ "name": "spare.yaml", "text": text }] })
}

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
    if kind.contains("yaml") && !kind.contains(JSON) {
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
