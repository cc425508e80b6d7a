//! The macros of Kubernetes that the parser does not expand: loops with two variables, sorting by what is made of an
//! item, and what is made of the value of an optional.

use kube_cel::cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr};

use super::tree::{self, At};

/// What loops gather.
const RESULT: &str = "@result";
/// What loops gather in expressions of older interpreters.
pub(super) const RESERVED: &str = "__result__";
/// Why a variable of a loop may not have that name.
pub(super) const OVERWRITTEN: &str = "iteration variable overwrites accumulator variable";
/// The list that is sorted.
const SORTED: &str = "@__sortBy_input__";
/// How many expressions may be repeated: what stands before `optMap` is there twice.
const MOST_REPEATED: usize = 50_000;

/// An expression without macros, and what is wrong with those that it had.
pub(super) fn expand(expression: IdedExpr) -> (IdedExpr, Vec<(u64, String)>) {
    let mut macros = Macros {
        errors: Vec::new(),
        repeated: 0,
    };
    let expanded = macros.walk(expression);
    (expanded, macros.errors)
}

struct Macros {
    errors: Vec<(u64, String)>,
    repeated: usize,
}

impl Macros {
    fn walk(&mut self, IdedExpr { id, expr }: IdedExpr) -> IdedExpr {
        match tree::with_parts(expr, &mut |part| self.walk(part)) {
            Expr::Call(CallExpr {
                func_name,
                target: Some(target),
                args,
            }) => self.call(At(id), &func_name, *target, args),
            expr => IdedExpr { id, expr },
        }
    }

    fn call(&mut self, at: At, name: &str, target: IdedExpr, args: Vec<IdedExpr>) -> IdedExpr {
        let two = ["all", "exists", "existsOne", "exists_one"];
        let transforms = ["transformList", "transformMap", "transformMapEntry"];
        let is_macro = match args.len() {
            2 => ["sortBy", "optMap", "optFlatMap"].contains(&name),
            3 => two.contains(&name) || transforms.contains(&name),
            4 => transforms.contains(&name),
            _ => false,
        };
        if !is_macro {
            return at.member(target, name, args);
        }
        let expanded = match name {
            "sortBy" => sorted(at, target, args),
            "optMap" | "optFlatMap" => self.of_optional(at, name, target, args),
            _ => looped(at, name, target, args),
        };
        expanded.unwrap_or_else(|error| {
            self.errors.push(error);
            at.of(Expr::Unspecified)
        })
    }

    fn of_optional(
        &mut self,
        at: At,
        name: &str,
        target: IdedExpr,
        args: Vec<IdedExpr>,
    ) -> Result<IdedExpr, (u64, String)> {
        let [variable, made] = exactly(at, args)?;
        let Expr::Ident(variable) = variable.expr else {
            let why = format!("{name}() variable name must be a simple identifier");
            return Err((variable.id, why));
        };
        self.repeated += tree::size(&target);
        if self.repeated > MOST_REPEATED {
            return Err((at.0, "the expression is too large".to_owned()));
        }
        let optional = |name: &str, args| at.member(at.name("optional"), name, args);
        let has = at.member(target.clone(), "hasValue", Vec::new());
        let value = at.member(target, "value", Vec::new());
        let made = at.bound(&variable, value, made);
        let made = if name == "optMap" {
            optional("of", vec![made])
        } else {
            made
        };
        Ok(at.call("_?_:_", vec![has, made, optional("none", Vec::new())]))
    }
}

fn exactly<const N: usize>(at: At, args: Vec<IdedExpr>) -> Result<[IdedExpr; N], (u64, String)> {
    args.try_into()
        .map_err(|_| (at.0, "a macro with other arguments".to_owned()))
}

fn sorted(at: At, target: IdedExpr, args: Vec<IdedExpr>) -> Result<IdedExpr, (u64, String)> {
    let [variable, key] = exactly(at, args)?;
    let Expr::Ident(variable) = variable.expr else {
        return Err((variable.id, "argument is not an identifier".to_owned()));
    };
    if matches!(target.expr, Expr::Literal(_) | Expr::Map(_) | Expr::Struct(_)) {
        let why =
            "sortBy can only be applied to a list, identifier, comprehension, call or select expression";
        return Err((target.id, why.to_owned()));
    }
    let step = at.call("_+_", vec![at.name(RESULT), at.list(vec![key])]);
    let keys = at.of(Expr::Comprehension(Box::new(ComprehensionExpr {
        iter_range: at.name(SORTED),
        iter_var: variable,
        iter_var2: None,
        accu_var: RESULT.to_owned(),
        accu_init: at.list(Vec::new()),
        loop_cond: at.flag(true),
        loop_step: step,
        result: at.name(RESULT),
    })));
    let call = at.member(at.name(SORTED), "@sortByAssociatedKeys", vec![keys]);
    Ok(at.bound(SORTED, target, call))
}

/// A loop over the places and items of a list, or the keys and values of a map.
fn looped(at: At, name: &str, target: IdedExpr, mut args: Vec<IdedExpr>) -> Result<IdedExpr, (u64, String)> {
    let last = args.pop();
    let filter = (args.len() > 2).then(|| args.pop()).flatten();
    let [first, second] = exactly(at, args)?;
    let Some(last) = last else {
        return Err((at.0, "a macro with other arguments".to_owned()));
    };
    let (iter_var, iter_var2) = (variable(&first)?, variable(&second)?);
    if iter_var == iter_var2 {
        return Err((second.id, format!("duplicate variable name: {iter_var}")));
    }
    for (variable, of) in [(&iter_var, &first), (&iter_var2, &second)] {
        if variable == RESERVED {
            return Err((of.id, OVERWRITTEN.to_owned()));
        }
    }
    let gathered = || at.name(RESULT);
    let always = || at.flag(true);
    let (accu_init, loop_cond, step, result) = match name {
        "all" => (
            at.flag(true),
            at.call("@not_strictly_false", vec![gathered()]),
            at.call("_&&_", vec![gathered(), last]),
            gathered(),
        ),
        "exists" => (
            at.flag(false),
            at.call("@not_strictly_false", vec![at.call("!_", vec![gathered()])]),
            at.call("_||_", vec![gathered(), last]),
            gathered(),
        ),
        "existsOne" | "exists_one" => {
            let more = at.call("_+_", vec![gathered(), at.number(1)]);
            (
                at.number(0),
                always(),
                at.call("_?_:_", vec![last, more, gathered()]),
                at.call("_==_", vec![gathered(), at.number(1)]),
            )
        }
        "transformList" => {
            let step = at.call("_+_", vec![gathered(), at.list(vec![last])]);
            (at.list(Vec::new()), always(), step, gathered())
        }
        "transformMap" => {
            let step = at.call("cel.@mapInsert", vec![gathered(), at.name(&iter_var), last]);
            (at.empty_map(), always(), step, gathered())
        }
        _ => {
            let step = at.call("cel.@mapInsert", vec![gathered(), last]);
            (at.empty_map(), always(), step, gathered())
        }
    };
    let loop_step = match filter {
        Some(filter) => at.call("_?_:_", vec![filter, step, gathered()]),
        None => step,
    };
    Ok(at.of(Expr::Comprehension(Box::new(ComprehensionExpr {
        iter_range: target,
        iter_var,
        iter_var2: Some(iter_var2),
        accu_var: RESULT.to_owned(),
        accu_init,
        loop_cond,
        loop_step,
        result,
    }))))
}

fn variable(argument: &IdedExpr) -> Result<String, (u64, String)> {
    match &argument.expr {
        Expr::Ident(name) => Ok(name.clone()),
        _ => Err((argument.id, "argument must be a simple name".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::source;

    #[test]
    fn what_would_grow_without_end_is_refused() {
        let chain = |links: usize| format!("x{}", ".optMap(y, y)".repeat(links));
        assert!(source::parse(&chain(8)).is_ok());
        let error = source::parse(&chain(40)).unwrap_err();
        assert!(error.contains("the expression is too large"), "{error}");
    }
}
