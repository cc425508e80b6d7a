//! The log of requests, for tests and demonstrations that count them.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

/// How many requests are remembered.
const LIMIT: usize = 100_000;

/// One request, as it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Number of the request, counted from one.
    pub number: u64,
    /// The verb as authorisation knows it: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`,
    /// `deletecollection`; the lower-case method for other paths.
    pub verb: &'static str,
    /// The path without the query.
    pub path: String,
    /// Who asked.
    pub user: String,
    /// The status code of the answer.
    pub code: u16,
    /// True where the request could write (and was no dry run).
    pub write: bool,
}

#[derive(Debug, Default)]
struct Log {
    count: u64,
    entries: VecDeque<Entry>,
}

/// The log of requests of one cluster. Cheap to clone.
///
/// # Caveats
/// The newest 100,000 requests are remembered.
#[derive(Clone, Debug, Default)]
pub struct Audit(Arc<Mutex<Log>>);

impl Audit {
    /// A mark: the number of requests answered so far.
    #[must_use]
    pub fn mark(&self) -> u64 {
        self.log().count
    }

    /// The requests answered after a mark.
    #[must_use]
    pub fn since(&self, mark: u64) -> Vec<Entry> {
        self.log()
            .entries
            .iter()
            .filter(|e| e.number > mark)
            .cloned()
            .collect()
    }

    /// The requests after a mark that could write. Reviews (of tokens, of access) do not count.
    #[must_use]
    pub fn writes_since(&self, mark: u64) -> Vec<Entry> {
        self.since(mark).into_iter().filter(|e| e.write).collect()
    }

    /// All remembered requests.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.since(0)
    }

    pub(crate) fn add(&self, mut entry: Entry) {
        let mut log = self.log();
        log.count += 1;
        entry.number = log.count;
        log.entries.push_back(entry);
        if log.entries.len() > LIMIT {
            log.entries.pop_front();
        }
    }

    fn log(&self) -> std::sync::MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
