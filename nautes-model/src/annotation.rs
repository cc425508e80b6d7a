//! What annotations of manifests ask of Nautes.
//!
//! | annotation | of | value |
//! |---|---|---|
//! | `nautes.resource.nautes.io/rotate-before` | `CodeRepo` | an instant, RFC 3339, for example `2026-11-28T12:00:00Z` |
//! | `nautes.resource.nautes.io/revoke-before` | `CodeRepo` | an instant |
//! | `nautes.resource.nautes.io/adopt` | `CodeRepo`, `Product` | the id on the forge |
//!
//! They are facts of Git: who asked, and when, is in its history, and asking twice is asking once.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;

/// Credentials made before this instant are replaced.
pub const ROTATE_BEFORE: &str = "nautes.resource.nautes.io/rotate-before";

/// Credentials made before this instant are replaced, and stop working as soon as their successors are in place: others
/// may know them.
pub const REVOKE_BEFORE: &str = "nautes.resource.nautes.io/revoke-before";

/// The repository or group with this id on the forge, which Nautes did not make, is taken over. The id says that this very
/// one is meant, and not another that gets its name.
pub const ADOPT: &str = "nautes.resource.nautes.io/adopt";

/// Returns the id of what is to be taken over.
#[must_use]
pub fn adopted(metadata: &ObjectMeta) -> Option<u64> {
    id(metadata.annotations.as_ref()?.get(ADOPT)?)
}

/// Returns the instant that an annotation holds.
#[must_use]
pub fn instant(metadata: &ObjectMeta, name: &str) -> Option<Timestamp> {
    metadata.annotations.as_ref()?.get(name)?.parse().ok()
}

/// An id as forges write them: without sign and leading zeros.
fn id(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// Says what is wrong with the value of an annotation, and what it should be.
pub(crate) fn check(key: &str, text: &str) -> Option<(&'static str, &'static str)> {
    match key {
        ROTATE_BEFORE | REVOKE_BEFORE if text.parse::<Timestamp>().is_err() => Some((
            "is no instant",
            "write an instant as in RFC 3339, for example 2026-11-28T12:00:00Z",
        )),
        ADOPT if id(text).is_none() => Some((
            "is no id on a forge",
            "write the number by which the forge knows the group or repository, in quotes: nautes import finds it",
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_checked_by_annotation() {
        for (key, good, bad) in [
            (ROTATE_BEFORE, "2026-11-28T12:00:00Z", "2026-11-28"),
            (REVOKE_BEFORE, "2026-11-28T12:00:00+01:00", ""),
            (ADOPT, "17", "017"),
            (ADOPT, "0", "shop/web"),
        ] {
            assert_eq!(check(key, good), None, "{key} {good}");
            assert!(check(key, bad).is_some(), "{key} {bad}");
        }
        assert_eq!(check("example.org/adopt", "yes"), None);
    }
}
