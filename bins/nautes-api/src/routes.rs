//! The routes, made from the table, and what every request goes through.

pub mod access;
pub mod answer;
pub mod apply;
pub mod audit;
pub mod caller;
pub mod deployments;
pub(crate) mod gate;
pub mod graph;
pub mod kinds;
pub mod live;
pub mod meta;
pub(crate) mod missing;
pub mod operation;
pub(crate) mod path;
pub mod reference;
pub mod runs;
pub mod status;
pub mod table;
pub mod watch;
pub(crate) mod writing;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use http_body::Body as _;

use self::gate::{Gate, OperationId};
use self::missing::Paths;
use self::operation::Operation;
use self::writing::{BodyLimits, Reading};

use crate::app::App;
use crate::error::{ApiError, with_request_id};
use crate::headers;
use crate::limits::Callers;
use crate::metrics::Answered;
use crate::settings::Settings;

/// The id of a request: taken from the request, or made.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Makes the routes.
pub fn router(app: App, settings: &Settings) -> Router {
    let deadline = settings.deadline;
    let busy = std::sync::Arc::new(tokio::sync::Semaphore::new(settings.concurrency));
    let table = table::table();
    let paths = Paths::of(&table);
    let table = if settings.metrics_public {
        meta::with_public_metrics(table)
    } else {
        table
    };
    let callers = Callers::new(settings.concurrency_per_caller);
    let body = BodyLimits {
        size: settings.body_limit,
        time: settings.body_deadline,
    };
    let routes = rows(&app, &callers, body, table)
        .fallback(move |method: Method, uri: Uri| {
            let answer = missing::route(&paths, &method, &uri);
            async move { answer }
        })
        .layer(DefaultBodyLimit::max(settings.body_limit))
        .layer(tower_http::catch_panic::CatchPanicLayer::custom(panicked))
        .layer(from_fn(move |request, next| {
            within(deadline, busy.clone(), request, next)
        }))
        .layer(from_fn_with_state(Around::new(&app, settings), around));
    match headers::cors(settings) {
        Some(cors) => routes.layer(cors).with_state(app),
        None => routes.with_state(app),
    }
}

/// Makes the routes of a listener that serves nothing but metrics and probes.
pub(crate) fn metrics_router(app: App) -> Router {
    use axum::routing::get;
    Router::new()
        .route("/metrics", get(meta::metrics))
        .route("/healthz", get(meta::healthz))
        .route("/readyz", get(meta::readyz))
        .with_state(app)
}

/// Makes the routes of the table, each behind the gate.
fn rows(app: &App, callers: &Callers, body: BodyLimits, table: Vec<Operation>) -> Router<App> {
    let mut by_path: BTreeMap<String, Vec<Operation>> = BTreeMap::new();
    for operation in table {
        by_path.entry(operation.path.clone()).or_default().push(operation);
    }
    let mut router = Router::new();
    for (path, operations) in by_path {
        let allowed = missing::allowed(operations.iter());
        let mut methods = MethodRouter::new();
        for operation in operations {
            let entry = Gate::new(app.clone(), callers.clone(), body, &operation);
            let handler = operation
                .handler
                .route_layer(from_fn_with_state(entry, gate::pass));
            methods = methods.merge(handler);
        }
        let methods = methods.fallback(move |method: Method, uri: Uri| {
            let answer = missing::method(&allowed, &method, &uri);
            async move { answer }
        });
        router = router.route(&path, methods);
    }
    router
}

/// What is done around every request.
#[derive(Clone, Debug)]
struct Around {
    app: App,
    hsts: Option<HeaderValue>,
}

impl Around {
    fn new(app: &App, settings: &Settings) -> Self {
        Self {
            app: app.clone(),
            hsts: headers::hsts(settings),
        }
    }
}

/// Gives a request its id and the answer its headers, and turns errors into what the client reads.
async fn around(State(with): State<Around>, mut request: Request, next: Next) -> Response {
    let (begun, busy) = (Instant::now(), with.app.metrics().begin());
    let received = announced(request.headers());
    let id = request
        .headers()
        .get(&REQUEST_ID)
        .and_then(|v| v.to_str().ok())
        .filter(|id| {
            (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
        .map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned);
    request.extensions_mut().insert(RequestId(id.clone()));
    let wants_problem = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|accept| accept.contains("application/problem+json"));
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let mut response = next.run(request).await;
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        response = with_request_id(response, error, &id, wants_problem);
        if method == Method::HEAD {
            *response.body_mut() = axum::body::Body::empty();
        }
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID.clone(), value);
    }
    headers::harden(headers, with.hsts.as_ref());
    let operation = response.extensions().get::<OperationId>().map(|id| &*id.0);
    with.app.metrics().answered(Answered {
        operation: operation.unwrap_or("none"),
        status: response.status().as_u16(),
        took: begun.elapsed(),
        received,
        sent: response.body().size_hint().exact().unwrap_or_default(),
    });
    drop(busy);
    tracing::info!(%method, path, operation, status = response.status().as_u16(), id, "request");
    response
}

fn announced(headers: &axum::http::HeaderMap) -> u64 {
    let length = headers.get(header::CONTENT_LENGTH);
    length
        .and_then(|length| length.to_str().ok()?.parse().ok())
        .unwrap_or_default()
}

/// Bounds the number of requests at once and the time of each.
async fn within(
    deadline: Duration,
    busy: std::sync::Arc<tokio::sync::Semaphore>,
    mut request: Request,
    next: Next,
) -> Response {
    let Ok(_place) = busy.try_acquire() else {
        return ApiError::new(StatusCode::TOO_MANY_REQUESTS, "BUSY", "too many requests at once")
            .retry_after(1)
            .into_response();
    };
    let reading = Reading::default();
    request.extensions_mut().insert(reading.clone());
    match tokio::time::timeout(deadline, next.run(request)).await {
        Ok(response) => response,
        // What took so long is the client.
        Err(_) if reading.is_on() => writing::too_slow().into_response(),
        Err(_) => ApiError::new(
            StatusCode::GATEWAY_TIMEOUT,
            "DEADLINE",
            format!("the request took longer than {} s", deadline.as_secs()),
        )
        .hint("the same request again is safe: what was done is recognised")
        .into_response(),
    }
}

fn panicked(_what: Box<dyn std::any::Any + Send + 'static>) -> Response {
    tracing::error!("a handler panicked");
    ApiError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "INTERNAL",
        "an internal fault; its details are in the log",
    )
    .into_response()
}
