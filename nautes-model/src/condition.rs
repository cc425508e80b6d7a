//! Status conditions by Kubernetes' convention.

pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// The condition that sums up all others.
pub const READY: &str = "Ready";

/// What a condition says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Nobody knows.
    Unknown,
}

impl Truth {
    /// Returns the text that Kubernetes uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// Puts a condition into a list: one entry a type, the transition time moves only when the truth does.
///
/// Returns whether anything but the time of the given condition is different from before.
pub fn set(conditions: &mut Vec<Condition>, mut new: Condition) -> bool {
    if let Some(old) = conditions.iter_mut().find(|c| c.type_ == new.type_) {
        if old.status == new.status {
            new.last_transition_time = old.last_transition_time.clone();
        }
        let changed = *old != new;
        *old = new;
        changed
    } else {
        conditions.push(new);
        conditions.sort_by(|a, b| a.type_.cmp(&b.type_));
        true
    }
}

/// Finds the condition of a type.
#[must_use]
pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|c| c.type_ == type_)
}
