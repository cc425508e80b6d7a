//! Expressions as the interpreter can run them: it knows loops with one variable only, and takes a field that is not
//! there for an error where an expression asks whether it is. Where its functions give something else than those of
//! Kubernetes, others are called.

use kube_cel::cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, LiteralValue};

use super::{
    tree::{self, At},
    typing,
    value::QUALIFIED_TYPES,
};

/// The place and the item, or the key and the value, of a turn.
const ENTRY: &str = "@entry";

/// An expression that was checked, made ready to run.
pub(super) fn runnable(IdedExpr { id, expr }: IdedExpr) -> IdedExpr {
    let at = At(id);
    match tree::with_parts(expr, &mut runnable) {
        Expr::Comprehension(c) => looped(at, *c),
        Expr::Call(call) => called(at, call),
        Expr::Select(select) if is_optional(&select.operand) => {
            let field = at.of(Expr::Literal(LiteralValue::String(select.field.as_str().into())));
            let part = at.call("@part", vec![*select.operand, field]);
            if select.test {
                at.member(part, "hasValue", Vec::new())
            } else {
                part
            }
        }
        Expr::Select(select) => {
            let whole = at.of(Expr::Select(select));
            match typing::qualified(&whole) {
                Some(name) if QUALIFIED_TYPES.contains(&name.as_str()) => at.name(&name),
                _ => whole,
            }
        }
        expr => IdedExpr { id, expr },
    }
}

fn looped(at: At, mut c: ComprehensionExpr) -> IdedExpr {
    // What cannot be evaluated in one turn is passed over where another turn decides.
    if let Expr::Call(call) = &mut c.loop_step.expr
        && matches!(&c.accu_init.expr, Expr::Literal(LiteralValue::Boolean(_)))
        && let Some(name) = match call.func_name.as_str() {
            "_||_" => Some("@or"),
            "_&&_" => Some("@and"),
            _ => None,
        }
    {
        name.clone_into(&mut call.func_name);
        c.result = at.call("@settled", vec![std::mem::take(&mut c.result)]);
    }
    // A map would be copied in every turn: its parts are listed, and put together at the end.
    if matches!(&c.accu_init.expr, Expr::Map(_)) && listed(at, &mut c.loop_step) {
        c.accu_init = at.list(Vec::new());
        c.result = at.call("@mapOf", vec![std::mem::take(&mut c.result)]);
    }
    if let Some(second) = c.iter_var2.take() {
        let part = |which| at.call("_[_]", vec![at.name(ENTRY), at.number(which)]);
        let first = std::mem::replace(&mut c.iter_var, ENTRY.to_owned());
        let step = at.bound(&second, part(1), std::mem::take(&mut c.loop_step));
        c.loop_step = at.bound(&first, part(0), step);
        c.iter_range = at.call("@entries", vec![std::mem::take(&mut c.iter_range)]);
    }
    at.of(Expr::Comprehension(Box::new(c)))
}

/// Makes of a step that puts something into a map one that adds it to a list; false where it is none.
fn listed(at: At, step: &mut IdedExpr) -> bool {
    match &mut step.expr {
        Expr::Call(call) if call.func_name == "cel.@mapInsert" => {
            let mut args = std::mem::take(&mut call.args);
            let new = args.split_off(1);
            args.push(at.list(vec![at.list(new)]));
            *step = at.call("_+_", args);
            true
        }
        Expr::Call(call) if call.func_name == "_?_:_" => {
            call.args.get_mut(1).is_some_and(|yes| listed(at, yes))
        }
        _ => false,
    }
}

fn called(at: At, mut call: CallExpr) -> IdedExpr {
    let on = |call: &CallExpr, prefix: &str| {
        let target = call.target.as_ref().map(|t| &t.expr);
        matches!(target, Some(Expr::Ident(name)) if name == prefix)
    };
    match (call.func_name.as_str(), call.target.is_some(), call.args.len()) {
        ("_?._" | "_[?_]", ..) => at.call("@part", call.args),
        ("_==_", ..) if call.args.iter().any(is_optional) => at.call("@same", call.args),
        ("_!=_", ..) if call.args.iter().any(is_optional) => at.call("!_", vec![at.call("@same", call.args)]),
        ("size", false, 1) | ("size", true, 0) => {
            let of = call.target.map(|target| *target).into_iter();
            at.call("@size", of.chain(call.args).collect())
        }
        (name @ ("int" | "string" | "timestamp"), false, 1) => {
            let from = match name {
                "int" => "@seconds",
                "string" => "@text",
                _ => "@instant",
            };
            call.args = vec![at.call(from, call.args)];
            at.of(Expr::Call(call))
        }
        ("format", true, 1) => {
            if let Some(Expr::List(list)) = call.args.first_mut().map(|arg| &mut arg.expr) {
                let shown = |part: &mut IdedExpr| *part = at.call("@text", vec![std::mem::take(part)]);
                list.elements.iter_mut().for_each(shown);
            }
            at.of(Expr::Call(call))
        }
        ("sum", true, 0) => {
            let of = call.target.map(|target| *target);
            at.call("@sum", of.into_iter().collect())
        }
        ("unwrapOpt", true, 0) => {
            let of = call.target.map(|target| *target);
            at.call("optional.unwrap", of.into_iter().collect())
        }
        ("named", true, 1) if on(&call, "format") => at.call("@known", vec![at.of(Expr::Call(call))]),
        (name, true, 1) if name.starts_with("get") => {
            let name = at.of(Expr::Literal(LiteralValue::String(name.into())));
            let of = call.target.map(|target| *target);
            at.call("@time", of.into_iter().chain([name]).chain(call.args).collect())
        }
        _ => at.of(Expr::Call(call)),
    }
}

/// True for what gives an optional, which the interpreter takes for equal to nothing.
fn is_optional(expression: &IdedExpr) -> bool {
    let Expr::Call(call) = &expression.expr else {
        return false;
    };
    let on = call.target.as_ref().map(|target| &target.expr);
    let is_made = matches!(on, Some(Expr::Ident(name)) if name == "optional") && call.func_name != "unwrap";
    let gives = ["@part", "@known", "first", "last", "or"].contains(&call.func_name.as_str());
    let is_chosen = call.func_name == "_?_:_" && call.args.iter().skip(1).any(is_optional);
    is_made || gives || is_chosen
}
