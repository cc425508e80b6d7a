//! Tokens that say where a list goes on, in Kubernetes' form.

use base64::{Engine as _, engine::GeneralPurpose};
use serde_json::{Value, json};

use super::{json, server::Scope, status::Status};

/// What is read as a token, and then found to be none, is told apart from what cannot be read.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    base64::engine::general_purpose::NO_PAD.with_decode_allow_trailing_bits(true),
);

const VERSION: &str = "meta.k8s.io/v1";

/// Where a list goes on.
pub(crate) struct Continue {
    /// At which revision; none is whatever there is now, though the list was begun earlier.
    pub(crate) revision: Option<u64>,
    /// Namespace and name.
    pub(crate) place: (String, String),
    /// True where the object of that place comes as well.
    inclusive: bool,
}

impl Continue {
    /// Goes on after an object.
    pub(crate) fn after(revision: u64, namespace: &str, name: &str) -> Self {
        Self {
            revision: Some(revision),
            place: (namespace.to_owned(), name.to_owned()),
            inclusive: false,
        }
    }

    /// Reads the token of a list.
    ///
    /// # Errors
    /// Bad request where it is none.
    pub(crate) fn read(text: &str, scope: &Scope<'_>) -> Result<Self, Status> {
        let not_valid = |why: String| {
            Status::bad_request(format!("invalid continue token: continue key is not valid{why}"))
        };
        let bytes = LENIENT.decode(text).map_err(|_| not_valid(String::new()))?;
        let value: Value = serde_json::from_slice(&bytes)
            .map_err(|e| not_valid(format!(": {}", json::syntax_error(&bytes, &e))))?;
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
        if text("v") != VERSION {
            let why = format!(": server does not recognize this encoded version {:?}", text("v"));
            return Err(not_valid(why));
        }
        let revision = match value.get("rv").and_then(Value::as_i64).unwrap_or_default() {
            -1 => None,
            at => match u64::try_from(at) {
                Ok(at) if at > 0 => Some(at),
                _ => {
                    let why = format!(": incorrect encoded start resourceVersion (version {VERSION})");
                    return Err(not_valid(why));
                }
            },
        };
        let start = text("start");
        if start.is_empty() {
            let why = format!(": encoded start key empty (version {VERSION})");
            return Err(not_valid(why));
        }
        let (key, inclusive) = match start.strip_suffix('\0') {
            Some(key) => (key, false),
            None => (start, true),
        };
        let place = match (&scope.target.namespace, key.split_once('/')) {
            (Some(namespace), _) => (namespace.clone(), key.to_owned()),
            (None, Some((namespace, name))) => (namespace.to_owned(), name.to_owned()),
            (None, None) => (String::new(), key.to_owned()),
        };
        Ok(Self {
            revision,
            place,
            inclusive,
        })
    }

    /// The token of a list.
    pub(crate) fn write(&self, scope: &Scope<'_>) -> String {
        let (namespace, name) = &self.place;
        let mut start = name.clone();
        if scope.target.namespace.is_none() && !namespace.is_empty() {
            start = format!("{namespace}/{name}");
        }
        if !self.inclusive {
            start.push('\0');
        }
        let revision = self.revision.map_or_else(|| json!(-1), |at| json!(at));
        let value = json!({"v": VERSION, "rv": revision, "start": start}).to_string();
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value)
    }

    /// Whether an object is on this page or a later one.
    pub(crate) fn is_before(&self, place: &(String, String)) -> bool {
        *place > self.place || self.inclusive && *place == self.place
    }

    /// The refusal of a token whose revision was forgotten, with one that goes on with what there is now.
    pub(crate) fn too_old(&self, scope: &Scope<'_>) -> Value {
        let mut status = Status::gone(
            "The provided continue parameter is too old to display a consistent list result. You can start a new list \
             without the continue parameter, or use the continue token in this response to retrieve the remainder of \
             the results. Continuing with the provided token results in an inconsistent list - objects that were \
             created, modified, or deleted between the time the first chunk was returned and now may show up in the \
             list.",
        )
        .to_json();
        let now = Self {
            revision: None,
            place: self.place.clone(),
            inclusive: self.inclusive,
        };
        status["metadata"] = json!({"continue": now.write(scope)});
        status
    }
}
