//! Making what is granted be in force: records first, then policies and roles that follow from all records.
//!
//! # Flow
//! 1. The record of the scope is swapped for one with the wanted grants; what goes is kept in it as *leaving*.
//! 2. Every policy and role that the record touches is compared with what follows from the records, and written
//!    whole where it differs.
//! 3. This is repeated until a pass finds nothing to write and the record as it was. Then *leaving* is cleared.
//!
//! # Guarantees
//! * Two processes that converge at once end in one of their wanted states: whoever writes a policy or a role looks
//!   at the records again afterwards, so that the last writer has seen the last record.
//! * A process that ends in between leaves a record from which the next one goes on.

mod look;
mod write;

use std::collections::BTreeSet;
use std::sync::Arc;

use nautes_model::secret::{Grant, GrantLevel, GrantScope, Principal, SecretPath};

pub(super) use self::look::{list_policies, read_role};
pub(super) use self::write::mount;

use self::look::look;
use self::write::write;
use super::fault::Fault;
use super::link::Link;
use super::policy::Policy;
use super::record::{self, Record};
use super::role::{Method, Role};
use crate::store::check_grants;
use crate::{GrantChange, StoreError};

/// How many passes one convergence makes at most.
const ROUNDS: usize = 32;

/// What can end a convergence.
pub(super) enum Stop {
    Fault(Fault),
    Foreign(&'static str, String),
    /// A mount is of the other of the methods that clusters can have.
    Method(String, Method),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Stop {
    pub(super) fn error(self, link: &Link, action: String) -> StoreError {
        match self {
            Self::Fault(fault) => link.error(action, fault),
            Self::Foreign(what, name) => StoreError::Foreign {
                what,
                name,
                store: link.settings.label(),
            },
            Self::Method(mount, found) => StoreError::BadSetting {
                setting: "jwt_clusters",
                reason: format!(
                    "the auth mount {mount} is of the method {}; a cluster changes its method when the mount is removed \
                     (vault auth disable {mount}), and all of it is made again",
                    found.name()
                ),
            },
        }
    }
}

/// Makes the grants of `scope` exactly `wanted`.
pub(super) async fn converge(
    link: &Arc<Link>,
    scope: &GrantScope,
    wanted: &BTreeSet<Grant>,
) -> Result<GrantChange, StoreError> {
    check_grants(scope, wanted)?;
    let (GrantScope::Product { cluster, .. } | GrantScope::Cluster { cluster }) = scope;
    if cluster.as_str() == link.settings.tenant_mount {
        return Err(StoreError::BadSetting {
            setting: "tenant_mount",
            reason: format!("a cluster has the name {cluster}, too, and would share its auth mount"),
        });
    }
    attempt(link, scope, wanted)
        .await
        .map_err(|stop| stop_error(link, scope, stop))
}

/// Returns the grants of a scope that are in force: those whose policy and role are exactly as they shall be.
pub(super) async fn in_force(link: &Arc<Link>, scope: &GrantScope) -> Result<BTreeSet<Grant>, StoreError> {
    let found = async {
        let record = record::read(link, scope).await?;
        Ok(look(link, scope, &record).await?.in_force)
    };
    found.await.map_err(|stop| stop_error(link, scope, stop))
}

/// Whether the role of a principal gives it a policy that allows `level` on `path`.
pub(super) async fn allows(
    link: &Arc<Link>,
    principal: &Principal,
    path: &SecretPath,
    level: GrantLevel,
) -> Result<bool, Fault> {
    let role = Role::of(&link.settings, principal, BTreeSet::new());
    let Some(live) = read_role(link, &role.path()).await? else {
        return Ok(false);
    };
    let enough: &[GrantLevel] = match level {
        GrantLevel::Read => &[GrantLevel::Read, GrantLevel::Write],
        GrantLevel::Write => &[GrantLevel::Write],
    };
    let has = live.policies();
    let given = |level: &GrantLevel| has.contains(&Policy::of(&link.settings, path, *level).name);
    Ok(live.is_ours(&link.settings) && enough.iter().any(given))
}

fn stop_error(link: &Link, scope: &GrantScope, stop: Stop) -> StoreError {
    stop.error(link, format!("converge the grants of {scope}"))
}

async fn attempt(
    link: &Arc<Link>,
    scope: &GrantScope,
    wanted: &BTreeSet<Grant>,
) -> Result<GrantChange, Stop> {
    for _ in 0..ROUNDS {
        let mut record = record::read(link, scope).await?;
        let found = look(link, scope, &record).await?;
        let change = GrantChange::between(&found.in_force, wanted);
        if record.grants == *wanted && record.leaving.is_empty() && found.writes.is_empty() {
            return Ok(change);
        }
        if record.grants != *wanted {
            // What belongs to others is found before anything is written.
            let gone = record.grants.difference(wanted).cloned();
            let next = Record {
                version: record.version,
                leaving: record
                    .leaving
                    .iter()
                    .cloned()
                    .chain(gone)
                    .filter(|g| !wanted.contains(g))
                    .collect(),
                grants: wanted.clone(),
            };
            let ahead = look(link, scope, &next).await?;
            match record::write(link, scope, &next).await {
                Ok(version) => record = Record { version, ..next },
                Err(Fault::Mismatch) => continue,
                Err(fault) => return Err(fault.into()),
            }
            // What changed since is seen by the looks that follow.
            write(link, ahead.writes).await?;
        }
        settle(link, scope, record).await?;
        return Ok(change);
    }
    Err(contended().into())
}

/// Writes what follows from the records until nothing is left to write.
async fn settle(link: &Arc<Link>, scope: &GrantScope, mut record: Record) -> Result<(), Stop> {
    for _ in 0..ROUNDS {
        let found = look(link, scope, &record).await?;
        let wrote = !found.writes.is_empty();
        write(link, found.writes).await?;
        let now = record::read(link, scope).await?;
        let same = now == record;
        record = now;
        if wrote || !same {
            continue;
        }
        if record.leaving.is_empty() {
            return Ok(());
        }
        record.leaving.clear();
        match record::write(link, scope, &record).await {
            Ok(_) => return Ok(()),
            Err(Fault::Mismatch) => record = record::read(link, scope).await?,
            Err(fault) => return Err(fault.into()),
        }
    }
    Err(contended().into())
}

fn contended() -> Fault {
    Fault::NoAnswer("others changed the same grants again and again".to_owned())
}
