//! Headers of answers, as the descriptions have them. What sends them stands where they are made; a test holds the two
//! together.

/// A header of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub description: &'static str,
    /// Whether each answer has it on which it is described.
    pub always: bool,
    /// Whether it is a number, and not text.
    pub is_number: bool,
}

const fn text(name: &'static str, always: bool, description: &'static str) -> Header {
    Header {
        name,
        description,
        always,
        is_number: false,
    }
}

/// The headers of every answer, whatever was asked.
pub const EVERY: &[Header] = &[
    text(
        "X-Request-Id",
        true,
        "The id of the request: the one that it came with, or a new one. Logs, errors and commits have it.",
    ),
    text(
        "X-Content-Type-Options",
        true,
        "`nosniff`: the answer is what its media type says.",
    ),
    text(
        "Cache-Control",
        true,
        "`no-store`: answers belong to one caller and one moment.",
    ),
    text(
        "Content-Security-Policy",
        true,
        "What a browser may do with the answer: nothing, except for pages and pictures to show themselves.",
    ),
    text(
        "Referrer-Policy",
        true,
        "`no-referrer`: addresses of the API are told to nobody.",
    ),
    text(
        "X-Frame-Options",
        true,
        "`DENY`: the answer is shown in no frame.",
    ),
    text(
        "Strict-Transport-Security",
        false,
        "How long browsers keep to HTTPS; only where the server speaks it.",
    ),
];

/// The revision of what is read.
pub const ETAG: Header = text(
    "ETag",
    false,
    "The revision (commit) of the repository that declares what is answered, in quotes; `If-Match` takes it. It is not \
     sent while the repository has no commit.",
);

/// An answer that was given before.
pub const REPLAYED: Header = text(
    "Idempotent-Replayed",
    false,
    "`true` where the request was done before under its `Idempotency-Key`, and this is the answer of then.",
);

/// How a caller says who he is.
const AUTHENTICATE: Header = text("WWW-Authenticate", true, "`Bearer`: send a token of the forge.");

const fn retry_after(always: bool) -> Header {
    Header {
        name: "Retry-After",
        description: "After how many seconds the same request may be sent again.",
        always,
        is_number: true,
    }
}

/// When to come back, always said.
pub const RETRY_AFTER: Header = retry_after(true);
const PERHAPS_RETRY_AFTER: Header = retry_after(false);

/// Returns the headers of failures of a status, beside those of every answer.
#[must_use]
pub const fn of_failure(status: u16) -> &'static [Header] {
    match status {
        401 => &[AUTHENTICATE],
        409 => &[PERHAPS_RETRY_AFTER],
        429 | 503 => &[RETRY_AFTER],
        _ => &[],
    }
}
