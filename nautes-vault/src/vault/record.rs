//! What was granted for whom, as one record per scope below `tenant/nautes/grants`: roles and policies have no room
//! to say which scope wanted them. See `docs/design/005-grants-in-vault.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::FutureExt;
use nautes_model::Secret;
use nautes_model::name::{ClusterName, ProductName};
use nautes_model::secret::{Grant, GrantLevel, GrantScope, Principal, SecretPath};
use serde::{Deserialize, Serialize};

use super::fault::Fault;
use super::link::{Link, each};
use super::secrets::{self, Place};

/// The engine of the store's own records.
pub(super) const ENGINE: &str = "tenant";

/// The folder of the store's own records, engine first.
pub(super) const OWN: &str = "tenant/nautes";

const GRANTS: &str = "nautes/grants";
const SHARED: &str = "shared";
const PRODUCT: &str = "product";
const KEY: &str = "grants";

/// What one scope wants, and what it wanted before and is not cleared away yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// The number that a swap compares with; 0 if there is no record.
    pub(super) version: u64,
    /// What is granted.
    pub(super) grants: BTreeSet<Grant>,
    /// What is not granted any more, and may still be in force.
    pub(super) leaving: BTreeSet<Grant>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    grants: Vec<Group>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    leaving: Vec<Group>,
}

/// Grants that differ in the secret only: a scope has thousands of secrets and a handful of principals.
#[derive(Serialize, Deserialize)]
struct Group {
    principal: Principal,
    level: GrantLevel,
    secrets: Vec<SecretPath>,
}

/// Reads the record of a scope.
pub(super) async fn read(link: &Arc<Link>, scope: &GrantScope) -> Result<Record, Fault> {
    let state = secrets::state(link, &place(link, scope)).await?;
    let damaged = || Fault::Strange(format!("the record of the grants of {scope} is damaged"));
    let Some(current) = state.current else {
        return Ok(Record {
            version: state.highest,
            ..Record::default()
        });
    };
    let text = current.values.get(KEY).ok_or_else(damaged)?;
    let stored: Stored = serde_json::from_slice(text.expose()).map_err(|_| damaged())?;
    Ok(Record {
        version: state.highest,
        grants: ungroup(stored.grants),
        leaving: ungroup(stored.leaving),
    })
}

/// Writes the record of a scope if it is still at its version, and returns the new one.
pub(super) async fn write(link: &Arc<Link>, scope: &GrantScope, record: &Record) -> Result<u64, Fault> {
    let stored = Stored {
        grants: group(&record.grants),
        leaving: group(&record.leaving),
    };
    let text = serde_json::to_vec(&stored).map_err(|error| Fault::Strange(error.to_string()))?;
    let values = BTreeMap::from([(KEY.to_owned(), Secret::new(text))]);
    secrets::put(link, &place(link, scope), record.version, &values).await
}

/// Lists the scopes that have or had a record, of one cluster or of all.
pub(super) async fn scopes(
    link: &Arc<Link>,
    cluster: Option<&ClusterName>,
) -> Result<Vec<GrantScope>, Fault> {
    let clusters: Vec<ClusterName> = match cluster {
        Some(cluster) => vec![cluster.clone()],
        None => known(secrets::names(link, ENGINE, GRANTS).await?),
    };
    let scopes = each(clusters, |cluster: ClusterName| {
        let looked = async move {
            let folder = format!("{GRANTS}/{cluster}");
            let mut scopes = Vec::new();
            let names = secrets::names(link, ENGINE, &folder).await?;
            if names.iter().any(|name| name == SHARED) {
                scopes.push(GrantScope::Cluster {
                    cluster: cluster.clone(),
                });
            }
            if names.iter().any(|name| name.trim_end_matches('/') == PRODUCT) {
                let products: Vec<ProductName> =
                    known(secrets::names(link, ENGINE, &format!("{folder}/{PRODUCT}")).await?);
                scopes.extend(products.into_iter().map(|product| GrantScope::Product {
                    product,
                    cluster: cluster.clone(),
                }));
            }
            Ok::<_, Fault>(scopes)
        };
        looked.boxed()
    });
    let mut scopes: Vec<GrantScope> = scopes.await?.into_iter().flatten().collect();
    scopes.sort();
    Ok(scopes)
}

/// Reads the records of several scopes.
pub(super) async fn read_all(
    link: &Arc<Link>,
    scopes: impl IntoIterator<Item = GrantScope>,
) -> Result<BTreeMap<GrantScope, Record>, Fault> {
    let read = each(scopes, |scope: GrantScope| {
        let read = async move {
            let record = read(link, &scope).await?;
            Ok::<_, Fault>((scope, record))
        };
        read.boxed()
    });
    Ok(read.await?.into_iter().collect())
}

fn place(link: &Link, scope: &GrantScope) -> Place {
    let path = match scope {
        GrantScope::Cluster { cluster } => format!("{GRANTS}/{cluster}/{SHARED}"),
        GrantScope::Product { product, cluster } => format!("{GRANTS}/{cluster}/{PRODUCT}/{product}"),
    };
    Place::new(link, ENGINE, &path)
}

fn known<T: std::str::FromStr>(names: Vec<String>) -> Vec<T> {
    let names = names.into_iter();
    names
        .filter_map(|name| name.trim_end_matches('/').parse().ok())
        .collect()
}

fn group(grants: &BTreeSet<Grant>) -> Vec<Group> {
    let mut groups: BTreeMap<(&Principal, GrantLevel), Vec<SecretPath>> = BTreeMap::new();
    for grant in grants {
        let secrets = groups.entry((&grant.principal, grant.level)).or_default();
        secrets.push(grant.secret.clone());
    }
    let group = |((principal, level), secrets): ((&Principal, GrantLevel), _)| Group {
        principal: principal.clone(),
        level,
        secrets,
    };
    groups.into_iter().map(group).collect()
}

fn ungroup(groups: Vec<Group>) -> BTreeSet<Grant> {
    let grants = groups.into_iter().flat_map(|group| {
        let Group {
            principal,
            level,
            secrets,
        } = group;
        secrets.into_iter().map(move |secret| Grant {
            principal: principal.clone(),
            secret,
            level,
        })
    });
    grants.collect()
}
