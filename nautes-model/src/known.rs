//! Known, confirmed absent, or unknown: the three states of every input (decision D5).

/// What is known of something outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known<T> {
    /// It is this.
    Known(T),
    /// It is confirmed not to exist.
    Absent,
    /// Nobody can tell now, and why: what depends on it is held, neither changed nor pruned.
    Unknown(String),
}

impl<T> Known<T> {
    /// Returns the value if it is known.
    pub const fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Absent | Self::Unknown(_) => None,
        }
    }

    /// Whether nobody can tell.
    pub const fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }
}
