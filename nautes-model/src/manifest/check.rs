//! A value against the schema of its kind: every fault at once.

mod labels;
mod shape;

use std::collections::BTreeSet;

use super::report::{any_of, meant, nearest, quoted, shown_key};
use super::{convert::Faults, rule};
use crate::crd::bounds;
use crate::fix::{Action, Value as New};
use crate::resource::Position;
use crate::yaml::{Entry, Node, Value};

use shape::{Field, List, Object, Shape, Text, ToldApart};

pub(super) use labels::check as check_labels;
pub(super) use shape::{spec as shape_of_spec, texts as shape_of_texts};

/// Up to here two items of a list are compared each with each, beyond with a set of what they are told apart by.
const FEW: usize = 32;

/// Where a value stands; it becomes a text only for a fault.
#[derive(Clone, Copy)]
enum Path<'p> {
    Root(&'p str),
    Field(&'p Self, &'p str),
    Item(&'p Self, usize),
}

impl Path<'_> {
    fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) {
        match self {
            Self::Root(root) => text.push_str(root),
            Self::Field(parent, name) => {
                parent.write(text);
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(shown_key(name));
            }
            Self::Item(parent, index) => {
                parent.write(text);
                text.push_str(&format!("[{index}]"));
            }
        }
    }
}

/// Checks a value that stands at a path, and everything below it. Empty texts at optional enumerations count
/// as absent and are taken out, as are fields without a value.
pub(super) fn check(shape: &Shape, node: &mut Node, path: &str, faults: &mut Faults) {
    check_value(shape, node, Path::Root(path), faults);
}

fn check_value(shape: &Shape, node: &mut Node, path: Path<'_>, faults: &mut Faults) {
    let at = node.at;
    match (shape, &mut node.value) {
        (Shape::Object(object), Value::Map(entries)) => check_fields(object, entries, at, path, faults),
        (Shape::Map { values, max }, Value::Map(entries)) => {
            if entries.len() > *max {
                let message = format!("the mapping has {} entries, {max} are allowed", entries.len());
                faults.add(rule::FIELD_VALUE, at, &path.text(), message, None);
            }
            for entry in entries {
                let path = Path::Field(&path, &entry.key);
                check_value(values, &mut entry.node, path, faults);
            }
        }
        (Shape::List(list), Value::List(items)) => check_list(list, items, at, path, faults),
        (Shape::Text(text), Value::Text(found)) => check_text(text, found, at, path, faults),
        (Shape::Integer { min, max }, Value::Number(number)) if number.is_i64() => {
            let number = number.as_i64().unwrap_or_default();
            let message = match (min, max) {
                (Some(min), _) if number < *min => {
                    format!("the number is {number}, at least {min} is needed")
                }
                (_, Some(max)) if number > *max => {
                    format!("the number is {number}, at most {max} is allowed")
                }
                _ => return,
            };
            faults.add(rule::FIELD_VALUE, at, &path.text(), message, None);
        }
        (Shape::Boolean, Value::Bool(_)) | (Shape::Number, Value::Number(_)) | (Shape::Any, _) => {}
        (expected, found) => wrong_type(expected, found, at, path, faults),
    }
}

fn wrong_type(expected: &Shape, found: &Value, at: Option<Position>, path: Path<'_>, faults: &mut Faults) {
    let name = match expected {
        Shape::Object(_) | Shape::Map { .. } => "a mapping",
        Shape::List(_) => "a list",
        Shape::Text(_) => "a text",
        Shape::Boolean => "true or false",
        Shape::Integer { .. } => "a whole number",
        Shape::Number | Shape::Any => "a number",
    };
    let hint = match (expected, found) {
        (Shape::Text(_), Value::Number(n)) => Some(format!("put it in quotes: \"{n}\"")),
        (Shape::Text(_), Value::Bool(b)) => Some(format!("put it in quotes: \"{b}\"")),
        (Shape::List(_), Value::Text(_)) => {
            Some("write each item on a line that begins with '- '".to_owned())
        }
        (Shape::Boolean, Value::Text(_)) => Some("write true or false without quotes".to_owned()),
        _ => None,
    };
    let path = path.text();
    let action = retyped(expected, found).map(|value| Action::set(&path, value));
    let message = format!("expected {name}, found {}", found.type_name());
    faults.add_mendable(rule::FIELD_TYPE, at, &path, message, hint, action);
}

/// Returns a value as the type that it should have, where there is no doubt about what was meant.
fn retyped(expected: &Shape, found: &Value) -> Option<New> {
    match (expected, found) {
        // 1.10 was read as 1.1 before anybody could ask what was meant.
        (Shape::Text(_), Value::Number(n)) if n.is_i64() => Some(New::Text(n.to_string())),
        (Shape::Text(_), Value::Bool(b)) => Some(New::Text(b.to_string())),
        (Shape::Boolean, Value::Text(text)) => text.to_lowercase().parse().ok().map(New::Bool),
        (Shape::List(list), Value::Text(text)) => {
            let of_texts = matches!(*list.items, Shape::Text(_));
            let is_one = !text.is_empty() && !text.contains([',', ';', ' ', '\n', '[']);
            (of_texts && is_one).then(|| New::List(vec![New::Text(text.clone())]))
        }
        _ => None,
    }
}

fn check_fields(
    object: &Object,
    entries: &mut Vec<Entry>,
    at: Option<Position>,
    path: Path<'_>,
    faults: &mut Faults,
) {
    entries.retain(|entry| match &entry.node.value {
        Value::Null => false,
        Value::Text(text) if text.is_empty() => {
            let field = object.field(&entry.key).map(|i| &object.fields[i]);
            !field.is_some_and(|f| !f.required && matches!(&f.shape, Shape::Text(t) if t.choices.is_some()))
        }
        _ => true,
    });
    let (mut found, mut unknown) = (0, false);
    for entry in entries.iter_mut() {
        if let Some(index) = object.field(&entry.key) {
            let field = &object.fields[index];
            found += usize::from(field.required);
            check_value(
                &field.shape,
                &mut entry.node,
                Path::Field(&path, &entry.key),
                faults,
            );
        } else {
            unknown = true;
        }
    }
    if unknown {
        let is_unknown = |entry: &&Entry| object.field(&entry.key).is_none();
        for entry in entries.iter().filter(is_unknown) {
            let known = object.fields.iter().map(|f| &*f.name);
            let path = Path::Field(&path, &entry.key).text();
            // What the reader put there itself stands nowhere.
            let is_written = |e: &Entry| e.at.is_some() || entry.at.is_none();
            let is_given = |name: &str| entries.iter().any(|e| e.key == name && is_written(e));
            unknown_field(entry, &path, known, is_given, faults);
        }
    }
    // A field that stands twice was reported as such by the parser, so counting tells whether one is missing.
    if found < object.required {
        for field in object.fields.iter().filter(|f| f.required) {
            if entries.iter().all(|e| *e.key != *field.name) {
                missing_field(field, at, path, faults);
            }
        }
    }
}

fn missing_field(field: &Field, at: Option<Position>, path: Path<'_>, faults: &mut Faults) {
    let hint = (!field.description.is_empty())
        .then(|| format!("{}: {}", field.name, first_sentence(&field.description)));
    let path = Path::Field(&path, &field.name).text();
    faults.add(rule::FIELD_MISSING, at, &path, "the field is missing", hint);
}

/// Reports a field that the schema does not have; `is_given` says which fields stand there already.
pub(super) fn unknown_field<'a>(
    entry: &Entry,
    field: &str,
    known: impl IntoIterator<Item = &'a str>,
    is_given: impl Fn(&str) -> bool,
    faults: &mut Faults,
) {
    let known: Vec<&str> = known.into_iter().collect();
    let near = nearest(&entry.key, known.iter().copied());
    let hint = match near {
        Some(name) => format!("did you mean {name}?"),
        None => format!("known here: {}", known.join(", ")),
    };
    // What is given already cannot be given a second time.
    let free = meant(&entry.key, known.iter().copied()).filter(|name| !is_given(name));
    faults.add_mendable(
        rule::FIELD_UNKNOWN,
        entry.at,
        field,
        "there is no such field",
        Some(hint),
        free.map(|name| Action::rename(field, name)),
    );
}

fn first_sentence(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default().trim_end_matches('.');
    let mut chars = line.chars();
    chars
        .next()
        .map(|c| c.to_lowercase().chain(chars).collect())
        .unwrap_or_default()
}

fn check_list(list: &List, items: &mut [Node], at: Option<Position>, path: Path<'_>, faults: &mut Faults) {
    if items.len() > list.max {
        let message = format!("the list has {} items, {} are allowed", items.len(), list.max);
        faults.add(rule::FIELD_VALUE, at, &path.text(), message, None);
    }
    if items.len() < list.min {
        let message = format!(
            "the list has {} items, at least {} are needed",
            items.len(),
            list.min
        );
        faults.add(rule::FIELD_VALUE, at, &path.text(), message, None);
    }
    for (index, item) in items.iter_mut().enumerate() {
        check_value(&list.items, item, Path::Item(&path, index), faults);
    }
    let keys: &[Box<str>] = match &list.told_apart {
        ToldApart::Not => return,
        ToldApart::ByText => &[],
        ToldApart::ByKeys(keys) => keys,
    };
    for index in repeated(items, keys) {
        let item = Path::Item(&path, index);
        match keys {
            [] => twice(&items[index], item, "keep one of the two", true, faults),
            // What is told apart by one field is told apart by changing it.
            [key] => {
                let node = items[index].get(key).unwrap_or(&items[index]);
                twice(
                    node,
                    Path::Field(&item, key),
                    "give each a name of its own",
                    false,
                    faults,
                );
            }
            _ => {
                let item_json = items[index].clone().into_json();
                let same = items[..index].iter().any(|o| o.clone().into_json() == item_json);
                twice(&items[index], item, "keep one of the two", same, faults);
            }
        }
    }
}

/// Reports an item that is there already; `can_go` says that nothing is lost without it.
fn twice(node: &Node, path: Path<'_>, hint: &str, can_go: bool, faults: &mut Faults) {
    let message = match node.as_text() {
        Some(text) => format!("{} stands twice", quoted(text)),
        None => "the same stands twice".to_owned(),
    };
    let path = path.text();
    faults.add_mendable(
        rule::FIELD_VALUE,
        node.at,
        &path,
        message,
        Some(hint.to_owned()),
        can_go.then(|| Action::remove(&path)),
    );
}

/// Returns the items that are the same as one before them. An item of another type than it should be is like
/// no other.
fn repeated(items: &[Node], keys: &[Box<str>]) -> Vec<usize> {
    if items.len() <= FEW {
        let again = |index: &usize| {
            items[..*index]
                .iter()
                .any(|other| same(other, &items[*index], keys))
        };
        return (1..items.len()).filter(again).collect();
    }
    let mut seen = BTreeSet::new();
    let again = |index: &usize| {
        let item = &items[*index];
        let key: Option<Vec<&str>> = match keys {
            [] => item.as_text().map(|text| vec![text]),
            keys => keys.iter().map(|key| part(item, key)).collect(),
        };
        key.is_some_and(|key| !seen.insert(key))
    };
    (0..items.len()).filter(again).collect()
}

fn same(one: &Node, other: &Node, keys: &[Box<str>]) -> bool {
    match keys {
        [] => one.as_text().is_some() && one.as_text() == other.as_text(),
        keys => keys.iter().all(|key| {
            let part_of_one = part(one, key);
            part_of_one.is_some() && part_of_one == part(other, key)
        }),
    }
}

/// Returns a field by which an item is told apart; one that is not there counts as empty, which is its default.
fn part<'n>(node: &'n Node, key: &str) -> Option<&'n str> {
    match &node.value {
        Value::Map(_) => node.get(key).map_or(Some(""), Node::as_text),
        _ => None,
    }
}

fn check_text(shape: &Text, text: &str, at: Option<Position>, path: Path<'_>, faults: &mut Faults) {
    if let Some(choices) = &shape.choices {
        if choices.iter().all(|choice| **choice != *text) {
            let known: Vec<&str> = choices.iter().map(|c| &**c).filter(|c| !c.is_empty()).collect();
            let near = nearest(text, known.iter().copied());
            let hint = near.map(|word| format!("did you mean {word}?"));
            let message = format!("{} is not {}", quoted(text), any_of(&known));
            let path = path.text();
            let meant = meant(text, known.iter().copied());
            let action = meant.map(|word| Action::set(&path, word));
            faults.add_mendable(rule::FIELD_VALUE, at, &path, message, hint, action);
        }
        return;
    }
    let mut say = |message: String, hint: Option<String>| {
        faults.add(rule::FIELD_VALUE, at, &path.text(), message, hint);
    };
    // A text has at most as many characters as bytes, so most need not be counted.
    if text.len() > shape.max || text.len() < shape.min.saturating_mul(4) {
        let length = text.chars().count();
        if length > shape.max {
            say(
                format!("the text has {length} characters, {} are allowed", shape.max),
                None,
            );
        } else if length == 0 && shape.min > 0 {
            say("the text is empty".to_owned(), None);
            return;
        } else if length < shape.min {
            let min = shape.min;
            say(
                format!("the text has {length} characters, at least {min} are needed"),
                None,
            );
        }
    }
    if let Some(pattern) = &shape.pattern
        && pattern.regex.as_ref().is_some_and(|regex| !regex.is_match(text))
    {
        let hint = bounds::words(&pattern.source)
            .map_or_else(|| format!("it must match {}", pattern.source), str::to_owned);
        say(format!("{} does not fit", quoted(text)), Some(hint));
    }
}
