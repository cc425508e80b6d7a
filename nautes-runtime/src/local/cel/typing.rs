//! Whether an expression fits the types of what it is about, worded as the compiler of Kubernetes words it.

use kube_cel::cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, ListExpr, LiteralValue, MapExpr, SelectExpr,
};

use super::{
    library,
    types::{Bindings, Type},
};

/// What is wrong with expressions: the parts, and why.
pub(super) type Wrong = Vec<(u64, String)>;

/// The type of an expression over variables, and what is wrong though it has one; or everything that is wrong with it.
pub(super) fn type_of(expression: &IdedExpr, variables: &[(&str, Type)]) -> Result<(Type, Wrong), Wrong> {
    let mut checker = Checker {
        scope: variables
            .iter()
            .map(|(n, t)| ((*n).to_owned(), t.clone()))
            .collect(),
        bindings: Bindings::default(),
        errors: Vec::new(),
        mixed: Vec::new(),
        mixes: false,
    };
    let ty = checker.check(expression);
    if checker.errors.is_empty() {
        Ok((checker.bindings.resolved(&ty), checker.mixed))
    } else {
        Err(checker.errors)
    }
}

/// What is known of the parts of a list or map.
#[derive(Default)]
struct Joined {
    first: Option<Type>,
    is_mixed: bool,
}

struct Checker {
    /// The innermost is last.
    scope: Vec<(String, Type)>,
    bindings: Bindings,
    errors: Wrong,
    /// Literals whose parts are of several types.
    mixed: Wrong,
    /// True within what is put into a text: lists and maps of it may hold things of several types.
    mixes: bool,
}

impl Checker {
    fn refuse(&mut self, id: u64, why: String) -> Type {
        self.errors.push((id, why));
        Type::Error
    }

    fn undeclared(&mut self, id: u64, name: &str) -> Type {
        self.refuse(id, format!("undeclared reference to '{name}' (in container '')"))
    }

    fn mismatch(&mut self, id: u64, wanted: &Type, found: &Type) -> Type {
        let (wanted, found) = (self.bindings.resolved(wanted), self.bindings.resolved(found));
        self.refuse(id, format!("expected type '{wanted}' but found '{found}'"))
    }

    fn check(&mut self, expression: &IdedExpr) -> Type {
        let id = expression.id;
        match &expression.expr {
            Expr::Unspecified => Type::Dyn,
            Expr::Literal(literal) => of_literal(literal),
            Expr::Ident(name) => match self.variable(name).or_else(|| library::global(name)) {
                Some(ty) => ty,
                None => self.undeclared(id, name),
            },
            Expr::Select(select) => self.select(id, expression, select),
            Expr::List(list) => self.list(list),
            Expr::Map(map) => self.map(map),
            Expr::Struct(made) => self.undeclared(id, &made.type_name),
            Expr::Call(call) => self.call(id, call),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
        }
    }

    fn variable(&self, name: &str) -> Option<Type> {
        let found = self.scope.iter().rev().find(|(n, _)| n == name);
        found.map(|(_, ty)| ty.clone())
    }

    fn select(&mut self, id: u64, whole: &IdedExpr, select: &SelectExpr) -> Type {
        let qualified = qualified(whole).filter(|q| !self.is_variable(q));
        if let Some(ty) = qualified.and_then(|q| library::global(&q)) {
            return ty;
        }
        let operand = self.check(&select.operand);
        let field = self.field(id, &operand, &select.field, false);
        if select.test { Type::Bool } else { field }
    }

    fn is_variable(&self, qualified: &str) -> bool {
        let first = qualified.split('.').next().unwrap_or_default();
        self.variable(first).is_some()
    }

    fn field(&mut self, id: u64, operand: &Type, field: &str, optional: bool) -> Type {
        let operand = self.bindings.resolved(operand);
        let (target, optional) = match operand {
            Type::Optional(of) => (*of, true),
            other => (other, optional),
        };
        let found = match target {
            Type::Map(of) => of.1,
            Type::Object(object) => match object.fields.get(field) {
                Some(ty) => ty.clone(),
                None => self.refuse(id, format!("undefined field '{field}'")),
            },
            Type::Param(_) => {
                let _ = self.bindings.assign(&Type::Dyn, &target);
                Type::Dyn
            }
            Type::Dyn | Type::Error => Type::Dyn,
            other => {
                let _ = self.refuse(id, format!("type '{other}' does not support field selection"));
                Type::Dyn
            }
        };
        if optional { Type::optional(found) } else { found }
    }

    /// Adds a part of a list or map to what is known of all of them.
    fn join(&mut self, all: &mut Joined, part: Type, id: u64) {
        let Some(first) = &all.first else {
            all.first = Some(part);
            return;
        };
        if all.is_mixed {
            return;
        }
        let fits = self.bindings.assign(first, &part);
        let (before, now) = (self.bindings.resolved(first), self.bindings.resolved(&part));
        if !fits || before != now && ![&before, &now].contains(&&Type::Error) {
            all.is_mixed = true;
            if !self.mixes {
                self.mixed
                    .push((id, format!("expected type '{before}' but found '{now}'")));
            }
        }
    }

    /// The type that all parts of a list or map have.
    fn joined(&mut self, all: Joined) -> Type {
        match all.first {
            _ if all.is_mixed => Type::Dyn,
            Some(first) => first,
            None => self.bindings.fresh(),
        }
    }

    fn list(&mut self, list: &ListExpr) -> Type {
        let mut all = Joined::default();
        for (at, element) in list.elements.iter().enumerate() {
            let mut ty = self.check(element);
            if list.optional_indices.contains(&at) {
                ty = self.unwrapped(element.id, &ty);
            }
            self.join(&mut all, ty, element.id);
        }
        Type::list(self.joined(all))
    }

    fn map(&mut self, map: &MapExpr) -> Type {
        let (mut keys, mut values) = (Joined::default(), Joined::default());
        for entry in &map.entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else {
                continue;
            };
            let key = self.check(&entry.key);
            self.join(&mut keys, key, entry.key.id);
            let mut value = self.check(&entry.value);
            if entry.optional {
                value = self.unwrapped(entry.value.id, &value);
            }
            self.join(&mut values, value, entry.value.id);
        }
        Type::map(self.joined(keys), self.joined(values))
    }

    fn unwrapped(&mut self, id: u64, ty: &Type) -> Type {
        match self.bindings.resolved(ty) {
            Type::Optional(of) => *of,
            open if open.is_open() => open,
            other => self.mismatch(id, &Type::optional(other.clone()), &other),
        }
    }

    fn call(&mut self, id: u64, call: &CallExpr) -> Type {
        let name = call.func_name.as_str();
        if name == "_?._"
            && let [operand, field] = call.args.as_slice()
            && let Expr::Literal(LiteralValue::String(field)) = &field.expr
        {
            let operand = self.check(operand);
            return self.field(id, &operand, field.inner(), true);
        }
        let prefix = call.target.as_deref().and_then(qualified);
        let full = prefix
            .filter(|p| !self.is_variable(p))
            .map(|prefix| format!("{prefix}.{name}"));
        let outside = self.mixes;
        self.mixes |= name == "format" && call.target.is_some();
        let mut args: Vec<(u64, Type)> = call.args.iter().map(|a| (a.id, self.check(a))).collect();
        self.mixes = outside;
        if let Some(full) = full
            && let Some(overloads) = library::overloads(&full)
        {
            return self.resolve(id, &full, overloads, &args, false);
        }
        if let Some(target) = &call.target {
            let ty = self.check(target);
            args.insert(0, (target.id, ty));
        }
        match library::overloads(name) {
            Some(overloads) => self.resolve(id, name, overloads, &args, call.target.is_some()),
            None => self.undeclared(id, name),
        }
    }

    fn resolve(
        &mut self,
        id: u64,
        name: &str,
        overloads: &'static [library::Overload],
        args: &[(u64, Type)],
        is_member: bool,
    ) -> Type {
        if ["_&&_", "_||_"].contains(&name) {
            let mut result = Type::Bool;
            for (id, ty) in args {
                if !self.bindings.assign(ty, &Type::Bool) {
                    result = self.mismatch(*id, &Type::Bool, ty);
                }
            }
            return result;
        }
        let types: Vec<Type> = args.iter().map(|(_, ty)| ty.clone()).collect();
        let mut result: Option<Type> = None;
        for overload in overloads.iter().filter(|o| o.is_member == is_member) {
            let fresh = [self.bindings.fresh(), self.bindings.fresh()];
            let takes: Vec<Type> = overload.takes.iter().map(|t| instance(t, &fresh)).collect();
            if self.bindings.assign_all(&types, &takes) {
                let gives = self.bindings.resolved(&instance(&overload.gives, &fresh));
                result = Some(match result {
                    Some(before) if before != gives => Type::Dyn,
                    _ => gives,
                });
            }
        }
        result.unwrap_or_else(|| {
            let shown: Vec<String> = types
                .iter()
                .map(|t| self.bindings.resolved(t).to_string())
                .collect();
            let shown = match shown.split_first() {
                Some((target, rest)) if is_member => format!("{target}.({})", rest.join(", ")),
                _ => format!("({})", shown.join(", ")),
            };
            self.refuse(
                id,
                format!("found no matching overload for '{name}' applied to '{shown}'"),
            )
        })
    }

    fn comprehension(&mut self, c: &ComprehensionExpr) -> Type {
        let range = self.check(&c.iter_range);
        let accumulator = self.check(&c.accu_init);
        let (first, second) = match self.bindings.resolved(&range) {
            Type::List(of) if c.iter_var2.is_some() => (Type::Int, *of),
            Type::List(of) => (*of.clone(), *of),
            Type::Map(of) => of.as_ref().clone(),
            Type::Dyn | Type::Error => (Type::Dyn, Type::Dyn),
            open @ Type::Param(_) => {
                let _ = self.bindings.assign(&Type::Dyn, &open);
                (Type::Dyn, Type::Dyn)
            }
            other => {
                let why = format!(
                    "expression of type '{other}' cannot be range of a comprehension (must be list, map, or dynamic)"
                );
                let _ = self.refuse(c.iter_range.id, why);
                (Type::Error, Type::Error)
            }
        };
        let depth = self.scope.len();
        self.scope.push((c.accu_var.clone(), accumulator.clone()));
        self.scope.push((c.iter_var.clone(), first));
        if let Some(name) = &c.iter_var2 {
            self.scope.push((name.clone(), second));
        }
        for (part, wanted) in [(&c.loop_cond, &Type::Bool), (&c.loop_step, &accumulator)] {
            let ty = self.check(part);
            if !self.bindings.assign(&ty, wanted) {
                let _ = self.mismatch(part.id, wanted, &ty);
            }
        }
        self.scope.truncate(depth + 1);
        let result = self.check(&c.result);
        self.scope.truncate(depth);
        self.bindings.resolved(&result)
    }
}

fn of_literal(literal: &LiteralValue) -> Type {
    match literal {
        LiteralValue::Boolean(_) => Type::Bool,
        LiteralValue::Bytes(_) => Type::Bytes,
        LiteralValue::Double(_) => Type::Double,
        LiteralValue::Int(_) => Type::Int,
        LiteralValue::Null => Type::Null,
        LiteralValue::String(_) => Type::Text,
        LiteralValue::UInt(_) => Type::Uint,
    }
}

/// A declared type with parameters of its own.
fn instance(ty: &Type, fresh: &[Type; 2]) -> Type {
    match ty {
        Type::Param(at) => fresh[*at].clone(),
        Type::List(of) => Type::list(instance(of, fresh)),
        Type::Map(of) => Type::map(instance(&of.0, fresh), instance(&of.1, fresh)),
        Type::Optional(of) => Type::optional(instance(of, fresh)),
        Type::Kind(of) => Type::Kind(Box::new(instance(of, fresh))),
        other => other.clone(),
    }
}

/// The name that names with points between them make.
pub(super) fn qualified(expression: &IdedExpr) -> Option<String> {
    match &expression.expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) if !select.test => {
            Some(format!("{}.{}", qualified(&select.operand)?, select.field))
        }
        _ => None,
    }
}
