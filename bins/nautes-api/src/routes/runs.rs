//! Runs of a pipeline runtime, and their logs.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use nautes_model::name::{ProductName, ResourceName};
use nautes_model::{Class, Kind};
use nautes_runtime::clusters::AccessError;
use nautes_runtime::runs::{self, Log, LogLimits, RunRecord, RunsError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::gate::Named;
use super::operation::{Access, Form, JSON, Needs, Operation, Parameter, Tag};
use crate::app::App;
use crate::apply::scopes;
use crate::error::{ApiError, Envelope, chain, internal};
use crate::page::{Page, mark, paged};

/// The longest name of a run.
const MAX_NAME: usize = 253;
/// The most lines that are answered of one container.
const MAX_LINES: u32 = 10_000;
/// How much is read of one container, in bytes.
const CONTAINER_BYTES: u32 = 1 << 20;
/// How much is read of all containers of a run, in bytes.
const BYTES: usize = 4 << 20;

/// The rows of the table.
pub(crate) fn operations() -> Vec<Operation> {
    let base = "/api/v1/products/{product}/projectpipelineruntimes/{name}/runs";
    let needs = Needs::Resource(Kind::ProjectPipelineRuntime, Access::Read);
    let named = |operation: Operation| {
        operation
            .with(Parameter::path::<ProductName>(
                "product",
                "The name of the product.",
                "shop",
            ))
            .with(Parameter::path::<ResourceName>(
                "name",
                "The name of the pipeline runtime.",
                "build",
            ))
    };
    let run = || Parameter::path::<String>("run", "The name of the run.", "build-0123456789ab");
    let without =
        |operation: Operation, what| operation.replies_made(501, what, JSON, Form::of::<Envelope>());
    let no_runs = "The cluster has no kind of runs: its pipeline component is not installed.";
    vec![
        without(
            paged(named(Operation::get(base, "listRuns", needs, list))),
            no_runs,
        )
        .says(
            Tag::Live,
            "List the runs of a pipeline runtime",
            "Newest first, as the cluster has them: it removes old ones by itself.",
        )
        .replies::<RunList>(200, "The runs."),
        without(
            named(Operation::get(&format!("{base}/{{run}}"), "getRun", needs, get)).with(run()),
            no_runs,
        )
        .says(Tag::Live, "Read one run of a pipeline runtime", "")
        .replies::<RunRecord>(200, "The run."),
        without(
            named(Operation::get(&format!("{base}/{{run}}/logs"), "logsOfRun", needs, logs)).with(run()),
            "The cluster runs no pipelines, or its engine cannot say which pods belong to a run.",
        )
        .with(
            Parameter::query::<Option<u32>>("lines", "How many lines of each container, the last: 1 to 10000.")
                .default("1000"),
        )
        .says(
            Tag::Live,
            "Read what a run has written",
            "As long as the cluster keeps the pods of the run. A cluster in which nothing runs pods, as the local one, has \
             no logs: 404 says so.",
        )
        .replies::<RunLogs>(200, "What each container has written last."),
    ]
}

/// A page of runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunList {
    /// The runs, newest first.
    pub items: Vec<RunRecord>,
    /// The mark of the next page.
    #[serde(default, rename = "continue", skip_serializing_if = "Option::is_none")]
    pub continue_: Option<String>,
    /// Whether the cluster has more runs than were looked at.
    #[serde(default)]
    pub truncated: bool,
}

/// What a run has written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunLogs {
    /// Each container, in the order in which the pods began.
    pub items: Vec<Log>,
    /// Whether containers were left out because it is too much.
    #[serde(default)]
    pub truncated: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct ListQuery {
    limit: Option<usize>,
    #[serde(rename = "continue")]
    mark: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct LogQuery {
    lines: Option<u32>,
}

#[derive(Clone, Debug, Deserialize)]
struct RunPath {
    run: String,
}

async fn list(
    State(app): State<App>,
    Named(runtime): Named,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<RunList>, ApiError> {
    let Query(query) = query.map_err(|e| ApiError::malformed(e.body_text()))?;
    let page = Page::read(query.limit, query.mark.as_deref(), 2)?;
    let scopes = scopes(&app).await?;
    let found = runs::runs(app.platform(), &scopes, &runtime)
        .await
        .map_err(error)?;
    let is_later = |run: &RunRecord| match page.after.as_deref() {
        Some([created, name]) => (&run.created, &run.name) < (created, name),
        _ => true,
    };
    let mut items: Vec<RunRecord> = found.runs.into_iter().filter(is_later).collect();
    let more = items.len() > page.limit;
    items.truncate(page.limit);
    let last = items.last().filter(|_| more);
    Ok(Json(RunList {
        continue_: last.map(|run| mark(&[&run.created, &run.name])),
        items,
        truncated: found.truncated,
    }))
}

async fn get(
    State(app): State<App>,
    Named(runtime): Named,
    path: Result<Path<RunPath>, PathRejection>,
) -> Result<Json<RunRecord>, ApiError> {
    let name = run_name(path)?;
    let scopes = scopes(&app).await?;
    let found = runs::run(app.platform(), &scopes, &runtime, &name).await;
    found.map(Json).map_err(error)
}

async fn logs(
    State(app): State<App>,
    Named(runtime): Named,
    path: Result<Path<RunPath>, PathRejection>,
    query: Result<Query<LogQuery>, QueryRejection>,
) -> Result<Json<RunLogs>, ApiError> {
    let name = run_name(path)?;
    let Query(query) = query.map_err(|e| ApiError::malformed(e.body_text()))?;
    let lines = query.lines.unwrap_or(1000);
    if !(1..=MAX_LINES).contains(&lines) {
        return Err(ApiError::malformed(format!(
            "{lines} lines; it can be 1 to {MAX_LINES}"
        )));
    }
    let limits = LogLimits {
        lines,
        container_bytes: CONTAINER_BYTES,
        bytes: BYTES,
    };
    let scopes = scopes(&app).await?;
    let (items, truncated) = runs::logs(app.platform(), &scopes, &runtime, &name, limits)
        .await
        .map_err(error)?;
    Ok(Json(RunLogs { items, truncated }))
}

/// The name goes into a path of the cluster: only what is a name there is asked for.
fn run_name(path: Result<Path<RunPath>, PathRejection>) -> Result<String, ApiError> {
    let Path(RunPath { run }) = path.map_err(|e| ApiError::malformed(e.body_text()))?;
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    if run.is_empty() || run.len() > MAX_NAME || !run.bytes().all(fits) {
        let shown: String = run.chars().take(80).collect();
        return Err(ApiError::malformed(format!("{shown:?} is not the name of a run")));
    }
    Ok(run)
}

/// Says why runs cannot be told; what a cluster answers stays in the log.
#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
pub(crate) fn error(error: RunsError) -> ApiError {
    let made = match &error {
        RunsError::Unsupported { .. } => {
            ApiError::new(StatusCode::NOT_IMPLEMENTED, "NOT_AVAILABLE", error.to_string())
        }
        RunsError::Cluster { .. } => {
            tracing::warn!(error = %chain(&error), "runs cannot be read");
            ApiError::of_class(Class::Unreachable, error.to_string())
        }
        RunsError::Access(source) => return access(source),
        _ if error.class() == Class::Bug => return internal("runs cannot be read", &error),
        _ => ApiError::of_class(error.class(), error.to_string()),
    };
    match error.hint() {
        Some(hint) => made.hint(hint),
        None => made,
    }
}

/// Says why a cluster cannot be reached, without its address.
pub(crate) fn access(error: &AccessError) -> ApiError {
    tracing::warn!(error = %chain(error), "a cluster cannot be reached");
    ApiError::of_class(Class::Unreachable, error.to_string())
        .hint("its status says more: /api/v1/status/cluster/NAME")
}
