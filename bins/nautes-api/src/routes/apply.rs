//! Routes that take several resources: apply, remove, validate.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::RequestId;
use super::operation::{JSON, Needs, Operation, Parameter, Tag};
use crate::app::App;
use crate::apply::{self, Expected, Mode, Options};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::keys::Key;
use crate::wire::{ApplyReply, ApplyRequest, ManifestFile, ValidateReply};

/// The rows of the table.
pub(crate) fn operations() -> Vec<Operation> {
    let written = "What was done, repository by repository.";
    let partly = "Some repositories could not be written; the same request again does the rest.";
    vec![
        several("/api/v1/apply", "apply", apply, example())
            .with_all(writing())
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
            .with_all(writing())
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

/// What the query of every write may say: see [`WriteQuery`].
pub(crate) fn writing() -> [Parameter; 4] {
    [
        Parameter::query::<bool>("dry_run", "Writes nothing, and answers what would be done.")
            .default("false"),
        Parameter::query::<bool>(
            "insecure_skip_check",
            "Accepts what breaks rules that can be skipped; the commits and the answer name them.",
        )
        .default("false"),
        Parameter::query::<String>(
            "expected_revision",
            "The revision (commit) of the one repository that the request touches, or `group/name=commit` for several, \
             separated by commas. Where a repository is elsewhere, nothing is written (412). `If-Match` says the same.",
        ),
        Parameter::query::<String>(
            "plan_hash",
            "The `planHash` of a dry run of this request: refused (412) unless exactly that would be done.",
        ),
    ]
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
    #[serde(default, alias = "expectedRevision")]
    expected_revision: String,
    #[serde(default, alias = "planHash")]
    plan_hash: Option<String>,
    #[serde(default)]
    product: Option<String>,
}

impl WriteQuery {
    /// Returns the options of the service.
    ///
    /// # Errors
    /// What is expected cannot be read.
    pub(crate) fn options(&self, mode: Mode, headers: &Heads) -> Result<Options, ApiError> {
        let mut expected = Expected::read(&self.expected_revision)?;
        if let Some(revision) = &headers.if_match {
            expected.insert_only(revision)?;
        }
        let plan_hash = self.plan_hash.clone().filter(|hash| !hash.is_empty());
        if self.dry_run && plan_hash.is_some() {
            return Err(ApiError::malformed("dry_run and plan_hash exclude each other")
                .hint("a dry run answers the hash; the request itself brings it"));
        }
        Ok(Options {
            mode,
            dry_run: self.dry_run,
            skip_check: self.insecure_skip_check,
            request_id: headers.request_id.clone(),
            expected,
            plan_hash,
            key: headers.key.clone(),
        })
    }
}

/// What the headers of a write say.
#[derive(Clone, Debug)]
pub(crate) struct Heads {
    request_id: String,
    /// The revision on which the write must land.
    if_match: Option<String>,
    key: Option<Key>,
}

impl<S: Sync> FromRequestParts<S> for Heads {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let mut all = parts.headers.get_all(header::IF_MATCH).iter();
        let if_match = match (all.next().map(HeaderValue::to_str), all.next()) {
            (None, _) | (Some(Ok("*")), None) => None,
            (Some(Ok(text)), None) => {
                let revision = text.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
                let revision = revision.ok_or_else(|| {
                    ApiError::malformed("If-Match is not one quoted revision")
                        .hint("send the ETag of what was read")
                })?;
                Some(revision.to_owned())
            }
            _ => return Err(ApiError::malformed("If-Match is not one quoted revision")),
        };
        let id = parts.extensions.get::<RequestId>();
        Ok(Self {
            request_id: id.map(|id| id.0.clone()).unwrap_or_default(),
            if_match,
            key: parts.extensions.get::<Key>().cloned(),
        })
    }
}

/// Reads a boolean strictly: what is not a boolean is refused instead of being taken for `false`.
fn flag<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let text = String::deserialize(deserializer)?;
    truth(&text).ok_or_else(|| serde::de::Error::custom(format!("{text:?} is neither true nor false")))
}

/// Reads a boolean as the reference does.
pub(crate) fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "1" | "t" | "T" | "TRUE" | "True" => Some(true),
        "false" | "0" | "f" | "F" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// `POST /api/v1/apply`.
pub(crate) async fn apply(
    caller: Caller,
    State(app): State<App>,
    heads: Heads,
    query: Result<Query<WriteQuery>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Result<Response, ApiError> {
    write(Mode::Apply, &caller, &app, &heads, query, &headers, body).await
}

/// `POST /api/v1/remove`.
pub(crate) async fn remove(
    caller: Caller,
    State(app): State<App>,
    heads: Heads,
    query: Result<Query<WriteQuery>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Result<Response, ApiError> {
    write(Mode::Remove, &caller, &app, &heads, query, &headers, body).await
}

async fn write(
    mode: Mode,
    caller: &Caller,
    app: &App,
    heads: &Heads,
    query: Result<Query<WriteQuery>, axum::extract::rejection::QueryRejection>,
    headers: &HeaderMap,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|e| ApiError::malformed(e.body_text()))?;
    let request = read(headers, &body_of(body)?, query.product.clone())?;
    let reply = apply::run(app, caller, &request, query.options(mode, heads)?).await?;
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
