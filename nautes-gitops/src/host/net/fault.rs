//! Why there was no answer.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, LOCATION};
use url::Url;

use crate::host::HostError;

/// Why there was no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// No connection came about, so nothing was sent.
    #[error("no connection")]
    Unsent(#[source] reqwest::Error),
    /// The other side has a certificate that is not trusted, so nothing was sent.
    #[error(
        "its certificate is not trusted: {0}; if it is the right one, trust who issued it (--forge-ca-file)"
    )]
    Untrusted(String),
    /// The connection broke; whether the request was carried out is not known.
    #[error("the connection broke")]
    Lost(#[source] reqwest::Error),
    /// It took too long; whether the request was carried out is not known.
    #[error("there was no complete answer in time")]
    Late,
    /// The answer is too large.
    #[error("the answer has more than {limit} bytes")]
    TooLarge {
        /// How large it may be.
        limit: u64,
    },
    /// The caller has made too many calls.
    #[error("the forge takes no more calls for {} seconds", after.as_secs().max(1))]
    Limited {
        /// When it takes some again.
        after: Duration,
    },
    /// The answer is somewhere else, where the credential is not sent.
    #[error("the forge answers with status {status} and sends to {to}")]
    Redirect {
        /// The status.
        status: StatusCode,
        /// The origin and path that it names, without query.
        to: String,
    },
    /// The address is not one of this forge.
    #[error("the address is not one of this forge")]
    Elsewhere,
    /// The credential cannot be sent in a header.
    #[error("the token has characters that no token has")]
    Token,
    /// The answer is not what the protocol says.
    #[error("the answer cannot be understood: {0}")]
    Strange(String),
    /// The forge could not do it now.
    #[error("the forge answered with status {0}")]
    Status(StatusCode),
}

impl Fault {
    pub(super) fn sending(error: reqwest::Error) -> Self {
        let error = error.without_url();
        if let Some(why) = untrusted(&error) {
            Self::Untrusted(why)
        } else if error.is_connect() {
            Self::Unsent(error)
        } else {
            Self::Lost(error)
        }
    }

    pub(super) fn reading(error: reqwest::Error) -> Self {
        Self::Lost(error.without_url())
    }

    pub(super) fn redirect(status: StatusCode, headers: &HeaderMap) -> Self {
        let named = headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let to = match named.map(Url::parse) {
            Some(Ok(url)) => format!("{}{}", url.origin().ascii_serialization(), url.path()),
            Some(Err(_)) => "another path".to_owned(),
            None => "nowhere".to_owned(),
        };
        Self::Redirect { status, to }
    }

    /// Says what was attempted on which forge.
    pub(crate) fn of(self, host: &str, action: impl Into<String>) -> HostError {
        let (host, action) = (host.to_owned(), action.into());
        match self {
            Self::Token => HostError::Unauthenticated { host },
            Self::Limited { after } => HostError::Limited { host, action, after },
            Self::Redirect { .. } => HostError::invalid(
                format!("the address of {host}"),
                format!("{self}; redirects are not followed, so give the address that it names"),
            ),
            Self::TooLarge { .. } | Self::Elsewhere => HostError::internal(action, self),
            Self::Unsent(_)
            | Self::Untrusted(_)
            | Self::Lost(_)
            | Self::Late
            | Self::Strange(_)
            | Self::Status(_) => HostError::Unreachable {
                host,
                action,
                source: Box::new(self),
            },
        }
    }
}

/// Says what is wrong with the certificate of the other side, where that is why there is no connection.
fn untrusted(error: &(dyn StdError + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(rustls::Error::InvalidCertificate(why)) = error.downcast_ref() {
            return Some(why.to_string());
        }
        // What an I/O error carries is not among its sources.
        let carried = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match carried {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}
