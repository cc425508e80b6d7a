//! Labels and annotations, which the schemas of kinds do not describe, by the rules of Kubernetes.

use crate::manifest::convert::Faults;
use crate::manifest::report::{join, quoted};
use crate::manifest::rule;
use crate::name::MAX_LABEL;
use crate::yaml::Entry;

/// The longest prefix of a key: a DNS subdomain.
const MAX_PREFIX: usize = 253;
/// How large all annotations of an object may be together, keys and values, in bytes.
const MAX_ANNOTATIONS: usize = 256 << 10;

/// Checks the texts of `metadata.labels` or `metadata.annotations`, which were found to be texts.
pub(in crate::manifest) fn check(field: &str, of_labels: bool, entries: &[Entry], faults: &mut Faults) {
    let mut size = 0;
    for entry in entries {
        let Some(text) = entry.node.as_text() else {
            continue;
        };
        size += entry.key.len() + text.len();
        if !is_key(&entry.key, of_labels) {
            let message = format!("{} is not the key of a label or annotation", quoted(&entry.key));
            let hint = "write for example example.org/team: letters, digits, '-', '_' and '.', at most 63, after a domain and '/' or alone";
            let path = join(field, &entry.key);
            faults.add(rule::FIELD_VALUE, entry.at, &path, message, Some(hint.to_owned()));
        }
        if let Some((what, hint)) = crate::annotation::check(&entry.key, text).filter(|_| !of_labels) {
            let message = format!("{} {what}", quoted(text));
            let path = join(field, &entry.key);
            faults.add(
                rule::FIELD_VALUE,
                entry.node.at,
                &path,
                message,
                Some(hint.to_owned()),
            );
        }
        if of_labels && !(text.is_empty() || is_word(text)) {
            let message = format!("{} is not the value of a label", quoted(text));
            let hint =
                "use at most 63 letters, digits, '-', '_' and '.', or an annotation, which takes any text";
            let path = join(field, &entry.key);
            faults.add(
                rule::FIELD_VALUE,
                entry.node.at,
                &path,
                message,
                Some(hint.to_owned()),
            );
        }
    }
    if !of_labels && size > MAX_ANNOTATIONS {
        let message = format!("the annotations have {size} bytes, {MAX_ANNOTATIONS} are allowed");
        let at = entries.first().and_then(|e| e.at);
        faults.add(rule::FIELD_VALUE, at, field, message, None);
    }
}

/// `name` or `prefix/name`; the prefix of an annotation may have capitals.
fn is_key(key: &str, of_label: bool) -> bool {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let lower = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || (!of_label && b.is_ascii_uppercase());
    let is_label = |part: &str| {
        let bytes = part.as_bytes();
        let ends = [bytes.first(), bytes.last()];
        ends.iter().all(|end| end.is_some_and(|b| lower(*b))) && bytes.iter().all(|b| lower(*b) || *b == b'-')
    };
    let is_prefix = |prefix: &str| prefix.len() <= MAX_PREFIX && prefix.split('.').all(is_label);
    prefix.is_none_or(is_prefix) && is_word(name)
}

/// At most 63 letters, digits, `-`, `_` and `.`, beginning and ending with a letter or digit.
fn is_word(text: &str) -> bool {
    let bytes = text.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    bytes.len() <= MAX_LABEL
        && ends.iter().all(|end| end.is_some_and(u8::is_ascii_alphanumeric))
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_qualified_names() {
        for good in ["a", "a.b/c", "A_b.C-1", "resource.nautes.io/from", "0/0"] {
            assert!(is_key(good, true), "{good}");
        }
        for bad in [
            "",
            "/a",
            "a/",
            "a b",
            "-a",
            "a-",
            "a/b/c",
            "A.b/c",
            "a..b/c",
            &"x".repeat(64),
        ] {
            assert!(!is_key(bad, true), "{bad}");
        }
        assert!(is_key("A.b/c", false));
    }
}
