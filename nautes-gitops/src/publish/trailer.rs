//! The facts that a commit of Nautes carries for machines, and reading them back.

use std::collections::{BTreeMap, BTreeSet};

use nautes_model::kinds::Retention;
use nautes_model::name::{ProductName, ResourceName};
use nautes_model::{Identity, Kind};

use crate::change::{ChangeSet, Edits};
use crate::repo::Trailers;

/// The id of the request that made the commit.
pub const REQUEST: &str = "Nautes-Request";
/// What made the commit, with its version.
pub const TOOL: &str = "Nautes-Tool";
/// By what a repetition of the request is known again.
pub const KEY: &str = "Nautes-Key";
/// A rule that the request asked to skip; once for each.
pub const SKIPPED_RULES: &str = "Nautes-Skipped-Rules";
/// A resource that the request removed; once for each.
pub const REMOVES: &str = "Nautes-Removes";
/// What becomes of a removed resource on the forge: `Kind/product/name=delete`.
pub const RETENTION: &str = "Nautes-Retention";

/// What a commit says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The id of the request, `None` for what somebody pushed by hand.
    pub request: Option<String>,
    /// What made it, with its version.
    pub tool: Option<String>,
    /// By what a repetition of the request is known again.
    pub key: Option<String>,
    /// The rules that were skipped.
    pub skipped_rules: Vec<String>,
    /// What was removed on purpose.
    pub removes: BTreeSet<Identity>,
    /// What becomes of it on the forge.
    pub retention: BTreeMap<Identity, Retention>,
}

impl Facts {
    /// Reads the facts of a commit; what is not ours is left out.
    ///
    /// Whoever may push can write these by hand: they say what somebody wanted, and give no right.
    #[must_use]
    pub fn read(trailers: &Trailers) -> Self {
        let all = |key: &str| trailers.get(key).into_iter().flatten();
        Self {
            request: all(REQUEST).next().cloned(),
            tool: all(TOOL).next().cloned(),
            key: all(KEY).next().cloned(),
            skipped_rules: all(SKIPPED_RULES).cloned().collect(),
            removes: all(REMOVES).filter_map(|text| identity(text)).collect(),
            retention: all(RETENTION).filter_map(|text| retention(text)).collect(),
        }
    }
}

/// Writes the facts of a change.
pub(super) fn write(change: &ChangeSet, edits: &Edits) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut push = |key: &str, value: String| all.push((key.to_owned(), value));
    for (key, value) in [
        (REQUEST, &change.request_id),
        (TOOL, &change.tool),
        (KEY, &change.key),
    ] {
        if !value.is_empty() {
            push(key, value.clone());
        }
    }
    for rule in &change.skipped_rules {
        push(SKIPPED_RULES, rule.clone());
    }
    for (identity, retention) in &edits.removed {
        push(REMOVES, identity.to_string());
        if let Some(retention) = retention {
            let word = match retention {
                Retention::Archive => "archive",
                Retention::Delete => "delete",
            };
            push(RETENTION, format!("{identity}={word}"));
        }
    }
    all
}

fn retention(text: &str) -> Option<(Identity, Retention)> {
    let (of, word) = text.split_once('=')?;
    let retention = match word {
        "archive" => Retention::Archive,
        "delete" => Retention::Delete,
        _ => return None,
    };
    Some((identity(of)?, retention))
}

/// Reads an identity as it is displayed: `Kind/name` or `Kind/product/name`.
fn identity(text: &str) -> Option<Identity> {
    let mut parts = text.split('/');
    let kind = Kind::from_name(parts.next()?)?;
    let (first, second) = (parts.next()?, parts.next());
    if parts.next().is_some() {
        return None;
    }
    match second {
        None => Some(Identity::tenant(kind, ResourceName::new(first).ok()?)),
        Some(name) => Some(Identity::product(
            kind,
            ProductName::new(first).ok()?,
            ResourceName::new(name).ok()?,
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_survive_the_message() {
        let gone = identity("CodeRepo/demo/app").unwrap();
        let change = ChangeSet {
            request_id: "r-1".to_owned(),
            tool: "nautes-api/1".to_owned(),
            key: "k:1".to_owned(),
            skipped_rules: vec!["A".to_owned(), "B".to_owned()],
            ..ChangeSet::default()
        };
        let edits = Edits {
            removed: BTreeMap::from([(gone.clone(), Some(Retention::Delete))]),
            ..Edits::default()
        };
        let message = crate::repo::history::compose("Remove", &write(&change, &edits));
        let facts = Facts::read(&crate::repo::history::trailers(&message));
        assert_eq!(facts.request.as_deref(), Some("r-1"));
        assert_eq!(
            (facts.tool.as_deref(), facts.key.as_deref()),
            (Some("nautes-api/1"), Some("k:1"))
        );
        assert_eq!(facts.skipped_rules, ["A", "B"]);
        assert_eq!(facts.removes, BTreeSet::from([gone.clone()]));
        assert_eq!(facts.retention, BTreeMap::from([(gone, Retention::Delete)]));
    }

    #[test]
    fn what_is_no_identity_is_left_out() {
        for bad in [
            "",
            "Nothing/a",
            "Environment",
            "Environment/a/b/c",
            "Environment/../x",
        ] {
            assert!(identity(bad).is_none(), "{bad}");
        }
    }
}
