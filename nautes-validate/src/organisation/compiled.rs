//! An expression of a rule, and where it stands in the file.

use nautes_model::resource::Position;

use crate::cel::{self, Expr};

/// An expression that was read.
#[derive(Debug)]
pub(super) struct Compiled {
    /// The field of the document, such as `spec.assert`.
    pub(super) field: String,
    pub(super) expr: Expr,
    pub(super) spot: Spot,
}

/// Where an expression stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Spot {
    /// Where the value begins in the file.
    pub(super) at: Option<Position>,
    text: String,
    /// The columns at which the lines of a block begin, counted from 1; empty if the text stands on one line.
    indents: Vec<usize>,
    /// Whether the text stands in the file as it is.
    is_exact: bool,
}

impl Spot {
    /// Finds out how a text stands in a file, at the place where its value begins.
    pub(super) fn new(text: &str, file: &str, at: Option<Position>) -> Self {
        let mut spot = Self {
            at,
            text: text.to_owned(),
            indents: Vec::new(),
            is_exact: false,
        };
        let Some(at) = at else { return spot };
        let mut lines = file.lines().skip(at.line - 1);
        let first = lines.next().unwrap_or_default();
        let here: String = first.chars().skip(at.column - 1).collect();
        if here.starts_with('|') {
            let indent = |line: &str| 1 + line.chars().take_while(|c| *c == ' ').count();
            let block: Vec<&str> = lines.take(text.lines().count()).collect();
            let least = block
                .iter()
                .filter(|l| !l.trim().is_empty())
                .map(|l| indent(l))
                .min();
            spot.indents = vec![least.unwrap_or(1); block.len()];
            spot.is_exact = !block.is_empty();
        } else {
            spot.is_exact = !text.contains('\n') && here.starts_with(text);
        }
        spot
    }
}

impl Compiled {
    /// Returns the place of a byte of the expression in the file, as far as it can be told.
    pub(super) fn place(&self, byte: usize) -> Option<Position> {
        self.spot.place(byte)
    }
}

impl Spot {
    pub(super) fn place(&self, byte: usize) -> Option<Position> {
        let at = self.at?;
        if !self.is_exact {
            return Some(at);
        }
        let (line, column) = cel::place(&self.text, byte);
        if self.indents.is_empty() {
            return Some(Position {
                line: at.line,
                column: at.column + column - 1,
            });
        }
        let indent = self.indents.get(line - 1).copied().unwrap_or(1);
        Some(Position {
            line: at.line + line,
            column: indent + column - 1,
        })
    }
}
