//! Where a field stands, found when somebody asks.

use crate::resource::{Position, Source};
use crate::yaml::{self, DocumentLimits, Node, Value};

/// Finds the place of a field of a resource, such as `spec.pipelines[0].path`, in the text that it was read
/// from: the field itself (its key, or the item of a list), else the nearest parent that exists. `None` when
/// the resource was not read from a text.
///
/// The document is read again each time: call it for what is reported only.
#[must_use]
pub fn locate(source: &Source, field: &str) -> Option<Position> {
    let text = source.text.get(source.span.clone()).filter(|t| !t.is_empty())?;
    let root = yaml::read(text, source.line, &DocumentLimits::default()).root?;
    find(&root, &written(&source.renamed, field))
}

/// Finds the places of several fields, reading the document once. See [`locate`].
#[must_use]
pub fn locate_all<'f>(source: &Source, fields: impl IntoIterator<Item = &'f str>) -> Vec<Option<Position>> {
    let text = source.text.get(source.span.clone()).filter(|t| !t.is_empty());
    let root = text.and_then(|text| yaml::read(text, source.line, &DocumentLimits::default()).root);
    fields
        .into_iter()
        .map(|field| find(root.as_ref()?, &written(&source.renamed, field)))
        .collect()
}

/// Translates the path of a field in the resource to its path in the text.
pub(super) fn written(renamed: &[(String, String)], field: &str) -> String {
    let rest_after = |prefix: &str| {
        let rest = field.strip_prefix(prefix)?;
        (prefix.is_empty() || rest.is_empty() || rest.starts_with(['.', '['])).then_some(rest)
    };
    let best = renamed
        .iter()
        .filter_map(|(from, to)| Some((from, to, rest_after(from)?)))
        .max_by_key(|(from, _, _)| from.len());
    match best {
        Some((from, to, rest)) if from.is_empty() && !rest.is_empty() => format!("{to}.{rest}"),
        Some((_, to, rest)) => format!("{to}{rest}"),
        None => field.to_owned(),
    }
}

/// Finds the place of a path below a node, or of the nearest parent that exists.
pub(super) fn find(root: &Node, path: &str) -> Option<Position> {
    let mut node = root;
    let mut place = root.at;
    let mut rest = path;
    while !rest.is_empty() {
        let (at, next, after) = match &node.value {
            Value::Map(entries) => {
                // A key may itself have dots: the longest that fits is meant.
                let fitting = entries.iter().filter(|e| {
                    rest.strip_prefix(e.key.as_str())
                        .is_some_and(|after| after.is_empty() || after.starts_with(['.', '[']))
                });
                let Some(entry) = fitting.max_by_key(|e| e.key.len()) else {
                    break;
                };
                (entry.at, &entry.node, &rest[entry.key.len()..])
            }
            Value::List(items) => {
                let index = rest.strip_prefix('[').and_then(|r| r.split_once(']'));
                let Some((index, after)) = index else { break };
                let Some(item) = index.parse::<usize>().ok().and_then(|i| items.get(i)) else {
                    break;
                };
                (item.at, item, after)
            }
            _ => break,
        };
        place = at.or(place);
        node = next;
        rest = after.strip_prefix('.').unwrap_or(after);
    }
    place
}
