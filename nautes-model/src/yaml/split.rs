//! Where the documents of a text begin and end.
//!
//! A line that begins with `---` or `...`, followed by a blank or nothing, ends a document whatever surrounds
//! it: YAML allows neither at the first column of a scalar. So a broken document never hides the next.

use std::ops::Range;

/// A document within a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its bytes, from the first line that is not empty, a comment or a bare `---`.
    pub span: Range<usize>,
    /// The line at which the span begins, counted from 1.
    pub line: usize,
}

/// Finds the documents of a text; documents of nothing but blanks and comments are left out.
pub fn pieces(text: &str) -> impl Iterator<Item = Piece> {
    Pieces {
        text,
        offset: 0,
        line: 1,
        begin: None,
        body: false,
        open: false,
    }
}

struct Pieces<'a> {
    text: &'a str,
    offset: usize,
    line: usize,
    /// Where the current document begins, if anything of it was seen.
    begin: Option<(usize, usize)>,
    /// Whether more than directives was seen of it.
    body: bool,
    /// Whether a marker has begun it: then a line with `%` is content.
    open: bool,
}

impl Pieces<'_> {
    fn close(&mut self, end: usize) -> Option<Piece> {
        let begin = self.begin.take();
        let body = std::mem::take(&mut self.body);
        begin.filter(|_| body).map(|(start, line)| Piece {
            span: start..end,
            line,
        })
    }
}

impl Iterator for Pieces<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        while self.offset < self.text.len() {
            let (start, number) = (self.offset, self.line);
            let rest = &self.text.as_bytes()[start..];
            let length = rest
                .iter()
                .position(|b| *b == b'\n')
                .map_or(rest.len(), |i| i + 1);
            let line = &rest[..length];
            self.offset += length;
            self.line += 1;
            if let Some(after) = after_marker(line, b"---") {
                // Directives stand before the marker and belong to what follows it.
                let closed = if self.body { self.close(start) } else { None };
                self.open = true;
                if !is_empty(after) {
                    self.begin.get_or_insert((start, number));
                    self.body = true;
                }
                if closed.is_some() {
                    return closed;
                }
            } else if after_marker(line, b"...").is_some() {
                let closed = self.close(start);
                self.open = false;
                if closed.is_some() {
                    return closed;
                }
            } else if !is_empty(line) {
                self.begin.get_or_insert((start, number));
                self.body |= self.open || line[0] != b'%';
            }
        }
        self.close(self.text.len())
    }
}

fn after_marker<'a>(line: &'a [u8], marker: &[u8]) -> Option<&'a [u8]> {
    let after = line.strip_prefix(marker)?;
    matches!(after.first(), None | Some(b' ' | b'\t' | b'\r' | b'\n')).then_some(after)
}

fn is_empty(line: &[u8]) -> bool {
    let content = line.trim_ascii_start();
    content.is_empty() || content[0] == b'#'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<(usize, &str)> {
        pieces(text).map(|p| (p.line, &text[p.span])).collect()
    }

    #[test]
    fn documents_end_at_markers_only() {
        assert_eq!(
            split("# c\n---\n\na: 1\n--- # x\nb: |\n  ---\n...\n---\n# nothing\n"),
            [(4, "a: 1\n"), (6, "b: |\n  ---\n")]
        );
        assert_eq!(split("a: 1\r\n---\r\nb: 2"), [(1, "a: 1\r\n"), (3, "b: 2")]);
        assert_eq!(split("a: ---\n----\nx: 1\n"), [(1, "a: ---\n----\nx: 1\n")]);
    }

    #[test]
    fn directives_belong_to_the_document_after_them() {
        assert_eq!(
            split("%YAML 1.2\n---\na: 1\n...\n%YAML 1.2\n---\nb: 2\n"),
            [(1, "%YAML 1.2\n---\na: 1\n"), (5, "%YAML 1.2\n---\nb: 2\n")]
        );
    }

    #[test]
    fn content_may_stand_on_the_line_of_the_marker() {
        assert_eq!(
            split("--- {a: 1}\n--- |\n x\n"),
            [(1, "--- {a: 1}\n"), (2, "--- |\n x\n")]
        );
        assert!(split("\u{20}\n---\n---\n...\n").is_empty());
    }
}
