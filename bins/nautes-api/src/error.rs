//! Errors as clients see them: the envelope of the reference, and `application/problem+json` for those who ask.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use nautes_gitops::{HostError, PushError};
use nautes_model::{Class, Finding};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An error of a request.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// The HTTP status.
    pub status: StatusCode,
    /// The reason in upper case, as the reference writes it: `RESOURCE_NOT_FOUND`.
    pub reason: &'static str,
    /// What is wrong, for people.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Every finding that led to it.
    pub findings: Vec<Finding>,
    /// More for programs: what is there instead of what was expected.
    pub metadata: BTreeMap<String, String>,
    /// After how many seconds it may be tried again.
    pub retry_after: Option<u32>,
}

/// The body of an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Envelope {
    /// The HTTP status.
    pub code: u16,
    /// The reason in upper case.
    pub reason: String,
    /// What is wrong, for people.
    pub message: String,
    /// More: `hint`, `requestId`, and what is there instead of what was expected.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// Every finding that led to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// The body of an error as RFC 9457 has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// What kind of error it is: `urn:nautes:problem:resource_not_found`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The reason in upper case.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong, for people.
    pub detail: String,
    /// More: `hint`, `requestId`, and what is there instead of what was expected.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Every finding that led to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

impl ApiError {
    /// Makes an error.
    #[must_use]
    pub fn new(status: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            reason,
            message: message.into(),
            hint: None,
            findings: Vec::new(),
            metadata: BTreeMap::new(),
            retry_after: None,
        }
    }

    /// Adds something for programs.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.metadata.insert(key.to_owned(), value.into());
        self
    }

    /// Says after how many seconds it may be tried again.
    #[must_use]
    pub const fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Something outside does not answer.
    #[must_use]
    pub fn unreachable(message: impl Into<String>) -> Self {
        Self::of_class(Class::Unreachable, message).hint("try again in a moment")
    }

    /// The forge takes no more calls for now, and some again after a time.
    #[must_use]
    pub fn limited(message: impl Into<String>, after: Duration) -> Self {
        // Never too early: what is left of a second counts as one.
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        let seconds = u32::try_from(seconds.max(1)).unwrap_or(u32::MAX);
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "FORGE_LIMITED", message)
            .retry_after(seconds)
            .hint(format!("try again in {seconds} seconds"))
    }

    /// The request speaks of something that has changed.
    #[must_use]
    pub fn stale(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, reason, message)
    }

    /// Adds the way out.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What was sent cannot be read.
    #[must_use]
    pub fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "CODEC", message)
    }

    /// No credential, or one that is nobody's.
    #[must_use]
    pub fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", message)
            .hint("send your forge token as `Authorization: Bearer <token>`")
    }

    /// The caller may not do this.
    #[must_use]
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "NO_AUTHORIZATION", message)
    }

    /// There is no such thing.
    #[must_use]
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "RESOURCE_NOT_FOUND", message)
    }

    /// Rules are broken, or the input is malformed: every finding at once.
    #[must_use]
    pub fn findings(findings: Vec<Finding>) -> Self {
        let malformed = findings.iter().any(|f| f.rule.starts_with("Manifest"));
        let referenced = findings.iter().all(|f| f.rule.ends_with("Referenced"));
        let (status, reason) = if malformed {
            (StatusCode::BAD_REQUEST, "VALIDATOR")
        } else if referenced {
            (StatusCode::CONFLICT, "STILL_REFERENCED")
        } else {
            (StatusCode::UNPROCESSABLE_ENTITY, "RULES_BROKEN")
        };
        let message = match findings.as_slice() {
            [one] => one.message.clone(),
            many => format!("{} findings", many.len()),
        };
        Self {
            findings,
            ..Self::new(status, reason, message)
        }
    }

    /// Makes an error of a class; for anything unexpected the details stay in the log.
    #[must_use]
    pub fn of_class(class: Class, message: impl Into<String>) -> Self {
        let (status, reason) = match class {
            Class::Invalid => (StatusCode::UNPROCESSABLE_ENTITY, "INVALID"),
            Class::Waiting => (StatusCode::SERVICE_UNAVAILABLE, "NOT_READY"),
            Class::Denied => (StatusCode::FORBIDDEN, "NO_AUTHORIZATION"),
            Class::NotFound => (StatusCode::NOT_FOUND, "RESOURCE_NOT_FOUND"),
            Class::Conflict => (StatusCode::CONFLICT, "CONFLICT"),
            Class::Unreachable => (StatusCode::SERVICE_UNAVAILABLE, "UNREACHABLE"),
            Class::Bug => (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL"),
        };
        let made = Self::new(status, reason, message);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            made.retry_after(5)
        } else {
            made
        }
    }

    /// Returns the body.
    #[must_use]
    pub fn envelope(&self) -> Envelope {
        Envelope {
            code: self.status.as_u16(),
            reason: self.reason.to_owned(),
            message: self.message.clone(),
            metadata: self.all_metadata(),
            findings: self.findings.clone(),
        }
    }

    /// Returns the body as RFC 9457 has it.
    #[must_use]
    pub fn problem(&self) -> Problem {
        Problem {
            kind: format!("urn:nautes:problem:{}", self.reason.to_ascii_lowercase()),
            title: self.reason.to_owned(),
            status: self.status.as_u16(),
            detail: self.message.clone(),
            metadata: self.all_metadata(),
            findings: self.findings.clone(),
        }
    }

    fn all_metadata(&self) -> BTreeMap<String, String> {
        let hint = self.hint.iter().map(|hint| ("hint".to_owned(), hint.clone()));
        self.metadata.clone().into_iter().chain(hint).collect()
    }
}

/// Writes the chain of an error for the log, and gives the client a text without internals.
#[must_use]
pub fn internal(what: &str, error: &(dyn std::error::Error + 'static)) -> ApiError {
    tracing::error!(error = %chain(error), "{what}");
    ApiError::of_class(
        Class::Bug,
        format!("{what}: an internal fault; its details are in the log of the server"),
    )
}

/// Makes an error of what failed outside. The client is told what it can act on; what may name addresses inside stays in
/// the log.
#[must_use]
pub fn outside(class: Class, what: &str, error: &(dyn std::error::Error + 'static)) -> ApiError {
    match class {
        Class::Bug => internal(what, error),
        Class::Unreachable => {
            tracing::warn!(error = %chain(error), "{what}");
            match limited(error) {
                Some(after) => {
                    ApiError::limited(format!("{what}: the forge takes no more calls for now"), after)
                }
                None => ApiError::unreachable(format!("{what}: {error}")),
            }
        }
        class => ApiError::of_class(class, chain(error)),
    }
}

/// Returns when the forge takes calls again, where something failed because it takes none for now.
fn limited(error: &(dyn std::error::Error + 'static)) -> Option<Duration> {
    let mut next = Some(error);
    while let Some(error) = next {
        let host = match error.downcast_ref::<PushError>() {
            Some(PushError::Host(host)) => Some(host),
            _ => error.downcast_ref::<HostError>(),
        };
        if let Some(HostError::Limited { after, .. }) = host {
            return Some(*after);
        }
        next = error.source();
    }
    None
}

/// Writes an error with all its sources on one line.
#[must_use]
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

impl From<HostError> for ApiError {
    fn from(error: HostError) -> Self {
        if error.is_unauthenticated() {
            return Self::unauthenticated("the token is not known to the forge");
        }
        if error.class() == Class::Bug {
            return internal("the forge failed", &error);
        }
        if error.class() == Class::Unreachable {
            tracing::warn!(error = %chain(&error), "the forge is not reachable");
        }
        if let HostError::Limited { after, .. } = &error {
            return Self::limited(error.to_string(), *after);
        }
        let made = Self::of_class(error.class(), error.to_string());
        match error.hint() {
            Some(hint) => made.hint(hint),
            None => made,
        }
    }
}

impl From<nautes_vault::StoreError> for ApiError {
    fn from(error: nautes_vault::StoreError) -> Self {
        if error.class() == Class::Bug {
            return internal("the secret store failed", &error);
        }
        if error.class() == Class::Unreachable {
            tracing::warn!(error = %chain(&error), "the secret store does not answer");
            return Self::unreachable("the secret store does not answer as it should");
        }
        let made = Self::of_class(error.class(), error.to_string());
        match error.hint() {
            Some(hint) => made.hint(hint),
            None => made,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, axum::Json(self.envelope())).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert(WWW_AUTHENTICATE, axum::http::HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        // The middleware turns the envelope into a problem document for clients that accept only that.
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the body of an error anew, as an envelope or as a problem document, with the id of the request; other headers
/// stay.
#[must_use]
pub(crate) fn with_request_id(response: Response, error: ApiError, id: &str, problem: bool) -> Response {
    let (parts, _) = response.into_parts();
    let error = error.with("requestId", id);
    let mut made = if problem {
        let media = axum::http::HeaderValue::from_static("application/problem+json");
        let mut made = (parts.status, axum::Json(error.problem())).into_response();
        made.headers_mut().insert(CONTENT_TYPE, media);
        made
    } else {
        (parts.status, axum::Json(error.envelope())).into_response()
    };
    for (name, value) in &parts.headers {
        if *name != CONTENT_TYPE && *name != CONTENT_LENGTH {
            made.headers_mut().insert(name.clone(), value.clone());
        }
    }
    *made.extensions_mut() = parts.extensions;
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    fn too_many(after: Duration) -> HostError {
        HostError::Limited {
            host: "gitlab".to_owned(),
            action: "seeing group demo".to_owned(),
            after,
        }
    }

    #[test]
    fn a_rate_limit_of_the_forge_is_told_with_its_time() {
        let direct = ApiError::from(too_many(Duration::from_millis(41_200)));
        assert_eq!(
            (direct.status.as_u16(), direct.reason, direct.retry_after),
            (503, "FORGE_LIMITED", Some(42))
        );
        assert!(direct.hint.as_deref().unwrap().contains("42 seconds"));
        // Also from below what was attempted.
        let push = PushError::from(too_many(Duration::ZERO));
        let deep = outside(push.class(), "the commit failed", &push);
        assert_eq!((deep.reason, deep.retry_after), ("FORGE_LIMITED", Some(1)));
        assert!(!deep.message.contains("gitlab"));
    }
}
