//! Bodies in Kubernetes' protobuf form, for the kinds that kubectl builds itself (`create namespace`, `create
//! deployment`, `auth can-i`, `create token` and the like) and always sends that way.
//!
//! Tables say which field has which number ([`table`] those of workloads); everything else is answered with 415.

mod table;

use base64::Engine as _;
use serde_json::{Map, Value};

/// What a field holds.
#[derive(Clone, Copy, Debug)]
enum Holds {
    Text,
    /// Zero stands for nothing.
    Number,
    /// Zero is a number.
    Count,
    Flag,
    /// False stands for nothing.
    Mark,
    Time,
    /// A number or a text.
    Either,
    /// Texts that are numbers with units, by name.
    Quantities,
    /// A text that is a number with a unit.
    Quantity,
    /// A message whose fields stand in the one around it.
    Inline(&'static str),
    Texts,
    TextMap,
    BytesMap,
    One(&'static str),
    Many(&'static str),
}

type Field = (u64, &'static str, Holds);

fn fields(message: &str) -> Option<&'static [Field]> {
    use Holds::{BytesMap, Flag, Many, Number, One, Text, TextMap, Texts, Time};
    Some(match message {
        "ObjectMeta" => &[
            (1, "name", Text),
            (2, "generateName", Text),
            (3, "namespace", Text),
            (5, "uid", Text),
            (6, "resourceVersion", Text),
            (7, "generation", Number),
            (8, "creationTimestamp", Time),
            (9, "deletionTimestamp", Time),
            (10, "deletionGracePeriodSeconds", Number),
            (11, "labels", TextMap),
            (12, "annotations", TextMap),
            (13, "ownerReferences", Many("OwnerReference")),
            (14, "finalizers", Texts),
        ],
        "OwnerReference" => &[
            (1, "kind", Text),
            (3, "name", Text),
            (4, "uid", Text),
            (5, "apiVersion", Text),
            (6, "controller", Flag),
            (7, "blockOwnerDeletion", Flag),
        ],
        "Namespace" => &[(1, "metadata", One("ObjectMeta"))],
        "ConfigMap" => &[
            (1, "metadata", One("ObjectMeta")),
            (2, "data", TextMap),
            (3, "binaryData", BytesMap),
            (4, "immutable", Flag),
        ],
        "Secret" => &[
            (1, "metadata", One("ObjectMeta")),
            (2, "data", BytesMap),
            (3, "type", Text),
            (4, "stringData", TextMap),
            (5, "immutable", Flag),
        ],
        "ServiceAccount" => &[
            (1, "metadata", One("ObjectMeta")),
            (4, "automountServiceAccountToken", Flag),
        ],
        "Role" | "ClusterRole" => &[
            (1, "metadata", One("ObjectMeta")),
            (2, "rules", Many("PolicyRule")),
        ],
        "PolicyRule" => &[
            (1, "verbs", Texts),
            (2, "apiGroups", Texts),
            (3, "resources", Texts),
            (4, "resourceNames", Texts),
            (5, "nonResourceURLs", Texts),
        ],
        "RoleBinding" | "ClusterRoleBinding" => &[
            (1, "metadata", One("ObjectMeta")),
            (2, "subjects", Many("Subject")),
            (3, "roleRef", One("RoleRef")),
        ],
        "Subject" => &[
            (1, "kind", Text),
            (2, "apiGroup", Text),
            (3, "name", Text),
            (4, "namespace", Text),
        ],
        "RoleRef" => &[(1, "apiGroup", Text), (2, "kind", Text), (3, "name", Text)],
        "SelfSubjectAccessReview" => &[
            (1, "metadata", One("ObjectMeta")),
            (2, "spec", One("SelfSubjectAccessReviewSpec")),
        ],
        "SelfSubjectAccessReviewSpec" => &[
            (1, "resourceAttributes", One("ResourceAttributes")),
            (2, "nonResourceAttributes", One("NonResourceAttributes")),
        ],
        "ResourceAttributes" => &[
            (1, "namespace", Text),
            (2, "verb", Text),
            (3, "group", Text),
            (4, "version", Text),
            (5, "resource", Text),
            (6, "subresource", Text),
            (7, "name", Text),
        ],
        "NonResourceAttributes" => &[(1, "path", Text), (2, "verb", Text)],
        "SelfSubjectRulesReview" => &[(1, "metadata", One("ObjectMeta")), (2, "spec", One("RulesSpec"))],
        "RulesSpec" => &[(1, "namespace", Text)],
        "SelfSubjectReview" => &[(1, "metadata", One("ObjectMeta"))],
        "TokenRequest" => &[
            (1, "metadata", One("ObjectMeta")),
            (2, "spec", One("TokenRequestSpec")),
        ],
        "TokenRequestSpec" => &[(1, "audiences", Texts), (4, "expirationSeconds", Number)],
        other => return table::fields(other),
    })
}

/// Fields that a message may have and that are left out on purpose: the server keeps `managedFields` (17) itself.
fn is_ignored(message: &str, number: u64) -> bool {
    matches!(
        (message, number),
        (
            "Namespace" | "SelfSubjectAccessReview" | "SelfSubjectRulesReview" | "TokenRequest",
            2 | 3
        ) | (
            "Deployment"
                | "Job"
                | "CronJob"
                | "Service"
                | "Ingress"
                | "ResourceQuota"
                | "PodDisruptionBudget"
                | "HorizontalPodAutoscaler"
                | "HorizontalPodAutoscalerV1",
            3
        ) | ("SelfSubjectReview", 2)
            | ("ObjectMeta", 4 | 17)
    )
}

/// Reads a body; none where it is malformed, or of a kind or with a field that the table does not have.
pub(crate) fn decode(body: &[u8]) -> Option<Value> {
    let mut envelope = Reader(body.strip_prefix(b"k8s\0")?);
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &[][..]);
    while let Some((number, part)) = envelope.next()? {
        match (number, part) {
            (1, Part::Bytes(bytes)) => {
                let mut meta = Reader(bytes);
                while let Some((number, Part::Bytes(text))) = meta.next()? {
                    let text = std::str::from_utf8(text).ok()?.to_owned();
                    match number {
                        1 => api_version = text,
                        2 => kind = text,
                        _ => {}
                    }
                }
            }
            (2, Part::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let of = match (api_version.as_str(), kind.as_str()) {
        ("autoscaling/v1", "HorizontalPodAutoscaler") => "HorizontalPodAutoscalerV1",
        (_, kind) => kind,
    };
    let mut object = message(of, raw)?;
    object.insert("apiVersion".to_owned(), api_version.into());
    object.insert("kind".to_owned(), kind.into());
    Some(Value::Object(object))
}

enum Part<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (first, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// The next field; `Some(None)` at the end, none where the bytes are malformed.
    #[allow(clippy::option_option, reason = "the end and an error are different")]
    fn next(&mut self) -> Option<Option<(u64, Part<'a>)>> {
        if self.0.is_empty() {
            return Some(None);
        }
        let key = self.varint()?;
        let part = match key & 7 {
            0 => Part::Number(self.varint()?),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                let (bytes, rest) = self.0.split_at_checked(length)?;
                self.0 = rest;
                Part::Bytes(bytes)
            }
            _ => return None,
        };
        Some(Some((key >> 3, part)))
    }
}

fn message(name: &str, bytes: &[u8]) -> Option<Map<String, Value>> {
    let table = fields(name)?;
    let mut object = Map::new();
    let mut reader = Reader(bytes);
    while let Some((number, part)) = reader.next()? {
        let Some((_, field, holds)) = table.iter().find(|(n, ..)| *n == number) else {
            if is_ignored(name, number) {
                continue;
            }
            return None;
        };
        put(&mut object, field, *holds, &part)?;
    }
    Some(object)
}

fn put(object: &mut Map<String, Value>, field: &str, holds: Holds, part: &Part<'_>) -> Option<()> {
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
    let field = field.to_owned();
    match (holds, part) {
        // Empty texts and zeros stand for nothing.
        (Holds::Text, Part::Bytes([])) | (Holds::Number, Part::Number(0)) => {}
        (Holds::Text, Part::Bytes(bytes)) => {
            object.insert(field, text(bytes)?.into());
        }
        (Holds::Number, Part::Number(number)) => {
            object.insert(field, i64::try_from(*number).ok()?.into());
        }
        (Holds::Count, Part::Number(number)) => {
            object.insert(field, i64::from_ne_bytes(number.to_ne_bytes()).into());
        }
        (Holds::Mark, Part::Number(0)) => {}
        (Holds::Flag | Holds::Mark, Part::Number(number)) => {
            object.insert(field, (*number != 0).into());
        }
        (Holds::Either, Part::Bytes(bytes)) => {
            object.insert(field, either(bytes)?);
        }
        (Holds::Quantity, Part::Bytes(bytes)) => {
            let Some((1, Part::Bytes(quantity))) = Reader(bytes).next()? else {
                return None;
            };
            object.insert(field, text(quantity)?.into());
        }
        (Holds::Inline(name), Part::Bytes(bytes)) => object.extend(message(name, bytes)?),
        // The server sets the times of metadata itself.
        (Holds::Time, Part::Bytes(_)) => {}
        (Holds::One(name), Part::Bytes(bytes)) => {
            object.insert(field, message(name, bytes)?.into());
        }
        (Holds::Texts | Holds::Many(_), Part::Bytes(bytes)) => {
            let item = match holds {
                Holds::Many(name) => message(name, bytes)?.into(),
                _ => Value::from(text(bytes)?),
            };
            object
                .entry(field)
                .or_insert_with(|| Value::Array(Vec::new()))
                .as_array_mut()?
                .push(item);
        }
        (Holds::TextMap | Holds::BytesMap | Holds::Quantities, Part::Bytes(bytes)) => {
            let (mut key, mut value) = (String::new(), &[][..]);
            let mut entry = Reader(bytes);
            while let Some((number, Part::Bytes(bytes))) = entry.next()? {
                match number {
                    1 => key = text(bytes)?,
                    2 => value = bytes,
                    _ => return None,
                }
            }
            let value = match holds {
                Holds::TextMap => text(value)?,
                Holds::Quantities => match Reader(value).next()? {
                    Some((1, Part::Bytes(quantity))) => text(quantity)?,
                    _ => return None,
                },
                _ => base64::engine::general_purpose::STANDARD.encode(value),
            };
            let map = object
                .entry(field)
                .or_insert_with(|| Value::Object(Map::new()))
                .as_object_mut()?;
            map.insert(key, value.into());
        }
        _ => return None,
    }
    Some(())
}

/// A value that is a number (type 0) or a text (type 1).
fn either(bytes: &[u8]) -> Option<Value> {
    let (mut is_text, mut number, mut text) = (false, 0_i64, String::new());
    let mut reader = Reader(bytes);
    while let Some(part) = reader.next()? {
        match part {
            (1, Part::Number(kind)) => is_text = kind != 0,
            (2, Part::Number(value)) => number = i64::from_ne_bytes(value.to_ne_bytes()),
            (3, Part::Bytes(value)) => std::str::from_utf8(value).ok()?.clone_into(&mut text),
            _ => return None,
        }
    }
    Some(if is_text { text.into() } else { number.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_bytes_are_no_object() {
        for bytes in [
            &b""[..],
            b"k8s\0\x0a\xff",
            b"k8s\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            b"k8s\0",
        ] {
            assert_eq!(decode(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn a_namespace_is_read() {
        let inner = b"\x0a\x06\x0a\x04shop\x12\x00\x1a\x00";
        let mut body = b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09Namespace\x12".to_vec();
        body.push(u8::try_from(inner.len()).unwrap());
        body.extend_from_slice(inner);
        let expect =
            serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
        assert_eq!(decode(&body), Some(expect));
    }
}
