//! Watching as server-sent events.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt as _, stream};
use nautes_model::name::ProductName;
use nautes_model::{Identity, Kind, Secret};
use serde::Deserialize;
use serde_json::Value;
use tokio_stream::wrappers::ReceiverStream;

use super::operation::{Form, Needs, Operation, Parameter, Tag};
use super::path;
use crate::app::App;
use crate::auth::{Caller, bearer};
use crate::error::ApiError;
use crate::names::{self, answer};
use crate::policy::{Action, gate_asked};
use crate::sight::Sight;
use crate::watch::{EndReason, Frame, WatchEvent, WatchMessage, Watcher, pump, sight};

/// The names of events that can be asked for.
const EVENTS: [&str; 4] = ["status", "removed", "run", "deployment"];

/// The rows of the table.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/api/v1/watch", "watch", Needs::Caller, watch)
            .with(Parameter::query::<Option<ProductName>>(
                "product",
                "The product to watch; without it, everything that the caller may read.",
            ))
            .with(Parameter::query::<Option<String>>(
                "kind",
                "Kinds to watch, separated by commas; without it, all.",
            ))
            .with(Parameter::query::<Option<String>>(
                "events",
                "Events to be told, separated by commas: `status`, `removed`, `run`, `deployment`; without it, all.",
            ))
            .with(Parameter::query::<Option<u64>>(
                "timeout",
                "After how many seconds the answer ends; the server may end it earlier.",
            ))
            .with(Parameter::header::<Option<String>>(
                "Last-Event-ID",
                "The id of the last event that was read: what came after it is told. Browsers send it by themselves.",
            ))
            .says(
                Tag::Live,
                "Be told what becomes of resources",
                "Server-sent events. It begins with `reset`, the status of everything that is watched and the runs that \
                 have not ended, or, with `Last-Event-ID`, with what was missed; `reset` comes then only if that is kept no \
                 more. Then `status`, `removed`, `run` and `deployment` come as they happen, and comments where nothing \
                 does. A `status` speaks of the commit in its `revision`; it is `Pending` while the controllers have not \
                 worked on what is projected. A `run` comes when an event of a repository has started one, and with each \
                 phase that its cluster tells of it; of a cluster that does not answer nothing is told until it does. A \
                 product that is new comes as soon as it is projected, and other rights than before within \
                 `watch-recheck`. The last event is `end`, with the reason: the time is over, the reader is too slow, the \
                 token or the right is gone, the server stops. Come back with the last id then. Without `Last-Event-ID` \
                 nothing is lost, but more is told.",
            )
            .replies_made(
                200,
                "A stream of events; this is the form of each.",
                "text/event-stream",
                Form::of::<WatchMessage>(),
            ),
    ]
}

/// What the query may say.
#[derive(Clone, Debug, Default, Deserialize)]
struct WatchQuery {
    #[serde(default)]
    product: Option<String>,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    events: String,
    #[serde(default)]
    timeout: Option<u64>,
}

/// The token of the request: a watch outlives what is remembered of it.
struct Token(Secret);

impl<S: Send + Sync> FromRequestParts<S> for Token {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        bearer(parts).map(Self)
    }
}

/// `GET /api/v1/watch`.
async fn watch(
    caller: Caller,
    Token(token): Token,
    State(app): State<App>,
    headers: HeaderMap,
    query: Result<Query<WatchQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|e| ApiError::malformed(e.body_text()))?;
    let kinds = kinds(&query.kind)?;
    let events = events(&query.events)?;
    let product = match query.product.as_deref() {
        Some(asked) => {
            let found = names::product(&app, &caller, asked).await;
            let found = found.map_err(names::not_found)?;
            let itself = Identity::tenant(Kind::Product, found.as_resource());
            gate_asked(&app, &caller, Action::Read, &itself, asked).await?;
            Some(found)
        }
        None => None,
    };
    let sight = sight(&app, &caller, product.as_ref()).await?;
    let hub = Arc::clone(app.watching());
    let seat = hub.seat(&caller.user.name)?;
    hub.ready().await?;
    // What is no id of ours, or of another life of the server, is an id of which nothing is kept.
    let since = headers.get("last-event-id").map(|value| {
        let text = value.to_str().unwrap_or_default();
        text.parse().unwrap_or_default()
    });
    let longest = hub.limits.lifetime;
    let shown = (app.clone(), sight.clone());
    let watcher = Watcher {
        lifetime: query
            .timeout
            .map_or(longest, |seconds| longest.min(Duration::from_secs(seconds))),
        app,
        token,
        product,
        kinds,
        events,
        seat,
        sight,
    };
    let (out, frames) = tokio::sync::mpsc::channel(hub.limits.waiting.clamp(1, 64));
    let end: Arc<Mutex<Option<EndReason>>> = Arc::default();
    tokio::spawn({
        let end = Arc::clone(&end);
        async move {
            // The reason is there before the last sender is gone, so that the stream finds it.
            let keep = out.clone();
            let reason = pump(watcher, since, out).await;
            *end.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
            drop(keep);
        }
    });
    Ok(Sse::new(told(ReceiverStream::new(frames), end, shown)).into_response())
}

/// The frames as events, and at last why it ends.
fn told(
    frames: ReceiverStream<Frame>,
    end: Arc<Mutex<Option<EndReason>>>,
    (app, sight): (App, Sight),
) -> impl Stream<Item = Result<Event, Infallible>> + Send + 'static {
    let last = stream::once(async move {
        let reason = end.lock().unwrap_or_else(PoisonError::into_inner).take();
        let end = WatchEvent::end(reason.unwrap_or(EndReason::Shutdown));
        event(None, &end, None)
    });
    frames
        .map(move |frame| match frame {
            Frame::Heartbeat => Event::default().comment("heartbeat"),
            Frame::Event(at, data) => {
                let shown = answer::event(&app, &sight, &*data);
                event(at.map(|at| at.to_string()), &data, shown)
            }
        })
        .chain(last)
        .map(Ok)
}

fn event(id: Option<String>, data: &WatchEvent, shown: Option<Value>) -> Event {
    let made = Event::default().event(data.name());
    let made = match id {
        Some(id) => made.id(id),
        None => made,
    };
    // Statuses are plain data, which JSON always takes.
    let made = match shown {
        Some(shown) => made.json_data(shown),
        None => made.json_data(data),
    };
    made.unwrap_or_default()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}

fn kinds(text: &str) -> Result<BTreeSet<Kind>, ApiError> {
    words(text).map(path::kind).collect()
}

fn events(text: &str) -> Result<BTreeSet<String>, ApiError> {
    let known = |word: &str| {
        if EVENTS.contains(&word) {
            return Ok(word.to_owned());
        }
        let shown: String = word.chars().take(80).collect();
        Err(ApiError::malformed(format!("there is no event {shown:?}"))
            .hint(format!("events: {}", EVENTS.join(", "))))
    };
    words(text).map(known).collect()
}
