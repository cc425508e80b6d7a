//! Lists in pages: `limit`, and `continue` with a mark that only the server reads.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::ApiError;
use crate::routes::operation::{Operation, Parameter};

/// How many items a page has where nothing is said.
const USUAL: usize = 100;
/// How many items a page has at most.
const MOST: usize = 500;

/// Which page is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// How many items it may have.
    pub(crate) limit: usize,
    /// After which item it begins: the parts of the mark; `None` for the first page.
    pub(crate) after: Option<Vec<String>>,
}

impl Page {
    /// Reads the parameters of the query.
    ///
    /// # Errors
    /// The limit is out of range, or the mark is not one of ours.
    pub(crate) fn read(limit: Option<usize>, mark: Option<&str>, parts: usize) -> Result<Self, ApiError> {
        let limit = limit.unwrap_or(USUAL);
        if !(1..=MOST).contains(&limit) {
            return Err(ApiError::malformed(format!(
                "the limit is {limit}; it can be 1 to {MOST}"
            )));
        }
        let after = match mark.filter(|mark| !mark.is_empty()) {
            None => None,
            Some(mark) => {
                let read = unmark(mark).filter(|all| all.len() == parts);
                Some(read.ok_or_else(|| {
                    ApiError::malformed("`continue` is not a mark that this list has given")
                        .hint("give what the page before said in `continue`, or begin without it")
                })?)
            }
        };
        Ok(Self { limit, after })
    }
}

/// Makes the mark of an item from what it is ordered by.
pub(crate) fn mark(parts: &[&str]) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::json!(parts).to_string())
}

fn unmark(text: &str) -> Option<Vec<String>> {
    if text.len() > 2048 {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

/// Adds the parameters of pages to an operation.
pub(crate) fn paged(operation: Operation) -> Operation {
    operation
        .with(
            Parameter::query::<Option<u16>>("limit", "How many items a page has at most: 1 to 500.")
                .default("100"),
        )
        .with(Parameter::query::<Option<String>>(
            "continue",
            "What the page before said in `continue`; without it, the first page.",
        ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_comes_back_and_nothing_else_is_one() {
        let made = mark(&["2024-01-01T00:00:00Z", "a|b/\"c"]);
        let page = Page::read(Some(7), Some(&made), 2).unwrap();
        assert_eq!(page.after.unwrap(), ["2024-01-01T00:00:00Z", "a|b/\"c"]);
        assert!(Page::read(None, Some(&made), 3).is_err());
        for bad in ["x", "%%%", "W10", &"A".repeat(4000)] {
            assert!(Page::read(None, Some(bad), 2).is_err(), "{bad}");
        }
        assert!(Page::read(Some(0), None, 2).is_err());
        assert!(Page::read(Some(501), None, 2).is_err());
        assert_eq!(Page::read(None, Some(""), 2).unwrap().after, None);
    }
}
