//! Rights by a proxy: what is in force is read from roles and policies, since a proxy has no room for records.

use std::collections::{BTreeMap, BTreeSet};

use nautes_model::secret::{Grant, GrantLevel, GrantScope, Principal, SecretPath};
use serde_json::json;

use super::client::Fault;
use super::place::Place;
use super::{ProxiedStore, unsupported};
use crate::store::check_grants;
use crate::vault::names;
use crate::{GrantChange, StoreError};

/// How often the difference is written before others are blamed.
const ROUNDS: usize = 8;

/// Returns the policy by which a proxy lets read a secret.
fn policy(path: &SecretPath) -> Result<String, &'static str> {
    Place::of(path)?;
    let name = names::policy(path, GrantLevel::Read);
    // The name of another secret could be the same at a proxy.
    if names::path_of(&name).as_ref() == Some(path) {
        Ok(name)
    } else {
        Err("the policy that a vault-proxy makes for it could be that of another secret")
    }
}

/// Returns the grants of one scope that are in force.
pub(super) async fn in_force(
    store: &ProxiedStore,
    scope: &GrantScope,
) -> Result<BTreeSet<Grant>, StoreError> {
    let GrantScope::Product { product: of, cluster } = scope else {
        return Ok(BTreeSet::new());
    };
    let accounts = store.vault().accounts(cluster).await?;
    let policies = store.vault().policies().await?;
    let mut found = BTreeSet::new();
    for (principal, has) in accounts {
        if !matches!(&principal, Principal::Account { product, .. } if product == of) {
            continue;
        }
        // A role keeps the names of policies that are gone.
        for secret in has
            .intersection(&policies)
            .filter_map(|name| names::path_of(name))
        {
            found.insert(Grant {
                principal: principal.clone(),
                secret,
                level: GrantLevel::Read,
            });
        }
    }
    Ok(found)
}

/// Returns the scopes that have grants.
pub(super) async fn scopes(store: &ProxiedStore) -> Result<Vec<GrantScope>, StoreError> {
    let mut scopes = BTreeSet::new();
    for cluster in store.vault().clusters().await? {
        for (principal, _) in store.vault().accounts(&cluster).await? {
            if let Principal::Account { cluster, product, .. } = principal {
                scopes.insert(GrantScope::Product { product, cluster });
            }
        }
    }
    let mut busy = Vec::new();
    for scope in scopes {
        if !in_force(store, &scope).await?.is_empty() {
            busy.push(scope);
        }
    }
    Ok(busy)
}

/// Whether an account may read a secret.
pub(super) async fn allows(
    store: &ProxiedStore,
    principal: &Principal,
    path: &SecretPath,
) -> Result<bool, StoreError> {
    let Principal::Account { cluster, product, .. } = principal else {
        return Ok(false);
    };
    let scope = GrantScope::Product {
        product: product.clone(),
        cluster: cluster.clone(),
    };
    let wanted = Grant {
        principal: principal.clone(),
        secret: path.clone(),
        level: GrantLevel::Read,
    };
    Ok(in_force(store, &scope).await?.contains(&wanted))
}

/// Makes the grants of a scope exactly `wanted`.
pub(super) async fn converge(
    store: &ProxiedStore,
    scope: &GrantScope,
    wanted: &BTreeSet<Grant>,
) -> Result<GrantChange, StoreError> {
    check_grants(scope, wanted)?;
    check(scope, wanted)?;
    let mut first = None;
    for _ in 0..ROUNDS {
        let have = in_force(store, scope).await?;
        let change = GrantChange::between(&have, wanted);
        let is_done = change.is_empty();
        if !is_done {
            write(store, &have, &change).await?;
        }
        let first = first.get_or_insert(change);
        if is_done {
            return Ok(first.clone());
        }
    }
    Err(StoreError::Unreachable {
        action: format!("converge the grants of {scope}"),
        source: "others changed the same roles again and again".into(),
    })
}

/// Checks that a proxy can grant all of it, before anything is written.
fn check(scope: &GrantScope, wanted: &BTreeSet<Grant>) -> Result<(), StoreError> {
    for grant in wanted {
        let reason = match (scope, &grant.principal, grant.level, policy(&grant.secret)) {
            (GrantScope::Cluster { .. }, ..) => {
                "a vault-proxy does not tell rights of a cluster from those of products"
            }
            (_, Principal::Component { .. } | Principal::Platform { .. }, ..) => {
                "a vault-proxy has no room for which product granted something to a component"
            }
            (_, _, GrantLevel::Write, _) => "a vault-proxy grants reading only",
            (.., Err(reason)) => reason,
            _ => continue,
        };
        let action = format!("grant {} to {}", grant.secret, grant.principal);
        return Err(unsupported(action, reason));
    }
    Ok(())
}

async fn write(store: &ProxiedStore, have: &BTreeSet<Grant>, change: &GrantChange) -> Result<(), StoreError> {
    let mut left: BTreeMap<&Principal, usize> = BTreeMap::new();
    for grant in have.difference(&change.removed) {
        *left.entry(&grant.principal).or_default() += 1;
    }
    for grant in &change.added {
        let (action, role) = (
            format!("grant {} to {}", grant.secret, grant.principal),
            role(&grant.principal),
        );
        if !left.contains_key(&grant.principal) {
            open(store, &grant.principal, &role, &action).await?;
        }
        *left.entry(&grant.principal).or_default() += 1;
        let place = place(&grant.secret, &action)?;
        let route = format!("{role}/policies/{}", place.grants());
        let granted = store.proxy().post(&route, &json!({"secret": place.meta()})).await;
        granted.map_err(|fault| match fault {
            Fault::Absent => unsupported(
                action.clone(),
                "a vault-proxy grants secrets and roles that are there",
            ),
            fault => store.proxy().error(action.clone(), fault),
        })?;
    }
    for grant in &change.removed {
        let action = format!("take {} from {}", grant.secret, grant.principal);
        let place = place(&grant.secret, &action)?;
        let route = format!("{}/policies/{}", role(&grant.principal), place.grants());
        match store.proxy().delete(&route, &place.query("secret")).await {
            Ok(_) | Err(Fault::Absent) => {}
            Err(fault) => return Err(store.proxy().error(action, fault)),
        }
    }
    let gone = change.removed.iter().map(|grant| &grant.principal);
    let gone: BTreeSet<&Principal> = gone.filter(|who| !left.contains_key(who)).collect();
    for principal in gone {
        close(store, principal).await?;
    }
    Ok(())
}

/// Removes the role of an account that has nothing left, also nothing of others.
async fn close(store: &ProxiedStore, principal: &Principal) -> Result<(), StoreError> {
    let Principal::Account { cluster, .. } = principal else {
        return Ok(());
    };
    let roles = store.vault().accounts(cluster).await?;
    if !roles
        .iter()
        .any(|(known, has)| known == principal && has.is_empty())
    {
        return Ok(());
    }
    match store.proxy().delete(&role(principal), &[]).await {
        Ok(_) | Err(Fault::Absent) => Ok(()),
        Err(fault) => Err(store
            .proxy()
            .error(format!("remove the role of {principal}"), fault)),
    }
}

/// Makes the role of an account if it has none. Whoever made it otherwise keeps who may log in.
async fn open(
    store: &ProxiedStore,
    principal: &Principal,
    role: &str,
    action: &str,
) -> Result<(), StoreError> {
    let Principal::Account {
        cluster,
        product,
        account,
    } = principal
    else {
        return Ok(());
    };
    let roles = store.vault().accounts(cluster).await?;
    if roles.iter().any(|(known, _)| known == principal) {
        return Ok(());
    }
    // The namespaces of runtimes come and go, and the store does not know them: those that may log in besides the product's own
    // are added by who knows.
    let bound = json!({"namespaces": [product.namespace()], "service_accounts": [account.as_str()]});
    let (route, user) = role.rsplit_once('/').unwrap_or((role, ""));
    let body = json!({"dest_user": user, "kubernetes": bound});
    let made = store.proxy().post(route, &body).await;
    made.map(drop).map_err(|fault| match fault {
        Fault::Absent => unsupported(
            action.to_owned(),
            "the cluster has no auth mount yet (ProxiedStore::configure_cluster)",
        ),
        fault => store.proxy().error(action.to_owned(), fault),
    })
}

/// Returns the route of the role of a principal.
fn role(principal: &Principal) -> String {
    let mount = names::mount(principal, "");
    format!("auth/{mount}/role/{}", names::role(principal))
}

fn place(path: &SecretPath, action: &str) -> Result<Place, StoreError> {
    Place::of(path).map_err(|reason| unsupported(action.to_owned(), reason))
}
