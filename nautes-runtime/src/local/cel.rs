//! Validation rules (CEL) of custom resources.

mod cost;
mod functions;
mod library;
mod limits;
mod literals;
mod lower;
mod macros;
mod rule;
mod shape;
mod source;
mod times;
mod tree;
mod types;
mod typing;
mod value;

use std::{collections::BTreeMap, fmt, sync::Arc};

use kube_cel::cel::{Context, ExecutionError, Value as Cel};
use serde_json::Value;

use self::{
    rule::{Place, Rule},
    types::{Type, flag},
};
use super::{json, status::Cause};

/// How deep a schema may be nested for its rules to be found.
const DEPTH: usize = 64;
/// How long a message of an expression may be, in bytes.
const LONGEST_MESSAGE: usize = 5 << 10;

/// The rules of one schema, ready to run.
#[derive(Debug)]
pub(crate) struct Rules {
    schema: Arc<Value>,
    root: Part,
    /// Counts the cost, where the rules can cost more than they may.
    meter: Option<limits::Meter>,
}

/// What rules say of an object.
#[derive(Debug, Default)]
pub(crate) struct Judgement {
    /// What is forbidden.
    pub(crate) causes: Vec<Cause>,
    /// What would be if it were new; it was so before.
    pub(crate) warnings: Vec<String>,
}

/// The rules of a part of a schema, and of what is in it.
#[derive(Debug, Default)]
struct Part {
    rules: Vec<Rule>,
    properties: BTreeMap<String, Self>,
    items: Option<Box<Self>>,
    values: Option<Box<Self>>,
    all_of: Vec<(usize, Self)>,
}

impl Rules {
    /// The rules of a schema that was accepted; none where it has none.
    pub(crate) fn of(document: &Value) -> Option<Self> {
        let root = Part::of(document, 0)?;
        let meter = limits::can_exceed(document)
            .then(|| limits::Meter::of(document))
            .flatten();
        Some(Self {
            schema: Arc::new(document.clone()),
            root,
            meter,
        })
    }

    /// What the rules say of a new object, or of the step from an old one to it.
    pub(crate) fn check(&self, object: &Value, old: Option<&Value>) -> Judgement {
        // An evaluation cannot be stopped, so what it will cost is counted before.
        if let Some(cause) = self.meter.as_ref().and_then(|m| m.exceeded(object)) {
            return Judgement {
                causes: vec![cause],
                ..Judgement::default()
            };
        }
        let mut run = Run {
            context: value::context(),
            judgement: Judgement::default(),
        };
        run.part(&self.root, &self.schema, object, old, "");
        run.judgement
    }
}

/// What is wrong with the rules of a part of a definition's schema: those that do not compile, or that are too expensive
/// by estimate.
pub(crate) fn causes(document: &Value, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    if mentions_rules(document, 0) {
        judge(document, path, None, 0, &mut causes);
        if causes.is_empty() {
            causes = limits::causes(document, path);
        }
    }
    causes
}

/// Why an expression does not compile, with the place as Kubernetes points to it.
pub(crate) fn uncompiled(error: impl fmt::Display) -> String {
    format!("compilation failed: {error}").replace("\n| ", "\n | ")
}

fn mentions_rules(document: &Value, depth: usize) -> bool {
    match document {
        Value::Object(map) if depth < DEPTH => {
            map.contains_key("x-kubernetes-validations") || map.values().any(|v| mentions_rules(v, depth + 1))
        }
        Value::Array(list) => list.iter().any(|v| mentions_rules(v, depth + 1)),
        _ => false,
    }
}

fn judge(schema: &Value, path: &str, unordered: Option<&str>, depth: usize, causes: &mut Vec<Cause>) {
    if depth > DEPTH {
        return;
    }
    let rules = json::list(schema, &["x-kubernetes-validations"]);
    if !rules.is_empty() {
        let is_resource = depth == 0 || flag(schema, "x-kubernetes-embedded-resource");
        let ty = Type::of_schema(schema, "selfType", is_resource).unwrap_or(Type::Dyn);
        let place = Place {
            schema,
            ty: &ty,
            unordered,
        };
        for (index, rule) in rules.iter().enumerate() {
            let at = format!("{path}.x-kubernetes-validations[{index}]");
            causes.extend(rule::causes(rule, &place, &at));
        }
    }
    for (name, property) in shape::properties(schema) {
        let at = format!("{path}.properties[{name}]");
        judge(property, &at, unordered, depth + 1, causes);
    }
    if let Some(items) = schema.get("items") {
        // Only the items of a map of a list can be told apart from one state to the next.
        let told_apart = json::text(schema, &["x-kubernetes-list-type"]) == "map";
        let within = unordered.or((!told_apart).then_some(path));
        judge(items, &format!("{path}.items"), within, depth + 1, causes);
    }
    if let Some(values) = schema.get("additionalProperties").filter(|a| a.is_object()) {
        let at = format!("{path}.additionalProperties");
        judge(values, &at, unordered, depth + 1, causes);
    }
}

impl Part {
    /// None where no rule is in this part of the schema.
    fn of(schema: &Value, depth: usize) -> Option<Self> {
        if depth > DEPTH {
            return None;
        }
        let child = |key: &str| schema.get(key).and_then(|s| Self::of(s, depth + 1)).map(Box::new);
        let part = Self {
            rules: json::list(schema, &["x-kubernetes-validations"])
                .iter()
                .filter_map(Rule::of)
                .collect(),
            properties: shape::properties(schema)
                .filter_map(|(name, property)| Some((name.clone(), Self::of(property, depth + 1)?)))
                .collect(),
            items: child("items"),
            values: child("additionalProperties"),
            all_of: json::list(schema, &["allOf"])
                .iter()
                .enumerate()
                .filter_map(|(at, branch)| Some((at, Self::of(branch, depth + 1)?)))
                .collect(),
        };
        let any = !part.rules.is_empty()
            || !part.properties.is_empty()
            || part.items.is_some()
            || part.values.is_some()
            || !part.all_of.is_empty();
        any.then_some(part)
    }
}

/// One run of the rules over an object.
struct Run {
    context: Context<'static>,
    judgement: Judgement,
}

impl Run {
    fn part(&mut self, part: &Part, schema: &Value, value: &Value, old: Option<&Value>, path: &str) {
        if value.is_null() {
            return;
        }
        if !part.rules.is_empty() {
            self.rules(&part.rules, schema, value, old, path);
        }
        let nothing = Value::Null;
        let below = |key: &str| schema.get(key).unwrap_or(&nothing);
        match value {
            Value::Object(map) => {
                for (name, child) in map {
                    let before = old.and_then(|o| o.get(name));
                    if let Some(property) = below("properties").get(name) {
                        if let Some(inner) = part.properties.get(name) {
                            let dot = if path.is_empty() { "" } else { "." };
                            self.part(inner, property, child, before, &format!("{path}{dot}{name}"));
                        }
                    } else if let Some(inner) = &part.values {
                        let at = format!("{path}[{name}]");
                        self.part(inner, below("additionalProperties"), child, before, &at);
                    }
                }
            }
            Value::Array(list) => {
                if let Some(inner) = &part.items {
                    for (at, item) in list.iter().enumerate() {
                        let before = counterpart(schema, item, old);
                        self.part(inner, below("items"), item, before, &format!("{path}[{at}]"));
                    }
                }
            }
            _ => {}
        }
        for (at, inner) in &part.all_of {
            let branch = below("allOf").get(at).unwrap_or(&nothing);
            self.part(inner, branch, value, old, path);
        }
    }

    fn rules(&mut self, rules: &[Rule], schema: &Value, value: &Value, old: Option<&Value>, path: &str) {
        let mut scope = self.context.new_inner_scope();
        scope.add_variable_from_value("self", value::of(value, schema, &self.context));
        let before = old
            .filter(|o| !o.is_null() && rules.iter().any(|r| r.uses_old))
            .map(|o| value::of(o, schema, &self.context));
        // What was so before may stay so.
        let unchanged = old == Some(value);
        let (mut forbidden, mut passed_over) = (Vec::new(), Vec::new());
        for rule in rules {
            let mut scope = scope.new_inner_scope();
            match &before {
                _ if rule.is_optional => {
                    scope.add_variable_from_value("oldSelf", value::optional(before.clone()));
                }
                Some(before) => scope.add_variable_from_value("oldSelf", before.clone()),
                None if rule.uses_old => continue,
                None => {}
            }
            let cause = match Cel::resolve(&rule.expression, &scope) {
                Ok(Cel::Bool(true)) => continue,
                Ok(_) => failed(rule, &scope, value, path),
                Err(error) => not_evaluated(rule, &error, schema, path),
            };
            if unchanged && !rule.uses_old {
                passed_over.push(format!("{}: {}", cause.field, cause.message));
            } else {
                forbidden.push(cause);
            }
        }
        self.judgement.causes.extend(forbidden);
        self.judgement.warnings.extend(passed_over);
    }
}

/// The item of an old list that an item of a new one was.
fn counterpart<'a>(schema: &Value, item: &Value, old: Option<&'a Value>) -> Option<&'a Value> {
    if json::text(schema, &["x-kubernetes-list-type"]) != "map" {
        return None;
    }
    let keys = json::texts(schema, &["x-kubernetes-list-map-keys"]);
    old?.as_array()?
        .iter()
        .find(|o| keys.iter().all(|key| o.get(key) == item.get(key)))
}

fn shown(path: &str) -> &str {
    if path.is_empty() { "<nil>" } else { path }
}

fn failed(rule: &Rule, scope: &Context<'_>, value: &Value, path: &str) -> Cause {
    let made = rule.message_expression.as_ref().and_then(|expression| {
        let Ok(Cel::String(text)) = Cel::resolve(expression, scope) else {
            return None;
        };
        let text = text.trim();
        let usable = !text.is_empty() && !text.contains('\n') && text.len() <= LONGEST_MESSAGE;
        usable.then(|| text.to_owned())
    });
    let message = made.unwrap_or_else(|| match rule.message.as_str() {
        "" => format!("failed rule: {}", rule.text),
        message => message.to_owned(),
    });
    let field = format!("{path}{}", rule.field);
    let field = match field.strip_prefix('.') {
        Some(rest) if path.is_empty() => rest,
        _ => shown(&field),
    };
    // Lists and objects are not shown.
    let quoted = if value.is_object() || value.is_array() {
        String::new()
    } else {
        format!(": {value}")
    };
    match rule.reason.as_str() {
        "FieldValueForbidden" => Cause::forbidden(field, message),
        "FieldValueRequired" => Cause::required(field, &message),
        "FieldValueDuplicate" => Cause::new("FieldValueDuplicate", field, format!("Duplicate value{quoted}")),
        _ => Cause::new(
            "FieldValueInvalid",
            field,
            format!("Invalid value{quoted}: {message}"),
        ),
    }
}

/// A rule that could not be evaluated, in the words of the interpreter of Kubernetes.
fn not_evaluated(rule: &Rule, error: &ExecutionError, schema: &Value, path: &str) -> Cause {
    let why = match error {
        ExecutionError::NoSuchKey(key) => format!("no such key: {key}"),
        ExecutionError::DivisionByZero(_) => "division by zero".to_owned(),
        ExecutionError::RemainderByZero(_) => "modulus by zero".to_owned(),
        ExecutionError::Overflow(..) => "integer overflow".to_owned(),
        ExecutionError::FunctionError { message, .. } => message.clone(),
        ExecutionError::IndexOutOfBounds(Cel::Int(at)) => format!("index out of bounds: {at}"),
        other => other.to_string(),
    };
    let about = if rule.message.is_empty() {
        &rule.text
    } else {
        &rule.message
    };
    let ty = Value::from(json::text(schema, &["type"]));
    Cause::invalid(shown(path), &ty, format!("{why} evaluating rule: {about}"))
}
