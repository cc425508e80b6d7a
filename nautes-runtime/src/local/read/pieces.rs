//! The body of a list, written from the stored objects piece by piece: a list of any length is never whole in memory, and
//! its first objects are on their way before the last ones are written.

use std::{io::Write as _, sync::Arc};

use bytes::Bytes;
use http::Response;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value;

use super::{Form, Scope, item, text_of};
use crate::local::{
    kinds::{ResourceType, Version},
    server::{Body, plain, warn},
    store::Kept,
};

/// A piece is sent when it has this many bytes.
const PIECE: usize = 64 << 10;

/// A list that is being written.
struct Pieces {
    kind: Arc<ResourceType>,
    version: Arc<Version>,
    form: Form,
    items: std::vec::IntoIter<Kept>,
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
    items: Vec<Kept>,
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
    fn write(&mut self, kept: &Kept) {
        let shown = match self.form {
            Form::Metadata => serde_json::to_writer(&mut self.written, &Metadata(&kept.open())).is_ok(),
            Form::Whole | Form::Table => match text_of(kept, &self.kind, &self.version) {
                Some(text) if self.kind.custom => self.written.write_all(text).is_ok(),
                // The items of built-in kinds do not say their kind.
                Some(_) => {
                    let fields = kept.after_names();
                    self.written.push(b'{');
                    self.written
                        .write_all(fields.strip_prefix(b",").unwrap_or(fields))
                        .is_ok()
                }
                None => {
                    let item = item(&kept.open(), &self.kind, &self.version);
                    serde_json::to_writer(&mut self.written, &item).is_ok()
                }
            },
        };
        debug_assert!(shown, "a value is written to memory");
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
