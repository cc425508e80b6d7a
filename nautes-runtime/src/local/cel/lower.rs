//! Expressions as the interpreter can run them: it knows loops with one variable only, and takes a field that is not
//! there for an error where an expression asks whether it is.

use kube_cel::cel::common::ast::{Expr, IdedExpr};

use super::tree::{self, At};

/// The place and the item, or the key and the value, of a turn.
const ENTRY: &str = "@entry";

/// An expression that was checked, made ready to run.
pub(super) fn runnable(IdedExpr { id, expr }: IdedExpr) -> IdedExpr {
    let at = At(id);
    match tree::with_parts(expr, &mut runnable) {
        Expr::Comprehension(mut c) => {
            if let Some(second) = c.iter_var2.take() {
                let part = |which| at.call("_[_]", vec![at.name(ENTRY), at.number(which)]);
                let first = std::mem::replace(&mut c.iter_var, ENTRY.to_owned());
                let step = at.bound(&second, part(1), std::mem::take(&mut c.loop_step));
                c.loop_step = at.bound(&first, part(0), step);
                c.iter_range = at.call("@entries", vec![std::mem::take(&mut c.iter_range)]);
            }
            at.of(Expr::Comprehension(c))
        }
        Expr::Call(mut call) if ["_?._", "_[?_]"].contains(&call.func_name.as_str()) => {
            "@part".clone_into(&mut call.func_name);
            at.of(Expr::Call(call))
        }
        Expr::Call(call)
            if ["_==_", "_!=_"].contains(&call.func_name.as_str()) && call.args.iter().any(is_optional) =>
        {
            let same = at.call("@same", call.args);
            if call.func_name == "_==_" {
                same
            } else {
                at.call("!_", vec![same])
            }
        }
        expr => IdedExpr { id, expr },
    }
}

/// True for what gives an optional, which the interpreter takes for equal to nothing.
fn is_optional(expression: &IdedExpr) -> bool {
    let Expr::Call(call) = &expression.expr else {
        return false;
    };
    let on = call.target.as_ref().map(|target| &target.expr);
    let is_made = matches!(on, Some(Expr::Ident(name)) if name == "optional") && call.func_name != "unwrap";
    let gives = ["@part", "first", "last", "or"].contains(&call.func_name.as_str());
    let is_chosen = call.func_name == "_?_:_" && call.args.iter().skip(1).any(is_optional);
    is_made || gives || is_chosen
}
