//! Answers in GitLab's words.

use serde_json::{Value, json};

use super::World;
use super::route::Asked;
use crate::host::HostError;

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Value,
}

/// What a route gives: both sides are answers, the right one early.
pub(super) type Result<T = Answer> = std::result::Result<T, Answer>;

impl Answer {
    pub(super) fn new(status: u16, body: Value) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body,
        }
    }

    pub(super) fn empty() -> Self {
        Self::new(204, Value::Null)
    }

    pub(super) fn message(status: u16, message: impl Into<Value>) -> Self {
        Self::new(status, json!({ "message": message.into() }))
    }

    pub(super) fn missing(what: &str) -> Self {
        Self::message(404, format!("404 {what} Not Found"))
    }

    pub(super) fn forbidden() -> Self {
        Self::message(403, "403 Forbidden")
    }

    pub(super) fn lacks(name: &str) -> Self {
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
                tracing::error!(%error, "the GitLab for tests has failed");
                Self::message(500, "500 Internal Server Error")
            }
        }
    }
}

/// Returns one page of a listing.
pub(super) fn page(world: &World, asked: &Asked, entries: Vec<Value>) -> Answer {
    let most = world.state().page_size;
    let number = |name: &str| asked.query(name).and_then(|text| text.parse::<usize>().ok());
    let size = number("per_page").unwrap_or(20).clamp(1, 100).min(most);
    let by_key = asked.query("pagination") == Some("keyset");
    let page = number(if by_key { "cursor" } else { "page" }).unwrap_or(1).max(1);
    let total = entries.len();
    let pages = total.div_ceil(size);
    let shown: Vec<Value> = entries.into_iter().skip((page - 1) * size).take(size).collect();
    let link = |to: usize, rel: &str| {
        let name = if by_key { "cursor" } else { "page" };
        let mut url = format!("http://gitlab.internal{}?", asked.raw_path);
        for (key, value) in asked
            .query
            .iter()
            .filter(|(key, _)| key != name && key != "per_page")
        {
            url.push_str(&format!("{key}={value}&"));
        }
        format!("<{url}{name}={to}&per_page={size}>; rel=\"{rel}\"")
    };
    let mut links = vec![link(1, "first")];
    let next = (page < pages).then_some(page + 1);
    links.extend(next.map(|to| link(to, "next")));
    let mut answer = Answer::new(200, shown.into());
    answer.headers.push(("link", links.join(", ")));
    if !by_key {
        answer.headers.extend([
            ("x-page", page.to_string()),
            ("x-per-page", size.to_string()),
            ("x-next-page", next.map_or_else(String::new, |to| to.to_string())),
            ("x-total", total.to_string()),
            ("x-total-pages", pages.to_string()),
        ]);
    }
    answer
}
