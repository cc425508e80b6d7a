//! Collecting findings, up to a limit, and the words that several of them share.

use std::sync::Arc;

use super::rule;
use crate::finding::Finding;

/// The findings of an input.
pub(super) struct Report {
    pub(super) file: Arc<str>,
    findings: Vec<Finding>,
    limit: usize,
    more: usize,
}

impl Report {
    pub(super) const fn new(file: Arc<str>, limit: usize) -> Self {
        Self {
            file,
            findings: Vec::new(),
            limit,
            more: 0,
        }
    }

    pub(super) fn add(&mut self, finding: Finding) {
        if self.findings.len() < self.limit {
            self.findings.push(finding);
        } else {
            self.more += 1;
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.findings.len()
    }

    /// Takes back the fixes of findings from a number on that are about fields which stand twice: which of the two
    /// stays is to be settled first.
    pub(super) fn unsettle(&mut self, from: usize, repeated: &[String]) {
        let is_in = |field: &str, whole: &String| {
            let rest = field.strip_prefix(whole.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        for finding in self.findings.iter_mut().skip(from) {
            let field = finding.field.as_deref().unwrap_or_default();
            if repeated.iter().any(|whole| is_in(field, whole)) {
                finding.fix = None;
            }
        }
    }

    pub(super) fn finish(mut self) -> Vec<Finding> {
        self.findings.sort();
        if self.more > 0 {
            let message = format!("{} more findings are not shown", self.more);
            self.findings
                .push(Finding::error(rule::LIMIT, &self.file, message).hint("repair these first"));
        }
        self.findings
    }
}

/// Finds the candidate that a word was most probably meant to be.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.is_empty() || word.len() > 64 {
        return None;
    }
    let lower = word.to_lowercase();
    let allowed = (word.len() / 3).clamp(1, 4);
    candidates
        .into_iter()
        .map(|c| (strsim::damerau_levenshtein(&lower, &c.to_lowercase()), c))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, c)| c)
}

/// Finds the candidate that a word can only have been meant to be: the nearest, if no other is as near.
pub(crate) fn meant<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let all: Vec<&str> = candidates.into_iter().collect();
    let near = nearest(word, all.iter().copied())?;
    let far = |c: &str| strsim::damerau_levenshtein(&word.to_lowercase(), &c.to_lowercase());
    let is_alone = all.iter().all(|other| *other == near || far(other) > far(near));
    is_alone.then_some(near)
}

/// Returns the beginning of a text that a user wrote, in quotes.
pub(crate) fn quoted(text: &str) -> String {
    let short: String = text.chars().take(80).collect();
    let dots = if short.len() < text.len() { "..." } else { "" };
    format!("{short:?}{dots}")
}

/// Returns the beginning of a key, for the path of a field.
pub(super) fn shown_key(key: &str) -> &str {
    if key.len() <= 80 {
        return key;
    }
    key.char_indices().nth(80).map_or(key, |(end, _)| &key[..end])
}

/// Joins the path of a field and a key below it.
pub(super) fn join(path: &str, key: &str) -> String {
    let key = shown_key(key);
    if path.is_empty() {
        return key.to_owned();
    }
    let mut joined = String::with_capacity(path.len() + 1 + key.len());
    joined.push_str(path);
    joined.push('.');
    joined.push_str(key);
    joined
}

/// Lists words as people do: `a, b or c`.
pub(super) fn any_of(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
