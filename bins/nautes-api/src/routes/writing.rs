//! What every write goes through between the gate and its handler.
//!
//! # Flow
//! body, within its limit -> idempotency key -> a task of its own, in which the handler runs -> answer.
//!
//! # Guarantees
//! * A write that was accepted is finished, whether or not its client waits for the answer, and before the server stops.
//! * A key is held as long as its request is worked on.
//! * A client that sends its body too slowly is told that it was the client (408), and not the server (504).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use crate::app::App;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::keys::{Begun, Guard, Key};
use crate::limits::Place;

/// How large a body may be, and how long it may take to arrive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyLimits {
    /// In bytes.
    pub(crate) size: usize,
    pub(crate) time: Duration,
}

/// Whether the body of a request is still being read: an extension of the request, for whoever bounds its time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reading(Arc<AtomicBool>);

impl Reading {
    fn set(&self, is: bool) {
        self.0.store(is, Ordering::Relaxed);
    }

    pub(crate) fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Reads a body.
///
/// # Errors
/// It is larger than the limit, which is known before it is read where the client says its length; it does not arrive in
/// time; or it breaks off.
pub(crate) async fn body(parts: &Parts, body: Body, limits: BodyLimits) -> Result<Bytes, ApiError> {
    let reading = parts.extensions.get::<Reading>().cloned().unwrap_or_default();
    reading.set(true);
    let read = tokio::time::timeout(limits.time, whole(parts, body, limits.size)).await;
    reading.set(false);
    read.unwrap_or_else(|_| Err(too_slow()))
}

async fn whole(parts: &Parts, body: Body, limit: usize) -> Result<Bytes, ApiError> {
    let announced = parts
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(too_large(limit));
    }
    match Limited::new(body, limit).collect().await {
        Ok(read) => Ok(read.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large(limit)),
        Err(_) => Err(ApiError::malformed("the body broke off")),
    }
}

fn too_large(limit: usize) -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "TOO_LARGE",
        format!("the body is larger than {limit} bytes"),
    )
    .hint("send fewer files in one request")
}

/// The client has not sent its body in time.
pub(crate) fn too_slow() -> ApiError {
    ApiError::new(
        StatusCode::REQUEST_TIMEOUT,
        "BODY_TOO_SLOW",
        "the body of the request did not arrive in time",
    )
    .hint("nothing was done; send it again, in smaller parts where the connection is slow")
}

/// Runs a write to its end.
pub(crate) async fn run(
    app: &App,
    mut parts: Parts,
    body: Bytes,
    (caller, place): (&Caller, Place),
    next: Next,
) -> Result<Response, ApiError> {
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    let asked = (parts.method.as_str(), target);
    let key = Key::of(&parts.headers, caller.user.id, asked, &body)?.filter(|_| !is_dry_run(&parts));
    let guard = match &key {
        None => None,
        Some(key) => match app.keys().begin(key)? {
            Begun::Replay(answer) => return Ok(answer),
            Begun::New(guard) => Some(guard),
        },
    };
    if let Some(key) = key {
        parts.extensions.insert(key);
    }
    let request = Request::from_parts(parts, Body::from(body));
    let work = app.accepted().spawn(async move {
        let response = next.run(request).await;
        let response = keep(guard, response).await;
        drop(place);
        response
    });
    Ok(work.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a write broke off");
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL",
            "an internal fault; its details are in the log",
        )
        .into_response()
    }))
}

/// Whether nothing will be written. What is no truth is refused by the handler.
fn is_dry_run(parts: &Parts) -> bool {
    let query = parts.uri.query().unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes()).any(|(name, value)| {
        matches!(&*name, "dry_run" | "dryRun") && super::apply::truth(&value) == Some(true)
    })
}

/// Keeps the answer under the key of the request.
async fn keep(guard: Option<Guard>, response: Response) -> Response {
    let Some(guard) = guard else {
        return response;
    };
    let (parts, body) = response.into_parts();
    match body.collect().await {
        Ok(read) => {
            let bytes = read.to_bytes();
            guard.finish(parts.status, &parts.headers, &bytes);
            Response::from_parts(parts, Body::from(bytes))
        }
        Err(error) => {
            tracing::error!(%error, "an answer could not be read");
            Response::from_parts(parts, Body::empty())
        }
    }
}
