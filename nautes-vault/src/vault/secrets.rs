//! Secrets and their versions in KV engines of version 2.
//!
//! A version that was removed is destroyed on the server, where its number stays the highest one. So the current
//! version of the contract (the newest that can be read) may be an older one than the server's, and what a swap
//! compares with on the server is always the highest number.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::FutureExt;
use nautes_model::Secret;
use nautes_model::secret::SecretPath;
use serde_json::Value;
use vaultrs::api;
use vaultrs::api::kv2::requests::{ReadSecretRequest, SetSecretRequest, SetSecretRequestOptions};
use vaultrs::kv2;

use super::codec;
use super::fault::Fault;
use super::link::{Ask, Link, each};
use crate::store::is_below;
use crate::{Expect, StoreError, VersionInfo, Versioned, Written};

/// How often a writer that expects nothing in particular tries again after others were faster.
const ROUNDS: usize = 64;

/// Where a secret is on the server.
#[derive(Clone, Debug)]
pub(super) struct Place {
    mount: String,
    path: String,
}

/// What a path has: the number that a swap compares with, and the newest version that can be read.
pub(super) struct State {
    pub(super) highest: u64,
    pub(super) current: Option<Versioned>,
}

impl Place {
    pub(super) fn new(link: &Link, engine: &str, path: &str) -> Self {
        Self {
            mount: link.settings.mount(engine),
            path: path.to_owned(),
        }
    }

    pub(super) fn of(link: &Link, path: &SecretPath) -> Self {
        Self::new(link, path.engine(), path.below())
    }
}

/// Returns what a path has.
pub(super) async fn state(link: &Arc<Link>, place: &Place) -> Result<State, Fault> {
    match get(link, place, None).await? {
        Got::Found(found) => Ok(State {
            highest: found.version,
            current: Some(found),
        }),
        Got::Absent => Ok(State {
            highest: 0,
            current: None,
        }),
        Got::Removed => {
            let Some((highest, versions)) = metadata(link, place).await? else {
                return Ok(State {
                    highest: 0,
                    current: None,
                });
            };
            for version in versions.into_iter().rev() {
                if let Got::Found(found) = get(link, place, Some(version)).await? {
                    return Ok(State {
                        highest,
                        current: Some(found),
                    });
                }
            }
            Ok(State {
                highest,
                current: None,
            })
        }
    }
}

/// Reads one version.
pub(super) async fn version(
    link: &Arc<Link>,
    place: &Place,
    version: u64,
) -> Result<Option<Versioned>, Fault> {
    // The server takes 0 for the newest, and refuses what it cannot count.
    if version == 0 || i32::try_from(version).is_err() {
        return Ok(None);
    }
    Ok(match get(link, place, Some(version)).await? {
        Got::Found(found) => Some(found),
        Got::Absent | Got::Removed => None,
    })
}

/// Lists the versions that can be read.
pub(super) async fn versions(link: &Arc<Link>, place: &Place) -> Result<Vec<VersionInfo>, Fault> {
    let Some((_, numbers)) = metadata(link, place).await? else {
        return Ok(Vec::new());
    };
    let newest = numbers.last().copied();
    let info = |version| VersionInfo {
        version,
        current: Some(version) == newest,
    };
    Ok(numbers.into_iter().map(info).collect())
}

/// Writes what a swap with `highest` allows, and returns the new version.
pub(super) async fn put(
    link: &Arc<Link>,
    place: &Place,
    highest: u64,
    values: &BTreeMap<String, Secret>,
) -> Result<u64, Fault> {
    let cas = u32::try_from(highest).map_err(|_| Fault::Strange("it has too many versions".to_owned()))?;
    let data = codec::encode(values);
    let written = link.call(Ask::ONCE, |client| {
        let request = SetSecretRequest {
            mount: place.mount.clone(),
            path: place.path.clone(),
            data: data.clone(),
            options: Some(SetSecretRequestOptions { cas }),
        };
        async move { api::exec_with_result(&*client, request).await }
    });
    Ok(written.await?.version)
}

/// Makes `values` the current version.
pub(super) async fn write(
    link: &Arc<Link>,
    path: &SecretPath,
    values: &BTreeMap<String, Secret>,
    expect: Expect,
) -> Result<Written, StoreError> {
    let place = Place::of(link, path);
    let failed = |fault| match fault {
        Fault::TooLarge => StoreError::BadValues {
            path: path.clone(),
            reason: "together they are larger than the server takes".to_owned(),
        },
        fault => link.error(format!("write {path}"), fault),
    };
    for _ in 0..ROUNDS {
        let state = state(link, &place).await.map_err(failed)?;
        let found = state.current.as_ref().map(|current| current.version);
        if !expect.holds(found) {
            return Err(StoreError::Conflict {
                path: path.clone(),
                expect,
                found,
            });
        }
        if let Some(current) = &state.current
            && current.values == *values
        {
            return Ok(Written {
                version: current.version,
                changed: false,
            });
        }
        match put(link, &place, state.highest, values).await {
            Ok(version) => {
                return Ok(Written {
                    version,
                    changed: true,
                });
            }
            Err(Fault::Mismatch) => {}
            Err(fault) => return Err(failed(fault)),
        }
    }
    Err(failed(Fault::NoAnswer(
        "others wrote it again and again".to_owned(),
    )))
}

/// Removes one version for good.
pub(super) async fn remove_version(link: &Arc<Link>, place: &Place, version: u64) -> Result<(), Fault> {
    if version == 0 || i32::try_from(version).is_err() {
        return Ok(());
    }
    let removed = link.call(Ask::PLAIN, |client| {
        let place = place.clone();
        async move { kv2::destroy_versions(&*client, &place.mount, &place.path, vec![version]).await }
    });
    absent_is_fine(removed.await)
}

/// Deletes a secret with all its versions.
pub(super) async fn delete(link: &Arc<Link>, place: &Place) -> Result<(), Fault> {
    let deleted = link.call(Ask::PLAIN, |client| {
        let place = place.clone();
        async move { kv2::delete_metadata(&*client, &place.mount, &place.path).await }
    });
    absent_is_fine(deleted.await)
}

/// Lists the names directly below a folder; those of folders end with a slash.
pub(super) async fn names(link: &Arc<Link>, engine: &str, folder: &str) -> Result<Vec<String>, Fault> {
    let mount = link.settings.mount(engine);
    let path = if folder.is_empty() {
        String::new()
    } else {
        format!("{folder}/")
    };
    let listed = link.call(Ask::PLAIN, |client| {
        let (mount, path) = (mount.clone(), path.clone());
        async move { kv2::list(&*client, &mount, &path).await }
    });
    match listed.await {
        Err(Fault::Absent) => Ok(Vec::new()),
        outcome => outcome,
    }
}

/// Lists the secrets of one engine at and below a prefix that consists of whole segments and begins with the
/// engine. Names that no path of Nautes can have belong to others, and are left out.
pub(super) async fn list(link: &Arc<Link>, prefix: &str) -> Result<Vec<SecretPath>, Fault> {
    let (engine, below) = prefix.split_once('/').unwrap_or((prefix, ""));
    let mut found = BTreeSet::new();
    let mut folders = vec![below.to_owned()];
    if let Ok(path) = SecretPath::new(prefix) {
        found.insert(path);
    }
    while !folders.is_empty() {
        let listed = each(folders, |folder: String| {
            let looked = async move {
                let names = names(link, engine, &folder).await?;
                Ok::<_, Fault>((folder, names))
            };
            looked.boxed()
        });
        let listed = listed.await?;
        folders = Vec::new();
        for (folder, names) in listed {
            for name in names {
                let whole = if folder.is_empty() {
                    name.clone()
                } else {
                    format!("{folder}/{name}")
                };
                let is_folder = whole.ends_with('/');
                let whole = whole.trim_end_matches('/').to_owned();
                match SecretPath::new(format!("{engine}/{whole}")) {
                    Ok(path) if !is_folder => drop(found.insert(path)),
                    Ok(_) => folders.push(whole),
                    Err(_) => tracing::debug!(engine, "a name in the secret store is none of ours"),
                }
            }
        }
    }
    // The server lists what has no version left, too.
    let looked = each(found, |path: SecretPath| {
        let looked = async move {
            let place = Place::of(link, &path);
            let left = metadata(link, &place)
                .await?
                .is_some_and(|(_, versions)| !versions.is_empty());
            Ok::<_, Fault>((left && is_below(&path, prefix)).then_some(path))
        };
        looked.boxed()
    });
    let mut paths: Vec<SecretPath> = looked.await?.into_iter().flatten().collect();
    paths.sort();
    Ok(paths)
}

enum Got {
    Found(Versioned),
    Removed,
    Absent,
}

async fn get(link: &Arc<Link>, place: &Place, version: Option<u64>) -> Result<Got, Fault> {
    let read = link.call(Ask::SECRET, |client| {
        let request = ReadSecretRequest {
            mount: place.mount.clone(),
            path: place.path.clone(),
            version,
        };
        async move { api::exec_with_result(&*client, request).await }
    });
    let answer = match read.await {
        Ok(answer) => answer,
        Err(Fault::Removed) => return Ok(Got::Removed),
        Err(Fault::Absent) => return Ok(Got::Absent),
        Err(fault) => return Err(fault),
    };
    let Value::Object(json) = answer.data else {
        return Err(Fault::Strange("the secret is no map".to_owned()));
    };
    let values = codec::decode(json).map_err(|what| Fault::Strange(what.to_owned()))?;
    Ok(Got::Found(Versioned {
        version: answer.metadata.version,
        values,
    }))
}

/// Returns the highest number of a path and the versions that can be read, oldest first; `None` if it is absent.
async fn metadata(link: &Arc<Link>, place: &Place) -> Result<Option<(u64, Vec<u64>)>, Fault> {
    let read = link.call(Ask::PLAIN, |client| {
        let place = place.clone();
        async move { kv2::read_metadata(&*client, &place.mount, &place.path).await }
    });
    let answer = match read.await {
        Err(Fault::Absent) => return Ok(None),
        outcome => outcome?,
    };
    let mut left = Vec::new();
    for (number, about) in answer.versions {
        let number: u64 = number
            .parse()
            .map_err(|_| Fault::Strange("a version is no number".to_owned()))?;
        if about.destroyed {
            continue;
        }
        // A deletion may lie in the future: the server's clock decides, not ours.
        let gone = !about.deletion_time.is_empty()
            && !matches!(get(link, place, Some(number)).await?, Got::Found(_));
        if !gone {
            left.push(number);
        }
    }
    left.sort_unstable();
    Ok(Some((answer.current_version, left)))
}

fn absent_is_fine(outcome: Result<(), Fault>) -> Result<(), Fault> {
    match outcome {
        Err(Fault::Absent) => Ok(()),
        outcome => outcome,
    }
}
