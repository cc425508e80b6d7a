//! Copying one store into another, for example that of one machine into Vault.

use std::collections::BTreeSet;

use nautes_model::secret::{GrantScope, SecretPath};

use crate::{Expect, SecretStore, StoreError};

/// What to do with a secret that is in both stores with different values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Differing {
    /// The one that is there stays.
    Keep,
    /// The copy becomes the newest version; the one that was there stays below it.
    Replace,
}

/// What was copied, by path; no values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Secrets that the target did not have, or had with other values that were replaced.
    pub written: BTreeSet<SecretPath>,
    /// Secrets that the target had with the same values.
    pub same: BTreeSet<SecretPath>,
    /// Secrets that the target has with other values, and keeps.
    pub kept: BTreeSet<SecretPath>,
    /// Scopes whose grants were changed in the target.
    pub granted: BTreeSet<GrantScope>,
}

/// Copies the current version of every secret, and the grants of every scope, from one store to another.
///
/// # Guarantees
/// * Nothing is removed anywhere, but for grants of scopes that the source has otherwise.
/// * It can be repeated: what was copied is left alone, so that after an interruption the next one goes on.
/// * Each secret is read back from the target and compared.
///
/// # Caveats
/// * Older versions are not copied, and versions count anew.
/// * Whoever writes to the source meanwhile is not waited for: repeat until nothing is written.
///
/// # Errors
/// The first store that fails ends it; what was copied stays. A secret that does not come back from the target as it
/// was written is [`StoreError::Damaged`].
pub async fn copy(
    from: &dyn SecretStore,
    to: &dyn SecretStore,
    differing: Differing,
) -> Result<Copied, StoreError> {
    walk(from, to, differing, true).await
}

/// Looks what [`copy`] would do, and writes nothing.
///
/// # Errors
/// A store cannot be read.
pub async fn plan(
    from: &dyn SecretStore,
    to: &dyn SecretStore,
    differing: Differing,
) -> Result<Copied, StoreError> {
    walk(from, to, differing, false).await
}

async fn walk(
    from: &dyn SecretStore,
    to: &dyn SecretStore,
    differing: Differing,
    writes: bool,
) -> Result<Copied, StoreError> {
    let mut copied = Copied::default();
    for path in from.list("").await? {
        // It may have been deleted since.
        let Some(source) = from.read(&path).await? else {
            continue;
        };
        let target = to.read(&path).await?;
        let expect = match &target {
            Some(found) if found.values == source.values => {
                copied.same.insert(path);
                continue;
            }
            Some(_) if differing == Differing::Keep => {
                copied.kept.insert(path);
                continue;
            }
            Some(found) => Expect::Version(found.version),
            None => Expect::Absent,
        };
        if writes {
            let written = to.write(&path, source.values.clone(), expect).await?;
            let back = to.read_version(&path, written.version).await?;
            if back.is_none_or(|back| back.values != source.values) {
                return Err(StoreError::Damaged {
                    store: format!("the store {}", to.name()),
                    what: format!("{path} does not come back as it was written"),
                    source: None,
                });
            }
        }
        copied.written.insert(path);
    }
    for scope in from.grant_scopes().await? {
        let wanted = from.grants(&scope).await?;
        let changes = if writes {
            !to.converge_grants(&scope, &wanted).await?.is_empty()
        } else {
            to.grants(&scope).await? != wanted
        };
        if changes {
            copied.granted.insert(scope);
        }
    }
    Ok(copied)
}
