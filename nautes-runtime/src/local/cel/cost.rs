//! What evaluating an expression costs, in the units of Kubernetes.

use kube_cel::cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue};

use super::{shape::Shape, tree};

/// The values that names stand for.
type Scope = Vec<(String, Shape)>;

/// Where an expression may end early: the whole of it counts, or what is evaluated in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    Most,
    Least,
}

/// The cost of an expression over values of these sizes.
pub(super) fn of(expression: &Expr, scope: &mut Scope, bound: Bound) -> u64 {
    Walk { scope, bound }.walk(expression).0
}

struct Walk<'a> {
    scope: &'a mut Scope,
    bound: Bound,
}

impl Walk<'_> {
    /// The cost of an expression, and the size of what it gives.
    fn walk(&mut self, expression: &Expr) -> (u64, Shape) {
        match expression {
            Expr::Unspecified => (0, Shape::default()),
            Expr::Literal(literal) => (0, literal_shape(literal)),
            Expr::Ident(name) => {
                let found = self.scope.iter().rev().find(|(n, _)| n == name);
                (1, found.map(|(_, s)| s.clone()).unwrap_or_default())
            }
            Expr::Select(select) => {
                let (cost, shape) = self.walk(&select.operand.expr);
                // Asking whether a field is there costs nothing more.
                let own = u64::from(!select.test);
                (cost.saturating_add(own), shape.field(&select.field))
            }
            Expr::List(list) => {
                let (mut has_texts, mut made) = (false, 0);
                let cost = list.elements.iter().fold(10_u64, |sum, element| {
                    let (cost, shape) = self.walk(&element.expr);
                    has_texts |= shape.is_text;
                    made = shape.size.max(made);
                    sum.saturating_add(cost)
                });
                let length = u64::try_from(list.elements.len()).unwrap_or(u64::MAX);
                (
                    cost,
                    Shape::scalar(length).with_texts(has_texts).with_items(Some(made)),
                )
            }
            Expr::Map(map) => (
                30 + self.entries(map.entries.iter().map(|e| &e.expr)),
                Shape::default(),
            ),
            Expr::Struct(made) => (
                40 + self.entries(made.entries.iter().map(|e| &e.expr)),
                Shape::default(),
            ),
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
        }
    }

    fn sum<'e>(&mut self, parts: impl Iterator<Item = &'e Expr>) -> u64 {
        parts.fold(0, |sum, part| sum.saturating_add(self.walk(part).0))
    }

    fn entries<'e>(&mut self, entries: impl Iterator<Item = &'e EntryExpr>) -> u64 {
        entries.fold(0, |sum: u64, entry| {
            let cost = match entry {
                EntryExpr::StructField(field) => self.walk(&field.value.expr).0,
                EntryExpr::MapEntry(entry) => {
                    let key = self.walk(&entry.key.expr).0;
                    key.saturating_add(self.walk(&entry.value.expr).0)
                }
            };
            sum.saturating_add(cost)
        })
    }

    fn call(&mut self, call: &CallExpr) -> (u64, Shape) {
        let on = call.target.as_ref().filter(|t| !self.is_prefix(&t.expr));
        let parts: Vec<(u64, Shape)> = on
            .iter()
            .map(|t| &t.expr)
            .chain(call.args.iter().map(|a| &a.expr))
            .map(|part| self.walk(part))
            .collect();
        let all = parts
            .iter()
            .fold(0_u64, |sum, (cost, _)| sum.saturating_add(*cost));
        let cost = |at: usize| parts.get(at).map_or(0, |p| p.0);
        let size = |at: usize| parts.get(at).map_or(1, |p| p.1.size);
        let shape = |at: usize| parts.get(at).map(|p| p.1.clone()).unwrap_or_default();
        let (own, result) = match call.func_name.as_str() {
            "_&&_" | "_||_" if self.bound == Bound::Least => return (cost(0), Shape::default()),
            "_&&_" | "_||_" => (0, Shape::default()),
            "_?_:_" => {
                let (yes, no) = (cost(1), cost(2));
                let branch = if self.bound == Bound::Least {
                    yes.min(no)
                } else {
                    yes.max(no)
                };
                let made = shape(1).either_made(&shape(2));
                let larger = if size(1) > size(2) { shape(1) } else { shape(2) };
                let larger = larger.with_items(made);
                return (cost(0).saturating_add(branch), larger);
            }
            "_[_]" => (1, self.item(&shape(0))),
            // A part of what is known: its value is not known to the estimate, only what type it has.
            "_?._" => (1, optional_field(&shape(0), call)),
            "_[?_]" => (1, shape(0).item()),
            "value" | "orValue" if self.bound == Bound::Most => (1, shape(0).unknown()),
            "value" | "orValue" | "of" => (1, shape(0)),
            "sort" => self.compared(&shape(0), &shape(0)),
            "distinct" => self.compared(&shape(0).with_texts(false), &shape(0)),
            "@sortByAssociatedKeys" => self.compared(&shape(1), &shape(0)),
            "reverse" => (size(0).saturating_add(11), shape(0)),
            "_==_" | "_!=_" => (tenth(size(0).min(size(1))), Shape::default()),
            // Numbers are compared in one step.
            "_<_" | "_<=_" | "_>_" | "_>=_" if !shape(0).is_text && !shape(1).is_text => {
                (1, Shape::default())
            }
            "_<_" | "_<=_" | "_>_" | "_>=_" => (tenth(size(0).min(size(1))), Shape::default()),
            "_+_" => {
                let both = size(0).saturating_add(size(1));
                let grown = shape(0).followed_by(&shape(1));
                (if both > 2 || grown.is_text { tenth(both) } else { 1 }, grown)
            }
            "@in" => (size(1), Shape::default()),
            "contains" => (tenth(size(0)).saturating_mul(tenth(size(1))), Shape::default()),
            "startsWith" | "endsWith" => (tenth(size(1)), Shape::default()),
            "matches" => {
                let text = tenth(size(0).saturating_add(1));
                (text.saturating_mul(size(1).div_ceil(4)), Shape::default())
            }
            "find" | "findAll" => {
                let text = tenth(size(0).saturating_add(1));
                (text.saturating_mul(size(1).div_ceil(4)), shape(0))
            }
            // Nobody knows before how long a text of something will be.
            "string" if self.bound == Bound::Most => (1, Shape::text(u64::MAX)),
            "lowerAscii" | "upperAscii" | "trim" | "substring" | "replace" | "split" | "join"
            | "quantity" | "url" | "ip" | "cidr" => (tenth(size(0)), shape(0)),
            "sum" | "min" | "max" | "indexOf" | "lastIndexOf" | "isSorted" => (size(0), Shape::default()),
            _ => (1, Shape::default()),
        };
        (all.saturating_add(own), result)
    }

    /// True for what is no value but the first part of the name of a function (`optional.of`).
    fn is_prefix(&self, target: &Expr) -> bool {
        matches!(target, Expr::Ident(name) if !self.scope.iter().any(|(known, _)| known == name))
    }

    fn comprehension(&mut self, c: &ComprehensionExpr) -> (u64, Shape) {
        let (range_cost, range) = self.walk(&c.iter_range.expr);
        let (start, accumulator) = self.walk(&c.accu_init.expr);
        let depth = self.scope.len();
        if tree::is_bound(c) {
            self.scope.push((c.accu_var.clone(), accumulator));
            let (result, shape) = self.walk(&c.result.expr);
            self.scope.truncate(depth);
            let cost = range_cost.saturating_add(start).saturating_add(result);
            return (cost, shape);
        }
        self.scope.push((c.accu_var.clone(), accumulator));
        // The estimate takes what is in a list or map that an expression makes for nothing.
        let of = |shape: Shape| match self.bound {
            Bound::Most if !range.is_described() => Shape::scalar(0),
            _ => shape,
        };
        let variables = match &c.iter_var2 {
            None => vec![(c.iter_var.clone(), of(range.element()))],
            Some(second) => vec![
                (c.iter_var.clone(), of(range.place())),
                (second.clone(), of(range.item())),
            ],
        };
        self.scope.extend(variables);
        let (condition, _) = self.walk(&c.loop_cond.expr);
        let (step, made) = match &c.loop_step.expr {
            // `accumulated && condition`: in every turn but the last both are evaluated.
            Expr::Call(call) if ["_&&_", "_||_"].contains(&call.func_name.as_str()) => {
                (self.sum(call.args.iter().map(|a| &a.expr)), Shape::default())
            }
            step => self.walk(step),
        };
        self.scope.truncate(depth + 1);
        let (result, shape) = self.walk(&c.result.expr);
        self.scope.truncate(depth);
        let turns = range.size.saturating_mul(condition.saturating_add(step));
        let cost = [range_cost, start, turns, result]
            .into_iter()
            .fold(0_u64, u64::saturating_add);
        // A list or map that a loop makes has at most an item of each turn.
        let grows = matches!(c.accu_init.expr, Expr::List(_) | Expr::Map(_));
        let shape = if grows {
            shape
                .sized(range.size)
                .with_texts(made.has_texts)
                .with_items(made.made)
        } else {
            shape
        };
        (cost, shape)
    }

    /// What an index gives. The estimate takes it for nothing where it does not know the list.
    fn item(&self, of: &Shape) -> Shape {
        match (self.bound, of.made) {
            (Bound::Most, Some(made)) => Shape::scalar(made).with_length(of.has_texts),
            (Bound::Most, None) if !of.is_described() => Shape::scalar(0),
            _ => of.item(),
        }
    }

    /// What comparing all items of a list with each other costs, and the list that comes of it.
    fn compared(&self, keys: &Shape, list: &Shape) -> (u64, Shape) {
        let pairs = keys.size.saturating_mul(keys.size);
        // Twice for each pair, and a tenth more for texts.
        let tenths = if keys.has_texts { 21 } else { 20 };
        let cost = tenth(pairs.saturating_mul(tenths)).saturating_add(11);
        // The estimate takes as many items as there are pairs.
        let result = match self.bound {
            Bound::Most => Shape::scalar(pairs).with_texts(list.has_texts),
            Bound::Least => list.clone(),
        };
        (cost, result)
    }
}

/// What an optional field holds, if it is there.
fn optional_field(shape: &Shape, call: &CallExpr) -> Shape {
    match call.args.get(1).map(|field| &field.expr) {
        Some(Expr::Literal(LiteralValue::String(field))) => shape.field(field.inner()),
        _ => Shape::default(),
    }
}

fn literal_shape(literal: &LiteralValue) -> Shape {
    match literal {
        LiteralValue::String(text) => Shape::text(u64::try_from(text.inner().len()).unwrap_or(1)),
        _ => Shape::default(),
    }
}

/// What going through a text costs.
fn tenth(size: u64) -> u64 {
    size.div_ceil(10)
}
