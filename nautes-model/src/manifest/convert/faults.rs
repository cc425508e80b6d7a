//! Collecting what is wrong with one document.

use crate::fix::Action;
use crate::resource::Position;

/// What is wrong with a document, by the paths of the resource.
pub(in crate::manifest) struct Faults {
    pub(super) list: Vec<Fault>,
    pub(super) limit: usize,
}

/// One of them.
pub(super) struct Fault {
    pub(super) rule: &'static str,
    pub(super) at: Option<Position>,
    pub(super) field: String,
    pub(super) message: String,
    pub(super) hint: Option<String>,
    pub(super) action: Option<Action>,
}

impl Faults {
    /// Adds a fault; the field may be empty.
    pub(in crate::manifest) fn add(
        &mut self,
        rule: &'static str,
        at: Option<Position>,
        field: &str,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        self.add_mendable(rule, at, field, message, hint, None);
    }

    /// Adds a fault whose way out may be an edit of the resource.
    pub(in crate::manifest) fn add_mendable(
        &mut self,
        rule: &'static str,
        at: Option<Position>,
        field: &str,
        message: impl Into<String>,
        hint: Option<String>,
        action: Option<Action>,
    ) {
        if self.list.len() <= self.limit {
            self.list.push(Fault {
                rule,
                at,
                field: field.to_owned(),
                message: message.into(),
                hint,
                action,
            });
        }
    }
}
