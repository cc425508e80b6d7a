//! Deliveries to a hook, whichever forge they come from.

use super::types::{HookEvent, Poke};

/// The largest body that is read, in bytes.
pub const MAX_BODY: usize = 1 << 20;

/// A delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it is about.
    pub event: HookEvent,
    /// Where to look; `None` for a repository that is none here, such as one of a person.
    pub poke: Option<Poke>,
    /// The branch or tag that it is about, by its full name, as far as it says: of a merge request, its target.
    pub reference: Option<String>,
    /// Of a merge request, where it comes from.
    pub source: Option<Source>,
}

/// Where a merge request comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A branch of the same repository, by its full name.
    Branch(String),
    /// Another repository, such as a fork.
    Elsewhere,
}

/// Why a delivery is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The secret is missing or wrong.
    #[error("the secret is not that of the hook")]
    Token,
    /// The body is too large.
    #[error("the body has more than {MAX_BODY} bytes")]
    TooLarge,
    /// The event is none that is known.
    #[error("the event is not known")]
    Event,
    /// The body is no delivery.
    #[error("the body is not what the forge delivers")]
    Body,
}

/// Returns the full name of a reference; jobs, pipelines and deployments name it in short.
pub(crate) fn full(name: &str, is_tag: bool) -> String {
    match (name.starts_with("refs/"), is_tag) {
        (true, _) => name.to_owned(),
        (false, true) => format!("refs/tags/{name}"),
        (false, false) => format!("refs/heads/{name}"),
    }
}
