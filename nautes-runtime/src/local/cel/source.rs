//! Expressions as they are written, and where in them something is wrong.

use std::sync::Arc;

use kube_cel::cel::{
    common::ast::{Expr, IdedExpr, SourceInfo},
    parser::{ParseErrors, Parser},
};

use super::{
    macros,
    tree::{self, At},
};

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
    let expression = read(text).map_err(super::uncompiled)?;
    let mut errors = Vec::new();
    let expression = if [ONE, macros::RESERVED].iter().any(|word| text.contains(word)) {
        Loops {
            text,
            places: &Places::of(text),
        }
        .checked(expression, &mut errors)
    } else {
        expression
    };
    let (expression, unexpanded) = macros::expand(expression);
    errors.extend(unexpanded);
    if errors.is_empty() {
        Ok(expression)
    } else {
        Err(told(text, &errors))
    }
}

/// What is wrong with the types of an expression that was read: the parts of it, and why.
pub(super) fn told(text: &str, errors: &[(u64, String)]) -> String {
    let places = Places::of(text);
    let place = |id: u64| {
        let before: Vec<char> = text.chars().take(places.offset(id)).collect();
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

/// Where the parts of an expression are.
struct Places(Option<Arc<SourceInfo>>);

/// The parts that only have a place have numbers from here.
const PLACE: u64 = 1 << 40;

impl Places {
    fn of(text: &str) -> Self {
        // The parser tells where the parts are only where it refuses something.
        Self(read(&format!("{text}{FOREIGN}")).err().and_then(|errors| {
            let first = errors.errors.into_iter().next()?;
            first.source_info
        }))
    }

    /// How many characters are before a part.
    fn offset(&self, id: u64) -> usize {
        let at = match id.checked_sub(PLACE) {
            Some(offset) => offset,
            None => self
                .0
                .as_ref()
                .and_then(|i| i.offset_for(id))
                .map_or(0, |(at, _)| at.into()),
        };
        usize::try_from(at).unwrap_or_default()
    }
}

/// A loop that only has two variables in Kubernetes; the parser takes it with one too.
const ONE: &str = "existsOne";

/// Finds loops that the parser takes and Kubernetes does not.
struct Loops<'a> {
    text: &'a str,
    places: &'a Places,
}

impl Loops<'_> {
    fn checked(&self, IdedExpr { id, expr }: IdedExpr, errors: &mut Vec<(u64, String)>) -> IdedExpr {
        let at = At(id);
        let expr = match tree::with_parts(expr, &mut |part| self.checked(part, errors)) {
            Expr::Comprehension(mut c) => {
                let open = self.places.offset(id);
                let blanks = self.text.chars().skip(open + 1).take_while(|c| c.is_whitespace());
                let variable = PLACE + u64::try_from(open + 1 + blanks.count()).unwrap_or_default();
                let before: String = self.text.chars().take(open).collect();
                if before.trim_end().ends_with(ONE)
                    && let Expr::Call(step) = &mut c.loop_step.expr
                    && let Some(body) = step.args.first_mut()
                {
                    let args = vec![At(variable).name(&c.iter_var), std::mem::take(body)];
                    return at.member(c.iter_range, ONE, args);
                }
                if c.iter_var == macros::RESERVED {
                    errors.push((variable, macros::OVERWRITTEN.to_owned()));
                }
                Expr::Comprehension(c)
            }
            expr => expr,
        };
        at.of(expr)
    }
}
