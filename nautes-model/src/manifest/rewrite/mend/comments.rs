//! The comments of a document: what a fix must not lose.

use std::ops::Range;

use super::super::edit::line_end;
use crate::yaml::spans::{Shape, Span, spans};

/// Whether a text has anything that may be a comment.
pub(super) fn has_any(text: &str) -> bool {
    let Some(root) = spans(text) else {
        return text.contains('#');
    };
    !of(text, &root).is_empty()
}

/// Returns the comments of a document, in order of their text.
pub(super) fn of<'t>(text: &'t str, root: &Span) -> Vec<&'t str> {
    let mut scalars = Vec::new();
    collect(root, &mut scalars);
    scalars.sort_by_key(|r| r.start);
    let mut all = Vec::new();
    let mut at = 0;
    let mut next = scalars.into_iter().peekable();
    while let Some(found) = text[at..].find('#') {
        let mark = at + found;
        while next.peek().is_some_and(|r| r.end <= mark) {
            next.next();
        }
        if let Some(range) = next.peek().filter(|r| r.contains(&mark)) {
            at = range.end;
            continue;
        }
        let end = line_end(text, mark);
        all.push(text[mark..end].trim_end());
        at = end;
    }
    all.sort_unstable();
    all
}

fn collect(span: &Span, into: &mut Vec<Range<usize>>) {
    match &span.shape {
        Shape::Scalar { .. } | Shape::Alias => into.push(span.range.clone()),
        Shape::List { items } => items.iter().for_each(|i| collect(i, into)),
        Shape::Map { entries, .. } => {
            for member in entries {
                into.push(member.key.clone());
                collect(&member.value, into);
            }
        }
    }
}
