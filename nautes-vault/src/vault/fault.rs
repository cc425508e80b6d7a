//! What can go wrong with one request, without anything that was sent or received.

use std::fmt::Write as _;

use rustify::errors::ClientError as HttpError;
use vaultrs::error::ClientError;

/// The longest message of a server that is passed on.
const MESSAGE: usize = 300;

/// Why a request has no answer. No variant holds a body: bodies have secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// There is nothing at this path of an engine that is there.
    #[error("there is nothing")]
    Absent,
    /// The version that was asked for was removed; others may be there.
    #[error("the version was removed")]
    Removed,
    /// Nothing is mounted that would know the path.
    #[error("nothing is mounted there: {0}")]
    NoRoute(String),
    /// Compare-and-swap found another version.
    #[error("another version is there")]
    Mismatch,
    /// The token does not allow it, or is not valid.
    #[error("permission denied")]
    Denied,
    /// The server does not take what was sent.
    #[error("the server answered {0}{1}")]
    Refused(u16, String),
    /// The body is larger than the server takes.
    #[error("it is larger than the server takes")]
    TooLarge,
    /// The server has no key to read what it keeps.
    #[error("the server is sealed")]
    Sealed,
    /// The server is no active one.
    #[error("the server is a standby")]
    Standby,
    /// The engine was enabled a moment ago, and is not ready yet.
    #[error("the engine is not ready yet")]
    NotYet,
    /// The server asks for fewer requests.
    #[error("the server limits the rate of requests")]
    Throttled,
    /// The server failed.
    #[error("the server answered {0}{1}")]
    Failed(u16, String),
    /// No connection could be made, so that nothing was sent.
    #[error("no connection: {0}")]
    NoConnection(String),
    /// No answer came, or not in time: nobody knows whether the request was executed.
    #[error("no answer: {0}")]
    NoAnswer(String),
    /// The answer is not what the protocol says.
    #[error("the answer cannot be understood: {0}")]
    Strange(String),
    /// Logging in did not succeed.
    #[error("{0}")]
    Login(String),
}

/// Whether the same request may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// It was certainly not executed.
    Yes,
    /// It may have been executed.
    IfIdempotent,
    /// Sending it again gives the same answer.
    No,
}

impl Fault {
    /// Whether the same request may be sent again.
    pub(super) const fn again(&self) -> Again {
        match self {
            Self::NotYet | Self::Throttled | Self::NoConnection(_) | Self::Standby => Again::Yes,
            Self::Failed(..) | Self::NoAnswer(_) => Again::IfIdempotent,
            Self::Absent
            | Self::Removed
            | Self::NoRoute(_)
            | Self::Mismatch
            | Self::Denied
            | Self::Refused(..)
            | Self::TooLarge
            | Self::Sealed
            | Self::Strange(_)
            | Self::Login(_) => Again::No,
        }
    }

    /// Reads an error of the client. `quote` says whether what the server wrote may be shown: not where the
    /// request had a secret in it, which a server or something before it could repeat.
    pub(super) fn of(error: &ClientError, quote: bool) -> Self {
        match error {
            ClientError::APIError { code, errors } => Self::status(*code, errors, quote),
            ClientError::RestClientError { source } => match source {
                HttpError::ServerResponseError { code, content } => {
                    // A removed version is told with its metadata, and without any error.
                    let removed = content.as_ref().is_some_and(|text| text.contains("\"metadata\""));
                    match code {
                        404 if removed => Self::Removed,
                        404 => Self::Strange("404 from something that is no Vault server".to_owned()),
                        _ => Self::status(*code, &[], quote),
                    }
                }
                HttpError::RequestError { source, .. } => Self::transport(source.as_ref()),
                HttpError::ResponseError { source } => Self::NoAnswer(chain(source.as_ref())),
                HttpError::ResponseParseError { .. } | HttpError::ResponseConversionError { .. } => {
                    Self::Strange("it is not the expected JSON".to_owned())
                }
                _ => Self::Strange("the request could not be made".to_owned()),
            },
            ClientError::ResponseEmptyError | ClientError::ResponseDataEmptyError => {
                Self::Strange("it is empty".to_owned())
            }
            _ => Self::Strange("it is not the expected JSON".to_owned()),
        }
    }

    fn status(code: u16, errors: &[String], quote: bool) -> Self {
        let says = |text: &str| errors.iter().any(|error| error.contains(text));
        let message = || if quote { shown(errors) } else { String::new() };
        match code {
            400 if says("Upgrading from non-versioned") => Self::NotYet,
            400 if says("check-and-set") => Self::Mismatch,
            400 | 413 if says("too large") || says("exceeds") => Self::TooLarge,
            413 => Self::TooLarge,
            403 => Self::Denied,
            404 if errors.is_empty() => Self::Absent,
            404 => Self::NoRoute(shown(errors)),
            307 | 308 | 472 | 473 => Self::Standby,
            _ if says("active cluster node not found") || says("node not active") => Self::Standby,
            503 if says("sealed") => Self::Sealed,
            429 => Self::Throttled,
            // A server that is behind in replication, and asks to come again.
            412 => Self::Standby,
            500.. if says("too large") => Self::TooLarge,
            500.. => Self::Failed(code, message()),
            _ => Self::Refused(code, message()),
        }
    }

    pub(super) fn transport(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(error) = error.downcast_ref::<reqwest::Error>() {
                return if error.is_connect() {
                    Self::NoConnection(chain(error))
                } else if error.is_timeout() {
                    Self::NoAnswer("it did not come in time".to_owned())
                } else {
                    Self::NoAnswer(chain(error))
                };
            }
            next = error.source();
        }
        Self::NoAnswer(chain(error))
    }
}

/// Returns what a server said, short and without control characters.
fn shown(errors: &[String]) -> String {
    let mut text: String = errors
        .join("; ")
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MESSAGE)
        .collect();
    if !text.is_empty() {
        text.insert_str(0, ": ");
    }
    text
}

/// Returns an error of the transport with what is below it. Such errors name hosts and addresses.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let _ = write!(text, "{}{error}", if text.is_empty() { "" } else { ": " });
        next = error.source();
    }
    text.chars().take(MESSAGE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(code: u16, errors: &[&str]) -> Fault {
        let errors = errors.iter().map(|&error| error.to_owned()).collect();
        Fault::of(&ClientError::APIError { code, errors }, true)
    }

    fn plain(code: u16, content: &str) -> Fault {
        let source = HttpError::ServerResponseError {
            code,
            content: Some(content.to_owned()),
        };
        Fault::of(&ClientError::RestClientError { source }, true)
    }

    #[test]
    fn only_an_empty_404_means_absent() {
        assert_eq!(api(404, &[]), Fault::Absent);
        assert!(matches!(api(404, &["no handler for route"]), Fault::NoRoute(_)));
        assert_eq!(
            plain(404, r#"{"data":{"data":null,"metadata":{}}}"#),
            Fault::Removed
        );
        assert!(matches!(plain(404, "<html>not found</html>"), Fault::Strange(_)));
    }

    #[test]
    fn each_answer_has_its_class() {
        assert_eq!(api(503, &["Vault is sealed"]), Fault::Sealed);
        assert!(matches!(api(503, &["maintenance"]), Fault::Failed(503, _)));
        assert_eq!(
            api(500, &["local node not active but active cluster node not found"]),
            Fault::Standby
        );
        assert_eq!(plain(307, ""), Fault::Standby);
        assert_eq!(
            api(429, &["request path: rate limit quota exceeded"]),
            Fault::Throttled
        );
        assert_eq!(api(403, &["permission denied"]), Fault::Denied);
        assert_eq!(plain(413, ""), Fault::TooLarge);
        assert_eq!(
            api(
                400,
                &["check-and-set parameter did not match the current version"]
            ),
            Fault::Mismatch
        );
        assert_eq!(
            api(400, &["Upgrading from non-versioned to versioned data."]),
            Fault::NotYet
        );
        assert!(matches!(api(400, &["no"]), Fault::Refused(400, _)));
    }

    #[test]
    fn what_a_server_repeats_of_a_secret_is_not_shown() {
        let errors = vec!["cannot store canary".to_owned()];
        for code in [400, 500, 502] {
            let fault = Fault::of(
                &ClientError::APIError {
                    code,
                    errors: errors.clone(),
                },
                false,
            );
            assert!(!format!("{fault} {fault:?}").contains("canary"));
        }
        let source = HttpError::ResponseParseError {
            source: std::io::Error::other("canary").into(),
            content: Some("canary".to_owned()),
        };
        let fault = Fault::of(&ClientError::RestClientError { source }, true);
        assert!(!format!("{fault} {fault:?}").contains("canary"));
    }
}
