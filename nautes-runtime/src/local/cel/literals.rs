//! Texts in expressions that have to be readable as something else: durations, times and patterns.
#![expect(
    clippy::unwrap_used,
    reason = "the patterns are constants, and a test reads them all"
)]

use std::sync::LazyLock;

use kube_cel::cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue};
use regex::Regex;

static DURATION: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^[-+]?(0|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)$").unwrap());
static TIME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[-+]\d\d:\d\d)$").unwrap());

/// The texts that cannot be read, and why.
pub(super) fn errors(expression: &IdedExpr) -> Vec<(u64, String)> {
    let mut errors = Vec::new();
    walk(expression, &mut errors);
    errors
}

fn walk(expression: &IdedExpr, errors: &mut Vec<(u64, String)>) {
    match &expression.expr {
        Expr::Call(call) => {
            call.target.iter().for_each(|target| walk(target, errors));
            call.args.iter().for_each(|arg| walk(arg, errors));
            if call.func_name == "format"
                && let Some(why) = unfit_format(call)
            {
                errors.push((expression.id, why));
            }
            let readable: fn(&str) -> bool = match call.func_name.as_str() {
                "duration" => |text| DURATION.is_match(text),
                "timestamp" => |text| TIME.is_match(text) && text.parse::<jiff::Timestamp>().is_ok(),
                "matches" => |text| Regex::new(text).is_ok(),
                _ => return,
            };
            if let Some(last) = call.args.last()
                && let Expr::Literal(LiteralValue::String(text)) = &last.expr
                && !readable(text.inner())
            {
                errors.push((last.id, format!("invalid {} argument", call.func_name)));
            }
        }
        Expr::Select(select) => walk(&select.operand, errors),
        Expr::List(list) => list.elements.iter().for_each(|part| walk(part, errors)),
        Expr::Map(map) => {
            for entry in &map.entries {
                if let EntryExpr::MapEntry(entry) = &entry.expr {
                    walk(&entry.key, errors);
                    walk(&entry.value, errors);
                }
            }
        }
        Expr::Comprehension(c) => {
            for part in [&c.iter_range, &c.accu_init, &c.loop_cond, &c.loop_step, &c.result] {
                walk(part, errors);
            }
        }
        Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) | Expr::Struct(_) => {}
    }
}

/// Why what is put into a text does not fit it.
fn unfit_format(call: &CallExpr) -> Option<String> {
    let Expr::Literal(LiteralValue::String(text)) = &call.target.as_ref()?.expr else {
        return None;
    };
    let Some(Expr::List(given)) = call.args.first().map(|arg| &arg.expr) else {
        return None;
    };
    let mut asked = 0;
    let mut rest = text.inner().chars();
    while let Some(next) = rest.by_ref().find(|c| *c == '%').and_then(|_| rest.next()) {
        let mut clause = Some(next);
        if next == '.' {
            clause = rest.find(|c| !c.is_ascii_digit());
        }
        match clause {
            Some('%') => continue,
            Some('s' | 'd' | 'f' | 'e' | 'b' | 'x' | 'X' | 'o') => {}
            Some(other) => {
                return Some(format!(
                    "could not parse formatting clause: unrecognized formatting clause \"{other}\""
                ));
            }
            None => return Some("unexpected end of string".to_owned()),
        }
        if asked == given.elements.len() {
            return Some(format!("index {asked} out of range"));
        }
        asked += 1;
    }
    if text.inner().ends_with('%') && !text.inner().ends_with("%%") {
        return Some("unexpected end of string".to_owned());
    }
    let given = given.elements.len();
    (given > asked)
        .then(|| format!("too many arguments supplied to string.format (expected {asked}, got {given})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_times_are_those_of_go() {
        for text in ["0", "1h", "-1.5h30m", "+2ms", ".5s", "1us"] {
            assert!(DURATION.is_match(text), "{text}");
        }
        for text in ["", "1", "1d", "h", "1h 2m"] {
            assert!(!DURATION.is_match(text), "{text}");
        }
        assert!(TIME.is_match("2020-01-01T00:00:00Z"));
        assert!(TIME.is_match("2020-01-01T00:00:00.5+01:00"));
        assert!(!TIME.is_match("2020-01-01 00:00:00Z"));
    }
}
