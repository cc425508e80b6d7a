//! One rule of a schema: what it says, and what is wrong with it when it is registered.

use kube_cel::cel::common::ast::IdedExpr;
use serde_json::Value;

use super::{literals, lower, source, types::Type, typing};
use crate::local::{json, status::Cause};

const REASONS: [&str; 4] = [
    "FieldValueDuplicate",
    "FieldValueForbidden",
    "FieldValueInvalid",
    "FieldValueRequired",
];

/// A rule that can be run.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) text: String,
    pub(super) expression: IdedExpr,
    pub(super) message: String,
    pub(super) message_expression: Option<IdedExpr>,
    pub(super) reason: String,
    /// What the field of a failure ends with (`.spec.name`).
    pub(super) field: String,
    pub(super) uses_old: bool,
    /// True where the old value is an optional, which has none at a creation.
    pub(super) is_optional: bool,
}

/// What kind of schema a rule is in.
pub(super) struct Place<'a> {
    pub(super) schema: &'a Value,
    /// The type of its values.
    pub(super) ty: &'a Type,
    /// The list around it whose items cannot be told apart, if there is one.
    pub(super) unordered: Option<&'a str>,
}

impl Rule {
    /// The rule that a definition holds, as far as it can be run.
    pub(super) fn of(rule: &Value) -> Option<Self> {
        let text = |key: &str| json::text(rule, &[key]).trim();
        let expression = source::parse(text("rule")).ok()?;
        let uses_old = mentions_old(&expression);
        Some(Self {
            text: text("rule").to_owned(),
            expression: lower::runnable(expression),
            message: text("message").to_owned(),
            message_expression: Some(text("messageExpression"))
                .filter(|t| !t.is_empty())
                .and_then(|t| source::parse(t).ok())
                .map(lower::runnable),
            reason: text("reason").to_owned(),
            field: match text("fieldPath") {
                "" => String::new(),
                path if path.starts_with(['.', '[']) => path.to_owned(),
                path => format!(".{path}"),
            },
            uses_old,
            is_optional: rule.get("optionalOldSelf") == Some(&Value::Bool(true)),
        })
    }
}

/// What is wrong with a rule at its place.
pub(super) fn causes(rule: &Value, place: &Place<'_>, path: &str) -> Vec<Cause> {
    let text = |key: &str| json::text(rule, &[key]);
    let at = |key: &str| format!("{path}.{key}");
    let broken = |text: &str| text.trim().contains(['\n', '\r']);
    let is_blank = |key: &str| !text(key).is_empty() && text(key).trim().is_empty();
    let mut causes = Vec::new();
    let quote = |key: &str, why: &str| Cause::invalid(at(key), &Value::from(text(key)), why);
    if text("rule").trim().is_empty() {
        causes.push(Cause::required(at("rule"), "rule is not specified"));
    } else if is_blank("message") {
        causes.push(quote("message", "must be non-empty if specified"));
    } else if broken(text("message")) {
        causes.push(quote("message", "must not contain line breaks"));
    } else if broken(text("rule")) && text("message").is_empty() {
        let detail = "message must be specified if rule contains line breaks";
        causes.push(Cause::required(at("message"), detail));
    }
    if is_blank("messageExpression") {
        let detail = "messageExpression must be non-empty if specified";
        causes.push(Cause::required(at("messageExpression"), detail));
    }
    if !text("reason").is_empty() && !REASONS.contains(&text("reason")) {
        let all = REASONS.map(str::to_owned);
        causes.push(Cause::not_supported(
            at("reason"),
            &Value::from(text("reason")),
            &all,
        ));
    }
    if is_blank("fieldPath") {
        causes.push(quote("fieldPath", "must be non-empty if specified"));
    }
    if !text("fieldPath").is_empty() && !is_path(place.schema, text("fieldPath")) {
        causes.push(quote("fieldPath", "must be a valid path"));
    }
    if causes.is_empty() {
        compiled(rule, place, path, &mut causes);
    }
    causes
}

/// What a compiler says of a rule.
fn compiled(rule: &Value, place: &Place<'_>, path: &str, causes: &mut Vec<Cause>) {
    let text = |key: &str| json::text(rule, &[key]).trim();
    let optional = rule.get("optionalOldSelf").filter(|o| !o.is_null());
    let old = match optional {
        Some(Value::Bool(true)) => Type::optional(place.ty.clone()),
        _ => place.ty.clone(),
    };
    let variables = [("self", place.ty.clone()), ("oldSelf", old)];
    let compile = |text: &str, wanted: Type| -> Result<IdedExpr, Option<String>> {
        let expression = source::parse(text).map_err(Some)?;
        match typing::type_of(&expression, &variables) {
            Err(errors) => Err(Some(source::told(text, &errors))),
            Ok((ty, mut errors)) => {
                errors.extend(literals::errors(&expression));
                if !errors.is_empty() {
                    Err(Some(source::told(text, &errors)))
                } else if ty != wanted && ty != Type::Dyn {
                    Err(None)
                } else {
                    Ok(expression)
                }
            }
        }
    };
    let uses_old = match compile(text("rule"), Type::Bool) {
        Ok(expression) => mentions_old(&expression),
        Err(why) => {
            let why = why.unwrap_or_else(|| "cel expression must evaluate to a bool".to_owned());
            causes.push(Cause::invalid_shown(format!("{path}.rule"), &quoted(rule), why));
            false
        }
    };
    if !text("messageExpression").is_empty()
        && let Err(why) = compile(text("messageExpression"), Type::Text)
    {
        let why = why.map_or_else(
            || "messageExpression must evaluate to a string".to_owned(),
            |why| format!("messageExpression {why}"),
        );
        let at = format!("{path}.messageExpression");
        causes.push(Cause::invalid_shown(at, &quoted(rule), why));
    }
    if let Some(around) = place.unordered.filter(|_| uses_old) {
        let why =
            format!("oldSelf cannot be used on the uncorrelatable portion of the schema within {around}");
        causes.push(Cause::invalid(
            format!("{path}.rule"),
            &Value::from(text("rule")),
            why,
        ));
    }
    if let Some(optional) = optional.filter(|_| !uses_old) {
        let why = "may not be set if oldSelf is not used in rule";
        causes.push(Cause::invalid(format!("{path}.optionalOldSelf"), optional, why));
    }
}

/// Whether an expression speaks of the value before.
fn mentions_old(expression: &IdedExpr) -> bool {
    expression.references().has_variable("oldSelf")
}

/// A rule as messages quote it: the structure of Kubernetes, written by an encoder that takes care of HTML.
fn quoted(rule: &Value) -> String {
    let text = |key: &str| Value::from(json::text(rule, &[key]));
    let given = |key: &str| rule.get(key).cloned().unwrap_or_default();
    let fields = [
        ("Rule", text("rule")),
        ("Message", text("message")),
        ("MessageExpression", text("messageExpression")),
        ("Reason", given("reason")),
        ("FieldPath", text("fieldPath")),
        ("OptionalOldSelf", given("optionalOldSelf")),
    ];
    let fields: Vec<String> = fields.iter().map(|(k, v)| format!("{k:?}:{v}")).collect();
    [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026")]
        .iter()
        .fold(format!("{{{}}}", fields.join(",")), |all, (from, to)| {
            all.replace(*from, to)
        })
}

/// True where a path (`.spec.labels['a']`) leads to something that a schema describes.
fn is_path(schema: &Value, path: &str) -> bool {
    let mut schema = schema;
    let mut rest = path;
    while !rest.is_empty() {
        let (name, after, is_key) = if let Some(quoted) = rest.strip_prefix("['") {
            let Some((name, after)) = quoted.split_once("']") else {
                return false;
            };
            (name, after, true)
        } else if let Some(named) = rest.strip_prefix('.') {
            let end = named.find(['.', '[']).unwrap_or(named.len());
            (&named[..end], &named[end..], false)
        } else {
            return false;
        };
        let property = schema.get("properties").and_then(|p| p.get(name));
        let value = schema
            .get("additionalProperties")
            .filter(|a| a.is_object() && is_key);
        match property.or(value) {
            Some(next) => schema = next,
            None => return false,
        }
        rest = after;
    }
    true
}
