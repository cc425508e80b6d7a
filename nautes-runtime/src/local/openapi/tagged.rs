//! Documents with the tag of the registry that they were made from, so that clients keep what they have.

use http::{HeaderValue, Response};
use jiff::{SignedDuration, Timestamp, fmt::rfc2822::DateTimePrinter};

use crate::local::{
    call::Call,
    kinds::Registry,
    server::{Body, Server, plain},
};

/// How long a document that is named by its tag may be kept.
const KEPT: SignedDuration = SignedDuration::from_hours(365 * 24);

/// The tag of all documents of one state of a server.
pub(super) struct Tag(String);

impl Tag {
    pub(super) fn of(server: &Server, registry: &Registry) -> Self {
        Self(format!("{}-{}", server.boot.simple(), registry.generation))
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// The answer to who asks for a document, which is only made for who does not have it.
    pub(super) fn answer(
        &self,
        call: &Call,
        form: &'static str,
        make: impl FnOnce() -> Vec<u8>,
    ) -> Response<Body> {
        let quoted = format!("\"{}\"", self.0);
        let has = |known: &str| [quoted.as_str(), "*"].contains(&known.trim().trim_start_matches("W/"));
        let mut response = if call.if_none_match.split(',').any(has) {
            plain(304, form, "")
        } else {
            plain(200, form, make())
        };
        header(&mut response, "etag", &quoted);
        if call.param("hash") == self.0 {
            header(&mut response, "cache-control", "public, immutable");
            let until = Timestamp::now().checked_add(KEPT).ok();
            if let Some(until) =
                until.and_then(|u| DateTimePrinter::new().timestamp_to_rfc9110_string(&u).ok())
            {
                header(&mut response, "expires", &until);
            }
        } else {
            header(&mut response, "cache-control", "no-cache, private");
        }
        header(&mut response, "vary", "Accept");
        response
    }

    /// The way to a document that was asked for by the tag of another.
    pub(super) fn elsewhere(&self, call: &Call) -> Response<Body> {
        let mut response = empty(301);
        header(
            &mut response,
            "location",
            &format!("{}?hash={}", call.path, self.0),
        );
        header(&mut response, "etag", &format!("\"{}\"", self.0));
        header(&mut response, "vary", "Accept");
        response
    }
}

/// An answer without a body.
pub(super) fn empty(code: u16) -> Response<Body> {
    let mut response = plain(code, "text/plain", "");
    response.headers_mut().remove("content-type");
    if code == 406 {
        header(&mut response, "vary", "Accept");
    }
    response
}

fn header(response: &mut Response<Body>, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// The form of an answer: the first that there is, of those that are wanted most. Forms are what is asked for, and what
/// is answered then.
pub(super) fn form(accept: &str, forms: &[(&str, &'static str)]) -> Option<&'static str> {
    let accept = if accept.trim().is_empty() { "*/*" } else { accept };
    let mut wanted: Vec<(f64, &str)> = accept
        .split(',')
        .map(|clause| {
            let mut parts = clause.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default();
            let weight = parts
                .find_map(|p| p.strip_prefix("q="))
                .and_then(|q| q.parse().ok());
            (weight.unwrap_or(1.0), media)
        })
        .collect();
    wanted.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    wanted.iter().find_map(|(_, media)| {
        let fits = |form: &str| ["*/*", "application/*", form].contains(media);
        forms
            .iter()
            .find(|(asked, _)| fits(asked))
            .map(|(_, given)| *given)
    })
}
