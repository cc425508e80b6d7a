//! What a forge can do for Nautes, and what people do there by hand.

use super::types::HookEvent;

/// What a forge can do for Nautes. What it cannot do is [`HostError::Unsupported`](super::HostError::Unsupported) where it
/// is tried all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// Whether it makes groups and repositories, changes them, and knows their members.
    pub manages: bool,
    /// Whether it has deploy keys.
    pub keys: bool,
    /// What hooks can be called for; nothing where there are none.
    pub hooks: &'static [HookEvent],
}

impl Abilities {
    /// All of it.
    pub const ALL: Self = Self {
        manages: true,
        keys: true,
        hooks: &HookEvent::ALL,
    };

    /// None of it: there are repositories to read and to push to.
    pub const NONE: Self = Self {
        manages: false,
        keys: false,
        hooks: &[],
    };
}
