//! The body of a list, written from the stored objects piece by piece: a list of any length is never whole in memory, and
//! its first objects are on their way before the last ones are written.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use http::Response;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value;

use super::{Form, Scope, face, item};
use crate::local::{
    kinds::{ResourceType, Version},
    server::{Body, plain, warn},
};

/// A piece is sent when it has this many bytes.
const PIECE: usize = 64 << 10;

/// A list that is being written.
struct Pieces {
    kind: Arc<ResourceType>,
    version: Arc<Version>,
    form: Form,
    items: std::vec::IntoIter<Arc<Value>>,
    /// What is written and not sent.
    written: Vec<u8>,
    first: bool,
    done: bool,
}

/// The answer with a list in one of the forms that are lists of objects.
pub(super) fn respond(
    scope: &Scope<'_>,
    form: Form,
    metadata: &Value,
    items: Vec<Arc<Value>>,
    warnings: &[String],
) -> Response<Body> {
    let (api_version, kind) = match form {
        Form::Metadata => ("meta.k8s.io/v1".to_owned(), "PartialObjectMetadataList"),
        Form::Whole | Form::Table => (scope.api_version(), &*scope.kind.list_kind),
    };
    let (api_version, list_kind) = (Value::from(api_version), Value::from(kind));
    let head =
        format!("{{\"kind\":{list_kind},\"apiVersion\":{api_version},\"metadata\":{metadata},\"items\":[");
    let mut pieces = Pieces {
        kind: scope.kind.clone(),
        version: scope.version.clone(),
        form,
        items: items.into_iter(),
        written: head.into_bytes(),
        first: true,
        done: false,
    };
    let first = pieces.next().unwrap_or_default();
    let mut response = if pieces.done {
        // A short list says how long it is.
        plain(200, "application/json", first)
    } else {
        let frames = std::iter::once(first)
            .chain(pieces)
            .map(|piece| Ok(Frame::data(piece)));
        let mut response = plain(200, "application/json", Bytes::new());
        *response.body_mut() = StreamBody::new(futures::stream::iter(frames)).boxed_unsync();
        response
    };
    warn(&mut response, warnings);
    response
}

impl Iterator for Pieces {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.done {
            return None;
        }
        while self.written.len() < PIECE {
            let Some(object) = self.items.next() else {
                self.written.extend_from_slice(b"]}");
                self.done = true;
                break;
            };
            if !std::mem::take(&mut self.first) {
                self.written.push(b',');
            }
            self.write(&object);
        }
        Some(std::mem::take(&mut self.written).into())
    }
}

impl Pieces {
    fn write(&mut self, object: &Value) {
        let shown = match self.form {
            Form::Metadata => serde_json::to_writer(&mut self.written, &Metadata(object)),
            Form::Whole | Form::Table => match face(object, &self.kind, &self.version) {
                Cow::Borrowed(object) if !self.kind.custom => {
                    serde_json::to_writer(&mut self.written, &Nameless(object))
                }
                Cow::Borrowed(object) => serde_json::to_writer(&mut self.written, object),
                Cow::Owned(_) => {
                    serde_json::to_writer(&mut self.written, &item(object, &self.kind, &self.version))
                }
            },
        };
        debug_assert!(shown.is_ok(), "a value is written to memory");
    }
}

/// An object without its kind: the items of built-in kinds do not say it.
struct Nameless<'a>(&'a Value);

impl Serialize for Nameless<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in self.0.as_object().into_iter().flatten() {
            if key != "apiVersion" && key != "kind" {
                map.serialize_entry(key, value)?;
            }
        }
        map.end()
    }
}

/// The metadata of an object as an object of its own.
struct Metadata<'a>(&'a Value);

impl Serialize for Metadata<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("kind", "PartialObjectMetadata")?;
        map.serialize_entry("apiVersion", "meta.k8s.io/v1")?;
        map.serialize_entry("metadata", self.0.get("metadata").unwrap_or(&Value::Null))?;
        map.end()
    }
}
