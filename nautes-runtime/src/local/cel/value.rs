//! Values of JSON as expressions see them.

use std::{collections::HashMap, sync::Arc};

use base64::Engine as _;
use kube_cel::{
    KubeCelExt as _,
    cel::{
        Context, ExecutionError, FunctionContext, Value as Cel,
        objects::{Key, Map, OptionalValue},
    },
};
use serde_json::Value;

use super::{
    functions,
    types::{escaped, flag},
};
use crate::local::json;

/// The types whose names have points in them.
pub(super) const QUALIFIED_TYPES: [&str; 6] = [
    "google.protobuf.Duration",
    "google.protobuf.Timestamp",
    "kubernetes.Quantity",
    "kubernetes.URL",
    "net.CIDR",
    "net.IP",
];

/// The functions and names of every expression.
pub(super) fn context() -> Context<'static> {
    let mut context = Context::default();
    context.register_all();
    context.add_function("dyn", |value: Cel| -> Result<Cel, ExecutionError> { Ok(value) });
    context.add_function("type", |value: Cel| -> Result<Cel, ExecutionError> {
        Ok(type_name(&value))
    });
    context.add_function("bool", as_bool);
    context.add_function("optional.unwrap", unwrapped);
    functions::add(&mut context);
    let types = [
        "bool",
        "int",
        "uint",
        "double",
        "string",
        "bytes",
        "list",
        "map",
        "null_type",
        "optional_type",
        "type",
    ];
    for name in types.into_iter().chain(QUALIFIED_TYPES) {
        context.add_variable_from_value(name, kind(name));
    }
    context
}

/// A type as a value; texts of objects are never like it.
fn kind(name: &str) -> Cel {
    Cel::String(Arc::new(format!("{KIND}{name}")))
}

const KIND: &str = "\u{0}type ";

fn type_name(value: &Cel) -> Cel {
    kind(match value {
        Cel::List(_) => "list",
        Cel::Map(_) => "map",
        Cel::Int(_) => "int",
        Cel::UInt(_) => "uint",
        Cel::Float(_) => "double",
        Cel::String(text) if text.starts_with(KIND) => "type",
        Cel::String(_) => "string",
        Cel::Duration(_) => "google.protobuf.Duration",
        Cel::Timestamp(_) => "google.protobuf.Timestamp",
        Cel::Opaque(value) => value.runtime_type_name(),
        Cel::Bytes(_) => "bytes",
        Cel::Bool(_) => "bool",
        Cel::Null => "null_type",
        Cel::Function(..) => "function",
    })
}

fn as_bool(ftx: &FunctionContext<'_, '_>, value: Cel) -> Result<Cel, ExecutionError> {
    match &value {
        Cel::Bool(_) => Ok(value),
        Cel::String(text) if ["1", "t", "true", "TRUE", "True"].contains(&text.as_str()) => {
            Ok(Cel::Bool(true))
        }
        Cel::String(text) if ["0", "f", "false", "FALSE", "False"].contains(&text.as_str()) => {
            Ok(Cel::Bool(false))
        }
        _ => Err(ftx.error("type conversion error from 'string' to 'bool'")),
    }
}

/// The values of the optionals of a list that have one.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the interpreter gives functions values"
)]
fn unwrapped(list: Arc<Vec<Cel>>) -> Result<Cel, ExecutionError> {
    let values = list.iter().filter_map(|item| {
        let optional: &OptionalValue = item.try_into().ok()?;
        optional.value().cloned()
    });
    Ok(Cel::List(Arc::new(values.collect())))
}

/// An optional with a value or without.
pub(super) fn optional(value: Option<Cel>) -> Cel {
    Cel::Opaque(Arc::new(
        value.map_or_else(OptionalValue::none, OptionalValue::of),
    ))
}

/// A value of a schema.
pub(super) fn of(value: &Value, schema: &Value, context: &Context<'_>) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(truth) => Cel::Bool(*truth),
        Value::Number(number) => match (number.as_i64(), json::text(schema, &["type"])) {
            (Some(whole), ty) if ty != "number" => Cel::Int(whole),
            _ => Cel::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => of_text(text, json::text(schema, &["format"]), context),
        Value::Array(list) => {
            let items = schema.get("items").unwrap_or(&Value::Null);
            Cel::List(Arc::new(list.iter().map(|v| of(v, items, context)).collect()))
        }
        Value::Object(map) => {
            let values = schema.get("additionalProperties").filter(|a| a.is_object());
            let is_map = values.is_some() || flag(schema, "additionalProperties");
            let mut fields = HashMap::with_capacity(map.len());
            for (name, child) in map {
                let property = schema.get("properties").and_then(|p| p.get(name)).or(values);
                let child = of(child, property.unwrap_or(&Value::Null), context);
                let name = if is_map { Some(name.clone()) } else { escaped(name) };
                if let Some(name) = name {
                    fields.insert(Key::String(Arc::new(name)), child);
                }
            }
            Cel::Map(Map {
                map: Arc::new(fields),
            })
        }
    }
}

fn of_text(text: &str, format: &str, context: &Context<'_>) -> Cel {
    let plain = || Cel::String(Arc::new(text.to_owned()));
    // Times are read as expressions read them.
    let read = |function: &str, text: String| {
        let mut scope = context.new_inner_scope();
        scope.add_variable_from_value("text", Cel::String(Arc::new(text)));
        let call = super::source::parse(&format!("{function}(text)")).ok()?;
        Cel::resolve(&call, &scope).ok()
    };
    match format {
        "byte" => base64::engine::general_purpose::STANDARD
            .decode(text)
            .map_or_else(|_| plain(), |bytes| Cel::Bytes(Arc::new(bytes))),
        "date-time" => read("timestamp", text.to_owned()).unwrap_or_else(plain),
        "date" => read("timestamp", format!("{text}T00:00:00Z")).unwrap_or_else(plain),
        "duration" => read("duration", text.to_owned()).unwrap_or_else(plain),
        _ => plain(),
    }
}
