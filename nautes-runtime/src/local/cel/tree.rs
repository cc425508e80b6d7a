//! Expressions as trees: going through their parts, and making new ones.

use kube_cel::cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, ListExpr, LiteralValue, MapExpr,
};

/// An expression whose parts are what a function makes of them.
pub(super) fn with_parts(expression: Expr, of: &mut dyn FnMut(IdedExpr) -> IdedExpr) -> Expr {
    match expression {
        Expr::Call(mut call) => {
            call.target = call.target.map(|target| Box::new(of(*target)));
            call.args = call.args.into_iter().map(of).collect();
            Expr::Call(call)
        }
        Expr::Select(mut select) => {
            *select.operand = of(std::mem::take(&mut *select.operand));
            Expr::Select(select)
        }
        Expr::List(mut list) => {
            list.elements = list.elements.into_iter().map(of).collect();
            Expr::List(list)
        }
        Expr::Map(mut map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    for part in [&mut entry.key, &mut entry.value] {
                        *part = of(std::mem::take(part));
                    }
                }
            }
            Expr::Map(map)
        }
        Expr::Comprehension(mut c) => {
            for part in [
                &mut c.iter_range,
                &mut c.accu_init,
                &mut c.loop_cond,
                &mut c.loop_step,
                &mut c.result,
            ] {
                *part = of(std::mem::take(part));
            }
            Expr::Comprehension(c)
        }
        other @ (Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) | Expr::Struct(_)) => other,
    }
}

/// How many expressions are in one, itself among them.
pub(super) fn size(expression: &IdedExpr) -> usize {
    let parts: usize = match &expression.expr {
        Expr::Call(call) => {
            call.target.iter().map(|t| size(t)).sum::<usize>() + call.args.iter().map(size).sum::<usize>()
        }
        Expr::Select(select) => size(&select.operand),
        Expr::List(list) => list.elements.iter().map(size).sum(),
        Expr::Map(map) => {
            let of = |entry: &EntryExpr| match entry {
                EntryExpr::MapEntry(entry) => size(&entry.key) + size(&entry.value),
                EntryExpr::StructField(_) => 0,
            };
            map.entries.iter().map(|e| of(&e.expr)).sum()
        }
        Expr::Comprehension(c) => [&c.iter_range, &c.accu_init, &c.loop_cond, &c.loop_step, &c.result]
            .into_iter()
            .map(size)
            .sum(),
        Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) | Expr::Struct(_) => 0,
    };
    parts + 1
}

/// Makes expressions for a place in a text: that of the expression they stand for.
#[derive(Clone, Copy)]
pub(super) struct At(pub(super) u64);

impl At {
    pub(super) fn of(self, expr: Expr) -> IdedExpr {
        IdedExpr { id: self.0, expr }
    }

    pub(super) fn name(self, name: &str) -> IdedExpr {
        self.of(Expr::Ident(name.to_owned()))
    }

    pub(super) fn flag(self, value: bool) -> IdedExpr {
        self.of(Expr::Literal(LiteralValue::Boolean(value.into())))
    }

    pub(super) fn number(self, value: i64) -> IdedExpr {
        self.of(Expr::Literal(LiteralValue::Int(value.into())))
    }

    pub(super) fn list(self, elements: Vec<IdedExpr>) -> IdedExpr {
        self.of(Expr::List(ListExpr::new(elements)))
    }

    pub(super) fn empty_map(self) -> IdedExpr {
        self.of(Expr::Map(MapExpr::default()))
    }

    pub(super) fn call(self, name: &str, args: Vec<IdedExpr>) -> IdedExpr {
        self.of(Expr::Call(CallExpr {
            func_name: name.to_owned(),
            target: None,
            args,
        }))
    }

    pub(super) fn member(self, target: IdedExpr, name: &str, args: Vec<IdedExpr>) -> IdedExpr {
        self.of(Expr::Call(CallExpr {
            func_name: name.to_owned(),
            target: Some(Box::new(target)),
            args,
        }))
    }

    /// A name that stands for a value in an expression: a loop without turns.
    pub(super) fn bound(self, name: &str, value: IdedExpr, within: IdedExpr) -> IdedExpr {
        self.of(Expr::Comprehension(Box::new(ComprehensionExpr {
            iter_range: self.list(Vec::new()),
            iter_var: "#unused".to_owned(),
            iter_var2: None,
            accu_var: name.to_owned(),
            accu_init: value,
            loop_cond: self.flag(false),
            loop_step: self.name(name),
            result: within,
        })))
    }
}

/// True for a loop that only gives a value a name.
pub(super) fn is_bound(c: &ComprehensionExpr) -> bool {
    let never = matches!(&c.loop_cond.expr, Expr::Literal(LiteralValue::Boolean(value)) if !*value.inner());
    let over_nothing = matches!(&c.iter_range.expr, Expr::List(list) if list.elements.is_empty());
    never && over_nothing
}
