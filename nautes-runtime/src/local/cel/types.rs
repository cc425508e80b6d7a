//! The types of expressions, and which of them can stand for which.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde_json::Value;

use crate::local::json;

/// The type of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Type {
    /// Known when the expression runs.
    Dyn,
    /// Of an expression that was refused: nothing more is said of it.
    Error,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Bytes,
    Timestamp,
    Duration,
    List(Box<Self>),
    Map(Box<(Self, Self)>),
    Optional(Box<Self>),
    /// The type of types.
    Kind(Box<Self>),
    Object(Arc<Object>),
    /// A type of a library.
    Opaque(&'static str),
    /// Stands for a type that is not known yet.
    Param(usize),
}

/// The type of objects of one schema.
#[derive(Debug)]
pub(super) struct Object {
    /// Where the schema is: no two of a definition are the same.
    name: String,
    pub(super) fields: BTreeMap<String, Type>,
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Type {
    pub(super) fn list(of: Self) -> Self {
        Self::List(Box::new(of))
    }

    pub(super) fn map(keys: Self, values: Self) -> Self {
        Self::Map(Box::new((keys, values)))
    }

    pub(super) fn optional(of: Self) -> Self {
        Self::Optional(Box::new(of))
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Dyn | Self::Error)
    }

    /// What may be null.
    fn is_nullable(&self) -> bool {
        matches!(
            self,
            Self::Null
                | Self::Object(_)
                | Self::Opaque(_)
                | Self::Optional(_)
                | Self::Timestamp
                | Self::Duration
        )
    }

    /// True where this is at least as general as another type.
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Dyn | Self::Error | Self::Param(_), _) => true,
            (_, Self::Dyn | Self::Error | Self::Param(_)) => false,
            (Self::List(a), Self::List(b)) | (Self::Optional(a), Self::Optional(b)) => a.covers(b),
            (Self::Map(a), Self::Map(b)) => a.0.covers(&b.0) && a.1.covers(&b.1),
            (a, b) => a == b,
        }
    }

    /// The type of the values of a schema; none where nothing is known of them.
    pub(super) fn of_schema(schema: &Value, name: &str, root: bool) -> Option<Self> {
        if flag(schema, "x-kubernetes-int-or-string") {
            return Some(Self::Dyn);
        }
        let of = |child: &Value, name: String| {
            Self::of_schema(child, &name, flag(child, "x-kubernetes-embedded-resource"))
        };
        Some(match json::text(schema, &["type"]) {
            "array" => Self::list(of(schema.get("items")?, format!("{name}.@idx"))?),
            "object" => match schema.get("additionalProperties").filter(|a| a.is_object()) {
                Some(values) => Self::map(Self::Text, of(values, format!("{name}.@elem"))?),
                None => Self::object(schema, name, root),
            },
            "string" => match json::text(schema, &["format"]) {
                "byte" => Self::Bytes,
                "duration" => Self::Duration,
                "date" | "date-time" => Self::Timestamp,
                _ => Self::Text,
            },
            "boolean" => Self::Bool,
            "number" => Self::Double,
            "integer" => Self::Int,
            // A resource is one without being said to be an object.
            _ if root => Self::object(schema, name, root),
            _ => return None,
        })
    }

    fn object(schema: &Value, name: &str, root: bool) -> Self {
        let mut fields: BTreeMap<String, Self> = schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(key, child)| {
                let is_resource = flag(child, "x-kubernetes-embedded-resource");
                let ty = Self::of_schema(child, &format!("{name}.{key}"), is_resource)?;
                Some((escaped(key)?, ty))
            })
            .collect();
        if root {
            let texts = |keys: &[&str]| keys.iter().map(|k| ((*k).to_owned(), Self::Text)).collect();
            let metadata = Object {
                name: format!("{name}.metadata"),
                fields: texts(&["name", "generateName"]),
            };
            fields.extend::<BTreeMap<_, _>>(texts(&["apiVersion", "kind"]));
            fields.insert("metadata".to_owned(), Self::Object(Arc::new(metadata)));
        }
        Self::Object(Arc::new(Object {
            name: name.to_owned(),
            fields,
        }))
    }
}

pub(super) fn flag(schema: &Value, key: &str) -> bool {
    schema.get(key) == Some(&Value::Bool(true))
}

/// Names that an expression cannot use as they are.
const RESERVED: [&str; 22] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
    "__namespace__",
];

/// The name of a field in expressions; none where it cannot be named.
pub(super) fn escaped(field: &str) -> Option<String> {
    let usable = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    if field.is_empty() || field.starts_with(|c: char| c.is_ascii_digit()) || !field.chars().all(usable) {
        return None;
    }
    if RESERVED.contains(&field) {
        return Some(format!("__{field}__"));
    }
    let plain = field.replace("__", "\u{0}");
    let parts = [
        ("\u{0}", "__underscores__"),
        (".", "__dot__"),
        ("-", "__dash__"),
        ("/", "__slash__"),
    ];
    Some(
        parts
            .iter()
            .fold(plain, |name, (from, to)| name.replace(from, to)),
    )
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dyn | Self::Param(_) => "dyn",
            Self::Error => "!error!",
            Self::Null => "null",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            Self::Text => "string",
            Self::Bytes => "bytes",
            Self::Timestamp => "timestamp",
            Self::Duration => "duration",
            Self::Opaque(name) => name,
            Self::List(of) => return write!(f, "list({of})"),
            Self::Map(of) => return write!(f, "map({}, {})", of.0, of.1),
            Self::Optional(of) => return write!(f, "optional_type({of})"),
            Self::Kind(of) => return write!(f, "type({of})"),
            Self::Object(object) => &object.name,
        })
    }
}

/// What is known of the types that parameters stand for.
#[derive(Clone, Debug, Default)]
pub(super) struct Bindings(Vec<Option<Type>>);

impl Bindings {
    pub(super) fn fresh(&mut self) -> Type {
        self.0.push(None);
        Type::Param(self.0.len() - 1)
    }

    /// A type with what is known of its parameters.
    pub(super) fn resolved(&self, ty: &Type) -> Type {
        match ty {
            Type::Param(at) => match self.0.get(*at).and_then(Option::as_ref) {
                Some(known) => self.resolved(known),
                None => ty.clone(),
            },
            Type::List(of) => Type::list(self.resolved(of)),
            Type::Map(of) => Type::map(self.resolved(&of.0), self.resolved(&of.1)),
            Type::Optional(of) => Type::optional(self.resolved(of)),
            Type::Kind(of) => Type::Kind(Box::new(self.resolved(of))),
            other => other.clone(),
        }
    }

    /// True where values of `from` can be given where each of `to` is wanted; keeps what was learnt only then.
    pub(super) fn assign_all(&mut self, from: &[Type], to: &[Type]) -> bool {
        let before = self.clone();
        let fits = from.len() == to.len() && from.iter().zip(to).all(|(f, t)| self.fits(f, t));
        if !fits {
            *self = before;
        }
        fits
    }

    pub(super) fn assign(&mut self, from: &Type, to: &Type) -> bool {
        self.assign_all(std::slice::from_ref(from), std::slice::from_ref(to))
    }

    /// The more general of two types that fit each other.
    pub(super) fn general(&self, a: &Type, b: &Type) -> Type {
        let (a, b) = (self.resolved(a), self.resolved(b));
        if a.covers(&b) { a } else { b }
    }

    fn fits(&mut self, from: &Type, to: &Type) -> bool {
        if let Type::Param(at) = to {
            match self.stands_for(from, *at) {
                (true, _) => return true,
                (false, true) => return false,
                (false, false) => {}
            }
        }
        if let Type::Param(at) = from {
            return self.stands_for(to, *at).0;
        }
        match (from, to) {
            (a, b) if a.is_open() || b.is_open() => true,
            (Type::Null, other) | (other, Type::Null) => other.is_nullable(),
            (Type::Kind(_), Type::Kind(_)) => true,
            (Type::List(a), Type::List(b)) | (Type::Optional(a), Type::Optional(b)) => self.fits(a, b),
            (Type::Map(a), Type::Map(b)) => self.fits(&a.0, &b.0) && self.fits(&a.1, &b.1),
            (a, b) => a == b,
        }
    }

    /// Whether a parameter can stand for a type, and whether it stood for one before.
    fn stands_for(&mut self, ty: &Type, at: usize) -> (bool, bool) {
        if *ty == Type::Param(at) {
            return (true, true);
        }
        if let Some(known) = self.0.get(at).cloned().flatten() {
            if *ty == known {
                return (true, true);
            }
            if !self.fits(ty, &known) {
                return (false, true);
            }
            let general = self.general(ty, &known);
            if !self.mentions(&general, at) {
                self.0[at] = Some(general);
            }
            return (true, true);
        }
        if self.mentions(ty, at) {
            return (false, false);
        }
        self.0[at] = Some(ty.clone());
        (true, false)
    }

    fn mentions(&self, ty: &Type, at: usize) -> bool {
        match ty {
            Type::Param(other) => {
                *other == at
                    || self
                        .0
                        .get(*other)
                        .and_then(Option::as_ref)
                        .is_some_and(|t| self.mentions(t, at))
            }
            Type::List(of) | Type::Optional(of) | Type::Kind(of) => self.mentions(of, at),
            Type::Map(of) => self.mentions(&of.0, at) || self.mentions(&of.1, at),
            _ => false,
        }
    }
}
