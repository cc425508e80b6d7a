//! Answers in GitLab's words.

use serde_json::Value;

use super::World;
use super::route::Asked;
pub(super) use crate::host::fake::{Answer, Result};

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
