//! The id of a Git object.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The id of a Git object, a SHA-1 in hexadecimal where it is text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Oid(git2::Oid);

/// A text is not the id of a Git object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{shown:?} is not an object id (40 hexadecimal digits)")]
pub struct OidError {
    /// The beginning of the text.
    shown: String,
}

impl Oid {
    /// The forty zeros by which Git's protocols say "no object".
    pub const ZERO: &'static str = "0000000000000000000000000000000000000000";

    pub(crate) fn git(self) -> git2::Oid {
        self.0
    }

    /// Returns the forty zeros.
    pub(crate) fn zero() -> Self {
        Self(git2::Oid::ZERO_SHA1)
    }

    /// Returns the id that a file with this content has in Git; `None` if it cannot be computed.
    #[must_use]
    pub fn of_content(bytes: &[u8]) -> Option<Self> {
        git2::Oid::hash_object(git2::ObjectType::Blob, bytes)
            .ok()
            .map(Self)
    }

    /// Returns the first eight digits, for messages.
    #[must_use]
    pub fn short(&self) -> String {
        self.0.to_string().chars().take(8).collect()
    }
}

impl From<git2::Oid> for Oid {
    fn from(id: git2::Oid) -> Self {
        Self(id)
    }
}

impl FromStr for Oid {
    type Err = OidError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || OidError {
            shown: text.chars().take(80).collect(),
        };
        if text.len() != 40 {
            return Err(wrong());
        }
        text.parse().map(Self).map_err(|_| wrong())
    }
}

impl TryFrom<String> for Oid {
    type Error = OidError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Oid> for String {
    fn from(id: Oid) -> Self {
        id.0.to_string()
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_ids_are_ids() {
        let whole = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(whole.parse::<Oid>().unwrap().to_string(), whole);
        for bad in [
            "",
            "0123",
            "g123456789abcdef0123456789abcdef01234567",
            &"0".repeat(64),
        ] {
            assert!(bad.parse::<Oid>().is_err(), "{bad}");
        }
    }
}
