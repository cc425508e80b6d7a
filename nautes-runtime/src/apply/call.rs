//! Calls to a cluster: each has a deadline, and what went wrong is sorted once.

use std::future::Future;
use std::time::Duration;

use nautes_model::Class;

/// How long one call to a cluster or to the secret store may take.
pub const DEADLINE: Duration = Duration::from_secs(30);

const UNTYPED: &str = "failed to create typed patch object";

/// Why one call to a cluster did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The API server answered, and refused.
    #[error("the cluster refused: {message} ({code} {reason})")]
    Refused {
        /// The HTTP status.
        code: u16,
        /// The reason in one word, as the API server gives it.
        reason: String,
        /// What the API server says.
        message: String,
    },
    /// No answer could be had or understood.
    #[error("the cluster does not answer")]
    Unreachable(#[source] Box<kube::Error>),
    /// The answer did not come in time.
    #[error("the cluster did not answer within {} seconds", DEADLINE.as_secs())]
    Deadline,
}

impl CallError {
    /// Returns the class.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            // An apply that does not fit the schema is told as an error of the server.
            Self::Refused {
                code: 500, message, ..
            } if message.starts_with(UNTYPED) => Class::Invalid,
            Self::Refused { code, .. } => match code {
                401 | 403 => Class::Denied,
                404 => Class::NotFound,
                409 => Class::Conflict,
                400 | 405..=422 => Class::Invalid,
                _ => Class::Unreachable,
            },
            Self::Unreachable(_) | Self::Deadline => Class::Unreachable,
        }
    }

    /// Whether the API server says that there is no such thing.
    #[must_use]
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { code: 404, .. })
    }

    /// Describes the error without a word of the answer: for objects that carry secrets.
    #[must_use]
    pub fn without_message(&self) -> String {
        match self {
            Self::Refused { code, reason, .. } => format!("the cluster refused ({code} {reason})"),
            other @ (Self::Unreachable(_) | Self::Deadline) => other.to_string(),
        }
    }
}

impl From<kube::Error> for CallError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Refused {
                code: status.code,
                reason: status.reason,
                message: status.message,
            },
            other => Self::Unreachable(Box::new(other)),
        }
    }
}

/// Makes a call, with the deadline.
pub(crate) async fn call<T, F>(what: F) -> Result<T, CallError>
where
    F: Future<Output = Result<T, kube::Error>> + Send,
{
    match tokio::time::timeout(DEADLINE, what).await {
        Ok(answer) => answer.map_err(CallError::from),
        Err(_) => Err(CallError::Deadline),
    }
}

/// Makes a call; `None` if there is no such thing.
pub(crate) async fn call_opt<T, F>(what: F) -> Result<Option<T>, CallError>
where
    F: Future<Output = Result<T, kube::Error>> + Send,
{
    match call(what).await {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}
