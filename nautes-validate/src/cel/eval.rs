//! From a tree to a value, within a budget.

use std::collections::BTreeMap;
use std::rc::Rc;

use nautes_model::Identity;

use super::ast::{Call, Each, Expr, How, Node, Op};
use super::functions::{self, Patterns};
use super::value::Map;
use super::{Fault, Value};

/// What expressions are about.
pub(crate) trait World {
    /// Returns what a name stands for.
    fn variable(&self, name: &str) -> Option<Value>;

    /// Returns a part of a resource, or a neighbour of it; `None` if there is no such field.
    fn select(&self, of: &Identity, field: &str) -> Option<Value>;
}

/// How many steps are left. A step is a part of an expression that is evaluated, or an item that is looked at.
#[derive(Debug)]
pub(crate) struct Budget(u64);

impl Budget {
    pub(crate) const fn new(steps: u64) -> Self {
        Self(steps)
    }

    pub(crate) const fn left(&self) -> u64 {
        self.0
    }

    /// Uses steps up.
    pub(crate) fn take(&mut self, steps: u64, at: usize) -> Result<(), Fault> {
        match self.0.checked_sub(steps) {
            Some(left) => {
                self.0 = left;
                Ok(())
            }
            None => {
                self.0 = 0;
                Err(Fault {
                    is_spent: true,
                    ..Fault::new(at, "the expression takes too many steps")
                })
            }
        }
    }
}

/// Evaluates expressions about a world.
pub(crate) struct Evaluator<'w> {
    world: &'w dyn World,
    pub(crate) budget: Budget,
    /// Names of let and of macros, the innermost last.
    pub(crate) scope: Vec<(Rc<str>, Value)>,
    patterns: &'w mut Patterns,
}

impl<'w> Evaluator<'w> {
    pub(crate) fn new(world: &'w dyn World, budget: Budget, patterns: &'w mut Patterns) -> Self {
        Self {
            world,
            budget,
            scope: Vec::new(),
            patterns,
        }
    }

    pub(crate) fn eval(&mut self, expr: &Expr) -> Result<Value, Fault> {
        self.budget.take(1, expr.at)?;
        match &expr.node {
            Node::Null => Ok(Value::Null),
            Node::Bool(b) => Ok(Value::Bool(*b)),
            Node::Int(n) => Ok(Value::Int(*n)),
            Node::Double(n) => Ok(Value::Double(*n)),
            Node::Text(text) => Ok(Value::text(text)),
            Node::Name(name) => self.name(name, expr.at),
            Node::List(items) => {
                let items: Result<Vec<Value>, Fault> = items.iter().map(|item| self.eval(item)).collect();
                Ok(Value::list(items?))
            }
            Node::Map(entries) => self.map(entries),
            Node::Select(of, field) => {
                let of = self.eval(of)?;
                self.select(&of, field, expr.at)
            }
            Node::Has(of, field) => {
                let of = self.eval(of)?;
                self.has(&of, field, expr.at)
            }
            Node::Index(pair) => self.index(&pair.0, &pair.1),
            Node::Not(inner) => Ok(Value::Bool(!self.bool(inner)?)),
            Node::Negate(inner) => match self.eval(inner)? {
                Value::Int(n) => n.checked_neg().map(Value::Int).ok_or_else(|| overflow(expr.at)),
                Value::Double(n) => Ok(Value::Double(-n)),
                other => Err(Fault::new(
                    expr.at,
                    format!("{} has no negative", other.type_name()),
                )),
            },
            Node::Binary(Op::And, pair) => self.either(&pair.0, &pair.1, false),
            Node::Binary(Op::Or, pair) => self.either(&pair.0, &pair.1, true),
            Node::Binary(op, pair) => {
                let (left, right) = (self.eval(&pair.0)?, self.eval(&pair.1)?);
                self.binary(*op, &left, &right, expr.at)
            }
            Node::If(parts) => {
                let (condition, then, other) = &**parts;
                if self.bool(condition)? {
                    self.eval(then)
                } else {
                    self.eval(other)
                }
            }
            Node::Call(call) => self.call(call, expr.at),
            Node::Each(each) => self.each(each),
        }
    }

    /// Evaluates to true or false.
    pub(crate) fn bool(&mut self, expr: &Expr) -> Result<bool, Fault> {
        match self.eval(expr)? {
            Value::Bool(b) => Ok(b),
            other => Err(Fault::new(
                expr.at,
                format!("expected true or false, found {}", other.type_name()),
            )),
        }
    }

    fn name(&self, name: &str, at: usize) -> Result<Value, Fault> {
        let local = self.scope.iter().rev().find(|(known, _)| &**known == name);
        local
            .map(|(_, value)| value.clone())
            .or_else(|| self.world.variable(name))
            .ok_or_else(|| Fault::new(at, format!("{name:?} stands for nothing")))
    }

    /// `&&` and `||`: one side that decides is enough, whatever is wrong with the other.
    fn either(&mut self, left: &Expr, right: &Expr, decides: bool) -> Result<Value, Fault> {
        let first = self.bool(left);
        if first == Ok(decides) {
            return Ok(Value::Bool(decides));
        }
        if let Err(fault) = &first
            && fault.is_spent
        {
            return first.map(Value::Bool);
        }
        let second = self.bool(right)?;
        if second == decides {
            return Ok(Value::Bool(decides));
        }
        first.map(Value::Bool)
    }

    fn map(&mut self, entries: &[(Expr, Expr)]) -> Result<Value, Fault> {
        let mut map = Map::default();
        for (key, value) in entries {
            let Value::Text(name) = self.eval(key)? else {
                return Err(Fault::new(key.at, "the keys of a mapping are texts"));
            };
            let value = self.eval(value)?;
            map.entries.insert(name, value);
        }
        Ok(Value::Map(Rc::new(map)))
    }

    fn select(&mut self, of: &Value, field: &str, at: usize) -> Result<Value, Fault> {
        let found = match of {
            Value::Map(map) => map.get(field),
            Value::Resource(identity) => self.world.select(identity, field),
            Value::Null => {
                let fault = Fault::new(at, format!("there is no {field:?} of what is not there"));
                return Err(fault.hint("ask first whether it is there, with has() or != null"));
            }
            other => return Err(Fault::new(at, format!("{} has no fields", other.type_name()))),
        };
        let found = found.ok_or_else(|| Fault::new(at, format!("there is no field {field:?}")))?;
        self.budget.take(found.weight(), at)?;
        Ok(found)
    }

    fn has(&mut self, of: &Value, field: &str, at: usize) -> Result<Value, Fault> {
        let has = match of {
            Value::Map(map) => map.entries.get(field).is_some_and(|value| *value != Value::Null),
            Value::Null => false,
            Value::Resource(_) => match self.select(of, field, at)? {
                Value::Null => false,
                Value::List(items) => !items.is_empty(),
                _ => true,
            },
            other => return Err(Fault::new(at, format!("{} has no fields", other.type_name()))),
        };
        Ok(Value::Bool(has))
    }

    fn index(&mut self, of: &Expr, index: &Expr) -> Result<Value, Fault> {
        let (whole, key) = (self.eval(of)?, self.eval(index)?);
        match (&whole, &key) {
            (Value::List(items), Value::Int(n)) => {
                let item = usize::try_from(*n).ok().and_then(|n| items.get(n));
                item.cloned()
                    .ok_or_else(|| Fault::new(index.at, format!("the list has no item {n}")))
            }
            (Value::Map(_) | Value::Resource(_), Value::Text(key)) => self.select(&whole, key, index.at),
            _ => Err(Fault::new(
                index.at,
                format!("{} has no item by {}", whole.type_name(), key.type_name()),
            )),
        }
    }

    fn binary(&mut self, op: Op, left: &Value, right: &Value, at: usize) -> Result<Value, Fault> {
        let wrong = || {
            let (left, right) = (left.type_name(), right.type_name());
            Fault::new(at, format!("{} does not take {left} and {right}", op.sign()))
        };
        let ordered = |is: fn(std::cmp::Ordering) -> bool| {
            left.compare(right)
                .map(|order| Value::Bool(is(order)))
                .ok_or_else(wrong)
        };
        if !matches!(op, Op::Add) {
            self.weigh(left, at)?;
            self.weigh(right, at)?;
        }
        match op {
            Op::Equal => Ok(Value::Bool(left == right)),
            Op::NotEqual => Ok(Value::Bool(left != right)),
            Op::Less => ordered(std::cmp::Ordering::is_lt),
            Op::LessEqual => ordered(std::cmp::Ordering::is_le),
            Op::Greater => ordered(std::cmp::Ordering::is_gt),
            Op::GreaterEqual => ordered(std::cmp::Ordering::is_ge),
            Op::In => match (left, right) {
                (_, Value::List(items)) => Ok(Value::Bool(items.contains(left))),
                (Value::Text(key), Value::Map(map)) => Ok(Value::Bool(map.entries.contains_key(key))),
                _ => Err(wrong()),
            },
            Op::Add => self.add(left, right, at)?.ok_or_else(wrong),
            Op::Subtract | Op::Multiply | Op::Divide | Op::Modulo => {
                arithmetic(op, left, right, at)?.ok_or_else(wrong)
            }
            Op::And | Op::Or => Err(wrong()),
        }
    }

    /// Takes the steps of looking through a value, with all that is in it.
    fn weigh(&mut self, value: &Value, at: usize) -> Result<(), Fault> {
        self.budget.take(value.weight(), at)?;
        match value {
            Value::List(items) => items.iter().try_for_each(|item| self.weigh(item, at)),
            Value::Map(map) => map.entries.values().try_for_each(|item| self.weigh(item, at)),
            _ => Ok(()),
        }
    }

    fn add(&mut self, left: &Value, right: &Value, at: usize) -> Result<Option<Value>, Fault> {
        self.budget.take(left.weight() + right.weight(), at)?;
        match (left, right) {
            (Value::Text(a), Value::Text(b)) => Ok(Some(Value::text(&format!("{a}{b}")))),
            (Value::List(a), Value::List(b)) => {
                Ok(Some(Value::list(a.iter().chain(b.iter()).cloned().collect())))
            }
            _ => arithmetic(Op::Add, left, right, at),
        }
    }

    fn call(&mut self, call: &Call, at: usize) -> Result<Value, Fault> {
        let args: Result<Vec<Value>, Fault> = call.args.iter().map(|arg| self.eval(arg)).collect();
        let mut args = args?;
        if call.name == "join" && args.len() == 1 {
            args.push(Value::text(""));
        }
        functions::call(&call.name, &args, at, &mut self.budget, self.patterns)
    }

    fn each(&mut self, each: &Each) -> Result<Value, Fault> {
        let range = self.eval(&each.range)?;
        let items: Rc<Vec<Value>> = match &range {
            Value::List(items) => Rc::clone(items),
            Value::Map(map) => {
                self.budget.take(range.weight(), each.range.at)?;
                Rc::new(
                    map.entries
                        .keys()
                        .map(|key| Value::Text(Rc::clone(key)))
                        .collect(),
                )
            }
            other => {
                let message = format!("{} has no items", other.type_name());
                return Err(Fault::new(each.range.at, message));
            }
        };
        let name: Rc<str> = Rc::from(each.name.as_str());
        let before = self.scope.len();
        let mut round = Round::default();
        for item in items.iter() {
            self.scope.push((Rc::clone(&name), item.clone()));
            let went_on = self.once(each, item, &mut round);
            self.scope.truncate(before);
            if !went_on? {
                break;
            }
        }
        round.result(each.how)
    }

    /// Looks at one item; returns whether to go on.
    fn once(&mut self, each: &Each, item: &Value, round: &mut Round) -> Result<bool, Fault> {
        self.budget.take(1, each.body.at)?;
        match each.how {
            How::All | How::Exists => match self.bool(&each.body) {
                Ok(found) if found == (each.how == How::Exists) => {
                    round.decided = true;
                    return Ok(false);
                }
                Ok(_) => {}
                Err(fault) if fault.is_spent => return Err(fault),
                Err(fault) => round.fault = round.fault.take().or(Some(fault)),
            },
            How::ExistsOne => round.count += u64::from(self.bool(&each.body)?),
            How::Filter => {
                if self.bool(&each.body)? {
                    round.kept.push(item.clone());
                }
            }
            How::Map => {
                let wanted = each
                    .filter
                    .as_ref()
                    .map_or(Ok(true), |filter| self.bool(filter))?;
                if wanted {
                    let value = self.eval(&each.body)?;
                    round.kept.push(value);
                }
            }
        }
        Ok(true)
    }
}

/// What came of the items so far.
#[derive(Default)]
struct Round {
    decided: bool,
    fault: Option<Fault>,
    count: u64,
    kept: Vec<Value>,
}

impl Round {
    fn result(self, how: How) -> Result<Value, Fault> {
        match how {
            How::All | How::Exists if self.decided => Ok(Value::Bool(how == How::Exists)),
            How::All | How::Exists => match self.fault {
                Some(fault) => Err(fault),
                None => Ok(Value::Bool(how == How::All)),
            },
            How::ExistsOne => Ok(Value::Bool(self.count == 1)),
            How::Filter | How::Map => Ok(Value::list(self.kept)),
        }
    }
}

fn overflow(at: usize) -> Fault {
    Fault::new(at, "the number is too large")
}

/// Calculates with two numbers of one kind; `None` if they are not.
fn arithmetic(op: Op, left: &Value, right: &Value, at: usize) -> Result<Option<Value>, Fault> {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => {
            if *b == 0 && matches!(op, Op::Divide | Op::Modulo) {
                return Err(Fault::new(at, "a number is divided by zero"));
            }
            let result = match op {
                Op::Add => a.checked_add(*b),
                Op::Subtract => a.checked_sub(*b),
                Op::Multiply => a.checked_mul(*b),
                Op::Divide => a.checked_div(*b),
                _ => a.checked_rem(*b),
            };
            result.map(|n| Some(Value::Int(n))).ok_or_else(|| overflow(at))
        }
        (Value::Double(a), Value::Double(b)) => Ok(match op {
            Op::Add => Some(Value::Double(a + b)),
            Op::Subtract => Some(Value::Double(a - b)),
            Op::Multiply => Some(Value::Double(a * b)),
            Op::Divide => Some(Value::Double(a / b)),
            _ => None,
        }),
        _ => Ok(None),
    }
}

/// A world of names only, for what is about no resource.
impl World for BTreeMap<String, Value> {
    fn variable(&self, name: &str) -> Option<Value> {
        self.get(name).cloned()
    }

    fn select(&self, _: &Identity, _: &str) -> Option<Value> {
        None
    }
}
