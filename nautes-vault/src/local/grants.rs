//! Grants, as one record per scope, with all of them in memory for asking.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard};

use nautes_model::secret::{Grant, GrantLevel, GrantScope, Principal, SecretPath};
use serde::{Deserialize, Serialize};

use super::records::{Kind, Records};
use crate::store::check_grants;
use crate::{GrantChange, StoreError};

type ByScope = BTreeMap<GrantScope, BTreeSet<Grant>>;

/// The grants of every scope. Only this process can change them: the file is locked while it is open.
pub(super) struct Grants {
    by_scope: RwLock<ByScope>,
    /// Held by the one who changes grants, from looking to telling, so that those who only ask never wait for
    /// the disk.
    changing: Mutex<()>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    scope: GrantScope,
    grants: BTreeSet<Grant>,
}

impl Grants {
    /// Loads what is stored.
    pub(super) fn load(records: &Records) -> Result<Self, StoreError> {
        let mut by_scope = ByScope::new();
        for bytes in records.view()?.all(Kind::Grants)? {
            let stored: Stored = serde_json::from_slice(&bytes)
                .map_err(|_| records.damaged("the grants of a scope cannot be read"))?;
            by_scope.insert(stored.scope, stored.grants);
        }
        Ok(Self {
            by_scope: RwLock::new(by_scope),
            changing: Mutex::new(()),
        })
    }

    /// Makes the grants of `scope` exactly `wanted`: on disk first, then for those who ask.
    pub(super) fn converge(
        &self,
        records: &Records,
        scope: &GrantScope,
        wanted: &BTreeSet<Grant>,
    ) -> Result<GrantChange, StoreError> {
        check_grants(scope, wanted)?;
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let difference = GrantChange::between(&self.of(scope), wanted);
        if difference.is_empty() {
            return Ok(difference);
        }
        let mut change = records.change()?;
        let id = json(scope, scope)?;
        if wanted.is_empty() {
            change.remove(Kind::Grants, &[&id])?;
        } else {
            let stored = Stored {
                scope: scope.clone(),
                grants: wanted.clone(),
            };
            change.put(Kind::Grants, &[&id], &json(scope, &stored)?)?;
        }
        change.commit()?;
        let mut by_scope = self.by_scope.write().unwrap_or_else(PoisonError::into_inner);
        if wanted.is_empty() {
            by_scope.remove(scope);
        } else {
            by_scope.insert(scope.clone(), wanted.clone());
        }
        Ok(difference)
    }

    /// Returns the grants of one scope.
    pub(super) fn of(&self, scope: &GrantScope) -> BTreeSet<Grant> {
        self.look().get(scope).cloned().unwrap_or_default()
    }

    /// Lists the scopes that have grants.
    pub(super) fn scopes(&self) -> Vec<GrantScope> {
        self.look().keys().cloned().collect()
    }

    /// Whether a grant of any scope allows `needed`; writing includes reading.
    pub(super) fn allow(&self, principal: &Principal, path: &SecretPath, needed: GrantLevel) -> bool {
        let enough: &[GrantLevel] = match needed {
            GrantLevel::Read => &[GrantLevel::Read, GrantLevel::Write],
            GrantLevel::Write => &[GrantLevel::Write],
        };
        let by_scope = self.look();
        enough.iter().any(|level| {
            let grant = Grant {
                principal: principal.clone(),
                secret: path.clone(),
                level: *level,
            };
            by_scope.values().any(|grants| grants.contains(&grant))
        })
    }

    fn look(&self) -> RwLockReadGuard<'_, ByScope> {
        self.by_scope.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn json(scope: &GrantScope, value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|e| StoreError::Bug {
        action: format!("describe the grants of {scope}"),
        reason: e.to_string(),
    })
}
