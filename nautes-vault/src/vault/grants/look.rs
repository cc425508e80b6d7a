//! Comparing the server with what follows from the records.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::FutureExt;
use nautes_model::secret::{Grant, GrantLevel, GrantScope, Principal, SecretPath};
use vaultrs::{api, sys};

use super::Stop;
use super::write::Write;
use crate::vault::fault::Fault;
use crate::vault::link::{Ask, Link, each};
use crate::vault::own::Own;
use crate::vault::policy::Policy;
use crate::vault::record::{self, Record};
use crate::vault::role::{Live, Role};

/// What one look at the server found.
pub(super) struct Look {
    pub(super) in_force: BTreeSet<Grant>,
    pub(super) writes: Vec<Write>,
}

/// Compares the server with what follows from a record of the scope and those of the others.
pub(super) async fn look(link: &Arc<Link>, scope: &GrantScope, record: &Record) -> Result<Look, Stop> {
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

pub(in crate::vault) async fn list_policies(link: &Arc<Link>) -> Result<BTreeSet<String>, Fault> {
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
pub(in crate::vault) async fn read_role(link: &Arc<Link>, path: &str) -> Result<Option<Live>, Fault> {
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
