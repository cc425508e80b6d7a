//! Expressions as they are written, and where in them something is wrong.

use kube_cel::cel::{
    common::ast::IdedExpr,
    parser::{ParseErrors, Parser},
};

use super::macros;

/// A character that no expression has.
const FOREIGN: &str = "\n@";

fn read(text: &str) -> Result<IdedExpr, ParseErrors> {
    Parser::new().enable_optional_syntax(true).parse(text)
}

/// Reads an expression, and expands its macros.
///
/// # Errors
/// What is wrong with it, with the places, as Kubernetes tells it.
pub(super) fn parse(text: &str) -> Result<IdedExpr, String> {
    let (expression, errors) = macros::expand(read(text).map_err(super::uncompiled)?);
    if errors.is_empty() {
        Ok(expression)
    } else {
        Err(told(text, &errors))
    }
}

/// What is wrong with the types of an expression that was read: the parts of it, and why.
pub(super) fn told(text: &str, errors: &[(u64, String)]) -> String {
    // The parser tells where the parts are only where it refuses something.
    let info = read(&format!("{text}{FOREIGN}")).err().and_then(|errors| {
        let first = errors.errors.into_iter().next()?;
        first.source_info
    });
    let place = |id: u64| {
        let offset = info
            .as_ref()
            .and_then(|i| i.offset_for(id))
            .map_or(0, |(at, _)| at);
        let before: Vec<char> = text
            .chars()
            .take(usize::try_from(offset).unwrap_or_default())
            .collect();
        let line = before.iter().filter(|c| **c == '\n').count();
        let column = before.iter().rev().take_while(|c| **c != '\n').count();
        (line, column)
    };
    let mut placed: Vec<((usize, usize), &str)> = errors
        .iter()
        .map(|(id, why)| (place(*id), why.as_str()))
        .collect();
    placed.sort_unstable();
    let shown: Vec<String> = placed
        .iter()
        .map(|((line, column), why)| {
            let text = text.lines().nth(*line).unwrap_or_default();
            let (at, dots) = (column + 1, ".".repeat(*column));
            format!("ERROR: <input>:{}:{at}: {why}\n | {text}\n | {dots}^", line + 1)
        })
        .collect();
    format!("compilation failed: {}", shown.join("\n"))
}
