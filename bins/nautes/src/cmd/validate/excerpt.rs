//! The lines that findings are about.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use nautes_model::Finding;

use super::mask;
use crate::input::Input;

/// How much of a long line is shown.
const WIDTH: usize = 200;

/// The texts of everything that was read; each is looked through once.
pub(super) struct Texts<'i> {
    inputs: Vec<&'i Input>,
    known: RefCell<HashMap<Arc<str>, Option<Rc<Lines>>>>,
}

/// A text, by line.
struct Lines {
    text: Arc<str>,
    starts: Vec<usize>,
    hidden: Vec<Option<usize>>,
}

/// Some lines of a file, without what is hidden.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Excerpt {
    /// The lines.
    pub(super) text: String,
    /// The number of the first.
    pub(super) first: usize,
    /// The bytes that are meant.
    pub(super) span: Range<usize>,
}

impl<'i> Texts<'i> {
    pub(super) fn new(inputs: Vec<&'i Input>) -> Self {
        Self {
            inputs,
            known: RefCell::default(),
        }
    }

    /// The path of a file, without a revision.
    pub(super) fn path<'f>(&self, file: &'f str) -> &'f str {
        let shorter = self.inputs.iter().map(|input| input.path(file));
        shorter.min_by_key(|path| path.len()).unwrap_or(file)
    }

    /// The column after the word that a finding is about, counted in characters from 1.
    pub(super) fn end_column(&self, finding: &Finding) -> Option<usize> {
        let at = finding.position?;
        let lines = self.lines(finding)?;
        let line = lines.line(at.line)?;
        let begin = byte_of(line, at.column);
        Some(at.column + word(&line[begin..]).chars().count().max(1))
    }

    /// The lines around the place of a finding.
    pub(super) fn excerpt(&self, finding: &Finding) -> Option<Excerpt> {
        let at = finding.position?;
        let lines = self.lines(finding)?;
        let marked = lines.line(at.line)?;
        let is_near = |number: &usize| {
            lines
                .line(*number)
                .is_some_and(|line| !line.trim().is_empty() && !line.starts_with("---"))
        };
        let first = Some(at.line - 1).filter(is_near).unwrap_or(at.line);
        let last = Some(at.line + 1).filter(is_near).unwrap_or(at.line);
        let mut excerpt = Excerpt {
            text: String::new(),
            first,
            span: 0..0,
        };
        for number in first..=last {
            let shown = lines.shown(number);
            if number == at.line {
                let begin = byte_of(marked, at.column).min(shown.len());
                // A place within what is hidden is shown where that begins.
                let begin = lines
                    .hidden
                    .get(number - 1)
                    .copied()
                    .flatten()
                    .map_or(begin, |from| begin.min(from));
                let begin = floor(&shown, begin);
                let end = begin + word(&shown[begin..]).len();
                let offset = excerpt.text.len();
                excerpt.span = offset + begin..offset + end.max(begin);
            }
            excerpt.text.push_str(&shown);
            excerpt.text.push('\n');
        }
        Some(excerpt)
    }

    fn lines(&self, finding: &Finding) -> Option<Rc<Lines>> {
        let mut known = self.known.borrow_mut();
        let entry = known.entry(Arc::clone(&finding.file)).or_insert_with(|| {
            let about = finding.resource.as_ref();
            let mut texts = self.inputs.iter().filter_map(|i| i.text(&finding.file, about));
            texts.next().map(|text| Rc::new(Lines::new(text)))
        });
        entry.clone()
    }
}

impl Lines {
    fn new(text: Arc<str>) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            starts: std::iter::once(0).chain(ends).collect(),
            hidden: mask::hidden(&text),
            text,
        }
    }

    fn line(&self, number: usize) -> Option<&str> {
        let start = *self.starts.get(number.checked_sub(1)?)?;
        let rest = self.text.get(start..)?;
        let line = rest.split('\n').next().unwrap_or_default();
        let line = line.strip_suffix('\r').unwrap_or(line);
        // The mark at the beginning of a text is no part of its first line.
        Some(
            line.strip_prefix('\u{feff}')
                .filter(|_| number == 1)
                .unwrap_or(line),
        )
    }

    /// A line without what is hidden, and not too long.
    fn shown(&self, number: usize) -> String {
        let line = self.line(number).unwrap_or_default();
        match self.hidden.get(number - 1).copied().flatten() {
            Some(from) => format!("{}{}", &line[..floor(line, from.min(line.len()))], mask::HIDDEN),
            None if line.len() > WIDTH => format!("{}...", &line[..floor(line, WIDTH)]),
            None => line.to_owned(),
        }
    }
}

/// The byte at which a column begins.
fn byte_of(line: &str, column: usize) -> usize {
    line.char_indices()
        .nth(column.saturating_sub(1))
        .map_or(line.len(), |(at, _)| at)
}

/// The word at the beginning of a text: a key, or a value.
fn word(text: &str) -> &str {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''));
    if let Some(quote) = quote
        && let Some(end) = text[1..].find(quote)
    {
        return &text[..end + 2];
    }
    let end = text.find([' ', ':', ',', '}', ']', '\t', '\r', '\n']);
    &text[..end.unwrap_or(text.len())]
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0)
}
