//! Who asked a local store for what: the latest operations, kept in memory.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use nautes_model::secret::{Principal, SecretPath};

/// How many operations are remembered; older ones are forgotten.
pub const AUDIT_KEPT: usize = 1024;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Reading values, or their digest.
    Read,
    /// Writing values.
    Write,
    /// Removing one version or all.
    Delete,
}

/// One operation on a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Counts the operations since the store was opened, from 1.
    pub number: u64,
    /// Who asked; `None` for the platform itself.
    pub principal: Option<Principal>,
    /// What was asked for.
    pub operation: Operation,
    /// On which secret.
    pub path: SecretPath,
    /// Whether it was allowed; it may still have failed for another reason.
    pub allowed: bool,
}

/// The latest operations.
#[derive(Default)]
pub(super) struct Audit(Mutex<(u64, VecDeque<AuditEntry>)>);

impl Audit {
    /// Remembers one operation.
    pub(super) fn record(
        &self,
        principal: Option<&Principal>,
        operation: Operation,
        path: &SecretPath,
        allowed: bool,
    ) {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, entries) = &mut *guard;
        *count += 1;
        if entries.len() == AUDIT_KEPT {
            entries.pop_front();
        }
        let entry = AuditEntry {
            number: *count,
            principal: principal.cloned(),
            operation,
            path: path.clone(),
            allowed,
        };
        entries.push_back(entry);
    }

    /// Returns what is remembered, oldest first.
    pub(super) fn entries(&self) -> Vec<AuditEntry> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .1
            .iter()
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audit_is_bounded_and_keeps_the_latest() {
        let audit = Audit::default();
        let path = SecretPath::new("git/a").unwrap();
        for _ in 0..AUDIT_KEPT + 5 {
            audit.record(None, Operation::Read, &path, true);
        }
        let entries = audit.entries();
        assert_eq!(entries.len(), AUDIT_KEPT);
        assert_eq!(entries[0].number, 6);
    }
}
