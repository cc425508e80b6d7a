//! The functions that rules of Kubernetes may call, with their types.

use std::{collections::BTreeMap, sync::LazyLock};

use super::types::Type;

/// One way to call a function.
#[derive(Debug)]
pub(super) struct Overload {
    /// True where the first type is that of the value that it is called on.
    pub(super) is_member: bool,
    pub(super) takes: Vec<Type>,
    pub(super) gives: Type,
}

/// A line for each way: what it is called on (before a colon), its name, what it takes, what it gives. A single capital
/// stands for any type, `T` for those that have an order, `N` for those that can be added.
const DECLARED: &str = include_str!("functions.txt");

static FUNCTIONS: LazyLock<BTreeMap<&'static str, Vec<Overload>>> = LazyLock::new(|| {
    let mut functions: BTreeMap<&'static str, Vec<Overload>> = BTreeMap::new();
    for line in DECLARED.lines().filter(|l| !l.is_empty()) {
        if let Some((name, overloads)) = declared(line) {
            functions.entry(name).or_default().extend(overloads);
        }
    }
    functions
});

/// The ways to call a function; none where there is no such function.
pub(super) fn overloads(name: &str) -> Option<&'static [Overload]> {
    FUNCTIONS.get(name).map(Vec::as_slice)
}

const ORDERED: [&str; 8] = [
    "int",
    "uint",
    "double",
    "bool",
    "duration",
    "timestamp",
    "string",
    "bytes",
];
const ADDED: [&str; 4] = ["int", "uint", "double", "duration"];

fn declared(line: &'static str) -> Option<(&'static str, Vec<Overload>)> {
    let (left, gives) = line.split_once(" = ")?;
    let (left, takes) = left.split_once(' ').unwrap_or((left, ""));
    let (on, name) = match left.split_once(':') {
        Some((on, name)) if !left.starts_with('_') => (Some(on), name),
        _ => (None, left),
    };
    let written: Vec<&str> = on.into_iter().chain(takes.split_whitespace()).collect();
    let variants: &[&str] = match written.concat() {
        all if all.contains('T') => &ORDERED,
        all if all.contains('N') => &ADDED,
        _ => &["-"],
    };
    let overloads = variants.iter().map(|variant| {
        let ty = |text: &str| read(&text.replace(['T', 'N'], variant));
        Some(Overload {
            is_member: on.is_some(),
            takes: written.iter().map(|t| ty(t)).collect::<Option<_>>()?,
            gives: ty(gives)?,
        })
    });
    Some((name, overloads.collect::<Option<_>>()?))
}

/// Reads a type as it is written in declarations.
fn read(text: &str) -> Option<Type> {
    if let Some((outer, inner)) = text.strip_suffix(')').and_then(|t| t.split_once('(')) {
        return Some(match outer {
            "list" => Type::list(read(inner)?),
            "optional" => Type::optional(read(inner)?),
            "type" => Type::Kind(Box::new(read(inner)?)),
            "map" => {
                let (keys, values) = inner.split_once(',')?;
                Type::map(read(keys)?, read(values)?)
            }
            _ => return None,
        });
    }
    named(text)
}

/// A type by its name.
pub(super) fn named(text: &str) -> Option<Type> {
    Some(match text {
        "dyn" => Type::Dyn,
        "bool" => Type::Bool,
        "int" => Type::Int,
        "uint" => Type::Uint,
        "double" => Type::Double,
        "string" => Type::Text,
        "bytes" => Type::Bytes,
        "null_type" => Type::Null,
        "timestamp" | "google.protobuf.Timestamp" => Type::Timestamp,
        "duration" | "google.protobuf.Duration" => Type::Duration,
        "Quantity" => Type::Opaque("kubernetes.Quantity"),
        "URL" => Type::Opaque("kubernetes.URL"),
        "IP" => Type::Opaque("net.IP"),
        "CIDR" => Type::Opaque("net.CIDR"),
        "Semver" => Type::Opaque("kubernetes.Semver"),
        "Format" => Type::Opaque("kubernetes.NamedFormat"),
        "A" => Type::Param(0),
        "B" => Type::Param(1),
        _ => return None,
    })
}

/// A type that an expression names.
pub(super) fn global(name: &str) -> Option<Type> {
    let of = match name {
        "list" => Type::list(Type::Dyn),
        "map" => Type::map(Type::Dyn, Type::Dyn),
        "type" => Type::Kind(Box::new(Type::Dyn)),
        "optional_type" => Type::optional(Type::Dyn),
        "net.IP" => Type::Opaque("net.IP"),
        "net.CIDR" => Type::Opaque("net.CIDR"),
        "kubernetes.Quantity" => Type::Opaque("kubernetes.Quantity"),
        "kubernetes.URL" => Type::Opaque("kubernetes.URL"),
        "bool"
        | "int"
        | "uint"
        | "double"
        | "string"
        | "bytes"
        | "null_type"
        | "google.protobuf.Timestamp"
        | "google.protobuf.Duration" => named(name)?,
        _ => return None,
    };
    Some(Type::Kind(Box::new(of)))
}
