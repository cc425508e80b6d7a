//! The rules for names, labels and annotations, with the words Kubernetes refuses them by.

use serde_json::Value;

use super::{json, kinds::ResourceType, status::Cause};

const LABEL_MESSAGE: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', \
    and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for \
    validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const LABEL_1035_MESSAGE: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start \
    with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used \
    for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN_MESSAGE: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
    characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex \
    used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const VALUE_MESSAGE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', \
    '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or \
    '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const QUALIFIED_MESSAGE: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must \
    start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for \
    validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

fn is_label(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    edge(text.chars().next())
        && edge(text.chars().last())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// Why a text is no DNS label.
pub(crate) fn dns_label(text: &str) -> Option<String> {
    if text.len() > 63 {
        return Some("must be no more than 63 bytes".to_owned());
    }
    (!is_label(text)).then(|| LABEL_MESSAGE.to_owned())
}

/// Why a text is no DNS label that begins with a letter.
pub(crate) fn dns_1035_label(text: &str) -> Option<String> {
    if text.len() > 63 {
        return Some("must be no more than 63 bytes".to_owned());
    }
    let begins = text.starts_with(|c: char| c.is_ascii_lowercase());
    (!begins || !is_label(text)).then(|| LABEL_1035_MESSAGE.to_owned())
}

/// Why a text is no DNS subdomain.
pub(crate) fn dns_subdomain(text: &str) -> Option<String> {
    if text.len() > 253 {
        return Some("must be no more than 253 bytes".to_owned());
    }
    (!text.split('.').all(is_label)).then(|| SUBDOMAIN_MESSAGE.to_owned())
}

fn is_word(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    edge(text.chars().next())
        && edge(text.chars().last())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// Why a text is no label value.
pub(crate) fn label_value(text: &str) -> Option<String> {
    if text.len() > 63 {
        return Some("must be no more than 63 bytes".to_owned());
    }
    (!text.is_empty() && !is_word(text)).then(|| VALUE_MESSAGE.to_owned())
}

/// Why a text is no qualified name (a label or annotation key).
pub(crate) fn qualified_name(text: &str) -> Option<String> {
    let (prefix, name) = match text.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    if let Some(prefix) = prefix {
        if prefix.is_empty() {
            return Some("prefix part must be non-empty".to_owned());
        }
        if let Some(why) = dns_subdomain(prefix) {
            return Some(format!("prefix part {why}"));
        }
    }
    if name.is_empty() {
        return Some("name part must be non-empty".to_owned());
    }
    if name.len() > 63 {
        return Some("name part must be no more than 63 bytes".to_owned());
    }
    (!is_word(name)).then(|| QUALIFIED_MESSAGE.to_owned())
}

/// Why a text cannot be the key of a label in a selector.
pub(crate) fn label_key(text: &str) -> Option<String> {
    if text.matches('/').count() > 1 {
        let rule = QUALIFIED_MESSAGE.trim_start_matches("name part");
        let more = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
        return Some(format!("a valid label key{rule} {more}"));
    }
    qualified_name(text)
}

/// Why a text cannot be a segment of a path (the rule for RBAC names).
fn path_segment(text: &str) -> Option<String> {
    if text == "." || text == ".." {
        return Some(format!("may not be '{text}'"));
    }
    ["/", "%"]
        .into_iter()
        .find(|c| text.contains(c))
        .map(|c| format!("may not contain '{c}'"))
}

const STANDARD_FINALIZERS: &[&str] = &[
    "kubernetes",
    "orphan",
    "foregroundDeletion",
    super::crd::FINALIZER,
];

/// How often a label or annotation that cannot be is told: the checks of an update that all kinds share and those of
/// the kind itself each look at them.
pub(crate) fn times_told(kind: &ResourceType, is_update: bool) -> usize {
    match (kind.group.as_str(), kind.plural.as_str()) {
        _ if !is_update => 1,
        ("policy", "poddisruptionbudgets") => 2,
        ("", plural)
            if ![
                "events",
                "limitranges",
                "replicationcontrollers",
                "resourcequotas",
                "services",
            ]
            .contains(&plural) =>
        {
            4
        }
        ("batch", "jobs")
        | ("networking.k8s.io", "ingresses" | "ingressclasses")
        | ("rbac.authorization.k8s.io", _) => 4,
        _ => 3,
    }
}

/// What is wrong with the metadata of an object.
pub(crate) fn metadata_causes(object: &Value, kind: &ResourceType) -> Vec<Cause> {
    let mut causes = Vec::new();
    let name = json::name(object);
    let rule: fn(&str) -> Option<String> = match (kind.group.as_str(), kind.plural.as_str()) {
        ("rbac.authorization.k8s.io", _) => path_segment,
        ("", "namespaces" | "services") => dns_label,
        _ => dns_subdomain,
    };
    let prefix = json::text(object, &["metadata", "generateName"]);
    // A name may go on after a hyphen.
    let begun = prefix
        .strip_suffix('-')
        .map_or_else(|| prefix.to_owned(), |p| format!("{p}a"));
    if let Some(why) = Some(&*begun).filter(|b| !b.is_empty()).and_then(rule) {
        causes.push(Cause::invalid("metadata.generateName", &Value::from(prefix), why));
    }
    let why = rule(name);
    if name.is_empty() {
        causes.push(Cause::required(
            "metadata.name",
            "name or generateName is required",
        ));
    } else if let Some(why) = why {
        causes.push(Cause::invalid("metadata.name", &Value::from(name), why));
    }
    for (key, value) in json::meta(object)
        .get("labels")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        if let Some(why) = qualified_name(key) {
            causes.push(Cause::invalid("metadata.labels", &Value::from(key.as_str()), why));
        }
        if let Some(why) = value.as_str().and_then(label_value) {
            causes.push(Cause::invalid("metadata.labels", value, why));
        }
    }
    annotation_causes(object, &mut causes);
    owner_causes(object, &mut causes);
    for (index, finalizer) in json::texts(object, &["metadata", "finalizers"])
        .into_iter()
        .enumerate()
    {
        if let Some(why) = qualified_name(finalizer) {
            causes.push(Cause::invalid(
                "metadata.finalizers",
                &Value::from(finalizer),
                why,
            ));
        } else if !kind.custom && !finalizer.contains('/') && !STANDARD_FINALIZERS.contains(&finalizer) {
            let field = format!("metadata.finalizers[{index}]");
            let why = "name is neither a standard finalizer name nor is it fully qualified";
            causes.push(Cause::invalid(field, &Value::from(finalizer), why));
        }
    }
    causes
}

fn annotation_causes(object: &Value, causes: &mut Vec<Cause>) {
    let mut size = 0;
    for (key, value) in json::meta(object)
        .get("annotations")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        size += key.len() + value.as_str().map_or(0, str::len);
        if let Some(why) = qualified_name(&key.to_lowercase()) {
            causes.push(Cause::invalid(
                "metadata.annotations",
                &Value::from(key.as_str()),
                why,
            ));
        }
    }
    if size > 256 << 10 {
        let message = "Too long: may not be more than 262144 bytes";
        causes.push(Cause::new("FieldValueTooLong", "metadata.annotations", message));
    }
}

fn owner_causes(object: &Value, causes: &mut Vec<Cause>) {
    let mut controllers = 0;
    for owner in json::list(object, &["metadata", "ownerReferences"]) {
        for field in ["apiVersion", "kind", "name", "uid"] {
            if json::text(owner, &[field]).is_empty() {
                let path = format!("metadata.ownerReferences.{field}");
                causes.push(Cause::invalid(path, &Value::from(""), "must not be empty"));
            }
        }
        controllers += usize::from(owner.get("controller") == Some(&Value::Bool(true)));
    }
    if controllers > 1 {
        let detail = "Only one reference can have Controller set to true";
        causes.push(Cause::new(
            "FieldValueInvalid",
            "metadata.ownerReferences",
            detail,
        ));
    }
}
