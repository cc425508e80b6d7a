//! Listings: all pages, or an error.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use url::Url;

use super::api::{Api, Query, Rest};
use super::failure::Task;
use crate::host::HostError;
use crate::host::net::{Fault, Reply};

/// How a forge divides listings into pages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paging {
    /// The parameter that says how many entries a page may have.
    pub(crate) size: &'static str,
    /// How many entries are asked for; the forge may give fewer.
    pub(crate) most: usize,
    /// The header with the number of all entries.
    pub(crate) total: &'static str,
    /// The header with the number of the next page, where there is one.
    pub(crate) next: Option<&'static str>,
}

/// Something that is listed, with the id by which repetitions are noticed.
pub(crate) trait Listed {
    fn id(&self) -> u64;
}

/// How often a listing begins anew because it has changed meanwhile.
const ROUNDS: usize = 3;

/// Why a listing is not complete.
enum Broken {
    /// It has changed meanwhile.
    Changed,
    /// It is an error.
    Failed(HostError),
}

/// What comes after a page.
#[derive(Debug, PartialEq, Eq)]
enum After {
    Page(Vec<(String, String)>),
    End,
    Unknown,
}

impl<F: Rest> Api<F> {
    /// Returns everything that a listing has; `None` where there is no such listing.
    ///
    /// Where the forge offers it, pages follow each other by key (`keyset`); else by number, and then a listing that
    /// changes between two pages begins anew.
    pub(crate) async fn list<T: DeserializeOwned + Listed>(
        &self,
        at: &[&str],
        query: Query<'_>,
        task: &Task,
    ) -> Result<Option<Vec<T>>, HostError> {
        for _ in 0..ROUNDS {
            match self.pages(at, query, task).await {
                Ok(found) => return Ok(found),
                Err(Broken::Changed) => tracing::debug!(what = task.what, "a listing has changed meanwhile"),
                Err(Broken::Failed(error)) => return Err(error),
            }
        }
        let why = "the listing changes faster than it can be read".to_owned();
        Err(self.fault(Fault::Strange(why), task))
    }

    async fn pages<T: DeserializeOwned + Listed>(
        &self,
        at: &[&str],
        query: Query<'_>,
        task: &Task,
    ) -> Result<Option<Vec<T>>, Broken> {
        let failed = |fault| Broken::Failed(self.fault(fault, task));
        let strange = |why: &str| failed(Fault::Strange(why.to_owned()));
        let first = self.url(at, query);
        let mut url = first.clone();
        let paging = F::PAGING;
        let size = paging.most.to_string();
        url.query_pairs_mut().append_pair(paging.size, &size);
        let (mut found, mut ids, mut asked) = (Vec::<T>::new(), BTreeSet::new(), BTreeSet::new());
        let mut total = None;
        for number in 0..self.forge.net().options().pages {
            if !asked.insert(url.to_string()) {
                return Err(strange("a page of the listing leads back to itself"));
            }
            let reply = self
                .send(Method::GET, url.clone(), None, true)
                .await
                .map_err(failed)?;
            match reply.status {
                StatusCode::NOT_FOUND if number == 0 => return Ok(None),
                StatusCode::NOT_FOUND => return Err(Broken::Changed),
                status if status.is_success() => {}
                _ => return Err(Broken::Failed(self.refused(&reply, task))),
            }
            let page: Vec<T> = self.read(&reply, task).map_err(Broken::Failed)?;
            let says = reply
                .header(paging.total)
                .and_then(|text| text.parse::<usize>().ok());
            if number > 0 && says != total {
                return Err(Broken::Changed);
            }
            total = says;
            let count = page.len();
            for entry in page {
                if !ids.insert(entry.id()) {
                    return Err(Broken::Changed);
                }
                found.push(entry);
            }
            match after(&paging, &reply, &url) {
                After::Page(pairs) => {
                    url = first.clone();
                    url.query_pairs_mut().clear().extend_pairs(pairs);
                }
                After::Unknown if paging.next.is_none() && count > 0 => match total {
                    Some(total) if total > found.len() => {
                        let page = (number + 2).to_string();
                        url = first.clone();
                        url.query_pairs_mut()
                            .append_pair(paging.size, &size)
                            .append_pair("page", &page);
                    }
                    Some(total) if total == found.len() => return Ok(Some(found)),
                    Some(_) => return Err(Broken::Changed),
                    None => return Err(strange("it does not say whether the listing goes on")),
                },
                After::Unknown if count >= paging.most => {
                    return Err(strange("it does not say whether the listing goes on"));
                }
                After::End | After::Unknown if total.is_some_and(|total| total != found.len()) => {
                    return Err(Broken::Changed);
                }
                After::End | After::Unknown => return Ok(Some(found)),
            }
        }
        Err(strange("the listing has too many pages"))
    }
}

/// Reads what comes after a page. Of an address only the query counts: a forge may call itself by another name than the
/// one by which it is reached.
fn after(paging: &Paging, reply: &Reply, url: &Url) -> After {
    if let Some(links) = reply.header("link") {
        let next = links.split(',').find_map(|link| {
            let (address, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
            let is_next = rest.split(';').any(|part| part.trim() == "rel=\"next\"");
            is_next.then(|| Url::parse(address).ok()).flatten()
        });
        return match next {
            Some(url) => After::Page(url.query_pairs().into_owned().collect()),
            None => After::End,
        };
    }
    match paging.next.and_then(|name| reply.header(name)) {
        Some("") => After::End,
        Some(page) => {
            let pairs = url.query_pairs().into_owned();
            let others = pairs.filter(|(name, _)| name != "page");
            After::Page(others.chain([("page".to_owned(), page.to_owned())]).collect())
        }
        None => After::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use reqwest::header::HeaderMap;

    use super::*;
    use crate::host::net::Content;

    fn reply(headers: &[(&'static str, &str)]) -> Reply {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        Reply {
            status: StatusCode::OK,
            headers: map,
            content: Content::Whole(Bytes::new()),
            again: false,
        }
    }

    #[test]
    fn the_next_page_is_that_of_the_link() {
        let link = "<https://other.name/api/v4/groups?page=1>; rel=\"first\", \
                    <https://other.name/api/v4/groups?cursor=a%2Bb&per_page=100>; rel=\"next\"";
        let expected = [("cursor", "a+b"), ("per_page", "100")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        let url = Url::parse("https://forge/api/v4/groups?page=1&x=y").unwrap();
        let paging = Paging {
            size: "per_page",
            most: 100,
            total: "x-total",
            next: Some("x-next-page"),
        };
        let after = |headers: &[(&'static str, &str)]| after(&paging, &reply(headers), &url);
        assert_eq!(after(&[("link", link)]), After::Page(expected.to_vec()));
        assert_eq!(after(&[("link", "<https://x/>; rel=\"first\"")]), After::End);
        assert_eq!(after(&[("x-next-page", "")]), After::End);
        let numbered = [("x", "y"), ("page", "2")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(after(&[("x-next-page", "2")]), After::Page(numbered.to_vec()));
        assert_eq!(after(&[]), After::Unknown);
    }
}
