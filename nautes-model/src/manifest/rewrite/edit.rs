//! Edits of a text, collected first and made at once.

use std::ops::Range;

use super::mend::Replacement;

/// Why a text is left as it is: what stands in the way, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) message: String,
    /// The byte at which it stands in the document.
    pub(super) at: Option<usize>,
}

impl Refusal {
    pub(super) fn new(message: impl Into<String>, at: usize) -> Self {
        Self {
            message: message.into(),
            at: Some(at),
        }
    }
}

pub(super) type Done<T = ()> = Result<T, Refusal>;

/// The edits of a text.
#[derive(Debug)]
pub(super) struct Edits<'t> {
    text: &'t str,
    /// What is taken out.
    gone: Vec<Range<usize>>,
    /// What is put in the place of something, or of nothing.
    put: Vec<(Range<usize>, String)>,
}

impl<'t> Edits<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self {
            text,
            gone: Vec::new(),
            put: Vec::new(),
        }
    }

    pub(super) fn delete(&mut self, range: Range<usize>) {
        if !range.is_empty() {
            self.gone.push(range);
        }
    }

    pub(super) fn insert(&mut self, at: usize, text: impl Into<String>) {
        self.put.push((at..at, text.into()));
    }

    pub(super) fn replace(&mut self, range: Range<usize>, text: impl Into<String>) {
        self.put.push((range, text.into()));
    }

    /// Makes the edits. What replaces something that is taken out goes with it.
    pub(super) fn apply(self) -> Done<String> {
        let text = self.text;
        let mut out = String::with_capacity(text.len() + 64);
        let mut done = 0;
        for Replacement { range, text: new } in self.replacements()? {
            out.push_str(&text[done..range.start]);
            out.push_str(&new);
            done = range.end;
        }
        out.push_str(&text[done..]);
        Ok(out)
    }

    /// Returns the edits in order, without overlaps. What replaces something that is taken out goes with it.
    pub(super) fn replacements(mut self) -> Done<Vec<Replacement>> {
        let gone = merged(std::mem::take(&mut self.gone));
        let mut put = std::mem::take(&mut self.put);
        put.retain(|(range, _)| {
            range.is_empty() || !gone.iter().any(|g| g.start <= range.start && range.end <= g.end)
        });
        let mut all: Vec<(Range<usize>, String)> = put;
        all.extend(gone.into_iter().map(|range| (range, String::new())));
        // What is put in comes before what begins at the same place; the order is kept otherwise.
        all.sort_by_key(|(range, _)| (range.start, !range.is_empty()));
        let mut done = 0;
        for (range, _) in &all {
            if range.start < done {
                return Err(Refusal::new("two changes concern the same place", range.start));
            }
            done = range.end;
        }
        let replacement = |(range, text)| Replacement { range, text };
        Ok(all.into_iter().map(replacement).collect())
    }
}

/// Joins ranges that overlap.
fn merged(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|r| (r.start, r.end));
    let mut out: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match out.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => out.push(range),
        }
    }
    out
}

/// Returns where the line of a place begins.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |i| i + 1)
}

/// Returns where the line of a place ends, without its line end.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    let end = text[at..].find('\n').map_or(text.len(), |i| at + i);
    if end > at && text.as_bytes()[end - 1] == b'\r' {
        end - 1
    } else {
        end
    }
}

/// Returns where the line after that of a place begins.
pub(super) fn next_line(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |i| at + i + 1)
}

/// Returns what stands before a place on its line, if that is nothing but spaces.
pub(super) fn indent(text: &str, at: usize) -> Option<&str> {
    let before = &text[line_start(text, at)..at];
    before.bytes().all(|b| b == b' ').then_some(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_replaces_something_that_goes_goes_too() {
        let mut edits = Edits::new("abcdef");
        edits.replace(2..3, "X");
        edits.delete(1..4);
        edits.delete(3..5);
        edits.insert(1, "<");
        edits.insert(1, ">");
        assert_eq!(edits.apply().unwrap(), "a<>f");
    }

    #[test]
    fn changes_of_the_same_place_are_refused() {
        let mut edits = Edits::new("abcdef");
        edits.delete(1..4);
        edits.insert(2, "x");
        assert!(edits.apply().is_err());
    }

    #[test]
    fn lines_end_before_their_line_ends() {
        let text = "  a: b\r\n  c: d";
        assert_eq!(
            (line_start(text, 3), line_end(text, 3), next_line(text, 3)),
            (0, 6, 8)
        );
        assert_eq!((line_end(text, 10), next_line(text, 10)), (14, 14));
        assert_eq!((indent(text, 10), indent(text, 5)), (Some("  "), None));
    }
}
