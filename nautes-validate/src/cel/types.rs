//! The check of an expression before anything is evaluated: names, fields, functions and types.

use nautes_model::Kind;
use serde_json::Value as Json;

use super::ast::{Call, Each, Expr, How, Node, Op};
use super::{Fault, functions};

/// What is known of a value before it is there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Type {
    Any,
    Null,
    Bool,
    Int,
    Double,
    Text,
    List(Box<Self>),
    Map(Box<Self>),
    /// A mapping with the fields of one of these schemas.
    Object(Vec<&'static Json>),
    /// A resource of one of these kinds, or nothing.
    Resource(Vec<Kind>),
}

impl Type {
    /// Reads the type that a schema allows.
    pub(crate) fn of_schema(schema: &'static Json) -> Self {
        match schema["type"].as_str().unwrap_or_default() {
            "string" => Self::Text,
            "integer" => Self::Int,
            "number" => Self::Double,
            "boolean" => Self::Bool,
            "array" => Self::List(Box::new(schema.get("items").map_or(Self::Any, Self::of_schema))),
            "object" if schema.get("properties").is_some() => Self::Object(vec![schema]),
            "object" => match schema.get("additionalProperties").filter(|of| of.is_object()) {
                Some(of) => Self::Map(Box::new(Self::of_schema(of))),
                None => Self::Any,
            },
            _ => Self::Any,
        }
    }

    /// What can be either of two.
    fn or(self, other: Self) -> Self {
        if self == other {
            return self;
        }
        match (self, other) {
            (Self::Object(mut a), Self::Object(b)) => {
                a.extend(b);
                Self::Object(a)
            }
            (Self::Resource(mut a), Self::Resource(b)) => {
                a.extend(b);
                Self::Resource(a)
            }
            (Self::List(a), Self::List(b)) => Self::List(Box::new(a.or(*b))),
            (Self::Map(a), Self::Map(b)) => Self::Map(Box::new(a.or(*b))),
            (Self::Null, Self::Resource(kinds)) | (Self::Resource(kinds), Self::Null) => {
                Self::Resource(kinds)
            }
            _ => Self::Any,
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Any => "anything",
            Self::Null => "null",
            Self::Bool => "true or false",
            Self::Int | Self::Double => "a number",
            Self::Text => "a text",
            Self::List(_) => "a list",
            Self::Map(_) | Self::Object(_) => "a mapping",
            Self::Resource(_) => "a resource",
        }
    }

    /// Whether a value of it can be one of the other, as far as anybody can tell.
    pub(crate) fn may_be(&self, other: &Self) -> bool {
        let number = |t: &Self| matches!(t, Self::Int | Self::Double);
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => true,
            (Self::Null, Self::Resource(_)) | (Self::Resource(_), Self::Null) => true,
            (Self::List(a), Self::List(b)) => a.may_be(b),
            _ => (number(self) && number(other)) || self.name() == other.name(),
        }
    }
}

/// The fields of resources: which a kind has, and their types.
pub(crate) trait Fields {
    fn field(&self, kind: Kind, name: &str) -> Option<Type>;
    fn names(&self) -> Vec<String>;
}

/// Checks expressions.
pub(crate) struct Checker<'c> {
    pub(crate) fields: &'c dyn Fields,
    /// Names, the innermost last.
    pub(crate) scope: Vec<(String, Type)>,
}

impl Checker<'_> {
    /// Finds the type of an expression.
    pub(crate) fn check(&mut self, expr: &Expr) -> Result<Type, Fault> {
        match &expr.node {
            Node::Null => Ok(Type::Null),
            Node::Bool(_) => Ok(Type::Bool),
            Node::Int(_) => Ok(Type::Int),
            Node::Double(_) => Ok(Type::Double),
            Node::Text(_) => Ok(Type::Text),
            Node::Name(name) => self.name(name, expr.at),
            Node::List(items) => {
                let mut of: Option<Type> = None;
                for item in items {
                    let found = self.check(item)?;
                    of = Some(of.map_or(found.clone(), |of| of.or(found)));
                }
                Ok(Type::List(Box::new(of.unwrap_or(Type::Any))))
            }
            Node::Map(entries) => {
                for (key, value) in entries {
                    self.expect(key, &Type::Text)?;
                    self.check(value)?;
                }
                Ok(Type::Map(Box::new(Type::Any)))
            }
            Node::Select(of, field) => {
                let of = self.check(of)?;
                self.select(&of, field, expr.at)
            }
            Node::Has(of, field) => {
                let of = self.check(of)?;
                self.select(&of, field, expr.at)?;
                Ok(Type::Bool)
            }
            Node::Index(pair) => self.index(&pair.0, &pair.1),
            Node::Not(inner) => self.expect(inner, &Type::Bool),
            Node::Negate(inner) => self.expect(inner, &Type::Int),
            Node::Binary(op, pair) => self.binary(*op, &pair.0, &pair.1, expr.at),
            Node::If(parts) => {
                self.expect(&parts.0, &Type::Bool)?;
                Ok(self.check(&parts.1)?.or(self.check(&parts.2)?))
            }
            Node::Call(call) => self.call(call, expr.at),
            Node::Each(each) => self.each(each),
        }
    }

    /// Finds the type of an expression that must be able to be another.
    pub(crate) fn expect(&mut self, expr: &Expr, wanted: &Type) -> Result<Type, Fault> {
        let found = self.check(expr)?;
        if found.may_be(wanted) {
            return Ok(found);
        }
        let message = format!("expected {}, found {}", wanted.name(), found.name());
        Err(Fault::new(expr.at, message))
    }

    fn name(&self, name: &str, at: usize) -> Result<Type, Fault> {
        if let Some((_, found)) = self.scope.iter().rev().find(|(known, _)| known == name) {
            return Ok(found.clone());
        }
        let known = self.scope.iter().map(|(known, _)| known.as_str());
        Err(unknown(at, "there is no variable", name, known))
    }

    fn select(&self, of: &Type, field: &str, at: usize) -> Result<Type, Fault> {
        match of {
            Type::Any => Ok(Type::Any),
            Type::Map(of) => Ok((**of).clone()),
            Type::Object(schemas) => {
                let mut found: Option<Type> = None;
                for schema in schemas {
                    if let Some(property) = schema["properties"].get(field) {
                        let this = Type::of_schema(property);
                        found = Some(found.map_or(this.clone(), |found| found.or(this)));
                    }
                }
                let known = schemas.iter().filter_map(|s| s["properties"].as_object());
                let known = known.flat_map(|p| p.keys().map(String::as_str));
                found.ok_or_else(|| unknown(at, "there is no field", field, known))
            }
            Type::Resource(kinds) => {
                let mut found: Option<Type> = None;
                for kind in kinds {
                    if let Some(this) = self.fields.field(*kind, field) {
                        found = Some(found.map_or(this.clone(), |found| found.or(this)));
                    }
                }
                let names = self.fields.names();
                let known = names.iter().map(String::as_str);
                found.ok_or_else(|| unknown(at, "there is no field", field, known))
            }
            other => Err(Fault::new(at, format!("{} has no field {field:?}", other.name()))),
        }
    }

    fn index(&mut self, of: &Expr, index: &Expr) -> Result<Type, Fault> {
        let (whole, key) = (self.check(of)?, self.check(index)?);
        let wrong = |wanted: &str| {
            Err(Fault::new(
                index.at,
                format!("expected {wanted}, found {}", key.name()),
            ))
        };
        match &whole {
            Type::List(_) if !key.may_be(&Type::Int) => wrong("a number"),
            Type::Map(_) | Type::Object(_) | Type::Resource(_) if !key.may_be(&Type::Text) => wrong("a text"),
            Type::List(item) | Type::Map(item) => Ok((**item).clone()),
            Type::Object(_) | Type::Resource(_) => match &index.node {
                Node::Text(field) => self.select(&whole, field, index.at),
                _ => Ok(Type::Any),
            },
            Type::Any => Ok(Type::Any),
            other => Err(Fault::new(of.at, format!("{} has no items", other.name()))),
        }
    }

    fn binary(&mut self, op: Op, left: &Expr, right: &Expr, at: usize) -> Result<Type, Fault> {
        if matches!(op, Op::And | Op::Or) {
            self.expect(left, &Type::Bool)?;
            return self.expect(right, &Type::Bool).map(|_| Type::Bool);
        }
        let (a, b) = (self.check(left)?, self.check(right)?);
        let wrong = || {
            let message = format!("{} does not take {} and {}", op.sign(), a.name(), b.name());
            Err(Fault::new(at, message))
        };
        let number = |t: &Type| matches!(t, Type::Int | Type::Double | Type::Any);
        match op {
            Op::Equal | Op::NotEqual
                if a.may_be(&b) || Type::Null.may_be(&a) || a == Type::Null || b == Type::Null =>
            {
                Ok(Type::Bool)
            }
            Op::Less | Op::LessEqual | Op::Greater | Op::GreaterEqual if a.may_be(&b) => match (&a, &b) {
                (Type::List(_) | Type::Map(_) | Type::Object(_) | Type::Resource(_), _) => wrong(),
                _ => Ok(Type::Bool),
            },
            Op::In => match &b {
                Type::List(item) if a.may_be(item) => Ok(Type::Bool),
                Type::Map(_) | Type::Object(_) if a.may_be(&Type::Text) => Ok(Type::Bool),
                Type::Any => Ok(Type::Bool),
                _ => wrong(),
            },
            Op::Add if a.may_be(&b) => match (&a, &b) {
                (Type::Any, _) => Ok(Type::Any),
                (Type::Int | Type::Double | Type::Text, _) => Ok(a),
                (Type::List(_), Type::List(_)) => Ok(a.or(b)),
                (Type::List(_), _) => Ok(a),
                _ => wrong(),
            },
            Op::Subtract | Op::Multiply | Op::Divide | Op::Modulo if number(&a) && number(&b) => {
                Ok(if a == Type::Any { b } else { a })
            }
            _ => wrong(),
        }
    }

    fn call(&mut self, call: &Call, at: usize) -> Result<Type, Fault> {
        let wanted = functions::find(&call.name, call.is_method, call.args.len());
        let joined = (call.name == "join" && call.is_method && call.args.len() == 1)
            .then(|| functions::find("join", true, 2))
            .flatten();
        let Some(function) = wanted.or(joined) else {
            return Err(unknown_function(call, at));
        };
        for (arg, takes) in call.args.iter().zip(function.takes) {
            let found = self.expect(arg, &takes.type_())?;
            if *takes == functions::Shape::Sized
                && matches!(found, Type::Bool | Type::Int | Type::Double | Type::Null)
            {
                let message = format!("{}() does not take {}", call.name, found.name());
                return Err(Fault::new(arg.at, message));
            }
        }
        if call.name == "matches"
            && let Some(Node::Text(pattern)) = call.args.get(1).map(|arg| &arg.node)
        {
            functions::pattern(pattern).map_err(|message| Fault::new(at, message))?;
        }
        Ok(function.gives.type_())
    }

    fn each(&mut self, each: &Each) -> Result<Type, Fault> {
        let item = match self.check(&each.range)? {
            Type::List(item) => *item,
            Type::Map(_) | Type::Object(_) => Type::Text,
            Type::Any => Type::Any,
            other => {
                let message = format!("{} has no items", other.name());
                return Err(Fault::new(each.range.at, message));
            }
        };
        self.scope.push((each.name.clone(), item.clone()));
        let found = self.each_body(each, item);
        self.scope.pop();
        found
    }

    fn each_body(&mut self, each: &Each, item: Type) -> Result<Type, Fault> {
        if let Some(filter) = &each.filter {
            self.expect(filter, &Type::Bool)?;
        }
        if each.how == How::Map {
            return Ok(Type::List(Box::new(self.check(&each.body)?)));
        }
        self.expect(&each.body, &Type::Bool)?;
        Ok(if each.how == How::Filter {
            Type::List(Box::new(item))
        } else {
            Type::Bool
        })
    }
}

/// What the nearest of some names is, for "did you mean".
pub(crate) fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    known
        .map(|word| (strsim::osa_distance(name, word), word))
        .filter(|(distance, word)| *distance <= 1 + word.len() / 4)
        .min()
        .map(|(_, word)| word)
}

fn unknown<'n>(at: usize, what: &str, name: &str, known: impl Iterator<Item = &'n str>) -> Fault {
    let mut known: Vec<&str> = known.collect();
    known.sort_unstable();
    known.dedup();
    let fault = Fault::new(at, format!("{what} {name:?}"));
    match nearest(name, known.iter().copied()) {
        Some(word) => fault.hint(format!("did you mean {word}?")),
        None => fault.hint(format!("there are {}", known.join(", "))),
    }
}

fn unknown_function(call: &Call, at: usize) -> Fault {
    let named = || functions::TABLE.iter().filter(|f| f.name == call.name);
    let same = named().find(|f| f.is_method == call.is_method);
    if let Some(function) = same.or_else(|| named().next()) {
        let count = function.takes.len() - usize::from(function.is_method);
        let fault = Fault::new(at, format!("{}() is not called like this", call.name));
        let arguments = if count == 1 {
            "1 argument".to_owned()
        } else {
            format!("{count} arguments")
        };
        return fault.hint(if function.is_method {
            format!("write it after a value and a dot, with {arguments}")
        } else {
            format!("write it without a dot, with {arguments}")
        });
    }
    let names = functions::TABLE.iter().map(|f| f.name);
    unknown(
        at,
        "there is no function",
        &call.name,
        names.chain(["all", "exists", "filter", "has", "map"]),
    )
}
