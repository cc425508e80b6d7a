//! The error answers of the API server: `Status` objects in Kubernetes' own wording.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::kinds::ResourceType;

/// One reason why an object was refused: a field, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Machine-readable reason, for example `FieldValueRequired`.
    pub reason: &'static str,
    /// What is wrong, for example `Required value`.
    pub message: String,
    /// Path of the field, for example `spec.replicas`.
    pub field: String,
}

impl Cause {
    pub(crate) fn new(reason: &'static str, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            field: field.into(),
        }
    }

    pub(crate) fn required(field: impl Into<String>, detail: &str) -> Self {
        let message = if detail.is_empty() {
            "Required value".to_owned()
        } else {
            format!("Required value: {detail}")
        };
        Self::new("FieldValueRequired", field, message)
    }

    pub(crate) fn invalid(field: impl Into<String>, value: &Value, detail: impl AsRef<str>) -> Self {
        Self::invalid_shown(field, &value.to_string(), detail)
    }

    /// An invalid value that is shown in another form than its own.
    pub(crate) fn invalid_shown(field: impl Into<String>, shown: &str, detail: impl AsRef<str>) -> Self {
        let message = format!("Invalid value: {shown}: {}", detail.as_ref());
        Self::new("FieldValueInvalid", field, message)
    }

    /// The cause, found in a part of an object, for the place of that part.
    pub(crate) fn below(mut self, place: &str) -> Self {
        self.field = match self.field.as_str() {
            "" | "<nil>" => place.to_owned(),
            field => format!("{place}.{field}"),
        };
        self
    }

    pub(crate) fn forbidden(field: impl Into<String>, detail: impl AsRef<str>) -> Self {
        Self::new(
            "FieldValueForbidden",
            field,
            format!("Forbidden: {}", detail.as_ref()),
        )
    }

    pub(crate) fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        Self::new("FieldValueDuplicate", field, format!("Duplicate value: {value}"))
    }

    pub(crate) fn not_supported(field: impl Into<String>, value: &Value, allowed: &[String]) -> Self {
        let allowed: Vec<String> = allowed.iter().map(|a| format!("{a:?}")).collect();
        Self::new(
            "FieldValueNotSupported",
            field,
            format!(
                "Unsupported value: {value}: supported values: {}",
                allowed.join(", ")
            ),
        )
    }
}

/// An answer that says why a request failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Status {
    /// HTTP status code.
    pub code: u16,
    /// Machine-readable reason, for example `NotFound`.
    pub reason: Cow<'static, str>,
    /// What people read.
    pub message: String,
    /// `details` of the answer, without causes; empty details are sent as such.
    details: Option<Box<Value>>,
    /// What is wrong with each field.
    pub causes: Vec<Cause>,
}

impl Status {
    /// A failure with any code, reason and message.
    #[must_use]
    pub fn new(code: u16, reason: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
            message: message.into(),
            details: None,
            causes: Vec::new(),
        }
    }

    /// An admission refusal (403) as Kubernetes words the refusals of its plug-ins.
    #[must_use]
    pub fn denied(message: impl AsRef<str>) -> Self {
        Self::new(
            403,
            "Forbidden",
            format!("admission webhook denied the request: {}", message.as_ref()),
        )
    }

    /// A refusal in the words of another service.
    pub(crate) fn told(code: u16, reason: &str, message: String, details: Option<Value>) -> Self {
        Self {
            details: Some(Box::new(details.unwrap_or_else(|| json!({})))),
            ..Self::new(code, reason.to_owned(), message)
        }
    }

    pub(crate) fn detail(mut self, name: &str, group: &str, kind: &str) -> Self {
        let mut details = serde_json::Map::new();
        for (key, value) in [("name", name), ("group", group), ("kind", kind)] {
            if !value.is_empty() {
                details.insert(key.to_owned(), value.into());
            }
        }
        self.details = Some(Box::new(Value::Object(details)));
        self
    }

    pub(crate) fn causes(mut self, causes: Vec<Cause>) -> Self {
        self.causes = causes;
        self
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn internal(message: impl AsRef<str>) -> Self {
        Self::new(
            500,
            "InternalError",
            format!("Internal error occurred: {}", message.as_ref()),
        )
    }

    pub(crate) fn no_such_path() -> Self {
        Self::new(
            404,
            "NotFound",
            "the server could not find the requested resource",
        )
        .detail("", "", "")
    }

    /// A path of a group or version that nothing serves; said in plain text.
    pub(crate) fn no_such_group() -> Self {
        Self::new(404, "", "404 page not found")
    }

    pub(crate) fn is_no_such_group(&self) -> bool {
        *self == Self::no_such_group()
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        )
        .detail("", "", "")
    }

    pub(crate) fn not_found(kind: &ResourceType, name: &str) -> Self {
        Self::new(
            404,
            "NotFound",
            format!("{} {name:?} not found", kind.qualified()),
        )
        .detail(name, &kind.group, &kind.plural)
    }

    pub(crate) fn already_exists(kind: &ResourceType, name: &str) -> Self {
        Self::new(
            409,
            "AlreadyExists",
            format!("{} {name:?} already exists", kind.qualified()),
        )
        .detail(name, &kind.group, &kind.plural)
    }

    /// A name that was made up and is taken: the client may try again.
    pub(crate) fn not_unique(mut self) -> Self {
        self.message
            .push_str(", the server was not able to generate a unique name for the object");
        self.details.get_or_insert_with(|| Box::new(json!({})))["retryAfterSeconds"] = 1.into();
        self
    }

    /// A request that may be made again after some seconds; after a while where nobody knows.
    pub(crate) fn too_many_requests(message: &str, seconds: u64) -> Self {
        let status = Self::new(429, "TooManyRequests", message).detail("", "", "");
        match seconds {
            0 => status,
            _ => Self {
                details: Some(Box::new(json!({"retryAfterSeconds": seconds}))),
                ..status
            },
        }
    }

    /// After how many seconds a request may be made again.
    pub(crate) fn retry_after(&self) -> u64 {
        let told = self.details.as_ref().and_then(|d| d.get("retryAfterSeconds"));
        told.and_then(Value::as_u64).unwrap_or(1)
    }

    pub(crate) fn conflict(kind: &ResourceType, name: &str, detail: &str) -> Self {
        let what = kind.qualified();
        Self::new(
            409,
            "Conflict",
            format!("Operation cannot be fulfilled on {what} {name:?}: {detail}"),
        )
        .detail(name, &kind.group, &kind.plural)
    }

    pub(crate) fn stale(kind: &ResourceType, name: &str) -> Self {
        Self::conflict(
            kind,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    pub(crate) fn forbidden(kind: &ResourceType, name: &str, detail: &str) -> Self {
        let what = kind.qualified();
        Self::new(
            403,
            "Forbidden",
            format!("{what} {name:?} is forbidden: {detail}"),
        )
        .detail(name, &kind.group, &kind.plural)
    }

    pub(crate) fn invalid(group: &str, kind: &str, name: &str, causes: Vec<Cause>) -> Self {
        let mut parts: Vec<String> = causes
            .iter()
            .map(|c| format!("{}: {}", c.field, c.message))
            .collect();
        parts.dedup();
        let list = if parts.len() == 1 {
            parts.swap_remove(0)
        } else {
            format!("[{}]", parts.join(", "))
        };
        let qualified = if group.is_empty() {
            kind.to_owned()
        } else {
            format!("{kind}.{group}")
        };
        Self::new(422, "Invalid", format!("{qualified} {name:?} is invalid: {list}"))
            .detail(name, group, kind)
            .causes(causes)
    }

    /// A request in a media type that the server does not take there.
    pub(crate) fn unsupported_media() -> Self {
        Self::new(415, "UnsupportedMediaType", "415: Unsupported Media Type").detail("", "", "")
    }

    pub(crate) fn gone(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// The answer as the API sends it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut details = self.details.as_deref().cloned();
        if !self.causes.is_empty() {
            let causes: Value = self
                .causes
                .iter()
                .map(|c| match c.field.as_str() {
                    "" => json!({"reason": c.reason, "message": c.message}),
                    field => json!({"reason": c.reason, "message": c.message, "field": field}),
                })
                .collect();
            details.get_or_insert_with(|| json!({}))["causes"] = causes;
        }
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code,
        });
        if !self.reason.is_empty() {
            status["reason"] = self.reason.clone().into();
        }
        if let Some(details) = details {
            status["details"] = details;
        }
        status
    }
}
