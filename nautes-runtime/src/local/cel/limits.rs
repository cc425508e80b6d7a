//! The limits on what rules cost: by estimate when they are registered, by count when they run.

use kube_cel::cel::common::ast::IdedExpr;
use serde_json::Value;

use super::{
    cost::{self, Bound},
    shape::{self, Shape},
    source,
};
use crate::local::{json, status::Cause};

/// What one rule may cost by estimate.
const EXPRESSION: u64 = 10_000_000;
/// What all rules of a schema may cost by estimate.
const SCHEMA: u64 = 100_000_000;
/// What one rule may cost when it runs.
const CALL: u64 = 1_000_000;
/// What all rules may cost for one object.
const OBJECT: u64 = 10_000_000;
/// A rule below this is not named among those that make a schema too expensive.
const NAMED: u64 = SCHEMA / 100;
/// How many of the most expensive rules are named.
const MOST_NAMED: usize = 4;

/// The rules of a schema that are too expensive by estimate.
pub(super) fn causes(document: &Value, path: &str) -> Vec<Cause> {
    let mut found = Vec::new();
    estimate(document, path, Some(1), &mut found);
    let mut causes: Vec<Cause> = found
        .iter()
        .filter(|(_, cost)| *cost > EXPRESSION)
        .map(|(at, cost)| {
            let what = if at.ends_with(".rule") {
                "rule"
            } else {
                "messageExpression"
            };
            let detail = beyond(&format!("estimated {what} cost"), *cost, EXPRESSION);
            Cause::forbidden(at, detail)
        })
        .collect();
    let total = found
        .iter()
        .fold(0_u64, |sum, (_, cost)| sum.saturating_add(*cost));
    if total > SCHEMA {
        found.retain(|(_, cost)| *cost >= NAMED);
        found.sort_by_key(|(_, cost)| std::cmp::Reverse(*cost));
        let named = found.iter().take(MOST_NAMED).map(|(at, _)| {
            let detail =
                "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema";
            Cause::forbidden(at, detail)
        });
        causes.extend(named);
        let what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
        causes.push(Cause::forbidden(path, beyond(what, total, SCHEMA)));
    }
    causes
}

fn beyond(what: &str, cost: u64, limit: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "the factor is told to one digit")]
    let factor = cost as f64 / limit as f64;
    let factor = if factor > 100.0 {
        "more than 100x".to_owned()
    } else if factor < 1.5 {
        // To one digit it could seem to be within the budget.
        format!("{factor:.6}x")
    } else {
        format!("{factor:.1}x")
    };
    format!(
        "{what} exceeds budget by factor of {factor} (try simplifying the rule, or adding maxItems, maxProperties, \
         and maxLength where arrays, maps, and strings are declared)"
    )
}

/// Whether rules can cost more than they may when they run; where not, nobody needs to count.
pub(super) fn can_exceed(document: &Value) -> bool {
    let mut found = Vec::new();
    estimate(document, "", Some(1), &mut found);
    let total = found
        .iter()
        .fold(0_u64, |sum, (_, cost)| sum.saturating_add(*cost));
    total > CALL
}

/// Estimates the rules of a schema. `times` is how often values of it can be there; none where no schema bounds it.
fn estimate(schema: &Value, path: &str, times: Option<u64>, found: &mut Vec<(String, u64)>) {
    let own = json::list(schema, &["x-kubernetes-validations"]);
    if !own.is_empty() {
        let shape = Shape::of_schema(schema);
        let times = times.unwrap_or_else(|| shape::most_often(schema));
        for (index, rule) in own.iter().enumerate() {
            for part in ["rule", "messageExpression"] {
                let text = json::text(rule, &[part]);
                if let Ok(expression) = source::parse(text) {
                    let cost = cost_of(&expression, &shape, Bound::Most);
                    let at = format!("{path}.x-kubernetes-validations[{index}].{part}");
                    found.push((at, cost.saturating_mul(times)));
                }
            }
        }
    }
    for (name, property) in shape::properties(schema) {
        estimate(property, &format!("{path}.properties[{name}]"), times, found);
    }
    let bounded = |key: &str| {
        let most = schema.get(key).and_then(Value::as_u64)?;
        Some(times?.saturating_mul(most))
    };
    if let Some(items) = schema.get("items") {
        estimate(items, &format!("{path}.items"), bounded("maxItems"), found);
    }
    if let Some(values) = schema.get("additionalProperties").filter(|a| a.is_object()) {
        let at = format!("{path}.additionalProperties");
        estimate(values, &at, bounded("maxProperties"), found);
    }
}

fn cost_of(expression: &IdedExpr, shape: &Shape, bound: Bound) -> u64 {
    let mut scope = ["self", "oldSelf"]
        .map(|name| (name.to_owned(), shape.clone()))
        .to_vec();
    cost::of(&expression.expr, &mut scope, bound)
}

/// The rules of a schema, made ready to count what they cost for an object.
#[derive(Debug)]
pub(super) struct Meter {
    ty: String,
    rules: Vec<(String, IdedExpr)>,
    properties: Vec<(String, Self)>,
    items: Option<Box<Self>>,
    values: Option<Box<Self>>,
}

impl Meter {
    /// None where no rule is in this part of the schema.
    pub(super) fn of(schema: &Value) -> Option<Self> {
        let child = |key: &str| schema.get(key).and_then(Self::of).map(Box::new);
        let meter = Self {
            ty: json::text(schema, &["type"]).to_owned(),
            rules: json::list(schema, &["x-kubernetes-validations"])
                .iter()
                .map(|rule| json::text(rule, &["rule"]))
                .filter_map(|rule| Some((rule.to_owned(), source::parse(rule).ok()?)))
                .collect(),
            properties: shape::properties(schema)
                .filter_map(|(name, property)| Some((name.clone(), Self::of(property)?)))
                .collect(),
            items: child("items"),
            values: child("additionalProperties"),
        };
        let any = !meter.rules.is_empty()
            || !meter.properties.is_empty()
            || meter.items.is_some()
            || meter.values.is_some();
        any.then_some(meter)
    }

    /// The first rule that costs too much for an object, in the words of Kubernetes. What is counted is what a
    /// rule goes through if it is true.
    pub(super) fn exceeded(&self, object: &Value) -> Option<Cause> {
        self.spend(object, "", &mut 0)
    }

    fn spend(&self, value: &Value, path: &str, spent: &mut u64) -> Option<Cause> {
        let refused = |detail: String| {
            let field = if path.is_empty() { "<nil>" } else { path };
            Cause::invalid(field, &Value::from(self.ty.as_str()), detail)
        };
        let shape = (!self.rules.is_empty()).then(|| Shape::of_value(value));
        for (rule, expression) in &self.rules {
            let cost = shape.as_ref().map_or(0, |s| cost_of(expression, s, Bound::Least));
            *spent = spent.saturating_add(cost);
            if cost > CALL {
                return Some(refused(format!(
                    "'operation cancelled: actual cost limit exceeded': no further validation rules will be run due \
                     to call cost exceeds limit for rule: {rule}"
                )));
            }
            if *spent > OBJECT {
                let detail = "validation failed due to running out of cost budget, no further validation rules \
                              will be run";
                return Some(refused(detail.to_owned()));
            }
        }
        let dot = if path.is_empty() { "" } else { "." };
        let fields = self.properties.iter().filter_map(|(name, meter)| {
            let found = value.get(name)?;
            Some((meter, found, format!("{path}{dot}{name}")))
        });
        let listed = value.as_array().into_iter().flatten().enumerate();
        let items = self.items.iter().flat_map(|m| {
            listed
                .clone()
                .map(|(at, item)| (&**m, item, format!("{path}[{at}]")))
        });
        let mapped = value.as_object().into_iter().flatten();
        let values = self.values.iter().flat_map(|m| {
            mapped
                .clone()
                .map(|(key, item)| (&**m, item, format!("{path}[{key}]")))
        });
        fields
            .chain(items)
            .chain(values)
            .find_map(|(meter, item, at)| meter.spend(item, &at, spent))
    }
}
