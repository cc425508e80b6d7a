//! Errors as clients see them: the envelope of the reference, and `application/problem+json` for those who ask.

use axum::http::StatusCode;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
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
    /// More: `hint`, `requestId`.
    #[serde(default)]
    pub metadata: std::collections::BTreeMap<String, String>,
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
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
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
        }
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
            status,
            reason,
            message,
            hint: None,
            findings,
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
        Self::new(status, reason, message)
    }

    /// Returns the body.
    #[must_use]
    pub fn envelope(&self) -> Envelope {
        let mut metadata = std::collections::BTreeMap::new();
        if let Some(hint) = &self.hint {
            metadata.insert("hint".to_owned(), hint.clone());
        }
        Envelope {
            code: self.status.as_u16(),
            reason: self.reason.to_owned(),
            message: self.message.clone(),
            metadata,
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
            hint: self.hint.clone(),
            findings: self.findings.clone(),
        }
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
            ApiError::of_class(class, format!("{what}: {error}")).hint("try again in a moment")
        }
        class => ApiError::of_class(class, chain(error)),
    }
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

impl From<nautes_gitops::HostError> for ApiError {
    fn from(error: nautes_gitops::HostError) -> Self {
        if error.is_unauthenticated() {
            return Self::unauthenticated("the token is not known to the forge");
        }
        if error.class() == Class::Bug {
            return internal("the forge failed", &error);
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
        // The middleware turns the envelope into a problem document for clients that accept only that.
        response.extensions_mut().insert(self);
        response
    }
}

/// Replaces the envelope by a problem document; other headers stay.
#[must_use]
pub fn as_problem(error: &ApiError, response: Response) -> Response {
    let (parts, _) = response.into_parts();
    let mut made = (parts.status, axum::Json(error.problem())).into_response();
    for (name, value) in &parts.headers {
        if *name != CONTENT_TYPE && *name != CONTENT_LENGTH {
            made.headers_mut().insert(name.clone(), value.clone());
        }
    }
    made.headers_mut().insert(
        CONTENT_TYPE,
        axum::http::HeaderValue::from_static("application/problem+json"),
    );
    *made.extensions_mut() = parts.extensions;
    made
}
