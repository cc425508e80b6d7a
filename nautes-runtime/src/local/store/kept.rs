//! How an object is kept: as its text. An open JSON value takes seven to ten times the room, and most objects are only
//! shown, which the text does as it is.

use std::sync::Arc;

use serde_json::Value;

use crate::local::json;

/// Objects that are nested deeper stay open: readers of JSON stop at 128.
const DEPTH: usize = 100;

/// An object in the store. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    text: Arc<Text>,
    /// The value, where it is asked for all the time or does not come back from its text.
    open: Option<Arc<Value>>,
    /// Whether the value must stay.
    stays: bool,
}

#[derive(Debug)]
struct Text {
    /// The whole object, `apiVersion` and `kind` first.
    json: Box<[u8]>,
    /// Where `apiVersion` and `kind` end.
    head: usize,
    uid: Box<str>,
    terminating: bool,
    owned: bool,
}

impl Kept {
    pub(super) fn new(object: Value, stays: bool) -> Self {
        let (json, head) = write(&object);
        let text = Text {
            json: json.into(),
            head,
            uid: json::uid(&object).into(),
            terminating: json::is_terminating(&object),
            owned: !json::list(&object, &["metadata", "ownerReferences"]).is_empty(),
        };
        Self {
            text: Arc::new(text),
            stays: stays || !comes_back(&object, 0),
            open: Some(Arc::new(object)),
        }
    }

    /// The same, without a value that need not be there.
    pub(super) fn closed(&self) -> Self {
        Self {
            text: self.text.clone(),
            open: self.open.clone().filter(|_| self.stays),
            stays: self.stays,
        }
    }

    /// The value.
    pub(crate) fn open(&self) -> Arc<Value> {
        match &self.open {
            Some(open) => open.clone(),
            // It was written from a value of which `comes_back` holds.
            None => Arc::new(serde_json::from_slice(&self.text.json).unwrap_or_default()),
        }
    }

    /// The value, where it is open.
    pub(super) fn opened(&self) -> Option<&Arc<Value>> {
        self.open.as_ref()
    }

    pub(crate) fn uid(&self) -> &str {
        &self.text.uid
    }

    pub(crate) fn is_terminating(&self) -> bool {
        self.text.terminating
    }

    /// Whether it names owners.
    pub(crate) fn is_owned(&self) -> bool {
        self.text.owned
    }

    /// The text, if the object says this version and this kind.
    pub(crate) fn text_of(&self, api_version: &str, kind: &str) -> Option<&[u8]> {
        let text = &self.text;
        let mut head = Vec::with_capacity(text.head);
        names(&mut head, Some(api_version), Some(kind));
        (head == text.json[..text.head]).then_some(&text.json)
    }

    /// What of the text follows on version and kind, with its comma: a comma and fields, or the end.
    pub(crate) fn after_names(&self) -> &[u8] {
        &self.text.json[self.text.head..]
    }
}

/// Whether a value is the same when it is read from its text: numbers with a fraction may not be.
fn comes_back(value: &Value, depth: usize) -> bool {
    depth <= DEPTH
        && match value {
            Value::Number(number) => !number.is_f64(),
            Value::Array(items) => items.iter().all(|item| comes_back(item, depth + 1)),
            Value::Object(map) => map.values().all(|item| comes_back(item, depth + 1)),
            Value::Null | Value::Bool(_) | Value::String(_) => true,
        }
}

/// The text of an object, and where its version and kind end in it.
fn write(object: &Value) -> (Vec<u8>, usize) {
    let mut json = Vec::new();
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    names(&mut json, api_version, kind);
    let head = json.len();
    for (key, value) in object.as_object().into_iter().flatten() {
        if key == "apiVersion" && api_version.is_some() || key == "kind" && kind.is_some() {
            continue;
        }
        if json.len() > 1 {
            json.push(b',');
        }
        add(&mut json, key);
        json.push(b':');
        add(&mut json, value);
    }
    json.push(b'}');
    (json, head)
}

fn names(json: &mut Vec<u8>, api_version: Option<&str>, kind: Option<&str>) {
    json.push(b'{');
    for (key, value) in [("\"apiVersion\":", api_version), ("\"kind\":", kind)] {
        if let Some(value) = value {
            if json.len() > 1 {
                json.push(b',');
            }
            json.extend_from_slice(key.as_bytes());
            add(json, value);
        }
    }
}

fn add<T: serde::Serialize + ?Sized>(json: &mut Vec<u8>, value: &T) {
    let written = serde_json::to_writer(json, value);
    debug_assert!(written.is_ok(), "texts and values are written to memory");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_closed_comes_back_as_it_was() {
        let object = json!({
            "kind": "K", "apiVersion": "g/v1", "metadata": {"name": "a", "uid": "u", "ownerReferences": [{"uid": "o"}]},
            "spec": {"text": "a \"quoted\"\nline é", "most": u64::MAX, "least": i64::MIN, "none": null},
        });
        let kept = Kept::new(object.clone(), false).closed();
        assert!(kept.opened().is_none());
        assert_eq!(*kept.open(), object);
        assert_eq!(
            (kept.uid(), kept.is_owned(), kept.is_terminating()),
            ("u", true, false)
        );
        let text = kept.text_of("g/v1", "K").unwrap_or_default();
        assert_eq!(serde_json::from_slice::<Value>(text).ok(), Some(object));
        assert!(text.starts_with(br#"{"apiVersion":"g/v1","kind":"K","metadata""#));
        assert!(kept.after_names().starts_with(br#","metadata""#));
        assert!(kept.text_of("g/v2", "K").is_none() && kept.text_of("g/v1", "L").is_none());
    }

    #[test]
    fn what_would_not_come_back_stays_open() {
        let fraction = json!({"spec": {"part": 0.1}});
        let deep = (0..200).fold(json!({}), |inner, _| json!({ "a": inner }));
        for object in [fraction, deep] {
            let kept = Kept::new(object.clone(), false).closed();
            assert_eq!(kept.opened().map(AsRef::as_ref), Some(&object));
        }
        assert!(Kept::new(json!({}), true).closed().opened().is_some());
    }

    #[test]
    fn an_object_without_names_has_a_text_as_well() {
        for object in [json!({}), json!({"a": 1}), json!({"kind": "K"})] {
            assert_eq!(*Kept::new(object.clone(), false).closed().open(), object);
        }
    }
}
