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

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::FutureExt;
use nautes_model::secret::{Grant, GrantLevel, GrantScope, Principal, SecretPath};
use vaultrs::{api, sys};

use super::fault::Fault;
use super::link::{Ask, Link, each};
use super::own::{Mounted, Own};
use super::policy::Policy;
use super::record::{self, Record};
use super::role::{Live, Role};
use crate::store::check_grants;
use crate::{GrantChange, StoreError};

/// How many passes one convergence makes at most.
const ROUNDS: usize = 32;

/// What can end a convergence.
pub(super) enum Stop {
    Fault(Fault),
    Foreign(&'static str, String),
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
        }
    }
}

/// One thing to write.
enum Write {
    PutPolicy(Policy),
    DropPolicy(String),
    PutRole(Role),
    DropRole(Role),
}

/// What one look at the server found.
struct Look {
    in_force: BTreeSet<Grant>,
    writes: Vec<Write>,
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

/// Compares the server with what follows from a record of the scope and those of the others.
async fn look(link: &Arc<Link>, scope: &GrantScope, record: &Record) -> Result<Look, Stop> {
    let others = others(link, scope, record).await?;
    let everything = || {
        others
            .values()
            .flat_map(|other| &other.grants)
            .chain(&record.grants)
    };

    let needed: BTreeSet<(&SecretPath, GrantLevel)> = record
        .grants
        .iter()
        .map(|grant| (&grant.secret, grant.level))
        .collect();
    let used: BTreeSet<(&SecretPath, GrantLevel)> = if record.leaving.is_empty() {
        BTreeSet::new()
    } else {
        everything().map(|grant| (&grant.secret, grant.level)).collect()
    };
    let leaving = record.leaving.iter().map(|grant| (&grant.secret, grant.level));
    let policies: BTreeSet<(&SecretPath, GrantLevel)> = needed.iter().copied().chain(leaving).collect();
    let listed = list_policies(link).await?;
    let listed = &listed;
    let policies = each(policies, |(path, level)| {
        let wanted = needed.contains(&(path, level)) || used.contains(&(path, level));
        let policy = Policy::of(&link.settings, path, level);
        let looked = async move {
            Ok::<_, Stop>(((path, level), look_at_policy(link, listed, policy, wanted).await?))
        };
        looked.boxed()
    });
    let policies = policies.await?;

    let principals: BTreeSet<&Principal> = record
        .grants
        .iter()
        .chain(&record.leaving)
        .map(|grant| &grant.principal)
        .collect();
    let mut of: BTreeMap<&Principal, BTreeSet<String>> = BTreeMap::new();
    for grant in everything() {
        if principals.contains(&grant.principal) {
            let name = Policy::of(&link.settings, &grant.secret, grant.level).name;
            of.entry(&grant.principal).or_default().insert(name);
        }
    }
    let roles: Vec<_> = principals.into_iter().map(|who| (who, of.remove(who))).collect();
    let roles = each(roles, |(principal, policies)| {
        let looked =
            async move { Ok::<_, Stop>((principal, look_at_role(link, principal, policies).await?)) };
        looked.boxed()
    });
    let roles = roles.await?;

    let wrong_policies: BTreeSet<_> = policies
        .iter()
        .filter(|(_, write)| write.is_some())
        .map(|(at, _)| *at)
        .collect();
    let wrong_roles: BTreeSet<_> = roles
        .iter()
        .filter(|(_, write)| write.is_some())
        .map(|(who, _)| *who)
        .collect();
    let is_right = |grant: &&Grant| {
        !wrong_policies.contains(&(&grant.secret, grant.level)) && !wrong_roles.contains(&grant.principal)
    };
    let in_force = record.grants.iter().filter(is_right).cloned().collect();
    let mut writes: Vec<Write> = policies.into_iter().filter_map(|(_, write)| write).collect();
    writes.extend(roles.into_iter().filter_map(|(_, write)| write));
    if !record.grants.is_empty() {
        let mark = Policy::mark(&link.settings);
        writes.extend(look_at_policy(link, listed, mark, true).await?);
    }
    Ok(Look { in_force, writes })
}

/// Reads the records of the other scopes that have a say in what this one touches.
async fn others(
    link: &Arc<Link>,
    scope: &GrantScope,
    record: &Record,
) -> Result<BTreeMap<GrantScope, Record>, Fault> {
    let (GrantScope::Product { cluster, .. } | GrantScope::Cluster { cluster }) = scope;
    let grants = || record.grants.iter().chain(&record.leaving);
    let is_platform = |grant: &Grant| matches!(grant.principal, Principal::Platform { .. });
    let is_component = |grant: &Grant| matches!(grant.principal, Principal::Component { .. });
    // A policy may go only if no scope at all needs it.
    let mut scopes: BTreeSet<GrantScope> = if !record.leaving.is_empty() || grants().any(is_platform) {
        record::scopes(link, None).await?.into_iter().collect()
    } else if grants().any(is_component) {
        record::scopes(link, Some(cluster)).await?.into_iter().collect()
    } else {
        let product = |grant: &Grant| match &grant.principal {
            Principal::Account { product, .. } => Some(GrantScope::Product {
                product: product.clone(),
                cluster: cluster.clone(),
            }),
            Principal::Component { .. } | Principal::Platform { .. } => None,
        };
        let shared = GrantScope::Cluster {
            cluster: cluster.clone(),
        };
        grants().filter_map(product).chain([shared]).collect()
    };
    scopes.remove(scope);
    record::read_all(link, scopes).await
}

async fn list_policies(link: &Arc<Link>) -> Result<BTreeSet<String>, Fault> {
    let listed = link.call(
        Ask::PLAIN,
        |client| async move { sys::policy::list(&*client).await },
    );
    Ok(listed.await?.policies.into_iter().collect())
}

async fn look_at_policy(
    link: &Arc<Link>,
    listed: &BTreeSet<String>,
    policy: Policy,
    wanted: bool,
) -> Result<Option<Write>, Stop> {
    let is_there = listed.contains(&policy.name);
    if is_there && wanted && link.right.within(&policy.name, link.settings.pace.recheck) {
        return Ok(None);
    }
    let live = if is_there {
        read_policy(link, &policy.name).await?
    } else {
        None
    };
    let ours = live
        .as_deref()
        .is_some_and(|text| Policy::is_ours(&link.settings, text));
    Ok(match (live, wanted) {
        (None, true) => Some(Write::PutPolicy(policy)),
        (None, false) => None,
        (Some(text), true) if text == policy.text => {
            link.right.note(&policy.name);
            None
        }
        (Some(_), true) if ours || link.settings.adopt => Some(Write::PutPolicy(policy)),
        // Somebody else made one that allows the same: it stays theirs.
        (Some(text), true) if policy.allows_the_same(&text) => None,
        (Some(_), true) => return Err(Stop::Foreign("policy", policy.name)),
        (Some(_), false) => ours.then_some(Write::DropPolicy(policy.name)),
    })
}

async fn read_policy(link: &Arc<Link>, name: &str) -> Result<Option<String>, Fault> {
    let read = link.call(Ask::PLAIN, |client| {
        let name = name.to_owned();
        async move { sys::policy::read(&*client, &name).await }
    });
    match read.await {
        Ok(live) => Ok(Some(live.rules)),
        Err(Fault::Absent) => Ok(None),
        Err(fault) => Err(fault),
    }
}

async fn look_at_role(
    link: &Arc<Link>,
    principal: &Principal,
    policies: Option<BTreeSet<String>>,
) -> Result<Option<Write>, Stop> {
    let wanted = policies.is_some();
    let role = Role::of(&link.settings, principal, policies.unwrap_or_default());
    let live = read_role(link, &role.path()).await?;
    let ours = live.as_ref().is_some_and(|live| live.is_ours(&link.settings));
    Ok(match (live, wanted) {
        (None, true) => Some(Write::PutRole(role)),
        (None, false) => None,
        (Some(live), true) if ours => (!role.is(&live)).then_some(Write::PutRole(role)),
        (Some(_), true) if link.settings.adopt => Some(Write::PutRole(role)),
        (Some(_), true) => return Err(Stop::Foreign("role", role.path())),
        (Some(_), false) => ours.then_some(Write::DropRole(role)),
    })
}

/// Reads a role; one on a mount that does not exist is absent.
pub(super) async fn read_role(link: &Arc<Link>, path: &str) -> Result<Option<Live>, Fault> {
    let read = link.call(Ask::PLAIN, |client| {
        let request = Own::<Live>::get(path);
        async move { api::exec_with_result(&*client, request).await }
    });
    match read.await {
        Ok(live) => Ok(Some(live)),
        Err(Fault::Absent | Fault::NoRoute(_)) => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// Writes policies before the roles that give them, and removes roles before policies that nobody has any more.
async fn write(link: &Arc<Link>, writes: Vec<Write>) -> Result<(), Stop> {
    let mounts: BTreeSet<String> = writes
        .iter()
        .filter_map(|write| match write {
            Write::PutRole(role) => Some(role.mount.clone()),
            Write::PutPolicy(_) | Write::DropPolicy(_) | Write::DropRole(_) => None,
        })
        .collect();
    if !mounts.is_empty() {
        mount(link, &mounts).await?;
    }
    let rank = |write: &Write| match write {
        Write::PutPolicy(_) => 0,
        Write::PutRole(_) => 1,
        Write::DropRole(_) => 2,
        Write::DropPolicy(_) => 3,
    };
    let mut by_rank: [Vec<Write>; 4] = Default::default();
    for write in writes {
        by_rank[rank(&write)].push(write);
    }
    for writes in by_rank {
        each(writes, |write| write_one(link, write).boxed()).await?;
    }
    Ok(())
}

async fn write_one(link: &Arc<Link>, write: Write) -> Result<(), Fault> {
    let done = match write {
        Write::PutPolicy(policy) => {
            link.right.forget(&policy.name);
            link.call(Ask::PLAIN, |client| {
                let policy = policy.clone();
                async move { sys::policy::set(&*client, &policy.name, &policy.text).await }
            })
            .await
        }
        Write::DropPolicy(name) => {
            link.right.forget(&name);
            link.call(Ask::PLAIN, |client| {
                let name = name.clone();
                async move { sys::policy::delete(&*client, &name).await }
            })
            .await
        }
        Write::PutRole(role) => {
            link.call(Ask::PLAIN, |client| {
                let request = Own::<()>::post(role.path(), role.body());
                async move { api::exec_with_empty(&*client, request).await }
            })
            .await
        }
        Write::DropRole(role) => {
            link.call(Ask::PLAIN, |client| {
                let request = Own::<()>::delete(role.path());
                async move { api::exec_with_empty(&*client, request).await }
            })
            .await
        }
    };
    match done {
        Err(Fault::Absent) => Ok(()),
        outcome => outcome,
    }
}

/// Enables the Kubernetes method on each mount that is not there. What is there and is another method belongs to
/// somebody else: some have roles of the same path, which would let in who knows whom.
pub(super) async fn mount(link: &Arc<Link>, mounts: &BTreeSet<String>) -> Result<(), Stop> {
    let known = link
        .call(Ask::PLAIN, |client| async move {
            let request = Own::<BTreeMap<String, Mounted>>::get("sys/auth");
            api::exec_with_result(&*client, request).await
        })
        .await?;
    for mount in mounts {
        match known.get(&format!("{mount}/")) {
            Some(mounted) if mounted.kind == "kubernetes" => {}
            Some(_) => return Err(Stop::Foreign("auth mount", mount.clone())),
            None => enable(link, mount).await?,
        }
    }
    Ok(())
}

async fn enable(link: &Arc<Link>, mount: &str) -> Result<(), Fault> {
    let body =
        serde_json::json!({"type": "kubernetes", "description": "Logins of one cluster, made by Nautes"});
    let enabled = link.call(Ask::PLAIN, |client| {
        let request = Own::<()>::post(format!("sys/auth/{mount}"), body.clone());
        async move { api::exec_with_empty(&*client, request).await }
    });
    match enabled.await {
        // Another process was faster.
        Err(Fault::Refused(400, text)) if text.contains("already in use") => Ok(()),
        outcome => outcome,
    }
}
