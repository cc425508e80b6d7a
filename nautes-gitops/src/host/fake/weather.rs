//! What goes wrong between a client and a forge.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::host::net::pause;

/// What happens to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Weather {
    /// It is answered with a status, and not carried out.
    Status(u16),
    /// It is answered with a status and a body, and not carried out.
    Answer(u16, String),
    /// There were too many calls: status 429, with the seconds to wait.
    RateLimit(u64),
    /// It is carried out, and the answer is lost.
    LostAnswer,
    /// It is carried out, and the connection breaks in the middle of the answer.
    Cut,
    /// It is not answered for this long, and then carried out.
    Slow(Duration),
    /// It is sent elsewhere.
    Redirect(String),
}

/// A fault that is to come about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injection {
    /// The method, `*` for any.
    pub method: String,
    /// What the path holds.
    pub path: String,
    /// How often.
    pub times: u32,
    /// What happens.
    pub weather: Weather,
}

impl Injection {
    /// A fault that comes about once.
    #[must_use]
    pub fn once(method: &str, path: &str, weather: Weather) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            times: 1,
            weather,
        }
    }

    fn meets(&self, request: &Request) -> bool {
        self.times > 0
            && (self.method == "*" || self.method == request.method().as_str())
            && request.uri().to_string().contains(&self.path)
    }
}

/// What is still to come about.
#[derive(Debug, Default)]
pub(crate) struct Forecast {
    pub(crate) latency: Duration,
    pub(crate) injections: Vec<Injection>,
    /// Of how many requests that may be repeated one fails; 0 for none.
    pub(crate) failing: u32,
    /// How many of those there were.
    repeatable: u32,
    /// Method and path of all requests, also those of Git.
    pub(crate) requests: Vec<String>,
}

/// The weather over one forge.
#[derive(Debug, Default)]
pub(crate) struct Sky(Mutex<Forecast>);

impl Sky {
    pub(crate) fn forecast(&self) -> MutexGuard<'_, Forecast> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how many injected faults have not come about yet.
    pub(crate) fn pending(&self) -> u32 {
        self.forecast()
            .injections
            .iter()
            .map(|injection| injection.times)
            .sum()
    }
}

/// Says whether it is the turn of a request to go wrong, and how.
fn bad_day(state: &mut Forecast, request: &Request) -> Option<Weather> {
    let reads = request.uri().path().ends_with("/git-upload-pack");
    let repeatable = reads || matches!(request.method().as_str(), "GET" | "PUT" | "PATCH");
    if state.failing == 0 || !repeatable {
        return None;
    }
    state.repeatable += 1;
    if !state.repeatable.is_multiple_of(state.failing) {
        return None;
    }
    // The content of a repository is not sent again by itself.
    Some(match (state.repeatable / state.failing) % 4 {
        0 if !reads => Weather::Cut,
        1 if !reads => Weather::LostAnswer,
        2 => Weather::RateLimit(0),
        _ => Weather::Status(503),
    })
}

/// Lets requests through, or not.
pub(crate) async fn blow(State(sky): State<Arc<Sky>>, request: Request, next: Next) -> Response {
    let (latency, weather) = {
        let mut state = sky.forecast();
        let latency = state.latency;
        let asked = format!("{} {}", request.method(), request.uri());
        state.requests.push(asked);
        let met = state
            .injections
            .iter_mut()
            .find(|injection| injection.meets(&request));
        let weather = met.map(|injection| {
            injection.times -= 1;
            injection.weather.clone()
        });
        (latency, weather.or_else(|| bad_day(&mut state, &request)))
    };
    if !latency.is_zero() {
        pause(latency).await;
    }
    let status = |number: u16| StatusCode::from_u16(number).unwrap_or(StatusCode::BAD_GATEWAY);
    match weather {
        None => next.run(request).await,
        Some(Weather::Status(number)) => status(number).into_response(),
        Some(Weather::Answer(number, body)) => {
            (status(number), [("content-type", "application/json")], body).into_response()
        }
        Some(Weather::RateLimit(seconds)) => {
            let after = [("retry-after", seconds.to_string())];
            (StatusCode::TOO_MANY_REQUESTS, after, "Retry later\n").into_response()
        }
        Some(Weather::LostAnswer) => {
            // It is carried out to its end before the answer is thrown away.
            let _ = axum::body::to_bytes(next.run(request).await.into_body(), usize::MAX).await;
            StatusCode::BAD_GATEWAY.into_response()
        }
        Some(Weather::Cut) => {
            let (parts, body) = next.run(request).await.into_parts();
            let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
            let half = bytes.slice(..bytes.len() / 2);
            let broken = std::io::Error::other("cut");
            let content = futures::stream::iter([Ok::<Bytes, _>(half), Err(broken)]);
            let mut parts = parts;
            parts.headers.remove("content-length");
            Response::from_parts(parts, Body::from_stream(content))
        }
        Some(Weather::Slow(time)) => {
            pause(time).await;
            next.run(request).await
        }
        Some(Weather::Redirect(to)) => (StatusCode::MOVED_PERMANENTLY, [("location", to)]).into_response(),
    }
}
