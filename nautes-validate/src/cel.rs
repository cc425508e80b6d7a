//! The Common Expression Language, as far as rules need it: read, checked against the schemas of the kinds, and
//! evaluated within a budget.
//!
//! # Flow
//! text -> tokens -> [`Expr`] (limited in size and depth) -> checked types -> value, or an error with its place.
//!
//! # Guarantees
//! * No text makes it panic, recurse without end, or take more steps or memory than its budget allows.
//! * No I/O, no clock: the same expression on the same platform gives the same value.
//! * A field that a manifest leaves out, but that its kind has, reads as empty (`""`, `0`, `false`, `[]`, `{}`), as
//!   in CEL on typed messages; `has()` tells whether it is given.
//!
//! # Caveats
//! It has no unsigned numbers, bytes, times, durations, messages and optional values, and only the functions of
//! [`functions::TABLE`].

mod ast;
mod eval;
pub(crate) mod functions;
mod parse;
#[cfg(test)]
mod tests;
mod token;
mod types;
mod value;

pub(crate) use ast::Expr;
pub(crate) use eval::{Budget, Evaluator, World};
pub(crate) use parse::parse;
pub(crate) use types::{Checker, Fields, Type, nearest};
pub(crate) use value::{Map, Value};

/// The longest expression, in bytes.
pub(crate) const MAX_TEXT: usize = 4096;
/// How many parts an expression may have.
pub(crate) const MAX_NODES: usize = 1000;
/// How deep the parts may be nested.
pub(crate) const MAX_DEPTH: usize = 64;

/// What is wrong with an expression, and at which byte of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) at: usize,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    /// The budget is used up: nothing may hide it.
    pub(crate) is_spent: bool,
}

impl Fault {
    pub(crate) fn new(at: usize, message: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
            hint: None,
            is_spent: false,
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Returns the line and the column of a byte of an expression, both from 1.
pub(crate) fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |i| i + 1);
    let column = before.get(start..).unwrap_or_default().chars().count() + 1;
    (line, column)
}
