//! Validation rules (CEL) of custom resources.

mod cost;
mod limits;
mod shape;

use std::fmt;

use kube_cel::{CompiledSchema, Validator};
use serde_json::Value;

use super::status::Cause;

/// The compiled rules of one schema.
pub(crate) struct Rules {
    compiled: CompiledSchema,
    /// Counts the cost, where the rules can cost more than they may.
    meter: Option<limits::Meter>,
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rules")
    }
}

impl Rules {
    /// Compiles the rules of a schema; none where it has none.
    ///
    /// # Errors
    /// A cause for each rule that does not compile or is too expensive by estimate.
    pub(crate) fn compile(document: &Value, path: &str) -> Result<Option<Self>, Vec<Cause>> {
        if !mentions_rules(document, 0) {
            return Ok(None);
        }
        let compiled = kube_cel::compile_schema(document);
        let mut causes = Vec::new();
        collect_errors(&compiled, path, &mut causes);
        if causes.is_empty() {
            causes = limits::causes(document, path);
        }
        if causes.is_empty() {
            let meter = limits::can_exceed(document)
                .then(|| limits::Meter::of(document))
                .flatten();
            Ok(Some(Self { compiled, meter }))
        } else {
            Err(causes)
        }
    }

    /// What the rules forbid about a new object, or about the step from an old one to it.
    pub(crate) fn check(&self, object: &Value, old: Option<&Value>) -> Vec<Cause> {
        // An evaluation cannot be stopped, so what it will cost is counted before.
        let exceeded = self.meter.as_ref().and_then(|m| m.exceeded(object));
        if let Some(cause) = exceeded {
            return vec![cause];
        }
        let validator = Validator::new();
        let Err(errors) = validator.validate_compiled(&self.compiled, object, old) else {
            return Vec::new();
        };
        errors.as_slice().iter().map(|e| cause(e, object)).collect()
    }
}

fn cause(error: &kube_cel::ValidationError, object: &Value) -> Cause {
    let field = if error.field_path.is_empty() {
        "<nil>"
    } else {
        error.field_path.as_str()
    };
    // Lists and objects are not shown.
    let shown = lookup(object, &error.field_path).filter(|v| !v.is_object() && !v.is_array());
    let quoted = shown.map(|v| format!("{v}: ")).unwrap_or_default();
    let shown = shown.cloned().unwrap_or_default();
    match error.reason.as_deref() {
        Some("FieldValueForbidden") => Cause::forbidden(field, &error.message),
        Some("FieldValueRequired") => Cause::required(field, &error.message),
        Some("FieldValueDuplicate") => Cause::duplicate(field, &shown),
        _ => Cause::new(
            "FieldValueInvalid",
            field,
            format!("Invalid value: {quoted}{}", error.message),
        ),
    }
}

/// Why an expression does not compile, with the place as Kubernetes points to it.
pub(crate) fn uncompiled(error: impl fmt::Display) -> String {
    format!("compilation failed: {error}").replace("\n| ", "\n | ")
}

fn lookup<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    if path.is_empty() {
        return Some(object);
    }
    path.split('.').try_fold(object, |value, part| {
        let (name, index) = match part.split_once('[') {
            Some((name, rest)) => (name, rest.trim_end_matches(']').parse::<usize>().ok()),
            None => (part, None),
        };
        let child = value.get(name)?;
        index.map_or(Some(child), |i| child.get(i))
    })
}

fn mentions_rules(document: &Value, depth: usize) -> bool {
    match document {
        Value::Object(map) if depth < 64 => {
            map.contains_key("x-kubernetes-validations") || map.values().any(|v| mentions_rules(v, depth + 1))
        }
        Value::Array(list) => list.iter().any(|v| mentions_rules(v, depth + 1)),
        _ => false,
    }
}

fn collect_errors(schema: &CompiledSchema, path: &str, causes: &mut Vec<Cause>) {
    for (index, error) in schema
        .validations
        .iter()
        .enumerate()
        .filter_map(|(i, r)| Some((i, r.as_ref().err()?)))
    {
        let field = format!("{path}.x-kubernetes-validations[{index}].rule");
        let message = format!("Invalid value: {}", uncompiled(error));
        causes.push(Cause::new("FieldValueInvalid", field, message));
    }
    for (name, child) in &schema.properties {
        collect_errors(child, &format!("{path}.properties[{name}]"), causes);
    }
    if let Some(items) = &schema.items {
        collect_errors(items, &format!("{path}.items"), causes);
    }
    if let Some(additional) = &schema.additional_properties {
        collect_errors(additional, &format!("{path}.additionalProperties"), causes);
    }
}
