//! What a server is, and what it lets the login of Nautes do: facts by which an installation is judged.
//!
//! # Guarantees
//! * Only what reads is asked for, but for the login itself, which the server keeps until it is revoked or ends.
//! * Each fact is asked for by itself: one that cannot be had leaves the others as they are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::{join, join_all, join4};
use nautes_model::name::ClusterName;
use serde::Deserialize;
use serde_json::json;
use vaultrs::api;

use super::cluster::Config;
use super::fault::Fault;
use super::link::{Ask, Link};
use super::own::{Mounted, Own};
use super::policy;
use super::role::Method;
use super::settings::ENGINES;
use super::{VaultStore, names};
use crate::StoreError;

/// The end of the names that are asked for and that nothing has.
const PROBE: &str = "nautes-doctor";

/// What is known of a server.
#[derive(Debug)]
pub struct Checkup {
    /// The server for messages: scheme, host and port.
    pub label: String,
    /// How Nautes logs in: `kubernetes`, `approle`, `jwt`, `token file`.
    pub method: &'static str,
    /// What the server says of itself to everybody.
    pub health: Result<Health, StoreError>,
    /// The token of Nautes.
    pub token: Result<Token, StoreError>,
    /// Each engine of Nautes: where it is mounted, and what is there.
    pub engines: Vec<(String, Result<Engine, StoreError>)>,
    /// What the token may do, as the server says; an error where nothing of it is known.
    pub rights: Result<Vec<Right>, StoreError>,
    /// The auth mount of each cluster that was asked for, and what is there.
    pub auth: Vec<(ClusterName, Result<AuthMount, StoreError>)>,
}

/// What a server says of itself to everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Health {
    /// Whether it has ever been initialised.
    pub initialized: bool,
    /// Whether it is sealed.
    pub sealed: bool,
    /// Whether it is a standby.
    pub standby: bool,
    /// Its version.
    pub version: String,
    /// Its clock, in seconds since 1970; 0 where it does not say.
    pub server_time_utc: i64,
}

/// The token of Nautes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// How long it is valid still; `None` for ever.
    pub ttl: Option<Duration>,
    /// Whether it can be made valid for longer.
    pub renewable: bool,
    /// Its policies.
    pub policies: BTreeSet<String>,
}

/// What is mounted where an engine should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A KV engine of version 2.
    Good,
    /// Something else.
    Other,
    /// Nothing that the token may see.
    Missing,
}

/// What is mounted where the logins of a cluster should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthMount {
    /// Where.
    pub mount: String,
    /// The method that it has to be of, by the settings.
    pub wanted: &'static str,
    /// The method that is there; `None` where there is none.
    pub method: Option<String>,
    /// Whether it knows how to tell who logs in; `None` where that cannot be read.
    pub configured: Option<bool>,
}

/// For what a right is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Secrets and their versions.
    Secrets,
    /// Who may read which secret.
    Grants,
    /// The auth mount of each cluster.
    AuthMounts,
    /// Engines that are missing.
    Engines,
}

/// What the token may do at one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    /// The path, as policies write it.
    pub path: String,
    /// For what it is needed.
    pub purpose: Purpose,
    /// What is needed there.
    pub needed: BTreeSet<&'static str>,
    /// What the token may do there.
    pub held: BTreeSet<String>,
}

impl Right {
    /// Returns what is needed and not held.
    #[must_use]
    pub fn missing(&self) -> BTreeSet<&'static str> {
        if self.held.contains("root") {
            return BTreeSet::new();
        }
        let needed = self.needed.iter().copied();
        needed.filter(|needed| !self.held.contains(*needed)).collect()
    }
}

/// A right that is needed: the path to ask for, and that of a policy.
struct Needed {
    asked: String,
    shown: String,
    purpose: Purpose,
    needed: &'static [&'static str],
}

/// Returns what the login of Nautes needs; behind a proxy it need only read.
fn needed(link: &Link, writes: bool) -> Vec<Needed> {
    let mut all = Vec::new();
    let mut add = |asked: String, shown: String, purpose, full, reading| {
        let needed: &'static [&'static str] = if writes { full } else { reading };
        if !needed.is_empty() {
            all.push(Needed {
                asked,
                shown,
                purpose,
                needed,
            });
        }
    };
    let settings = &link.settings;
    for engine in ENGINES {
        let mount = settings.mount(engine);
        // Policies may be held to the paths that there are.
        let below = match engine {
            "cluster" => format!("kubernetes/{PROBE}/default/admin"),
            "git" => format!("gitlab/{PROBE}/default/readonly"),
            "tenant" => format!("git/{PROBE}/root"),
            _ => format!("{PROBE}/{PROBE}"),
        };
        let mut secrets = |area: &str, full, reading| {
            let asked = format!("{mount}/{area}/{below}");
            add(
                asked,
                format!("{mount}/{area}/*"),
                Purpose::Secrets,
                full,
                reading,
            );
        };
        secrets("data", &["create", "read", "update"], &["read"]);
        secrets("metadata", &["read", "list", "delete"], &["read", "list"]);
        secrets("destroy", &["update"], &[]);
        let path = format!("sys/internal/ui/mounts/{mount}");
        add(path.clone(), path, Purpose::Secrets, &["read"], &["read"]);
        let path = format!("sys/mounts/{mount}");
        add(path.clone(), path, Purpose::Engines, &["create", "update"], &[]);
    }
    let root = |path: &str| (path.to_owned(), path.to_owned());
    let (asked, shown) = root("sys/policy");
    add(asked, shown, Purpose::Grants, &["read"], &["read"]);
    let policies = policy::in_installation(settings, "");
    add(
        format!("sys/policy/{policies}{PROBE}"),
        format!("sys/policy/{policies}*"),
        Purpose::Grants,
        &["create", "read", "update", "delete"],
        &[],
    );
    let mount = settings.mount(&settings.tenant_mount);
    add(
        format!("auth/{mount}/role/{PROBE}"),
        format!("auth/{}/role/*", settings.mount("+")),
        Purpose::Grants,
        &["create", "read", "update", "delete", "list"],
        &["read", "list"],
    );
    let (asked, shown) = root("sys/auth");
    add(asked, shown, Purpose::Grants, &["read"], &["read"]);
    let probe = settings.mount(PROBE);
    add(
        format!("sys/auth/{probe}"),
        format!("sys/auth/{}", settings.mount("*")),
        Purpose::AuthMounts,
        &["create", "update", "delete", "sudo"],
        &[],
    );
    add(
        format!("auth/{probe}/config"),
        format!("auth/{}/config", settings.mount("+")),
        Purpose::AuthMounts,
        &["create", "read", "update"],
        &[],
    );
    let (asked, shown) = root("sys/mounts");
    add(asked, shown, Purpose::Engines, &["read"], &[]);
    all
}

impl VaultStore {
    /// Looks at the server and at what the login of Nautes may do there. `writes` is false behind a proxy, where the
    /// login need only read.
    pub async fn examine(&self, clusters: &[ClusterName], writes: bool) -> Checkup {
        let link = &self.0.link;
        let health = health(link);
        let token = token(link);
        let engines = join_all(ENGINES.map(|engine| self.engine_at(engine)));
        let rights = rights(link, writes);
        let auth = auth(link, clusters);
        let (health, (token, engines, rights, auth)) =
            join(health, join4(token, engines, rights, auth)).await;
        Checkup {
            label: link.settings.label(),
            method: link.settings.login.method(),
            health,
            token,
            engines,
            rights,
            auth,
        }
    }

    async fn engine_at(&self, engine: &'static str) -> (String, Result<Engine, StoreError>) {
        let link = &self.0.link;
        let mount = link.settings.mount(engine);
        let path = format!("sys/internal/ui/mounts/{mount}");
        let found = link.call(Ask::PLAIN, |client| {
            let request = Own::<Mounted>::get(path.clone());
            async move { api::exec_with_result(&*client, request).await }
        });
        let found = match found.await {
            Ok(found) if self.judge(engine, &found).is_ok() => Ok(Engine::Good),
            Ok(_) => Ok(Engine::Other),
            Err(Fault::Denied | Fault::Absent | Fault::NoRoute(_)) => Ok(Engine::Missing),
            Err(fault) => Err(link.error(format!("look at the engine {engine}"), fault)),
        };
        (mount, found)
    }
}

/// Asks what everybody may ask, whatever state the server is in.
async fn health(link: &Link) -> Result<Health, StoreError> {
    let action = "ask for the state of the server";
    let asked =
        link.unauthenticated("sys/health?standbyok=true&perfstandbyok=true&sealedcode=200&uninitcode=200");
    asked.await.map_err(|fault| link.error(action, fault))
}

#[derive(Deserialize)]
struct WireToken {
    #[serde(default)]
    ttl: u64,
    #[serde(default)]
    expire_time: Option<String>,
    #[serde(default)]
    renewable: bool,
    #[serde(default)]
    policies: BTreeSet<String>,
    #[serde(default)]
    identity_policies: Option<BTreeSet<String>>,
}

async fn token(link: &Arc<Link>) -> Result<Token, StoreError> {
    let found = link.call(Ask::SECRET, |client| async move {
        let request = Own::<WireToken>::get("auth/token/lookup-self");
        api::exec_with_result(&*client, request).await
    });
    let found = found.await;
    let mut found = found.map_err(|fault| link.error("look at the token of Nautes", fault))?;
    found
        .policies
        .extend(found.identity_policies.into_iter().flatten());
    Ok(Token {
        ttl: found.expire_time.map(|_| Duration::from_secs(found.ttl)),
        renewable: found.renewable,
        policies: found.policies,
    })
}

async fn rights(link: &Arc<Link>, writes: bool) -> Result<Vec<Right>, StoreError> {
    let needed = needed(link, writes);
    let paths: Vec<&str> = needed.iter().map(|needed| needed.asked.as_str()).collect();
    let body = json!({ "paths": paths });
    // It is asked with POST, and writes nothing.
    let found = link.call(Ask::PLAIN, |client| {
        let request = Own::<BTreeMap<String, serde_json::Value>>::post("sys/capabilities-self", body.clone());
        async move { api::exec_with_result(&*client, request).await }
    });
    let found = found.await;
    let found = found.map_err(|fault| link.error("ask what the login of Nautes may do", fault))?;
    let held = |path: &str| {
        let list = found.get(path).and_then(serde_json::Value::as_array);
        let words = list.into_iter().flatten().filter_map(serde_json::Value::as_str);
        words.map(str::to_owned).collect()
    };
    let right = |needed: &Needed| Right {
        held: held(&needed.asked),
        path: needed.shown.clone(),
        purpose: needed.purpose,
        needed: needed.needed.iter().copied().collect(),
    };
    Ok(needed.iter().map(right).collect())
}

async fn auth(
    link: &Arc<Link>,
    clusters: &[ClusterName],
) -> Vec<(ClusterName, Result<AuthMount, StoreError>)> {
    let known = link.call(Ask::PLAIN, |client| async move {
        let request = Own::<BTreeMap<String, Mounted>>::get("sys/auth");
        api::exec_with_result(&*client, request).await
    });
    let known = &known.await;
    let look = |cluster: &ClusterName| {
        let cluster = cluster.clone();
        async move {
            let mount = link.settings.mount(names::of_cluster(&cluster));
            let known = match known {
                Ok(known) => known,
                Err(fault) => {
                    let error = link.error("list the auth mounts", fault.clone());
                    return (cluster, Err(error));
                }
            };
            let method = known.get(&format!("{mount}/")).map(|found| found.kind.clone());
            let configured = match method {
                Some(_) => configured(link, &mount).await,
                None => None,
            };
            let found = AuthMount {
                mount,
                wanted: Method::of(&link.settings, names::of_cluster(&cluster)).name(),
                method,
                configured,
            };
            (cluster, Ok(found))
        }
    };
    join_all(clusters.iter().map(look)).await
}

async fn configured(link: &Arc<Link>, mount: &str) -> Option<bool> {
    let path = format!("auth/{mount}/config");
    let found = link.call(Ask::PLAIN, |client| {
        let request = Own::<Config>::get(path.clone());
        async move { api::exec_with_result(&*client, request).await }
    });
    match found.await {
        Ok(config) => Some(config.is_complete()),
        Err(Fault::Absent | Fault::NoRoute(_)) => Some(false),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_may_do_everything_and_others_what_they_hold() {
        let right = |held: &[&str]| Right {
            path: "sys/policy/*".to_owned(),
            purpose: Purpose::Grants,
            needed: BTreeSet::from(["create", "read"]),
            held: held.iter().map(|held| (*held).to_owned()).collect(),
        };
        assert!(right(&["root"]).missing().is_empty());
        assert!(right(&["create", "read", "sudo"]).missing().is_empty());
        assert_eq!(right(&["read"]).missing(), BTreeSet::from(["create"]));
        assert_eq!(right(&["deny"]).missing(), BTreeSet::from(["create", "read"]));
    }
}
