//! Secrets and their versions, as records.

use std::collections::BTreeMap;

use nautes_model::Secret;
use nautes_model::secret::SecretPath;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::codec;
use super::records::{Change, Kind, Records};
use crate::store::{KEPT_VERSIONS, is_below};
use crate::{Expect, StoreError, VersionInfo, Versioned, Written};

/// Which versions of a secret there are. It outlives the last of them, so that no number is used twice.
#[derive(Serialize, Deserialize)]
struct Versions {
    path: SecretPath,
    next: u64,
    kept: Vec<u64>,
}

impl Versions {
    const fn new(path: SecretPath) -> Self {
        Self {
            path,
            next: 1,
            kept: Vec::new(),
        }
    }

    fn current(&self) -> Option<u64> {
        self.kept.last().copied()
    }
}

/// Reads the current version, or the given one.
pub(super) fn read(
    records: &Records,
    path: &SecretPath,
    version: Option<u64>,
) -> Result<Option<Versioned>, StoreError> {
    let view = records.view()?;
    let Some(versions) = parse(records, view.get(Kind::Secret, &about(path))?)? else {
        return Ok(None);
    };
    let wanted = match version {
        None => versions.current(),
        Some(version) => versions.kept.contains(&version).then_some(version),
    };
    let Some(version) = wanted else { return Ok(None) };
    let values = view.get(Kind::Values, &about_version(path, &version.to_le_bytes()))?;
    Ok(Some(Versioned {
        version,
        values: decode(records, values)?,
    }))
}

/// Lists the versions that are kept.
pub(super) fn versions(records: &Records, path: &SecretPath) -> Result<Vec<VersionInfo>, StoreError> {
    let found = parse(records, records.view()?.get(Kind::Secret, &about(path))?)?;
    let Some(found) = found else { return Ok(Vec::new()) };
    let current = found.current();
    Ok(found
        .kept
        .iter()
        .map(|v| VersionInfo {
            version: *v,
            current: Some(*v) == current,
        })
        .collect())
}

/// Writes a version, if the expectation holds and the values are new.
pub(super) fn write(
    records: &Records,
    path: &SecretPath,
    values: &BTreeMap<String, Secret>,
    expect: Expect,
) -> Result<Written, StoreError> {
    let mut change = records.change()?;
    let found = parse(records, change.get(Kind::Secret, &about(path))?)?;
    let mut versions = found.unwrap_or_else(|| Versions::new(path.clone()));
    let current = versions.current();
    if !expect.holds(current) {
        return Err(StoreError::Conflict {
            path: path.clone(),
            expect,
            found: current,
        });
    }
    if let Some(version) = current {
        let stored = change.get(Kind::Values, &about_version(path, &version.to_le_bytes()))?;
        if decode(records, stored)? == *values {
            return Ok(Written {
                version,
                changed: false,
            });
        }
    }
    let version = versions.next;
    versions.next += 1;
    versions.kept.push(version);
    change.put(
        Kind::Values,
        &about_version(path, &version.to_le_bytes()),
        &codec::encode(values),
    )?;
    while versions.kept.len() > KEPT_VERSIONS {
        let old = versions.kept.remove(0);
        change.remove(Kind::Values, &about_version(path, &old.to_le_bytes()))?;
    }
    put(&mut change, &versions)?;
    change.commit()?;
    Ok(Written {
        version,
        changed: true,
    })
}

/// Removes one version.
pub(super) fn remove_version(records: &Records, path: &SecretPath, version: u64) -> Result<(), StoreError> {
    let mut change = records.change()?;
    let Some(mut versions) = parse(records, change.get(Kind::Secret, &about(path))?)? else {
        return Ok(());
    };
    let Some(at) = versions.kept.iter().position(|kept| *kept == version) else {
        return Ok(());
    };
    versions.kept.remove(at);
    change.remove(Kind::Values, &about_version(path, &version.to_le_bytes()))?;
    put(&mut change, &versions)?;
    change.commit()
}

/// Deletes a secret with all that is known about it.
pub(super) fn delete(records: &Records, path: &SecretPath) -> Result<(), StoreError> {
    let mut change = records.change()?;
    let Some(versions) = parse(records, change.get(Kind::Secret, &about(path))?)? else {
        return Ok(());
    };
    for version in &versions.kept {
        change.remove(Kind::Values, &about_version(path, &version.to_le_bytes()))?;
    }
    change.remove(Kind::Secret, &about(path))?;
    change.commit()
}

/// Lists the secrets that have a current version.
pub(super) fn list(records: &Records, prefix: &str) -> Result<Vec<SecretPath>, StoreError> {
    let mut paths = Vec::new();
    for bytes in records.view()?.all(Kind::Secret)? {
        if let Some(versions) = parse(records, Some(bytes))?
            && versions.current().is_some()
            && is_below(&versions.path, prefix)
        {
            paths.push(versions.path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn about(path: &SecretPath) -> [&[u8]; 1] {
    [path.as_str().as_bytes()]
}

fn about_version<'a>(path: &'a SecretPath, version: &'a [u8; 8]) -> [&'a [u8]; 2] {
    [path.as_str().as_bytes(), version]
}

fn put(change: &mut Change<'_>, versions: &Versions) -> Result<(), StoreError> {
    let bytes = serde_json::to_vec(versions).map_err(|e| StoreError::Bug {
        action: format!("describe the versions of {}", versions.path),
        reason: e.to_string(),
    })?;
    change.put(Kind::Secret, &about(&versions.path), &bytes)
}

fn parse(records: &Records, bytes: Option<Zeroizing<Vec<u8>>>) -> Result<Option<Versions>, StoreError> {
    let parsed = bytes.map(|bytes| serde_json::from_slice(&bytes)).transpose();
    parsed.map_err(|_| records.damaged("the versions of a secret cannot be read"))
}

fn decode(
    records: &Records,
    bytes: Option<Zeroizing<Vec<u8>>>,
) -> Result<BTreeMap<String, Secret>, StoreError> {
    let bytes = bytes.ok_or_else(|| records.damaged("the values of a version are missing"))?;
    codec::decode(&bytes).ok_or_else(|| records.damaged("the values of a version cannot be read"))
}
