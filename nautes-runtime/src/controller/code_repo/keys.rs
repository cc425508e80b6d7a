//! Deploy keys: one pair per repository and level, enabled on every repository that the access relation opens.

mod steps;

use std::collections::{BTreeMap, BTreeSet};

use nautes_gitops::host::DeployKeySpec;
use nautes_gitops::{HostError, RepoPath, Session};
use nautes_model::Secret;
use nautes_vault::keys::{self, RepoCredential, RepoId};
use nautes_vault::{Expect, SecretStore};
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use ssh_key::private::{Ed25519Keypair, KeypairData};
use ssh_key::{LineEnding, PrivateKey};
use zeroize::Zeroizing;

use super::ForgeError;
use steps::Step;

/// The levels that have a key of their own.
pub(super) const LEVELS: [RepoCredential; 2] = [RepoCredential::Readonly, RepoCredential::Readwrite];

/// A key that shall be on a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WantedKey {
    /// The public half, `type base64`.
    pub(super) public_key: String,
    pub(super) can_push: bool,
    /// The repository to which the key belongs.
    pub(super) home: RepoPath,
}

/// Keys by title.
pub(super) type WantedKeys = BTreeMap<String, WantedKey>;

/// The title of a key on the forge.
pub(super) fn title(id: &RepoId, level: RepoCredential) -> String {
    format!("{id}-{}", level.segment())
}

/// Whether a title is of the form that Nautes gives. Such titles are Nautes' own within its groups: a key that
/// has one and is not wanted is a right that nobody has any more.
pub(super) fn is_managed(title: &str) -> bool {
    LEVELS.iter().any(|level| {
        title
            .strip_suffix(level.segment())
            .and_then(|rest| rest.strip_suffix('-'))
            .is_some_and(|id| !id.is_empty())
    })
}

/// Returns the public half of the key that a repository has at a level; `None` if it has none.
pub(super) async fn find_pair(
    store: &dyn SecretStore,
    provider: &str,
    id: &RepoId,
    level: RepoCredential,
) -> Result<Option<String>, ForgeError> {
    let at = keys::repo(provider, id, level).map_err(|_| ForgeError::Provider(provider.to_owned()))?;
    let found = store.resolve(&at).await.map_err(|source| ForgeError::Store {
        action: format!("read the {} key of {id}", level.segment()),
        source,
    })?;
    found.map(|private| public_half(&private, id)).transpose()
}

/// Makes sure that a repository has a key at a level. Returns the public half, and whether it was made now.
pub(super) async fn ensure_pair(
    store: &dyn SecretStore,
    provider: &str,
    id: &RepoId,
    level: RepoCredential,
) -> Result<(String, bool), ForgeError> {
    let at = keys::repo(provider, id, level).map_err(|_| ForgeError::Provider(provider.to_owned()))?;
    let store_error = |source| ForgeError::Store {
        action: format!("keep the {} key of {id}", level.segment()),
        source,
    };
    if let Some(found) = store.resolve(&at).await.map_err(store_error)? {
        return Ok((public_half(&found, id)?, false));
    }
    let (private, public) = generate(id)?;
    let values = BTreeMap::from([(at.key.clone(), private)]);
    match store.write(&at.path, values, Expect::Absent).await {
        Ok(_) => Ok((public, true)),
        // Somebody was faster: his key counts.
        Err(nautes_vault::StoreError::Conflict { .. }) => {
            let found = store.resolve(&at).await.map_err(store_error)?;
            let found = found.ok_or_else(|| ForgeError::BadKey(id.to_string()))?;
            Ok((public_half(&found, id)?, false))
        }
        Err(source) => Err(store_error(source)),
    }
}

/// Adds keys that are missing, and removes none. Returns how many writes it took.
pub(super) async fn add_missing(
    session: &dyn Session,
    path: &RepoPath,
    wanted: &WantedKeys,
) -> Result<u64, ForgeError> {
    let failed = |source| ForgeError::host(format!("list the deploy keys of {path}"), source);
    let present = session.deploy_keys(path).await.map_err(failed)?;
    let mut writes = 0;
    for (title, key) in wanted {
        if !present.iter().any(|there| there.public_key == key.public_key) {
            writes += u64::from(add(session, path, title, key).await?);
        }
    }
    Ok(writes)
}

/// What bringing the keys of a repository in line has led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Converged {
    pub(super) writes: u64,
    /// Whether a key of another repository is not there yet.
    pub(super) late: bool,
    /// What others have put there, in words.
    pub(super) foreign: Vec<String>,
}

/// Makes our keys of a repository exactly `wanted`; `known` are public keys that are ours under any title. What is
/// missing comes first and what is too much goes last, and it goes also where something could not be added.
pub(super) async fn converge(
    session: &dyn Session,
    path: &RepoPath,
    wanted: &WantedKeys,
    known: &BTreeSet<String>,
) -> Result<Converged, ForgeError> {
    let failed = |source| ForgeError::host(format!("bring the deploy keys of {path} in line"), source);
    let present = session.deploy_keys(path).await.map_err(failed)?;
    let mut done = Converged {
        foreign: steps::foreign(&present, wanted, known),
        ..Converged::default()
    };
    let mut broken = None;
    let mut absent: BTreeSet<&str> = BTreeSet::new();
    for step in steps::steps(&present, wanted, known) {
        let result = match &step {
            Step::Add(title) => match wanted.get(*title) {
                Some(key) => add(session, path, title, key).await,
                None => Ok(true),
            },
            Step::Allow { id, can_push } => {
                let changed = session.enable_deploy_key(path, *id, *can_push).await;
                changed.map(|_| true).map_err(failed)
            }
            // The old key works until the new one does.
            Step::Remove {
                replaced: Some(title),
                ..
            } if absent.contains(title) => continue,
            Step::Remove { id, .. } => match session.delete_deploy_key(path, *id).await {
                // Somebody was faster.
                Err(HostError::NotFound { .. }) => Ok(true),
                removed => removed.map(|()| true).map_err(failed),
            },
        };
        let was_done = *result.as_ref().unwrap_or(&false);
        done.writes += u64::from(was_done);
        done.late |= matches!(result, Ok(false));
        if let (false, Step::Add(title)) = (was_done, &step) {
            absent.insert(title);
        }
        if let Err(error) = result {
            broken.get_or_insert(error);
        }
    }
    match broken {
        Some(error) => Err(error),
        None => Ok(done),
    }
}

/// A key that another repository has is enabled; a forge refuses the same key twice. Returns `false` if the
/// other repository does not have it yet.
async fn add(
    session: &dyn Session,
    path: &RepoPath,
    title: &str,
    key: &WantedKey,
) -> Result<bool, ForgeError> {
    let failed = |source| ForgeError::host(format!("add the deploy key {title} to {path}"), source);
    if *path != key.home {
        let Some(id) = id_at(session, &key.home, &key.public_key).await.map_err(failed)? else {
            return Ok(false);
        };
        let enabled = session.enable_deploy_key(path, id, key.can_push).await;
        enabled.map_err(failed)?;
        return Ok(true);
    }
    let spec = DeployKeySpec {
        title: title.to_owned(),
        public_key: key.public_key.clone(),
        can_push: key.can_push,
    };
    match session.create_deploy_key(path, &spec).await {
        // It was taken from its own repository by hand, and others still have it.
        Err(HostError::Conflict { what, why }) => {
            let Some(id) = id_elsewhere(session, &key.public_key).await.map_err(failed)? else {
                return Err(failed(HostError::Conflict { what, why }));
            };
            let enabled = session.enable_deploy_key(path, id, key.can_push).await;
            enabled.map_err(failed)?;
        }
        made => {
            made.map_err(failed)?;
        }
    }
    Ok(true)
}

/// The id of a key in a repository; `None` where there is no such key, or no such repository.
async fn id_at(session: &dyn Session, path: &RepoPath, public_key: &str) -> Result<Option<u64>, HostError> {
    match session.deploy_keys(path).await {
        Err(HostError::NotFound { .. }) => Ok(None),
        listed => Ok(listed?.iter().find(|k| k.public_key == public_key).map(|k| k.id)),
    }
}

/// The id of a key in any repository of which the keys can be seen.
async fn id_elsewhere(session: &dyn Session, public_key: &str) -> Result<Option<u64>, HostError> {
    for group in session.groups().await? {
        for repository in session.repositories(&group.name).await? {
            match id_at(session, &repository.path, public_key).await {
                Ok(None) | Err(HostError::Forbidden { .. }) => {}
                found => return found,
            }
        }
    }
    Ok(None)
}

fn generate(id: &RepoId) -> Result<(Secret, String), ForgeError> {
    let broken = || ForgeError::BadKey(id.to_string());
    let mut seed = Zeroizing::new([0u8; 32]);
    OsRng.try_fill_bytes(&mut *seed).map_err(|_| broken())?;
    let pair = KeypairData::Ed25519(Ed25519Keypair::from_seed(&seed));
    let key = PrivateKey::new(pair, id.as_str()).map_err(|_| broken())?;
    let text = key.to_openssh(LineEnding::LF).map_err(|_| broken())?;
    Ok((
        Secret::new(text.as_bytes()),
        public_text(&key).ok_or_else(broken)?,
    ))
}

fn public_half(private: &Secret, id: &RepoId) -> Result<String, ForgeError> {
    // The error of the parser is not passed on: nobody has promised that it shows nothing.
    PrivateKey::from_openssh(private.expose())
        .ok()
        .and_then(|key| public_text(&key))
        .ok_or_else(|| ForgeError::BadKey(id.to_string()))
}

fn public_text(key: &PrivateKey) -> Option<String> {
    let text = key.public_key().to_openssh().ok()?;
    let mut parts = text.split_whitespace();
    Some(format!("{} {}", parts.next()?, parts.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> RepoId {
        RepoId::new(&"demo".parse().unwrap(), &"api".parse().unwrap())
    }

    #[test]
    fn a_generated_pair_is_read_back_and_no_two_are_the_same() {
        let (private, public) = generate(&id()).unwrap();
        assert!(public.starts_with("ssh-ed25519 AAAA"));
        assert_eq!(public.split(' ').count(), 2, "no comment");
        assert_eq!(public_half(&private, &id()).unwrap(), public);
        assert_ne!(generate(&id()).unwrap().1, public);
        let error = public_half(&Secret::from("canary"), &id()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"));
    }

    #[test]
    fn only_titles_of_our_form_are_managed() {
        for ours in ["demo-api-readonly", "repo-7-readwrite"] {
            assert!(is_managed(ours), "{ours}");
        }
        for other in ["laptop", "readonly", "-readonly", "ci-readonly-2"] {
            assert!(!is_managed(other), "{other}");
        }
    }
}
