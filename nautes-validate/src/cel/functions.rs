//! The functions of expressions: one table that both the check and the evaluation read.

use std::collections::BTreeMap;
use std::rc::Rc;

use regex::{Regex, RegexBuilder};

use super::eval::Budget;
use super::{Fault, Type, Value};

/// The type of an argument or a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Any,
    Bool,
    Int,
    Double,
    Text,
    Texts,
    /// A text, a list or a mapping.
    Sized,
}

impl Shape {
    const fn word(self) -> &'static str {
        match self {
            Self::Any => "value",
            Self::Bool => "bool",
            Self::Int | Self::Double => "number",
            Self::Text => "text",
            Self::Texts => "texts",
            Self::Sized => "text, list or mapping",
        }
    }

    pub(crate) fn type_(self) -> Type {
        match self {
            Self::Any | Self::Sized => Type::Any,
            Self::Bool => Type::Bool,
            Self::Int => Type::Int,
            Self::Double => Type::Double,
            Self::Text => Type::Text,
            Self::Texts => Type::List(Box::new(Type::Text)),
        }
    }
}

/// A function: its name, whether it may stand after a dot and before its arguments, its arguments, its result.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) is_method: bool,
    pub(crate) takes: &'static [Shape],
    pub(crate) gives: Shape,
    /// What it does, for people.
    pub(crate) what: &'static str,
}

impl Function {
    /// Returns how it is written, for people: `text.contains(text)`.
    pub(crate) fn written(&self) -> String {
        let mut words = self.takes.iter().map(|shape| shape.word());
        let before = if self.is_method {
            format!("{}.", words.next().unwrap_or_default())
        } else {
            String::new()
        };
        format!("{before}{}({})", self.name, words.collect::<Vec<_>>().join(", "))
    }
}

const fn method(name: &'static str, takes: &'static [Shape], gives: Shape, what: &'static str) -> Function {
    Function {
        name,
        is_method: true,
        takes,
        gives,
        what,
    }
}

const fn plain(name: &'static str, takes: &'static [Shape], gives: Shape, what: &'static str) -> Function {
    Function {
        name,
        is_method: false,
        takes,
        gives,
        what,
    }
}

/// Every function, by name.
pub(crate) const TABLE: &[Function] = {
    use Shape::{Any, Bool, Double, Int, Sized, Text, Texts};
    &[
        method(
            "contains",
            &[Text, Text],
            Bool,
            "whether a text has another in it",
        ),
        plain(
            "double",
            &[Any],
            Double,
            "a number, or a text of digits, as a number with a fraction",
        ),
        method(
            "endsWith",
            &[Text, Text],
            Bool,
            "whether a text ends with another",
        ),
        method(
            "indexOf",
            &[Text, Text],
            Int,
            "where a text first has another in it, from 0; -1 for nowhere",
        ),
        plain(
            "int",
            &[Any],
            Int,
            "a number, or a text of digits, as a whole number",
        ),
        method(
            "join",
            &[Texts, Text],
            Text,
            "the texts of a list as one, with a text between",
        ),
        method("lowerAscii", &[Text], Text, "the text in lower case"),
        method(
            "matches",
            &[Text, Text],
            Bool,
            "whether a text has a match of a regular expression",
        ),
        method(
            "replace",
            &[Text, Text, Text],
            Text,
            "the text with one text in the place of another",
        ),
        method(
            "size",
            &[Sized],
            Int,
            "how many characters, items or keys there are",
        ),
        plain(
            "size",
            &[Sized],
            Int,
            "how many characters, items or keys there are",
        ),
        method(
            "split",
            &[Text, Text],
            Texts,
            "the parts of a text between another",
        ),
        method(
            "startsWith",
            &[Text, Text],
            Bool,
            "whether a text begins with another",
        ),
        plain(
            "string",
            &[Any],
            Text,
            "a number, a text, true or false as a text",
        ),
        method(
            "substring",
            &[Text, Int],
            Text,
            "the text from a character on, counted from 0",
        ),
        method(
            "substring",
            &[Text, Int, Int],
            Text,
            "the text from a character to before another",
        ),
        method("trim", &[Text], Text, "the text without white space at both ends"),
        method("upperAscii", &[Text], Text, "the text in upper case"),
    ]
};

/// Finds a function.
pub(crate) fn find(name: &str, is_method: bool, args: usize) -> Option<&'static Function> {
    TABLE
        .iter()
        .find(|f| f.name == name && f.is_method == is_method && f.takes.len() == args)
}

/// Regular expressions that were read already.
#[derive(Debug, Default)]
pub(crate) struct Patterns(BTreeMap<Rc<str>, Regex>);

/// How many regular expressions are remembered.
const MAX_PATTERNS: usize = 64;

/// Reads a regular expression, within limits.
pub(crate) fn pattern(text: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(text)
        .size_limit(1 << 20)
        .dfa_size_limit(1 << 20)
        .build();
    built.map_err(|error| {
        let said = error.to_string();
        let last = said.lines().last().unwrap_or_default();
        format!(
            "the regular expression cannot be used: {}",
            last.trim_start_matches("error: ")
        )
    })
}

impl Patterns {
    fn is_match(&mut self, text: &str, by: &Rc<str>) -> Result<bool, String> {
        if let Some(known) = self.0.get(by) {
            return Ok(known.is_match(text));
        }
        let made = pattern(by)?;
        let found = made.is_match(text);
        if self.0.len() < MAX_PATTERNS {
            self.0.insert(Rc::clone(by), made);
        }
        Ok(found)
    }
}

/// Calls a function with values.
pub(crate) fn call(
    name: &str,
    args: &[Value],
    at: usize,
    budget: &mut Budget,
    patterns: &mut Patterns,
) -> Result<Value, Fault> {
    for arg in args {
        budget.take(arg.weight(), at)?;
    }
    let number = |n: usize| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
    let wrong = || {
        let types: Vec<&str> = args.iter().map(Value::type_name).collect();
        Fault::new(at, format!("{name}() does not take {}", types.join(", ")))
    };
    Ok(match (name, args) {
        ("size", [Value::Text(text)]) => number(text.chars().count()),
        ("size", [Value::List(items)]) => number(items.len()),
        ("size", [Value::Map(map)]) => number(map.entries.len()),
        ("contains", [Value::Text(a), Value::Text(b)]) => Value::Bool(a.contains(&**b)),
        ("startsWith", [Value::Text(a), Value::Text(b)]) => Value::Bool(a.starts_with(&**b)),
        ("endsWith", [Value::Text(a), Value::Text(b)]) => Value::Bool(a.ends_with(&**b)),
        ("matches", [Value::Text(a), Value::Text(b)]) => {
            // To read a pattern is dear; matching is linear.
            budget.take(50 + b.len() as u64 + a.len() as u64, at)?;
            Value::Bool(
                patterns
                    .is_match(a, b)
                    .map_err(|message| Fault::new(at, message))?,
            )
        }
        ("indexOf", [Value::Text(a), Value::Text(b)]) => match a.find(&**b) {
            Some(byte) => number(a[..byte].chars().count()),
            None => Value::Int(-1),
        },
        ("lowerAscii", [Value::Text(text)]) => Value::text(&text.to_ascii_lowercase()),
        ("upperAscii", [Value::Text(text)]) => Value::text(&text.to_ascii_uppercase()),
        ("trim", [Value::Text(text)]) => Value::text(text.trim()),
        ("split", [Value::Text(text), Value::Text(by)]) => {
            let parts = if by.is_empty() {
                text.chars().count()
            } else {
                text.matches(&**by).count()
            };
            budget.take(parts as u64, at)?;
            if by.is_empty() {
                Value::list(
                    text.chars()
                        .map(|c| Value::text(c.encode_utf8(&mut [0; 4])))
                        .collect(),
                )
            } else {
                Value::list(text.split(&**by).map(Value::text).collect())
            }
        }
        ("join", [Value::List(items), Value::Text(by)]) => {
            let texts: Vec<&str> = items
                .iter()
                .map(|item| {
                    if let Value::Text(text) = item {
                        Ok(&**text)
                    } else {
                        Err(wrong())
                    }
                })
                .collect::<Result<_, _>>()?;
            let length = texts.iter().map(|t| t.len() + by.len()).sum::<usize>();
            budget.take(length as u64 / 16, at)?;
            Value::text(&texts.join(by))
        }
        ("replace", [Value::Text(text), Value::Text(from), Value::Text(to)]) => {
            let times = text.matches(&**from).count() as u64;
            budget.take(times.saturating_mul(1 + to.len() as u64) / 16, at)?;
            Value::text(&text.replace(&**from, to))
        }
        ("substring", [Value::Text(text), Value::Int(from)]) => {
            cut(text, *from, None).ok_or_else(|| outside(at))?
        }
        ("substring", [Value::Text(text), Value::Int(from), Value::Int(to)]) => {
            cut(text, *from, Some(*to)).ok_or_else(|| outside(at))?
        }
        ("string", [value]) => to_text(value).ok_or_else(wrong)?,
        ("int", [value]) => to_int(value).ok_or_else(wrong)?,
        ("double", [value]) => to_double(value).ok_or_else(wrong)?,
        _ => return Err(wrong()),
    })
}

fn outside(at: usize) -> Fault {
    Fault::new(at, "substring() reaches beyond the text")
}

fn cut(text: &str, from: i64, to: Option<i64>) -> Option<Value> {
    let count = text.chars().count();
    let from = usize::try_from(from).ok().filter(|from| *from <= count)?;
    let to = match to {
        Some(to) => usize::try_from(to).ok().filter(|to| *to <= count)?,
        None => count,
    };
    let length = to.checked_sub(from)?;
    let part: String = text.chars().skip(from).take(length).collect();
    Some(Value::text(&part))
}

fn to_text(value: &Value) -> Option<Value> {
    match value {
        Value::Bool(b) => Some(Value::text(if *b { "true" } else { "false" })),
        Value::Int(n) => Some(Value::text(&n.to_string())),
        Value::Double(n) => Some(Value::text(&n.to_string())),
        Value::Text(_) => Some(value.clone()),
        Value::Resource(identity) => Some(Value::text(&identity.to_string())),
        Value::Null | Value::List(_) | Value::Map(_) => None,
    }
}

fn to_int(value: &Value) -> Option<Value> {
    match value {
        Value::Int(n) => Some(Value::Int(*n)),
        Value::Double(n) => (n.abs() < 9.0e18).then_some(Value::Int(*n as i64)),
        Value::Text(text) => text.parse().ok().map(Value::Int),
        _ => None,
    }
}

fn to_double(value: &Value) -> Option<Value> {
    match value {
        Value::Double(n) => Some(Value::Double(*n)),
        Value::Int(n) => Some(Value::Double(*n as f64)),
        Value::Text(text) => {
            let number: f64 = text.parse().ok()?;
            number.is_finite().then_some(Value::Double(number))
        }
        _ => None,
    }
}
