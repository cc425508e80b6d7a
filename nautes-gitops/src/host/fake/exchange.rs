//! Requests to an API, and answers.

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::host::HostError;

/// The largest body, in bytes.
const MAX_BODY: usize = 1 << 20;

/// One request to the API, and its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    /// The method.
    pub method: String,
    /// The path below the root of the API, as it was sent.
    pub path: String,
    /// The parameters of the query.
    pub query: Vec<(String, String)>,
    /// The body, null where there was none.
    pub request: Value,
    /// The status.
    pub status: u16,
    /// The body of the answer, null where there was none.
    pub answer: Value,
}

/// What is asked.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// The path as it was sent, from the root of the API on.
    pub(crate) raw_path: String,
    /// The path below the root of the API, decoded.
    pub(crate) segments: Vec<String>,
    pub(crate) query: Vec<(String, String)>,
    /// The body, null where there was none; `None` where it is not JSON.
    pub(crate) body: Option<Value>,
    below: usize,
}

impl Asked {
    /// Reads a request to an API below `root`.
    pub(crate) async fn read(request: Request, root: &str) -> (Self, HeaderMap) {
        let (parts, body) = request.into_parts();
        let raw_path = parts.uri.path().to_owned();
        let query = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
        let bytes = to_bytes(body, MAX_BODY).await.unwrap_or_default();
        let body = if bytes.is_empty() {
            Some(Value::Null)
        } else {
            serde_json::from_slice(&bytes).ok()
        };
        let below = root.len();
        let path = raw_path.get(below..).unwrap_or_default().trim_start_matches('/');
        let asked = Self {
            method: parts.method.as_str().to_owned(),
            segments: path.split('/').map(decoded).collect(),
            raw_path,
            query,
            body,
            below,
        };
        (asked, parts.headers)
    }

    /// Makes a response of an answer, and something to remember it by.
    pub(crate) fn reply(self, answer: Answer) -> (Exchange, Response) {
        let exchange = Exchange {
            path: self.raw_path.get(self.below..).unwrap_or_default().to_owned(),
            method: self.method,
            query: self.query,
            request: self.body.unwrap_or_default(),
            status: answer.status,
            answer: answer.body.clone(),
        };
        let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = if answer.body.is_null() {
            status.into_response()
        } else {
            (status, axum::Json(answer.body)).into_response()
        };
        for (name, value) in answer.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
        (exchange, response)
    }

    /// Whether the body has no fields.
    pub(crate) fn is_empty(&self) -> bool {
        let fields = self.body.as_ref().and_then(Value::as_object);
        fields.is_none_or(serde_json::Map::is_empty)
    }

    /// Returns a field of the body.
    pub(crate) fn field(&self, name: &str) -> Option<&Value> {
        self.body.as_ref()?.get(name)
    }
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.field(name).and_then(Value::as_str)
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.field(name).and_then(Value::as_u64)
    }

    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        self.field(name).and_then(Value::as_bool)
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Value,
}

/// What a route gives: both sides are answers, the right one early.
pub(crate) type Result<T = Answer> = std::result::Result<T, Answer>;

impl Answer {
    pub(crate) fn new(status: u16, body: Value) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body,
        }
    }

    pub(crate) fn empty() -> Self {
        Self::new(204, Value::Null)
    }

    pub(crate) fn message(status: u16, message: impl Into<Value>) -> Self {
        Self::new(status, json!({ "message": message.into() }))
    }

    pub(crate) fn missing(what: &str) -> Self {
        Self::message(404, format!("404 {what} Not Found"))
    }

    pub(crate) fn forbidden() -> Self {
        Self::message(403, "403 Forbidden")
    }

    pub(crate) fn lacks(name: &str) -> Self {
        Self::new(400, json!({ "error": format!("{name} is missing") }))
    }
}

impl From<HostError> for Answer {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Unauthenticated { .. } => Self::message(401, "401 Unauthorized"),
            HostError::Forbidden { .. } => Self::forbidden(),
            HostError::NotFound { .. } => Self::missing("Not Found"),
            HostError::Conflict { why, .. } => Self::message(409, why),
            HostError::Invalid { why, .. } => Self::message(400, why),
            error => {
                tracing::error!(%error, "the forge for tests has failed");
                Self::message(500, "500 Internal Server Error")
            }
        }
    }
}

/// Undoes the encoding of one segment of a path.
fn decoded(segment: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = segment.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = (*first == b'%').then(|| tail.get(..2)).flatten();
        let byte = hex
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
