//! What a document says otherwise than the current form, as steps that an editor of the text can follow.

/// One thing that was read otherwise than it is written. Paths are those of the text, below the resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::manifest) enum Step {
    /// The field has another name now.
    Key {
        /// The field.
        path: String,
        /// Its name now.
        key: String,
    },
    /// The value is the only field of a mapping now.
    Wrap {
        /// The field.
        path: String,
        /// The name of the field in the mapping.
        key: &'static str,
    },
    /// The number is a text now.
    Text {
        /// The field.
        path: String,
        /// The text.
        text: String,
    },
    /// The field says nothing, or what another says: it goes.
    Drop {
        /// The field.
        path: String,
    },
    /// The value stands in the metadata now.
    Metadata {
        /// Where it stands.
        path: String,
        /// The field of the metadata.
        key: &'static str,
        /// What it is there, unless it is what is written.
        value: Option<String>,
        /// Whether it stays where it was, too.
        stays: bool,
    },
    /// The values are additions of a component now.
    Additions(Additions),
    /// The field holds a secret, and stays.
    Secret {
        /// The field.
        path: String,
    },
}

/// Settings of a component that had a field of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::manifest) struct Additions {
    /// The old field, which goes.
    pub(in crate::manifest) path: String,
    /// The slot of the component.
    pub(in crate::manifest) slot: &'static str,
    /// The component, for a slot that is not there yet.
    pub(in crate::manifest) name: &'static str,
    /// Its namespace.
    pub(in crate::manifest) namespace: &'static str,
    /// Where each value stands, and its name among the additions.
    pub(in crate::manifest) values: Vec<(String, String)>,
}
