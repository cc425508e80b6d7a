//! What is kept in descriptions: a marker, and the default branch of a repository that is empty.

use serde::{Deserialize, Serialize};

use crate::host::HostError;

const BEGIN: &str = "<!-- nautes: ";
const END: &str = " -->";
/// The longest marker, in bytes.
const LONGEST: usize = 200;

/// What a description holds besides what people read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Notes {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) marker: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) branch: Option<String>,
}

/// Puts notes behind a description.
pub(crate) fn join(description: &str, notes: &Notes) -> Result<String, HostError> {
    if notes.marker.as_ref().is_some_and(|marker| marker.len() > LONGEST) {
        return Err(HostError::invalid("the marker", "it is longer than 200 bytes"));
    }
    if *notes == Notes::default() {
        return Ok(description.to_owned());
    }
    let json =
        serde_json::to_string(notes).map_err(|error| HostError::internal("writing a description", error))?;
    // Neither can end the comment.
    let json = json.replace("--", "-\\u002d").replace('>', "\\u003e");
    let gap = if description.is_empty() { "" } else { "\n\n" };
    Ok(format!("{description}{gap}{BEGIN}{json}{END}"))
}

/// Tells what people read from the notes.
pub(crate) fn split(text: &str) -> (String, Notes) {
    let read = || {
        let (description, rest) = text.trim_end().rsplit_once(BEGIN)?;
        let notes = serde_json::from_str(rest.strip_suffix(END)?).ok()?;
        Some((description.trim_end_matches(['\n', '\r']).to_owned(), notes))
    };
    read().unwrap_or_else(|| (text.to_owned(), Notes::default()))
}

/// Returns the whole description after a change, `None` where it stays as it is.
pub(crate) fn merged(
    old: Option<&str>,
    description: Option<&str>,
    marker: Option<&Option<String>>,
    branch: Option<Option<String>>,
) -> Result<Option<String>, HostError> {
    let old = old.unwrap_or_default();
    let (mut shown, mut notes) = split(old);
    if let Some(description) = description {
        description.clone_into(&mut shown);
    }
    if let Some(marker) = marker {
        notes.marker.clone_from(marker);
    }
    if let Some(branch) = branch {
        notes.branch = branch;
    }
    let new = join(&shown, &notes)?;
    Ok((new != old).then_some(new))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_joined_is_split(
            description in "([ -~]{0,30}[a-z<>-])?",
            marker in prop::option::of("[ -~\n]{0,40}"),
            branch in prop::option::of("[a-z/]{1,10}"),
        ) {
            let notes = Notes { marker, branch };
            let text = join(&description, &notes).unwrap();
            prop_assert_eq!(text.matches("-->").count() - description.matches("-->").count(),
                usize::from(notes != Notes::default()));
            prop_assert_eq!(split(&text), (description, notes));
        }
    }

    #[test]
    fn descriptions_of_others_are_left_as_they_are() {
        for text in [
            "",
            "plain",
            "<!-- nautes: no json -->",
            "<!-- nautes: {} --> after",
        ] {
            assert_eq!(split(text), (text.to_owned(), Notes::default()), "{text}");
        }
    }
}
