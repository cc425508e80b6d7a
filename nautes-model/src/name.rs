//! Typed names: a value of one of these types is a valid DNS label, so it is safe as a Kubernetes name,
//! a directory, a file name and a path segment.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::crd::bounds::LABEL;

/// The longest name that Kubernetes accepts for a label, in bytes.
pub const MAX_LABEL: usize = 63;

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is empty.
    #[error("{what} is empty")]
    Empty {
        /// What the name is for.
        what: &'static str,
    },
    /// The text is longer than the maximum.
    #[error("{what} has {length} characters, {max} are allowed")]
    TooLong {
        /// What the name is for.
        what: &'static str,
        /// Its length in bytes.
        length: usize,
        /// The maximum in bytes.
        max: usize,
    },
    /// The text has a character that a DNS label cannot have, or begins or ends with `-`.
    #[error(
        "{what} {shown:?} is not a DNS label (lower-case letters, digits and '-', beginning and ending with a letter or digit)"
    )]
    NotLabel {
        /// What the name is for.
        what: &'static str,
        /// The beginning of the text.
        shown: String,
    },
}

/// Checks that `text` is a DNS-1123 label of at most `max` bytes.
///
/// # Errors
/// Says in which way it is not.
pub fn check_label(what: &'static str, text: &str, max: usize) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty { what });
    }
    if text.len() > max {
        return Err(NameError::TooLong {
            what,
            length: text.len(),
            max,
        });
    }
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let edge = |b: u8| inner(b) && b != b'-';
    let bytes = text.as_bytes();
    if !bytes.iter().copied().all(inner) || !edge(bytes[0]) || !edge(bytes[bytes.len() - 1]) {
        return Err(NameError::NotLabel {
            what,
            shown: text.chars().take(80).collect(),
        });
    }
    Ok(())
}

macro_rules! typed_name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The longest that this name may be, in bytes.
            pub const MAX: usize = $max;

            /// Reads a name.
            ///
            /// # Errors
            /// The text is not a DNS label, or too long.
            pub fn new(text: impl AsRef<str>) -> Result<Self, NameError> {
                let text = text.as_ref();
                check_label($what, text, Self::MAX)?;
                Ok(Self(Arc::from(text)))
            }

            /// Returns the name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = NameError;
            fn try_from(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                &*self.0 == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                &*self.0 == *other
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "minLength": 1,
                    "maxLength": Self::MAX,
                    "pattern": LABEL,
                })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::new(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

typed_name!(
    /// The name of a runtime or host cluster.
    ClusterName, "cluster name", MAX_LABEL
);
typed_name!(
    /// The name of a product: the path of its group on the forge.
    ProductName, "product name", MAX_LABEL - "product-".len()
);
typed_name!(
    /// The name of any resource within its scope (`metadata.name`).
    ResourceName, "name", MAX_LABEL
);
typed_name!(
    /// The name of a machine account of a runtime.
    AccountName, "account name", MAX_LABEL
);
typed_name!(
    /// The name of a namespace in a cluster.
    NamespaceName, "namespace", MAX_LABEL
);

impl ProductName {
    /// Returns the namespace of the product: `product-<name>`, or the name itself if it already begins so,
    /// as the names that the Go version of Nautes wrote (`product-560`) do.
    #[must_use]
    pub fn namespace(&self) -> String {
        if self.0.starts_with("product-") {
            self.0.to_string()
        } else {
            format!("product-{}", self.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_labels() {
        for good in ["a", "demo", "a-1", "0", &"x".repeat(55)] {
            assert!(ProductName::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "-a",
            "a-",
            "A",
            "a_b",
            "a.b",
            "../a",
            "a/b",
            "ä",
            &"x".repeat(56),
        ] {
            assert!(ProductName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn product_namespaces_keep_legacy_names() {
        let of = |name: &str| ProductName::new(name).unwrap().namespace();
        assert_eq!(of("demo"), "product-demo");
        assert_eq!(of("product-560"), "product-560");
    }
}
